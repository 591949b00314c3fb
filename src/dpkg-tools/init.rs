//! What asks for, or talks to, the init of a running system: an image has none.

use imgfix_shell::{Process, Status, Stop};

/// `runlevel`: unknown.
///
/// # Errors
/// Data limits.
pub fn runlevel(process: &mut Process<'_>) -> Status {
    process.print("unknown\n")?;
    Ok(1)
}

/// Programs that change how a machine starts, which an image has no say in.
///
/// # Errors
/// Always.
pub fn boot(process: &mut Process<'_>) -> Status {
    let name = String::from_utf8_lossy(process.name()).into_owned();
    Err(Stop::new(format!("{name} changes how a machine starts")))
}
