//! Running packages' scripts at apk's moments, with apk's arguments.
//!
//! In come the state of a run and which script of which package is due; the script is handed to
//! a [`ScriptRunner`], which decides how it is run. Source: apk-tools 2.14, `src/package.c`
//! (`apk_ipkg_run_script`), `src/database.c` (`apk_db_run_script`), `src/commit.c`
//! (`run_triggers`).

use super::super::apk_file::Script;
use crate::packages::script_run::Ran;
use crate::rootfs::{ImagePath, Overlay};
use crate::scripts::Stop;

/// One call of a script.
#[derive(Debug, Clone)]
pub struct ScriptCall {
    /// `None`: one of the image's own commit hooks.
    pub script: Option<Script>,
    /// Where it is in the image while it runs.
    pub path: ImagePath,
    /// After the name that the script is called by.
    pub arguments: Vec<String>,
    pub package: String,
}

/// How scripts are run.
pub trait ScriptRunner {
    /// Runs a script, with its effects in the overlay.
    ///
    /// # Errors
    /// It cannot be run; the overlay may then have part of its effects.
    fn run(&mut self, overlay: &mut Overlay, call: &ScriptCall) -> Result<Ran, Stop>;
}

/// Runs nothing: a script that is due is a stop (`--scripts never`).
#[derive(Debug, Clone, Copy, Default)]
pub struct NoScripts;

impl ScriptRunner for NoScripts {
    fn run(&mut self, _: &mut Overlay, call: &ScriptCall) -> Result<Ran, Stop> {
        let arguments = call.arguments.join(" ");
        Err(Stop::new(format!("it would run with {arguments:?}, and scripts are not to be run"))
            .at(call.path.to_string(), 0))
    }
}
