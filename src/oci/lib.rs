//! Images as values, and where they come from and go to.
//!
//! [`Reference`] names an image as skopeo writes it; a [`Source`] gives manifests and blobs
//! by descriptor, a [`Sink`] takes them, and the three transports (registry, OCI layout,
//! archives) are interchangeable behind these two traits.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod archive;
pub mod archive_sink;
pub mod artifact;
pub mod exact_numbers;
pub mod image_config;
pub mod image_index;
pub mod layout;
mod layout_index;
pub mod manifest;
pub mod media_type;
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

pub use image_config::ImageConfig;
pub use image_index::ImageIndex;
pub use manifest::{Document, ImageManifest, descriptor, digest_of};
pub use media_type::{Format, compression_of, layer_media_type};
pub use open::{check_output, open_sink, open_source};
pub use platforms::{ImageSet, PlatformImage, SkipReason, Skipped, load, platforms};
pub use reference::{Reference, ReferenceError};
pub use registry::RegistryOptions;
pub use transport::{BlobReader, ImageError, OpenBlob, RawManifest, Sink, Source};
pub use untag::{check_deletable, delete_tag};
