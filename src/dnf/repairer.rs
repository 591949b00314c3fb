//! rpm and its package managers behind the pipeline's seam: images of Red Hat, Fedora, Amazon,
//! SUSE, Azure Linux and all that are made from them.

use std::collections::{BTreeMap, BTreeSet};

use super::changelogs;
use super::inventory::{RpmInventory, id};
use super::locks::Locks;
use super::modules::ModuleState;
use super::offers::RpmOffers;
use super::options::Options;
use super::remote::Repositories;
use super::repositories::{self, Known};
use super::solve::Image;
use super::workshop::RpmWorkshop;
use imgfix_model::changelog::Changelogs;
use imgfix_model::description::{Description, License, Party};
use imgfix_model::package::{Inventory, PackageId};
use imgfix_model::path::ImagePath;
use imgfix_model::plan::Step;
use imgfix_repair::edge::Edge;
use imgfix_repair::error::{Cause, RepairerError};
use imgfix_repair::package_manager::{Offers, PackageManager, Workshop};
use imgfix_repair::packages::Packages;
use imgfix_repair::repairer::{Kind, Repairer};
use imgfix_repair::wanted;
use imgfix_repository::Fetcher;
use imgfix_vfs::{FileSystem, Overlay};

/// Stores of rpm's packages: its database.
pub struct Rpm;

/// Why nothing is changed in an image that has a list of its packages alone.
const NO_FILES: &str = "the image has no rpm database, only a list of its packages \
    (container-manifest-2), which does not say whose which file is: build it anew";

/// What rpm and its package managers read, beside what scripts do.
const WANTED: [&[u8]; 7] = [
    b"/var/lib/rpmmanifest/",
    b"/var/lib/rpm/",
    b"/usr/lib/sysimage/rpm/",
    b"/usr/share/rpm/",
    b"/usr/lib/rpm/macros",
    b"/var/lib/dnf/modulefailsafe/",
    // which release of glibc writes the library cache
    b"/usr/sbin/ldconfig",
];

impl Kind for Rpm {
    fn wants(&self, path: &ImagePath, size: u64) -> bool {
        wanted::is_kept(path, size, &WANTED)
    }

    fn detect(&self, fs: &dyn FileSystem) -> Result<Vec<Box<dyn Repairer>>, Cause> {
        let Some(rpm) = RpmManager::open(fs)? else { return Ok(Vec::new()) };
        let place = rpm.own.place.clone();
        Ok(vec![Box::new(Packages::new(Box::new(rpm), &place))])
    }
}

/// An image's rpm database, read.
pub struct RpmManager {
    own: RpmInventory,
    inventory: Inventory,
}

impl RpmManager {
    /// Reads the database, if there is one.
    ///
    /// # Errors
    /// It is not understood.
    pub fn open(fs: &dyn FileSystem) -> Result<Option<Self>, Cause> {
        let Some(own) = RpmInventory::read(fs)? else { return Ok(None) };
        let inventory = own.to_inventory();
        Ok(Some(Self { own, inventory }))
    }
}

impl RpmInventory {
    /// What is known of the image before its repositories are asked.
    pub(super) fn known<'a>(
        &'a self,
        options: &'a Options,
        is_installed: &'a (dyn Fn(&str) -> bool + Sync),
    ) -> Known<'a> {
        Known {
            distribution: &self.distribution,
            architecture: &self.architecture,
            release: &self.version,
            options,
            installed_keys: &self.keys,
            is_installed,
        }
    }
}

impl PackageManager for RpmManager {
    fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    fn owners(
        &self,
        _fs: &dyn FileSystem,
        paths: &BTreeSet<ImagePath>,
    ) -> Result<BTreeMap<ImagePath, PackageId>, Cause> {
        let mut owners = BTreeMap::new();
        for one in &self.own.headers {
            for file in one.package.files()?.iter() {
                let Ok(path) = ImagePath::new(file.path()) else { continue };
                if paths.contains(&path) {
                    owners.insert(path, id(&one.package));
                }
            }
        }
        Ok(owners)
    }

    fn descriptions(
        &self,
        _fs: &dyn FileSystem,
    ) -> Result<BTreeMap<PackageId, Description>, Cause> {
        let headers = self.own.headers.iter().map(|one| &one.package);
        let described = headers.filter(|package| !package.is_key()).map(|package| {
            let description = Description {
                supplier: package.vendor().and_then(Party::parse),
                license: package.license().and_then(License::text),
                needs: None,
            };
            (id(package), description)
        });
        Ok(described.collect())
    }

    fn database(&self, _fs: &dyn FileSystem) -> Vec<ImagePath> {
        vec![self.own.place.clone()]
    }

    fn offers<'a>(
        &'a self,
        fs: &dyn FileSystem,
        fetcher: &Fetcher,
        edge: &Edge,
    ) -> Result<Box<dyn Offers + 'a>, RepairerError> {
        let (architecture, packages) = (self.own.architecture.as_str(), &*self.own.packages);
        if self.own.database.is_none() {
            let broken = Some(NO_FILES.to_owned());
            let image = Image { architecture, packages, broken, ..Image::default() };
            let offers = RpmOffers::new(image, Repositories::none(&edge.memory), fetcher);
            return Ok(Box::new(offers.map_err(RepairerError::family)?));
        }
        let options = Options::read(fs).map_err(RepairerError::family)?;
        let locks = Locks::read(fs, options.tool).map_err(RepairerError::family)?;
        let modules = ModuleState::read(fs, options.platform.as_deref());
        let modules = modules.map_err(RepairerError::family)?;
        let names: BTreeSet<&str> =
            self.own.packages.iter().map(|package| package.name.as_str()).collect();
        let is_installed = |name: &str| names.contains(name);
        let known = self.own.known(&options, &is_installed);
        let repositories = repositories::of_image(fs, &known, fetcher, edge)?;
        let image = Image { architecture, packages, options, locks, modules, broken: None };
        let offers = RpmOffers::new(image, repositories, fetcher).map_err(RepairerError::family)?;
        Ok(Box::new(offers))
    }

    fn workshop<'a>(&'a self) -> Result<Box<dyn Workshop + 'a>, RepairerError> {
        Ok(Box::new(RpmWorkshop::new(&self.own)?))
    }

    fn changelogs(
        &self,
        steps: &[Step],
        _overlay: &Overlay,
        fetcher: &Fetcher,
    ) -> Result<Option<Changelogs>, RepairerError> {
        changelogs::gather(steps, &self.own, fetcher).map(Some)
    }
}
