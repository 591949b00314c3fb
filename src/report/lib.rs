//! Reports: what a repair did ([`before_after`]), what differs between two images
//! ([`diff`]), both together for a person who says yes or no ([`review`]), and their renderings
//! for people ([`text`], a page, Markdown) and programs ([`json`], [`sarif`], [`gitlab`],
//! [`openvex`], [`junit`]).
//!
//! In come values from the other rooms; out go strings. Nothing here prints, reads a clock
//! or asks for a terminal: width and colour are values of [`imgfix_terminal::Style`]. Everything
//! that came from outside is made harmless for terminals before it is shown.

#![cfg_attr(not(any(test, feature = "testing")), warn(clippy::disallowed_methods))]

pub mod before_after;
pub mod by_source;
pub mod changelogs;
pub mod checked;
mod cut;
pub mod diff;
pub mod effects;
pub mod exploitation;
mod finding_identity;
pub mod findings_list;
pub mod gate;
pub mod gitlab;
pub mod image_name;
pub mod inventory;
pub mod json;
pub mod junit;
pub mod name_uuid;
pub mod openvex;
pub mod outputs;
pub mod package_urls;
pub mod plan;
pub mod platform;
pub mod problem_pages;
pub mod problems;
pub mod review;
pub mod sarif;
pub mod scan_comparison;
#[cfg(any(test, feature = "testing"))]
pub mod schema_check;
pub mod sources;
pub mod summary;
pub mod text;

pub use before_after::RepairReport;
