//! What a script does: the evaluator of POSIX shell as dash has it, and of the part of bash
//! that maintainer scripts use.
//!
//! In come a [`Machine`], a [`Script`] and how it is called; out comes its exit status, with
//! every effect in the machine. Whatever is not evaluated faithfully is a [`Stop`] that names
//! the line. Where POSIX leaves a choice, dash's is taken (its man page, and its behaviour as
//! the tests record it); in bash's dialect, bash's.
//!
//! - [`flow`]: how evaluation leaves a construct
//! - [`state`], [`variables`]: what a subshell copies
//! - [`evaluate`], [`simple`], [`redirect`]: commands of every kind
//! - [`expand`]: words to fields
//! - [`builtins`]: the commands that the shell has itself
//! - [`bash`]: what only bash has

mod bash;
mod builtins;
mod evaluate;
mod expand;
mod flow;
mod redirect;
mod simple;
mod state;
mod variables;

use bytes::Bytes;

pub use super::syntax::Dialect;
use super::{Call, Machine, Status, Stop};
use flow::{Eval, Exit};
use state::State;

/// A script to be run.
#[derive(Debug, Clone)]
pub struct Script {
    /// Its name for people, and in stops.
    pub name: String,
    /// Its lines, read one command line after the other: what stands behind an `exit` is not read.
    pub text: Bytes,
    /// Whose syntax and builtins it has.
    pub dialect: Dialect,
    /// Options from the `#!` line or the command line: `-e`.
    pub options: Vec<Vec<u8>>,
}

/// Runs a script with `call`'s arguments (`argv[0]` is `$0`).
///
/// # Errors
/// It cannot be evaluated.
pub fn run(machine: &mut Machine, script: &Script, call: Call) -> Status {
    let state = State::new(machine, script.dialect, call);
    let mut shell = Shell { machine, dialect: script.dialect, state };
    let nesting = shell.machine.nesting;
    let result = shell.run_script(script);
    let result = shell.finish(result);
    shell.machine.nesting = nesting;
    let line = shell.state.line;
    result.map_err(|stop| stop.at(&script.name, line))
}

/// A shell, or a subshell of one.
struct Shell<'m> {
    machine: &'m mut Machine,
    dialect: Dialect,
    state: State,
}

impl Shell<'_> {
    fn run_script(&mut self, script: &Script) -> Eval {
        for option in &script.options {
            match option.strip_prefix(b"-o ") {
                Some(name) => self.set_named_option(name, true)?,
                None => self.set_option_word(option)?,
            }
        }
        self.run_text(&script.text)
    }

    /// What a shell does when its last command has ended: the EXIT trap, and the status.
    fn finish(&mut self, result: Eval) -> Result<u8, Stop> {
        let status = self.status_of(result)?;
        let Some(action) = self.state.traps.remove(&b"EXIT"[..]).flatten() else {
            return Ok(status);
        };
        self.state.status = status;
        match self.run_text(&action) {
            Err(Exit::Shell(status)) => Ok(status),
            Err(Exit::Stop(stop)) => Err(stop),
            Err(Exit::Error) => Ok(2),
            _ => Ok(status),
        }
    }

    /// The exit status of a shell whose evaluation ended so.
    fn status_of(&self, result: Eval) -> Result<u8, Stop> {
        match result {
            Ok(status) | Err(Exit::Shell(status) | Exit::Return(status)) => Ok(status),
            Err(Exit::Error) => Ok(2),
            Err(Exit::Break(_) | Exit::Continue(_)) => Ok(self.state.status),
            Err(Exit::Stop(stop)) => Err(stop),
        }
    }
}
