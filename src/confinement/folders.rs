//! Folders that a run writes and that are not there yet. They are made before the process is
//! confined, and go again when nothing came into them.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use imgfix_host::unfinished::{Pending, Unfinished};

/// The folders that were made, and what removes them.
#[derive(Debug, Default)]
pub struct Made {
    folders: Arc<Mutex<Vec<PathBuf>>>,
    // an interruption removes them last, after what came into them
    _pending: Option<Pending>,
}

impl Made {
    /// None yet; an interruption of the run removes those that will be made and stay empty.
    #[must_use]
    pub fn new(unfinished: &Unfinished) -> Self {
        let folders = Arc::new(Mutex::new(Vec::new()));
        let undo = Arc::clone(&folders);
        let pending = unfinished.remember(Box::new(move || remove_empty(&undo)));
        Self { folders, _pending: Some(pending) }
    }

    /// Makes `path` and the folders above it that are missing. Where the first one was made;
    /// `None` when none was. What cannot be made is no error here: whoever needs it says so.
    pub fn folder(&mut self, path: &Path, mode: u32) -> Option<PathBuf> {
        let missing: Vec<&Path> = path
            .ancestors()
            .take_while(|one| !one.as_os_str().is_empty() && fs::symlink_metadata(one).is_err())
            .collect();
        let first = missing.last()?;
        let place = match first.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let make = || -> io::Result<()> {
            for one in missing.iter().rev() {
                DirBuilder::new().mode(mode).create(one)?;
                lock(&self.folders).push((*one).to_owned());
            }
            Ok(())
        };
        let done = make();
        (done.is_ok() || !lock(&self.folders).is_empty()).then_some(place)
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        remove_empty(&self.folders);
    }
}

/// Removes those that nothing came into, the innermost first.
fn remove_empty(folders: &Mutex<Vec<PathBuf>>) {
    for folder in std::mem::take(&mut *lock(folders)).iter().rev() {
        let _not_empty = fs::remove_dir(folder);
    }
}

fn lock(folders: &Mutex<Vec<PathBuf>>) -> std::sync::MutexGuard<'_, Vec<PathBuf>> {
    folders.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_was_made_goes_when_nothing_came_into_it() {
        let dir = tempfile::tempdir().unwrap();
        let (used, unused) = (dir.path().join("a/used"), dir.path().join("b/unused"));
        let mut made = Made::new(&Unfinished::default());
        assert_eq!(made.folder(&used, 0o700).as_deref(), Some(dir.path()));
        assert_eq!(made.folder(&unused, 0o700).as_deref(), Some(dir.path()));
        assert_eq!(made.folder(&used, 0o700), None);
        assert_eq!(fs::metadata(&used).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(used.join("x"), "x").unwrap();
        drop(made);
        assert!(used.join("x").exists() && !dir.path().join("b").exists());
    }

    #[test]
    fn an_interruption_removes_them_too_and_what_was_there_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (there, new) = (dir.path().join("there"), dir.path().join("there/new"));
        fs::create_dir(&there).unwrap();
        let unfinished = Unfinished::default();
        let mut made = Made::new(&unfinished);
        assert_eq!(made.folder(&new, 0o777), Some(there.clone()));
        let _ = unfinished.take_back();
        assert!(there.exists() && !new.exists());
        std::mem::forget(made);
    }

    #[test]
    fn a_file_or_a_dangling_link_in_the_way_is_left_to_whoever_needs_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        std::os::unix::fs::symlink("nowhere", dir.path().join("link")).unwrap();
        let mut made = Made::new(&Unfinished::default());
        for name in ["file/x", "link", "link/x"] {
            assert_eq!(made.folder(&dir.path().join(name), 0o777), None, "{name}");
        }
    }
}
