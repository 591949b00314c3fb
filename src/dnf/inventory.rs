//! [`RpmInventory`]: which packages the image has, by rpm's database.
//!
//! In comes the image's file system; out come the headers with what the house asks of them, the keys
//! that somebody imported, and what kind of rpm it is that the image has.

use std::collections::BTreeMap;

use super::installed::{self, InstalledPackage};
use super::releases;
use super::solve::source_of;
use imgfix_model::package::{Distribution, Inventory, PackageId};
use imgfix_model::path::ImagePath;
use imgfix_repair::os_release::read_distribution;
use imgfix_repository::signature::Keyring;
use imgfix_rpm::Package;
use imgfix_rpm::database::manifest::{self, Manifest};
use imgfix_rpm::database::{Database, DatabaseError, Location};
use imgfix_rpm::header::{Header, HeaderError, tag};
use imgfix_rpm::install::{Installed, Release};
use imgfix_rpm::package::PackageError;
use imgfix_rpm::signature::{Era, imported_key};
use imgfix_versions::{VersionOrder, VersionText};
use imgfix_vfs::{FileSystem, RootfsError};

/// What helps against a database that is not understood.
const DAMAGED: &str = "the package database is damaged: build the image anew";

/// Why the image's package database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// A file cannot be read from its layer, or a link leads nowhere.
    #[error("cannot read the package database: {0}")]
    Read(#[from] RootfsError),
    /// A file of the database is not understood.
    #[error("{problem}; {remedy}", problem = .0, remedy = remedy(.0))]
    Database(#[from] DatabaseError),
    /// A header is not understood.
    #[error("header of package {number}: {source}; {DAMAGED}")]
    Header {
        /// rpm's number of it.
        number: u32,
        /// What is wrong, and where.
        source: HeaderError,
    },
    /// A header is no package's.
    #[error("header of package {number}: {source}; {DAMAGED}")]
    Package {
        /// rpm's number of it.
        number: u32,
        /// What is missing.
        source: PackageError,
    },
    /// A header was changed after it was written. rpm passes over it, as if its package were not
    /// there.
    #[error(
        "header of package {number} ({package}): it has not the digest that it says; {DAMAGED}"
    )]
    Changed {
        /// rpm's number of it.
        number: u32,
        /// What it says to be: `bash-5.1-1.x86_64`.
        package: String,
    },
    /// A package's version, relations or files are not understood.
    #[error("{0}; {DAMAGED}")]
    Installed(#[from] installed::InstalledError),
}

fn remedy(error: &DatabaseError) -> &'static str {
    match error {
        DatabaseError::Ambiguous { .. } => "take away the one that is left over",
        _ => DAMAGED,
    }
}

/// Everything that is known of an image's packages.
#[derive(Debug)]
pub struct RpmInventory {
    /// What os-release(5) says.
    pub distribution: Distribution,
    /// rpm's database; `None`: the image has only a list of its packages.
    pub database: Option<Database>,
    /// That list, in the order of [`RpmInventory::packages`].
    pub manifest: Option<Manifest>,
    /// The folder of either.
    pub place: ImagePath,
    /// All its headers, by number; keys, too.
    pub headers: Vec<Installed>,
    /// The packages among them.
    pub packages: Vec<InstalledPackage>,
    /// The keys among them.
    pub keys: Keyring,
    /// rpm's name of the machine: `x86_64`.
    pub architecture: String,
    /// What `$releasever` stands for.
    pub version: String,
    /// The rpm that the image has.
    pub release: Release,
    /// Which signatures that rpm takes.
    pub era: Era,
    /// The colours of the machine ([`Options`](imgfix_rpm::install::Options)).
    pub colour: u32,
}

impl RpmInventory {
    /// Reads the image's database, or the list that distroless images have in its place; `None`: it
    /// has neither.
    ///
    /// # Errors
    /// It is not understood, with the package and the place.
    pub fn read(fs: &dyn FileSystem) -> Result<Option<Self>, InventoryError> {
        match Location::find(fs)? {
            Some(location) => Self::of_database(fs, Database::read(fs, location)?).map(Some),
            None => Self::of_list(fs),
        }
    }

    fn of_list(fs: &dyn FileSystem) -> Result<Option<Self>, InventoryError> {
        let Some(manifest) = Manifest::read(fs)? else { return Ok(None) };
        let packages: Vec<InstalledPackage> = manifest.packages.iter().map(listed).collect();
        let distribution = read_distribution(fs)?;
        let architecture = architecture(&packages);
        Ok(Some(Self {
            database: None,
            place: ImagePath::literal(manifest::DIRECTORY),
            headers: Vec::new(),
            keys: Keyring::default(),
            version: distribution.version_id.clone(),
            release: releases::rpm_of(&packages, &distribution),
            era: releases::era_of(&distribution),
            // what the machine's rpm notes; no header is there to say so
            colour: if architecture == "x86_64" { 3 } else { 0 },
            architecture,
            distribution,
            packages,
            manifest: Some(manifest),
        }))
    }

    fn of_database(fs: &dyn FileSystem, database: Database) -> Result<Self, InventoryError> {
        let mut headers = Vec::with_capacity(database.records.len());
        let (mut packages, mut keys) = (Vec::new(), Keyring::default());
        for record in &database.records {
            let number = record.number;
            let header = Header::parse(record.blob.clone())
                .map_err(|source| InventoryError::Header { number, source })?;
            let package = Package::new(header)
                .map_err(|source| InventoryError::Package { number, source })?;
            if !package.is_intact() {
                return Err(InventoryError::Changed { number, package: package.label() });
            }
            match package.is_key() {
                // rpm passes over a key that it cannot read, too
                true => keys.extend(imported_key(&package).unwrap_or_default()),
                false => packages.push(InstalledPackage::of(&package)?),
            }
            headers.push(Installed { number, package });
        }
        let distribution = read_distribution(fs)?;
        Ok(Self {
            place: database.location.directory.clone(),
            architecture: architecture(&packages),
            version: installed::release(&packages)
                .unwrap_or_else(|| distribution.version_id.clone()),
            release: releases::rpm_of(&packages, &distribution),
            era: releases::era_of(&distribution),
            colour: colour(&headers),
            distribution,
            database: Some(database),
            manifest: None,
            headers,
            packages,
            keys,
        })
    }

    /// The packages in the form that all families have.
    #[must_use]
    pub fn to_inventory(&self) -> Inventory {
        let mut packages: Vec<_> = self.packages.iter().map(installed_package).collect();
        packages.sort_by(|a, b| a.id.cmp(&b.id));
        Inventory {
            family: if self.database.is_some() { "rpm" } else { "rpm-distroless" },
            purl_type: "rpm",
            order: VersionOrder::RPM,
            distribution: self.distribution.clone(),
            packages,
            unfinished: Vec::new(),
        }
    }
}

/// A package of a list, which says little of it.
fn listed(package: &manifest::Package) -> InstalledPackage {
    let evr = package.evr();
    let said = |text: &str| if text == "(none)" { String::new() } else { text.to_owned() };
    let itself = installed::InstalledRelation {
        name: package.name.clone(),
        flag: super::primary::Flag::Equal,
        evr: evr.clone(),
    };
    InstalledPackage {
        name: package.name.clone(),
        architecture: said(&package.architecture),
        evr,
        vendor: said(&package.vendor),
        source: said(&package.source),
        provides: vec![itself],
        ..InstalledPackage::default()
    }
}

/// Which package it is, across rooms.
#[must_use]
pub fn id(package: &Package) -> PackageId {
    PackageId { name: package.name().into(), architecture: package.arch().into() }
}

fn installed_package(package: &InstalledPackage) -> imgfix_model::package::Installed {
    let version = VersionText(package.evr.clone());
    let epoch = version.0.split_once(':').map(|(epoch, _)| format!("{epoch}:"));
    // a source package has no epoch in its file's name; it is that of its packages
    let source = source_of(&package.source).map(|(name, version)| {
        (name.into(), VersionText(format!("{}{version}", epoch.unwrap_or_default())))
    });
    let own = (package.name.as_str(), &version);
    imgfix_model::package::Installed {
        id: PackageId {
            name: package.name.as_str().into(),
            architecture: package.architecture.as_str().into(),
        },
        source: source.filter(|(name, version): &(imgfix_model::package::PackageName, _)| {
            (name.as_ref(), version) != own
        }),
        version,
        held: false,
    }
}

/// The machine that most packages are for.
fn architecture(packages: &[InstalledPackage]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for package in packages.iter().filter(|one| one.architecture != "noarch") {
        *counts.entry(&package.architecture).or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    most.map_or_else(|| "noarch".to_owned(), |(architecture, _)| architecture.to_owned())
}

/// What rpm itself has noted of the machine with its latest package.
fn colour(headers: &[Installed]) -> u32 {
    let mut noted = headers.iter().rev().filter(|one| !one.package.is_key());
    noted.find_map(|one| one.package.header().number32(tag::INSTALLCOLOR)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use imgfix_vfs::{Entry, NoLayers, Tree};

    #[test]
    fn a_list_of_packages_is_an_inventory_without_files() {
        let list = "a\t1.2-3.cm2\t1660000000\t1650000000\tMicrosoft Corporation\t(none)\t100\tx86_64\t2\tb-1.2-3.cm2.src.rpm\n\
                    c\t1-1\t1660000000\t1650000000\t(none)\t(none)\t1\tnoarch\t0\tc-1-1.src.rpm\n";
        let file = |path, text: &str| {
            (ImagePath::literal(path), Entry::file(text.as_bytes().to_vec(), 0o644, 0))
        };
        let files = [
            file("/var/lib/rpmmanifest/container-manifest-2", list),
            file("/etc/os-release", "ID=azurelinux\nVERSION_ID=3.0\n"),
        ];
        let tree = Tree::from_entries(files, Arc::new(NoLayers));
        let own = RpmInventory::read(&tree).unwrap().unwrap();
        assert!(own.database.is_none() && own.headers.is_empty());
        assert_eq!((own.architecture.as_str(), own.version.as_str()), ("x86_64", "3.0"));
        let inventory = own.to_inventory();
        assert_eq!(inventory.family, "rpm-distroless");
        let shown: Vec<_> = inventory
            .packages
            .iter()
            .map(|one| {
                let source = one.source.as_ref();
                let source = source.map(|(name, version)| format!(" {name} {version}"));
                format!("{} {}{}", one.id, one.version, source.unwrap_or_default())
            })
            .collect();
        assert_eq!(shown, ["a:x86_64 2:1.2-3.cm2 b 2:1.2-3.cm2", "c:noarch 1-1"]);
        let empty = Tree::from_entries([], Arc::new(NoLayers));
        assert!(RpmInventory::read(&empty).unwrap().is_none());
    }
}
