//! The one answer to "which installed packages does this finding concern, and is each of them
//! fixed?". The planner asks it before a repair, the verifier after it, and the warning about
//! another image's report too, so that they cannot disagree.
//!
//! In come a finding and installed packages with their versions, and the family's order of
//! versions ([`Rules`]); out come the packages that are concerned ([`concerned`]), what a
//! version must reach ([`Demand`]), and whether one does ([`State`]). Everything is a function
//! of values.
//!
//! When in doubt a version counts as affected: a false "fixed" is the worst answer there is.

mod concern;
mod demand;
mod epoch;
mod line;
mod state;
mod subjects;

pub use concern::{Concern, Named, concerned};
pub use demand::{Claims, Demand};
pub use imgfix_model::reason::UnknownFix;
pub use imgfix_versions::ZeroFix;
pub use state::{At, State, reason, saw};
pub use subjects::{Subjects, at, demand, state, subjects, with_rules};

use std::cmp::Ordering;

/// What the judge has to know of a family of packages.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// Compares two versions; `None` when one of them is none.
    pub compare: &'a dyn Fn(&str, &str) -> Option<Ordering>,
    /// What `0` says as a fixed version.
    pub zero: ZeroFix,
}

impl Rules<'_> {
    fn order(&self, a: &str, b: &str) -> Option<Ordering> {
        (self.compare)(a, b)
    }

    /// Whether the text can be a version: one begins with a digit, and the family can order it.
    fn is_version(&self, text: &str) -> bool {
        text.starts_with(|first: char| first.is_ascii_digit())
            && self.order(text, text) == Some(Ordering::Equal)
    }
}
