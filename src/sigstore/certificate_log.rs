//! The log of certificates: its promise, in the certificate, to show that it was issued.
//!
//! In come a certificate and its issuer's key; out comes whether a known log signed the promise
//! (a *signed certificate timestamp*, RFC 6962, section 3.2), over the certificate without it. An
//! authority that issued a certificate unseen is found out by it.

use x509_cert::der::asn1::{ObjectIdentifier, OctetString};
use x509_cert::der::{Decode as _, Encode as _};

use crate::bytes::{is_signed, sha256};
use crate::certificate::Leaf;
use crate::error::SigstoreError;
use crate::trust_root::TrustRoot;

pub(crate) const PROMISES: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.4.2");

/// A promise as a certificate has it.
struct Promise<'a> {
    log: &'a [u8],
    /// In milliseconds since the epoch, as written.
    time: &'a [u8],
    extensions: &'a [u8],
    signature: &'a [u8],
}

/// Looks for the one promise of a certificate.
pub(crate) fn check(leaf: &Leaf, issuer: &[u8], root: &TrustRoot) -> Result<(), SigstoreError> {
    let wrong = |why: &str| SigstoreError::CertificateLog(why.to_owned());
    let found = leaf.extensions().find(|one| one.extn_id == PROMISES);
    let found = found.ok_or_else(|| wrong("it has no log's promise"))?;
    let list = OctetString::from_der(found.extn_value.as_bytes());
    let list = list.map_err(|error| SigstoreError::CertificateLog(error.to_string()))?;
    let promise = only(list.as_bytes()).ok_or_else(|| wrong("its promise cannot be read"))?;
    let mut log = root.certificate_logs.iter().filter(|log| log.id == promise.log);
    let log = log.next().ok_or_else(|| wrong("the log is not known"))?;
    let milliseconds = promise.time.iter().fold(0_u64, |all, byte| (all << 8) | u64::from(*byte));
    if !i64::try_from(milliseconds / 1000).is_ok_and(|time| log.period.has(time)) {
        return Err(wrong("the log did not count then"));
    }
    let mut body = leaf.certificate.tbs_certificate.clone();
    if let Some(extensions) = &mut body.extensions {
        extensions.retain(|one| one.extn_id != PROMISES);
    }
    let body = body.to_der();
    let body = body.map_err(|error| SigstoreError::CertificateLog(error.to_string()))?;
    let signed = signed(&promise, issuer, &body).ok_or_else(|| wrong("it is too large"))?;
    match is_signed(&log.key, &signed, promise.signature) {
        true => Ok(()),
        false => Err(wrong("the promise is of another certificate")),
    }
}

/// What a log signs: version 1, a time, an entry for a certificate before the promise was in it.
fn signed(promise: &Promise<'_>, issuer: &[u8], body: &[u8]) -> Option<Vec<u8>> {
    let [0, length @ ..] = u32::try_from(body.len()).ok()?.to_be_bytes() else { return None };
    let extensions = u16::try_from(promise.extensions.len()).ok()?.to_be_bytes();
    let issuer = sha256(&[issuer]);
    let parts: [&[u8]; 8] =
        [&[0, 0], promise.time, &[0, 1], &issuer, &length, body, &extensions, promise.extensions];
    Some(parts.concat())
}

/// The only promise of a list.
fn only(list: &[u8]) -> Option<Promise<'_>> {
    let list = whole(list)?;
    let promise = whole(list)?;
    let ([0], rest) = promise.split_at_checked(1)? else { return None };
    let (log, rest) = rest.split_at_checked(32)?;
    let (time, rest) = rest.split_at_checked(8)?;
    let (extensions, rest) = counted(rest)?;
    // SHA-256 and ECDSA
    let ([4, 3], rest) = rest.split_at_checked(2)? else { return None };
    let signature = whole(rest)?;
    Some(Promise { log, time, extensions, signature })
}

/// Bytes behind their count, and what follows.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (count, rest) = bytes.split_at_checked(2)?;
    let count = u16::from_be_bytes(count.try_into().ok()?);
    rest.split_at_checked(usize::from(count))
}

/// Bytes behind their count, which nothing follows.
fn whole(bytes: &[u8]) -> Option<&[u8]> {
    let (bytes, rest) = counted(bytes)?;
    rest.is_empty().then_some(bytes)
}
