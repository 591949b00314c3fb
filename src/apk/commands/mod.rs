//! The commands of Alpine's family that package scripts call, over the machine's files.
//!
//! In comes a call; out come the status, the words that scripts read, and the files as the real
//! program leaves them. One file a command; a form that is not evaluated is a
//! [`Stop`](imgfix_shell::Stop). A link to busybox is the applet of the link's name: it is the
//! command of that name, here or among those of every family.
//!
//! - `busybox`: applets called by name; `applets`: which of them the image's own busybox has
//! - `accounts`: users and groups
//! - `update_ca_certificates`: the bundle of certificates, and the links to them

mod accounts;
mod applets;
mod busybox;
#[cfg(test)]
mod real_busybox;
#[cfg(test)]
mod tests;
mod update_ca_certificates;

use imgfix_shell::{Command, Table};
use imgfix_tools as commands;

/// All commands of this folder by name.
pub const COMMANDS: &[(&str, Command)] = &[
    ("addgroup", accounts::addgroup),
    ("adduser", accounts::adduser),
    ("busybox", busybox::run),
    ("busybox-extras", busybox::run),
    ("c_rehash", update_ca_certificates::c_rehash),
    ("update-ca-certificates", update_ca_certificates::run),
];

/// What scripts of the family may call: these commands, and those of every family.
#[must_use]
pub fn table() -> Table {
    Table::new().with(commands::COMMANDS).with(COMMANDS)
}
