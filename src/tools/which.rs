//! `which` (`-a`) of debianutils.

use imgfix_shell::options::{Short, Value};
use imgfix_shell::{Process, Status};

/// Prints where programs are; 1 when one is missing.
///
/// # Errors
/// An option that is not evaluated.
pub fn run(process: &mut Process<'_>) -> Status {
    let mut all = false;
    let mut operands = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('a') => all = true,
            Short('s') => return Err(process.unsupported("-s")),
            Value(name) => operands.push(name.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    let path = process.variable("PATH").unwrap_or_default().to_vec();
    let mut status = u8::from(operands.is_empty());
    for name in operands {
        let candidates: Vec<Vec<u8>> = match name.contains(&b'/') {
            true => vec![name],
            false => {
                let folders = path.split(|&b| b == b':');
                let folders = folders.map(|folder| if folder.is_empty() { b"." } else { folder });
                folders.map(|folder| [folder, b"/", &name].concat()).collect()
            }
        };
        let mut found = false;
        for candidate in candidates {
            if (!found || all) && process.machine.is_program(&process.call.directory, &candidate)? {
                found = true;
                process.print([&candidate[..], b"\n"].concat())?;
            }
        }
        if !found {
            status = 1;
        }
    }
    Ok(status)
}
