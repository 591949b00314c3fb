//! [`Directories`]: the directories that packages share, as apk follows them through a run.
//!
//! In come the directories of packages, one reference for each package and each directory
//! inside; out come their modes and owners (the most careful of what the packages want), which
//! of them vanish with their last package, and which were touched, for triggers. Source:
//! apk-tools 2.14, `src/database.c` (`apk_db_dir_get`, `apk_db_dir_prepare`,
//! `apk_db_dir_unref`, `apk_db_dir_apply_diri_permissions`, `update_permissions`).

use std::cmp::Reverse;
use std::collections::HashMap;

use super::InstallError;
use super::protection::{Pattern, Protection, of_child};
use crate::hash_table;
use imgfix_model::path::ImagePath;
use imgfix_vfs::{Entry, FileSystem, Overlay, RootfsError};

/// A directory, for the time of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct DirectoryId(usize);

/// No user and no group: less careful than any.
const NOBODY: u32 = u32::MAX;

#[derive(Debug)]
struct Directory {
    path: ImagePath,
    parent: Option<DirectoryId>,
    references: usize,
    wanted: Permissions,
    protection: Protection,
    /// Relative patterns for what is inside.
    patterns: Vec<Pattern>,
    created: bool,
    modified: bool,
    update_permissions: bool,
    seen: bool,
}

/// Mode and owner of a directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Permissions {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Permissions {
    const UNKNOWN: Self = Self { mode: 0, uid: NOBODY, gid: NOBODY };

    fn of(entry: &Entry) -> Self {
        Self { mode: entry.mode & 0o7777, uid: entry.uid, gid: entry.gid }
    }

    /// The lower owner's mode counts; of equal owners, what both allow.
    fn narrow(&mut self, other: Self) {
        let (own, others) = ((self.uid, self.gid), (other.uid, other.gid));
        if others < own {
            *self = other;
        } else if others == own {
            self.mode &= other.mode;
        }
    }
}

/// All directories that a run has met.
#[derive(Debug, Default)]
pub(super) struct Directories {
    all: Vec<Directory>,
    by_path: HashMap<ImagePath, DirectoryId>,
    /// For what is in the root.
    patterns: Vec<Pattern>,
}

impl Directories {
    pub(super) fn new(patterns: Vec<Pattern>) -> Self {
        Self { patterns, ..Self::default() }
    }

    /// One more reference to a directory.
    pub(super) fn acquire(&mut self, path: &ImagePath) -> DirectoryId {
        let id = self.by_path.get(path).copied().unwrap_or_else(|| self.add(path));
        let Some(directory) = self.all.get_mut(id.0) else { return id };
        directory.references += 1;
        if directory.references == 1 {
            self.begin(id, path);
        }
        id
    }

    /// A directory that the run has met.
    pub(super) fn known(&self, path: &ImagePath) -> Option<DirectoryId> {
        self.by_path.get(path).copied()
    }

    fn add(&mut self, path: &ImagePath) -> DirectoryId {
        let id = DirectoryId(self.all.len());
        self.all.push(Directory {
            path: path.clone(),
            parent: None,
            references: 0,
            wanted: Permissions::UNKNOWN,
            protection: Protection::None,
            patterns: Vec::new(),
            created: false,
            modified: false,
            update_permissions: false,
            seen: false,
        });
        self.by_path.insert(path.clone(), id);
        id
    }

    /// Sets up a directory that has its first reference.
    fn begin(&mut self, id: DirectoryId, path: &ImagePath) {
        let parent = path.parent().map(|parent| self.acquire(&parent));
        let (protection, patterns) = match parent.and_then(|parent| self.all.get(parent.0)) {
            None => (Protection::None, self.patterns.clone()),
            Some(parent) => of_child(&parent.patterns, path.file_name(), parent.protection),
        };
        if let Some(directory) = self.all.get_mut(id.0) {
            directory.parent = parent;
            directory.protection = protection;
            directory.patterns = patterns;
            directory.wanted.uid = NOBODY;
            directory.wanted.gid = NOBODY;
        }
    }

    /// One reference less. A directory without any is removed, if nothing is in it.
    pub(super) fn release(
        &mut self,
        id: DirectoryId,
        overlay: &mut Overlay,
    ) -> Result<(), RootfsError> {
        let mut next = Some(id);
        while let Some(id) = next {
            let Some(directory) = self.all.get_mut(id.0) else { return Ok(()) };
            directory.references = directory.references.saturating_sub(1);
            if directory.references > 0 {
                return Ok(());
            }
            next = directory.parent.take();
            directory.created = false;
            directory.update_permissions = false;
            directory.seen = false;
            if directory.path.is_root() {
                continue;
            }
            directory.modified = true;
            let real = overlay.resolve_parent(&directory.path)?;
            let is_directory = overlay.lstat(&real).is_some_and(Entry::is_dir);
            if is_directory && overlay.read_dir(&real).is_empty() {
                overlay.remove(&real);
            }
        }
        Ok(())
    }

    /// Notes whether the directory is as its packages want it, so that it may follow them;
    /// makes it with `entry` when it is not there.
    pub(super) fn prepare(
        &mut self,
        id: DirectoryId,
        overlay: &mut Overlay,
        entry: Option<Entry>,
    ) -> Result<(), RootfsError> {
        let Some(directory) = self.all.get_mut(id.0) else { return Ok(()) };
        if directory.created || directory.path.is_root() {
            return Ok(());
        }
        let real = overlay.resolve_parent(&directory.path)?;
        match (overlay.lstat(&real), entry) {
            (Some(found), _) => {
                directory.created = true;
                directory.update_permissions |= Permissions::of(found) == directory.wanted;
            }
            (None, Some(entry)) => {
                overlay.set(real, entry)?;
                directory.created = true;
                directory.update_permissions = true;
            }
            (None, None) => {}
        }
        Ok(())
    }

    /// Adds what one package wants of the directory.
    pub(super) fn narrow(&mut self, id: DirectoryId, wanted: Permissions) {
        if let Some(directory) = self.all.get_mut(id.0) {
            directory.wanted.narrow(wanted);
        }
    }

    /// Something in the directory was changed by a package.
    pub(super) fn touch(&mut self, id: DirectoryId) {
        if let Some(directory) = self.all.get_mut(id.0) {
            directory.modified = true;
        }
    }

    pub(super) fn is_protected(&self, id: DirectoryId) -> bool {
        self.all.get(id.0).is_some_and(|found| found.protection == Protection::Protected)
    }

    pub(super) fn path(&self, id: DirectoryId) -> ImagePath {
        self.all.get(id.0).map_or_else(ImagePath::root, |directory| directory.path.clone())
    }

    /// Gives the directories that may follow their packages the permissions that all of
    /// `wanted` together ask for.
    pub(super) fn update_permissions(
        &mut self,
        wanted: impl Iterator<Item = (DirectoryId, Permissions)>,
        overlay: &mut Overlay,
    ) -> Result<(), InstallError> {
        for (id, permissions) in wanted {
            let Some(directory) = self.all.get_mut(id.0).filter(|d| d.update_permissions) else {
                continue;
            };
            if !directory.seen {
                directory.seen = true;
                directory.wanted = Permissions::UNKNOWN;
            }
            directory.wanted.narrow(permissions);
        }
        for directory in &mut self.all {
            if directory.references == 0 || !directory.update_permissions {
                continue;
            }
            directory.seen = false;
            if directory.path.is_root() {
                continue;
            }
            let real = overlay.resolve(&directory.path)?;
            let wanted = directory.wanted;
            if overlay.lstat(&real).is_some_and(|entry| Permissions::of(entry) != wanted) {
                overlay.modify(&real, |entry| {
                    entry.mode = wanted.mode & 0o7777;
                    entry.uid = wanted.uid;
                    entry.gid = wanted.gid;
                })?;
            }
        }
        Ok(())
    }

    /// All directories that the run has met, also those that are gone, each with whether it was
    /// touched, in the order of apk's hash table: it decides the order of triggers' arguments.
    pub(super) fn in_apk_order(&self) -> Vec<(DirectoryId, bool)> {
        let mut keyed: Vec<_> = (0..)
            .zip(&self.all)
            .map(|(at, one)| (hash_table::bucket(one.path.relative()), Reverse(at), one))
            .collect();
        keyed.sort_unstable_by_key(|(bucket, at, _)| (*bucket, *at));
        keyed.into_iter().map(|(_, Reverse(at), one)| (DirectoryId(at), one.modified)).collect()
    }
}
