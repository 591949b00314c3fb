//! Repositories of rpm packages and the choice among them: `.repo` files, metadata, streams of
//! modules, plans as dnf and zypper make them; and the repairer of images that rpm built.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod arch;
use imgfix_xml as xml;

mod changelogs;
pub mod default_repositories;
pub mod filelists;
mod former;
#[cfg(test)]
mod golden;
pub mod ini;
pub mod installed;
pub mod inventory;
pub mod keys;
pub mod limits;
pub mod locks;
pub mod mirrors;
pub mod modules;
pub mod offers;
pub mod options;
pub mod primary;
pub mod releases;
pub mod remote;
pub mod repairer;
pub mod repomd;
pub mod repositories;
pub mod scriptlets;
pub mod solve;
pub mod sources;
pub mod spec;
mod strings;
#[cfg(test)]
mod testing;
mod transactions;
mod trust;
pub mod unpack;
pub mod updateinfo;
pub mod variables;
mod workshop;
pub mod zchunk;
