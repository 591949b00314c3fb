//! From a patch layer to a published image.
//!
//! [`rebuild()`] and [`rebuild_index`] are functions of bytes: the original manifest, config and
//! index with one layer, one history entry and the marks of a repair added, everything else
//! as it was. [`original_of`] is their inverse, so that repairing a repaired image starts
//! from the original again. [`excised()`] puts other lower layers into an original that something
//! was cut out of. [`publish`] then moves blobs into a sink, the tag last.

pub mod excised;
mod history;
pub mod json_style;
pub mod original;
pub mod provenance;
pub mod push;
pub mod rebuild;
#[cfg(test)]
pub mod testing;

pub use excised::excised;
pub use original::{Fidelity, OriginalParts, original_of};
pub use provenance::{Excised, Provenance};
pub use push::{NewImage, NewLayer, Publication, Published, manifest_descriptor, publish};
pub use rebuild::{Marked, PatchLayer, Rebuilt, RebuiltIndex, mark, rebuild, rebuild_index};

use crate::ImageError;

/// Why a repaired image could not be composed or published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The original has a shape that a layer cannot be added to.
    #[error("{0}")]
    Rebuild(String),
    /// A source or sink failed.
    #[error(transparent)]
    Image(#[from] ImageError),
}
