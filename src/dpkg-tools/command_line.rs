//! [`CommandLine`]: how dpkg's programs read theirs (dpkg's `lib/dpkg/options.c`).
//!
//! In come a command's arguments, by [`imgfix_shell::options`]; out come all options up to the
//! first operand, then the operands. That is what these programs have beyond other commands: options
//! end at the first operand, `-f=FORMAT` is `-fFORMAT`, and the operands are wanted as a whole.

use bstr::BString;
use std::os::unix::ffi::OsStringExt as _;

use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Process, Stop};

/// One option as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenOption {
    /// The long name, or the letter.
    pub name: String,
    /// For the options that have one.
    pub value: Option<BString>,
}

impl GivenOption {
    /// The value as text; empty when there is none.
    #[must_use]
    pub fn text(&self) -> String {
        self.value.as_ref().map(|value| value.to_string()).unwrap_or_default()
    }
}

/// The value of an option. dpkg takes `-f=FORMAT` for `-fFORMAT`.
fn value(option: &str, mut value: Vec<u8>) -> BString {
    if option.chars().count() == 1 && value.first() == Some(&b'=') {
        value.remove(0);
    }
    value.into()
}

/// A command line taken apart.
#[derive(Debug, Default)]
pub struct CommandLine {
    /// In the order written.
    pub options: Vec<GivenOption>,
    /// Everything from the first word that is no option.
    pub operands: Vec<BString>,
}

impl CommandLine {
    /// Takes the arguments apart; `valued` are the options that have a value.
    ///
    /// # Errors
    /// A value is missing, or one is where none may be.
    pub fn of(process: &Process<'_>, valued: &[&str]) -> Result<Self, Stop> {
        let mut line = Self::default();
        let mut options = process.options();
        while let Some(argument) = options.next()? {
            let name = match argument {
                Short(letter) => letter.to_string(),
                Long(name) => name.to_owned(),
                Value(first) => {
                    line.operands.push(first.into_vec().into());
                    break;
                }
            };
            let value = match valued.contains(&name.as_str()) {
                true => Some(value(&name, options.value()?)),
                false => None,
            };
            line.options.push(GivenOption { name, value });
        }
        line.operands.extend(options.rest()?.into_iter().map(BString::from));
        Ok(line)
    }

    /// The operands as text.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        self.operands.iter().map(ToString::to_string).collect()
    }
}
