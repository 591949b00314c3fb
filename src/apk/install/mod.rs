//! Installing packages into an image: what `apk upgrade` does, over an [`Overlay`].
//!
//! In come unpacked packages (a whole set that belongs together, in apk's order) and the image;
//! out comes the overlay with what apk would have made of it, byte for byte in the package
//! database, and the [`Effect`]s worth telling. Scripts are handed to a [`ScriptRunner`] at apk's
//! moments. The behaviour is that of apk-tools 2.12, 2.14 and 3.0, whichever the image has:
//! `src/commit.c`, `src/database.c`, `src/package.c`.
//!
//! - `database`: what the image records, and how it is written back
//! - `ownership`: which package has which files
//! - `directories`: directories that packages share
//! - `protection`: where changes of the image are kept
//! - `accounts`: numbers for owners' names
//! - `unpack`: the payload, path by path
//! - `migrate`: files put in their place, and obsolete ones taken away
//! - `commits`: apk itself is upgraded before everything else
//! - `scripts`: which script is due, and how it is called
//! - `triggers`: scripts that are run at the end; `change_order`: in which order

mod accounts;
mod change_order;
mod commits;
mod database;
mod directories;
mod migrate;
mod ownership;
mod protection;
mod scripts;
#[cfg(test)]
mod tests;
mod triggers;
mod unpack;

use std::collections::HashSet;
use std::sync::Arc;

use super::apk_file::{ApkPackage, Script};
use super::dependency::Dependency;
use super::inventory::InventoryError;
use super::record::Record;
use accounts::OwnerNumbers;
use commits::{Change, commits};
use database::Database;
pub use database::is_distroless;
pub use imgfix_model::effects::{Effect, EffectKind};
use imgfix_model::package::PackageName;
use imgfix_model::path::ImagePath;
use imgfix_repair::script_run::{self, ScriptRunner};
use imgfix_vfs::{Overlay, RootfsError};
use migrate::Placed;
use ownership::{Ownership, Package, PackageKey};
use scripts::Moment;
pub use scripts::ScriptCall;

/// One package of a set.
#[derive(Debug, Clone)]
pub struct NewPackage {
    /// Shared by the tries of a run.
    pub package: Arc<ApkPackage>,
    /// What the index says of it, which is what apk records.
    pub record: Record,
    /// The tag of the repository it comes from (`edge`), without the `@`.
    pub repository_tag: Option<String>,
}

/// An installed package that apk purges with a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purge {
    /// The name of the installed package.
    pub package: PackageName,
    /// The package of the set before which it goes, from 0; or their number.
    pub before: usize,
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
    /// A path of the image cannot be followed or changed, or a file cannot be read from its layer.
    #[error(transparent)]
    Rootfs(#[from] RootfsError),
    /// The package database is not understood.
    #[error(transparent)]
    Database(#[from] InventoryError),
    /// Something in a package that apk would end with an error for.
    #[error("package {package}: {problem}")]
    Package {
        /// The package's name.
        package: String,
        /// For people.
        problem: String,
    },
    /// Two packages have a file, and nothing says whose it is.
    #[error("package {package} would overwrite {path}, which is also in package {owner}")]
    Overwrite {
        /// The name of the package that comes.
        package: String,
        /// The file.
        path: ImagePath,
        /// The name of the package that has it now.
        owner: String,
    },
    /// A script fails, or cannot be evaluated.
    #[error("{}", script_run::sentence(package, activated_by.as_deref(), script, *line, detail))]
    Script {
        /// Whose script it is.
        package: String,
        /// A package of the set that changed what the trigger waits for, for a script run by
        /// one.
        activated_by: Option<String>,
        /// Its name, as in [`Script::name`].
        script: String,
        /// Where in it, from 1, if that is known.
        line: Option<u32>,
        /// What happened, for people.
        detail: String,
        /// As in [`imgfix_shell::Stop`].
        is_of_this_machine: bool,
    },
    /// A program of the image that apk runs before or after everything fails, or cannot be
    /// evaluated.
    #[error("the image's commit hook {path}: {detail}")]
    Hook {
        /// The program.
        path: ImagePath,
        /// What happened, for people.
        detail: String,
    },
}

/// Installs a set of packages, all or none, in the given order, which is that of apk's changes,
/// and purges what goes with them.
/// On success `overlay` has the result; on error it is as it was. In an image with neither apk
/// nor a shell ([`is_distroless`]) no script is run.
///
/// # Errors
/// What apk would end with an error for, and a script that fails or cannot be run.
pub fn install(
    overlay: &mut Overlay,
    packages: &[NewPackage],
    purges: &[Purge],
    options: &Options,
    scripts: &mut dyn ScriptRunner<ScriptCall>,
) -> Result<Vec<Effect>, InstallError> {
    let mut result = overlay.clone();
    let mut effects = Vec::new();
    let (database, ownership) = Database::load(overlay)?;
    for changes in commits(packages, purges, &ownership, database.generation) {
        effects.extend(commit(&mut result, &changes, options, scripts)?);
    }
    *overlay = result;
    Ok(effects)
}

/// One run of apk. On an error the overlay may have part of the result.
fn commit(
    overlay: &mut Overlay,
    changes: &[Change<'_>],
    options: &Options,
    scripts: &mut dyn ScriptRunner<ScriptCall>,
) -> Result<Vec<Effect>, InstallError> {
    let (database, ownership) = Database::load(overlay)?;
    let apk = ownership.find("apk-tools").and_then(|key| ownership.get(key));
    let going = going(changes, &ownership);
    let mut run = Run {
        script_folder: self::scripts::folder(apk.map(|package| &package.record.version)),
        world: database.sorted_world().dependencies,
        going,
        overlay: overlay.clone(),
        database,
        ownership,
        accounts: OwnerNumbers::default(),
        options: *options,
        effects: Vec::new(),
        scripts: match is_distroless(overlay) {
            true => None,
            false => Some(scripts),
        },
    };
    run.run_hooks(Moment::Before)?;
    let mut new = Vec::new();
    for change in changes {
        match change {
            Change::Install(package) => new.extend(run.install(package)?),
            Change::Purge(name) => run.purge_package(name)?,
        }
    }
    let wanted = run.ownership.wanted_permissions();
    run.ownership.directories.update_permissions(wanted.into_iter(), &mut run.overlay)?;
    run.run_triggers(&new)?;
    run.write_database()?;
    run.run_hooks(Moment::After)?;
    *overlay = run.overlay;
    Ok(run.effects)
}

fn going(changes: &[Change<'_>], ownership: &Ownership) -> HashSet<PackageKey> {
    let former = |change: &Change<'_>| match change {
        Change::Install(new) => ownership.find(&new.record.name.0),
        Change::Purge(name) => ownership.find(&name.0),
    };
    changes.iter().filter_map(former).collect()
}

/// The state of one call of [`install`].
struct Run<'s> {
    overlay: Overlay,
    database: Database,
    ownership: Ownership,
    /// Where the running apk has scripts, and the mode it makes that with.
    script_folder: (ImagePath, u32),
    /// What the user asked for.
    world: Vec<Dependency>,
    /// What is taken away or replaced in this run.
    going: HashSet<PackageKey>,
    accounts: OwnerNumbers,
    options: Options,
    effects: Vec<Effect>,
    /// `None`: scripts are not run in this image.
    scripts: Option<&'s mut dyn ScriptRunner<ScriptCall>>,
}

impl Run<'_> {
    /// Installs one package in place of the one of the same name; `None` when that is the same.
    fn install(&mut self, new: &NewPackage) -> Result<Option<PackageKey>, InstallError> {
        let control = &new.package.control;
        let mut record = new.record.clone();
        let identity = *record.identity.get_or_insert(control.identity);
        let former = self.ownership.find(&record.name.0);
        let former_package = former.and_then(|key| self.ownership.get(key));
        if former_package.is_some_and(|package| package.record.identity == Some(identity)) {
            return Ok(None);
        }
        let from = former_package.map(|package| package.record.version.as_str().to_owned());
        let to = record.version.as_str().to_owned();
        let mut arguments = vec![to.clone()];
        arguments.extend(from.clone());
        // apk unpacks nothing of a package that says that it takes no space.
        let is_empty = record.installed_size == 0;
        let mut package = Package {
            record,
            repository_tag: new.repository_tag.clone(),
            run_all_triggers: true,
            ..Package::default()
        };
        if !is_empty {
            package.replaces.clone_from(&control.info.replaces);
            package.replaces_priority = control.info.replaces_priority;
            package.triggers.clone_from(&control.info.triggers);
            package.scripts.clone_from(&control.scripts);
        }
        let has_triggers = !package.triggers.is_empty();
        let key = self.ownership.install(package);
        if has_triggers {
            self.ownership.triggers.push(key);
        }
        let (before, after) = match former {
            None => (Script::PreInstall, Script::PostInstall),
            Some(_) => (Script::PreUpgrade, Script::PostUpgrade),
        };
        let mut placed = Placed::default();
        if !is_empty {
            self.run_script(key, before, &arguments)?;
            let files = self.unpack(key, new)?;
            placed = self.migrate(key, files)?;
        }
        if let Some(former) = former {
            self.purge_files(former, &placed)?;
            self.ownership.uninstall(former);
        }
        self.tell(key, EffectKind::Installed { from, to });
        self.run_script(key, after, &arguments)?;
        Ok(Some(key))
    }

    /// Purges an installed package; does nothing when none has the name.
    fn purge_package(&mut self, name: &PackageName) -> Result<(), InstallError> {
        let Some(key) = self.ownership.find(&name.0) else { return Ok(()) };
        let version = self.ownership.get(key).map(|package| package.record.version.to_string());
        let arguments: Vec<String> = version.into_iter().collect();
        self.run_script(key, Script::PreDeinstall, &arguments)?;
        self.purge_files(key, &Placed::default())?;
        self.run_script(key, Script::PostDeinstall, &arguments)?;
        self.ownership.uninstall(key);
        Ok(())
    }

    fn tell(&mut self, key: PackageKey, kind: EffectKind) {
        let package = self.ownership.get(key).map(|package| package.record.id().to_string());
        self.effects.push(Effect { package: package.unwrap_or_default(), kind });
    }
}
