//! apk behind the pipeline's seam: images of Alpine, Wolfi and Chainguard, those without apk too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::sync::Arc;

use super::remote::Repositories;
use super::repositories;
use crate::apk_file::{ApkPackage, unpack};
use crate::archive_check;
use crate::commands;
use crate::index::Available;
use crate::install::{InstallError, NewPackage, Options, Purge, install};
use crate::inventory::{ApkInventory, DIRECTORIES};
use crate::record::Record;
use crate::solve::{ApkUniverse, Image, Needs, unsatisfiable};
use imgfix_model::checksum::ArchiveChecksum;
use imgfix_model::description::{Description, License, Party};
use imgfix_model::left_out::LeftOut;
use imgfix_model::package::{Inventory, PackageId};
use imgfix_model::path::ImagePath;
use imgfix_model::plan::{Because, PlatformPlan, Step};
use imgfix_model::reason::Reason;
use imgfix_repair::apply::{Unpacked, finish, with_deep_stack};
use imgfix_repair::archive::Limits;
use imgfix_repair::edge::Edge;
use imgfix_repair::error::{Cause, RepairerError};
use imgfix_repair::package_manager::{
    Offers, PackageManager, TrialOutcome, Workshop, reserved, script_of,
};
use imgfix_repair::packages::Packages;
use imgfix_repair::planner::{Family, Requests};
use imgfix_repair::promise::Relations;
use imgfix_repair::repairer::{Kind, Repairer};
use imgfix_repair::scripts::Scripts;
use imgfix_repair::wanted;
use imgfix_repository::checked::IdentityCheck;
use imgfix_repository::{Fetcher, Verified};
use imgfix_solve::effort::Effort;
use imgfix_vfs::{FileSystem, Memory, Overlay, Spool};

/// A world file that asks for what nobody has.
#[derive(Debug, thiserror::Error)]
#[error(
    "{file} of the image asks for {entry}, which is neither installed nor in the repositories, \
     so that apk itself would change nothing: take it out of there, or name the repository that \
     has it with --repository"
)]
struct WorldError {
    file: String,
    entry: String,
}

/// Stores of Alpine's, Wolfi's and Chainguard's packages: apk's database.
pub struct Alpine;

/// What apk reads, beside what scripts do.
const WANTED: [&[u8]; 5] = [
    // where images keep it whose /var is not part of them
    b"/usr/lib/sysimage/",
    b"/lib/apk/",
    b"/usr/lib/apk/",
    b"/usr/share/apk/",
    // which applets it has
    b"/bin/busybox",
];

impl Kind for Alpine {
    fn wants(&self, path: &ImagePath, size: u64) -> bool {
        wanted::is_kept(path, size, &WANTED)
    }

    fn identity_check(&self) -> Option<IdentityCheck> {
        Some(archive_check::fits)
    }

    fn detect(&self, fs: &dyn FileSystem) -> Result<Vec<Box<dyn Repairer>>, Cause> {
        let Some(apk) = Apk::open(fs)? else { return Ok(Vec::new()) };
        let database = apk.own.paths.installed.clone();
        Ok(vec![Box::new(Packages::new(Box::new(apk), &database))])
    }
}

/// An image's apk database, read.
pub struct Apk {
    own: ApkInventory,
    inventory: Inventory,
}

impl Apk {
    /// Reads the database, if there is one.
    ///
    /// # Errors
    /// It is not understood.
    pub fn open(fs: &dyn FileSystem) -> Result<Option<Self>, Cause> {
        if !ApkInventory::detect(fs) {
            return Ok(None);
        }
        let own = ApkInventory::read(fs)?;
        let inventory = own.to_inventory();
        Ok(Some(Self { own, inventory }))
    }
}

impl PackageManager for Apk {
    fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    fn owners(
        &self,
        _fs: &dyn FileSystem,
        paths: &BTreeSet<ImagePath>,
    ) -> Result<BTreeMap<ImagePath, PackageId>, Cause> {
        let mut owners = BTreeMap::new();
        for package in &self.own.database.packages {
            for (path, _) in package.files().filter(|(path, _)| paths.contains(path)) {
                let (name, architecture) =
                    (package.record.name.clone(), package.record.architecture.clone());
                owners.insert(path, PackageId { name, architecture });
            }
        }
        Ok(owners)
    }

    fn descriptions(
        &self,
        _fs: &dyn FileSystem,
    ) -> Result<BTreeMap<PackageId, Description>, Cause> {
        let needs = Needs::of(&self.own.database);
        let described = self.own.database.packages.iter().map(|package| {
            let record = &package.record;
            let description = Description {
                supplier: record.maintainer.as_deref().and_then(Party::parse),
                license: License::text(&record.license),
                needs: Some(needs.of_package(record)),
            };
            (record.id(), description)
        });
        Ok(described.collect())
    }

    fn database(&self, fs: &dyn FileSystem) -> Vec<ImagePath> {
        DIRECTORIES
            .into_iter()
            .filter_map(|folder| fs.resolve(&ImagePath::literal(folder)).ok())
            .collect()
    }

    fn offers<'a>(
        &'a self,
        fs: &dyn FileSystem,
        fetcher: &Fetcher,
        edge: &Edge,
    ) -> Result<Box<dyn Offers + 'a>, RepairerError> {
        let repositories = repositories::of_image(fs, &self.own, fetcher, edge)?;
        let image = Image::from(&self.own);
        if let Some(entry) = unsatisfiable(&image, &repositories.index) {
            let (file, entry) = (self.own.paths.world.to_string(), entry.to_string());
            return Err(RepairerError::family(WorldError { file, entry }));
        }
        Ok(Box::new(ApkOffers { image, repositories }))
    }

    fn workshop<'a>(&'a self) -> Result<Box<dyn Workshop + 'a>, RepairerError> {
        Ok(Box::new(ApkWorkshop { unpacked: Unpacked::new()? }))
    }
}

/// The image with its repositories.
struct ApkOffers<'a> {
    image: Image<'a>,
    repositories: Repositories,
}

impl Offers for ApkOffers<'_> {
    fn universe(&self, requests: &Requests, effort: Effort) -> Box<dyn Family + '_> {
        Box::new(ApkUniverse::for_requests(&self.image, &self.repositories.index, requests, effort))
    }

    fn verified(&self) -> &[Verified] {
        &self.repositories.verified
    }

    fn left_out(&self) -> &[LeftOut] {
        &self.repositories.left_out
    }

    fn relations(&self, step: &Step) -> Option<Relations> {
        let versions = self.repositories.index.versions(step.package.name.as_ref());
        let checksum = &step.archive.checksum;
        let of_step = |one: &&Arc<Available>| {
            one.archive().is_some_and(|archive| archive.checksum == *checksum)
        };
        versions.iter().find(of_step).map(|one| relations(&one.record))
    }
}

/// How a package stands to others.
fn relations(record: &Record) -> Relations {
    let mut all = Relations::default();
    for (field, list) in [
        ("depends", &record.depends),
        ("provides", &record.provides),
        ("install_if", &record.install_if),
    ] {
        all.set(field, list.iter().map(ToString::to_string));
    }
    all
}

struct ApkWorkshop {
    unpacked: Unpacked<Arc<ApkPackage>>,
}

impl Workshop for ApkWorkshop {
    fn install(
        &mut self,
        mut overlay: Overlay,
        plan: &PlatformPlan,
        paths: &[PathBuf],
        edge: &Edge,
    ) -> Result<TrialOutcome, RepairerError> {
        let steps = &plan.steps;
        if let Some((id, reason)) = self.unpacked.add(steps, paths, &edge.memory, read_archive)? {
            return Ok(TrialOutcome::Barred(id, reason));
        }
        let barred = steps.iter().find_map(|step| {
            let payload = &self.unpacked.get(step)?.payload;
            reserved(step, payload.iter().map(|entry| entry.path.as_bytes()))
        });
        if let Some(barred) = barred {
            return Ok(barred);
        }
        let packages: Vec<NewPackage> = steps
            .iter()
            .filter_map(|step| Some(new_package(step, self.unpacked.get(step)?)))
            .collect();
        let times = |new: &NewPackage| new.package.payload.iter().map(|entry| entry.mtime).max();
        let newest = packages.iter().filter_map(times).max().unwrap_or(0);
        let timestamp = edge.source_date_epoch.unwrap_or(newest);
        let [architecture, _] = plan.platform.distribution_names();
        let mut runner = Scripts::new(commands::table(), architecture, timestamp, edge)?.runner();
        let options = Options { timestamp };
        let purges: Vec<Purge> = plan.removals.iter().map(purge).collect();
        match with_deep_stack(|| install(&mut overlay, &packages, &purges, &options, &mut *runner))?
        {
            Ok(effects) => finish(overlay, effects, timestamp).map(TrialOutcome::Applied),
            Err(error) => match blamed(&error, plan) {
                Some(id) => Ok(TrialOutcome::Barred(id.clone(), reason(&id, error))),
                None => {
                    let image = plan.platform.to_string();
                    Err(RepairerError::Install { image, source: error.into() })
                }
            },
        }
    }

    fn built(&self, step: &Step) -> Option<i64> {
        let built = self.unpacked.get(step)?.control.info.record.build_time?;
        i64::try_from(built).ok()
    }

    fn relations(&self, step: &Step) -> Option<Relations> {
        Some(relations(&self.unpacked.get(step)?.control.info.record))
    }
}

/// A step's package with what apk records of it: its own words, and of the file what the index
/// says (indexes may give packages for every architecture that of the repository).
fn new_package(step: &Step, package: &Arc<ApkPackage>) -> NewPackage {
    let mut record = package.control.info.record.clone();
    record.identity = Some(package.control.identity);
    record.size = step.archive.size;
    record.architecture = step.package.architecture.clone();
    let tag = step.archive.repository.strip_prefix('@').and_then(|text| text.split(' ').next());
    NewPackage { package: Arc::clone(package), record, repository_tag: tag.map(str::to_owned) }
}

fn purge(planned: &imgfix_model::plan::Removal) -> Purge {
    Purge { package: planned.package.name.clone(), before: planned.before }
}

/// Unpacks a step's archive, which must be the package that the index promised.
fn read_archive(
    step: &Step,
    file: BufReader<File>,
    spool: &Spool,
    memory: &Memory,
) -> Result<Arc<ApkPackage>, RepairerError> {
    let archive = || step.archive.url.clone();
    let limits = Limits::for_archive(step.archive.size, memory);
    let package = unpack(file, spool, &limits).map_err(|source| match source.is_too_much() {
        true => RepairerError::TooMuch { archive: archive(), source: source.into() },
        false => RepairerError::Archive { archive: archive(), source: source.into() },
    })?;
    let identity = package.control.identity;
    let found = format!("{} {} ({identity})", package.name(), package.version());
    let checksum = step.archive.checksum;
    let wanted = format!("{} {} ({checksum})", step.package.name, step.to);
    if found != wanted || checksum != ArchiveChecksum::Apk(identity) {
        return Err(RepairerError::OtherPackage { archive: archive(), found, wanted });
    }
    Ok(Arc::new(package))
}

/// Why a step cannot be done, from the error that it made.
fn reason(id: &PackageId, error: InstallError) -> Reason {
    match error {
        InstallError::Script { package, script, line, detail, .. } => {
            let script = script_of(id, &package, script);
            Reason::NeedsScripts { package: id.name.to_string(), script, line, detail }
        }
        other => Reason::Conflict { package: id.name.to_string(), detail: other.to_string() },
    }
}

/// The step that an installation error is about, when it is about one.
fn blamed(error: &InstallError, plan: &PlatformPlan) -> Option<PackageId> {
    let steps = &plan.steps;
    let named = |name: &str| {
        steps.iter().map(|step| &step.package).find(|id| id.name.as_ref() == name).cloned()
    };
    let named = |name: &str| named(name).or_else(|| taking_away(name, plan));
    match error {
        InstallError::Script { is_of_this_machine: true, .. } => None,
        InstallError::Package { package, .. } | InstallError::Overwrite { package, .. } => {
            named(package)
        }
        InstallError::Script { package, activated_by, .. } => {
            activated_by.as_deref().and_then(named).or_else(|| named(package))
        }
        InstallError::Rootfs(_) | InstallError::Database { .. } | InstallError::Hook { .. } => None,
    }
}

/// The step with which a package of that name goes: the one that wants it gone, or the last
/// before it is purged.
fn taking_away(name: &str, plan: &PlatformPlan) -> Option<PackageId> {
    let removal = plan.removals.iter().find(|removal| removal.package.name.as_ref() == name)?;
    let step = match &removal.because {
        Because::Needed { package, .. } => plan.steps.iter().find(|step| step.package == *package),
        _ => plan.steps.get(removal.before.saturating_sub(1)),
    };
    step.or(plan.steps.first()).map(|step| step.package.clone())
}
