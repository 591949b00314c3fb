//! Directories of one run in the temporary directory, which other users share.
//!
//! A [`Scratch`] goes when it is dropped, and so it does when the run is interrupted
//! ([`crate::unfinished`]). A process that was killed cannot remove its own; the next run
//! does ([`sweep`]). It removes only what a run of this user has made and no living run
//! holds: the name is one that [`create`](Scratch::create) gives, the directory belongs to
//! this user and is closed to others, and the file in it that says so is regular, belongs to
//! this user, has the right content and can be locked. Anything else is somebody's, and stays
//! as it is; nothing of it is followed, waited for or changed.

use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};

use crate::unfinished::{Pending, Unfinished};

/// The file in each that is locked as long as its run lives.
const MARKER: &str = ".imgfix";
/// What the file says, for the user who finds one, and for [`sweep`].
const CONTENT: &[u8] = b"A directory of one run of imgfix. The next run removes it.\n";

/// How many random characters a name ends with.
const RANDOM: usize = 12;
/// More names than this in the temporary directory are not looked through.
const MAX_NAMES: usize = 100_000;

/// What a directory is for.
#[derive(Clone)]
pub struct Purpose {
    /// How its name begins.
    pub prefix: &'static str,
    /// How it is removed.
    pub remove: Remove,
}

/// Removes a directory with everything in it, as well as that can be done.
pub type Remove = Arc<dyn Fn(&Path) + Send + Sync>;

impl Purpose {
    /// For files of this user alone.
    #[must_use]
    pub fn plain(prefix: &'static str) -> Self {
        Self { prefix, remove: Arc::new(remove_plainly) }
    }
}

fn remove_plainly(path: &Path) {
    let _left_for_the_next_run = fs::remove_dir_all(path);
}

/// A directory that is removed at the end of the run, closed to other users.
pub struct Scratch {
    path: PathBuf,
    remove: Remove,
    /// Locked as long as the run lives.
    _marker: File,
    // dropped last: until then an interruption removes the directory
    _pending: Pending,
}

impl Scratch {
    /// A new one in the temporary directory, after what killed runs have left is removed.
    ///
    /// # Errors
    /// No directory can be made there.
    pub fn new(purpose: Purpose, unfinished: &Unfinished) -> io::Result<Self> {
        let dir = std::env::temp_dir();
        sweep(&dir, &purpose);
        Self::create(&dir, purpose, unfinished)
    }

    /// A new one in `dir`.
    ///
    /// # Errors
    /// `dir` cannot be written.
    pub fn create(dir: &Path, purpose: Purpose, unfinished: &Unfinished) -> io::Result<Self> {
        let Purpose { prefix, remove } = purpose;
        loop {
            let (path, pending) = unfinished.make(|| {
                let made = tempfile::Builder::new()
                    .prefix(prefix)
                    .rand_bytes(RANDOM)
                    .make_in(dir, |path| DirBuilder::new().mode(0o700).create(path))?;
                let (_, path) = made.keep().map_err(|error| error.error)?;
                let (undone, remove) = (path.clone(), Arc::clone(&remove));
                Ok::<_, io::Error>((path, Box::new(move || remove(&undone)) as _))
            })?;
            match marker(&path) {
                Ok(Some(marker)) => {
                    return Ok(Self { path, remove, _marker: marker, _pending: pending });
                }
                Ok(None) => {}
                Err(error) => {
                    remove_plainly(&path);
                    return Err(error);
                }
            }
        }
    }

    /// Where the directory is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scratch").field(&self.path).finish()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        (self.remove)(&self.path);
    }
}

/// The locked marker; `None` when another run took the directory for a dead one's between
/// its creation and the lock.
fn marker(path: &Path) -> io::Result<Option<File>> {
    let path = path.join(MARKER);
    let mut marker = File::options().write(true).create_new(true).open(path)?;
    // file systems without locks have no removal of stale directories either
    let _ = marker.lock();
    marker.write_all(CONTENT)?;
    Ok((marker.metadata()?.nlink() > 0).then_some(marker))
}

/// Removes directories in `dir` that killed runs of this user have left. Best effort.
pub fn sweep(dir: &Path, purpose: &Purpose) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten().take(MAX_NAMES) {
        let path = entry.path();
        let is_name = entry.file_name().to_str().is_some_and(|name| is_given(name, purpose));
        if is_name
            && is_private(&path)
            && let Some(_locked) = lock_of_the_dead(&path)
        {
            (purpose.remove)(&path);
        }
    }
}

fn is_given(name: &str, purpose: &Purpose) -> bool {
    name.strip_prefix(purpose.prefix).is_some_and(|rest| {
        rest.len() == RANDOM && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// Whether this is a directory that only this user can have written.
fn is_private(path: &Path) -> bool {
    fs::symlink_metadata(path)
        .is_ok_and(|found| found.is_dir() && is_own(&found) && found.mode() & 0o7777 == 0o700)
}

fn is_own(found: &fs::Metadata) -> bool {
    found.uid() == rustix::process::geteuid().as_raw()
}

/// The marker, now locked, when its run is dead.
fn lock_of_the_dead(path: &Path) -> Option<File> {
    let marker = open_own(&path.join(MARKER))?;
    let mut content = Vec::new();
    (&marker).take(CONTENT.len() as u64 + 1).read_to_end(&mut content).ok()?;
    (content == CONTENT && marker.try_lock().is_ok()).then_some(marker)
}

/// Opens a regular file of this user that has no other name. Links are not followed, and
/// neither a FIFO nor a device makes it wait.
#[must_use]
pub fn open_own(path: &Path) -> Option<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    // Opening a device can already do something: what it is is asked before, and again after.
    let is_regular = |found: &fs::Metadata| found.is_file() && is_own(found) && found.nlink() == 1;
    if !fs::symlink_metadata(path).is_ok_and(|found| is_regular(&found)) {
        return None;
    }
    let file = File::from(rustix::fs::open(path, flags | OFlags::NOCTTY, Mode::empty()).ok()?);
    file.metadata().is_ok_and(|found| is_regular(&found)).then_some(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    fn purpose() -> Purpose {
        Purpose::plain("imgfix-test-")
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// What a killed run leaves.
    fn dead(dir: &Path, random: &str) -> PathBuf {
        let path = dir.join(format!("imgfix-test-{random}"));
        DirBuilder::new().mode(0o700).create(&path).unwrap();
        fs::write(path.join(MARKER), CONTENT).unwrap();
        fs::create_dir(path.join("more")).unwrap();
        path
    }

    #[test]
    fn a_dropped_or_interrupted_one_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let unfinished = Unfinished::default();
        let dropped = Scratch::create(dir.path(), purpose(), &unfinished).unwrap();
        fs::write(dropped.path().join("x"), "x").unwrap();
        assert_eq!(fs::metadata(dropped.path()).unwrap().permissions().mode() & 0o7777, 0o700);
        drop(dropped);
        assert_eq!(names(dir.path()), [""; 0]);
        let interrupted = Scratch::create(dir.path(), purpose(), &unfinished).unwrap();
        let _ = unfinished.take_back();
        assert_eq!(names(dir.path()), [""; 0]);
        std::mem::forget(interrupted);
    }

    #[test]
    fn what_dead_runs_left_is_swept_and_what_living_ones_use_stays() {
        let dir = tempfile::tempdir().unwrap();
        let gone = dead(dir.path(), "000000000000");
        let living = Scratch::create(dir.path(), purpose(), &Unfinished::default()).unwrap();
        sweep(dir.path(), &purpose());
        assert!(!gone.exists() && living.path().join(MARKER).exists());
    }

    /// Each is one thing away from what is removed, in a way that another user, or this one,
    /// can bring about.
    #[test]
    fn nothing_foreign_is_removed_followed_or_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let elsewhere = tempfile::tempdir().unwrap();
        let precious = dead(elsewhere.path(), "abcdefghijkl");
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let replaced = |random: &str| {
            let path = dead(dir, random);
            fs::remove_file(path.join(MARKER)).unwrap();
            path.join(MARKER)
        };
        let fifo = |path: &Path| {
            let kind = rustix::fs::FileType::Fifo;
            rustix::fs::mknodat(rustix::fs::CWD, path, kind, Mode::from_raw_mode(0o600), 0)
                .unwrap();
        };
        // names
        dead(dir, "notes");
        dead(dir, "0000000000000");
        dead(dir, "00000000000.");
        fs::rename(dead(dir, "000000000000"), dir.join("imgfix-cache-notes")).unwrap();
        // what stands there instead of a directory, or of the marker
        fifo(&dir.join("imgfix-test-fifo00000000"));
        symlink(&precious, dir.join("imgfix-test-link00000000")).unwrap();
        fifo(&replaced("fifomarker00"));
        symlink(precious.join(MARKER), replaced("linkmarker00")).unwrap();
        fs::hard_link(precious.join(MARKER), replaced("hardmarker00")).unwrap();
        fs::create_dir(replaced("foldermarker")).unwrap();
        replaced("nomarker0000");
        fs::write(replaced("emptymarker0"), "").unwrap();
        fs::write(replaced("longmarker00"), [CONTENT, b"x"].concat()).unwrap();
        // who could have written it
        mode(&dead(dir, "open00000000"), 0o755);
        mode(&dead(dir, "sticky000000"), 0o1700);
        if rustix::process::geteuid().is_root() {
            chown(dead(dir, "others000000"), Some(1), None).unwrap();
            chown(dead(dir, "othersmarker").join(MARKER), Some(1), None).unwrap();
        } else {
            eprintln!("NOT tested as this user: directories that belong to others");
        }
        let before = names(dir);
        sweep(dir, &purpose());
        assert_eq!(names(dir), before);
        assert!(precious.join("more").exists());
        assert!(before.len() >= 15);
    }
}
