//! `trap`: what is done when the shell ends runs; signals never come.

use bstr::BString;

use super::single_quoted;
use crate::shell::flow::{Eval, Failure};
use crate::shell::{Dialect, Shell};

/// Names of signals by number (signal(7), x86 and arm).
const SIGNALS: &[&str] = &[
    "EXIT", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV",
    "USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU",
    "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

pub(super) fn trap(shell: &mut Shell<'_>, argv: &[BString], _: Failure) -> Eval {
    let mut rest = argv.get(1..).unwrap_or_default();
    if rest.first().is_some_and(|word| &word[..] == b"--") {
        rest = rest.get(1..).unwrap_or_default();
    }
    let Some((first, others)) = rest.split_first() else { return list(shell) };
    let (action, signals) = match others {
        // A signal alone is set back.
        [] => (None, rest),
        _ if &first[..] == b"-" => (None, others),
        _ if first.iter().all(u8::is_ascii_digit) && !first.is_empty() => (None, rest),
        _ => (Some(first.clone()), others),
    };
    let mut status = 0;
    for signal in signals {
        let Some(name) = signal_name(signal, shell.dialect) else {
            let why = [b"bad trap: ", &signal[..]].concat();
            shell.complain(b"trap", why);
            status = 1;
            continue;
        };
        match &action {
            None => shell.state.traps.remove(name.as_bytes()),
            Some(action) => {
                let action = (!action.is_empty()).then(|| action.clone());
                shell.state.traps.insert(name.into(), action)
            }
        };
    }
    Ok(status)
}

fn signal_name(signal: &[u8], dialect: Dialect) -> Option<&'static str> {
    let text = std::str::from_utf8(signal).ok()?;
    if let Ok(number) = text.parse::<usize>() {
        return SIGNALS.get(number).copied();
    }
    let upper = text.to_ascii_uppercase();
    let name = match dialect {
        Dialect::Posix => &upper,
        Dialect::Ash | Dialect::Bash => upper.strip_prefix("SIG").unwrap_or(&upper),
    };
    SIGNALS.iter().find(|known| **known == name).copied()
}

fn list(shell: &mut Shell<'_>) -> Eval {
    let mut out = Vec::new();
    for name in SIGNALS {
        let Some(action) = shell.state.traps.get(name.as_bytes()) else { continue };
        let quoted = single_quoted(action.as_ref().map(|action| &action[..]).unwrap_or_default());
        out.extend([b"trap -- ", &quoted[..], b" ", name.as_bytes(), b"\n"].concat());
    }
    shell.print(&out, "trap")
}
