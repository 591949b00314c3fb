//! The one answer to "which installed components does this finding concern, and is each of them
//! fixed?". The planner asks it before a repair, the verifier after it, and the warning about
//! another image's report too, so that they cannot disagree.
//!
//! In come a finding and the components of a store with the order of their versions
//! ([`Components`]); out come those that are concerned ([`concerned`]), what a version must reach
//! ([`Demand`]), whether one does ([`State`]), and what became of the finding ([`verdict`]).
//! Everything is a function of values.
//!
//! When in doubt a version counts as affected: a false "fixed" is the worst answer there is.

mod concern;
mod demand;
mod epoch;
mod line;
mod state;
mod subjects;
pub mod verdict;

pub use concern::{Concern, SameName, concerned};
pub use demand::{Claims, Demand};
pub use imgfix_model::reason::UnknownFix;
pub use imgfix_versions::ZeroFix;
pub use state::{At, State, reason, saw};
pub use subjects::Components;

use std::cmp::Ordering;

use imgfix_versions::VersionOrder;

/// Whether the text can be a version: one begins with a digit, and the store can order it.
fn is_version(text: &str, order: VersionOrder) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit())
        && order.compare(text, text) == Some(Ordering::Equal)
}
