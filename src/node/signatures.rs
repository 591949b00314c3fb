//! Signatures of a registry over what it has: npm's ECDSA signatures of `NAME@VERSION:INTEGRITY`
//! (<https://docs.npmjs.com/about-registry-signatures>).
//!
//! In come the registry's keys (`-/npm/v1/keys`) and a version's `dist.signatures`; out comes the
//! id of a key that signed it, or why there is none. The curve is P-256, the hash SHA-256, the
//! signature DER in Base64, the key a `SubjectPublicKeyInfo` in Base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{DerSignature, VerifyingKey};
use p256::pkcs8::DecodePublicKey as _;
use serde::Deserialize;
use serde_json::Value;

/// Where a registry has its keys, below its base.
pub const KEYS: &str = "-/npm/v1/keys";

/// The largest list of keys that is read, in bytes.
pub const MAX_KEYS: u64 = 1 << 20;

/// How many signatures of one version are looked at.
const MAX_SIGNATURES: usize = 16;

/// A signature as a registry lists it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Signature {
    /// Which key made it: `SHA256:…`.
    pub keyid: String,
    /// DER in Base64.
    pub sig: String,
}

impl Signature {
    /// Those of `dist.signatures`; what has another form is none.
    #[must_use]
    pub fn all(listed: &Value) -> Vec<Self> {
        let Some(listed) = listed.as_array() else { return Vec::new() };
        #[allow(clippy::disallowed_methods, reason = "a value that was read already")]
        let one = |value: &Value| Self::deserialize(value).ok();
        listed.iter().take(MAX_SIGNATURES).filter_map(one).collect()
    }
}

/// A key of a registry.
struct Key {
    id: String,
    key: VerifyingKey,
    /// When it ceased to count, as the registry writes it.
    expires: Option<String>,
}

/// The keys of a registry.
#[derive(Default)]
pub struct Keys(Vec<Key>);

#[derive(Deserialize)]
struct Listed {
    #[serde(default)]
    keys: Vec<ListedKey>,
}

#[derive(Deserialize)]
struct ListedKey {
    keyid: String,
    key: String,
    #[serde(default)]
    keytype: String,
    #[serde(default)]
    expires: Option<String>,
}

impl Keys {
    /// Reads a registry's answer. Keys of another kind are passed over.
    ///
    /// # Errors
    /// It is not JSON of this form. Half a sentence.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let listed: Listed = imgfix_json::read(bytes).map_err(|error| error.to_string())?;
        let key = |one: ListedKey| {
            if one.keytype != "ecdsa-sha2-nistp256" {
                return None;
            }
            let der = STANDARD.decode(one.key).ok()?;
            let key = VerifyingKey::from_public_key_der(&der).ok()?;
            Some(Key { id: one.keyid, key, expires: one.expires })
        };
        Ok(Self(listed.keys.into_iter().filter_map(key).collect()))
    }

    /// The id of a key that signed this version of a package with this hash.
    ///
    /// # Errors
    /// Why none did: half a sentence.
    pub fn verify(
        &self,
        name: &str,
        version: &str,
        integrity: &str,
        signatures: &[Signature],
        now: i64,
    ) -> Result<String, String> {
        if signatures.is_empty() {
            return Err("the registry has no signature of it".to_owned());
        }
        let message = format!("{name}@{version}:{integrity}");
        let mut why = "the registry has no key that its signatures name".to_owned();
        for signature in signatures {
            let Some(key) = self.0.iter().find(|key| key.id == signature.keyid) else { continue };
            if key.expires.as_deref().is_some_and(|expires| has_passed(expires, now)) {
                why = format!("the key {} has expired", key.id);
                continue;
            }
            let bytes = STANDARD.decode(&signature.sig).unwrap_or_default();
            let good = DerSignature::try_from(bytes.as_slice())
                .is_ok_and(|made| key.key.verify(message.as_bytes(), &made).is_ok());
            if good {
                return Ok(key.id.clone());
            }
            why = format!("the signature by {} is not good", key.id);
        }
        Err(why)
    }
}

/// Whether a time as registries write it (`2025-01-29T00:00:00.000Z`) has passed; one that cannot
/// be read has.
fn has_passed(text: &str, now: i64) -> bool {
    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;
    OffsetDateTime::parse(text, &Rfc3339).map_or(true, |time| time.unix_timestamp() <= now)
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::SigningKey;
    use p256::ecdsa::signature::Signer as _;
    use p256::pkcs8::EncodePublicKey as _;
    use serde_json::json;

    use super::*;

    /// A key of this test, its id, and the registry's list with it.
    fn key(expires: Option<&str>) -> (SigningKey, Keys) {
        let key = SigningKey::from_slice(&[7; 32]).unwrap();
        let der = key.verifying_key().to_public_key_der().unwrap();
        let list = json!({"keys": [
            {"keyid": "SHA256:old", "keytype": "rsa", "scheme": "x", "key": "AAAA"},
            {"expires": expires, "keyid": "SHA256:test", "keytype": "ecdsa-sha2-nistp256",
                "scheme": "ecdsa-sha2-nistp256", "key": STANDARD.encode(der.as_bytes())},
        ]});
        (key, Keys::read(list.to_string().as_bytes()).unwrap())
    }

    fn signed(key: &SigningKey, message: &str, id: &str) -> Signature {
        let made: DerSignature = key.sign(message.as_bytes());
        Signature { keyid: id.to_owned(), sig: STANDARD.encode(made.as_bytes()) }
    }

    #[test]
    fn only_what_a_known_key_signed_is_attested() {
        let (key, keys) = key(None);
        let right = "a@1.0.0:sha512-x";
        for (message, id, want) in [
            (right, "SHA256:test", Ok("SHA256:test")),
            ("a@1.0.1:sha512-x", "SHA256:test", Err("the signature by SHA256:test is not good")),
            ("b@1.0.0:sha512-x", "SHA256:test", Err("the signature by SHA256:test is not good")),
            (right, "SHA256:other", Err("the registry has no key that its signatures name")),
            (right, "SHA256:old", Err("the registry has no key that its signatures name")),
        ] {
            let signature = signed(&key, message, id);
            let found = keys.verify("a", "1.0.0", "sha512-x", &[signature], 0);
            assert_eq!(found.as_deref().map_err(String::as_str), want, "{message} {id}");
        }
        let none = keys.verify("a", "1.0.0", "sha512-x", &[], 0).unwrap_err();
        assert_eq!(none, "the registry has no signature of it");
        let odd = Signature { keyid: "SHA256:test".into(), sig: "%".into() };
        assert!(keys.verify("a", "1.0.0", "sha512-x", &[odd], 0).is_err());
    }

    #[test]
    fn a_key_counts_until_it_expires() {
        let (key, keys) = key(Some("2025-01-29T00:00:00.000Z"));
        let signature = [signed(&key, "a@1.0.0:h", "SHA256:test")];
        for (now, want) in [(1_738_108_799, true), (1_738_108_800, false)] {
            let found = keys.verify("a", "1.0.0", "h", &signature, now);
            assert_eq!(found.is_ok(), want, "{found:?}");
        }
    }

    #[test]
    fn lists_of_another_form_are_errors() {
        assert!(Keys::read(b"7").is_err());
        assert!(Keys::read(b"{\"keys\": [{\"keyid\": 1}]}").is_err());
        assert!(Keys::read(b"{}").unwrap().0.is_empty());
    }
}
