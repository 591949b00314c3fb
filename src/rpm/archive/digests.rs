//! Digests: of headers, payloads and files, as hexadecimal texts.

use std::io::{self, Read};

use imgfix_model::hex;
use md5::{Digest as _, Md5};
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};

use crate::header::{Header, tag};
use crate::package::FileHash;

/// A hash that is being computed.
pub(crate) enum Hasher {
    Md5(Md5),
    Sha1(Sha1),
    Sha224(Sha224),
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
}

impl Hasher {
    /// `None`: the hash is not known.
    pub fn new(hash: FileHash) -> Option<Self> {
        Some(match hash {
            FileHash::Md5 => Self::Md5(Md5::new()),
            FileHash::Sha1 => Self::Sha1(Sha1::new()),
            FileHash::Sha224 => Self::Sha224(Sha224::new()),
            FileHash::Sha256 => Self::Sha256(Sha256::new()),
            FileHash::Sha384 => Self::Sha384(Sha384::new()),
            FileHash::Sha512 => Self::Sha512(Sha512::new()),
            FileHash::Other(_) => return None,
        })
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(hasher) => hasher.update(bytes),
            Self::Sha1(hasher) => hasher.update(bytes),
            Self::Sha224(hasher) => hasher.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha384(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    pub fn finish(self) -> String {
        match self {
            Self::Md5(hasher) => hex::encode(hasher.finalize()),
            Self::Sha1(hasher) => hex::encode(hasher.finalize()),
            Self::Sha224(hasher) => hex::encode(hasher.finalize()),
            Self::Sha256(hasher) => hex::encode(hasher.finalize()),
            Self::Sha384(hasher) => hex::encode(hasher.finalize()),
            Self::Sha512(hasher) => hex::encode(hasher.finalize()),
        }
    }
}

/// Whether a header has the digests that `said` says it has: none of them is another. SHA3-256 of
/// rpm 6 stands beside SHA-256.
pub(crate) fn of_header_hold(said: &Header, header: &[u8]) -> bool {
    let holds = |tag, have: fn(&[u8]) -> String| {
        said.text(tag).is_none_or(|want| want.eq_ignore_ascii_case(&have(header)))
    };
    holds(tag::SHA1HEADER, |bytes| hex::encode(Sha1::digest(bytes)))
        && holds(tag::SHA256HEADER, |bytes| hex::encode(Sha256::digest(bytes)))
}

/// A digest that something says to have.
pub(super) struct Expected {
    /// What it is of, for messages.
    pub of: &'static str,
    hasher: Hasher,
    want: String,
}

impl Expected {
    /// `None`: nothing is expected, or the hash is not known.
    pub fn new(of: &'static str, hash: FileHash, want: Option<String>) -> Option<Self> {
        Some(Self { of, hasher: Hasher::new(hash)?, want: want? })
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// What it is of, where that is something else.
    pub fn check(self) -> Result<(), &'static str> {
        match self.hasher.finish().eq_ignore_ascii_case(&self.want) {
            true => Ok(()),
            false => Err(self.of),
        }
    }
}

/// Gives bytes on, and hashes them.
pub(super) struct Hashing<'a, R> {
    pub inner: R,
    pub into: &'a mut [Expected],
}

impl<R: Read> Read for Hashing<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        let bytes = buffer.get(..got).unwrap_or_default();
        self.into.iter_mut().for_each(|one| one.update(bytes));
        Ok(got)
    }
}
