//! A package's script that is due, for any family: how it is called ([`ScriptCall`]), who runs it
//! ([`ScriptRunner`]), what comes of it ([`Ran`]), and the words for one that fails or cannot be
//! evaluated.

use bstr::BString;
use bytes::Bytes;

use imgfix_model::path::ImagePath;
use imgfix_shell::{Environment, Machine, Status, Stop};
use imgfix_vfs::Overlay;

/// One call of a script, as its package manager makes it. All of them call scripts in the root
/// directory, with nothing to read and with the terminal to write to.
pub trait ScriptCall {
    /// The package whose script it is.
    fn package(&self) -> &str;

    /// Where it is in the image while it runs.
    fn path(&self) -> &ImagePath;

    /// The name that it is called by where it lies at its path.
    fn name(&self) -> BString;

    /// What follows the name.
    fn arguments(&self) -> &[String];

    /// All of its environment.
    fn environment(&self) -> Environment;

    /// The script and the name that it is called by, when it is in memory and nothing lies at
    /// its path.
    fn in_memory(&self) -> Option<(&Bytes, BString)> {
        None
    }

    /// Evaluates it where its family does more than to start a script (rpm's Lua, what a trigger
    /// reads); `None` where it is a program like others.
    fn evaluate(&self, _machine: &mut Machine) -> Option<Status> {
        None
    }

    /// What a sandbox starts, the script being at its path.
    ///
    /// # Errors
    /// There is no program for it.
    fn command(&self) -> Result<Vec<BString>, Stop> {
        Ok(argv(self.name(), self))
    }
}

/// Name and arguments.
pub(crate) fn argv<C: ScriptCall + ?Sized>(name: BString, call: &C) -> Vec<BString> {
    let arguments = call.arguments().iter().map(|word| BString::from(word.as_str()));
    std::iter::once(name).chain(arguments).collect()
}

/// How scripts are run, of the family whose calls are `C`.
pub trait ScriptRunner<C> {
    /// Runs a script, with its effects in the overlay.
    ///
    /// # Errors
    /// It cannot be run; the overlay may then have part of its effects.
    fn run(&mut self, overlay: &mut Overlay, call: &C) -> Result<Ran, Stop>;
}

/// Runs nothing: a script that is due is a stop (`--scripts never`).
#[derive(Debug, Clone, Copy, Default)]
pub struct NoScripts;

impl<C: ScriptCall> ScriptRunner<C> for NoScripts {
    fn run(&mut self, _: &mut Overlay, call: &C) -> Result<Ran, Stop> {
        let arguments = call.arguments().join(" ");
        let why = format!("it would run with {arguments:?}, and scripts are not to be run");
        Err(Stop::new(why).at(call.path().to_string(), 0))
    }
}

/// What a script that was run to its end left behind, besides the overlay.
#[derive(Debug, Clone, Default)]
pub struct Ran {
    /// Its exit status; 0 is success.
    pub status: u8,
    /// What it wrote to its terminal.
    pub transcript: Vec<u8>,
}

/// What an installation says of a script that kept it from being done.
#[must_use]
pub fn sentence(
    package: &str,
    activated_by: Option<&str>,
    script: &str,
    line: Option<u32>,
    detail: &str,
) -> String {
    let line = line.map(|line| format!(" line {line}")).unwrap_or_default();
    let by = activated_by.map(|by| format!(" (a trigger that {by} activates)")).unwrap_or_default();
    format!("{package}'s {script}{line}{by}: {detail}")
}

/// What keeps a script from having done its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The line of the script, from 1.
    pub line: Option<u32>,
    /// What the virtual shell does not have, or how the script failed.
    pub detail: String,
    /// As in [`Stop`].
    pub is_of_this_machine: bool,
}

impl From<Stop> for Trouble {
    /// The place in the script that the package manager called is the line; the places inside
    /// are told with the detail.
    fn from(stop: Stop) -> Self {
        let line = stop.outermost().map(|place| place.line).filter(|line| *line > 0);
        let is_of_this_machine = stop.is_of_this_machine;
        let inner = stop.places.len().saturating_sub(1);
        let shown = Stop { places: stop.places.into_iter().take(inner).collect(), ..stop };
        Self { line, detail: shown.to_string(), is_of_this_machine }
    }
}

impl Ran {
    /// What is wrong with it: an exit status other than 0, and the last that it said.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        if self.status == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&self.transcript);
        let said = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let said: String = said.chars().filter(|c| !c.is_control()).take(200).collect();
        let detail = match said.is_empty() {
            true => format!("it fails with exit status {}", self.status),
            false => format!("it fails with exit status {}: {said}", self.status),
        };
        Some(Trouble { line: None, detail, is_of_this_machine: false })
    }
}
