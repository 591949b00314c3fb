//! Signatures of `APKINDEX.tar.gz` files.
//!
//! In come the bytes of a file and public keys by name; out comes the part of the file that is
//! signed, as stored: it is unpacked only after its signature holds. A signature is a file
//! `.SIGN.RSA.KEY` (SHA-1), `.SIGN.RSA256.KEY` or `.SIGN.RSA512.KEY` in the first members; it
//! covers all bytes after them. As apk does, the first signature whose key is known decides.
//! Source: apk-tools 2.14, `src/package.c` (`apk_sign_ctx_process_file`,
//! `apk_sign_ctx_mpart_cb`); apk-keys(5).

use super::members::{MembersError, split_signed};
pub use imgfix_repository::rsa_keys::{Hash, KeyError, RsaKeyring as ApkKeyring};

/// Why a file is not believed.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// The file cannot be taken apart.
    #[error("{file}: {source}")]
    Members {
        /// The file's name in messages, mostly its URL.
        file: String,
        /// What is wrong.
        source: MembersError,
    },
    /// No signature before the content.
    #[error("{file} is not signed; unsigned repositories are refused")]
    Unsigned {
        /// The file's name in messages.
        file: String,
    },
    /// Signatures, but none with a key that is known.
    #[error(
        "{file} is signed with {signers}, which is none of the trusted keys ({trusted}); give \
         the repository's public key with --keyring FILE, where FILE has the name of the key"
    )]
    UnknownKey {
        /// The file's name in messages.
        file: String,
        /// The names of the signatures' keys.
        signers: String,
        /// The names of the keys that are known.
        trusted: String,
    },
    /// The first signature with a known key does not cover this content.
    #[error(
        "{file}: the signature with key {key} does not fit the content; it was changed on the \
         way or the mirror is broken"
    )]
    Wrong {
        /// The file's name in messages.
        file: String,
        /// The name of the key.
        key: String,
    },
}

/// A file whose signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedContent<'a> {
    /// What is signed, as stored.
    pub content: &'a [u8],
    /// The name of the key.
    pub key: String,
    /// Its SHA-256, of the DER form, in upper-case hexadecimal.
    pub fingerprint: String,
}

/// The hash and the key's name in a signature's file name.
fn signature_name(name: &str) -> Option<(Hash, &str)> {
    let (kind, key) = name.strip_prefix(".SIGN.")?.split_once('.')?;
    let hash = match kind {
        "RSA" => Hash::Sha1,
        "RSA256" => Hash::Sha256,
        "RSA512" => Hash::Sha512,
        _ => return None,
    };
    Some((hash, key))
}

/// Checks the signature of a whole file. `file` is its name in errors.
///
/// # Errors
/// Not a file of gzip members, unsigned, signed with unknown keys only, or changed.
pub fn verify<'a>(
    file: &str,
    bytes: &'a [u8],
    keyring: &ApkKeyring,
) -> Result<SignedContent<'a>, SignatureError> {
    let members = |source| SignatureError::Members { file: file.to_owned(), source };
    let signed = split_signed(bytes).map_err(members)?;
    if signed.signatures.is_empty() {
        return Err(SignatureError::Unsigned { file: file.to_owned() });
    }
    let mut signers = Vec::new();
    for member in &signed.signatures {
        for signature in member.files().map_err(members)? {
            let known = signature_name(&signature.name)
                .and_then(|(hash, name)| Some((hash, name, keyring.get(name)?)));
            let Some((hash, name, key)) = known else {
                signers.push(shown(&signature.name));
                continue;
            };
            if !key.verifies(hash, signed.content, &signature.content) {
                let (file, key) = (file.to_owned(), name.to_owned());
                return Err(SignatureError::Wrong { file, key });
            }
            let fingerprint = key.fingerprint().to_owned();
            return Ok(SignedContent {
                content: signed.content,
                key: name.to_owned(),
                fingerprint,
            });
        }
    }
    let trusted = match keyring.is_empty() {
        true => "there are none".to_owned(),
        false => keyring.names().collect::<Vec<_>>().join(", "),
    };
    let signers = signers.join(", ");
    Err(SignatureError::UnknownKey { file: file.to_owned(), signers, trusted })
}

/// A signature's name for messages: the key's name, when it is of a kind that is known.
fn shown(name: &str) -> String {
    let key = signature_name(name).map_or(name, |(_, key)| key);
    key.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use proptest::prelude::*;

    use super::super::members::{MemberLimits, Members};
    use super::super::testing::{TestKey, gzip, index, tar};
    use super::*;

    fn why(bytes: &[u8], keyring: &ApkKeyring) -> String {
        verify("URL", bytes, keyring).unwrap_err().to_string()
    }

    #[test]
    fn each_kind_of_signature_counts_when_the_key_is_known() {
        let key = TestKey::new("a@b-1.rsa.pub");
        let content = index("");
        for kind in ["RSA", "RSA256", "RSA512"] {
            let bytes = [key.signature(kind, &content), content.clone()].concat();
            let verified = verify("URL", &bytes, &key.keyring()).unwrap();
            assert_eq!(
                (verified.content, verified.key.as_str()),
                (&content[..], key.name.as_str())
            );
            assert_eq!(verified.fingerprint.len(), 64);
        }
        // several members are one content, and several signatures are searched for a known key
        let content = [content.clone(), content].concat();
        let other = TestKey::other("other.rsa.pub");
        let bytes = [other.signature("RSA256", &content), key.sign(&content)].concat();
        assert_eq!(verify("URL", &bytes, &key.keyring()).unwrap().key, key.name);
    }

    #[test]
    fn nothing_unsigned_changed_or_signed_by_others_is_believed() {
        let key = TestKey::new("test.rsa.pub");
        let keyring = key.keyring();
        let content = index("P:a\n\n");
        let signed = key.sign(&content);
        let mut changed = signed.clone();
        *changed.last_mut().unwrap() ^= 1;
        let longer = [signed.clone(), content.clone()].concat();
        let cut = &signed[..signed.len() - 1];
        let imitated = TestKey::other("test.rsa.pub").sign(&content);
        let dsa = [gzip(&tar(&[(".SIGN.DSA.test.rsa.pub", b"x")])), content.clone()].concat();
        let empty = [gzip(&tar(&[(".SIGN.RSA.test.rsa.pub", b"")])), content.clone()].concat();
        // the hash of another kind of signature
        let swapped = [key.signature("RSA256", &content), content.clone()].concat();
        assert!(verify("URL", &swapped, &keyring).is_ok());
        for (bytes, want) in [
            (&content[..], "URL is not signed"),
            (&changed, "the signature with key test.rsa.pub does not fit"),
            (&longer, "does not fit"),
            (cut, "does not fit"),
            (&imitated, "does not fit"),
            (&empty, "does not fit"),
            (&dsa, "signed with .SIGN.DSA.test.rsa.pub, which is none"),
            (b"ADBd...", "version 3 format"),
            (b"<html>", "not a gzip file"),
            (b"", "it is empty"),
        ] {
            let why = why(bytes, &keyring);
            assert!(why.contains(want), "{why} / {want}");
        }
        let unknown = why(&signed, &TestKey::new("mine.rsa.pub").keyring());
        assert!(
            unknown.contains("test.rsa.pub") && unknown.contains("(mine.rsa.pub)"),
            "{unknown}"
        );
        assert!(unknown.contains("--keyring FILE"), "{unknown}");
        assert!(why(&signed, &ApkKeyring::default()).contains("(there are none)"));
    }

    #[test]
    fn keys_are_pem_files_of_rsa_keys_that_are_large_enough() {
        let mut keyring = ApkKeyring::default();
        let pem = TestKey::new("k").pem();
        keyring
            .insert("k", format!("text before\r\n{}", pem.replace('\n', "\r\n")).as_bytes())
            .unwrap();
        assert_eq!(keyring.names().collect::<Vec<_>>(), ["k"]);
        // `openssl genrsa 1024`, and an Ed25519 key
        let small = "-----BEGIN PUBLIC KEY-----\n\
            MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDX8hsweM6MhdDsm40LLvVjCv5J\n\
            6EkHv5Bcvwcp7tUJodC5J+3KSE21jTDvLDSDnE6wm/wv7rxG7wqM9nz3yPMu5Q+E\n\
            V3xgqicZpxQT5Wzt83yq82ZuLli/2fheTvmV0z1aWpZlXv/ftCF+nHaYgTLkDMen\n\
            oM0P4FvbIrzIYCYvHwIDAQAB\n\
            -----END PUBLIC KEY-----\n";
        let ed25519 = "-----BEGIN PUBLIC KEY-----\n\
            MCowBQYDK2VwAyEAZIpxGbXnC3BD4kJwaiBvLgIbJs+qY30GVxlDebNJ3E4=\n\
            -----END PUBLIC KEY-----\n";
        for (pem, want) in [
            (small, "fewer than 2048 bits"),
            (ed25519, "not an RSA key"),
            ("-----BEGIN PUBLIC KEY-----\n", "not a PEM file"),
            ("", "not a PEM file"),
        ] {
            let why = keyring.insert("bad.rsa.pub", pem.as_bytes()).unwrap_err().to_string();
            assert!(why.starts_with("key bad.rsa.pub: ") && why.contains(want), "{why}");
        }
        assert!(ApkKeyring::is_key(pem.as_bytes()) && !ApkKeyring::is_key(b"\x99\x01"));
    }

    /// Index files, some of them good.
    fn variants(key: &TestKey, content: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
        let joined = |parts: &[&[u8]]| parts.concat();
        let imitated = TestKey::other(&key.name);
        let stranger = TestKey::other("stranger.rsa.pub").signature("RSA", content);
        let good = key.sign(content);
        let mut changed = good.clone();
        if let Some(byte) = changed.iter_mut().rev().nth(12) {
            *byte ^= 1;
        }
        let twice = tar(&[(".SIGN.RSA.stranger.rsa.pub", b"x"), (".SIGN.DSA.test.rsa.pub", b"x")]);
        let both = [&twice[..], &tar(&[(".SIGN.RSA.test.rsa.pub", b"x")])].concat();
        vec![
            ("sha1", good.clone()),
            ("sha256", joined(&[&key.signature("RSA256", content), content])),
            ("sha512", joined(&[&key.signature("RSA512", content), content])),
            ("a stranger's first", joined(&[&stranger, &good])),
            ("a stranger's last", joined(&[&key.signature("RSA", content), &stranger, content])),
            ("others in one member", joined(&[&gzip(&twice), &good])),
            ("a wrong one in one member", joined(&[&gzip(&both), &good])),
            ("a wrong one first", joined(&[&imitated.signature("RSA", content), &good])),
            ("unsigned", content.to_vec()),
            ("imitated", imitated.sign(content)),
            ("unknown", joined(&[&stranger, content])),
            ("changed", changed),
            ("longer", joined(&[&good, content])),
            ("garbage after", joined(&[&good, b"garbage"])),
            ("cut", good.get(..good.len() - 20).unwrap().to_vec()),
            ("another hash", {
                let renamed = TestKey::new("test.rsa.pub").signature("RSA512", content);
                let file = Members::new(&renamed[..])
                    .and_then(|mut members| members.next_member(MemberLimits::CONTROL))
                    .and_then(|member| member.unwrap().files())
                    .unwrap()
                    .remove(0);
                let member = gzip(&tar(&[(".SIGN.RSA256.test.rsa.pub", &file.content)]));
                joined(&[&member, content])
            }),
        ]
    }

    /// Asks the apk of a real root file system, unpacked under `$IMGFIX_ALPINE_ROOT`.
    #[test]
    #[ignore = "needs root and an Alpine root file system in IMGFIX_ALPINE_ROOT"]
    fn the_real_apk_believes_the_same_files() {
        let root = std::env::var("IMGFIX_ALPINE_ROOT").expect("IMGFIX_ALPINE_ROOT");
        let work = tempfile::tempdir_in(Path::new(&root).join("tmp")).unwrap();
        let inside = Path::new("/tmp").join(work.path().file_name().unwrap());
        std::fs::create_dir_all(work.path().join("keys")).unwrap();
        std::fs::create_dir_all(work.path().join("repo/x86_64")).unwrap();
        let key = TestKey::new("test.rsa.pub");
        std::fs::write(work.path().join("keys/test.rsa.pub"), key.pem()).unwrap();
        let identity = imgfix_model::identity::Identity::of(b"x");
        let text = format!("C:{identity}\nP:imgfix-probe\nV:1\nA:x86_64\nS:1\nI:1\nT:x\nL:x\n\n");
        let mut good = 0;
        for (what, bytes) in variants(&key, &index(&text)) {
            std::fs::write(work.path().join("repo/x86_64/APKINDEX.tar.gz"), &bytes).unwrap();
            let output = Command::new("chroot")
                .arg(&root)
                .args(["/sbin/apk", "--no-network", "--repositories-file", "/dev/null"])
                .arg("--keys-dir")
                .arg(inside.join("keys"))
                .arg("-X")
                .arg(inside.join("repo"))
                .args(["search", "-x", "imgfix-probe"])
                .output()
                .unwrap();
            // apk reads packages before it knows the signature, and then does not take them
            let stdout = String::from_utf8_lossy(&output.stdout);
            let complaint = String::from_utf8_lossy(&output.stderr).contains("/repo:");
            let theirs = stdout.contains("imgfix-probe-1") && !complaint;
            let ours = verify("URL", &bytes, &key.keyring());
            assert_eq!(ours.is_ok(), theirs, "{what}: {ours:?}; {output:?}");
            good += usize::from(theirs);
        }
        assert_eq!(good, 6);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>, name in ".{0,20}") {
            let keyring = TestKey::new("k").keyring();
            let _ = verify("URL", &bytes, &keyring);
            let _ = verify("URL", &[gzip(&bytes), gzip(&bytes)].concat(), &keyring);
            let _ = ApkKeyring::default().insert(&name, &bytes);
        }
    }
}
