//! The first bytes of package archives, where the rest is not wanted: of an rpm package its headers.
//!
//! In come archives and how much of each; out come the bytes, from the cache, a file, or a server
//! that is asked for no more. They are not held against the archive's checksum, which is that of
//! the whole: who takes them has another proof, as a signature.

use std::io::Read as _;
use std::path::Path;

use bytes::Bytes;
use futures_util::StreamExt as _;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderValue, RANGE};

use super::{FailedRequest, FetchError, Fetcher, Target, open_local};
use crate::request::{continues, good, passing, too_slow};
use imgfix_host::pace::Transfer;
use imgfix_model::checksum::ArchiveChecksum;
use imgfix_model::plan::Archive;

/// What the cache knows them by, with their number.
const DERIVED: &str = "beginning";

impl Fetcher {
    /// The first `bytes` of archives, in the order asked for; `None`: there is no such archive, or
    /// it is shorter.
    ///
    /// # Errors
    /// A server fails, or `--offline` and not in the cache.
    pub fn beginnings(&self, wanted: &[(&Archive, u64)]) -> Result<Vec<Option<Bytes>>, FetchError> {
        self.several(wanted, async |(archive, bytes)| match self.beginning(archive, *bytes).await {
            Ok(beginning) => Ok(Some(beginning)),
            Err(FetchError::NotFound { .. } | FetchError::Mismatch { .. }) => Ok(None),
            Err(error) => Err(error),
        })
    }

    async fn beginning(&self, archive: &Archive, bytes: u64) -> Result<Bytes, FetchError> {
        let target = self.target(&archive.url);
        let name = format!("{DERIVED}:{bytes}");
        if let ArchiveChecksum::Sha256(digest) = &archive.checksum {
            if let Some(path) = self.cache.object(digest) {
                return first(&target.label, &path, bytes);
            }
            // Who wrote them does not matter: they need their proof again.
            if let Some((known, _)) = self.cache.derived_of_anybody(&name, digest) {
                return Ok(known.into());
            }
        }
        if let Some(path) = self.local(&target)? {
            return first(&target.label, &path, bytes);
        }
        if self.options.offline {
            return Err(FetchError::Offline { url: archive.url.clone() });
        }
        let (mut tries, mut transfer) = (0, self.options.pace.transfer());
        let found = loop {
            match self.ask_beginning(&target, bytes, &mut transfer).await {
                Ok(found) => break found,
                Err(failed) => self.wait(failed, &mut tries).await?,
            }
        };
        if let ArchiveChecksum::Sha256(digest) = &archive.checksum {
            let kept = self.cache.keep_derived(&name, digest, &found);
            kept.map_err(|source| self.disk(source))?;
        }
        Ok(found)
    }

    async fn ask_beginning(
        &self,
        target: &Target,
        bytes: u64,
        transfer: &mut Transfer,
    ) -> Result<Bytes, FailedRequest> {
        let label = &target.label;
        let mut headers = HeaderMap::new();
        if let Ok(range) = HeaderValue::from_str(&format!("bytes=0-{}", bytes.saturating_sub(1))) {
            headers.insert(RANGE, range);
        }
        let slow = |slow| too_slow(label, slow);
        let failed = |why: String| FetchError::Failed { url: label.clone(), why };
        let response = transfer.wait(target.get(&self.clients, &headers)).await.map_err(slow)??;
        let response = good(label, response)?;
        // A server that knows no ranges sends everything, of which no more is read.
        if response.status() == StatusCode::PARTIAL_CONTENT && !continues(&response, 0) {
            let error = failed("the server sent another part than was asked for".to_owned());
            return Err(FailedRequest::for_good(error));
        }
        if let Some(length) = response.content_length()
            && length < bytes
        {
            return Err(FailedRequest::for_good(shorter(label, length, bytes)));
        }
        let mut content = Vec::new();
        let mut body = response.bytes_stream();
        while (content.len() as u64) < bytes {
            let Some(chunk) = transfer.wait(body.next()).await.map_err(slow)? else {
                let why = format!("it ended after {} of {bytes} bytes", content.len());
                return Err(FailedRequest { error: failed(why), again: Some(None) });
            };
            let chunk = chunk.map_err(|error| passing(label, &error))?;
            transfer.came(chunk.len());
            content.extend_from_slice(&chunk);
        }
        content.truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
        Ok(content.into())
    }
}

/// The first bytes of a file.
fn first(url: &str, path: &Path, bytes: u64) -> Result<Bytes, FetchError> {
    let failed = |why: String| FetchError::Failed { url: url.to_owned(), why };
    let mut content = Vec::new();
    let file = open_local(url, path)?;
    let read = file.take(bytes).read_to_end(&mut content);
    read.map_err(|error| failed(error.to_string()))?;
    match content.len() as u64 {
        length if length < bytes => Err(shorter(url, length, bytes)),
        _ => Ok(content.into()),
    }
}

fn shorter(url: &str, length: u64, bytes: u64) -> FetchError {
    FetchError::Mismatch { url: url.to_owned(), why: format!("{length} bytes instead of {bytes}") }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::fetch::FetchOptions;
    use crate::testing::{Reply, Server, fetcher, fetcher_at};
    use imgfix_model::digest::Digest;

    const BODY: &[u8] = b"0123456789abcdefghij";

    fn archive(url: String) -> Archive {
        let checksum = Digest::of(BODY).into();
        Archive { url, size: BODY.len() as u64, checksum, repository: String::new() }
    }

    #[test]
    fn a_server_is_asked_for_no_more_and_once() {
        let server = Server::start(|request, before| match (request.header("range"), before) {
            (Some("bytes=0-4"), 0) => Reply::status(503),
            (Some("bytes=0-4"), 1) => Reply { status: 206, ..Reply::ok(&BODY[..5]) }
                .header("Content-Range", "bytes 0-4/20")
                .cut(3),
            (Some("bytes=0-4"), 2) => Reply { status: 206, ..Reply::ok(&BODY[..5]) }
                .header("Content-Range", "bytes 0-4/20"),
            other => panic!("{other:?}"),
        });
        let dir = tempfile::tempdir().unwrap();
        let archive = archive(format!("{}x", server.url));
        let get = |options| fetcher_at(dir.path(), options).beginnings(&[(&archive, 5)]).unwrap();
        let offline = || FetchOptions { offline: true, ..FetchOptions::default() };
        let options = [FetchOptions::default(), FetchOptions::default(), offline()];
        for options in options {
            assert_eq!(get(options), [Some(Bytes::from_static(b"01234"))]);
        }
        assert_eq!(server.requests().len(), 3);
        let more = fetcher_at(dir.path(), offline()).beginnings(&[(&archive, 6)]);
        assert!(matches!(more, Err(FetchError::Offline { .. })), "{more:?}");
    }

    #[test]
    fn a_server_without_ranges_a_file_and_one_that_is_gone() {
        let server = Server::start(|request, _| match request.path.as_str() {
            "/x" => Reply::ok(BODY),
            "/other" => Reply { status: 206, ..Reply::ok(&BODY[3..]) }
                .header("Content-Range", "bytes 3-19/20"),
            _ => Reply::status(404),
        });
        let dir = tempfile::tempdir().unwrap();
        let file: PathBuf = dir.path().join("y");
        std::fs::write(&file, BODY).unwrap();
        let of = |name: &str| archive(format!("{}{name}", server.url));
        let (x, gone, other) = (of("x"), of("gone"), of("other"));
        let local = archive(format!("file://{}", file.display()));
        let (fetcher, _cache) = fetcher(FetchOptions::default());
        let get = |archives: &[(&Archive, u64)]| fetcher.beginnings(archives);
        let got = get(&[(&local, 3), (&gone, 3), (&x, 20)]).unwrap();
        let want = [Some(Bytes::from_static(b"012")), None, Some(Bytes::from_static(BODY))];
        assert_eq!(got, want);
        assert_eq!(get(&[(&local, 21), (&x, 21)]).unwrap(), [None, None], "shorter");
        let error = get(&[(&other, 4)]).unwrap_err().to_string();
        assert!(error.ends_with("the server sent another part than was asked for"), "{error}");
    }
}
