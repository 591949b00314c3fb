//! Which version of each installed package is its candidate, where every higher version is
//! considered and not only the highest: apk (Wolfi's index keeps old ones), and dnf when `best` is
//! not set.
//!
//! In come slots whose candidates are the highest that are allowed; out come, where those cannot
//! be reached, lower ones with the reason against the others.

use std::collections::BTreeMap;

use imgfix_model::reason::Reason;
use imgfix_solve::pool::Pool;
use imgfix_solve::rules::Rules;
use imgfix_solve::solver::{Explanation, Solvable, Task, Universe, reachable};

use crate::planner::{Family, Offer, Slot};

/// Which part of the effort goes into finding which versions are candidates: a quarter.
const SHARE: u64 = 4;

/// How often rejected candidates are replaced by lower versions.
const MAX_ROUNDS: usize = 64;

/// A family whose package manager takes lower versions where it cannot have the highest.
pub trait Lowering: Rules + Family {
    /// What may be changed: the pool's effort, and the slots.
    fn parts(&mut self) -> (&mut Pool<Self::Version>, &mut Vec<Slot>);

    /// A version as the planner has it.
    fn offer(version: &Self::Version) -> Offer;

    /// What can be taken for an installed package, by the position of its slot, the most wanted
    /// first: the first is its candidate.
    fn choices(&self, slot: usize) -> Vec<Solvable> {
        let candidate = self.slots().get(slot).and_then(|slot| slot.candidate.as_ref());
        candidate
            .map(|(one, _)| self.pool().offered(Universe::name(self, *one)))
            .unwrap_or_default()
    }
}

/// Why a candidate is lowered: `None` when it is not to be.
type WhyLower<'f, R> = &'f dyn Fn(&R, &Task, Solvable) -> Option<Explanation>;

/// Where a candidate cannot be reached, not even alone, and lower versions are offered, the
/// highest that can be is the candidate, and the slot has the reason against the others.
pub fn settle_candidates<R: Lowering>(universe: &mut R) {
    lower_candidates(universe, &|universe, task, target| {
        reachable(universe, task, &[target]).1.into_iter().next().map(|(_, why)| why)
    });
}

/// Where candidates cannot be reached all together, those that are left behind are lowered too, as
/// the package manager does when it upgrades everything.
pub fn settle_together<R: Lowering>(universe: &mut R) {
    lower_candidates(universe, &|_, _, _| Some(Explanation::default()));
}

fn lower_candidates<R: Lowering>(universe: &mut R, why_lower: WhyLower<'_, R>) {
    let choices: Vec<Vec<Solvable>> =
        (0..universe.slots().len()).map(|slot| universe.choices(slot)).collect();
    if choices.iter().all(|choices| choices.len() < 2) {
        return;
    }
    let whole = universe.pool().effort.clone();
    universe.parts().0.effort = whole.part(SHARE);
    lower_candidates_of(universe, &choices, why_lower);
    universe.parts().0.effort = whole;
}

/// Tries all candidates at once, and takes the next lower version of those that cannot be reached
/// and for which `why_lower` has a reason, until all can be reached or have no lower version.
fn lower_candidates_of<R: Lowering>(
    universe: &mut R,
    choices: &[Vec<Solvable>],
    why_lower: WhyLower<'_, R>,
) {
    let pool = universe.pool();
    let task = Task { keep: pool.keep.clone(), may_go: pool.may_go.clone(), ..Task::default() };
    let mut candidates: BTreeMap<usize, Solvable> = (0..)
        .zip(universe.slots())
        .filter_map(|(at, slot)| Some((at, slot.candidate.as_ref()?.0)))
        .collect();
    let mut reasons: BTreeMap<usize, Explanation> = BTreeMap::new();
    for _ in 0..MAX_ROUNDS {
        if universe.pool().effort.is_used_up() {
            break;
        }
        let targets: Vec<Solvable> = candidates.values().copied().collect();
        let mut lowered = false;
        for (target, _) in reachable(universe, &task, &targets).1 {
            let behind = |at: usize| {
                let mut choices = choices.get(at)?.iter().skip_while(|one| **one != target);
                choices.nth(1).copied()
            };
            let lower: Vec<(usize, Solvable)> = candidates
                .iter()
                .filter(|(_, one)| **one == target)
                .filter_map(|(at, _)| Some((*at, behind(*at)?)))
                .collect();
            if lower.is_empty() {
                continue;
            }
            let Some(why) = why_lower(universe, &task, target) else { continue };
            for (at, next) in lower {
                candidates.insert(at, next);
                reasons.entry(at).or_insert_with(|| why.clone());
                lowered = true;
            }
        }
        if !lowered {
            break;
        }
    }
    for (at, why) in reasons {
        let Some(&chosen) = candidates.get(&at) else { continue };
        // One of which no version can be reached keeps the highest; its reason comes with the plan.
        if reachable(universe, &task, &[chosen]).1.is_empty() {
            settle(universe, at, chosen, &why);
        }
    }
}

/// Makes `chosen` a slot's candidate.
fn settle<R: Lowering>(universe: &mut R, at: usize, chosen: Solvable, why: &Explanation) {
    let Some(version) = universe.pool().get(chosen) else { return };
    let Some(slot) = universe.parts().1.get_mut(at) else { return };
    slot.candidate = Some((chosen, R::offer(&version)));
    if slot.passed_over.is_none() && !why.sentences.is_empty() {
        slot.passed_over = Some(Reason::Conflict {
            package: slot.id.name.to_string(),
            detail: why.sentences.join("; "),
        });
    }
}
