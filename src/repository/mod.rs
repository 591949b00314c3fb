//! What all package indexes share: fetching over HTTP or from files, a cache keyed by digest,
//! mirrors, signatures and freshness. In come URLs and expected digests; out go verified
//! bytes. This is the only room of the package side that touches the network.

pub mod apt;
pub mod cache;
pub mod cleartext;
pub mod fetch;
pub mod freshness;
pub mod keys;
pub mod mirror;
pub mod signature;
#[cfg(test)]
mod testing;

pub use cache::Cache;
pub use fetch::{FetchError, FetchOptions, Fetcher};
pub use mirror::Mirror;
