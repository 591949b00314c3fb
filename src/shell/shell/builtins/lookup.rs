//! `command`, `type`, `hash`: what names mean.

use bstr::BString;

use super::{Builtin, Class};
use crate::Stop;
use crate::shell::flow::{Eval, Failure};
use crate::shell::simple::Meaning;
use crate::shell::{Dialect, Shell};

const RESERVED: &[&[u8]] = &[
    b"!", b"case", b"do", b"done", b"elif", b"else", b"esac", b"fi", b"for", b"if", b"in", b"then",
    b"until", b"while", b"{", b"}",
];

const RESERVED_BY_BASH: &[&[u8]] = &[b"[[", b"]]", b"function", b"select", b"time", b"coproc"];

/// `command -v` and `-V`; what `command NAME` runs is found before.
pub(super) fn command(shell: &mut Shell<'_>, argv: &[BString], _: Failure) -> Eval {
    let mut long = None;
    let mut default_path = false;
    let mut rest = argv.get(1..).unwrap_or_default();
    while let Some(option) = rest.first().filter(|word| word.len() > 1 && word.starts_with(b"-")) {
        if &option[..] == b"--" {
            rest = rest.get(1..).unwrap_or_default();
            break;
        }
        for letter in option.get(1..).unwrap_or_default() {
            match letter {
                b'v' => long = Some(false),
                b'V' => long = Some(true),
                b'p' => default_path = true,
                _ => return Err(Stop::new(format!("command with {option}")).into()),
            }
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    let Some(long) = long else {
        return match rest.is_empty() {
            true => Ok(0),
            false => Err(Stop::new("command with several options").into()),
        };
    };
    let mut status = 0;
    for name in rest {
        let how = if long { Style::Sentence } else { Style::Word };
        if !describe(shell, name, how, default_path)? {
            status = match shell.dialect {
                Dialect::Posix | Dialect::Ash => 127,
                Dialect::Bash => 1,
            };
        }
    }
    Ok(status)
}

pub(super) fn type_(shell: &mut Shell<'_>, argv: &[BString], _: Failure) -> Eval {
    let mut status = 0;
    let mut rest = argv.get(1..).unwrap_or_default();
    let mut how = Style::Sentence;
    if let Some(option) = rest.first().filter(|word| word.starts_with(b"-")) {
        match (&option[..], shell.dialect) {
            (b"-p" | b"-P", Dialect::Bash) => how = Style::Path,
            (b"-t", Dialect::Bash) => how = Style::Kind,
            (_, Dialect::Bash) => return Err(Stop::new(format!("type with {option}")).into()),
            // dash has no options here: it takes them for names.
            (_, Dialect::Posix | Dialect::Ash) => {}
        }
        if shell.dialect == Dialect::Bash {
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    for name in rest {
        if !describe(shell, name, how, false)? {
            status = match shell.dialect {
                Dialect::Posix | Dialect::Ash => 127,
                Dialect::Bash => 1,
            };
        }
    }
    Ok(status)
}

/// How the meaning of a name is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Word,
    Sentence,
    /// bash's `type -p`
    Path,
    /// bash's `type -t`
    Kind,
}

/// Prints what a name means; whether it means anything.
fn describe(shell: &mut Shell<'_>, name: &[u8], how: Style, default_path: bool) -> Eval<bool> {
    let bash = shell.dialect == Dialect::Bash;
    let reserved = RESERVED.contains(&name) || (bash && RESERVED_BY_BASH.contains(&name));
    if reserved {
        return print(shell, how, name, b" is a shell keyword", b"keyword", name);
    }
    match shell.meaning(name, true) {
        Meaning::Function(_) => {
            if bash && how == Style::Sentence {
                return Err(Stop::new("the text of a function").into());
            }
            let sentence: &[u8] = match shell.dialect {
                Dialect::Ash => b" is a function",
                Dialect::Posix | Dialect::Bash => b" is a shell function",
            };
            print(shell, how, name, sentence, b"function", name)
        }
        Meaning::Builtin(Builtin { class: Class::Special, .. }) if !bash => {
            print(shell, how, name, b" is a special shell builtin", b"builtin", name)
        }
        Meaning::Builtin(_) => print(shell, how, name, b" is a shell builtin", b"builtin", name),
        Meaning::Program => program(shell, name, how, default_path),
    }
}

fn program(shell: &mut Shell<'_>, name: &[u8], how: Style, default_path: bool) -> Eval<bool> {
    let directory = shell.state.directory.clone();
    let path = match name.contains(&b'/') {
        true => shell.machine.is_program(&directory, name)?.then(|| name.to_vec()),
        false => shell.search(name, default_path)?,
    };
    if let Some(path) = path {
        let sentence = [b" is ", &path[..]].concat();
        return print(shell, how, name, &sentence, b"file", &path);
    }
    if how == Style::Sentence {
        let text = [name, b": not found\n"].concat();
        match shell.dialect {
            Dialect::Posix | Dialect::Ash => shell.print(&text, "type")?,
            Dialect::Bash => {
                let _written = shell.error([b"type: ", name, b": not found"].concat());
                0
            }
        };
    }
    Ok(false)
}

fn print(
    shell: &mut Shell<'_>,
    how: Style,
    name: &[u8],
    sentence: &[u8],
    kind: &[u8],
    word: &[u8],
) -> Eval<bool> {
    let text = match how {
        Style::Word => [word, b"\n"].concat(),
        Style::Sentence => [name, sentence, b"\n"].concat(),
        Style::Kind => [kind, b"\n"].concat(),
        Style::Path if kind == b"file" => [word, b"\n"].concat(),
        Style::Path => return Ok(true),
    };
    shell.print(&text, "type")?;
    Ok(true)
}

/// Nothing is remembered, so nothing has to be forgotten.
pub(super) fn hash(shell: &mut Shell<'_>, argv: &[BString], _: Failure) -> Eval {
    let mut status = 0;
    for name in argv.get(1..).unwrap_or_default() {
        if name.starts_with(b"-") {
            if &name[..] != b"-r" {
                return Err(Stop::new(format!("hash with {name}")).into());
            }
            continue;
        }
        let is_program = matches!(shell.meaning(name, true), Meaning::Program);
        if is_program && shell.search(name, false)?.is_none() {
            let _written = shell.complain(b"hash", [&name[..], b": not found"].concat());
            status = 1;
        }
    }
    Ok(status)
}
