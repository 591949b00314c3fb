//! Modes, owners and files that should not be: what is wrong, and what is done about it.

use std::collections::BTreeSet;

use bytes::Bytes;
use imgfix_model::path::ImagePath;
use imgfix_recipes::Pattern;
use imgfix_recipes::baseline::{FileCheck, FileFault, ModeCheck};
use imgfix_vfs::{Accounts, Entry, FileSystem, Kind, Overlay};

use crate::check::{MAX_PROBLEMS, Place, Problem};

/// The content of a file that programs read at a known place; empty where there is none.
///
/// # Errors
/// It is too large, or its layer cannot be read: what it says is not known then.
pub fn read(fs: &dyn FileSystem, path: &'static str) -> Result<Bytes, String> {
    let path = ImagePath::literal(path);
    match fs.stat(&path) {
        Some(entry) if entry.is_file() => fs.read(&path).map_err(|why| why.to_string()),
        _ => Ok(Bytes::new()),
    }
}

/// The users and groups of an image; none where it has no such files.
fn accounts_of(fs: &dyn FileSystem) -> Result<Accounts, String> {
    Ok(Accounts::parse(&read(fs, "/etc/passwd")?, &read(fs, "/etc/group")?))
}

/// What a file has beyond what a check lets it have.
struct Beyond {
    /// The mode that it may have.
    mode: Option<u32>,
    /// The owner that it should have.
    uid: Option<u32>,
    /// The group that it should have.
    gid: Option<u32>,
}

fn beyond(check: &ModeCheck, entry: &Entry, accounts: &Accounts) -> Option<Beyond> {
    if matches!(entry.kind, Kind::Symlink(_)) {
        return None;
    }
    let users: Vec<u32> =
        check.owners.iter().filter_map(|name| accounts.user(name.as_bytes())).collect();
    let groups: Vec<u32> =
        check.groups.iter().filter_map(|name| accounts.group(name.as_bytes())).collect();
    let other = |have: u32, may: &[u32]| may.first().copied().filter(|_| !may.contains(&have));
    let found = Beyond {
        mode: (entry.mode & !check.at_most != 0).then_some(entry.mode & check.at_most),
        uid: other(entry.uid, &users),
        gid: other(entry.gid, &groups),
    };
    (found.mode.is_some() || found.uid.is_some() || found.gid.is_some()).then_some(found)
}

/// Files whose modes and owners a check does not let them have.
pub fn modes(check: &ModeCheck, fs: &dyn FileSystem) -> Result<Vec<Problem>, String> {
    let accounts = accounts_of(fs)?;
    let mut found = Vec::new();
    for path in check.path.found(fs) {
        let Some(entry) = fs.lstat(&path) else { continue };
        let Some(beyond) = beyond(check, entry, &accounts) else { continue };
        let mut parts = Vec::new();
        if beyond.mode.is_some() {
            parts.push(format!("its mode is {:04o}", entry.mode));
        }
        let name = |number: u32, name: Option<&[u8]>| match name {
            Some(name) => String::from_utf8_lossy(name).into_owned(),
            None => number.to_string(),
        };
        if beyond.uid.is_some() {
            parts.push(format!("its owner is {}", name(entry.uid, accounts.user_name(entry.uid))));
        }
        if beyond.gid.is_some() {
            parts.push(format!("its group is {}", name(entry.gid, accounts.group_name(entry.gid))));
        }
        found.push(Problem { place: Place::File(path, None), what: parts.join(", ") });
    }
    Ok(found)
}

/// Gives files the modes and owners that a check lets them have.
pub fn tighten(check: &ModeCheck, overlay: &mut Overlay) -> Result<(), String> {
    let accounts = accounts_of(overlay)?;
    for path in check.path.found(overlay) {
        let Some(entry) = overlay.lstat(&path) else { continue };
        let Some(beyond) = beyond(check, entry, &accounts) else { continue };
        overlay
            .modify(&path, |entry| {
                entry.mode = beyond.mode.unwrap_or(entry.mode);
                entry.uid = beyond.uid.unwrap_or(entry.uid);
                entry.gid = beyond.gid.unwrap_or(entry.gid);
            })
            .map_err(|why| why.to_string())?;
    }
    Ok(())
}

/// The bits that are at fault, as they should be.
fn repaired_mode(fault: FileFault, entry: &Entry) -> Option<u32> {
    const STICKY: u32 = 0o1000;
    let mode = entry.mode;
    match (fault, &entry.kind) {
        (FileFault::WorldWritable, Kind::Directory) => {
            (mode & 0o002 != 0 && mode & STICKY == 0).then_some(mode | STICKY)
        }
        (FileFault::WorldWritable, Kind::File(_)) => (mode & 0o002 != 0).then_some(mode & !0o002),
        (FileFault::SetId, Kind::File(_)) => (mode & 0o6000 != 0).then_some(mode & !0o6000),
        _ => None,
    }
}

/// Files with a fault, in the order of paths.
fn at_fault(check: &FileCheck, fs: &dyn FileSystem) -> Result<Vec<(ImagePath, String)>, String> {
    let accounts = accounts_of(fs)?;
    let mut found = Vec::new();
    for below in &check.below {
        fs.visit(below, &mut |path, entry| {
            let what = match check.fault {
                FileFault::WorldWritable | FileFault::SetId => repaired_mode(check.fault, entry)
                    .map(|_| format!("its mode is {:04o}", entry.mode)),
                FileFault::NoOwner if accounts.user_name(entry.uid).is_none() => {
                    Some(format!("no account has the number {} of its owner", entry.uid))
                }
                FileFault::NoOwner => None,
                FileFault::Present => (!entry.is_dir()).then(|| "it is there".to_owned()),
            };
            let Some(what) = what.filter(|_| found.len() < MAX_PROBLEMS) else { return };
            let fits = |all: &[Pattern]| all.iter().any(|one| one.fits(path.as_bytes()));
            if (check.paths.is_empty() || fits(&check.paths)) && !fits(&check.except) {
                found.push((path.clone(), what));
            }
        });
    }
    Ok(found)
}

/// Files with a fault.
pub fn faults(check: &FileCheck, fs: &dyn FileSystem) -> Result<Vec<Problem>, String> {
    let found = at_fault(check, fs)?.into_iter();
    Ok(found.map(|(path, what)| Problem { place: Place::File(path, None), what }).collect())
}

/// Takes the bits away that are at fault.
pub fn clear_bits(check: &FileCheck, overlay: &mut Overlay) -> Result<(), String> {
    for (path, _) in at_fault(check, overlay)? {
        let mode = overlay.lstat(&path).and_then(|entry| repaired_mode(check.fault, entry));
        let Some(mode) = mode else { continue };
        overlay.modify(&path, |entry| entry.mode = mode).map_err(|why| why.to_string())?;
    }
    Ok(())
}

/// Removes the files that should not be.
pub fn remove(check: &FileCheck, overlay: &mut Overlay) -> Result<(), String> {
    let paths: BTreeSet<ImagePath> =
        at_fault(check, overlay)?.into_iter().map(|(path, _)| path).collect();
    paths.iter().for_each(|path| overlay.remove(path));
    Ok(())
}
