//! Archives of libraries: known by their registry's hash, their size not known before.
//!
//! In come a URL, a hash and a bound; out comes a file of the cache that has the hash, with its
//! size and SHA-256, under which a plan names it. The cache remembers that SHA-256 by URL and hash,
//! and what it has is held against the hash again.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::PathBuf;

use futures_util::StreamExt as _;
use reqwest::header::HeaderMap;

use super::{FailedRequest, FetchError, Fetcher, Target, open_local};
use crate::content_hash::{Checked, ContentHash};
use crate::request::{good, passing, too_slow};
use imgfix_host::pace::Transfer;
use imgfix_host::staging::Staged;
use imgfix_model::digest::Digest;

/// What the cache knows them by.
const DERIVED: &str = "library-archives";

/// An archive by its registry's hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashed {
    /// Where it is.
    pub url: String,
    /// What its content has to have.
    pub hash: ContentHash,
    /// Bytes; more are never read.
    pub limit: u64,
}

/// An archive that has its registry's hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The file in the cache.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the whole.
    pub digest: Digest,
}

impl Fetcher {
    /// Archives of libraries, in the order asked for.
    ///
    /// # Errors
    /// The first that cannot be had or has another hash.
    pub fn hashed(&self, wanted: &[Hashed]) -> Result<Vec<Kept>, FetchError> {
        self.several(wanted, async |one| self.hashed_one(one).await)
    }

    async fn hashed_one(&self, wanted: &Hashed) -> Result<Kept, FetchError> {
        let key = Digest::of(format!("{} {}", wanted.hash, wanted.url).as_bytes());
        if let Some(kept) = self.remembered(wanted, &key) {
            return Ok(kept);
        }
        let target = self.target(&wanted.url);
        let mut staged = self.cache.staging().map_err(|source| self.disk(source))?;
        if let Some(path) = self.local(&target)? {
            let mut limited =
                std::io::Read::take(open_local(&target.label, &path)?, wanted.limit + 1);
            let copied = std::io::copy(&mut limited, staged.file());
            let failed = |why: String| FetchError::Failed { url: target.label.clone(), why };
            if copied.map_err(|error| failed(error.to_string()))? > wanted.limit {
                return Err(failed(more_than(wanted.limit)));
            }
        } else {
            if self.options.offline {
                return Err(FetchError::Offline { url: wanted.url.clone() });
            }
            let name = wanted.url.rsplit('/').next().unwrap_or(&wanted.url);
            let _task = self.progress.start(name, None);
            let (mut tries, mut transfer) = (0, self.options.pace.transfer());
            while let Err(failed) =
                self.ask_hashed(&target, wanted, &mut staged, &mut transfer).await
            {
                self.wait(failed, &mut tries).await?;
            }
        }
        staged.file().rewind().map_err(|source| self.disk(source))?;
        let checked = wanted.hash.check(staged.file()).map_err(|source| self.disk(source))?;
        let Checked { is_same: true, digest, size, .. } = checked else {
            let why = format!("{} instead of {}", checked.found, wanted.hash);
            return Err(FetchError::Mismatch { url: target.label, why });
        };
        let path = self.cache.keep(staged, &digest).map_err(|source| self.disk(source))?;
        let text = digest.to_string();
        let kept = self.cache.keep_derived(DERIVED, &key, text.as_bytes());
        kept.map_err(|source| self.disk(source))?;
        Ok(Kept { path, size, digest })
    }

    /// The file of an earlier run. Whoever remembered it may have named any file: what it has is
    /// checked again.
    fn remembered(&self, wanted: &Hashed, key: &Digest) -> Option<Kept> {
        let digest = match &wanted.hash {
            ContentHash::Sha256(hash) => Digest::from_sha256(*hash),
            _ => {
                let (known, _) = self.cache.derived_of_anybody(DERIVED, key)?;
                std::str::from_utf8(&known).ok()?.parse().ok()?
            }
        };
        let path = self.cache.object(&digest)?;
        let checked = wanted.hash.check(&mut File::open(&path).ok()?).ok()?;
        let is_it = checked.is_same && checked.digest == digest && checked.size <= wanted.limit;
        is_it.then_some(Kept { path, size: checked.size, digest })
    }

    async fn ask_hashed(
        &self,
        target: &Target,
        wanted: &Hashed,
        staged: &mut Staged,
        transfer: &mut Transfer,
    ) -> Result<(), FailedRequest> {
        let label = &target.label;
        let disk = |source| FailedRequest::for_good(self.disk(source));
        staged.file().set_len(0).map_err(disk)?;
        staged.file().rewind().map_err(disk)?;
        let slow = |slow| too_slow(label, slow);
        let none = HeaderMap::new();
        let response = transfer.wait(target.get(&self.clients, &none)).await.map_err(slow)??;
        let response = good(label, response)?;
        let length = response.content_length();
        let failed = |why: String| FetchError::Failed { url: label.clone(), why };
        let mut have = 0;
        let mut body = response.bytes_stream();
        while let Some(chunk) = transfer.wait(body.next()).await.map_err(slow)? {
            let chunk = chunk.map_err(|error| passing(label, &error))?;
            transfer.came(chunk.len());
            have += chunk.len() as u64;
            if have > wanted.limit {
                return Err(FailedRequest::for_good(failed(more_than(wanted.limit))));
            }
            staged.file().write_all(&chunk).map_err(disk)?;
        }
        match length {
            Some(length) if have < length => {
                let why = format!("the connection ended after {have} of {length} bytes");
                Err(FailedRequest { error: failed(why), again: Some(None) })
            }
            _ => Ok(()),
        }
    }
}

fn more_than(limit: u64) -> String {
    format!("more than {limit} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FetchOptions;
    use crate::testing::{Reply, Server, fetcher, fetcher_at};

    const BODY: &[u8] = b"abc";
    const SHA1: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";
    const SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn wanted(server: &Server, hash: &str, limit: u64) -> [Hashed; 1] {
        let hash = ContentHash::from_hex(hash).unwrap();
        [Hashed { url: format!("{}x.tgz", server.url), hash, limit }]
    }

    #[test]
    fn what_has_the_hash_is_kept_and_fetched_once() {
        let server = Server::start(|_, before| match before {
            0 => Reply::ok(BODY).cut(2),
            _ => Reply::ok(BODY),
        });
        let dir = tempfile::tempdir().unwrap();
        for (hash, offline, requests) in [(SHA1, false, 2), (SHA1, true, 2), (SHA256, true, 2)] {
            let fetcher = fetcher_at(dir.path(), FetchOptions { offline, ..Default::default() });
            let kept = fetcher.hashed(&wanted(&server, hash, 3)).unwrap();
            assert_eq!((kept[0].size, kept[0].digest.hex().as_str()), (3, SHA256));
            assert_eq!(std::fs::read(&kept[0].path).unwrap(), BODY);
            assert_eq!(server.requests().len(), requests, "{hash} {offline}");
        }
    }

    #[test]
    fn what_is_other_or_longer_is_refused() {
        let server = Server::start(|_, _| Reply::ok(BODY));
        let (fetcher, _cache) = fetcher(FetchOptions::default());
        let other = SHA1.replace("a9", "a8");
        for (hash, limit, want) in [
            (other.as_str(), 3, "sha1:a9993e364706816aba3e25717850c26c9cd0d89d instead of"),
            (SHA1, 2, "more than 2 bytes"),
        ] {
            let error = fetcher.hashed(&wanted(&server, hash, limit)).unwrap_err().to_string();
            assert!(error.contains(want), "{error}");
        }
    }

    #[test]
    fn an_unsigned_index_is_taken_over_tls_or_from_this_machine() {
        let server = Server::start(|request, _| {
            Reply::ok(request.header("accept").unwrap_or_default().as_bytes())
        });
        let (fetcher, _cache) = fetcher(FetchOptions::default());
        let url = format!("{}simple/x/", server.url);
        // one run asks once
        for _ in 0..2 {
            let found = fetcher.unsigned(&url, 100, Some("application/json")).unwrap().unwrap();
            assert_eq!(found, &b"application/json"[..]);
            assert_eq!(server.requests().len(), 1);
        }
        let nothing = Server::start(|_, _| Reply::status(404));
        for _ in 0..2 {
            assert_eq!(fetcher.unsigned(&nothing.url, 100, None).unwrap(), None);
            assert_eq!(nothing.requests().len(), 1);
        }
        let error = fetcher.unsigned("http://pypi.example/simple/x/", 100, None).unwrap_err();
        assert!(error.to_string().contains("name it with https"), "{error}");
    }
}
