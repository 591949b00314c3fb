//! imgfix repairs container images: it reads what a scanner found, picks upgraded
//! packages from the distribution's own signed repositories, composes one patch
//! layer on top of the original layers and proves what it fixed.
//!
//! A repair is a function from (image, findings, repository state) to (one layer,
//! new config, new manifest, a verdict per finding). The rooms under `src/` are crates, one a
//! step of that function; [`pipeline`] is the only place that knows the order of the steps, and
//! this crate holds what is the program's own. `ARCHITECTURE.md` says who may call whom.

// Errors are built once a run, on the way out: boxing them would cost clarity only.
#![cfg_attr(not(test), warn(clippy::disallowed_methods))]
#![allow(clippy::result_large_err, clippy::type_complexity, clippy::map_entry)]

pub mod cli;
pub mod notify;
pub mod pipeline;
pub mod policy;
pub mod scanner;
pub mod size;
