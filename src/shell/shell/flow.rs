//! [`Exit`]: how evaluation leaves the construct it is in.

use crate::Stop;

/// Why evaluation does not go on with the next command.
#[derive(Debug)]
pub(super) enum Exit {
    /// Evaluation ends without a result.
    Stop(Stop),
    /// The shell ends: `exit`, or a failure under `set -e`.
    Shell(u8),
    /// An error, whose message has been written: it ends the shell with status 2, or only
    /// the builtin in which it happened.
    Error,
    Return(u8),
    /// Out of so many loops.
    Break(u32),
    /// To the next round of the loop so many levels up.
    Continue(u32),
}

impl From<Stop> for Exit {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

/// A status, or another way out.
pub(super) type Eval<T = u8> = Result<T, Exit>;

/// Whether a failing command ends the shell under `set -e`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// It does.
    Ends,
    /// Its status is looked at: a condition, the left side of `&&`, what `!` negates.
    Tested,
}
