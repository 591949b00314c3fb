//! `ls` of coreutils where what it prints does not depend on the machine: names only, one a line,
//! `-1`, `-a`, `-A`, `-d`, `-r`, `-L`, `-U`, `-R` not.

use super::operands::{lstat, quoted, stat};
use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Errno, Process, Status, Stop};

#[derive(Default)]
struct Request {
    hidden: bool,
    dots: bool,
    itself: bool,
    reverse: bool,
    follow: bool,
}

/// Lists names, sorted by bytes.
///
/// # Errors
/// An option that is not evaluated.
pub fn run(process: &mut Process<'_>) -> Status {
    let mut request = Request::default();
    let mut operands = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('1') => {}
            Short('a') | Long("all") => (request.hidden, request.dots) = (true, true),
            Short('A') | Long("almost-all") => (request.hidden, request.dots) = (true, false),
            Short('d') | Long("directory") => request.itself = true,
            Short('r') | Long("reverse") => request.reverse = true,
            Short('L') | Long("dereference") => request.follow = true,
            Value(path) => operands.push(path.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    let several = operands.len() > 1;
    if operands.is_empty() {
        operands.push(b".".to_vec());
    }
    let mut status = 0;
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for path in operands {
        match kind(process, &request, &path)? {
            Ok(true) => folders.push(path),
            Ok(false) => files.push(path),
            Err(errno) => {
                process.complain(format!("cannot access {}: {errno}", quoted(&path)))?;
                status = 2;
            }
        }
    }
    sort(&mut files, &request);
    sort(&mut folders, &request);
    for file in &files {
        process.print([file, &b"\n"[..]].concat())?;
    }
    for (at, folder) in folders.iter().enumerate() {
        if several {
            let before: &[u8] = if at > 0 || !files.is_empty() { b"\n" } else { b"" };
            process.print([before, folder, b":\n"].concat())?;
        }
        list(process, &request, folder)?;
    }
    Ok(status)
}

/// Whether the content is to be listed, not the name.
fn kind(
    process: &Process<'_>,
    request: &Request,
    path: &[u8],
) -> Result<Result<bool, Errno>, Stop> {
    let named = lstat(process, path)?;
    if request.itself {
        return Ok(named.map(|_| false));
    }
    Ok(match stat(process, path)? {
        Ok(entry) => Ok(entry.is_dir()),
        // A dangling link is listed by its name.
        Err(errno) if request.follow => Err(errno),
        Err(errno) => named.map(|_| false).map_err(|_| errno),
    })
}

fn sort(names: &mut [Vec<u8>], request: &Request) {
    names.sort();
    if request.reverse {
        names.reverse();
    }
}

fn list(process: &mut Process<'_>, request: &Request, folder: &[u8]) -> Result<(), Stop> {
    let names = process.machine.read_dir(&process.call.directory, folder)?.unwrap_or_default();
    let mut shown: Vec<Vec<u8>> =
        names.into_iter().filter(|name| request.hidden || !name.starts_with(b".")).collect();
    if request.dots {
        shown.extend([b".".to_vec(), b"..".to_vec()]);
    }
    sort(&mut shown, request);
    let text: Vec<u8> = shown.iter().flat_map(|name| [name, &b"\n"[..]].concat()).collect();
    process.print(text)
}
