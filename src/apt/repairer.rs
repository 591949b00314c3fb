//! dpkg and apt behind the pipeline's seam: Debian's and Ubuntu's images, distroless ones too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::sync::Arc;

use super::remote::Repositories;
use super::repositories::{self, ImageRepositories};
use crate::index;
use crate::policy::AptPolicy;
use crate::questions;
use crate::releases;
use crate::solve::DpkgUniverse;
use imgfix_dpkg::apt_conf::AptConf;
use imgfix_dpkg::deb::{DebPackage, unpack};
use imgfix_dpkg::install::{InstallError, Mark, NewPackage, Options, distroless, install};
use imgfix_dpkg::inventory::{DpkgInventory, Record, STATUS};
use imgfix_dpkg::relations::{parse_clauses, parse_provides};
use imgfix_dpkg::status_stanza::canonical_version;
use imgfix_dpkg::{descriptions, distroless::STATUS_D, owners};
use imgfix_dpkg_tools as commands;
use imgfix_model::changelog::Changelogs;
use imgfix_model::description::Description;
use imgfix_model::left_out::LeftOut;
use imgfix_model::package::{Inventory, PackageId};
use imgfix_model::path::ImagePath;
use imgfix_model::plan::{PlatformPlan, Step};
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
use imgfix_repository::Fetcher;
use imgfix_repository::Verified;
use imgfix_solve::effort::Effort;
use imgfix_vfs::{FileSystem, Memory, Overlay, Spool};

/// Stores of Debian's packages: dpkg's database, or what distroless images have in its place.
pub struct Debian;

/// dpkg's database.
const DATABASE: &str = "/var/lib/dpkg";

/// What apt and dpkg read, beside what scripts do.
const WANTED: [&[u8]; 8] = [
    b"/var/cache/debconf/",
    b"/var/lib/dpkg/",
    b"/var/lib/apt/extended_states",
    b"/usr/share/keyrings/",
    b"/usr/share/ca-certificates/",
    b"/usr/share/dpkg/",
    // which release of glibc writes the library cache
    b"/sbin/ldconfig",
    b"/usr/sbin/ldconfig",
];

impl Kind for Debian {
    fn wants(&self, path: &ImagePath, size: u64) -> bool {
        wanted::is_kept(path, size, &WANTED)
    }

    fn describes(&self, path: &ImagePath, size: u64) -> bool {
        descriptions::wants(path, size)
    }

    fn detect(&self, fs: &dyn FileSystem) -> Result<Vec<Box<dyn Repairer>>, Cause> {
        let Some(dpkg) = Dpkg::open(fs)? else { return Ok(Vec::new()) };
        let place = if is_distroless(&dpkg.own) { STATUS_D } else { STATUS };
        let packages = Packages::new(Box::new(dpkg), &ImagePath::literal(place));
        Ok(vec![Box::new(packages)])
    }
}

/// An image's dpkg database, read.
pub struct Dpkg {
    own: DpkgInventory,
    inventory: Inventory,
}

impl Dpkg {
    /// Reads the database, if there is one.
    ///
    /// # Errors
    /// It is not understood.
    pub fn open(fs: &dyn FileSystem) -> Result<Option<Self>, Cause> {
        if !DpkgInventory::detect(fs) {
            return Ok(None);
        }
        let own = DpkgInventory::read(fs)?;
        let inventory = own.to_inventory();
        Ok(Some(Self { own, inventory }))
    }
}

impl PackageManager for Dpkg {
    fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    fn owners(
        &self,
        fs: &dyn FileSystem,
        paths: &BTreeSet<ImagePath>,
    ) -> Result<BTreeMap<ImagePath, PackageId>, Cause> {
        Ok(owners::owners(fs, &self.own, paths)?)
    }

    fn descriptions(&self, fs: &dyn FileSystem) -> Result<BTreeMap<PackageId, Description>, Cause> {
        Ok(descriptions::descriptions(&self.own, fs)?)
    }

    fn database(&self, fs: &dyn FileSystem) -> Vec<ImagePath> {
        fs.resolve(&ImagePath::literal(DATABASE)).into_iter().collect()
    }

    fn offers<'a>(
        &'a self,
        fs: &dyn FileSystem,
        fetcher: &Fetcher,
        edge: &Edge,
    ) -> Result<Box<dyn Offers + 'a>, RepairerError> {
        let conf = AptConf::read(fs).map_err(RepairerError::family)?;
        for problem in &conf.errors {
            edge.progress.warn(&format!("{problem}: apt refuses that file, too"));
        }
        let reproducible = edge.source_date_epoch.is_some();
        let mut policy =
            AptPolicy::read(fs, &conf, &self.own, reproducible).map_err(RepairerError::family)?;
        for ignored in &policy.preferences.ignored {
            edge.progress.warn(&format!("{ignored}: apt passes it over, too"));
        }
        let architectures = self.own.architectures(&conf);
        let ImageRepositories { repositories, advice } =
            repositories::of_image(fs, &self.own.distribution, &architectures, fetcher, edge)?;
        let index = &repositories.index;
        if let Some(warning) = policy.preferences.target(&conf, index.populated()) {
            edge.progress.warn(&warning);
        }
        for warning in releases::warnings(&self.own.distribution, index.populated()) {
            edge.progress.warn(&warning);
        }
        Ok(Box::new(AptOffers { inventory: &self.own, policy, repositories, advice }))
    }

    fn workshop<'a>(&'a self) -> Result<Box<dyn Workshop + 'a>, RepairerError> {
        Ok(Box::new(DpkgWorkshop { inventory: &self.own, unpacked: Unpacked::new()? }))
    }

    fn changelogs(
        &self,
        steps: &[Step],
        overlay: &Overlay,
        fetcher: &Fetcher,
    ) -> Result<Option<Changelogs>, RepairerError> {
        super::changelogs::gather(steps, &self.inventory, overlay, fetcher).map(Some)
    }
}

/// The image with its pins and its repositories.
struct AptOffers<'a> {
    inventory: &'a DpkgInventory,
    policy: AptPolicy,
    repositories: Repositories,
    advice: Option<String>,
}

impl Offers for AptOffers<'_> {
    fn universe(&self, requests: &Requests, effort: Effort) -> Box<dyn Family + '_> {
        let index = &self.repositories.index;
        Box::new(DpkgUniverse::for_requests(self.inventory, index, &self.policy, requests, effort))
    }

    fn verified(&self) -> &[Verified] {
        &self.repositories.verified
    }

    fn left_out(&self) -> &[LeftOut] {
        &self.repositories.left_out
    }

    fn advice(&self) -> Option<&str> {
        self.advice.as_deref()
    }

    fn relations(&self, step: &Step) -> Option<Relations> {
        let name = step.package.name.as_ref();
        let of_step = |one: &index::Available| one.archive().checksum == step.archive.checksum;
        let found = self.repositories.index.versions(name).into_iter().find(of_step)?;
        Some(promised_relations(&found))
    }
}

/// What the index says of a package.
fn promised_relations(found: &index::Available) -> Relations {
    relations([
        &found.pre_depends,
        &found.depends,
        &found.provides,
        &found.conflicts,
        &found.breaks,
        &found.replaces,
    ])
}

/// The fields that say how a package stands to others.
const FIELDS: [&str; 6] = ["Pre-Depends", "Depends", "Provides", "Conflicts", "Breaks", "Replaces"];

/// Relations in one spelling: the values of [`FIELDS`].
fn relations(values: [&Option<impl AsRef<str>>; 6]) -> Relations {
    let mut all = Relations::default();
    for (field, value) in FIELDS.into_iter().zip(values) {
        let Some(text) = value.as_ref().map(AsRef::as_ref) else { continue };
        let one_line = || vec![text.split_whitespace().collect::<Vec<_>>().join(" ")];
        let spelled: Vec<String> = match field {
            "Provides" => parse_provides(text)
                .map_or_else(|_| one_line(), |all| all.iter().map(ToString::to_string).collect()),
            _ => parse_clauses(text)
                .map_or_else(|_| one_line(), |all| all.iter().map(ToString::to_string).collect()),
        };
        all.set(field, spelled);
    }
    all
}

struct DpkgWorkshop<'a> {
    inventory: &'a DpkgInventory,
    unpacked: Unpacked<Arc<DebPackage>>,
}

impl Workshop for DpkgWorkshop<'_> {
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
            reserved(step, self.unpacked.get(step)?.payload.iter().map(|entry| &entry.path))
        });
        if let Some(barred) = barred {
            return Ok(barred);
        }
        let packages: Vec<NewPackage> = steps
            .iter()
            .filter_map(|step| {
                let package = Arc::clone(self.unpacked.get(step)?);
                let mark = if step.from.is_none() { Mark::Automatic } else { Mark::Manual };
                Some(NewPackage { package, mark })
            })
            .collect();
        let newest = packages
            .iter()
            .flat_map(|new| new.package.payload.iter().map(|entry| entry.mtime))
            .max()
            .unwrap_or(0);
        let timestamp = edge.source_date_epoch.unwrap_or(newest);
        let options = Options { timestamp };
        let installed = if is_distroless(self.inventory) {
            distroless::install(&mut overlay, &packages, &options)
        } else {
            let architecture = self.inventory.native.to_string();
            let scripts = Scripts::new(commands::table(), &architecture, timestamp, edge)?;
            let mut runner = scripts.runner();
            with_deep_stack(|| {
                questions::ask(&mut overlay, &packages, &scripts)?;
                install(&mut overlay, &packages, &options, &mut *runner)
            })?
        };
        match installed {
            Ok(effects) => finish(overlay, effects, timestamp).map(TrialOutcome::Applied),
            Err(error) => match blamed(&error, steps) {
                Some(id) => Ok(TrialOutcome::Barred(id.clone(), reason(&id, error))),
                None => {
                    let image = plan.platform.to_string();
                    Err(RepairerError::Install { image, source: error.into() })
                }
            },
        }
    }

    fn built(&self, step: &Step) -> Option<i64> {
        self.unpacked.get(step)?.payload.iter().map(|entry| entry.mtime).max()
    }

    fn relations(&self, step: &Step) -> Option<Relations> {
        let stanza = &self.unpacked.get(step)?.control.stanza;
        Some(relations(FIELDS.map(|field| stanza.get(field)).each_ref()))
    }
}

/// Unpacks a step's archive, which must be the package that the index promised.
fn read_archive(
    step: &Step,
    file: BufReader<File>,
    spool: &Spool,
    memory: &Memory,
) -> Result<Arc<DebPackage>, RepairerError> {
    let archive = || step.archive.url.clone();
    let limits = Limits::for_archive(step.archive.size, memory);
    let package = unpack(file, spool, &limits).map_err(|source| match source.is_too_much() {
        true => RepairerError::TooMuch { archive: archive(), source: source.into() },
        false => RepairerError::Archive { archive: archive(), source: source.into() },
    })?;
    let control = &package.control;
    let version = canonical_version(control.version());
    let found = format!("{} {version} {}", control.name(), control.architecture());
    let wanted = format!("{} {} {}", step.package.name, step.to, step.package.architecture);
    if found != wanted {
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

/// Whether the image's packages are single files without dpkg: then its builder has run no
/// maintainer script and no trigger, and none is missed.
#[must_use]
fn is_distroless(inventory: &DpkgInventory) -> bool {
    !inventory.packages.iter().any(|package| package.record == Record::Status)
}

/// The step that an installation error is about, when it is about one.
fn blamed(error: &InstallError, steps: &[Step]) -> Option<PackageId> {
    match error {
        InstallError::Script { is_of_this_machine: true, .. } => None,
        InstallError::Package { package, .. }
        | InstallError::State { package, .. }
        | InstallError::Overwrite { package, .. }
        | InstallError::Diverted { package, .. }
        | InstallError::Shared { package, .. }
        | InstallError::NoParent { package, .. }
        | InstallError::Path { package, .. } => step_named(package, steps),
        InstallError::Vanishes { by, .. } => step_named(by, steps),
        InstallError::Script { package, activated_by, .. } => activated_by
            .as_ref()
            .and_then(|by| step_named(by, steps))
            .or_else(|| step_named(package, steps)),
        InstallError::Rootfs(_)
        | InstallError::Database { .. }
        | InstallError::TriggerCircle { .. } => None,
    }
}

/// A step by `name` or `name:architecture`.
fn step_named(label: &str, steps: &[Step]) -> Option<PackageId> {
    steps
        .iter()
        .map(|step| &step.package)
        .find(|id| id.name.as_ref() == label || id.to_string() == label)
        .cloned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::index::{PackageIndex, RepositoryInfo};
    use imgfix_dpkg::deb::inspect_control;

    /// The index of a real archive and its packages say the same: `tests/nightly/relations` fetches
    /// both, names them here, and shows the figures.
    #[test]
    #[ignore = "needs IMGFIX_REAL_PACKAGES, an index, and IMGFIX_REAL_DEBS, a folder of its packages"]
    fn the_index_of_a_real_archive_says_what_its_packages_say() {
        let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name}"));
        let text = std::fs::read_to_string(variable("IMGFIX_REAL_PACKAGES")).unwrap();
        let index = PackageIndex::from_text(&text, RepositoryInfo::default()).unwrap();
        let (mut compared, mut differ) = (0, BTreeMap::<String, Vec<String>>::new());
        for entry in std::fs::read_dir(variable("IMGFIX_REAL_DEBS")).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let control = inspect_control(&bytes[..], &Limits::default()).unwrap();
            let name = control.stanza.get("Package").unwrap().to_owned();
            let digest = imgfix_model::digest::Digest::of(&bytes);
            let all = index.versions(&name);
            let Some(promised) = all.iter().find(|one| one.sha256 == digest) else { continue };
            compared += 1;
            let found = relations(FIELDS.map(|field| control.stanza.get(field)).each_ref());
            if let Some(how) = promised_relations(promised).difference(&found) {
                let field = how.split(' ').nth(1).unwrap_or_default().to_owned();
                differ.entry(field).or_default().push(format!("{name}: {how}"));
            }
        }
        println!("{compared} packages compared, {} differ", differ.values().flatten().count());
        for (field, all) in &differ {
            println!("{field}: {}\n  {}", all.len(), all.join("\n  "));
        }
        assert!(compared >= 300, "only {compared} packages are of this index");
        assert!(differ.is_empty());
    }
}
