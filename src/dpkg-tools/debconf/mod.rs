//! debconf, natively: the frontend that scripts talk to, its databases, and its tools.
//!
//! A script sources `/usr/share/debconf/confmodule`, which starts the frontend with the script
//! as argument; [`frontend`] then runs the script anew with a [`session`] at its standard
//! input and output, and leaves the files of the [`databases`] as the perl Debconf leaves
//! them, byte for byte. Evaluated is `DEBIAN_FRONTEND=noninteractive`, which package managers
//! of images use, with databases of the driver `File` in stacks. What debconf does when it
//! fails itself (it dies with a message) is a stop.
//!
//! - [`configuration`][]: debconf.conf
//! - [`databases`], [`item`]: questions, templates, and their files
//! - [`templates_file`], [`language`], [`text`]: what a package ships, in whose words
//! - [`session`]: the protocol
//! - [`client`]: for native commands that ask questions
//! - [`frontend`], [`preconfigure`], [`tools`]: the programs

pub mod client;
mod configuration;
mod databases;
mod frontend;
mod item;
mod language;
pub mod preconfigure;
mod session;
mod templates_file;
#[cfg(test)]
mod tests;
mod text;
mod tools;

pub use text::{list, words};

use imgfix_shell::Command;

/// The programs of debconf by name.
pub const COMMANDS: &[(&str, Command)] = &[
    ("/usr/share/debconf/frontend", frontend::run),
    ("debconf-communicate", tools::communicate),
    ("debconf-escape", tools::escape),
    ("debconf-set-selections", tools::set_selections),
    ("debconf-show", tools::show),
];
