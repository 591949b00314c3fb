//! Lua scriptlets (`-p <lua>`): Lua 5.4 with rpm's tables `posix` and `rpm`, and with `io` and `os`,
//! all of them over the machine's files only.
//!
//! In come a script and its arguments; out comes a status, with every effect in the overlay, or a
//! stop. Steps, memory and time are bounded. rpm up to 4.16 may have an older Lua; what scripts see of
//! that is how numbers are shown ([`Numbers`]).
//!
//! - [`interpreter`]: a script's run, its bounds, its forks
//! - [`host`], [`arguments`]: what functions see, and how they are called
//! - [`posix`], [`accounts`], [`files`], [`system`], [`paths`]: the functions
//! - [`strings`], [`pattern`]: Lua's patterns

mod accounts;
mod arguments;
mod files;
mod host;
pub mod interpreter;
mod paths;
pub mod pattern;
mod posix;
mod strings;
mod system;
#[cfg(test)]
mod tests;

pub use host::Numbers;
