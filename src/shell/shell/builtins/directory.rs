//! `cd` and `pwd`.

use bstr::BString;

use crate::Stop;
use crate::shell::Shell;
use crate::shell::flow::{Eval, Failure};
use imgfix_model::path::ImagePath;

/// Whether links stay in the path (`-L`) or are followed (`-P`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Links {
    Logical,
    Physical,
}

/// Takes the options off.
fn options(argv: &[BString]) -> Result<(Links, &[BString]), BString> {
    let mut links = Links::Logical;
    let mut rest = argv.get(1..).unwrap_or_default();
    while let Some(option) = rest.first().filter(|word| word.len() > 1 && word.starts_with(b"-")) {
        for letter in option.get(1..).unwrap_or_default() {
            match letter {
                b'L' => links = Links::Logical,
                b'P' => links = Links::Physical,
                b'-' => {}
                _ => return Err(option.clone()),
            }
        }
        let ends = &option[..] == b"--";
        rest = rest.get(1..).unwrap_or_default();
        if ends {
            break;
        }
    }
    Ok((links, rest))
}

pub(super) fn cd(shell: &mut Shell<'_>, argv: &[BString], _: Failure) -> Eval {
    let (links, rest) = match options(argv) {
        Ok(parsed) => parsed,
        Err(option) => return Err(Stop::new(format!("cd with {option}")).into()),
    };
    let home = || shell.state.variables.get(b"HOME").map(BString::from);
    let old = || shell.state.variables.get(b"OLDPWD").map(BString::from);
    let mut shown = false;
    let target = match rest.first() {
        None => home().unwrap_or_default(),
        Some(target) if &target[..] == b"-" => {
            shown = true;
            old().unwrap_or_else(|| shell.state.logical_directory.clone())
        }
        Some(target) if target.is_empty() => BString::from("."),
        Some(target) => target.clone(),
    };
    if target.is_empty() {
        return Ok(0);
    }
    let searched = !target.starts_with(b"/") && !is_dotted(&target);
    if searched && shell.state.variables.get(b"CDPATH").is_some_and(|path| !path.is_empty()) {
        return Err(Stop::new("cd with CDPATH").into());
    }
    let logical = match links {
        Links::Logical => joined(&shell.state.logical_directory, &target),
        Links::Physical => target.to_vec(),
    };
    let directory = shell.state.directory.clone();
    let found = shell.machine.follow(&directory, &logical)?;
    let found = match found {
        Ok(path) if shell.machine.stat(&directory, &logical)?.is_ok_and(|at| at.is_dir()) => path,
        _ => {
            return Err(shell.complain(b"cd", [b"can't cd to ", &target[..]].concat()));
        }
    };
    let said = match links {
        Links::Logical => logical.into(),
        Links::Physical => BString::from(found.as_bytes()),
    };
    arrive(shell, found, said.clone())?;
    if shown {
        return shell.print(&[&said[..], b"\n"].concat(), "cd");
    }
    Ok(0)
}

fn is_dotted(target: &[u8]) -> bool {
    let first = target.split(|b| *b == b'/').next().unwrap_or_default();
    first == b"." || first == b".."
}

fn arrive(shell: &mut Shell<'_>, directory: ImagePath, said: BString) -> Eval<()> {
    let old = std::mem::replace(&mut shell.state.logical_directory, said.clone());
    shell.state.directory = directory;
    shell.assign(b"OLDPWD", old)?;
    shell.assign(b"PWD", said)
}

/// A path behind a directory, with `.` and `..` taken out of it.
fn joined(directory: &[u8], target: &[u8]) -> Vec<u8> {
    let whole = match target.starts_with(b"/") {
        true => target.to_vec(),
        false => [directory, b"/", target].concat(),
    };
    let mut components: Vec<&[u8]> = Vec::new();
    for component in whole.split(|b| *b == b'/') {
        match component {
            b"" | b"." => {}
            b".." => {
                components.pop();
            }
            name => components.push(name),
        }
    }
    // Two slashes at the beginning, and only two, are kept: POSIX leaves their meaning open.
    let root: &[u8] = match whole.starts_with(b"//") && !whole.starts_with(b"///") {
        true => b"//",
        false => b"/",
    };
    [root.to_vec(), bstr::join("/", components)].concat()
}

pub(super) fn pwd(shell: &mut Shell<'_>, argv: &[BString], _: Failure) -> Eval {
    let (links, _) = match options(argv) {
        Ok(parsed) => parsed,
        Err(option) => return Err(Stop::new(format!("pwd with {option}")).into()),
    };
    let path = match links {
        Links::Logical => shell.state.logical_directory.to_vec(),
        Links::Physical => shell.state.directory.as_bytes().to_vec(),
    };
    shell.print(&[&path[..], b"\n"].concat(), "pwd")
}
