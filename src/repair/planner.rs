//! From findings to a plan, for any family of package manager.
//!
//! In come the findings, what the family knows of the image and the repositories
//! ([`Family`]), and what must not be upgraded; out comes the plan of one platform with a
//! reason for every finding that it leaves. The steps are: match each finding to installed
//! packages; decide which of their candidates reach the fix; let the solver find the most of
//! these that go together and the fewest other changes; put the steps in order; say why.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};

use super::judge::{self, At, Claims, Concern, Demand, State, concerned};
use imgfix_model::component::Component;
use imgfix_model::digest::Digest;
use imgfix_model::finding::{Finding, Severity};
use imgfix_model::package::PackageId;
use imgfix_model::plan::{Archive, Because, KeptBack, PlatformPlan, Removal, Step, Unfixed};
use imgfix_model::platform::Platform;
use imgfix_model::reason::Reason;
use imgfix_solve::order::{Edge, order};
use imgfix_solve::solver::{
    Explanation, Solvable, Task, Universe, reachable, smallest, smallest_of_reachable,
};
use imgfix_versions::{VersionOrder, VersionText};

/// A version that the repositories offer for an installed package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    pub version: VersionText,
    /// Of its source package: what fixed versions count.
    pub source_version: VersionText,
}

impl Offer {
    fn at(&self) -> At<'_> {
        At { version: self.version.as_ref(), source_version: self.source_version.as_ref() }
    }
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

impl<'a> From<&'a Slot> for Component<'a> {
    fn from(slot: &'a Slot) -> Self {
        Self {
            name: slot.id.name.as_ref(),
            version: slot.installed.version.as_ref(),
            source: &slot.source_name,
            source_version: slot.installed.source_version.as_ref(),
            architecture: Some(slot.id.architecture.as_ref()),
            path: None,
        }
    }
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
    fn keep(&self) -> Vec<imgfix_solve::solver::Name>;
    /// The installed version with the name of `solvable`.
    fn installed(&self, solvable: Solvable) -> Option<Solvable>;
    /// How versions are compared, and what `0` says as a fixed one.
    fn order(&self) -> VersionOrder;
    /// The package of a version.
    fn package(&self, solvable: Solvable) -> PackageId;
    /// All offered versions of the packages in `packages`: what a ban forbids.
    fn offered(&self, packages: &BTreeSet<&PackageId>) -> BTreeSet<Solvable>;
    /// What installing a version means; `None` for what is installed already.
    fn step(&self, solvable: Solvable) -> Option<StepFacts>;
    /// What a person may want to know of all these changes together.
    fn notes(&self, _changes: &[Solvable]) -> Vec<String> {
        Vec::new()
    }
    /// Which of these steps want which.
    fn edges(&self, steps: &[Solvable]) -> BTreeSet<Edge>;
    /// Installed names that go when nothing needs them ([`Task::may_go`]); none of them is in
    /// [`Family::keep`]. With dpkg and apt everything stays.
    fn may_go(&self) -> BTreeSet<imgfix_solve::solver::Name> {
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

/// A plan and what the planner saw on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    pub plan: PlatformPlan,
    /// Findings that a step of the plan is there for, each with its package.
    pub fixes: Vec<(Finding, PackageId)>,
    /// Findings whose fixed version, or a newer one, is installed already.
    pub already_fixed: Vec<Finding>,
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
    /// The slots as the judge sees them, in their order.
    components: Vec<Component<'a>>,
    /// Wanted candidates by slot (position in [`Family::slots`]).
    wanted: BTreeMap<usize, Solvable>,
    urgency: BTreeMap<usize, Severity>,
    /// Findings that wait for slots to reach their candidates.
    waiting: Vec<Waiting>,
    unfixed: Vec<Unfixed>,
    kept_back: Vec<KeptBack>,
    already_fixed: Vec<Finding>,
}

/// A finding, and the slots whose candidates it waits for.
struct Waiting {
    finding: Finding,
    slots: BTreeSet<usize>,
    /// Why it is not fixed though all of them reach their candidates; `None`: it is.
    left: Option<Reason>,
}

impl<'a> Targets<'a> {
    fn new(family: &'a dyn Family, banned: &'a BTreeMap<PackageId, Reason>) -> Self {
        Self {
            family,
            banned,
            components: family.slots().iter().map(Component::from).collect(),
            wanted: BTreeMap::new(),
            urgency: BTreeMap::new(),
            waiting: Vec::new(),
            unfixed: Vec::new(),
            kept_back: Vec::new(),
            already_fixed: Vec::new(),
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
        let family = self.family;
        let order = family.order();
        let slots = match concerned(finding, &self.components, |a, b| a == b) {
            Concern::Components(slots) => slots,
            Concern::Nothing => return self.leave(finding, Reason::NotOwned),
            Concern::OtherArchitecture { wanted, installed } => {
                return self.leave(finding, Reason::OtherArchitecture { wanted, installed });
            }
        };
        let reach = match Demand::of(finding, order) {
            Demand::Versions(claims) => self.reach(finding, &claims, &slots, order),
            Demand::NeverAffected => Reach::default(),
            Demand::OtherRelease(release) => {
                return self.leave(finding, Reason::OtherRelease { release });
            }
            Demand::NoFix(status) => return self.leave(finding, Reason::no_fix(status)),
            Demand::Unknown(because) => self.newest(&because, &slots),
        };
        match (reach.slots.is_empty(), reach.left) {
            (true, Some(reason)) => self.leave(finding, reason),
            (true, None) => self.already_fixed.push(finding.clone()),
            (false, left) => {
                for &at in &reach.slots {
                    let slot = family.slots().get(at);
                    if let Some((candidate, _)) = slot.and_then(|slot| slot.candidate.as_ref()) {
                        self.wanted.insert(at, *candidate);
                    }
                    let urgency = self.urgency.entry(at).or_insert(finding.severity);
                    *urgency = finding.severity.max(*urgency);
                }
                self.waiting.push(Waiting { finding: finding.clone(), slots: reach.slots, left });
            }
        }
    }

    fn leave(&mut self, finding: &Finding, reason: Reason) {
        self.unfixed.push(Unfixed { finding: finding.clone(), reason });
    }

    /// Those of `slots` that must be upgraded for the finding, and what is left then. Of reports
    /// that disagree the strictest counts; what satisfies only some of them is better than
    /// nothing.
    fn reach(
        &self,
        finding: &Finding,
        claims: &Claims,
        slots: &[usize],
        order: VersionOrder,
    ) -> Reach {
        let mut reach = Reach::default();
        for &at in slots {
            let Some(slot) = self.family.slots().get(at) else { continue };
            let before = Some(slot.installed.at());
            let state = |offer: &Offer| claims.state(finding, before, offer.at(), order);
            let now = state(&slot.installed);
            if now == State::Free {
                continue;
            }
            let then = slot.candidate.as_ref().map(|(_, offer)| (state(offer), offer));
            let better =
                |then: &State| *then == State::Free || (now == State::Affected && *then != now);
            let left = match then {
                Some((then, offer)) if better(&then) => match self.locked(slot) {
                    Some(reason) => Some(reason),
                    None => {
                        reach.slots.insert(at);
                        judge::reason(finding, claims, then, offer.version.as_ref())
                    }
                },
                _ => {
                    let newest = slot.newest.as_ref();
                    let passed_over = slot
                        .passed_over
                        .as_ref()
                        .filter(|_| newest.is_some_and(|newest| state(newest) == State::Free));
                    let installed = slot.installed.version.as_ref();
                    Some(
                        passed_over
                            .cloned()
                            .or_else(|| judge::reason(finding, claims, now, installed))
                            .unwrap_or_else(|| Reason::NotInRepositories {
                                wanted: wanted(claims, order),
                                newest: newest.map(|offer| offer.version.to_string()),
                            }),
                    )
                }
            };
            reach.left = reach.left.or(left);
        }
        reach
    }

    /// Where no fixed version is known: everything that the repositories have newer.
    fn newest(&self, because: &imgfix_model::reason::UnknownFix, slots: &[usize]) -> Reach {
        let mut reach = Reach::default();
        for &at in slots {
            let Some(slot) = self.family.slots().get(at) else { continue };
            let reason = match (&slot.candidate, self.locked(slot)) {
                (Some(_), Some(reason)) => reason,
                (Some((_, offer)), None) => {
                    reach.slots.insert(at);
                    let upgraded_to = offer.version.to_string();
                    Reason::Unproven { upgraded_to, because: because.clone() }
                }
                (None, _) => slot.passed_over.clone().unwrap_or_else(|| Reason::FixUnknown {
                    because: because.clone(),
                    installed: slot.installed.version.to_string(),
                }),
            };
            reach.left.get_or_insert(reason);
        }
        reach
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
            stores: Vec::new(),
        };
        Planned { plan, fixes, already_fixed: self.already_fixed, notes }
    }

    /// The changes for all targets. A package that may go, and does not, must be upgraded, if
    /// it is needed in the newer version too.
    fn decide(&self, mut task: Task, mut rejected: Vec<(Solvable, Explanation)>) -> Decided {
        let (changes, companions) = self.changes(&mut task, &mut rejected);
        let left = self.left_behind(&task, &changes);
        if left.is_empty() {
            return Decided { task, changes, companions, rejected };
        }
        task.unless_gone.retain(|target| !left.contains(target));
        let (targets, too) = reachable(self.family, &task, &left);
        task.targets = targets;
        rejected.extend(too);
        let (mut changes, mut companions) = self.changes(&mut task, &mut rejected);
        let mut unneeded = self.family.unneeded(&changes);
        unneeded.retain(|change| left.contains(change));
        if !unneeded.is_empty() {
            task.targets.retain(|target| !unneeded.contains(target));
            (changes, companions) = self.changes(&mut task, &mut rejected);
            rejected.extend(unneeded.into_iter().map(|target| {
                let what = self.family.describe(target);
                let why = format!("what the installed version is there for does not want {what}");
                (target, Explanation { sentences: vec![why], involved: vec![target] })
            }));
        }
        Decided { task, changes, companions, rejected }
    }

    /// What the task's targets, which can be reached, come to. When the search for that is given
    /// up all the same, none of them is a target any more.
    fn changes(
        &self,
        task: &mut Task,
        rejected: &mut Vec<(Solvable, Explanation)>,
    ) -> (Vec<Solvable>, BTreeMap<Solvable, Companion>) {
        match smallest_of_reachable(self.family, task) {
            Ok(changes) => self.accompany(task, changes),
            Err(explanation) => {
                let targets = std::mem::take(&mut task.targets);
                let all = targets.into_iter().chain(std::mem::take(&mut task.unless_gone));
                rejected.extend(all.map(|target| (target, explanation.clone())));
                (Vec::new(), BTreeMap::new())
            }
        }
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

    /// Gives every waiting finding its answer; packages that are upgraded for a finding are
    /// returned with it.
    fn settle(&mut self, refused: &BTreeMap<Solvable, Reason>) -> Vec<(Finding, PackageId)> {
        let slots = self.family.slots();
        let mut fixes = Vec::new();
        for Waiting { finding, slots: at, left } in std::mem::take(&mut self.waiting) {
            let refusal = |at: &usize| self.wanted.get(at).and_then(|target| refused.get(target));
            let reason = at.iter().find_map(refusal).cloned();
            let helped = at.iter().filter(|at| refusal(at).is_none());
            fixes.extend(
                helped
                    .filter_map(|at| slots.get(*at))
                    .map(|slot| (finding.clone(), slot.id.clone())),
            );
            if let Some(reason) = left.or(reason) {
                self.leave(&finding, reason);
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
        notes.extend(self.family.notes(&ordered));
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

/// What a finding asks of the slots that it concerns.
#[derive(Default)]
struct Reach {
    /// To be upgraded to their candidates.
    slots: BTreeSet<usize>,
    /// Why that is not enough; `None`: it is.
    left: Option<Reason>,
}

/// The fixed versions, the newest first.
fn wanted(claims: &Claims, order: VersionOrder) -> String {
    let mut versions: Vec<&str> = claims.versions().collect();
    versions.sort_by(|a, b| order.compare(b, a).unwrap_or(Ordering::Equal));
    versions.join(" or ")
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
fn own_words(
    family: &dyn Family,
    by: Solvable,
    exclusion: &imgfix_solve::solver::Exclusion,
) -> String {
    match exclusion.declared_by == by {
        true => exclusion.text.clone(),
        false => format!("{} has {}", family.describe(exclusion.declared_by), exclusion.text),
    }
}
