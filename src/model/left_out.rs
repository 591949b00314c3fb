//! Repositories that are not used because they cannot be: [`LeftOut`].
//!
//! A source that is unreachable, unsigned or gone does not stop what the others can repair. It
//! is left out and said, with what would help.

use std::fmt;

/// A repository that is not used, because it cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// `http://deb.debian.org/debian bookworm`.
    pub source: String,
    /// Half a sentence, with the remedy.
    pub why: String,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is left out: {}", self.source, self.why)
    }
}
