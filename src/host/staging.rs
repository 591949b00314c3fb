//! Files that appear whole or not at all.
//!
//! A [`Staged`] file is written beside its destination (so that the rename stays on one file
//! system) and renamed. Dropping it removes it, and so does an interruption
//! ([`crate::unfinished`]). A process that was killed cannot; its files are told from those of
//! a living one by the lock that the living one holds, and [`remove_stale`] removes them on the
//! next run.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::scratch::open_own;
use crate::unfinished::{Pending, Unfinished};

const PREFIX: &str = ".imgfix-";
const SUFFIX: &str = ".partial";
/// How many random characters are between the two.
const RANDOM: usize = 6;

/// A file that is not yet under its name.
#[derive(Debug)]
pub struct Staged {
    file: NamedTempFile,
    unfinished: Unfinished,
    // dropped last: until then an interruption removes the file
    _pending: Pending,
}

impl Staged {
    /// A new file in `dir`, readable as the umask allows.
    ///
    /// # Errors
    /// `dir` cannot be written.
    pub fn create_in(dir: &Path, unfinished: &Unfinished) -> io::Result<Self> {
        loop {
            let (file, pending) = unfinished.make(|| {
                let file = new_file(dir)?;
                let path = file.path().to_owned();
                let undo = move || {
                    let _ = std::fs::remove_file(path);
                };
                Ok::<_, io::Error>((file, Box::new(undo) as _))
            })?;
            // file systems without locks have no stale-file removal either
            let _ = file.as_file().lock();
            // another process may have taken it for stale between its creation and its lock
            if file.as_file().metadata()?.nlink() > 0 {
                let unfinished = unfinished.clone();
                return Ok(Self { file, unfinished, _pending: pending });
            }
        }
    }

    /// The open file.
    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Waits until the content is on the disk.
    ///
    /// # Errors
    /// The disk is full or broken.
    pub fn sync(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.as_file().sync_all()
    }

    /// Gives it its name, replacing what was there. `then` notes that it is there; no
    /// interruption comes between the two.
    ///
    /// # Errors
    /// The directory cannot be written; nothing has changed then.
    pub fn persist(self, path: &Path, then: impl FnOnce()) -> io::Result<()> {
        let Self { file, unfinished, _pending } = self;
        unfinished.whole(|| named(file, path, then))
    }

    /// As [`Staged::persist`], after which `tag` is published.
    ///
    /// # Errors
    /// As [`Staged::persist`]; nothing is published then.
    pub fn publish(self, path: &Path, tag: &str, then: impl FnOnce()) -> io::Result<()> {
        let Self { file, unfinished, _pending } = self;
        unfinished.publish(tag, || named(file, path, then))?;
        sync_directory(parent(path))
    }
}

fn named(file: NamedTempFile, path: &Path, then: impl FnOnce()) -> io::Result<()> {
    file.persist(path).map_err(|error| error.error)?;
    then();
    Ok(())
}

fn new_file(dir: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(PREFIX)
        .suffix(SUFFIX)
        .rand_bytes(RANDOM)
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(dir)
}

/// The directory that `path` is in.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

/// Removes staged files in `dir` whose process is gone, of this user only. Best effort.
pub fn remove_stale(dir: &Path) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(is_given)
            && let Some(file) = open_own(&entry.path())
            && file.try_lock().is_ok()
        {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Whether a staged file can have this name.
fn is_given(name: &str) -> bool {
    let random = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX));
    random.is_some_and(|random| {
        random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// Some file systems refuse to sync a directory; the rename is still atomic there.
fn sync_directory(dir: &Path) -> io::Result<()> {
    let _ = File::open(dir)?.sync_all();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unfinished::Published;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(dir)
            .expect("dir")
            .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_dropped_file_leaves_nothing_and_a_persisted_one_replaces() {
        let (dir, unfinished) = (tempfile::tempdir().expect("dir"), Unfinished::default());
        drop(Staged::create_in(dir.path(), &unfinished).expect("staged"));
        assert!(names(dir.path()).is_empty());
        let path = dir.path().join("a");
        for content in ["old", "new"] {
            let mut staged = Staged::create_in(dir.path(), &unfinished).expect("staged");
            staged.file().write_all(content.as_bytes()).expect("write");
            staged.persist(&path, || ()).expect("persist");
        }
        assert_eq!(std::fs::read(&path).expect("read"), b"new");
        assert_eq!(names(dir.path()), ["a"]);
    }

    #[test]
    fn an_interruption_removes_a_file_that_is_not_under_its_name() {
        let (dir, unfinished) = (tempfile::tempdir().expect("dir"), Unfinished::default());
        let finished = Staged::create_in(dir.path(), &unfinished).expect("staged");
        finished.publish(&dir.path().join("a"), "app:1", || ()).expect("publish");
        let staged = Staged::create_in(dir.path(), &unfinished).expect("staged");
        assert_eq!(unfinished.take_back(), Published::Tag("app:1".into()));
        assert_eq!(names(dir.path()), ["a"]);
        std::mem::forget(staged);
    }

    #[test]
    fn only_own_files_of_dead_processes_are_stale() {
        let dir = tempfile::tempdir().expect("dir");
        let dir = dir.path();
        let living = Staged::create_in(dir, &Unfinished::default());
        let write = |name: &str| std::fs::write(dir.join(name), b"").expect("write");
        write(".imgfix-A1b2C3.partial");
        for foreign in ["user.partial", ".imgfix-notes-of-mine.partial", ".imgfix-.partial"] {
            write(foreign);
        }
        let fifo = rustix::fs::FileType::Fifo;
        let (at, mode) = (rustix::fs::CWD, rustix::fs::Mode::from_raw_mode(0o600));
        rustix::fs::mknodat(at, dir.join(".imgfix-fifo00.partial"), fifo, mode, 0).expect("fifo");
        let link = dir.join(".imgfix-link00.partial");
        std::os::unix::fs::symlink("user.partial", link).expect("link");
        if rustix::process::geteuid().is_root() {
            write(".imgfix-other0.partial");
            let other = dir.join(".imgfix-other0.partial");
            std::os::unix::fs::chown(other, Some(1), None).expect("chown");
        } else {
            eprintln!("NOT tested as this user: files that belong to others");
        }
        let before = names(dir);
        remove_stale(dir);
        let left = names(dir);
        assert_eq!(left.len(), before.len() - 1, "{left:?}");
        assert!(!left.iter().any(|name| name.contains("A1b2C3")), "{left:?}");
        drop(living);
    }
}
