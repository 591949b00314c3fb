//! Alpine, Wolfi and Chainguard: apk databases, .apk archives, APKINDEX repositories.

pub mod apk_file;
pub mod archive_check;
pub mod archives;
pub mod commands;
pub mod dependency;
pub mod directory_order;
pub mod generation;
mod hash_table;
pub mod identity;
pub mod index;
pub mod index_archive;
pub mod install;
pub mod installed;
pub mod inventory;
pub mod members;
pub mod package_info;
pub mod record;
pub mod sandbox_runner;
pub mod scripts_archive;
pub mod signature;
pub mod solve;
pub mod sources;
#[cfg(test)]
pub(crate) mod testing;
pub mod triggers;
pub mod version;
pub mod virtual_runner;
pub mod world;

pub use generation::Generation;
pub use version::Version;
