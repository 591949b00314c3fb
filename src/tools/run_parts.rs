//! `run-parts` of debianutils: `--list`, `--test`, `--arg`, `--regex`, `--exit-on-error`, `--report`, `--verbose`
//! not.

use super::operands::{inside, stat};
use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::regex::{Options as RegexOptions, Regex, Syntax};
use imgfix_shell::{Process, Status};

/// Runs the programs of a directory in the order of their names.
///
/// # Errors
/// An option that is not evaluated; a program that cannot be evaluated.
pub fn run(process: &mut Process<'_>) -> Status {
    let (mut list, mut test, mut stops, mut regex) = (false, false, false, None);
    let (mut arguments, mut operands) = (Vec::new(), Vec::new());
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Long("list") => list = true,
            Long("test") => test = true,
            Long("exit-on-error") => stops = true,
            Long("report") => {}
            Long("regex") => {
                let pattern = options.value()?;
                regex = Some(Regex::new(&pattern, Syntax::Extended, RegexOptions::default())?);
            }
            Short('a') | Long("arg") => arguments.push(options.value()?),
            Value(path) => operands.push(path.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    let [folder] = &operands[..] else { return Err(process.unsupported("these operands")) };
    let names = match process.machine.read_dir(&process.call.directory, folder)? {
        Ok(names) => names,
        Err(errno) => {
            let folder = String::from_utf8_lossy(folder).into_owned();
            process.complain(format!("failed to open directory {folder}: {errno}"))?;
            return Ok(1);
        }
    };
    let mut status = 0;
    for name in names {
        let usual = name.iter().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(b));
        let chosen = match &regex {
            Some(regex) => regex.is_match(&name)?,
            None => usual,
        };
        let path = inside(folder, &name);
        let is_file = stat(process, &path)?.is_ok_and(|entry| entry.is_file());
        let runs = process.machine.is_program(&process.call.directory, &path)?;
        if !chosen || !is_file || !(runs || list) {
            continue;
        }
        if list || test {
            process.print([&path[..], b"\n"].concat())?;
            continue;
        }
        let words = std::iter::once(path.clone()).chain(arguments.iter().cloned());
        let result = process.run(words)?;
        if result != 0 {
            let shown = String::from_utf8_lossy(&path).into_owned();
            process.complain(format!("{shown} exited with return code {result}"))?;
            status = 1;
            if stops {
                return Ok(result);
            }
        }
    }
    Ok(status)
}
