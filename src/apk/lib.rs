//! apk 2 and 3: database, archives, indexes, choice and installation, busybox and Alpine's own
//! programs; and the repairer of Alpine's, Wolfi's and Chainguard's images.
//!
//! In come an image's file system and the repositories that it names; out come its inventory, what
//! `apk upgrade` would choose, and the overlay with what apk would have made of it.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod apk_file;
mod archive_check;
pub mod commands;
mod default_repositories;
pub mod dependency;
mod directory_order;
mod hash_table;
pub mod index;
pub mod index_archive;
pub mod install;
pub mod installed;
pub mod inventory;
mod keys;
pub mod members;
mod package_info;
pub mod record;
mod remote;
pub mod repairer;
mod repositories;
pub mod scripts_archive;
pub mod signature;
pub mod solve;
mod sources;
#[cfg(test)]
mod testing;
pub mod triggers;
pub mod world;
