//! The nouns of a repair: digests, platforms, paths in the image, packages, findings, plans,
//! reasons. Values only; what is done with them is in other rooms.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod advisory;
mod blame;
pub mod changelog;
pub mod checksum;
pub mod component;
pub mod description;
pub mod digest;
pub mod document;
pub mod effects;
pub mod finding;
pub mod hex;
pub mod identity;
pub mod left_out;
pub mod location;
pub mod package;
pub mod path;
pub mod plan;
pub mod platform;
pub mod reason;
pub mod replacement;
pub mod upgrade;
pub mod verdict;
