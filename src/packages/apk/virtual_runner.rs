//! Package scripts in the virtual shell: nothing of the image is executed.
//!
//! In comes a script that is due, from [`super::install`]; it is evaluated over the overlay with
//! the environment that apk gives to scripts: a path, the root as working directory, and nothing
//! else (apk-tools 2.14, `src/database.c`, `apk_db_run_script`). That links to busybox are its
//! applets is in [`super::commands`].

use std::sync::Arc;

use bstr::BString;

use super::install::{ScriptCall, ScriptRunner};
use crate::packages::script_run::Ran;
use crate::rootfs::{ImagePath, Overlay};
use crate::scripts::{Call, Descriptors, Environment, Machine, Settings, Stop, Stream, Table};

const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Evaluates scripts with a table of commands.
pub struct VirtualRunner {
    table: Arc<Table>,
    settings: Settings,
}

impl VirtualRunner {
    #[must_use]
    pub fn new(table: Arc<Table>, settings: Settings) -> Self {
        Self { table, settings }
    }
}

/// apk calls scripts by a path relative to the root.
pub(super) fn argv(script: &ScriptCall) -> Vec<BString> {
    let mut argv = vec![BString::from(script.path.relative())];
    argv.extend(script.arguments.iter().map(|word| BString::from(word.as_str())));
    argv
}

/// What apk gives to scripts.
pub(super) fn environment() -> Environment {
    Environment::from([("PATH".into(), PATH.into())])
}

impl ScriptRunner for VirtualRunner {
    fn run(&mut self, overlay: &mut Overlay, script: &ScriptCall) -> Result<Ran, Stop> {
        let call = Call {
            argv: argv(script),
            environment: environment(),
            directory: ImagePath::root(),
            umask: 0o022,
            descriptors: Descriptors::standard(
                Stream::null(),
                Stream::terminal(),
                Stream::terminal(),
            ),
        };
        let run = |machine: &mut Machine| machine.execute(call);
        let table = Arc::clone(&self.table);
        let (status, transcript) =
            Machine::borrow(overlay, self.settings.clone(), table, &script.package, run)?;
        Ok(Ran { status, transcript })
    }
}
