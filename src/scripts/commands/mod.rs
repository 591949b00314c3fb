//! The commands that maintainer scripts of every family call: what coreutils, sed, grep,
//! find and others do there, over the machine's files.
//!
//! One file a command. Each knows the options that real scripts use; any other option is a
//! [`Stop`](super::Stop), so that a script is never evaluated as if it had not asked for it.

mod cat;
mod chmod;
mod chown;
mod copy;
mod cp;
mod date;
mod destination;
#[cfg(test)]
mod differential;
mod find;
mod glob;
mod grep;
mod install;
pub mod ldconfig;
mod ln;
mod mkdir;
mod mktemp;
pub mod mode;
mod mv;
mod names;
pub mod openssl;
mod operands;
mod options;
mod readlink;
mod remove;
mod sed;
mod shells;
#[cfg(test)]
pub(crate) mod testing;
mod touch;
mod truth;
mod xargs;

use super::Command;

/// All commands of this folder by name.
pub const COMMANDS: &[(&str, Command)] = &[
    ("basename", names::basename),
    ("bash", shells::bash),
    ("cat", cat::cat),
    ("chgrp", chown::chgrp),
    ("chmod", chmod::run),
    ("chown", chown::chown),
    ("cp", cp::run),
    ("dash", shells::posix),
    ("date", date::run),
    ("dirname", names::dirname),
    ("false", truth::no),
    ("egrep", grep::run),
    ("fgrep", grep::run),
    ("find", find::run),
    ("grep", grep::run),
    ("install", install::run),
    ("ldconfig", ldconfig::run),
    ("ldconfig.real", ldconfig::run),
    ("ln", ln::run),
    ("mkdir", mkdir::run),
    ("mktemp", mktemp::mktemp),
    ("mv", mv::run),
    ("openssl", openssl::run),
    ("pwd", readlink::pwd),
    ("readlink", readlink::readlink),
    ("realpath", readlink::realpath),
    ("rm", remove::rm),
    ("rmdir", remove::rmdir),
    ("sh", shells::posix),
    ("sed", sed::run),
    ("tee", cat::tee),
    ("tempfile", mktemp::tempfile),
    ("touch", touch::run),
    ("true", truth::yes),
    ("unlink", remove::unlink),
    ("xargs", xargs::run),
];
