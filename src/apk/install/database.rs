//! What the image records of its packages, read before a run and written after it.
//!
//! In come `installed`, `scripts.tar`, `triggers` and `etc/apk/world`; out come the same, as apk
//! leaves them, and `etc/apk/arch` where it was missing. Source: apk-tools 2.14,
//! `src/database.c` (`apk_db_open`, `apk_db_read_state`, `apk_db_write_config`).

use bytes::Bytes;

use super::super::installed::{
    Directory, FileRecord, InstalledDatabase, InstalledPackage, RecordOrder, compare_names,
};
use super::super::inventory::{ARCH, DatabasePaths, architecture};
use super::super::scripts_archive::{HeaderStyle, ScriptsArchive};
use super::super::triggers::{Trigger, Triggers};
use super::super::world::World;
use super::directories::Directories;
use super::ownership::{OwnedFile, Ownership, Package};
use super::{InstallError, Run, protection};
use imgfix_model::package::Architecture;
use imgfix_model::path::ImagePath;
use imgfix_versions::apk::generation::Generation;
use imgfix_vfs::{Entry, FileSystem, Overlay, RootfsError};

/// Programs without which nothing of the image can have been installed by itself.
const PROGRAMS: &[&str] =
    &["/sbin/apk", "/usr/sbin/apk", "/bin/apk", "/usr/bin/apk", "/bin/sh", "/usr/bin/sh"];

/// The files of the database.
#[derive(Debug)]
pub(super) struct Database {
    paths: DatabasePaths,
    order: RecordOrder,
    header_style: HeaderStyle,
    pub(super) generation: Generation,
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
        let mut paths = DatabasePaths::find(fs)?;
        let installed = paths.read_installed(fs)?;
        paths.settle_scripts(fs, installed.generation)?;
        let triggers = paths.read_triggers(fs)?;
        let scripts = paths.read_scripts(fs)?;
        let world = paths.read_world(fs)?;
        let InstalledDatabase { order, header_style, generation, packages } = installed;
        let mut ownership = Ownership::new(Directories::new(protection::read(fs)?));
        for package in packages {
            add(&mut ownership, package, &scripts);
        }
        for trigger in triggers.entries {
            let known = ownership
                .iter()
                .find(|(_, package)| package.record.identity == Some(trigger.package));
            let Some(key) = known.map(|(key, _)| key) else { continue };
            if let Some(package) = ownership.get_mut(key) {
                package.triggers = trigger.patterns;
                ownership.triggers.push(key);
            }
        }
        Ok((Self { paths, order, header_style, generation, world }, ownership))
    }

    /// What was asked for, in the order in which apk goes through it.
    pub(super) fn sorted_world(&self) -> World {
        World::parse(&self.world.write(self.order)).unwrap_or_default()
    }
}

fn add(ownership: &mut Ownership, package: InstalledPackage, scripts: &ScriptsArchive) {
    let identity = package.record.identity;
    let scripts = identity.iter().flat_map(|identity| scripts.of(identity));
    let key = ownership.install(Package {
        scripts: scripts.map(|(script, text)| (script, text.clone())).collect(),
        record: package.record,
        tags: package.tags,
        replaces: package.replaces,
        replaces_priority: package.replaces_priority,
        repository_tag: package.repository_tag,
        broken: package.broken,
        ..Package::default()
    });
    for directory in package.directories {
        let Some(at) = ownership.directory(key, &directory.path) else { continue };
        ownership.set_directory(key, at, directory.attributes);
        for file in directory.files {
            let file = OwnedFile {
                name: file.name,
                attributes: file.attributes,
                checksum: file.identity,
                lost: false,
            };
            if let (Some(place), Some(id)) =
                (ownership.add_file(key, at, file), ownership.directory_id(key, at))
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
            generation: self.database.generation,
        };
        let mut scripts = ScriptsArchive::default();
        for (_, package) in self.ownership.iter() {
            let Some(identity) = package.record.identity else { continue };
            for (script, text) in &package.scripts {
                scripts.insert(identity, *script, text.clone());
            }
        }
        let waiting = self.ownership.triggers.iter();
        let mut waiting: Vec<&Package> =
            waiting.filter_map(|key| self.ownership.get(*key)).collect();
        if self.database.generation == Generation::Apk3 {
            waiting.sort_by(|a, b| compare_names(&a.record.name, &b.record.name));
        }
        let trigger = |package: &&Package| {
            let patterns = package.triggers.clone();
            Some(Trigger { package: package.record.identity?, patterns })
        };
        let triggers = Triggers { entries: waiting.iter().filter_map(trigger).collect() };
        let time = u64::try_from(self.options.timestamp).unwrap_or(0);
        let paths = self.database.paths.clone();
        let scripts = scripts
            .write(&installed, time, paths.storage)
            .map_err(|source| RootfsError::Io { what: paths.scripts.to_string(), source })?;
        let world = self.database.world.write(self.database.order);
        self.write(paths.world, world)?;
        self.write(paths.installed.clone(), installed.write())?;
        self.write(paths.scripts, scripts)?;
        self.write(paths.triggers, triggers.write())?;
        self.write_architecture(&installed)?;
        self.lock(&paths.installed)
    }

    fn record(&self, package: &Package) -> InstalledPackage {
        let file = |file: &OwnedFile| FileRecord {
            name: file.name.clone(),
            attributes: file.attributes,
            identity: file.checksum,
        };
        let directories = package.directories.iter().map(|owned| {
            let files = owned.files.iter().filter(|file| !file.lost).map(file);
            let mut files: Vec<FileRecord> = files.collect();
            if self.database.generation == Generation::Apk3 {
                files.sort_by(|a, b| a.name.cmp(&b.name));
            }
            let path = self.ownership.directories.path(owned.id);
            Directory { path, attributes: owned.attributes, files }
        });
        InstalledPackage {
            record: package.record.clone(),
            tags: package.tags.clone(),
            replaces: package.replaces.clone(),
            replaces_priority: package.replaces_priority,
            repository_tag: package.repository_tag.clone(),
            broken: package.broken,
            directories: directories.collect(),
        }
    }

    /// Replaces a file.
    fn write(&mut self, path: ImagePath, content: Vec<u8>) -> Result<(), InstallError> {
        if self.scripts.is_none() && self.overlay.lstat(&path).is_none() {
            return Ok(());
        }
        Ok(self.overlay.set(path, Entry::file(content, 0o644, self.options.timestamp))?)
    }

    /// apk writes down which architecture it is for where the image does not say so.
    fn write_architecture(&mut self, installed: &InstalledDatabase) -> Result<(), InstallError> {
        let path = ImagePath::literal(ARCH);
        if self.scripts.is_none() || self.overlay.stat(&path).is_some() {
            return Ok(());
        }
        let Architecture(name) = architecture(&self.overlay, installed)?;
        let path = self.overlay.resolve(&path)?;
        self.write(path, format!("{name}\n").into_bytes())
    }

    /// apk makes its lock, beside the database, when it is missing, and leaves it.
    fn lock(&mut self, installed: &ImagePath) -> Result<(), InstallError> {
        let folder = installed.parent().unwrap_or_else(ImagePath::root);
        let path = folder
            .join(b"lock")
            .map_err(|source| RootfsError::Path { path: folder.to_string(), source })?;
        if self.scripts.is_some() && self.overlay.lstat(&path).is_none() {
            self.overlay.set(path, Entry::file(Bytes::new(), 0o600, self.options.timestamp))?;
        }
        Ok(())
    }
}
