//! Alpine, Wolfi and Chainguard: apk databases, .apk archives, APKINDEX repositories.

pub mod commands;
pub mod dependency;
pub mod identity;
pub mod record;
pub mod version;

pub use version::Version;
