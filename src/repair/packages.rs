//! A package manager as a repairer: the planner chooses, the chosen packages are installed on
//! trial; a package that cannot be (a script that cannot be evaluated, most of all) is barred and
//! the planner chooses again, until nothing is barred any more.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use imgfix_model::component::StoreId;
use imgfix_model::effects::{Effect, EffectKind};
use imgfix_model::finding::{Class, Finding};
use imgfix_model::package::PackageId;
use imgfix_model::path::ImagePath;
use imgfix_model::plan::{Because, PlatformPlan, Removal, Step};
use imgfix_model::reason::Reason;
use imgfix_repository::freshness;
use imgfix_repository::newest::short_name;
use imgfix_solve::effort::MOST;
use imgfix_terminal::count;
use imgfix_vfs::{FileSystem, Overlay};

use crate::error::{Cause, RepairerError};
use crate::judge::{Components, Concern};
use crate::package_manager::{Applied, Offers, PackageManager, TrialOutcome, Workshop};
use crate::planner::{self, Planned, Requests};
use crate::promise;
use crate::repairer::{Account, Done, Part, Repairer, Work};

/// The packages that one package manager has installed.
pub struct Packages {
    store: StoreId,
    manager: Box<dyn PackageManager>,
}

impl Packages {
    /// What `manager` has installed, by the database at `place`.
    #[must_use]
    pub fn new(manager: Box<dyn PackageManager>, place: &ImagePath) -> Self {
        let store = StoreId::new(manager.inventory().family, place);
        Self { store, manager }
    }
}

impl Repairer for Packages {
    fn store(&self) -> &StoreId {
        &self.store
    }

    fn components(&self) -> Components<'_> {
        Components::of_packages(self.manager.inventory())
    }

    fn package_manager(&self) -> Option<&dyn PackageManager> {
        Some(&*self.manager)
    }

    fn owners(
        &self,
        fs: &dyn FileSystem,
        paths: &BTreeSet<ImagePath>,
    ) -> Result<BTreeMap<ImagePath, String>, Cause> {
        let owners = self.manager.owners(fs, paths)?;
        Ok(owners.into_iter().map(|(path, id)| (path, id.to_string())).collect())
    }

    fn claims(&self, finding: &Finding) -> bool {
        finding.class == Class::System && self.components().concerned(finding) != Concern::Nothing
    }

    fn repair(
        &self,
        requests: &Requests,
        work: &Work<'_>,
        overlay: Overlay,
    ) -> Result<Done, RepairerError> {
        if let Some(unfixed) = requests.all_settled() {
            return Ok(Done { unfixed, ..Done::unchanged(overlay) });
        }
        let (progress, platform) = (&work.edge.progress, &work.context.platform);
        let reading = progress.step(&format!("{platform}: reading the repositories"));
        let offers = self.manager.offers(&overlay, work.fetcher, work.edge)?;
        drop(reading);
        let trial = Trial { manager: &*self.manager, work, original: &overlay };
        let Settled { mut planned, applied, newest } = trial.settle(&*offers, requests)?;
        let steps = work.edge.effort.taken();
        progress.detail(&format!("{platform}: planning took {steps} of at most {MOST} steps"));
        planned.plan.blame(offers.left_out(), offers.advice(), offers.limit());
        let mut notes = planned.notes;
        notes.extend(offers.left_out().iter().map(ToString::to_string));
        if let Some(old) = freshness::old(offers.verified(), work.edge.now) {
            progress.warn(&format!("{platform}: {old}"));
            notes.push(old);
        }
        let repositories = offers.verified().to_vec();
        drop(offers);
        let PlatformPlan { steps, removals, unfixed, kept_back, .. } = planned.plan;
        let part = Part::Packages { steps, removals, kept_back };
        let advised = planned.advised;
        notes.extend(advised.iter().map(|(finding, versions)| {
            let Finding { id, package, .. } = finding;
            let versions = versions.join(" or ");
            format!("{id} is fixed in {package} {versions} by the repositories' advisories")
        }));
        let account = Account { repositories, newest, notes, advised, ..Account::default() };
        let done = Done { unfixed, account, ..Done::unchanged(overlay) };
        Ok(with(done, part, applied))
    }

    fn follow(
        &self,
        plan: &PlatformPlan,
        work: &Work<'_>,
        overlay: Overlay,
    ) -> Result<Done, RepairerError> {
        let part = Part::Packages {
            steps: plan.steps.clone(),
            removals: plan.removals.clone(),
            kept_back: plan.kept_back.clone(),
        };
        if plan.steps.is_empty() {
            return Ok(Done { part, ..Done::unchanged(overlay) });
        }
        let trial = Trial { manager: &*self.manager, work, original: &overlay };
        if let Some((id, reason)) = trial.prepare(plan)?.into_iter().next() {
            return Err(RepairerError::NotAsPlanned { package: id.to_string(), reason });
        }
        let mut workshop = self.manager.workshop()?;
        let paths = trial.fetch(&plan.steps)?;
        let applied = match workshop.install(overlay.clone(), plan, &paths, work.edge)? {
            TrialOutcome::Applied(applied) => applied,
            TrialOutcome::Barred(id, reason) => {
                return Err(RepairerError::NotAsPlanned { package: id.to_string(), reason });
            }
        };
        let account = Account { newest: newest(&plan.steps, &*workshop), ..Account::default() };
        let done = Done { account, ..Done::unchanged(overlay) };
        Ok(with(done, part, Some(applied)))
    }
}

/// What was done, with what came of the installation.
fn with(done: Done, part: Part, applied: Option<Applied>) -> Done {
    match applied {
        None => Done { part, ..done },
        Some(Applied { overlay, effects, stale, .. }) => {
            let account = Account { effects, stale, ..done.account };
            Done { overlay, part, account, ..done }
        }
    }
}

/// What settles: the plan, its packages installed, and the time of the newest of each
/// repository.
struct Settled {
    planned: Planned,
    applied: Option<Applied>,
    newest: BTreeMap<String, i64>,
}

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

/// Plans that are tried over one overlay.
struct Trial<'a> {
    manager: &'a dyn PackageManager,
    work: &'a Work<'a>,
    /// With nothing of this package manager's changed yet.
    original: &'a Overlay,
}

impl Trial<'_> {
    /// Plans until every chosen package can be installed, its scripts evaluated.
    fn settle(&self, offers: &dyn Offers, requests: &Requests) -> Result<Settled, RepairerError> {
        let context = self.work.context;
        let effort = self.work.edge.effort.for_universe();
        let universe = &*offers.universe(requests, effort.clone());
        let mut barred: BTreeMap<PackageId, Reason> = BTreeMap::new();
        let mut workshop = self.manager.workshop()?;
        let (progress, platform) = (&self.work.edge.progress, &context.platform);
        let _planning = progress.step(&format!("{platform}: planning"));
        let mut trying = None;
        loop {
            let before = effort.taken();
            let mut planned = planner::plan(universe, requests, &barred, context);
            // It is made once more when one of its packages is barred, and that is no fault of
            // the others.
            effort.again(effort.taken() - before);
            if planned.plan.steps.is_empty() {
                return Ok(Settled { planned, applied: None, newest: BTreeMap::new() });
            }
            let steps = &planned.plan.steps;
            let mut refused: Vec<(PackageId, Reason)> = steps
                .iter()
                .filter_map(|one| {
                    Some((one.package.clone(), self.work.choice.refusal(&one.package)?))
                })
                .collect();
            refused.extend(self.refused_removals(&mut planned.plan.removals));
            if refused.is_empty() {
                refused = self.prepare(&planned.plan)?;
            }
            if !refused.is_empty() {
                barred.extend(refused);
                continue;
            }
            // told once, however many plans it takes
            trying.get_or_insert_with(|| {
                progress.step(&format!("{platform}: trying {}", count(steps.len(), "package")))
            });
            let paths = self.fetch(steps)?;
            let outcome =
                workshop.install(self.original.clone(), &planned.plan, &paths, self.work.edge)?;
            let others = promise::broken(
                steps,
                |step| offers.relations(step),
                |step| workshop.relations(step),
            );
            if !others.is_empty() {
                for (id, reason) in &others {
                    progress.warn(&format!("{id} is left alone: {reason}"));
                }
                barred.extend(others);
                continue;
            }
            match outcome {
                TrialOutcome::Applied(applied) => {
                    let mut gone = self.disappeared(&applied, &planned.plan);
                    let refused = self.refused_removals(&mut gone);
                    if refused.is_empty() {
                        let newest = newest(steps, &*workshop);
                        planned.plan.removals.extend(gone);
                        return Ok(Settled { planned, applied: Some(applied), newest });
                    }
                    barred.extend(refused);
                }
                TrialOutcome::Barred(id, reason) => {
                    let note = format!("{id} is left alone: {reason}");
                    progress.detail(&note);
                    barred.insert(id, reason);
                    if self.work.edge.script_time.is_used_up() {
                        // Each further try would bar one package more, and take its time.
                        for (id, reason) in steps.iter().map(out_of_time) {
                            barred.entry(id).or_insert(reason);
                        }
                    }
                }
            }
        }
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
            let Some(reason) = self.work.choice.refusal(&removal.package) else { return true };
            if let Because::Needed { package, .. } = &removal.because {
                barred.push((package.clone(), reason));
            }
            false
        });
        barred
    }

    /// What the package manager has to know of the image before; steps that cannot be.
    fn prepare(&self, plan: &PlatformPlan) -> Result<Vec<(PackageId, Reason)>, RepairerError> {
        let Work { fetcher, edge, .. } = self.work;
        let refused = self.manager.prepare(plan, self.original, fetcher, edge)?;
        for (id, reason) in &refused {
            edge.progress.detail(&format!("{id} is left alone: {reason}"));
        }
        Ok(refused)
    }

    /// Fetches the steps' archives, each checked against what the index says of it.
    fn fetch(&self, steps: &[Step]) -> Result<Vec<PathBuf>, RepairerError> {
        let archives: Vec<_> = steps.iter().map(|step| &step.archive).collect();
        Ok(self.work.fetcher.archives(&archives)?)
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
