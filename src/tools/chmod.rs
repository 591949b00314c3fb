//! `chmod` of coreutils: `-R`, `-f`, `-c`, `--reference FILE`, modes that begin with a minus.

use super::operands::{is_directory, lstat, quoted, stat, tree_of};
use imgfix_shell::mode::Mode;
use imgfix_shell::options::{Long, Options, Short, Value};
use imgfix_shell::{Process, Status, Stop};

/// Changes modes. Symbolic links met below a directory are passed over, those named are
/// followed.
///
/// # Errors
/// An option or mode that is not evaluated.
pub fn run(process: &mut Process<'_>) -> Status {
    let (mut recursive, mut quiet, mut reference) = (false, false, None);
    let mut operands = Vec::new();
    let (words, minus) = modes_apart(process);
    let mut options = Options::from_words("chmod", words);
    while let Some(option) = options.next()? {
        match option {
            Short('R') | Long("recursive") => recursive = true,
            Short('f') | Long("silent" | "quiet") => quiet = true,
            Long("reference") => reference = Some(options.value()?),
            Value(operand) => operands.push(operand.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    let mode = match (minus, reference) {
        (Some(mode), _) => mode,
        (None, Some(reference)) => match stat(process, &reference)? {
            Ok(entry) => format!("{:05o}", entry.mode).into_bytes(),
            Err(errno) => {
                process.complain(format!(
                    "failed to get attributes of {}: {errno}",
                    quoted(&reference)
                ))?;
                return Ok(1);
            }
        },
        (None, None) if operands.is_empty() => {
            process.complain("missing operand")?;
            return Ok(1);
        }
        (None, None) => operands.remove(0),
    };
    let Some(parsed) = Mode::parse(&mode) else {
        process.complain(format!("invalid mode: {}", quoted(&mode)))?;
        return Ok(1);
    };
    if operands.is_empty() {
        process.complain(format!("missing operand after {}", quoted(&mode)))?;
        return Ok(1);
    }
    let mut status = 0;
    for path in operands {
        if !operand(process, &path, &parsed, Walk { recursive, quiet })? {
            status = 1;
        }
    }
    Ok(status)
}

#[derive(Clone, Copy)]
struct Walk {
    recursive: bool,
    quiet: bool,
}

/// Takes a mode such as `-x` out of the words, where options are expected.
fn modes_apart(process: &Process<'_>) -> (Vec<Vec<u8>>, Option<Vec<u8>>) {
    let mut words = Vec::new();
    let mut mode: Option<Vec<u8>> = None;
    let mut ended = false;
    for word in process.arguments() {
        ended |= word == "--";
        let letters = word.strip_prefix(b"-").unwrap_or_default();
        let is_mode = letters.first().is_some_and(|b| b"rwxXstugoa,+=".contains(b));
        if !ended && is_mode {
            mode = Some(match mode {
                Some(before) => [&before[..], b",", word].concat(),
                None => word.to_vec(),
            });
        } else {
            words.push(word.to_vec());
        }
    }
    (words, mode)
}

fn operand(process: &mut Process<'_>, path: &[u8], mode: &Mode, walk: Walk) -> Result<bool, Stop> {
    if let Err(errno) = stat(process, path)? {
        if !walk.quiet {
            let dangling = lstat(process, path)?.is_ok();
            process.complain(match dangling {
                true => format!("cannot operate on dangling symlink {}", quoted(path)),
                false => format!("cannot access {}: {errno}", quoted(path)),
            })?;
        }
        return Ok(false);
    }
    change(process, path, mode)?;
    if walk.recursive && is_directory(process, path)? {
        let top = process.follow(path)?.map(|top| top.as_bytes().to_vec()).unwrap_or_default();
        for below in tree_of(process, &top)?.into_iter().skip(1) {
            if lstat(process, &below)?.is_ok_and(|entry| !entry.is_symlink()) {
                change(process, &below, mode)?;
            }
        }
    }
    Ok(true)
}

fn change(process: &mut Process<'_>, path: &[u8], mode: &Mode) -> Result<(), Stop> {
    let Ok(entry) = stat(process, path)? else { return Ok(()) };
    let new = mode.apply(entry.mode, entry.is_dir(), process.call.umask);
    if new != entry.mode {
        let _there = process.machine.chmod(&process.call.directory, path, new)?;
    }
    Ok(())
}
