//! Installing packages into an image: dpkg's `unpack` and `configure` over an [`Overlay`].
//!
//! In come unpacked packages (a whole set that belongs together) and the image; out comes the
//! overlay with what dpkg would have made of it, byte for byte in the package database, and
//! the [`Effect`]s worth telling. Maintainer scripts are not run here: whether that is right
//! is decided before, by [`super::scripts_check`]. The behaviour is that of dpkg's
//! `src/main/unpack.c`, `archives.c` and `configure.c`, called as `dpkg -i` with the whole set.
//!
//! - `database`: what the image records, and how it is written back
//! - `unpack`: the payload, path by path
//! - `obsolete`: what the former version had and the new one has not
//! - `takeover`: files that come from other packages, and packages that vanish by it
//! - `info`: control members under `/var/lib/dpkg/info`, and trigger interests
//! - `configure`: conffiles
//! - `extended_states`: apt's record of what was installed as a dependency only
//! - [`distroless`]: images without dpkg, whose packages are single files

mod configure;
mod database;
pub mod distroless;
mod extended_states;
mod file_lists;
mod info;
mod obsolete;
mod takeover;
mod unpack;

use super::deb::DebPackage;
use crate::rootfs::{ImagePath, Overlay, PathError, RootfsError};
use database::Database;

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
    pub package: DebPackage,
    pub mark: Mark,
}

/// What the caller decides.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The modification time of generated files (file lists, `status`), in seconds since the
    /// epoch; payload and control members keep the packages' times.
    pub timestamp: i64,
}

/// Something about a package that a person may want to know after an upgrade.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Effect {
    /// `name:architecture`.
    pub package: String,
    #[serde(flatten)]
    pub kind: EffectKind,
}

/// The kinds of [`Effect`].
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum EffectKind {
    /// `from` is `None` for a package that was not installed before.
    Installed { from: Option<String>, to: String },
    /// A conffile that was changed in the image stays; the package's is beside it.
    ConffileKept { path: ImagePath, shipped_as: ImagePath },
    /// A conffile of the package replaces one that was changed in the image (the image's
    /// dpkg configuration says so); the former is beside it.
    ConffileReplaced { path: ImagePath, former_as: ImagePath },
    /// The new version does not ship the conffile; it stays, recorded as obsolete.
    ConffileObsolete { path: ImagePath },
    /// The new version wants a conffile gone that was changed in the image.
    ConffileSaved { path: ImagePath, saved_as: ImagePath },
    /// An obsolete file stays because `owner` has the same file under another name.
    SharedFileKept { path: ImagePath, owner: String },
    /// An obsolete directory stays because something is in it.
    DirectoryKept { path: ImagePath },
}

/// Why a set of packages cannot be installed. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    #[error(transparent)]
    Rootfs(#[from] RootfsError),
    #[error("{file} of the image: {problem}")]
    Database { file: ImagePath, problem: String },
    #[error("package {package}: {problem}")]
    Package { package: String, problem: String },
    #[error(
        "package {package} is in the state {status:?} in the image: finish that with dpkg first"
    )]
    State { package: String, status: String },
    #[error("package {package} would overwrite {path}, which is also in package {owner}")]
    Overwrite { package: String, path: String, owner: String },
    #[error("package {package} would overwrite {path}, to which {original} is diverted")]
    Diverted { package: String, path: String, original: String },
    #[error("package {package}: {path} differs from the one that package {other} shares with it")]
    Shared { package: String, path: String, other: String },
    #[error("package {package}: the directory of {path} does not exist in the image")]
    NoParent { package: String, path: ImagePath },
    #[error(
        "package {package} would vanish: all its files are in {by} now, and only its own \
             script could tell what that means"
    )]
    Vanishes { package: String, by: String },
    #[error("package {package}: {source}")]
    Path { package: String, source: PathError },
}

/// Installs a set of packages, all or none: unpacks each in the given order, then configures
/// each, as `dpkg -i` with all of them does. On success `overlay` has the result; on error it
/// is as it was.
///
/// # Errors
/// What dpkg would refuse, and what it could do only by running a script.
pub fn install(
    overlay: &mut Overlay,
    packages: &[NewPackage],
    options: &Options,
) -> Result<Vec<Effect>, InstallError> {
    let mut run = Run {
        database: Database::load(overlay)?,
        overlay: overlay.clone(),
        options: *options,
        effects: Vec::new(),
    };
    let mut unpacked = Vec::with_capacity(packages.len());
    let mut automatic = Vec::new();
    for new in packages {
        let done = run.unpack(&new.package)?;
        if new.mark == Mark::Automatic && done.former_version.is_none() {
            automatic.push(&new.package.control);
        }
        unpacked.push(done);
    }
    for one in &unpacked {
        run.configure(one)?;
    }
    run.write_status()?;
    let native = run.database.native_architecture().to_owned();
    extended_states::record(&mut run.overlay, &automatic, &native, options.timestamp)?;
    *overlay = run.overlay;
    Ok(run.effects)
}

/// The state of one call of [`install`].
struct Run {
    overlay: Overlay,
    database: Database,
    options: Options,
    effects: Vec<Effect>,
}

impl Run {
    fn tell(&mut self, package: usize, kind: EffectKind) {
        let package = self.database.label(package);
        self.effects.push(Effect { package, kind });
    }
}
