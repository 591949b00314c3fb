//! The commands that maintainer scripts of every family call: what coreutils, sed, grep,
//! find and others do there, over the machine's files.
//!
//! One file a command. Each knows the options that real scripts use; any other option is a
//! [`Stop`](super::Stop), so that a script is never evaluated as if it had not asked for it.

mod mkdir;
pub mod mode;
#[cfg(test)]
pub(crate) mod testing;
mod truth;

use super::Command;

/// All commands of this folder by name.
pub const COMMANDS: &[(&str, Command)] =
    &[("false", truth::no), ("mkdir", mkdir::run), ("true", truth::yes)];
