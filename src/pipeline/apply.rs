//! A plan's packages over the image: archives unpacked (several at a time, each once),
//! installed into an overlay, with their scripts and triggers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::packages::PackageId;
use crate::packages::dpkg::commands;
use crate::packages::dpkg::deb::{DebPackage, Limits, unpack};
use crate::packages::dpkg::install::{
    Effect, InstallError, Mark, NewPackage, NoScripts, Options, ScriptRunner, distroless, install,
};
use crate::packages::dpkg::inventory::{DpkgInventory, Record};
use crate::packages::dpkg::sandbox_runner::SandboxRunner;
use crate::packages::dpkg::virtual_runner::VirtualRunner;
use crate::plan::{ArchiveChecksum, Reason, Step};
use crate::recipes::{self, Removal};
use crate::rootfs::{Overlay, Spool};
use crate::scripts::{Settings, sandbox};

use super::load::Loaded;
use super::planning::open_archive;
use super::{Environment, RepairError, ScriptsMode};

/// Unpacked packages of one run, by archive checksum.
pub struct Workshop {
    spool: Spool,
    unpacked: BTreeMap<ArchiveChecksum, DebPackage>,
}

/// A set of packages, installed.
pub struct Applied {
    pub overlay: Overlay,
    pub effects: Vec<Effect>,
    /// Files that the upgrade made stale and that recipes removed.
    pub stale: Vec<Removal>,
    /// The time of generated files: the newest time in the packages, or `SOURCE_DATE_EPOCH`.
    pub timestamp: i64,
}

/// What came of installing a set.
pub enum Outcome {
    Applied(Applied),
    /// This package cannot be in the set.
    Barred(PackageId, Reason),
}

impl Workshop {
    /// # Errors
    /// No temporary file can be made.
    pub fn new() -> Result<Self, RepairError> {
        let spool = Spool::new().map_err(RepairError::Temporary)?;
        Ok(Self { spool, unpacked: BTreeMap::new() })
    }

    /// Unpacks what is not unpacked yet. `paths` are the archives of `steps`.
    fn unpack(&mut self, steps: &[Step], paths: &[PathBuf]) -> Result<(), RepairError> {
        let mut jobs: Vec<(&Step, &PathBuf)> = steps
            .iter()
            .zip(paths)
            .filter(|(step, _)| !self.unpacked.contains_key(&step.archive.checksum))
            .collect();
        // the largest first, so that no thread is left alone with it at the end
        jobs.sort_by_key(|(step, _)| (std::cmp::Reverse(step.archive.size), step.package.clone()));
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::new());
        let work = || {
            while let Some((step, path)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                let result = open_archive(&step.archive.url, path).and_then(|file| {
                    unpack(file, &self.spool, &Limits::default()).map_err(|source| {
                        RepairError::Archive { archive: step.archive.url.clone(), source }
                    })
                });
                let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                done.push((step.archive.checksum, result));
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(work);
            }
            work();
        });
        for (digest, result) in done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
        {
            self.unpacked.insert(digest, result?);
        }
        Ok(())
    }

    /// Installs a set of steps over the image.
    ///
    /// # Errors
    /// An archive cannot be read, or the image's database is not understood. What only one
    /// package is to blame for is an [`Outcome::Barred`].
    pub fn apply(
        &mut self,
        loaded: &Loaded,
        inventory: &DpkgInventory,
        steps: &[Step],
        paths: &[PathBuf],
        environment: &Environment,
    ) -> Result<Outcome, RepairError> {
        self.unpack(steps, paths)?;
        let packages: Vec<NewPackage> = steps
            .iter()
            .filter_map(|step| {
                let package = self.unpacked.get(&step.archive.checksum)?.clone();
                let mark = if step.from.is_none() { Mark::Automatic } else { Mark::Manual };
                Some(NewPackage { package, mark })
            })
            .collect();
        let newest = packages
            .iter()
            .flat_map(|new| new.package.payload.iter().map(|entry| entry.mtime))
            .max()
            .unwrap_or(0);
        let timestamp = environment.source_date_epoch.unwrap_or(newest);
        let mut overlay = Overlay::new(Arc::clone(&loaded.tree));
        let image = loaded.platform.to_string();
        let options = Options { timestamp };
        let without_dpkg = is_distroless(inventory);
        let installed = if without_dpkg {
            distroless::install(&mut overlay, &packages, &options)
        } else {
            let mut runner = runner(inventory, timestamp, environment.scripts);
            with_deep_stack(|| install(&mut overlay, &packages, &options, &mut *runner))?
        };
        let effects = match installed {
            Ok(effects) => effects,
            Err(error) => {
                return match blamed(&error, steps) {
                    Some(id) => Ok(Outcome::Barred(id.clone(), reason(&id, error))),
                    None => Err(RepairError::Install { image, source: error }),
                };
            }
        };
        let stale = recipes::removals(&loaded.tree, &overlay, &recipes::shipped()?);
        for removal in &stale {
            removal.apply(&mut overlay);
        }
        Ok(Outcome::Applied(Applied { overlay, effects, stale, timestamp }))
    }
}

/// How scripts are run, as the user wants it.
fn runner(
    inventory: &DpkgInventory,
    timestamp: i64,
    mode: ScriptsMode,
) -> Box<dyn ScriptRunner + Send> {
    let evaluator = || {
        let architecture = inventory.native.to_string();
        let settings = Settings { now: timestamp, architecture };
        VirtualRunner::new(Arc::new(commands::table()), settings)
    };
    match mode {
        ScriptsMode::Never => Box::new(NoScripts),
        ScriptsMode::Virtual => Box::new(evaluator()),
        ScriptsMode::Sandbox => {
            // This program is its own helper; where it is not known, starting it will fail.
            let helper = std::env::current_exe().unwrap_or_else(|_| "imgfix".into());
            let settings = sandbox::Settings { now: timestamp, helper };
            Box::new(SandboxRunner::new(evaluator(), settings))
        }
    }
}

/// The stack for evaluating scripts, in bytes: the evaluator calls itself as deep as scripts
/// nest, which is bounded.
const SCRIPT_STACK: usize = 256 << 20;

fn with_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, RepairError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("scripts".to_owned())
            .stack_size(SCRIPT_STACK)
            .spawn_scoped(scope, work)
            .map_err(RepairError::Temporary)?;
        thread.join().map_err(|panic| std::panic::resume_unwind(panic))
    })
}

/// Why a step cannot be done, from the error that it made.
fn reason(id: &PackageId, error: InstallError) -> Reason {
    match error {
        InstallError::Script { package, script, line, detail, .. } => {
            let script = match package == id.name.as_ref() {
                true => script,
                false => format!("{package}.{script}"),
            };
            Reason::NeedsScripts { package: id.name.to_string(), script, line, detail }
        }
        other => Reason::Conflict { package: id.name.to_string(), detail: other.to_string() },
    }
}

/// Whether the image's packages are single files without dpkg: then its builder has run no
/// maintainer script and no trigger, and none is missed.
#[must_use]
pub fn is_distroless(inventory: &DpkgInventory) -> bool {
    !inventory.packages.iter().any(|package| package.record == Record::Status)
}

/// The step that an installation error is about, when it is about one.
fn blamed(error: &InstallError, steps: &[Step]) -> Option<PackageId> {
    match error {
        InstallError::Package { package, .. }
        | InstallError::State { package, .. }
        | InstallError::Overwrite { package, .. }
        | InstallError::Diverted { package, .. }
        | InstallError::Shared { package, .. }
        | InstallError::NoParent { package, .. }
        | InstallError::Path { package, .. } => step_named(package, steps),
        InstallError::Vanishes { by, .. } => step_named(by, steps),
        InstallError::Script { package, activated_by, .. } => activated_by
            .as_ref()
            .and_then(|by| step_named(by, steps))
            .or_else(|| step_named(package, steps)),
        InstallError::Rootfs(_)
        | InstallError::Database { .. }
        | InstallError::TriggerCircle { .. } => None,
    }
}

/// A step by `name` or `name:architecture`.
fn step_named(label: &str, steps: &[Step]) -> Option<PackageId> {
    steps
        .iter()
        .map(|step| &step.package)
        .find(|id| id.name.as_ref() == label || id.to_string() == label)
        .cloned()
}
