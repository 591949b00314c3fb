//! Running packages' scripts at apk's moments, with apk's arguments.
//!
//! In come the state of a run and which script of which package is due; the script is handed to
//! a [`ScriptRunner`](script_run::ScriptRunner), which decides how it is run. Source: apk-tools
//! 2.14, `src/package.c` (`apk_ipkg_run_script`), `src/database.c` (`apk_db_run_script`), `src/commit.c`
//! (`run_triggers`); apk 3 has them in memory, and tells them which they are (the same in 3.0).

use std::collections::BTreeMap;

use bstr::BString;
use bytes::Bytes;

use super::super::apk_file::Script;
use super::ownership::PackageKey;
use super::{InstallError, Run};
use imgfix_model::effects::EffectKind;
use imgfix_model::path::ImagePath;
use imgfix_repair::script_run::{self, Ran, Trouble};
use imgfix_shell::Environment;
use imgfix_versions::apk::Version;
use imgfix_versions::apk::generation::Generation;
use imgfix_vfs::{Entry, FileSystem};

/// One call of a script.
#[derive(Debug, Clone)]
pub struct ScriptCall {
    /// `None`: one of the image's own commit hooks.
    pub script: Option<Script>,
    /// Where it is in the image while it runs.
    pub path: ImagePath,
    /// The script, when there is nothing at that path: apk 3 has it in memory.
    pub text: Option<Bytes>,
    /// What apk says in the environment, besides where programs are.
    pub variables: Vec<(&'static str, String)>,
    /// After the name that the script is called by.
    pub arguments: Vec<String>,
    /// The name of the package whose script it is; empty for a commit hook.
    pub package: String,
}

const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// What a script of apk 3 is called by: the number depends on what else is open. These are those
/// of an upgrade from one repository; before a package is unpacked its file is open too.
fn open_file(script: Option<Script>) -> &'static str {
    match script {
        Some(Script::PreInstall | Script::PreUpgrade) => "/proc/self/fd/8",
        _ => "/proc/self/fd/7",
    }
}

/// apk gives scripts a path, the root as working directory, with apk 3 which script of which
/// package it is, and nothing else (apk-tools 2.14 and 3.0, `src/database.c`,
/// `apk_db_run_script`). apk 2 calls them by a path relative to the root, apk 3 by that of an open
/// file.
impl script_run::ScriptCall for ScriptCall {
    fn package(&self) -> &str {
        &self.package
    }

    fn path(&self) -> &ImagePath {
        &self.path
    }

    fn name(&self) -> BString {
        BString::from(self.path.relative())
    }

    fn arguments(&self) -> &[String] {
        &self.arguments
    }

    fn environment(&self) -> Environment {
        let told = self.variables.iter().map(|(name, value)| (*name, value.as_str()));
        let all = [("PATH", PATH)].into_iter().chain(told);
        all.map(|(name, value)| (name.into(), value.into())).collect()
    }

    fn in_memory(&self) -> Option<(&Bytes, BString)> {
        self.text.as_ref().map(|text| (text, open_file(self.script).into()))
    }
}

/// Where scripts are while they run, with the mode that apk makes the folder with.
const FOLDER: (&str, u32) = ("/lib/apk/exec", 0o700);
/// The same before apk 2.12.10.
const OLD_FOLDER: (&str, u32) = ("/var/cache/misc", 0o755);
const NEW_FOLDER_SINCE: &str = "2.12.10";
/// The image's own programs to be run before and after everything. Those of an earlier folder
/// hide those of the same name in a later one.
const HOOKS: &[&str] = &["/etc/apk/commit_hooks.d"];
/// The same of apk 3.
const HOOKS_OF_APK_3: &[&str] = &["/etc/apk/commit_hooks.d", "/lib/apk/commit_hooks.d"];

/// When a commit hook is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    Before,
    After,
}

/// Where an apk of this version has scripts while they run.
pub(super) fn folder(apk: Option<&Version>) -> (ImagePath, u32) {
    let is_old = apk.is_some_and(|apk| apk.is_before(NEW_FOLDER_SINCE));
    let (path, mode) = if is_old { OLD_FOLDER } else { FOLDER };
    (ImagePath::literal(path), mode)
}

impl Run<'_> {
    /// Runs a package's script, if it has one and this image's scripts are run at all.
    pub(super) fn run_script(
        &mut self,
        key: PackageKey,
        script: Script,
        arguments: &[String],
    ) -> Result<(), InstallError> {
        let Some(package) = self.ownership.get(key).filter(|_| self.scripts.is_some()) else {
            return Ok(());
        };
        let Some(text) = package.scripts.get(&script).cloned() else { return Ok(()) };
        let name = format!("{}-{}.{}", package.record.name, package.record.version, script.name());
        let package = package.name().to_owned();
        let (path, text) = match self.database.generation {
            Generation::Apk2 => (self.place_script(&package, &name, text)?, None),
            Generation::Apk3 => (self.script_path(&package, &name)?, Some(text)),
        };
        let variables = self.variables(script.name(), Some(&package));
        let call = ScriptCall {
            script: Some(script),
            path,
            text,
            variables,
            arguments: arguments.to_vec(),
            package,
        };
        let error = |trouble: Trouble| InstallError::Script {
            package: call.package.clone(),
            activated_by: None,
            script: script.name().to_owned(),
            line: trouble.line,
            detail: trouble.detail,
            is_of_this_machine: trouble.is_of_this_machine,
        };
        let (ran, changed) = self.call(&call).map_err(error)?;
        if let Some(trouble) = ran.trouble() {
            return Err(error(trouble));
        }
        let arguments = arguments.to_vec();
        let kind = EffectKind::ScriptRan { script: script.name().to_owned(), arguments, changed };
        self.tell(key, kind);
        if call.text.is_none() {
            let real = self.overlay.resolve_parent(&call.path)?;
            self.overlay.remove(&real);
        }
        Ok(())
    }

    /// What apk says to a script in its environment: apk 2 nothing.
    fn variables(&self, moment: &str, package: Option<&str>) -> Vec<(&'static str, String)> {
        let known = [("APK_SCRIPT", Some(moment)), ("APK_PACKAGE", package)];
        match self.database.generation {
            Generation::Apk2 => Vec::new(),
            Generation::Apk3 => known
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?.to_owned())))
                .collect(),
        }
    }

    /// Where a script is while it runs.
    fn script_path(&self, package: &str, name: &str) -> Result<ImagePath, InstallError> {
        self.script_folder.0.join(name.as_bytes()).map_err(|error| InstallError::Package {
            package: package.to_owned(),
            problem: error.to_string(),
        })
    }

    /// Puts a script where it can be run from.
    fn place_script(
        &mut self,
        package: &str,
        name: &str,
        text: Bytes,
    ) -> Result<ImagePath, InstallError> {
        let time = self.options.timestamp;
        let (folder, mode) = self.script_folder.clone();
        let real = self.overlay.resolve(&folder)?;
        if self.overlay.lstat(&real).is_none() {
            self.overlay.set(real, Entry::directory(mode, time))?;
        }
        let path = self.script_path(package, name)?;
        let real = self.overlay.resolve_parent(&path)?;
        self.overlay.set(real, Entry::file(text, 0o755, time))?;
        Ok(path)
    }

    /// Hands a script over; with what it comes to comes what it changed outside apk's own folder.
    fn call(&mut self, call: &ScriptCall) -> Result<(Ran, Vec<ImagePath>), Trouble> {
        let Some(scripts) = &mut self.scripts else { return Ok((Ran::default(), Vec::new())) };
        self.overlay.watch();
        let ran = scripts.run(&mut self.overlay, call)?;
        let mut changed = self.overlay.watched();
        changed.retain(|path| !path.starts_with(&self.script_folder.0));
        self.accounts.forget();
        Ok((ran, changed))
    }

    /// Runs the image's commit hooks. apk does not mind if those after everything fail.
    pub(super) fn run_hooks(&mut self, moment: Moment) -> Result<(), InstallError> {
        if self.scripts.is_none() {
            return Ok(());
        }
        let argument = match moment {
            Moment::Before => "pre-commit",
            Moment::After => "post-commit",
        };
        for path in self.hooks()? {
            let call = ScriptCall {
                script: None,
                path,
                text: None,
                variables: self.variables(argument, None),
                arguments: vec![argument.to_owned()],
                package: String::new(),
            };
            let error = |trouble: Trouble| InstallError::Hook {
                path: call.path.clone(),
                detail: trouble.detail,
            };
            let (ran, _) = self.call(&call).map_err(error)?;
            if let (Moment::Before, Some(trouble)) = (moment, ran.trouble()) {
                return Err(error(trouble));
            }
        }
        Ok(())
    }

    /// The image's commit hooks, by name.
    fn hooks(&self) -> Result<Vec<ImagePath>, InstallError> {
        let folders = match self.database.generation {
            Generation::Apk2 => HOOKS,
            Generation::Apk3 => HOOKS_OF_APK_3,
        };
        let mut hooks: BTreeMap<Vec<u8>, ImagePath> = BTreeMap::new();
        for folder in folders.iter().map(|folder| ImagePath::literal(folder)) {
            for path in self.overlay.read_dir(&self.overlay.resolve(&folder)?) {
                let name = path.file_name().to_vec();
                if !name.starts_with(b".") {
                    let path = folder.join(&name).unwrap_or(path);
                    hooks.entry(name).or_insert(path);
                }
            }
        }
        Ok(hooks.into_values().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::super::commands;
    use super::*;
    use imgfix_repair::script_run::ScriptRunner as _;
    use imgfix_repair::virtual_runner::VirtualRunner;
    use imgfix_shell::Settings;
    use imgfix_vfs::{NoLayers, Overlay, Tree};

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
