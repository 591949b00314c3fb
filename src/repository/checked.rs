//! Downloads against their checksums: a SHA-256 of the whole file, or apk's identity of a
//! package's control member.
//!
//! In comes a file that was fetched; out comes its SHA-256, under which the cache keeps it. Of
//! an apk package the cache remembers that SHA-256 by identity and URL: the identity is a
//! SHA-1, which a stranger could make another package for, but not at the same repository.

use std::fs::File;
use std::io::{self, BufReader, Seek, Write};
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use super::cache::{Cache, Word};
use super::fetch::Wanted;
use crate::image::Digest;
use crate::packages::apk::archive_check;
use crate::packages::apk::identity::Identity;
use crate::plan::ArchiveChecksum;

/// Which of the cache's computed values say what has an identity.
const REMEMBERED: &str = "apk-packages";

/// Why a file is not kept.
pub enum CheckError {
    Disk(io::Error),
    /// It is not what was asked for.
    Other(String),
}

/// The file of an earlier run.
pub fn cached(cache: &Cache, wanted: &Wanted) -> Option<PathBuf> {
    match &wanted.checksum {
        ArchiveChecksum::Sha256(digest) => cache.object(digest),
        ArchiveChecksum::Apk(identity) => wanted.urls.iter().find_map(|url| {
            let key = key(identity, url);
            let (known, word) = cache.derived_of_anybody(REMEMBERED, &key)?;
            let digest: Digest = std::str::from_utf8(&known).ok()?.parse().ok()?;
            let path = cache.object(&digest)?;
            match word {
                Word::Own => Some(path),
                // Whoever wrote this may have named any package.
                Word::Unknown => {
                    let found = check(&mut File::open(&path).ok()?, wanted).ok()?;
                    (found == digest).then_some(path)
                }
            }
        }),
    }
}

/// Remembers what [`cached`] needs to find a file that was checked.
///
/// # Errors
/// The cache's disk.
pub fn remember(cache: &Cache, wanted: &Wanted, digest: &Digest) -> io::Result<()> {
    if let ArchiveChecksum::Apk(identity) = &wanted.checksum {
        for url in &wanted.urls {
            let known = digest.to_string();
            cache.keep_derived(REMEMBERED, &key(identity, url), known.as_bytes())?;
        }
    }
    Ok(())
}

fn key(identity: &Identity, url: &str) -> Digest {
    Digest::of(format!("{identity} {url}").as_bytes())
}

/// Checks a file's size and checksum.
///
/// # Errors
/// It is not what was asked for, or cannot be read.
pub fn check(file: &mut File, wanted: &Wanted) -> Result<Digest, CheckError> {
    let size = file.metadata().map_err(CheckError::Disk)?.len();
    if size != wanted.size {
        return Err(CheckError::Other(format!("{size} bytes instead of {}", wanted.size)));
    }
    file.rewind().map_err(CheckError::Disk)?;
    match &wanted.checksum {
        ArchiveChecksum::Sha256(digest) => {
            let found = hash(file).map_err(CheckError::Disk)?;
            match found == *digest {
                true => Ok(found),
                false => Err(CheckError::Other(format!("{found} instead of {digest}"))),
            }
        }
        ArchiveChecksum::Apk(identity) => {
            let reader = BufReader::with_capacity(1 << 17, file);
            archive_check::check(reader, identity).map_err(|error| match error {
                archive_check::CheckError::Io(error) => CheckError::Disk(error),
                error => CheckError::Other(error.to_string()),
            })
        }
    }
}

fn hash(file: &mut File) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    io::copy(file, &mut HashWriter(&mut hash))?;
    Ok(Digest::from_sha256(hash.finalize().into()))
}

struct HashWriter<'a>(&'a mut Sha256);

impl Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Write as _;

    use super::super::FetchOptions;
    use super::super::cache::Cache;
    use super::super::cache_key::CacheKey;
    use super::super::testing::{Server, fetcher, fetcher_at};
    use crate::image::Digest;
    use crate::packages::apk::testing::package;
    use crate::plan::Archive;
    use crate::unfinished::Unfinished;

    fn archive(
        server: &Server,
        size: usize,
        checksum: impl Into<super::ArchiveChecksum>,
    ) -> Archive {
        Archive {
            url: format!("{}r/x86_64/a-1.apk", server.url),
            size: size as u64,
            checksum: checksum.into(),
            repository: format!("{}r", server.url),
        }
    }

    #[test]
    fn an_apk_package_is_fetched_checked_by_identity_and_found_in_the_cache() {
        let (bytes, identity) = package("pkgname = a\npkgver = 1\n", b"x");
        let path = "/r/x86_64/a-1.apk".to_owned();
        let server = Server::files(BTreeMap::from([(path, bytes.clone())]));
        let (online, cache) = fetcher(FetchOptions::default());
        let archive = archive(&server, bytes.len(), identity);
        let offline = FetchOptions { offline: true, ..FetchOptions::default() };
        let why = fetcher_at(cache.path(), offline.clone()).archives(&[&archive]).unwrap_err();
        assert!(why.to_string().contains("--offline"), "{why}");
        for _ in 0..2 {
            let paths = online.archives(&[&archive, &archive]).unwrap();
            assert_eq!(std::fs::read(&paths[1]).unwrap(), bytes);
        }
        let before = server.requests().len();
        fetcher_at(cache.path(), offline.clone()).archives(&[&archive]).unwrap();
        // another repository's package of the same identity is fetched for itself
        let other = Archive { url: "http://other.invalid/a-1.apk".to_owned(), ..archive };
        assert!(fetcher_at(cache.path(), offline).archives(&[&other]).is_err());
        assert_eq!(server.requests().len(), before);
    }

    #[test]
    fn a_cache_of_others_cannot_name_another_package() {
        let (bytes, identity) = package("pkgname = a\npkgver = 1\n", b"x");
        let (other, _) = package("pkgname = a\npkgver = 1\n", b"y");
        let path = "/r/x86_64/a-1.apk".to_owned();
        let server = Server::files(BTreeMap::from([(path, bytes.clone())]));
        let archive = archive(&server, bytes.len(), identity);
        let offline = FetchOptions { offline: true, ..FetchOptions::default() };
        for (planted, want) in [(&bytes, true), (&other, false)] {
            let dir = tempfile::tempdir().unwrap();
            // Another user's run: its seals are strangers to the next.
            let stranger = CacheKey::random().unwrap();
            let cache = Cache::open(dir.path(), stranger, &Unfinished::default()).unwrap();
            let mut staged = cache.staging().unwrap();
            staged.file().write_all(planted).unwrap();
            let digest = Digest::of(planted);
            cache.keep(staged, &digest).unwrap();
            let key = super::key(&identity, &archive.url);
            cache.keep_derived(super::REMEMBERED, &key, digest.to_string().as_bytes()).unwrap();
            let found = fetcher_at(dir.path(), offline.clone()).archives(&[&archive]);
            assert_eq!(found.is_ok(), want, "{:?}", found.err());
            let paths = fetcher_at(dir.path(), FetchOptions::default()).archives(&[&archive]);
            assert_eq!(std::fs::read(&paths.unwrap()[0]).unwrap(), bytes);
        }
    }

    #[test]
    fn another_or_damaged_apk_package_is_refused_and_not_kept() {
        let (bytes, identity) = package("pkgname = a\npkgver = 1\n", b"x");
        let (other, _) = package("pkgname = a\npkgver = 1\n", b"y");
        let mut changed = bytes.clone();
        *changed.last_mut().unwrap() ^= 1;
        for (served, size, want) in [
            (other.clone(), other.len(), "instead of Q1"),
            (changed, bytes.len(), "its payload is not the one"),
            (bytes.clone(), bytes.len() + 1, "bytes instead of"),
        ] {
            let path = "/r/x86_64/a-1.apk".to_owned();
            let server = Server::files(BTreeMap::from([(path, served)]));
            let (fetcher, cache) = fetcher(FetchOptions::default());
            let archive = archive(&server, size, identity);
            let why = fetcher.archives(&[&archive]).unwrap_err().to_string();
            assert!(why.contains(want) && why.contains("a-1.apk"), "{why}");
            assert!(!cache.path().join("objects").exists());
        }
    }
}
