//! [`Tap`]: what the tar reader reads goes on to the new layer, is held, or goes away.
//!
//! The reader of layers says where a member's blocks are; the bytes themselves pass through
//! here, so that what is kept is kept byte for byte, and nobody parses twice.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::ops::Range;

/// The most bytes of one member's headers, of a member that is changed. The reader's own bounds
/// are below it, but for headers about the whole archive.
const MAX_HELD: usize = 64 << 20;

/// What becomes of the bytes that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// They are written.
    Copied,
    /// They are kept, to be decided on.
    Held,
    /// They are forgotten.
    Dropped,
}

pub(super) struct Tap<'o, R> {
    inner: BufReader<R>,
    out: &'o mut dyn Write,
    flow: Flow,
    held: Vec<u8>,
    /// Bytes that went through.
    at: u64,
    /// Ranges of the stream that are written over, in order.
    masks: Vec<Range<u64>>,
    /// Bytes written.
    written: u64,
    /// Why writing failed, until it can be told.
    failed: Option<io::Error>,
}

impl<'o, R: Read> Tap<'o, R> {
    pub fn new(inner: R, out: &'o mut dyn Write) -> Self {
        Self {
            inner: BufReader::with_capacity(128 * 1024, inner),
            out,
            flow: Flow::Copied,
            held: Vec::new(),
            at: 0,
            masks: Vec::new(),
            written: 0,
            failed: None,
        }
    }

    pub fn set_flow(&mut self, flow: Flow) {
        self.flow = flow;
    }

    pub fn set_masks(&mut self, masks: Vec<Range<u64>>) {
        self.masks = masks;
    }

    /// What was held since the last time.
    pub fn take_held(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    pub fn written(&self) -> u64 {
        self.written
    }

    /// Writes what does not come from the stream.
    pub fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    /// Why writing failed, when that is why reading did.
    pub fn failure(&mut self) -> Option<io::Error> {
        self.failed.take()
    }

    fn pass(&mut self, amount: usize) -> io::Result<()> {
        let bytes = self.inner.buffer().get(..amount).unwrap_or_default();
        match self.flow {
            Flow::Dropped => Ok(()),
            Flow::Held if self.held.len() + bytes.len() > MAX_HELD => {
                Err(io::Error::other("the headers of an entry are too large"))
            }
            Flow::Held => {
                self.held.extend_from_slice(bytes);
                Ok(())
            }
            Flow::Copied => {
                self.written += bytes.len() as u64;
                match masked(bytes, self.at, &self.masks) {
                    Some(changed) => self.out.write_all(&changed),
                    None => self.out.write_all(bytes),
                }
            }
        }
    }
}

/// `bytes`, which are at `at` of a stream, with `*` where `masks` say; `None` when nowhere.
pub(super) fn masked(bytes: &[u8], at: u64, masks: &[Range<u64>]) -> Option<Vec<u8>> {
    let end = at.saturating_add(bytes.len() as u64);
    let mut changed: Option<Vec<u8>> = None;
    for mask in masks {
        let (from, to) = (mask.start.max(at), mask.end.min(end));
        if from < to {
            let place = |offset: u64| usize::try_from(offset - at).unwrap_or(usize::MAX);
            let all = changed.get_or_insert_with(|| bytes.to_vec());
            if let Some(part) = all.get_mut(place(from)..place(to)) {
                part.fill(b'*');
            }
        }
    }
    changed
}

impl<R: Read> BufRead for Tap<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match &self.failed {
            // The kind only: the error itself is told by `failure`.
            Some(error) => Err(error.kind().into()),
            None => self.inner.fill_buf(),
        }
    }

    fn consume(&mut self, amount: usize) {
        if self.failed.is_none()
            && let Err(error) = self.pass(amount)
        {
            self.failed = Some(error);
        }
        self.inner.consume(amount);
        self.at += amount as u64;
    }
}

impl<R: Read> Read for Tap<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.fill_buf()?.read(buffer)?;
        self.consume(got);
        Ok(got)
    }
}
