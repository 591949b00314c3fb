//! dash's `export`, `readonly`, `local`, and `unset`.

use std::rc::Rc;

use bstr::BString;

use super::single_quoted;
use crate::Stop;
use crate::shell::flow::{Eval, Failure};
use crate::shell::variables::{Value, Variable};
use crate::shell::{Dialect, Shell};
use crate::syntax::is_name;

pub(super) fn export(shell: &mut Shell<'_>, argv: &[BString], _: Failure) -> Eval {
    declare(shell, argv, |variable| variable.exported = true, |variable| variable.exported)
}

pub(super) fn readonly(shell: &mut Shell<'_>, argv: &[BString], _: Failure) -> Eval {
    declare(shell, argv, |variable| variable.readonly = true, |variable| variable.readonly)
}

fn declare(
    shell: &mut Shell<'_>,
    argv: &[BString],
    mark: fn(&mut Variable),
    marked: fn(&Variable) -> bool,
) -> Eval {
    let name = argv.first().cloned().unwrap_or_default();
    let mut arguments = argv.get(1..).unwrap_or_default();
    let mut listed = arguments.is_empty();
    while let Some(option) = arguments.first().filter(|word| word.starts_with(b"-")) {
        match &option[..] {
            b"--" => {
                arguments = arguments.get(1..).unwrap_or_default();
                break;
            }
            b"-p" => listed = true,
            other => {
                let option = String::from_utf8_lossy(other).into_owned();
                return Err(Stop::new(format!("{name} with {option}")).into());
            }
        }
        arguments = arguments.get(1..).unwrap_or_default();
    }
    if listed {
        return list(shell, &name, marked);
    }
    for argument in arguments {
        let (variable, value) = split(argument);
        if !is_name(variable) {
            return Err(shell.complain(&name, [variable, b": bad variable name"].concat()));
        }
        if let Some(value) = value {
            shell.assign(variable, value.into())?;
        }
        shell.state.variables.mark(variable, mark);
    }
    Ok(0)
}

fn list(shell: &mut Shell<'_>, name: &[u8], marked: fn(&Variable) -> bool) -> Eval {
    let mut out = Vec::new();
    for (variable, content) in shell.state.variables.iter().filter(|(_, content)| marked(content)) {
        out.extend_from_slice(&[name, b" ", variable].concat());
        if let Some(Value::Text(text)) = content.value.as_deref() {
            out.push(b'=');
            out.extend(single_quoted(text));
        }
        out.push(b'\n');
    }
    shell.print(&out, "export")
}

fn split(argument: &[u8]) -> (&[u8], Option<&[u8]>) {
    match argument.iter().position(|b| *b == b'=') {
        Some(at) => {
            let (name, value) = argument.split_at(at);
            (name, value.get(1..))
        }
        None => (argument, None),
    }
}

/// A local variable keeps the value it had; in ash it is not set.
pub(super) fn local(shell: &mut Shell<'_>, argv: &[BString], _: Failure) -> Eval {
    if shell.state.functions_running == 0 {
        return Err(shell.complain(b"local", b"not in a function"));
    }
    for argument in argv.get(1..).unwrap_or_default() {
        if argument.starts_with(b"-") {
            return Err(Stop::new(format!("local with {argument}")).into());
        }
        let (name, value) = split(argument);
        if !is_name(name) {
            return Err(shell.complain(b"local", [name, b": bad variable name"].concat()));
        }
        shell.state.variables.hide(name);
        let is_unset = value.is_none() && shell.dialect == Dialect::Ash;
        if is_unset && shell.state.variables.unset(name).is_err() {
            return Err(shell.complain(b"local", [name, b": is read only"].concat()));
        }
        if let Some(value) = value {
            shell.assign(name, value.into())?;
        }
    }
    Ok(0)
}

pub(super) fn unset(shell: &mut Shell<'_>, argv: &[BString], _: Failure) -> Eval {
    let mut arguments = argv.get(1..).unwrap_or_default();
    let mut what = None;
    while let Some(option) = arguments.first().filter(|word| word.starts_with(b"-")) {
        match &option[..] {
            b"--" => {}
            b"-v" | b"-f" => what = option.get(1).copied(),
            other => {
                let option = String::from_utf8_lossy(other).into_owned();
                return Err(Stop::new(format!("unset with {option}")).into());
            }
        }
        arguments = arguments.get(1..).unwrap_or_default();
    }
    for name in arguments {
        if what == Some(b'f') {
            Rc::make_mut(&mut shell.state.functions).remove(name);
            continue;
        }
        if !is_name(name) && shell.dialect == Dialect::Bash {
            return Err(Stop::new(format!("unset of {name}")).into());
        }
        if !is_name(name) {
            return Err(shell.complain(b"unset", [&name[..], b": bad variable name"].concat()));
        }
        let known = shell.state.variables.variable(name).is_some();
        if shell.state.variables.unset(name).is_err() {
            return Err(shell.complain(b"unset", [&name[..], b": is read only"].concat()));
        }
        if !known && what.is_none() && shell.dialect == Dialect::Bash {
            Rc::make_mut(&mut shell.state.functions).remove(name);
        }
    }
    Ok(0)
}
