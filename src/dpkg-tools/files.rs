//! Whole files as the programs of this folder read and replace them.

use imgfix_shell::{Process, Status};
pub use imgfix_tools::files::*;

/// Complains as dpkg's programs do about an error, and gives their exit status for it.
///
/// # Errors
/// Data limits.
pub fn fatal(process: &mut Process<'_>, text: impl AsRef<str>) -> Status {
    process.complain(format!("error: {}", text.as_ref()))?;
    Ok(2)
}
