//! `sh`, `dash`, `ash`, `bash`: shells called by name, with `-c` or a file.

use bstr::BString;

use imgfix_shell::shell;
use imgfix_shell::shell::{Dialect, Script};
use imgfix_shell::{Process, Status};

/// `sh`, `dash`, `ash`.
///
/// # Errors
/// The script cannot be evaluated.
pub fn posix(process: &mut Process<'_>) -> Status {
    let name = process.call.argv.first().cloned().unwrap_or_default();
    let path = match name.contains(&b'/') {
        true => name.to_vec(),
        false => process.machine.which(&process.call, &name)?.unwrap_or_default(),
    };
    let dialect = process.machine.dialect_of(&path, Dialect::Posix)?;
    run(process, dialect)
}

/// `busybox sh`.
///
/// # Errors
/// The script cannot be evaluated.
pub fn ash(process: &mut Process<'_>) -> Status {
    run(process, Dialect::Ash)
}

/// `bash`.
///
/// # Errors
/// The script cannot be evaluated.
pub fn bash(process: &mut Process<'_>) -> Status {
    run(process, Dialect::Bash)
}

fn run(process: &mut Process<'_>, dialect: Dialect) -> Status {
    let mut options = Vec::new();
    let arguments = process.arguments().to_vec();
    let mut rest = &arguments[..];
    let mut text_given = false;
    while let Some(word) =
        rest.first().filter(|word| word.len() > 1 && matches!(word.first(), Some(b'-' | b'+')))
    {
        rest = rest.get(1..).unwrap_or_default();
        if &word[..] == b"--" {
            break;
        }
        if word.starts_with(b"--") {
            return Err(process.unsupported(&word[..]));
        }
        let letters: Vec<u8> = word.iter().copied().filter(|b| *b != b'c').collect();
        text_given |= letters.len() < word.len();
        if letters.contains(&b's') || letters.contains(&b'i') {
            return Err(process.unsupported(&word[..]));
        }
        if letters.contains(&b'o') {
            let Some((name, after)) = rest.split_first() else {
                return Err(process.unsupported(&word[..]));
            };
            rest = after;
            options.push([&b"-o "[..], &name[..]].concat());
        }
        options.push(letters.into_iter().filter(|b| *b != b'o').collect());
    }
    let Some((first, rest)) = rest.split_first() else {
        return Err(process.unsupported("a script on its standard input"));
    };
    let own = process.call.argv.first().cloned().unwrap_or_default();
    let (name, text, argv) = match text_given {
        true => {
            let argv = if rest.is_empty() { vec![own.clone()] } else { rest.to_vec() };
            (format!("{own} -c"), first.to_vec().into(), argv)
        }
        false => match process.read_operand(first)? {
            Ok(text) => {
                let argv: Vec<BString> = std::iter::once(first).chain(rest).cloned().collect();
                (first.to_string(), text, argv)
            }
            Err(_) => {
                process.complain(format!("0: cannot open {first}: No such file"))?;
                return Ok(match dialect {
                    Dialect::Posix | Dialect::Ash => 2,
                    Dialect::Bash => 127,
                });
            }
        },
    };
    let script = Script { name, text, dialect, options };
    let call = imgfix_shell::Call { argv, ..process.call.clone() };
    shell::run(process.machine, &script, call)
}
