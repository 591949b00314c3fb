//! `set`, and the options of the shell.

use std::rc::Rc;

use bstr::BString;

use super::single_quoted;
use crate::Stop;
use crate::shell::flow::{Eval, Failure};
use crate::shell::state::Options;
use crate::shell::variables::Value;
use crate::shell::{Dialect, Shell};

/// An option: its letter (0 for none), its name, and where it is kept.
type Option_ = (u8, &'static str, fn(&mut Options) -> &mut bool);

const OPTIONS: &[Option_] = &[
    (b'e', "errexit", |options| &mut options.exit_on_error),
    (b'f', "noglob", |options| &mut options.no_glob),
    (b'n', "noexec", |options| &mut options.no_execute),
    (b'x', "xtrace", |options| &mut options.trace),
    (b'v', "verbose", |options| &mut options.verbose),
    (b'C', "noclobber", |options| &mut options.no_clobber),
    (b'a', "allexport", |options| &mut options.all_export),
    (b'u', "nounset", |options| &mut options.no_unset),
    (0, "pipefail", |options| &mut options.pipe_fail),
];

pub(super) fn set(shell: &mut Shell<'_>, argv: &[BString], _: Failure) -> Eval {
    let mut rest = argv.get(1..).unwrap_or_default();
    if rest.is_empty() {
        return list_variables(shell);
    }
    let mut given = false;
    while let Some(word) = rest.first() {
        match &word[..] {
            b"--" => {
                rest = rest.get(1..).unwrap_or_default();
                given = true;
                break;
            }
            b"-" => {
                rest = rest.get(1..).unwrap_or_default();
                shell.state.options.trace = false;
                shell.state.options.verbose = false;
                break;
            }
            b"-o" | b"+o" => {
                let Some(name) = rest.get(1).cloned() else {
                    return Err(Stop::new("a list of options (set -o)").into());
                };
                shell.set_named_option(&name, word.starts_with(b"-"))?;
                rest = rest.get(2..).unwrap_or_default();
            }
            option if option.len() > 1 && matches!(option.first(), Some(b'-' | b'+')) => {
                let named = option.last() == Some(&b'o');
                let option = option.to_vec();
                shell.set_option_word(&option)?;
                rest = rest.get(1..).unwrap_or_default();
                if named {
                    let Some((name, after)) = rest.split_first() else {
                        return Err(Stop::new("a list of options (set -o)").into());
                    };
                    shell.set_named_option(&name.clone(), option.starts_with(b"-"))?;
                    rest = after;
                }
            }
            _ => break,
        }
    }
    if given || !rest.is_empty() {
        shell.state.positional = Rc::new(rest.to_vec());
    }
    Ok(0)
}

fn list_variables(shell: &mut Shell<'_>) -> Eval {
    if shell.dialect == Dialect::Bash {
        return Err(Stop::new("a list of variables (set)").into());
    }
    let mut out = Vec::new();
    for (name, variable) in shell.state.variables.iter() {
        if let Some(Value::Text(text)) = variable.value.as_deref() {
            out.extend_from_slice(name);
            out.push(b'=');
            out.extend(single_quoted(text));
            out.push(b'\n');
        }
    }
    shell.print(&out, "set")
}

impl Shell<'_> {
    /// Options as one word: `-eu`, `+x`.
    pub(in crate::shell) fn set_option_word(&mut self, word: &[u8]) -> Eval<()> {
        let Some((sign, letters)) = word.split_first() else { return Ok(()) };
        let on = *sign == b'-';
        if letters == b"-" || letters.is_empty() {
            return Ok(());
        }
        for letter in letters {
            match (letter, OPTIONS.iter().find(|(known, ..)| known == letter)) {
                (_, Some((_, name, _))) => self.set_named_option(name.as_bytes(), on)?,
                // bash: remembers commands, expands braces; both are on anyway.
                (b'h' | b'B', None) if self.dialect == Dialect::Bash && on => {}
                // Its word comes next.
                (b'o', None) => {}
                _ => {
                    let word = String::from_utf8_lossy(word).into_owned();
                    return Err(Stop::new(format!("the option {word} of the shell")).into());
                }
            }
        }
        Ok(())
    }

    pub(in crate::shell) fn set_named_option(&mut self, name: &[u8], on: bool) -> Eval<()> {
        let found = OPTIONS.iter().find(|(_, known, _)| known.as_bytes() == name);
        let known = found.filter(|(letter, ..)| *letter != 0 || self.dialect != Dialect::Posix);
        match known {
            Some((.., place)) => {
                *place(&mut self.state.options) = on;
                Ok(())
            }
            None if !on => Ok(()),
            None => {
                let name = String::from_utf8_lossy(name).into_owned();
                Err(Stop::new(format!("the option {name} of the shell")).into())
            }
        }
    }

    /// The value of `$-`.
    pub(in crate::shell) fn option_letters(&self) -> Vec<u8> {
        let mut options = self.state.options;
        let on =
            OPTIONS.iter().rev().filter(|(letter, _, place)| *letter != 0 && *place(&mut options));
        let mut letters: Vec<u8> = on.map(|(letter, ..)| *letter).collect();
        if self.dialect == Dialect::Bash {
            letters.extend(*b"hB");
            letters.sort_by_key(|letter| (letter.is_ascii_uppercase(), *letter));
        }
        letters
    }
}
