//! Debian and Ubuntu: dpkg databases, .deb archives, apt repositories.

pub mod apt_conf;
pub mod ar;
pub mod archives;
pub mod auth_conf;
pub mod changelog;
pub mod commands;
pub mod conffiles;
pub mod configuration;
pub mod control;
pub mod date;
pub mod deb;
pub mod distroless;
pub mod diversions;
pub mod index;
pub mod install;
pub mod inventory;
pub mod lifetimes;
pub mod packages_file;
pub mod path_filter;
pub mod phasing;
pub mod policy;
pub mod preferences;
pub mod relations;
pub mod release;
pub mod releases;
pub mod sandbox_runner;
pub mod solve;
pub mod sources;
pub mod statoverride;
pub mod status;
pub mod status_stanza;
pub mod triggers;
pub mod version;
pub mod virtual_runner;

pub use version::{Version, VersionError};
