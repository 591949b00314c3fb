//! The packages that a distroless image was made of: the image has a list of them and no database,
//! so what they are to each other, and which files are theirs, their repositories say, which keep
//! old versions.
//!
//! In come the list, the repositories and a plan; out come the listed packages with the relations
//! that the index gives them, and, of those that a plan replaces, the headers, as a database would
//! have them. They are the same packages: name, version, architecture and time of building are those
//! of the list, and their signatures are checked like those of new ones. One that is not there any
//! more keeps its place in the image, with that reason.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::arch::may_replace;
use super::installed::InstalledPackage;
use super::inventory::RpmInventory;
use super::primary;
use super::remote::Repository;
use super::trust::Trust;
use imgfix_model::package::PackageId;
use imgfix_model::plan::{Archive, Because, PlatformPlan};
use imgfix_model::reason::Reason;
use imgfix_repair::apply::open_archive;
use imgfix_repair::archive::Limits;
use imgfix_repair::error::RepairerError;
use imgfix_repository::Fetcher;
use imgfix_repository::fetch::FetchError;
use imgfix_rpm::Package;
use imgfix_rpm::archive::inspect;
use imgfix_rpm::database::manifest::Manifest;
use imgfix_rpm::header::tag;
use imgfix_rpm::install::Installed;

/// What is known of them, which grows from plan to plan.
#[derive(Debug, Default)]
pub struct Former {
    /// By their places in the list; `None`: the repositories were not asked yet.
    archives: RefCell<Option<Vec<Option<Archive>>>>,
    /// Those that a plan replaces, by their places.
    read: RefCell<BTreeMap<usize, Package>>,
}

impl Former {
    /// Whether the repositories were asked.
    pub fn is_found(&self) -> bool {
        self.archives.borrow().is_some()
    }

    /// Finds the packages in the repositories: the listed ones, with the relations that they have
    /// there.
    pub fn find(&self, own: &RpmInventory, repositories: &[Repository]) -> Vec<InstalledPackage> {
        let mut archives = Vec::with_capacity(own.packages.len());
        let mut packages = own.packages.clone();
        for (place, package) in packages.iter_mut().enumerate() {
            let built = own.manifest.as_ref().and_then(|list| list.packages.get(place));
            let built = built.and_then(|line| i64::try_from(line.built).ok());
            let found = repositories.iter().find_map(|repository| {
                let mut named = repository.primary.named(&package.name);
                let found = named.find(|one| is_it(package, one) && Some(one.built()) == built)?;
                Some((repository, found))
            });
            if let Some((_, found)) = &found {
                package.add_from_index(found);
            }
            archives.push(found.map(|(repository, found)| repository.archive(&found)));
        }
        *self.archives.borrow_mut() = Some(archives);
        packages
    }

    /// Reads the packages that a plan replaces. What comes back are its steps that cannot be, and
    /// why: then not all is read.
    ///
    /// # Errors
    /// A package cannot be fetched or read.
    pub fn read(
        &self,
        own: &RpmInventory,
        plan: &PlatformPlan,
        fetcher: &Fetcher,
        trust: &Trust<'_>,
    ) -> Result<Vec<(PackageId, Reason)>, RepairerError> {
        let (mut refused, mut wanted) = (Vec::new(), Vec::new());
        for (place, step) in replaced(own, plan) {
            if self.read.borrow().contains_key(&place) {
                continue;
            }
            let archives = self.archives.borrow();
            let archive = archives.as_ref().and_then(|all| all.get(place)?.clone());
            match archive {
                Some(archive) => wanted.push((place, step, archive)),
                None => refused.extend(gone(own, place, step)),
            }
        }
        if !refused.is_empty() {
            return Ok(refused);
        }
        let paths = fetch(wanted.iter().map(|(.., archive)| archive), fetcher)?;
        for ((place, step, archive), path) in wanted.into_iter().zip(paths) {
            let Some(path) = path else {
                refused.extend(gone(own, place, step));
                continue;
            };
            let (Some(package), Some(list)) = (own.packages.get(place), &own.manifest) else {
                continue;
            };
            let built = list.packages.get(place).map(|line| line.built);
            match header(package, built, &archive, &path, trust) {
                Ok(package) => drop(self.read.borrow_mut().insert(place, package)),
                Err(
                    error @ (RepairerError::OtherPackage { .. } | RepairerError::Untrusted { .. }),
                ) => {
                    let (package, detail) = (package.name.clone(), error.to_string());
                    refused.push((step.clone(), Reason::Untrusted { package, detail }));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(refused)
    }

    /// The packages that a plan replaces, as a database would have them. Nothing that other plans
    /// have read is among them.
    pub fn of_plan(&self, own: &RpmInventory, plan: &PlatformPlan) -> Vec<Installed> {
        let places: BTreeSet<u32> =
            replaced(own, plan).into_iter().map(|(place, _)| Manifest::number(place)).collect();
        let all = self.all().into_iter();
        all.filter(|one| places.contains(&one.number)).collect()
    }

    /// All packages that were read.
    pub fn all(&self) -> Vec<Installed> {
        let read = self.read.borrow();
        let installed = read.iter().map(|(place, package)| Installed {
            number: Manifest::number(*place),
            package: package.clone(),
        });
        installed.collect()
    }
}

/// Of the paths that dependencies name, and that the index does not have with the packages, those
/// that lists of files have given to the repositories.
pub fn add_files(
    packages: &mut [InstalledPackage],
    paths: &BTreeSet<String>,
    repositories: &[Repository],
) {
    for path in paths {
        for found in repositories.iter().flat_map(|one| one.primary.with_file(path)) {
            let owners = packages.iter_mut().filter(|one| is_it(one, &found));
            owners.for_each(|owner| owner.files.push(path.clone()));
        }
    }
}

/// Whether a package of an index is a listed one.
fn is_it(listed: &InstalledPackage, found: &primary::Package<'_>) -> bool {
    listed.name == found.name()
        && listed.architecture == found.architecture()
        && listed.evr == found.evr()
}

/// The listed packages that a plan replaces, by their places, each with the step for which it goes.
fn replaced<'p>(own: &RpmInventory, plan: &'p PlatformPlan) -> Vec<(usize, &'p PackageId)> {
    let mut all = Vec::new();
    for (place, package) in own.packages.iter().enumerate() {
        let former = plan.steps.iter().filter(|step| {
            let PackageId { name, architecture } = &step.package;
            step.from.is_some()
                && name.as_ref() == package.name
                && may_replace(&package.architecture, architecture.as_ref())
        });
        all.extend(former.map(|step| (place, &step.package)));
        let removals = plan.removals.iter().filter(|removal| {
            let PackageId { name, architecture } = &removal.package;
            name.as_ref() == package.name && architecture.as_ref() == package.architecture
        });
        all.extend(removals.filter_map(|removal| match &removal.because {
            Because::Needed { package, .. } => Some((place, package)),
            _ => None,
        }));
    }
    all
}

fn gone(own: &RpmInventory, place: usize, step: &PackageId) -> Option<(PackageId, Reason)> {
    let package = own.packages.get(place)?;
    let (package, installed) = (package.name.clone(), package.evr.clone());
    Some((step.clone(), Reason::OldVersionGone { package, installed }))
}

/// Fetches archives; `None`: the repository that names one does not have it.
fn fetch<'a>(
    archives: impl Iterator<Item = &'a Archive>,
    fetcher: &Fetcher,
) -> Result<Vec<Option<PathBuf>>, FetchError> {
    let archives: Vec<&Archive> = archives.collect();
    match fetcher.archives(&archives) {
        Ok(paths) => return Ok(paths.into_iter().map(Some).collect()),
        Err(FetchError::NotFound { .. }) => {}
        Err(error) => return Err(error),
    }
    let one = |archive| match fetcher.archives(&[archive]) {
        Ok(paths) => Ok(paths.into_iter().next()),
        Err(FetchError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    };
    archives.into_iter().map(one).collect()
}

/// The header of a fetched package, which is the listed one, signed.
fn header(
    listed: &InstalledPackage,
    built: Option<u64>,
    archive: &Archive,
    path: &Path,
    trust: &Trust<'_>,
) -> Result<Package, RepairerError> {
    let mut file = open_archive(&archive.url, path)?;
    let headers = inspect(&mut file, &Limits::default()).map_err(|source| {
        RepairerError::Archive { archive: archive.url.clone(), source: source.into() }
    })?;
    let InstalledPackage { name, architecture, evr, .. } = listed;
    let id = PackageId { name: name.as_str().into(), architecture: architecture.as_str().into() };
    trust.check(archive, &id, evr, &headers, &mut file)?;
    let found = headers.package.header().number(tag::BUILDTIME);
    if found != built {
        let told = |time: Option<u64>| match time {
            Some(time) => format!("{id} {evr}, built at {time}"),
            None => format!("{id} {evr}"),
        };
        let (archive, found, wanted) = (archive.url.clone(), told(found), told(built));
        return Err(RepairerError::OtherPackage { archive, found, wanted });
    }
    Ok(headers.package)
}
