//! `cat` (`-n` and the like are not evaluated) and `tee` (`-a`, `-i`) of coreutils.

use imgfix_shell::files::Access;
use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Process, Status};

/// Copies files to standard output.
///
/// # Errors
/// An option that is not evaluated.
pub fn cat(process: &mut Process<'_>) -> Status {
    let mut operands = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('u') => {}
            Value(path) => operands.push(path.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    if operands.is_empty() {
        operands.push(b"-".to_vec());
    }
    let mut status = 0;
    for path in operands {
        match process.read_operand(&path)? {
            Ok(data) => process.print(data)?,
            Err(errno) => {
                process.complain(format!("{}: {errno}", String::from_utf8_lossy(&path)))?;
                status = 1;
            }
        }
    }
    Ok(status)
}

/// Copies standard input to standard output and to files.
///
/// # Errors
/// An option that is not evaluated.
pub fn tee(process: &mut Process<'_>) -> Status {
    let mut append = false;
    let mut operands = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('a') | Long("append") => append = true,
            Short('i') | Long("ignore-interrupts") => {}
            Value(path) => operands.push(path.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    let mode = 0o666 & !process.call.umask;
    let access = if append { Access::Append { mode } } else { Access::Truncate { mode } };
    let mut status = 0;
    let mut outputs = Vec::new();
    for path in operands {
        match process.machine.open(&process.call.directory, &path, access)? {
            Ok(stream) => outputs.push(stream),
            Err(errno) => {
                process.complain(format!("{}: {errno}", String::from_utf8_lossy(&path)))?;
                status = 1;
            }
        }
    }
    let data = process.input()?;
    process.print(&data)?;
    for stream in outputs {
        if process.machine.write(&stream, &data)?.is_err() {
            status = 1;
        }
    }
    Ok(status)
}
