//! Alpine, Wolfi and Chainguard: apk databases, .apk archives, APKINDEX repositories.

pub mod version;

pub use version::Version;
