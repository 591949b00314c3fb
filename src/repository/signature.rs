//! OpenPGP verification of repository indexes, with gpgv's rules.
//!
//! In come the bytes of `InRelease` (clear-signed) or `Release` with `Release.gpg`
//! (detached), and the keyrings that the image, the user or this program trusts; out goes the
//! text that was signed, or the reason why it is not trusted. What stands outside the signed
//! part of a clear-signed file is never returned. RFC 9580; apt-secure(8), gpgv(1).

use bstr::ByteSlice as _;
use pgp::armor::Dearmor;
use pgp::composed::{Deserializable, DetachedSignature, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{
    Packet, PacketParser, Signature, SignatureType, SignatureVersion, SubpacketData,
};
use pgp::ser::Serialize;
use pgp::types::{KeyDetails, PublicParams, Tag, VerifyingKey};
use time::OffsetDateTime;

use super::cleartext::Cleartext;

/// The largest signed file or keyring, in bytes.
const MAX_SIGNED: usize = 16 << 20;

/// The most signatures looked at in one file.
const MAX_SIGNATURES: usize = 32;

/// The most packets read from one keyring.
const MAX_PACKETS: usize = 100_000;

/// The shortest RSA modulus accepted, in bits.
const MIN_RSA: u16 = 2048;

/// How far a signature may be in the future, in seconds (clocks differ).
const MAX_FUTURE: i64 = 24 * 3600;

/// Why signed data is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A keyring has no key that could count.
    #[error("keyring {name}: {why}")]
    Keyring {
        /// The keyring's file.
        name: String,
        /// What is wrong with it, for people.
        why: String,
    },
    /// There is no signature that can be read.
    #[error("{name} is not signed as expected: {why}")]
    Malformed {
        /// The signed file.
        name: String,
        /// What is wrong with it, for people.
        why: String,
    },
    /// All signatures are by keys that nobody here trusts (gpgv's `NO_PUBKEY`).
    #[error(
        "{name} is signed by {signers}, and none of these keys is in {keyrings}; give the \
         repository's key with --keyring FILE"
    )]
    NoKey {
        /// The signed file.
        name: String,
        /// Fingerprints or key ids, with commas between.
        signers: String,
        /// The keyrings that were asked, with commas between.
        keyrings: String,
    },
    /// A trusted key's signature does not fit the content, or may not count: revoked, expired, weak.
    #[error("{name}: {why}")]
    Bad {
        /// The signed file.
        name: String,
        /// Which key or signature, and what is wrong with it, for people.
        why: String,
    },
}

/// What may count in signatures and keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// SHA-1, in signatures over data.
    pub sha1: bool,
    /// DSA keys.
    pub dsa: bool,
    /// The form of signatures before RFC 2440 (version 3).
    pub old_format: bool,
    /// The shortest RSA modulus, in bits.
    pub min_rsa: u16,
    /// Whether a key counts that was valid when it signed, and has expired since.
    pub expired_since: bool,
}

impl Policy {
    /// gpgv's, for what is signed anew all the time: indexes of repositories.
    pub const INDEX: Self =
        Self { sha1: false, dsa: false, old_format: false, min_rsa: MIN_RSA, expired_since: false };
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
    /// The fingerprint of the certificate's primary key, in upper-case hexadecimal; of an apk
    /// key, the SHA-256 of its DER form.
    pub fingerprint: String,
    /// The certificate's first user id; the file name of an apk key.
    pub user_id: String,
    /// When the signature was made (of apk, which does not say: when the signed index was),
    /// seconds since the epoch.
    pub created: i64,
}

impl Keyring {
    /// Why certificates of this keyring cannot sign at a time, in seconds since the epoch; empty:
    /// all can.
    #[must_use]
    pub fn unusable(&self, now: i64) -> Vec<String> {
        self.certificates.iter().filter_map(|one| usable(one, now).err()).collect()
    }

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
            read_certificates(bytes, &mut certificates);
        } else {
            for block in armored_blocks(bytes, PUBLIC_KEY) {
                let mut armor = Dearmor::new(block);
                if armor.read_header().is_ok() {
                    read_certificates(std::io::BufReader::new(armor), &mut certificates);
                }
            }
        }
        if certificates.is_empty() {
            return Err(fail("no OpenPGP certificate in it"));
        }
        let mut keyring = Self { certificates: Vec::new(), names: vec![name.to_owned()] };
        certificates.into_iter().for_each(|certificate| keyring.add(certificate));
        Ok(keyring)
    }

    /// Adds the certificates of another keyring.
    pub fn extend(&mut self, other: Keyring) {
        other.certificates.into_iter().for_each(|certificate| self.add(certificate));
        self.names.extend(other.names);
    }

    /// Copies of one certificate become one, as when they are imported: what any of them says
    /// (revoked, expires later or sooner) counts for all.
    fn add(&mut self, new: SignedPublicKey) {
        let same = self.certificates.iter_mut().find(|have| have.primary_key == new.primary_key);
        let Some(have) = same else { return self.certificates.push(new) };
        let details = new.details;
        extend_new(&mut have.details.revocation_signatures, details.revocation_signatures);
        extend_new(&mut have.details.direct_signatures, details.direct_signatures);
        for user in details.users {
            match have.details.users.iter_mut().find(|one| one.id == user.id) {
                Some(one) => extend_new(&mut one.signatures, user.signatures),
                None => have.details.users.push(user),
            }
        }
        for subkey in new.public_subkeys {
            match have.public_subkeys.iter_mut().find(|one| one.key == subkey.key) {
                Some(one) => extend_new(&mut one.signatures, subkey.signatures),
                None => have.public_subkeys.push(subkey),
            }
        }
    }

    /// Whether it has no certificates, so that nothing can be verified.
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

fn extend_new<T: PartialEq>(have: &mut Vec<T>, more: Vec<T>) {
    for one in more {
        if !have.contains(&one) {
            have.push(one);
        }
    }
}

/// The certificates of a stream of packets. GnuPG's trust packets, which Ubuntu's keyrings
/// have, say nothing to others (RFC 9580, 5.10); packets and certificates that cannot be read
/// (version 3 keys) do not take away the others.
fn read_certificates(packets: impl std::io::BufRead, into: &mut Vec<SignedPublicKey>) {
    let mut whole: Vec<Vec<Packet>> = Vec::new();
    for packet in PacketParser::new(packets).take(MAX_PACKETS).filter_map(Result::ok) {
        match (&packet, whole.last_mut()) {
            (Packet::Trust(_), _) => {}
            (Packet::PublicKey(_), _) => whole.push(vec![packet]),
            (_, Some(certificate)) => certificate.push(packet),
            (_, None) => {}
        }
    }
    into.extend(whole.into_iter().filter_map(|packets| {
        let packets = packets.into_iter().map(Ok).peekable();
        SignedPublicKey::from_packets(packets).next()?.ok()
    }));
}

const PUBLIC_KEY: &[u8] = b"-----BEGIN PGP PUBLIC KEY BLOCK-----";
const SIGNATURE: &[u8] = b"-----BEGIN PGP SIGNATURE-----";

/// The armored blocks of a file, each from its `begin` line to the next.
fn armored_blocks<'a>(bytes: &'a [u8], begin: &[u8]) -> Vec<&'a [u8]> {
    let mut starts: Vec<usize> = bytes.find_iter(begin).take(1000).collect();
    starts.push(bytes.len());
    starts.windows(2).filter_map(|pair| bytes.get(*pair.first()?..*pair.last()?)).collect()
}

/// The signatures of a file: armored blocks, or binary packets.
fn read_signatures(bytes: &[u8]) -> Vec<DetachedSignature> {
    let mut out = Vec::new();
    let mut take = |parsed: pgp::errors::Result<_>| {
        if let Ok(parsed) = parsed {
            let parsed: Box<dyn Iterator<Item = pgp::errors::Result<DetachedSignature>> + '_> =
                parsed;
            out.extend(parsed.take(MAX_SIGNATURES).filter_map(Result::ok));
        }
    };
    if bytes.first().is_some_and(|first| first & 0x80 != 0) {
        take(DetachedSignature::from_bytes_many(bytes));
    } else {
        for block in armored_blocks(bytes, SIGNATURE) {
            take(DetachedSignature::from_armor_many(block).map(|(parsed, _)| parsed));
        }
    }
    out
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
    let split = Cleartext::split(bytes)
        .map_err(|why| malformed(format!("not a clear-signed OpenPGP message: {why}")))?;
    let parsed = read_signatures(split.signature);
    let signatures: Vec<&Signature> = parsed.iter().map(|one| &one.signature).collect();
    let signed = split.signed_octets();
    let signer = accept(name, &signed, &signatures, keyring, now, &Policy::INDEX)?;
    let text = String::from_utf8(split.text())
        .map_err(|_| malformed("the signed text is not UTF-8".to_owned()))?;
    Ok((text, signer))
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
    let parsed = read_signatures(signature);
    if parsed.is_empty() {
        return Err(malformed("there is no OpenPGP signature in its signature file".to_owned()));
    }
    let signatures: Vec<&Signature> = parsed.iter().map(|one| &one.signature).collect();
    accept(name, data, &signatures, keyring, now, &Policy::INDEX)
}

/// As [`verify_detached`], of a signature that is signed once and kept: of a package.
///
/// # Errors
/// Not a signature, or no signature by a key of `keyring` that `policy` accepts.
pub fn verify_by_policy(
    name: &str,
    data: &[u8],
    signature: &[u8],
    keyring: &Keyring,
    now: i64,
    policy: &Policy,
) -> Result<Signer, SignatureError> {
    let parsed = match signature.len() <= MAX_SIGNED {
        true => read_signatures(signature),
        false => Vec::new(),
    };
    let signatures: Vec<&Signature> = parsed.iter().map(|one| &one.signature).collect();
    accept(name, data, &signatures, keyring, now, policy)
}

/// One good signature is enough, unless another one, by a known key, does not fit the content:
/// then the content was changed, and nobody decides (gpgv's `BADSIG`).
fn accept(
    name: &str,
    data: &[u8],
    signatures: &[&Signature],
    keyring: &Keyring,
    now: i64,
    policy: &Policy,
) -> Result<Signer, SignatureError> {
    if signatures.is_empty() {
        let why = "it has no signature that can be read".to_owned();
        return Err(SignatureError::Malformed { name: name.to_owned(), why });
    }
    let bad = |why: String| SignatureError::Bad { name: name.to_owned(), why };
    let mut signer = None;
    let mut reasons = Vec::new();
    for signature in signatures.iter().take(MAX_SIGNATURES) {
        for certificate in &keyring.certificates {
            match check(data, signature, certificate, now, policy) {
                Some(Ok(())) => {
                    signer.get_or_insert_with(|| Signer {
                        fingerprint: fingerprint(certificate),
                        user_id: user_id(certificate),
                        created: created(signature).unwrap_or_default(),
                    });
                }
                Some(Err(Refusal::Changed(why))) => return Err(bad(why)),
                Some(Err(Refusal::Policy(why))) => reasons.push(why),
                None => {}
            }
        }
    }
    if let Some(signer) = signer {
        return Ok(signer);
    }
    if let Some(why) = reasons.into_iter().next() {
        return Err(bad(why));
    }
    let signers: Vec<String> = signatures.iter().map(|signature| issuer(signature)).collect();
    Err(SignatureError::NoKey {
        name: name.to_owned(),
        signers: signers.join(", "),
        keyrings: keyring.describe(),
    })
}

/// Why a signature by a known key does not count.
enum Refusal {
    /// It is not over this content.
    Changed(String),
    /// The key or the signature is not acceptable.
    Policy(String),
}

impl From<String> for Refusal {
    fn from(why: String) -> Self {
        Self::Policy(why)
    }
}

/// `None`: the signature is not by this certificate.
fn check(
    data: &[u8],
    signature: &Signature,
    certificate: &SignedPublicKey,
    now: i64,
    policy: &Policy,
) -> Option<Result<(), Refusal>> {
    // When keys have to be valid.
    let valid_at = match (policy.expired_since, created(signature)) {
        (true, Some(made)) => made.min(now),
        _ => now,
    };
    let primary = &certificate.primary_key;
    if by(signature, primary) {
        return Some(check_primary(data, signature, certificate, now, valid_at, policy));
    }
    let subkey = certificate.public_subkeys.iter().find(|subkey| by(signature, &subkey.key))?;
    let key = &subkey.key;
    let bound = usable(certificate, valid_at).and_then(|_| {
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
        not_expired(key, binding, valid_at)
    });
    let bound = bound.map_err(Refusal::from);
    Some(bound.and_then(|()| check_data(data, signature, key, now, policy)))
}

fn check_primary(
    data: &[u8],
    signature: &Signature,
    certificate: &SignedPublicKey,
    now: i64,
    valid_at: i64,
    policy: &Policy,
) -> Result<(), Refusal> {
    let own = usable(certificate, valid_at)?;
    let flags = own.key_flags();
    // a self-signature without key flags leaves every use open
    let any = flags.certify() || flags.sign() || flags.encrypt_comms() || flags.encrypt_storage();
    if any && !flags.sign() {
        let named = fingerprint(certificate);
        return Err(format!("the key {named} is not meant for signing").into());
    }
    check_data(data, signature, &certificate.primary_key, now, policy)
}

/// The newest valid self-signature of a certificate that is neither revoked nor expired.
fn usable(certificate: &SignedPublicKey, now: i64) -> Result<&Signature, String> {
    let primary = &certificate.primary_key;
    let details = &certificate.details;
    let named = format!("{} ({})", fingerprint(certificate), user_id(certificate));
    if details.revocation_signatures.iter().any(|one| one.verify_key(primary).is_ok()) {
        return Err(format!("the signing certificate {named} is revoked"));
    }
    let direct = details
        .direct_signatures
        .iter()
        .filter(|one| by(one, primary) && one.verify_key(primary).is_ok());
    let users = details.users.iter().filter_map(|user| {
        let newest = user
            .signatures
            .iter()
            .filter(|one| by(one, primary) && one.is_certification())
            .filter(|one| one.verify_certification(primary, Tag::UserId, &user.id).is_ok())
            .max_by_key(|one| created(one))?;
        // a user id that its owner has taken back says nothing any more
        (newest.typ() != Some(SignatureType::CertRevocation)).then_some(newest)
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
    key: &impl VerifyingKey,
    now: i64,
    policy: &Policy,
) -> Result<(), Refusal> {
    acceptable(signature, key, now, policy)?;
    signature.verify(key, data).map_err(|_| {
        let named = fingerprint(key);
        Refusal::Changed(format!(
            "the signature by {named} does not fit the content: it was changed"
        ))
    })
}

/// Whether a signature of this kind, by a key of this kind, made at this time, may count.
fn acceptable(
    signature: &Signature,
    key: &impl VerifyingKey,
    now: i64,
    policy: &Policy,
) -> Result<(), String> {
    let named = fingerprint(key);
    match signature.version() {
        SignatureVersion::V4 | SignatureVersion::V6 => {}
        SignatureVersion::V3 if policy.old_format => {}
        _ => return Err(format!("the signature by {named} has an old format")),
    }
    match signature.hash_alg() {
        Some(
            HashAlgorithm::Sha256
            | HashAlgorithm::Sha384
            | HashAlgorithm::Sha512
            | HashAlgorithm::Sha3_256
            | HashAlgorithm::Sha3_512,
        ) => {}
        Some(HashAlgorithm::Sha1) if policy.sha1 => {}
        other => {
            let hash = other.map_or_else(|| "an unknown hash".to_owned(), |h| h.to_string());
            return Err(format!("the signature by {named} uses {hash}, which is too weak"));
        }
    }
    match key.public_params() {
        PublicParams::RSA(_) if rsa_bits(key.public_params()) < policy.min_rsa => {
            let least = policy.min_rsa;
            return Err(format!("the RSA key {named} is shorter than {least} bits"));
        }
        PublicParams::DSA(_) if policy.dsa => {}
        PublicParams::DSA(_) | PublicParams::Elgamal(_) => {
            return Err(format!("the key {named} is of a kind that is too weak"));
        }
        _ => {}
    }
    if !matches!(signature.typ(), Some(SignatureType::Binary | SignatureType::Text)) {
        return Err(format!("the signature by {named} is not over a document"));
    }
    let made = created(signature).ok_or_else(|| format!("the signature by {named} has no date"))?;
    if made < i64::from(key.created_at().as_secs()) {
        return Err(format!("the signature by {named} is older than the key"));
    }
    if made > now + MAX_FUTURE {
        return Err(format!("the signature by {named} was made in the future ({})", date(made)));
    }
    if let Some(span) = signature.signature_expiration_time().map(|span| i64::from(span.as_secs()))
        && span > 0
        && made + span <= now
    {
        return Err(format!("the signature by {named} expired on {}", date(made + span)));
    }
    let unknown = signature.config().is_some_and(|config| {
        config.hashed_subpackets().any(|one| {
            one.is_critical
                && matches!(
                    one.data,
                    SubpacketData::Experimental(..)
                        | SubpacketData::Other(..)
                        | SubpacketData::Notation(..)
                )
        })
    });
    if unknown {
        return Err(format!("the signature by {named} has a critical part that is not known"));
    }
    Ok(())
}

/// The length of an RSA modulus: the first multiprecision integer begins with it.
fn rsa_bits(params: &PublicParams) -> u16 {
    let bytes = params.to_bytes().unwrap_or_default();
    match bytes.as_slice() {
        [high, low, ..] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    }
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
    use pgp::packet::RevocationCode;
    use proptest::prelude::*;

    use super::super::testing::{NOW, TestKey};
    use super::*;

    const TEXT: &str = "Origin: x\nDescription: a\n b\n- dashed\n";

    fn why(result: Result<impl std::fmt::Debug, SignatureError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_signature_by_a_trusted_key_gives_the_text_and_the_signer() {
        for key in [TestKey::new(1), TestKey::with_subkey(2)] {
            let signed = key.sign_inline(TEXT);
            let (text, signer) = verify_cleartext("R", &signed, &key.keyring(), NOW).unwrap();
            assert_eq!(text, TEXT);
            assert_eq!(signer.user_id, "Test <test@example.org>");
            assert_eq!(signer.created, NOW);
            for detached in [key.sign_detached(TEXT), key.sign_detached_armored(TEXT)] {
                let keyring = key.keyring();
                verify_detached("R", TEXT.as_bytes(), &detached, &keyring, NOW).unwrap();
                let other = verify_detached("R", b"Origin: y\n", &detached, &keyring, NOW);
                assert!(why(other).contains("it was changed"));
            }
        }
    }

    #[test]
    fn altered_text_is_refused() {
        let key = TestKey::new(1);
        let signed = String::from_utf8(key.sign_inline(TEXT)).unwrap();
        for (from, to) in [("Origin: x", "Origin: y"), (" b\n", " b\nSuite: y\n")] {
            let bad = signed.replacen(from, to, 1);
            let result = verify_cleartext("R", bad.as_bytes(), &key.keyring(), NOW);
            assert!(why(result).contains("it was changed"), "{bad}");
        }
        // Blanks at the ends of lines are not signed, and are not returned.
        let blanks = signed.replacen("Origin: x\n", "Origin: x  \t\r\n", 1);
        assert_eq!(verify_cleartext("R", blanks.as_bytes(), &key.keyring(), NOW).unwrap().0, TEXT);
    }

    #[test]
    fn text_outside_of_the_signed_part_is_refused() {
        let key = TestKey::new(1);
        let signed = String::from_utf8(key.sign_inline(TEXT)).unwrap();
        for bad in [format!("Suite: y\n{signed}"), format!("{signed}Suite: y\n")] {
            let result = verify_cleartext("R", bad.as_bytes(), &key.keyring(), NOW);
            assert!(why(result).contains("not a clear-signed OpenPGP message"), "{bad}");
        }
        let result = verify_cleartext("R", TEXT.as_bytes(), &key.keyring(), NOW);
        assert!(matches!(result, Err(SignatureError::Malformed { .. })));
    }

    #[test]
    fn a_key_that_is_not_in_the_keyring_is_named() {
        let key = TestKey::new(1);
        let result = verify_cleartext("R", &key.sign_inline(TEXT), &TestKey::new(2).keyring(), NOW);
        let message = why(result);
        assert!(message.contains(&key.fingerprint()) && message.contains("--keyring"), "{message}");
    }

    #[test]
    fn an_expired_key_is_refused_with_its_date_and_the_way_out() {
        let key = TestKey::new(1).expires(NOW + 10);
        let signed = key.sign_inline(TEXT);
        assert!(verify_cleartext("R", &signed, &key.keyring(), NOW).is_ok());
        let message = why(verify_cleartext("R", &signed, &key.keyring(), NOW + 10));
        assert!(message.contains("expired on 2026-11-2"), "{message}");
        assert!(message.contains(&key.fingerprint()) && message.contains("--keyring"), "{message}");
    }

    #[test]
    fn a_newer_copy_of_a_key_prolongs_it_and_a_revoked_one_ends_it() {
        let old = TestKey::new(1).expires(NOW - 10);
        let signed = old.sign_inline(TEXT);
        let mut keyring = old.keyring();
        assert!(verify_cleartext("R", &signed, &keyring, NOW).is_err());
        keyring.extend(old.clone().signed_again(NOW - 5).keyring());
        assert_eq!(keyring.len(), 1);
        assert!(verify_cleartext("R", &signed, &keyring, NOW).is_ok());
        keyring.extend(old.revoked(RevocationCode::KeyCompromised).keyring());
        assert!(why(verify_cleartext("R", &signed, &keyring, NOW)).contains("is revoked"));
    }

    #[test]
    fn a_subkey_counts_only_while_it_is_bound() {
        let key = TestKey::with_subkey(3);
        let signed = key.sign_inline(TEXT);
        let unbound = key.clone().without_back_signature();
        let message = why(verify_cleartext("R", &signed, &unbound.keyring(), NOW));
        assert!(message.contains("not meant for signing"), "{message}");
        let other = TestKey::new(4).with_subkey_of(&key);
        let message = why(verify_cleartext("R", &signed, &other.keyring(), NOW));
        assert!(message.contains("not bound"), "{message}");
    }

    #[test]
    fn weak_hashes_and_wrong_times_are_refused() {
        let key = TestKey::new(1);
        // The fourth octet of a version 4 signature packet's body names the hash.
        let mut weak = key.sign_detached(TEXT);
        assert_eq!((weak[2], weak[5]), (4, HashAlgorithm::Sha256.into()));
        weak[5] = HashAlgorithm::Sha1.into();
        let message = why(verify_detached("R", TEXT.as_bytes(), &weak, &key.keyring(), NOW));
        assert!(message.contains("SHA1, which is too weak"), "{message}");
        for (signed, at, want) in [
            (key.sign_inline_with(TEXT, HashAlgorithm::Sha256, NOW), NOW - 2 * 86400, "future"),
            (key.sign_inline_with(TEXT, HashAlgorithm::Sha256, 1000), NOW, "older than the key"),
        ] {
            let message = why(verify_cleartext("R", &signed, &key.keyring(), at));
            assert!(message.contains(want), "{message}");
        }
        let good = key.sign_inline_with(TEXT, HashAlgorithm::Sha512, NOW);
        assert!(verify_cleartext("R", &good, &key.keyring(), NOW).is_ok());
    }

    #[test]
    fn of_several_signatures_one_must_be_good_and_none_false() {
        let (a, b, c) = (TestKey::new(1), TestKey::new(2), TestKey::new(3));
        let both = [a.sign_detached(TEXT), b.sign_detached(TEXT)].concat();
        for key in [&a, &b] {
            verify_detached("R", TEXT.as_bytes(), &both, &key.keyring(), NOW).unwrap();
        }
        assert!(verify_detached("R", TEXT.as_bytes(), &both, &c.keyring(), NOW).is_err());
        let blocks = [a.sign_detached_armored(TEXT), b.sign_detached_armored(TEXT)].concat();
        verify_detached("R", TEXT.as_bytes(), &blocks, &b.keyring(), NOW).unwrap();
        let mut keyring = a.keyring();
        keyring.extend(b.keyring());
        let mixed = [a.sign_detached(TEXT), b.sign_detached("other")].concat();
        let result = verify_detached("R", TEXT.as_bytes(), &mixed, &keyring, NOW);
        assert!(why(result).contains("it was changed"));
    }

    #[test]
    fn keyrings_are_read_in_every_form() {
        let (a, b) = (TestKey::new(1), TestKey::with_subkey(2));
        let binary = [a.public_binary(), b.public_binary()].concat();
        let armored = [a.public_armored(), b.public_armored()].concat();
        for bytes in [&binary, &armored] {
            let keyring = Keyring::parse("k", bytes).unwrap();
            assert_eq!(keyring.len(), 2);
            let only = keyring.only(&[b.subkey_fingerprint() + "!"]);
            assert_eq!(only.len(), 1);
            assert!(verify_cleartext("R", &b.sign_inline(TEXT), &only, NOW).is_ok());
            assert!(verify_cleartext("R", &a.sign_inline(TEXT), &only, NOW).is_err());
        }
        for bytes in [&b""[..], b"hello", b"\x99\x01", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n"] {
            assert!(matches!(Keyring::parse("k", bytes), Err(SignatureError::Keyring { .. })));
        }
        let keybox = why(Keyring::parse("k", b"\0\0\0\x20\x01\x01\0\0KBXf\0\0"));
        assert!(keybox.contains("gpg --export"), "{keybox}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = Keyring::parse("k", &bytes);
            let keyring = Keyring::default();
            let _ = verify_detached("R", b"", &bytes, &keyring, NOW);
            let _ = verify_cleartext("R", &bytes, &keyring, NOW);
        }

        #[test]
        fn a_flipped_bit_is_never_accepted(at in 0usize..400, bit in 0u8..8) {
            let key = TestKey::new(1);
            let mut signed = key.sign_inline(TEXT);
            let at = at % signed.len();
            if let Some(byte) = signed.get_mut(at) {
                *byte ^= 1 << bit;
            }
            // The armor's blanks and headers may change without harm; the text may not.
            if let Ok((text, _)) = verify_cleartext("R", &signed, &key.keyring(), NOW) {
                prop_assert_eq!(text, TEXT);
            }
        }
    }
}
