//! What all families share in installing packages over an image: archives unpacked (several
//! at a time, each once), deep stacks for scripts, and the recipes that come after.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::packages::effects::Effect;
use crate::plan::{ArchiveChecksum, Step};
use crate::recipes;
use crate::rootfs::{Overlay, Spool};

use super::RepairError;
use super::families::Applied;
use super::load::Loaded;

/// Unpacked packages of one run, by archive checksum.
pub struct Unpacked<T> {
    spool: Spool,
    packages: BTreeMap<ArchiveChecksum, T>,
}

impl<T: Send> Unpacked<T> {
    /// # Errors
    /// No temporary file can be made.
    pub fn new() -> Result<Self, RepairError> {
        let spool = Spool::new().map_err(RepairError::Temporary)?;
        Ok(Self { spool, packages: BTreeMap::new() })
    }

    /// The package of a step that was added.
    #[must_use]
    pub fn get(&self, step: &Step) -> Option<&T> {
        self.packages.get(&step.archive.checksum)
    }

    /// Unpacks what is not unpacked yet. `paths` are the archives of `steps`.
    ///
    /// # Errors
    /// The first archive that cannot be read.
    pub fn add(
        &mut self,
        steps: &[Step],
        paths: &[PathBuf],
        unpack: impl Fn(&Step, BufReader<File>, &Spool) -> Result<T, RepairError> + Sync,
    ) -> Result<(), RepairError> {
        let mut jobs: Vec<(&Step, &PathBuf)> = steps
            .iter()
            .zip(paths)
            .filter(|(step, _)| !self.packages.contains_key(&step.archive.checksum))
            .collect();
        // the largest first, so that no thread is left alone with it at the end
        jobs.sort_by_key(|(step, _)| (std::cmp::Reverse(step.archive.size), step.package.clone()));
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::new());
        let work = || {
            while let Some((step, path)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                let result = open_archive(&step.archive.url, path)
                    .and_then(|file| unpack(step, file, &self.spool));
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
            self.packages.insert(digest, result?);
        }
        Ok(())
    }
}

/// Opens a fetched archive.
///
/// # Errors
/// The cache's file is gone.
pub fn open_archive(url: &str, path: &Path) -> Result<BufReader<File>, RepairError> {
    File::open(path)
        .map(|file| BufReader::with_capacity(1 << 17, file))
        .map_err(|source| RepairError::ArchiveFile { archive: url.to_owned(), source })
}

/// Applies the recipes for what the installation made stale.
///
/// # Errors
/// A shipped recipe is malformed.
pub fn finish(
    loaded: &Loaded,
    mut overlay: Overlay,
    effects: Vec<Effect>,
    timestamp: i64,
) -> Result<Applied, RepairError> {
    let stale = recipes::removals(&loaded.tree, &overlay, &recipes::shipped()?);
    for removal in &stale {
        removal.apply(&mut overlay);
    }
    Ok(Applied { overlay, effects, stale, timestamp })
}

/// The stack for evaluating scripts, in bytes: the evaluator calls itself as deep as scripts
/// nest, which is bounded.
const SCRIPT_STACK: usize = 256 << 20;

/// Runs `work` with a stack that scripts cannot exhaust.
///
/// # Errors
/// No thread can be made.
pub fn with_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, RepairError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("scripts".to_owned())
            .stack_size(SCRIPT_STACK)
            .spawn_scoped(scope, work)
            .map_err(RepairError::Temporary)?;
        thread.join().map_err(|panic| std::panic::resume_unwind(panic))
    })
}
