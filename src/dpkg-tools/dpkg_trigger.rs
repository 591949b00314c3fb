//! `dpkg-trigger`: activates a trigger by a line of `triggers/Unincorp`.

use super::command_line::CommandLine;
use super::database::{AdminDir, bad_package_name};
use super::files::{exists, fatal, is_directory, read_optional, replace};
use imgfix_shell::{Process, Status, Stop};

struct Request {
    admindir: AdminDir,
    by: Option<String>,
    awaited: bool,
    act: bool,
    check: bool,
}

/// `dpkg-trigger`.
///
/// # Errors
/// A form that is not evaluated.
pub fn run(process: &mut Process<'_>) -> Status {
    let line = CommandLine::of(process, &["admindir", "root", "by-package", "f"])?;
    let mut request = Request {
        admindir: AdminDir::of(process)?,
        by: None,
        awaited: true,
        act: true,
        check: false,
    };
    for option in &line.options {
        match option.name.as_str() {
            "by-package" | "f" => request.by = Some(option.text()),
            "await" => request.awaited = true,
            "no-await" => request.awaited = false,
            "no-act" => request.act = false,
            "check-supported" => request.check = true,
            "admindir" => request.admindir = AdminDir::named(option.text().into_bytes()),
            name => return Err(process.unsupported(format!("option {name}"))),
        }
    }
    if request.check {
        return check_supported(process, &request.admindir);
    }
    let [trigger] = line.operands.as_slice() else {
        return Err(process.unsupported("no trigger, or several"));
    };
    let by = match awaiter(process, &request)? {
        Ok(by) => by,
        Err(problem) => return fatal(process, problem),
    };
    if trigger.is_empty() || !trigger.iter().all(u8::is_ascii_graphic) {
        return fatal(
            process,
            format!("invalid trigger name '{trigger}': trigger name contains invalid character"),
        );
    }
    let trigger = trigger.to_vec();
    activate(process, &request, &trigger, by.as_bytes())
}

fn check_supported(process: &mut Process<'_>, admindir: &AdminDir) -> Status {
    if exists(process, &admindir.file("triggers/Unincorp"))? {
        return Ok(0);
    }
    process.complain("trigger records not yet in existence")?;
    Ok(1)
}

/// The package that waits for the trigger, `-` for none; or why it is not known.
fn awaiter(process: &Process<'_>, request: &Request) -> Result<Result<String, String>, Stop> {
    if !request.awaited {
        return Ok(Ok("-".into()));
    }
    let specifier = match &request.by {
        Some(by) if by == "-" => return Ok(Ok("-".into())),
        Some(by) => by.clone(),
        None => match process.variable("DPKG_MAINTSCRIPT_PACKAGE") {
            Some(name) if process.variable("DPKG_MAINTSCRIPT_ARCH").is_some() => {
                String::from_utf8_lossy(name).into_owned()
            }
            _ => {
                return Ok(Err("must be called from a maintainer script (or with a \
                               --by-package option)"
                    .into()));
            }
        },
    };
    // The program does not read the package database, so it does not know which packages
    // would need their architecture behind the name, and writes none.
    let name = specifier.split(':').next().unwrap_or_default();
    Ok(match bad_package_name(name) {
        Some(problem) => Err(format!("invalid awaited package name '{specifier}': {problem}")),
        None => Ok(name.to_owned()),
    })
}

/// Adds the package to the trigger's line; a new line comes after all others. Comments and
/// blank lines are lost, as in dpkg. Without `Unincorp` nothing is recorded.
fn activate(process: &mut Process<'_>, request: &Request, trigger: &[u8], by: &[u8]) -> Status {
    let path = request.admindir.file("triggers/Unincorp");
    if request.act {
        if !is_directory(process, &request.admindir.file("triggers"))? {
            return Ok(0);
        }
        let lock = request.admindir.file("triggers/Lock");
        if !exists(process, &lock)? {
            replace(process, &lock, "", 0o600)?;
        }
    }
    let Some(text) = read_optional(process, &path)? else { return Ok(0) };
    let mut out = Vec::with_capacity(text.len() + 64);
    let mut done = false;
    for line in text.split(|&b| b == b'\n') {
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let Some(name) = words.next().filter(|name| !name.starts_with(b"#")) else { continue };
        let is_it = name == trigger;
        out.extend_from_slice(name);
        if is_it && !done {
            out.push(b' ');
            out.extend_from_slice(by);
            done = true;
        }
        for package in words.filter(|package| !(is_it && *package == by)) {
            out.push(b' ');
            out.extend_from_slice(package);
        }
        out.push(b'\n');
    }
    if !done {
        out.extend([trigger, b" ", by, b"\n"].concat());
    }
    if request.act {
        replace(process, &path, out, 0o644)?;
    }
    Ok(0)
}
