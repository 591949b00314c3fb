//! The commands that maintainer scripts of every family call: what coreutils, sed, grep,
//! find and others do there, over the machine's files.
//!
//! One file a command. Each knows the options that real scripts use; any other option is a
//! [`Stop`](imgfix_shell::Stop), so that a script is never evaluated as if it had not asked for it.
//!
//! What distributions with systemd and shadow share is here, too, in modules of their own: their
//! families put it into their tables.

#![cfg_attr(not(any(test, feature = "testing")), warn(clippy::disallowed_methods))]

pub mod accounts;
mod awk;
mod base64;
#[cfg(test)]
mod broken_disk;
mod capabilities;
mod cat;
mod checksums;
mod chmod;
mod chown;
mod compare;
mod copy;
mod cp;
mod cut;
mod date;
mod destination;
#[cfg(test)]
mod differential;
mod expr;
pub mod files;
mod find;
mod flock;
pub mod getent;
mod getopt;
mod glib;
mod grep;
mod head_tail;
mod identity;
mod install;
mod launch;
pub mod ldconfig;
mod lines;
mod ln;
mod ls;
mod mkdir;
mod mktemp;
mod mv;
mod names;
mod no_effect;
pub mod openssl;
mod operands;
mod printf;
mod readlink;
mod rearrange;
mod remove;
mod run_parts;
mod sed;
mod seq;
pub mod shadow;
#[cfg(test)]
mod shell_cases;
pub mod shells;
mod sort;
mod stat;
pub mod systemctl;
pub mod systemd_sysusers;
pub mod systemd_tmpfiles;
mod test;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod touch;
mod tr;
mod truth;
mod uniq;
pub mod unit_file;
mod wc;
mod which;
mod xargs;

pub use identity::KERNEL;
use imgfix_shell::Command;

/// All commands of this folder by name.
pub const COMMANDS: &[(&str, Command)] = &[
    ("ash", shells::posix),
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
    ("flock", flock::run),
    ("grep", grep::run),
    ("gio-querymodules", glib::query_modules),
    ("gio-querymodules-32", glib::query_modules),
    ("gio-querymodules-64", glib::query_modules),
    ("glib-compile-schemas", glib::compile_schemas),
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
    ("cmp", compare::cmp),
    ("comm", rearrange::comm),
    ("cut", cut::run),
    ("diff", compare::diff),
    ("head", head_tail::head),
    ("paste", rearrange::paste),
    ("rev", rearrange::rev),
    ("sort", sort::run),
    ("tac", rearrange::tac),
    ("tail", head_tail::tail),
    ("tr", tr::run),
    ("uniq", uniq::run),
    ("wc", wc::run),
    ("[", test::run),
    ("chattr", no_effect::nothing),
    ("clear", no_effect::no_terminal),
    ("echo", printf::echo),
    ("env", launch::env),
    ("expr", expr::run),
    ("getcap", capabilities::getcap),
    ("id", identity::id),
    ("ionice", launch::run),
    ("ischroot", no_effect::ischroot),
    ("logger", no_effect::nothing),
    ("ls", ls::run),
    ("md5sum", checksums::run),
    ("nice", launch::run),
    ("nohup", launch::run),
    ("pgrep", no_effect::no_process),
    ("pidof", no_effect::no_process),
    ("printf", printf::printf),
    ("seq", seq::run),
    ("setcap", capabilities::setcap),
    ("sha1sum", checksums::run),
    ("sha224sum", checksums::run),
    ("sha256sum", checksums::run),
    ("sha384sum", checksums::run),
    ("sha512sum", checksums::run),
    ("sleep", no_effect::nothing),
    ("ss", no_effect::no_sockets),
    ("stat", stat::run),
    ("sync", no_effect::nothing),
    ("test", test::run),
    ("timeout", launch::run),
    ("tput", no_effect::no_terminal),
    ("uname", identity::uname),
    ("which", which::run),
    ("who", no_effect::who),
    ("whoami", identity::whoami),
    ("awk", awk::awk),
    ("mawk", awk::awk),
    ("base64", base64::run),
    ("getopt", getopt::run),
    ("run-parts", run_parts::run),
];
