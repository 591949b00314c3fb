//! `mkdir` (coreutils): `-p`, `-m MODE`, `-v`, `-Z`.

use imgfix_shell::options::{Long, Short, Value};

use super::operands::quoted;
use imgfix_shell::files::attempt;
use imgfix_shell::mode::Mode;
use imgfix_shell::{Errno, Process, Status, Stop, Sys};

struct Request {
    mode: Option<Mode>,
    verbose: bool,
}

/// Makes directories.
///
/// # Errors
/// An option that is not evaluated; a path of a running system.
pub fn run(process: &mut Process<'_>) -> Status {
    let mut parents = false;
    let mut verbose = false;
    let mut mode = None;
    let mut folders = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('p') | Long("parents") => parents = true,
            Short('v') | Long("verbose") => verbose = true,
            // The default security context: nothing without SELinux.
            Short('Z') => {}
            Short('m') | Long("mode") => {
                mode = Some(options.value()?);
            }
            Value(folder) => folders.push(folder),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    let mode = match mode {
        None => None,
        Some(text) => match Mode::parse(&text) {
            Some(mode) => Some(mode),
            None => return Err(process.unsupported([b"mode ", &text[..]].concat())),
        },
    };
    let request = Request { mode, verbose };
    let mut status = 0;
    for folder in folders {
        let folder = folder.as_encoded_bytes();
        let made = match parents {
            true => with_parents(process, folder, &request),
            false => one(process, folder, &request),
        };
        if let Err(errno) = made? {
            let text = String::from_utf8_lossy(folder).into_owned();
            process.complain(format!("cannot create directory '{text}': {errno}"))?;
            status = 1;
        }
    }
    Ok(status)
}

fn one(process: &mut Process<'_>, folder: &[u8], request: &Request) -> Sys<()> {
    let usual = 0o777 & !process.call.umask;
    let directory = &process.call.directory;
    let mode =
        request.mode.as_ref().map_or(usual, |mode| mode.apply(0o777, true, process.call.umask));
    attempt!(process.machine.make_dir(directory, folder, mode));
    announce(process, folder, request)?;
    Ok(Ok(()))
}

/// Directories above are made with the usual mode, and writable for their owner; one that is
/// there is no error.
fn with_parents(process: &mut Process<'_>, folder: &[u8], request: &Request) -> Sys<()> {
    for at in ends_of_components(folder) {
        let above = folder.get(..at).unwrap_or_default();
        if is_directory(process, above)? {
            continue;
        }
        let umask = process.call.umask;
        let usual = (0o777 & !umask) | 0o300;
        attempt!(process.machine.make_dir(&process.call.directory, above, usual));
        announce(process, above, request)?;
    }
    if is_directory(process, folder)? {
        return Ok(Ok(()));
    }
    attempt!(one(process, folder, request));
    Ok(Ok(()))
}

fn announce(process: &mut Process<'_>, folder: &[u8], request: &Request) -> Result<(), Stop> {
    match request.verbose {
        true => process.print(format!("mkdir: created directory {}\n", quoted(folder))),
        false => Ok(()),
    }
}

fn is_directory(process: &Process<'_>, path: &[u8]) -> Result<bool, Stop> {
    match process.machine.stat(&process.call.directory, path)? {
        Ok(entry) => Ok(entry.is_dir()),
        Err(Errno::NotFound | Errno::NotADirectory) => Ok(false),
        Err(_) => Ok(false),
    }
}

/// Where each component but the last ends.
fn ends_of_components(path: &[u8]) -> Vec<usize> {
    let trimmed = path.iter().rposition(|&b| b != b'/').map_or(0, |last| last + 1);
    let is_end = |at: &usize| {
        *at > 0 && path.get(*at) == Some(&b'/') && path.get(at.wrapping_sub(1)) != Some(&b'/')
    };
    (0..trimmed).filter(is_end).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Image, run};

    #[test]
    fn directories_are_made_with_their_parents() {
        let mut image = Image::new(&["/etc/", "/file"]);
        assert_eq!(run(&mut image, "mkdir -p etc/a/b /etc"), 0);
        assert_eq!(run(&mut image, "mkdir -m 700 etc/c"), 0);
        assert_eq!(run(&mut image, "mkdir -m u=rwx,go= etc/d"), 0);
        assert_eq!(run(&mut image, "mkdir etc/a"), 1);
        assert_eq!(run(&mut image, "mkdir -p file/x"), 1);
        assert_eq!(image.mode("/etc/a/b"), 0o755);
        assert_eq!(image.mode("/etc/c"), 0o700);
        assert_eq!(image.mode("/etc/d"), 0o700);
        assert!(image.errors().contains("mkdir: cannot create directory 'etc/a': File exists"));
    }

    #[test]
    fn an_unknown_option_stops() {
        let mut image = Image::new(&["/etc/"]);
        assert_eq!(image.stop("mkdir -q /etc/x"), "mkdir with -q");
    }
}
