//! `install` of coreutils: `-d`, `-D`, `-m`, `-o`, `-g`, `-p`, `-T`, `-t`, `-v`.

use super::chown::number_or;
use super::copy::{Copying, Kept};
use super::destination::Destination;
use super::operands::{accounts, directory_part, is_directory, lstat, quoted, stat};
use imgfix_shell::files::Owner;
use imgfix_shell::mode::Mode;
use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Process, Status, Stop};

struct Installing {
    directories: bool,
    leading: bool,
    mode: Mode,
    owner: Owner,
    copying: Copying,
    destination: Destination,
}

/// Copies files and sets their mode and owner, or makes directories.
///
/// # Errors
/// An option that is not evaluated; a path of a running system.
pub fn run(process: &mut Process<'_>) -> Status {
    let accounts = accounts(process)?;
    let (mut mode, mut owner) = (b"00755".to_vec(), Owner { uid: None, gid: None });
    let (mut directories, mut leading) = (false, false);
    let mut copying = Copying { remove_first: true, ..Copying::default() };
    let mut destination = Destination::default();
    let mut operands = Vec::new();
    let mut problem = None;
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('c') => {}
            Short('d') | Long("directory") => directories = true,
            Short('D') => leading = true,
            Short('m') | Long("mode") => mode = options.value()?,
            Short('o') | Long("owner") => {
                let name = options.value()?;
                owner.uid = number_or(&name, |name| accounts.user(name));
                if owner.uid.is_none() {
                    problem = Some(format!("invalid user: {}", quoted(&name)));
                }
            }
            Short('g') | Long("group") => {
                let name = options.value()?;
                owner.gid = number_or(&name, |name| accounts.group(name));
                if owner.gid.is_none() {
                    problem = Some(format!("invalid group: {}", quoted(&name)));
                }
            }
            Short('p') | Long("preserve-timestamps") => {
                copying.kept = Kept { time: true, ..Kept::default() };
            }
            Short('T') | Long("no-target-directory") => destination.as_file = true,
            Short('t') | Long("target-directory") => destination.directory = Some(options.value()?),
            Short('v') | Long("verbose") => copying.verbose = true,
            Value(path) => operands.push(path.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    let Some(mode) = Mode::parse(&mode) else {
        process.complain(format!("invalid mode {}", quoted(&mode)))?;
        return Ok(1);
    };
    if let Some(problem) = problem {
        process.complain(problem)?;
        return Ok(1);
    }
    let mut request = Installing { directories, leading, mode, owner, copying, destination };
    install(process, &mut request, operands)
}

fn install(process: &mut Process<'_>, request: &mut Installing, operands: Vec<Vec<u8>>) -> Status {
    let mut status = 0;
    if request.directories {
        if operands.is_empty() {
            process.complain("missing file operand")?;
            return Ok(1);
        }
        for path in operands {
            let verbose = request.copying.verbose;
            if !with_parents(process, &path, Verbose(verbose))? || !finish(process, request, &path)?
            {
                status = 1;
            }
        }
        return Ok(status);
    }
    if request.leading {
        let folder = match (&request.destination.directory, &operands[..]) {
            (Some(directory), _) => Some(directory.clone()),
            (None, [_, to]) => Some(directory_part(to).to_vec()),
            _ => None,
        };
        if let Some(folder) = folder {
            with_parents(process, &folder, Verbose(request.copying.verbose))?;
        }
    }
    let Some(pairs) = request.destination.pairs(process, operands)? else { return Ok(1) };
    for (from, to) in pairs {
        let is_folder = stat(process, &from)?.is_ok_and(|entry| entry.is_dir());
        if is_folder {
            process.complain(format!("omitting directory {}", quoted(&from)))?;
            status = 1;
        } else if !request.copying.operand(process, &from, &to)? || !finish(process, request, &to)?
        {
            status = 1;
        }
    }
    Ok(status)
}

#[derive(Clone, Copy)]
struct Verbose(bool);

/// Makes a directory and those above it, whatever the umask.
fn with_parents(process: &mut Process<'_>, path: &[u8], verbose: Verbose) -> Result<bool, Stop> {
    if is_directory(process, path)? {
        return Ok(true);
    }
    if lstat(process, path)?.is_err() {
        let above = directory_part(path).to_vec();
        if above != path && !with_parents(process, &above, verbose)? {
            return Ok(false);
        }
    }
    match process.machine.make_dir(&process.call.directory, path, 0o755)? {
        Ok(()) => {
            if verbose.0 {
                process.print(format!("install: creating directory {}\n", quoted(path)))?;
            }
            Ok(true)
        }
        Err(errno) => {
            process.complain(format!("cannot create directory {}: {errno}", quoted(path)))?;
            Ok(false)
        }
    }
}

/// Sets owner and mode. The mode is taken from nothing, not from what the file had.
fn finish(process: &mut Process<'_>, request: &Installing, path: &[u8]) -> Result<bool, Stop> {
    let directory = &process.call.directory;
    if request.owner.uid.is_some() || request.owner.gid.is_some() {
        let _there = process.machine.chown(directory, path, request.owner)?;
    }
    let is_folder = request.directories;
    let kept = match process.machine.stat(directory, path)? {
        // A directory made below a setgid one stays setgid.
        Ok(entry) if is_folder => entry.mode & 0o6000,
        _ => 0,
    };
    let mode = request.mode.apply(kept, is_folder, 0);
    match process.machine.chmod(directory, path, mode)? {
        Ok(()) => Ok(true),
        Err(errno) => {
            process.complain(format!("cannot change permissions of {}: {errno}", quoted(path)))?;
            Ok(false)
        }
    }
}
