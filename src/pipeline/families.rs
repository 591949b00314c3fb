//! The families of package managers that there are: one line each.

pub use imgfix_repair::error::Cause;
pub use imgfix_repair::promise::broken;
pub use imgfix_repair::repairer::{Applied, Offers, Outcome, PackageManager, Workshop};
use imgfix_repository::checked::IdentityCheck;
use imgfix_vfs::FileSystem;

/// How packages are checked that are known by their identity: apk's only.
pub const IDENTITY_CHECK: IdentityCheck = imgfix_apk::archive_check::fits;

/// The package manager that an image has; `None` when it is none that is known.
///
/// # Errors
/// Its database is not understood.
pub fn open(fs: &dyn FileSystem) -> Result<Option<Box<dyn PackageManager>>, Cause> {
    if let Some(dpkg) = imgfix_apt::repairer::Dpkg::open(fs)? {
        return Ok(Some(Box::new(dpkg)));
    }
    if let Some(apk) = imgfix_apk::repairer::Apk::open(fs)? {
        return Ok(Some(Box::new(apk)));
    }
    Ok(None)
}
