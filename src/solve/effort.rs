//! How much the search for a plan may do. Strangers write indexes, and can make the question which
//! set of packages fits take for ever.
//!
//! In come steps, counted where the work is done; out comes whether to go on. Steps are counted,
//! not seconds, so that a search ends alike on every machine: a step takes one to four
//! microseconds in an optimised program. What a search was about when it was given up is left
//! alone, and the report says so.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::solver::Solvable;

/// The most steps that one question to the solver may take. The plan of a whole desktop, with
/// thousands of packages newer, asks for less than a hundredth.
pub const ONE_QUESTION: u64 = 100_000;

/// The most steps that all planning of a run may take.
pub const WHOLE_RUN: u64 = 10 * ONE_QUESTION;

/// How many steps more are kept back for questions that others have left nothing for. Half of
/// what is left of them is shared out each time.
pub const SHARED: u64 = 2 * WHOLE_RUN;

/// The most steps that are added each time a plan is made again because a package could not be
/// installed; no more are added than the plan before took.
const AGAIN: u64 = WHOLE_RUN / 2;

/// The most steps that are added for plans made again, in all.
pub const ALL_AGAIN: u64 = 4 * WHOLE_RUN;

/// The most steps that all planning of a run may ever take.
pub const MOST: u64 = WHOLE_RUN + SHARED + ALL_AGAIN;

/// What is said of packages that a search was given up for.
pub const GIVEN_UP: &str = "the search for a set of packages that fits was given up: it takes more \
                            steps than any real one";

/// Steps that were taken, and how many may be. Clones count together.
#[derive(Debug, Clone)]
pub struct Effort {
    taken: Arc<AtomicU64>,
    most: u64,
    /// What was added for plans that are made again, of all clones together.
    added: Arc<AtomicU64>,
    /// What may be taken above that, in shares.
    shared: u64,
    /// What was given up by itself. Solvables are numbers of one universe.
    hopeless: Arc<Mutex<BTreeSet<Solvable>>>,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            taken: Arc::default(),
            most: WHOLE_RUN,
            added: Arc::default(),
            shared: SHARED,
            hopeless: Arc::default(),
        }
    }
}

impl Effort {
    /// With budgets that a test can use up.
    #[cfg(test)]
    pub(crate) fn bounded(most: u64, shared: u64) -> Self {
        Self { most, shared, ..Self::default() }
    }

    /// Counts steps.
    pub fn take(&self, steps: u64) {
        self.taken.fetch_add(steps, Ordering::Relaxed);
    }

    /// Steps that were taken.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Whether no further question is to be asked.
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        self.taken() > self.most()
    }

    fn most(&self) -> u64 {
        self.most.saturating_add(self.added.load(Ordering::Relaxed))
    }

    /// Adds steps because a plan that took so many is made again: at most [`ALL_AGAIN`] in all.
    pub fn again(&self, steps: u64) {
        let add = |added: u64| Some(added.saturating_add(steps.min(AGAIN)).min(ALL_AGAIN));
        // it always has a new value
        let _former = self.added.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// For a part of the work: it may use up one `of`-th of what is left, and has no shares.
    #[must_use]
    pub fn part(&self, of: u64) -> Self {
        let left = self.most().saturating_sub(self.taken());
        let most = (self.taken() + left / of.max(1)).min(self.most());
        Self { most, added: Arc::default(), shared: 0, ..self.clone() }
    }

    /// For another universe, whose solvables are others. Steps count together.
    #[must_use]
    pub fn for_universe(&self) -> Self {
        Self { hopeless: Arc::default(), ..self.clone() }
    }

    /// How many steps may be shared out now, once all others are used up.
    #[must_use]
    pub fn to_share(&self) -> u64 {
        let end = self.most().saturating_add(self.shared);
        end.saturating_sub(self.taken().max(self.most())) / 2
    }

    /// Whether this was given up, and is not to be asked about again.
    #[must_use]
    pub fn is_hopeless(&self, target: Solvable) -> bool {
        self.hopeless.lock().unwrap_or_else(PoisonError::into_inner).contains(&target)
    }

    /// Notes that the search for this one alone was given up.
    pub fn give_up(&self, target: Solvable) {
        self.hopeless.lock().unwrap_or_else(PoisonError::into_inner).insert(target);
    }
}

/// How many comparisons are a step.
const COMPARISONS: u64 = 100;

/// The most comparisons that the relations of one version may take. Debian's largest
/// metapackages take some ten thousand.
const MOST_COMPARISONS: u64 = 2_000_000;

/// The relations of a version are about more packages than those of any real one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its relations are about more packages than those of any real one")]
pub struct TooWide;

/// Counts what working out one version's relations takes, in comparisons.
#[derive(Debug)]
pub struct Width<'a> {
    effort: &'a Effort,
    comparisons: u64,
}

impl<'a> Width<'a> {
    /// A count that is charged to `effort`, in steps, when it is dropped.
    #[must_use]
    pub fn new(effort: &'a Effort) -> Self {
        Self { effort, comparisons: 0 }
    }

    /// Counts comparisons before they are made.
    ///
    /// # Errors
    /// There are more of them than the relations of any real version take.
    pub fn compare(&mut self, count: usize) -> Result<(), TooWide> {
        self.comparisons = self.comparisons.saturating_add(count as u64);
        if self.comparisons > MOST_COMPARISONS { Err(TooWide) } else { Ok(()) }
    }
}

impl Drop for Width<'_> {
    fn drop(&mut self) {
        self.effort.take(1 + self.comparisons.min(MOST_COMPARISONS) / COMPARISONS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_and_parts_count_together() {
        let whole = Effort::bounded(10, 8);
        assert_eq!(whole.to_share(), 4);
        let half = whole.part(2);
        half.take(5);
        assert!(!half.is_used_up() && !whole.is_used_up());
        half.take(1);
        assert!(half.is_used_up() && !whole.is_used_up());
        whole.clone().take(5);
        assert!(whole.is_used_up());
        assert!(whole.part(2).is_used_up(), "nothing is left to take");
        assert_eq!((whole.taken(), whole.to_share(), whole.part(2).to_share()), (11, 3, 0));
        whole.take(7);
        assert_eq!(whole.to_share(), 0);
        whole.again(4);
        assert!(whole.is_used_up() && whole.to_share() == 2);
        whole.again(u64::MAX);
        assert!(!whole.clone().is_used_up());
        whole.take(AGAIN);
        assert!(whole.is_used_up());
        for _ in 0..100 {
            whole.again(u64::MAX);
        }
        whole.take(ALL_AGAIN - AGAIN);
        assert!(whole.is_used_up(), "not without end");
        half.give_up(Solvable(5));
        assert!(whole.is_hopeless(Solvable(5)) && !whole.for_universe().is_hopeless(Solvable(5)));
    }

    #[test]
    fn relations_have_a_width_and_cost_steps() {
        let effort = Effort::default();
        let mut width = Width::new(&effort);
        assert_eq!(width.compare(2_000_000), Ok(()));
        assert_eq!(width.compare(1), Err(TooWide));
        drop(width);
        assert_eq!(effort.taken(), 20_001);
    }
}
