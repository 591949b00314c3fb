//! A signature with all that it takes to judge it, and the judgement.
//!
//! In come an envelope (DSSE, <https://github.com/secure-systems-lab/dsse>), a certificate and an
//! entry of a log; out comes who signed, and when. All of it has to hold: the chain to the trust
//! root at the time of the entry, the promise of the certificates' log, the signature, the log's
//! promise and proof, and that the entry is about this very envelope.

use crate::bytes::is_signed;
use crate::certificate::{Identity, Leaf};
use crate::certificate_log;
use crate::error::SigstoreError;
use crate::log_entry::LogEntry;
use crate::trust_root::TrustRoot;

/// The type of an envelope with an in-toto statement.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// What is signed, with its one signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// What the payload is, as a media type.
    pub payload_type: String,
    /// The bytes that are meant.
    pub payload: Vec<u8>,
    /// ECDSA, DER.
    pub signature: Vec<u8>,
}

impl Envelope {
    /// What is signed of it: DSSE's encoding before authentication.
    #[must_use]
    pub fn encoded(&self) -> Vec<u8> {
        let (kind, payload) = (&self.payload_type, &self.payload);
        let mut bytes = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
        bytes.extend_from_slice(payload);
        bytes
    }
}

/// A signature with all that it takes to judge it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// What is signed.
    pub envelope: Envelope,
    /// The signer's certificate, DER.
    pub certificate: Vec<u8>,
    /// The entry of the log of signatures.
    pub entry: LogEntry,
}

/// Who signed, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// What the certificate says of its holder.
    pub by: Identity,
    /// When the log took the entry, in seconds since the epoch.
    pub at: i64,
}

/// Judges a signature.
///
/// # Errors
/// The first that does not hold.
pub fn verify(bundle: &Bundle, root: &TrustRoot) -> Result<Signed, SigstoreError> {
    let leaf = Leaf::read(&bundle.certificate)?;
    let at = bundle.entry.promised(root)?;
    let issuer = leaf.issuer_key(root, at)?;
    certificate_log::check(&leaf, &issuer, root)?;
    let Envelope { signature, .. } = &bundle.envelope;
    if !is_signed(&leaf.key, &bundle.envelope.encoded(), signature) {
        return Err(SigstoreError::Signature);
    }
    bundle.entry.proved(root)?;
    bundle.entry.is_about(&bundle.envelope, &bundle.certificate)?;
    Ok(Signed { by: leaf.identity()?, at })
}
