//! dpkg: its database, .deb archives, relations between packages, and what dpkg does when it
//! installs them. Of apt it knows the settings (`apt_conf`), because options for dpkg stand
//! there, too; repositories and apt's choices are in the room `apt`.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod apt_conf;
mod ar;
pub mod conffiles;
mod configuration;
pub mod control;
pub mod copyright;
pub mod deb;
pub mod descriptions;
pub mod distroless;
pub mod diversions;
pub mod install;
pub mod inventory;
pub mod multi_arch;
pub mod owners;
mod path_filter;
pub mod relations;
mod statoverride;
pub mod status;
pub mod status_stanza;
mod triggers;
