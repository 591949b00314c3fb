//! Risks of an image's configuration: accounts, modes, settings of programs, how the image runs.
//!
//! In come rules (recipes of schema 2), what the user chooses of them, and the files of an image;
//! out come problems, each with its place, and changes of files after which the same question has
//! no answer any more. Nothing is known here of a single program: which setting is a risk is
//! data, how a file of settings is read is the room `settings`.
//!
//! - [`rules`][]: rules that go together, and which of them are followed
//! - [`check`][]: what a rule finds
//! - [`accounts`][], [`files`][]: of accounts, and of modes and owners
//! - [`change`][]: what a rule does
//! - [`repairer`][]: all of it as a store of the image

mod accounts;
mod change;
pub mod check;
mod files;
pub mod repairer;
pub mod rules;
#[cfg(test)]
mod shipped;
#[cfg(test)]
mod testing;

pub use check::{Place, Problem, RunFacts};
pub use repairer::Baseline;
pub use rules::{RuleChoice, RuleError, Rules};
