//! [`Options`]: a command's options and operands one after the other, as `getopt_long(3)`
//! gives them: options after operands count. A command whose options end at its first
//! operand takes the [`Options::rest`] there. In come the command's arguments; out come options,
//! or the stop of a command line that does not fit.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

pub use lexopt::Arg;
pub use lexopt::Arg::{Long, Short, Value};

use super::{Process, Stop};

/// The arguments of a command, still to be read.
pub struct Options {
    parser: lexopt::Parser,
    program: String,
}

impl Options {
    pub(crate) fn of(process: &Process<'_>) -> Self {
        let program = String::from_utf8_lossy(process.name()).into_owned();
        Self::from_words(&program, process.arguments().iter().map(|word| word.to_vec()))
    }

    /// Options held elsewhere than in the command's own arguments.
    #[must_use]
    pub fn from_words(program: &str, words: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let words: Vec<OsString> = words.into_iter().map(OsString::from_vec).collect();
        let mut parser = lexopt::Parser::from_args(words);
        // `cut -d=`: the sign is the argument, as for getopt(3).
        parser.set_short_equals(false);
        Self { parser, program: program.to_owned() }
    }

    /// The next option or operand.
    ///
    /// # Errors
    /// A value for an option that was not asked for one.
    #[allow(clippy::should_implement_trait)] // an iterator cannot lend
    pub fn next(&mut self) -> Result<Option<Arg<'_>>, Stop> {
        let program = &self.program;
        self.parser.next().map_err(|error| misused(program, &error))
    }

    /// The argument of the option before.
    ///
    /// # Errors
    /// There is none.
    pub fn value(&mut self) -> Result<Vec<u8>, Stop> {
        match self.parser.value() {
            Ok(value) => Ok(value.into_vec()),
            Err(error) => Err(misused(&self.program, &error)),
        }
    }

    /// The same as text.
    ///
    /// # Errors
    /// As [`Options::value`].
    pub fn text(&mut self) -> Result<String, Stop> {
        self.value().map(|value| String::from_utf8_lossy(&value).into_owned())
    }

    /// The argument of the option before when it is written in the same word.
    pub fn optional_value(&mut self) -> Option<Vec<u8>> {
        self.parser.optional_value().map(OsString::into_vec)
    }

    /// Everything that is left, taken as it is.
    ///
    /// # Errors
    /// An option before has a value that was not taken.
    pub fn rest(&mut self) -> Result<Vec<Vec<u8>>, Stop> {
        match self.parser.raw_args() {
            Ok(words) => Ok(words.map(OsString::into_vec).collect()),
            Err(error) => Err(misused(&self.program, &error)),
        }
    }
}

/// Real scripts do not misuse commands, so it is more likely that the command knows more than
/// this one.
fn misused(program: &str, error: &lexopt::Error) -> Stop {
    Stop::new(format!("{program} with options that do not fit: {error}"))
}
