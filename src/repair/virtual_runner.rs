//! Scripts of packages in the virtual shell, for any family: nothing of the image is executed.
//!
//! In comes a call of a script, as the family makes it; the script is evaluated over the overlay,
//! with the family's commands.

use std::sync::Arc;

use bstr::BString;

use super::script_run::{Ran, ScriptCall, ScriptRunner, argv};
use imgfix_model::path::ImagePath;
use imgfix_shell::{Call, Descriptors, Environment, Machine, Settings, Stop, Stream, Table};
use imgfix_vfs::Overlay;

/// Evaluates scripts with a table of commands.
#[derive(Clone)]
pub struct VirtualRunner {
    table: Arc<Table>,
    settings: Settings,
}

impl VirtualRunner {
    /// Evaluates with these commands, in a machine with these settings.
    #[must_use]
    pub fn new(table: Arc<Table>, settings: Settings) -> Self {
        Self { table, settings }
    }

    /// Gives the overlay to a machine for the time of `work`, which is done for `package`: what
    /// comes of it, and what was written to the terminal.
    ///
    /// # Errors
    /// The stop that `work` comes to.
    pub fn on_machine<T>(
        &self,
        overlay: &mut Overlay,
        package: &str,
        work: impl FnOnce(&mut Machine) -> Result<T, Stop>,
    ) -> Result<(T, Vec<u8>), Stop> {
        let table = Arc::clone(&self.table);
        Machine::borrow(overlay, self.settings.clone(), table, package, work)
    }
}

/// A program that a package manager calls, with the manager's terminal as its own.
#[must_use]
pub fn program(argv: Vec<BString>, environment: Environment) -> Call {
    let terminal = Stream::terminal;
    Call {
        argv,
        environment,
        directory: ImagePath::root(),
        umask: 0o022,
        descriptors: Descriptors::standard(Stream::null(), terminal(), terminal()),
    }
}

impl<C: ScriptCall> ScriptRunner<C> for VirtualRunner {
    fn run(&mut self, overlay: &mut Overlay, call: &C) -> Result<Ran, Stop> {
        let called = |name| program(argv(name, call), call.environment());
        let work = |machine: &mut Machine| match (call.evaluate(machine), call.in_memory()) {
            (Some(status), _) => status,
            (None, Some((text, name))) => machine.execute_text(text.clone(), called(name)),
            (None, None) => machine.execute(called(call.name())),
        };
        let (status, transcript) = self.on_machine(overlay, call.package(), work)?;
        Ok(Ran { status, transcript })
    }
}
