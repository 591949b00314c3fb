//! [`Scripts`]: how the scripts of a try are run, from what the user wants (`--scripts`).
//!
//! In come a family's commands and the edge; out comes a runner of the family's calls.

use std::sync::Arc;

use super::edge::{Edge, ScriptsMode};
use super::error::RepairerError;
use super::package_manager::{sandbox_settings, script_resources};
use super::sandbox_runner::SandboxRunner;
use super::script_run::{NoScripts, ScriptCall, ScriptRunner};
use super::virtual_runner::VirtualRunner;
use imgfix_shell::{Settings, Table, sandbox};

/// How the scripts of one try are run, as the user wants it.
pub struct Scripts {
    evaluator: VirtualRunner,
    sandbox: sandbox::Settings,
    /// What the user wants of them.
    pub mode: ScriptsMode,
}

impl Scripts {
    /// With a family's commands, for an image of this architecture in the family's words.
    ///
    /// # Errors
    /// There is no room for what scripts write.
    pub fn new(
        table: Table,
        architecture: &str,
        timestamp: i64,
        edge: &Edge,
    ) -> Result<Self, RepairerError> {
        let resources = script_resources(edge)?;
        let sandbox = sandbox_settings(timestamp, edge, resources.clone());
        let settings = Settings::new(timestamp, architecture).with(resources);
        let evaluator = VirtualRunner::new(Arc::new(table), settings);
        Ok(Self { evaluator, sandbox, mode: edge.scripts })
    }

    /// What evaluates them, whatever the mode: for programs that a family calls by itself.
    #[must_use]
    pub fn evaluator(&self) -> &VirtualRunner {
        &self.evaluator
    }

    /// A runner for the mode, with nothing of another one's state.
    #[must_use]
    pub fn runner<C: ScriptCall>(&self) -> Box<dyn ScriptRunner<C> + Send> {
        let evaluator = || self.evaluator.clone();
        match self.mode {
            ScriptsMode::Never => Box::new(NoScripts),
            ScriptsMode::Virtual => Box::new(evaluator()),
            ScriptsMode::Sandbox => Box::new(SandboxRunner::new(evaluator(), self.sandbox.clone())),
        }
    }
}
