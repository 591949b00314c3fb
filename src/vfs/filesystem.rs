//! [`FileSystem`]: the read side that the merged tree and the overlay share. Packages,
//! scripts and reports read the image only through this trait.

use std::io::Read as _;

use bytes::Bytes;

use super::{Content, Entry, Kind};
use imgfix_model::path::{ImagePath, PathError};

/// The largest file that [`FileSystem::read`] returns, in bytes. Databases and
/// configuration are far below; larger content is streamed.
pub const MAX_READ: u64 = 256 << 20;

/// How many symbolic links one resolution may follow (Linux: 40).
pub const MAX_LINKS: usize = 40;

/// Why something in the image could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum RootfsError {
    /// Nothing is at the path (`ENOENT`).
    #[error("{0}: no such file or directory in the image")]
    NotFound(ImagePath),
    /// What is at the path has no content to read.
    #[error("{0}: not a regular file in the image")]
    NotAFile(ImagePath),
    /// What is at the path can have nothing below it (`ENOTDIR`).
    #[error("{0}: not a directory in the image")]
    NotADirectory(ImagePath),
    /// A directory would be moved into itself (rename(2): `EINVAL`).
    #[error("{from}: cannot be moved below itself, to {to}")]
    IntoItself {
        /// The directory.
        from: ImagePath,
        /// Where it was to go.
        to: ImagePath,
    },
    /// The path leads through more than [`MAX_LINKS`] links (`ELOOP`).
    #[error("{0}: too many levels of symbolic links in the image")]
    LinkLoop(ImagePath),
    /// The file is larger than [`MAX_READ`].
    #[error("{path}: {size} bytes are more than the {MAX_READ} bytes that can be read at once")]
    TooLarge {
        /// The file, links followed.
        path: ImagePath,
        /// Bytes of its content.
        size: u64,
    },
    /// Following links led to a path that no image can have.
    #[error("{path}: {source}")]
    Path {
        /// The path that was asked for.
        path: String,
        /// What is wrong with where it leads.
        source: imgfix_model::path::PathError,
    },
    /// The layer or the temporary file that holds the content cannot be read: no property of the
    /// image.
    #[error("cannot read {what}: {source}")]
    Io {
        /// The file, or the layers in words.
        what: String,
        /// What the system, or the check of the layer's digest, said.
        source: std::io::Error,
    },
}

/// Is shown paths with their entries, by [`FileSystem::visit`].
pub type Visitor<'v, 'a> = &'v mut dyn FnMut(&ImagePath, &'a Entry);

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

    /// Shows everything that [`FileSystem::walk`] would give, with its entry. Nothing is copied:
    /// for those who look at a whole image and keep little of it.
    fn visit<'a>(&'a self, path: &ImagePath, visitor: Visitor<'_, 'a>) {
        for path in self.walk(path) {
            if let Some(entry) = self.lstat(&path) {
                visitor(&path, entry);
            }
        }
    }

    /// A stream of a regular file's content, at exactly this path.
    ///
    /// # Errors
    /// Not a file, or the layer that holds it cannot be read.
    fn open(&self, path: &ImagePath) -> Result<Box<dyn std::io::Read + Send + '_>, RootfsError>;

    /// The note that was made of the file at exactly this path when its layer was read.
    fn note(&self, _path: &ImagePath) -> Option<&Bytes> {
        None
    }

    /// Follows links in every component but the last (what `lstat(2)` does).
    ///
    /// # Errors
    /// Link loops. A missing component is not an error: the rest is appended unresolved.
    fn resolve_parent(&self, path: &ImagePath) -> Result<ImagePath, RootfsError> {
        match (path.parent(), path.file_name()) {
            (None, _) => Ok(ImagePath::root()),
            (Some(parent), name) => {
                let parent = self.resolve(&parent)?;
                parent.join(name).map_err(|source| path_error(path, source))
            }
        }
    }

    /// Follows links in every component, the last included (what `stat(2)` does).
    ///
    /// # Errors
    /// Link loops. A missing component is not an error: the rest is appended unresolved.
    fn resolve(&self, path: &ImagePath) -> Result<ImagePath, RootfsError> {
        follow(&|at| self.lstat(at), path)
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
        let path = self.resolve(path)?;
        let entry = self.lstat(&path).ok_or_else(|| RootfsError::NotFound(path.clone()))?;
        let Kind::File(data) = &entry.kind else { return Err(RootfsError::NotAFile(path)) };
        if data.size > MAX_READ {
            return Err(RootfsError::TooLarge { path, size: data.size });
        }
        if let Content::Inline(bytes) = &data.content {
            return Ok(bytes.clone());
        }
        let mut bytes = Vec::with_capacity(usize::try_from(data.size).unwrap_or(0));
        self.open(&path)?
            .take(MAX_READ)
            .read_to_end(&mut bytes)
            .map_err(|source| RootfsError::Io { what: path.to_string(), source })?;
        Ok(bytes.into())
    }

    /// As [`FileSystem::read`], of a file that is passed over where the image has none there that
    /// can be read: `None` then.
    ///
    /// # Errors
    /// The layer that holds it cannot be read, which is no property of the image.
    fn read_if_readable(&self, path: &ImagePath) -> Result<Option<Bytes>, RootfsError> {
        match self.read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error @ RootfsError::Io { .. }) => Err(error),
            Err(_) => Ok(None),
        }
    }
}

/// Path resolution as path_resolution(7) describes it, with the image root as `/`. A `..`
/// after a missing component just takes that component away again.
pub(super) fn follow<'a>(
    lstat: &dyn Fn(&ImagePath) -> Option<&'a Entry>,
    path: &ImagePath,
) -> Result<ImagePath, RootfsError> {
    let mut resolved = ImagePath::root();
    // What is still to be walked, the next component last.
    let mut pending: Vec<Vec<u8>> = path.components().map(<[u8]>::to_vec).collect();
    pending.reverse();
    let mut links = 0;
    while let Some(component) = pending.pop() {
        if component == b".." {
            resolved = resolved.parent().unwrap_or_else(ImagePath::root);
            continue;
        }
        let next = resolved.join(&component).map_err(|source| path_error(path, source))?;
        let Some(Entry { kind: Kind::Symlink(target), .. }) = lstat(&next) else {
            resolved = next;
            continue;
        };
        links += 1;
        if links > MAX_LINKS {
            return Err(RootfsError::LinkLoop(path.clone()));
        }
        if target.first() == Some(&b'/') {
            resolved = ImagePath::root();
        }
        let parts = target.split(|&b| b == b'/').filter(|c| !c.is_empty() && *c != b".");
        pending.extend(parts.rev().map(<[u8]>::to_vec));
    }
    Ok(resolved)
}

fn path_error(path: &ImagePath, source: PathError) -> RootfsError {
    RootfsError::Path { path: path.to_string(), source }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::Tree;
    use super::super::entry::Entry;
    use super::super::tree::NoLayers;
    use super::*;

    #[test]
    fn what_is_passed_over_is_the_images_fault_and_not_that_of_the_disk() {
        use super::super::tree::BrokenDisk;
        let entries = [
            ("/whole", Entry::file("x", 0o644, 0)),
            ("/folder", Entry::directory(0o755, 0)),
            ("/loop", Entry::symlink("loop", 0)),
            ("/large", BrokenDisk::file(MAX_READ + 1)),
            ("/broken", BrokenDisk::file(1)),
        ];
        let entries = entries.map(|(path, entry)| (ImagePath::literal(path), entry));
        let tree = Tree::from_entries(entries, Arc::new(BrokenDisk));
        let read = |path| tree.read_if_readable(&ImagePath::literal(path));
        assert_eq!(read("/whole").unwrap().as_deref(), Some(&b"x"[..]));
        for path in ["/folder", "/loop", "/large", "/missing"] {
            assert_eq!(read(path).unwrap(), None, "{path}");
        }
        let error = read("/broken").unwrap_err();
        assert!(super::super::fault::is_of_this_machine(&error));
        assert!(error.to_string().contains("Input/output error"), "{error}");
    }

    fn tree() -> Tree {
        let link = |target: &str| Entry::symlink(target, 0);
        let entries = [
            ("/usr/lib/libc.so", Entry::file("elf", 0o644, 0)),
            ("/lib", link("usr/lib")),
            ("/usr/up", link("../../../etc")),
            ("/etc/passwd", Entry::file("root:x:0:0", 0o644, 0)),
            ("/etc/abs", link("/lib/libc.so")),
            ("/etc/missing", link("/nowhere/../gone/x")),
            ("/loop1", link("loop2")),
            ("/loop2", link("/loop1")),
            ("/dot", link("./usr/./lib/")),
        ];
        Tree::from_entries(
            entries.map(|(path, entry)| (ImagePath::literal(path), entry)),
            Arc::new(NoLayers),
        )
    }

    #[test]
    fn links_are_followed_inside_the_root_only() {
        let tree = tree();
        for (path, parent, whole) in [
            ("/", "/", "/"),
            ("/lib", "/lib", "/usr/lib"),
            ("/lib/libc.so", "/usr/lib/libc.so", "/usr/lib/libc.so"),
            ("/usr/up/passwd", "/etc/passwd", "/etc/passwd"),
            ("/usr/up/abs", "/etc/abs", "/usr/lib/libc.so"),
            ("/etc/missing", "/etc/missing", "/gone/x"),
            ("/lib/new/deeper", "/usr/lib/new/deeper", "/usr/lib/new/deeper"),
            ("/etc/passwd/x", "/etc/passwd/x", "/etc/passwd/x"),
            ("/dot/libc.so", "/usr/lib/libc.so", "/usr/lib/libc.so"),
        ] {
            let path = ImagePath::literal(path);
            assert_eq!(tree.resolve_parent(&path).unwrap().to_string(), parent, "{path}");
            assert_eq!(tree.resolve(&path).unwrap().to_string(), whole, "{path}");
        }
    }

    #[test]
    fn loops_end() {
        let tree = tree();
        let path = ImagePath::literal("/loop1");
        assert!(matches!(tree.resolve(&path), Err(RootfsError::LinkLoop(_))));
        assert_eq!(tree.resolve_parent(&path).unwrap(), path);
        assert!(tree.stat(&path).is_none());
        let below = ImagePath::literal("/loop1/x");
        assert!(matches!(tree.resolve_parent(&below), Err(RootfsError::LinkLoop(_))));
    }

    #[test]
    fn reading_follows_links_and_wants_a_file() {
        let tree = tree();
        assert_eq!(&tree.read(&ImagePath::literal("/usr/up/abs")).unwrap()[..], b"elf");
        let error = |path| tree.read(&ImagePath::literal(path)).unwrap_err();
        assert!(matches!(error("/usr"), RootfsError::NotAFile(_)));
        assert!(matches!(error("/etc/missing"), RootfsError::NotFound(_)));
    }
}
