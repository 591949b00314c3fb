//! Downloads: HTTP(S) and `file://`, several at a time, retried, resumed, bounded, and checked
//! by size and digest before anyone sees them. Whatever has a known digest comes from the
//! cache when it is there.

use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use reqwest::header::{
    ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, RANGE,
    RETRY_AFTER,
};
use reqwest::{Client, StatusCode};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use tokio::runtime::Runtime;

use super::cache::{Cache, Revalidation};
use super::mirror::{self, Mirror};
use crate::image::Digest;
use crate::plan::Archive;
use crate::progress::{SharedProgress, Task};

/// Downloads under way at once.
const AT_ONCE: usize = 8;
/// Further tries after a failure that may pass.
const RETRIES: u32 = 4;
/// The longest wait between tries.
const MAX_WAIT: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(20);
const STALLED: Duration = Duration::from_secs(60);
const REDIRECTS: usize = 5;

/// How downloads are made.
#[derive(Debug, Clone, Default)]
pub struct FetchOptions {
    /// Only what the cache has.
    pub offline: bool,
    pub mirrors: Vec<Mirror>,
    /// Further trusted certificates, PEM.
    pub certificates: Vec<Vec<u8>>,
}

/// Why something could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("{url}: not found")]
    NotFound { url: String },
    #[error("{url} is not in the cache, and --offline allows no download")]
    Offline { url: String },
    #[error("{url}: {why}")]
    Failed { url: String, why: String },
    #[error(
        "{url}: its content is not what the repository's index says ({why}); the mirror may be \
         in the middle of an update, or the content was changed on the way"
    )]
    Mismatch { url: String, why: String },
    #[error("cannot write the cache {dir}: {source}; free space there or use --cache-dir")]
    Cache { dir: String, source: std::io::Error },
    #[error("cannot prepare downloads: {0}")]
    Setup(String),
}

/// Something with a known digest.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Where it may be, in order of preference; a missing one leads to the next.
    pub urls: Vec<String>,
    /// Bytes.
    pub size: u64,
    pub digest: Digest,
    /// For progress.
    pub name: String,
}

/// Fetches and caches.
pub struct Fetcher {
    runtime: Arc<Runtime>,
    client: Client,
    cache: Cache,
    options: FetchOptions,
    progress: SharedProgress,
}

/// A failure, and whether trying again makes sense.
struct Attempt {
    error: FetchError,
    again: Option<Option<Duration>>,
}

impl Fetcher {
    /// # Errors
    /// A certificate is not PEM, or TLS cannot be set up.
    pub fn new(
        runtime: Arc<Runtime>,
        cache: Cache,
        options: FetchOptions,
        progress: SharedProgress,
    ) -> Result<Self, FetchError> {
        // Another part of the program may have installed the provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let setup = |error: reqwest::Error| FetchError::Setup(error.to_string());
        let mut builder = Client::builder()
            .user_agent(concat!("imgfix/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .read_timeout(STALLED)
            .redirect(reqwest::redirect::Policy::custom(|attempt| {
                let from_https = attempt.previous().iter().any(|url| url.scheme() == "https");
                if attempt.previous().len() > REDIRECTS {
                    attempt.error("too many redirects")
                } else if from_https && attempt.url().scheme() != "https" {
                    attempt.error("a redirect leads from https to http")
                } else {
                    attempt.follow()
                }
            }));
        for pem in &options.certificates {
            for certificate in reqwest::Certificate::from_pem_bundle(pem).map_err(setup)? {
                builder = builder.add_root_certificate(certificate);
            }
        }
        let client = builder.build().map_err(setup)?;
        Ok(Self { runtime, client, cache, options, progress })
    }

    #[must_use]
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// A package archive, verified: its file in the cache.
    ///
    /// # Errors
    /// As [`Fetcher::all`].
    pub fn archives(&self, archives: &[&Archive]) -> Result<Vec<PathBuf>, FetchError> {
        let wanted: Vec<Wanted> = archives
            .iter()
            .map(|archive| Wanted {
                urls: vec![archive.url.clone()],
                size: archive.size,
                digest: archive.sha256,
                name: archive.url.rsplit('/').next().unwrap_or(&archive.url).to_owned(),
            })
            .collect();
        self.all(&wanted)
    }

    /// Many things with known digests, in the order asked for.
    ///
    /// # Errors
    /// The first that cannot be had or is not what its digest says.
    pub fn all(&self, wanted: &[Wanted]) -> Result<Vec<PathBuf>, FetchError> {
        self.runtime.block_on(async {
            let mut found: Vec<(usize, PathBuf)> = Vec::with_capacity(wanted.len());
            let mut stream = futures_util::stream::iter(wanted.iter().enumerate())
                .map(|(at, one)| async move { self.one(one).await.map(|path| (at, path)) })
                .buffer_unordered(AT_ONCE);
            while let Some(result) = stream.next().await {
                found.push(result?);
            }
            found.sort();
            Ok(found.into_iter().map(|(_, path)| path).collect())
        })
    }

    async fn one(&self, wanted: &Wanted) -> Result<PathBuf, FetchError> {
        if let Some(path) = self.cache.object(&wanted.digest) {
            return Ok(path);
        }
        let mut missing = None;
        for url in &wanted.urls {
            match self.download(url, wanted).await {
                Err(error @ FetchError::NotFound { .. }) => missing = Some(error),
                other => return other,
            }
        }
        let url = wanted.name.clone();
        Err(missing.unwrap_or(FetchError::NotFound { url }))
    }

    async fn download(&self, url: &str, wanted: &Wanted) -> Result<PathBuf, FetchError> {
        let actual = mirror::apply(&self.options.mirrors, url);
        if let Some(path) = local(&actual)? {
            return self.copy(&actual, &path, wanted);
        }
        if self.options.offline {
            return Err(FetchError::Offline { url: url.to_owned() });
        }
        let task = self.progress.start(&wanted.name, Some(wanted.size));
        let mut staged = self.cache.staging().map_err(|source| self.disk(source))?;
        let mut tries = 0;
        loop {
            match self.stream(&actual, wanted, &mut staged, &*task).await {
                Ok(()) => break,
                Err(Attempt { error, again: None }) => return Err(error),
                Err(Attempt { error, again: Some(_) }) if tries >= RETRIES => return Err(error),
                Err(Attempt { error, again: Some(wait) }) => {
                    self.progress.detail(&format!("{error}; trying again"));
                    tokio::time::sleep(backoff(tries, wait)).await;
                    tries += 1;
                }
            }
        }
        self.verified(&actual, staged, wanted)
    }

    /// One request; goes on where an earlier one was cut off when the server can.
    async fn stream(
        &self,
        url: &str,
        wanted: &Wanted,
        staged: &mut NamedTempFile,
        task: &dyn Task,
    ) -> Result<(), Attempt> {
        let fatal = |error| Attempt { error, again: None };
        let disk = |source| fatal(self.disk(source));
        let mut have = staged.as_file().metadata().map_err(disk)?.len();
        let mut request = self.client.get(url);
        if have > 0 {
            request = request.header(RANGE, format!("bytes={have}-"));
        }
        let response = request.send().await.map_err(|error| passing(url, &error))?;
        let response = good(url, response)?;
        if have > 0 && response.status() != StatusCode::PARTIAL_CONTENT {
            have = 0;
            staged.as_file().set_len(0).map_err(disk)?;
        }
        staged.seek(std::io::SeekFrom::Start(have)).map_err(disk)?;
        let mut body = response.bytes_stream();
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| passing(url, &error))?;
            have += chunk.len() as u64;
            if have > wanted.size {
                let why = format!("more than the {} bytes it should have", wanted.size);
                return Err(fatal(FetchError::Mismatch { url: url.to_owned(), why }));
            }
            staged.write_all(&chunk).map_err(disk)?;
            task.advance(chunk.len() as u64);
        }
        if have < wanted.size {
            let why = format!("the connection ended after {have} of {} bytes", wanted.size);
            let error = FetchError::Failed { url: url.to_owned(), why };
            return Err(Attempt { error, again: Some(None) });
        }
        Ok(())
    }

    fn copy(&self, url: &str, path: &Path, wanted: &Wanted) -> Result<PathBuf, FetchError> {
        let mut staged = self.cache.staging().map_err(|source| self.disk(source))?;
        let file = open_local(url, path)?;
        let mut limited = std::io::Read::take(file, wanted.size + 1);
        std::io::copy(&mut limited, &mut staged)
            .map_err(|error| FetchError::Failed { url: url.to_owned(), why: error.to_string() })?;
        self.verified(url, staged, wanted)
    }

    fn verified(
        &self,
        url: &str,
        mut staged: NamedTempFile,
        wanted: &Wanted,
    ) -> Result<PathBuf, FetchError> {
        let disk = |source| self.disk(source);
        staged.rewind().map_err(disk)?;
        let mut hash = Sha256::new();
        let size = std::io::copy(&mut staged, &mut HashWriter(&mut hash)).map_err(disk)?;
        let found = Digest::from_sha256(hash.finalize().into());
        let why = if size != wanted.size {
            format!("{size} bytes instead of {}", wanted.size)
        } else if found != wanted.digest {
            format!("{found} instead of {}", wanted.digest)
        } else {
            return self.cache.keep(staged, &wanted.digest).map_err(disk);
        };
        Err(FetchError::Mismatch { url: url.to_owned(), why })
    }

    /// A file that changes (`InRelease`): asked for anew with what the cache knows, at most
    /// `limit` bytes. `None`: the server has no such file.
    ///
    /// # Errors
    /// The server fails, or `--offline` and not in the cache.
    pub fn latest(&self, url: &str, limit: u64) -> Result<Option<Bytes>, FetchError> {
        let actual = mirror::apply(&self.options.mirrors, url);
        if let Some(path) = local(&actual)? {
            return match open_local(&actual, &path) {
                Ok(file) => read_bounded(&actual, file, limit).map(Some),
                Err(FetchError::NotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            };
        }
        let known = self.cache.revalidation(&actual).and_then(|known| {
            let bytes = std::fs::read(self.cache.object(&known.digest)?).ok()?;
            Some((known, Bytes::from(bytes)))
        });
        if self.options.offline {
            return match known {
                Some((_, bytes)) => Ok(Some(bytes)),
                None => Err(FetchError::Offline { url: url.to_owned() }),
            };
        }
        self.runtime.block_on(self.revalidated(&actual, known, limit))
    }

    async fn revalidated(
        &self,
        url: &str,
        known: Option<(Revalidation, Bytes)>,
        limit: u64,
    ) -> Result<Option<Bytes>, FetchError> {
        let mut tries = 0;
        loop {
            match self.ask(url, known.as_ref(), limit).await {
                Ok(found) => return Ok(found),
                Err(Attempt { error: FetchError::NotFound { .. }, .. }) => return Ok(None),
                Err(Attempt { error, again: None }) => return Err(error),
                Err(Attempt { error, again: Some(_) }) if tries >= RETRIES => return Err(error),
                Err(Attempt { error, again: Some(wait) }) => {
                    self.progress.detail(&format!("{error}; trying again"));
                    tokio::time::sleep(backoff(tries, wait)).await;
                    tries += 1;
                }
            }
        }
    }

    async fn ask(
        &self,
        url: &str,
        known: Option<&(Revalidation, Bytes)>,
        limit: u64,
    ) -> Result<Option<Bytes>, Attempt> {
        let mut headers = HeaderMap::new();
        if let Some((known, _)) = known {
            let value = |text: &Option<String>| text.as_deref().map(HeaderValue::from_str);
            if let Some(Ok(etag)) = value(&known.etag) {
                headers.insert(IF_NONE_MATCH, etag);
            }
            if let Some(Ok(date)) = value(&known.last_modified) {
                headers.insert(IF_MODIFIED_SINCE, date);
            }
        }
        let response = self.client.get(url).headers(headers).send().await;
        let response = response.map_err(|error| passing(url, &error))?;
        if let (StatusCode::NOT_MODIFIED, Some((_, bytes))) = (response.status(), known) {
            return Ok(Some(bytes.clone()));
        }
        let response = good(url, response)?;
        let header = |name| {
            response
                .headers()
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok())
                .map(str::to_owned)
        };
        let (etag, last_modified) = (header(ETAG), header(LAST_MODIFIED));
        let mut content = Vec::new();
        let mut body = response.bytes_stream();
        while let Some(chunk) = body.next().await {
            content.extend_from_slice(&chunk.map_err(|error| passing(url, &error))?);
            if content.len() as u64 > limit {
                let why = format!("more than {limit} bytes");
                let error = FetchError::Failed { url: url.to_owned(), why };
                return Err(Attempt { error, again: None });
            }
        }
        let digest = Digest::of(&content);
        let known = Revalidation { url: url.to_owned(), digest, etag, last_modified };
        self.store(&known, &content)
            .map_err(|source| Attempt { error: self.disk(source), again: None })?;
        Ok(Some(content.into()))
    }

    fn store(&self, known: &Revalidation, content: &[u8]) -> std::io::Result<()> {
        let mut staged = self.cache.staging()?;
        staged.write_all(content)?;
        self.cache.keep(staged, &known.digest)?;
        self.cache.remember(known)
    }

    fn disk(&self, source: std::io::Error) -> FetchError {
        FetchError::Cache { dir: self.cache.root().display().to_string(), source }
    }
}

/// The path behind a `file://` URL; `None` for HTTP.
fn local(url: &str) -> Result<Option<PathBuf>, FetchError> {
    let failed = |why: &str| FetchError::Failed { url: url.to_owned(), why: why.to_owned() };
    let parsed = url::Url::parse(url).map_err(|error| failed(&error.to_string()))?;
    match parsed.scheme() {
        "http" | "https" => Ok(None),
        "file" => parsed.to_file_path().map(Some).map_err(|()| failed("not a local path")),
        _ => Err(failed("only http, https and file URLs can be fetched")),
    }
}

fn open_local(url: &str, path: &Path) -> Result<std::fs::File, FetchError> {
    std::fs::File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => FetchError::NotFound { url: url.to_owned() },
        _ => FetchError::Failed { url: url.to_owned(), why: error.to_string() },
    })
}

fn read_bounded(url: &str, file: std::fs::File, limit: u64) -> Result<Bytes, FetchError> {
    let failed = |why: String| FetchError::Failed { url: url.to_owned(), why };
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(file, limit + 1), &mut bytes)
        .map_err(|error| failed(error.to_string()))?;
    if bytes.len() as u64 > limit {
        return Err(failed(format!("more than {limit} bytes")));
    }
    Ok(bytes.into())
}

fn good(url: &str, response: reqwest::Response) -> Result<reqwest::Response, Attempt> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let url = url.to_owned();
    if matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE) {
        return Err(Attempt { error: FetchError::NotFound { url }, again: None });
    }
    let wait = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    let passes = status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
    let error = FetchError::Failed { url, why: format!("the server answered {status}") };
    Err(Attempt { error, again: passes.then_some(wait) })
}

/// A failure of the connection. The URL is not repeated and may hold no password.
fn passing(url: &str, error: &reqwest::Error) -> Attempt {
    use std::error::Error;
    let mut why = "the connection failed".to_owned();
    let mut source = error.source();
    while let Some(inner) = source {
        why = inner.to_string();
        source = inner.source();
    }
    let again = if error.is_redirect() || error.is_builder() { None } else { Some(None) };
    Attempt { error: FetchError::Failed { url: url.to_owned(), why }, again }
}

fn backoff(tries: u32, asked: Option<Duration>) -> Duration {
    asked.unwrap_or(Duration::from_millis(300 << tries.min(6))).min(MAX_WAIT)
}

struct HashWriter<'a>(&'a mut Sha256);

impl Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
