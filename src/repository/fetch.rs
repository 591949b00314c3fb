//! Downloads: HTTP(S) and `file://`, several at a time, retried, resumed, bounded, and checked
//! by size and checksum before anyone sees them.
//!
//! In come URLs, with a checksum ([`Wanted`]) or without one (a signed index); out come files of
//! the cache, or bytes. What has a known checksum is not asked for when the cache has it.

mod beginning;
mod hashed;

pub use hashed::{Hashed, Kept};

use std::collections::BTreeMap;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use reqwest::StatusCode;
use reqwest::header::{
    ACCEPT, ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, RANGE,
};
use tokio::runtime::Runtime;

use super::access::{Credentials, Logins};
use super::cache::{Cache, Revalidation, Word};
use super::checked::{self, CheckError, IdentityCheck};
use super::clients::{ClientCertificate, Clients};
use super::mirror::{self, Mirror};
use super::newest::{Newest, Older, OlderIndex};
use super::request::{FailedRequest, Target, continues, good, passing, too_slow};
use imgfix_host::http::Retry;
use imgfix_host::loopback::is_loopback;
use imgfix_host::pace::{Pace, Transfer};
use imgfix_host::progress::{SharedProgress, Task};
use imgfix_host::staging::Staged;
use imgfix_model::checksum::ArchiveChecksum;
use imgfix_model::digest::Digest;
use imgfix_model::plan::Archive;

/// Downloads under way at once.
const AT_ONCE: usize = 8;
/// How failures that may pass are met.
const RETRY: Retry = Retry::new(4, Duration::from_millis(if cfg!(test) { 1 } else { 300 }));
const STALLED: Duration = Duration::from_secs(60);

/// How downloads are made.
#[derive(Debug, Clone)]
pub struct FetchOptions {
    /// Nothing is downloaded: only what the cache and local files have.
    pub offline: bool,
    /// Where the user wants URLs to be fetched from instead; the first that fits counts.
    pub mirrors: Vec<Mirror>,
    /// Further trusted certificates, PEM.
    pub certificates: Vec<Vec<u8>>,
    /// What is shown to servers that want a certificate; the first that is for a URL counts.
    pub client_certificates: Vec<ClientCertificate>,
    /// How long a server may take.
    pub pace: Pace,
    /// What to do with an index older than one that was seen.
    pub older: Older,
    /// The time of the run, in seconds since the epoch.
    pub now: Option<i64>,
    /// How packages with an identity are checked.
    pub identity_check: Option<IdentityCheck>,
    /// Whether a connection is kept for the next request.
    pub reuse_connections: bool,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            offline: false,
            mirrors: Vec::new(),
            certificates: Vec::new(),
            client_certificates: Vec::new(),
            pace: Pace::default(),
            older: Older::default(),
            now: None,
            identity_check: None,
            reuse_connections: true,
        }
    }
}

/// Why something could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The server (404 or 410) or the folder has no such file.
    #[error("{url}: not found")]
    NotFound {
        /// What was asked for, after `--mirror` and without a login, as in all of these.
        url: String,
    },
    /// [`FetchOptions::offline`], and the cache has it not.
    #[error("{url} is not in the cache, and --offline allows no download")]
    Offline {
        /// What would have been asked for.
        url: String,
    },
    /// Another status than success.
    #[error("{url}: the server answered {status}")]
    Refused {
        /// What was asked for.
        url: String,
        /// The status of the last answer.
        status: StatusCode,
    },
    /// There is no whole answer: the connection, a redirect, a bound, or the URL itself.
    #[error("{url}: {why}")]
    Failed {
        /// What was asked for.
        url: String,
        /// What went wrong, for people.
        why: String,
    },
    /// Size or checksum are not those of [`Wanted`].
    #[error(
        "{url}: its content is not what the repository's index says ({why}); the mirror may be \
         in the middle of an update, or the content was changed on the way"
    )]
    Mismatch {
        /// What was asked for.
        url: String,
        /// What differs, for people.
        why: String,
    },
    /// The cache's disk.
    #[error("cannot write the cache {dir}: {source}; free space there or use --cache-dir")]
    Cache {
        /// The cache's directory.
        dir: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// No client can be made: see [`Fetcher::new`].
    #[error("cannot prepare downloads: {0}")]
    Setup(String),
}

/// Something with a known checksum.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Where it may be, in order of preference; a missing one leads to the next.
    pub urls: Vec<String>,
    /// Bytes, as the index says: more are never read.
    pub size: u64,
    /// As the index says.
    pub checksum: ArchiveChecksum,
    /// For progress.
    pub name: String,
}

/// Fetches and caches.
pub struct Fetcher {
    runtime: Arc<Runtime>,
    clients: Clients,
    cache: Cache,
    options: FetchOptions,
    progress: SharedProgress,
    logins: Logins,
    newest: Newest,
    /// Unsigned documents that this run has asked for, and whether they are there.
    asked: Mutex<BTreeMap<String, bool>>,
}

impl Fetcher {
    /// A fetcher that keeps what it gets in `cache`.
    ///
    /// # Errors
    /// A certificate is not PEM, a proxy variable is no address, or TLS cannot be set up.
    pub fn new(
        runtime: Arc<Runtime>,
        cache: Cache,
        options: FetchOptions,
        progress: SharedProgress,
    ) -> Result<Self, FetchError> {
        let (trusted, own) = (&options.certificates, &options.client_certificates);
        let clients = Clients::new(trusted, own, |builder| {
            let builder = builder.read_timeout(STALLED);
            match options.reuse_connections {
                true => builder,
                false => builder.pool_max_idle_per_host(0),
            }
        })
        .map_err(FetchError::Setup)?;
        let (logins, newest) = (Logins::default(), Newest::new(options.older, options.now));
        let asked = Mutex::default();
        Ok(Self { runtime, clients, cache, options, progress, logins, newest, asked })
    }

    /// Logs in for everything below `base`. Other hosts (`--mirror`, redirects) do not get the
    /// login.
    pub fn login(&self, base: &str, credentials: Credentials) {
        self.logins.add(base, credentials);
    }

    /// The place behind `--mirror`, with the login that is meant for it.
    fn target(&self, url: &str) -> Target {
        let actual = mirror::apply(&self.options.mirrors, url);
        let access = self.logins.access(&actual);
        Target::new(actual, access)
    }

    /// What is known of the repositories' newest states.
    #[must_use]
    pub fn newest(&self) -> &Newest {
        &self.newest
    }

    /// Checks that a verified index is no older than one that was seen: [`Newest::check`].
    ///
    /// # Errors
    /// It is.
    pub fn check_newest(
        &self,
        index: &str,
        repositories: &[String],
        date: i64,
    ) -> Result<(), OlderIndex> {
        self.newest.check(&self.cache, index, repositories, date)
    }

    /// Who is told what happens.
    #[must_use]
    pub fn progress(&self) -> &SharedProgress {
        &self.progress
    }

    /// Where downloads are kept.
    #[must_use]
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// One thing with a known checksum: its file in the cache, verified.
    ///
    /// # Errors
    /// As [`Fetcher::all`].
    pub fn one_of(&self, wanted: &Wanted) -> Result<PathBuf, FetchError> {
        self.runtime.block_on(self.one(wanted))
    }

    /// Package archives, verified: their files in the cache, in the order asked for.
    ///
    /// # Errors
    /// As [`Fetcher::all`].
    pub fn archives(&self, archives: &[&Archive]) -> Result<Vec<PathBuf>, FetchError> {
        let wanted = |archive: &&Archive| Wanted {
            urls: vec![archive.url.clone()],
            size: archive.size,
            checksum: archive.checksum,
            name: archive.url.rsplit('/').next().unwrap_or(&archive.url).to_owned(),
        };
        let wanted: Vec<Wanted> = archives.iter().map(wanted).collect();
        self.all(&wanted)
    }

    /// Many things with known checksums, in the order asked for.
    ///
    /// # Errors
    /// The first that cannot be had or is not what its checksum says.
    pub fn all(&self, wanted: &[Wanted]) -> Result<Vec<PathBuf>, FetchError> {
        self.several(wanted, async |one| self.one(one).await)
    }

    /// What `get` makes of each, several at a time, in their order; or its first error.
    fn several<I, R>(
        &self,
        items: &[I],
        get: impl AsyncFn(&I) -> Result<R, FetchError>,
    ) -> Result<Vec<R>, FetchError> {
        let get = &get;
        self.runtime.block_on(async {
            let mut found: Vec<(usize, R)> = Vec::with_capacity(items.len());
            let mut stream = futures_util::stream::iter(items.iter().enumerate())
                .map(|(at, item)| async move { get(item).await.map(|one| (at, one)) })
                .buffer_unordered(AT_ONCE);
            while let Some(result) = stream.next().await {
                found.push(result?);
            }
            found.sort_by_key(|(at, _)| *at);
            Ok(found.into_iter().map(|(_, one)| one).collect())
        })
    }

    async fn one(&self, wanted: &Wanted) -> Result<PathBuf, FetchError> {
        if let Some(path) = checked::cached(&self.cache, wanted, self.options.identity_check) {
            return Ok(path);
        }
        let (last, others) = wanted.urls.split_last().ok_or_else(|| {
            let url = wanted.name.clone();
            FetchError::NotFound { url }
        })?;
        if self.options.offline && !self.target(last).is_local() {
            return Err(FetchError::Offline { url: last.clone() });
        }
        for url in others {
            // Some servers do not say "not found" for what they do not have.
            match self.download(url, wanted).await {
                Err(error @ (FetchError::NotFound { .. } | FetchError::Refused { .. })) => {
                    self.progress.detail(&format!("{error}; trying {last}"));
                }
                other => return other,
            }
        }
        self.download(last, wanted).await
    }

    async fn download(&self, url: &str, wanted: &Wanted) -> Result<PathBuf, FetchError> {
        let target = self.target(url);
        if let Some(path) = self.local(&target)? {
            return self.copy(&target.label, &path, wanted);
        }
        let task = self.progress.start(&wanted.name, Some(wanted.size));
        let mut staged = self.cache.staging().map_err(|source| self.disk(source))?;
        let (mut tries, mut transfer) = (0, self.options.pace.transfer());
        loop {
            match self.stream(&target, wanted, &mut staged, &*task, &mut transfer).await {
                Ok(()) => break,
                Err(failed) => self.wait(failed, &mut tries).await?,
            }
        }
        self.verified(&target.label, staged, wanted)
    }

    /// Waits before the next try, if there is to be one.
    async fn wait(&self, failed: FailedRequest, tries: &mut u32) -> Result<(), FetchError> {
        let FailedRequest { error, again: Some(asked) } = failed else { return Err(failed.error) };
        let Some(wait) = RETRY.wait(*tries, asked) else { return Err(error) };
        self.progress.detail(&format!("{error}; trying again"));
        tokio::time::sleep(wait).await;
        *tries += 1;
        Ok(())
    }

    /// One request; goes on where an earlier one was cut off when the server can.
    async fn stream(
        &self,
        target: &Target,
        wanted: &Wanted,
        staged: &mut Staged,
        task: &dyn Task,
        transfer: &mut Transfer,
    ) -> Result<(), FailedRequest> {
        let label = &target.label;
        let fatal = |error| FailedRequest::for_good(error);
        let disk = |source| fatal(self.disk(source));
        let mut have = staged.file().metadata().map_err(disk)?.len();
        let mut headers = HeaderMap::new();
        if let (1.., Ok(range)) = (have, HeaderValue::from_str(&format!("bytes={have}-"))) {
            headers.insert(RANGE, range);
        }
        let slow = |slow| too_slow(label, slow);
        let response = transfer.wait(target.get(&self.clients, &headers)).await.map_err(slow)??;
        let restart = |staged: &mut Staged| staged.file().set_len(0).map_err(disk);
        let again = || {
            let why = "the server cannot go on where it was cut off".to_owned();
            FailedRequest {
                error: FetchError::Failed { url: label.clone(), why },
                again: Some(None),
            }
        };
        if have > 0 && response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            restart(staged)?;
            return Err(again());
        }
        let response = good(label, response)?;
        if have > 0 && !continues(&response, have) {
            restart(staged)?;
            have = 0;
            if response.status() == StatusCode::PARTIAL_CONTENT {
                return Err(again());
            }
        }
        let mismatch = |why| fatal(FetchError::Mismatch { url: label.clone(), why });
        if let Some(rest) = response.content_length()
            && have.saturating_add(rest) != wanted.size
        {
            let total = have.saturating_add(rest);
            return Err(mismatch(format!("{total} bytes instead of {}", wanted.size)));
        }
        staged.file().seek(std::io::SeekFrom::Start(have)).map_err(disk)?;
        let mut body = response.bytes_stream();
        while let Some(chunk) = transfer.wait(body.next()).await.map_err(slow)? {
            let chunk = chunk.map_err(|error| passing(label, &error))?;
            transfer.came(chunk.len());
            have += chunk.len() as u64;
            if have > wanted.size {
                return Err(mismatch(format!("more than {} bytes", wanted.size)));
            }
            staged.file().write_all(&chunk).map_err(disk)?;
            task.advance(chunk.len() as u64);
        }
        if have < wanted.size {
            let why = format!("the connection ended after {have} of {} bytes", wanted.size);
            let error = FetchError::Failed { url: label.clone(), why };
            return Err(FailedRequest { error, again: Some(None) });
        }
        Ok(())
    }

    /// The path behind a `file://` URL; `None` for HTTP.
    fn local(&self, target: &Target) -> Result<Option<PathBuf>, FetchError> {
        let failed =
            |why: &str| FetchError::Failed { url: target.label.clone(), why: why.to_owned() };
        let parsed = url::Url::parse(&target.url).map_err(|error| failed(&error.to_string()))?;
        match parsed.scheme() {
            "https" if !self.clients.https && !self.options.offline => Err(failed(
                "this machine has no certificates to verify the server with; install \
                 ca-certificates or give them with --ca-file",
            )),
            "http" | "https" => Ok(None),
            "file" => parsed.to_file_path().map(Some).map_err(|()| failed("not a local path")),
            _ => Err(failed("only http, https and file URLs can be fetched")),
        }
    }

    fn copy(&self, url: &str, path: &Path, wanted: &Wanted) -> Result<PathBuf, FetchError> {
        let mut staged = self.cache.staging().map_err(|source| self.disk(source))?;
        let file = open_local(url, path)?;
        let mut limited = std::io::Read::take(file, wanted.size + 1);
        std::io::copy(&mut limited, staged.file())
            .map_err(|error| FetchError::Failed { url: url.to_owned(), why: error.to_string() })?;
        self.verified(url, staged, wanted)
    }

    fn verified(
        &self,
        url: &str,
        mut staged: Staged,
        wanted: &Wanted,
    ) -> Result<PathBuf, FetchError> {
        match checked::check(staged.file(), wanted, self.options.identity_check) {
            Ok(digest) => {
                let disk = |source| self.disk(source);
                let path = self.cache.keep(staged, &digest).map_err(disk)?;
                checked::remember(&self.cache, wanted, &digest).map_err(disk)?;
                Ok(path)
            }
            Err(CheckError::Disk(source)) => Err(self.disk(source)),
            Err(CheckError::Other(why)) => Err(FetchError::Mismatch { url: url.to_owned(), why }),
        }
    }

    /// A file that changes (`InRelease`): asked for anew with what the cache knows, at most
    /// `limit` bytes. `None`: the server has no such file.
    ///
    /// # Errors
    /// The server fails, or `--offline` and not in the cache.
    pub fn latest(&self, url: &str, limit: u64) -> Result<Option<Bytes>, FetchError> {
        let asked = Asked { limit, accept: None, is_signed: true, is_known: false };
        self.newest_of(&self.target(url), url, asked)
    }

    /// The same of an index that nobody signs: a registry's word over TLS, which is all that its
    /// own tools go by. What another user's key sealed in the cache is not taken. `accept` is what
    /// is asked for, as a media type. One run asks for a document once, whoever wants it.
    ///
    /// # Errors
    /// As [`Fetcher::latest`]; the URL is `http:` of another machine.
    pub fn unsigned(
        &self,
        url: &str,
        limit: u64,
        accept: Option<&'static str>,
    ) -> Result<Option<Bytes>, FetchError> {
        let target = self.target(url);
        if !proves_itself(&target.url) {
            let why = "over http nothing proves what the registry says: name it with https";
            return Err(FetchError::Failed { url: target.label, why: why.to_owned() });
        }
        let known = self.asked_before(&target.label);
        if known == Some(false) {
            return Ok(None);
        }
        let is_known = known.is_some();
        let found =
            self.newest_of(&target, url, Asked { limit, accept, is_signed: false, is_known })?;
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(target.label, found.is_some());
        Ok(found)
    }

    /// Whether a document is there, when this run asked for it.
    fn asked_before(&self, label: &str) -> Option<bool> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).get(label).copied()
    }

    fn newest_of(
        &self,
        target: &Target,
        url: &str,
        asked: Asked,
    ) -> Result<Option<Bytes>, FetchError> {
        let limit = asked.limit;
        if let Some(path) = self.local(target)? {
            return match open_local(&target.label, &path) {
                Ok(file) => read_bounded(&target.label, file, limit).map(Some),
                Err(FetchError::NotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            };
        }
        let known = self.cache.revalidation(&target.label).and_then(|(known, word)| {
            // Offline there is nothing else to go by: the signature and the date must do.
            if word == Word::Unknown && !(self.options.offline && asked.is_signed) {
                return None;
            }
            let file = std::fs::File::open(self.cache.object(&known.digest)?).ok()?;
            Some((known, read_bounded(&target.label, file, limit).ok()?))
        });
        if let (true, Some((_, bytes))) = (asked.is_known, &known) {
            return Ok(Some(bytes.clone()));
        }
        if self.options.offline {
            return match known {
                Some((_, bytes)) => Ok(Some(bytes)),
                None => Err(FetchError::Offline { url: url.to_owned() }),
            };
        }
        self.runtime.block_on(self.revalidated(target, known, asked))
    }

    async fn revalidated(
        &self,
        target: &Target,
        known: Option<(Revalidation, Bytes)>,
        asked: Asked,
    ) -> Result<Option<Bytes>, FetchError> {
        let (mut tries, mut transfer) = (0, self.options.pace.transfer());
        loop {
            match self.ask(target, known.as_ref(), asked, &mut transfer).await {
                Ok(found) => return Ok(Some(found)),
                Err(FailedRequest { error: FetchError::NotFound { .. }, .. }) => return Ok(None),
                Err(failed) => self.wait(failed, &mut tries).await?,
            }
        }
    }

    async fn ask(
        &self,
        target: &Target,
        known: Option<&(Revalidation, Bytes)>,
        asked: Asked,
        transfer: &mut Transfer,
    ) -> Result<Bytes, FailedRequest> {
        let (label, limit) = (&target.label, asked.limit);
        let mut headers = HeaderMap::new();
        if let Some(accept) = asked.accept {
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
        }
        if let Some((known, _)) = known {
            let value = |text: &Option<String>| text.as_deref().map(HeaderValue::from_str);
            if let Some(Ok(etag)) = value(&known.etag) {
                headers.insert(IF_NONE_MATCH, etag);
            }
            if let Some(Ok(date)) = value(&known.last_modified) {
                headers.insert(IF_MODIFIED_SINCE, date);
            }
        }
        let slow = |slow| too_slow(label, slow);
        let response = transfer.wait(target.get(&self.clients, &headers)).await.map_err(slow)??;
        if let (StatusCode::NOT_MODIFIED, Some((_, bytes))) = (response.status(), known) {
            return Ok(bytes.clone());
        }
        let response = good(label, response)?;
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
        while let Some(chunk) = transfer.wait(body.next()).await.map_err(slow)? {
            let chunk = chunk.map_err(|error| passing(label, &error))?;
            transfer.came(chunk.len());
            content.extend_from_slice(&chunk);
            if content.len() as u64 > limit {
                let why = format!("more than {limit} bytes");
                let error = FetchError::Failed { url: label.clone(), why };
                return Err(FailedRequest::for_good(error));
            }
        }
        let digest = Digest::of(&content);
        let new = Revalidation { url: label.clone(), digest, etag, last_modified };
        self.store(&new, &content).map_err(|source| FailedRequest::for_good(self.disk(source)))?;
        if let Some((old, _)) = known.filter(|(old, _)| old.digest != digest) {
            self.cache.forget(&old.digest);
        }
        Ok(content.into())
    }

    fn store(&self, known: &Revalidation, content: &[u8]) -> std::io::Result<()> {
        let mut staged = self.cache.staging()?;
        staged.file().write_all(content)?;
        self.cache.keep(staged, &known.digest)?;
        self.cache.remember(known)
    }

    fn disk(&self, source: std::io::Error) -> FetchError {
        FetchError::Cache { dir: self.cache.root().display().to_string(), source }
    }
}

/// How a file that changes is asked for.
#[derive(Clone, Copy)]
struct Asked {
    /// Bytes; more are never read.
    limit: u64,
    /// The media type that is asked for.
    accept: Option<&'static str>,
    /// Whether the caller has a signature to check, so that it does not matter who wrote the cache.
    is_signed: bool,
    /// Whether this run has asked for it: what the cache has is the answer.
    is_known: bool,
}

/// Whether what comes from a URL is known to be its server's: it is encrypted, or of this machine.
fn proves_itself(url: &str) -> bool {
    let Ok(url) = url::Url::parse(url) else { return true };
    let host = url.host_str().unwrap_or_default();
    url.scheme() != "http" || is_loopback(host.trim_start_matches('[').trim_end_matches(']'))
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::CacheKey;
    use super::super::testing::{Reply, Server, fetcher, fetcher_at};
    use super::*;

    const BODY: &[u8] = b"0123456789abcdefghij";

    fn wanted(urls: &[String]) -> Wanted {
        Wanted {
            urls: urls.to_vec(),
            size: BODY.len() as u64,
            checksum: Digest::of(BODY).into(),
            name: "thing".to_owned(),
        }
    }

    /// Fetches [`BODY`] from `/x` of a server.
    fn get(server: &Server) -> Result<Vec<u8>, FetchError> {
        let (fetcher, _cache) = fetcher(FetchOptions::default());
        let path = fetcher.one_of(&wanted(&[format!("{}x", server.url)]))?;
        Ok(std::fs::read(path).unwrap())
    }

    #[test]
    fn a_record_of_others_is_not_told_to_the_server() {
        // "Not changed" would bring back whatever they put into the cache.
        let server = Server::start(|request, _| match request.header("if-none-match") {
            Some(_) => Reply::status(304),
            None => Reply::ok(BODY).header("ETag", "\"v1\""),
        });
        let url = format!("{}x", server.url);
        let dir = tempfile::tempdir().unwrap();
        let planted = |key: CacheKey, content: &[u8]| {
            let cache =
                Cache::open(dir.path(), key, &imgfix_host::unfinished::Unfinished::default());
            let cache = cache.unwrap();
            let mut staged = cache.staging().unwrap();
            staged.file().write_all(content).unwrap();
            let digest = Digest::of(content);
            cache.keep(staged, &digest).unwrap();
            let etag = Some("\"v1\"".to_owned());
            cache.remember(&Revalidation { url: url.clone(), digest, etag, last_modified: None })
        };
        planted(CacheKey::random().unwrap(), b"old").unwrap();
        let latest = |options| fetcher_at(dir.path(), options).latest(&url, 100).unwrap().unwrap();
        let offline = FetchOptions { offline: true, ..FetchOptions::default() };
        assert_eq!(latest(offline)[..], b"old"[..], "its signature and date are checked later");
        assert_eq!(latest(FetchOptions::default())[..], *BODY);
        assert_eq!(server.requests()[0].header("if-none-match"), None);
        // One's own record is: nothing is sent twice.
        assert_eq!(latest(FetchOptions::default())[..], *BODY);
        assert!(server.requests()[1].header("if-none-match").is_some());
    }

    #[test]
    fn a_cut_connection_goes_on_where_it_ended() {
        let server = Server::start(|request, before| match request.header("range") {
            None => Reply::ok(BODY).cut(7),
            Some("bytes=7-") => Reply { status: 206, ..Reply::ok(&BODY[7..]) }
                .header("Content-Range", "bytes 7-19/20")
                .cut(5),
            Some("bytes=12-") if before == 2 => Reply::status(503),
            Some("bytes=12-") => Reply { status: 206, ..Reply::ok(&BODY[12..]) }
                .header("Content-Range", "bytes 12-19/20"),
            Some(other) => panic!("{other}"),
        });
        assert_eq!(get(&server).unwrap(), BODY);
        assert_eq!(server.requests().len(), 4);
    }

    #[test]
    fn a_server_without_ranges_is_read_from_the_start_again() {
        let whole = Server::start(|_, before| match before {
            0 => Reply::ok(BODY).cut(7),
            _ => Reply::ok(BODY),
        });
        assert_eq!(get(&whole).unwrap(), BODY);
        let wrong_place =
            Server::start(|request, before| match (before, request.header("range")) {
                (0, None) => Reply::ok(BODY).cut(7),
                (1, Some(_)) => Reply { status: 206, ..Reply::ok(&BODY[3..]) }
                    .header("Content-Range", "bytes 3-19/20"),
                (2, None) => Reply::ok(BODY).cut(9),
                (3, Some(_)) => Reply::status(416),
                (4, None) => Reply::ok(BODY),
                other => panic!("{other:?}"),
            });
        assert_eq!(get(&wrong_place).unwrap(), BODY);
    }

    #[test]
    fn busy_servers_are_asked_again_and_not_for_ever() {
        let busy = Server::start(|_, before| match before {
            0 => Reply::status(429).header("Retry-After", "0"),
            1 => Reply::status(502),
            _ => Reply::ok(BODY),
        });
        assert_eq!(get(&busy).unwrap(), BODY);
        let down = Server::start(|_, _| Reply::status(500));
        let error = get(&down).unwrap_err().to_string();
        assert!(error.contains("the server answered 500"), "{error}");
        assert_eq!(down.requests().len(), 1 + RETRY.times as usize);
        for status in [401, 403, 404] {
            let server = Server::start(move |_, _| Reply::status(status));
            assert!(get(&server).is_err());
            assert_eq!(server.requests().len(), 1, "{status} is final");
        }
    }

    #[test]
    fn what_is_not_the_thing_asked_for_is_refused_and_not_kept() {
        for body in [&b"0123456789abcdefghiX"[..], b"short", b"0123456789abcdefghij and more"] {
            let server = Server::start(move |_, _| Reply::ok(body));
            let (fetcher, cache) = fetcher(FetchOptions::default());
            let result = fetcher.one_of(&wanted(&[format!("{}x", server.url)]));
            assert!(matches!(result, Err(FetchError::Mismatch { .. })), "{result:?}");
            assert!(!cache.path().join("objects").exists());
            assert_eq!(std::fs::read_dir(cache.path().join("tmp")).unwrap().count(), 0);
        }
    }

    #[test]
    fn the_next_place_is_tried_when_one_has_it_not() {
        for status in [404, 403] {
            let server = Server::start(move |request, _| match request.path.as_str() {
                "/by-hash" => Reply::status(status),
                _ => Reply::ok(BODY),
            });
            let (fetcher, _cache) = fetcher(FetchOptions::default());
            let urls = ["by-hash", "plain"].map(|path| format!("{}{path}", server.url));
            fetcher.one_of(&wanted(&urls)).unwrap();
            assert_eq!(server.paths(), ["/by-hash", "/plain"]);
        }
    }

    #[test]
    fn a_second_run_and_an_offline_run_use_the_cache() {
        let server = Server::start(|_, _| Reply::ok(BODY));
        let (online, cache) = fetcher(FetchOptions::default());
        let url = format!("{}x", server.url);
        online.all(&[wanted(std::slice::from_ref(&url))]).unwrap();
        online.all(&[wanted(std::slice::from_ref(&url))]).unwrap();
        assert_eq!(server.requests().len(), 1);
        let offline = FetchOptions { offline: true, ..FetchOptions::default() };
        let offline = super::super::testing::fetcher_at(cache.path(), offline);
        offline.one_of(&wanted(std::slice::from_ref(&url))).unwrap();
        let miss =
            Wanted { checksum: Digest::of(b"other").into(), ..wanted(std::slice::from_ref(&url)) };
        let error = offline.one_of(&miss).unwrap_err().to_string();
        assert!(error.contains(&url) && error.contains("--offline"), "{error}");
        assert!(matches!(offline.latest(&url, 100), Err(FetchError::Offline { .. })));
        assert_eq!(server.requests().len(), 1);
    }

    #[test]
    fn an_unchanged_index_is_not_sent_again() {
        let server =
            Server::start(|request, before| match (before, request.header("if-none-match")) {
                (_, Some("\"v1\"")) if before == 1 => Reply::status(304),
                (_, Some("\"v1\"")) => Reply::ok("new"),
                _ => Reply::ok("old").header("ETag", "\"v1\"").header("Last-Modified", "yesterday"),
            });
        let (fetcher, _cache) = fetcher(FetchOptions::default());
        let url = format!("{}InRelease", server.url);
        for want in ["old", "old", "new"] {
            assert_eq!(fetcher.latest(&url, 100).unwrap().unwrap(), want);
        }
        assert_eq!(server.requests()[1].header("if-modified-since"), Some("yesterday"));
        assert!(fetcher.latest(&url, 2).is_err());
    }

    #[test]
    fn mirrors_and_files_take_the_place_of_the_network() {
        let server = Server::files(BTreeMap::from([("/m/x".to_owned(), BODY.to_vec())]));
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("x"), BODY).unwrap();
        let to = [format!("{}m", server.url), format!("file://{}", dir.path().display())];
        for to in to {
            let mirror: Mirror = format!("http://example.invalid/debian={to}").parse().unwrap();
            let options = FetchOptions { mirrors: vec![mirror], ..FetchOptions::default() };
            let (fetcher, _cache) = fetcher(options);
            fetcher.one_of(&wanted(&["http://example.invalid/debian/x".to_owned()])).unwrap();
            let missing = fetcher.latest("http://example.invalid/debian/no", 10).unwrap();
            assert_eq!(missing, None);
        }
    }
}
