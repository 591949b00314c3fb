//! The two seams between images and the outside: [`Source`] and [`Sink`].
//!
//! Both are synchronous; the registry implementation drives its own async runtime. Blobs are
//! streams. A source verifies what it hands out: size and digest are checked while reading
//! and a mismatch is an error at the end of the stream, never silent.

use std::io::Read;

use bytes::Bytes;
use oci_spec::image::Descriptor;

use super::Reference;
use imgfix_json::JsonError;
use imgfix_model::digest::Digest;

/// Why an image could not be read or written. Every message names the image, the place in
/// it and, where there is one, the way out.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// Something is not as a specification wants it, or has another digest than it should.
    #[error("{place}: {why}")]
    Invalid {
        /// The image, and what of it.
        place: String,
        /// What is wrong, for people.
        why: String,
    },
    /// The image, or a part of it, is not there.
    #[error("{place}: not found{hint}")]
    NotFound {
        /// The image, and what of it.
        place: String,
        /// What to look at, behind a semicolon; may be empty.
        hint: String,
    },
    /// The operating system refused something, or a stream failed.
    #[error("{place}: {source}")]
    Io {
        /// The image, and what of it.
        place: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A registry refuses, cannot be reached, or does not keep to the protocol.
    #[error("{place}: {why}")]
    Registry {
        /// The image.
        place: String,
        /// What happened and the way out, for people; nothing of it is a secret.
        why: String,
    },
    /// A kind of document or layer that cannot be repaired.
    #[error("{place}: media type {media_type:?} is not supported: {why}")]
    MediaType {
        /// The image, and what of it.
        place: String,
        /// The media type, cut when it is long.
        media_type: String,
        /// What is wanted, or what to do instead, for people.
        why: String,
    },
}

impl ImageError {
    /// Something of `place` is not as a specification wants it.
    pub fn invalid(place: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Invalid { place: place.into(), why: why.into() }
    }

    /// The document at `place` is not JSON, or has a key twice.
    pub fn json(place: impl Into<String>, error: JsonError) -> Self {
        let why = match error {
            JsonError::Duplicate(error) => {
                format!("{error}; have the image built anew by another tool")
            }
            JsonError::Syntax(error) => format!("not valid JSON: {error}"),
        };
        Self::invalid(place, why)
    }

    /// The operating system refused something at `place`.
    pub fn io(place: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io { place: place.into(), source }
    }
}

/// A manifest or index exactly as stored: its digest is over these bytes.
#[derive(Debug, Clone)]
pub struct RawManifest {
    /// As the transport says; may be empty or generic until [`Document`](super::Document) has
    /// read it.
    pub media_type: String,
    /// SHA-256 of `bytes`.
    pub digest: Digest,
    /// The document.
    pub bytes: Bytes,
}

/// A verified stream of a blob: reading to the end checks size and digest.
pub type BlobReader = Box<dyn Read + Send>;

/// Content that can be read from its beginning as often as it is needed: a registry sends a
/// blob again when the connection was cut.
pub type OpenBlob<'a> = &'a (dyn Fn() -> Result<BlobReader, ImageError> + Sync);

/// Where an image is read from.
pub trait Source: Send + Sync {
    /// The reference this source was opened with; a layout or archive that was named without
    /// a tag has the tag of its one image here, when it has one.
    fn reference(&self) -> &Reference;

    /// The whole name that a layout or archive of several images gives this one
    /// (`io.containerd.image.name`).
    fn image_name(&self) -> Option<&str> {
        None
    }

    /// The top manifest or index.
    ///
    /// # Errors
    /// Missing tag, unreachable registry, invalid layout.
    fn root(&self) -> Result<RawManifest, ImageError>;

    /// A manifest that an index names, checked against the descriptor.
    ///
    /// # Errors
    /// Missing, or other size or digest than the descriptor says.
    fn manifest(&self, descriptor: &Descriptor) -> Result<RawManifest, ImageError>;

    /// A blob (config or layer) as stored.
    ///
    /// # Errors
    /// Missing. Wrong size or digest shows as an I/O error of the stream, at its end.
    fn blob(&self, descriptor: &Descriptor) -> Result<BlobReader, ImageError>;
}

/// Where an image is written to. Nothing is visible under the tag before [`Sink::tag`];
/// dropping a sink that was not tagged leaves no trace that a reader of the tag could see.
pub trait Sink: Send + Sync {
    /// Whether the blob is there already.
    ///
    /// # Errors
    /// The destination cannot be asked.
    fn has_blob(&self, digest: &Digest) -> Result<bool, ImageError>;

    /// Stores a blob from a stream; checks size and digest of what it stores. `content` is
    /// opened once, or again for each retry.
    ///
    /// # Errors
    /// Stream or destination fail.
    fn put_blob(&self, descriptor: &Descriptor, content: OpenBlob<'_>) -> Result<(), ImageError>;

    /// Makes a blob of `source` available here without sending its bytes when that is
    /// possible (same layout, same repository, cross-repository mount). `false`: not
    /// possible, the caller sends the bytes.
    ///
    /// # Errors
    /// The destination fails.
    fn link_blob(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<bool, ImageError>;

    /// Stores a manifest or index by digest, without a tag.
    ///
    /// # Errors
    /// Destination fails.
    fn put_manifest(&self, manifest: &RawManifest) -> Result<(), ImageError>;

    /// The last step: points the tag at this manifest, atomically.
    ///
    /// # Errors
    /// Destination fails; the old tag is then as it was.
    fn tag(&self, manifest: &RawManifest) -> Result<(), ImageError>;
}
