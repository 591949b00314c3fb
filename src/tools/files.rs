//! Whole files as programs of packages read and replace them.

use bytes::Bytes;

use imgfix_model::path::ImagePath;
use imgfix_shell::{Errno, Process, Stop};

/// The content of a file; empty when it is missing.
///
/// # Errors
/// The path cannot be read for another reason than its absence.
pub fn read_or_empty(process: &mut Process<'_>, path: &[u8]) -> Result<Bytes, Stop> {
    Ok(read_optional(process, path)?.unwrap_or_default())
}

/// The content of a file; `None` when it is missing.
///
/// # Errors
/// As [`read_or_empty`].
pub fn read_optional(process: &mut Process<'_>, path: &[u8]) -> Result<Option<Bytes>, Stop> {
    let directory = process.call.directory.clone();
    match process.machine.read_file(&directory, path)? {
        Ok(content) => Ok(Some(content)),
        Err(Errno::NotFound | Errno::NotADirectory) => Ok(None),
        Err(errno) => Err(unusable(process, path, errno)),
    }
}

/// Puts a new file in the place of what is there, as programs do that write `FILE.new` and
/// rename it: the new file is root's and has `mode`.
///
/// # Errors
/// The directory is missing, or a directory is in the way.
pub fn replace(
    process: &mut Process<'_>,
    path: &[u8],
    content: impl Into<Bytes>,
    mode: u32,
) -> Result<(), Stop> {
    let directory = process.call.directory.clone();
    match process.machine.unlink(&directory, path)? {
        Ok(()) | Err(Errno::NotFound) => {}
        Err(errno) => return Err(unusable(process, path, errno)),
    }
    match process.machine.write_file(&directory, path, content, mode)? {
        Ok(()) => Ok(()),
        Err(errno) => Err(unusable(process, path, errno)),
    }
}

/// As [`replace`], and what was there stays under the name with `suffix`.
///
/// # Errors
/// As [`replace`].
pub fn replace_with_backup(
    process: &mut Process<'_>,
    path: &[u8],
    suffix: &str,
    content: impl Into<Bytes>,
    mode: u32,
) -> Result<(), Stop> {
    let directory = process.call.directory.clone();
    let backup = [path, suffix.as_bytes()].concat();
    match process.machine.rename(&directory, path, &backup)? {
        Ok(()) | Err(Errno::NotFound) => {}
        Err(errno) => return Err(unusable(process, path, errno)),
    }
    replace(process, path, content, mode)
}

/// Whether something is at the path, links followed.
///
/// # Errors
/// The path belongs to a running system.
pub fn exists(process: &Process<'_>, path: &[u8]) -> Result<bool, Stop> {
    Ok(process.machine.stat(&process.call.directory, path)?.is_ok())
}

/// Whether something is at the path, be it a link that leads nowhere.
///
/// # Errors
/// As [`exists`].
pub fn is_there(process: &Process<'_>, path: &[u8]) -> Result<bool, Stop> {
    Ok(process.machine.lstat(&process.call.directory, path)?.is_ok())
}

/// Whether a directory is at the path, links followed.
///
/// # Errors
/// As [`exists`].
pub fn is_directory(process: &Process<'_>, path: &[u8]) -> Result<bool, Stop> {
    let entry = process.machine.stat(&process.call.directory, path)?;
    Ok(entry.is_ok_and(|entry| entry.is_dir()))
}

/// The names in a directory, sorted; none when it is missing.
///
/// # Errors
/// As [`exists`].
pub fn names_in(process: &mut Process<'_>, path: &[u8]) -> Result<Vec<Vec<u8>>, Stop> {
    let directory = process.call.directory.clone();
    Ok(process.machine.read_dir(&directory, path)?.unwrap_or_default())
}

/// Removes a file when it is there.
///
/// # Errors
/// A directory is there.
pub fn remove(process: &mut Process<'_>, path: &[u8]) -> Result<(), Stop> {
    let directory = process.call.directory.clone();
    match process.machine.unlink(&directory, path)? {
        Ok(()) | Err(Errno::NotFound | Errno::NotADirectory) => Ok(()),
        Err(errno) => Err(unusable(process, path, errno)),
    }
}

/// Makes a directory and those above it that are missing.
///
/// # Errors
/// Something that is no directory is in the way.
pub fn make_directories(process: &mut Process<'_>, path: &[u8], mode: u32) -> Result<(), Stop> {
    let directory: ImagePath = process.call.directory.clone();
    let ends = (1..=path.len()).filter(|&at| at == path.len() || path.get(at) == Some(&b'/'));
    for end in ends.collect::<Vec<_>>() {
        let above = path.get(..end).unwrap_or_default();
        match process.machine.make_dir(&directory, above, mode)? {
            Ok(()) | Err(Errno::Exists) => {}
            Err(errno) => return Err(unusable(process, above, errno)),
        }
    }
    Ok(())
}

/// The stop for a file that the program would fail on in a way no real image shows.
#[must_use]
pub fn unusable(process: &Process<'_>, path: &[u8], errno: Errno) -> Stop {
    let path = String::from_utf8_lossy(path).into_owned();
    process.unsupported(format!("{path}: {errno}"))
}
