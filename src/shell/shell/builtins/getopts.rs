//! `getopts`.

use bstr::BString;

use crate::shell::flow::{Eval, Failure};
use crate::shell::{Dialect, Shell};
use crate::syntax::is_name;

pub(super) fn getopts(shell: &mut Shell<'_>, argv: &[BString], _: Failure) -> Eval {
    let [_, letters, name, given @ ..] = argv else {
        return Err(shell.complain(b"getopts", b"Usage: getopts optstring var [arg]"));
    };
    if !is_name(name) {
        return Err(shell.complain(b"getopts", [&name[..], b": bad variable name"].concat()));
    }
    let arguments = if given.is_empty() { shell.state.positional.to_vec() } else { given.to_vec() };
    let index = shell.state.variables.get(b"OPTIND").map(<[u8]>::to_vec).unwrap_or_default();
    let index: usize =
        std::str::from_utf8(&index).ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let mut scan = Scan { index: index.max(1), offset: shell.state.scan.offset, argument: None };
    let found = scan.next(&arguments, letters.strip_prefix(b":").unwrap_or(letters));
    let silent = letters.starts_with(b":");
    let option = match found {
        Found::End => b'?',
        Found::Option(letter) => letter,
        Found::Unknown(letter) => {
            if silent {
                scan.argument = Some(BString::from(vec![letter]));
            } else {
                let text = [b"Illegal option -".to_vec(), vec![letter, b'\n']].concat();
                shell.write_to(2, &text)?;
            }
            b'?'
        }
        Found::Missing(letter) => {
            if silent {
                scan.argument = Some(BString::from(vec![letter]));
                b':'
            } else {
                let text = [b"No arg for -", &[letter][..], b" option\n"].concat();
                shell.write_to(2, &text)?;
                b'?'
            }
        }
    };
    let ended = matches!(found, Found::End);
    match scan.argument {
        Some(argument) => shell.assign(b"OPTARG", argument)?,
        None if matches!(found, Found::Option(_)) && shell.dialect != Dialect::Bash => {
            shell.assign(b"OPTARG", BString::default())?;
        }
        None if !ended && shell.state.variables.unset(b"OPTARG").is_err() => {
            return Err(shell.complain(b"getopts", b"OPTARG: is read only"));
        }
        None => {}
    }
    shell.assign(b"OPTIND", scan.index.to_string().into())?;
    shell.state.scan.offset = scan.offset;
    shell.assign(name, BString::from(vec![option]))?;
    Ok(u8::from(ended))
}

enum Found {
    Option(u8),
    Unknown(u8),
    /// An option without the argument it must have.
    Missing(u8),
    End,
}

struct Scan {
    /// Of the argument that comes next, from 1.
    index: usize,
    /// Inside the argument before it; 0 when that is done.
    offset: usize,
    argument: Option<BString>,
}

impl Scan {
    fn next(&mut self, arguments: &[BString], letters: &[u8]) -> Found {
        let group = self.group(arguments);
        let Some(group) = group else { return Found::End };
        let Some(&letter) = group.get(self.offset) else { return Found::End };
        self.offset += 1;
        let at = letters.iter().position(|known| *known == letter && letter != b':');
        let rest = group.get(self.offset..).unwrap_or_default();
        let Some(at) = at else {
            if rest.is_empty() {
                self.offset = 0;
            }
            return Found::Unknown(letter);
        };
        if letters.get(at + 1) != Some(&b':') {
            if rest.is_empty() {
                self.offset = 0;
            }
            return Found::Option(letter);
        }
        self.offset = 0;
        if !rest.is_empty() {
            self.argument = Some(rest.into());
            return Found::Option(letter);
        }
        match arguments.get(self.index - 1) {
            Some(argument) => {
                self.argument = Some(argument.clone());
                self.index += 1;
                Found::Option(letter)
            }
            None => Found::Missing(letter),
        }
    }

    /// The group of options that the next letter is in.
    fn group(&mut self, arguments: &[BString]) -> Option<BString> {
        if self.offset > 0 {
            let group = arguments.get(self.index.checked_sub(2)?);
            if let Some(group) = group.filter(|group| self.offset < group.len()) {
                return Some(group.clone());
            }
            self.offset = 0;
        }
        let group = arguments.get(self.index - 1)?;
        if group.len() < 2 || !group.starts_with(b"-") {
            return None;
        }
        self.index += 1;
        if &group[..] == b"--" {
            return None;
        }
        self.offset = 1;
        Some(group.clone())
    }
}
