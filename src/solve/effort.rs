//! How much the search for a plan may do: indexes are strangers' word, and which set of packages
//! fits is a question that can be made to take for ever.
//!
//! In come steps, counted where the work is done; out comes whether to go on. Steps are counted,
//! not seconds, so that a search ends alike on every machine: one is about ten microseconds of an
//! optimised program. What the search was about when it is given up is left alone and told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The most steps that one question to the solver may take. The plan of a whole desktop, with
/// thousands of packages newer, asks for less than a hundredth.
pub const ONE_QUESTION: u64 = 100_000;

/// The most steps that all planning of a run may take.
pub const WHOLE_RUN: u64 = 10 * ONE_QUESTION;

/// What is said of packages that a search was given up for.
pub const GIVEN_UP: &str = "the search for a set of packages that fits was given up: it takes more \
                            steps than any real one";

/// Steps that were taken, and how many may be. Clones count together.
#[derive(Debug, Clone)]
pub struct Effort {
    taken: Arc<AtomicU64>,
    most: u64,
}

impl Default for Effort {
    fn default() -> Self {
        Self { taken: Arc::default(), most: WHOLE_RUN }
    }
}

impl Effort {
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
        self.taken() > self.most
    }

    /// For a part of the work: it may use up so much of what is left.
    #[must_use]
    pub fn part(&self, of: u64) -> Self {
        let left = self.most.saturating_sub(self.taken());
        let most = (self.taken() + left / of.max(1)).min(self.most);
        Self { taken: Arc::clone(&self.taken), most }
    }
}

/// How many comparisons are a step.
const COMPARISONS: u64 = 100;

/// The most comparisons that the relations of one version may take. Debian's largest
/// metapackages take some ten thousand.
const MOST_COMPARISONS: u64 = 2_000_000;

/// The relations of a version are about more than those of any real one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its relations are about more packages than those of any real one")]
pub struct TooWide;

/// What working out one version's relations takes.
#[derive(Debug)]
pub struct Width<'a> {
    effort: &'a Effort,
    comparisons: u64,
}

impl<'a> Width<'a> {
    #[must_use]
    pub fn new(effort: &'a Effort) -> Self {
        Self { effort, comparisons: 0 }
    }

    /// Counts comparisons ahead.
    ///
    /// # Errors
    /// They are too many.
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
        let whole = Effort { most: 10, ..Effort::default() };
        let half = whole.part(2);
        half.take(5);
        assert!(!half.is_used_up() && !whole.is_used_up());
        half.take(1);
        assert!(half.is_used_up() && !whole.is_used_up());
        whole.clone().take(5);
        assert!(whole.is_used_up());
        assert!(whole.part(2).is_used_up(), "nothing is left to share");
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
