//! New content in the place of what is there, which keeps its owner and, as a file, its mode.

use imgfix_model::path::ImagePath;
use imgfix_vfs::{Entry, FileSystem, Overlay, RootfsError};

use crate::unpack::Unpacked;

/// Puts a file in the place of another, or of a folder of which nothing is left then. Its time is
/// `time`, or the former one's.
///
/// # Errors
/// Nothing is there, or something stands in the way.
pub fn put_file(
    overlay: &mut Overlay,
    path: &ImagePath,
    new: Entry,
    time: Option<i64>,
) -> Result<(), RootfsError> {
    let Some(former) = overlay.lstat(path).cloned() else {
        return Err(RootfsError::NotFound(path.clone()));
    };
    let mtime = time.unwrap_or(former.mtime);
    let entry = match former.is_file() {
        true => Entry { kind: new.kind, mtime, ..former },
        false => Entry { uid: former.uid, gid: former.gid, mtime, ..new },
    };
    overlay.remove(path);
    overlay.set(path.clone(), entry)
}

/// Puts what was unpacked in the place of a folder, which stays itself.
///
/// # Errors
/// There is no folder, or something stands in the way.
pub fn put_folder(
    overlay: &mut Overlay,
    folder: &ImagePath,
    new: Unpacked,
) -> Result<(), RootfsError> {
    let Some(former) = overlay.lstat(folder).filter(|entry| entry.is_dir()).cloned() else {
        return Err(RootfsError::NotFound(folder.clone()));
    };
    for child in overlay.read_dir(folder) {
        overlay.remove(&child);
    }
    for (path, entry) in new.entries {
        let Ok(path) = ImagePath::new([folder.as_bytes(), b"/", path.as_bytes()].concat()) else {
            return Err(RootfsError::NotFound(path));
        };
        overlay.set(path, Entry { uid: former.uid, gid: former.gid, ..entry })?;
    }
    Ok(())
}
