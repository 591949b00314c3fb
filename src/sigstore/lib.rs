//! Signatures of Sigstore (<https://docs.sigstore.dev>): who signed a statement about files.
//!
//! In come bytes (a statement, its signature, a certificate that lived for minutes, the entry of
//! a public log) and a [`TrustRoot`]; out comes what the certificate says of its holder, or why it
//! is not believed. There is no clock in it: the time that counts is the one at which the log took
//! the entry, and the log signed that. Of the logs, those count that answer by a promise at once
//! (Rekor's first version); nothing is asked, so a run without a network judges as one with it.
//!
//! What signatures say of files, and whose they ought to be, is the caller's.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod bundle;
mod bytes;
mod certificate;
mod certificate_log;
mod error;
mod log_entry;
mod log_proof;
mod statement;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod trust_root;

pub use bundle::{Bundle, Envelope, IN_TOTO, Signed, verify};
pub use bytes::Base64;
pub use certificate::{Claim, Identity};
pub use error::SigstoreError;
pub use log_entry::LogEntry;
pub use statement::{Statement, Subject};
pub use trust_root::TrustRoot;
