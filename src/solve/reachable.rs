//! [`reachable`]: which of many targets can be had together.
//!
//! In come targets, the most wanted first; out come those that can be reached together, and the
//! reason against each of the others. Targets are strangers' word: some may take a search without
//! end. Such a one is given up when it has taken [`ONE_QUESTION`](super::effort::ONE_QUESTION)
//! steps, and not asked about again; and when many have used up what a run has, the others get
//! equal shares of what is kept back for that ([`Effort::to_share`](super::effort::Effort)).

use std::collections::BTreeSet;

use super::solver::{Budget, Explanation, Solvable, Task, Universe, solve_as};

/// The most targets that can be reached together, going through them in the given order and
/// keeping each that can be reached with those kept before; and the others, each with the
/// reason against it.
pub fn reachable(
    universe: &dyn Universe,
    task: &Task,
    targets: &[Solvable],
) -> (BTreeSet<Solvable>, Vec<(Solvable, Explanation)>) {
    let effort = universe.effort();
    let (hopeless, targets): (Vec<Solvable>, Vec<Solvable>) =
        targets.iter().partition(|target| effort.is_hopeless(**target));
    let mut task = task.clone();
    let mut rejected: Vec<_> =
        hopeless.into_iter().map(|target| (target, Explanation::given_up())).collect();
    let mut late: Vec<Solvable> = Vec::new();
    // Halving gives the same answer as one at a time, because what cannot be reached stays
    // out of reach when more is wanted.
    let mut waiting = vec![&targets[..]];
    while let Some(some) = waiting.pop() {
        let explanation = match wider(universe, &mut task, some, Budget::Remaining) {
            Ok(()) => continue,
            Err(explanation) => explanation,
        };
        match some {
            [] => {}
            // Others have used up what there is.
            some if explanation.is_given_up() && effort.is_used_up() => late.extend(some),
            [one] => {
                if explanation.is_given_up() {
                    effort.give_up(*one);
                }
                rejected.push((*one, explanation));
            }
            some => {
                let (first, second) = some.split_at(some.len() / 2);
                waiting.push(second);
                waiting.push(first);
            }
        }
    }
    if !late.is_empty() {
        rejected.extend(with_shares(universe, &mut task, &late));
    }
    (task.targets, rejected)
}

/// Adds targets to the task, when they can be reached with those that it has.
fn wider(
    universe: &dyn Universe,
    task: &mut Task,
    some: &[Solvable],
    budget: Budget,
) -> Result<(), Explanation> {
    let mut wider = task.clone();
    wider.targets.extend(some);
    solve_as(universe, &wider, &|_| true, budget)?;
    *task = wider;
    Ok(())
}

/// As [`reachable`] for targets that others have left nothing for. Each has the same share of
/// what is kept back, to be asked about alone and with its neighbours: one that takes a search
/// without end uses up its own only. Returns those that cannot be reached.
fn with_shares(
    universe: &dyn Universe,
    task: &mut Task,
    late: &[Solvable],
) -> Vec<(Solvable, Explanation)> {
    let effort = universe.effort();
    let began = effort.taken();
    let room = effort.to_share();
    let spent = || effort.taken() - began;
    // How often a target is asked about, from all together down to each alone.
    let times = u64::from(late.len().ilog2()) + 2;
    // Half of the room is for that, the other for what every question takes.
    let share = |some: &[Solvable]| room / 2 / times * some.len() as u64 / late.len().max(1) as u64;
    let _nothing_new = wider(universe, task, &[], Budget::Share(room));
    let least = spent() + spent() / 4;
    let mut rejected = Vec::new();
    let mut waiting = vec![late];
    while let Some(some) = waiting.pop() {
        let left = room.saturating_sub(spent());
        if left == 0 {
            rejected.extend(some.iter().map(|one| (*one, Explanation::given_up())));
            continue;
        }
        let most = share(some).saturating_add(least).min(left);
        match (wider(universe, task, some, Budget::Share(most)), some) {
            (Ok(()), _) | (Err(_), []) => {}
            (Err(explanation), [one]) => {
                if explanation.is_given_up() {
                    effort.give_up(*one);
                }
                rejected.push((*one, explanation));
            }
            (Err(_), some) => {
                let (first, second) = some.split_at(some.len() / 2);
                waiting.push(second);
                waiting.push(first);
            }
        }
    }
    rejected
}
