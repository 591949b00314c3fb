//! Package scripts in the virtual shell, and those that cannot be evaluated there in a sandbox
//! (`--scripts sandbox`).
//!
//! In comes a script that is due, from [`super::install`]; out comes what it left, with the
//! same environment both ways.

use super::install::{ScriptCall, ScriptRunner};
use super::virtual_runner::{VirtualRunner, argv, environment};
use crate::packages::sandbox_fallback::SandboxFallback;
use crate::packages::script_run::Ran;
use crate::rootfs::Overlay;
use crate::scripts::Stop;
use crate::scripts::sandbox::{Command, Settings};

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
        let command =
            Command { argv: argv(call), environment: environment().into_iter().collect() };
        let evaluator = &mut self.evaluator;
        self.fallback.run(overlay, |overlay| evaluator.run(overlay, call), &command)
    }
}
