//! What all package indexes share: fetching over HTTP or from files, a cache keyed by digest,
//! mirrors, signatures and freshness. In come URLs and expected digests; out go verified
//! bytes. This is the only room of the package side that touches the network.

pub mod access;
pub mod apk;
pub mod apk_keys;
pub mod apt;
mod apt_remedy;
pub mod cache;
mod checked;
pub mod cleartext;
pub mod fetch;
pub mod freshness;
pub mod keys;
pub mod leaving_out;
pub mod mirror;
mod parallel;
pub mod signature;
#[cfg(test)]
mod testing;

pub use cache::Cache;
pub use fetch::{FetchError, FetchOptions, Fetcher};
pub use mirror::Mirror;
pub use signature::Signer;

/// A repository that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// `http://deb.debian.org/debian bookworm`, `https://packages.wolfi.dev/os`.
    pub repository: String,
    /// When its index was made, as it says: `Date` of a Release file.
    pub date: Option<String>,
    pub signer: Signer,
}
