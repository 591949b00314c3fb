//! Installing packages into an image: what `rpm -U` does in one transaction, over an [`Overlay`].
//!
//! In come unpacked packages, the installed ones, the steps in rpm's order, and the image; out
//! comes the overlay with what rpm would have made of it, the [`Effect`]s worth telling, and the
//! changes of the package database in their order. The behaviour is that of rpm 4.11 to 6, as far
//! as they differ that of the image's [`Release`]. Source: rpm `lib/transaction.cc`, `lib/psm.cc`,
//! `lib/fsm.cc`.
//!
//! - `element`: packages that come and go
//! - `fate`: a file that meets another one; `disposition`: all files of a transaction
//! - `dropped`: what an image without a database does not want of them
//! - `unpack`: a package's files come; `erase`: they go
//! - `transaction`: what happens when
//! - `sysusers`: users and groups that a package provides
//! - `scripts`: scriptlets; `triggers`: scripts that others set off
//! - `order`: which package comes or goes before which
//! - `owners`: numbers for owners' names
//!
//! A directory gets the time that its package says. That its time changes again when something
//! comes into it or goes, rpm leaves to the machine, and here it is left out: it would be the time
//! of the run.

mod colour;
mod disposition;
mod dropped;
mod element;
mod erase;
mod fate;
mod order;
mod owners;
mod scripts;
mod sysusers;
#[cfg(test)]
mod tests;
mod transaction;
mod triggers;
mod unpack;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

pub use imgfix_model::effects::{Effect, EffectKind};
use imgfix_model::path::ImagePath;
use imgfix_repair::script_run;
use imgfix_vfs::{Overlay, RootfsError};

use crate::archive::RpmPackage;
use crate::database::Change;
use crate::header::installed::{Installation, InstalledError, Writer, installed};
use crate::package::{FilesError, Package, PackageError, TriggersError};
use crate::relation::RelationError;
pub use dropped::dropped;
use element::Element;
pub use order::order;
pub use scripts::{ScriptCall, Scripts};
use triggers::Present;

/// A package that comes.
#[derive(Debug, Clone)]
pub struct NewPackage {
    /// Shared by the tries of a run.
    pub package: Arc<RpmPackage>,
    /// Digests of the archive, for the database of rpm 6: [`archive_digests`](crate::archive_digests).
    pub archive_digests: Vec<(u32, String)>,
}

/// A package that the image has.
#[derive(Debug, Clone)]
pub struct Installed {
    /// Its number in the database.
    pub number: u32,
    /// As the database has it.
    pub package: Package,
}

/// A step of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A package of the set comes: its place in it.
    Install(usize),
    /// An installed package goes.
    Erase {
        /// Its number in the database.
        number: u32,
        /// The package of the set for which it goes, by being older or obsoleted; `None`: it is
        /// removed for itself.
        replaced_by: Option<usize>,
    },
}

/// The release of rpm that the image has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    /// 4 or 6.
    pub major: u32,
    /// The second number: 16 of 4.16.1.
    pub minor: u32,
}

impl Release {
    /// By its two numbers.
    #[must_use]
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// How it writes headers into its database.
    #[must_use]
    pub fn writer(self) -> Writer {
        match self {
            _ if self >= Self::new(5, 0) => Writer::Rpm6,
            _ if self >= Self::new(4, 16) => Writer::Rpm4_16,
            _ => Writer::Rpm4_11,
        }
    }

    /// Since 4.18 `SOURCE_DATE_EPOCH` counts on with each package.
    fn counts_time(self) -> bool {
        self >= Self::new(4, 18)
    }
}

/// What the caller decides, and what the image's settings say.
#[derive(Debug, Clone)]
pub struct Options {
    /// The rpm that the image has.
    pub release: Release,
    /// When the transaction is, in seconds since the epoch: its number in the database, and the
    /// time of directories that no package has.
    pub timestamp: u32,
    /// The colours of the machine: 3 where 32-bit packages can be beside 64-bit ones, 0 elsewhere.
    pub colour: u32,
    /// Documentation is left out (`tsflags=nodocs`).
    pub no_documentation: bool,
    /// Files for other languages are left out (`%_install_langs`); `None`: for none of them.
    pub languages: Option<Vec<String>>,
    /// Paths of the packages that are left out besides: what the image has [`dropped()`].
    pub left_out: HashSet<Vec<u8>>,
    /// The program that makes users and groups (`%__systemd_sysusers`); `None`: nobody makes them.
    pub sysusers: Option<String>,
    /// Paths that are left as they are, and all below them (`%_netsharedpath`).
    pub shared: Vec<String>,
    /// Of transactions whose packages have a `%posttrans`, what comes after them comes after all
    /// transactions, as zypper does it.
    pub defers_posttrans: bool,
}

/// What an installation made, besides the overlay.
#[derive(Debug, Default)]
pub struct Outcome {
    /// For people.
    pub effects: Vec<Effect>,
    /// For the package database, in this order.
    pub changes: Vec<Change>,
    /// The highest number that was given while scripts ran; the database gives its own.
    last_number: u32,
}

/// Why a set of packages cannot be installed. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// A path of the image cannot be followed or changed, or a file cannot be read from its layer.
    #[error(transparent)]
    Rootfs(#[from] RootfsError),
    /// A step is about a package that is not there.
    #[error("no package is there for the step {0:?}")]
    Step(Step),
    /// The files of a header are damaged.
    #[error("package {package}: {source}")]
    Files {
        /// The package.
        package: String,
        /// What is wrong.
        source: FilesError,
    },
    /// The relations of a header are damaged.
    #[error("package {package}: {source}")]
    Relations {
        /// The package.
        package: String,
        /// What is wrong.
        source: RelationError,
    },
    /// The header for the database cannot be made.
    #[error("package {package}: {source}")]
    Header {
        /// The package.
        package: String,
        /// What is wrong.
        source: InstalledError,
    },
    /// What is to be in the database is no package.
    #[error("package {package}: {source}")]
    Package {
        /// The package.
        package: String,
        /// What is wrong.
        source: PackageError,
    },
    /// The triggers of a header are damaged.
    #[error("package {package}: {source}")]
    Triggers {
        /// The package.
        package: String,
        /// What is wrong.
        source: TriggersError,
    },
    /// A script that keeps its package from being installed or removed fails, or one cannot be
    /// run.
    #[error("{}", script_run::sentence(package, set_off_by.as_deref(), script, *line, detail))]
    Script {
        /// Whose script it is: `name:arch`.
        package: String,
        /// The package that comes, or for whose sake one goes, when it is another one's script
        /// that this sets off: `name:arch`.
        set_off_by: Option<String>,
        /// What rpm calls it: `prein`.
        script: String,
        /// Where in it, from 1, if that is known.
        line: Option<u32>,
        /// What happened, for people.
        detail: String,
        /// The fault is this machine's, and not the package's.
        is_of_this_machine: bool,
    },
    /// Two packages have a file, and it is not the same.
    #[error("file {path} of package {package} conflicts with the one of package {owner}")]
    Overwrite {
        /// The package that comes.
        package: String,
        /// The file.
        path: ImagePath,
        /// The package that has it.
        owner: String,
    },
    /// A file of a package cannot be put in its place.
    #[error("package {package}, {path}: {problem}")]
    File {
        /// The package.
        package: String,
        /// The file, as the package has it.
        path: String,
        /// What is wrong.
        problem: &'static str,
    },
}

/// Runs transactions, all of them or nothing, each in the order of its steps. dnf makes one of
/// everything, zypper one of each package. `installed` is all that the database has, by number. On
/// success `overlay` has the result, on error it is as it was.
///
/// # Errors
/// What rpm would end with an error for, and a script that cannot be run.
pub fn install(
    overlay: &mut Overlay,
    installed: &[Installed],
    packages: &[NewPackage],
    transactions: &[Vec<Step>],
    options: &Options,
    scripts: &mut dyn Scripts,
) -> Result<Outcome, InstallError> {
    let mut result = overlay.clone();
    let mut outcome = Outcome::default();
    let mut installed = installed.to_vec();
    installed.sort_by_key(|one| one.number);
    let mut deferred = Deferred::default();
    for steps in transactions {
        let elements = Element::of(steps, packages, &installed)?;
        let going = |one: &Installed| {
            steps
                .iter()
                .any(|step| matches!(step, Step::Erase { number, .. } if *number == one.number))
        };
        let present = installed.iter().map(|one| Present {
            number: one.number,
            package: one.package.clone(),
            is_going: going(one),
            is_new: false,
        });
        let mut run = Run {
            overlay: &mut result,
            present: present.collect(),
            elements: Vec::new(),
            deferred,
            options,
            outcome,
            clock: options.timestamp,
            scripts: &mut *scripts,
            working_on: None,
            removed_triggers: BTreeSet::new(),
        };
        run.transaction(elements, &installed)?;
        if std::ptr::eq(steps, transactions.last().unwrap_or(steps)) {
            run.deferred()?;
        }
        let present = run.present;
        (outcome, deferred) = (run.outcome, run.deferred);
        installed = present
            .into_iter()
            .map(|one| Installed { number: one.number, package: one.package })
            .collect();
    }
    *overlay = result;
    Ok(outcome)
}

/// What is due after all transactions.
#[derive(Default)]
struct Deferred {
    /// Packages whose `%posttrans` is.
    scripts: Vec<Package>,
    /// Packages that have come without transaction file triggers, by number.
    numbers: BTreeSet<u32>,
    /// As in [`Run`].
    removed_triggers: BTreeSet<triggers::Order>,
}

/// The state of one transaction.
struct Run<'r, 'a> {
    overlay: &'r mut Overlay,
    /// What the database has now, by number.
    present: Vec<Present>,
    /// Without those that are worked on.
    elements: Vec<ElementLine>,
    deferred: Deferred,
    options: &'a Options,
    outcome: Outcome,
    /// When the next package is installed.
    clock: u32,
    scripts: &'r mut dyn Scripts,
    /// For whose sake scripts of others run now: `name:arch`.
    working_on: Option<String>,
    /// Transaction file triggers that are due at the end.
    removed_triggers: BTreeSet<triggers::Order>,
}

/// What is asked of elements while others are worked on.
struct ElementLine {
    replaced_by: Option<usize>,
    /// Version and release.
    version: String,
    name: String,
    /// `name:arch`
    id: String,
}

impl Run<'_, '_> {
    /// Puts a package's header into the database.
    fn add(
        &mut self,
        at: usize,
        element: &Element<'_>,
        new: &NewPackage,
    ) -> Result<(), InstallError> {
        let package = &new.package.headers;
        let states: Vec<u8> = element.actions.iter().map(|action| action.state() as u8).collect();
        let installation = Installation {
            writer: self.options.release.writer(),
            time: self.clock,
            transaction: self.options.timestamp,
            colour: self.options.colour,
            states: &states,
            archive_digests: &new.archive_digests,
        };
        let name = || element.package.label();
        let header = installed(&package.signature, package.package.header(), &installation)
            .map_err(|source| InstallError::Header { package: name(), source })?;
        if self.options.release.counts_time() {
            self.clock = self.clock.saturating_add(1);
        }
        let package = Package::new(header.clone())
            .map_err(|source| InstallError::Package { package: name(), source })?;
        let number = self.present.last().map_or(0, |last| last.number).saturating_add(1);
        let number = number.max(self.outcome.last_number.saturating_add(1));
        self.outcome.last_number = number;
        self.present.push(Present { number, package, is_going: false, is_new: true });
        self.outcome.changes.push(Change::Add(header));
        let is_former = |other: &&ElementLine| {
            other.replaced_by == Some(at) && other.name == element.package.name()
        };
        let from = self.elements.iter().find(is_former).map(|former| former.version.clone());
        self.tell(element, EffectKind::Installed { from, to: version(element.package) });
        Ok(())
    }

    fn tell(&mut self, element: &Element<'_>, kind: EffectKind) {
        let package = id(element.package);
        self.outcome.effects.push(Effect { package, kind });
    }
}

/// `name:arch`
fn id(package: &Package) -> String {
    format!("{}:{}", package.name(), package.arch())
}

/// Epoch, version and release.
fn version(package: &Package) -> String {
    let epoch = package.epoch().map(|epoch| format!("{epoch}:")).unwrap_or_default();
    format!("{epoch}{}-{}", package.version(), package.release())
}

/// The former form of a path: with something behind it.
fn beside(path: &ImagePath, suffix: &str) -> Option<ImagePath> {
    ImagePath::new([path.as_bytes(), suffix.as_bytes()].concat()).ok()
}

/// Bytes of a path, for messages.
fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
