//! [`Ownership`]: which package has which files and directories, as it changes during a run.
//!
//! In come the installed packages, in apk's order; a run adds packages, moves files from one to
//! another and takes packages away. Source: apk-tools 2.14, `src/database.c`
//! (`apk_db_file_get`, `apk_db_diri_new`), `src/package.c` (`apk_pkg_install`,
//! `apk_pkg_uninstall`).

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::super::apk_file::Script;
use super::super::dependency::Dependency;
use super::super::installed::{Attributes, Broken};
use super::super::record::Record;
use super::directories::{Directories, DirectoryId, Permissions};
use imgfix_model::identity::Identity;
use imgfix_model::path::ImagePath;

/// A package of the run, by its position among all that were ever there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct PackageKey(usize);

/// An installed package.
#[derive(Debug, Default)]
pub(super) struct Package {
    pub(super) record: Record,
    pub(super) tags: Vec<String>,
    pub(super) replaces: Vec<Dependency>,
    pub(super) replaces_priority: Option<u64>,
    pub(super) repository_tag: Option<String>,
    pub(super) broken: Broken,
    pub(super) directories: Vec<OwnedDirectory>,
    pub(super) scripts: BTreeMap<Script, Bytes>,
    /// Patterns of directories.
    pub(super) triggers: Vec<String>,
    /// Its trigger gets all directories that match: the package is new.
    pub(super) run_all_triggers: bool,
    /// Where among the directories each is.
    pub(super) places: HashMap<DirectoryId, usize>,
}

/// A directory of a package.
#[derive(Debug)]
pub(super) struct OwnedDirectory {
    pub(super) id: DirectoryId,
    pub(super) attributes: Attributes,
    pub(super) files: Vec<OwnedFile>,
}

/// A file of a package.
#[derive(Debug, Clone)]
pub(super) struct OwnedFile {
    pub(super) name: Vec<u8>,
    pub(super) attributes: Attributes,
    pub(super) checksum: Option<Identity>,
    /// Another package has it now.
    pub(super) lost: bool,
}

/// Which file of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct FilePlace {
    pub(super) key: PackageKey,
    /// Among the package's directories.
    pub(super) directory: usize,
    /// Among the directory's files.
    pub(super) file: usize,
}

/// All packages of a run.
#[derive(Debug)]
pub(super) struct Ownership {
    packages: Vec<Package>,
    /// Those that are installed, in apk's order.
    pub(super) installed: Vec<PackageKey>,
    /// Those with triggers, in apk's order.
    pub(super) triggers: Vec<PackageKey>,
    pub(super) directories: Directories,
    owners: HashMap<(DirectoryId, Vec<u8>), FilePlace>,
}

impl Package {
    /// The place of a directory that the package has.
    pub(super) fn place(&self, id: DirectoryId) -> Option<usize> {
        self.places.get(&id).copied()
    }

    pub(super) fn name(&self) -> &str {
        &self.record.name.0
    }
}

impl Ownership {
    pub(super) fn new(directories: Directories) -> Self {
        Self {
            packages: Vec::new(),
            installed: Vec::new(),
            triggers: Vec::new(),
            directories,
            owners: HashMap::new(),
        }
    }

    /// Adds a package behind all others.
    pub(super) fn install(&mut self, package: Package) -> PackageKey {
        let key = PackageKey(self.packages.len());
        self.packages.push(package);
        self.installed.push(key);
        key
    }

    /// Takes a package away, whose files and directories are gone already.
    pub(super) fn uninstall(&mut self, key: PackageKey) {
        self.installed.retain(|other| *other != key);
        self.triggers.retain(|other| *other != key);
    }

    pub(super) fn get(&self, key: PackageKey) -> Option<&Package> {
        self.packages.get(key.0)
    }

    pub(super) fn get_mut(&mut self, key: PackageKey) -> Option<&mut Package> {
        self.packages.get_mut(key.0)
    }

    /// The installed packages, in apk's order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (PackageKey, &Package)> {
        self.installed.iter().filter_map(|key| Some((*key, self.get(*key)?)))
    }

    pub(super) fn find(&self, name: &str) -> Option<PackageKey> {
        self.iter().find(|(_, package)| package.name() == name).map(|(key, _)| key)
    }

    /// The place of a directory that a package has already.
    pub(super) fn owned_directory(&self, key: PackageKey, path: &ImagePath) -> Option<usize> {
        self.get(key)?.place(self.directories.known(path)?)
    }

    /// The place of a package's directory; the package gets it when it has it not yet.
    pub(super) fn directory(&mut self, key: PackageKey, path: &ImagePath) -> Option<usize> {
        if let Some(at) = self.owned_directory(key, path) {
            return Some(at);
        }
        let id = self.directories.acquire(path);
        let package = self.get_mut(key)?;
        let at = package.directories.len();
        package.places.insert(id, at);
        package.directories.push(OwnedDirectory {
            id,
            attributes: Attributes::DIRECTORY,
            files: Vec::new(),
        });
        Some(at)
    }

    /// Puts the directories of a package in this order; what is not in it stays in front. Nobody
    /// may have claimed one of its files yet. For each former place there is the new one.
    pub(super) fn order_directories(&mut self, key: PackageKey, order: &[ImagePath]) -> Vec<usize> {
        let wanted: HashMap<DirectoryId, usize> =
            order.iter().filter_map(|path| self.directories.known(path)).zip(0..).collect();
        let Some(package) = self.get_mut(key) else { return Vec::new() };
        let former: Vec<DirectoryId> = package.directories.iter().map(|owned| owned.id).collect();
        package.directories.sort_by_key(|owned| wanted.get(&owned.id).copied());
        let places = package.directories.iter().map(|owned| owned.id).zip(0..);
        package.places = places.collect();
        former.iter().map(|id| package.places.get(id).copied().unwrap_or_default()).collect()
    }

    pub(super) fn directory_id(&self, key: PackageKey, directory: usize) -> Option<DirectoryId> {
        self.get(key)?.directories.get(directory).map(|owned| owned.id)
    }

    /// The directories of a package.
    pub(super) fn directory_ids(&self, key: PackageKey) -> Vec<DirectoryId> {
        let package = self.get(key);
        package.iter().flat_map(|package| &package.directories).map(|owned| owned.id).collect()
    }

    /// Sets mode and owner that a package wants of a directory.
    pub(super) fn set_directory(
        &mut self,
        key: PackageKey,
        directory: usize,
        attributes: Attributes,
    ) {
        let Some(package) = self.packages.get_mut(key.0) else { return };
        let Some(owned) = package.directories.get_mut(directory) else { return };
        let permissions = permissions(&attributes);
        owned.attributes = attributes;
        self.directories.narrow(owned.id, permissions);
    }

    /// Adds a file to a package, without making it the owner.
    pub(super) fn add_file(
        &mut self,
        key: PackageKey,
        directory: usize,
        file: OwnedFile,
    ) -> Option<FilePlace> {
        let owned = self.get_mut(key)?.directories.get_mut(directory)?;
        owned.files.push(file);
        Some(FilePlace { key, directory, file: owned.files.len() - 1 })
    }

    pub(super) fn file(&self, place: FilePlace) -> Option<&OwnedFile> {
        self.get(place.key)?.directories.get(place.directory)?.files.get(place.file)
    }

    pub(super) fn file_mut(&mut self, place: FilePlace) -> Option<&mut OwnedFile> {
        self.get_mut(place.key)?.directories.get_mut(place.directory)?.files.get_mut(place.file)
    }

    /// Who has a file.
    pub(super) fn owner(&self, directory: DirectoryId, name: &[u8]) -> Option<FilePlace> {
        self.owners.get(&(directory, name.to_vec())).copied()
    }

    /// Makes a package the owner of its file; another that had it has it no more.
    pub(super) fn claim(&mut self, directory: DirectoryId, place: FilePlace) {
        let Some(file) = self.file(place) else { return };
        let name = file.name.clone();
        if let Some(former) = self.owners.insert((directory, name), place)
            && former != place
            && let Some(file) = self.file_mut(former)
        {
            file.lost = true;
        }
    }

    /// Nobody has the file any more.
    pub(super) fn disown(&mut self, directory: DirectoryId, name: &[u8]) {
        self.owners.remove(&(directory, name.to_vec()));
    }

    /// What all packages want of all their directories.
    pub(super) fn wanted_permissions(&self) -> Vec<(DirectoryId, Permissions)> {
        self.iter()
            .flat_map(|(_, package)| &package.directories)
            .map(|owned| (owned.id, permissions(&owned.attributes)))
            .collect()
    }
}

fn permissions(attributes: &Attributes) -> Permissions {
    Permissions { mode: attributes.mode & 0o7777, uid: attributes.uid, gid: attributes.gid }
}
