//! What the tests of this room share: keys made on the spot, a signed repository in memory,
//! and an HTTP server of a few lines that can misbehave.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use pgp::composed::{
    ArmorOptions, KeyType, SecretKeyParamsBuilder, SignedPublicKey, SignedSecretKey,
    SubkeyParamsBuilder,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{
    KeyFlags, RevocationCode, Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData,
};
use pgp::ser::Serialize as _;
use pgp::types::{Duration, KeyDetails as _, Password, SigningKey, Tag, Timestamp};
use rand::SeedableRng as _;
use tempfile::TempDir;

use super::signature::Keyring;
use super::{Cache, CacheKey, FetchOptions, Fetcher};
use imgfix_host::progress::Silent;

/// 24 November 2026.
pub const NOW: i64 = 1_795_481_582;

/// When the keys were made.
const MADE: i64 = NOW - 100 * 86400;

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_secs(u32::try_from(seconds).unwrap())
}

fn packet(data: SubpacketData) -> Subpacket {
    Subpacket::regular(data).unwrap()
}

/// A signing key with its certificate. Ed25519, the same for the same seed.
#[derive(Clone)]
pub struct TestKey {
    secret: SignedSecretKey,
    public: SignedPublicKey,
}

impl TestKey {
    /// A key that certifies and signs.
    pub fn new(seed: u64) -> Self {
        Self::make(seed, false)
    }

    /// The primary key certifies only; a subkey signs.
    pub fn with_subkey(seed: u64) -> Self {
        Self::make(seed, true)
    }

    fn make(seed: u64, subkey: bool) -> Self {
        let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
        let mut params = SecretKeyParamsBuilder::default();
        params
            .key_type(KeyType::Ed25519Legacy)
            .can_certify(true)
            .can_sign(!subkey)
            .created_at(time(MADE))
            .primary_user_id("Test <test@example.org>".to_owned());
        if subkey {
            params.subkey(
                SubkeyParamsBuilder::default()
                    .key_type(KeyType::Ed25519Legacy)
                    .can_sign(true)
                    .created_at(time(MADE))
                    .build()
                    .unwrap(),
            );
        }
        let secret = params.build().unwrap().generate(&mut rng).unwrap();
        let public = secret.to_public_key();
        Self { secret, public }.self_signed(MADE, None)
    }

    /// Replaces the self-signature by one made at `at`.
    fn self_signed(mut self, at: i64, expires: Option<i64>) -> Self {
        let mut flags = KeyFlags::default();
        flags.set_certify(true);
        flags.set_sign(self.secret.secret_subkeys.is_empty());
        let mut config = self.config(SignatureType::CertPositive, at);
        config.hashed_subpackets.push(packet(SubpacketData::KeyFlags(flags)));
        if let Some(expires) = expires {
            let span = Duration::from_secs(u32::try_from(expires - MADE).unwrap());
            config.hashed_subpackets.push(packet(SubpacketData::KeyExpirationTime(span)));
        }
        let user = &mut self.public.details.users[0];
        let key = &self.secret.primary_key;
        let signature = config
            .sign_certification(key, key.public_key(), &Password::empty(), Tag::UserId, &user.id)
            .unwrap();
        user.signatures = vec![signature];
        self
    }

    fn config(&self, typ: SignatureType, at: i64) -> SignatureConfig {
        config(&self.secret.primary_key, typ, HashAlgorithm::Sha256, at)
    }

    /// The same key, expiring at `at`, in seconds since the epoch.
    pub fn expires(self, at: i64) -> Self {
        self.self_signed(MADE, Some(at))
    }

    /// The same key with a self-signature of the time `at`, in seconds since the epoch.
    pub fn signed_again(self, at: i64) -> Self {
        self.self_signed(at, None)
    }

    /// The same key, taken back for this reason.
    pub fn revoked(mut self, code: RevocationCode) -> Self {
        let mut config = self.config(SignatureType::KeyRevocation, NOW);
        let reason = SubpacketData::RevocationReason(code, "test".into());
        config.hashed_subpackets.push(packet(reason));
        let key = &self.secret.primary_key;
        let signature = config.sign_key(key, &Password::empty(), key.public_key()).unwrap();
        self.public.details.revocation_signatures.push(signature);
        self
    }

    /// The subkey's binding without the subkey's own consent.
    pub fn without_back_signature(mut self) -> Self {
        let mut flags = KeyFlags::default();
        flags.set_sign(true);
        let mut config = self.config(SignatureType::SubkeyBinding, MADE);
        config.hashed_subpackets.push(packet(SubpacketData::KeyFlags(flags)));
        let key = &self.secret.primary_key;
        let subkey = &mut self.public.public_subkeys[0];
        let signature = config
            .sign_subkey_binding(key, key.public_key(), &Password::empty(), &subkey.key)
            .unwrap();
        subkey.signatures = vec![signature];
        self
    }

    /// Claims another certificate's subkey, with the binding that the other one made.
    pub fn with_subkey_of(mut self, other: &Self) -> Self {
        self.public.public_subkeys = other.public.public_subkeys.clone();
        self
    }

    /// Of the primary key, in upper-case hexadecimal.
    pub fn fingerprint(&self) -> String {
        self.public.primary_key.fingerprint().to_string().to_uppercase()
    }

    /// Of the signing subkey, in upper-case hexadecimal.
    pub fn subkey_fingerprint(&self) -> String {
        self.public.public_subkeys[0].key.fingerprint().to_string().to_uppercase()
    }

    /// The certificate as in a `.gpg` keyring.
    pub fn public_binary(&self) -> Vec<u8> {
        self.public.to_bytes().unwrap()
    }

    /// The certificate as in an `.asc` keyring.
    pub fn public_armored(&self) -> Vec<u8> {
        self.public.to_armored_bytes(ArmorOptions::default()).unwrap()
    }

    /// A keyring that trusts this key alone.
    pub fn keyring(&self) -> Keyring {
        Keyring::parse("test.gpg", &self.public_binary()).unwrap()
    }

    fn signature(&self, typ: SignatureType, hash: HashAlgorithm, at: i64, data: &str) -> Signature {
        match self.secret.secret_subkeys.first() {
            Some(subkey) => config(&subkey.key, typ, hash, at)
                .sign(&subkey.key, &Password::empty(), data.as_bytes())
                .unwrap(),
            None => config(&self.secret.primary_key, typ, hash, at)
                .sign(&self.secret.primary_key, &Password::empty(), data.as_bytes())
                .unwrap(),
        }
    }

    /// A binary signature over `text`, as in `Release.gpg`.
    pub fn sign_detached(&self, text: &str) -> Vec<u8> {
        let signature = self.signature(SignatureType::Binary, HashAlgorithm::Sha256, NOW, text);
        pgp::composed::DetachedSignature::new(signature).to_bytes().unwrap()
    }

    /// An armored signature over `text`, as in `Release.gpg`.
    pub fn sign_detached_armored(&self, text: &str) -> Vec<u8> {
        let signature = self.signature(SignatureType::Binary, HashAlgorithm::Sha256, NOW, text);
        armored(signature)
    }

    /// `text` clear-signed, as in `InRelease`.
    pub fn sign_inline(&self, text: &str) -> Vec<u8> {
        self.sign_inline_with(text, HashAlgorithm::Sha256, NOW)
    }

    /// `text` clear-signed with this hash at the time `at`, in seconds since the epoch.
    pub fn sign_inline_with(&self, text: &str, hash: HashAlgorithm, at: i64) -> Vec<u8> {
        let lines: Vec<&str> = text.lines().collect();
        let octets = lines.join("\r\n");
        let signature = armored(self.signature(SignatureType::Text, hash, at, &octets));
        let mut out = b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n".to_vec();
        for line in lines {
            let escape = if line.starts_with('-') { "- " } else { "" };
            out.extend(format!("{escape}{line}\n").as_bytes());
        }
        out.extend(signature);
        out
    }
}

fn config(
    key: &impl SigningKey,
    typ: SignatureType,
    hash: HashAlgorithm,
    at: i64,
) -> SignatureConfig {
    let mut config = SignatureConfig::v4(typ, key.algorithm(), hash);
    config.hashed_subpackets = vec![
        packet(SubpacketData::SignatureCreationTime(time(at))),
        packet(SubpacketData::IssuerFingerprint(key.fingerprint())),
    ];
    config.unhashed_subpackets = vec![packet(SubpacketData::IssuerKeyId(key.legacy_key_id()))];
    config
}

fn armored(signature: Signature) -> Vec<u8> {
    pgp::composed::DetachedSignature::new(signature)
        .to_armored_bytes(ArmorOptions::default())
        .unwrap()
}

/// A fetcher with a cache of its own.
pub fn fetcher(options: FetchOptions) -> (Fetcher, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (fetcher_at(dir.path(), options), dir)
}

/// A fetcher with the cache in `cache`. All of them have the same key.
pub fn fetcher_at(cache: &Path, options: FetchOptions) -> Fetcher {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let cache =
        Cache::open(cache, CacheKey::new([7; 32]), &imgfix_host::unfinished::Unfinished::default())
            .unwrap();
    Fetcher::new(Arc::new(runtime), cache, options, Arc::new(Silent)).unwrap()
}

/// What a client asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// With a query, if there is one.
    pub path: String,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
}

impl Request {
    /// The header of this name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// What the server answers.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// Of HTTP.
    pub status: u16,
    /// Besides `Content-Length` and `Connection`.
    pub headers: Vec<(&'static str, String)>,
    /// The whole body, also when it is cut.
    pub body: Vec<u8>,
    /// Closes the connection after so many bytes of the body.
    pub cut: Option<usize>,
}

impl Reply {
    /// 200 with this body.
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, body: body.into(), ..Self::default() }
    }

    /// This status without a body.
    pub fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// The same with a header more.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same, ending after `at` bytes of the body.
    pub fn cut(mut self, at: usize) -> Self {
        self.cut = Some(at);
        self
    }
}

type Answer = dyn Fn(&Request, usize) -> Reply + Send + Sync;

/// A server on loopback; its thread ends with the test's process.
pub struct Server {
    /// `http://127.0.0.1:PORT/`
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// `answer` gets the request and how many requests for that path came before.
    pub fn start(answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let answer: Arc<Answer> = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream, &seen, &*answer));
            }
        });
        Self { url, requests }
    }

    /// Serves files by path; anything else is missing.
    pub fn files(files: BTreeMap<String, Vec<u8>>) -> Self {
        Self::start(move |request, _| match files.get(&request.path) {
            Some(body) => Reply::ok(body.clone()),
            None => Reply::status(404),
        })
    }

    /// All requests so far, in the order in which they came.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The paths of all requests so far.
    pub fn paths(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.path).collect()
    }
}

/// One request a connection.
fn serve(mut stream: TcpStream, seen: &Mutex<Vec<Request>>, answer: &Answer) {
    let mut lines = BufReader::new(stream.try_clone().unwrap().take(1 << 20)).lines();
    let Some(Ok(first)) = lines.next() else { return };
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let headers = lines
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        })
        .collect();
    let request = Request { path, headers };
    let before = {
        let mut seen = seen.lock().unwrap();
        let before = seen.iter().filter(|one| one.path == request.path).count();
        seen.push(request.clone());
        before
    };
    let reply = answer(&request, before);
    let mut head = format!("HTTP/1.1 {} X\r\nConnection: close\r\n", reply.status);
    if reply.status != 304 {
        head += &format!("Content-Length: {}\r\n", reply.body.len());
    }
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    let body = &reply.body[..reply.cut.unwrap_or(reply.body.len()).min(reply.body.len())];
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(b"\r\n");
    let _ = stream.write_all(body);
    let _ = stream.flush();
    if reply.cut.is_some() {
        // Lets the client see what was sent before the connection ends.
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
