//! `shift`.

use std::rc::Rc;

use bstr::BString;

use crate::shell::flow::{Eval, Failure};
use crate::shell::{Dialect, Shell};

pub(super) fn shift(shell: &mut Shell<'_>, argv: &[BString], _: Failure) -> Eval {
    let count = match argv.get(1) {
        Some(text) => shell.number(b"shift", text)? as usize,
        None => 1,
    };
    if count > shell.state.positional.len() {
        return match shell.dialect {
            Dialect::Posix => Err(shell.complain(b"shift", b"can't shift that many")),
            Dialect::Ash | Dialect::Bash => Ok(1),
        };
    }
    Rc::make_mut(&mut shell.state.positional).drain(..count);
    Ok(0)
}
