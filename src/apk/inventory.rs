//! [`ApkInventory`]: which packages the image has, and where apk's files about them are.
//!
//! In comes the image's file system (`lib/apk/db`, `etc/apk`, `os-release`); out come the parsed
//! database and world. Images without apk, as apko builds them for Wolfi and Chainguard, are
//! read like all others: only the database itself must be there. Source: apk-tools 2.14,
//! `src/database.c` (`apk_db_open`).

use std::collections::BTreeMap;

use super::installed::{InstalledDatabase, InstalledError, InstalledPackage};
use super::scripts_archive::{ScriptsArchive, ScriptsError, Storage};
use super::triggers::{Triggers, TriggersError};
use super::world::{WORLD, World, WorldError};
use imgfix_model::package::{Architecture, Distribution, Installed, Inventory, PackageId};
use imgfix_model::path::ImagePath;
use imgfix_repair::os_release::read_distribution;
use imgfix_repository::config_text::plain;
use imgfix_versions::VersionText;
use imgfix_versions::apk::Version;
use imgfix_versions::apk::generation::Generation;
use imgfix_vfs::{Entry, FileSystem, RootfsError, fault};

/// Where the database may be. The first is the only one that apk 2 looks at; images that have
/// just the second have `/lib` merged into `/usr`, or no apk.
pub(crate) const DIRECTORIES: [&str; 2] = ["/lib/apk/db", "/usr/lib/apk/db"];

/// The architecture that apk takes packages for.
pub(crate) const ARCH: &str = "/etc/apk/arch";

/// Architectures of packages that are for all.
const ANY_ARCHITECTURE: [&str; 2] = ["noarch", "all"];

/// What helps against a database that is not understood.
const DAMAGED: &str = "the package database is damaged: build the image anew";

/// Why the image's package database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// No database in either directory.
    #[error("the image has no file `installed` in {} or {}", DIRECTORIES[0], DIRECTORIES[1])]
    NoDatabase,
    /// A file cannot be read from its layer, or a link leads nowhere.
    #[error("cannot read the package database: {0}")]
    Read(#[from] RootfsError),
    /// `installed` is not understood.
    #[error("{path}: {source}; {DAMAGED}")]
    Installed {
        /// In the image.
        path: ImagePath,
        /// What is wrong, and in which line.
        source: InstalledError,
    },
    /// `world` is not understood.
    #[error("{path}: {source}; {DAMAGED}")]
    World {
        /// In the image.
        path: ImagePath,
        /// What is wrong, and in which line.
        source: WorldError,
    },
    /// The archive of scripts is not understood.
    #[error("{path}: {source}; {DAMAGED}")]
    Scripts {
        /// In the image.
        path: ImagePath,
        /// What is wrong, and in which member.
        source: ScriptsError,
    },
    /// `triggers` is not understood.
    #[error("{path}: {source}; {DAMAGED}")]
    Triggers {
        /// In the image.
        path: ImagePath,
        /// What is wrong, and in which line.
        source: TriggersError,
    },
    /// `etc/apk/arch` has something else.
    #[error("{path}: {text:?} is not an architecture")]
    Architecture {
        /// In the image.
        path: ImagePath,
        /// What it has, cut to 100 characters.
        text: String,
    },
    /// More patterns in `etc/apk/protected_paths.d` than are read.
    #[error("{path}: more than {limit} protected paths with this file")]
    ProtectedPaths {
        /// The file with which they are too many.
        path: ImagePath,
        /// The most patterns that are read.
        limit: usize,
    },
}

/// Where apk's files about the installed packages are, the links above them resolved. (One that
/// is a link itself is replaced: apk renames a new file over it.) What is not there yet is where
/// apk would make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DatabasePaths {
    pub(crate) installed: ImagePath,
    pub(crate) triggers: ImagePath,
    /// The archive of scripts.
    pub(crate) scripts: ImagePath,
    /// How that is stored.
    pub(crate) storage: Storage,
    pub(crate) world: ImagePath,
}

/// Everything the planner knows of the image.
#[derive(Debug, Clone)]
pub struct ApkInventory {
    /// What os-release(5) says.
    pub distribution: Distribution,
    /// What packages must be for.
    pub architecture: Architecture,
    /// `lib/apk/db/installed`
    pub database: InstalledDatabase,
    /// `etc/apk/world`
    pub world: World,
    /// Where the files of the database are.
    pub(crate) paths: DatabasePaths,
}

impl DatabasePaths {
    /// Finds the database. Where there is no archive of scripts, it is the plain one.
    ///
    /// # Errors
    /// There is no database, or a link leads nowhere.
    pub fn find(fs: &dyn FileSystem) -> Result<Self, InventoryError> {
        for directory in DIRECTORIES {
            let directory = ImagePath::literal(directory);
            let installed = resolve(fs, &directory, "installed")?;
            if !fs.stat(&installed).is_some_and(Entry::is_file) {
                continue;
            }
            let (scripts, storage) = scripts(fs, &directory)?;
            return Ok(Self {
                triggers: resolve(fs, &directory, "triggers")?,
                world: fs.resolve_parent(&ImagePath::literal(WORLD))?,
                installed,
                scripts,
                storage,
            });
        }
        Err(InventoryError::NoDatabase)
    }

    /// Of an image without an archive of scripts, makes it the one that its apk would make.
    ///
    /// # Errors
    /// A link leads nowhere.
    pub fn settle_scripts(
        &mut self,
        fs: &dyn FileSystem,
        generation: Generation,
    ) -> Result<(), InventoryError> {
        if generation == Generation::Apk3 && fs.lstat(&self.scripts).is_none() {
            self.storage = Storage::Gzip;
            let folder = self.installed.parent().unwrap_or_else(ImagePath::root);
            self.scripts = resolve(fs, &folder, self.storage.file_name())?;
        }
        Ok(())
    }

    /// The triggers; none without the file.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read_triggers(&self, fs: &dyn FileSystem) -> Result<Triggers, InventoryError> {
        let path = &self.triggers;
        let Some(bytes) = read_if_there(fs, path)? else { return Ok(Triggers::default()) };
        Triggers::parse(&bytes)
            .map_err(|source| InventoryError::Triggers { path: path.clone(), source })
    }

    /// The scripts; none without the archive.
    ///
    /// # Errors
    /// The archive cannot be read.
    pub fn read_scripts(&self, fs: &dyn FileSystem) -> Result<ScriptsArchive, InventoryError> {
        let path = &self.scripts;
        let Some(bytes) = read_if_there(fs, path)? else { return Ok(ScriptsArchive::default()) };
        ScriptsArchive::parse(&bytes, self.storage)
            .map_err(|source| InventoryError::Scripts { path: path.clone(), source })
    }

    /// The database.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read_installed(&self, fs: &dyn FileSystem) -> Result<InstalledDatabase, InventoryError> {
        let path = &self.installed;
        let bytes = fs.read(path)?;
        let mut failed = None;
        let generation = Generation::of(&bytes, || match self.read_scripts(fs) {
            Ok(scripts) => scripts.is_of_apk3(),
            // One that is damaged says nothing; what needs its scripts tells why.
            Err(error) => {
                if fault::is_of_this_machine(&error) {
                    failed = Some(error);
                }
                false
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        InstalledDatabase::parse_of(generation, &bytes)
            .map_err(|source| InventoryError::Installed { path: path.clone(), source })
    }

    /// The world; empty without the file.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read_world(&self, fs: &dyn FileSystem) -> Result<World, InventoryError> {
        let path = &self.world;
        let Some(bytes) = read_if_there(fs, path)? else { return Ok(World::default()) };
        World::parse(&plain(&bytes))
            .map_err(|source| InventoryError::World { path: path.clone(), source })
    }
}

/// The path of a database's file.
fn resolve(
    fs: &dyn FileSystem,
    directory: &ImagePath,
    name: &'static str,
) -> Result<ImagePath, RootfsError> {
    let path = directory.join(name);
    fs.resolve_parent(&path.map_err(|source| RootfsError::Path { path: name.to_owned(), source })?)
}

/// The archive of scripts that is there, plain before gzip; the plain one when there is none.
fn scripts(
    fs: &dyn FileSystem,
    directory: &ImagePath,
) -> Result<(ImagePath, Storage), RootfsError> {
    for storage in Storage::ALL {
        let path = resolve(fs, directory, storage.file_name())?;
        if fs.stat(&path).is_some_and(Entry::is_file) {
            return Ok((path, storage));
        }
    }
    Ok((resolve(fs, directory, Storage::Plain.file_name())?, Storage::Plain))
}

fn read_if_there(
    fs: &dyn FileSystem,
    path: &ImagePath,
) -> Result<Option<bytes::Bytes>, RootfsError> {
    match fs.stat(path).is_some() {
        true => fs.read(path).map(Some),
        false => Ok(None),
    }
}

impl ApkInventory {
    /// Whether the image has a database that [`ApkInventory::read`] understands.
    #[must_use]
    pub fn detect(fs: &dyn FileSystem) -> bool {
        DatabasePaths::find(fs).is_ok()
    }

    /// Reads the image's database.
    ///
    /// # Errors
    /// No database, or the file and line that is not understood.
    pub fn read(fs: &dyn FileSystem) -> Result<Self, InventoryError> {
        let paths = DatabasePaths::find(fs)?;
        let database = paths.read_installed(fs)?;
        Ok(Self {
            distribution: read_distribution(fs)?,
            architecture: architecture(fs, &database)?,
            world: paths.read_world(fs)?,
            database,
            paths,
        })
    }

    /// The version of the image's own apk; `None` when it has none.
    #[must_use]
    pub fn apk_tools(&self) -> Option<&Version> {
        self.database.apk_tools()
    }

    /// The package of this name and architecture.
    #[must_use]
    pub fn get(&self, id: &PackageId) -> Option<&InstalledPackage> {
        self.database.packages.iter().find(|package| package.record.id() == *id)
    }

    /// The packages in the form that all families have.
    #[must_use]
    pub fn to_inventory(&self) -> Inventory {
        let mut packages: Vec<Installed> =
            self.database.packages.iter().map(|package| self.installed(package)).collect();
        packages.sort_by(|a, b| a.id.cmp(&b.id));
        Inventory {
            family: "apk",
            purl_type: "apk",
            order: self.database.generation.into(),
            distribution: self.distribution.clone(),
            packages,
            unfinished: Vec::new(),
        }
    }

    fn installed(&self, package: &InstalledPackage) -> Installed {
        let record = &package.record;
        let version = VersionText(record.version.as_str().to_owned());
        let origin = record.origin.as_deref().filter(|origin| *origin != package.name());
        Installed {
            id: record.id(),
            source: origin.map(|origin| (origin.into(), version.clone())),
            version,
            held: self.world.holds(record, self.database.generation),
        }
    }
}

/// The first word of `etc/apk/arch`; without the file the architecture that most packages have.
///
/// # Errors
/// The file cannot be read, or has something else.
pub fn architecture(
    fs: &dyn FileSystem,
    database: &InstalledDatabase,
) -> Result<Architecture, InventoryError> {
    let path = ImagePath::literal(ARCH);
    if let Some(bytes) = read_if_there(fs, &path)? {
        let text = String::from_utf8_lossy(&bytes);
        if let Some(word) = text.split_ascii_whitespace().next() {
            let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
            return match word.len() <= 100 && word.bytes().all(good) {
                true => Ok(word.into()),
                false => Err(InventoryError::Architecture {
                    path,
                    text: word.chars().take(100).collect(),
                }),
            };
        }
    }
    let mut counts: BTreeMap<&Architecture, usize> = BTreeMap::new();
    for package in &database.packages {
        let architecture = &package.record.architecture;
        if !architecture.0.is_empty() && !ANY_ARCHITECTURE.contains(&&*architecture.0) {
            *counts.entry(architecture).or_default() += 1;
        }
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    Ok(most.map_or_else(|| ANY_ARCHITECTURE[0].into(), |(architecture, _)| architecture.clone()))
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;
    use std::sync::Arc;

    use super::super::apk_file::Script;
    use super::*;
    use imgfix_versions::VersionOrder;
    use imgfix_vfs::{NoLayers, Tree};

    const INSTALLED: &[u8] = include_bytes!("../../fixtures/apk/alpine-3.20.3/installed");
    const SCRIPTS: &[u8] = include_bytes!("../../fixtures/apk/alpine-3.20.3/scripts.tar");
    const TRIGGERS: &[u8] = include_bytes!("../../fixtures/apk/alpine-3.20.3/triggers");

    fn file(path: &'static str, content: &[u8]) -> (ImagePath, Entry) {
        (ImagePath::literal(path), Entry::file(content.to_vec(), 0o644, 0))
    }

    fn link(path: &'static str, target: &str) -> (ImagePath, Entry) {
        (ImagePath::literal(path), Entry::symlink(target.as_bytes().to_vec(), 0))
    }

    fn image(entries: impl IntoIterator<Item = (ImagePath, Entry)>) -> Tree {
        Tree::from_entries(entries, Arc::new(NoLayers))
    }

    #[test]
    fn an_alpine_image_is_read_whole() {
        let tree = image([
            file("/lib/apk/db/installed", INSTALLED),
            file("/lib/apk/db/scripts.tar", SCRIPTS),
            file("/lib/apk/db/triggers", TRIGGERS),
            file("/etc/apk/world", b"busybox=1.36.1-r29\napk-tools\n"),
            file("/etc/apk/arch", b"x86_64\n"),
            file("/etc/os-release", b"ID=alpine\nVERSION_ID=3.20.3\n"),
        ]);
        let inventory = ApkInventory::read(&tree).unwrap();
        assert_eq!(inventory.architecture.as_ref(), "x86_64");
        assert_eq!(inventory.apk_tools().unwrap().as_str(), "2.14.4-r0");
        let common = inventory.to_inventory();
        assert_eq!((common.family, &*common.distribution.version_id), ("apk", "3.20.3"));
        assert!(common.packages.is_sorted_by(|a, b| a.id < b.id));
        let get = |name: &str| common.packages.iter().find(|one| one.id.name.as_ref() == name);
        let busybox = get("busybox").unwrap();
        assert!(busybox.held && busybox.source.is_none());
        let libcrypto = get("libcrypto3").unwrap();
        let (source, version) = libcrypto.source.as_ref().unwrap();
        assert_eq!((source.as_ref(), version), ("openssl", &libcrypto.version));
        assert!(!libcrypto.held && !get("apk-tools").unwrap().held);
        let busybox = inventory.get(&busybox.id).unwrap().record.identity.unwrap();
        let scripts = inventory.paths.read_scripts(&tree).unwrap();
        assert!(scripts.get(&busybox, Script::Trigger).is_some());
        assert!(inventory.paths.read_triggers(&tree).unwrap().get(&busybox).is_some());
    }

    #[test]
    fn an_image_without_apk_has_just_the_database() {
        let text = b"P:glibc\nV:2.39-r1\nA:aarch64\no:glibc\n\nP:tzdata\nV:1-r0\nA:noarch\n\n\
            P:ca\nV:1-r0\nA:noarch\n\n";
        let tree = image([
            file("/lib/apk/db/installed", text),
            file("/etc/os-release", b"ID=wolfi\nVERSION_ID=20230201\n"),
        ]);
        assert!(ApkInventory::detect(&tree));
        let inventory = ApkInventory::read(&tree).unwrap();
        assert_eq!(inventory.architecture.as_ref(), "aarch64");
        assert_eq!((inventory.apk_tools(), &*inventory.distribution.id), (None, "wolfi"));
        assert_eq!(inventory.paths.scripts.to_string(), "/lib/apk/db/scripts.tar");
        assert_eq!(inventory.paths.read_triggers(&tree).unwrap(), Triggers::default());
        assert_eq!(inventory.paths.read_scripts(&tree).unwrap(), ScriptsArchive::default());
    }

    #[test]
    fn the_database_is_found_behind_links_either_way() {
        for (entries, want) in [
            (
                vec![file("/usr/lib/apk/db/installed", INSTALLED), link("/lib", "usr/lib")],
                "/usr/lib/apk/db/installed",
            ),
            (
                vec![
                    file("/usr/lib/apk/db/installed", INSTALLED),
                    link("/lib/apk", "../usr/lib/apk"),
                ],
                "/usr/lib/apk/db/installed",
            ),
            (
                vec![
                    file("/lib/apk/db/installed", INSTALLED),
                    link("/usr/lib/apk/db/installed", "/lib/apk/db/installed"),
                ],
                "/lib/apk/db/installed",
            ),
            (vec![file("/usr/lib/apk/db/installed", INSTALLED)], "/usr/lib/apk/db/installed"),
        ] {
            let paths = DatabasePaths::find(&image(entries)).unwrap();
            assert_eq!(paths.installed.to_string(), want);
        }
        let none = image([link("/lib/apk/db/installed", "installed")]);
        assert!(!ApkInventory::detect(&none));
        assert!(
            ApkInventory::read(&image([])).unwrap_err().to_string().contains("/usr/lib/apk/db")
        );
    }

    #[test]
    fn versions_are_ordered_by_the_images_generation() {
        let apk = |version: &str| format!("P:apk-tools\nV:{version}\n\nP:a\nV:1.04-r0\n\n");
        let alone = "C:Q1yY8lhMF1VhgegJgkcXfqaNabDJw=\nP:a\nV:1.04-r0\n\n";
        let of_apk3 = include_bytes!("../../fixtures/apk/apk-3.0.6/before/scripts.tar.gz");
        for (installed, scripts, want) in [
            (apk("2.14.10-r0"), None, VersionOrder::APK2),
            (apk("3.0.6-r0"), None, VersionOrder::APK3),
            (alone.to_owned(), None, VersionOrder::APK2),
            (alone.to_owned(), Some(&of_apk3[..]), VersionOrder::APK3),
            (alone.to_owned(), Some(&b"damaged"[..]), VersionOrder::APK2),
            (apk("2.14.10-r0"), Some(&of_apk3[..]), VersionOrder::APK2),
        ] {
            let world = file("/etc/apk/world", b"a<=1.04-r0");
            let installed = file("/lib/apk/db/installed", installed.as_bytes());
            let scripts = scripts.map(|bytes| file("/lib/apk/db/scripts.tar.gz", bytes));
            let tree = image([world, installed].into_iter().chain(scripts));
            let inventory = ApkInventory::read(&tree).unwrap().to_inventory();
            assert_eq!(inventory.order, want);
            let higher = match want == VersionOrder::APK3 {
                true => Ordering::Less,
                false => Ordering::Greater,
            };
            assert_eq!(inventory.compare("1.016-r0", "1.04-r0"), Some(higher));
            assert_eq!(
                inventory
                    .packages
                    .iter()
                    .find(|one| one.id.name.as_ref() == "a")
                    .map(|one| one.held),
                Some(true)
            );
        }
    }

    #[test]
    fn scripts_may_be_compressed() {
        let scripts = ScriptsArchive::parse(SCRIPTS, Storage::Plain).unwrap();
        let database = InstalledDatabase::parse(INSTALLED).unwrap();
        let gzip = scripts.write(&database, 0, Storage::Gzip).unwrap();
        let tree = image([
            file("/lib/apk/db/installed", INSTALLED),
            file("/lib/apk/db/scripts.tar.gz", &gzip),
        ]);
        let paths = DatabasePaths::find(&tree).unwrap();
        assert_eq!(paths.storage, Storage::Gzip);
        assert_eq!(paths.read_scripts(&tree).unwrap(), scripts);
    }

    #[test]
    fn errors_name_the_file_and_the_line() {
        let installed = || file("/lib/apk/db/installed", b"P:a\nV:1\n\n");
        for (entry, want) in [
            (file("/lib/apk/db/installed", b"P:a\nx"), "/lib/apk/db/installed: line 2: the record"),
            (file("/etc/apk/world", b"a\n="), "/etc/apk/world: line 2: a dependency without"),
            (file("/etc/apk/arch", b"../x"), "/etc/apk/arch: \"../x\" is not an architecture"),
        ] {
            let error = ApkInventory::read(&image([installed(), entry])).unwrap_err().to_string();
            assert!(error.contains(want), "{error}");
        }
    }

    /// Reads what the apk of real root file systems has written last.
    #[test]
    #[ignore = "needs Alpine root file systems, by colons, in IMGFIX_ALPINE_ROOT"]
    fn what_the_real_apk_has_written_is_written_the_same() {
        let roots = std::env::var("IMGFIX_ALPINE_ROOT").expect("IMGFIX_ALPINE_ROOT");
        for root in roots.split(':') {
            let read = |path: &str| std::fs::read(format!("{root}{path}")).unwrap();
            let bytes = read("/lib/apk/db/installed");
            let database = InstalledDatabase::parse(&bytes).unwrap();
            assert!(database.write() == bytes, "{root}: installed");
            let bytes = read("/lib/apk/db/triggers");
            assert!(Triggers::parse(&bytes).unwrap().write() == bytes, "{root}: triggers");
            let bytes = read(WORLD);
            let world = World::parse(&bytes).unwrap();
            assert!(world.write(database.order) == bytes, "{root}: world");
            let bytes = read("/lib/apk/db/scripts.tar");
            let scripts = ScriptsArchive::parse(&bytes, Storage::Plain).unwrap();
            let mut archive = tar::Archive::new(&bytes[..]);
            let first = archive.entries().unwrap().next().unwrap().unwrap();
            let run = first.header().mtime().unwrap();
            let written = scripts.write(&database, run, Storage::Plain).unwrap();
            assert!(written == bytes, "{root}: scripts.tar");
        }
    }
}
