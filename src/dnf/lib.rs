//! Repositories of rpm packages and the choice among them: `.repo` files, metadata, streams of
//! modules, plans as dnf and zypper make them; and the repairer of images that rpm built.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod ini;
pub mod locks;
pub mod options;
pub mod sources;
pub mod spec;
pub mod variables;
