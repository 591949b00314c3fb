//! The commands that only Debian's maintainer scripts call, one file each, and the table of all
//! commands that such scripts may call.

use crate::scripts::{self, Table};

/// Every command for maintainer scripts of Debian packages.
#[must_use]
pub fn table() -> Table {
    Table::new().with(scripts::commands::COMMANDS)
}
