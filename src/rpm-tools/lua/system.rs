//! Lua's `os`, and what `rpm` has besides macros: programs, versions, lists of names, base64.

use base64::Engine as _;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{GeneralPurposeConfig, STANDARD};
use imgfix_shell::Errno;
use imgfix_shell::files::Access;
use mlua::{IntoLua as _, Lua, Value};

use super::arguments::{Arguments, Function, string};
use super::host::{Host, failure};
use super::posix;

type Returned = mlua::Result<Vec<Value>>;

/// The functions of `os` by name.
pub const OS: &[(&str, Function)] = &[
    ("clock", running_system),
    ("date", date),
    ("execute", execute),
    ("exit", posix::exit),
    ("getenv", getenv),
    ("remove", remove),
    ("rename", rename),
    ("setlocale", running_system),
    ("time", time),
    ("tmpname", running_system),
];

/// The functions of `rpm` by name.
pub const RPM: &[(&str, Function)] = &[
    ("b64decode", b64decode),
    ("b64encode", b64encode),
    ("call", macros),
    ("define", macros),
    ("execute", rpm_execute),
    ("expand", expand),
    ("glob", glob),
    ("interactive", macros),
    ("isdefined", macros),
    ("load", macros),
    ("open", rpm_open),
    ("register", macros),
    ("spawn", spawn),
    ("undefine", macros),
    ("unregister", macros),
    ("ver", rpm_open),
    ("vercmp", vercmp),
];

fn running_system(_: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    Err(host.refuse(format!("Lua's os.{} asks a running system", arguments.name())))
}

fn macros(_: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    Err(host.refuse(format!("Lua's rpm.{}: the macros of rpm are not evaluated", arguments.name())))
}

fn rpm_open(_: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    Err(host.refuse(format!("Lua's rpm.{}", arguments.name())))
}

/// `os.execute`: true or nil, how the program ended, and its status.
fn execute(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    if arguments.is_nil(1) {
        let shell = host.machine.stat(&host.directory, b"/bin/sh");
        return Ok(vec![Value::Boolean(host.sys(shell)?.is_ok())]);
    }
    let command = arguments.text(lua, 1)?;
    let call = host.call(vec![b"/bin/sh".to_vec(), b"-c".to_vec(), command]);
    let status = match posix::can_run(host, &call)? {
        Ok(()) => {
            let status = host.machine.execute(call);
            host.done(status)?
        }
        // system(3): as if the shell had ended with 127.
        Err(_) => 127,
    };
    let success = if status == 0 { Value::Boolean(true) } else { Value::Nil };
    Ok(vec![success, string(lua, "exit")?, Value::Integer(i64::from(status))])
}

/// What became of a program that rpm starts.
fn ended(lua: &Lua, host: &mut Host, call: imgfix_shell::Call) -> Returned {
    if let Err(errno) = posix::can_run(host, &call)? {
        return failure(lua, host, None, errno);
    }
    let status = host.machine.execute(call);
    match host.done(status)? {
        0 => Ok(host.success()),
        status => {
            let status = host.number(i64::from(status));
            Ok(vec![Value::Nil, string(lua, "exit code")?, status])
        }
    }
}

fn rpm_execute(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    let words = (1..=arguments.len().max(1)).map(|place| arguments.text(lua, place));
    let argv = words.collect::<mlua::Result<_>>()?;
    let call = host.call(argv);
    ended(lua, host, call)
}

/// `rpm.spawn({program, argument...}, {stdin=, stdout=, stderr=})`.
fn spawn(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    let command = arguments.table(1)?;
    let mut argv = Vec::new();
    for word in command.sequence_values::<Value>() {
        let word = Arguments::new("rpm", "spawn", mlua::MultiValue::from_vec(vec![word?]));
        argv.push(word.text(lua, 1)?);
    }
    if argv.is_empty() {
        return Err(mlua::Error::runtime("command not supplied"));
    }
    let mut call = host.call(argv);
    if let Value::Table(actions) = arguments.value(2) {
        for pair in actions.pairs::<mlua::LuaString, mlua::LuaString>() {
            let (key, path) = pair?;
            let access = match &key.as_bytes()[..] {
                b"stdin" => (0, Access::Read),
                b"stdout" => (1, Access::Append { mode: 0o644 & !host.umask }),
                b"stderr" => (2, Access::Append { mode: 0o644 & !host.umask }),
                other => {
                    let other = String::from_utf8_lossy(other).into_owned();
                    return Err(mlua::Error::runtime(format!("invalid spawn directive: {other}")));
                }
            };
            let directory = host.directory.clone();
            let opened = host.machine.open(&directory, &path.as_bytes(), access.1);
            match host.sys(opened)? {
                Ok(stream) => call.descriptors.set(access.0, stream),
                Err(errno) => return failure(lua, host, None, errno),
            }
        }
    }
    ended(lua, host, call)
}

fn getenv(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    let name = arguments.text(lua, 1)?;
    match host.environment.get(&name[..]) {
        Some(value) => Ok(vec![string(lua, value)?]),
        None => Ok(vec![Value::Nil]),
    }
}

/// `os.remove`: a file, or a folder that is empty.
fn remove(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    let path = arguments.text(lua, 1)?;
    let directory = host.directory.clone();
    let removed = host.machine.unlink(&directory, &path);
    let removed = match host.sys(removed)? {
        Err(Errno::IsADirectory) => {
            let removed = host.machine.remove_dir(&directory, &path);
            host.sys(removed)?
        }
        other => other,
    };
    success(lua, removed, Some(&path))
}

fn rename(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    let (from, to) = (arguments.text(lua, 1)?, arguments.text(lua, 2)?);
    let directory = host.directory.clone();
    let renamed = host.machine.rename(&directory, &from, &to);
    let renamed = host.sys(renamed)?;
    success(lua, renamed, None)
}

/// What `os` returns of a file that was changed.
fn success(lua: &Lua, result: Result<(), Errno>, path: Option<&[u8]>) -> Returned {
    match result {
        Ok(()) => Ok(vec![Value::Boolean(true)]),
        Err(errno) => {
            let path = path.map(|path| format!("{}: ", String::from_utf8_lossy(path)));
            let text = string(lua, format!("{}{errno}", path.unwrap_or_default()))?;
            Ok(vec![Value::Nil, text, Value::Integer(super::host::number_of(errno))])
        }
    }
}

fn time(_: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    match arguments.is_nil(1) {
        true => Ok(vec![Value::Integer(host.machine.settings.now)]),
        false => Err(host.refuse("Lua's os.time with a table")),
    }
}

fn date(_: &Lua, host: &mut Host, _: &Arguments) -> Returned {
    Err(host.refuse("Lua's os.date"))
}

fn expand(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    let text = arguments.text(lua, 1)?;
    match crate::macros::expand(&mut host.machine, &text) {
        Ok(text) => Ok(vec![string(lua, text)?]),
        Err(stop) => Err(host.stop(stop)),
    }
}

fn vercmp(lua: &Lua, _: &mut Host, arguments: &Arguments) -> Returned {
    let (a, b) = (arguments.text(lua, 1)?, arguments.text(lua, 2)?);
    let (a, b) = (String::from_utf8_lossy(&a), String::from_utf8_lossy(&b));
    let order = match imgfix_versions::rpm::compare(&a, &b) {
        std::cmp::Ordering::Less => -1,
        std::cmp::Ordering::Equal => 0,
        std::cmp::Ordering::Greater => 1,
    };
    Ok(vec![Value::Integer(order)])
}

/// `rpm.b64encode(text, length of lines)`: 64 without a length, no lines with 0.
fn b64encode(lua: &Lua, _: &mut Host, arguments: &Arguments) -> Returned {
    let text = STANDARD.encode(arguments.bytes(lua, 1)?);
    let width = match arguments.integer_or(lua, 2, -1)? {
        width if width < 0 => 64,
        width => usize::try_from(width).unwrap_or(0),
    };
    if width == 0 {
        return Ok(vec![string(lua, text)?]);
    }
    let mut lines = Vec::with_capacity(text.len() + text.len() / width + 1);
    for line in text.as_bytes().chunks(width) {
        lines.extend_from_slice(line);
        lines.push(b'\n');
    }
    Ok(vec![string(lua, lines)?])
}

fn b64decode(lua: &Lua, _: &mut Host, arguments: &Arguments) -> Returned {
    let mut text = arguments.text(lua, 1)?;
    text.retain(|b| !b.is_ascii_whitespace());
    let engine = GeneralPurpose::new(&base64::alphabet::STANDARD, GeneralPurposeConfig::new());
    match engine.decode(text) {
        Ok(data) => Ok(vec![string(lua, data)?]),
        Err(_) => Ok(vec![Value::Nil]),
    }
}

/// `rpm.glob(pattern, "c")`: paths, sorted; with `c` the pattern itself where nothing matches.
fn glob(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    let pattern = arguments.text(lua, 1)?;
    let keeps = arguments.text_or(lua, 2, "")?.contains(&b'c');
    if pattern.iter().any(|b| b"{}\\~".contains(b)) {
        return Err(host.refuse("Lua's rpm.glob with braces, backslashes or a tilde"));
    }
    let mut found = super::paths::matching(host, &pattern)?;
    if found.is_empty() {
        match keeps {
            true => found.push(pattern),
            false => return Ok(Vec::new()),
        }
    }
    let values: Vec<Value> =
        found.iter().map(|path| string(lua, path)).collect::<mlua::Result<_>>()?;
    Ok(vec![values.into_lua(lua)?])
}

/// `rpm.next_file()`: the next path that a file trigger is run for.
pub fn next_file(lua: &Lua, host: &mut Host, _: &Arguments) -> Returned {
    match host.paths.pop() {
        Some(path) => Ok(vec![string(lua, path)?]),
        None => Ok(vec![Value::Nil]),
    }
}
