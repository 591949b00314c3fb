//! Shell scripts as trees.
//!
//! In comes the text of a script; out come its commands with line numbers, one complete
//! command line after the other, as the shell itself reads them: what stands after an `exit`
//! need not be shell at all. Grammar: POSIX.1-2017, Shell Command Language, section 2.10, as
//! dash reads it, and the part of bash's that real maintainer scripts use.
//!
//! - [`tree`]: the commands and words
//! - [`parser`]: commands and lists of them
//! - [`word`]: words, quotes and expansions
//! - [`redirection`]: redirections and here-documents

mod compound;
mod expansion;
mod parser;
mod redirection;
#[cfg(test)]
mod survey;
#[cfg(test)]
mod tests;
pub(crate) mod tree;
mod word;

pub use parser::Parser;

/// Whose extensions a script may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// dash: POSIX, and `local`.
    Posix,
    /// busybox's ash: as dash, and some of what bash has. Where they are not the same and it is
    /// not known what ash does, it is a stop.
    Ash,
    /// bash 5, as far as maintainer scripts use it.
    Bash,
}

/// Why a script could not be parsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct SyntaxError {
    /// From 1.
    pub line: u32,
    /// What stands there, or what is missing, as the end of a sentence.
    pub problem: String,
}

/// Whether a name is one of a variable.
#[must_use]
pub fn is_name(text: &[u8]) -> bool {
    text.first().is_some_and(|b| is_name_start(*b)) && text.iter().all(|b| is_name_byte(*b))
}

pub(crate) fn is_name_start(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_'
}

pub(crate) fn is_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}
