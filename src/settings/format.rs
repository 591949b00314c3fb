//! The formats, by the program that reads them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::grammar::Grammar;

macro_rules! formats {
    ($($(#[$doc:meta])* $name:ident = $text:literal => $grammar:expr;)*) => {
        /// How a program reads its settings. By name in kebab-case; what a key is, is said at each.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Format {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl Format {
            /// All of them.
            pub const ALL: &[Format] = &[$(Format::$name,)*];

            /// Its name, as recipes write it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Format::$name => $text,)* }
            }

            pub(crate) fn grammar(self) -> &'static dyn Grammar {
                match self { $(Format::$name => &$grammar,)* }
            }
        }
    };
}

formats! {
    /// OpenSSH's server: `PermitRootLogin` (sshd_config(5)).
    Sshd = "sshd" => crate::sshd::Sshd;
    /// Redis and Valkey: `protected-mode`; `rename-command CONFIG`, `user default`.
    Redis = "redis" => crate::redis::Redis;
}

/// A name that is no format's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no format of settings; there are {names}", names = names())]
pub struct UnknownFormat(String);

fn names() -> String {
    Format::ALL.iter().map(|format| format.name()).collect::<Vec<_>>().join(", ")
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        let found = Format::ALL.iter().find(|format| format.name() == text);
        found.copied().ok_or_else(|| UnknownFormat(text.chars().take(64).collect()))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
