//! Files that appear whole or not at all.
//!
//! A [`Staged`] file is written beside its destination (so that the rename stays on one file
//! system), synced, and renamed. Dropping it removes it. A process that was killed cannot; its
//! files are told from those of a living one by the lock that the living one holds, and
//! [`remove_stale`] removes them on the next run.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use tempfile::NamedTempFile;

const PREFIX: &str = ".imgfix-";
const SUFFIX: &str = ".partial";

/// A file that is not yet under its name.
#[derive(Debug)]
pub struct Staged(NamedTempFile);

impl Staged {
    /// A new file in `dir`, readable as the umask allows.
    ///
    /// # Errors
    /// `dir` cannot be written.
    pub fn create_in(dir: &Path) -> io::Result<Self> {
        loop {
            let file = tempfile::Builder::new()
                .prefix(PREFIX)
                .suffix(SUFFIX)
                .permissions(Permissions::from_mode(0o666))
                .tempfile_in(dir)?;
            // file systems without locks have no stale-file removal either
            let _ = file.as_file().lock();
            // another process may have taken it for stale between its creation and its lock
            if file.as_file().metadata()?.nlink() > 0 {
                return Ok(Self(file));
            }
        }
    }

    /// The open file.
    pub fn file(&mut self) -> &mut File {
        self.0.as_file_mut()
    }

    /// Syncs it and gives it its name, replacing what was there.
    ///
    /// # Errors
    /// The disk is full or the directory cannot be written; nothing has changed then.
    pub fn persist(mut self, path: &Path) -> io::Result<()> {
        self.0.flush()?;
        self.0.as_file().sync_all()?;
        self.0.persist(path).map_err(|error| error.error)?;
        match path.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => sync_directory(dir),
            _ => sync_directory(Path::new(".")),
        }
    }
}

/// Writes a whole small file.
///
/// # Errors
/// As [`Staged::persist`].
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut staged = Staged::create_in(parent(path))?;
    staged.file().write_all(bytes)?;
    staged.persist(path)
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
        let dir = tempfile::tempdir().expect("dir");
        drop(Staged::create_in(dir.path()).expect("staged"));
        assert!(names(dir.path()).is_empty());
        let path = dir.path().join("a");
        write(&path, b"old").expect("write");
        write(&path, b"new").expect("write");
        assert_eq!(std::fs::read(&path).expect("read"), b"new");
        assert_eq!(names(dir.path()), ["a"]);
    }

    #[test]
    fn only_files_of_dead_processes_are_stale() {
        let dir = tempfile::tempdir().expect("dir");
        let living = Staged::create_in(dir.path()).expect("staged");
        std::fs::write(dir.path().join(".imgfix-dead.partial"), b"").expect("write");
        std::fs::write(dir.path().join("user.partial"), b"").expect("write");
        remove_stale(dir.path());
        let left = names(dir.path());
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(!left.iter().any(|name| name.contains("dead")), "{left:?}");
        drop(living);
    }
}
