//! [`Resources`]: what the scripts of one set of packages may use up of this machine.
//!
//! In come a budget of memory, a place on disk for large files and a limit of time, all from
//! the edge: nothing here looks at a clock by itself. Out comes a [`Stop`] when one of them is
//! used up, which bars the package whose script it was.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::Stop;
use imgfix_vfs::{Content, Memory, OverBudget, Reserved, Spool};

/// How much time has gone by since some moment.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Files that are larger than this are put on disk, in bytes.
const IN_MEMORY_UP_TO: usize = 1 << 20;

/// What an entry that a script makes or changes costs beside its content, in bytes.
const ENTRY: u64 = 512;

impl From<OverBudget> for Stop {
    fn from(error: OverBudget) -> Self {
        Stop::new(error.to_string())
    }
}

/// How long scripts may take, shared by all of a run.
#[derive(Clone)]
pub struct TimeLimit {
    clock: Clock,
    /// The scripts of one package together.
    package: Duration,
    /// All scripts of the run, those of packages that are barred later too.
    all: Duration,
    used: Arc<Mutex<Duration>>,
}

impl fmt::Debug for TimeLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeLimit").field("package", &self.package).finish_non_exhaustive()
    }
}

impl TimeLimit {
    /// So long for the scripts of one package, and twice as long for all of a run.
    #[must_use]
    pub fn new(clock: Clock, package: Duration) -> Self {
        let all = package.saturating_mul(2);
        Self { clock, package, all, used: Arc::default() }
    }

    /// Whether no script may run any more.
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) >= self.all
    }

    fn now(&self) -> Duration {
        (self.clock)()
    }
}

/// When a script must have ended.
#[derive(Debug, Clone)]
pub struct Deadline {
    limit: TimeLimit,
    at: Duration,
}

impl Deadline {
    /// # Errors
    /// It has passed.
    pub fn check(&self) -> Result<(), Stop> {
        if self.limit.now() <= self.at {
            return Ok(());
        }
        let seconds = self.limit.package.as_secs();
        Err(Stop::new(format!(
            "it takes too long: the scripts of a package may run for {seconds} seconds, those of \
             all packages for twice that; allow more with --max-script-time"
        )))
    }
}

/// What scripts may use up. Clones share it.
#[derive(Debug, Clone)]
pub struct Resources {
    memory: Memory,
    /// Entries of the overlay that scripts made: they stay until the set is done with.
    entries: Arc<Mutex<Reserved>>,
    /// Where large files go; without one they stay in memory.
    disk: Option<Spool>,
    time: Option<TimeLimit>,
    /// What each package has used of its time.
    packages: Arc<Mutex<BTreeMap<String, Duration>>>,
}

impl Default for Resources {
    /// Memory as [`Memory::default`], no disk, no limit of time.
    fn default() -> Self {
        Self::new(Memory::default(), None, None)
    }
}

impl Resources {
    /// Memory from the budget of the run; large files on `disk`, when there is one; scripts that
    /// run for longer than `time` are stopped.
    #[must_use]
    pub fn new(memory: Memory, disk: Option<Spool>, time: Option<TimeLimit>) -> Self {
        let entries = Arc::new(Mutex::new(memory.share()));
        Self { memory, entries, disk, time, packages: Arc::default() }
    }

    /// The budget of the run, which scripts share with all else.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Runs a script of a package with what is left of its time.
    pub fn timed<T>(&self, package: &str, run: impl FnOnce(Option<Deadline>) -> T) -> T {
        let Some(limit) = &self.time else { return run(None) };
        let lock = |used: &Mutex<Duration>| *used.lock().unwrap_or_else(PoisonError::into_inner);
        let packages = || self.packages.lock().unwrap_or_else(PoisonError::into_inner);
        let used = packages().get(package).copied().unwrap_or_default();
        let left = limit.package.saturating_sub(used);
        let left = left.min(limit.all.saturating_sub(lock(&limit.used)));
        let began = limit.now();
        let result = run(Some(Deadline { limit: limit.clone(), at: began.saturating_add(left) }));
        let took = limit.now().saturating_sub(began);
        *packages().entry(package.to_owned()).or_default() += took;
        *limit.used.lock().unwrap_or_else(PoisonError::into_inner) += took;
        result
    }

    /// Counts an entry that is made or changed.
    ///
    /// # Errors
    /// The budget is spent.
    pub fn count_entry(&self, name: usize) -> Result<(), Stop> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(entries.grow(ENTRY + 2 * name as u64)?)
    }

    /// A place for a file's content.
    ///
    /// # Errors
    /// The budget is spent, or the disk is full.
    pub fn store(&self, content: Bytes) -> Result<Content, Stop> {
        match &self.disk {
            Some(disk) if content.len() > IN_MEMORY_UP_TO => {
                let len = content.len() as u64;
                disk.store(&mut content.as_ref(), len).map(Content::Spool).map_err(disk_stop)
            }
            _ => Ok(Content::Inline(self.memory.hold(content)?)),
        }
    }

    /// A place for the next `size` bytes of a stream, which are not held in memory when they are
    /// many.
    ///
    /// # Errors
    /// The stream's own, it ends early; the budget is spent, or the disk is full ([`Stop`]).
    pub fn store_from(&self, input: &mut dyn Read, size: u64) -> io::Result<Content> {
        if let Some(disk) = &self.disk
            && size > IN_MEMORY_UP_TO as u64
        {
            return match disk.store(input, size) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(error),
                stored => stored.map(Content::Spool).map_err(|error| other(disk_stop(error))),
            };
        }
        let room = self.memory.reserve(size).map_err(|error| other(Stop::from(error)))?;
        let mut content = Vec::new();
        if input.take(size).read_to_end(&mut content)? as u64 != size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        drop(room);
        self.store(content.into()).map_err(other)
    }

    /// The content of a file with more behind it, where that needs no copy; `None` otherwise.
    ///
    /// # Errors
    /// The disk is full.
    pub fn append(&self, content: &Content, more: &[u8]) -> Result<Option<Content>, Stop> {
        match (&self.disk, content) {
            (Some(disk), Content::Spool(file)) => {
                disk.append(file, more).map(|file| Some(Content::Spool(file))).map_err(disk_stop)
            }
            _ => Ok(None),
        }
    }
}

fn other(stop: Stop) -> io::Error {
    io::Error::other(stop)
}

fn disk_stop(error: std::io::Error) -> Stop {
    Stop::from_error(format!("a file that it writes cannot be stored: {error}"), &error)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn time_is_counted_for_a_package_and_for_all() {
        let seconds = Arc::new(AtomicU64::new(0));
        let clock = {
            let seconds = Arc::clone(&seconds);
            Arc::new(move || Duration::from_secs(seconds.load(Ordering::Relaxed)))
        };
        let limit = TimeLimit::new(clock, Duration::from_secs(10));
        let set = || Resources::new(Memory::default(), None, Some(limit.clone()));
        let run = |resources: &Resources, package: &str, takes: u64| {
            resources.timed(package, |deadline| {
                seconds.fetch_add(takes, Ordering::Relaxed);
                deadline.unwrap().check().is_ok()
            })
        };
        let first = set();
        assert!(run(&first, "a", 6));
        assert!(run(&first, "b", 6));
        assert!(!run(&first, "a", 5), "a has 4 seconds left");
        let second = set();
        assert!(!run(&second, "a", 4), "all have 3 seconds left");
        assert!(limit.is_used_up());
    }

    #[test]
    fn large_files_go_to_disk_and_appending_copies_nothing() {
        let disk = Spool::bounded(5 << 20).unwrap();
        let memory = Memory::fixed(1 << 10);
        let resources = Resources::new(memory.clone(), Some(disk), None);
        assert!(matches!(resources.store(Bytes::from_static(b"x")).unwrap(), Content::Inline(_)));
        let large = resources.store(vec![0; 3 << 20].into()).unwrap();
        assert!(matches!(large, Content::Spool(_)));
        let mut longer = large;
        for _ in 0..100 {
            longer = resources.append(&longer, &[1; 10_000]).unwrap().unwrap();
        }
        assert!(resources.store(vec![0; 3 << 20].into()).is_err());
        assert!(resources.store(vec![0; 4 << 10].into()).is_err());
        assert_eq!(memory.used(), 0);
        assert!(resources.count_entry(0).is_ok() && resources.count_entry(0).is_ok());
        assert!(resources.count_entry(0).is_err());
        drop(resources);
        assert_eq!(memory.used(), 0);
    }
}
