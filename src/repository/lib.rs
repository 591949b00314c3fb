//! What all package indexes share: fetching over HTTP or from files, a cache keyed by digest,
//! mirrors, signatures and freshness. In come URLs and expected digests; out go verified
//! bytes. This is the only room of the package side that touches the network.

#![cfg_attr(not(any(test, feature = "testing")), warn(clippy::disallowed_methods))]

pub mod access;
pub mod auth_conf;
pub mod cache;
pub mod cache_key;
pub mod checked;
pub mod cleartext;
mod clients;
pub mod config_text;
pub mod content_hash;
pub mod date;
pub mod fetch;
pub mod freshness;
pub mod leaving_out;
pub mod mirror;
pub mod newest;
pub mod registries;
pub mod repository_url;
mod request;
pub mod rsa_keys;
pub mod signature;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod upkeep;

pub use cache::{Cache, CacheError};
pub use cache_key::CacheKey;
pub use clients::ClientCertificate;
pub use content_hash::ContentHash;
pub use fetch::{FetchError, FetchOptions, Fetcher, Hashed, Kept};
pub use mirror::Mirror;
pub use signature::Signer;

/// A repository that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// `http://deb.debian.org/debian bookworm`, `https://packages.wolfi.dev/os`.
    pub repository: String,
    /// When its index was made, in the index's own words (`Date` of a Release file); `None` when
    /// it has none.
    pub date: Option<String>,
    /// The same in seconds since the epoch.
    pub made: i64,
    /// Whose signature over the index counted; `None`: it has none, and each package's own
    /// counts (rpm's).
    pub signer: Option<Signer>,
}
