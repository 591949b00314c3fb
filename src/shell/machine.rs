//! [`Machine`]: what a kernel, a clock and a terminal would be to the scripts of one package.

use std::sync::Arc;

use bytes::Bytes;

use super::resources::{Deadline, Resources};
use super::stream::Open;
use super::{Stop, Stream, Sys, Table};
use imgfix_vfs::Overlay;

/// How much a script may do, in [`Machine::spend`]'s units (about one command, loop round or
/// 1 KiB of data each). Real scripts stay below some ten thousand.
pub const MAX_STEPS: u64 = 5_000_000;

/// The largest file, pipe or variable that a script may build, in bytes.
pub const MAX_DATA: usize = 64 << 20;

/// The most lines of a text that a command reads.
const MAX_LINES: usize = 2_000_000;

/// What a pipe or a command substitution may hold, in bytes.
pub const MAX_PIPE: usize = 16 << 20;

/// What the variables of all shells that wait for each other may hold, in bytes.
pub const MAX_VARIABLES: usize = 16 << 20;

/// Bytes of data that count as one step.
const STEP: u64 = 1024;

/// How deep scripts may call scripts.
pub const MAX_DEPTH: usize = 24;

/// How much output is kept for messages, in bytes.
const MAX_TRANSCRIPT: usize = 256 << 10;

/// What the caller decides about the machine.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the clock says, seconds since the epoch: new files get this time.
    pub now: i64,
    /// The architecture of the image in its package manager's words (`amd64`, `x86_64`).
    pub architecture: String,
    /// What scripts may use up.
    pub resources: Resources,
}

impl Settings {
    /// For scripts without a limit of time.
    #[must_use]
    pub fn new(now: i64, architecture: impl Into<String>) -> Self {
        Self { now, architecture: architecture.into(), resources: Resources::default() }
    }

    /// The same with other bounds of memory, disk and time.
    #[must_use]
    pub fn with(self, resources: Resources) -> Self {
        Self { resources, ..self }
    }
}

/// The machine that scripts run on. It owns the overlay while they do.
pub struct Machine {
    /// The image's files, with what scripts have changed so far.
    pub overlay: Overlay,
    /// Clock, architecture and bounds, as the caller gave them.
    pub settings: Settings,
    pub(super) table: Arc<Table>,
    pub(super) depth: usize,
    /// How deep constructs of all running scripts nest.
    pub(super) nesting: usize,
    /// What the variables of the shells hold that wait for a subshell or a script of theirs.
    pub(super) waiting_variables: usize,
    steps: u64,
    deadline: Option<Deadline>,
    transcript: Vec<u8>,
    /// For names of temporary files, which must be the same in every run.
    pub(super) names: u64,
}

/// A machine's state at one moment, as far as scripts see it.
#[derive(Clone)]
pub struct Moment {
    overlay: Overlay,
    transcript: Vec<u8>,
    names: u64,
}

impl Machine {
    /// A machine that no script has run on; `table` has the commands that scripts may call.
    #[must_use]
    pub fn new(overlay: Overlay, settings: Settings, table: Arc<Table>) -> Self {
        Self {
            overlay,
            settings,
            table,
            depth: 0,
            nesting: 0,
            waiting_variables: 0,
            steps: 0,
            deadline: None,
            transcript: Vec::new(),
            names: 0,
        }
    }

    /// Gives the overlay to a machine for the time of `work`; afterwards it has its effects.
    /// With the result comes what was written to the terminal. The time it takes is that of
    /// `package`.
    ///
    /// # Errors
    /// Those of `work`.
    pub fn borrow<T>(
        overlay: &mut Overlay,
        settings: Settings,
        table: Arc<Table>,
        package: &str,
        work: impl FnOnce(&mut Machine) -> Result<T, Stop>,
    ) -> Result<(T, Vec<u8>), Stop> {
        let empty = Overlay::new(Arc::clone(overlay.tree()));
        let taken = std::mem::replace(overlay, empty);
        let resources = settings.resources.clone();
        let mut machine = Self::new(taken, settings, table);
        let result = resources.timed(package, |deadline| {
            machine.deadline = deadline;
            work(&mut machine)
        });
        *overlay = machine.overlay;
        result.map(|value| (value, machine.transcript))
    }

    /// The state now, to return to: what a process would have that is forked here.
    #[must_use]
    pub fn moment(&self) -> Moment {
        let (overlay, transcript) = (self.overlay.clone(), self.transcript.clone());
        Moment { overlay, transcript, names: self.names }
    }

    /// Makes the machine what it was; work that was counted stays counted.
    pub fn return_to(&mut self, moment: &Moment) {
        let Moment { overlay, transcript, names } = moment.clone();
        (self.overlay, self.transcript, self.names) = (overlay, transcript, names);
    }

    /// Counts work.
    ///
    /// # Errors
    /// The script has done more than any real one does.
    pub fn spend(&mut self, steps: u64) -> Result<(), Stop> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > MAX_STEPS {
            return Err(Stop::new("it does not end (step limit)"));
        }
        self.deadline.as_ref().map_or(Ok(()), Deadline::check)
    }

    /// Counts things that are made or looked at, which cost less than a command each.
    ///
    /// # Errors
    /// As [`Machine::spend`].
    pub fn spend_items(&mut self, items: usize) -> Result<(), Stop> {
        self.spend(items as u64 / 16)
    }

    /// Counts data that is held or copied.
    ///
    /// # Errors
    /// It is too large to be held, or all of it is more than a script needs.
    pub fn spend_data(&mut self, bytes: usize) -> Result<(), Stop> {
        if bytes > MAX_DATA {
            return Err(Stop::new(format!("{bytes} bytes of data are more than it may hold")));
        }
        self.spend(bytes as u64 / STEP)
    }

    /// Counts what a text has grown by while it is put together.
    ///
    /// # Errors
    /// It is larger than scripts may hold, or all is more than a script needs.
    pub fn spend_growth(&mut self, before: usize, now: usize) -> Result<(), Stop> {
        if now > MAX_DATA {
            return Err(Stop::new(format!("{now} bytes of text are more than it may hold")));
        }
        self.spend(now.saturating_sub(before) as u64 / STEP)
    }

    /// Counts the lines of a text, each of which commands look at.
    ///
    /// # Errors
    /// They are more than any real text has.
    pub fn spend_lines(&mut self, text: &[u8]) -> Result<(), Stop> {
        let lines = bstr::ByteSlice::find_iter(text, b"\n").count();
        if lines > MAX_LINES {
            return Err(Stop::new(format!("a text of {lines} lines is more than it may read")));
        }
        self.spend_items(lines)
    }

    /// What scripts have written to their terminal, the beginning of it.
    #[must_use]
    pub fn transcript(&self) -> &[u8] {
        &self.transcript
    }

    /// A number that no earlier call of this machine gave.
    pub fn fresh_number(&mut self) -> u64 {
        self.names += 1;
        self.names
    }

    /// Writes to an open file.
    ///
    /// # Errors
    /// Data limits; an error of the kernel for a stream that is not for writing.
    pub fn write(&mut self, stream: &Stream, data: &[u8]) -> Sys<()> {
        self.spend_data(data.len())?;
        let mut open = stream.0.borrow_mut();
        match &mut *open {
            Open::Null => {}
            Open::Input { .. } => return Ok(Err(super::Errno::BadDescriptor)),
            Open::Collected(collected) => {
                if collected.data.len().saturating_add(data.len()) > MAX_PIPE {
                    return Err(Stop::new(format!(
                        "it writes more than the {MAX_PIPE} bytes that a pipe may hold"
                    )));
                }
                let held =
                    collected.held.get_or_insert_with(|| self.settings.resources.memory().share());
                held.grow(data.len() as u64)?;
                collected.data.extend_from_slice(data);
            }
            Open::Terminal => {
                let room = MAX_TRANSCRIPT.saturating_sub(self.transcript.len()).min(data.len());
                self.transcript.extend_from_slice(data.get(..room).unwrap_or_default());
            }
            Open::File { path, at } => return self.write_at(path, at, data),
            Open::Coprocess { program, partial, answers } => {
                partial.extend_from_slice(data);
                let program = std::rc::Rc::clone(program);
                while let Some(end) = partial.iter().position(|&b| b == b'\n') {
                    let rest = partial.split_off(end + 1);
                    let mut line = std::mem::replace(partial, rest);
                    line.pop();
                    self.spend(1)?;
                    let mut program = program
                        .try_borrow_mut()
                        .map_err(|_| Stop::new("a program writes to itself while it answers"))?;
                    answers.extend(program.answer(self, &line)?);
                }
            }
        }
        Ok(Ok(()))
    }

    /// Reads everything that is left.
    ///
    /// # Errors
    /// Data limits; an error of the kernel for a stream that is not for reading.
    pub fn read_to_end(&mut self, stream: &Stream) -> Sys<Bytes> {
        let data = match &mut *stream.0.borrow_mut() {
            Open::Null => Bytes::new(),
            Open::Input { data, at } => {
                let from = (*at).min(data.len());
                *at = data.len();
                data.slice(from..)
            }
            Open::Coprocess { answers, .. } => std::mem::take(answers).into(),
            Open::Terminal => return Err(Stop::new("it reads from the terminal")),
            Open::Collected(_) | Open::File { .. } => {
                return Ok(Err(super::Errno::BadDescriptor));
            }
        };
        self.spend_data(data.len())?;
        Ok(Ok(data))
    }

    /// Reads up to and including the next newline; empty at the end.
    ///
    /// # Errors
    /// As [`Machine::read_to_end`].
    pub fn read_line(&mut self, stream: &Stream) -> Sys<Vec<u8>> {
        self.spend(1)?;
        let upto = |data: &[u8]| {
            data.iter().position(|&b| b == b'\n').map_or(data.len(), |newline| newline + 1)
        };
        let line = match &mut *stream.0.borrow_mut() {
            Open::Null => Vec::new(),
            Open::Input { data, at } => {
                let rest = data.get(*at..).unwrap_or_default();
                let line = rest.get(..upto(rest)).unwrap_or_default().to_vec();
                *at += line.len();
                line
            }
            Open::Coprocess { answers, .. } => {
                let rest = answers.split_off(upto(answers));
                std::mem::replace(answers, rest)
            }
            Open::Terminal => return Err(Stop::new("it reads from the terminal")),
            Open::Collected(_) | Open::File { .. } => {
                return Ok(Err(super::Errno::BadDescriptor));
            }
        };
        Ok(Ok(line))
    }
}
