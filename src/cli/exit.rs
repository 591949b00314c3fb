//! Exit codes, documented in README and `--help`, and the one error type that leaves a
//! subcommand.

use std::fmt;

/// Done.
pub const DONE: u8 = 0;
/// Failed; nothing was published.
pub const FAILED: u8 = 1;
/// The command line is wrong.
pub const USAGE: u8 = 2;
/// Published, but findings at or above `--fail-on` remain.
pub const REMAINING: u8 = 3;

/// The exit codes as `--help` shows them.
pub const HELP: &str = "\
Exit codes:
  0  done
  1  failed, nothing published
  2  usage
  3  published, but findings at or above --fail-on remain
  130, 143  interrupted (SIGINT, SIGTERM); the message says whether something was published";

/// The exit code that shells give to a process ended by a signal.
#[must_use]
pub fn of_signal(signal: i32) -> i32 {
    128 + signal
}

/// Why a subcommand failed.
#[derive(Debug)]
pub enum Failure {
    /// The arguments do not fit together; exit code 2.
    Usage(String),
    /// The work failed; exit code 1.
    Work(Box<dyn std::error::Error + Send + Sync>),
}

impl Failure {
    /// The process's exit code for this failure.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Failure::Usage(_) => USAGE,
            Failure::Work(_) => FAILED,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(text) => f.write_str(text),
            Failure::Work(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Work(Box::new(error))
    }
}
