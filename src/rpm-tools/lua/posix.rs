//! Lua's table `posix` (rpm's `rpmio/lposix.cc`): files, processes and the environment.
//!
//! What only a running system has is a stop. A fork runs its child to the end and then comes back
//! in its parent: see [`super::interpreter`].

use imgfix_model::path::ImagePath;
use imgfix_shell::Errno;
use imgfix_shell::files::Owner;
use imgfix_shell::mode::Mode;
use imgfix_vfs::{Accounts, Entry, Kind};
use mlua::{IntoLua as _, Lua, Value};

use super::arguments::{Arguments, Function, string};
use super::host::{Ending, FIRST_CHILD, Host, failure, number_of};

/// The functions by name. `mkstemp` is with files, the accounts' with accounts.
pub const FUNCTIONS: &[(&str, Function)] = &[
    ("access", access),
    ("_exit", exit),
    ("chdir", chdir),
    ("chmod", chmod),
    ("chown", chown),
    ("ctermid", running_system),
    ("dir", dir),
    ("errno", errno),
    ("exec", exec),
    ("files", files),
    ("fork", fork),
    ("getcwd", getcwd),
    ("getenv", getenv),
    ("getlogin", running_system),
    ("getprocessid", getprocessid),
    ("kill", running_system),
    ("link", link),
    ("mkdir", mkdir),
    ("mkfifo", mkfifo),
    ("pathconf", running_system),
    ("putenv", putenv),
    ("readlink", readlink),
    ("redirect2null", redirect_to_null),
    ("rmdir", rmdir),
    ("setenv", setenv),
    ("setgid", running_system),
    ("setuid", running_system),
    ("sleep", sleep),
    ("stat", stat),
    ("symlink", symlink),
    ("sysconf", running_system),
    ("times", running_system),
    ("ttyname", running_system),
    ("umask", umask),
    ("uname", uname),
    ("unlink", unlink),
    ("unsetenv", unsetenv),
    ("utime", utime),
    ("wait", wait),
];

type Returned = mlua::Result<Vec<Value>>;

fn running_system(_: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    Err(host.refuse(format!("Lua's posix.{} asks a running system", arguments.name())))
}

/// What a call returns: 0, or nil with the error of `info`.
fn returned(
    lua: &Lua,
    host: &mut Host,
    result: imgfix_shell::Sys<()>,
    info: Option<&[u8]>,
) -> Returned {
    match host.sys(result)? {
        Ok(()) => Ok(host.success()),
        Err(errno) => failure(lua, host, info, errno),
    }
}

fn access(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    let path = arguments.text(lua, 1)?;
    let modes = arguments.text_or(lua, 2, "f")?;
    if let Some(other) = modes.iter().find(|b| !b" rwxf".contains(b)) {
        return Err(arguments.bad(2, format!("unknown mode option `{}'", char::from(*other))));
    }
    let found = host.machine.stat(&host.directory, &path);
    match host.sys(found)? {
        // Root may do everything but run what nobody may.
        Ok(entry) if modes.contains(&b'x') && !entry.is_dir() && entry.mode & 0o111 == 0 => {
            host.errno = Some(Errno::PermissionDenied);
            failure(lua, host, Some(&path), Errno::PermissionDenied)
        }
        Ok(_) => Ok(host.success()),
        Err(errno) => failure(lua, host, Some(&path), errno),
    }
}

fn chdir(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    let path = arguments.text(lua, 1)?;
    let target = host.machine.follow(&host.directory, &path);
    let target = match host.sys(target)? {
        Ok(target) => target,
        Err(errno) => return failure(lua, host, Some(&path), errno),
    };
    let entry = host.machine.stat(&host.directory, &path);
    match host.sys(entry)? {
        Ok(entry) if entry.is_dir() => {
            host.directory = target;
            Ok(host.success())
        }
        Ok(_) => failure(lua, host, Some(&path), Errno::NotADirectory),
        Err(errno) => failure(lua, host, Some(&path), errno),
    }
}

fn chmod(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    let path = arguments.text(lua, 1)?;
    let mode = arguments.text(lua, 2)?;
    let entry = host.machine.stat(&host.directory, &path);
    let entry = match host.sys(entry)? {
        Ok(entry) => entry,
        Err(errno) => return failure(lua, host, Some(&path), errno),
    };
    let Some(mode) = munch(entry.mode, &mode, host.umask) else {
        return Err(arguments.bad(2, "bad mode"));
    };
    let directory = host.directory.clone();
    let changed = host.machine.chmod(&directory, &path, mode);
    returned(lua, host, changed, Some(&path))
}

/// The mode that a text makes of another one (rpm's `rpmio/modemuncher.cc`): octal digits,
/// `rwxr-xr-x`, or clauses as of chmod(1).
fn munch(mode: u32, text: &[u8], umask: u32) -> Option<u32> {
    if text.first().is_some_and(u8::is_ascii_digit) {
        let text = std::str::from_utf8(text).ok()?;
        return u32::from_str_radix(text, 8).ok().map(|bits| mode & !0o7777 | bits & 0o7777);
    }
    if text.len() == 9 && text.iter().all(|b| b"rwxsSt-".contains(b)) {
        return nine_letters(text);
    }
    Mode::parse(text).map(|clauses| clauses.apply(mode, false, umask))
}

/// `rwxr-xr-x`, with `s` for an executable set-uid or set-gid, and `S` for one that is not.
fn nine_letters(text: &[u8]) -> Option<u32> {
    const BITS: [(u8, u32); 9] = [
        (b'r', 0o400),
        (b'w', 0o200),
        (b'x', 0o100),
        (b'r', 0o040),
        (b'w', 0o020),
        (b'x', 0o010),
        (b'r', 0o004),
        (b'w', 0o002),
        (b'x', 0o001),
    ];
    let mut mode = 0;
    for (&letter, (wanted, bit)) in text.iter().zip(BITS) {
        let special = match bit {
            0o100 => 0o4000,
            0o010 => 0o2000,
            _ => 0,
        };
        mode |= match letter {
            b'-' => 0,
            _ if letter == wanted => bit,
            b's' if special != 0 => bit | special,
            b'S' if special != 0 => special,
            _ => return None,
        };
    }
    Some(mode)
}

fn chown(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    let path = arguments.text(lua, 1)?;
    let accounts = accounts(host)?;
    let id = |place, named: &dyn Fn(&[u8]) -> Option<u32>| -> mlua::Result<Option<u32>> {
        if arguments.len() < place {
            return Ok(None);
        }
        match arguments.value(place) {
            Value::Integer(number) => Ok(u32::try_from(number).ok()),
            Value::Number(number) => Ok(Some(number as u32)),
            _ => Ok(named(&arguments.text(lua, place)?)),
        }
    };
    let uid = id(2, &|name| accounts.user(name))?;
    let gid = id(3, &|name| accounts.group(name))?;
    let directory = host.directory.clone();
    let changed = host.machine.chown(&directory, &path, Owner { uid, gid });
    returned(lua, host, changed, Some(&path))
}

fn accounts(host: &mut Host) -> mlua::Result<Accounts> {
    let root = ImagePath::root();
    let users = host.machine.read_file(&root, b"/etc/passwd");
    let users = host.sys(users)?.unwrap_or_default();
    let groups = host.machine.read_file(&root, b"/etc/group");
    let groups = host.sys(groups)?.unwrap_or_default();
    Ok(Accounts::parse(&users, &groups))
}

/// The names in a folder. A real folder's have no order; these have that of their bytes.
pub fn names(
    lua: &Lua,
    host: &mut Host,
    arguments: &Arguments,
) -> mlua::Result<Result<Vec<Vec<u8>>, Vec<Value>>> {
    let path = arguments.text_or(lua, 1, ".")?;
    let directory = host.directory.clone();
    let names = host.machine.read_dir(&directory, &path);
    match host.sys(names)? {
        Ok(names) => {
            let own = [b".".to_vec(), b"..".to_vec()];
            Ok(Ok(own.into_iter().chain(names).collect()))
        }
        Err(errno) => failure(lua, host, Some(&path), errno).map(Err),
    }
}

/// An iterator over the names in a folder.
fn files(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    let names = match names(lua, host, arguments)? {
        Ok(names) => names,
        Err(failed) => return Ok(failed),
    };
    let mut left = names.into_iter();
    let mut is_open = true;
    let next = lua.create_function_mut(move |lua, _: mlua::MultiValue| match left.next() {
        Some(name) => string(lua, name),
        None if is_open => {
            is_open = false;
            Ok(Value::Nil)
        }
        None => Err(mlua::Error::runtime("attempt to use closed dir")),
    })?;
    Ok(vec![Value::Function(next)])
}

fn dir(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    match names(lua, host, arguments)? {
        Ok(names) => {
            let names: Vec<Value> =
                names.iter().map(|name| string(lua, name)).collect::<mlua::Result<_>>()?;
            Ok(vec![names.into_lua(lua)?])
        }
        Err(failed) => Ok(failed),
    }
}

fn errno(lua: &Lua, host: &mut Host, _: &Arguments) -> Returned {
    let (text, number) = match host.errno {
        Some(errno) => (errno.to_string(), number_of(errno)),
        None => ("Success".to_owned(), 0),
    };
    Ok(vec![string(lua, text)?, host.number(number)])
}

fn exec(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    let program = arguments.text(lua, 1)?;
    let mut argv = vec![program.clone()];
    for place in 2..=arguments.len() {
        argv.push(arguments.text(lua, place)?);
    }
    if !host.is_child {
        return Err(mlua::Error::runtime("exec not permitted in this context"));
    }
    let call = host.call(argv);
    if let Err(errno) = can_run(host, &call)? {
        return failure(lua, host, Some(&program), errno);
    }
    let status = host.machine.execute(call);
    host.done(status)?;
    host.ending = Some(Ending::Child);
    Err(mlua::Error::runtime("the child has become a program"))
}

/// Whether execvp(3) would find a program.
///
/// # Errors
/// A path of a running system.
pub fn can_run(host: &mut Host, call: &imgfix_shell::Call) -> mlua::Result<Result<(), Errno>> {
    let name = call.argv.first().cloned().unwrap_or_default();
    let path = match name.contains(&b'/') {
        true => name.to_vec(),
        false => {
            let found = host.machine.which(call, &name);
            match host.done(found)? {
                Some(path) => path,
                None => return Ok(Err(Errno::NotFound)),
            }
        }
    };
    let entry = host.machine.stat(&call.directory, &path);
    Ok(match host.sys(entry)? {
        Err(errno) => Err(errno),
        Ok(entry) if !entry.is_file() || entry.mode & 0o111 == 0 => Err(Errno::PermissionDenied),
        Ok(_) => Ok(()),
    })
}

/// The child's side comes first; when it has ended the script is evaluated again up to here, and
/// finds the files as the child left them.
fn fork(_: &Lua, host: &mut Host, _: &Arguments) -> Returned {
    if host.is_child {
        return Err(host.refuse("a child of a Lua script forks"));
    }
    let number = FIRST_CHILD + host.forks as i64;
    match host.children.get(host.forks) {
        Some(child) => {
            host.machine.return_to(&child.after);
            host.forks += 1;
            host.zombies.push(number);
            Ok(vec![host.number(number)])
        }
        None => {
            host.is_child = true;
            Ok(vec![host.number(0)])
        }
    }
}

fn wait(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    let wanted = arguments.integer_or(lua, 1, -1)?;
    let at = match wanted {
        -1 => (!host.zombies.is_empty()).then_some(0),
        _ => host.zombies.iter().position(|&child| child == wanted),
    };
    match at {
        Some(at) => {
            let child = host.zombies.remove(at);
            Ok(vec![host.number(child)])
        }
        None => {
            let text = string(lua, "No child processes")?;
            Ok(vec![Value::Nil, text, host.number(10)])
        }
    }
}

/// `posix._exit` and `os.exit`: only a child may end.
pub fn exit(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    if !host.is_child {
        return Err(mlua::Error::runtime("exit not permitted in this context"));
    }
    arguments.integer_or(lua, 1, 0)?;
    host.ending = Some(Ending::Child);
    Err(mlua::Error::runtime("the child has ended"))
}

fn redirect_to_null(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    if !host.is_child {
        return Err(mlua::Error::runtime("redirect2null not permitted in this context"));
    }
    let number = arguments.integer(lua, 1)?;
    let Ok(descriptor) = u32::try_from(number) else {
        return failure(lua, host, None, Errno::BadDescriptor);
    };
    host.descriptors.set(descriptor, imgfix_shell::Stream::null());
    Ok(vec![host.number(number)])
}

fn getcwd(lua: &Lua, host: &mut Host, _: &Arguments) -> Returned {
    Ok(vec![string(lua, host.directory.as_bytes())?])
}

fn getenv(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    if arguments.len() == 0 {
        let all = lua.create_table()?;
        for (name, value) in &host.environment {
            all.set(string(lua, name)?, string(lua, value)?)?;
        }
        return Ok(vec![Value::Table(all)]);
    }
    let name = arguments.text(lua, 1)?;
    match host.environment.get(&name[..]) {
        Some(value) => Ok(vec![string(lua, value)?]),
        None => Ok(vec![Value::Nil]),
    }
}

fn putenv(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    let text = arguments.text(lua, 1)?;
    match text.iter().position(|&b| b == b'=') {
        Some(at) => {
            let (name, value) = text.split_at(at);
            host.environment.insert(name.into(), value.get(1..).unwrap_or_default().into());
        }
        None => {
            host.environment.remove(&text[..]);
        }
    }
    Ok(host.success())
}

fn setenv(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    let (name, value) = (arguments.text(lua, 1)?, arguments.text(lua, 2)?);
    if name.is_empty() || name.contains(&b'=') {
        return failure(lua, host, Some(&name), Errno::Invalid);
    }
    let replaces = !matches!(arguments.value(3), Value::Boolean(false));
    if replaces || !host.environment.contains_key(&name[..]) {
        host.environment.insert(name.into(), value.into());
    }
    Ok(host.success())
}

fn unsetenv(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    let name = arguments.text(lua, 1)?;
    host.environment.remove(&name[..]);
    Ok(Vec::new())
}

fn getprocessid(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    match arguments.text_or(lua, 1, "")?.as_slice() {
        b"uid" | b"euid" | b"gid" | b"egid" => Ok(vec![host.number(0)]),
        _ => running_system(lua, host, arguments),
    }
}

fn link(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    let (from, to) = (arguments.text(lua, 1)?, arguments.text(lua, 2)?);
    let directory = host.directory.clone();
    let made = host.machine.make_link(&directory, &from, &to);
    returned(lua, host, made, None)
}

fn symlink(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    let (from, to) = (arguments.text(lua, 1)?, arguments.text(lua, 2)?);
    let directory = host.directory.clone();
    let made = host.machine.make_symlink(&directory, &to, &from);
    returned(lua, host, made, None)
}

fn mkdir(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    let path = arguments.text(lua, 1)?;
    let (directory, mode) = (host.directory.clone(), 0o777 & !host.umask);
    let made = host.machine.make_dir(&directory, &path, mode);
    returned(lua, host, made, Some(&path))
}

fn mkfifo(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    let path = arguments.text(lua, 1)?;
    let directory = host.directory.clone();
    let entry = Entry {
        kind: Kind::Fifo,
        ..Entry::file(Vec::new(), 0o666 & !host.umask, host.machine.settings.now)
    };
    let made = host.machine.make_special(&directory, &path, &entry);
    returned(lua, host, made, Some(&path))
}

fn readlink(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    let path = arguments.text(lua, 1)?;
    let entry = host.machine.lstat(&host.directory, &path);
    match host.sys(entry)? {
        Ok(Entry { kind: Kind::Symlink(target), .. }) => {
            // rpm's buffer has 512 bytes.
            let shown = target.get(..512).unwrap_or(&target);
            Ok(vec![string(lua, shown)?])
        }
        Ok(_) => failure(lua, host, Some(&path), Errno::Invalid),
        Err(errno) => failure(lua, host, Some(&path), errno),
    }
}

fn rmdir(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    let path = arguments.text(lua, 1)?;
    let directory = host.directory.clone();
    let removed = host.machine.remove_dir(&directory, &path);
    returned(lua, host, removed, Some(&path))
}

fn unlink(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    let path = arguments.text(lua, 1)?;
    let directory = host.directory.clone();
    let removed = host.machine.unlink(&directory, &path);
    returned(lua, host, removed, Some(&path))
}

/// Nobody waits: the clock stands still.
fn sleep(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    arguments.integer(lua, 1)?;
    Ok(host.success())
}

fn umask(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    let mut mode = !host.umask & 0o777;
    if arguments.len() > 0 {
        let text = arguments.text(lua, 1)?;
        match munch(mode, &text, 0) {
            Some(bits) => mode = bits & 0o777,
            None => return Ok(vec![Value::Nil]),
        }
        host.umask = !mode & 0o777;
    }
    Ok(vec![string(lua, letters(mode))?])
}

/// A mode as nine letters.
fn letters(mode: u32) -> String {
    let mut text = String::new();
    for at in (0..9).rev() {
        let letter = if mode >> at & 1 == 0 { '-' } else { ['x', 'w', 'r'][at % 3] };
        let special = match at {
            6 => mode & 0o4000 != 0,
            3 => mode & 0o2000 != 0,
            _ => false,
        };
        text.push(match (special, letter) {
            (true, 'x') => 's',
            (true, _) => 'S',
            (false, letter) => letter,
        });
    }
    text
}

fn uname(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    let format = arguments.text_or(lua, 1, "%s %n %r %v %m")?;
    let mut text = Vec::new();
    let mut letters = format.iter();
    while let Some(&letter) = letters.next() {
        if letter != b'%' {
            text.push(letter);
            continue;
        }
        match letters.next() {
            Some(b'%') => text.push(b'%'),
            Some(b's') => text.extend_from_slice(b"Linux"),
            Some(b'r') => text.extend_from_slice(imgfix_tools::KERNEL.as_bytes()),
            Some(b'm') => match host.machine.settings.architecture.as_str() {
                known @ ("x86_64" | "aarch64") => text.extend_from_slice(known.as_bytes()),
                _ => return Err(host.refuse("Lua's posix.uname with %m on this architecture")),
            },
            Some(b'n' | b'v') => return running_system(lua, host, arguments),
            _ => return Err(arguments.bad(2, "unknown format option")),
        }
    }
    Ok(vec![string(lua, text)?])
}

fn utime(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    let path = arguments.text(lua, 1)?;
    let now = host.machine.settings.now;
    let time = match arguments.value(2) {
        Value::Nil => now,
        Value::Number(number) => number as i64,
        _ => arguments.integer(lua, 2)?,
    };
    let directory = host.directory.clone();
    let changed = host.machine.set_mtime(&directory, &path, time);
    returned(lua, host, changed, Some(&path))
}

/// The fields of `posix.stat`, in rpm's order.
const STAT: &[&str] = &[
    "mode", "ino", "dev", "nlink", "uid", "gid", "size", "atime", "mtime", "ctime", "type", "_mode",
];

fn stat(lua: &Lua, host: &mut Host, arguments: &Arguments) -> Returned {
    let path = arguments.text(lua, 1)?;
    let entry = host.machine.lstat(&host.directory, &path);
    let entry = match host.sys(entry)? {
        Ok(entry) => entry,
        Err(errno) => return failure(lua, host, Some(&path), errno),
    };
    if arguments.len() < 2 {
        // What no image keeps is asked for by name only.
        let table = lua.create_table()?;
        let is_folder = matches!(entry.kind, Kind::Directory);
        let is_known = |field: &str| match field {
            "ino" | "dev" => false,
            "size" => !is_folder,
            _ => true,
        };
        for field in STAT.iter().filter(|field| is_known(field)) {
            table.set(*field, field_of(lua, host, &path, &entry, field)?)?;
        }
        return Ok(vec![Value::Table(table)]);
    }
    let field = arguments.text(lua, 2)?;
    match STAT.iter().find(|known| known.as_bytes() == field) {
        Some(field) => Ok(vec![field_of(lua, host, &path, &entry, field)?]),
        None => {
            let field = String::from_utf8_lossy(&field).into_owned();
            Err(arguments.bad(2, format!("invalid option '{field}'")))
        }
    }
}

fn field_of(
    lua: &Lua,
    host: &mut Host,
    path: &[u8],
    entry: &Entry,
    field: &str,
) -> mlua::Result<Value> {
    let (kind, bits) = match &entry.kind {
        Kind::File(_) => ("regular", 0o100_000),
        Kind::Symlink(_) => ("link", 0o120_000),
        Kind::Directory => ("directory", 0o040_000),
        Kind::CharDevice { .. } => ("character device", 0o020_000),
        Kind::BlockDevice { .. } => ("block device", 0o060_000),
        Kind::Fifo => ("fifo", 0o010_000),
    };
    let number = match field {
        "mode" => return string(lua, letters(entry.mode)),
        "type" => return string(lua, kind),
        "_mode" => i64::from(bits | entry.mode & 0o7777),
        "uid" => i64::from(entry.uid),
        "gid" => i64::from(entry.gid),
        "size" => match &entry.kind {
            Kind::Symlink(target) => target.len() as i64,
            Kind::Directory => {
                return Err(host.refuse("Lua's posix.stat asks how large a folder is"));
            }
            _ => i64::try_from(entry.size()).unwrap_or(i64::MAX),
        },
        "nlink" => {
            let directory = host.directory.clone();
            let links = host.machine.links(&directory, path);
            host.sys(links)?.map_or(1, |links| links as i64)
        }
        "atime" | "mtime" | "ctime" => entry.mtime,
        _ => return Err(host.refuse(format!("Lua's posix.stat asks for {field}"))),
    };
    Ok(host.number(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_and_shown_as_in_rpm() {
        for (before, text, after) in [
            (0o100, "555", Some(0o555)),
            (0o777, "0755", Some(0o755)),
            (0, "rwxr-xr-x", Some(0o755)),
            (0, "rwsr-S---", Some(0o6740)),
            (0o644, "u+x,go-r", Some(0o700)),
            (0, "nonsense", None),
        ] {
            assert_eq!(munch(before, text.as_bytes(), 0o022), after, "{text}");
        }
        assert_eq!(letters(0o4755), "rwsr-xr-x");
        assert_eq!(letters(0o2640), "rw-r-S---");
    }
}
