//! The programs of postgresql-common (Perl) and of PostgreSQL that maintainer scripts call:
//! what the image's files say of the database clusters. No server runs in an image.
//!
//! - [`configuration`]: configuration files; [`cluster`]: the clusters that there are
//! - [`lsclusters`], [`conftool`], [`controldata`], [`updatedicts`]: one program each
//! - [`upgrade`]: what postgresql-common's postinst calls besides

mod cluster;
mod configuration;
mod conftool;
mod controldata;
mod lsclusters;
mod updatedicts;
mod upgrade;

use imgfix_shell::Command;

/// The programs by name.
pub const COMMANDS: &[(&str, Command)] = &[
    ("/usr/share/postgresql-common/pg_checksystem", upgrade::check_system),
    ("/usr/share/postgresql-common/run-upgrade-scripts", upgrade::run_scripts),
    ("pg_conftool", conftool::run),
    ("pg_controldata", controldata::run),
    ("pg_lsclusters", lsclusters::run),
    ("pg_updatedicts", updatedicts::run),
];

#[cfg(test)]
mod tests;
