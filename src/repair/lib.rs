//! What repairers share: their trait ([`repairer`]), who does what in an image ([`image`]), the one
//! judge ([`judge`]), the loop and the planner of packages ([`packages`], [`planner`]), package
//! archives ([`archive`], [`payload`], [`apply`], [`promise`]) and the running of their scripts
//! ([`scripts`]). In come an image's tree and findings; out come plans, an overlay with the changes,
//! and verdicts.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod apply;
pub mod archive;
pub mod choice;
pub mod edge;
pub mod error;
pub mod image;
pub mod judge;
pub mod libraries;
pub mod library_records;
pub mod lowering;
pub mod os_release;
pub mod package_manager;
pub mod packages;
pub mod payload;
pub mod planner;
pub mod pooled;
pub mod promise;
pub mod repairer;
pub mod sandbox_runner;
pub mod script_run;
pub mod scripts;
pub mod virtual_runner;
pub mod wanted;
