//! What scriptlets of rpm's packages run, over the machine's files.
//!
//! Installation says "run this": it makes a [`Scriptlet`] of the tags of a header (program, body,
//! flags), with the counts that rpm gives it and, for a file trigger, the paths that it reads. A
//! scriptlet is a [`ScriptCall`](imgfix_repair::script_run::ScriptCall), so that what runs it is
//! that of every family, with [`table`] as its commands:
//!
//! ```ignore
//! let scripts = imgfix_repair::scripts::Scripts::new(table(), "x86_64", timestamp, edge)?;
//! let mut runner = scripts.runner::<Scriptlet>();     // never, virtual or sandbox
//! let post = Scriptlet::new("bash", "%post(bash-5.2.15-1.x86_64)")
//!     .with_program(["<lua>"])
//!     .with_body(body)
//!     .with_counts(&[2]);
//! let ran = runner.run(&mut overlay, &post)?;         // Err: a Stop, with place and reason
//! match ran.trouble() { ... }                         // an exit status other than 0
//! ```
//!
//! Which failures end an element and which only warn is the caller's to know, as are the order of
//! scriptlets and their counts.
//!
//! - [`scriptlet`]: the entry
//! - [`lua`]: Lua scriptlets
//! - [`macros`]: what `%post -e` may hold
//! - `alternatives`, `fillup`, `glibc`, `permissions`, `programs`, `sysusers`, `trust`: the commands

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod alternatives;
mod fillup;
mod glibc;
pub mod lua;
mod macros;
mod permissions;
mod programs;
#[cfg(test)]
mod real_scripts;
pub mod scriptlet;
mod sysusers;
mod trust;

use imgfix_shell::{Command, Table};
use imgfix_tools::{getent, shadow, systemctl, systemd_sysusers, systemd_tmpfiles};

pub use scriptlet::{Expansion, Scriptlet};

/// All commands of this folder by name.
pub const COMMANDS: &[(&str, Command)] = &[
    ("alternatives", alternatives::run),
    ("chkstat", permissions::run),
    ("fillup", fillup::run),
    ("getent", getent::run),
    ("glibc_post_upgrade.aarch64", glibc::post_upgrade),
    ("glibc_post_upgrade.x86_64", glibc::post_upgrade),
    ("iconvconfig", glibc::iconvconfig),
    ("install-info", programs::install_info),
    ("p11-kit", trust::run),
    ("permctl", permissions::run),
    ("restorecon", programs::restorecon),
    ("systemctl", systemctl::run_of_rpm),
    ("sysusers.sh", sysusers::run),
    ("systemd-sysctl", programs::of_the_kernel),
    ("systemd-sysusers", systemd_sysusers::run),
    ("systemd-tmpfiles", systemd_tmpfiles::run),
    ("trust", trust::run),
    ("udevadm", programs::of_the_kernel),
    ("update-alternatives", alternatives::run),
];

/// What scriptlets may call: these commands, and those of every family.
#[must_use]
pub fn table() -> Table {
    Table::new().with(imgfix_tools::COMMANDS).with(shadow::COMMANDS).with(COMMANDS)
}
