//! Who signed an archive: `.asc` beside it, an OpenPGP signature over the whole file, held against
//! the keys that the user gave (`--keyring`).
//!
//! In come an archive and its signature; out comes why it is not used. Where the user wants a
//! signature, only a good one will do. Where not, a signature by one of the user's keys has to be
//! good when there is one; one by other keys says nothing, as the keys may be for something else.

use imgfix_model::plan::StoreStep;
use imgfix_model::reason::Reason;
use imgfix_repair::error::RepairerError;
use imgfix_repair::repairer::Work;
use imgfix_repository::signature::{Keyring, Policy, SignatureError, verify_by_policy};

use crate::registry;

/// A release is signed once, and its key may expire afterwards.
const POLICY: Policy = Policy { expired_since: true, ..Policy::INDEX };

/// What is wrong with a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fault {
    /// Nobody whom the user knows signed: half a sentence.
    Unknown(String),
    /// It is no signature of this archive, or may not count: half a sentence.
    Wrong(String),
}

/// Why the archive of a step is not used.
///
/// # Errors
/// What is not the archive's fault.
pub fn check(
    step: &StoreStep,
    url: &str,
    archive: &[u8],
    work: &Work<'_>,
) -> Result<Result<(), Reason>, RepairerError> {
    let repositories = &work.edge.repositories;
    let is_wanted = repositories.require_attestation;
    let version = step.to.as_ref().map(|to| format!(" {to}")).unwrap_or_default();
    let component = format!("{}{version}", step.component);
    let unattested =
        |detail: String| Ok(Err(Reason::Unattested { component: component.clone(), detail }));
    let keyring = match &repositories.keyring {
        Some(keyring) if !keyring.is_empty() => keyring,
        _ if is_wanted => {
            return unattested(
                "its signature is held against the keys of --keyring FILE, and none was given"
                    .to_owned(),
            );
        }
        _ => return Ok(Ok(())),
    };
    let signature = match registry::signature(url, work)? {
        Ok(signature) => signature,
        Err(reason) => return Ok(Err(reason)),
    };
    let Some(signature) = signature else {
        return match is_wanted {
            true => unattested(format!("{url}.asc is not there")),
            false => Ok(Ok(())),
        };
    };
    match (signed(url, archive, &signature, keyring, work.edge.now), is_wanted) {
        (Ok(()), _) | (Err(Fault::Unknown(_)), false) => Ok(Ok(())),
        (Err(Fault::Unknown(detail) | Fault::Wrong(detail)), true) => unattested(detail),
        (Err(Fault::Wrong(detail)), false) => {
            Ok(Err(Reason::Untrusted { package: component, detail }))
        }
    }
}

/// Whether one of the user's keys signed an archive.
fn signed(
    url: &str,
    archive: &[u8],
    signature: &[u8],
    keyring: &Keyring,
    now: i64,
) -> Result<(), Fault> {
    match verify_by_policy(url, archive, signature, keyring, now, &POLICY) {
        Ok(_) => Ok(()),
        Err(error @ SignatureError::NoKey { .. }) => Err(Fault::Unknown(error.to_string())),
        Err(error) => Err(Fault::Wrong(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgfix_repository::testing::{NOW, TestKey};

    #[test]
    fn a_signature_is_good_or_unknown_or_wrong() {
        const URL: &str = "https://example.org/a-1.jar";
        const YEAR: i64 = 365 * 86400;
        let (own, other) = (TestKey::new(1), TestKey::new(2));
        let signature = own.sign_detached_armored("jar");
        let check = |archive: &str, signature: &[u8], key: &TestKey, now| {
            signed(URL, archive.as_bytes(), signature, &key.keyring(), now)
        };
        assert_eq!(check("jar", &signature, &own, NOW), Ok(()));
        // the key has expired since
        let expired = own.clone().expires(NOW + 10);
        assert_eq!(check("jar", &signature, &expired, NOW + YEAR), Ok(()));
        let unknown = check("jar", &signature, &other, NOW);
        assert!(matches!(&unknown, Err(Fault::Unknown(why)) if why.contains("--keyring")));
        for (archive, signature) in [("jaw", &*signature), ("jar", b"<html>"), ("jar", b"")] {
            let found = check(archive, signature, &own, NOW);
            assert!(matches!(found, Err(Fault::Wrong(_))), "{archive}: {found:?}");
        }
    }
}
