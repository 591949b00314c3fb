//! `basename` (`-a`, `-s SUFFIX`, `-z`) and `dirname` (`-z`) of coreutils.

use super::operands::{directory_part, last_component};
use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Process, Status};

/// Prints the last component of paths.
///
/// # Errors
/// An option that is not evaluated.
pub fn basename(process: &mut Process<'_>) -> Status {
    let (mut several, mut suffix, mut end) = (false, None, b'\n');
    let mut operands = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('a') | Long("multiple") => several = true,
            Short('s') | Long("suffix") => {
                suffix = Some(options.value()?);
                several = true;
            }
            Short('z') | Long("zero") => end = 0,
            Value(path) => {
                operands.push(path.into_encoded_bytes());
                operands.extend(options.rest()?);
            }
            other => return Err(process.unsupported_option(&other)),
        }
    }
    if !several {
        match operands.len() {
            0 => return usage(process, "missing operand"),
            1 => {}
            2 => suffix = operands.pop(),
            _ => return usage(process, "extra operand"),
        }
    }
    for path in operands {
        let name = last_component(&path);
        let suffix = suffix.as_deref().unwrap_or_default();
        let name = match name.strip_suffix(suffix) {
            Some(stem) if !stem.is_empty() => stem,
            _ => name,
        };
        process.print([name, &[end]].concat())?;
    }
    Ok(0)
}

/// Prints all but the last component of paths.
///
/// # Errors
/// An option that is not evaluated.
pub fn dirname(process: &mut Process<'_>) -> Status {
    let mut end = b'\n';
    let mut operands = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('z') | Long("zero") => end = 0,
            Value(path) => operands.push(path.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    if operands.is_empty() {
        return usage(process, "missing operand");
    }
    for path in operands {
        process.print([directory_part(&path), &[end]].concat())?;
    }
    Ok(0)
}

fn usage(process: &mut Process<'_>, problem: &str) -> Status {
    process.complain(problem)?;
    Ok(1)
}
