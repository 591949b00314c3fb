//! The command line of dpkg's programs: options up to the first operand, then operands
//! (dpkg's `lib/dpkg/options.c`).

use bstr::BString;
use std::os::unix::ffi::OsStringExt as _;

use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Process, Stop};

/// One option as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The long name, or the letter.
    pub name: String,
    pub value: Option<BString>,
}

impl Given {
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
pub struct Words {
    pub options: Vec<Given>,
    pub operands: Vec<BString>,
}

impl Words {
    /// Takes the arguments apart; `valued` are the options that have a value.
    ///
    /// # Errors
    /// A value is missing, or one is where none may be.
    pub fn of(process: &Process<'_>, valued: &[&str]) -> Result<Self, Stop> {
        let mut words = Self::default();
        let mut options = process.options();
        while let Some(argument) = options.next()? {
            let name = match argument {
                Short(letter) => letter.to_string(),
                Long(name) => name.to_owned(),
                Value(first) => {
                    words.operands.push(first.into_vec().into());
                    break;
                }
            };
            let value = match valued.contains(&name.as_str()) {
                true => Some(value(&name, options.value()?)),
                false => None,
            };
            words.options.push(Given { name, value });
        }
        words.operands.extend(options.rest()?.into_iter().map(BString::from));
        Ok(words)
    }

    /// The operands as text.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        self.operands.iter().map(ToString::to_string).collect()
    }
}
