//! [`Host`]: what the functions of a script's Lua see of the machine, and how they give up.
//!
//! One host is shared by all functions of an interpreter. A function that cannot go on leaves an
//! [`Ending`] here and raises an error, which no `pcall` of the script holds back.

use std::cell::RefCell;
use std::rc::Rc;

use imgfix_model::path::ImagePath;
use imgfix_shell::{Call, Descriptors, Environment, Errno, Machine, Stop, Stream};
use mlua::{Error, IntoLua as _, Lua, Value};

/// How the numbers of `posix` are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// As up to Lua 5.2: a whole number is shown without a point (`2`).
    OneKind,
    /// As since Lua 5.3, where they are floats (`2.0`).
    Floats,
}

/// Why an interpreter ended before its script did.
#[derive(Debug)]
pub enum Ending {
    /// The script cannot be evaluated.
    Stop(Stop),
    /// It was a child's, which has ended. No function gives its status to the parent.
    Child,
}

/// A child that ended: the files as it left them.
pub struct Child {
    pub(super) after: imgfix_shell::Moment,
}

/// The state behind all functions.
pub struct Host {
    pub(super) machine: Machine,
    pub(super) environment: Environment,
    pub(super) directory: ImagePath,
    pub(super) umask: u32,
    pub(super) descriptors: Descriptors,
    pub(super) numbers: Numbers,
    pub(super) ending: Option<Ending>,
    /// The error of the last call that failed.
    pub(super) errno: Option<Errno>,
    /// Children that have run to their end, in the order of the forks.
    pub(super) children: Vec<Child>,
    /// How many forks this run of the script has come by.
    pub(super) forks: usize,
    /// The children that nobody has waited for.
    pub(super) zombies: Vec<i64>,
    pub(super) is_child: bool,
    /// Paths that a file trigger has not asked for yet, the next one last.
    pub(super) paths: Vec<Vec<u8>>,
}

/// The host as functions hold it.
pub type Shared = Rc<RefCell<Host>>;

/// The first process number of a child.
pub const FIRST_CHILD: i64 = 1000;

impl Host {
    /// Leaves a stop, and gives the error that ends the interpreter.
    pub fn stop(&mut self, stop: Stop) -> Error {
        if self.ending.is_none() {
            self.ending = Some(Ending::Stop(stop));
        }
        Error::runtime("the script cannot be evaluated")
    }

    /// As [`Host::stop`], for something that is not done here.
    pub fn refuse(&mut self, what: impl Into<String>) -> Error {
        self.stop(Stop::new(what))
    }

    /// Takes the result of a machine's call apart.
    ///
    /// # Errors
    /// The call came to a stop.
    pub fn sys<T>(&mut self, result: imgfix_shell::Sys<T>) -> mlua::Result<Result<T, Errno>> {
        match result {
            Ok(Ok(value)) => Ok(Ok(value)),
            Ok(Err(errno)) => {
                self.errno = Some(errno);
                Ok(Err(errno))
            }
            Err(stop) => Err(self.stop(stop)),
        }
    }

    /// Takes a machine's result apart that can only be a stop.
    ///
    /// # Errors
    /// It is one.
    pub fn done<T>(&mut self, result: Result<T, Stop>) -> mlua::Result<T> {
        result.map_err(|stop| self.stop(stop))
    }

    /// A number as `posix` gives it.
    #[must_use]
    pub fn number(&self, value: i64) -> Value {
        match self.numbers {
            Numbers::OneKind => Value::Integer(value),
            Numbers::Floats => Value::Number(value as f64),
        }
    }

    /// A program's call with what the script has open and exports.
    #[must_use]
    pub fn call(&self, argv: Vec<Vec<u8>>) -> Call {
        Call {
            argv: argv.into_iter().map(Into::into).collect(),
            environment: self.environment.clone(),
            directory: self.directory.clone(),
            umask: self.umask,
            descriptors: self.descriptors.clone(),
        }
    }

    /// Writes to a descriptor.
    ///
    /// # Errors
    /// Data limits.
    pub fn write(&mut self, descriptor: u32, data: &[u8]) -> mlua::Result<()> {
        let Some(stream) = self.descriptors.get(descriptor).cloned() else { return Ok(()) };
        self.write_to(&stream, data).map(|_| ())
    }

    /// Writes to a stream.
    ///
    /// # Errors
    /// Data limits.
    pub fn write_to(&mut self, stream: &Stream, data: &[u8]) -> mlua::Result<Result<(), Errno>> {
        let written = self.machine.write(stream, data);
        self.sys(written)
    }

    /// The number, a zero being success.
    #[must_use]
    pub fn success(&self) -> Vec<Value> {
        vec![self.number(0)]
    }
}

/// Nil, why, and the number of the error: what a failed call returns.
///
/// # Errors
/// Memory.
pub fn failure(
    lua: &Lua,
    host: &Host,
    info: Option<&[u8]>,
    errno: Errno,
) -> mlua::Result<Vec<Value>> {
    let mut text = info.map(|info| [info, b": "].concat()).unwrap_or_default();
    text.extend_from_slice(errno.to_string().as_bytes());
    let text = lua.create_string(&text)?.into_lua(lua)?;
    Ok(vec![Value::Nil, text, host.number(number_of(errno))])
}

/// Linux's number of an error.
#[must_use]
pub fn number_of(errno: Errno) -> i64 {
    match errno {
        Errno::NotPermitted => 1,
        Errno::NotFound => 2,
        Errno::BadDescriptor => 9,
        Errno::PermissionDenied => 13,
        Errno::Exists => 17,
        Errno::NotADirectory => 20,
        Errno::IsADirectory => 21,
        Errno::Invalid => 22,
        Errno::BrokenPipe => 32,
        Errno::NameTooLong => 36,
        Errno::NotEmpty => 39,
        Errno::LinkLoop => 40,
        Errno::NoData => 61,
    }
}
