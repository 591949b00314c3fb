//! Libraries that are built into an application, or whose installation is more than files: modules
//! of Go and crates of Rust in programs, packages of .NET, gems, packages of Composer.
//!
//! In comes an image; out come stores whose libraries are listed and judged, and not changed: each
//! finding about one gets the reason, with what has to be built anew and with which version. What
//! programs have is noted while layers stream by, records are small files that stay in memory.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod dotnet;
mod go;
mod order;
mod php;
mod programs;
mod records;
mod ruby;
mod rust;

pub use order::ORDER;
pub use programs::Programs;
pub use records::{DotNet, Php, Ruby};
