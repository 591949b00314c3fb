//! Python environments: which distributions an image has, and how their names and versions
//! compare.
//!
//! In comes a file system; out come [`Libraries`](imgfix_model::component::Libraries), one for
//! each folder that holds records of distributions (`site-packages`, `dist-packages`, a folder
//! that `pip --target` filled, copies that a distribution carries in itself). Records are those
//! of <https://packaging.python.org/en/latest/specifications/recording-installed-packages/> and
//! of setuptools before it: `*.dist-info/METADATA`, `*.egg-info/PKG-INFO`, `*.egg-info` as a
//! file, and `*.egg/EGG-INFO/PKG-INFO`. Eggs that are zip files are not looked into, nor are
//! conda's own records (`conda-meta/*.json`); Python packages that conda installed have a
//! `dist-info` as well.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod attestation;
mod companions;
mod cursor;
pub mod distribution;
pub mod entry_points;
pub mod environment;
pub mod fault;
pub mod headers;
pub mod index;
pub mod installed;
mod manager;
pub mod marker;
mod names;
pub mod obstacles;
pub mod offers;
pub mod pip_conf;
pub mod provenance;
mod publisher;
#[cfg(test)]
mod real_installers;
#[cfg(test)]
mod real_packaging;
pub mod record;
mod records;
mod repairer;
pub mod replace;
pub mod requirement;
pub mod specifiers;
pub mod tags;
mod versions;
pub mod wheel;
pub mod wrapper;

pub use headers::identity;
pub use names::{normalized, same_name};
pub use records::{find, wants};
pub use repairer::Python;
pub use versions::ORDER;
