//! Scripts that cannot be evaluated, run in a sandbox instead, where the image's own programs
//! run cut off from this machine (`--scripts sandbox`), for any family.
//!
//! In come a way to evaluate a script and the command that runs it; out comes what either left.

use super::script_run::Ran;
use imgfix_shell::Stop;
use imgfix_shell::sandbox::{Command, Sandbox, Settings};
use imgfix_vfs::Overlay;

/// Runs scripts, in a sandbox where they cannot be evaluated. It is made when the first one
/// needs it.
pub struct SandboxFallback {
    settings: Settings,
    sandbox: Option<Sandbox>,
}

impl SandboxFallback {
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, sandbox: None }
    }

    /// Evaluates a script; after a stop the overlay is as it was, and `command` is run.
    ///
    /// # Errors
    /// It can be neither evaluated nor run.
    pub fn run(
        &mut self,
        overlay: &mut Overlay,
        evaluate: impl FnOnce(&mut Overlay) -> Result<Ran, Stop>,
        command: &Command,
    ) -> Result<Ran, Stop> {
        let before = overlay.clone();
        let stop = match evaluate(overlay) {
            Ok(ran) => return Ok(ran),
            // no script's fault, and a sandbox's files would be on the same disk
            Err(stop) if stop.is_of_this_machine => return Err(stop),
            Err(stop) => stop,
        };
        *overlay = before;
        self.run_inside(overlay, command).map_err(|inside| Stop {
            detail: format!("{}; in a sandbox: {}", stop.detail, inside.detail),
            is_of_this_machine: inside.is_of_this_machine,
            ..stop
        })
    }

    fn run_inside(&mut self, overlay: &mut Overlay, command: &Command) -> Result<Ran, Stop> {
        let sandbox = match &mut self.sandbox {
            Some(sandbox) => sandbox,
            none => none.insert(Sandbox::new(self.settings.clone())?),
        };
        let finished = sandbox.run(overlay, command)?;
        Ok(Ran { status: finished.status, transcript: finished.transcript })
    }
}
