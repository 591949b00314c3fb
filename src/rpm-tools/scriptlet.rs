//! [`Scriptlet`]: one scriptlet, trigger or file trigger that is due, as rpm runs it
//! (rpm's `lib/rpmscript.cc`).
//!
//! In come its program, body, arguments and what it reads; it is a
//! [`ScriptCall`] that any [`ScriptRunner`](imgfix_repair::script_run::ScriptRunner) runs.

use bstr::BString;
use bytes::Bytes;
use imgfix_model::path::ImagePath;
use imgfix_repair::script_run::ScriptCall;
use imgfix_repair::virtual_runner::program;
use imgfix_shell::shell::{self, Dialect, Script};
use imgfix_shell::{Call, Environment, Machine, Status, Stop, Stream};

use crate::lua::{Numbers, interpreter};
use crate::macros;

/// The program of a scriptlet whose header names none.
const SHELL: &str = "/bin/sh";

/// The program that is rpm itself.
const LUA: &str = "<lua>";

/// `PATH` of programs that rpm starts (its macro `_install_script_path`).
const PATH: &str = "/sbin:/bin:/usr/sbin:/usr/bin:/usr/X11R6/bin";

/// How much a sandboxed scriptlet may read, in bytes: it comes as an argument of a shell.
const MAX_SANDBOX_INPUT: usize = 100_000;

/// What rpm does to a body before it runs it (`RPMSCRIPT_FLAG_EXPAND`, `RPMSCRIPT_FLAG_QFORMAT`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expansion {
    /// Nothing.
    #[default]
    None,
    /// Macros are expanded (`%post -e`).
    Macros,
    /// Tags of the header are put in (`%post -q`).
    Query,
}

impl Expansion {
    /// From the value of a tag like 5021, `POSTINFLAGS`.
    #[must_use]
    pub fn from_flags(flags: u32) -> Self {
        match (flags & 2 != 0, flags & 1 != 0) {
            (true, _) => Self::Query,
            (false, true) => Self::Macros,
            (false, false) => Self::None,
        }
    }
}

/// A scriptlet and how rpm calls it.
#[derive(Debug, Clone)]
pub struct Scriptlet {
    /// The package whose scriptlet it is.
    pub package: String,
    /// What rpm calls it in messages: `%post(bash-5.2.15-1.x86_64)`.
    pub title: String,
    /// The interpreter and its options (tag 1086 and its kin); `/bin/sh` when it is empty.
    pub program: Vec<String>,
    /// Its text; without one its program is started without arguments.
    pub body: Option<Bytes>,
    /// The counts that rpm gives it, as decimal numbers.
    pub arguments: Vec<String>,
    /// The paths that a file trigger is run for, which it reads one a line.
    pub paths: Vec<Vec<u8>>,
    /// What becomes of the body first.
    pub expansion: Expansion,
    /// How numbers of Lua's `posix` are shown.
    pub numbers: Numbers,
    /// Where the body lies while it runs: a name that rpm could give it.
    pub place: ImagePath,
}

impl Scriptlet {
    /// A scriptlet without arguments and input, for `/bin/sh`.
    #[must_use]
    pub fn new(package: impl Into<String>, title: impl Into<String>) -> Self {
        Self {
            package: package.into(),
            title: title.into(),
            program: Vec::new(),
            body: None,
            arguments: Vec::new(),
            paths: Vec::new(),
            expansion: Expansion::None,
            numbers: Numbers::Floats,
            place: ImagePath::literal("/var/tmp/rpm-tmp.imgfix"),
        }
    }

    /// With an interpreter and its options.
    #[must_use]
    pub fn with_program(self, program: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { program: program.into_iter().map(Into::into).collect(), ..self }
    }

    /// With a body.
    #[must_use]
    pub fn with_body(self, body: impl Into<Bytes>) -> Self {
        Self { body: Some(body.into()), ..self }
    }

    /// With the counts that rpm gives it.
    #[must_use]
    pub fn with_counts(self, counts: &[u32]) -> Self {
        Self { arguments: counts.iter().map(u32::to_string).collect(), ..self }
    }

    fn is_lua(&self) -> bool {
        self.program.first().is_some_and(|program| program == LUA)
    }

    fn interpreter(&self) -> &str {
        self.program.first().map_or(SHELL, String::as_str)
    }

    fn options(&self) -> &[String] {
        self.program.get(1..).unwrap_or_default()
    }

    /// Its body as it is run.
    fn text(&self, machine: &mut Machine) -> Result<Option<Bytes>, Stop> {
        match (&self.body, self.expansion) {
            (None, _) => Ok(None),
            (Some(body), Expansion::None) => Ok(Some(body.clone())),
            (Some(body), Expansion::Macros) => {
                macros::expand(machine, body).map(|text| Some(text.into()))
            }
            (Some(_), Expansion::Query) => {
                Err(Stop::new("its text is a query format, which is not evaluated"))
            }
        }
    }

    fn input(&self) -> Vec<u8> {
        self.paths.iter().flat_map(|path| path.iter().copied().chain([b'\n'])).collect()
    }

    fn call(&self, argv: Vec<BString>) -> Call {
        let mut call = program(argv, self.environment());
        call.descriptors.set(0, Stream::input(self.input()));
        call
    }

    fn lua(&self, machine: &mut Machine) -> Status {
        let Some(body) = self.text(machine)? else { return Ok(0) };
        let numbers = self.arguments.iter().map(|word| word.parse::<i64>().unwrap_or_default());
        let arguments: Vec<i64> = numbers.collect();
        let script = interpreter::Script {
            name: &self.title,
            body: &body,
            arguments: &arguments,
            numbers: self.numbers,
            paths: &self.paths,
        };
        let mut call = self.call(vec![LUA.into()]);
        call.descriptors.set(0, Stream::null());
        interpreter::run(machine, &script, &call)
    }

    fn external(&self, machine: &mut Machine) -> Status {
        let Some(text) = self.text(machine)? else {
            let argv = std::iter::once(self.interpreter())
                .chain(self.options().iter().map(String::as_str))
                .map(BString::from)
                .collect();
            return machine.execute(self.call(argv));
        };
        let interpreter = self.interpreter();
        let argv = std::iter::once(self.place.to_string()).chain(self.arguments.iter().cloned());
        let call = self.call(argv.map(BString::from).collect());
        if !machine.is_program(&ImagePath::root(), interpreter.as_bytes())? {
            let text = format!("error: failed to exec scriptlet interpreter {interpreter}\n");
            let _unusable = machine.write(&Stream::terminal(), text.as_bytes())?;
            return Ok(127);
        }
        let name = interpreter.rsplit('/').next().unwrap_or_default();
        let dialect = match name {
            "sh" | "dash" => Dialect::Posix,
            "ash" => Dialect::Ash,
            "bash" => Dialect::Bash,
            _ => return Err(Stop::new(format!("it is for {interpreter}, which is not evaluated"))),
        };
        let dialect = machine.dialect_of(interpreter.as_bytes(), dialect)?;
        let options = self.options().iter().map(|word| word.as_bytes().to_vec()).collect();
        let script = Script { name: self.title.clone(), text, dialect, options };
        shell::run(machine, &script, call)
    }
}

impl ScriptCall for Scriptlet {
    fn package(&self) -> &str {
        &self.package
    }

    fn path(&self) -> &ImagePath {
        &self.place
    }

    fn name(&self) -> BString {
        self.place.as_bytes().into()
    }

    fn arguments(&self) -> &[String] {
        &self.arguments
    }

    fn environment(&self) -> Environment {
        [("PATH", PATH), ("HOME", "/root")]
            .map(|(name, value)| (BString::from(name), BString::from(value)))
            .into()
    }

    fn in_memory(&self) -> Option<(&Bytes, BString)> {
        let body = self.body.as_ref().filter(|_| !self.is_lua())?;
        Some((body, self.name()))
    }

    fn evaluate(&self, machine: &mut Machine) -> Option<Status> {
        let status = match self.is_lua() {
            true => self.lua(machine),
            false => self.external(machine),
        };
        // A shell names its place by itself.
        let is_placed = |stop: &Stop| !stop.places.is_empty();
        Some(status.map_err(|stop| match is_placed(&stop) {
            true => stop,
            false => stop.at(&self.title, 0),
        }))
    }

    fn command(&self) -> Result<Vec<BString>, Stop> {
        if self.is_lua() {
            return Err(Stop::new("only rpm itself runs Lua scriptlets"));
        }
        if self.expansion != Expansion::None {
            return Err(Stop::new("only rpm itself expands scriptlets"));
        }
        let mut argv: Vec<BString> = std::iter::once(self.interpreter())
            .chain(self.options().iter().map(String::as_str))
            .map(BString::from)
            .collect();
        if self.body.is_some() {
            argv.push(self.name());
            argv.extend(self.arguments.iter().map(|word| BString::from(word.as_str())));
        }
        let input = self.input();
        if input.is_empty() {
            return Ok(argv);
        }
        if input.len() > MAX_SANDBOX_INPUT {
            return Err(Stop::new("it is run for more paths than a sandbox takes"));
        }
        let shell =
            [BString::from(SHELL), "-c".into(), "printf %s \"$0\" | \"$@\"".into(), input.into()];
        Ok(shell.into_iter().chain(argv).collect())
    }
}
