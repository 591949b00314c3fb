//! POSIX regular expressions with GNU's extensions, as sed, grep, find, expr and awk use them.
//!
//! In come a pattern and a text, both bytes of the C locale; out comes the leftmost match, the
//! longest of those that begin there, with its groups.
//!
//! Own code, because no kept crate has these rules: `regex` and `regex-automata` take the first
//! alternative that fits instead of the longest match (`a|ab`), give no groups for a longest
//! match, and know no back-references; `fancy-regex` adds those but keeps the first
//! alternative; none reads basic expressions. Patterns and lines of scripts are short, and the
//! work of a search is bounded by [`search`].
//!
//! - [`parse`]: basic and extended expressions to a [`parse::Node`]
//! - [`program`]: a node to instructions
//! - [`search`]: instructions over a text

mod parse;
mod program;
mod search;
#[cfg(test)]
mod tests;

pub use parse::class_bytes;

use super::Stop;
use parse::Node;
use program::Program;

/// How a pattern is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// `grep`, `sed`, `expr`.
    Basic,
    /// `grep -E`, `sed -E`.
    Extended,
    /// Extended, without intervals, back-references and GNU's escapes: mawk.
    Awk,
    /// Only bytes: `grep -F`.
    Literal,
}

/// What must be around a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Around {
    /// No condition.
    #[default]
    Anything,
    /// No letter, digit or underscore: `grep -w`.
    NoWord,
    /// Nothing: `grep -x`, `find -regex`.
    Nothing,
    /// Nothing before it: `expr`.
    NothingBefore,
}

/// How a pattern matches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Letters fit in either case: `grep -i`.
    pub ignore_case: bool,
    /// `^` and `$` match at every newline of the text.
    pub multiline: bool,
    /// The condition on what stands beside a match.
    pub around: Around,
}

/// Why a pattern or a search cannot be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegexError {
    /// The text is no pattern, or a pattern that is not evaluated.
    #[error("regular expression {pattern:?}: {problem}")]
    Pattern {
        /// As written, made readable.
        pattern: String,
        /// What is wrong with it, as the end of a sentence.
        problem: &'static str,
    },
    /// The bound of steps for one search is reached.
    #[error("a regular expression needs too many steps")]
    TooHard,
}

impl From<RegexError> for Stop {
    fn from(error: RegexError) -> Self {
        Stop::new(error.to_string())
    }
}

/// A compiled pattern.
#[derive(Debug)]
pub struct Regex {
    program: Program,
}

/// Where a pattern and its groups match: positions in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Byte of the text where it begins.
    pub start: usize,
    /// The byte behind its last one.
    pub end: usize,
    /// Group 1 first; `None` for a group that took no part.
    pub groups: Vec<Option<(usize, usize)>>,
}

impl Match {
    /// The span of group `number`; 0 is the whole match.
    #[must_use]
    pub fn group(&self, number: usize) -> Option<(usize, usize)> {
        match number {
            0 => Some((self.start, self.end)),
            _ => self.groups.get(number - 1).copied().flatten(),
        }
    }
}

impl Regex {
    /// Reads a pattern.
    ///
    /// # Errors
    /// It is none, or is not evaluated.
    pub fn new(pattern: &[u8], syntax: Syntax, options: Options) -> Result<Self, RegexError> {
        let wrong = |problem| RegexError::Pattern {
            pattern: String::from_utf8_lossy(pattern).into_owned(),
            problem,
        };
        let parsed = parse::parse(pattern, syntax).map_err(wrong)?;
        let node = match options.around {
            Around::Anything => parsed.node,
            Around::NoWord => {
                Node::Concat(vec![Node::NoWordBefore, parsed.node, Node::NoWordAfter])
            }
            Around::Nothing => Node::Concat(vec![Node::TextStart, parsed.node, Node::TextEnd]),
            Around::NothingBefore => Node::Concat(vec![Node::TextStart, parsed.node]),
        };
        let program = Program::new(&node, parsed.groups, options).map_err(wrong)?;
        Ok(Self { program })
    }

    /// How many groups the pattern has.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.program.groups
    }

    /// The leftmost longest match that begins at `start` or later. What is before `start` is
    /// still seen by `^` and word boundaries.
    ///
    /// # Errors
    /// The search needs too many steps.
    pub fn find_at(&self, text: &[u8], start: usize) -> Result<Option<Match>, RegexError> {
        search::find(&self.program, text, start)
    }

    /// Whether the pattern matches anywhere.
    ///
    /// # Errors
    /// The search needs too many steps.
    pub fn is_match(&self, text: &[u8]) -> Result<bool, RegexError> {
        Ok(self.find_at(text, 0)?.is_some())
    }
}
