//! The cache of downloads: objects by SHA-256, and what is needed to ask a server whether an
//! index has changed.
//!
//! `objects/sha256/ab/abcd...` holds verified content; `revalidate/<sha256 of URL>` holds a
//! small JSON record; `derived/<name>/<digest>` holds what was computed from an object;
//! `newest/<sha256 of a repository's name>` holds the date of its newest index that was seen;
//! every run that uses the cache locks `lock`, so that [`super::upkeep`] takes nothing away then.
//! Everything is written to a temporary file in the same file system and renamed, so concurrent
//! runs and kills leave whole files only; everything is checked again when it is read, and what
//! does not fit is dropped as if it were not there.
//!
//! A cache may be restored from anywhere, so nothing is believed because it is there: objects
//! are checked against the digest that a signed index names, and what has no digest (derived
//! bytes, records) is sealed with the user's [`CacheKey`], which is not in the cache. Without
//! the seal derived bytes are computed again from their object. A directory that others can
//! write is refused: they could exchange a file after it was checked.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use super::cache_key::{CacheKey, SEAL};
use super::upkeep::{self, Limits, Pruned};
use imgfix_host::ownership::{Caller, Foreign};
use imgfix_host::scratch::{Purpose, Scratch};
use imgfix_host::staging;
use imgfix_host::staging::Staged;
use imgfix_host::unfinished::Unfinished;
use imgfix_model::digest::Digest;

/// The largest record of a server's answer, in bytes.
const MAX_RECORD: u64 = 64 << 10;
/// The most bytes computed from an object that are read.
const MAX_DERIVED: u64 = 1 << 30;

/// Why a cache directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Others own or can write the directory, or one in it.
    #[error("{}: {why}: what is in it could be exchanged; make it yours alone (chown -R, chmod -R go-w), remove it, or give another with --cache-dir", place.display())]
    Foreign {
        /// The directory.
        place: PathBuf,
        /// Who else has it in hand.
        why: Foreign,
    },
    /// The directory cannot be read, made or cleared.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Who wrote what the cache has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// The user of this run: the seal holds.
    Own,
    /// Nobody knows.
    Unknown,
}

/// A cache directory.
#[derive(Debug)]
pub struct Cache {
    root: PathBuf,
    key: CacheKey,
    caller: Caller,
    unfinished: Unfinished,
    /// Tells others that this run needs what is there.
    _in_use: Option<File>,
    /// Of a run that keeps nothing.
    _temporary: Option<Scratch>,
}

/// How the names of temporary caches begin.
const TEMPORARY: &str = "imgfix-cache-";

/// What a server said about a file that changes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Revalidation {
    pub url: String,
    pub digest: Digest,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_modified: Option<String>,
}

impl Cache {
    /// A cache that is kept, made when it is not there. `key` seals what has no digest.
    ///
    /// # Errors
    /// The directory cannot be made, or others own or can write it.
    pub fn open(root: &Path, key: CacheKey, unfinished: &Unfinished) -> Result<Self, CacheError> {
        let caller = Caller::current();
        check_owner(root, &caller)?;
        let mut builder = fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(root.join("tmp"))?;
        // what runs that were killed have left
        staging::remove_stale(&root.join("tmp"));
        let in_use = upkeep::in_use(root);
        let (root, unfinished) = (root.to_owned(), unfinished.clone());
        Ok(Self { root, key, caller, unfinished, _in_use: in_use, _temporary: None })
    }

    /// A cache for this run only, in the system's temporary directory.
    ///
    /// # Errors
    /// No directory can be made there.
    pub fn temporary(unfinished: &Unfinished) -> io::Result<Self> {
        let key = CacheKey::random().map_err(io::Error::other)?;
        let temporary = Scratch::new(Purpose::plain(TEMPORARY), unfinished)?;
        let root = temporary.path().to_owned();
        fs::create_dir_all(root.join("tmp"))?;
        let (caller, unfinished) = (Caller::current(), unfinished.clone());
        Ok(Self { root, key, caller, unfinished, _in_use: None, _temporary: Some(temporary) })
    }

    /// Removes from the cache in `root` what is beyond the limits; nothing when there is no such
    /// directory, or another run uses it.
    ///
    /// # Errors
    /// Others own or can write it; it cannot be read, or a file cannot be removed.
    pub fn prune(root: &Path, limits: Limits) -> Result<Pruned, CacheError> {
        check_owner(root, &Caller::current())?;
        Ok(upkeep::prune(root, limits, SystemTime::now())?)
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
        let file = open(&path).ok()?;
        let meta = file.metadata().ok()?;
        // A file of somebody else could change after it was checked.
        let own = meta.is_file() && self.caller.refusal(&meta).is_none();
        if own && hash(&file).ok()? == *digest {
            upkeep::note_use(&file);
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
    pub(crate) fn forget(&self, digest: &Digest) {
        let _ = fs::remove_file(self.object_path(digest));
    }

    /// What is known of the file at `url`, and whose word that is. Only the user's own may be
    /// told to a server: an answer of "not changed" to a record of others would bring back
    /// whatever they put there.
    #[must_use]
    pub(crate) fn revalidation(&self, url: &str) -> Option<(Revalidation, Word)> {
        let name = Digest::of(url.as_bytes());
        let path = self.revalidation_path(&name);
        let (bytes, word) = self.sealed(&path, RECORD, &name, MAX_RECORD)?;
        let known: Revalidation = imgfix_json::read(&bytes).ok()?;
        (known.url == url).then_some((known, word))
    }

    /// Remembers what the server said.
    ///
    /// # Errors
    /// The cache's disk.
    pub(crate) fn remember(&self, known: &Revalidation) -> io::Result<()> {
        let bytes = serde_json::to_vec(known).map_err(io::Error::other)?;
        let name = Digest::of(known.url.as_bytes());
        self.seal(&self.revalidation_path(&name), RECORD, &name, &bytes)
    }

    fn revalidation_path(&self, name: &Digest) -> PathBuf {
        self.root.join("revalidate").join(name.hex())
    }

    /// Bytes that were computed from the object `of` under this `name`, when it was this user
    /// who computed them.
    #[must_use]
    pub fn derived(&self, name: &str, of: &Digest) -> Option<Vec<u8>> {
        let (bytes, word) = self.derived_of_anybody(name, of)?;
        (word == Word::Own).then_some(bytes)
    }

    /// As [`Cache::derived`], also of others: for what the caller checks again.
    #[must_use]
    pub(crate) fn derived_of_anybody(&self, name: &str, of: &Digest) -> Option<(Vec<u8>, Word)> {
        self.sealed(&self.derived_path(name, of), name, of, MAX_DERIVED)
    }

    /// Keeps bytes computed from an object.
    ///
    /// # Errors
    /// The cache's disk.
    pub fn keep_derived(&self, name: &str, of: &Digest, bytes: &[u8]) -> io::Result<()> {
        self.seal(&self.derived_path(name, of), name, of, bytes)
    }

    /// Writes bytes with their seal, which binds them to what they are and belong to.
    fn seal(&self, path: &Path, name: &str, of: &Digest, bytes: &[u8]) -> io::Result<()> {
        let mut staged = self.staging()?;
        staged.file().write_all(bytes)?;
        staged.file().write_all(&self.key.seal(name, of, bytes))?;
        self.persist(staged, path)
    }

    /// Reads what [`Cache::seal`] wrote.
    fn sealed(&self, path: &Path, name: &str, of: &Digest, limit: u64) -> Option<(Vec<u8>, Word)> {
        let (mut bytes, limit) = (Vec::new(), limit + SEAL as u64);
        let file = open(path).ok()?;
        (&file).take(limit + 1).read_to_end(&mut bytes).ok()?;
        if bytes.len() as u64 > limit {
            return None;
        }
        let seal = bytes.split_off(bytes.len().checked_sub(SEAL)?);
        let word = match self.key.sealed(name, of, &bytes, &seal) {
            true => Word::Own,
            false => Word::Unknown,
        };
        upkeep::note_use(&file);
        Some((bytes, word))
    }

    /// The date of the newest index that was seen of a repository, in seconds since the epoch.
    /// Whoever wrote it: it can only make a run refuse more.
    #[must_use]
    pub fn newest(&self, index: &str) -> Option<i64> {
        let name = Digest::of(index.as_bytes());
        let (bytes, _) = self.sealed(&self.newest_path(&name), NEWEST, &name, MAX_RECORD)?;
        std::str::from_utf8(&bytes).ok()?.parse().ok()
    }

    /// Remembers the date of an index.
    ///
    /// # Errors
    /// The cache's disk.
    pub fn keep_newest(&self, index: &str, date: i64) -> io::Result<()> {
        let name = Digest::of(index.as_bytes());
        self.seal(&self.newest_path(&name), NEWEST, &name, date.to_string().as_bytes())
    }

    fn newest_path(&self, name: &Digest) -> PathBuf {
        self.root.join(NEWEST).join(name.hex())
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

/// The name under which records of servers' answers are sealed.
const RECORD: &str = "revalidate";
/// The folder of the newest dates, and the name under which they are sealed.
const NEWEST: &str = "newest";

/// Refuses a cache that others own or can write: its directory, or one in it.
fn check_owner(root: &Path, caller: &Caller) -> Result<(), CacheError> {
    let folders = |dir: &Path| -> io::Result<Vec<PathBuf>> {
        let mut folders = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
        Ok(folders)
    };
    let (mut wanted, mut below) = (vec![root.to_owned()], 0);
    while let Some(place) = wanted.pop() {
        match caller.refusal_at(&place) {
            Ok(None) => {}
            Ok(Some(why)) => return Err(CacheError::Foreign { place, why }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        }
        below += 1;
        if below > MAX_FOLDERS {
            let why = format!("{}: more folders than a cache has", root.display());
            return Err(io::Error::other(why).into());
        }
        wanted.extend(folders(&place)?);
    }
    Ok(())
}

/// The most folders that a cache may have: 256 of objects and a few more.
const MAX_FOLDERS: usize = 4096;

/// Opens a file of the cache for reading; a pipe in its place does not stop the run.
fn open(path: &Path) -> io::Result<File> {
    use rustix::fs::OFlags;
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits();
    let flags = i32::try_from(flags).map_err(io::Error::other)?;
    File::options().read(true).custom_flags(flags).open(path)
}

fn hash(mut file: &File) -> io::Result<Digest> {
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
    fn derived_bytes_are_believed_only_under_the_users_own_seal() {
        let cache = Cache::temporary(&Unfinished::default()).unwrap();
        let (of, other) = (Digest::of(b"x"), Digest::of(b"y"));
        cache.keep_derived("index", &of, b"abc").unwrap();
        assert_eq!(cache.derived("index", &of).as_deref(), Some(&b"abc"[..]));
        let path = cache.derived_path("index", &of);
        let good = fs::read(&path).unwrap();
        let checksum = |bytes: &[u8]| [bytes, &Sha256::digest(bytes)[..]].concat();
        let stranger = CacheKey::random().unwrap().seal("index", &of, b"evil");
        let mut flipped = good.clone();
        flipped[0] ^= 1;
        for bad in [
            flipped,
            good[..SEAL].to_vec(),
            Vec::new(),
            checksum(b"evil"),
            [&b"evil"[..], &stranger].concat(),
        ] {
            fs::write(&path, bad).unwrap();
            assert_eq!(cache.derived("index", &of), None);
        }
        // What belongs to another object or is something else is not believed here.
        for (name, of) in [("index", &other), ("other", &of)] {
            let path = cache.derived_path(name, of);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &good).unwrap();
            assert_eq!(cache.derived(name, of), None);
        }
        fs::write(&path, &good).unwrap();
        assert!(cache.derived("index", &of).is_some());
        assert!(ran_out_of(&path, &cache, &of), "a pipe stops nothing");
    }

    /// Puts a pipe in the place of a file.
    fn ran_out_of(path: &Path, cache: &Cache, of: &Digest) -> bool {
        fs::remove_file(path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
        cache.derived("index", of).is_none()
    }

    #[test]
    fn records_say_whose_word_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let open = |key: &CacheKey| Cache::open(dir.path(), key.clone(), &Unfinished::default());
        let (own, other) = (CacheKey::random().unwrap(), CacheKey::random().unwrap());
        let digest = Digest::of(b"x");
        let known =
            Revalidation { url: "http://a/b".into(), digest, etag: None, last_modified: None };
        open(&other).unwrap().remember(&known).unwrap();
        let cache = open(&own).unwrap();
        assert_eq!(cache.revalidation("http://a/b"), Some((known.clone(), Word::Unknown)));
        cache.remember(&known).unwrap();
        assert_eq!(cache.revalidation("http://a/b"), Some((known, Word::Own)));
        assert_eq!(cache.revalidation("http://a/c"), None);
    }

    #[test]
    fn a_cache_that_others_write_is_refused_and_their_objects_are_dropped() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("cache");
        let open = || {
            Cache::open(&root, CacheKey::random().unwrap(), &Unfinished::default())
                .map_err(|error| error.to_string())
        };
        let mode = |path: &Path, bits: u32| {
            fs::set_permissions(path, fs::Permissions::from_mode(bits)).unwrap();
        };
        let cache = open().unwrap();
        let (digest, path) = put(&cache, b"content");
        for folder in [&root, &root.join("tmp"), path.parent().unwrap()] {
            for bits in [0o777, 0o1777, 0o702] {
                mode(folder, bits);
                let why = open().unwrap_err();
                let named = why.contains(&folder.display().to_string());
                assert!(named && why.contains("chmod") && why.contains("--cache-dir"), "{why}");
            }
            mode(folder, 0o700);
        }
        mode(&path, 0o666);
        assert_eq!(open().unwrap().object(&digest), None, "its content can change any time");
        if std::os::unix::fs::MetadataExt::uid(&fs::metadata(&root).unwrap()) != 0 {
            eprintln!("NOT CHECKED: a cache of another user (only root can make one)");
            return;
        }
        let (digest, path) = put(&cache, b"content");
        std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
        assert_eq!(open().unwrap().object(&digest), None);
        std::os::unix::fs::chown(&root, Some(12345), None).unwrap();
        assert!(open().unwrap_err().contains("another user (uid 12345)"));
    }

    #[test]
    fn leftovers_of_killed_runs_are_swept_and_files_of_living_ones_stay() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("cache");
        let open =
            || Cache::open(&root, CacheKey::random().unwrap(), &Unfinished::default()).unwrap();
        let cache = open();
        let staged = cache.staging().unwrap();
        let old = root.join("tmp/.imgfix-A1b2C3.partial");
        fs::write(&old, b"x").unwrap();
        drop(cache);
        open();
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
