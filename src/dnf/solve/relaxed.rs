//! Which of libsolv's choice rules are none, as they are in the way.
//!
//! In comes a universe with the rules ([`super::choices`]); out comes one without some of them. A
//! rule without which the image could not stay as it is, libsolv takes back itself, as all of them
//! are weak. With dnf a rule may keep a package as it is that needs something new. A report's
//! findings are to be fixed, so that there imgfix takes such rules back, too. Where a package comes
//! that a rule leaves out, for another need or without a choice, the rule has no point; libsolv takes
//! it back then and begins again (`solver_check_unneeded_choicerules`).

use std::collections::BTreeSet;

use super::RpmUniverse;
use imgfix_repair::lowering::{settle_candidates, settle_together};
use imgfix_solve::rules::with_a_choice;
use imgfix_solve::solver::{Explanation, Name, Solvable, Task, reachable, smallest_of_reachable};

/// How many rules are taken back for one question.
const MAX_RELAXED: usize = 32;

/// How often it is begun again.
const MAX_BEGUN: usize = 4;

impl RpmUniverse<'_> {
    /// Finds which installed packages are to be upgraded: what is asked for, and what gives way to
    /// what may take the place of that.
    pub(super) fn find_updated(&mut self) {
        if self.asked.is_none() {
            return;
        }
        let installed = self.pool.installed_names().into_iter();
        let installed: Vec<(Name, Solvable)> =
            installed.map(|(name, one, _)| (name, one)).collect();
        let asked = installed.iter().filter(|(_, one)| self.is_asked(*one)).map(|(name, _)| *name);
        let mut updated: BTreeSet<Name> = asked.collect();
        let replacing: BTreeSet<Solvable> =
            updated.iter().flat_map(|name| self.pool.replacing(*name)).collect();
        let beside =
            |name: &Name| self.pool.replacing(*name).iter().any(|one| replacing.contains(one));
        updated.extend(installed.into_iter().map(|(name, _)| name).filter(beside));
        self.updated = Some(updated);
    }

    /// Whether a version is of a package that is to be upgraded; without a report all are.
    fn is_asked(&self, solvable: Solvable) -> bool {
        let Some(asked) = &self.asked else { return true };
        self.pool.get(solvable).is_some_and(|version| {
            asked.contains(version.facts.id.name.as_ref())
                || asked.contains(&version.facts.source_name())
        })
    }

    /// Takes back the rules without which the image cannot stay as it is.
    pub(super) fn relax_for_image(&mut self) {
        self.relax(|universe, task| smallest_of_reachable(universe, task).err());
    }

    /// Takes back the rules that are in the way of what a report asks for.
    pub(super) fn relax_for_report(&mut self) {
        for target in self.wanted() {
            let against = |universe: &Self, task: &Task| {
                reachable(universe, task, &[target]).1.pop().map(|(_, why)| why)
            };
            let before = self.needed.clone();
            self.relax(against);
            if self.needed != before && against(self, &self.task()).is_some() {
                // it is out of reach without them, too
                self.needed = before;
                self.forget_choices();
            }
        }
    }

    /// Finds which versions are candidates, and takes back the rules that have no point.
    pub(super) fn settle(&mut self) {
        for begun in 0..=MAX_BEGUN {
            let slots = self.slots.clone();
            settle_candidates(self);
            if self.asked.is_none() {
                settle_together(self);
            }
            let pointless = if begun == MAX_BEGUN { Vec::new() } else { self.pointless() };
            if pointless.is_empty() {
                return;
            }
            self.needed.extend(pointless);
            self.forget_choices();
            self.slots = slots;
        }
    }

    /// What rules leave out of which something comes all the same.
    fn pointless(&self) -> Vec<Solvable> {
        if self.left_out.borrow().is_empty() {
            return Vec::new();
        }
        let targets = reachable(self, &self.task(), &self.wanted()).0;
        let changes = smallest_of_reachable(self, &Task { targets, ..self.task() });
        let changes = changes.unwrap_or_default();
        let left_out = self.left_out.borrow();
        let rules = left_out.values().flatten();
        let pointless = rules.filter(|rule| rule.iter().any(|one| changes.contains(one)));
        pointless.flatten().copied().collect()
    }

    /// The candidates of what is to be upgraded.
    fn wanted(&self) -> Vec<Solvable> {
        let candidates = self.slots.iter().filter_map(|slot| slot.candidate.as_ref());
        let is_wanted = |one: &Solvable| {
            let own = self.pool.installed(*one).into_iter();
            own.chain(self.pool.replaced(*one)).any(|former| self.is_asked(former))
        };
        candidates.map(|(candidate, _)| *candidate).filter(is_wanted).collect()
    }

    /// Takes back rules one by one, until there is no conflict, or one without them.
    fn relax(&mut self, conflict: impl Fn(&Self, &Task) -> Option<Explanation>) {
        for _ in 0..MAX_RELAXED {
            let Some(why) = conflict(self, &self.task()) else { return };
            let left_out = {
                let left_out = self.left_out.borrow();
                let mut asking = why.involved.iter().filter_map(|one| self.pool.get(*one));
                asking.find_map(|version| left_out.get(&version.name).cloned())
            };
            let Some(left_out) = left_out else { return };
            self.needed.extend(left_out.into_iter().flatten());
            self.forget_choices();
        }
    }

    fn task(&self) -> Task {
        Task { keep: self.pool.keep.clone(), ..Task::default() }
    }

    /// Has the relations worked out again.
    fn forget_choices(&mut self) {
        self.left_out.borrow_mut().clear();
        self.pool.forget_relations();
        self.pool.keep = with_a_choice(self);
    }
}
