//! Downloads: HTTP(S) and `file://`, several at a time, retried, resumed, bounded, and checked
//! by size and checksum before anyone sees them. Whatever has a known checksum comes from the
//! cache when it is there.

use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use reqwest::header::{
    CONTENT_RANGE, ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
    LOCATION, RANGE,
};
use reqwest::{Client, Response, StatusCode};
use tokio::runtime::Runtime;
use url::Url;

use super::access::{Access, Credentials, Logins};
use super::cache::{Cache, Revalidation, Word};
use super::checked::{self, CheckError, IdentityCheck};
use super::mirror::{self, Mirror};
use super::newest::{Newest, Older, OlderIndex};
use imgfix_host::http::{self, Reach, Retry};
use imgfix_host::pace::{Pace, TooSlow, Transfer};
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
    /// Only what the cache has.
    pub offline: bool,
    pub mirrors: Vec<Mirror>,
    /// Further trusted certificates, PEM.
    pub certificates: Vec<Vec<u8>>,
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
    #[error("{url}: not found")]
    NotFound { url: String },
    #[error("{url} is not in the cache, and --offline allows no download")]
    Offline { url: String },
    #[error("{url}: the server answered {status}")]
    Refused { url: String, status: StatusCode },
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

/// Something with a known checksum.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Where it may be, in order of preference; a missing one leads to the next.
    pub urls: Vec<String>,
    /// Bytes.
    pub size: u64,
    pub checksum: ArchiveChecksum,
    /// For progress.
    pub name: String,
}

/// Fetches and caches.
pub struct Fetcher {
    runtime: Arc<Runtime>,
    client: Client,
    /// Whether there are certificates to verify servers with.
    https: bool,
    cache: Cache,
    options: FetchOptions,
    progress: SharedProgress,
    logins: Logins,
    newest: Newest,
}

/// Where something is fetched from.
struct Target {
    /// After `--mirror`.
    url: String,
    /// The same without a password, for messages and the cache.
    label: String,
    access: Access,
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
        // Over plain http, where Debian's and Ubuntu's own archives are, signatures protect what
        // comes.
        let (client, reach) = http::client_or_plain(&options.certificates, |builder| {
            let builder = builder.read_timeout(STALLED);
            match options.reuse_connections {
                true => builder,
                false => builder.pool_max_idle_per_host(0),
            }
        })
        .map_err(FetchError::Setup)?;
        let https = reach == Reach::Everything;
        let (logins, newest) = (Logins::default(), Newest::new(options.older, options.now));
        Ok(Self { runtime, client, https, cache, options, progress, logins, newest })
    }

    /// Logs in for everything below `base`. Other hosts (`--mirror`, redirects) do not get the
    /// login.
    pub fn login(&self, base: &str, credentials: Credentials) {
        self.logins.add(base, credentials);
    }

    fn target(&self, url: &str) -> Target {
        let actual = mirror::apply(&self.options.mirrors, url);
        let access = self.logins.access(&actual);
        Target { label: without_login(&actual), url: actual, access }
    }

    /// Asks, and follows redirects. Each place gets the login that is meant for it, no other.
    async fn send(&self, target: &Target, headers: &HeaderMap) -> Result<Response, Attempt> {
        let label = &target.label;
        let fatal = |why: String| Attempt {
            error: FetchError::Failed { url: label.clone(), why },
            again: None,
        };
        let mut url = Url::parse(&target.url).map_err(|error| fatal(error.to_string()))?;
        for _ in 0..=http::REDIRECTS {
            let mut request = self.client.get(url.clone()).headers(headers.clone());
            if let Some(login) = target.access.login(&url) {
                request = request.basic_auth(login.user, Some(login.password));
            }
            let response = request.send().await.map_err(|error| passing(label, &error))?;
            match redirected(&url, &response) {
                Ok(Some(next)) => url = next,
                Ok(None) => return Ok(response),
                Err(why) => return Err(fatal(why)),
            }
        }
        Err(fatal("too many redirects".to_owned()))
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
            let attempt = self.stream(&target, wanted, &mut staged, &*task, &mut transfer).await;
            match attempt {
                Ok(()) => break,
                Err(attempt) => self.wait(attempt, &mut tries).await?,
            }
        }
        self.verified(&target.label, staged, wanted)
    }

    /// Waits before the next try, if there is to be one.
    async fn wait(&self, attempt: Attempt, tries: &mut u32) -> Result<(), FetchError> {
        let Attempt { error, again: Some(asked) } = attempt else { return Err(attempt.error) };
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
    ) -> Result<(), Attempt> {
        let label = &target.label;
        let fatal = |error| Attempt { error, again: None };
        let disk = |source| fatal(self.disk(source));
        let mut have = staged.file().metadata().map_err(disk)?.len();
        let mut headers = HeaderMap::new();
        if let (1.., Ok(range)) = (have, HeaderValue::from_str(&format!("bytes={have}-"))) {
            headers.insert(RANGE, range);
        }
        let slow = |slow| too_slow(label, slow);
        let response = transfer.wait(self.send(target, &headers)).await.map_err(slow)??;
        let restart = |staged: &mut Staged| staged.file().set_len(0).map_err(disk);
        let again = || {
            let why = "the server cannot go on where it was cut off".to_owned();
            Attempt { error: FetchError::Failed { url: label.clone(), why }, again: Some(None) }
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
            return Err(Attempt { error, again: Some(None) });
        }
        Ok(())
    }

    /// The path behind a `file://` URL; `None` for HTTP.
    fn local(&self, target: &Target) -> Result<Option<PathBuf>, FetchError> {
        let failed =
            |why: &str| FetchError::Failed { url: target.label.clone(), why: why.to_owned() };
        let parsed = url::Url::parse(&target.url).map_err(|error| failed(&error.to_string()))?;
        match parsed.scheme() {
            "https" if !self.https && !self.options.offline => Err(failed(
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
        let target = self.target(url);
        if let Some(path) = self.local(&target)? {
            return match open_local(&target.label, &path) {
                Ok(file) => read_bounded(&target.label, file, limit).map(Some),
                Err(FetchError::NotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            };
        }
        let known = self.cache.revalidation(&target.label).and_then(|(known, word)| {
            // Offline there is nothing else to go by: the signature and the date must do.
            if word == Word::Unknown && !self.options.offline {
                return None;
            }
            let file = std::fs::File::open(self.cache.object(&known.digest)?).ok()?;
            Some((known, read_bounded(&target.label, file, limit).ok()?))
        });
        if self.options.offline {
            return match known {
                Some((_, bytes)) => Ok(Some(bytes)),
                None => Err(FetchError::Offline { url: url.to_owned() }),
            };
        }
        self.runtime.block_on(self.revalidated(&target, known, limit))
    }

    async fn revalidated(
        &self,
        target: &Target,
        known: Option<(Revalidation, Bytes)>,
        limit: u64,
    ) -> Result<Option<Bytes>, FetchError> {
        let (mut tries, mut transfer) = (0, self.options.pace.transfer());
        loop {
            match self.ask(target, known.as_ref(), limit, &mut transfer).await {
                Ok(found) => return Ok(Some(found)),
                Err(Attempt { error: FetchError::NotFound { .. }, .. }) => return Ok(None),
                Err(attempt) => self.wait(attempt, &mut tries).await?,
            }
        }
    }

    async fn ask(
        &self,
        target: &Target,
        known: Option<&(Revalidation, Bytes)>,
        limit: u64,
        transfer: &mut Transfer,
    ) -> Result<Bytes, Attempt> {
        let label = &target.label;
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
        let slow = |slow| too_slow(label, slow);
        let response = transfer.wait(self.send(target, &headers)).await.map_err(slow)??;
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
                return Err(Attempt { error, again: None });
            }
        }
        let digest = Digest::of(&content);
        let new = Revalidation { url: label.clone(), digest, etag, last_modified };
        self.store(&new, &content)
            .map_err(|source| Attempt { error: self.disk(source), again: None })?;
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

impl Target {
    fn is_local(&self) -> bool {
        self.url.starts_with("file:")
    }
}

/// The URL without user and password.
fn without_login(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(mut parsed) if !parsed.username().is_empty() || parsed.password().is_some() => {
            let bare = parsed.set_username("").and_then(|()| parsed.set_password(None));
            bare.map_or_else(|()| "a URL with a login".to_owned(), |()| parsed.to_string())
        }
        _ => url.to_owned(),
    }
}

/// Where an answer leads to, if it does.
fn redirected(from: &Url, response: &Response) -> Result<Option<Url>, String> {
    let Some(place) =
        response.headers().get(LOCATION).filter(|_| response.status().is_redirection())
    else {
        return Ok(None);
    };
    let place = place.to_str().map_err(|_| "a redirect leads to what is no URL")?;
    let next = from.join(place).map_err(|error| format!("a redirect leads nowhere: {error}"))?;
    match next.scheme() {
        "http" if http::loses_encryption(from.scheme() == "https", &next) => {
            Err("a redirect leads from https to http".to_owned())
        }
        "http" | "https" if next.username().is_empty() && next.password().is_none() => {
            Ok(Some(next))
        }
        "http" | "https" => Err("a redirect brings a login".to_owned()),
        other => Err(format!("a redirect leads to {other}:, which is not followed")),
    }
}

/// Whether an answer to a request for a range goes on at `have`.
fn continues(response: &Response, have: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let start = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next());
    response.status() == StatusCode::PARTIAL_CONTENT
        && start.and_then(|start| start.trim().parse().ok()) == Some(have)
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

fn good(url: &str, response: Response) -> Result<Response, Attempt> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let url = url.to_owned();
    if matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE) {
        return Err(Attempt { error: FetchError::NotFound { url }, again: None });
    }
    let wait = http::retry_after(response.headers());
    let passes = http::may_pass(status.as_u16());
    let error = FetchError::Refused { url, status };
    Err(Attempt { error, again: passes.then_some(wait) })
}

/// A server that is too slow is so the next time.
fn too_slow(url: &str, slow: TooSlow) -> Attempt {
    let error = FetchError::Failed { url: url.to_owned(), why: slow.to_string() };
    Attempt { error, again: None }
}

/// A failure of the connection. reqwest's own text would repeat the URL, with a password.
fn passing(url: &str, error: &reqwest::Error) -> Attempt {
    let why = http::cause(error).unwrap_or_else(|| "the connection failed".to_owned());
    let again = if error.is_builder() { None } else { Some(None) };
    Attempt { error: FetchError::Failed { url: url.to_owned(), why }, again }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::CacheKey;
    use super::super::testing::{Reply, Server, fetcher, fetcher_at};
    use super::*;
    use crate::repository_url::Login;

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

    #[test]
    fn logins_go_to_their_host_and_into_no_message() {
        let server = Server::start(|request, _| match request.header("authorization") {
            Some("Basic bWU6c2VjcmV0") => Reply::ok("yes"),
            _ => Reply::status(401),
        });
        let login = Login { user: "me".to_owned(), password: "secret".to_owned() };
        let login = Credentials::Login(login);
        let (fetcher, _cache) = fetcher(FetchOptions::default());
        let url = format!("{}x", server.url);
        assert!(matches!(fetcher.latest(&url, 10), Err(FetchError::Refused { .. })));
        fetcher.login("http://other.invalid/", login.clone());
        assert!(fetcher.latest(&url, 10).is_err());
        fetcher.login(&server.url, login);
        assert_eq!(fetcher.latest(&url, 10).unwrap().unwrap(), "yes");
        assert_eq!(without_login("http://me:secret@h/x"), "http://h/x");
    }

    #[test]
    fn a_redirect_takes_no_login_along() {
        let other = Server::start(|request, _| match request.header("authorization") {
            None => Reply::ok(BODY),
            Some(_) => panic!("a login has reached another host"),
        });
        let to = format!("{}y", other.url);
        let server = Server::start(move |request, _| {
            match (request.path.as_str(), request.header("authorization").is_some()) {
                ("/d/x", true) => Reply::status(302).header("Location", &to),
                ("/d/login", _) => {
                    Reply::status(302).header("Location", "http://me:secret@example.invalid/")
                }
                ("/d/file", _) => Reply::status(302).header("Location", "file:///etc/passwd"),
                other => panic!("{other:?}"),
            }
        });
        let (fetcher, _cache) = fetcher(FetchOptions::default());
        let login = Login { user: "me".to_owned(), password: "secret".to_owned() };
        fetcher.login(&format!("{}d/", server.url), Credentials::Login(login));
        assert_eq!(fetcher.latest(&format!("{}d/x", server.url), 99).unwrap().unwrap(), BODY);
        for (path, want) in [("login", "brings a login"), ("file", "leads to file:")] {
            let error = fetcher.latest(&format!("{}d/{path}", server.url), 99).unwrap_err();
            let error = error.to_string();
            assert!(error.contains(want) && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn redirects_end() {
        let server = Server::start(|request, _| match request.path.as_str() {
            "/x" => Reply::status(302).header("Location", "/y"),
            "/y" => Reply::ok(BODY),
            _ => Reply::status(302).header("Location", "/loop"),
        });
        assert_eq!(get(&server).unwrap(), BODY);
        let (fetcher, _cache) = fetcher(FetchOptions::default());
        let error = fetcher.latest(&format!("{}loop", server.url), 10).unwrap_err().to_string();
        assert!(error.contains("too many redirects"), "{error}");
    }
}
