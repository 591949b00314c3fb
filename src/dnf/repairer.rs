//! rpm and its package managers behind the pipeline's seam: images of Red Hat, Fedora, Amazon,
//! SUSE, Azure Linux and all that are made from them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::changelogs;
use super::former::Former;
use super::inventory::{RpmInventory, id};
use super::locks::Locks;
use super::modules::ModuleState;
use super::offers::RpmOffers;
use super::options::Options;
use super::remote::Repositories;
use super::repositories::{self, Known, keyrings};
use super::solve::Image;
use super::trust::Trust;
use super::workshop::RpmWorkshop;
use imgfix_model::changelog::Changelogs;
use imgfix_model::description::{Description, License, Party};
use imgfix_model::package::{Inventory, PackageId};
use imgfix_model::path::ImagePath;
use imgfix_model::plan::{PlatformPlan, Step};
use imgfix_model::reason::Reason;
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
    former: Former,
}

impl RpmManager {
    /// Reads the database, if there is one.
    ///
    /// # Errors
    /// It is not understood.
    pub fn open(fs: &dyn FileSystem) -> Result<Option<Self>, Cause> {
        let Some(own) = RpmInventory::read(fs)? else { return Ok(None) };
        let inventory = own.to_inventory();
        Ok(Some(Self { own, inventory, former: Former::default() }))
    }

    /// The repositories of the image, and the settings of its package manager.
    fn load(
        &self,
        fs: &dyn FileSystem,
        fetcher: &Fetcher,
        edge: &Edge,
    ) -> Result<(Options, Repositories), RepairerError> {
        let options = Options::read(fs).map_err(RepairerError::family)?;
        let names: BTreeSet<&str> =
            self.own.packages.iter().map(|package| package.name.as_str()).collect();
        let is_installed = |name: &str| names.contains(name);
        let known = self.own.known(&options, &is_installed);
        let repositories = repositories::of_image(fs, &known, fetcher, edge)?;
        Ok((options, repositories))
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
        let (options, repositories) = self.load(fs, fetcher, edge)?;
        let locks = Locks::read(fs, options.tool).map_err(RepairerError::family)?;
        let modules = ModuleState::read(fs, options.platform.as_deref());
        let modules = modules.map_err(RepairerError::family)?;
        let packages = match &self.own.manifest {
            Some(_) => Cow::Owned(self.former.find(&self.own, &repositories.list)),
            None => Cow::Borrowed(self.own.packages.as_slice()),
        };
        let architecture = self.own.architecture.as_str();
        let image = Image { architecture, packages, options, locks, modules };
        let offers = RpmOffers::new(image, repositories, fetcher).map_err(RepairerError::family)?;
        Ok(Box::new(offers))
    }

    /// The packages that a distroless image was made of.
    fn prepare(
        &self,
        plan: &PlatformPlan,
        overlay: &Overlay,
        fetcher: &Fetcher,
        edge: &Edge,
    ) -> Result<Vec<(PackageId, Reason)>, RepairerError> {
        if self.own.manifest.is_none() {
            return Ok(Vec::new());
        }
        if !self.former.is_found() {
            let (_, repositories) = self.load(overlay, fetcher, edge)?;
            self.former.find(&self.own, &repositories.list);
        }
        let options = Options::read(overlay).map_err(RepairerError::family)?;
        let keyrings = keyrings(overlay, &self.own.known(&options, &|_| false), edge)?;
        let trust = Trust { keyrings: &keyrings, era: self.own.era, now: edge.now };
        self.former.read(&self.own, plan, fetcher, &trust, &edge.memory)
    }

    fn workshop<'a>(&'a self) -> Result<Box<dyn Workshop + 'a>, RepairerError> {
        Ok(Box::new(RpmWorkshop::new(&self.own, &self.former)?))
    }

    fn changelogs(
        &self,
        steps: &[Step],
        _overlay: &Overlay,
        fetcher: &Fetcher,
    ) -> Result<Option<Changelogs>, RepairerError> {
        let former = self.former.all();
        let installed = if self.own.manifest.is_some() { &former } else { &self.own.headers };
        changelogs::gather(steps, installed, fetcher).map(Some)
    }
}
