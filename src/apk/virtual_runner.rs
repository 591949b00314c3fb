//! Package scripts in the virtual shell: nothing of the image is executed.
//!
//! In comes a script that is due, from [`super::install`]; it is evaluated over the overlay with
//! the environment that apk gives to scripts: a path, the root as working directory, with apk 3
//! which script of which package it is, and nothing else (apk-tools 2.14 and 3.0,
//! `src/database.c`, `apk_db_run_script`). That links to busybox are its applets is in
//! [`super::commands`].

use std::sync::Arc;

use bstr::BString;

use super::apk_file::Script;
use super::install::{ScriptCall, ScriptRunner};
use imgfix_model::path::ImagePath;
use imgfix_repair::script_run::Ran;
use imgfix_shell::{Call, Descriptors, Environment, Machine, Settings, Stop, Stream, Table};
use imgfix_vfs::Overlay;

const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// What a script of apk 3 is called by: the number depends on what else is open. These are those
/// of an upgrade from one repository; before a package is unpacked its file is open too.
fn open_file(script: Option<Script>) -> &'static str {
    match script {
        Some(Script::PreInstall | Script::PreUpgrade) => "/proc/self/fd/8",
        _ => "/proc/self/fd/7",
    }
}

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

/// apk 2 calls scripts by a path relative to the root, apk 3 by that of an open file.
fn argv(script: &ScriptCall) -> Vec<BString> {
    match script.text {
        None => argv_of_file(script),
        Some(_) => argv_of(open_file(script.script).into(), script),
    }
}

/// The call of a script that is where its path says.
pub(super) fn argv_of_file(script: &ScriptCall) -> Vec<BString> {
    argv_of(BString::from(script.path.relative()), script)
}

fn argv_of(name: BString, script: &ScriptCall) -> Vec<BString> {
    let mut argv = vec![name];
    argv.extend(script.arguments.iter().map(|word| BString::from(word.as_str())));
    argv
}

/// What apk gives to scripts.
pub(super) fn environment(script: &ScriptCall) -> Environment {
    let told = script.variables.iter().map(|(name, value)| (*name, value.as_str()));
    let all = [("PATH", PATH)].into_iter().chain(told);
    all.map(|(name, value)| (name.into(), value.into())).collect()
}

impl ScriptRunner for VirtualRunner {
    fn run(&mut self, overlay: &mut Overlay, script: &ScriptCall) -> Result<Ran, Stop> {
        let call = Call {
            argv: argv(script),
            environment: environment(script),
            directory: ImagePath::root(),
            umask: 0o022,
            descriptors: Descriptors::standard(
                Stream::null(),
                Stream::terminal(),
                Stream::terminal(),
            ),
        };
        let run = |machine: &mut Machine| match &script.text {
            Some(text) => machine.execute_text(text.clone(), call),
            None => machine.execute(call),
        };
        let table = Arc::clone(&self.table);
        let (status, transcript) =
            Machine::borrow(overlay, self.settings.clone(), table, &script.package, run)?;
        Ok(Ran { status, transcript })
    }
}

#[cfg(test)]
mod tests {
    use super::super::commands;
    use super::*;
    use imgfix_vfs::{Entry, FileSystem as _, NoLayers, Tree};

    const SCRIPT: &str =
        "#!/bin/sh\necho \"$0 $1 ${APK_SCRIPT-none} ${APK_PACKAGE-none}\" > /out\n";

    #[test]
    fn scripts_know_themselves_by_what_their_apk_calls_them() {
        let path = ImagePath::literal("/lib/apk/exec/demo-1.post-upgrade");
        let told = |moment: &str| {
            let told = [("APK_SCRIPT", moment), ("APK_PACKAGE", "demo")];
            told.map(|(name, value)| (name, value.to_owned())).to_vec()
        };
        for (script, text, variables, want) in [
            (Script::PostUpgrade, None, vec![], "lib/apk/exec/demo-1.post-upgrade 1 none none\n"),
            (
                Script::PostUpgrade,
                Some(SCRIPT.into()),
                told("post-upgrade"),
                "/proc/self/fd/7 1 post-upgrade demo\n",
            ),
            (
                Script::PreUpgrade,
                Some(SCRIPT.into()),
                told("pre-upgrade"),
                "/proc/self/fd/8 1 pre-upgrade demo\n",
            ),
        ] {
            let file = (path.clone(), Entry::file(SCRIPT.as_bytes().to_vec(), 0o755, 0));
            let files = Some(file).filter(|_| text.is_none());
            let tree = Tree::from_entries(files, Arc::new(NoLayers));
            let mut overlay = Overlay::new(Arc::new(tree));
            let settings = Settings::new(0, "x86_64");
            let call = ScriptCall {
                script: Some(script),
                path: path.clone(),
                text,
                variables,
                arguments: vec!["1".to_owned()],
                package: "demo".to_owned(),
            };
            let mut runner = VirtualRunner::new(Arc::new(commands::table()), settings);
            assert_eq!(runner.run(&mut overlay, &call).unwrap().status, 0);
            let out = overlay.read(&ImagePath::literal("/out")).unwrap();
            assert_eq!(String::from_utf8_lossy(&out), want);
        }
    }
}
