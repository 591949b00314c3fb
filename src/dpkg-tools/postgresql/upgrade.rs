//! What postgresql-common's postinst calls when the package is upgraded.

use bstr::ByteSlice as _;

use crate::files::names_in;
use imgfix_shell::{Process, Status};

const SCRIPTS: &[u8] = b"/usr/share/postgresql-common/upgrade-scripts";

/// `pg_checksystem`: warns of disks that write late. An image has none.
///
/// # Errors
/// None.
pub fn check_system(_: &mut Process<'_>) -> Status {
    Ok(0)
}

/// `run-upgrade-scripts VERSION`: runs over all databases what the folder has, files named
/// `VERSION_NAME_SCOPE[.sql]`. For years there has been none.
///
/// # Errors
/// There is one.
pub fn run_scripts(process: &mut Process<'_>) -> Status {
    for name in names_in(process, SCRIPTS)? {
        let base = name.split(|b| *b == b'.').next().unwrap_or_default();
        if base.split(|b| *b == b'_').count() > 2 {
            let name = name.to_str_lossy().into_owned();
            return Err(process.unsupported(format!("the upgrade script {name}")));
        }
    }
    Ok(0)
}
