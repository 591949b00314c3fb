//! Writes the changes of an [`crate::Overlay`] as one image layer.
//!
//! In comes the overlay; out go the bytes of a layer blob, its digest and its diff ID. The
//! same changes give the same bytes on every machine: entries are sorted, headers hold only
//! what the overlay says, and compression does not depend on the number of threads.

pub mod blob;
pub mod compressor;
mod gzip;
mod plan;
pub mod renewed;
mod tar_header;
pub mod writer;

pub use crate::Compression;
pub use blob::{BlobError, BlobWriter, WrittenBlob};
pub use compressor::LevelError;
pub use renewed::{Renewed, renewed};
pub use writer::{LayerOptions, WriteError, WrittenLayer, whiteout_member, write_layer};
