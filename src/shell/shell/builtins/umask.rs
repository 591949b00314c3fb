//! `umask`.

use bstr::BString;

use crate::Stop;
use crate::mode::Mode;
use crate::shell::Shell;
use crate::shell::flow::{Eval, Failure};

pub(super) fn umask(shell: &mut Shell<'_>, argv: &[BString], _: Failure) -> Eval {
    let mut symbolic = false;
    let mut rest = argv.get(1..).unwrap_or_default();
    while let Some(option) = rest.first().filter(|word| word.starts_with(b"-")) {
        match &option[..] {
            b"-S" => symbolic = true,
            b"--" => {}
            _ => return Err(Stop::new(format!("umask with {option}")).into()),
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    let umask = shell.state.umask;
    let Some(text) = rest.first() else {
        let text = match symbolic {
            true => format!("{}\n", symbols(umask)),
            false => format!("{umask:04o}\n"),
        };
        return shell.print(text.as_bytes(), "umask");
    };
    let Some(mode) = Mode::parse(text) else {
        return Err(shell.complain(b"umask", [b"Illegal mode: ", &text[..]].concat()));
    };
    shell.state.umask = match text.first().is_some_and(u8::is_ascii_digit) {
        true => mode.apply(0, false, 0) & 0o777,
        false => !mode.apply(!umask & 0o777, false, 0) & 0o777,
    };
    Ok(0)
}

/// What is allowed: `u=rwx,g=rx,o=rx`.
fn symbols(umask: u32) -> String {
    let class = |name: &str, shift: u32| {
        let allowed = !(umask >> shift) & 7;
        let letters = [(4, 'r'), (2, 'w'), (1, 'x')].into_iter();
        let letters: String =
            letters.filter(|(bit, _)| allowed & bit != 0).map(|(_, letter)| letter).collect();
        format!("{name}={letters}")
    };
    [class("u", 6), class("g", 3), class("o", 0)].join(",")
}
