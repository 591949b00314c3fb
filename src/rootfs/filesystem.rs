//! [`FileSystem`]: the read side that the merged tree and the overlay share. Packages,
//! scripts and reports read the image only through this trait.

use bytes::Bytes;

use super::{Entry, ImagePath};

/// The largest file that [`FileSystem::read`] returns, in bytes. Databases and
/// configuration are far below; larger content is streamed.
pub const MAX_READ: u64 = 256 << 20;

/// How many symbolic links one resolution may follow (Linux: 40).
pub const MAX_LINKS: usize = 40;

/// Why something in the image could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum RootfsError {
    #[error("{0}: no such file or directory in the image")]
    NotFound(ImagePath),
    #[error("{0}: not a regular file in the image")]
    NotAFile(ImagePath),
    #[error("{0}: not a directory in the image")]
    NotADirectory(ImagePath),
    #[error("{0}: too many levels of symbolic links in the image")]
    LinkLoop(ImagePath),
    #[error("{path}: {size} bytes is more than the {MAX_READ} bytes that can be read at once")]
    TooLarge { path: ImagePath, size: u64 },
    #[error("{path}: {source}")]
    Path { path: String, source: super::PathError },
    #[error("cannot read {what}: {source}")]
    Io { what: String, source: std::io::Error },
}

/// Reading a root file system. Paths given to `lstat` and `read_dir` are taken literally;
/// the provided methods resolve symbolic links, always inside the image root: an absolute
/// target starts at the image root and `..` stops there.
pub trait FileSystem {
    /// The entry at exactly this path, links not followed.
    fn lstat(&self, path: &ImagePath) -> Option<&Entry>;

    /// Direct children of exactly this directory, in byte order of their names.
    fn read_dir(&self, path: &ImagePath) -> Vec<ImagePath>;

    /// Everything at or below exactly this path, in byte order (parents before children).
    fn walk(&self, path: &ImagePath) -> Vec<ImagePath>;

    /// A stream of a regular file's content, at exactly this path.
    ///
    /// # Errors
    /// Not a file, or the layer that holds it cannot be read.
    fn open(&self, path: &ImagePath) -> Result<Box<dyn std::io::Read + Send + '_>, RootfsError>;

    /// Follows links in every component but the last (what `lstat(2)` does).
    ///
    /// # Errors
    /// Link loops. A missing component is not an error: the rest is appended unresolved.
    fn resolve_parent(&self, path: &ImagePath) -> Result<ImagePath, RootfsError> {
        let _ = path;
        todo!()
    }

    /// Follows links in every component, the last included (what `stat(2)` does).
    ///
    /// # Errors
    /// Link loops. A missing component is not an error: the rest is appended unresolved.
    fn resolve(&self, path: &ImagePath) -> Result<ImagePath, RootfsError> {
        let _ = path;
        todo!()
    }

    /// The entry behind all links.
    fn stat(&self, path: &ImagePath) -> Option<&Entry> {
        self.lstat(&self.resolve(path).ok()?)
    }

    /// The whole content of the regular file behind all links.
    ///
    /// # Errors
    /// Missing, not a file, larger than [`MAX_READ`], or unreadable.
    fn read(&self, path: &ImagePath) -> Result<Bytes, RootfsError> {
        let _ = path;
        todo!()
    }
}
