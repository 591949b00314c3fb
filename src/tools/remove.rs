//! `rm` (`-r`, `-f`, `-d`, `-v`), `rmdir` (`-p`, `--ignore-fail-on-non-empty`, `-v`) and
//! `unlink` of coreutils.

use super::operands::{directory_part, inside, last_component, lstat, quoted, trimmed};
use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Errno, Process, Status, Stop, Sys};

#[derive(Default)]
struct Remove {
    recursive: bool,
    force: bool,
    empty_directories: bool,
    verbose: bool,
}

/// Removes files, and directories with `-r`.
///
/// # Errors
/// An option that is not evaluated; the root directory as operand.
pub fn rm(process: &mut Process<'_>) -> Status {
    let mut request = Remove::default();
    let mut operands = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('r' | 'R') | Long("recursive") => request.recursive = true,
            Short('f') | Long("force") => request.force = true,
            Short('d') | Long("dir") => request.empty_directories = true,
            Short('v') | Long("verbose") => request.verbose = true,
            Long("preserve-root" | "one-file-system") => {}
            Value(path) => operands.push(path.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    if operands.is_empty() && !request.force {
        process.complain("missing operand")?;
        return Ok(1);
    }
    let mut status = 0;
    for path in operands {
        if !remove_operand(process, &request, &path)? {
            status = 1;
        }
    }
    Ok(status)
}

fn remove_operand(process: &mut Process<'_>, request: &Remove, path: &[u8]) -> Result<bool, Stop> {
    if request.recursive && matches!(last_component(path), b"." | b"..") {
        process.complain(format!(
            "refusing to remove '.' or '..' directory: skipping {}",
            quoted(path)
        ))?;
        return Ok(false);
    }
    let entry = match lstat(process, path)? {
        Ok(entry) => entry,
        Err(Errno::NotFound | Errno::NotADirectory) if request.force => return Ok(true),
        Err(errno) => return cannot(process, path, errno),
    };
    if !entry.is_dir() {
        return removed(process, request, path, "removed");
    }
    if process.locate(path)?.is_ok_and(|path| path.is_root()) {
        return Err(process.unsupported("the root directory"));
    }
    if request.recursive {
        return remove_tree(process, request, path);
    }
    if request.empty_directories {
        return removed(process, request, path, "removed directory");
    }
    cannot(process, path, Errno::IsADirectory)
}

/// Removes what is below a directory, then the directory.
fn remove_tree(process: &mut Process<'_>, request: &Remove, top: &[u8]) -> Result<bool, Stop> {
    let mut whole = true;
    // Directories come back a second time when all below them is gone.
    let mut pending = vec![(top.to_vec(), false)];
    while let Some((path, emptied)) = pending.pop() {
        process.machine.spend(1)?;
        let is_directory = lstat(process, &path)?.is_ok_and(|entry| entry.is_dir());
        if !is_directory {
            whole &= removed(process, request, &path, "removed")?;
        } else if emptied {
            whole &= removed(process, request, &path, "removed directory")?;
        } else {
            let names = process.machine.read_dir(&process.call.directory, &path)?;
            let below = names.unwrap_or_default();
            pending.push((path.clone(), true));
            pending.extend(below.iter().rev().map(|name| (inside(&path, name), false)));
        }
    }
    Ok(whole)
}

fn removed(
    process: &mut Process<'_>,
    request: &Remove,
    path: &[u8],
    how: &str,
) -> Result<bool, Stop> {
    // A slash behind a link leads to what is in the directory, not to its removal.
    if path.ends_with(b"/") && lstat(process, trimmed(path))?.is_ok_and(|entry| entry.is_symlink())
    {
        return match request.force {
            true => Ok(true),
            false => cannot(process, path, Errno::NotADirectory),
        };
    }
    let directory = &process.call.directory;
    let done: Sys<()> = match how {
        "removed" => process.machine.unlink(directory, path),
        _ => process.machine.remove_dir(directory, path),
    };
    match done? {
        Ok(()) => {
            if request.verbose {
                process.print(format!("{how} {}\n", quoted(path)))?;
            }
            Ok(true)
        }
        Err(errno) => cannot(process, path, errno),
    }
}

fn cannot(process: &mut Process<'_>, path: &[u8], errno: Errno) -> Result<bool, Stop> {
    process.complain(format!("cannot remove {}: {errno}", quoted(path)))?;
    Ok(false)
}

/// Removes empty directories.
///
/// # Errors
/// An option that is not evaluated.
pub fn rmdir(process: &mut Process<'_>) -> Status {
    let (mut parents, mut ignore, mut verbose) = (false, false, false);
    let mut operands = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('p') | Long("parents") => parents = true,
            Long("ignore-fail-on-non-empty") => ignore = true,
            Short('v') | Long("verbose") => verbose = true,
            Value(path) => operands.push(path.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    if operands.is_empty() {
        process.complain("missing operand")?;
        return Ok(1);
    }
    let mut status = 0;
    for operand in operands {
        let mut path = operand.as_slice();
        loop {
            if verbose {
                let line = format!("{}: removing directory, {}\n", "rmdir", quoted(path));
                process.print(line)?;
            }
            match process.machine.remove_dir(&process.call.directory, path)? {
                Ok(()) => {}
                Err(Errno::NotEmpty) if ignore => break,
                Err(errno) => {
                    process.complain(format!("failed to remove {}: {errno}", quoted(path)))?;
                    status = 1;
                    break;
                }
            }
            // `.` above a relative path is not removed, nor is the root.
            let above = match path.contains(&b'/') {
                true => trimmed(directory_part(path)),
                false => break,
            };
            if !parents || matches!(above, b"." | b"/") || above.is_empty() {
                break;
            }
            path = above;
        }
    }
    Ok(status)
}

/// Removes one name of a file.
///
/// # Errors
/// An option that is not evaluated.
pub fn unlink(process: &mut Process<'_>) -> Status {
    let [path] = process.arguments() else { return Err(process.unsupported("these operands")) };
    if path.starts_with(b"-") {
        return Err(process.unsupported(path));
    }
    let path = path.clone();
    match process.machine.unlink(&process.call.directory, &path)? {
        Ok(()) => Ok(0),
        Err(errno) => process.failed("unlink", &path, errno),
    }
}
