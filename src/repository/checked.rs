//! Downloads against their checksums: a SHA-256 of the whole file, or apk's identity of a
//! package's control member.
//!
//! In comes a file that was fetched; out comes its SHA-256, under which the cache keeps it. Of
//! an apk package the cache remembers that SHA-256 by identity and URL: the identity is a
//! SHA-1, which a stranger could make another package for, but not at the same repository.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, Write};
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use super::cache::{Cache, Word};
use super::fetch::Wanted;
use imgfix_model::checksum::ArchiveChecksum;
use imgfix_model::digest::Digest;
use imgfix_model::identity::Identity;

/// The name under which the cache keeps the SHA-256 of the file that has an identity, by [`key`].
pub const REMEMBERED: &str = "apk-packages";

/// Whether a package file has an identity, without unpacking its payload: the SHA-256 of the
/// whole file when it has. The family whose packages have identities knows how.
pub type IdentityCheck = fn(&mut dyn BufRead, &Identity) -> Result<Digest, CheckError>;

/// Why a file is not kept.
#[derive(Debug)]
pub enum CheckError {
    /// The file cannot be read.
    Disk(io::Error),
    /// It is not what was asked for: what differs, for people.
    Other(String),
}

/// The file of an earlier run.
pub(super) fn cached(
    cache: &Cache,
    wanted: &Wanted,
    identity_check: Option<IdentityCheck>,
) -> Option<PathBuf> {
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
                    let found = check(&mut File::open(&path).ok()?, wanted, identity_check).ok()?;
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
pub(super) fn remember(cache: &Cache, wanted: &Wanted, digest: &Digest) -> io::Result<()> {
    if let ArchiveChecksum::Apk(identity) = &wanted.checksum {
        for url in &wanted.urls {
            let known = digest.to_string();
            cache.keep_derived(REMEMBERED, &key(identity, url), known.as_bytes())?;
        }
    }
    Ok(())
}

/// Under which key the cache remembers the package of an identity at a URL.
#[must_use]
pub fn key(identity: &Identity, url: &str) -> Digest {
    Digest::of(format!("{identity} {url}").as_bytes())
}

/// Checks a file's size and checksum.
///
/// # Errors
/// It is not what was asked for, or cannot be read.
pub(super) fn check(
    file: &mut File,
    wanted: &Wanted,
    identity_check: Option<IdentityCheck>,
) -> Result<Digest, CheckError> {
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
            let check = identity_check
                .ok_or_else(|| CheckError::Other(format!("nothing here can check {identity}")))?;
            check(&mut BufReader::with_capacity(1 << 17, file), identity)
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
