//! What all families share in installing packages over an image: archives unpacked (several
//! at a time, each once), deep stacks for scripts, and the recipes that come after.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use imgfix_host::parallel::{parallel, processors};
use imgfix_model::checksum::ArchiveChecksum;
use imgfix_model::effects::Effect;
use imgfix_model::package::PackageId;
use imgfix_model::plan::Step;
use imgfix_model::reason::Reason;
use imgfix_recipes as recipes;
use imgfix_vfs::{Memory, Overlay, Spool};

use super::error::RepairerError;
use super::package_manager::Applied;

/// What an archive was unpacked as. Its checksum alone does not say that it is the package of
/// another step, too.
type Key = (PackageId, String, ArchiveChecksum);

fn key(step: &Step) -> Key {
    (step.package.clone(), step.to.0.clone(), step.archive.checksum)
}

/// Unpacked packages of one run, by step and archive.
pub struct Unpacked<T> {
    spool: Spool,
    packages: BTreeMap<Key, T>,
    /// Archives that have raised the limits.
    admitted: BTreeSet<ArchiveChecksum>,
}

/// What a payload may take on disk for each byte of its archive, of all packages of a run
/// together, and for a run of small ones.
const DISK_PER_BYTE: u64 = 100;
const DISK_AT_LEAST: u64 = 2 << 30;

/// What unpacking needs beside the budget: the dictionary of a compressor, in bytes.
const DICTIONARY: u64 = 128 << 20;

impl<T: Send> Unpacked<T> {
    /// With no package yet, and a spool for their content.
    ///
    /// # Errors
    /// No temporary file can be made.
    pub fn new() -> Result<Self, RepairerError> {
        let spool = Spool::bounded(DISK_AT_LEAST).map_err(RepairerError::Temporary)?;
        Ok(Self { spool, packages: BTreeMap::new(), admitted: BTreeSet::new() })
    }

    /// The package of a step that was added.
    #[must_use]
    pub fn get(&self, step: &Step) -> Option<&T> {
        self.packages.get(&key(step))
    }

    /// Unpacks what is not unpacked yet. `paths` are the archives of `steps`. Returns a package
    /// that is more than there is room for, and why it cannot be in the set.
    ///
    /// # Errors
    /// An archive that cannot be read.
    pub fn add(
        &mut self,
        steps: &[Step],
        paths: &[PathBuf],
        memory: &Memory,
        unpack: impl Fn(&Step, BufReader<File>, &Spool, &Memory) -> Result<T, RepairerError> + Sync,
    ) -> Result<Option<(PackageId, Reason)>, RepairerError> {
        let mut jobs: Vec<(&Step, &PathBuf)> = steps
            .iter()
            .zip(paths)
            .filter(|(step, _)| !self.packages.contains_key(&key(step)))
            .collect();
        // the largest first, so that no thread is left alone with it at the end
        jobs.sort_by_key(|(step, _)| (std::cmp::Reverse(step.archive.size), step.package.clone()));
        for (step, _) in &jobs {
            if self.admitted.insert(step.archive.checksum) {
                memory.admit(step.archive.size);
                self.spool.raise(step.archive.size.saturating_mul(DISK_PER_BYTE));
            }
        }
        let fit = usize::try_from(memory.limit() / DICTIONARY).unwrap_or(usize::MAX).max(1);
        let mut done = parallel(&jobs, processors().min(fit), |(step, path)| {
            let result = open_archive(&step.archive.url, path)
                .and_then(|file| unpack(step, file, &self.spool, memory));
            (*step, result)
        });
        done.sort_by(|(a, _), (b, _)| a.package.cmp(&b.package));
        let mut barred = None;
        for (step, result) in done {
            match result {
                Ok(package) => drop(self.packages.insert(key(step), package)),
                Err(RepairerError::TooMuch { source, .. }) => {
                    let (package, detail) = (step.package.name.to_string(), source.to_string());
                    let reason = Reason::Conflict { package, detail };
                    barred.get_or_insert((step.package.clone(), reason));
                }
                Err(
                    error @ (RepairerError::OtherPackage { .. } | RepairerError::Untrusted { .. }),
                ) => {
                    let (package, detail) = (step.package.name.to_string(), error.to_string());
                    let reason = Reason::Untrusted { package, detail };
                    barred.get_or_insert((step.package.clone(), reason));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(barred)
    }
}

/// Opens a fetched archive.
///
/// # Errors
/// The cache's file is gone.
pub fn open_archive(url: &str, path: &Path) -> Result<BufReader<File>, RepairerError> {
    File::open(path)
        .map(|file| BufReader::with_capacity(1 << 17, file))
        .map_err(|source| RepairerError::ArchiveFile { archive: url.to_owned(), source })
}

/// Applies the recipes for what the installation made stale.
///
/// # Errors
/// A shipped recipe is malformed.
pub fn finish(
    mut overlay: Overlay,
    effects: Vec<Effect>,
    timestamp: i64,
) -> Result<Applied, RepairerError> {
    let stale = recipes::stale_paths(overlay.tree(), &overlay, &recipes::shipped()?);
    for path in &stale {
        path.apply(&mut overlay);
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
pub fn with_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, RepairerError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("scripts".to_owned())
            .stack_size(SCRIPT_STACK)
            .spawn_scoped(scope, work)
            .map_err(RepairerError::Temporary)?;
        thread.join().map_err(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgfix_model::digest::Digest;
    use imgfix_model::plan::{Archive, Because};

    fn step(name: &str, to: &str) -> Step {
        Step {
            package: PackageId { name: name.into(), architecture: "noarch".into() },
            from: None,
            to: to.into(),
            archive: Archive {
                url: format!("https://r.example/{name}"),
                size: 1,
                checksum: Digest::of(b"the same for all").into(),
                repository: "https://r.example".to_owned(),
            },
            because: vec![Because::Newer],
        }
    }

    #[test]
    fn an_archive_is_what_it_was_held_against_and_nothing_else() {
        // its content is nothing that this asks for
        let path = || Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let memory = Memory::default();
        let mut unpacked: Unpacked<String> = Unpacked::new().unwrap();
        let read = |step: &Step, _: BufReader<File>, _: &Spool, _: &Memory| match step {
            step if *step == self::step("a", "1") => Ok("a".to_owned()),
            step => Err(RepairerError::OtherPackage {
                archive: step.archive.url.clone(),
                found: "a 1".to_owned(),
                wanted: step.package.name.to_string(),
            }),
        };
        let first = unpacked.add(&[step("a", "1")], &[path()], &memory, read).unwrap();
        assert_eq!(first, None);
        assert_eq!(unpacked.get(&step("a", "1")).map(String::as_str), Some("a"));
        for other in [step("a", "2"), step("b", "1")] {
            let steps = [step("a", "1"), other.clone()];
            let barred = unpacked.add(&steps, &[path(), path()], &memory, read).unwrap();
            let (id, reason) = barred.unwrap();
            assert_eq!(id, other.package);
            assert!(matches!(reason, Reason::Untrusted { .. }), "{reason:?}");
            assert_eq!(unpacked.get(&other), None);
        }
    }
}
