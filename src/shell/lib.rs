//! Maintainer scripts and triggers evaluated over an [`Overlay`](imgfix_vfs::Overlay),
//! with nothing from the image executed.
//!
//! In come a script's text, how its package manager calls it, and a [`Machine`]: the image's
//! files, a clock that stands still, and the [`Table`] of commands that the family passes in.
//! Out comes the exit status, with every effect in the overlay, or a [`Stop`]: the named place
//! where something would have been needed that this machine does not have. A stop is never
//! turned into a status: what cannot be evaluated faithfully is not evaluated at all.
//!
//! - [`syntax`]: scripts as trees
//! - [`shell`]: what a script does
//! - [`execute`]: which program a name means
//! - [`machine`], [`files`], [`stream`]: what a kernel would give to a process
//! - [`process`], [`table`]: what a command sees, and which commands there are
//! - [`regex`]: POSIX regular expressions
//! - [`resources`]: memory, disk and time that scripts may use up
//! - [`sandbox`]: the real program instead, in namespaces over a copy on disk
//!
//! The commands themselves are in rooms above: those that scripts of every family use in
//! `tools`, those of one family with the family.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod errno;
pub mod execute;
pub mod files;
pub mod fnmatch;
pub mod machine;
pub mod mode;
pub mod options;
mod process;
pub mod regex;
mod resources;
pub mod sandbox;
pub mod shell;
mod stop;
mod stream;
pub mod syntax;
mod table;

pub use errno::Errno;
pub use machine::{Machine, Moment, Settings};
pub use process::{Call, Environment, Process};
pub use resources::{Resources, TimeLimit};
pub use stop::{ScriptLine, Stop};
pub use stream::{Coprocess, Descriptors, Stream};
pub use table::{Command, Table};

/// The result of a system call: a stop, or what the call gives its caller.
pub type Sys<T> = Result<Result<T, Errno>, Stop>;

/// The exit status of a command (0 is success), or where its evaluation stopped.
pub type Status = Result<u8, Stop>;
