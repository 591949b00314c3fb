//! `true` and `false`.

use super::super::{Process, Status};

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
