//! `openssl`, as far as scripts that keep certificates need it: `openssl rehash`.
//!
//! - [`pem`]: what a file holds
//! - [`name`]: the hash of a certificate's name
//! - [`rehash`]: the links

mod name;
mod pem;
mod rehash;

pub use rehash::in_any_order;

use imgfix_shell::{Process, Status};

/// Runs a subcommand.
///
/// # Errors
/// Every subcommand but `rehash`.
pub fn run(process: &mut Process<'_>) -> Status {
    let arguments: Vec<Vec<u8>> = process.arguments().iter().map(|word| word.to_vec()).collect();
    match arguments.split_first() {
        Some((command, rest)) if command == b"rehash" => rehash::run(process, rest),
        Some((command, _)) => Err(process.unsupported(command)),
        None => Err(process.unsupported("no subcommand")),
    }
}
