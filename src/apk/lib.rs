//! Alpine, Wolfi and Chainguard: apk databases, .apk archives, APKINDEX repositories.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod apk_file;
pub mod archive_check;
pub mod archives;
pub mod commands;
pub mod dependency;
pub mod directory_order;
mod hash_table;
pub mod index;
pub mod index_archive;
pub mod install;
pub mod installed;
pub mod inventory;
pub mod keys;
pub mod members;
pub mod package_info;
pub mod record;
pub mod remote;
pub mod repairer;
mod repositories;
pub mod scripts_archive;
pub mod signature;
pub mod solve;
pub mod sources;
#[cfg(test)]
pub mod testing;
pub mod triggers;
pub mod world;
