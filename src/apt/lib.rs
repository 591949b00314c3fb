//! apt: an image's sources, pins and settings, the indexes of its repositories, and which versions
//! go together; and the repairer of Debian's and Ubuntu's images, which brings database (`dpkg`),
//! programs (`dpkg-tools`) and repositories together.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod apt;
pub mod apt_remedy;
pub mod archives;
pub mod changelog;
pub mod changelogs;
pub mod index;
pub mod keys;
pub mod lifetimes;
pub mod packages_file;
pub mod phasing;
pub mod policy;
pub mod preferences;
pub mod questions;
pub mod release;
pub mod releases;
pub mod repairer;
pub mod repositories;
pub mod solve;
pub mod sources;
