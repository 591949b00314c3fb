//! [`Overlay`]: changes over a [`Tree`], read back as if they were applied.
//!
//! Package installation writes here; the `layer` room turns [`Overlay::changes`] into one
//! layer. All methods take paths literally (no link is followed): callers resolve first
//! with [`FileSystem::resolve_parent`], so that following links is always a visible choice.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use super::{Entry, FileSystem, ImagePath, RootfsError, Tree};

/// What the overlay holds for one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The path is this entry now (new, or replaced, or only its metadata differs).
    Set(Entry),
    /// The path existed in the tree and is gone; everything below it too.
    Removed,
}

/// A mutable view over a shared tree. Cloning is cheap in the number of changes: used to try
/// a package set and drop it whole when it cannot be completed.
#[derive(Clone)]
pub struct Overlay {
    tree: Arc<Tree>,
    upper: BTreeMap<ImagePath, Change>,
}

impl Overlay {
    #[must_use]
    pub fn new(tree: Arc<Tree>) -> Self {
        Self { tree, upper: BTreeMap::new() }
    }

    /// The tree below.
    #[must_use]
    pub fn tree(&self) -> &Arc<Tree> {
        &self.tree
    }

    /// Makes `path` this entry, whatever was there. Replacing a directory by something else
    /// removes what was below it. Missing parents are created as 0755 root directories with
    /// the entry's mtime.
    ///
    /// # Errors
    /// A parent exists and is not a directory.
    pub fn set(&mut self, path: ImagePath, entry: Entry) -> Result<(), RootfsError> {
        let _ = (path, entry);
        todo!()
    }

    /// Removes `path` and everything below. Removing what is not there does nothing.
    pub fn remove(&mut self, path: &ImagePath) {
        let _ = path;
        todo!()
    }

    /// Moves an entry (a directory with everything below) and replaces what was at `to`.
    ///
    /// # Errors
    /// `from` is missing; a parent of `to` is not a directory.
    pub fn rename(&mut self, from: &ImagePath, to: ImagePath) -> Result<(), RootfsError> {
        let _ = (from, to);
        todo!()
    }

    /// Changes metadata in place (mode, owner, mtime, xattrs); the kind and content stay.
    ///
    /// # Errors
    /// `path` is missing.
    pub fn modify(
        &mut self,
        path: &ImagePath,
        change: impl FnOnce(&mut Entry),
    ) -> Result<(), RootfsError> {
        let _ = (path, change);
        todo!()
    }

    /// The effective changes in byte order: entries equal to the tree's are left out, removed
    /// paths are those that the tree has, only the topmost of a removed subtree. When a
    /// removed directory was recreated with other children, the vanished children are listed
    /// one by one.
    pub fn changes(&self) -> impl Iterator<Item = (&ImagePath, Change)> {
        let out: Vec<(&ImagePath, Change)> = todo!();
        #[allow(unreachable_code)]
        out.into_iter()
    }
}

impl FileSystem for Overlay {
    fn lstat(&self, path: &ImagePath) -> Option<&Entry> {
        let _ = path;
        todo!()
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
        let _ = path;
        todo!()
    }
}
