//! What a family of package managers is to the house: its [`PackageManager`], which
//! [`crate::packages`] makes a repairer of. In comes a file system; out come what is installed,
//! what the repositories offer, and the installation of a set of steps.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::planner::{Family, Requests};
use imgfix_model::changelog::Changelogs;
use imgfix_model::description::Description;
use imgfix_model::effects::Effect;
use imgfix_model::left_out::LeftOut;
use imgfix_model::package::Inventory;
use imgfix_model::path::ImagePath;
use imgfix_model::plan::{PlatformPlan, Step};
use imgfix_model::reason::Reason;
use imgfix_recipes::StalePath;
use imgfix_repository::Fetcher;
use imgfix_repository::Verified;
use imgfix_shell::{Resources, sandbox};
use imgfix_solve::effort::Effort;
use imgfix_vfs::{FileSystem, Overlay, Spool, whiteout};

use super::edge::Edge;
use super::error::{Cause, RepairerError};
use super::promise::Relations;
use imgfix_model::package::PackageId;

/// The package manager of one image, its database read.
pub trait PackageManager {
    /// What is installed.
    fn inventory(&self) -> &Inventory;

    /// Of the files at `paths` those that belong to a package, with it.
    ///
    /// # Errors
    /// The package manager's lists of files cannot be read.
    fn owners(
        &self,
        fs: &dyn FileSystem,
        paths: &BTreeSet<ImagePath>,
    ) -> Result<BTreeMap<ImagePath, PackageId>, Cause>;

    /// What its records say of the installed packages beside names and versions.
    ///
    /// # Errors
    /// A file of the image cannot be read.
    fn descriptions(
        &self,
        _fs: &dyn FileSystem,
    ) -> Result<BTreeMap<PackageId, Description>, Cause> {
        Ok(BTreeMap::new())
    }

    /// The folders of its database, where the image's links lead. The times of files there say
    /// when packages were installed.
    fn database(&self, fs: &dyn FileSystem) -> Vec<ImagePath>;

    /// Asks the repositories: the image's own, or those that the user names.
    ///
    /// # Errors
    /// A repository is malformed, cannot be reached or is not trusted.
    fn offers<'a>(
        &'a self,
        fs: &dyn FileSystem,
        fetcher: &Fetcher,
        edge: &Edge,
    ) -> Result<Box<dyn Offers + 'a>, RepairerError>;

    /// Gets what has to be known of the image's packages before a plan's steps are installed, where
    /// its database does not say it. What comes back are steps that cannot be, and why.
    ///
    /// # Errors
    /// A repository or an archive cannot be fetched or read.
    fn prepare(
        &self,
        _plan: &PlatformPlan,
        _overlay: &Overlay,
        _fetcher: &Fetcher,
        _edge: &Edge,
    ) -> Result<Vec<(PackageId, Reason)>, RepairerError> {
        Ok(Vec::new())
    }

    /// Where sets of steps are installed on trial.
    ///
    /// # Errors
    /// No temporary file can be made.
    fn workshop<'a>(&'a self) -> Result<Box<dyn Workshop + 'a>, RepairerError>;

    /// What the upgraded packages say of their changes; `None`: packages of this family carry no
    /// changelogs (apk's).
    ///
    /// # Errors
    /// A package archive cannot be read.
    fn changelogs(
        &self,
        _steps: &[Step],
        _overlay: &Overlay,
        _fetcher: &Fetcher,
    ) -> Result<Option<Changelogs>, RepairerError> {
        Ok(None)
    }
}

/// What the repositories of one image offer.
pub trait Offers {
    /// Image and repositories in the planner's terms, for a plan that is to do `requests`.
    fn universe(&self, requests: &Requests, effort: Effort) -> Box<dyn Family + '_>;

    /// Which repositories were asked, and who signed them.
    fn verified(&self) -> &[Verified];

    /// Which could not be used, and why.
    fn left_out(&self) -> &[LeftOut];

    /// What to do when there was no repository to ask.
    fn advice(&self) -> Option<&str> {
        None
    }

    /// Why these repositories may never have a fix, and what to do: half a sentence.
    fn limit(&self) -> Option<&str> {
        None
    }

    /// The relations that the index gives a step's package; `None`: it has no such package.
    fn relations(&self, step: &Step) -> Option<Relations>;
}

/// Installs sets of steps over an image, several in a row when one must give way to the next.
pub trait Workshop {
    /// Installs a plan's steps over `overlay`, and takes away what goes with them. `paths` are
    /// the archives of the steps.
    ///
    /// # Errors
    /// An archive cannot be read or is another package than the step says, or the image's
    /// database is not understood. What only one package is to blame for is an
    /// [`TrialOutcome::Barred`].
    fn install(
        &mut self,
        overlay: Overlay,
        plan: &PlatformPlan,
        paths: &[PathBuf],
        edge: &Edge,
    ) -> Result<TrialOutcome, RepairerError>;

    /// When the package of a step, which was to be installed, was built: the newest time in it,
    /// in seconds since the epoch.
    fn built(&self, step: &Step) -> Option<i64>;

    /// The relations that the package of a step, which was to be installed, has itself.
    fn relations(&self, step: &Step) -> Option<Relations>;
}

/// A set of packages, installed.
pub struct Applied {
    /// The image with the packages.
    pub overlay: Overlay,
    /// What happened besides, in the order in which it did.
    pub effects: Vec<Effect>,
    /// Files that the upgrade made stale and that recipes removed.
    pub stale: Vec<StalePath>,
    /// The time of generated files: the newest time in the packages, or `SOURCE_DATE_EPOCH`.
    pub timestamp: i64,
}

/// What came of installing a set.
pub enum TrialOutcome {
    /// All of it is installed.
    Applied(Applied),
    /// This package cannot be in the set.
    Barred(PackageId, Reason),
}

/// What the scripts of all packages of a set may write to files on disk, in bytes.
const SCRIPTS_DISK: u64 = 2 << 30;

/// What the scripts of one try may use up.
pub fn script_resources(edge: &Edge) -> Result<Resources, RepairerError> {
    let disk = Spool::bounded(SCRIPTS_DISK).map_err(RepairerError::Temporary)?;
    let (memory, time) = (edge.memory.clone(), edge.script_time.clone());
    Ok(Resources::new(memory, Some(disk), Some(time)))
}

/// Settings of the sandbox that runs what cannot be evaluated.
pub fn sandbox_settings(timestamp: i64, edge: &Edge, resources: Resources) -> sandbox::Settings {
    // This program is its own helper; where it is not known, starting it will fail.
    let helper = std::env::current_exe().unwrap_or_else(|_| "imgfix".into());
    sandbox::Settings {
        now: timestamp,
        helper,
        time: sandbox::TIME_LIMIT,
        limits: sandbox::Limits::default(),
        resources,
        unfinished: edge.unfinished.clone(),
    }
}

/// Bars a step whose package has a name that no layer can hold.
pub fn reserved<P: AsRef<[u8]>>(
    step: &Step,
    mut paths: impl Iterator<Item = P>,
) -> Option<TrialOutcome> {
    let reserved = |path: &P| {
        path.as_ref().split(|byte| *byte == b'/').any(|name| name.starts_with(whiteout::PREFIX))
    };
    let path = paths.find(reserved)?;
    let package = step.package.name.to_string();
    let shown = String::from_utf8_lossy(path.as_ref()).into_owned();
    let detail = format!("it has {shown}, which means a removed file in a layer");
    Some(TrialOutcome::Barred(step.package.clone(), Reason::Conflict { package, detail }))
}

/// A script's name as the reason against `id` has it: another package's with that one's name.
pub fn script_of(id: &PackageId, package: &str, script: String) -> String {
    match package == id.name.as_ref() {
        true => script,
        false => format!("{package}.{script}"),
    }
}
