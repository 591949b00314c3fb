//! The order in which apk commits changes.
//!
//! In come the steps of a plan; out come edges that leave one order only, and what is purged
//! between them. apk goes through `world` in the order of its names, then through the database,
//! and puts each package behind what it depends on, in the order of its `depends`; what an
//! `install_if` brings comes behind the last package it waits for. (apk looks there at every
//! package of which some version waits so; when the chosen version does not, it comes right
//! there.) Circles end where they began. A package that goes does so before what takes its
//! name or excludes it, or else behind the last change that takes away a need of it ([`walk`]).
//! Source: apk-tools 2.14, `src/solver.c` (`generate_changeset`, `cset_gen_name_change`).
//!
//! A newer apk-tools is a transaction of its own for `apk upgrade`, with the least that it
//! needs, before all others (`src/app_upgrade.c`, `apk_do_self_upgrade`).
//!
//! What this cannot know: of several packages that provide a name without a version, which one
//! apk's solver chose first.

mod walk;

use std::collections::BTreeSet;

use self::walk::{Change, Walk};
use super::ApkUniverse;
use imgfix_model::plan::{Because, Removal};
use imgfix_solve::order::{Precedence, Strength};
use imgfix_solve::solver::{Solvable, Universe as _, smallest};

impl ApkUniverse<'_> {
    /// Edges from each step to the next.
    pub(super) fn changeset_edges(&self, steps: &[Solvable]) -> BTreeSet<Precedence> {
        let order = self.changeset(steps);
        let at: Vec<usize> = order
            .iter()
            .filter_map(|change| match change {
                Change::Install(solvable) => steps.iter().position(|step| step == solvable),
                Change::Remove(_) => None,
            })
            .collect();
        at.windows(2)
            .filter_map(|pair| match pair {
                [earlier, later] => Some(Precedence {
                    earlier: *earlier,
                    later: *later,
                    strength: Strength::Unpacked,
                }),
                _ => None,
            })
            .collect()
    }

    /// What is purged with `steps`, which are in their order.
    pub(super) fn changeset_removals(&self, steps: &[Solvable]) -> Vec<Removal> {
        let mut before = 0;
        let mut out = Vec::new();
        if self.pool.may_go.is_empty() || steps.is_empty() {
            return out;
        }
        for change in self.changeset(steps) {
            match change {
                Change::Install(_) => before += 1,
                Change::Remove(solvable) => {
                    let Some(version) = self.pool.get(solvable) else { continue };
                    out.push(Removal {
                        package: version.record().id(),
                        version: version.record().version.as_str().into(),
                        source: version.record().origin.as_deref().map(Into::into),
                        before,
                        because: self.why_gone(solvable, steps),
                    });
                }
            }
        }
        out
    }

    /// Which of `steps` is the reason that an installed package goes.
    fn why_gone(&self, gone: Solvable, steps: &[Solvable]) -> Because {
        let excludes = |one: Solvable, other: Solvable| {
            let relations = self.relations(one);
            let mut found = relations.excludes.iter().filter(|found| found.with == other);
            found.next().cloned()
        };
        let found = steps.iter().find_map(|&step| {
            let exclusion = excludes(step, gone).or_else(|| excludes(gone, step))?;
            Some((step, exclusion))
        });
        let Some((step, exclusion)) = found else { return Because::Unneeded };
        let relation = match exclusion.declared_by == step {
            true => exclusion.text,
            false => format!("{} has {}", self.describe(gone), exclusion.text),
        };
        let package = self.pool.get(step).map(|version| version.record().id());
        package.map_or(Because::Unneeded, |package| Because::Needed { package, relation })
    }

    /// The steps, and what is purged, in apk's order.
    fn changeset(&self, steps: &[Solvable]) -> Vec<Change> {
        let first = self.self_upgrade(steps);
        let mut order = Vec::new();
        let mut before: Vec<_> = self.image.packages.iter().map(|one| one.name.clone()).collect();
        let mut present = self.present(&[]);
        if !first.is_empty() {
            let after = self.present(&first);
            order = Walk::new(self, &present, &after, &before).changes();
            present = after;
            // The new apk reads what the old one wrote.
            before = present.names();
            before.sort_by_cached_key(|name| (name.0.to_ascii_lowercase(), name.0.clone()));
        }
        let after = self.present(steps);
        order.extend(Walk::new(self, &present, &after, &before).changes());
        order.retain(|change| match change {
            Change::Install(solvable) => steps.contains(solvable),
            Change::Remove(_) => true,
        });
        let mut seen = Vec::new();
        order.retain(|change| {
            let is_new = !seen.contains(change);
            seen.push(*change);
            is_new
        });
        order
    }

    /// The steps that apk does before all others, to upgrade itself.
    fn self_upgrade(&self, steps: &[Solvable]) -> Vec<Solvable> {
        let is_apk = |solvable: &&Solvable| {
            self.is_upgrade(**solvable)
                && self.pool.get(**solvable).is_some_and(|m| m.record().name.0 == "apk-tools")
        };
        let Some(&apk) = steps.iter().find(is_apk) else { return Vec::new() };
        let mut task = self.task();
        task.targets.insert(apk);
        let needed = smallest(self, &task).unwrap_or_default();
        needed.into_iter().filter(|solvable| steps.contains(solvable)).collect()
    }

    fn is_upgrade(&self, solvable: Solvable) -> bool {
        let name = self.name(solvable);
        self.candidates(name).iter().any(|&other| self.is_installed(other))
    }
}
