//! Files and folders that rules of the user's replace: what no package owns and no registry has, as
//! a JDK unpacked under `/opt` or a downloaded program.
//!
//! In come rules ([`Replacement`](imgfix_model::replacement::Replacement)), an image, and what a
//! URL has, which must have the rule's SHA-256; out come the new files over the overlay, and notes
//! on rules that found nothing or that a package forbids. What becomes of findings the other stores
//! say, when they have read what is there then.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod place;
mod repairer;
mod unpack;

pub use repairer::Files;
pub use unpack::{UnpackError, Unpacked, unpack};
