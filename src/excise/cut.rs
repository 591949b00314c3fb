//! What is to be cut, and what was.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use imgfix_model::digest::Digest;
use imgfix_model::path::ImagePath;
use imgfix_vfs::LayerError;
use imgfix_vfs::layer::BlobError;

/// What is to be cut out of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cut {
    /// Files that go by their place, out of every layer that has one there: an older version
    /// would come back to light.
    pub paths: BTreeSet<ImagePath>,
    /// Files that go by their content (SHA-256), with all their names, wherever they are. An
    /// empty file is never meant.
    pub contents: BTreeSet<Digest>,
    /// Bytes that are written over in files that stay.
    pub redactions: BTreeMap<ImagePath, Redaction>,
}

/// Bytes of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redaction {
    /// The content that the ranges are about: a file with another one is left alone.
    pub content: Digest,
    /// Bytes that become `*`.
    pub ranges: Vec<Range<u64>>,
}

impl Cut {
    /// Whether nothing is to be cut.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.contents.is_empty() && self.redactions.is_empty()
    }
}

/// Why an entry is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// [`Cut::paths`] has its place.
    Path,
    /// [`Cut::contents`] has its content.
    Content,
    /// The same layer has what is cut at the same place, later: it would come to light.
    Shadowed,
    /// [`Cut::redactions`] has it: it stays, with other bytes.
    Redacted,
}

/// One entry that was cut or redacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cutting {
    /// The layer, the lowest is 0.
    pub layer: usize,
    /// As the layer's archive names it.
    pub path: ImagePath,
    /// Bytes of content; none for another name of an entry. Of a redaction, those written over.
    pub bytes: u64,
    /// The content's digest, when it was taken.
    pub content: Option<Digest>,
    /// Why.
    pub reason: Reason,
}

/// A symbolic link that leads to nothing since its target was cut. It stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dangling {
    /// Where it is.
    pub path: ImagePath,
    /// What it points to, as stored.
    pub target: Vec<u8>,
}

/// An entry at a place of the cut that was left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The layer, the lowest is 0.
    pub layer: usize,
    /// As the layer's archive names it.
    pub path: ImagePath,
    /// Why.
    pub why: Why,
}

/// Why an entry was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// A folder, a symbolic link or a device: only files are cut.
    NotAFile,
    /// Its content is not the one that the ranges of the redaction are about.
    OtherContent,
}

/// Why an image cannot be rewritten. Nothing of it is changed then.
#[derive(Debug, thiserror::Error)]
pub enum ExciseError {
    /// A layer cannot be read.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// A layer is of a form in which the entry cannot be cut.
    #[error("layer {}: {entry}: {why}", layer + 1)]
    Refused {
        /// The layer, the lowest is 0.
        layer: usize,
        /// The entry.
        entry: String,
        /// What is in the way, for people.
        why: String,
    },
    /// A layer is read a second time and is not what it was.
    #[error("layer {}: {why}", layer + 1)]
    Changed {
        /// The layer, the lowest is 0.
        layer: usize,
        /// What the tar reader says.
        why: String,
    },
    /// The new layer or a temporary file cannot be written.
    #[error("cannot write the new layer {}: {source}", layer + 1)]
    Output {
        /// The layer, the lowest is 0.
        layer: usize,
        /// What the system says.
        source: std::io::Error,
    },
    /// The compressor cannot be started.
    #[error("cannot write the new layer {}: {source}", layer + 1)]
    Compressor {
        /// The layer, the lowest is 0.
        layer: usize,
        /// What it says.
        source: BlobError,
    },
}
