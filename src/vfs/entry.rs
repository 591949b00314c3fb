//! What a path in the image is: [`Entry`] with its kind, mode, owner, time, extended
//! attributes and, for regular files, where the content can be read.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::spool::SpoolFile;

/// Extended attributes by name (`security.capability`, `user.x`), values as raw bytes.
pub type Xattrs = BTreeMap<Vec<u8>, Vec<u8>>;

/// Identity of a hard-linked file: regular files with the same id are one inode.
/// Unique within a tree and its overlay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub u64);

/// One inode's metadata as an OCI layer records it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its type, with what only that type has: content, a target, device numbers.
    pub kind: Kind,
    /// Permission bits with setuid, setgid and sticky (`0o7777`).
    pub mode: u32,
    /// The owner, by the image's numbers.
    pub uid: u32,
    /// The group, by the image's numbers.
    pub gid: u32,
    /// Modification time, seconds since the epoch.
    pub mtime: i64,
    /// Extended attributes: `SCHILY.xattr.` records of the layer.
    pub xattrs: Xattrs,
}

/// The type of an entry: those of inode(7) that a layer can hold. It holds no sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `S_IFDIR`. What is in it are entries of their own.
    Directory,
    /// `S_IFREG`.
    File(FileData),
    /// `S_IFLNK`: the link's target exactly as stored.
    Symlink(Vec<u8>),
    /// `S_IFIFO`.
    Fifo,
    /// `S_IFCHR`.
    CharDevice {
        /// The driver, as in makedev(3).
        major: u32,
        /// Which of the driver's devices.
        minor: u32,
    },
    /// `S_IFBLK`.
    BlockDevice {
        /// The driver, as in makedev(3).
        major: u32,
        /// Which of the driver's devices.
        minor: u32,
    },
}

/// A regular file's size, content handle and hard-link identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileData {
    /// Bytes, the holes of a sparse file included.
    pub size: u64,
    /// Where its bytes are.
    pub content: Content,
    /// `Some` when other paths share this inode.
    pub link: Option<LinkId>,
}

/// One of the layers that a [`Tree`](super::Tree) was merged from. Lower layers are smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LayerId {
    /// A layer of the image as it was read, counted from the lowest.
    Original(u32),
    /// The layer that is put over all of them ([`merge_over`](super::merge_over)).
    Patch,
}

impl std::fmt::Display for LayerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Original(number) => write!(f, "layer {}", u64::from(*number) + 1),
            Self::Patch => f.write_str("the patch layer"),
        }
    }
}

/// Where a regular file's bytes are.
#[derive(Debug, Clone)]
pub enum Content {
    /// Held in memory: small files under configuration and package-database folders, and
    /// what imgfix generates.
    Inline(Bytes),
    /// In a layer, from which a [`ContentLoader`](super::ContentLoader) reads it again.
    Layer {
        /// The layer that has it.
        layer: LayerId,
        /// Which member of the layer's archive, from 0. Extension headers are no members.
        index: u32,
    },
    /// In the run's temporary spool file: payload of unpacked packages.
    Spool(SpoolFile),
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Content::Inline(a), Content::Inline(b)) => a == b,
            (Content::Layer { layer: a, index: b }, Content::Layer { layer: c, index: d }) => {
                a == c && b == d
            }
            (Content::Spool(a), Content::Spool(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Content {}

impl Entry {
    /// A directory owned by root.
    #[must_use]
    pub fn directory(mode: u32, mtime: i64) -> Self {
        Self::root_owned(Kind::Directory, mode, mtime)
    }

    /// A regular file owned by root with its content in memory.
    #[must_use]
    pub fn file(content: impl Into<Bytes>, mode: u32, mtime: i64) -> Self {
        let content = content.into();
        let data =
            FileData { size: content.len() as u64, content: Content::Inline(content), link: None };
        Self::root_owned(Kind::File(data), mode, mtime)
    }

    /// A symbolic link owned by root.
    #[must_use]
    pub fn symlink(target: impl Into<Vec<u8>>, mtime: i64) -> Self {
        Self::root_owned(Kind::Symlink(target.into()), 0o777, mtime)
    }

    fn root_owned(kind: Kind, mode: u32, mtime: i64) -> Self {
        Self { kind, mode, uid: 0, gid: 0, mtime, xattrs: Xattrs::new() }
    }

    /// Whether it is a directory; a link to one is not.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        matches!(self.kind, Kind::Directory)
    }

    /// Whether it is a regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        matches!(self.kind, Kind::File(_))
    }

    /// Whether it is a symbolic link, wherever that leads.
    #[must_use]
    pub fn is_symlink(&self) -> bool {
        matches!(self.kind, Kind::Symlink(_))
    }

    /// The file's size in bytes; 0 for everything that is not a regular file.
    #[must_use]
    pub fn size(&self) -> u64 {
        match &self.kind {
            Kind::File(data) => data.size,
            _ => 0,
        }
    }
}
