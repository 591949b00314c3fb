//! Maintainer scripts in the virtual shell, and those that cannot be evaluated there in a
//! sandbox, where the image's own programs run cut off from this machine
//! (`--scripts sandbox`).
//!
//! In comes a script that is due, from [`imgfix_dpkg::install`]; out comes what it left, with the
//! same environment both ways.

use bstr::BString;

use super::virtual_runner::{VirtualRunner, environment};
use imgfix_dpkg::deb::DebControl;
use imgfix_dpkg::install::{ScriptCall, ScriptRunner};
use imgfix_repair::sandbox_fallback::SandboxFallback;
use imgfix_repair::script_run::Ran;
use imgfix_shell::Stop;
use imgfix_shell::sandbox::{Command, Settings};
use imgfix_vfs::Overlay;

/// Runs scripts, in a sandbox where they cannot be evaluated.
pub struct SandboxRunner {
    evaluator: VirtualRunner,
    fallback: SandboxFallback,
}

impl SandboxRunner {
    #[must_use]
    pub fn new(evaluator: VirtualRunner, settings: Settings) -> Self {
        Self { evaluator, fallback: SandboxFallback::new(settings) }
    }
}

impl ScriptRunner for SandboxRunner {
    fn run(&mut self, overlay: &mut Overlay, call: &ScriptCall) -> Result<Ran, Stop> {
        let mut argv = vec![BString::from(call.path.as_bytes())];
        argv.extend(call.arguments.iter().map(|word| BString::from(word.as_str())));
        let command = Command { argv, environment: environment(call).into_iter().collect() };
        let evaluator = &mut self.evaluator;
        self.fallback.run(overlay, |overlay| evaluator.run(overlay, call), &command)
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
