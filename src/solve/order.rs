//! The order in which the steps of a plan are installed.
//!
//! In come, for each step, the steps it wants to find installed; out comes an order in which
//! that holds. Where steps want each other in a circle, the weaker wish gives way, as dpkg
//! does it (Debian policy 7.2: a circle is broken at some `Depends`, never at a
//! `Pre-Depends`). The answer depends on the input only.

use std::collections::BTreeSet;

/// How much a step insists on what it wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// Before it is configured: `Depends`.
    Configured,
    /// Before it is unpacked: `Pre-Depends`.
    Unpacked,
}

/// Step `later` wants to find step `earlier` installed; both are positions in the list of steps,
/// from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Precedence {
    /// The step that is wanted, and comes first.
    pub earlier: usize,
    /// The step that wants it.
    pub later: usize,
    /// How much it insists on that.
    pub strength: Strength,
}

/// The positions `0..count` in the order of installation. Of several steps that wait for nothing,
/// the first in the list comes first.
#[must_use]
pub fn order(count: usize, edges: &BTreeSet<Precedence>) -> Vec<usize> {
    let mut wants: Vec<BTreeSet<(usize, Strength)>> = vec![BTreeSet::new(); count];
    for edge in edges.iter().filter(|edge| edge.earlier != edge.later && edge.earlier < count) {
        if let Some(wanted) = wants.get_mut(edge.later) {
            wanted.insert((edge.earlier, edge.strength));
        }
    }
    let mut left: BTreeSet<usize> = (0..count).collect();
    let mut out = Vec::with_capacity(count);
    while let Some(next) = next_step(&wants, &left) {
        left.remove(&next);
        out.push(next);
    }
    out
}

fn next_step(wants: &[BTreeSet<(usize, Strength)>], left: &BTreeSet<usize>) -> Option<usize> {
    let free = |step: &usize, within: &BTreeSet<usize>, least: Strength| {
        wants.get(*step).is_none_or(|w| w.iter().all(|(e, s)| *s < least || !within.contains(e)))
    };
    if let Some(step) = left.iter().find(|step| free(step, left, Strength::Configured)) {
        return Some(*step);
    }
    // Only circles and what waits for them are left. The step with the smallest closure is
    // in a circle that waits for nothing else.
    let circle = left.iter().map(|&step| closure(wants, left, step)).min_by_key(BTreeSet::len)?;
    let step = circle.iter().find(|step| free(step, &circle, Strength::Unpacked));
    step.or(circle.first()).copied()
}

/// Everything that `step` wants, directly or not, itself included.
fn closure(
    wants: &[BTreeSet<(usize, Strength)>],
    left: &BTreeSet<usize>,
    step: usize,
) -> BTreeSet<usize> {
    let mut seen = BTreeSet::from([step]);
    let mut waiting = vec![step];
    while let Some(step) = waiting.pop() {
        for (earlier, _) in wants.get(step).into_iter().flatten() {
            if left.contains(earlier) && seen.insert(*earlier) {
                waiting.push(*earlier);
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn edges(list: &[(usize, usize, Strength)]) -> BTreeSet<Precedence> {
        list.iter()
            .map(|&(earlier, later, strength)| Precedence { earlier, later, strength })
            .collect()
    }

    #[test]
    fn what_is_wanted_comes_first_and_circles_break_at_depends() {
        use Strength::{Configured, Unpacked};
        for (list, want) in [
            (vec![], vec![0, 1, 2]),
            (vec![(2, 0, Configured)], vec![1, 2, 0]),
            (vec![(1, 0, Configured), (2, 1, Configured)], vec![2, 1, 0]),
            (vec![(0, 1, Configured), (1, 0, Configured)], vec![2, 0, 1]),
            (vec![(0, 1, Configured), (1, 0, Unpacked)], vec![2, 1, 0]),
            (vec![(1, 0, Configured), (1, 2, Configured), (2, 1, Unpacked)], vec![2, 1, 0]),
            (vec![(0, 0, Unpacked)], vec![0, 1, 2]),
        ] {
            assert_eq!(order(3, &edges(&list)), want, "{list:?}");
        }
    }

    proptest! {
        #[test]
        fn every_step_comes_once_and_after_what_it_wants(
            list in prop::collection::vec((0..8usize, 0..8usize), 0..12)
        ) {
            // Edges that go upwards have no circle.
            let list: Vec<_> = list
                .into_iter()
                .filter(|(a, b)| a > b)
                .map(|(a, b)| (a, b, Strength::Configured))
                .collect();
            let out = order(8, &edges(&list));
            let mut sorted = out.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..8).collect::<Vec<_>>());
            let at = |step: usize| out.iter().position(|s| *s == step);
            for (earlier, later, _) in list {
                prop_assert!(at(earlier) < at(later));
            }
        }
    }
}
