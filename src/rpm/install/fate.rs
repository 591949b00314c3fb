//! What becomes of a file that lies where a package's file is to go, or is to go away.
//!
//! In come the file of the package, that of the one before, and the image; out comes an
//! [`Action`]. Source: rpm `lib/rpmfi.cc` (`rpmfilesDecideFate`, `rpmfilesConfigConflict`,
//! `rpmfilesCompare`).

use std::io::Read as _;

use imgfix_model::path::ImagePath;
use imgfix_vfs::{Entry, FileSystem, Kind, RootfsError};

use crate::archive::digests::Hasher;
use crate::header::installed::FileState;
use crate::package::files::FileFlags;
use crate::package::{File, FileHash};

/// What is done with a file (rpm's `FA_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Not decided yet.
    Unknown,
    /// It is put in its place.
    Create,
    /// As `Create`; what was there becomes `.rpmorig`.
    Backup,
    /// As `Create`, or it is erased; what was there becomes `.rpmsave`.
    Save,
    /// What is there stays, the new one becomes `.rpmnew`.
    AltName,
    /// What is there stays and gets mode, owner and time.
    Touch,
    /// Nothing.
    Skip,
    /// Nothing: left out by the image's settings.
    SkipNotInstalled,
    /// Nothing: a file of a preferred colour is there.
    SkipColour,
    /// Nothing: other machines share what is there.
    SkipShared,
    /// It is removed.
    Erase,
}

impl Action {
    pub fn is_skipping(self) -> bool {
        matches!(self, Self::Skip | Self::SkipNotInstalled | Self::SkipColour | Self::SkipShared)
    }

    pub fn is_creating(self) -> bool {
        matches!(self, Self::Create | Self::Backup | Self::Save | Self::AltName)
    }

    /// As the database has it.
    pub fn state(self) -> FileState {
        match self {
            Self::SkipNotInstalled => FileState::NotInstalled,
            Self::SkipColour => FileState::WrongColour,
            Self::SkipShared => FileState::NetShared,
            _ => FileState::Normal,
        }
    }
}

/// A file of a package, and the hash of that package's digests.
#[derive(Clone, Copy)]
pub(super) struct Side<'f, 'a> {
    pub file: &'f File<'a>,
    pub hash: FileHash,
}

/// The types that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Regular,
    Link,
    Other(u32),
}

impl What {
    fn of_file(file: &File<'_>) -> Self {
        match file.mode & 0o170_000 {
            0o100_000 => Self::Regular,
            0o120_000 => Self::Link,
            other => Self::Other(other),
        }
    }

    fn of_entry(entry: &Entry) -> Self {
        match entry.kind {
            Kind::File(_) => Self::Regular,
            Kind::Symlink(_) => Self::Link,
            Kind::Directory => Self::Other(0o040_000),
            Kind::Fifo => Self::Other(0o010_000),
            Kind::CharDevice { .. } => Self::Other(0o020_000),
            Kind::BlockDevice { .. } => Self::Other(0o060_000),
        }
    }
}

/// The fate of a configuration file of a package that comes, of which an installed package has
/// one, too. `place` is where it lies in the image.
pub(super) fn decide(
    fs: &dyn FileSystem,
    place: &ImagePath,
    old: Side<'_, '_>,
    new: Side<'_, '_>,
) -> Result<Action, RootfsError> {
    if new.file.flags.has(FileFlags::GHOST) {
        return Ok(Action::Skip);
    }
    let Some(disk) = fs.lstat(place) else {
        let may_be_missing = new.file.flags.has(FileFlags::MISSINGOK);
        return Ok(if may_be_missing { Action::Skip } else { Action::Create });
    };
    let (was, comes) = (What::of_file(old.file), What::of_file(new.file));
    let lies = What::of_entry(disk);
    let unchanged = match was {
        What::Regular => {
            let lies = lies == What::Regular;
            if lies && comes == What::Regular {
                match digest(fs, place, new.hash)? {
                    None => return Ok(Action::Create),
                    Some(have) if is_digest(new.file, &have) => return Ok(Action::Touch),
                    Some(_) => {}
                }
            }
            if lies {
                match digest(fs, place, old.hash)? {
                    None => return Ok(Action::Create),
                    Some(have) if is_digest(old.file, &have) => return Ok(Action::Create),
                    Some(_) => {}
                }
            }
            comes == What::Regular && old.hash == new.hash && old.file.digest == new.file.digest
        }
        What::Link => {
            let lies = match &disk.kind {
                Kind::Symlink(target) => Some(target.as_slice()),
                _ => None,
            };
            if comes == What::Link && lies == Some(new.file.link_target) {
                return Ok(Action::Touch);
            }
            if lies == Some(old.file.link_target) {
                return Ok(Action::Create);
            }
            comes == What::Link && old.file.link_target == new.file.link_target
        }
        What::Other(_) => return Ok(Action::Create),
    };
    Ok(match (new.file.flags.has(FileFlags::CONFIG), unchanged) {
        (false, _) => Action::Save,
        (true, true) => Action::Skip,
        (true, false) if new.file.flags.has(FileFlags::NOREPLACE) => Action::AltName,
        (true, false) => Action::Save,
    })
}

/// Whether something else lies where a configuration file is to go, or to be erased.
pub(super) fn config_conflicts(
    fs: &dyn FileSystem,
    place: &ImagePath,
    side: Side<'_, '_>,
) -> Result<bool, RootfsError> {
    let Side { file, hash } = side;
    let comes = What::of_file(file);
    if !file.flags.has(FileFlags::CONFIG) || matches!(comes, What::Other(_)) {
        return Ok(false);
    }
    let Some(disk) = fs.lstat(place) else { return Ok(false) };
    if file.flags.has(FileFlags::GHOST) {
        return Ok(true);
    }
    Ok(match &disk.kind {
        Kind::Symlink(target) => comes != What::Link || target != file.link_target,
        Kind::File(_) if comes != What::Regular || disk.size() != file.size => true,
        Kind::File(_) => digest(fs, place, hash)?.is_some_and(|have| !is_digest(file, &have)),
        _ => true,
    })
}

/// Whether two packages may not both have these files.
pub(super) fn differ(a: Side<'_, '_>, b: Side<'_, '_>) -> bool {
    let (one, other) = (a.file, b.file);
    if one.flags.has(FileFlags::GHOST) || other.flags.has(FileFlags::GHOST) {
        return false;
    }
    let what = What::of_file(one);
    let links = what == What::Link && other.is_symlink();
    if !links && one.mode != other.mode {
        return true;
    }
    if !matches!(what, What::Other(_)) && one.size != other.size {
        return true;
    }
    if (one.user, one.group) != (other.user, other.group) {
        return true;
    }
    match what {
        What::Link => one.link_target != other.link_target,
        What::Regular => a.hash != b.hash || one.digest != other.digest,
        What::Other(0o020_000 | 0o060_000) => one.rdev != other.rdev,
        What::Other(_) => false,
    }
}

fn is_digest(file: &File<'_>, have: &str) -> bool {
    file.digest.eq_ignore_ascii_case(have.as_bytes())
}

/// The digest of the regular file there; `None`: there is none, or its hash is not known.
fn digest(
    fs: &dyn FileSystem,
    place: &ImagePath,
    hash: FileHash,
) -> Result<Option<String>, RootfsError> {
    let Some(mut hasher) = Hasher::new(hash) else { return Ok(None) };
    let mut content = fs.open(place)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let failed = |source| RootfsError::Io { what: place.to_string(), source };
        match content.read(&mut buffer).map_err(failed)? {
            0 => return Ok(Some(hasher.finish())),
            got => hasher.update(buffer.get(..got).unwrap_or_default()),
        }
    }
}
