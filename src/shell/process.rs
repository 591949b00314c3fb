//! [`Process`]: what a command sees of the machine, and how it starts others.

use std::collections::BTreeMap;

use bstr::BString;
use bytes::Bytes;

use super::options::{Arg, Options};
use super::{Descriptors, Errno, Machine, Status, Stop, Stream};
use imgfix_model::path::ImagePath;

/// Exported variables by name.
pub type Environment = BTreeMap<BString, BString>;

/// How a program is called.
#[derive(Clone)]
pub struct Call {
    /// The program as named by the caller, then its arguments.
    pub argv: Vec<BString>,
    /// What the caller exports.
    pub environment: Environment,
    /// The working directory; relative paths begin here.
    pub directory: ImagePath,
    /// Permission bits that new files do not get (`umask(2)`).
    pub umask: u32,
    /// Standard input, output and error, and what else the caller has open.
    pub descriptors: Descriptors,
}

/// A command being run: its call, and the machine. Everything runs as root.
pub struct Process<'m> {
    /// Where the command has its effects.
    pub machine: &'m mut Machine,
    /// How it was called; a command may change its own copy.
    pub call: Call,
}

impl Process<'_> {
    /// The name the command was called by, without directories.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        let name = self.call.argv.first().map(|name| &name[..]).unwrap_or_default();
        name.rsplit(|&b| b == b'/').next().unwrap_or_default()
    }

    /// The arguments, the name not among them.
    #[must_use]
    pub fn arguments(&self) -> &[BString] {
        self.call.argv.get(1..).unwrap_or_default()
    }

    /// An exported variable.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&[u8]> {
        self.call.environment.get(name.as_bytes()).map(|value| &value[..])
    }

    /// Writes to standard output.
    ///
    /// # Errors
    /// Data limits. A closed or unusable output is not an error here.
    pub fn print(&mut self, text: impl AsRef<[u8]>) -> Result<(), Stop> {
        self.write(1, text.as_ref())
    }

    /// Writes `NAME: TEXT` and a newline to standard error.
    ///
    /// # Errors
    /// As [`Process::print`].
    pub fn complain(&mut self, text: impl AsRef<[u8]>) -> Result<(), Stop> {
        let line = [self.name(), b": ", text.as_ref(), b"\n"].concat();
        self.write(2, &line)
    }

    fn write(&mut self, descriptor: u32, data: &[u8]) -> Result<(), Stop> {
        if let Some(stream) = self.call.descriptors.get(descriptor).cloned() {
            let _unusable = self.machine.write(&stream, data)?;
        }
        Ok(())
    }

    /// Everything on standard input.
    ///
    /// # Errors
    /// Data limits, or a terminal as input.
    pub fn input(&mut self) -> Result<Bytes, Stop> {
        let Some(stream) = self.call.descriptors.get(0).cloned() else { return Ok(Bytes::new()) };
        let text = self.machine.read_to_end(&stream)?.unwrap_or_default();
        self.machine.spend_lines(&text)?;
        Ok(text)
    }

    /// The content of a file operand: `-` is standard input.
    ///
    /// # Errors
    /// The file needs something the machine does not have.
    pub fn read_operand(&mut self, operand: &[u8]) -> super::Sys<Bytes> {
        if operand == b"-" {
            return Ok(Ok(self.input()?));
        }
        let directory = self.call.directory.clone();
        let read = self.machine.read_file(&directory, operand)?;
        if let Ok(text) = &read {
            self.machine.spend_lines(text)?;
        }
        Ok(read)
    }

    /// A path argument resolved to where it leads, links followed; the last component may
    /// be missing.
    ///
    /// # Errors
    /// The path needs something the machine does not have.
    pub fn follow(&self, path: &[u8]) -> super::Sys<ImagePath> {
        self.machine.follow(&self.call.directory, path)
    }

    /// As [`Process::follow`], but a link in the last component is not followed.
    ///
    /// # Errors
    /// The path needs something the machine does not have.
    pub fn locate(&self, path: &[u8]) -> super::Sys<ImagePath> {
        self.machine.locate(&self.call.directory, path)
    }

    /// Runs another program with this one's environment and descriptors.
    ///
    /// # Errors
    /// The program cannot be evaluated.
    pub fn run<I, T>(&mut self, argv: I) -> Status
    where
        I: IntoIterator<Item = T>,
        T: Into<BString>,
    {
        let argv = argv.into_iter().map(Into::into).collect();
        let call = Call { argv, ..self.call.clone() };
        self.machine.execute(call)
    }

    /// Runs another program with `input` on its standard input, and returns its standard
    /// output too.
    ///
    /// # Errors
    /// The program cannot be evaluated.
    pub fn run_for_output<I, T>(
        &mut self,
        argv: I,
        input: impl Into<Bytes>,
    ) -> Result<(u8, Vec<u8>), Stop>
    where
        I: IntoIterator<Item = T>,
        T: Into<BString>,
    {
        let argv = argv.into_iter().map(Into::into).collect();
        let mut call = Call { argv, ..self.call.clone() };
        let output = Stream::collector();
        call.descriptors.set(0, Stream::input(input));
        call.descriptors.set(1, output.clone());
        let status = self.machine.execute(call)?;
        Ok((status, output.collected()))
    }

    /// Complains as coreutils do, `NAME: cannot ACTION 'PATH': REASON`, and returns status 1.
    ///
    /// # Errors
    /// As [`Process::print`].
    pub fn failed(&mut self, action: &str, path: &[u8], why: Errno) -> Status {
        let path = String::from_utf8_lossy(path).into_owned();
        self.complain(format!("cannot {action} '{path}': {why}"))?;
        Ok(1)
    }

    /// The arguments, for options to be taken from. Options after operands count, as with
    /// GNU's `getopt_long(3)`.
    #[must_use]
    pub fn options(&self) -> Options {
        Options::of(self)
    }

    /// The stop for an option that this command does not know here.
    #[must_use]
    pub fn unsupported_option(&self, option: &Arg<'_>) -> Stop {
        match option {
            Arg::Short(letter) => self.unsupported(format!("-{letter}")),
            Arg::Long(name) => self.unsupported(format!("--{name}")),
            Arg::Value(value) => self.unsupported(value.as_encoded_bytes()),
        }
    }

    /// The stop for an option or operand that this command does not know here.
    #[must_use]
    pub fn unsupported(&self, what: impl AsRef<[u8]>) -> Stop {
        let name = String::from_utf8_lossy(self.name()).into_owned();
        Stop::new(format!("{name} with {}", String::from_utf8_lossy(what.as_ref())))
    }
}
