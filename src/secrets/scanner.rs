//! [`Scanner`]: hits in a stream of any length, with a window of it in memory.

use super::{Hit, Secrets};

/// How much of the stream is in memory, in bytes. Much more than a hit takes.
const WINDOW: usize = 1 << 20;

/// Looks through a stream that comes in pieces. Ranges and lines are those of the whole stream.
#[derive(Debug)]
pub struct Scanner<'a> {
    secrets: &'a Secrets,
    window: Vec<u8>,
    /// Where the window begins in the stream.
    start: usize,
    /// Lines before the window.
    lines: usize,
    /// Where in the window the part begins whose hits were not given yet.
    fresh: usize,
}

impl<'a> Scanner<'a> {
    /// At the beginning of a stream.
    #[must_use]
    pub fn new(secrets: &'a Secrets) -> Self {
        Self { secrets, window: Vec::new(), start: 0, lines: 0, fresh: 0 }
    }

    /// Takes the next piece.
    pub fn feed(&mut self, mut piece: &[u8], on_hit: &mut dyn FnMut(Hit<'a>)) {
        while !piece.is_empty() {
            let room = (WINDOW - self.window.len()).min(piece.len());
            let (now, later) = piece.split_at(room);
            self.window.extend_from_slice(now);
            piece = later;
            if self.window.len() == WINDOW {
                // A hit that begins in the last part may go on in the next piece.
                let settled = WINDOW - self.secrets.reach.min(WINDOW / 4);
                self.give(settled, on_hit);
                let gone = settled - self.secrets.reach.min(WINDOW / 4);
                let passed = self.window.get(..gone).unwrap_or_default();
                self.lines += passed.iter().filter(|&&byte| byte == b'\n').count();
                self.window.drain(..gone);
                self.start += gone;
                self.fresh = settled - gone;
            }
        }
    }

    /// The end of the stream.
    pub fn finish(mut self, on_hit: &mut dyn FnMut(Hit<'a>)) {
        self.give(self.window.len(), on_hit);
    }

    /// Gives the hits that begin before `settled` in the window.
    fn give(&mut self, settled: usize, on_hit: &mut dyn FnMut(Hit<'a>)) {
        for hit in self.secrets.find(&self.window) {
            if (self.fresh..settled).contains(&hit.range.start) {
                let range = self.start + hit.range.start..self.start + hit.range.end;
                on_hit(Hit { rule: hit.rule, range, line: self.lines + hit.line });
            }
        }
    }
}
