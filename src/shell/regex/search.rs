//! The search: instructions followed in their order of preference, every way to its end, and
//! the longest match kept. Of the ways to it the most preferred one gives the groups, as in
//! glibc.
//!
//! Without back-references what follows from an instruction at a position does not depend on
//! how it was reached, so that each pair is visited once: a search takes at most length of
//! pattern times length of text steps. With them every way is tried, up to a limit.

use super::parse::is_word;
use super::program::{Assertion, Instruction, Program};
use super::{Match, RegexError};

/// The most steps of one search.
const MAX_STEPS: u64 = 40_000_000;

/// The most pairs of instruction and position remembered.
const MAX_PAIRS: usize = 1 << 30;

/// What is still to be tried.
enum Job {
    At {
        instruction: usize,
        position: usize,
    },
    /// A slot gets back what it had before the way that was tried.
    Restore {
        slot: usize,
        was: Option<usize>,
    },
}

struct Search<'a> {
    program: &'a Program,
    text: &'a [u8],
    from: usize,
    /// Pairs visited, a bit each.
    visited: Vec<u64>,
    slots: Vec<Option<usize>>,
    jobs: Vec<Job>,
    steps: u64,
    best: Option<(usize, Vec<Option<usize>>)>,
}

/// The leftmost longest match from `from` on.
pub(super) fn find(
    program: &Program,
    text: &[u8],
    from: usize,
) -> Result<Option<Match>, RegexError> {
    if from > text.len() {
        return Ok(None);
    }
    let pairs = (text.len() - from + 1).saturating_mul(program.code.len());
    if pairs > MAX_PAIRS {
        return Err(RegexError::TooHard);
    }
    let mut search = Search {
        program,
        text,
        from,
        visited: Vec::new(),
        slots: vec![None; program.slots],
        jobs: Vec::new(),
        steps: 0,
        best: None,
    };
    let last = if program.anchored { 0 } else { text.len() };
    for start in from..=text.len() {
        if start > last {
            break;
        }
        let fits = |set: &super::parse::Set| text.get(start).is_some_and(|&byte| set.has(byte));
        if program.first.as_ref().is_some_and(|first| !fits(first)) {
            continue;
        }
        if search.visited.is_empty() && !program.has_references {
            search.visited = vec![0; pairs / 64 + 1];
        }
        search.follow_from(start)?;
        if let Some((end, slots)) = search.best.take() {
            let pair = |pair: &[Option<usize>]| match pair {
                [Some(start), Some(end)] => Some((*start, *end)),
                _ => None,
            };
            let groups = slots.chunks(2).take(program.groups).map(pair).collect();
            return Ok(Some(Match { start, end, groups }));
        }
    }
    Ok(None)
}

impl Search<'_> {
    /// Follows all ways from a position. What was visited from an earlier start led to no
    /// match, and is not visited again.
    fn follow_from(&mut self, start: usize) -> Result<(), RegexError> {
        self.slots.fill(None);
        self.jobs.push(Job::At { instruction: 0, position: start });
        while let Some(job) = self.jobs.pop() {
            match job {
                Job::Restore { slot, was } => self.put(slot, was),
                Job::At { instruction, position } => {
                    self.follow(instruction, position)?;
                    if self.best.as_ref().is_some_and(|(end, _)| *end == self.text.len()) {
                        self.jobs.clear();
                    }
                }
            }
        }
        Ok(())
    }

    fn put(&mut self, slot: usize, value: Option<usize>) {
        if let Some(place) = self.slots.get_mut(slot) {
            *place = value;
        }
    }

    fn is_new(&mut self, instruction: usize, position: usize) -> bool {
        if self.program.has_references {
            return true;
        }
        let pair = (position - self.from) * self.program.code.len() + instruction;
        let Some(word) = self.visited.get_mut(pair / 64) else { return false };
        let bit = 1 << (pair % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// Follows one way until it ends.
    fn follow(&mut self, mut at: usize, mut position: usize) -> Result<(), RegexError> {
        loop {
            if !self.is_new(at, position) {
                return Ok(());
            }
            self.steps += 1;
            if self.steps > MAX_STEPS {
                return Err(RegexError::TooHard);
            }
            let Some(instruction) = self.program.code.get(at) else { return Ok(()) };
            match instruction {
                Instruction::Set(set) => match self.text.get(position) {
                    Some(&byte) if set.has(byte) => position += 1,
                    _ => return Ok(()),
                },
                Instruction::Split(first, second) => {
                    self.jobs.push(Job::At { instruction: *second, position });
                    at = *first;
                    continue;
                }
                Instruction::Jump(to) => {
                    at = *to;
                    continue;
                }
                Instruction::Save(slot) => {
                    let was = self.slots.get(*slot).copied().flatten();
                    self.jobs.push(Job::Restore { slot: *slot, was });
                    self.put(*slot, Some(position));
                }
                Instruction::Progress(slot) => {
                    let was = self.slots.get(*slot).copied().flatten();
                    if self.program.has_references && was == Some(position) {
                        return Ok(());
                    }
                }
                Instruction::Assert(assertion) => {
                    if !self.holds(*assertion, position) {
                        return Ok(());
                    }
                }
                Instruction::Back(number) => match self.repeated(*number, position) {
                    Some(end) => position = end,
                    None => return Ok(()),
                },
                Instruction::Match => {
                    if self.best.as_ref().is_none_or(|(end, _)| position > *end) {
                        self.best = Some((position, self.slots.clone()));
                    }
                    return Ok(());
                }
            }
            at += 1;
        }
    }

    /// Where the text of a group ends when it stands at a position again.
    fn repeated(&self, number: usize, position: usize) -> Option<usize> {
        let slot = (number - 1) * 2;
        let (start, end) = (*self.slots.get(slot)?, *self.slots.get(slot + 1)?);
        let group = self.text.get(start?..end?)?;
        let here = self.text.get(position..position + group.len())?;
        let same = match self.program.ignore_case {
            true => group.eq_ignore_ascii_case(here),
            false => group == here,
        };
        same.then_some(position + group.len())
    }

    fn holds(&self, assertion: Assertion, position: usize) -> bool {
        let before = position.checked_sub(1).and_then(|at| self.text.get(at)).copied();
        let after = self.text.get(position).copied();
        let multiline = self.program.multiline;
        let (word_before, word_after) = (before.is_some_and(is_word), after.is_some_and(is_word));
        match assertion {
            Assertion::LineStart => before.is_none() || multiline && before == Some(b'\n'),
            Assertion::LineEnd => after.is_none() || multiline && after == Some(b'\n'),
            Assertion::TextStart => before.is_none(),
            Assertion::TextEnd => after.is_none(),
            Assertion::WordStart => !word_before && word_after,
            Assertion::WordEnd => word_before && !word_after,
            Assertion::WordBoundary => word_before != word_after,
            Assertion::NoWordBoundary => word_before == word_after,
            Assertion::NoWordBefore => !word_before,
            Assertion::NoWordAfter => !word_after,
        }
    }
}
