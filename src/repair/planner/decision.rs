//! What is done: the solver finds the most targets that go together and the fewest other changes,
//! and each target that is out of reach gets its reason. In come [`Targets`]; out comes the plan.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use imgfix_model::finding::Finding;
use imgfix_model::package::PackageId;
use imgfix_model::plan::PlatformPlan;
use imgfix_model::reason::Reason;
use imgfix_solve::solver::{
    Explanation, Solvable, Task, reachable, smallest, smallest_of_reachable,
};

use super::targets::{Targets, Waiting};
use super::{Companion, Context, Lock, Planned, Slot};

/// What is done, for which targets.
struct Decided {
    task: Task,
    changes: Vec<Solvable>,
    companions: BTreeMap<Solvable, Companion>,
    rejected: Vec<(Solvable, Explanation)>,
}

impl Targets<'_> {
    /// Everything that must not be chosen: barred and locked packages.
    fn forbidden(&self) -> BTreeSet<Solvable> {
        let mut packages: BTreeSet<&PackageId> = self.barred.keys().collect();
        let slots = self.family.slots();
        packages.extend(slots.iter().filter(|s| s.lock != Lock::Free).map(|s| &s.id));
        self.family.offered(&packages)
    }

    pub(super) fn finish(mut self, context: &Context) -> Planned {
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
        let task = self.give_way(task);
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
        let Self { already_fixed, advised, .. } = self;
        Planned { plan, fixes, already_fixed, advised, notes }
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

    /// A package whose place another change takes anyway is not upgraded beside it.
    fn give_way(&self, mut task: Task) -> Task {
        let instead = |target: &Solvable| self.family.replacing(self.family.name(*target));
        if task.targets.iter().all(|target| instead(target).is_empty()) {
            return task;
        }
        let mut changes = smallest(self.family, &task).unwrap_or_default();
        for target in task.targets.clone() {
            let others = instead(&target);
            let Some(other) = changes.iter().find(|change| others.contains(change)) else {
                continue;
            };
            let mut fewer = task.clone();
            fewer.targets.remove(&target);
            fewer.targets.insert(*other);
            let is_there =
                |change: &Solvable| self.family.name(*change) == self.family.name(target);
            if let Ok(without) = smallest(self.family, &fewer)
                && !without.iter().any(is_there)
            {
                (task, changes) = (fewer, without);
            }
        }
        task
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
            let mut by_relation: Vec<Vec<Companion>> = Vec::new();
            for one in new {
                let same = |list: &&mut Vec<Companion>| {
                    list.first().is_some_and(|first| {
                        (first.because_of, &first.relation) == (one.because_of, &one.relation)
                    })
                };
                match by_relation.iter_mut().find(same) {
                    Some(list) => list.push(one),
                    None => by_relation.push(vec![one]),
                }
            }
            if by_relation.iter().flatten().any(|one| one.is_gentle) {
                // what something came along with stays, even if that would do alone
                task.targets.extend(&changes);
            }
            for list in by_relation {
                let first = list.iter().find_map(|one| self.with(&task, &changes, one));
                task.targets = first.unwrap_or(task.targets);
                companions.extend(list.into_iter().map(|one| (one.solvable, one)));
            }
            changes = smallest(self.family, &task).unwrap_or(changes);
        }
        (changes, companions)
    }

    /// The targets with a companion; `None`: it cannot come along.
    fn with(
        &self,
        task: &Task,
        changes: &[Solvable],
        one: &Companion,
    ) -> Option<BTreeSet<Solvable>> {
        let (targets, left) = reachable(self.family, task, &[one.solvable]);
        if !left.is_empty() || !one.is_gentle {
            return left.is_empty().then_some(targets);
        }
        let task = Task { targets, ..task.clone() };
        let all = smallest(self.family, &task).ok()?;
        let more = all.iter().filter(|change| !changes.contains(change));
        let former: Vec<PackageId> = more.flat_map(|change| self.former(*change)).collect();
        // what gives way to it may be on its way to a newer version already
        let changing: Vec<PackageId> =
            changes.iter().flat_map(|change| self.former(*change)).collect();
        let stays = |slot: &Slot| former.contains(&slot.id) && !changing.contains(&slot.id);
        let is_installed = self.family.slots().iter().any(stays);
        (!is_installed).then_some(task.targets)
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

    /// Installed packages that a change is a version of, or takes the place of.
    pub(super) fn former(&self, change: Solvable) -> Vec<PackageId> {
        let own = self.family.installed(change).into_iter();
        let all = own.chain(self.family.replaced(change));
        all.map(|one| self.family.package(one)).collect()
    }

    /// The reason against a target that cannot be reached: a barred or held package in its way, or
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
        let barred = self.family.offered(&self.barred.keys().collect());
        let held_only: BTreeSet<Solvable> = task.forbidden.difference(&barred).copied().collect();
        for allowed in [held_only, BTreeSet::new()] {
            for change in alone(allowed) {
                let package = self.family.package(change);
                let former = self.former(change);
                let mut ids = former.iter().chain([&package]);
                if let Some(reason) = ids.find_map(|id| self.barred.get(id)) {
                    return reason.clone();
                }
                let mut locked = slots.iter().filter(|slot| former.contains(&slot.id));
                if let Some(reason) = locked.find_map(|slot| self.locked(slot)) {
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
}

/// Wants `loose` of the targets only as long as their packages do not go.
fn released(mut task: Task, loose: &BTreeSet<Solvable>) -> Task {
    let (gone, fast) = task.targets.into_iter().partition(|target| loose.contains(target));
    let gone: BTreeSet<Solvable> = gone;
    task.targets = fast;
    task.unless_gone.extend(gone);
    task
}
