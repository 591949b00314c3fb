//! The key of the user that seals what the cache has and no digest names.
//!
//! It stands outside the cache (`$XDG_STATE_HOME/imgfix/cache-key`), so that a cache which was
//! restored, shared or written by others brings nothing that this user did not compute. It is
//! no secret of the user's elsewhere: losing it costs the time to compute again.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use hmac::{Hmac, Mac};
use sha2::Sha256;

use imgfix_host::ownership::{Caller, Foreign};
use imgfix_model::digest::Digest;

/// The length of a seal, in bytes.
pub(crate) const SEAL: usize = 32;

const FILE: &str = "cache-key";
const LENGTH: usize = 32;

/// Why there is no key to seal with.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Others own or can write the key's file or its folder.
    #[error("{}: {why}", path.display())]
    Foreign {
        /// The file or the folder.
        path: PathBuf,
        /// Who else has it in hand.
        why: Foreign,
    },
    /// Others can read the key's file.
    #[error("{}: others can read it (chmod 600, or remove it)", path.display())]
    Public {
        /// The file.
        path: PathBuf,
    },
    /// The file has another length than a key.
    #[error("{}: it is no key; remove it", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The key cannot be read or made.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A new key cannot be drawn (getrandom(2)).
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

/// 32 random bytes, for HMAC-SHA-256 (RFC 2104).
#[derive(Clone)]
pub struct CacheKey([u8; LENGTH]);

impl fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CacheKey(..)")
    }
}

impl CacheKey {
    /// A key of these bytes, from wherever they are kept.
    #[must_use]
    pub fn new(bytes: [u8; LENGTH]) -> Self {
        Self(bytes)
    }

    /// A key that nobody has had before.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn random() -> Result<Self, KeyError> {
        let mut bytes = [0; LENGTH];
        getrandom::fill(&mut bytes).map_err(KeyError::Random)?;
        Ok(Self(bytes))
    }

    /// The key that is kept in `folder`, made when it is not there.
    ///
    /// # Errors
    /// It cannot be read or made, or it is not the caller's alone.
    pub fn kept(folder: &Path) -> Result<Self, KeyError> {
        let path = folder.join(FILE);
        match Self::read(&path, folder) {
            Err(KeyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        let fail = |source| KeyError::Io { path: path.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(fail)?;
        let key = Self::random()?;
        // Whole or not at all, and for the user alone (mode 0600).
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(fail)?;
        file.write_all(&key.0).map_err(fail)?;
        match file.persist_noclobber(&path) {
            Ok(_) => Ok(key),
            // another run was quicker
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                Self::read(&path, folder)
            }
            Err(error) => Err(fail(error.error)),
        }
    }

    fn read(path: &Path, folder: &Path) -> Result<Self, KeyError> {
        let fail = |source| KeyError::Io { path: path.to_owned(), source };
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW;
        let flags = i32::try_from(flags.bits()).map_err(|error| fail(io::Error::other(error)))?;
        let file = File::options().read(true).custom_flags(flags).open(path).map_err(fail)?;
        let (meta, caller) = (file.metadata().map_err(fail)?, Caller::current());
        if let Some(why) = caller.refusal(&meta) {
            return Err(KeyError::Foreign { path: path.to_owned(), why });
        }
        if let Some(why) = caller.refusal_at(folder).map_err(fail)? {
            return Err(KeyError::Foreign { path: folder.to_owned(), why });
        }
        if meta.mode() & 0o077 != 0 {
            return Err(KeyError::Public { path: path.to_owned() });
        }
        let mut bytes = Vec::new();
        file.take(LENGTH as u64 + 1).read_to_end(&mut bytes).map_err(fail)?;
        let bytes = <[u8; LENGTH]>::try_from(bytes);
        bytes.map(Self).map_err(|_| KeyError::Damaged { path: path.to_owned() })
    }

    /// Seals `bytes` as the `name` of the object `of`.
    #[must_use]
    pub(crate) fn seal(&self, name: &str, of: &Digest, bytes: &[u8]) -> [u8; SEAL] {
        self.mac(name, of, bytes).map_or([0; SEAL], |mac| mac.finalize().into_bytes().into())
    }

    /// Whether this key sealed them so.
    #[must_use]
    pub(crate) fn sealed(&self, name: &str, of: &Digest, bytes: &[u8], seal: &[u8]) -> bool {
        self.mac(name, of, bytes).is_some_and(|mac| mac.verify_slice(seal).is_ok())
    }

    /// `None` never happens: HMAC takes keys of any length.
    fn mac(&self, name: &str, of: &Digest, bytes: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&self.0).ok()?;
        for part in [name.as_bytes(), of.hex().as_bytes(), bytes] {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        Some(mac)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_for_the_user_alone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("state/imgfix");
        let first = CacheKey::kept(&folder).unwrap();
        assert_eq!(first.0, CacheKey::kept(&folder).unwrap().0);
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join(FILE))), (0o700, 0o600));
        assert_ne!(first.0, CacheKey::random().unwrap().0);
        assert_eq!(format!("{first:?}"), "CacheKey(..)");
    }

    #[test]
    fn a_key_that_others_know_or_gave_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(FILE);
        let why = || CacheKey::kept(dir.path()).map(|_| ()).unwrap_err().to_string();
        let mode = |path: &Path, bits: u32| {
            fs::set_permissions(path, fs::Permissions::from_mode(bits)).unwrap();
        };
        CacheKey::kept(dir.path()).unwrap();
        mode(&file, 0o644);
        assert!(why().contains("others can read it"), "{}", why());
        mode(&file, 0o606);
        assert!(why().contains("can write it"), "{}", why());
        mode(&file, 0o600);
        mode(dir.path(), 0o777);
        assert!(why().contains("can write it"), "{}", why());
        mode(dir.path(), 0o700);
        fs::write(&file, b"short").unwrap();
        assert!(why().contains("no key"), "{}", why());
        fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &file).unwrap();
        assert!(CacheKey::kept(dir.path()).is_err(), "a link is not followed");
    }

    #[test]
    fn a_seal_binds_bytes_name_object_and_key() {
        let (key, of) = (CacheKey([1; 32]), Digest::of(b"x"));
        let seal = key.seal("ab", &of, b"cd");
        assert!(key.sealed("ab", &of, b"cd", &seal));
        for (name, other, bytes) in [
            ("abc", of, &b"d"[..]),
            ("a", of, b"bcd"),
            ("ab", Digest::of(b"y"), b"cd"),
            ("ab", of, b"ce"),
        ] {
            assert!(!key.sealed(name, &other, bytes, &seal));
        }
        assert!(!CacheKey([2; 32]).sealed("ab", &of, b"cd", &seal));
        assert!(!key.sealed("ab", &of, b"cd", &[]));
    }
}
