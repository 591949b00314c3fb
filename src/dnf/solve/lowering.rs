//! Lower versions where the newest cannot be had, as dnf takes them when `best` is not set.
//!
//! In come slots whose candidates are the newest that are allowed; out come, where those cannot be
//! reached, lower ones, with the reason against the others.

use std::collections::BTreeMap;

use super::RpmUniverse;
use imgfix_model::reason::Reason;
use imgfix_solve::solver::{Explanation, Solvable, Task, reachable};

/// Which part of the effort goes into finding which versions are candidates: a quarter.
const SHARE: u64 = 4;

/// How often rejected candidates are replaced by lower versions.
const MAX_ROUNDS: usize = 64;

/// Why a candidate is lowered: `None` when it is not to be.
type WhyLower<'f> = &'f dyn Fn(&RpmUniverse<'_>, &Task, Solvable) -> Option<Explanation>;

impl RpmUniverse<'_> {
    /// Where a candidate cannot be reached, not even alone, and lower versions are offered, the
    /// highest that can be is the candidate, and the slot has the reason against the others.
    pub(super) fn settle_candidates(&mut self) {
        self.lower_candidates(&|universe, task, target| {
            reachable(universe, task, &[target]).1.into_iter().next().map(|(_, why)| why)
        });
    }

    /// Where candidates cannot be reached all together, those that are left behind are lowered
    /// too, as dnf does when it upgrades everything.
    pub(super) fn settle_together(&mut self) {
        self.lower_candidates(&|_, _, _| Some(Explanation::default()));
    }

    fn lower_candidates(&mut self, why_lower: WhyLower<'_>) {
        let lower = self.lower_versions();
        if lower.is_empty() {
            return;
        }
        let whole = self.pool.effort.clone();
        self.pool.effort = whole.part(SHARE);
        self.lower_candidates_of(&lower, why_lower);
        self.pool.effort = whole;
    }

    /// Tries all candidates at once, and takes the next lower version of those that cannot be
    /// reached and for which `why_lower` has a reason, until all can be reached or have no lower
    /// version.
    fn lower_candidates_of(
        &mut self,
        lower: &BTreeMap<Solvable, Solvable>,
        why_lower: WhyLower<'_>,
    ) {
        let task = Task { keep: self.pool.keep.clone(), ..Task::default() };
        let mut candidates: BTreeMap<usize, Solvable> = (0..)
            .zip(&self.slots)
            .filter_map(|(at, slot)| Some((at, slot.candidate.as_ref()?.0)))
            .collect();
        let mut reasons: BTreeMap<usize, Explanation> = BTreeMap::new();
        for _ in 0..MAX_ROUNDS {
            if self.pool.effort.is_used_up() {
                break;
            }
            let targets: Vec<Solvable> = candidates.values().copied().collect();
            let mut lowered = false;
            for (target, _) in reachable(self, &task, &targets).1 {
                let Some(&next) = lower.get(&target) else { continue };
                let Some(why) = why_lower(self, &task, target) else { continue };
                for (at, candidate) in candidates.iter_mut().filter(|(_, one)| **one == target) {
                    *candidate = next;
                    reasons.entry(*at).or_insert_with(|| why.clone());
                    lowered = true;
                }
            }
            if !lowered {
                break;
            }
        }
        for (at, why) in reasons {
            let Some(&chosen) = candidates.get(&at) else { continue };
            // One of which no version can be reached keeps the highest; its reason comes with the
            // plan.
            if reachable(self, &task, &[chosen]).1.is_empty() {
                self.settle(at, chosen, &why);
            }
        }
    }

    /// Makes `chosen` a slot's candidate.
    fn settle(&mut self, at: usize, chosen: Solvable, why: &Explanation) {
        let Some(version) = self.pool.get(chosen) else { return };
        let Some(slot) = self.slots.get_mut(at) else { return };
        slot.candidate = Some((chosen, version.facts.offer()));
        if slot.passed_over.is_none() && !why.sentences.is_empty() {
            slot.passed_over = Some(Reason::Conflict {
                package: slot.id.name.to_string(),
                detail: why.sentences.join("; "),
            });
        }
    }

    /// The next lower version of each that is offered for an installed package.
    fn lower_versions(&self) -> BTreeMap<Solvable, Solvable> {
        let mut out = BTreeMap::new();
        for (name, ..) in self.pool.installed_names() {
            for pair in self.pool.offered(name).windows(2) {
                if let [higher, lower] = pair {
                    out.insert(*higher, *lower);
                }
            }
        }
        out
    }
}
