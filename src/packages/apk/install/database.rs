//! What the image records of its packages, read before a run and written after it.
//!
//! In come `installed`, `scripts.tar`, `triggers` and `etc/apk/world`; out come the same, as apk
//! leaves them. Source: apk-tools 2.14, `src/database.c` (`apk_db_read_state`,
//! `apk_db_write_config`).

use bytes::Bytes;

use super::super::installed::RecordOrder;
use super::super::installed::{Directory, FileRecord, InstalledDatabase, InstalledPackage};
use super::super::scripts_archive::{HeaderStyle, ScriptsArchive, Storage};
use super::super::triggers::{Trigger, Triggers};
use super::super::world::{WORLD, World};
use super::directories::Directories;
use super::ownership::{OwnedFile, Ownership, Package};
use super::{InstallError, Run, protection};
use crate::rootfs::{Entry, FileSystem, ImagePath, Kind, Overlay};

/// Where the database may be.
const FOLDERS: &[&str] = &["/lib/apk/db", "/usr/lib/apk/db"];

/// Programs without which nothing of the image can have been installed by itself.
const PROGRAMS: &[&str] =
    &["/sbin/apk", "/usr/sbin/apk", "/bin/apk", "/usr/bin/apk", "/bin/sh", "/usr/bin/sh"];

/// The files of the database.
#[derive(Debug)]
pub(super) struct Database {
    folder: ImagePath,
    order: RecordOrder,
    header_style: HeaderStyle,
    storage: Storage,
    world: World,
}

/// Whether the image has neither apk nor a shell: then its builder (apko) has run no script and
/// no trigger, and none is missed.
#[must_use]
pub fn is_distroless(fs: &dyn FileSystem) -> bool {
    let path = |text: &&str| ImagePath::new(text).ok();
    !PROGRAMS.iter().filter_map(path).any(|path| fs.stat(&path).is_some())
}

impl Database {
    /// Reads the database.
    ///
    /// # Errors
    /// It is missing or damaged.
    pub(super) fn load(fs: &Overlay) -> Result<(Self, Ownership), InstallError> {
        let folder = folder(fs)?;
        let path = join(&folder, "installed")?;
        let installed =
            InstalledDatabase::parse(&fs.read(&path)?).map_err(|error| damaged(&path, error))?;
        let path = join(&folder, "triggers")?;
        let triggers =
            Triggers::parse(&optional(fs, &path)?).map_err(|error| damaged(&path, error))?;
        let (storage, scripts) = scripts(fs, &folder)?;
        let path = ImagePath::literal(WORLD);
        let world = World::parse(&optional(fs, &path)?).map_err(|error| damaged(&path, error))?;
        let (order, header_style) = (installed.order, installed.header_style);
        let mut ownership = Ownership::new(Directories::new(protection::read(fs)));
        for package in installed.packages {
            add(&mut ownership, package, &scripts);
        }
        for trigger in triggers.entries {
            let known = ownership
                .iter()
                .find(|(_, package)| package.record.identity == Some(trigger.package));
            let Some(slot) = known.map(|(slot, _)| slot) else { continue };
            if let Some(package) = ownership.get_mut(slot) {
                package.triggers = trigger.patterns;
                ownership.triggers.push(slot);
            }
        }
        Ok((Self { folder, order, header_style, storage, world }, ownership))
    }

    /// What was asked for, in the order in which apk goes through it.
    pub(super) fn sorted_world(&self) -> World {
        World::parse(&self.world.write(self.order)).unwrap_or_default()
    }
}

fn folder(fs: &Overlay) -> Result<ImagePath, InstallError> {
    let paths = FOLDERS.iter().filter_map(|path| ImagePath::new(path).ok());
    let has_database = |folder: &ImagePath| {
        let path = folder.join(b"installed");
        path.is_ok_and(|path| fs.stat(&path).is_some_and(Entry::is_file))
    };
    paths.into_iter().find(has_database).ok_or_else(|| InstallError::Database {
        file: ImagePath::literal("/lib/apk/db/installed"),
        problem: "it is missing".to_owned(),
    })
}

fn scripts(fs: &Overlay, folder: &ImagePath) -> Result<(Storage, ScriptsArchive), InstallError> {
    for storage in Storage::ALL {
        let path = join(folder, storage.file_name())?;
        if fs.stat(&path).is_some() {
            let scripts = ScriptsArchive::parse(&fs.read(&path)?, storage)
                .map_err(|error| damaged(&path, error))?;
            return Ok((storage, scripts));
        }
    }
    Ok((Storage::Plain, ScriptsArchive::default()))
}

fn add(ownership: &mut Ownership, package: InstalledPackage, scripts: &ScriptsArchive) {
    let identity = package.record.identity;
    let scripts = identity.iter().flat_map(|identity| scripts.of(identity));
    let slot = ownership.install(Package {
        scripts: scripts.map(|(script, text)| (script, text.clone())).collect(),
        record: package.record,
        replaces: package.replaces,
        replaces_priority: package.replaces_priority,
        repository_tag: package.repository_tag,
        broken: package.broken,
        ..Package::default()
    });
    for directory in package.directories {
        let Some(at) = ownership.directory(slot, &directory.path) else { continue };
        ownership.set_directory(slot, at, directory.attributes);
        for file in directory.files {
            let file = OwnedFile {
                name: file.name,
                attributes: file.attributes,
                checksum: file.identity,
                lost: false,
            };
            if let (Some(place), Some(id)) =
                (ownership.add_file(slot, at, file), ownership.directory_id(slot, at))
            {
                ownership.claim(id, place);
            }
        }
    }
}

impl Run<'_> {
    /// Writes the database; of an image without apk, only the files that are there.
    pub(super) fn write_database(&mut self) -> Result<(), InstallError> {
        let installed = InstalledDatabase {
            packages: self.ownership.iter().map(|(_, package)| self.record(package)).collect(),
            order: self.database.order,
            header_style: self.database.header_style,
        };
        let mut scripts = ScriptsArchive::default();
        for (_, package) in self.ownership.iter() {
            let Some(identity) = package.record.identity else { continue };
            for (script, text) in &package.scripts {
                scripts.insert(identity, *script, text.clone());
            }
        }
        let triggers = Triggers {
            entries: self
                .ownership
                .triggers
                .iter()
                .filter_map(|slot| self.ownership.get(*slot))
                .filter_map(|package| {
                    let patterns = package.triggers.clone();
                    Some(Trigger { package: package.record.identity?, patterns })
                })
                .collect(),
        };
        let time = u64::try_from(self.options.timestamp).unwrap_or(0);
        let storage = self.database.storage;
        let archive = join(&self.database.folder, storage.file_name())?;
        let scripts =
            scripts.write(&installed, time, storage).map_err(|error| damaged(&archive, error))?;
        let folder = self.database.folder.clone();
        let world = self.database.world.write(self.database.order);
        self.write(ImagePath::literal(WORLD), world)?;
        self.write(join(&folder, "installed")?, installed.write())?;
        self.write(archive, scripts)?;
        self.write(join(&folder, "triggers")?, triggers.write())?;
        self.lock(&join(&folder, "lock")?)
    }

    fn record(&self, package: &Package) -> InstalledPackage {
        let directories = package.directories.iter().map(|owned| Directory {
            path: self.ownership.directories.path(owned.id),
            attributes: owned.attributes,
            files: owned
                .files
                .iter()
                .filter(|file| !file.lost)
                .map(|file| FileRecord {
                    name: file.name.clone(),
                    attributes: file.attributes,
                    identity: file.checksum,
                })
                .collect(),
        });
        InstalledPackage {
            record: package.record.clone(),
            replaces: package.replaces.clone(),
            replaces_priority: package.replaces_priority,
            repository_tag: package.repository_tag.clone(),
            broken: package.broken,
            directories: directories.collect(),
        }
    }

    /// Replaces a file, unless it would be the same.
    fn write(&mut self, path: ImagePath, content: Vec<u8>) -> Result<(), InstallError> {
        let real = self.overlay.resolve_parent(&path)?;
        match self.overlay.lstat(&real) {
            None if self.scripts.is_none() => return Ok(()),
            Some(Entry { kind: Kind::File(_), mode: 0o644, uid: 0, gid: 0, .. })
                if self.overlay.read(&real)? == content =>
            {
                return Ok(());
            }
            _ => {}
        }
        Ok(self.overlay.set(real, Entry::file(content, 0o644, self.options.timestamp))?)
    }

    /// apk makes its lock when it is missing, and leaves it.
    fn lock(&mut self, path: &ImagePath) -> Result<(), InstallError> {
        let real = self.overlay.resolve_parent(path)?;
        if self.scripts.is_some() && self.overlay.lstat(&real).is_none() {
            self.overlay.set(real, Entry::file(Bytes::new(), 0o600, self.options.timestamp))?;
        }
        Ok(())
    }
}

fn optional(fs: &Overlay, path: &ImagePath) -> Result<Bytes, InstallError> {
    match fs.stat(path) {
        Some(_) => Ok(fs.read(path)?),
        None => Ok(Bytes::new()),
    }
}

fn join(folder: &ImagePath, name: &str) -> Result<ImagePath, InstallError> {
    folder.join(name.as_bytes()).map_err(|error| damaged(folder, error))
}

fn damaged(file: &ImagePath, error: impl std::fmt::Display) -> InstallError {
    InstallError::Database { file: file.clone(), problem: error.to_string() }
}
