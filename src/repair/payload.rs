//! The payload of a package archive: what it puts into the image, entry by entry.
//!
//! In comes what a family's reader finds in an archive; out come entries that its installation
//! goes through, their content in a [`Spool`](imgfix_vfs::Spool). Two things are the family's: in
//! which form its database lists paths, and by which checksum it knows content.

use super::archive::Owner;
use imgfix_vfs::tar_reader::MemberKind;
use imgfix_vfs::{Content, FileData, Kind, Xattrs};

/// One path of a package. `P` is a path as the family lists it, `C` a checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadEntry<P, C> {
    /// Where it goes in the image.
    pub path: P,
    /// What it is there.
    pub kind: PayloadKind<P>,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// Its owner.
    pub user: Owner,
    /// Its owning group.
    pub group: Owner,
    /// Seconds since the epoch.
    pub mtime: i64,
    /// Extended attributes; none in formats that have no place for them.
    pub xattrs: Xattrs,
    /// Of the content, or of a symbolic link's target, where the family has one.
    pub checksum: Option<C>,
}

/// What a payload entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PayloadKind<P> {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Its bytes, in memory or in the spool.
        content: Content,
        /// How many bytes they are.
        size: u64,
    },
    /// To another entry of the package.
    HardLink(P),
    /// The target as shipped.
    Symlink(Vec<u8>),
    /// A named pipe.
    Fifo,
    /// A character device.
    CharDevice {
        /// The device's major number.
        major: u32,
        /// The device's minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// The device's major number.
        major: u32,
        /// The device's minor number.
        minor: u32,
    },
}

impl<P> PayloadKind<P> {
    /// What a member of a tar archive is. `path` reads the target of a hard link, `content` takes
    /// the content of a file. `None`: it is of a type that no package has.
    ///
    /// # Errors
    /// Those of `path` and `content`.
    pub fn of_member<E>(
        kind: MemberKind,
        path: impl FnOnce(&[u8]) -> Result<P, E>,
        content: impl FnOnce() -> Result<Content, E>,
        size: u64,
    ) -> Result<Option<Self>, E> {
        Ok(Some(match kind {
            MemberKind::Directory => Self::Directory,
            MemberKind::File => Self::File { content: content()?, size },
            MemberKind::HardLink(target) => Self::HardLink(path(&target)?),
            MemberKind::Symlink(target) => Self::Symlink(target),
            MemberKind::Fifo => Self::Fifo,
            MemberKind::CharDevice { major, minor } => Self::CharDevice { major, minor },
            MemberKind::BlockDevice { major, minor } => Self::BlockDevice { major, minor },
            MemberKind::Other => return Ok(None),
        }))
    }

    /// What it is in an image.
    ///
    /// # Errors
    /// It is a hard link: one more name of what the target is, which is given back.
    pub fn in_image(&self) -> Result<Kind, &P> {
        Ok(match self {
            Self::Directory => Kind::Directory,
            Self::File { content, size } => {
                Kind::File(FileData { size: *size, content: content.clone(), link: None })
            }
            Self::HardLink(target) => return Err(target),
            Self::Symlink(target) => Kind::Symlink(target.clone()),
            Self::Fifo => Kind::Fifo,
            &Self::CharDevice { major, minor } => Kind::CharDevice { major, minor },
            &Self::BlockDevice { major, minor } => Kind::BlockDevice { major, minor },
        })
    }

    /// Whether it has content of its own.
    #[must_use]
    pub fn is_file(&self) -> bool {
        matches!(self, Self::File { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_archive_has_is_what_an_image_gets() {
        let content = || Ok(Content::Inline("ab".into()));
        let data = FileData { size: 2, content: Content::Inline("ab".into()), link: None };
        for (member, want) in [
            (MemberKind::Directory, Kind::Directory),
            (MemberKind::File, Kind::File(data)),
            (MemberKind::Symlink(b"../a".to_vec()), Kind::Symlink(b"../a".to_vec())),
            (MemberKind::Fifo, Kind::Fifo),
            (
                MemberKind::CharDevice { major: 1, minor: 3 },
                Kind::CharDevice { major: 1, minor: 3 },
            ),
            (
                MemberKind::BlockDevice { major: 8, minor: 0 },
                Kind::BlockDevice { major: 8, minor: 0 },
            ),
        ] {
            let path = |target: &[u8]| Ok::<_, ()>(target.to_vec());
            let kind = PayloadKind::of_member(member, path, content, 2).unwrap().unwrap();
            assert_eq!(kind.in_image(), Ok(want), "{kind:?}");
            assert_eq!(kind.is_file(), matches!(kind, PayloadKind::File { .. }));
        }
    }

    #[test]
    fn a_hard_link_is_nothing_by_itself_and_errors_go_on() {
        let link = || MemberKind::HardLink(b"a".to_vec());
        let no_content = || Err("content");
        let kind = PayloadKind::of_member(link(), |_| Ok(7), no_content, 0).unwrap();
        assert_eq!(kind.unwrap().in_image(), Err(&7));
        let no_path = |_: &[u8]| Err::<u8, _>("path");
        let of_member = |kind| PayloadKind::of_member(kind, no_path, no_content, 0);
        assert_eq!(of_member(link()), Err("path"));
        assert_eq!(of_member(MemberKind::File), Err("content"));
        assert_eq!(of_member(MemberKind::Other), Ok(None));
    }
}
