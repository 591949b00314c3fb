//! Running maintainer scripts at dpkg's moments, with dpkg's arguments.
//!
//! In come the state of a run and which script of which package is due; the script is handed
//! to a [`ScriptRunner`](imgfix_repair::script_run::ScriptRunner), which decides how it is run.
//! The order, the fall-backs and what is read again afterwards are those of dpkg's `src/main/script.c` and `unpack.c`. What dpkg does
//! when a script fails for good is to go back step by step; here the whole set is given up,
//! and the overlay is as it was.

use bstr::BString;
use bytes::Bytes;

use super::super::deb::DebControl;
use super::super::diversions::Diversions;
use super::super::statoverride::Overrides;
use super::database::{damaged, file, info_file};
use super::{InstallError, Run};
use imgfix_model::effects::EffectKind;
use imgfix_model::path::ImagePath;
use imgfix_repair::script_run::{self, Ran, Trouble};
use imgfix_shell::Environment;
use imgfix_vfs::{Accounts, Entry, FileSystem, Overlay, RootfsError};

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A maintainer script by its name in the package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Script {
    /// Before the payload is unpacked.
    Preinst,
    /// When the package is configured, and for its triggers.
    Postinst,
    /// Before the former version's files are replaced.
    Prerm,
    /// After the former version's files are replaced.
    Postrm,
}

impl Script {
    /// The file's name in the control archive.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Preinst => "preinst",
            Self::Postinst => "postinst",
            Self::Prerm => "prerm",
            Self::Postrm => "postrm",
        }
    }
}

/// One call of a script.
#[derive(Debug, Clone)]
pub struct ScriptCall {
    /// Which of the four.
    pub script: Script,
    /// Where it is in the image while it runs.
    pub path: ImagePath,
    /// `upgrade 1.2-3`, without the script's name.
    pub arguments: Vec<String>,
    /// The binary package that the script belongs to.
    pub package: String,
    /// The package's own, for `$DPKG_MAINTSCRIPT_ARCH`.
    pub architecture: String,
    /// How many instances of the package are installed.
    pub instances: usize,
    /// The version of the image's dpkg.
    pub dpkg_version: String,
}

impl ScriptCall {
    /// What apt's and dpkg's own environment has in an image build, for whatever they call
    /// (`src/main/script.c`, and apt's noninteractive use).
    #[must_use]
    pub fn base_environment() -> Environment {
        let pairs = [
            ("PATH", PATH),
            ("HOME", "/root"),
            ("LC_ALL", "C.UTF-8"),
            ("DEBIAN_FRONTEND", "noninteractive"),
            ("DPKG_FRONTEND_LOCKED", "true"),
            ("DPKG_ADMINDIR", "/var/lib/dpkg"),
            ("DPKG_ROOT", ""),
            ("DPKG_COLORS", "never"),
        ];
        pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
    }
}

impl script_run::ScriptCall for ScriptCall {
    fn package(&self) -> &str {
        &self.package
    }

    fn path(&self) -> &ImagePath {
        &self.path
    }

    fn name(&self) -> BString {
        BString::from(self.path.as_bytes())
    }

    fn arguments(&self) -> &[String] {
        &self.arguments
    }

    fn environment(&self) -> Environment {
        let mut environment = Self::base_environment();
        let instances = self.instances.to_string();
        let own: [(&str, &str); 6] = [
            ("DPKG_MAINTSCRIPT_PACKAGE", &self.package),
            ("DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT", &instances),
            ("DPKG_MAINTSCRIPT_ARCH", &self.architecture),
            ("DPKG_MAINTSCRIPT_NAME", self.script.name()),
            ("DPKG_MAINTSCRIPT_DEBUG", "0"),
            ("DPKG_RUNNING_VERSION", &self.dpkg_version),
        ];
        environment.extend(own.map(|(name, value)| (BString::from(name), BString::from(value))));
        environment
    }
}

/// Where the control members of a package are while it is being unpacked.
const NEW_CONTROL: &str = "tmp.ci";

impl Run<'_> {
    /// Puts the new package's control members where its scripts look for them.
    pub(super) fn place_new_control(&mut self, control: &DebControl) -> Result<(), InstallError> {
        // (debconf reads the package's name there.)
        let text = control.stanza.text().to_vec();
        let path = self.overlay.resolve_parent(&new_control("control"))?;
        self.overlay.set(path, Entry::file(text, 0o644, self.options.timestamp))?;
        for (name, member) in &control.members {
            let mut entry = self.member_entry(member);
            if [Script::Preinst, Script::Prerm, Script::Postrm].iter().any(|s| s.name() == name) {
                entry.mode = executable(entry.mode);
            }
            let path = self.overlay.resolve_parent(&new_control(name))?;
            self.overlay.set(path, entry)?;
        }
        Ok(())
    }

    pub(super) fn remove_new_control(&mut self) -> Result<(), InstallError> {
        let folder = self.overlay.resolve_parent(&file(NEW_CONTROL))?;
        self.overlay.remove(&folder);
        Ok(())
    }

    /// Runs a script of the installed version; nothing when it has none. What a `postinst` has
    /// triggered is taken over by the caller, once the package's new state is noted: it may be
    /// interested in that itself.
    pub(super) fn run_installed(
        &mut self,
        place: usize,
        script: Script,
        arguments: Vec<String>,
    ) -> Result<(), InstallError> {
        let path = self.installed_script(place, script)?;
        let Some(path) = path else { return Ok(()) };
        let call = self.call(place, script, path, arguments);
        match self.run_script(&call)?.trouble() {
            None if script == Script::Postinst => Ok(()),
            None => self.incorporate_triggers(),
            Some(trouble) => Err(error(&call, trouble)),
        }
    }

    /// Runs a script of the new version; nothing when it has none.
    pub(super) fn run_new(
        &mut self,
        place: Option<usize>,
        control: &DebControl,
        script: Script,
        arguments: Vec<String>,
    ) -> Result<(), InstallError> {
        if control.member(script.name()).is_none() {
            return Ok(());
        }
        let mut call =
            self.call(place.unwrap_or(usize::MAX), script, new_control(script.name()), arguments);
        control.name().to_ascii_lowercase().clone_into(&mut call.package);
        control.architecture().clone_into(&mut call.architecture);
        match self.run_script(&call)?.trouble() {
            None => self.incorporate_triggers(),
            Some(trouble) => Err(error(&call, trouble)),
        }
    }

    /// Runs a script of the installed version with `upgrade`; when it fails, the new
    /// version's with `failed-upgrade`.
    pub(super) fn run_installed_or_new(
        &mut self,
        place: usize,
        control: &DebControl,
        script: Script,
    ) -> Result<(), InstallError> {
        let path = self.installed_script(place, script)?;
        let Some(path) = path else { return Ok(()) };
        let call = self.call(place, script, path, vec!["upgrade".into(), control.version().into()]);
        let Some(trouble) = self.run_script(&call)?.trouble() else {
            return self.incorporate_triggers();
        };
        if control.member(script.name()).is_none() {
            return Err(error(&call, trouble));
        }
        let former = self.database.entry(place).map(|entry| entry.version().to_owned());
        let arguments =
            vec!["failed-upgrade".into(), former.unwrap_or_default(), control.version().into()];
        self.run_new(Some(place), control, script, arguments)
    }

    /// The installed version's script, made executable as dpkg makes it.
    fn installed_script(
        &mut self,
        place: usize,
        script: Script,
    ) -> Result<Option<ImagePath>, InstallError> {
        let Some(entry) = self.database.entry(place) else { return Ok(None) };
        let stem = super::database::info_stem(&self.overlay, entry);
        let path = info_file(&stem, script.name());
        let real = self.overlay.resolve(&path)?;
        let Some(mode) = self.overlay.lstat(&real).map(|entry| entry.mode) else { return Ok(None) };
        if mode & 0o555 != 0o555 {
            self.overlay.modify(&real, |entry| entry.mode = executable(mode))?;
        }
        Ok(Some(path))
    }

    fn call(
        &self,
        place: usize,
        script: Script,
        path: ImagePath,
        arguments: Vec<String>,
    ) -> ScriptCall {
        let entry = self.database.entry(place);
        let package = entry.map(|entry| entry.name.clone()).unwrap_or_default();
        let instances = self.database.instances(&package);
        ScriptCall {
            script,
            path,
            arguments,
            architecture: entry.map(|entry| entry.architecture.clone()).unwrap_or_default(),
            package,
            instances,
            dpkg_version: self.database.dpkg_version(),
        }
    }

    /// Hands a script over, with the database on the image's disk as scripts may read it.
    fn run_script(&mut self, call: &ScriptCall) -> Result<Ran, InstallError> {
        self.flush_status()?;
        let before = WatchedFiles::of(&self.overlay)?;
        self.overlay.watch();
        let ran =
            self.scripts.run(&mut self.overlay, call).map_err(|stop| error(call, stop.into()))?;
        self.read_again(&before)?;
        let package = format!("{}:{}", call.package, call.architecture);
        let script = call.script;
        let arguments = call.arguments.clone();
        let mut changed = self.overlay.watched();
        let database = self.overlay.resolve(&database_folder())?;
        changed.retain(|path| !path.starts_with(&database));
        let kind = EffectKind::ScriptRan { script: script.name().to_owned(), arguments, changed };
        self.effects.push(imgfix_model::effects::Effect { package, kind });
        Ok(ran)
    }

    /// Reads what a script may have changed of what this run has in memory.
    fn read_again(&mut self, before: &WatchedFiles) -> Result<(), InstallError> {
        let now = WatchedFiles::of(&self.overlay)?;
        if now.accounts != before.accounts {
            let [passwd, group] = &now.accounts;
            self.database.accounts = Accounts::parse(passwd, group);
        }
        if now.diversions != before.diversions {
            let path = file("diversions");
            self.database.diversions =
                Diversions::parse(&now.diversions).map_err(|error| damaged(&path, error))?;
        }
        if now.overrides != before.overrides || now.accounts != before.accounts {
            let path = file("statoverride");
            self.database.overrides = Overrides::parse(&now.overrides, &self.database.accounts)
                .map_err(|error| damaged(&path, error))?;
        }
        Ok(())
    }
}

/// What is in there is the package manager's own.
fn database_folder() -> ImagePath {
    ImagePath::literal("/var/lib/dpkg")
}

/// Texts that scripts change through commands and dpkg has in memory.
#[derive(PartialEq, Eq)]
struct WatchedFiles {
    accounts: [Bytes; 2],
    diversions: Bytes,
    overrides: Bytes,
}

impl WatchedFiles {
    /// What cannot be there as a file counts as empty.
    fn of(fs: &Overlay) -> Result<Self, RootfsError> {
        let read = |path: &ImagePath| Ok(fs.read_if_readable(path)?.unwrap_or_default());
        Ok(Self {
            accounts: [
                read(&ImagePath::literal("/etc/passwd"))?,
                read(&ImagePath::literal("/etc/group"))?,
            ],
            diversions: read(&file("diversions"))?,
            overrides: read(&file("statoverride"))?,
        })
    }
}

fn new_control(name: &str) -> ImagePath {
    file(&format!("{NEW_CONTROL}/{name}"))
}

/// dpkg gives scripts that not everybody may run the mode 0755.
fn executable(mode: u32) -> u32 {
    if mode & 0o555 == 0o555 { mode } else { 0o755 }
}

fn error(call: &ScriptCall, trouble: Trouble) -> InstallError {
    InstallError::Script {
        package: call.package.clone(),
        activated_by: None,
        script: call.script.name().to_owned(),
        line: trouble.line,
        detail: trouble.detail,
        is_of_this_machine: trouble.is_of_this_machine,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use imgfix_vfs::{BrokenDisk, Tree};

    #[test]
    fn what_dpkg_has_in_memory_is_not_emptied_by_a_broken_disk() {
        for (path, is_read) in [
            ("/etc/passwd", false),
            ("/etc/group", false),
            ("/var/lib/dpkg/diversions", false),
            ("/var/lib/dpkg/statoverride", false),
            ("/etc/shadow", true),
        ] {
            let file = (ImagePath::literal(path), BrokenDisk::file(10));
            let tree = Tree::from_entries([file], Arc::new(BrokenDisk));
            let read = WatchedFiles::of(&Overlay::new(Arc::new(tree)));
            assert_eq!(read.is_ok(), is_read, "{path}");
        }
    }
}
