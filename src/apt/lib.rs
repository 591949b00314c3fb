//! apt: an image's sources, pins and settings, the indexes of its repositories, and which versions
//! go together; and the repairer of Debian's and Ubuntu's images, which brings database (`dpkg`),
//! programs (`dpkg-tools`) and repositories together.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod changelog;
mod changelogs;
mod default_repositories;
pub mod index;
mod keys;
mod lifetimes;
pub mod packages_file;
mod phasing;
pub mod policy;
pub mod preferences;
pub mod questions;
pub mod release;
mod releases;
mod remedy;
mod remote;
pub mod repairer;
mod repositories;
pub mod solve;
pub mod sources;
