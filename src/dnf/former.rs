//! The packages that a distroless image was made of: the image has a list of them and no database,
//! so what they are to each other, and which files are theirs, their repositories say, which keep
//! old versions.
//!
//! In come the list, the repositories and a plan; out come the listed packages with the relations
//! that the index gives them, and their headers, as a database would have them. They are the same
//! packages: name, version, architecture and time of building are those of the list, and their
//! signatures are checked like those of new ones. Of a package that a plan replaces, the archive is
//! fetched; one that is not there any more stays in the image, with that reason. Of those that stay,
//! the headers alone are fetched, for their triggers and for files that several packages have; where
//! they are gone, nobody knows of these.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read, Seek};
use std::path::PathBuf;

use super::installed::InstalledPackage;
use super::inventory::RpmInventory;
use super::primary;
use super::remote::Repository;
use super::transactions::goes_for;
use super::trust::Trust;
use imgfix_model::package::PackageId;
use imgfix_model::path::ImagePath;
use imgfix_model::plan::{Archive, PlatformPlan};
use imgfix_model::reason::Reason;
use imgfix_repair::apply::open_archive;
use imgfix_repair::archive::Limits;
use imgfix_repair::error::RepairerError;
use imgfix_repository::Fetcher;
use imgfix_repository::fetch::FetchError;
use imgfix_rpm::Package;
use imgfix_rpm::archive::{ArchiveError, Headers, inspect};
use imgfix_rpm::database::manifest::Manifest;
use imgfix_rpm::header::installed::{FileState, Installation, installed};
use imgfix_rpm::header::tag;
use imgfix_rpm::install::Installed;
use imgfix_rpm::package::files::FileFlags;
use imgfix_vfs::{FileSystem as _, Memory, Overlay, Reserved};

/// How much of an archive is fetched for its headers, in bytes. The largest real ones have some ten
/// million.
const MAX_HEADERS: u64 = 32 << 20;

/// What a header is held with, for each byte of it: itself, and what is made of it.
const HELD: u64 = 3;

/// What is known of them, which grows from plan to plan.
#[derive(Default)]
pub struct Former {
    /// By their places in the list; `None`: the repositories were not asked yet.
    archives: RefCell<Option<Vec<Option<Offered>>>>,
    /// Their headers, by their places.
    read: RefCell<BTreeMap<usize, Headers>>,
    /// Whether those of packages that stay were asked for.
    is_complete: Cell<bool>,
    /// Their share of the run's budget.
    held: RefCell<Option<Reserved>>,
}

/// A listed package, as a repository has it.
#[derive(Debug, Clone)]
struct Offered {
    archive: Archive,
    /// Where its headers end.
    header_end: Option<u64>,
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
            archives.push(found.map(|(repository, found)| Offered {
                archive: repository.archive(&found),
                header_end: found.header_end().filter(|end| *end <= MAX_HEADERS.min(found.size())),
            }));
        }
        *self.archives.borrow_mut() = Some(archives);
        packages
    }

    /// Reads the packages that a plan replaces, and then the headers of the others. What comes back
    /// are its steps that cannot be, and why: then not all is read.
    ///
    /// # Errors
    /// A package cannot be fetched or read.
    pub fn read(
        &self,
        own: &RpmInventory,
        plan: &PlatformPlan,
        fetcher: &Fetcher,
        trust: &Trust<'_>,
        memory: &Memory,
    ) -> Result<Vec<(PackageId, Reason)>, RepairerError> {
        let (mut refused, mut wanted) = (Vec::new(), Vec::new());
        for (place, step) in replaced(own, plan) {
            if self.read.borrow().contains_key(&place) {
                continue;
            }
            match self.offered(place) {
                Some(Offered { archive, .. }) => wanted.push((place, step, archive)),
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
            match headers(own, place, &archive, &mut open_archive(&archive.url, &path)?, trust) {
                Ok(headers) => drop(self.read.borrow_mut().insert(place, headers)),
                Err(
                    error @ (RepairerError::OtherPackage { .. } | RepairerError::Untrusted { .. }),
                ) => {
                    let package = own.packages.get(place).map(|one| one.name.clone());
                    let (package, detail) = (package.unwrap_or_default(), error.to_string());
                    refused.push((step.clone(), Reason::Untrusted { package, detail }));
                }
                Err(error) => return Err(error),
            }
        }
        if refused.is_empty() && !self.is_complete.replace(true) {
            self.read_the_rest(own, fetcher, trust, memory)?;
        }
        Ok(refused)
    }

    /// Reads the headers of packages that stay, as far as they can be had.
    fn read_the_rest(
        &self,
        own: &RpmInventory,
        fetcher: &Fetcher,
        trust: &Trust<'_>,
        memory: &Memory,
    ) -> Result<(), RepairerError> {
        let known = |place: &usize| self.read.borrow().contains_key(place);
        let rest: Vec<(usize, Archive, u64)> = (0..own.packages.len())
            .filter(|place| !known(place))
            .filter_map(|place| {
                let Offered { archive, header_end } = self.offered(place)?;
                Some((place, archive, header_end?))
            })
            .collect();
        let mut held = memory.share();
        for (_, archive, end) in &rest {
            held.grow(end * HELD).map_err(|source| {
                let archive = archive.url.clone();
                RepairerError::TooMuch { archive, source: source.into() }
            })?;
        }
        *self.held.borrow_mut() = Some(held);
        let wanted: Vec<(&Archive, u64)> =
            rest.iter().map(|(_, archive, end)| (archive, *end)).collect();
        for ((place, archive, _), bytes) in rest.iter().zip(fetcher.beginnings(&wanted)?) {
            let Some(bytes) = bytes else { continue };
            match headers(own, *place, archive, &mut Cursor::new(bytes), trust) {
                Ok(headers) => drop(self.read.borrow_mut().insert(*place, headers)),
                // it stays all the same
                Err(error) => fetcher.progress().detail(&error.to_string()),
            }
        }
        Ok(())
    }

    fn offered(&self, place: usize) -> Option<Offered> {
        self.archives.borrow().as_ref()?.get(place)?.clone()
    }

    /// The packages as a database would have them, of an image as it is: it would say which of their
    /// files were not installed.
    pub fn installed(&self, own: &RpmInventory, image: &Overlay) -> Vec<Installed> {
        let read = self.read.borrow();
        let installed = read.iter().map(|(place, headers)| Installed {
            number: Manifest::number(*place),
            package: as_found(own, *place, headers, image)
                .unwrap_or_else(|| headers.package.clone()),
        });
        installed.collect()
    }

    /// All packages that were read, as their archives have them.
    pub fn all(&self) -> Vec<Installed> {
        let read = self.read.borrow();
        let installed = read.iter().map(|(place, headers)| Installed {
            number: Manifest::number(*place),
            package: headers.package.clone(),
        });
        installed.collect()
    }
}

/// A header as a database would have it; `None`: no database can have it.
fn as_found(
    own: &RpmInventory,
    place: usize,
    headers: &Headers,
    image: &Overlay,
) -> Option<Package> {
    let is_there = |path: Vec<u8>| {
        let place = ImagePath::new(path).ok().and_then(|path| image.resolve_parent(&path).ok());
        place.is_some_and(|place| image.lstat(&place).is_some())
    };
    let states: Vec<u8> = headers
        .package
        .files()
        .ok()?
        .iter()
        .map(|file| match file.flags.has(FileFlags::GHOST) || is_there(file.path()) {
            true => FileState::Normal as u8,
            false => FileState::NotInstalled as u8,
        })
        .collect();
    let line = own.manifest.as_ref()?.packages.get(place)?;
    let time = u32::try_from(line.installed).ok()?;
    let installation = Installation {
        writer: own.release.writer(),
        time,
        transaction: time,
        colour: own.colour,
        states: &states,
        archive_digests: &[],
    };
    Package::new(installed(&headers.signature, headers.package.header(), &installation).ok()?).ok()
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
    let places = own.packages.iter().enumerate();
    let replaced = places.flat_map(|(place, package)| {
        let (name, architecture) = (package.name.as_str(), package.architecture.as_str());
        let id = PackageId { name: name.into(), architecture: architecture.into() };
        let steps = plan.steps.iter().filter(move |step| goes_for(step, plan, &id));
        steps.map(move |step| (place, &step.package))
    });
    replaced.collect()
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

/// The headers of a fetched package, which is the listed one, signed.
fn headers(
    own: &RpmInventory,
    place: usize,
    archive: &Archive,
    file: &mut (impl Read + Seek),
    trust: &Trust<'_>,
) -> Result<Headers, RepairerError> {
    let damaged = |source: ArchiveError| RepairerError::Archive {
        archive: archive.url.clone(),
        source: source.into(),
    };
    let headers = inspect(&mut *file, &Limits::default()).map_err(damaged)?;
    let listed = own.packages.get(place);
    let (name, architecture, evr) = listed.map_or(("", "", ""), |one| {
        (one.name.as_str(), one.architecture.as_str(), one.evr.as_str())
    });
    let id = PackageId { name: name.into(), architecture: architecture.into() };
    trust.check(archive, &id, evr, &headers, file)?;
    let line = own.manifest.as_ref().and_then(|list| list.packages.get(place));
    let (found, built) =
        (headers.package.header().number(tag::BUILDTIME), line.map(|line| line.built));
    if found != built {
        let told = |time: Option<u64>| match time {
            Some(time) => format!("{id} {evr}, built at {time}"),
            None => format!("{id} {evr}"),
        };
        let (archive, found, wanted) = (archive.url.clone(), told(found), told(built));
        return Err(RepairerError::OtherPackage { archive, found, wanted });
    }
    Ok(headers)
}
