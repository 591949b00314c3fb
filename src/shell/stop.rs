//! [`Stop`]: why and where a script cannot be evaluated.

use std::fmt;

/// A line of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptLine {
    /// The script's name for a person: `postinst`, or its path in the image.
    pub script: String,
    /// From 1; 0 when the script as a whole is meant.
    pub line: u32,
}

/// Evaluation ended without a result: the script needs something that the virtual machine
/// does not have, or uses something that is not evaluated faithfully.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Stop {
    /// What was needed, in words that follow "cannot be evaluated:".
    pub detail: String,
    /// The scripts that were being evaluated, the innermost first.
    pub places: Vec<ScriptLine>,
    /// A file of this machine could not be read or written: no fault of the script's, and no
    /// reason to leave its package alone.
    pub is_of_this_machine: bool,
}

impl Stop {
    /// A stop for what a script needs; where it is said comes with [`Stop::at`].
    #[must_use]
    pub fn new(detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), places: Vec::new(), is_of_this_machine: false }
    }

    /// The stop that an error makes, which may be this machine's.
    #[must_use]
    pub fn from_error(
        detail: impl Into<String>,
        error: &(dyn std::error::Error + 'static),
    ) -> Self {
        let is_of_this_machine = imgfix_vfs::fault::is_of_this_machine(error);
        Self { is_of_this_machine, ..Self::new(detail) }
    }

    /// This stop, seen from the script that it passes through on its way out.
    #[must_use]
    pub fn at(mut self, script: impl Into<String>, line: u32) -> Self {
        self.places.push(ScriptLine { script: script.into(), line });
        self
    }

    /// The place in the outermost script: the one the package manager called.
    #[must_use]
    pub fn outermost(&self) -> Option<&ScriptLine> {
        self.places.last()
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)?;
        for ScriptLine { script, line } in &self.places {
            match line {
                0 => write!(f, ", in {script}")?,
                line => write!(f, ", in {script} line {line}")?,
            }
        }
        Ok(())
    }
}
