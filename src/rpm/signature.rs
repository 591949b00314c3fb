//! Signatures of packages: OpenPGP, over the header, or over header and payload.
//!
//! In come a package's signature header, the signed bytes and the keys that count; out goes who
//! signed. A signature over the header is enough: it has the digest of each file, and since rpm 4.14
//! that of the payload, and [`unpack`](crate::archive::unpack) takes nothing from a payload that
//! they do not cover. A package of a database can be verified again, since it keeps its
//! signatures. Source: rpm `lib/rpmvs.cc`,
//! `lib/signature.cc`.
//!
//! What counts follows the distribution's own rpm ([`policy`]): Enterprise Linux up to 8, Amazon
//! Linux 2 and SUSE Linux Enterprise up to 12 have vendors' packages signed by SHA-1 and DSA, and
//! their rpm takes them. Enterprise Linux 9 and everything newer refuses them, so they are refused
//! there, too. Never counted is MD5. Signatures of version 3 count everywhere: Red Hat and SUSE
//! sign so to this day, with SHA-256. A key that has expired since it signed counts, as for rpm:
//! packages are signed once, and stay in repositories for years.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use imgfix_repository::signature::{Keyring, Policy, SignatureError, Signer, verify_by_policy};

use crate::archive::Headers;
use crate::header::{Header, tag};
use crate::package::Package;

/// What the rpm of a distribution takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// Enterprise Linux up to 8, Amazon Linux 2, SUSE Linux Enterprise up to 12: SHA-1, DSA and
    /// RSA keys of 1024 bits count.
    Old,
    /// Everything newer.
    New,
}

/// What counts in an era.
#[must_use]
pub fn policy(era: Era) -> Policy {
    match era {
        Era::Old => {
            Policy { sha1: true, dsa: true, old_format: true, min_rsa: 1024, expired_since: true }
        }
        Era::New => Policy { old_format: true, expired_since: true, ..Policy::INDEX },
    }
}

/// What a signature is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    /// The header: the payload by its digest in the header, where it has one.
    Header,
    /// Header and payload.
    HeaderAndPayload,
}

/// A good signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Who signed.
    pub signer: Signer,
    /// What.
    pub signed: Signed,
}

/// The most signatures of a package that are looked at.
const MAX_SIGNATURES: usize = 16;

/// Verifies the signature over the header: of an archive with its own signature header, of a
/// package in a database with the package's header for both.
///
/// # Errors
/// There is none, or none by a key of `keyring` that counts in this era, or it does not fit.
pub fn verify_header(
    signatures: &Header,
    package: &Package,
    keyring: &Keyring,
    era: Era,
    now: i64,
) -> Result<Verified, SignatureError> {
    let name = package.label();
    let mut all: Vec<Vec<u8>> =
        signatures.strings(tag::OPENPGP).take(MAX_SIGNATURES).filter_map(decoded).collect();
    let binary = [tag::RSAHEADER, tag::DSAHEADER].into_iter();
    all.extend(binary.filter_map(|tag| signatures.bin(tag)).map(<[u8]>::to_vec));
    let signed = package.header().as_in_archive();
    verify_any(&name, &signed, &all, keyring, era, now)
        .map(|signer| Verified { signer, signed: Signed::Header })
}

/// Verifies the signature of an archive: over the header, where there is one; otherwise over
/// header and payload, as packages of rpm 3 and 4.0 have it. `payload` is what follows the header.
///
/// # Errors
/// As [`verify_header`].
pub fn verify_archive(
    headers: &Headers,
    payload: &[u8],
    keyring: &Keyring,
    era: Era,
    now: i64,
) -> Result<Verified, SignatureError> {
    let Headers { signature, package } = headers;
    if [tag::OPENPGP, tag::RSAHEADER, tag::DSAHEADER].into_iter().any(|tag| signature.has(tag)) {
        return verify_header(signature, package, keyring, era, now);
    }
    let old = [tag::signature::PGP, tag::signature::GPG];
    let all: Vec<Vec<u8>> =
        old.into_iter().filter_map(|tag| signature.bin(tag)).map(<[u8]>::to_vec).collect();
    let signed = [&package.header().as_in_archive(), payload].concat();
    verify_any(&package.label(), &signed, &all, keyring, era, now)
        .map(|signer| Verified { signer, signed: Signed::HeaderAndPayload })
}

/// One good signature is enough, unless another one by a known key does not fit.
fn verify_any(
    name: &str,
    signed: &[u8],
    signatures: &[Vec<u8>],
    keyring: &Keyring,
    era: Era,
    now: i64,
) -> Result<Signer, SignatureError> {
    verify_by_policy(name, signed, &signatures.concat(), keyring, now, &policy(era))
}

/// Signatures of rpm 6 are base64.
fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let letters: Vec<u8> = text.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    STANDARD.decode(letters).ok()
}

/// The keys that somebody imported into an image's database: packages of the name `gpg-pubkey`,
/// whose description is the armored key.
///
/// # Errors
/// The package has no key that can be read.
pub fn imported_key(package: &Package) -> Result<Keyring, SignatureError> {
    let armored = package.header().string(tag::DESCRIPTION).unwrap_or_default();
    Keyring::parse(&package.label(), armored)
}

#[cfg(test)]
mod tests;
