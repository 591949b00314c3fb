//! From findings to a plan, for any family of package manager.
//!
//! In come the findings, what the family knows of the image and the repositories
//! ([`Family`]), and what must not be upgraded; out comes the plan of one platform with a
//! reason for every finding that it leaves. The steps are: match each finding to installed
//! packages; decide which of their candidates reach the fix; let the solver find the most of
//! these that go together and the fewest other changes; put the steps in order; say why.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};

use super::order::{Edge, order};
use super::solver::{Explanation, Solvable, Task, Universe, reachable, smallest};
use super::{Archive, Because, KeptBack, PlatformPlan, Reason, Removal, Step, Unfixed};
use crate::findings::{Class, Finding, Severity};
use crate::image::{Digest, Platform};
use crate::packages::{PackageId, VersionText, is_independent};

/// A version that the repositories offer for an installed package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    pub version: VersionText,
    /// Of its source package: what fixed versions count.
    pub source_version: VersionText,
}

/// Whether an installed package may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lock {
    Free,
    /// Put on hold by the user; `by` says how.
    Held {
        by: String,
    },
    /// In a state that nothing can be built on.
    Broken {
        detail: String,
    },
}

/// An installed package, as the planner sees it.
#[derive(Debug, Clone)]
pub struct Slot {
    pub id: PackageId,
    pub installed: Offer,
    pub source_name: String,
    /// The version that the package manager would take, when it is newer.
    pub candidate: Option<(Solvable, Offer)>,
    /// The newest version that any repository has, older ones included.
    pub newest: Option<Offer>,
    /// Why a newer version is not the candidate: a pin, or the repository's entry for it.
    pub passed_over: Option<Reason>,
    pub lock: Lock,
}

/// What a step does, in the family's words.
#[derive(Debug, Clone)]
pub struct StepFacts {
    pub package: PackageId,
    pub from: Option<VersionText>,
    pub to: VersionText,
    pub archive: Archive,
    /// Things to know: relations that were not satisfied before and are not now.
    pub notes: Vec<String>,
}

/// A version that comes along though no relation asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Companion {
    pub solvable: Solvable,
    /// What brings it.
    pub because_of: Solvable,
    /// In the family's words: `install_if: docs nginx=1.26.2-r0`.
    pub relation: String,
}

/// A family of package manager: its packages as a [`Universe`], and what the planner asks
/// beyond that.
pub trait Family: Universe {
    /// All installed packages, sorted by id.
    fn slots(&self) -> &[Slot];
    /// The names that the solver must keep ([`Task::keep`]).
    fn keep(&self) -> Vec<super::solver::Name>;
    /// The installed version with the name of `solvable`.
    fn installed(&self, solvable: Solvable) -> Option<Solvable>;
    /// Compares two versions as text; `None` when one of them is none.
    fn compare(&self, a: &str, b: &str) -> Option<Ordering>;
    /// The package of a version.
    fn package(&self, solvable: Solvable) -> PackageId;
    /// All offered versions of the packages in `packages`: what a ban forbids.
    fn offered(&self, packages: &BTreeSet<&PackageId>) -> BTreeSet<Solvable>;
    /// What installing a version means; `None` for what is installed already.
    fn step(&self, solvable: Solvable) -> Option<StepFacts>;
    /// Which of these steps want which.
    fn edges(&self, steps: &[Solvable]) -> BTreeSet<Edge>;
    /// Installed names that go when nothing needs them ([`Task::may_go`]); none of them is in
    /// [`Family::keep`]. With dpkg and apt everything stays.
    fn may_go(&self) -> BTreeSet<super::solver::Name> {
        BTreeSet::new()
    }
    /// What the package manager takes away with these changes, which are in installation
    /// order; dpkg and apt take nothing away.
    fn removals(&self, _changes: &[Solvable]) -> Vec<Removal> {
        Vec::new()
    }
    /// Those of these changes whose packages may go and that nothing needs: a package manager
    /// that takes away what is not needed would not have them.
    fn unneeded(&self, _changes: &[Solvable]) -> Vec<Solvable> {
        Vec::new()
    }
    /// What the package manager adds to these changes of itself, unless it cannot be
    /// installed: apk's `install_if`. `wanted` are versions that it takes before others.
    fn companions(&self, _changes: &[Solvable], _wanted: &BTreeSet<Solvable>) -> Vec<Companion> {
        Vec::new()
    }
}

/// A finding and what is decided about it already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub finding: Finding,
    /// Filtered out by the user, or otherwise settled: it goes to the plan's `unfixed`.
    pub settled: Option<Reason>,
}

impl From<Finding> for Request {
    fn from(finding: Finding) -> Self {
        Self { finding, settled: None }
    }
}

/// What is to be repaired.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Requests {
    /// Everything that the repositories have newer.
    #[default]
    Everything,
    /// What the reports name.
    Findings(Vec<Request>),
}

/// Which image the plan is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    pub platform: Platform,
    /// Of the platform's manifest.
    pub manifest_digest: Digest,
}

/// A finding that speaks of something else than what is installed: perhaps of another image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    pub finding: Finding,
    /// The installed version; `None`: no package of that name is installed.
    pub installed: Option<VersionText>,
}

/// A plan and what the planner saw on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    pub plan: PlatformPlan,
    /// Findings that a step of the plan fixes, each with its package.
    pub fixes: Vec<(Finding, PackageId)>,
    /// Findings whose fixed version, or a newer one, is installed already.
    pub already_fixed: Vec<Finding>,
    pub mismatches: Vec<Mismatch>,
    /// For people: relations that were broken before and are left so.
    pub notes: Vec<String>,
}

/// Plans one platform's image. `banned` are packages that must not be installed or upgraded,
/// with the reason that their findings, and those that need them, get.
#[must_use]
pub fn plan(
    family: &dyn Family,
    requests: &Requests,
    banned: &BTreeMap<PackageId, Reason>,
    context: &Context,
) -> Planned {
    let mut targets = Targets::new(family, banned);
    match requests {
        Requests::Everything => targets.everything(),
        Requests::Findings(requests) => {
            for request in requests {
                targets.request(request, &context.platform);
            }
        }
    }
    targets.finish(context)
}

/// What is done, for which targets.
struct Decided {
    task: Task,
    changes: Vec<Solvable>,
    companions: BTreeMap<Solvable, Companion>,
    rejected: Vec<(Solvable, Explanation)>,
}

/// The targets as they are collected, then decided.
struct Targets<'a> {
    family: &'a dyn Family,
    banned: &'a BTreeMap<PackageId, Reason>,
    /// Wanted candidates by slot (position in [`Family::slots`]).
    wanted: BTreeMap<usize, Solvable>,
    urgency: BTreeMap<usize, Severity>,
    /// Findings that wait for slots: every one of them must reach its candidate.
    waiting: Vec<(Finding, BTreeSet<usize>)>,
    unfixed: Vec<Unfixed>,
    kept_back: Vec<KeptBack>,
    already_fixed: Vec<Finding>,
    mismatches: Vec<Mismatch>,
}

impl<'a> Targets<'a> {
    fn new(family: &'a dyn Family, banned: &'a BTreeMap<PackageId, Reason>) -> Self {
        Self {
            family,
            banned,
            wanted: BTreeMap::new(),
            urgency: BTreeMap::new(),
            waiting: Vec::new(),
            unfixed: Vec::new(),
            kept_back: Vec::new(),
            already_fixed: Vec::new(),
            mismatches: Vec::new(),
        }
    }

    /// Without a report: every package that has a candidate.
    fn everything(&mut self) {
        for (at, slot) in self.family.slots().iter().enumerate() {
            match (&slot.candidate, self.locked(slot)) {
                (Some((candidate, _)), None) => {
                    self.wanted.insert(at, *candidate);
                }
                (Some((_, offer)), Some(reason)) => self.keep_back(slot, offer, reason),
                (None, _) => {
                    if let (Some(newest), Some(reason)) = (&slot.newest, &slot.passed_over) {
                        self.keep_back(slot, newest, reason.clone());
                    }
                }
            }
        }
    }

    fn keep_back(&mut self, slot: &Slot, offer: &Offer, reason: Reason) {
        self.kept_back.push(KeptBack {
            package: slot.id.clone(),
            version: offer.version.clone(),
            reason,
        });
    }

    fn request(&mut self, request: &Request, platform: &Platform) {
        let finding = &request.finding;
        let elsewhere = finding
            .platform
            .as_ref()
            .and_then(|wanted| wanted.parse::<Platform>().ok())
            .is_some_and(|wanted| !platform.matches(&wanted));
        if elsewhere {
            return;
        }
        if let Some(reason) = &request.settled {
            return self.leave(finding, reason.clone());
        }
        if finding.class != Class::System {
            let class = class_word(finding.class).to_owned();
            return self.leave(finding, Reason::NoRecipe { class });
        }
        let slots = self.matching(finding);
        if slots.is_empty() {
            self.mismatches.push(Mismatch { finding: finding.clone(), installed: None });
            return self.leave(finding, Reason::NotOwned);
        }
        self.check_installed(finding, &slots);
        match self.reach(finding, &slots) {
            Err(reason) => self.leave(finding, reason),
            Ok(slots) if slots.is_empty() => self.already_fixed.push(finding.clone()),
            Ok(slots) => {
                for &at in &slots {
                    let slot = self.family.slots().get(at);
                    if let Some((candidate, _)) = slot.and_then(|slot| slot.candidate.as_ref()) {
                        self.wanted.insert(at, *candidate);
                    }
                    let urgency = self.urgency.entry(at).or_insert(finding.severity);
                    *urgency = finding.severity.max(*urgency);
                }
                self.waiting.push((finding.clone(), slots));
            }
        }
    }

    fn leave(&mut self, finding: &Finding, reason: Reason) {
        self.unfixed.push(Unfixed { finding: finding.clone(), reason });
    }

    /// The installed packages that a finding is about: by binary name, or else by source
    /// name, which some reports use.
    fn matching(&self, finding: &Finding) -> BTreeSet<usize> {
        let of_architecture = |slot: &Slot| {
            finding.architecture.as_deref().is_none_or(|wanted| {
                let own = slot.id.architecture.as_ref();
                own == wanted || is_independent(own) || is_independent(wanted)
            })
        };
        let matching = |matches: &dyn Fn(&Slot) -> bool| -> BTreeSet<usize> {
            let slots = self.family.slots().iter().enumerate();
            slots.filter(|(_, s)| matches(s) && of_architecture(s)).map(|(at, _)| at).collect()
        };
        let by_name = matching(&|slot| slot.id.name.as_ref() == finding.package);
        if !by_name.is_empty() {
            return by_name;
        }
        matching(&|slot| slot.source_name == finding.package)
    }

    /// Notes a finding that saw another version than any of `slots` has.
    fn check_installed(&mut self, finding: &Finding, slots: &BTreeSet<usize>) {
        let same = |text: &VersionText| {
            text.as_ref() == finding.installed
                || self.family.compare(text.as_ref(), &finding.installed) == Some(Ordering::Equal)
        };
        let slots: Vec<&Slot> =
            slots.iter().filter_map(|at| self.family.slots().get(*at)).collect();
        let known = finding.installed.is_empty()
            || slots
                .iter()
                .any(|slot| same(&slot.installed.version) || same(&slot.installed.source_version));
        if !known {
            let installed = slots.first().map(|slot| slot.installed.version.clone());
            self.mismatches.push(Mismatch { finding: finding.clone(), installed });
        }
    }

    /// Those of `slots` that must be upgraded for the finding; none: it is fixed already.
    fn reach(&self, finding: &Finding, slots: &BTreeSet<usize>) -> Result<BTreeSet<usize>, Reason> {
        // Reports that disagree: the strictest that can be reached counts.
        let mut wanted: Vec<&str> = finding.fixed.iter().map(String::as_str).collect();
        wanted.extend(finding.also_fixed_in.iter().map(String::as_str));
        wanted.sort_by(|a, b| self.family.compare(b, a).unwrap_or(Ordering::Equal));
        let mut answer = Err(Reason::NoFixedVersion);
        for fixed in wanted {
            answer = self.reach_version(fixed, slots);
            if answer.is_ok() {
                break;
            }
        }
        answer
    }

    fn reach_version(
        &self,
        fixed: &str,
        slots: &BTreeSet<usize>,
    ) -> Result<BTreeSet<usize>, Reason> {
        let reaches = |offer: &Offer| {
            offer.version.as_ref() == fixed
                || self
                    .family
                    .compare(offer.source_version.as_ref(), fixed)
                    .is_some_and(Ordering::is_ge)
        };
        let mut out = BTreeSet::new();
        for &at in slots {
            let Some(slot) = self.family.slots().get(at) else { continue };
            if reaches(&slot.installed) {
                continue;
            }
            match (&slot.candidate, &slot.newest, &slot.passed_over) {
                (Some((_, offer)), ..) if reaches(offer) => match self.locked(slot) {
                    None => out.insert(at),
                    Some(reason) => return Err(reason),
                },
                (_, Some(newest), Some(reason)) if reaches(newest) => return Err(reason.clone()),
                (_, newest, _) => {
                    let newest = newest.as_ref().map(|offer| offer.version.to_string());
                    return Err(Reason::NotInRepositories { wanted: fixed.to_owned(), newest });
                }
            };
        }
        Ok(out)
    }

    /// Why the package must not be upgraded, if so.
    fn locked(&self, slot: &Slot) -> Option<Reason> {
        match &slot.lock {
            Lock::Free => {}
            Lock::Held { by } => {
                return Some(Reason::Held { package: slot.id.name.to_string(), by: by.clone() });
            }
            Lock::Broken { detail } => {
                return Some(Reason::UnsupportedImage { detail: detail.clone() });
            }
        }
        let candidate =
            slot.candidate.as_ref().map(|(candidate, _)| self.family.package(*candidate));
        self.banned
            .get(&slot.id)
            .or_else(|| candidate.and_then(|package| self.banned.get(&package)))
            .cloned()
    }

    /// Everything that must not be chosen: banned and locked packages.
    fn forbidden(&self) -> BTreeSet<Solvable> {
        let mut packages: BTreeSet<&PackageId> = self.banned.keys().collect();
        let slots = self.family.slots();
        packages.extend(slots.iter().filter(|s| s.lock != Lock::Free).map(|s| &s.id));
        self.family.offered(&packages)
    }

    fn finish(mut self, context: &Context) -> Planned {
        let task = Task {
            keep: self.family.keep(),
            may_go: self.family.may_go(),
            forbidden: self.forbidden(),
            ..Task::default()
        };
        let mut by_urgency: Vec<(usize, Solvable)> =
            self.wanted.iter().map(|(at, solvable)| (*at, *solvable)).collect();
        by_urgency.sort_by_key(|(at, _)| (Reverse(self.urgency.get(at).copied()), *at));
        let ordered: Vec<Solvable> = by_urgency.into_iter().map(|(_, solvable)| solvable).collect();
        let (targets, rejected) = reachable(self.family, &task, &ordered);
        let (task, rejected) = self.let_go(Task { targets, ..task }, rejected);
        let Decided { task, changes, companions, rejected } = self.decide(task, rejected);
        let gone = self.gone(&changes);
        let is_there = |target: Solvable| !self.is_gone(target, &gone);
        let refused: BTreeMap<Solvable, Reason> = rejected
            .iter()
            .filter(|(target, _)| is_there(*target))
            .map(|(target, explanation)| (*target, self.why_not(&task, *target, explanation)))
            .collect();
        let fixes = self.settle(&refused);
        let (steps, removals, notes) = self.steps(&task, &changes, &companions, &fixes);
        let plan = PlatformPlan {
            platform: context.platform.clone(),
            manifest_digest: context.manifest_digest,
            steps,
            removals,
            unfixed: self.unfixed,
            kept_back: self.kept_back,
        };
        Planned {
            plan,
            fixes,
            already_fixed: self.already_fixed,
            mismatches: self.mismatches,
            notes,
        }
    }

    /// The changes for all targets. A package that may go, and does not, must be upgraded, if
    /// it is needed in the newer version too.
    fn decide(&self, mut task: Task, mut rejected: Vec<(Solvable, Explanation)>) -> Decided {
        let (changes, companions) = self.changes(&task);
        let left = self.left_behind(&task, &changes);
        if left.is_empty() {
            return Decided { task, changes, companions, rejected };
        }
        task.unless_gone.retain(|target| !left.contains(target));
        let (targets, too) = reachable(self.family, &task, &left);
        task.targets = targets;
        rejected.extend(too);
        let (mut changes, mut companions) = self.changes(&task);
        let mut unneeded = self.family.unneeded(&changes);
        unneeded.retain(|change| left.contains(change));
        if !unneeded.is_empty() {
            task.targets.retain(|target| !unneeded.contains(target));
            (changes, companions) = self.changes(&task);
            rejected.extend(unneeded.into_iter().map(|target| {
                let what = self.family.describe(target);
                let why = format!("what the installed version is there for does not want {what}");
                (target, Explanation { sentences: vec![why], involved: vec![target] })
            }));
        }
        Decided { task, changes, companions, rejected }
    }

    fn changes(&self, task: &Task) -> (Vec<Solvable>, BTreeMap<Solvable, Companion>) {
        let changes = smallest(self.family, task).unwrap_or_default();
        self.accompany(task, changes)
    }

    /// Installed packages that go with these changes.
    fn gone(&self, changes: &[Solvable]) -> BTreeSet<PackageId> {
        self.family.removals(changes).into_iter().map(|removal| removal.package).collect()
    }

    fn is_gone(&self, target: Solvable, gone: &BTreeSet<PackageId>) -> bool {
        let former = self.family.installed(target).map(|one| self.family.package(one));
        former.is_some_and(|id| gone.contains(&id))
    }

    /// Targets whose packages may go, and are there with `changes` in another version.
    fn left_behind(&self, task: &Task, changes: &[Solvable]) -> Vec<Solvable> {
        let left = task.unless_gone.iter().copied().filter(|target| !changes.contains(target));
        let left: Vec<Solvable> = left.collect();
        match left.is_empty() {
            true => left,
            false => {
                let gone = self.gone(changes);
                left.into_iter().filter(|target| !self.is_gone(*target, &gone)).collect()
            }
        }
    }

    /// A target that nothing needs is wanted only as long as its package does not go. What was
    /// rejected for the sake of packages that may go gets a second chance, without them; what is
    /// rejected still is out of reach with them and without them.
    fn let_go(
        &self,
        task: Task,
        rejected: Vec<(Solvable, Explanation)>,
    ) -> (Task, Vec<(Solvable, Explanation)>) {
        let may_go = |target: &Solvable| task.may_go.contains(&self.family.name(*target));
        let loose: BTreeSet<Solvable> = task.targets.iter().copied().filter(may_go).collect();
        if loose.is_empty() {
            return (task, rejected);
        }
        let again: Vec<Solvable> = rejected.into_iter().map(|(target, _)| target).collect();
        let (targets, rejected) = reachable(self.family, &released(task.clone(), &loose), &again);
        if rejected.len() < again.len() {
            let loose = loose.into_iter().chain(again.into_iter().filter(may_go)).collect();
            let targets = targets.union(&task.targets).copied().collect();
            return (released(Task { targets, ..task }, &loose), rejected);
        }
        let changes = smallest(self.family, &task).unwrap_or_default();
        let unneeded = self.family.unneeded(&changes).into_iter();
        let unneeded = unneeded.filter(|change| loose.contains(change)).collect();
        (released(task, &unneeded), rejected)
    }

    /// The changes with all that comes along, and what that is. An image in which nothing
    /// changes gets no companions either.
    fn accompany(
        &self,
        task: &Task,
        mut changes: Vec<Solvable>,
    ) -> (Vec<Solvable>, BTreeMap<Solvable, Companion>) {
        let mut task = task.clone();
        let mut companions = BTreeMap::new();
        while !changes.is_empty() {
            let new: Vec<Companion> = self
                .family
                .companions(&changes, &task.unless_gone)
                .into_iter()
                .filter(|one| !companions.contains_key(&one.solvable))
                .collect();
            if new.is_empty() {
                break;
            }
            let wanted: Vec<Solvable> = new.iter().map(|one| one.solvable).collect();
            companions.extend(new.into_iter().map(|one| (one.solvable, one)));
            task.targets = reachable(self.family, &task, &wanted).0;
            changes = smallest(self.family, &task).unwrap_or(changes);
        }
        (changes, companions)
    }

    /// Gives every waiting finding its answer; what is fixed is returned.
    fn settle(&mut self, refused: &BTreeMap<Solvable, Reason>) -> Vec<(Finding, PackageId)> {
        let slots = self.family.slots();
        let mut fixes = Vec::new();
        for (finding, at) in std::mem::take(&mut self.waiting) {
            let reason =
                at.iter().find_map(|at| self.wanted.get(at).and_then(|target| refused.get(target)));
            match reason {
                Some(reason) => self.leave(&finding, reason.clone()),
                None => fixes.extend(
                    at.iter()
                        .filter_map(|at| slots.get(*at))
                        .map(|slot| (finding.clone(), slot.id.clone())),
                ),
            }
        }
        if self.urgency.is_empty() {
            for (at, target) in &self.wanted.clone() {
                if let (Some(slot), Some(reason)) = (slots.get(*at), refused.get(target))
                    && let Some((_, offer)) = &slot.candidate
                {
                    self.keep_back(slot, offer, reason.clone());
                }
            }
        }
        fixes
    }

    /// The reason against a target that cannot be reached: a ban or a hold in its way, or
    /// else the conflict.
    fn why_not(&self, task: &Task, target: Solvable, explanation: &Explanation) -> Reason {
        let alone = |forbidden: BTreeSet<Solvable>| {
            let keep = task.keep.clone();
            let may_go = task.may_go.clone();
            let targets = BTreeSet::from([target]);
            let task = Task { keep, may_go, targets, forbidden, ..Task::default() };
            smallest(self.family, &task).unwrap_or_default()
        };
        let slots = self.family.slots();
        let banned = self.family.offered(&self.banned.keys().collect());
        let held_only: BTreeSet<Solvable> = task.forbidden.difference(&banned).copied().collect();
        for allowed in [held_only, BTreeSet::new()] {
            for change in alone(allowed) {
                let package = self.family.package(change);
                let slot = self.family.installed(change).map(|i| self.family.package(i));
                let ids = [Some(&package), slot.as_ref()];
                if let Some(reason) = ids.iter().flatten().find_map(|id| self.banned.get(id)) {
                    return reason.clone();
                }
                let locked = slot.and_then(|id| slots.iter().find(|slot| slot.id == id));
                if let Some(reason) = locked.and_then(|slot| self.locked(slot)) {
                    return reason;
                }
            }
        }
        let own = self.family.package(target);
        let other = explanation.involved.iter().map(|&s| self.family.package(s));
        let package = other.into_iter().find(|id| id.name != own.name).unwrap_or(own);
        let detail = match explanation.sentences.is_empty() {
            true => "its relations cannot be satisfied".to_owned(),
            false => explanation.sentences.join("; "),
        };
        Reason::Conflict { package: package.name.to_string(), detail }
    }

    /// The steps in installation order, what goes with them, and notes about them.
    fn steps(
        &self,
        task: &Task,
        changes: &[Solvable],
        companions: &BTreeMap<Solvable, Companion>,
        fixes: &[(Finding, PackageId)],
    ) -> (Vec<Step>, Vec<Removal>, Vec<String>) {
        let mut changes: Vec<Solvable> = changes.to_vec();
        changes.sort_by_cached_key(|&change| self.family.package(change));
        let mut notes = Vec::new();
        let mut steps = Vec::new();
        let mut ordered = Vec::with_capacity(changes.len());
        for at in order(changes.len(), &self.family.edges(&changes)) {
            let Some(&change) = changes.get(at) else { continue };
            let Some(facts) = self.family.step(change) else { continue };
            ordered.push(change);
            notes.extend(facts.notes);
            let because = match companions.get(&change) {
                Some(companion) if !is_target(task, change) => vec![Because::Needed {
                    package: self.family.package(companion.because_of),
                    relation: companion.relation.clone(),
                }],
                _ => self.because(task, &changes, change, fixes),
            };
            steps.push(Step {
                package: facts.package,
                from: facts.from,
                to: facts.to,
                archive: facts.archive,
                because,
            });
        }
        (steps, self.family.removals(&ordered), notes)
    }

    fn because(
        &self,
        task: &Task,
        changes: &[Solvable],
        change: Solvable,
        fixes: &[(Finding, PackageId)],
    ) -> Vec<Because> {
        if !is_target(task, change) {
            return vec![needed_by(self.family, changes, change)];
        }
        let slot = self.family.installed(change).map(|i| self.family.package(i));
        let findings: BTreeSet<String> = fixes
            .iter()
            .filter(|(_, package)| Some(package) == slot.as_ref())
            .map(|(finding, _)| finding.id.clone())
            .collect();
        if findings.is_empty() {
            // Everything is wanted, or all findings of this package failed for another one.
            return vec![Because::Newer];
        }
        vec![Because::Fixes { findings: findings.into_iter().collect() }]
    }
}

/// Wants `loose` of the targets only as long as their packages do not go.
fn released(mut task: Task, loose: &BTreeSet<Solvable>) -> Task {
    let (gone, fast) = task.targets.into_iter().partition(|target| loose.contains(target));
    let gone: BTreeSet<Solvable> = gone;
    task.targets = fast;
    task.unless_gone.extend(gone);
    task
}

fn is_target(task: &Task, solvable: Solvable) -> bool {
    task.targets.contains(&solvable) || task.unless_gone.contains(&solvable)
}

/// The class as JSON has it.
fn class_word(class: Class) -> &'static str {
    match class {
        Class::System => "system",
        Class::Library => "library",
        Class::Baseline => "baseline",
        Class::Malicious => "malicious",
    }
}

/// Which other change wants `change`, and by which relation.
fn needed_by(family: &dyn Family, changes: &[Solvable], change: Solvable) -> Because {
    let former = family.installed(change);
    let needed =
        |by: Solvable, relation: String| Because::Needed { package: family.package(by), relation };
    let chosen = |s: &Solvable| {
        changes.contains(s)
            || (family.is_installed(*s)
                && !changes.iter().any(|c| family.name(*c) == family.name(*s)))
    };
    // A change that asks for this one, and for which nothing else will do.
    for &by in changes.iter().filter(|by| **by != change) {
        let relations = family.relations(by);
        let only = |alternatives: &[Solvable]| {
            alternatives.contains(&change)
                && !alternatives
                    .iter()
                    .any(|other| *other != change && (chosen(other) || Some(*other) == former))
        };
        if let Some(asks) = relations.requires.iter().find(|r| only(&r.alternatives)) {
            return needed(by, asks.text.clone());
        }
        let excluded = relations.excludes.iter().find(|e| Some(e.with) == former);
        if let Some(exclusion) = excluded {
            return needed(by, own_words(family, by, exclusion));
        }
    }
    // The former version asks for what is gone now.
    let relations = former.map(|former| family.relations(former)).unwrap_or_default();
    if let Some(exclusion) = relations.excludes.iter().find(|e| changes.contains(&e.with)) {
        return needed(exclusion.with, own_words(family, exclusion.with, exclusion));
    }
    let lost = |alternatives: &[Solvable]| {
        !alternatives.iter().any(|other| *other != change && chosen(other))
    };
    for asks in relations.requires.iter().filter(|r| lost(&r.alternatives)) {
        let gone = asks.alternatives.iter().find_map(|alternative| {
            changes.iter().find(|c| family.name(**c) == family.name(*alternative))
        });
        if let (Some(&by), Some(former)) = (gone, former) {
            return needed(by, format!("{} has {}", family.describe(former), asks.text));
        }
    }
    // An unchanged package asks, and a change took away what it had.
    for keep in family.keep() {
        for by in family.candidates(keep).into_iter().filter(chosen) {
            let relations = family.relations(by);
            let asks = relations.requires.iter().find(|r| r.alternatives.contains(&change));
            if let Some(asks) = asks {
                return needed(by, asks.text.clone());
            }
        }
    }
    needed(change, "a relation".to_owned())
}

/// An exclusion's text, with who declares it when that is not `by`.
fn own_words(family: &dyn Family, by: Solvable, exclusion: &super::solver::Exclusion) -> String {
    match exclusion.declared_by == by {
        true => exclusion.text.clone(),
        false => format!("{} has {}", family.describe(exclusion.declared_by), exclusion.text),
    }
}
