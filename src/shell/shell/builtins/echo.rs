//! `echo`: dash's replaces escapes, bash's and ash's only with `-e`.

use bstr::BString;

use super::escape::{EscapeContext, escaped};
use crate::Stop;
use crate::shell::flow::{Eval, Failure};
use crate::shell::{Dialect, Shell};

pub(super) fn echo(shell: &mut Shell<'_>, argv: &[BString], _: Failure) -> Eval {
    let mut words = argv.get(1..).unwrap_or_default();
    let (mut newline, mut escapes) = (true, shell.dialect == Dialect::Posix);
    while let Some(option) = words.first() {
        let letters = option.strip_prefix(b"-").filter(|letters| !letters.is_empty());
        let Some(letters) = letters else { break };
        let known: &[u8] = if shell.dialect == Dialect::Posix { b"n" } else { b"neE" };
        let only_one = shell.dialect == Dialect::Posix && letters != b"n";
        if only_one || !letters.iter().all(|b| known.contains(b)) {
            break;
        }
        for letter in letters {
            match letter {
                b'n' => newline = false,
                b'e' => escapes = true,
                _ => escapes = false,
            }
        }
        words = words.get(1..).unwrap_or_default();
        if shell.dialect == Dialect::Posix {
            break;
        }
    }
    let mut text = bstr::join(" ", words);
    if escapes {
        let Some(result) = escaped(&text, EscapeContext::Echo, shell.dialect) else {
            return Err(Stop::new("an escape of echo -e").into());
        };
        text = result.text;
        newline &= !result.ended;
    }
    if newline {
        text.push(b'\n');
    }
    shell.print(&text, "echo")
}
