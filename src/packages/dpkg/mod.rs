//! Debian and Ubuntu: dpkg databases, .deb archives, apt repositories.

pub mod control;
pub mod distroless;
pub mod inventory;
pub mod preferences;
pub mod relations;
pub mod solve;
pub mod version;

pub use version::{Version, VersionError};
