//! Builtins for what the machine does not have: other processes, limits, a terminal. And
//! aliases, which change how the text behind them is read.

use bstr::BString;

use crate::Stop;
use crate::shell::Shell;
use crate::shell::flow::{Eval, Failure};

pub(super) fn stop(_: &mut Shell<'_>, argv: &[BString], _: Failure) -> Eval {
    let name = argv.first().cloned().unwrap_or_default();
    Err(Stop::new(format!("the builtin {name}")).into())
}

/// `jobs` and `wait`: there never are any.
pub(super) fn no_jobs(shell: &mut Shell<'_>, argv: &[BString], failure: Failure) -> Eval {
    match argv.len() {
        1 => Ok(0),
        _ => stop(shell, argv, failure),
    }
}

pub(super) fn alias(shell: &mut Shell<'_>, argv: &[BString], failure: Failure) -> Eval {
    match argv.len() {
        1 => Ok(0),
        _ => stop(shell, argv, failure),
    }
}

pub(super) fn unalias(shell: &mut Shell<'_>, argv: &[BString], failure: Failure) -> Eval {
    match argv.get(1).map(|word| &word[..]) {
        Some(b"-a") => Ok(0),
        _ => stop(shell, argv, failure),
    }
}
