//! `find` of findutils. Names come sorted: the real one gives them as the directory has them,
//! which no script may rely on.
//!
//! - [`parse`]: arguments to an [`parse::Expression`]
//! - [`walk`]: the files below the starting points
//! - [`evaluate`]: the expression for one file

mod evaluate;
mod parse;
mod walk;

use imgfix_shell::{Process, Status};

/// Walks directory trees and evaluates an expression for each file.
///
/// # Errors
/// A part of the expression that is not evaluated; a path of a running system.
pub fn run(process: &mut Process<'_>) -> Status {
    let request = parse::parse(process)?;
    walk::run(process, &request)
}
