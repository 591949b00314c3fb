//! Upkeep of the cache of downloads: it must not grow for ever.
//!
//! In come the cache's directory and what it may have; out comes what was removed: first what
//! nobody used for long, then the least recently used until the rest fits, as ccache and cargo
//! do. A file's time of change is its last use: who reads a file of the cache sets it.
//!
//! A run holds a shared lock of the file `lock` for as long as it uses the cache. Removing
//! files needs the lock exclusively: while another run has it, all stays as it is. Only files that
//! have the names which the cache gives, in folders of its own, are looked at; links are not
//! followed.
//! The dates of the newest indexes stay: they are small, and protect from old ones.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use imgfix_host::ownership::Caller;

/// What a cache may have when nobody says, in bytes: the indexes and packages of some weeks.
pub const DEFAULT_SIZE: u64 = 4 << 30;

/// What nobody used for so long is removed, however small the cache is.
pub const MAX_AGE: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// A use is noted when the last one is so long ago: not at each of many in one run.
const NOTED: Duration = Duration::from_secs(60);

/// How long a run waits for another one that removes files.
const PATIENCE: Duration = Duration::from_secs(10);

/// The file that is locked.
const LOCK: &str = "lock";

/// What a cache may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all files together.
    pub size: u64,
    /// How long ago a file's last use may be.
    pub age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { size: DEFAULT_SIZE, age: MAX_AGE }
    }
}

/// How much files of a cache are together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// Number of files.
    pub files: usize,
    /// Bytes of their contents; what the file system takes for them besides is not counted.
    pub bytes: u64,
}

impl Held {
    fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

/// What came of [`prune`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pruned {
    /// The cache is within its limits.
    Done {
        /// What was beyond them.
        removed: Held,
        /// What is still there.
        left: Held,
    },
    /// Another run uses the cache: nothing was removed.
    InUse,
    /// It cannot be locked or written: nothing was removed.
    ReadOnly,
}

/// A lock that says that the cache is in use; `None` where there can be none (a cache that only
/// can be read). Nobody removes files until it is dropped.
#[must_use]
pub fn in_use(root: &Path) -> Option<File> {
    let file = lock_file(root).ok()?;
    let step = Duration::from_millis(20);
    for _ in 0..PATIENCE.as_millis() / step.as_millis() {
        match file.try_lock_shared() {
            Ok(()) => return Some(file),
            Err(TryLockError::WouldBlock) => std::thread::sleep(step),
            Err(TryLockError::Error(_)) => return None,
        }
    }
    None
}

fn lock_file(root: &Path) -> io::Result<File> {
    use rustix::fs::OFlags;
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits());
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags.map_err(io::Error::other)?)
        .open(root.join(LOCK))
}

/// Notes that a file of the cache was used. One that cannot be changed stays as it is.
pub fn note_use(file: &File) {
    let now = SystemTime::now();
    let used = file.metadata().and_then(|meta| meta.modified());
    if used.is_ok_and(|used| now.duration_since(used).is_ok_and(|ago| ago > NOTED)) {
        let _ = file.set_modified(now);
    }
}

/// What the cache in `root` has. One that is not there has nothing.
///
/// # Errors
/// It cannot be read.
pub fn held(root: &Path) -> io::Result<Held> {
    let mut all = Held::default();
    for file in files(root)? {
        all.add(file.bytes);
    }
    Ok(all)
}

/// Removes from the cache in `root` what is beyond the limits, at the time `now`.
///
/// # Errors
/// It cannot be read, or a file cannot be removed.
pub fn prune(root: &Path, limits: Limits, now: SystemTime) -> io::Result<Pruned> {
    let Ok(lock) = lock_file(root) else { return Ok(Pruned::ReadOnly) };
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(Pruned::InUse),
        Err(TryLockError::Error(_)) => return Ok(Pruned::ReadOnly),
    }
    let mut files = files(root)?;
    files.sort_by(|a, b| a.used.cmp(&b.used).then_with(|| a.path.cmp(&b.path)));
    let mut rest: u64 = files.iter().map(|file| file.bytes).sum();
    let (mut removed, mut left) = (Held::default(), Held::default());
    for file in files {
        let old = now.duration_since(file.used).is_ok_and(|ago| ago > limits.age);
        if !old && rest <= limits.size {
            left.add(file.bytes);
            continue;
        }
        match fs::remove_file(&file.path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                return Ok(Pruned::ReadOnly);
            }
            Err(error) => {
                let shown = file.path.display();
                return Err(io::Error::new(error.kind(), format!("{shown}: {error}")));
            }
        }
        rest -= file.bytes;
        removed.add(file.bytes);
    }
    Ok(Pruned::Done { removed, left })
}

/// A file of the cache.
struct Kept {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

/// Every file that has a name which the cache gives.
fn files(root: &Path) -> io::Result<Vec<Kept>> {
    let mut out = Vec::new();
    let objects = root.join("objects");
    if is_folder(&objects) {
        for (prefix, folder) in folders(&objects.join("sha256"), is_prefix)? {
            add_files(&folder, |name| is_digest(name) && name.starts_with(&prefix), &mut out)?;
        }
    }
    for (_, folder) in folders(&root.join("derived"), is_kind)? {
        add_files(&folder, is_digest, &mut out)?;
    }
    add_files(&root.join("revalidate"), is_digest, &mut out)?;
    Ok(out)
}

fn is_hex(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn is_digest(name: &str) -> bool {
    name.len() == 64 && is_hex(name)
}

fn is_prefix(name: &str) -> bool {
    name.len() == 2 && is_hex(name)
}

/// `apt-packages-v2`, `apk-packages`: all kinds that there were start with the package manager.
fn is_kind(name: &str) -> bool {
    let known = name.starts_with("apt-") || name.starts_with("apk-");
    known && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|meta| meta.is_dir())
}

/// The folders in a folder whose names are the cache's, with their names; none where there is no
/// folder, or a link.
fn folders(dir: &Path, is_own: impl Fn(&str) -> bool) -> io::Result<Vec<(String, PathBuf)>> {
    let mut out = Vec::new();
    if !is_folder(dir) {
        return Ok(out);
    }
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if let Some(name) = name.to_str().filter(|name| is_own(name))
            && entry.file_type()?.is_dir()
        {
            out.push((name.to_owned(), entry.path()));
        }
    }
    Ok(out)
}

/// The caller's own files in a folder whose names are the cache's.
fn add_files(dir: &Path, is_own: impl Fn(&str) -> bool, out: &mut Vec<Kept>) -> io::Result<()> {
    if !is_folder(dir) {
        return Ok(());
    }
    let caller = Caller::current();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(&is_own) {
            continue;
        }
        // of the entry itself, not of what a link leads to
        let Ok(meta) = entry.metadata() else { continue };
        if meta.is_file() && caller.refusal(&meta).is_none() {
            out.push(Kept { path: entry.path(), bytes: meta.len(), used: meta.modified()? });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use imgfix_model::digest::Digest;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    /// A cache whose files were used so many days before `now`.
    struct TestCache {
        dir: tempfile::TempDir,
        now: SystemTime,
    }

    impl TestCache {
        fn new() -> Self {
            Self { dir: tempfile::tempdir().unwrap(), now: SystemTime::now() }
        }

        fn put(&self, path: &str, bytes: usize, days: u32) -> PathBuf {
            let path = self.dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, vec![b'x'; bytes]).unwrap();
            let file = File::open(&path).unwrap();
            file.set_modified(self.now - DAY * days).unwrap();
            path
        }

        fn object(&self, text: &str, bytes: usize, days: u32) -> PathBuf {
            let hex = hex(text);
            self.put(&format!("objects/sha256/{}/{hex}", &hex[..2]), bytes, days)
        }

        fn prune(&self, size: u64) -> Pruned {
            prune(self.dir.path(), Limits { size, age: 30 * DAY }, self.now).unwrap()
        }
    }

    fn hex(text: &str) -> String {
        Digest::of(text.as_bytes()).hex()
    }

    #[test]
    fn what_is_old_goes_and_then_the_least_recently_used_until_the_rest_fits() {
        let cache = TestCache::new();
        let old = cache.object("old", 10, 31);
        let files = [
            cache.object("b", 10, 9),
            cache.put(&format!("derived/apt-packages-v2/{}", hex("c")), 10, 8),
            cache.put(&format!("revalidate/{}", hex("d")), 10, 7),
            cache.object("e", 10, 0),
        ];
        let there = || files.iter().map(|file| file.exists()).collect::<Vec<_>>();
        let held = |files| Held { files, bytes: 10 * files as u64 };
        assert_eq!(super::held(cache.dir.path()).unwrap(), held(5));
        assert_eq!(cache.prune(1000), Pruned::Done { removed: held(1), left: held(4) });
        assert!(!old.exists());
        assert_eq!(there(), [true; 4]);
        assert_eq!(cache.prune(40), Pruned::Done { removed: held(0), left: held(4) });
        assert_eq!(cache.prune(39), Pruned::Done { removed: held(1), left: held(3) });
        assert_eq!(there(), [false, true, true, true]);
        assert_eq!(cache.prune(10), Pruned::Done { removed: held(2), left: held(1) });
        assert_eq!(there(), [false, false, false, true]);
        assert_eq!(cache.prune(0), Pruned::Done { removed: held(1), left: held(0) });
    }

    #[test]
    fn what_is_not_the_caches_stays_and_links_are_not_followed() {
        let cache = TestCache::new();
        let (own, hex) = (hex("a"), hex("b"));
        let outside = TestCache::new();
        let precious = outside.put(&format!("objects/sha256/{}/{hex}", &hex[..2]), 10, 99);
        let upper = hex.to_uppercase();
        let foreign = [
            "important.txt".to_owned(),
            format!("newest/{hex}"),
            format!("objects/{hex}"),
            format!("objects/sha256/{hex}"),
            format!("objects/sha256/{}/{hex}", &own[..2]),
            format!("objects/sha256/{}/{}", &hex[..2], &hex[..63]),
            format!("objects/sha256/{}/{upper}", &hex[..2]),
            format!("objects/sha256/{}/more/{hex}", &hex[..2]),
            format!("objects/sha512/{}/{hex}", &hex[..2]),
            format!("derived/{hex}"),
            format!("derived/apt-packages-v2/{hex}.bak"),
            format!("derived/mine/{hex}"),
            format!("revalidate/{hex}0"),
        ];
        let foreign: Vec<PathBuf> = foreign.iter().map(|path| cache.put(path, 10, 99)).collect();
        let link = cache.dir.path().join(format!("revalidate/{hex}"));
        symlink(&precious, &link).unwrap();
        let folder = cache.dir.path().join("derived/apk-packages");
        symlink(precious.parent().unwrap(), &folder).unwrap();
        assert_eq!(
            cache.prune(0),
            Pruned::Done { removed: Held::default(), left: Held::default() }
        );
        for path in foreign.iter().chain([&precious, &link]) {
            assert!(path.symlink_metadata().is_ok(), "{}", path.display());
        }
        // nor is any of the cache's own folders
        for folder in ["objects", "objects/sha256", "derived", "revalidate"] {
            let other = TestCache::new();
            let target = outside.dir.path().join(folder);
            fs::create_dir_all(&target).unwrap();
            let at = other.dir.path().join(folder);
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            symlink(&target, &at).unwrap();
            assert!(matches!(other.prune(0), Pruned::Done { removed: Held { files: 0, .. }, .. }));
            assert!(precious.exists(), "{folder}");
        }
    }

    #[test]
    fn a_cache_that_another_run_uses_is_left_as_it_is() {
        let cache = TestCache::new();
        let old = cache.object("old", 10, 99);
        let first = in_use(cache.dir.path()).unwrap();
        let second = in_use(cache.dir.path()).unwrap();
        assert_eq!(cache.prune(0), Pruned::InUse);
        drop(first);
        assert_eq!(cache.prune(0), Pruned::InUse);
        assert!(old.exists());
        drop(second);
        assert!(matches!(cache.prune(0), Pruned::Done { .. }));
        assert!(!old.exists());
    }

    #[test]
    fn a_link_in_the_place_of_the_lock_is_not_followed() {
        let cache = TestCache::new();
        let old = cache.object("old", 10, 99);
        let target = cache.dir.path().join("elsewhere");
        symlink(&target, cache.dir.path().join(LOCK)).unwrap();
        assert_eq!(cache.prune(0), Pruned::ReadOnly);
        assert!(in_use(cache.dir.path()).is_none());
        assert!(old.exists() && !target.exists());
    }

    #[test]
    fn a_use_is_noted() {
        let cache = TestCache::new();
        let path = cache.object("a", 10, 99);
        let file = File::open(&path).unwrap();
        note_use(&file);
        let ago = cache.now.duration_since(file.metadata().unwrap().modified().unwrap());
        assert!(ago.is_err() || ago.is_ok_and(|ago| ago < DAY));
        assert!(matches!(cache.prune(1000), Pruned::Done { removed: Held { files: 0, .. }, .. }));
    }
}
