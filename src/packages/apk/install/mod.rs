//! Installing packages into an image: what `apk upgrade` does, over an [`Overlay`].
//!
//! In come unpacked packages (a whole set that belongs together, in apk's order) and the image;
//! out comes the overlay with what apk would have made of it, byte for byte in the package
//! database, and the [`Effect`]s worth telling. Scripts are handed to a [`ScriptRunner`] at apk's
//! moments. The behaviour is that of apk-tools 2.12 and 2.14: `src/commit.c`, `src/database.c`,
//! `src/package.c`.
//!
//! - `scripts`: which script is due, and how it is called

mod scripts;

use super::apk_file::ApkPackage;
use super::record::Record;
pub use crate::packages::effects::{Effect, EffectKind};
use crate::rootfs::{ImagePath, Overlay, RootfsError};
pub use scripts::{NoScripts, ScriptCall, ScriptRunner};

/// One package of a set.
#[derive(Debug, Clone)]
pub struct NewPackage {
    pub package: ApkPackage,
    /// What the index says of it, which is what apk records.
    pub record: Record,
    /// The tag of the repository it comes from (`edge`), without the `@`.
    pub repository_tag: Option<String>,
}

/// What the caller decides.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The modification time of what apk makes itself (the database, directories, symbolic
    /// links), in seconds since the epoch; the rest of the payload keeps the packages' times.
    pub timestamp: i64,
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
    #[error("package {package} would overwrite {path}, which is also in package {owner}")]
    Overwrite { package: String, path: ImagePath, owner: String },
    #[error("{}", script_error(package, activated_by.as_deref(), script, *line, detail))]
    Script {
        /// Whose script it is.
        package: String,
        /// A package of the set that changed what the trigger waits for, for a script run by
        /// one.
        activated_by: Option<String>,
        script: String,
        line: Option<u32>,
        detail: String,
    },
    #[error("the image's commit hook {path}: {detail}")]
    Hook { path: ImagePath, detail: String },
}

fn script_error(
    package: &str,
    activated_by: Option<&str>,
    script: &str,
    line: Option<u32>,
    detail: &str,
) -> String {
    let line = line.map(|line| format!(" line {line}")).unwrap_or_default();
    let by = activated_by.map(|by| format!(" (a trigger that {by} activates)")).unwrap_or_default();
    format!("{package}'s {script}{line}{by}: {detail}")
}

/// Installs a set of packages, all or none, in the given order. On success `overlay` has the
/// result; on error it is as it was.
///
/// # Errors
/// What apk would end with an error for, and a script that fails or cannot be run.
pub fn install(
    overlay: &mut Overlay,
    packages: &[NewPackage],
    options: &Options,
    scripts: &mut dyn ScriptRunner,
) -> Result<Vec<Effect>, InstallError> {
    let _unfinished = (overlay, options, scripts);
    match packages.first() {
        None => Ok(Vec::new()),
        Some(new) => Err(InstallError::Package {
            package: new.package.name().to_owned(),
            problem: "apk packages cannot be installed yet".to_owned(),
        }),
    }
}
