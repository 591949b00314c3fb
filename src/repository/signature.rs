//! OpenPGP verification of repository indexes, with gpgv's rules.
//!
//! In come the bytes of `InRelease` (clear-signed) or `Release` with `Release.gpg`
//! (detached), and the keyrings that the image, the user or this program trusts; out goes the
//! text that was signed, or the reason why it is not trusted. What stands outside the signed
//! part of a clear-signed file is never returned. RFC 9580; apt-secure(8), gpgv(1).

use pgp::composed::{CleartextSignedMessage, Deserializable, DetachedSignature, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::ser::Serialize;
use pgp::types::{KeyDetails, PublicParams, Tag, VerifyingKey};
use time::OffsetDateTime;

/// The largest signed file or keyring, in bytes.
pub const MAX_SIGNED: usize = 16 << 20;

/// The most signatures looked at in one file.
const MAX_SIGNATURES: usize = 32;

/// The shortest RSA modulus accepted, in bytes (2048 bits).
const MIN_RSA: usize = 256;

/// How far a signature may be in the future, in seconds (clocks differ).
const MAX_FUTURE: i64 = 24 * 3600;

/// Why signed data is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("keyring {name}: {why}")]
    Keyring { name: String, why: String },
    #[error("{name} is not signed as expected: {why}")]
    Malformed { name: String, why: String },
    #[error(
        "{name} is signed by {signers}, and none of these keys is in {keyrings}; give the \
         repository's key with --keyring FILE"
    )]
    NoKey { name: String, signers: String, keyrings: String },
    #[error("{name}: {why}")]
    Bad { name: String, why: String },
}

/// Public keys that may sign, from one or several files.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    certificates: Vec<SignedPublicKey>,
    names: Vec<String>,
}

/// Who signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The fingerprint of the certificate's primary key, in upper-case hexadecimal.
    pub fingerprint: String,
    /// The certificate's first user id.
    pub user_id: String,
    /// When the signature was made, seconds since the epoch.
    pub created: i64,
}

impl Keyring {
    /// Reads a keyring: one or many certificates, binary (`.gpg`) or armored (`.asc`, several
    /// blocks too).
    ///
    /// # Errors
    /// No certificate in it, or not OpenPGP. GnuPG's keybox format is not: the message says
    /// how to export it.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, SignatureError> {
        let fail =
            |why: &str| SignatureError::Keyring { name: name.to_owned(), why: why.to_owned() };
        if bytes.len() > MAX_SIGNED {
            return Err(fail("too large for a keyring"));
        }
        if bytes.get(8..12) == Some(b"KBXf") {
            return Err(fail(
                "GnuPG keybox files are not supported; export the keys with 'gpg --export'",
            ));
        }
        let mut certificates = Vec::new();
        if bytes.first().is_some_and(|first| first & 0x80 != 0) {
            read_certificates(SignedPublicKey::from_bytes_many(bytes), &mut certificates);
        } else {
            for block in armored_blocks(bytes) {
                let parsed = SignedPublicKey::from_armor_many(block).map(|(keys, _)| keys);
                read_certificates(parsed, &mut certificates);
            }
        }
        if certificates.is_empty() {
            return Err(fail("no OpenPGP certificate in it"));
        }
        Ok(Self { certificates, names: vec![name.to_owned()] })
    }

    /// Adds the certificates of another keyring.
    pub fn extend(&mut self, other: Keyring) {
        self.certificates.extend(other.certificates);
        self.names.extend(other.names);
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }

    /// Number of certificates.
    #[must_use]
    pub fn len(&self) -> usize {
        self.certificates.len()
    }

    /// Keeps only certificates that have one of these fingerprints, of the primary key or of
    /// a subkey (sources.list's `Signed-By: FINGERPRINT`; a final `!` is taken off).
    #[must_use]
    pub fn only(mut self, fingerprints: &[String]) -> Self {
        let wanted: Vec<String> =
            fingerprints.iter().map(|text| text.trim_end_matches('!').to_uppercase()).collect();
        self.certificates.retain(|certificate| {
            let mut all = vec![fingerprint(certificate)];
            all.extend(certificate.public_subkeys.iter().map(|subkey| fingerprint(&subkey.key)));
            all.iter().any(|have| wanted.contains(have))
        });
        self
    }

    fn describe(&self) -> String {
        match self.names.as_slice() {
            [] => "the empty keyring".to_owned(),
            names => names.join(", "),
        }
    }
}

/// Some packets of an old keyring may be unreadable (version 3 keys): the others still count.
fn read_certificates<'a>(
    parsed: pgp::errors::Result<
        Box<dyn Iterator<Item = pgp::errors::Result<SignedPublicKey>> + 'a>,
    >,
    into: &mut Vec<SignedPublicKey>,
) {
    if let Ok(parsed) = parsed {
        into.extend(parsed.take(10_000).filter_map(Result::ok));
    }
}

fn armored_blocks(bytes: &[u8]) -> Vec<&[u8]> {
    const BEGIN: &[u8] = b"-----BEGIN PGP PUBLIC KEY BLOCK-----";
    let mut starts: Vec<usize> = bytes
        .windows(BEGIN.len())
        .enumerate()
        .filter(|(_, window)| *window == BEGIN)
        .map(|(at, _)| at)
        .take(1000)
        .collect();
    starts.push(bytes.len());
    starts.windows(2).filter_map(|pair| bytes.get(pair[0]..pair[1])).collect()
}

/// Verifies a clear-signed file and returns the text that was signed, its lines ending in
/// `\n`.
///
/// # Errors
/// Not clear-signed, or no acceptable signature by a key of `keyring`.
pub fn verify_cleartext(
    name: &str,
    bytes: &[u8],
    keyring: &Keyring,
    now: i64,
) -> Result<(String, Signer), SignatureError> {
    let malformed = |why: String| SignatureError::Malformed { name: name.to_owned(), why };
    if bytes.len() > MAX_SIGNED {
        return Err(malformed("too large".to_owned()));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| malformed(error.to_string()))?;
    let (message, _) = CleartextSignedMessage::from_string(text)
        .map_err(|error| malformed(format!("not a clear-signed OpenPGP message ({error})")))?;
    let signed = message.signed_text();
    let signatures: Vec<&Signature> = message.signatures().iter().collect();
    let signer = accept(name, signed.as_bytes(), &signatures, keyring, now)?;
    Ok((signed.replace("\r\n", "\n"), signer))
}

/// Verifies a detached signature, armored or binary, over `data`.
///
/// # Errors
/// Not a signature, or no acceptable signature by a key of `keyring`.
pub fn verify_detached(
    name: &str,
    data: &[u8],
    signature: &[u8],
    keyring: &Keyring,
    now: i64,
) -> Result<Signer, SignatureError> {
    let malformed = |why: String| SignatureError::Malformed { name: name.to_owned(), why };
    if signature.len() > MAX_SIGNED {
        return Err(malformed("the signature is too large".to_owned()));
    }
    let (parsed, _) = DetachedSignature::from_reader_many(signature)
        .map_err(|error| malformed(format!("not an OpenPGP signature ({error})")))?;
    let parsed: Vec<DetachedSignature> =
        parsed.take(MAX_SIGNATURES).filter_map(Result::ok).collect();
    let signatures: Vec<&Signature> = parsed.iter().map(|one| &one.signature).collect();
    accept(name, data, &signatures, keyring, now)
}

/// The first signature that holds decides; when none does, the most telling reason.
fn accept(
    name: &str,
    data: &[u8],
    signatures: &[&Signature],
    keyring: &Keyring,
    now: i64,
) -> Result<Signer, SignatureError> {
    if signatures.is_empty() {
        let why = "it has no signature".to_owned();
        return Err(SignatureError::Malformed { name: name.to_owned(), why });
    }
    let mut reasons = Vec::new();
    for signature in signatures.iter().take(MAX_SIGNATURES) {
        for certificate in &keyring.certificates {
            match check(data, signature, certificate, now) {
                Some(Ok(())) => {
                    return Ok(Signer {
                        fingerprint: fingerprint(certificate),
                        user_id: user_id(certificate),
                        created: created(signature).unwrap_or_default(),
                    });
                }
                Some(Err(why)) => reasons.push(why),
                None => {}
            }
        }
    }
    if let Some(why) = reasons.into_iter().next() {
        return Err(SignatureError::Bad { name: name.to_owned(), why });
    }
    let signers: Vec<String> = signatures.iter().map(|signature| issuer(signature)).collect();
    Err(SignatureError::NoKey {
        name: name.to_owned(),
        signers: signers.join(", "),
        keyrings: keyring.describe(),
    })
}

/// `None`: the signature is not by this certificate.
fn check(
    data: &[u8],
    signature: &Signature,
    certificate: &SignedPublicKey,
    now: i64,
) -> Option<Result<(), String>> {
    let primary = &certificate.primary_key;
    if by(signature, primary) {
        return Some(check_primary(data, signature, certificate, now));
    }
    let subkey = certificate.public_subkeys.iter().find(|subkey| by(signature, &subkey.key))?;
    let whole = usable(certificate, now).and_then(|_| {
        let key = &subkey.key;
        let named = fingerprint(key);
        let valid = |one: &&Signature| one.verify_subkey_binding(primary, key).is_ok();
        let of_type =
            |typ| subkey.signatures.iter().filter(move |one| one.typ() == Some(typ)).filter(valid);
        if of_type(SignatureType::SubkeyRevocation).next().is_some() {
            return Err(format!("the signing key {named} is revoked"));
        }
        let binding = of_type(SignatureType::SubkeyBinding)
            .max_by_key(|one| created(one))
            .ok_or_else(|| format!("the signing key {named} is not bound to its certificate"))?;
        let back = binding
            .embedded_signature()
            .is_some_and(|back| back.verify_primary_key_binding(key, primary).is_ok());
        if !binding.key_flags().sign() || !back {
            return Err(format!("the key {named} is not meant for signing"));
        }
        not_expired(key, binding, now)?;
        check_data(data, signature, key, now)
    });
    Some(whole)
}

fn check_primary(
    data: &[u8],
    signature: &Signature,
    certificate: &SignedPublicKey,
    now: i64,
) -> Result<(), String> {
    let own = usable(certificate, now)?;
    let flags = own.key_flags();
    // a self-signature without key flags leaves every use open
    let any = flags.certify() || flags.sign() || flags.encrypt_comms() || flags.encrypt_storage();
    if any && !flags.sign() {
        let named = fingerprint(certificate);
        return Err(format!("the key {named} is not meant for signing"));
    }
    check_data(data, signature, &certificate.primary_key, now)
}

/// The newest valid self-signature of a certificate that is neither revoked nor expired.
fn usable(certificate: &SignedPublicKey, now: i64) -> Result<&Signature, String> {
    let primary = &certificate.primary_key;
    let details = &certificate.details;
    let named = format!("{} ({})", fingerprint(certificate), user_id(certificate));
    if details.revocation_signatures.iter().any(|one| one.verify_key(primary).is_ok()) {
        return Err(format!("the signing certificate {named} is revoked"));
    }
    let direct = details.direct_signatures.iter().filter(|one| one.verify_key(primary).is_ok());
    let users = details.users.iter().flat_map(|user| {
        user.signatures.iter().filter(|one| {
            one.is_certification()
                && one.verify_certification(primary, Tag::UserId, &user.id).is_ok()
        })
    });
    let own = direct
        .chain(users)
        .max_by_key(|one| created(one))
        .ok_or_else(|| format!("the certificate {named} has no valid self-signature"))?;
    not_expired(primary, own, now)?;
    Ok(own)
}

fn not_expired(key: &impl KeyDetails, binding: &Signature, now: i64) -> Result<(), String> {
    let Some(lifetime) = binding.key_expiration_time().map(|span| i64::from(span.as_secs())) else {
        return Ok(());
    };
    let end = i64::from(key.created_at().as_secs()) + lifetime;
    if lifetime > 0 && end <= now {
        return Err(format!(
            "the signing key {} expired on {}; give a newer keyring with --keyring FILE",
            fingerprint(key),
            date(end)
        ));
    }
    Ok(())
}

fn check_data(
    data: &[u8],
    signature: &Signature,
    key: &(impl VerifyingKey + KeyDetails),
    now: i64,
) -> Result<(), String> {
    let named = fingerprint(key);
    match signature.hash_alg() {
        Some(
            HashAlgorithm::Sha256
            | HashAlgorithm::Sha384
            | HashAlgorithm::Sha512
            | HashAlgorithm::Sha3_256
            | HashAlgorithm::Sha3_512,
        ) => {}
        other => {
            let hash = other.map_or_else(|| "an unknown hash".to_owned(), |h| h.to_string());
            return Err(format!("the signature by {named} uses {hash}, which is too weak"));
        }
    }
    match key.public_params() {
        PublicParams::RSA(_) if key.public_params().write_len() < MIN_RSA => {
            return Err(format!("the RSA key {named} is shorter than 2048 bits"));
        }
        PublicParams::DSA(_) | PublicParams::Elgamal(_) => {
            return Err(format!("the key {named} is of a kind that is too weak"));
        }
        _ => {}
    }
    if !matches!(signature.typ(), Some(SignatureType::Binary | SignatureType::Text)) {
        return Err(format!("the signature by {named} is not over a document"));
    }
    let made = created(signature).ok_or_else(|| format!("the signature by {named} has no date"))?;
    if made > now + MAX_FUTURE {
        return Err(format!("the signature by {named} was made in the future ({})", date(made)));
    }
    if let Some(span) = signature.signature_expiration_time().map(|span| i64::from(span.as_secs()))
        && span > 0
        && made + span <= now
    {
        return Err(format!("the signature by {named} expired on {}", date(made + span)));
    }
    signature
        .verify(key, data)
        .map_err(|_| format!("the signature by {named} does not fit the content: it was changed"))
}

/// Whether the signature names this key as its issuer.
fn by(signature: &Signature, key: &impl KeyDetails) -> bool {
    let fingerprints = signature.issuer_fingerprint();
    if fingerprints.is_empty() {
        let id = key.legacy_key_id();
        return signature.issuer_key_id().iter().any(|issuer| **issuer == id);
    }
    fingerprints.iter().any(|issuer| **issuer == key.fingerprint())
}

fn issuer(signature: &Signature) -> String {
    let fingerprints = signature.issuer_fingerprint();
    match (fingerprints.first(), signature.issuer_key_id().first()) {
        (Some(fingerprint), _) => fingerprint.to_string().to_uppercase(),
        (None, Some(id)) => id.to_string().to_uppercase(),
        (None, None) => "an unnamed key".to_owned(),
    }
}

fn created(signature: &Signature) -> Option<i64> {
    signature.created().map(|at| i64::from(at.as_secs()))
}

fn fingerprint(key: &impl KeyDetails) -> String {
    key.fingerprint().to_string().to_uppercase()
}

fn user_id(certificate: &SignedPublicKey) -> String {
    certificate
        .details
        .users
        .first()
        .map(|user| String::from_utf8_lossy(user.id.id()).into_owned())
        .unwrap_or_default()
}

fn date(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds)
        .map_or_else(|_| seconds.to_string(), |at| at.date().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyring_must_have_certificates() {
        for bytes in [&b""[..], b"hello", b"\x99\x01", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n"] {
            assert!(matches!(Keyring::parse("k", bytes), Err(SignatureError::Keyring { .. })));
        }
    }

    #[test]
    fn unsigned_text_is_refused() {
        let error = verify_cleartext("InRelease", b"Origin: x\n", &Keyring::default(), 0);
        assert!(matches!(error, Err(SignatureError::Malformed { .. })));
    }
}
