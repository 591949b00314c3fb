//! The cache of downloads: objects by SHA-256, and what is needed to ask a server whether an
//! index has changed.
//!
//! `objects/sha256/ab/abcd...` holds verified content; `revalidate/<sha256 of URL>` holds a
//! small JSON record; `derived/<name>/<digest>` holds what was computed from an object, with
//! its own checksum. Everything is written to a temporary file in the same file system and
//! renamed, so concurrent runs and kills leave whole files only; everything is checked again
//! when it is read, and what does not fit is dropped as if it were not there.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::image::Digest;
use crate::scratch::{Purpose, Scratch};
use crate::staging::{self, Staged};
use crate::unfinished::Unfinished;

/// A cache directory.
#[derive(Debug)]
pub struct Cache {
    root: PathBuf,
    unfinished: Unfinished,
    /// Of a run that keeps nothing.
    _temporary: Option<Scratch>,
}

/// How temporary caches are called.
const TEMPORARY: Purpose = Purpose::plain("imgfix-cache-");

/// What a server said about a file that changes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Revalidation {
    pub url: String,
    pub digest: Digest,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_modified: Option<String>,
}

impl Cache {
    /// A cache that is kept, made when it is not there.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn open(root: &Path, unfinished: &Unfinished) -> io::Result<Self> {
        let mut builder = fs::DirBuilder::new();
        // What is computed from verified content is trusted when it is read again: nobody else
        // may write it. A directory that is there already keeps its mode.
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(root.join("tmp"))?;
        // what runs that were killed have left
        staging::remove_stale(&root.join("tmp"));
        Ok(Self { root: root.to_owned(), unfinished: unfinished.clone(), _temporary: None })
    }

    /// A cache for this run only, in the system's temporary directory.
    ///
    /// # Errors
    /// No directory can be made there.
    pub fn temporary(unfinished: &Unfinished) -> io::Result<Self> {
        let temporary = Scratch::new(TEMPORARY, unfinished)?;
        let root = temporary.path().to_owned();
        fs::create_dir_all(root.join("tmp"))?;
        Ok(Self { root, unfinished: unfinished.clone(), _temporary: Some(temporary) })
    }

    /// Where the directory is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn object_path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.root.join("objects/sha256").join(&hex[..2]).join(hex)
    }

    /// An object's file, when it is there and its content has the digest.
    #[must_use]
    pub fn object(&self, digest: &Digest) -> Option<PathBuf> {
        let path = self.object_path(digest);
        let found = File::open(&path).and_then(hash).ok()?;
        if found == *digest {
            return Some(path);
        }
        let _ = fs::remove_file(&path);
        None
    }

    /// A file to write an object into.
    ///
    /// # Errors
    /// The cache's disk.
    pub fn staging(&self) -> io::Result<Staged> {
        Staged::create_in(&self.root.join("tmp"), &self.unfinished)
    }

    /// Puts a staged file, whose digest the caller has verified, in its place.
    ///
    /// # Errors
    /// The cache's disk.
    pub fn keep(&self, staged: Staged, digest: &Digest) -> io::Result<PathBuf> {
        let path = self.object_path(digest);
        self.persist(staged, &path)?;
        Ok(path)
    }

    /// Drops an object that is not needed any more.
    pub fn forget(&self, digest: &Digest) {
        let _ = fs::remove_file(self.object_path(digest));
    }

    /// What is known of the file at `url`.
    #[must_use]
    pub fn revalidation(&self, url: &str) -> Option<Revalidation> {
        let bytes = fs::read(self.revalidation_path(url)).ok()?;
        let known: Revalidation = serde_json::from_slice(&bytes).ok()?;
        (known.url == url).then_some(known)
    }

    /// Remembers what the server said.
    ///
    /// # Errors
    /// The cache's disk.
    pub fn remember(&self, known: &Revalidation) -> io::Result<()> {
        let bytes = serde_json::to_vec(known).map_err(io::Error::other)?;
        let mut staged = self.staging()?;
        staged.file().write_all(&bytes)?;
        self.persist(staged, &self.revalidation_path(&known.url))
    }

    fn revalidation_path(&self, url: &str) -> PathBuf {
        self.root.join("revalidate").join(Digest::of(url.as_bytes()).hex())
    }

    /// Bytes that were computed from the object `of` under this `name`.
    #[must_use]
    pub fn derived(&self, name: &str, of: &Digest) -> Option<Vec<u8>> {
        let mut bytes = fs::read(self.derived_path(name, of)).ok()?;
        let at = bytes.len().checked_sub(32)?;
        let sum = bytes.split_off(at);
        (Sha256::digest(&bytes)[..] == sum[..]).then_some(bytes)
    }

    /// Keeps bytes computed from an object.
    ///
    /// # Errors
    /// The cache's disk.
    pub fn keep_derived(&self, name: &str, of: &Digest, bytes: &[u8]) -> io::Result<()> {
        let mut staged = self.staging()?;
        staged.file().write_all(bytes)?;
        staged.file().write_all(&Sha256::digest(bytes))?;
        self.persist(staged, &self.derived_path(name, of))
    }

    fn derived_path(&self, name: &str, of: &Digest) -> PathBuf {
        self.root.join("derived").join(name).join(of.hex())
    }

    fn persist(&self, staged: Staged, path: &Path) -> io::Result<()> {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        staged.persist(path, || ())
    }
}

fn hash(mut file: File) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let got = file.read(&mut buffer)?;
        if got == 0 {
            return Ok(Digest::from_sha256(hash.finalize().into()));
        }
        hash.update(&buffer[..got]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(cache: &Cache, content: &[u8]) -> (Digest, PathBuf) {
        let mut staged = cache.staging().unwrap();
        staged.file().write_all(content).unwrap();
        let digest = Digest::of(content);
        let path = cache.keep(staged, &digest).unwrap();
        (digest, path)
    }

    #[test]
    fn a_damaged_object_is_dropped() {
        let cache = Cache::temporary(&Unfinished::default()).unwrap();
        let (digest, path) = put(&cache, b"content");
        assert_eq!(cache.object(&digest).as_deref(), Some(path.as_path()));
        fs::write(&path, b"Content").unwrap();
        assert_eq!(cache.object(&digest), None);
        assert!(!path.exists());
    }

    #[test]
    fn derived_bytes_are_checked() {
        let cache = Cache::temporary(&Unfinished::default()).unwrap();
        let of = Digest::of(b"x");
        cache.keep_derived("index", &of, b"abc").unwrap();
        assert_eq!(cache.derived("index", &of).as_deref(), Some(&b"abc"[..]));
        let path = cache.derived_path("index", &of);
        let mut bytes = fs::read(&path).unwrap();
        bytes[0] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(cache.derived("index", &of), None);
    }

    #[test]
    fn leftovers_of_killed_runs_are_swept_and_files_of_living_ones_stay() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("cache");
        let cache = Cache::open(&root, &Unfinished::default()).unwrap();
        let staged = cache.staging().unwrap();
        let old = root.join("tmp/.imgfix-A1b2C3.partial");
        fs::write(&old, b"x").unwrap();
        drop(cache);
        Cache::open(&root, &Unfinished::default()).unwrap();
        assert!(!old.exists());
        assert_eq!(fs::read_dir(root.join("tmp")).unwrap().count(), 1);
        drop(staged);
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&root).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_temporary_cache_leaves_nothing() {
        let cache = Cache::temporary(&Unfinished::default()).unwrap();
        let root = cache.root().to_owned();
        put(&cache, b"x");
        drop(cache);
        assert!(!root.exists());
    }
}
