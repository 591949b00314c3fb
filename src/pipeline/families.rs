//! The families of package managers that there are: one line each.

use crate::packages::{apk, dpkg};
pub use crate::repair::error::Cause;
pub use crate::repair::promise::broken;
pub use crate::repair::repairer::{Applied, Offers, Outcome, PackageManager, Workshop};
use crate::repository::checked::IdentityCheck;
use crate::rootfs::FileSystem;

/// How packages are checked that are known by their identity: apk's only.
pub const IDENTITY_CHECK: IdentityCheck = apk::archive_check::fits;

/// The package manager that an image has; `None` when it is none that is known.
///
/// # Errors
/// Its database is not understood.
pub fn open(fs: &dyn FileSystem) -> Result<Option<Box<dyn PackageManager>>, Cause> {
    if let Some(dpkg) = dpkg::repairer::Dpkg::open(fs)? {
        return Ok(Some(Box::new(dpkg)));
    }
    if let Some(apk) = apk::repairer::Apk::open(fs)? {
        return Ok(Some(Box::new(apk)));
    }
    Ok(None)
}
