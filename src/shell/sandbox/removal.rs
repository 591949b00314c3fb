//! Removing what a hostile program left, however deep it is: a folder's folders are moved up
//! before they are removed, so neither the stack nor the open files nor the length of a path
//! grows with the depth.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;

/// So many names of a folder are held at once.
const AT_ONCE: usize = 10_000;

/// Removes everything in a folder but not the folder. Links are removed, not followed. What
/// another process removes meanwhile is gone as well.
///
/// # Errors
/// Something cannot be removed.
pub fn empty(path: &Path) -> io::Result<()> {
    let top = open(CWD, path)?;
    let mut moved = 0_u64;
    loop {
        let all = entries(&top)?;
        if all.is_empty() {
            return Ok(());
        }
        for (name, is_folder) in all {
            if !is_folder {
                gone(unlinkat(&top, &name, AtFlags::empty()))?;
            } else if let Err(Errno::NOTEMPTY | Errno::EXIST) =
                unlinkat(&top, &name, AtFlags::REMOVEDIR)
            {
                lift(&top, &name, &mut moved)?;
                gone(unlinkat(&top, &name, AtFlags::REMOVEDIR))?;
            }
        }
    }
}

fn gone(removed: rustix::io::Result<()>) -> io::Result<()> {
    match removed {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Removes the files of a folder and moves its folders up beside it.
fn lift(top: &OwnedFd, name: &CStr, moved: &mut u64) -> io::Result<()> {
    let folder = match open(top.as_fd(), name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    loop {
        let all = entries(&folder)?;
        if all.is_empty() {
            return Ok(());
        }
        for (inner, is_folder) in all {
            if !is_folder {
                gone(unlinkat(&folder, &inner, AtFlags::empty()))?;
                continue;
            }
            loop {
                let free = CString::new(format!(".imgfix-removed-{moved}"))?;
                *moved += 1;
                match renameat(&folder, &inner, top, &free) {
                    Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {}
                    other => break gone(other)?,
                }
            }
        }
    }
}

fn open(folder: BorrowedFd<'_>, path: impl rustix::path::Arg) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(folder, path, flags, Mode::empty())?)
}

/// Some of the names, and which are folders; none when there are none.
fn entries(folder: &OwnedFd) -> io::Result<Vec<(CString, bool)>> {
    let mut found = Vec::new();
    for entry in Dir::read_from(folder)? {
        if found.len() == AT_ONCE {
            break;
        }
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let is_folder = match entry.file_type() {
            FileType::Unknown => {
                let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(stat.st_mode) == FileType::Directory
            }
            kind => kind == FileType::Directory,
        };
        found.push((name.to_owned(), is_folder));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn depth_and_links_are_no_hindrance() {
        let dir = tempfile::tempdir().unwrap();
        let kept = tempfile::tempdir().unwrap();
        fs::write(kept.path().join("x"), "x").unwrap();
        let mut folder = open(CWD, dir.path()).unwrap();
        for depth in 0..5000 {
            let name = if depth == 2 { ".imgfix-removed-0" } else { "d" };
            rustix::fs::mkdirat(&folder, name, Mode::from_raw_mode(0o700)).unwrap();
            if depth % 1000 == 0 {
                rustix::fs::symlinkat(kept.path(), &folder, "link").unwrap();
                rustix::fs::mkdirat(&folder, ".imgfix-removed-1", Mode::from_raw_mode(0o700))
                    .unwrap();
            }
            folder = open(folder.as_fd(), name).unwrap();
        }
        empty(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(kept.path().join("x").exists());
    }
}
