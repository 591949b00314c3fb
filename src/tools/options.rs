//! [`Options`]: a command's options and operands one after the other, as `getopt_long(3)`
//! gives them: options after operands count. A command whose options end at its first
//! operand takes the [`Options::rest`] there.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

pub(super) use lexopt::Arg::{Long, Short, Value};

use imgfix_shell::{Process, Stop};

/// The arguments of a command, still to be read.
pub(super) struct Options {
    parser: lexopt::Parser,
    program: String,
}

impl Options {
    pub(super) fn of(process: &Process<'_>) -> Self {
        let program = String::from_utf8_lossy(process.name()).into_owned();
        Self { parser: process.options(), program }
    }

    /// Options held elsewhere than in the command's own arguments.
    pub(super) fn from_words(program: &str, words: &[Vec<u8>]) -> Self {
        let words = words.iter().map(|word| OsString::from_vec(word.clone()));
        let mut parser = lexopt::Parser::from_args(words);
        parser.set_short_equals(false);
        Self { parser, program: program.to_owned() }
    }

    /// The next option or operand.
    pub(super) fn next(&mut self) -> Result<Option<lexopt::Arg<'_>>, Stop> {
        let program = &self.program;
        self.parser.next().map_err(|error| misused(program, &error))
    }

    /// The argument of the option before.
    pub(super) fn value(&mut self) -> Result<Vec<u8>, Stop> {
        match self.parser.value() {
            Ok(value) => Ok(value.into_vec()),
            Err(error) => Err(misused(&self.program, &error)),
        }
    }

    /// The argument of the option before when it is written in the same word.
    pub(super) fn optional_value(&mut self) -> Option<Vec<u8>> {
        self.parser.optional_value().map(OsString::into_vec)
    }

    /// Everything that is left, taken as it is.
    pub(super) fn rest(&mut self) -> Result<Vec<Vec<u8>>, Stop> {
        match self.parser.raw_args() {
            Ok(words) => Ok(words.map(OsString::into_vec).collect()),
            Err(error) => Err(misused(&self.program, &error)),
        }
    }
}

fn misused(program: &str, error: &lexopt::Error) -> Stop {
    Stop::new(format!("{program} with options that do not fit: {error}"))
}
