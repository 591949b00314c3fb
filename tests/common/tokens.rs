//! A token server for Debian's docker-registry
//! (<https://distribution.github.io/distribution/spec/auth/token/>): it asks for a password,
//! and signs what the registry trusts.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::hostile::{Request, Response, Server};
use super::registry::run;

/// The issuer and the service of the tokens.
pub const ISSUER: &str = "imgfix-tests";

/// A running token server and its key.
pub struct TokenServer {
    pub server: Server,
    certificate: PathBuf,
}

impl TokenServer {
    /// Starts a server that gives `user` with `password` whatever they ask for.
    pub fn start(dir: &Path, user: &str, password: &str) -> Self {
        let (key, certificate) = (dir.join("token.key"), dir.join("token.pem"));
        let shown = |path: &Path| path.display().to_string();
        #[rustfmt::skip]
        run("openssl", &["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30",
            "-subj", "/CN=imgfix test tokens", "-keyout", &shown(&key), "-out", &shown(&certificate)]);
        let chain = std::fs::read_to_string(&certificate).expect("certificate");
        let chain: String = chain.lines().filter(|line| !line.starts_with("-----")).collect();
        let login = format!("Basic {}", base64(format!("{user}:{password}").as_bytes()));
        let server = Server::start(move |request| match request.header("authorization") {
            Some(header) if header == login => {
                let token = signed(&key, &chain, &scopes(request));
                Response::new(200, json!({"token": token, "expires_in": 300}).to_string())
            }
            _ => Response::new(401, "{}"),
        });
        Self { server, certificate }
    }

    /// The `auth:` section of the registry's configuration.
    pub fn configuration(&self) -> String {
        format!(
            "auth:\n  token:\n    realm: http://{}/token\n    service: {ISSUER}\n    issuer: {ISSUER}\n    rootcertbundle: {}\n",
            self.server.host,
            self.certificate.display()
        )
    }
}

/// `(repository, actions)` of every `scope=repository:NAME:ACTIONS`.
fn scopes(request: &Request) -> Vec<(String, Vec<String>)> {
    let query = request.path.split_once('?').map_or("", |(_, query)| query);
    url::form_urlencoded::parse(query.as_bytes())
        .filter(|(key, _)| key == "scope")
        .filter_map(|(_, scope)| {
            let (name, actions) = scope.strip_prefix("repository:")?.rsplit_once(':')?;
            Some((name.to_owned(), actions.split(',').map(str::to_owned).collect()))
        })
        .collect()
}

/// A JSON Web Token (RFC 7519), signed with RS256; `chain` is the key's certificate.
fn signed(key: &Path, chain: &str, scopes: &[(String, Vec<String>)]) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
    let access: Vec<_> = scopes
        .iter()
        .map(|(name, actions)| json!({"type": "repository", "name": name, "actions": actions}))
        .collect();
    let header = json!({"typ": "JWT", "alg": "RS256", "x5c": [chain]});
    let claims = json!({"iss": ISSUER, "sub": "somebody", "aud": ISSUER, "exp": now + 300,
        "nbf": now - 60, "iat": now, "jti": now.to_string(), "access": access});
    let head = format!(
        "{}.{}",
        base64url(header.to_string().as_bytes()),
        base64url(claims.to_string().as_bytes())
    );
    let dir = tempfile::tempdir().expect("dir");
    let (text, signature) = (dir.path().join("text"), dir.path().join("signature"));
    std::fs::write(&text, &head).expect("text");
    let shown = |path: &Path| path.display().to_string();
    #[rustfmt::skip]
    run("openssl", &["dgst", "-sha256", "-sign", &shown(key), "-out", &shown(&signature), &shown(&text)]);
    format!("{head}.{}", base64url(&std::fs::read(signature).expect("signature")))
}

fn base64url(bytes: &[u8]) -> String {
    base64(bytes).trim_end_matches('=').replace('+', "-").replace('/', "_")
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at)) as usize & 63] as char;
            text.push(if at <= chunk.len() { digit } else { '=' });
        }
    }
    text
}
