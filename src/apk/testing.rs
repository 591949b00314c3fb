//! What tests of apk repositories need: a signing key, and the files a repository has.

use imgfix_repository::FetchOptions;
use std::io::Write as _;
use std::sync::OnceLock;

use rand::SeedableRng as _;
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::{EncodePublicKey as _, LineEnding};
use rsa::signature::{SignatureEncoding as _, Signer as _};
use rsa::{RsaPrivateKey, RsaPublicKey};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};

use imgfix_model::identity::Identity;
use imgfix_repository::rsa_keys::RsaKeyring as ApkKeyring;

/// An RSA key of 2048 bits. There are two, made once a process: making them takes a while.
#[derive(Clone)]
pub struct TestKey {
    /// `test.rsa.pub`.
    pub name: String,
    private: RsaPrivateKey,
}

fn private(which: usize) -> RsaPrivateKey {
    static KEYS: [OnceLock<RsaPrivateKey>; 2] = [const { OnceLock::new() }; 2];
    let make = || {
        let mut rng = rand::rngs::StdRng::seed_from_u64(which as u64);
        RsaPrivateKey::new(&mut rng, 2048).unwrap()
    };
    KEYS[which].get_or_init(make).clone()
}

impl TestKey {
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), private: private(0) }
    }

    /// Another key under the same name.
    pub fn other(name: &str) -> Self {
        Self { name: name.to_owned(), private: private(1) }
    }

    pub fn pem(&self) -> String {
        RsaPublicKey::from(&self.private).to_public_key_pem(LineEnding::LF).unwrap()
    }

    pub fn keyring(&self) -> ApkKeyring {
        let mut keyring = ApkKeyring::default();
        keyring.insert(&self.name, self.pem().as_bytes()).unwrap();
        keyring
    }

    /// The signature member for `content`; `kind` is `RSA`, `RSA256` or `RSA512`.
    pub fn signature(&self, kind: &str, content: &[u8]) -> Vec<u8> {
        let key = self.private.clone();
        let signature = match kind {
            "RSA256" => SigningKey::<Sha256>::new(key).sign(content).to_vec(),
            "RSA512" => SigningKey::<Sha512>::new(key).sign(content).to_vec(),
            _ => SigningKey::<Sha1>::new(key).sign(content).to_vec(),
        };
        gzip(&tar(&[(&format!(".SIGN.{kind}.{}", self.name), &signature)]))
    }

    /// The content with its signature before it, as abuild-sign(1) makes it.
    pub fn sign(&self, content: &[u8]) -> Vec<u8> {
        [self.signature("RSA", content), content.to_vec()].concat()
    }
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// A piece of a tar archive without an end mark.
pub fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(7);
        // apk takes empty fields for damage, and no other type for a file
        header.set_entry_type(tar::EntryType::Regular);
        header.set_uid(0);
        header.set_gid(0);
        header.set_device_major(0).unwrap();
        header.set_device_minor(0).unwrap();
        archive.append_data(&mut header, name, *content).unwrap();
    }
    let mut bytes = archive.into_inner().unwrap();
    bytes.truncate(bytes.len() - 1024);
    bytes
}

/// The content of an unsigned `APKINDEX.tar.gz`.
pub fn index(text: &str) -> Vec<u8> {
    let files = [("DESCRIPTION", &b"v1"[..]), ("APKINDEX", text.as_bytes())];
    gzip(&[tar(&files), vec![0; 1024]].concat())
}

/// A package file without a signature, and its identity: a `.PKGINFO` of these lines and the
/// payload's hash, and one file.
pub fn package(pkginfo: &str, payload: &[u8]) -> (Vec<u8>, Identity) {
    let data = gzip(&[tar(&[("usr/file", payload)]), vec![0; 1024]].concat());
    let hash = imgfix_model::hex::encode(Sha256::digest(&data));
    let info = format!("# made by a test\n{pkginfo}datahash = {hash}\n");
    let control = gzip(&tar(&[(".PKGINFO", info.as_bytes())]));
    let identity = Identity::of(&control);
    ([control, data].concat(), identity)
}

/// Options of a fetcher that checks packages by their identity.
pub fn can_check() -> FetchOptions {
    FetchOptions { identity_check: Some(super::archive_check::fits), ..FetchOptions::default() }
}
