//! The kernel's part: Landlock rules for what [`Needs`](super::Needs) says.
//!
//! The kernel must know moves between folders (Linux 5.19, version 2 of the interface): without,
//! it would refuse every one, and the cache needs them. All that came later is used where it is
//! there: truncation (6.2), ports (6.7), requests to devices (6.10), abstract sockets and signals
//! (6.12).

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus,
    PathBeneath, PathFd, RestrictionStatus, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

use super::needs::{Access, Network, Rights};
use super::{Files, blobs};
use imgfix_host::staging;

/// The newest version of the interface that this was written for.
const KNOWN: ABI = ABI::V7;

/// More links in a folder of certificates than this are not followed.
const MAX_LINKS: usize = 4096;

/// Confines this thread, and all that it starts, to `accesses`. Places that are not there need no
/// rule: that they are missing shows when they are opened.
pub fn confine<'a>(accesses: impl Iterator<Item = &'a Access>, network: Network) -> Files {
    match restrict(accesses, network) {
        Ok((status, places)) => state(&status, places),
        Err(RulesetError::HandleAccesses(_)) => {
            Files::Off("this kernel has no Landlock, or one from before Linux 5.19".to_owned())
        }
        Err(error) => Files::Off(error.to_string()),
    }
}

fn state(status: &RestrictionStatus, places: usize) -> Files {
    match status.landlock {
        LandlockStatus::Available { effective_abi, .. }
            if status.ruleset != RulesetStatus::NotEnforced =>
        {
            Files::On { abi: format!("{effective_abi:?}"), places }
        }
        other => Files::Off(format!("Landlock is not in force ({other:?})")),
    }
}

fn restrict<'a>(
    accesses: impl Iterator<Item = &'a Access>,
    network: Network,
) -> Result<(RestrictionStatus, usize), RulesetError> {
    // Execution is among what is handled, and in no rule: nothing is started.
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V2))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(KNOWN))?
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::AbstractUnixSocket)?
        .scope(Scope::Signal)?;
    if network == Network::None {
        ruleset = ruleset.handle_access(AccessNet::ConnectTcp)?;
    }
    let mut rules = Rules { ruleset: ruleset.create()?, places: 0 };
    for access in accesses {
        rules.add(access);
    }
    Ok((rules.ruleset.restrict_self()?, rules.places))
}

struct Rules {
    ruleset: RulesetCreated,
    places: usize,
}

impl Rules {
    fn add(&mut self, access: &Access) {
        let path = &access.path;
        match access.rights {
            Rights::Append if fs::metadata(path).is_err() => {
                self.rule(staging::parent(path), AccessFs::MakeReg | AccessFs::WriteFile);
            }
            Rights::Write if !is_special(path) => {}
            rights => self.rule(path, of(rights)),
        }
        let elsewhere = match access.rights {
            Rights::ReadLinked => linked(path).into_iter().map(|one| (one, Rights::Read)).collect(),
            Rights::ReadLayout => blobs_of(path, Rights::Read),
            Rights::KeepLayout => blobs_of(path, Rights::Keep),
            _ => Vec::new(),
        };
        for (path, rights) in elsewhere {
            self.rule(&path, of(rights));
        }
    }

    /// A rule that the kernel refuses (for a pipe, which needs none) is left out.
    fn rule(&mut self, path: &Path, rights: BitFlags<AccessFs>) {
        let Ok(place) = PathFd::new(path) else { return };
        let rights = match is_folder(&place) {
            Ok(true) => rights,
            Ok(false) => rights & AccessFs::from_file(KNOWN),
            Err(_) => return,
        };
        if !rights.is_empty()
            && (&mut self.ruleset).add_rule(PathBeneath::new(place, rights)).is_ok()
        {
            self.places += 1;
        }
    }
}

fn is_folder(place: &PathFd) -> io::Result<bool> {
    let found = rustix::fs::fstat(place)?;
    Ok(rustix::fs::FileType::from_raw_mode(found.st_mode) == rustix::fs::FileType::Directory)
}

/// A device, pipe or socket: it is opened and written, never replaced.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| {
        let kind = found.file_type();
        kind.is_fifo() || kind.is_char_device() || kind.is_socket()
    })
}

/// The rights of the kernel.
fn of(rights: Rights) -> BitFlags<AccessFs> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let write = AccessFs::WriteFile | AccessFs::Truncate;
    let name = AccessFs::MakeReg | AccessFs::RemoveFile;
    match rights {
        Rights::Read | Rights::ReadLinked | Rights::ReadLayout => read,
        Rights::Keep | Rights::KeepLayout => {
            let folders = AccessFs::MakeDir | AccessFs::RemoveDir | AccessFs::Refer;
            read | write | name | folders
        }
        Rights::Stage => read | write | name,
        Rights::Name => name,
        Rights::Write | Rights::Append => AccessFs::WriteFile.into(),
        Rights::RemoveFolders => AccessFs::RemoveDir.into(),
    }
}

/// Where links directly in a folder lead.
fn linked(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let Ok(home) = folder.canonicalize() else { return Vec::new() };
    let links = entries.flatten().filter(|one| one.file_type().is_ok_and(|kind| kind.is_symlink()));
    let mut targets: Vec<PathBuf> = links
        .take(MAX_LINKS)
        .filter_map(|link| link.path().canonicalize().ok())
        .filter(|target| target.is_file() && !target.starts_with(&home))
        .collect();
    targets.sort();
    targets.dedup();
    targets
}

fn blobs_of(layout: &Path, rights: Rights) -> Vec<(PathBuf, Rights)> {
    let found = blobs::elsewhere(layout);
    let folder = found.folder.map(|folder| (folder, rights));
    found.files.into_iter().map(|file| (file, Rights::Read)).chain(folder).collect()
}
