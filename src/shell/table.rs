//! [`Table`]: the commands that scripts of a family may call, by name.

use std::collections::BTreeMap;

use super::{Process, Status};

/// A command: reads its call from the process, returns its exit status.
pub type Command = fn(&mut Process<'_>) -> Status;

/// Commands by the name they are called by: without directories (`grep`) or, for programs
/// outside `PATH`, as an absolute path (`/usr/share/debconf/frontend`).
///
/// A command in the table stands for the image's program of that name: it is run when the
/// image has such a program, and only then. A program of the image that is not in the table
/// is evaluated when it is a shell script, and a stop otherwise.
#[derive(Default, Clone)]
pub struct Table(BTreeMap<&'static str, Command>);

impl Table {
    /// No commands.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// This table with more commands; the later of two with one name counts.
    #[must_use]
    pub fn with(mut self, commands: &[(&'static str, Command)]) -> Self {
        self.0.extend(commands.iter().copied());
        self
    }

    /// The command that is called by this name; `None` when none is known.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<Command> {
        std::str::from_utf8(name).ok().and_then(|name| self.0.get(name)).copied()
    }
}
