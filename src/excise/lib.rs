//! Layers and configs rewritten without what was found in them: the one way to take a secret or
//! a malicious file out of an image. A layer on top hides a file, and whoever can pull the image
//! reads it all the same.
//!
//! In come the layers of an image (base first) and a [`Cut`]: paths, contents, ranges of bytes.
//! [`survey()`] reads every layer once and says which entries of which layers go, and what that
//! means for their hard links; [`Rewriter`] writes the layers with a hit anew, all other entries
//! byte for byte, and [`excise`] does both. A layer without a hit is not written: it keeps its
//! blob. [`config`] does the same for what the config says. Everything here is a function of
//! values and streams; memory follows the number of entries, not their bytes.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod config;
mod cut;
mod image;
mod links;
mod rewrite;
pub mod survey;
mod tap;
#[cfg(test)]
mod tests;

pub use cut::{Cut, Cutting, Dangling, ExciseError, Left, Reason, Redaction, Why};
pub use image::{Excision, NewLayer, excise};
pub use rewrite::Rewriter;
pub use survey::{Survey, survey};
