//! bash's `declare`, `typeset`, `local`, `export`, `readonly`: attributes and arrays.

use std::collections::BTreeMap;
use std::rc::Rc;

use bstr::BString;

use crate::Stop;
use crate::shell::Shell;
use crate::shell::flow::{Eval, Failure};
use crate::shell::variables::Value;
use crate::syntax::is_name;

/// What options ask for.
#[derive(Default, Clone, Copy)]
struct Wanted {
    array: bool,
    export: bool,
    readonly: bool,
    /// `declare -g`
    global: bool,
    /// `export -n`
    not_exported: bool,
}

pub(in crate::shell) fn declare(shell: &mut Shell<'_>, argv: &[BString], _: Failure) -> Eval {
    let command = argv.first().cloned().unwrap_or_default();
    let mut wanted = Wanted {
        export: &command[..] == b"export",
        readonly: &command[..] == b"readonly",
        global: matches!(&command[..], b"export" | b"readonly"),
        ..Wanted::default()
    };
    let mut rest = argv.get(1..).unwrap_or_default();
    while let Some(option) = rest.first().filter(|word| word.starts_with(b"-")) {
        rest = rest.get(1..).unwrap_or_default();
        if &option[..] == b"--" {
            break;
        }
        for letter in option.get(1..).unwrap_or_default() {
            match letter {
                b'a' => wanted.array = true,
                b'x' => wanted.export = true,
                b'r' => wanted.readonly = true,
                b'g' => wanted.global = true,
                b'n' if &command[..] == b"export" => wanted.not_exported = true,
                _ => return Err(Stop::new(format!("{command} with {option}")).into()),
            }
        }
    }
    let is_local = &command[..] == b"local";
    if is_local && shell.state.functions_running == 0 {
        return Err(shell.error("local: can only be used in a function"));
    }
    if rest.is_empty() {
        return Err(Stop::new(format!("a list of variables ({command})")).into());
    }
    for argument in rest {
        one(shell, argument, wanted)?;
    }
    Ok(0)
}

fn one(shell: &mut Shell<'_>, argument: &[u8], wanted: Wanted) -> Eval<()> {
    let equals = argument.iter().position(|b| *b == b'=');
    let (target, value) = match equals {
        Some(at) => (argument.get(..at).unwrap_or_default(), argument.get(at + 1..)),
        None => (argument, None),
    };
    let (name, append) = match target.strip_suffix(b"+") {
        Some(name) => (name, true),
        None => (target, false),
    };
    if !is_name(name) {
        if target.contains(&b'[') {
            return Err(Stop::new("a declaration of an element").into());
        }
        return Err(shell.error([argument, b": not a valid identifier"].concat()));
    }
    let local = !wanted.global && shell.state.functions_running > 0;
    let first = local && shell.state.variables.hide(name);
    if first {
        // A new variable: it has neither the value nor the attributes of the outer one.
        shell.state.variables.mark(name, |variable| *variable = Default::default());
    }
    match value {
        Some(value) => {
            let before = match append {
                true => shell.state.variables.get(name).map(<[u8]>::to_vec).unwrap_or_default(),
                false => Vec::new(),
            };
            shell.assign(name, [&before[..], value].concat().into())?;
        }
        None if wanted.array
            && shell.state.variables.variable(name).is_none_or(|v| v.value.is_none()) =>
        {
            shell.state.variables.mark(name, |variable| {
                variable.value = Some(Rc::new(Value::Array(BTreeMap::new())));
            });
        }
        None => {}
    }
    shell.state.variables.mark(name, |variable| {
        variable.exported |= wanted.export;
        variable.exported &= !wanted.not_exported;
        variable.readonly |= wanted.readonly;
    });
    Ok(())
}
