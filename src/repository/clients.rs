//! Which HTTP client asks for a URL: the one that shows a client certificate where the user says
//! so, else the one without.
//!
//! In come [`ClientCertificate`]s; out comes a client for each request, and for each place that it
//! is redirected to. A certificate is shown below the URL that it was given for, nowhere else:
//! connections are never shared with the client that has none.

use imgfix_host::http::{self, Reach};
use imgfix_host::tls::Identity;
use reqwest::{Client, ClientBuilder};
use url::Url;

/// Below which URL a client certificate is shown (`--client-certificate`).
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    base: Url,
    identity: Identity,
}

impl ClientCertificate {
    /// `base` without TLS shows no certificate, so it has to be `https`.
    ///
    /// # Errors
    /// Not such a URL.
    pub fn new(base: &str, identity: Identity) -> Result<Self, String> {
        let wrong = |why: &str| format!("{base:?} is not an https:// URL: {why}");
        let base = Url::parse(base).map_err(|error| wrong(&error.to_string()))?;
        if base.scheme() != "https" {
            return Err(wrong("client certificates are shown over TLS alone"));
        }
        if !base.username().is_empty() || base.password().is_some() || base.query().is_some() {
            return Err("it has a login or a query, which count for nothing here".to_owned());
        }
        Ok(Self { base, identity })
    }

    /// Whether `url` is at the same server, and below the path.
    fn is_for(&self, url: &Url) -> bool {
        let below = || {
            let rest = url.path().strip_prefix(self.base.path().trim_end_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.base.origin() == url.origin() && below()
    }
}

/// The clients of a run.
pub(super) struct Clients {
    plain: Client,
    /// Whether there are certificates to verify servers with.
    pub https: bool,
    identified: Vec<(ClientCertificate, Client)>,
}

impl Clients {
    /// `trusted` are certificates besides the machine's.
    ///
    /// # Errors
    /// Those of [`http::client_or_plain`].
    pub fn new(
        trusted: &[Vec<u8>],
        own: &[ClientCertificate],
        adjust: impl Fn(ClientBuilder) -> ClientBuilder,
    ) -> Result<Self, String> {
        // Over plain http, where Debian's and Ubuntu's own archives are, signatures protect what
        // comes.
        let (plain, reach) = http::client_or_plain(trusted, &adjust)?;
        let https = reach == Reach::Everything;
        let identified = own.iter().filter(|_| https).map(|one| {
            let client = http::client_as(&one.identity, trusted, &adjust)?;
            Ok((one.clone(), client))
        });
        Ok(Self { plain, https, identified: identified.collect::<Result<_, String>>()? })
    }

    /// The client for a request. What was given first counts.
    pub fn of(&self, url: &Url) -> &Client {
        let own = self.identified.iter().find(|(certificate, _)| certificate.is_for(url));
        own.map_or(&self.plain, |(_, client)| client)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::path::Path;
    use std::process::Command;
    use std::sync::Arc;

    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::server::WebPkiClientVerifier;

    use super::super::testing::fetcher;
    use super::*;
    use crate::FetchOptions;

    /// An authority in `dir`, and what it vouches for: a server on this machine, and a client.
    fn certificates(dir: &Path) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let done = Command::new(root.join("fixtures/make-client-certificates")).arg(dir).output();
        let done = done.expect("Debian's package openssl");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// A server that says whether the client showed a certificate: `known` or `unknown`. What is
    /// at `/away` is redirected to `/elsewhere`. Its URL.
    fn start(dir: &Path) -> String {
        let pem = |name: &str| CertificateDer::from_pem_file(dir.join(name)).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(pem("ca.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
        let verifier = verifier.allow_unauthenticated().build().unwrap();
        let key = PrivateKeyDer::from_pem_file(dir.join("server-key.pem")).unwrap();
        let configuration = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![pem("server.pem")], key)
            .unwrap();
        let configuration = Arc::new(configuration);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let configuration = Arc::clone(&configuration);
                std::thread::spawn(move || {
                    let connection = rustls::ServerConnection::new(configuration).unwrap();
                    let mut stream = rustls::StreamOwned::new(connection, stream.unwrap());
                    let mut lines = BufReader::new(&mut stream).lines();
                    let first = lines.next().unwrap().unwrap();
                    while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
                    let known = stream.conn.peer_certificates().is_some();
                    let who = if known { "known" } else { "unknown" };
                    let answer = match first.contains(" /own/away ") {
                        true => "302 Found\r\nLocation: /elsewhere".to_owned(),
                        false => "200 OK".to_owned(),
                    };
                    let length = who.len();
                    let head = format!(
                        "HTTP/1.1 {answer}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
                    );
                    stream.write_all(format!("{head}{who}").as_bytes()).unwrap();
                    stream.conn.send_close_notify();
                    let _ = stream.flush();
                });
            }
        });
        url
    }

    #[test]
    fn a_certificate_is_shown_below_its_url_and_nowhere_else() {
        let dir = tempfile::tempdir().unwrap();
        certificates(dir.path());
        let read = |name: &str| std::fs::read(dir.path().join(name)).unwrap();
        let (url, other) = (start(dir.path()), start(dir.path()));
        let identity = Identity::from_pem(&read("client.pem"), &read("client-key.pem")).unwrap();
        let own = ClientCertificate::new(&format!("{url}own"), identity).unwrap();
        let (fetcher, _cache) = fetcher(FetchOptions {
            certificates: vec![read("ca.pem")],
            client_certificates: vec![own],
            ..FetchOptions::default()
        });
        for (place, want) in [
            (format!("{url}own/x"), "known"),
            (format!("{url}own"), "known"),
            (format!("{url}own-too/x"), "unknown"),
            (format!("{url}x"), "unknown"),
            (format!("{other}own/x"), "unknown"),
            // It leads to where no certificate is shown.
            (format!("{url}own/away"), "unknown"),
        ] {
            let found = fetcher.latest(&place, 100).unwrap().unwrap();
            assert_eq!(std::str::from_utf8(&found).unwrap(), want, "{place}");
        }
    }

    #[test]
    fn a_url_that_shows_no_certificate_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        certificates(dir.path());
        let read = |name: &str| std::fs::read(dir.path().join(name)).unwrap();
        let identity = Identity::from_pem(&read("client.pem"), &read("client-key.pem")).unwrap();
        for bad in ["http://h/", "h/x", "", "https://me:secret@h/", "https://h/?x"] {
            assert!(ClientCertificate::new(bad, identity.clone()).is_err(), "{bad}");
        }
    }
}
