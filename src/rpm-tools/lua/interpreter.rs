//! A script's run in an interpreter of its own, with bounds, and with forks.
//!
//! A fork is the script evaluated twice. The child's side comes first, up to its end (it becomes
//! a program, or ends). Then the script begins anew from the files that it found, does up to the
//! fork what it did before, gets the files as the child left them, and goes on as the parent. It
//! must be so because an interpreter's state cannot be doubled, and may be so because a script
//! sees nothing but what the machine gives it, which is the same each time. That the parent does
//! nothing while its child runs is what every script asks for that waits.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use imgfix_model::path::ImagePath;
use imgfix_shell::{Call, Machine, Status, Stop, Table as Commands};
use imgfix_vfs::Overlay;
use mlua::chunk::ChunkMode;
use mlua::{HookTriggers, Lua, LuaOptions, MultiValue, StdLib, Value, VmState};

use super::arguments::{Arguments, Function, fill};
use super::host::{Child, Ending, Host, Numbers, Shared};
use super::{accounts, files, posix, strings, system};

/// What an interpreter may hold, in bytes.
const MAX_MEMORY: usize = 32 << 20;

/// Instructions after which the interpreter is looked at.
const INSTRUCTIONS: u32 = 100;

/// What they count for: 50 million instructions are all that a script may have.
const STEPS: u64 = 10;

/// The most children of a script.
const MAX_CHILDREN: usize = 64;

/// A Lua scriptlet that is due.
pub struct Script<'a> {
    /// Its name in messages: `%post(bash-5.2-1.x86_64)`.
    pub name: &'a str,
    /// Its text.
    pub body: &'a [u8],
    /// The words behind `<lua>`: numbers, as rpm gives them.
    pub arguments: &'a [i64],
    /// How numbers of `posix` are shown.
    pub numbers: Numbers,
    /// For a file trigger, the paths that it is run for.
    pub paths: &'a [Vec<u8>],
}

/// Runs a script: 0, or 1 when it fails, with what it says on its standard error.
///
/// # Errors
/// It cannot be evaluated.
pub fn run(machine: &mut Machine, script: &Script<'_>, call: &Call) -> Status {
    let start = machine.moment();
    let mut children: Vec<Child> = Vec::new();
    loop {
        let (result, forked) = once(machine, script, call, &mut children)?;
        if !forked {
            return Ok(result);
        }
        if children.len() >= MAX_CHILDREN {
            return Err(Stop::new("a Lua script forks without end"));
        }
        children.push(Child { after: machine.moment() });
        machine.return_to(&start);
    }
}

/// Runs a script up to its end, or that of its next child (the second value).
fn once(
    machine: &mut Machine,
    script: &Script<'_>,
    call: &Call,
    children: &mut Vec<Child>,
) -> Result<(u8, bool), Stop> {
    let _held = machine.settings.resources.memory().reserve(MAX_MEMORY as u64)?;
    let empty = Machine::new(
        Overlay::new(Arc::clone(machine.overlay.tree())),
        machine.settings.clone(),
        Arc::new(Commands::new()),
    );
    let host = Rc::new(RefCell::new(Host {
        machine: std::mem::replace(machine, empty),
        environment: call.environment.clone(),
        directory: ImagePath::root(),
        umask: call.umask,
        descriptors: call.descriptors.clone(),
        numbers: script.numbers,
        ending: None,
        errno: None,
        children: std::mem::take(children),
        forks: 0,
        zombies: Vec::new(),
        is_child: false,
        paths: script.paths.iter().rev().cloned().collect(),
    }));
    let result = evaluate(&host, script);
    let mut host = host.borrow_mut();
    let failure = result.err().map(|error| words(&error));
    let result = match (host.ending.take(), failure) {
        (Some(Ending::Stop(stop)), _) => Err(stop),
        (Some(Ending::Child), _) => Ok((0, true)),
        (None, failure) => finish(&mut host, failure),
    };
    *children = std::mem::take(&mut host.children);
    let empty = Machine::new(
        Overlay::new(Arc::clone(host.machine.overlay.tree())),
        host.machine.settings.clone(),
        Arc::new(Commands::new()),
    );
    *machine = std::mem::replace(&mut host.machine, empty);
    result
}

/// The end of a script that went on to its end, or failed.
fn finish(host: &mut Host, failure: Option<Failure>) -> Result<(u8, bool), Stop> {
    let mut say = |text: String| -> Result<(), Stop> {
        match host.write(2, text.as_bytes()) {
            Ok(()) => Ok(()),
            Err(_) => match host.ending.take() {
                Some(Ending::Stop(stop)) => Err(stop),
                _ => Ok(()),
            },
        }
    };
    let failed = failure.is_some();
    match failure {
        Some(Failure::Memory) => {
            return Err(Stop::new(format!(
                "a Lua script wants more than {} MiB of memory",
                MAX_MEMORY >> 20
            )));
        }
        Some(Failure::Syntax(why)) => say(format!("error: invalid syntax in lua script: {why}\n"))?,
        Some(Failure::Runtime(why)) => say(format!("error: lua script failed: {why}\n"))?,
        None => {}
    }
    if host.is_child {
        // rpm ends a child that comes back to it.
        let text = "error: No exec() called after fork() in lua scriptlet\n";
        let Ok(()) = host.write(2, text.as_bytes()) else { return Ok((0, true)) };
        return Ok((0, true));
    }
    Ok((u8::from(failed), false))
}

enum Failure {
    Syntax(String),
    Runtime(String),
    Memory,
}

impl Failure {
    fn text(self) -> String {
        match self {
            Self::Syntax(text) | Self::Runtime(text) => text,
            Self::Memory => "not enough memory".to_owned(),
        }
    }
}

/// The words of an error, without the interpreter's own trace.
fn words(error: &mlua::Error) -> Failure {
    let cut = |text: &str| {
        text.split("\nstack traceback:").next().unwrap_or_default().trim_end().to_owned()
    };
    match error {
        mlua::Error::SyntaxError { message, .. } => Failure::Syntax(cut(message)),
        mlua::Error::MemoryError(_) => Failure::Memory,
        mlua::Error::RuntimeError(message) => Failure::Runtime(cut(message)),
        mlua::Error::CallbackError { cause, .. } => words(cause),
        mlua::Error::WithContext { cause, .. } => words(cause),
        other => Failure::Runtime(cut(&other.to_string())),
    }
}

/// An interpreter with its tables, and the script in it.
fn evaluate(host: &Shared, script: &Script<'_>) -> mlua::Result<()> {
    let libraries = StdLib::STRING | StdLib::TABLE | StdLib::MATH | StdLib::UTF8;
    let lua = Lua::new_with(libraries, LuaOptions::default())?;
    lua.set_memory_limit(MAX_MEMORY)?;
    let shared = host.clone();
    let triggers = HookTriggers::new().every_nth_instruction(INSTRUCTIONS);
    lua.set_hook(triggers, move |_, _| {
        // A function of the host that runs a script holds it: its own work is counted.
        if let Ok(mut host) = shared.try_borrow_mut() {
            let spent = host.machine.spend(STEPS);
            host.done(spent)?;
        }
        Ok(VmState::Continue)
    })?;
    install(&lua, host)?;
    let arguments = lua.create_table()?;
    arguments.set(1, "<lua>")?;
    for (at, number) in script.arguments.iter().enumerate() {
        arguments.set(at + 2, *number)?;
    }
    let options = lua.create_table()?;
    let text = [b"local opt, arg = ...;".as_slice(), script.body].concat();
    lua.load(text)
        .set_name(script.name)
        .set_mode(ChunkMode::Text)
        .call::<MultiValue>((options, arguments))
        .map(|_| ())
}

/// What a script may not do: load code, look at the interpreter, hold back what ended it, or make
/// C functions go round without end.
const PRELUDE: &str = r#"
local ended, plain = ...
local pcall_, xpcall_, error_, pack, unpack_ = pcall, xpcall, error, table.pack, table.unpack
local getmetatable_, type_, rawget_ = getmetatable, type, rawget
local function through(...)
  if ended() then error_("the script has ended", 0) end
  if not (...) then return false, plain((select(2, ...))) end
  return ...
end
function pcall(...) return through(pcall_(...)) end
function xpcall(f, handler, ...)
  return through(xpcall_(f, function(e) return handler(plain(e)) end, ...))
end
for _, name in ipairs({"insert", "remove", "concat", "sort", "unpack"}) do
  local real = table[name]
  table[name] = function(t, ...)
    if type_(t) == "table" then
      local meta = getmetatable_(t)
      if meta ~= nil and (type_(meta) ~= "table" or rawget_(meta, "__len") ~= nil) then
        error_("table." .. name .. " of a table with a length of its own", 0)
      end
    end
    return real(t, ...)
  end
end
unpack = table.unpack
table.move = nil
loadstring, require = nil, nil
"#;

/// What a script of no package looked at uses: code from texts, the collector, coroutines.
const UNKNOWN: &[(&str, Function)] = &[
    ("collectgarbage", not_known),
    ("dofile", not_known),
    ("load", not_known),
    ("loadfile", not_known),
];

/// The functions of `coroutine` that scripts begin with.
const COROUTINE: &[(&str, Function)] =
    &[("create", not_known), ("running", not_known), ("wrap", not_known)];

fn not_known(_: &Lua, host: &mut Host, arguments: &Arguments) -> mlua::Result<Vec<Value>> {
    Err(host.refuse(format!("Lua's {}", arguments.full_name())))
}

fn install(lua: &Lua, host: &Shared) -> mlua::Result<()> {
    let globals = lua.globals();
    strings::install(lua, host)?;
    let shared = host.clone();
    let ended = lua.create_function(move |_, ()| Ok(shared.borrow().ending.is_some()))?;
    // Errors of functions here are no texts until then.
    let plain = lua.create_function(|lua, value: Value| match value {
        Value::Error(error) => lua.create_string(words(&error).text()).map(Value::String),
        other => Ok(other),
    })?;
    lua.load(PRELUDE).set_name("=imgfix").call::<()>((ended, plain))?;
    fill(lua, host, &globals, "_G", UNKNOWN)?;
    let coroutine = lua.create_table()?;
    fill(lua, host, &coroutine, "coroutine", COROUTINE)?;
    globals.set("coroutine", coroutine)?;
    let table = lua.create_table()?;
    fill(lua, host, &table, "posix", posix::FUNCTIONS)?;
    fill(lua, host, &table, "posix", accounts::FUNCTIONS)?;
    files::install(lua, host, &table)?;
    globals.set("posix", table.clone())?;
    let rpm = lua.create_table()?;
    fill(lua, host, &rpm, "rpm", system::RPM)?;
    rpm.set("redirect2null", table.get::<Value>("redirect2null")?)?;
    if !host.borrow().paths.is_empty() {
        fill(lua, host, &rpm, "rpm", &[("next_file", system::next_file)])?;
    }
    globals.set("rpm", rpm)?;
    let os = lua.create_table()?;
    fill(lua, host, &os, "os", system::OS)?;
    globals.set("os", os)?;
    let shared = host.clone();
    let print = lua.create_function(move |lua, values: MultiValue| {
        let show: mlua::Function = lua.globals().get("tostring")?;
        let mut line = Vec::new();
        for (at, value) in values.into_iter().enumerate() {
            if at > 0 {
                line.push(b'\t');
            }
            line.extend_from_slice(&show.call::<mlua::LuaString>(value)?.as_bytes());
        }
        line.push(b'\n');
        shared.borrow_mut().write(1, &line)
    })?;
    globals.set("print", print)
}
