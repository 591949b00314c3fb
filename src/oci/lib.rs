//! Images as values, and where they come from and go to.
//!
//! [`Reference`] names an image as skopeo writes it; a [`Source`] gives manifests and blobs
//! by descriptor, a [`Sink`] takes them, and the three transports (registry, OCI layout,
//! archives) are interchangeable behind these two traits.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod archive;
pub mod archive_sink;
pub mod exact_numbers;
pub mod layout;
mod layout_index;
pub mod manifest;
pub mod open;
pub mod platforms;
pub mod publish;
pub mod reference;
pub mod registry;
mod tar_index;
#[cfg(test)]
pub mod testing;
pub mod transport;
pub mod untag;
pub mod verified;

pub use manifest::{
    Document, Format, ImageConfig, ImageIndex, ImageManifest, compression_of, descriptor,
    digest_of, layer_media_type,
};
pub use open::{check_output, open_sink, open_source};
pub use platforms::{ImageSet, PlatformImage, SkipReason, Skipped, load, platforms};
pub use reference::{Reference, ReferenceError};
pub use registry::RegistryOptions;
pub use transport::{BlobReader, ImageError, OpenBlob, RawManifest, Sink, Source};
pub use untag::{check_deletable, delete_tag};
