//! `mv` of coreutils: `-f`, `-n`, `-T`, `-t`, `-u`, `-v`. An image is one file system, so that
//! every move is a rename.

use super::destination::Destination;
use super::operands::{lstat, names_no_directory, quoted, trimmed};
use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Errno, Process, Status, Stop};
use imgfix_vfs::Kind;

#[derive(Default)]
struct Moving {
    no_clobber: bool,
    update: bool,
    verbose: bool,
}

/// Renames files.
///
/// # Errors
/// An option that is not evaluated; a path of a running system.
pub fn run(process: &mut Process<'_>) -> Status {
    let mut moving = Moving::default();
    let mut destination = Destination::default();
    let mut operands = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('f') | Long("force") => moving.no_clobber = false,
            Short('n') | Long("no-clobber") => moving.no_clobber = true,
            Short('T') | Long("no-target-directory") => destination.as_file = true,
            Short('t') | Long("target-directory") => destination.directory = Some(options.value()?),
            Short('u') | Long("update") => moving.update = true,
            Short('v') | Long("verbose") => moving.verbose = true,
            // Labels of SELinux, which a build machine does not have.
            Short('Z') | Long("context") => {}
            Value(path) => operands.push(path.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    let Some(pairs) = destination.pairs(process, operands)? else { return Ok(1) };
    let mut status = 0;
    for (from, to) in pairs {
        if let Err(why) = one(process, &from, &to, &moving)? {
            process.complain(why)?;
            status = 1;
        }
    }
    Ok(status)
}

fn one(
    process: &mut Process<'_>,
    from: &[u8],
    to: &[u8],
    moving: &Moving,
) -> Result<Result<(), String>, Stop> {
    let (shown_from, shown_to) = (quoted(from), quoted(to));
    let source = match lstat(process, trimmed(from))? {
        Ok(source) => source,
        Err(errno) => return Ok(Err(format!("cannot stat {shown_from}: {errno}"))),
    };
    if let Ok(present) = lstat(process, to)? {
        let same_path = process.locate(from)? == process.locate(to)?;
        let same_inode = match (&source.kind, &present.kind) {
            (Kind::File(a), Kind::File(b)) => a.link.is_some() && a.link == b.link,
            _ => false,
        };
        if same_path || same_inode {
            return Ok(Err(format!("{shown_from} and {shown_to} are the same file")));
        }
        if moving.no_clobber {
            return Ok(Ok(()));
        }
        if moving.update && !source.is_dir() && present.mtime >= source.mtime {
            return Ok(Ok(()));
        }
        match (source.is_dir(), present.is_dir()) {
            (true, false) => {
                return Ok(Err(format!(
                    "cannot overwrite non-directory {shown_to} with directory {shown_from}"
                )));
            }
            (false, true) => {
                return Ok(Err(format!(
                    "cannot overwrite directory {shown_to} with non-directory"
                )));
            }
            _ => {}
        }
    }
    let directory = &process.call.directory;
    let done = match !source.is_dir() && names_no_directory(process, to)? {
        true => Err(Errno::NotADirectory),
        false => process.machine.rename(directory, trimmed(from), trimmed(to))?,
    };
    match done {
        Ok(()) => {
            if moving.verbose {
                process.print(format!("renamed {shown_from} -> {shown_to}\n"))?;
            }
            Ok(Ok(()))
        }
        Err(Errno::Invalid) => {
            Ok(Err(format!("cannot move {shown_from} to a subdirectory of itself, {shown_to}")))
        }
        Err(errno) => Ok(Err(format!("cannot move {shown_from} to {shown_to}: {errno}"))),
    }
}
