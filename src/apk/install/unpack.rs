//! Unpacking one package: what of its payload is installed, and as what.
//!
//! In comes the payload; out come directories in the image, and files that are ready to be put
//! in their place (apk has them there under temporary names). Source: apk-tools 2.14,
//! `src/database.c` (`apk_db_install_archive_entry`), `src/io_archive.c`
//! (`apk_archive_entry_extract`).

use std::collections::HashMap;

use sha1::{Digest as _, Sha1};

use super::super::apk_file::{PayloadEntry, PayloadKind};
use super::super::dependency::{Constraint, Dependency};
use super::super::directory_order::DirectoryOrder;
use super::super::installed::Attributes;
use super::super::record::Record;
use super::ownership::{FilePlace, OwnedFile, Package, PackageKey};
use super::{InstallError, NewPackage, Run};
use imgfix_model::identity::Identity;
use imgfix_model::path::ImagePath;
use imgfix_versions::apk::generation::Generation;
use imgfix_vfs::{Entry, FileSystem, Kind, LinkId, RootfsError, Xattrs};

/// File capabilities, which `chown(2)` takes away.
const CAPABILITY: &[u8] = b"security.capability";

/// A file that is to be put in its place.
#[derive(Debug)]
pub(super) struct Extracted {
    pub(super) place: FilePlace,
    pub(super) entry: Entry,
}

/// The files of the package so far.
#[derive(Debug, Default)]
struct Extraction {
    files: Vec<Extracted>,
    by_path: HashMap<ImagePath, usize>,
}

impl Run<'_> {
    /// Makes the package's directories and gets its files ready.
    pub(super) fn unpack(
        &mut self,
        key: PackageKey,
        new: &NewPackage,
    ) -> Result<Vec<Extracted>, InstallError> {
        let mut extraction = Extraction::default();
        for entry in &new.package.payload {
            match &entry.kind {
                PayloadKind::Directory => self.unpack_directory(key, entry)?,
                _ => self.unpack_file(key, entry, &mut extraction)?,
            }
        }
        if self.database.generation == Generation::Apk3 {
            let places = self.ownership.order_directories(key, &directory_order(new));
            for Extracted { place, .. } in &mut extraction.files {
                place.directory = places.get(place.directory).copied().unwrap_or(place.directory);
            }
        }
        Ok(extraction.files)
    }

    fn unpack_directory(
        &mut self,
        key: PackageKey,
        entry: &PayloadEntry,
    ) -> Result<(), InstallError> {
        let attributes = self.attributes(entry)?;
        let Some(at) = self.ownership.directory(key, &entry.path) else { return Ok(()) };
        // What mkdir(2) takes of the mode; the rest, and the owner, come with all the others'.
        let made = Entry::directory(entry.mode & 0o1777, self.options.timestamp);
        if let Some(id) = self.ownership.directory_id(key, at) {
            self.check_parent(key, &entry.path)?;
            self.ownership.directories.prepare(id, &mut self.overlay, Some(made))?;
        }
        self.ownership.set_directory(key, at, attributes);
        Ok(())
    }

    fn unpack_file(
        &mut self,
        key: PackageKey,
        entry: &PayloadEntry,
        extraction: &mut Extraction,
    ) -> Result<(), InstallError> {
        let path = &entry.path;
        let parent = path.parent().unwrap_or_else(ImagePath::root);
        let Some(at) = self.ownership.owned_directory(key, &parent).or_else(|| {
            // Of the root alone no entry is needed.
            parent.is_root().then(|| self.ownership.directory(key, &parent)).flatten()
        }) else {
            return Err(self.broken(key, format!("{path} has no directory in the archive")));
        };
        let target = match &entry.kind {
            PayloadKind::HardLink(target) => Some(self.link_target(key, path, target, extraction)?),
            _ => None,
        };
        if self.is_left_to_its_owner(key, at, path)? {
            return Ok(());
        }
        let attributes = self.attributes(entry)?;
        let checksum = match target.and_then(|target| extraction.files.get(target)) {
            Some(target) => self.ownership.file(target.place).and_then(|file| file.checksum),
            None => entry.checksum,
        };
        let needs_checksum = matches!(
            entry.kind,
            PayloadKind::File { .. } | PayloadKind::Symlink(_) | PayloadKind::HardLink(_)
        );
        if needs_checksum && checksum.is_none() {
            return Err(self.broken(key, format!("{path} has no checksum in the archive")));
        }
        let made = match target {
            Some(target) => self.link(target, entry, &attributes, extraction),
            None => self.file_entry(entry, &attributes),
        };
        let file = OwnedFile { name: path.file_name().to_vec(), attributes, checksum, lost: false };
        if let (Some(made), Some(place)) = (made, self.ownership.add_file(key, at, file)) {
            if extraction.by_path.insert(path.clone(), extraction.files.len()).is_some() {
                return Err(self.broken(key, format!("{path} is in the archive twice")));
            }
            extraction.files.push(Extracted { place, entry: made });
        }
        Ok(())
    }

    /// Where among the extracted files the target of a hard link is.
    fn link_target(
        &self,
        key: PackageKey,
        path: &ImagePath,
        target: &ImagePath,
        extraction: &Extraction,
    ) -> Result<usize, InstallError> {
        // apk 2 does not find targets in the root.
        let in_root = self.database.generation == Generation::Apk2
            && target.parent().is_none_or(|parent| parent.is_root());
        extraction.by_path.get(target).copied().filter(|_| !in_root).ok_or_else(|| {
            self.broken(key, format!("the target of the hard link {path}, {target}, is missing"))
        })
    }

    /// Whether another package has the file and keeps it.
    fn is_left_to_its_owner(
        &self,
        key: PackageKey,
        directory: usize,
        path: &ImagePath,
    ) -> Result<bool, InstallError> {
        let owner = self
            .ownership
            .directory_id(key, directory)
            .and_then(|id| self.ownership.owner(id, path.file_name()));
        let (Some(place), Some(new)) = (owner, self.ownership.get(key)) else { return Ok(false) };
        let Some(owner) = self.ownership.get(place.key) else { return Ok(false) };
        let goes = self.going.contains(&place.key);
        match precedence((owner, goes), new, self.database.generation) {
            Precedence::Owner => Ok(true),
            Precedence::New => Ok(false),
            Precedence::Neither => Err(InstallError::Overwrite {
                package: new.name().to_owned(),
                path: path.clone(),
                owner: owner.name().to_owned(),
            }),
        }
    }

    /// Mode, owner and attributes as the database has them.
    fn attributes(&mut self, entry: &PayloadEntry) -> Result<Attributes, RootfsError> {
        Ok(Attributes {
            mode: entry.mode,
            uid: self.accounts.user(&entry.user, &self.overlay)?,
            gid: self.accounts.group(&entry.group, &self.overlay)?,
            xattrs: xattrs_identity(&entry.xattrs),
        })
    }

    /// An entry that is not a hard link.
    fn file_entry(&self, entry: &PayloadEntry, attributes: &Attributes) -> Option<Entry> {
        let (mut mode, mut mtime) = (entry.mode, entry.mtime);
        let mut xattrs = entry.xattrs.clone();
        let kind = entry.kind.in_image().ok()?;
        if let Kind::Symlink(_) = kind {
            // apk leaves a link the time at which it is made.
            (mode, mtime) = (0o777, self.options.timestamp);
            xattrs.clear();
        }
        Some(Entry { kind, mode, uid: attributes.uid, gid: attributes.gid, mtime, xattrs })
    }

    /// One more name of an extracted file. What the archive says of mode, owner and time here
    /// counts for all names: they are one inode.
    fn link(
        &mut self,
        target: usize,
        entry: &PayloadEntry,
        attributes: &Attributes,
        extraction: &mut Extraction,
    ) -> Option<Entry> {
        let mut inode = extraction.files.get(target)?.entry.clone();
        let link = match &mut inode.kind {
            Kind::File(data) => Some(*data.link.get_or_insert_with(|| self.overlay.new_link())),
            _ => None,
        };
        (inode.uid, inode.gid, inode.mtime) = (attributes.uid, attributes.gid, entry.mtime);
        inode.mode = match entry.mode & 0o7000 {
            0 => inode.mode & !0o6000,
            _ => entry.mode,
        };
        inode.xattrs.remove(CAPABILITY);
        inode.xattrs.extend(entry.xattrs.clone());
        for (at, file) in extraction.files.iter_mut().enumerate() {
            if at == target || link.is_some() && link == link_of(&file.entry) {
                file.entry = inode.clone();
            }
        }
        Some(inode)
    }

    /// An error for what apk would go on after, with a broken package and an exit status.
    pub(super) fn broken(&self, key: PackageKey, problem: String) -> InstallError {
        let package = self.ownership.get(key).map(|package| package.name().to_owned());
        InstallError::Package { package: package.unwrap_or_default(), problem }
    }

    /// The directory that a path is to be in must be there.
    pub(super) fn check_parent(
        &self,
        key: PackageKey,
        path: &ImagePath,
    ) -> Result<(), InstallError> {
        let parent = path.parent().unwrap_or_else(ImagePath::root);
        match self.overlay.stat(&parent).is_some_and(Entry::is_dir) || parent.is_root() {
            true => Ok(()),
            false => Err(self.broken(key, format!("{parent} is not a directory in the image"))),
        }
    }
}

fn link_of(entry: &Entry) -> Option<LinkId> {
    match &entry.kind {
        Kind::File(data) => data.link,
        _ => None,
    }
}

/// Which of two packages has a file that both have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Precedence {
    Owner,
    New,
    /// Nothing says so.
    Neither,
}

/// With the owner comes whether it goes in this run, which counts for apk 3.
fn precedence((owner, owner_goes): (&Package, bool), new: &Package, by: Generation) -> Precedence {
    let same_origin = new.record.origin.is_some() && owner.record.origin == new.record.origin;
    let gives_way = match by {
        Generation::Apk2 => same_origin,
        Generation::Apk3 => owner_goes,
    };
    if owner.record.name == new.record.name || gives_way {
        return Precedence::New;
    }
    let priority = |of: &Package, over: &Record| {
        let replaces = of.replaces.iter().any(|dependency| is_materialized(dependency, over, by));
        replaces.then(|| of.replaces_priority.unwrap_or(0))
    };
    let owner_priority = priority(owner, &new.record);
    let new_priority = priority(new, &owner.record);
    match (owner_priority > new_priority, new_priority) {
        (true, _) => Precedence::Owner,
        (false, Some(_)) => Precedence::New,
        (false, None) if same_origin => Precedence::New,
        (false, None) => Precedence::Neither,
    }
}

/// The order in which apk 3 has the directories of a package when it has unpacked it.
fn directory_order(new: &NewPackage) -> Vec<ImagePath> {
    let mut order = DirectoryOrder::default();
    let parent = |path: &ImagePath| path.parent().unwrap_or_else(ImagePath::root);
    for entry in &new.package.payload {
        match &entry.kind {
            PayloadKind::Directory => order.enter(&entry.path),
            kind => {
                order.put_into(&parent(&entry.path));
                if let PayloadKind::HardLink(target) = kind {
                    order.look_for(&parent(target));
                }
            }
        }
    }
    order.finish()
}

/// Whether the package itself, and not a name that it provides, is what a dependency asks for
/// (`apk_dep_is_materialized`).
fn is_materialized(dependency: &Dependency, record: &Record, by: Generation) -> bool {
    if dependency.name != record.name {
        return dependency.conflict;
    }
    let fits = match (&dependency.constraint, &record.identity) {
        (Constraint::Any, _) => true,
        (Constraint::Version(comparison, wanted), _) => {
            comparison.allows(&record.version, wanted, by)
        }
        (Constraint::Identity(wanted), Some(identity)) => wanted == identity,
        (Constraint::Identity(_), None) => false,
    };
    fits != dependency.conflict
}

/// apk's hash of extended attributes: names and values, each with its length before it
/// (`apk_fileinfo_hash_xattr_array`).
fn xattrs_identity(xattrs: &Xattrs) -> Option<Identity> {
    if xattrs.is_empty() {
        return None;
    }
    let mut hash = Sha1::new();
    for bytes in xattrs.iter().flat_map(|(name, value)| [name, value]) {
        hash.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        hash.update(bytes);
    }
    Some(Identity::Sha1(hash.finalize().into()))
}
