//! `true` and `false`.

use imgfix_shell::{Process, Status};

/// `true`: succeeds, whatever its arguments.
///
/// # Errors
/// None.
pub fn yes(_: &mut Process<'_>) -> Status {
    Ok(0)
}

/// `false`: fails, whatever its arguments.
///
/// # Errors
/// None.
pub fn no(_: &mut Process<'_>) -> Status {
    Ok(1)
}
