//! One repository of one registry: how it is reached, logged in to and asked.
//!
//! [`Connection`] is what the asynchronous side shares: HTTP clients, credentials, tokens,
//! retries. It owns no runtime, so that a download that outlives its reader can drop it.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use oci_client::Reference as Name;
use reqwest::header;
use url::Url;

use super::RegistryOptions;
use super::credentials::{self, Credentials};
use super::failure::{Access, Failure, Kind, Unencrypted, explain, specified_message};
use super::login::{Grant, log_in, scope};
use crate::ImageError;
use crate::manifest::MAX_MANIFEST;
use crate::media_type;
use imgfix_host::http::{self, Retry};
use imgfix_host::loopback;
use imgfix_host::pace::Pace;

/// How long to wait for the next bytes of an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Largest error body that is looked at, in bytes.
const MAX_ERROR_BODY: u64 = 64 << 10;
/// A token is renewed this long before it ends.
const RENEWAL: Duration = Duration::from_secs(10);

pub(super) struct Connection {
    /// The repository with the tag or digest that was asked for.
    pub name: Name,
    /// How errors call it.
    pub place: String,
    pub http: reqwest::Client,
    /// For blobs that go: without a limit on the time until the answer, which is the time of
    /// the upload.
    pub sending: reqwest::Client,
    pub pace: Pace,
    base: String,
    pub credentials: Credentials,
    pub retry: Retry,
    grants: Mutex<BTreeMap<Access, (Grant, Instant)>>,
    /// Repositories of the registry that a login for mounting was asked for.
    mounted_from: Mutex<BTreeSet<String>>,
}

/// A manifest as the registry gave it.
pub(super) struct Answer {
    pub media_type: String,
    pub digest: Option<String>,
    pub bytes: Bytes,
}

/// What a registry says to a deletion that it does not refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deletion {
    Done,
    /// It does not delete by this kind of reference: HTTP 400, as the specification has it.
    NotThis,
}

/// A shared runtime, or a new one.
pub(super) fn runtime(
    options: &RegistryOptions,
) -> Result<Arc<tokio::runtime::Runtime>, ImageError> {
    if let Some(runtime) = &options.runtime {
        return Ok(Arc::clone(runtime));
    }
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map(Arc::new)
        .map_err(|error| ImageError::io("starting the network runtime", error))
}

impl Connection {
    /// Finds out how the registry is reached and with which credentials.
    pub(super) async fn open(
        name: &Name,
        place: String,
        options: &RegistryOptions,
    ) -> Result<Self, ImageError> {
        let host = name.resolve_registry();
        let fail = |why: String| ImageError::Registry { place: place.clone(), why };
        let credentials =
            credentials::find(options.auth_file.as_deref(), name.registry(), name.repository())
                .map_err(fail)?;
        let mut certificates = Vec::new();
        // where everything is trusted, more authorities say nothing
        let files = options.ca_files.iter().filter(|_| !options.skip_tls_verify);
        for path in files {
            certificates.push(read_certificates(path)?);
        }
        let client = |patience: Option<Duration>| {
            let adjusted = |builder| adjust(builder, is_loopback(host), options, patience);
            http::client(&certificates, adjusted)
                .map_err(|error| fail(format!("connections cannot be set up: {error}")))
        };
        let (http, sending) = (client(Some(PATIENCE))?, client(None)?);
        let scheme = match options.plain_http {
            true => "http",
            false if is_loopback(host) => loopback_scheme(&http, host).await,
            false => "https",
        };
        Ok(Self {
            name: name.clone(),
            place: place.clone(),
            http,
            sending,
            pace: options.pace,
            base: format!("{scheme}://{host}"),
            credentials,
            retry: Retry::new(options.retries, options.backoff),
            grants: Mutex::default(),
            mounted_from: Mutex::default(),
        })
    }

    /// Runs `request` until it succeeds, fails for good, or was tried often enough. It finds a
    /// valid login; one that the registry refuses is renewed once.
    pub(super) async fn attempt<T, F>(
        &self,
        access: Access,
        request: impl Fn(Grant) -> F,
    ) -> Result<T, ImageError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut renewed = false;
        let mut attempt = 0;
        loop {
            let result = match self.grant(access).await {
                Ok(grant) => request(grant).await,
                Err(failure) => {
                    renewed = true;
                    Err(failure)
                }
            };
            let failure = match result {
                Ok(done) => return Ok(done),
                Err(failure) => failure,
            };
            if failure.code() == Some(401) && !renewed {
                renewed = true;
                self.forget(access);
                continue;
            }
            match failure.wait(&self.retry, attempt) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(self.explain(failure, access, attempt + 1)),
            }
            attempt += 1;
        }
    }

    pub(super) fn explain(&self, failure: Failure, access: Access, attempts: u32) -> ImageError {
        let host = self.name.registry();
        explain(failure, &self.place, host, access, &self.credentials, attempts)
    }

    /// A login for `access` that is valid now.
    pub(super) async fn grant(&self, access: Access) -> Result<Grant, Failure> {
        let now = Instant::now();
        let known = {
            let grants = self.grants.lock().unwrap_or_else(PoisonError::into_inner);
            grants.get(&access).filter(|(_, until)| now < *until).map(|(grant, _)| grant.clone())
        };
        if let Some(grant) = known {
            return Ok(grant);
        }
        self.log_in(access, &[scope(self.name.repository(), access)]).await
    }

    async fn log_in(&self, access: Access, scopes: &[String]) -> Result<Grant, Failure> {
        let now = Instant::now();
        let login = &self.credentials.login;
        let answer = log_in(&self.http, &self.base, login, scopes);
        let (grant, lifetime) = self.pace.limit(answer).await??;
        let lifetime = lifetime.min(Duration::from_secs(24 * 3600)).saturating_sub(RENEWAL);
        let until = now.checked_add(lifetime.max(Duration::from_secs(1))).unwrap_or(now);
        let mut grants = self.grants.lock().unwrap_or_else(PoisonError::into_inner);
        grants.insert(access, (grant.clone(), until));
        Ok(grant)
    }

    /// Asks for a login that may also read `other`, a repository of the same registry. Best
    /// effort: without it the registry refuses the mount, and the blob is sent.
    pub(super) async fn grant_mount_from(&self, other: &str) {
        let first = {
            let mut asked = self.mounted_from.lock().unwrap_or_else(PoisonError::into_inner);
            asked.insert(other.to_owned())
        };
        if !first {
            return;
        }
        let scopes = [scope(self.name.repository(), Access::Write), scope(other, Access::Read)];
        // it is the login for writing from now on
        let _ = self.log_in(Access::Write, &scopes).await;
    }

    fn forget(&self, access: Access) {
        let mut grants = self.grants.lock().unwrap_or_else(PoisonError::into_inner);
        grants.remove(&access);
    }

    /// The address of something of the repository.
    pub(super) fn url(&self, what: &str) -> Result<Url, String> {
        let text = format!("{}/v2/{}/{what}", self.base, self.name.repository());
        Url::parse(&text).map_err(|_| format!("{text} is not a URL"))
    }

    fn manifest_url(&self, reference: &str) -> String {
        format!("{}/v2/{}/manifests/{reference}", self.base, self.name.repository())
    }

    /// The manifest under a tag or digest.
    pub(super) async fn get_manifest(&self, reference: &str) -> Result<Answer, ImageError> {
        self.attempt(Access::Read, |grant| async move {
            self.pace.limit(self.ask_manifest(reference, &grant)).await?
        })
        .await
    }

    /// Whether the registry lets in who has this grant
    /// (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md#determining-support>).
    pub(super) async fn ask_whether_open(&self, grant: &Grant) -> Result<(), Failure> {
        let response =
            with_grant(self.http.get(format!("{}/v2/", self.base)), grant).send().await?;
        match response.status().as_u16() {
            // some registries answer 404 here and still serve images
            200 | 404 => Ok(()),
            _ => Err(failure_of(response).await),
        }
    }

    /// A blob from its byte `from` on; a registry without ranges sends it from the beginning,
    /// with the status 200.
    pub(super) async fn get_blob(
        &self,
        grant: &Grant,
        digest: &str,
        from: u64,
    ) -> Result<reqwest::Response, Failure> {
        let url = self.url(&format!("blobs/{digest}")).map_err(Failure::protocol)?;
        let mut request = self.http.get(url);
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        let response = with_grant(request, grant).send().await?;
        match response.status().as_u16() {
            200 => Ok(response),
            206 if from > 0 => Ok(response),
            _ => Err(failure_of(response).await),
        }
    }

    async fn ask_manifest(&self, reference: &str, grant: &Grant) -> Result<Answer, Failure> {
        let request = self
            .http
            .get(self.manifest_url(reference))
            .header(header::ACCEPT, media_type::MANIFESTS.join(", "));
        let response = with_grant(request, grant).send().await?;
        if response.status().as_u16() != 200 {
            return Err(failure_of(response).await);
        }
        let text = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let media_type = text("content-type").unwrap_or_default();
        let digest = text("docker-content-digest");
        let bytes = body_of(response, MAX_MANIFEST).await?;
        Ok(Answer { media_type, digest, bytes })
    }

    /// Whether the registry has a blob.
    pub(super) async fn has_blob(&self, digest: &str) -> Result<bool, ImageError> {
        self.attempt(Access::Write, |grant| async move {
            let url = self.url(&format!("blobs/{digest}")).map_err(Failure::protocol)?;
            let response =
                self.pace.limit(with_grant(self.http.head(url), &grant).send()).await??;
            match response.status().as_u16() {
                200 => Ok(true),
                404 => Ok(false),
                _ => Err(failure_of(response).await),
            }
        })
        .await
    }

    /// Deletes a tag, or a manifest by digest with all its tags.
    pub(super) async fn delete_manifest(&self, reference: &str) -> Result<Deletion, ImageError> {
        self.attempt(Access::Delete, |grant| async move {
            let request = self.http.delete(self.manifest_url(reference));
            let response = self.pace.limit(with_grant(request, &grant).send()).await??;
            match response.status().as_u16() {
                200..=204 => Ok(Deletion::Done),
                400 => Ok(Deletion::NotThis),
                _ => Err(failure_of(response).await),
            }
        })
        .await
    }

    /// Stores a manifest under a tag or digest.
    pub(super) async fn put_manifest(
        &self,
        reference: &str,
        media_type: &str,
        bytes: &Bytes,
    ) -> Result<(), ImageError> {
        self.put_noting(reference, media_type, bytes, &AtomicBool::default()).await
    }

    /// As [`Connection::put_manifest`]; `refused` says of a failure that the registry's last
    /// word was a refusal, so that nothing was stored.
    pub(super) async fn put_noting(
        &self,
        reference: &str,
        media_type: &str,
        bytes: &Bytes,
        refused: &AtomicBool,
    ) -> Result<(), ImageError> {
        self.attempt(Access::Write, |grant| async move {
            refused.store(false, Ordering::SeqCst);
            let request = self
                .http
                .put(self.manifest_url(reference))
                .header(header::CONTENT_TYPE, media_type)
                .body(bytes.clone());
            let response = self.pace.limit(with_grant(request, &grant).send()).await??;
            match response.status().as_u16() {
                200..=202 => Ok(()),
                400..=499 => {
                    refused.store(true, Ordering::SeqCst);
                    Err(failure_of(response).await)
                }
                _ => Err(failure_of(response).await),
            }
        })
        .await
    }
}

pub(super) fn with_grant(
    request: reqwest::RequestBuilder,
    grant: &Grant,
) -> reqwest::RequestBuilder {
    match grant {
        Grant::Open => request,
        Grant::Basic(user, password) => request.basic_auth(user, Some(password)),
        Grant::Bearer(token) => request.bearer_auth(token),
    }
}

/// A body of at most `limit` bytes.
pub(super) async fn body_of(mut response: reqwest::Response, limit: u64) -> Result<Bytes, Failure> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        if (body.len() + chunk.len()) as u64 > limit {
            return Err(Failure::protocol(format!("its answer is larger than {limit} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// What an error answer says.
pub(super) async fn failure_of(response: reqwest::Response) -> Failure {
    let code = response.status().as_u16();
    let retry_after = http::retry_after(response.headers());
    let body = body_of(response, MAX_ERROR_BODY).await.unwrap_or_default();
    Failure { kind: Kind::Status { code, message: specified_message(&body) }, retry_after }
}

/// Whether `host[:port]` is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    loopback::is_loopback(name.trim_end_matches('.'))
}

/// A loopback registry speaks TLS or plain HTTP; only asking tells. A certificate that is not
/// trusted is no reason to go on without.
async fn loopback_scheme(http: &reqwest::Client, host: &str) -> &'static str {
    match http.get(format!("https://{host}/v2/")).send().await.map_err(Failure::from) {
        Ok(_) => "https",
        Err(Failure { kind: Kind::Certificate(_), .. }) => "https",
        Err(_) => "http",
    }
}

fn read_certificates(path: &Path) -> Result<Vec<u8>, ImageError> {
    let place = format!("--ca-file {}", path.display());
    let text = std::fs::read(path).map_err(|error| ImageError::io(place.as_str(), error))?;
    match text.windows(PEM_BEGIN.len()).any(|window| window == PEM_BEGIN) {
        true => Ok(text),
        false => Err(ImageError::invalid(place, "it has no certificate in PEM form")),
    }
}

const PEM_BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// What registries need otherwise.
fn adjust(
    builder: reqwest::ClientBuilder,
    loopback: bool,
    options: &RegistryOptions,
    patience: Option<Duration>,
) -> reqwest::ClientBuilder {
    // a redirect must not strip the encryption
    let builder = builder.https_only(!loopback && !options.plain_http).redirect(redirects());
    let builder = builder.tls_danger_accept_invalid_certs(options.skip_tls_verify);
    patience.into_iter().fold(builder, reqwest::ClientBuilder::read_timeout)
}

/// Follows redirects, but never from https to http: that is a mistake in the registry's
/// configuration, which is named.
fn redirects() -> reqwest::redirect::Policy {
    reqwest::redirect::Policy::custom(|attempt| {
        let encrypted = attempt.previous().iter().any(|url| url.scheme() == "https");
        if attempt.previous().len() > http::REDIRECTS {
            attempt.error("too many redirects")
        } else if let Some(found) = Unencrypted::of(encrypted, attempt.url(), "downloads") {
            attempt.error(found)
        } else {
            attempt.follow()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_few_names() {
        for host in [
            "localhost",
            "localhost:5000",
            "127.0.0.1:1",
            "127.8.9.10",
            "[::1]:5000",
            "a.localhost",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example.org", "10.0.0.1", "docker.io", "128.0.0.1", "[::2]:1"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let file = tempfile::NamedTempFile::new().expect("temp");
        std::fs::write(file.path(), "x").expect("write");
        let error = read_certificates(file.path()).expect_err("none").to_string();
        assert!(error.contains("--ca-file") && error.contains("no certificate"), "{error}");
    }
}
