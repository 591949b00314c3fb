//! A plan's packages over the image: archives unpacked (several at a time, each once),
//! installed into an overlay, triggers looked at.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::image::Digest;
use crate::packages::PackageId;
use crate::packages::dpkg::deb::{DebPackage, Limits, unpack};
use crate::packages::dpkg::install::{
    Effect, InstallError, Mark, NewPackage, Options, distroless, install,
};
use crate::packages::dpkg::inventory::{DpkgInventory, Record};
use crate::packages::dpkg::scripts_check::check_triggers;
use crate::plan::{Reason, Step};
use crate::rootfs::{Overlay, Spool};

use super::load::Loaded;
use super::planning::open_archive;
use super::{Environment, RepairError};

/// Unpacked packages of one run, by archive digest.
pub struct Workshop {
    spool: Spool,
    unpacked: BTreeMap<Digest, DebPackage>,
}

/// A set of packages, installed.
pub struct Applied {
    pub overlay: Overlay,
    pub effects: Vec<Effect>,
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
            .filter(|(step, _)| !self.unpacked.contains_key(&step.archive.sha256))
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
                done.push((step.archive.sha256, result));
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
                let package = self.unpacked.get(&step.archive.sha256)?.clone();
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
        let mut overlay = Overlay::new(std::sync::Arc::clone(&loaded.tree));
        let image = loaded.platform.to_string();
        let options = Options { timestamp };
        let without_dpkg = is_distroless(inventory);
        let installed = if without_dpkg {
            distroless::install(&mut overlay, &packages, &options)
        } else {
            install(&mut overlay, &packages, &options)
        };
        let effects = match installed {
            Ok(effects) => effects,
            Err(error) => {
                return match blamed(&error, steps) {
                    Some(id) => {
                        let package = id.name.to_string();
                        let reason = Reason::Conflict { package, detail: error.to_string() };
                        Ok(Outcome::Barred(id, reason))
                    }
                    None => Err(RepairError::Install { image, source: error }),
                };
            }
        };
        if without_dpkg {
            return Ok(Outcome::Applied(Applied { overlay, effects, timestamp }));
        }
        let debs: Vec<&DebPackage> = packages.iter().map(|new| &new.package).collect();
        if let Err(reason) = check_triggers(&*loaded.tree, &overlay, &debs) {
            let named = match &reason {
                Reason::NeedsScripts { package, .. } => step_named(package, steps),
                _ => None,
            };
            return match named {
                Some(id) => Ok(Outcome::Barred(id, reason)),
                None => Err(RepairError::Verification(format!("a trigger: {reason}"))),
            };
        }
        Ok(Outcome::Applied(Applied { overlay, effects, timestamp }))
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
        InstallError::Rootfs(_) | InstallError::Database { .. } => None,
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
