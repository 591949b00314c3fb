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

use crate::unfinished::{Pending, Unfinished};

const PREFIX: &str = ".imgfix-";
const SUFFIX: &str = ".partial";

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

/// Removes staged files in `dir` whose process is gone. Best effort.
pub fn remove_stale(dir: &Path) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|n| n.starts_with(PREFIX) && n.ends_with(SUFFIX));
        let regular = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !ours || !regular {
            continue;
        }
        if let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
        {
            let _ = std::fs::remove_file(entry.path());
        }
    }
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
    fn only_files_of_dead_processes_are_stale() {
        let dir = tempfile::tempdir().expect("dir");
        let living = Staged::create_in(dir.path(), &Unfinished::default());
        std::fs::write(dir.path().join(".imgfix-dead.partial"), b"").expect("write");
        std::fs::write(dir.path().join("user.partial"), b"").expect("write");
        remove_stale(dir.path());
        let left = names(dir.path());
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(!left.iter().any(|name| name.contains("dead")), "{left:?}");
        drop(living);
    }
}
