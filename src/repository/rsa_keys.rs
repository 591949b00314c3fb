//! Public RSA keys by name, as apk's repositories are signed with.
//!
//! In come PEM files with their names; out comes an [`RsaKeyring`], whose keys tell whether a
//! signature (PKCS #1 v1.5) is theirs. Source: apk-keys(5).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rsa::RsaPublicKey;
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::pkcs8::DecodePublicKey as _;
use rsa::signature::Verifier as _;
use rsa::traits::PublicKeyParts as _;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};

/// The smallest keys that count, in bits: `abuild-keygen` never made smaller ones.
const MIN_BITS: usize = 2048;
/// The most keys of a keyring.
const MAX_KEYS: usize = 1000;

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("key {name}: {why}")]
pub struct KeyError {
    /// The name of the key's file.
    pub name: String,
    /// What is wrong with it, for people.
    pub why: String,
}

/// Public RSA keys by name: the name of the key's file, which signatures refer to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RsaKeyring {
    keys: BTreeMap<String, RsaKey>,
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RsaKey {
    public: RsaPublicKey,
    /// SHA-256 of the DER form, in upper-case hexadecimal.
    fingerprint: String,
}

impl RsaKeyring {
    /// Whether a key file is one of these: PEM of a public key. OpenPGP keyrings are not.
    #[must_use]
    pub fn is_key(bytes: &[u8]) -> bool {
        std::str::from_utf8(bytes).is_ok_and(|text| text.contains(BEGIN))
    }

    /// Adds a key: a PEM file (`-----BEGIN PUBLIC KEY-----`) under its name.
    ///
    /// # Errors
    /// Not an RSA key of at least 2048 bits.
    pub fn insert(&mut self, name: &str, pem: &[u8]) -> Result<(), KeyError> {
        let fail = |why: &str| KeyError { name: name.to_owned(), why: why.to_owned() };
        if self.keys.len() >= MAX_KEYS {
            return Err(fail("too many keys"));
        }
        let der = der(pem).ok_or_else(|| fail("not a PEM file with a public key"))?;
        let public = RsaPublicKey::from_public_key_der(&der)
            .map_err(|error| fail(&format!("not an RSA key: {error}")))?;
        if public.n().bits() < MIN_BITS {
            return Err(fail(&format!("it has fewer than {MIN_BITS} bits")));
        }
        let fingerprint = Sha256::digest(&der).iter().map(|b| format!("{b:02X}")).collect();
        self.keys.insert(name.to_owned(), RsaKey { public, fingerprint });
        Ok(())
    }

    /// Adds the keys of another keyring whose names are not taken.
    pub fn extend(&mut self, other: Self) {
        for (name, key) in other.keys {
            self.keys.entry(name).or_insert(key);
        }
    }

    /// The key of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&RsaKey> {
        self.keys.get(name)
    }

    /// Whether it has no keys, so that nothing can be verified.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The keys' names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }
}

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";

/// The DER form in a PEM file, with whatever text around it, as OpenSSL reads it.
fn der(pem: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(pem).ok()?;
    let (_, rest) = text.split_once(BEGIN)?;
    let (inside, _) = rest.split_once(END)?;
    let letters: String = inside.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(letters).ok()
}

/// Which hash a signature is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// `.SIGN.RSA.NAME` in an archive of apk, as Alpine signs.
    Sha1,
    /// `.SIGN.RSA256.NAME`.
    Sha256,
    /// `.SIGN.RSA512.NAME`.
    Sha512,
}

impl RsaKey {
    /// SHA-256 of the DER form, in upper-case hexadecimal.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Whether `signature` is this key's, over the hash of `content`.
    #[must_use]
    pub fn verifies(&self, hash: Hash, content: &[u8], signature: &[u8]) -> bool {
        let Ok(signature) = Signature::try_from(signature) else { return false };
        let key = self.public.clone();
        match hash {
            Hash::Sha1 => VerifyingKey::<Sha1>::new(key).verify(content, &signature).is_ok(),
            Hash::Sha256 => VerifyingKey::<Sha256>::new(key).verify(content, &signature).is_ok(),
            Hash::Sha512 => VerifyingKey::<Sha512>::new(key).verify(content, &signature).is_ok(),
        }
    }
}
