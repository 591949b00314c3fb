//! Installing packages into an image: dpkg's `unpack` and `configure` over an [`Overlay`].
//!
//! In come unpacked packages (a whole set that belongs together) and the image; out comes the
//! overlay with what dpkg would have made of it, byte for byte in the package database, and
//! the [`Effect`]s worth telling. Maintainer scripts are handed to a [`ScriptRunner`] at dpkg's
//! moments. The behaviour is that of dpkg's `src/main/unpack.c`, `archives.c`, `configure.c` and
//! `trigproc.c`, called by apt with the whole set.
//!
//! - `database`: what the image records, and how it is written back
//! - `unpack`: the payload, path by path
//! - `obsolete`: what the former version had and the new one has not
//! - `takeover`: files that come from other packages, and packages that vanish by it
//! - `info`: control members under `/var/lib/dpkg/info`, and trigger interests
//! - `configure`: conffiles
//! - `progress`: the states between, as scripts see them
//! - `scripts`: which script is due, and how it is called
//! - `trigger_queue`: activated triggers
//! - `extended_states`: apt's record of what was installed as a dependency only
//! - [`distroless`]: images without dpkg, whose packages are single files

mod configure;
mod database;
pub mod distroless;
mod extended_states;
mod file_lists;
mod info;
mod obsolete;
mod progress;
mod scripts;
mod takeover;
mod trigger_queue;
mod unpack;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::deb::DebPackage;
use super::relations::parse_clauses;
use database::Database;
pub use imgfix_model::effects::{Effect, EffectKind};
use imgfix_model::path::{ImagePath, PathError};
use imgfix_repair::script_run::{self, ScriptRunner};
use imgfix_vfs::{Overlay, RootfsError};
use progress::Progress;
pub use scripts::{Script, ScriptCall};
use trigger_queue::TriggerQueue;
use unpack::Unpacked;

/// How a newly installed package is recorded for `apt autoremove`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Asked for by name.
    Manual,
    /// Came as a dependency: recorded in `extended_states`.
    Automatic,
}

/// One package of a set. The mark matters only when no version of it was installed.
#[derive(Debug, Clone)]
pub struct NewPackage {
    /// Shared by the tries of a run.
    pub package: Arc<DebPackage>,
    /// Who asked for it.
    pub mark: Mark,
}

/// What the caller decides.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The modification time of generated files (file lists, `status`), in seconds since the
    /// epoch; payload and control members keep the packages' times.
    pub timestamp: i64,
}

/// Why a set of packages cannot be installed. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The overlay refuses a path, or content cannot be read.
    #[error(transparent)]
    Rootfs(#[from] RootfsError),
    /// A file of the package database is not what dpkg writes.
    #[error("{file} of the image: {problem}")]
    Database {
        /// The file's path in the image.
        file: ImagePath,
        /// What is wrong with it, with its line.
        problem: String,
    },
    /// A package that dpkg would refuse, or one whose control files are not usable.
    #[error("package {package}: {problem}")]
    Package {
        /// The binary package.
        package: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The image was left in the middle of an installation.
    #[error(
        "package {package} is in the state {status:?} in the image: finish that with dpkg first"
    )]
    State {
        /// The binary package.
        package: String,
        /// The words of its `Status:`.
        status: String,
    },
    /// A file would replace another package's without `Replaces`.
    #[error("package {package} would overwrite {path}, which is also in package {owner}")]
    Overwrite {
        /// The one that is installed.
        package: String,
        /// Absolute, as the package ships it.
        path: String,
        /// The package that has the file.
        owner: String,
    },
    /// A file lies where a diversion sends another one.
    #[error("package {package} would overwrite {path}, to which {original} is diverted")]
    Diverted {
        /// The one that is installed.
        package: String,
        /// Absolute, as the package ships it.
        path: String,
        /// The path whose file is diverted there.
        original: String,
    },
    /// Two architectures of a `Multi-Arch: same` package do not agree on a file.
    #[error("package {package}: {path} differs from the one that package {other} shares with it")]
    Shared {
        /// The one that is installed.
        package: String,
        /// Absolute, as the package ships it.
        path: String,
        /// The instance that is there, `name:arch`.
        other: String,
    },
    /// The payload has no entry for a directory, nor has the image one.
    #[error("package {package}: the directory of {path} does not exist in the image")]
    NoParent {
        /// The one that is installed.
        package: String,
        /// The file or link without a directory.
        path: ImagePath,
    },
    /// dpkg would forget a package of the same set, whose files are all another's now.
    #[error(
        "package {package}, which is upgraded itself, would vanish: all its files are in {by} now"
    )]
    Vanishes {
        /// The one that would go.
        package: String,
        /// The one that takes its files over.
        by: String,
    },
    /// A maintainer script failed, or cannot be evaluated.
    #[error("{}", script_run::sentence(package, activated_by.as_deref(), script, *line, detail))]
    Script {
        /// Whose script it is.
        package: String,
        /// The package of the set that activated the trigger, for a script run by one.
        activated_by: Option<String>,

        /// Its file's name: `postinst`.
        script: String,

        /// Of the script's file, from 1; `None` when the script as a whole is meant.
        line: Option<u32>,

        /// What went wrong, as the end of a sentence.
        detail: String,
        /// As in [`imgfix_shell::Stop`].
        is_of_this_machine: bool,
    },
    /// Processing triggers activates them again, over and over (`trigproc.c`).
    #[error("the triggers of these packages set each other off without end: {packages}")]
    TriggerCircle {
        /// Names, separated by commas.
        packages: String,
    },
    /// A path of a package cannot be one of an image.
    #[error("package {package}: {source}")]
    Path {
        /// The one that is installed.
        package: String,
        /// What is wrong with the path.
        source: PathError,
    },
}

impl InstallError {
    /// Says which package's upgrade set a trigger's script off.
    fn activated_by(mut self, by: Option<String>) -> Self {
        if let Self::Script { activated_by, .. } = &mut self {
            *activated_by = by;
        }
        self
    }
}

/// Installs a set of packages, all or none, as apt has dpkg do it: each is unpacked in the
/// given order, those that another one pre-depends on are configured before that is unpacked,
/// then the others are configured, and at the end triggers are processed. On success `overlay`
/// has the result; on error it is as it was.
///
/// # Errors
/// What dpkg would refuse, and a script that fails or cannot be run.
pub fn install(
    overlay: &mut Overlay,
    packages: &[NewPackage],
    options: &Options,
    scripts: &mut dyn ScriptRunner<ScriptCall>,
) -> Result<Vec<Effect>, InstallError> {
    let mut run = Run::new(Database::load(overlay)?, overlay, options, scripts);
    let mut automatic = Vec::new();
    let mut unconfigured: Vec<Unpacked> = Vec::new();
    for new in packages {
        if wants_configured(&new.package, &unconfigured, &run) {
            run.configure_all(&mut unconfigured)?;
        }
        let done = run.unpack(&new.package)?;
        if new.mark == Mark::Automatic && done.former_version.is_none() {
            automatic.push(&new.package.control);
        }
        unconfigured.push(done);
    }
    run.configure_all(&mut unconfigured)?;
    run.process_triggers()?;
    run.write_status()?;
    let native = run.database.native_architecture().to_owned();
    extended_states::record(&mut run.overlay, &automatic, &native, options.timestamp)?;
    *overlay = run.overlay;
    Ok(run.effects)
}

/// Whether a package pre-depends on one that is not configured yet.
fn wants_configured(package: &DebPackage, unconfigured: &[Unpacked], run: &Run<'_>) -> bool {
    let wanted = package.control.stanza.get("Pre-Depends").map(parse_clauses);
    let wanted = wanted.and_then(Result::ok).unwrap_or_default();
    let names: Vec<&str> =
        wanted.iter().flat_map(|clause| &clause.0).map(|relation| relation.name.as_str()).collect();
    unconfigured.iter().any(|one| names.contains(&run.database.name(one.place)))
}

/// The state of one call of [`install`].
struct Run<'s> {
    overlay: Overlay,
    database: Database,
    options: Options,
    effects: Vec<Effect>,
    scripts: &'s mut dyn ScriptRunner<ScriptCall>,
    /// Packages that are not simply installed, by their place in the database.
    progress: BTreeMap<usize, Progress>,
    triggers: TriggerQueue,
}

impl<'s> Run<'s> {
    fn new(
        database: Database,
        overlay: &Overlay,
        options: &Options,
        scripts: &'s mut dyn ScriptRunner<ScriptCall>,
    ) -> Self {
        Self {
            overlay: overlay.clone(),
            database,
            options: *options,
            effects: Vec::new(),
            scripts,
            progress: BTreeMap::new(),
            triggers: TriggerQueue::default(),
        }
    }

    fn configure_all(&mut self, unconfigured: &mut Vec<Unpacked>) -> Result<(), InstallError> {
        for one in std::mem::take(unconfigured) {
            self.configure(&one)?;
        }
        Ok(())
    }

    fn tell(&mut self, package: usize, kind: EffectKind) {
        let package = self.database.label(package);
        self.effects.push(Effect { package, kind });
    }
}
