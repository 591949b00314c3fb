//! Languages whose programs maintainer scripts run in passing: never evaluated, but a few
//! calls are known by what they do.
//!
//! - `perl`: one-line programs, by their exact text
//! - `python`: compiling modules to bytecode, which is left to Python itself: what is stale is
//!   removed (by the scripts, and by the recipe `python-bytecode`), nothing is written
//!
//! Every other call is a stop.

mod perl;
mod python;

use imgfix_shell::Command;

/// The languages by the names of their programs.
pub const COMMANDS: &[(&str, Command)] = &[
    ("perl", perl::run),
    ("py3clean", python::clean),
    ("py3compile", python::compile),
    ("pyclean", python::clean),
    ("pycompile", python::compile),
    ("python2.7", python::run),
    ("python3", python::run),
    ("python3.5", python::run),
    ("python3.6", python::run),
    ("python3.7", python::run),
    ("python3.8", python::run),
    ("python3.9", python::run),
    ("python3.10", python::run),
    ("python3.11", python::run),
    ("python3.12", python::run),
    ("python3.13", python::run),
    ("python3.14", python::run),
];
