//! `readlink` (`-f`, `-e`, `-m`, `-n`, `-q`, `-s`, `-v`, `-z`) and `realpath` (`-e`, `-m`, `-s`,
//! `-L`, `-P`, `-q`, `-z`) of coreutils.

use super::operands::{directory_part, inside, last_component, lstat, stat, trimmed};
use imgfix_shell::files::attempt;
use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Errno, Process, Status, Stop, Sys};
use imgfix_vfs::Kind;

/// Which components of a path may be missing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    None,
    Last,
    Any,
}

/// Prints where symbolic links lead.
///
/// # Errors
/// An option that is not evaluated.
pub fn readlink(process: &mut Process<'_>) -> Status {
    let (mut canonical, mut verbose, mut end) = (None, false, Some(b'\n'));
    let mut operands = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('f') | Long("canonicalize") => canonical = Some(Missing::Last),
            Short('e') | Long("canonicalize-existing") => canonical = Some(Missing::None),
            Short('m') | Long("canonicalize-missing") => canonical = Some(Missing::Any),
            Short('n') | Long("no-newline") => end = None,
            Short('z') | Long("zero") => end = Some(0),
            Short('v') | Long("verbose") => verbose = true,
            Short('q' | 's') | Long("quiet" | "silent") => verbose = false,
            Value(path) => operands.push(path.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    if operands.is_empty() {
        process.complain("missing operand")?;
        return Ok(1);
    }
    if operands.len() > 1 && end.is_none() {
        process.complain("ignoring --no-newline with multiple arguments")?;
        end = Some(b'\n');
    }
    let mut status = 0;
    for path in operands {
        let found = match canonical {
            Some(missing) => canonicalized(process, &path, missing)?,
            None => target(process, &path)?,
        };
        match found {
            Ok(found) => process.print([&found[..], end.as_slice()].concat())?,
            Err(errno) => {
                status = 1;
                if verbose {
                    process.complain(format!("{}: {errno}", String::from_utf8_lossy(&path)))?;
                }
            }
        }
    }
    Ok(status)
}

fn target(process: &Process<'_>, path: &[u8]) -> Sys<Vec<u8>> {
    let entry = attempt!(lstat(process, path));
    Ok(match entry.kind {
        Kind::Symlink(target) => Ok(target),
        _ => Err(Errno::Invalid),
    })
}

fn canonicalized(process: &Process<'_>, path: &[u8], missing: Missing) -> Sys<Vec<u8>> {
    match missing {
        Missing::None => {
            attempt!(stat(process, path));
        }
        Missing::Last => {}
        Missing::Any => return any_missing(process, path),
    }
    // A missing last component may be written with slashes behind it.
    let path = if stat(process, path)?.is_ok() { path } else { trimmed(path) };
    let found = attempt!(process.follow(path));
    Ok(Ok(found.as_bytes().to_vec()))
}

/// The part that is there resolved, the rest taken as written.
fn any_missing(process: &Process<'_>, path: &[u8]) -> Sys<Vec<u8>> {
    if path.is_empty() {
        return Ok(Err(Errno::NotFound));
    }
    let mut there = trimmed(path);
    let mut behind: Vec<&[u8]> = Vec::new();
    let mut found = loop {
        match process.follow(there)? {
            Ok(found) => break found.as_bytes().to_vec(),
            Err(Errno::LinkLoop) => return Ok(Err(Errno::LinkLoop)),
            Err(_) if matches!(there, b"." | b"/") => return Ok(Err(Errno::NotFound)),
            Err(_) => {
                behind.push(last_component(there));
                there = directory_part(there);
            }
        }
    };
    for component in behind.iter().rev() {
        found = match *component {
            b"." => found,
            b".." => directory_part(&found).to_vec(),
            name => inside(&found, name),
        };
    }
    Ok(Ok(found))
}

/// Prints absolute paths without links, `.` and `..`.
///
/// # Errors
/// An option that is not evaluated.
pub fn realpath(process: &mut Process<'_>) -> Status {
    let (mut missing, mut follow, mut quiet, mut end) = (Missing::Last, true, false, b'\n');
    let mut operands = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('e') | Long("canonicalize-existing") => missing = Missing::None,
            Short('m') | Long("canonicalize-missing") => missing = Missing::Any,
            Short('s') | Long("strip" | "no-symlinks") => follow = false,
            Short('P') | Long("physical") => follow = true,
            Short('q') | Long("quiet") => quiet = true,
            Short('z') | Long("zero") => end = 0,
            Value(path) => operands.push(path.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    if operands.is_empty() {
        process.complain("missing operand")?;
        return Ok(1);
    }
    let mut status = 0;
    for path in operands {
        let found = match follow {
            true => canonicalized(process, &path, missing)?,
            false => stripped(process, &path, missing)?,
        };
        match found {
            Ok(found) => process.print([&found[..], &[end]].concat())?,
            Err(errno) => {
                status = 1;
                if !quiet {
                    let path = String::from_utf8_lossy(&path).into_owned();
                    process.complain(format!("{path}: {errno}"))?;
                }
            }
        }
    }
    Ok(status)
}

/// The path made absolute by its text alone.
fn stripped(
    process: &Process<'_>,
    path: &[u8],
    missing: Missing,
) -> Result<Result<Vec<u8>, Errno>, Stop> {
    if path.is_empty() {
        return Ok(Err(Errno::NotFound));
    }
    let mut found = match path.first() {
        Some(b'/') => b"/".to_vec(),
        _ => process.call.directory.as_bytes().to_vec(),
    };
    let mut components = path.split(|&b| b == b'/').filter(|name| !name.is_empty()).peekable();
    while let Some(component) = components.next() {
        found = match component {
            b"." => found,
            b".." => directory_part(&found).to_vec(),
            name => inside(&found, name),
        };
        let may_be_missing = match missing {
            Missing::Any => true,
            Missing::Last => components.peek().is_none(),
            Missing::None => false,
        };
        if !may_be_missing {
            attempt!(stat(process, &found));
        }
    }
    Ok(Ok(found))
}

/// `pwd` as a program: the working directory, links resolved.
///
/// # Errors
/// An option that is not evaluated.
pub fn pwd(process: &mut Process<'_>) -> Status {
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('P') | Long("physical") => {}
            other => return Err(process.unsupported_option(&other)),
        }
    }
    let line = [process.call.directory.as_bytes(), b"\n"].concat();
    process.print(line)?;
    Ok(0)
}
