//! Maintainer scripts in the virtual shell, and those that cannot be evaluated there in a
//! sandbox, where the image's own programs run cut off from this machine
//! (`--scripts sandbox`).
//!
//! In comes a script that is due, from [`super::install`]; out comes what it left, with the
//! same environment both ways.

use bstr::BString;

use super::deb::DebControl;
use super::install::{Ran, ScriptCall, ScriptRunner};
use super::virtual_runner::{VirtualRunner, environment};
use crate::rootfs::Overlay;
use crate::scripts::Stop;
use crate::scripts::sandbox::{Command, Sandbox, Settings};

/// Runs scripts, in a sandbox where they cannot be evaluated. It is made when the first one
/// needs it.
pub struct SandboxRunner {
    evaluator: VirtualRunner,
    settings: Settings,
    sandbox: Option<Sandbox>,
}

impl SandboxRunner {
    #[must_use]
    pub fn new(evaluator: VirtualRunner, settings: Settings) -> Self {
        Self { evaluator, settings, sandbox: None }
    }

    fn run_inside(&mut self, overlay: &mut Overlay, call: &ScriptCall) -> Result<Ran, Stop> {
        let mut argv = vec![BString::from(call.path.as_bytes())];
        argv.extend(call.arguments.iter().map(|word| BString::from(word.as_str())));
        let command = Command { argv, environment: environment(call).into_iter().collect() };
        let sandbox = match &mut self.sandbox {
            Some(sandbox) => sandbox,
            none => none.insert(Sandbox::new(self.settings.clone())?),
        };
        let finished = sandbox.run(overlay, &command)?;
        Ok(Ran { status: finished.status, transcript: finished.transcript })
    }
}

impl ScriptRunner for SandboxRunner {
    fn run(&mut self, overlay: &mut Overlay, call: &ScriptCall) -> Result<Ran, Stop> {
        let before = overlay.clone();
        let stop = match self.evaluator.run(overlay, call) {
            Ok(ran) => return Ok(ran),
            Err(stop) => stop,
        };
        *overlay = before;
        self.run_inside(overlay, call).map_err(|inside| Stop {
            detail: format!("{}; in a sandbox: {}", stop.detail, inside.detail),
            ..stop
        })
    }

    /// Questions that cannot be asked now are asked by the scripts themselves, as when apt has
    /// no `dpkg-preconfigure`.
    fn preconfigure(
        &mut self,
        overlay: &mut Overlay,
        packages: &[&DebControl],
    ) -> Result<(), Stop> {
        let before = overlay.clone();
        if self.evaluator.preconfigure(overlay, packages).is_err() {
            *overlay = before;
        }
        Ok(())
    }
}
