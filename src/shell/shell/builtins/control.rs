//! `break`, `continue`, `return`, `exit`, `eval`, `.`, `exec`.

use std::rc::Rc;

use bstr::BString;

use crate::Stop;
use crate::shell::flow::{Eval, Exit, Failure};
use crate::shell::{Dialect, Shell};

pub(super) fn break_(shell: &mut Shell<'_>, argv: &[BString], _: Failure) -> Eval {
    match levels(shell, argv)? {
        0 => Ok(0),
        levels => Err(Exit::Break(levels)),
    }
}

pub(super) fn continue_(shell: &mut Shell<'_>, argv: &[BString], _: Failure) -> Eval {
    match levels(shell, argv)? {
        0 => Ok(0),
        levels => Err(Exit::Continue(levels)),
    }
}

/// How many loops to leave: not more than there are.
fn levels(shell: &mut Shell<'_>, argv: &[BString]) -> Eval<u32> {
    let wanted = match argv.get(1) {
        Some(text) => shell.number(b"break", text)?,
        None => 1,
    };
    if wanted == 0 {
        return Err(shell.complain(b"break", b"Illegal number: 0"));
    }
    if shell.dialect == Dialect::Ash
        && wanted > shell.state.loops
        && shell.state.functions_running > 0
    {
        // ash leaves the loops of the function's caller.
        return Err(Stop::new("a break out of a function").into());
    }
    shell.state.status = 0;
    Ok(wanted.min(shell.state.loops))
}

fn status(shell: &mut Shell<'_>, argv: &[BString]) -> Eval<u8> {
    let name = argv.first().cloned().unwrap_or_default();
    match argv.get(1) {
        Some(text) => Ok((shell.number(&name, text)? & 0xff) as u8),
        None => Ok(shell.state.status),
    }
}

pub(super) fn return_(shell: &mut Shell<'_>, argv: &[BString], _: Failure) -> Eval {
    if let Some(text) = argv.get(1)
        && shell.dialect != Dialect::Bash
        && shell.number(b"return", text)? > 255
    {
        // dash keeps such a number in `$?`.
        return Err(Stop::new("return with a status above 255").into());
    }
    Err(Exit::Return(status(shell, argv)?))
}

pub(super) fn exit(shell: &mut Shell<'_>, argv: &[BString], _: Failure) -> Eval {
    Err(Exit::Shell(status(shell, argv)?))
}

pub(super) fn eval(shell: &mut Shell<'_>, argv: &[BString], failure: Failure) -> Eval {
    let text = bstr::join(" ", argv.get(1..).unwrap_or_default());
    let line = shell.state.line;
    shell.run_text_at(&text, line, failure)
}

pub(super) fn dot(shell: &mut Shell<'_>, argv: &[BString], failure: Failure) -> Eval {
    let arguments = argv.get(1..).unwrap_or_default();
    let arguments = match arguments {
        [first, rest @ ..] if &first[..] == b"--" => rest,
        all => all,
    };
    let Some((name, parameters)) = arguments.split_first() else {
        return match shell.dialect {
            Dialect::Posix | Dialect::Ash => Ok(0),
            Dialect::Bash => Err(shell.complain(b".", b"filename argument required")),
        };
    };
    let Some(path) = file_to_read(shell, name)? else {
        let why = [b"cannot open ", &name[..], b": No such file"].concat();
        return Err(shell.complain(b".", why));
    };
    let directory = shell.state.directory.clone();
    let Ok(text) = shell.machine.read_file(&directory, &path)? else {
        let why = [b"cannot open ", &name[..], b": No such file"].concat();
        return Err(shell.complain(b".", why));
    };
    // dash takes no parameters here.
    let replaced = shell.dialect != Dialect::Posix && !parameters.is_empty();
    let positional = shell.state.positional.clone();
    if replaced {
        shell.state.positional = Rc::new(parameters.to_vec());
    }
    let failure = match shell.dialect {
        Dialect::Posix | Dialect::Ash => Failure::Ends,
        Dialect::Bash => failure,
    };
    let caller = shell.state.line;
    let result = shell.run_text_at(&text, 1, failure);
    if replaced {
        shell.state.positional = positional;
    }
    let line = std::mem::replace(&mut shell.state.line, caller);
    match result {
        Err(Exit::Return(status)) => Ok(status),
        Err(Exit::Stop(stop)) => {
            Err(Exit::Stop(stop.at(String::from_utf8_lossy(&path).into_owned(), line)))
        }
        other => other,
    }
}

/// A name without a slash is looked for in `PATH`, where it need not be a program.
fn file_to_read(shell: &mut Shell<'_>, name: &[u8]) -> Result<Option<Vec<u8>>, Stop> {
    if name.contains(&b'/') {
        return Ok(Some(name.to_vec()));
    }
    let path = shell.state.variables.get(b"PATH").unwrap_or_default().to_vec();
    let directory = shell.state.directory.clone();
    let mut folders: Vec<&[u8]> = path.split(|b| *b == b':').collect();
    if shell.dialect == Dialect::Bash {
        folders.push(b".");
    }
    for folder in folders {
        let folder = if folder.is_empty() { b"." } else { folder };
        let candidate = [folder, b"/", name].concat();
        if shell.machine.stat(&directory, &candidate)?.is_ok_and(|entry| entry.is_file()) {
            return Ok(Some(candidate));
        }
    }
    Ok(None)
}

/// With a command, the shell ends with it; without one, redirections stay.
pub(super) fn exec(shell: &mut Shell<'_>, argv: &[BString], _: Failure) -> Eval {
    let mut argv = argv.get(1..).unwrap_or_default();
    match argv.first().map(|first| &first[..]) {
        None => return Ok(0),
        Some(b"--") => argv = argv.get(1..).unwrap_or_default(),
        Some(option) if option.starts_with(b"-") => {
            let option = String::from_utf8_lossy(option).into_owned();
            return Err(Stop::new(format!("exec with {option}")).into());
        }
        Some(_) => {}
    }
    if argv.is_empty() {
        return Ok(0);
    }
    let status = shell.run_program(argv.to_vec(), false)?;
    // The shell is no more: it runs no traps.
    shell.state.traps.clear();
    Err(Exit::Shell(status))
}
