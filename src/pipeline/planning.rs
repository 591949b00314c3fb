//! From images and reports to a [`Plan`]: each platform is loaded and inventoried, the
//! repositories are asked, the planner chooses, and the chosen packages are installed on trial;
//! a package that cannot be (a script that cannot be evaluated, most of all) is barred and the
//! planner chooses again, until nothing is barred any more.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use imgfix_findings::Filtered;
use imgfix_model::digest::Digest;
use imgfix_model::effects::{Effect, EffectKind};
use imgfix_model::finding::{Assessed, Finding};
use imgfix_model::package::{Inventory, PackageId};
use imgfix_model::plan::{Because, Plan, PlatformPlan, Removal, Step};
use imgfix_model::platform::Platform;
use imgfix_model::reason::Reason;
use imgfix_oci as image;
use imgfix_oci::{ImageSet, Reference, Source};
use imgfix_repair::choice::PackageChoice;
use imgfix_repair::planner;
use imgfix_repair::planner::{Context, Request, Requests};
use imgfix_repository::newest::short_name;
use imgfix_repository::{Fetcher, Verified, freshness};
use imgfix_solve::effort::WHOLE_RUN;

use imgfix_vfs::Overlay;

use super::families;
use super::load::{self, Loaded, View};
use super::scan::{self, ScanInput};
use super::{Environment, RepairError};
use imgfix_repair::edge::AfterFetching;
use imgfix_repair::repairer::{Applied, Offers, Outcome, PackageManager, Workshop};

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
    pub manager: Box<dyn PackageManager>,
    /// All findings about it, those left out by the user's filter too.
    pub findings: Vec<Finding>,
    /// What reports list and somebody assessed as no problem of it.
    pub assessed: Vec<Assessed>,
    pub plan: PlatformPlan,
    /// Which repositories were asked, and who signed them. Empty for a saved plan.
    pub repositories: Vec<Verified>,
    /// The time of the newest package that comes from each repository, by its short name.
    pub newest: BTreeMap<String, i64>,
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
    environment.edge.progress.message(&format!("reading {name}"));
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
    let managers: Vec<Box<dyn PackageManager>> =
        loaded.iter().map(|one| manager(&name, one)).collect::<Result<_, _>>()?;
    let inventories: Vec<&Inventory> = managers.iter().map(|one| one.inventory()).collect();
    let root = set.root.raw().digest;
    let scanned = scan::Scanned { root, platforms: &loaded, inventories: &inventories };
    let findings = scan::findings(&request.scan, &scanned, environment)?;
    let fetcher = environment.edge.fetcher()?;
    if let Some(saved) = saved
        && environment.edge.network == AfterFetching::Goes
    {
        // What a plan names is all that is fetched: before any of it is unpacked.
        for loaded in &loaded {
            let steps = saved_plan(saved, loaded, &name)?.steps;
            fetcher.archives(&steps.iter().map(|step| &step.archive).collect::<Vec<_>>())?;
        }
        environment.fetched()?;
    }
    let mut platforms = Vec::with_capacity(loaded.len());
    for (loaded, manager) in loaded.into_iter().zip(managers) {
        let packages = &request.packages;
        let job =
            Job { loaded: &loaded, manager: &*manager, fetcher: &fetcher, packages, environment };
        let done = match saved {
            Some(saved) => job.follow(saved_plan(saved, &loaded, &name)?, findings.as_ref())?,
            None => job.plan(findings.as_ref())?,
        };
        let Done { plan, applied, findings: all, repositories, newest, notes } = done;
        let assessed = findings.as_ref().map(|all| scan::assessed_of(all, &loaded.platform));
        platforms.push(PlannedPlatform {
            loaded,
            applied,
            manager,
            findings: all,
            assessed: assessed.unwrap_or_default(),
            plan,
            repositories,
            newest,
            notes,
        });
    }
    if saved.is_none() {
        // Not before: a package that cannot be installed makes the planner choose others, which
        // are fetched then.
        environment.fetched()?;
    }
    let plan = Plan {
        schema: imgfix_model::document::SCHEMA.to_owned(),
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
/// No package database, or one that is not understood.
pub fn manager(name: &str, loaded: &Loaded) -> Result<Box<dyn PackageManager>, RepairError> {
    let image = || format!("{name} ({})", loaded.platform);
    families::open(&*loaded.tree)
        .map_err(|source| RepairError::Inventory { image: image(), source })?
        .ok_or_else(|| match load::is_chiselled(&*loaded.tree) {
            true => RepairError::Chiselled { image: image() },
            false => RepairError::Unsupported { image: image() },
        })
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
    manager: &'a dyn PackageManager,
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
    newest: BTreeMap<String, i64>,
    notes: Vec<String>,
}

/// What settles: the plan, its packages installed, and the time of the newest of each
/// repository.
type Settled = (planner::Planned, Option<Applied>, BTreeMap<String, i64>);

/// The time of the newest package of each repository, by its short name.
fn newest(steps: &[Step], workshop: &dyn Workshop) -> BTreeMap<String, i64> {
    let mut newest = BTreeMap::new();
    for step in steps {
        let Some(built) = workshop.built(step) else { continue };
        // apk's repositories may have a tag before them
        let name = step.archive.repository.as_str();
        let name =
            name.strip_prefix('@').and_then(|rest| rest.split_once(' ')).map_or(name, |t| t.1);
        let known = newest.entry(short_name(name)).or_insert(built);
        *known = built.max(*known);
    }
    newest
}

impl Job<'_> {
    fn plan(&self, filtered: Option<&Filtered>) -> Result<Done, RepairError> {
        let tree = &*self.loaded.tree;
        let platform = &self.loaded.platform;
        self.environment.edge.progress.message(&format!("{platform}: reading the repositories"));
        if let Some(former) = &self.loaded.repaired_from {
            self.fetcher.newest().recall(&former.newest);
        }
        let offers = self.manager.offers(tree, self.fetcher, &self.environment.edge)?;
        self.environment.edge.progress.message(&format!("{platform}: planning"));
        let requests = requests(filtered, platform);
        let (mut planned, applied, newest) = self.settle(&*offers, &requests)?;
        let steps = self.environment.edge.effort.taken();
        self.environment
            .edge
            .progress
            .detail(&format!("{platform}: planning took {steps} of {WHOLE_RUN} steps"));
        planned.plan.blame(offers.left_out(), offers.advice());
        let mut notes = planned.notes;
        notes.extend(offers.left_out().iter().map(ToString::to_string));
        if let Some(old) = freshness::old(offers.verified(), self.environment.edge.now) {
            self.environment.edge.progress.warn(&format!("{platform}: {old}"));
            notes.push(old);
        }
        Ok(Done {
            plan: planned.plan,
            applied,
            findings: filtered.map(|all| everything(all, platform)).unwrap_or_default(),
            repositories: offers.verified().to_vec(),
            newest,
            notes,
        })
    }

    /// Does what a saved plan says, or fails.
    fn follow(&self, plan: PlatformPlan, filtered: Option<&Filtered>) -> Result<Done, RepairError> {
        let findings = plan_findings(&plan, filtered, &self.loaded.platform);
        let mut workshop = self.manager.workshop()?;
        let (mut applied, mut of_packages) = (None, BTreeMap::new());
        if !plan.steps.is_empty() {
            let paths = self.fetch(&plan.steps)?;
            applied = match workshop.install(
                self.over_the_original(),
                &plan,
                &paths,
                &self.environment.edge,
            )? {
                Outcome::Applied(applied) => Some(applied),
                Outcome::Barred(id, reason) => {
                    let why = format!("{id} cannot be installed: {reason}");
                    return Err(RepairError::Verification(why));
                }
            };
            of_packages = newest(&plan.steps, &*workshop);
        }
        let (repositories, notes) = (Vec::new(), Vec::new());
        Ok(Done { plan, applied, findings, repositories, newest: of_packages, notes })
    }

    /// Plans until every chosen package can be installed, its scripts evaluated.
    fn settle(&self, offers: &dyn Offers, requests: &Requests) -> Result<Settled, RepairError> {
        let universe = &*offers.universe(requests, self.environment.edge.effort.clone());
        let context = Context {
            platform: self.loaded.platform.clone(),
            manifest_digest: original_manifest(self.loaded),
        };
        let mut barred: BTreeMap<PackageId, Reason> = BTreeMap::new();
        let mut workshop = self.manager.workshop()?;
        loop {
            let mut planned = planner::plan(universe, requests, &barred, &context);
            if planned.plan.steps.is_empty() {
                return Ok((planned, None, BTreeMap::new()));
            }
            let steps = &planned.plan.steps;
            let mut refused: Vec<(PackageId, Reason)> = steps
                .iter()
                .filter_map(|one| Some((one.package.clone(), self.packages.refusal(&one.package)?)))
                .collect();
            refused.extend(self.refused_removals(&mut planned.plan.removals));
            if !refused.is_empty() {
                barred.extend(refused);
                continue;
            }
            let paths = self.fetch(steps)?;
            let outcome = workshop.install(
                self.over_the_original(),
                &planned.plan,
                &paths,
                &self.environment.edge,
            )?;
            let others = families::broken(
                steps,
                |step| offers.relations(step),
                |step| workshop.relations(step),
            );
            if !others.is_empty() {
                for (id, reason) in &others {
                    self.environment.edge.progress.warn(&format!("{id} is left alone: {reason}"));
                }
                barred.extend(others);
                continue;
            }
            match outcome {
                Outcome::Applied(applied) => {
                    let mut gone = self.disappeared(&applied, &planned.plan);
                    let refused = self.refused_removals(&mut gone);
                    if refused.is_empty() {
                        let newest = newest(steps, &*workshop);
                        planned.plan.removals.extend(gone);
                        return Ok((planned, Some(applied), newest));
                    }
                    barred.extend(refused);
                }
                Outcome::Barred(id, reason) => {
                    let note = format!("{id} is left alone: {reason}");
                    self.environment.edge.progress.detail(&note);
                    barred.insert(id, reason);
                    if self.environment.edge.script_time.is_used_up() {
                        // Each further try would bar one package more, and take its time.
                        for (id, reason) in steps.iter().map(out_of_time) {
                            barred.entry(id).or_insert(reason);
                        }
                    }
                }
            }
        }
    }

    /// The original, with nothing changed yet.
    fn over_the_original(&self) -> Overlay {
        Overlay::new(Arc::clone(&self.loaded.tree))
    }

    /// Packages that went because others have all their files now.
    fn disappeared(&self, applied: &Applied, plan: &PlatformPlan) -> Vec<Removal> {
        let installed = &self.manager.inventory().packages;
        let gone = |effect: &Effect| {
            let EffectKind::Disappeared { by, .. } = &effect.kind else { return None };
            let package = installed.iter().find(|one| one.id.to_string() == effect.package)?;
            let at = plan.steps.iter().position(|step| step.package.to_string() == *by)?;
            Some(Removal {
                package: package.id.clone(),
                version: package.version.clone(),
                source: package.source.as_ref().map(|(name, _)| name.clone()),
                before: at + 1,
                because: Because::Needed {
                    package: plan.steps.get(at)?.package.clone(),
                    relation: "Replaces: all its files".to_owned(),
                },
            })
        };
        // One that is installed anew by a later step is there.
        applied
            .effects
            .iter()
            .filter_map(gone)
            .filter(|gone| !plan.steps.iter().any(|step| step.package == gone.package))
            .collect()
    }

    /// Leaves out the removals that the user does not want: what nothing needs any more can
    /// stay. What stands in the way of another package bars that one.
    fn refused_removals(&self, removals: &mut Vec<Removal>) -> Vec<(PackageId, Reason)> {
        let mut barred = Vec::new();
        removals.retain(|removal| {
            let Some(reason) = self.packages.refusal(&removal.package) else { return true };
            if let Because::Needed { package, .. } = &removal.because {
                barred.push((package.clone(), reason));
            }
            false
        });
        barred
    }

    /// Fetches the steps' archives, each checked against what the index says of it.
    fn fetch(&self, steps: &[Step]) -> Result<Vec<PathBuf>, RepairError> {
        let archives: Vec<_> = steps.iter().map(|step| &step.archive).collect();
        Ok(self.fetcher.archives(&archives)?)
    }
}

/// Why nothing more is tried when the time for scripts is used up.
fn out_of_time(step: &Step) -> (PackageId, Reason) {
    let package = step.package.name.to_string();
    let detail = "scripts of other packages used up the time that all may take; allow more with \
                  --max-script-time"
        .to_owned();
    (step.package.clone(), Reason::Conflict { package, detail })
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
