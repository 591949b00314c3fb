//! The commands of Debian's family that maintainer scripts call, over the machine's files.
//!
//! In comes a call; out come the status, the words that scripts read, and the database files
//! as the real program leaves them: scripts see the package database as files under
//! `/var/lib/dpkg`, as real processes do. One file a command; a form that is not evaluated is
//! a [`Stop`](imgfix_shell::Stop). Programs of the image that are shell scripts
//! (`invoke-rc.d`, `dpkg-maintscript-helper`) are evaluated and have no file here.
//!
//! - `command_line`: what the programs share, besides what every family's do
//! - `database`: the image's packages
//! - `interpreters`: the few programs in other languages that are known
//! - `java`, `postgresql`: OpenJDK's programs and those of PostgreSQL, with what Debian adds
//! - [`debconf`]: the frontend and the tools of debconf

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod adduser;
mod command_line;
mod compare_versions;
mod database;
mod deb_systemd_helper;
mod deb_systemd_invoke;
pub mod debconf;
mod dpkg;
mod dpkg_divert;
mod dpkg_query;
mod dpkg_realpath;
mod dpkg_statoverride;
mod dpkg_trigger;
mod files;
mod format;
mod groups;
mod init;
mod interpreters;
mod java;
mod mountpoint;
mod pam_auth_update;
mod postgresql;
mod start_stop_daemon;
mod su;
#[cfg(test)]
mod tests;
mod ucfq;
mod update_alternatives;
mod update_mime;
mod update_passwd;
mod update_rc_d;

use imgfix_shell::{Command, Table};
use imgfix_tools as commands;
use imgfix_tools::{
    accounts, getent, shadow, systemctl, systemd_sysusers, systemd_tmpfiles, unit_file,
};

/// All commands of this folder by name.
pub const COMMANDS: &[(&str, Command)] = &[
    ("addgroup", adduser::addgroup),
    ("adduser", adduser::adduser),
    ("deb-systemd-helper", deb_systemd_helper::run),
    ("deb-systemd-invoke", deb_systemd_invoke::run),
    ("delgroup", adduser::delgroup),
    ("deluser", adduser::deluser),
    ("dpkg", dpkg::run),
    ("dpkg-divert", dpkg_divert::run),
    ("dpkg-query", dpkg_query::run),
    ("dpkg-realpath", dpkg_realpath::run),
    ("dpkg-statoverride", dpkg_statoverride::run),
    ("dpkg-trigger", dpkg_trigger::run),
    ("getent", getent::run),
    ("groups", groups::groups),
    ("mountpoint", mountpoint::run),
    ("pam-auth-update", pam_auth_update::run),
    ("runlevel", init::runlevel),
    ("start-stop-daemon", start_stop_daemon::run),
    ("su", su::run),
    ("systemctl", systemctl::run),
    ("systemd-sysusers", systemd_sysusers::run),
    ("systemd-tmpfiles", systemd_tmpfiles::run),
    ("ucfq", ucfq::run),
    ("update-alternatives", update_alternatives::run),
    ("update-grub", init::boot),
    ("update-initramfs", init::boot),
    ("update-mime", update_mime::run),
    ("update-passwd", update_passwd::run),
    ("update-rc.d", update_rc_d::run),
    ("vigr", groups::interactive),
    ("vipw", groups::interactive),
];

/// What scripts of the family may call: these commands, and those of every family.
#[must_use]
pub fn table() -> Table {
    Table::new()
        .with(commands::COMMANDS)
        .with(COMMANDS)
        .with(debconf::COMMANDS)
        .with(interpreters::COMMANDS)
        .with(java::COMMANDS)
        .with(postgresql::COMMANDS)
        .with(shadow::COMMANDS)
}
