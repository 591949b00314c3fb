//! [`Tree`]: the merged, read-only view of an image's layers.
//!
//! In come the parsed layers, lowest first; whiteouts, opaque directories and hard links are
//! applied as the OCI image layer specification says
//! (<https://github.com/opencontainers/image-spec/blob/main/layer.md>).

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use super::{Entry, FileSystem, ImagePath, RootfsError};

/// Reads a layer member's content again, for files too large to keep in memory.
pub trait ContentLoader: Send + Sync {
    /// A stream of the content of member `index` (as in [`super::Content::Layer`]) of layer
    /// `layer`, counted from the lowest.
    ///
    /// # Errors
    /// The layer cannot be read again.
    fn open(&self, layer: u32, index: u32) -> std::io::Result<Box<dyn Read + Send>>;
}

/// The merged layers of one image. Always has a root directory.
pub struct Tree {
    entries: BTreeMap<ImagePath, Entry>,
    loader: Arc<dyn ContentLoader>,
}

impl Tree {
    /// A tree of ready entries; missing parent directories are added (0755, root).
    #[must_use]
    pub fn from_entries(
        entries: impl IntoIterator<Item = (ImagePath, Entry)>,
        loader: Arc<dyn ContentLoader>,
    ) -> Self {
        let _ = (entries, loader);
        todo!()
    }

    /// Number of entries, the root included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All entries in byte order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&ImagePath, &Entry)> {
        self.entries.iter()
    }
}

impl FileSystem for Tree {
    fn lstat(&self, path: &ImagePath) -> Option<&Entry> {
        self.entries.get(path)
    }
    fn read_dir(&self, path: &ImagePath) -> Vec<ImagePath> {
        let _ = path;
        todo!()
    }
    fn walk(&self, path: &ImagePath) -> Vec<ImagePath> {
        let _ = path;
        todo!()
    }
    fn open(&self, path: &ImagePath) -> Result<Box<dyn Read + Send + '_>, RootfsError> {
        let _ = (path, &self.loader);
        todo!()
    }
}
