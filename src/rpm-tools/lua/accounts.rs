//! `posix.getpasswd` and `posix.getgroup`, from the account files of the image.

use imgfix_model::path::ImagePath;
use imgfix_vfs::account_lines::{GroupLine, UserLine};
use mlua::{Lua, Value};

use super::arguments::{Arguments, Function, string};
use super::host::Host;

/// The functions by name.
pub const FUNCTIONS: &[(&str, Function)] = &[("getpasswd", getpasswd), ("getgroup", getgroup)];

/// The fields of a user, and their places in the line.
const FIELDS: &[(&str, usize)] =
    &[("name", 0), ("uid", 2), ("gid", 3), ("dir", 5), ("shell", 6), ("gecos", 4), ("passwd", 1)];

/// What is looked for.
enum Key {
    Number(u32),
    Name(Vec<u8>),
}

impl Key {
    fn of(lua: &Lua, arguments: &Arguments) -> mlua::Result<Self> {
        // As lua_isnumber(): a text of digits is a number.
        match lua.coerce_number(arguments.value(1))? {
            Some(number) => Ok(Self::Number(number as u32)),
            None => arguments.text(lua, 1).map(Self::Name),
        }
    }
}

fn file(host: &mut Host, path: &[u8]) -> mlua::Result<bytes::Bytes> {
    let text = host.machine.read_file(&ImagePath::root(), path);
    Ok(host.sys(text)?.unwrap_or_default())
}

fn getpasswd(lua: &Lua, host: &mut Host, arguments: &Arguments) -> mlua::Result<Vec<Value>> {
    let key = match arguments.is_nil(1) {
        true => Key::Number(0),
        false => Key::of(lua, arguments)?,
    };
    let text = file(host, b"/etc/passwd")?;
    let found = UserLine::all(&text).find(|user| match &key {
        Key::Number(number) => user.uid == *number,
        Key::Name(name) => user.name == &name[..],
    });
    let Some(user) = found else { return Ok(vec![Value::Nil]) };
    let line = user.line();
    let fields: Vec<&[u8]> = line.split(|&b| b == b':').collect();
    let value = |place: usize| match place {
        2 => Ok(host.number(i64::from(user.uid))),
        3 => Ok(host.number(i64::from(user.gid))),
        _ => string(lua, fields.get(place).copied().unwrap_or_default()),
    };
    if arguments.len() < 2 {
        let table = lua.create_table()?;
        for (name, place) in FIELDS {
            table.set(*name, value(*place)?)?;
        }
        return Ok(vec![Value::Table(table)]);
    }
    let wanted = arguments.text(lua, 2)?;
    match FIELDS.iter().find(|(name, _)| name.as_bytes() == wanted) {
        Some((_, place)) => Ok(vec![value(*place)?]),
        None => Err(arguments.bad(2, "invalid option")),
    }
}

fn getgroup(lua: &Lua, host: &mut Host, arguments: &Arguments) -> mlua::Result<Vec<Value>> {
    let key = Key::of(lua, arguments)?;
    let text = file(host, b"/etc/group")?;
    let found = GroupLine::all(&text).find(|group| match &key {
        Key::Number(number) => group.gid == *number,
        Key::Name(name) => group.name == &name[..],
    });
    let Some(group) = found else { return Ok(vec![Value::Nil]) };
    let table = lua.create_table()?;
    table.set("name", string(lua, group.name)?)?;
    table.set("gid", host.number(i64::from(group.gid)))?;
    for (at, member) in group.members().enumerate() {
        table.set(at + 1, string(lua, member)?)?;
    }
    Ok(vec![Value::Table(table)])
}
