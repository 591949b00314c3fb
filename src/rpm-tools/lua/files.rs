//! Lua's files: `io.open` and its kin, `posix.mkstemp`, `rpm.open`, over the machine's files.
//!
//! What is written is in the file at once: no script is known that counts on a buffer.

use bytes::Bytes;
use imgfix_model::path::ImagePath;
use imgfix_shell::files::Access;
use imgfix_shell::{Errno, Stream};
use mlua::{AnyUserData, IntoLua as _, Lua, MultiValue, UserData, UserDataMethods, Value};

use super::arguments::{Arguments, Function, fill, string};
use super::host::{Host, Shared, failure};

/// The functions of `io` by name; its three streams and `lines` are with [`install`].
const FUNCTIONS: &[(&str, Function)] = &[
    ("input", not_known),
    ("output", not_known),
    ("tmpfile", not_known),
    ("popen", popen),
    ("type", type_of),
    ("write", write_out),
];

fn not_known(_: &Lua, host: &mut Host, arguments: &Arguments) -> mlua::Result<Vec<Value>> {
    Err(host.refuse(format!("Lua's io.{}", arguments.name())))
}

/// An open file of a script.
pub struct File {
    host: Shared,
    at: At,
}

/// What is open.
enum At {
    Closed,
    /// A descriptor that rpm has open.
    Stream(Stream),
    Path(Named),
}

struct Named {
    path: ImagePath,
    readable: bool,
    writable: bool,
    appends: bool,
    from: usize,
    /// Writes where the file ends.
    stream: Option<(Stream, usize)>,
    /// What was read, until something is written.
    seen: Option<Bytes>,
}

/// How a file is opened: `r`, `w`, `a`, each with `+` and `b`.
struct Mode {
    letter: u8,
    both: bool,
}

impl Mode {
    fn parse(text: &[u8]) -> Option<Self> {
        let (&letter, rest) = text.split_first()?;
        let both = rest.first() == Some(&b'+');
        let rest = if both { rest.get(1..)? } else { rest };
        (b"rwa".contains(&letter) && matches!(rest, b"" | b"b")).then_some(Self { letter, both })
    }
}

impl Named {
    fn open(host: &mut Host, path: &[u8], mode: &Mode) -> mlua::Result<Result<Self, Errno>> {
        let directory = host.directory.clone();
        let bits = 0o666 & !host.umask;
        let target = host.machine.follow(&directory, path);
        let target = match host.sys(target)? {
            Ok(target) => target,
            Err(errno) => return Ok(Err(errno)),
        };
        let access = match mode.letter {
            b'w' => Some(Access::Truncate { mode: bits }),
            b'a' => Some(Access::Append { mode: bits }),
            _ => None,
        };
        let mut end = 0;
        let entry = host.machine.stat(&directory, path);
        match host.sys(entry)? {
            Ok(entry) if entry.is_dir() && (access.is_some() || mode.both) => {
                return Ok(Err(Errno::IsADirectory));
            }
            Ok(entry) if mode.letter != b'w' => {
                end = usize::try_from(entry.size()).unwrap_or(usize::MAX);
            }
            Err(errno) if access.is_none() => return Ok(Err(errno)),
            _ => {}
        }
        let stream = match access {
            Some(access) => {
                let stream = host.machine.open(&directory, path, access);
                match host.sys(stream)? {
                    Ok(stream) => Some((stream, end)),
                    Err(errno) => return Ok(Err(errno)),
                }
            }
            None => None,
        };
        Ok(Ok(Self {
            path: target,
            readable: mode.letter == b'r' || mode.both,
            writable: mode.letter != b'r' || mode.both,
            appends: mode.letter == b'a',
            from: 0,
            stream,
            seen: None,
        }))
    }

    fn content(&mut self, host: &mut Host) -> mlua::Result<Result<Bytes, Errno>> {
        if !self.readable {
            return Ok(Err(Errno::BadDescriptor));
        }
        if let Some(seen) = &self.seen {
            return Ok(Ok(seen.clone()));
        }
        let read = host.machine.read_file(&ImagePath::root(), self.path.as_bytes());
        let read = host.sys(read)?;
        if let Ok(content) = &read {
            self.seen = Some(content.clone());
        }
        Ok(read)
    }

    fn write(&mut self, host: &mut Host, data: &[u8]) -> mlua::Result<Result<(), Errno>> {
        if !self.writable {
            return Ok(Err(Errno::BadDescriptor));
        }
        self.seen = None;
        if let Some((stream, end)) = &mut self.stream
            && (self.appends || self.from == *end)
        {
            *end = end.saturating_add(data.len());
            self.from = *end;
            return host.write_to(stream, data);
        }
        // Somewhere in the middle: the whole file anew.
        let root = ImagePath::root();
        let read = host.machine.read_file(&root, self.path.as_bytes());
        let mut content = match host.sys(read)? {
            Ok(content) => content.to_vec(),
            Err(errno) => return Ok(Err(errno)),
        };
        let end = self.from.saturating_add(data.len());
        let grown = host.machine.spend_data(end);
        host.done(grown)?;
        if content.len() < end {
            content.resize(end, 0);
        }
        if let Some(part) = content.get_mut(self.from..end) {
            part.copy_from_slice(data);
        }
        self.from = end;
        let written = host.machine.write_file(&root, self.path.as_bytes(), content, 0o644);
        host.sys(written)
    }
}

/// What `read` and `lines` want of a file.
enum Wanted {
    Line { with_end: bool },
    All,
    Number,
    Bytes(usize),
}

impl Wanted {
    fn of(lua: &Lua, value: &Value) -> mlua::Result<Self> {
        let bad = |text: &str| mlua::Error::runtime(format!("bad argument to 'read' ({text})"));
        if let Value::Integer(_) | Value::Number(_) = value {
            let count = lua.coerce_integer(value.clone())?.unwrap_or_default();
            return usize::try_from(count).map(Self::Bytes).map_err(|_| bad("invalid count"));
        }
        let Some(text) = lua.coerce_string(value.clone())? else {
            return Err(bad("invalid format"));
        };
        let bytes = text.as_bytes();
        // Up to Lua 5.2 a format began with a star.
        let letters = bytes.strip_prefix(b"*").unwrap_or(&bytes);
        match letters.first() {
            Some(b'l') => Ok(Self::Line { with_end: false }),
            Some(b'L') => Ok(Self::Line { with_end: true }),
            Some(b'a') => Ok(Self::All),
            Some(b'n') => Ok(Self::Number),
            _ => Err(bad("invalid format")),
        }
    }
}

impl File {
    /// Opens a file; the error where there is none.
    fn open(shared: &Shared, path: &[u8], mode: &Mode) -> mlua::Result<Result<Self, Errno>> {
        let opened = Named::open(&mut shared.borrow_mut(), path, mode)?;
        Ok(opened.map(|named| Self { host: shared.clone(), at: At::Path(named) }))
    }

    /// Reads one thing: nil at the end of the file.
    fn read_one(&mut self, lua: &Lua, wanted: &Wanted) -> mlua::Result<Result<Value, Errno>> {
        let mut host = self.host.borrow_mut();
        let spent = host.machine.spend(1);
        host.done(spent)?;
        let (content, from) = match &mut self.at {
            At::Closed => return Err(closed()),
            At::Stream(stream) => {
                let text = match wanted {
                    Wanted::Line { .. } => host.machine.read_line(stream),
                    _ => {
                        host.machine.read_to_end(stream).map(|text| text.map(|text| text.to_vec()))
                    }
                };
                match host.sys(text)? {
                    Ok(text) => {
                        let mut from = 0;
                        return take(lua, &text, &mut from, wanted).map(Ok);
                    }
                    Err(errno) => return Ok(Err(errno)),
                }
            }
            At::Path(named) => match named.content(&mut host)? {
                Ok(content) => (content, &mut named.from),
                Err(errno) => return Ok(Err(errno)),
            },
        };
        let before = *from;
        let value = take(lua, &content, from, wanted)?;
        let read = from.saturating_sub(before);
        let spent = host.machine.spend_data(read);
        host.done(spent)?;
        Ok(Ok(value))
    }

    fn read(&mut self, lua: &Lua, formats: &[Value]) -> mlua::Result<Vec<Value>> {
        let line = [Value::Nil];
        let formats = if formats.is_empty() { &line[..] } else { formats };
        let mut values = Vec::new();
        for format in formats {
            let wanted = match format {
                Value::Nil => Wanted::Line { with_end: false },
                format => Wanted::of(lua, format)?,
            };
            match self.read_one(lua, &wanted)? {
                Ok(Value::Nil) => {
                    values.push(Value::Nil);
                    break;
                }
                Ok(value) => values.push(value),
                Err(errno) => return failure(lua, &self.host.borrow(), None, errno),
            }
        }
        Ok(values)
    }

    fn write(&mut self, data: &[u8]) -> mlua::Result<Result<(), Errno>> {
        let mut host = self.host.borrow_mut();
        let spent = host.machine.spend(1);
        host.done(spent)?;
        match &mut self.at {
            At::Closed => Err(closed()),
            At::Stream(stream) => host.write_to(stream, data),
            At::Path(named) => named.write(&mut host, data),
        }
    }

    fn seek(&mut self, lua: &Lua, whence: &[u8], offset: i64) -> mlua::Result<Vec<Value>> {
        let mut host = self.host.borrow_mut();
        let At::Path(named) = &mut self.at else {
            return match self.at {
                At::Closed => Err(closed()),
                _ => Err(host.refuse("Lua's seek in a stream")),
            };
        };
        let base = match whence {
            b"set" => 0,
            b"cur" => named.from as i64,
            b"end" => {
                let entry = host.machine.stat(&ImagePath::root(), named.path.as_bytes());
                host.sys(entry)?.map_or(0, |entry| i64::try_from(entry.size()).unwrap_or(i64::MAX))
            }
            _ => return Err(mlua::Error::runtime("bad argument #1 to 'seek' (invalid option)")),
        };
        match usize::try_from(base.saturating_add(offset)) {
            Ok(position) => {
                named.from = position;
                Ok(vec![Value::Integer(position as i64)])
            }
            Err(_) => failure(lua, &host, None, Errno::Invalid),
        }
    }
}

fn closed() -> mlua::Error {
    mlua::Error::runtime("attempt to use a closed file")
}

/// Takes one thing from a text; nil at its end.
fn take(lua: &Lua, text: &[u8], from: &mut usize, wanted: &Wanted) -> mlua::Result<Value> {
    let rest = text.get(*from..).unwrap_or_default();
    match wanted {
        Wanted::All => {
            *from = text.len().max(*from);
            string(lua, rest)
        }
        Wanted::Bytes(count) => {
            let taken = rest.get(..*count).unwrap_or(rest);
            *from += taken.len();
            match taken.is_empty() && (*count > 0 || rest.is_empty()) {
                true => Ok(Value::Nil),
                false => string(lua, taken),
            }
        }
        Wanted::Line { with_end } => {
            if rest.is_empty() {
                return Ok(Value::Nil);
            }
            let (line, length) = match rest.iter().position(|&b| b == b'\n') {
                Some(at) => (rest.get(..at + usize::from(*with_end)), at + 1),
                None => (Some(rest), rest.len()),
            };
            *from += length;
            string(lua, line.unwrap_or_default())
        }
        Wanted::Number => {
            let blanks = rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
            let digits = rest.get(blanks..).unwrap_or_default();
            let length = digits
                .iter()
                .take(200)
                .take_while(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b));
            let length = length.count();
            *from += blanks + length;
            let text = string(lua, digits.get(..length).unwrap_or_default())?;
            match lua.coerce_integer(text.clone())? {
                Some(number) => Ok(Value::Integer(number)),
                None => Ok(lua.coerce_number(text)?.map_or(Value::Nil, Value::Number)),
            }
        }
    }
}

/// The texts of arguments, which may be numbers.
fn texts(lua: &Lua, values: &MultiValue) -> mlua::Result<Vec<u8>> {
    let mut all = Vec::new();
    for (at, value) in values.iter().enumerate() {
        match lua.coerce_string(value.clone())? {
            Some(text) => all.extend_from_slice(&text.as_bytes()),
            None => {
                let got = value.type_name();
                let place = at + 1;
                return Err(mlua::Error::runtime(format!(
                    "bad argument #{place} to 'write' (string expected, got {got})"
                )));
            }
        }
    }
    Ok(all)
}

/// An iterator over the lines of a file, which is closed at its end when `closes` says so.
fn lines(lua: &Lua, file: AnyUserData, formats: Vec<Value>, closes: Closes) -> mlua::Result<Value> {
    let iterator = lua.create_function(move |lua, _: MultiValue| {
        let mut open = file.borrow_mut::<File>()?;
        let values = open.read(lua, &formats)?;
        if values.first().is_none_or(Value::is_nil) && closes == Closes::AtTheEnd {
            open.at = At::Closed;
        }
        Ok(MultiValue::from_vec(values))
    })?;
    Ok(Value::Function(iterator))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Closes {
    AtTheEnd,
    Never,
}

impl UserData for File {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method_mut("read", |lua, this, formats: MultiValue| {
            let formats: Vec<Value> = formats.into_iter().collect();
            this.read(lua, &formats).map(MultiValue::from_vec)
        });
        methods.add_function("write", |lua, (file, values): (AnyUserData, MultiValue)| {
            let data = texts(lua, &values)?;
            let mut open = file.borrow_mut::<Self>()?;
            match open.write(&data)? {
                Ok(()) => {
                    drop(open);
                    Ok(MultiValue::from_vec(vec![Value::UserData(file)]))
                }
                Err(errno) => {
                    failure(lua, &open.host.borrow(), None, errno).map(MultiValue::from_vec)
                }
            }
        });
        methods.add_function("lines", |lua, (file, formats): (AnyUserData, MultiValue)| {
            lines(lua, file, formats.into_iter().collect(), Closes::Never)
        });
        methods.add_method_mut("seek", |lua, this, values: MultiValue| {
            let arguments = Arguments::new("file", "seek", values);
            let whence = arguments.text_or(lua, 1, "cur")?;
            let offset = arguments.integer_or(lua, 2, 0)?;
            this.seek(lua, &whence, offset).map(MultiValue::from_vec)
        });
        methods.add_method_mut("close", |_, this, _: MultiValue| {
            if let At::Closed = this.at {
                return Err(closed());
            }
            this.at = At::Closed;
            Ok(true)
        });
        methods.add_function("flush", |_, (file, _): (AnyUserData, MultiValue)| Ok(file));
        methods.add_method("setvbuf", |_, _, _: MultiValue| Ok(true));
        methods.add_meta_method("__tostring", |_, this, ()| {
            Ok(match this.at {
                At::Closed => "file (closed)",
                _ => "file (0x1)",
            })
        });
    }
}

fn type_of(lua: &Lua, _: &mut Host, arguments: &Arguments) -> mlua::Result<Vec<Value>> {
    let Value::UserData(data) = arguments.value(1) else { return Ok(vec![Value::Nil]) };
    let Ok(file) = data.borrow::<File>() else { return Ok(vec![Value::Nil]) };
    let word = if let At::Closed = file.at { "closed file" } else { "file" };
    Ok(vec![string(lua, word)?])
}

fn write_out(lua: &Lua, host: &mut Host, arguments: &Arguments) -> mlua::Result<Vec<Value>> {
    for place in 1..=arguments.len() {
        let text = arguments.bytes(lua, place)?;
        host.write(1, &text)?;
    }
    Ok(vec![Value::Boolean(true)])
}

fn popen(_: &Lua, host: &mut Host, _: &Arguments) -> mlua::Result<Vec<Value>> {
    Err(host.refuse("Lua's io.popen"))
}

/// Makes `io`, and what else opens files.
///
/// # Errors
/// Memory.
pub fn install(lua: &Lua, host: &Shared, posix: &mlua::Table) -> mlua::Result<()> {
    let io = lua.create_table()?;
    fill(lua, host, &io, "io", FUNCTIONS)?;
    for (number, name) in [(0, "stdin"), (1, "stdout"), (2, "stderr")] {
        let stream = host.borrow().descriptors.get(number).cloned();
        let at = stream.map_or(At::Closed, At::Stream);
        io.set(name, File { host: host.clone(), at })?;
    }
    let shared = host.clone();
    io.set(
        "open",
        lua.create_function(move |lua, values: MultiValue| {
            let arguments = Arguments::new("io", "open", values);
            let path = arguments.text(lua, 1)?;
            let mode = arguments.text_or(lua, 2, "r")?;
            let Some(mode) = Mode::parse(&mode) else {
                return Err(arguments.bad(2, "invalid mode"));
            };
            match File::open(&shared, &path, &mode)? {
                Ok(file) => Ok(MultiValue::from_vec(vec![file.into_lua(lua)?])),
                Err(errno) => failure(lua, &shared.borrow(), Some(&path), errno)
                    .map(|values| MultiValue::from_vec(whole(values))),
            }
        })?,
    )?;
    let shared = host.clone();
    io.set(
        "lines",
        lua.create_function(move |lua, values: MultiValue| {
            let arguments = Arguments::new("io", "lines", values);
            if arguments.is_nil(1) {
                return Err(shared.borrow_mut().refuse("Lua's io.lines without a file"));
            }
            let path = arguments.text(lua, 1)?;
            let formats = (2..=arguments.len()).map(|place| arguments.value(place)).collect();
            match File::open(&shared, &path, &Mode { letter: b'r', both: false })? {
                Ok(file) => lines(lua, lua.create_userdata(file)?, formats, Closes::AtTheEnd),
                Err(errno) => {
                    let path = String::from_utf8_lossy(&path).into_owned();
                    Err(mlua::Error::runtime(format!("{path}: {errno}")))
                }
            }
        })?,
    )?;
    io.set(
        "close",
        lua.create_function(|_, file: AnyUserData| {
            file.borrow_mut::<File>()?.at = At::Closed;
            Ok(true)
        })?,
    )?;
    io.set(
        "read",
        lua.create_function({
            let shared = host.clone();
            move |lua, formats: MultiValue| {
                let stream = shared.borrow().descriptors.get(0).cloned();
                let at = stream.map_or(At::Closed, At::Stream);
                let formats: Vec<Value> = formats.into_iter().collect();
                let mut file = File { host: shared.clone(), at };
                file.read(lua, &formats).map(MultiValue::from_vec)
            }
        })?,
    )?;
    lua.globals().set("io", io)?;
    let shared = host.clone();
    let make = lua.create_function(move |lua, values: MultiValue| {
        let template = Arguments::new("posix", "mkstemp", values).text(lua, 1)?;
        make_temporary(lua, &shared, &template).map(MultiValue::from_vec)
    })?;
    posix.set("mkstemp", make)
}

/// As Lua's `io` has it: the number of an error is an integer there.
fn whole(values: Vec<Value>) -> Vec<Value> {
    let integer = |value| match value {
        Value::Number(number) => Value::Integer(number as i64),
        other => other,
    };
    values.into_iter().map(integer).collect()
}

/// `posix.mkstemp`: the same names in every run.
fn make_temporary(lua: &Lua, shared: &Shared, template: &[u8]) -> mlua::Result<Vec<Value>> {
    let Some(stem) = template.strip_suffix(b"XXXXXX") else {
        return Err(shared.borrow_mut().refuse("Lua's posix.mkstemp without XXXXXX"));
    };
    for _ in 0..1000 {
        let path = {
            let mut host = shared.borrow_mut();
            let number = host.machine.fresh_number();
            [stem, format!("{:06}", number % 1_000_000).as_bytes()].concat()
        };
        let made = {
            let mut host = shared.borrow_mut();
            let directory = host.directory.clone();
            let taken = host.machine.lstat(&directory, &path);
            match host.sys(taken)? {
                Ok(_) => continue,
                Err(_) => {
                    let made = host.machine.write_file(&directory, &path, Bytes::new(), 0o600);
                    host.sys(made)?
                }
            }
        };
        if let Err(errno) = made {
            return failure(lua, &shared.borrow(), Some(template), errno);
        }
        return match File::open(shared, &path, &Mode { letter: b'a', both: true })? {
            Ok(file) => Ok(vec![file.into_lua(lua)?, string(lua, &path)?]),
            Err(errno) => failure(lua, &shared.borrow(), Some(&path), errno),
        };
    }
    Err(shared.borrow_mut().refuse("Lua's posix.mkstemp finds no free name"))
}
