//! `touch` of coreutils: `-c`, `-h`, `-r FILE`, `-a`, `-m`, `-d @SECONDS`. Only modification times are
//! kept in an image.

use super::operands::{exists, quoted, stat};
use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Process, Status};

/// Makes empty files, or sets the time of those that are there.
///
/// # Errors
/// An option or a form of date that is not evaluated.
pub fn run(process: &mut Process<'_>) -> Status {
    let (mut create, mut itself) = (true, false);
    let (mut access_only, mut modification) = (false, false);
    let mut time = process.machine.settings.now;
    let mut reference = None;
    let mut operands = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('c') | Long("no-create") => create = false,
            Short('h') | Long("no-dereference") => itself = true,
            Short('a') => access_only = true,
            Short('m') => modification = true,
            Short('f') => {}
            Short('r') | Long("reference") => reference = Some(options.value()?),
            Short('d') | Long("date") => {
                let date = options.value()?;
                time = super::date::parse(&date, process.machine.settings.now)
                    .ok_or_else(|| process.unsupported(["date ".as_bytes(), &date].concat()))?;
            }
            Value(path) => operands.push(path.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    if let Some(reference) = reference {
        time = match stat(process, &reference)? {
            Ok(entry) => entry.mtime,
            Err(errno) => {
                process.complain(format!(
                    "failed to get attributes of {}: {errno}",
                    quoted(&reference)
                ))?;
                return Ok(1);
            }
        };
    }
    if operands.is_empty() {
        process.complain("missing file operand")?;
        return Ok(1);
    }
    let sets_time = modification || !access_only;
    let mut status = 0;
    for path in operands {
        if !one(process, &path, Touch { create, itself, time: sets_time.then_some(time) })? {
            status = 1;
        }
    }
    Ok(status)
}

struct Touch {
    create: bool,
    itself: bool,
    time: Option<i64>,
}

fn one(process: &mut Process<'_>, path: &[u8], request: Touch) -> Result<bool, imgfix_shell::Stop> {
    let there = match request.itself {
        true => exists(process, path)?,
        false => stat(process, path)?.is_ok(),
    };
    let directory = &process.call.directory;
    let mode = 0o666 & !process.call.umask;
    let done = match (there, request.time) {
        (false, _) if !request.create || request.itself => return Ok(true),
        (false, time) => match process.machine.write_file(directory, path, "", mode)? {
            Ok(()) => match time {
                Some(time) => process.machine.set_mtime(directory, path, time)?,
                None => Ok(()),
            },
            Err(errno) => Err(errno),
        },
        (true, None) => Ok(()),
        (true, Some(time)) if request.itself => {
            process.machine.set_link_mtime(directory, path, time)?
        }
        (true, Some(time)) => process.machine.set_mtime(directory, path, time)?,
    };
    if let Err(errno) = done {
        process.complain(format!("cannot touch {}: {errno}", quoted(path)))?;
        return Ok(false);
    }
    Ok(true)
}
