//! Open files as scripts see them: descriptors that share a position, pipes held in memory,
//! and programs at the other end of a pipe that answer line by line.
//!
//! Commands of a pipeline run one after the other, so a pipe is a buffer: written in full,
//! then read. Reading and writing need the machine (files live in its overlay) and are
//! methods of [`Machine`].

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;

use super::{Machine, Stop};
use imgfix_model::path::ImagePath;
use imgfix_vfs::Reserved;

/// A program that answers each line written to it (debconf's frontend).
pub trait Coprocess {
    /// Takes one line, without its newline, and returns what the program answers, with
    /// newlines.
    ///
    /// # Errors
    /// The answer cannot be worked out.
    fn answer(&mut self, machine: &mut Machine, line: &[u8]) -> Result<Vec<u8>, Stop>;
}

/// An open file description: copies share the position, as after `dup(2)`.
#[derive(Clone)]
pub struct Stream(pub(super) Rc<RefCell<Open>>);

/// What is open.
pub(super) enum Open {
    /// `/dev/null`.
    Null,
    /// Input held in memory: a pipe's content, a here-document, a file as it was when opened.
    Input { data: Bytes, at: usize },
    /// Output collected for a pipe or a command substitution.
    Collected(Collected),
    /// A regular file being written. `at` is `None` for appending.
    File { path: ImagePath, at: Option<u64> },
    /// Where a package manager's own output goes: kept for messages, shown to nobody else.
    Terminal,
    /// Lines go to a program; its answers wait to be read.
    Coprocess { program: Rc<RefCell<dyn Coprocess>>, partial: Vec<u8>, answers: Vec<u8> },
}

/// What was written to a collector, and its share of the budget.
#[derive(Default)]
pub(super) struct Collected {
    pub(super) data: Vec<u8>,
    pub(super) held: Option<Reserved>,
}

impl AsRef<[u8]> for Collected {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Stream {
    pub(super) fn new(open: Open) -> Self {
        Self(Rc::new(RefCell::new(open)))
    }

    /// `/dev/null`: reads as empty, takes what is written.
    #[must_use]
    pub fn null() -> Self {
        Self::new(Open::Null)
    }

    /// Where a package manager's own output goes; the machine keeps it for messages.
    #[must_use]
    pub fn terminal() -> Self {
        Self::new(Open::Terminal)
    }

    /// Reads `data` and then ends.
    #[must_use]
    pub fn input(data: impl Into<Bytes>) -> Self {
        Self::new(Open::Input { data: data.into(), at: 0 })
    }

    /// Collects what is written; [`Stream::collected`] gives it back.
    #[must_use]
    pub fn collector() -> Self {
        Self::new(Open::Collected(Collected::default()))
    }

    /// The end of a pipe whose other end answers line by line.
    #[must_use]
    pub fn coprocess(program: Rc<RefCell<dyn Coprocess>>) -> Self {
        Self::new(Open::Coprocess { program, partial: Vec::new(), answers: Vec::new() })
    }

    /// Takes what a collector has; empty for every other stream.
    #[must_use]
    pub fn collected(&self) -> Vec<u8> {
        match &mut *self.0.borrow_mut() {
            Open::Collected(collected) => std::mem::take(collected).data,
            _ => Vec::new(),
        }
    }

    /// What a collector has, to be read: the other end of a pipe. It counts as held until it is
    /// closed. Every other stream gives nothing.
    #[must_use]
    pub fn other_end(&self) -> Self {
        match &mut *self.0.borrow_mut() {
            Open::Collected(collected) => Self::input(Bytes::from_owner(std::mem::take(collected))),
            _ => Self::input(Bytes::new()),
        }
    }

    /// Whether both are the same open file description.
    #[must_use]
    pub fn is(&self, other: &Stream) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

/// The descriptors of a process by number.
#[derive(Clone, Default)]
pub struct Descriptors(BTreeMap<u32, Stream>);

impl Descriptors {
    /// Standard input, output and error.
    #[must_use]
    pub fn standard(input: Stream, output: Stream, error: Stream) -> Self {
        Self([(0, input), (1, output), (2, error)].into())
    }

    /// The stream with this number; `None` when it is closed.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<&Stream> {
        self.0.get(&number)
    }

    /// Opens the number, or makes it another stream (`dup2(2)`).
    pub fn set(&mut self, number: u32, stream: Stream) {
        self.0.insert(number, stream);
    }

    /// Closes the number; one that is not open stays so.
    pub fn close(&mut self, number: u32) {
        self.0.remove(&number);
    }
}
