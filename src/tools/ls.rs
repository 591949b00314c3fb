//! `ls` of coreutils where what it prints does not depend on the machine: names only, one a line,
//! `-1`, `-a`, `-A`, `-d`, `-r`, `-L`, `-U`, `-R` not.

use super::operands::{lstat, quoted, stat};
use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Errno, Process, Status, Stop};

#[derive(Default)]
struct Asked {
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
    let mut asked = Asked::default();
    let mut operands = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('1') => {}
            Short('a') | Long("all") => (asked.hidden, asked.dots) = (true, true),
            Short('A') | Long("almost-all") => (asked.hidden, asked.dots) = (true, false),
            Short('d') | Long("directory") => asked.itself = true,
            Short('r') | Long("reverse") => asked.reverse = true,
            Short('L') | Long("dereference") => asked.follow = true,
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
        match kind(process, &asked, &path)? {
            Ok(true) => folders.push(path),
            Ok(false) => files.push(path),
            Err(errno) => {
                process.complain(format!("cannot access {}: {errno}", quoted(&path)))?;
                status = 2;
            }
        }
    }
    sort(&mut files, &asked);
    sort(&mut folders, &asked);
    for file in &files {
        process.print([file, &b"\n"[..]].concat())?;
    }
    for (at, folder) in folders.iter().enumerate() {
        if several {
            let before: &[u8] = if at > 0 || !files.is_empty() { b"\n" } else { b"" };
            process.print([before, folder, b":\n"].concat())?;
        }
        list(process, &asked, folder)?;
    }
    Ok(status)
}

/// Whether the content is to be listed, not the name.
fn kind(process: &Process<'_>, asked: &Asked, path: &[u8]) -> Result<Result<bool, Errno>, Stop> {
    let named = lstat(process, path)?;
    if asked.itself {
        return Ok(named.map(|_| false));
    }
    Ok(match stat(process, path)? {
        Ok(entry) => Ok(entry.is_dir()),
        // A dangling link is listed by its name.
        Err(errno) if asked.follow => Err(errno),
        Err(errno) => named.map(|_| false).map_err(|_| errno),
    })
}

fn sort(names: &mut [Vec<u8>], asked: &Asked) {
    names.sort();
    if asked.reverse {
        names.reverse();
    }
}

fn list(process: &mut Process<'_>, asked: &Asked, folder: &[u8]) -> Result<(), Stop> {
    let names = process.machine.read_dir(&process.call.directory, folder)?.unwrap_or_default();
    let mut shown: Vec<Vec<u8>> =
        names.into_iter().filter(|name| asked.hidden || !name.starts_with(b".")).collect();
    if asked.dots {
        shown.extend([b".".to_vec(), b"..".to_vec()]);
    }
    sort(&mut shown, asked);
    let text: Vec<u8> = shown.iter().flat_map(|name| [name, &b"\n"[..]].concat()).collect();
    process.print(text)
}
