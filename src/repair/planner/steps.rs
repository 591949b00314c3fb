//! The steps of a plan in their order, and why each is there: for findings, or because another
//! change or an unchanged package wants it. In come the decided changes; out come steps, removals
//! and notes.

use std::collections::{BTreeMap, BTreeSet};

use imgfix_model::finding::Finding;
use imgfix_model::package::PackageId;
use imgfix_model::plan::{Because, Removal, Step};
use imgfix_solve::order::order;
use imgfix_solve::solver::{Exclusion, Solvable, Task};

use super::targets::Targets;
use super::{Companion, Family};

impl Targets<'_> {
    /// The steps in installation order, what goes with them, and notes about them.
    pub(super) fn steps(
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
        let former = self.former(change);
        let findings: BTreeSet<String> = fixes
            .iter()
            .filter(|(_, package)| former.contains(package))
            .map(|(finding, _)| finding.id.clone())
            .collect();
        if findings.is_empty() {
            // Everything is wanted, or all findings of this package failed for another one.
            return vec![Because::Newer];
        }
        vec![Because::Fixes { findings: findings.into_iter().collect() }]
    }
}

/// Whether a change was asked for, and is no mere consequence.
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
fn own_words(family: &dyn Family, by: Solvable, exclusion: &Exclusion) -> String {
    match exclusion.declared_by == by {
        true => exclusion.text.clone(),
        false => format!("{} has {}", family.describe(exclusion.declared_by), exclusion.text),
    }
}
