//! From images and reports to a [`Plan`]: each platform is loaded and inventoried, the
//! repositories are asked, the planner chooses, and every chosen package's scripts are looked
//! at; packages whose scripts cannot be done without are barred and the planner chooses
//! again, until nothing is barred any more.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::findings::{Filtered, Finding};
use crate::image::{self, Digest, Document, ImageSet, Platform, Reference, Source};
use crate::packages::PackageId;
use crate::packages::dpkg::deb::{DebControl, Limits, inspect_control};
use crate::packages::dpkg::index::PackageIndex;
use crate::packages::dpkg::inventory::DpkgInventory;
use crate::packages::dpkg::preferences::Preferences;
use crate::packages::dpkg::scripts_check::check_scripts;
use crate::packages::dpkg::status::Status;
use crate::plan::{Plan, PlatformPlan, Reason, Step, Unfixed};
use crate::repository::Fetcher;
use crate::repository::apt::Verified;
use crate::rootfs::{FileSystem, ImagePath};

use super::load::{self, Loaded};
use super::scan::{self, ScanInput};
use super::{Environment, RepairError, repositories};

/// What to plan for.
pub struct PlanRequest {
    pub image: Reference,
    /// Empty: all Linux platforms.
    pub platforms: Vec<Platform>,
    pub scan: ScanInput,
}

/// One platform, loaded and planned.
pub struct PlannedPlatform {
    pub loaded: Loaded,
    pub inventory: DpkgInventory,
    /// All findings about it, those left out by the user's filter too.
    pub findings: Vec<Finding>,
    pub plan: PlatformPlan,
    /// Which repositories were asked, and who signed them. Empty for a saved plan.
    pub repositories: Vec<Verified>,
}

/// An image, loaded and planned.
pub struct Planned {
    pub source: Arc<dyn Source>,
    pub set: ImageSet,
    pub platforms: Vec<PlannedPlatform>,
    pub fetcher: Fetcher,
    pub plan: Plan,
}

/// The digest that names the image as the user gave it: of the original, when the image is a
/// repaired one.
fn original_digest(set: &ImageSet, platforms: &[Loaded]) -> Digest {
    let recorded = platforms.iter().find_map(|one| one.repaired_from.as_ref());
    recorded.map_or_else(|| set.root.raw().digest, |parts| parts.original_digest)
}

/// Loads and plans. With `saved`, that plan is taken instead of making one.
///
/// # Errors
/// Image, reports or repositories cannot be read; the saved plan is for another image.
pub fn plan(
    request: &PlanRequest,
    saved: Option<&Plan>,
    environment: &Environment,
) -> Result<Planned, RepairError> {
    let name = request.image.to_string();
    environment.progress.message(&format!("reading {name}"));
    let source = image::open_source(&request.image, &environment.registry)?;
    let set = image::load(&*source, None)?;
    let chosen = chosen(&set, &request.platforms, &name)?;
    let loaded: Vec<Loaded> = chosen
        .into_iter()
        .map(|one| load::load(&source, one, environment))
        .collect::<Result<_, _>>()?;
    let image_digest = original_digest(&set, &loaded);
    if let Some(saved) = saved
        && saved.image_digest != image_digest
    {
        let (wanted, found) = (saved.image_digest.to_string(), image_digest.to_string());
        return Err(RepairError::OtherPlan { image: name, wanted, found });
    }
    let inventories: Vec<DpkgInventory> =
        loaded.iter().map(|one| inventory(&name, one)).collect::<Result<_, _>>()?;
    let root = set.root.raw().digest;
    let facts: Vec<_> = loaded
        .iter()
        .zip(&inventories)
        .map(|(one, inventory)| scan::facts(root, one, inventory.distribution.clone()))
        .collect();
    let findings = scan::findings(&request.scan, &facts, environment)?;
    let fetcher = environment.fetcher()?;
    let mut platforms = Vec::with_capacity(loaded.len());
    for (loaded, inventory) in loaded.into_iter().zip(inventories) {
        let job = Job { loaded: &loaded, inventory: &inventory, fetcher: &fetcher, environment };
        let (plan, repositories, all) = match saved {
            Some(saved) => {
                let plan = saved_plan(saved, &loaded, &name)?;
                let all = plan_findings(&plan, findings.as_ref(), &loaded.platform);
                (plan, Vec::new(), all)
            }
            None => job.plan(findings.as_ref())?,
        };
        platforms.push(PlannedPlatform { loaded, inventory, findings: all, plan, repositories });
    }
    let plan = Plan {
        schema: crate::plan::SCHEMA.to_owned(),
        image: name,
        image_digest,
        platforms: platforms.iter().map(|one| one.plan.clone()).collect(),
    };
    Ok(Planned { source, set, platforms, fetcher, plan })
}

fn chosen(
    set: &ImageSet,
    wanted: &[Platform],
    name: &str,
) -> Result<Vec<image::PlatformImage>, RepairError> {
    if wanted.is_empty() {
        return Ok(set.images.clone());
    }
    for one in wanted {
        if !set.images.iter().any(|image| image.platform.matches(one)) {
            let have: Vec<String> = set.images.iter().map(|i| i.platform.to_string()).collect();
            return Err(RepairError::NoPlatform {
                image: name.to_owned(),
                wanted: one.to_string(),
                have: have.join(", "),
            });
        }
    }
    let fits =
        |image: &&image::PlatformImage| wanted.iter().any(|one| image.platform.matches(one));
    Ok(set.images.iter().filter(fits).cloned().collect())
}

/// Reads what is installed.
///
/// # Errors
/// No dpkg database, or one that is not understood.
pub fn inventory(name: &str, loaded: &Loaded) -> Result<DpkgInventory, RepairError> {
    let image = format!("{name} ({})", loaded.platform);
    if !DpkgInventory::detect(&*loaded.tree) {
        return Err(RepairError::Unsupported { image });
    }
    DpkgInventory::read(&*loaded.tree).map_err(|source| RepairError::Inventory { image, source })
}

fn saved_plan(saved: &Plan, loaded: &Loaded, name: &str) -> Result<PlatformPlan, RepairError> {
    let own = saved.platforms.iter().find(|one| one.platform == loaded.platform);
    let own = own.ok_or_else(|| RepairError::NoPlan {
        image: name.to_owned(),
        platform: loaded.platform.to_string(),
    })?;
    if own.manifest_digest != original_manifest(loaded) {
        return Err(RepairError::OtherPlan {
            image: format!("{name} ({})", loaded.platform),
            wanted: own.manifest_digest.to_string(),
            found: original_manifest(loaded).to_string(),
        });
    }
    Ok(own.clone())
}

/// The digest of the platform's original manifest.
fn original_manifest(loaded: &Loaded) -> Digest {
    loaded
        .repaired_from
        .as_ref()
        .map_or_else(|| loaded.manifest.digest(), |parts| parts.original_manifest)
}

/// With a saved plan the findings are the reports', or those that the plan itself names.
fn plan_findings(
    plan: &PlatformPlan,
    filtered: Option<&Filtered>,
    platform: &Platform,
) -> Vec<Finding> {
    match filtered {
        Some(filtered) => everything(filtered, platform),
        None => {
            let mut all = plan.fixes.clone();
            all.extend(plan.unfixed.iter().map(|one| one.finding.clone()));
            all
        }
    }
}

fn everything(filtered: &Filtered, platform: &Platform) -> Vec<Finding> {
    let mut all = filtered.kept.clone();
    all.extend(filtered.ignored.iter().map(|one| one.finding.clone()));
    scan::of_platform(&all, platform)
}

/// Planning of one platform.
struct Job<'a> {
    loaded: &'a Loaded,
    inventory: &'a DpkgInventory,
    fetcher: &'a Fetcher,
    environment: &'a Environment,
}

impl Job<'_> {
    fn plan(
        &self,
        filtered: Option<&Filtered>,
    ) -> Result<(PlatformPlan, Vec<Verified>, Vec<Finding>), RepairError> {
        let tree = &*self.loaded.tree;
        let preferences = Preferences::read(tree)?;
        let mut architectures = vec![self.inventory.native.to_string()];
        architectures.extend(self.inventory.foreign.iter().map(ToString::to_string));
        self.environment
            .progress
            .message(&format!("{}: reading the repositories", self.loaded.platform));
        let available = repositories::available(
            tree,
            &self.inventory.distribution,
            &architectures,
            self.fetcher,
            self.environment,
        )?;
        let kept = filtered.map(|all| scan::of_platform(&all.kept, &self.loaded.platform));
        let mut plan = self.settle(&available.index, &preferences, kept.as_deref())?;
        let mut all = Vec::new();
        if let Some(filtered) = filtered {
            for ignored in &filtered.ignored {
                let one = std::slice::from_ref(&ignored.finding);
                for finding in scan::of_platform(one, &self.loaded.platform) {
                    let reason = Reason::Ignored { by: ignored.by.clone() };
                    plan.unfixed.push(Unfixed { finding, reason });
                }
            }
            all = everything(filtered, &self.loaded.platform);
        }
        Ok((plan, available.verified, all))
    }

    /// Plans until no chosen package needs its scripts.
    fn settle(
        &self,
        index: &PackageIndex,
        preferences: &Preferences,
        findings: Option<&[Finding]>,
    ) -> Result<PlatformPlan, RepairError> {
        let mut barred: BTreeMap<PackageId, Reason> = BTreeMap::new();
        let mut seen: BTreeMap<Digest, Result<(), Reason>> = BTreeMap::new();
        loop {
            let plan = crate::plan::build::plan_platform(&crate::plan::build::Input {
                platform: &self.loaded.platform,
                manifest_digest: original_manifest(self.loaded),
                inventory: self.inventory,
                index,
                preferences,
                findings,
                barred: &barred,
            });
            let fresh = self.bar(&plan.steps, &mut seen)?;
            if fresh.is_empty() {
                return Ok(plan);
            }
            for (id, reason) in fresh {
                self.environment.progress.detail(&format!("{id} is left alone: {reason}"));
                barred.insert(id, reason);
            }
        }
    }

    /// The steps that need scripts. Each archive is looked at once.
    fn bar(
        &self,
        steps: &[Step],
        seen: &mut BTreeMap<Digest, Result<(), Reason>>,
    ) -> Result<Vec<(PackageId, Reason)>, RepairError> {
        let new: Vec<&Step> =
            steps.iter().filter(|step| !seen.contains_key(&step.archive.sha256)).collect();
        let archives: Vec<_> = new.iter().map(|step| &step.archive).collect();
        let paths = self.fetcher.archives(&archives)?;
        let status = status(&*self.loaded.tree);
        for (step, path) in new.iter().zip(&paths) {
            let control = control(step, path)?;
            let entry = status.as_ref().and_then(|status| {
                let same = control.stanza.get("Multi-Arch").is_some_and(|v| v.trim() == "same");
                let id = &step.package;
                let slot = status.slot(id.name.as_ref(), id.architecture.as_ref(), same)?;
                status.entries.get(slot)
            });
            let result = check_scripts(&*self.loaded.tree, entry, &control);
            seen.insert(step.archive.sha256, result);
        }
        Ok(steps
            .iter()
            .filter_map(|step| match seen.get(&step.archive.sha256) {
                Some(Err(reason)) => Some((step.package.clone(), reason.clone())),
                _ => None,
            })
            .collect())
    }
}

/// The image's status file; `None` for an image without dpkg.
fn status(fs: &dyn FileSystem) -> Option<Status> {
    let text = fs.read(&ImagePath::literal("/var/lib/dpkg/status")).ok()?;
    Status::parse(text).ok()
}

/// The control part of a step's archive, checked to be the package that the index promised.
fn control(step: &Step, path: &Path) -> Result<DebControl, RepairError> {
    let archive = || step.archive.url.clone();
    let file = open_archive(&step.archive.url, path)?;
    let control = inspect_control(file, &Limits::default())
        .map_err(|source| RepairError::Archive { archive: archive(), source })?;
    let found = format!("{} {} {}", control.name(), control.version(), control.architecture());
    let wanted = format!("{} {} {}", step.package.name, step.to, control.architecture());
    let architecture = control.architecture();
    if found != wanted || !(architecture == "all" || architecture == step.package.architecture.as_ref())
    {
        return Err(RepairError::OtherPackage { archive: archive(), found, wanted });
    }
    Ok(control)
}

/// Opens a fetched archive.
///
/// # Errors
/// The cache's file is gone.
pub fn open_archive(url: &str, path: &Path) -> Result<BufReader<File>, RepairError> {
    File::open(path)
        .map(|file| BufReader::with_capacity(1 << 17, file))
        .map_err(|source| RepairError::ArchiveFile { archive: url.to_owned(), source })
}


/// The digest of the top document that a repaired index or manifest replaces.
#[must_use]
pub fn root_is_index(set: &ImageSet) -> bool {
    matches!(set.root, Document::Index(_))
}

/// The archives of a plan's steps, fetched and verified, in the order of the steps.
///
/// # Errors
/// As [`Fetcher::archives`].
pub fn archives(fetcher: &Fetcher, plan: &PlatformPlan) -> Result<Vec<PathBuf>, RepairError> {
    let wanted: Vec<_> = plan.steps.iter().map(|step| &step.archive).collect();
    Ok(fetcher.archives(&wanted)?)
}
