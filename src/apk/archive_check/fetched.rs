//! Packages that are fetched, checked by their identity, and found in the cache again.

use std::collections::BTreeMap;
use std::io::Write as _;

use super::super::testing::{can_check, package};
use imgfix_host::unfinished::Unfinished;
use imgfix_model::checksum::ArchiveChecksum;
use imgfix_model::digest::Digest;
use imgfix_model::plan::Archive;
use imgfix_repository::FetchOptions;
use imgfix_repository::cache::Cache;
use imgfix_repository::cache_key::CacheKey;
use imgfix_repository::checked;
use imgfix_repository::testing::{Server, fetcher, fetcher_at};

fn archive(server: &Server, size: usize, checksum: impl Into<ArchiveChecksum>) -> Archive {
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
    let (online, cache) = fetcher(can_check());
    let archive = archive(&server, bytes.len(), identity);
    let offline = FetchOptions { offline: true, ..can_check() };
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
    let offline = FetchOptions { offline: true, ..can_check() };
    for (planted, want) in [(&bytes, true), (&other, false)] {
        let dir = tempfile::tempdir().unwrap();
        // Another user's run: its seals are strangers to the next.
        let stranger = CacheKey::random().unwrap();
        let cache = Cache::open(dir.path(), stranger, &Unfinished::default()).unwrap();
        let mut staged = cache.staging().unwrap();
        staged.file().write_all(planted).unwrap();
        let digest = Digest::of(planted);
        cache.keep(staged, &digest).unwrap();
        let key = checked::key(&identity, &archive.url);
        cache.keep_derived(checked::REMEMBERED, &key, digest.to_string().as_bytes()).unwrap();
        let found = fetcher_at(dir.path(), offline.clone()).archives(&[&archive]);
        assert_eq!(found.is_ok(), want, "{:?}", found.err());
        let paths = fetcher_at(dir.path(), can_check()).archives(&[&archive]);
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
        let (fetcher, cache) = fetcher(can_check());
        let archive = archive(&server, size, identity);
        let why = fetcher.archives(&[&archive]).unwrap_err().to_string();
        assert!(why.contains(want) && why.contains("a-1.apk"), "{why}");
        assert!(!cache.path().join("objects").exists());
    }
}
