//! What a script does: the evaluator.
use super::{Call, Machine, Status, Stop};
use bytes::Bytes;

/// Whose extensions a script may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// dash: POSIX, and `local`.
    Posix,
    Bash,
}

/// A script to be run.
#[derive(Debug, Clone)]
pub struct Script {
    /// Its name for people, and in stops.
    pub name: String,
    pub text: Bytes,
    pub dialect: Dialect,
    /// Options from the `#!` line or the command line: `-e`.
    pub options: Vec<Vec<u8>>,
}

/// Runs a script with `call`'s arguments (`argv[0]` is `$0`).
///
/// # Errors
/// It cannot be evaluated.
pub fn run(machine: &mut Machine, script: &Script, call: Call) -> Status {
    let _ = (machine, call);
    Err(Stop::new("shell scripts are not evaluated yet").at(&script.name, 0))
}
