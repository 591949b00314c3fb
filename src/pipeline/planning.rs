//! From images and reports to a [`Plan`]: each platform is loaded and inventoried, the
//! repositories are asked, the planner chooses, and the chosen packages are installed on trial;
//! a package that cannot be (a script that cannot be evaluated, most of all) is barred and the
//! planner chooses again, until nothing is barred any more.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::findings::{Filtered, Finding};
use crate::image::{self, Digest, ImageSet, Platform, Reference, Source};
use crate::packages::PackageId;
use crate::packages::dpkg::deb::{Limits, inspect_control};
use crate::packages::dpkg::inventory::DpkgInventory;
use crate::packages::dpkg::preferences::Preferences;
use crate::packages::dpkg::solve::DpkgUniverse;
use crate::plan::build::{self, Context, Request, Requests};
use crate::plan::choice::PackageChoice;
use crate::plan::{ArchiveChecksum, Plan, PlatformPlan, Reason, Step};
use crate::repository::Fetcher;
use crate::repository::apt::Verified;

use super::apply::{Applied, Outcome, Workshop};
use super::load::{self, Loaded, View};
use super::scan::{self, ScanInput};
use super::{Environment, RepairError, repositories};

/// What to plan for.
pub struct PlanRequest {
    pub image: Reference,
    /// Empty: all Linux platforms.
    pub platforms: Vec<Platform>,
    pub scan: ScanInput,
    /// Which packages may be changed.
    pub packages: PackageChoice,
}

/// One platform, loaded and planned.
pub struct PlannedPlatform {
    pub loaded: Loaded,
    /// The image with the plan's packages installed; `None` without steps.
    pub applied: Option<Applied>,
    pub inventory: DpkgInventory,
    /// All findings about it, those left out by the user's filter too.
    pub findings: Vec<Finding>,
    pub plan: PlatformPlan,
    /// Which repositories were asked, and who signed them. Empty for a saved plan.
    pub repositories: Vec<Verified>,
    /// What the planner saw on the way, for people.
    pub notes: Vec<String>,
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
        .map(|one| load::load(&source, one, View::Original, environment))
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
    let scanned = scan::Scanned { root, platforms: &loaded, inventories: &inventories };
    let findings = scan::findings(&request.scan, &scanned, environment)?;
    let fetcher = environment.fetcher()?;
    let mut platforms = Vec::with_capacity(loaded.len());
    for (loaded, inventory) in loaded.into_iter().zip(inventories) {
        let packages = &request.packages;
        let job = Job {
            loaded: &loaded,
            inventory: &inventory,
            fetcher: &fetcher,
            packages,
            environment,
        };
        let done = match saved {
            Some(saved) => job.follow(saved_plan(saved, &loaded, &name)?, findings.as_ref())?,
            None => job.plan(findings.as_ref())?,
        };
        let Done { plan, applied, findings: all, repositories, notes } = done;
        platforms.push(PlannedPlatform {
            loaded,
            applied,
            inventory,
            findings: all,
            plan,
            repositories,
            notes,
        });
    }
    let plan = Plan {
        schema: crate::plan::SCHEMA.to_owned(),
        image: name,
        image_digest,
        platforms: platforms.iter().map(|one| one.plan.clone()).collect(),
    };
    Ok(Planned { source, set, platforms, fetcher, plan })
}

/// The images of the wanted platforms; all when none is named.
///
/// # Errors
/// The image has none for a wanted platform.
pub fn chosen(
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
    let fits = |image: &&image::PlatformImage| wanted.iter().any(|one| image.platform.matches(one));
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
        None => plan.unfixed.iter().map(|one| one.finding.clone()).collect(),
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
    packages: &'a PackageChoice,
    environment: &'a Environment,
}

/// What planning of one platform ends with.
struct Done {
    plan: PlatformPlan,
    applied: Option<Applied>,
    findings: Vec<Finding>,
    repositories: Vec<Verified>,
    notes: Vec<String>,
}

impl Job<'_> {
    fn plan(&self, filtered: Option<&Filtered>) -> Result<Done, RepairError> {
        let tree = &*self.loaded.tree;
        let preferences = Preferences::read(tree)?;
        let mut architectures = vec![self.inventory.native.to_string()];
        architectures.extend(self.inventory.foreign.iter().map(ToString::to_string));
        let platform = &self.loaded.platform;
        self.environment.progress.message(&format!("{platform}: reading the repositories"));
        let available = repositories::available(
            tree,
            &self.inventory.distribution,
            &architectures,
            self.fetcher,
            self.environment,
        )?;
        self.environment.progress.message(&format!("{platform}: planning"));
        let requests = requests(filtered, platform);
        let universe = DpkgUniverse::new(self.inventory, &available.index, &preferences);
        let (planned, applied) = self.settle(&universe, &requests)?;
        let mut notes = planned.notes;
        // of a report about the repaired image, whose original is planned for, nothing else is
        // to be expected
        if !planned.mismatches.is_empty() && self.loaded.repaired_from.is_none() {
            let count = planned.mismatches.len();
            let note = format!(
                "{count} findings are about package versions that the image does not have: \
                 is the report about another image?"
            );
            notes.push(note);
        }
        Ok(Done {
            plan: planned.plan,
            applied,
            findings: filtered.map(|all| everything(all, platform)).unwrap_or_default(),
            repositories: available.verified,
            notes,
        })
    }

    /// Does what a saved plan says, or fails.
    fn follow(&self, plan: PlatformPlan, filtered: Option<&Filtered>) -> Result<Done, RepairError> {
        let findings = plan_findings(&plan, filtered, &self.loaded.platform);
        let mut workshop = Workshop::new()?;
        let mut applied = None;
        if !plan.steps.is_empty() {
            let mut known = BTreeSet::new();
            let paths = self.fetch(&plan.steps, &mut known)?;
            applied = match workshop.apply(
                self.loaded,
                self.inventory,
                &plan.steps,
                &paths,
                self.environment,
            )? {
                Outcome::Applied(applied) => Some(applied),
                Outcome::Barred(id, reason) => {
                    let why = format!("{id} cannot be installed: {reason}");
                    return Err(RepairError::Verification(why));
                }
            };
        }
        Ok(Done { plan, applied, findings, repositories: Vec::new(), notes: Vec::new() })
    }

    /// Plans until every chosen package can be installed, its scripts evaluated.
    fn settle(
        &self,
        universe: &DpkgUniverse<'_>,
        requests: &Requests,
    ) -> Result<(build::Planned, Option<Applied>), RepairError> {
        let context = Context {
            platform: self.loaded.platform.clone(),
            manifest_digest: original_manifest(self.loaded),
        };
        let mut barred: BTreeMap<PackageId, Reason> = BTreeMap::new();
        let mut known = BTreeSet::new();
        let mut workshop = Workshop::new()?;
        loop {
            let planned = build::plan(universe, requests, &barred, &context);
            if planned.plan.steps.is_empty() {
                return Ok((planned, None));
            }
            let steps = &planned.plan.steps;
            let refused: Vec<(PackageId, Reason)> = steps
                .iter()
                .filter_map(|one| Some((one.package.clone(), self.packages.refusal(&one.package)?)))
                .collect();
            if !refused.is_empty() {
                barred.extend(refused);
                continue;
            }
            let paths = self.fetch(steps, &mut known)?;
            let outcome =
                workshop.apply(self.loaded, self.inventory, steps, &paths, self.environment)?;
            match outcome {
                Outcome::Applied(applied) => return Ok((planned, Some(applied))),
                Outcome::Barred(id, reason) => {
                    let note = format!("{id} is left alone: {reason}");
                    self.environment.progress.detail(&note);
                    barred.insert(id, reason);
                }
            }
        }
    }

    /// Fetches the steps' archives; each that is not `known` is checked to be the package
    /// that the index promised.
    fn fetch(
        &self,
        steps: &[Step],
        known: &mut BTreeSet<ArchiveChecksum>,
    ) -> Result<Vec<PathBuf>, RepairError> {
        let archives: Vec<_> = steps.iter().map(|step| &step.archive).collect();
        let paths = self.fetcher.archives(&archives)?;
        for (step, path) in steps.iter().zip(&paths) {
            if known.insert(step.archive.checksum) {
                check_archive(step, path)?;
            }
        }
        Ok(paths)
    }
}

/// The planner's requests from what the user's filter made of the reports.
fn requests(filtered: Option<&Filtered>, platform: &Platform) -> Requests {
    let Some(filtered) = filtered else { return Requests::Everything };
    let kept = scan::of_platform(&filtered.kept, platform).into_iter().map(Request::from);
    let ignored = filtered.ignored.iter().flat_map(|one| {
        let settled = Some(Reason::Ignored { by: one.by.clone() });
        scan::of_platform(std::slice::from_ref(&one.finding), platform)
            .into_iter()
            .map(move |finding| Request { finding, settled: settled.clone() })
    });
    Requests::Findings(kept.chain(ignored).collect())
}

/// Checks that a step's archive is the package that the index promised.
fn check_archive(step: &Step, path: &Path) -> Result<(), RepairError> {
    let archive = || step.archive.url.clone();
    let file = open_archive(&step.archive.url, path)?;
    let control = inspect_control(file, &Limits::default())
        .map_err(|source| RepairError::Archive { archive: archive(), source })?;
    let found = format!("{} {} {}", control.name(), control.version(), control.architecture());
    let wanted = format!("{} {} {}", step.package.name, step.to, control.architecture());
    let architecture = control.architecture();
    if found != wanted
        || !(architecture == "all" || architecture == step.package.architecture.as_ref())
    {
        return Err(RepairError::OtherPackage { archive: archive(), found, wanted });
    }
    Ok(())
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
