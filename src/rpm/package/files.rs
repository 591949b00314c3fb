//! The files of a package, with everything that a header says of them.

use crate::header::installed::FileState;
use crate::header::{Header, Tag, tag};

/// Why the files of a header cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilesError {
    /// A list has another length than there are files.
    #[error("a package of {files} files has {count} values of {tag}")]
    Count {
        /// The list.
        tag: Tag,
        /// How many values it has.
        count: usize,
        /// How many files there are.
        files: usize,
    },
    /// A file is in a folder that is not in the list of folders.
    #[error("file {at} of a package is in folder {folder}, and there are {folders}")]
    Folder {
        /// The file's place, from 0.
        at: usize,
        /// Its folder's number.
        folder: u64,
        /// How many folders there are.
        folders: usize,
    },
}

/// Flags of a file (`RPMFILE_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileFlags(pub u32);

impl FileFlags {
    /// `%config`.
    pub const CONFIG: Self = Self(1);
    /// `%doc`.
    pub const DOC: Self = Self(1 << 1);
    /// `%config(missingok)`: it need not be there.
    pub const MISSINGOK: Self = Self(1 << 3);
    /// `%config(noreplace)`: a changed one stays, the new one becomes `.rpmnew`.
    pub const NOREPLACE: Self = Self(1 << 4);
    /// `%ghost`: not in the payload.
    pub const GHOST: Self = Self(1 << 6);
    /// `%license`.
    pub const LICENSE: Self = Self(1 << 7);
    /// `%readme`.
    pub const README: Self = Self(1 << 8);
    /// `%pubkey`.
    pub const PUBKEY: Self = Self(1 << 11);
    /// `%artifact`.
    pub const ARTIFACT: Self = Self(1 << 12);

    /// Whether it has any of these.
    #[must_use]
    pub const fn has(self, any: Self) -> bool {
        self.0 & any.0 != 0
    }
}

/// A file of a package. Texts are bytes as the header has them; what a package does not say is
/// empty or 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File<'a> {
    /// Its place in the package, from 0.
    pub at: usize,
    /// Its folder, ending in `/`; with [`File::name`] the absolute path. Empty in packages of
    /// rpm 3, where the name is the whole path, and in source packages.
    pub folder: &'a [u8],
    /// Its name in the folder.
    pub name: &'a [u8],
    /// Type and permissions, as `st_mode`.
    pub mode: u32,
    /// Bytes.
    pub size: u64,
    /// When it was changed, in seconds since the epoch.
    pub mtime: u32,
    /// Digest of its content, hexadecimal; empty of what is no regular file.
    pub digest: &'a [u8],
    /// Target of a symbolic link.
    pub link_target: &'a [u8],
    /// `%config`, `%ghost` and so on.
    pub flags: FileFlags,
    /// Owner's name.
    pub user: &'a [u8],
    /// Group's name.
    pub group: &'a [u8],
    /// Device number, as 16 bits of `st_rdev`.
    pub rdev: u32,
    /// With [`File::device`] the same of all hard links to one file.
    pub inode: u32,
    /// With [`File::inode`] the same of all hard links to one file.
    pub device: u32,
    /// What is verified (`RPMVERIFY_*`).
    pub verify: u32,
    /// Languages, with `|` between.
    pub langs: &'a [u8],
    /// 1 of 32-bit ELF files, 2 of 64-bit ones.
    pub colour: u32,
    /// Capabilities as text: `cap_net_raw=ep`.
    pub caps: &'a [u8],
    /// What became of it when it was installed.
    pub state: FileState,
}

impl File<'_> {
    /// Its absolute path, as the package has it.
    #[must_use]
    pub fn path(&self) -> Vec<u8> {
        [self.folder, self.name].concat()
    }

    /// The type in [`File::mode`].
    #[must_use]
    pub fn is_regular(&self) -> bool {
        self.mode & 0o170_000 == 0o100_000
    }

    /// The type in [`File::mode`].
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.mode & 0o170_000 == 0o040_000
    }

    /// The type in [`File::mode`].
    #[must_use]
    pub fn is_symlink(&self) -> bool {
        self.mode & 0o170_000 == 0o120_000
    }
}

/// The hash of files' digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileHash {
    /// RFC 9580 number 1; of packages that name none.
    Md5,
    /// 2.
    Sha1,
    /// 8.
    Sha256,
    /// 9.
    Sha384,
    /// 10.
    Sha512,
    /// 11.
    Sha224,
    /// Another number.
    Other(u32),
}

impl FileHash {
    /// By its number in RFC 9580.
    #[must_use]
    pub fn of(number: u32) -> Self {
        match number {
            1 => Self::Md5,
            2 => Self::Sha1,
            8 => Self::Sha256,
            9 => Self::Sha384,
            10 => Self::Sha512,
            11 => Self::Sha224,
            other => Self::Other(other),
        }
    }
}

/// The files of a package. They are read while one goes through them.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    header: &'a Header,
    count: usize,
}

impl<'a> Files<'a> {
    /// Looks whether all lists have one length and all folders are there.
    pub(super) fn read(header: &'a Header) -> Result<Self, FilesError> {
        let count = match header.strings(tag::BASENAMES).len() {
            0 => header.strings(tag::OLDFILENAMES).len(),
            count => count,
        };
        let fits = |tag: Tag, have: usize| match have == 0 || have == count {
            true => Ok(()),
            false => Err(FilesError::Count { tag, count: have, files: count }),
        };
        for tag in TEXTS {
            fits(tag, header.strings(tag).len())?;
        }
        for tag in NUMBERS {
            fits(tag, header.numbers(tag).len())?;
        }
        if header.has(tag::BASENAMES) {
            let folders = header.strings(tag::DIRNAMES).len();
            let indexes = header.numbers(tag::DIRINDEXES);
            if indexes.len() != count {
                let tag = tag::DIRINDEXES;
                return Err(FilesError::Count { tag, count: indexes.len(), files: count });
            }
            let outside = indexes.iter().enumerate().find(|(_, at)| *at >= folders as u64);
            if let Some((at, folder)) = outside {
                return Err(FilesError::Folder { at, folder, folders });
            }
        }
        Ok(Self { header, count })
    }

    /// How many there are.
    #[must_use]
    pub fn len(self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.count == 0
    }

    /// The hash of their digests.
    #[must_use]
    pub fn hash(self) -> FileHash {
        FileHash::of(self.header.number32(tag::FILEDIGESTALGO).unwrap_or(1))
    }

    /// All of them, in the package's order.
    pub fn iter(self) -> impl Iterator<Item = File<'a>> {
        let header = self.header;
        let folders: Vec<&[u8]> = header.strings(tag::DIRNAMES).collect();
        let indexes = header.numbers(tag::DIRINDEXES);
        let names = match header.has(tag::BASENAMES) {
            true => header.strings(tag::BASENAMES),
            false => header.strings(tag::OLDFILENAMES),
        };
        let sizes = match header.has(tag::LONGFILESIZES) {
            true => header.numbers(tag::LONGFILESIZES),
            false => header.numbers(tag::FILESIZES),
        };
        let numbers = NUMBERS.map(|tag| header.numbers(tag));
        let mut texts = TEXTS.map(|tag| header.strings(tag));
        names.enumerate().map(move |(at, name)| {
            let folder = indexes.get(at).and_then(|at| folders.get(usize::try_from(at).ok()?));
            let [mode, mtime, flags, rdev, inode, device, verify, colour, state, _, _] =
                numbers.map(|list| list.get32(at).unwrap_or_default());
            let mut next = texts.iter_mut().map(|list| list.next().unwrap_or_default());
            let mut text = || next.next().unwrap_or_default();
            File {
                at,
                folder: folder.copied().unwrap_or_default(),
                name,
                mode,
                size: sizes.get(at).unwrap_or_default(),
                mtime,
                // In the order of `TEXTS`.
                digest: text(),
                link_target: text(),
                user: text(),
                group: text(),
                langs: text(),
                caps: text(),
                flags: FileFlags(flags),
                rdev,
                inode,
                device,
                verify,
                colour,
                state: FileState::of(u8::try_from(state).unwrap_or_default()),
            }
        })
    }
}

/// Lists of texts, one a file.
const TEXTS: [Tag; 6] = [
    tag::FILEDIGESTS,
    tag::FILELINKTOS,
    tag::FILEUSERNAME,
    tag::FILEGROUPNAME,
    tag::FILELANGS,
    tag::FILECAPS,
];

/// Lists of numbers, one a file.
const NUMBERS: [Tag; 11] = [
    tag::FILEMODES,
    tag::FILEMTIMES,
    tag::FILEFLAGS,
    tag::FILERDEVS,
    tag::FILEINODES,
    tag::FILEDEVICES,
    tag::FILEVERIFYFLAGS,
    tag::FILECOLORS,
    tag::FILESTATES,
    tag::FILESIZES,
    tag::LONGFILESIZES,
];
