//! [`ArchiveChecksum`]: what a package archive is known by before it is fetched.
//!
//! In comes what an index says; out comes a value that plans and reports write as one text:
//! `sha256:…` over the whole archive (dpkg, rpm), or apk's `Q1…` over its control member,
//! which in turn names the hash of the payload (`datahash`).

use std::fmt;
use std::str::FromStr;

use super::digest::Digest;
use super::identity::Identity;

/// Why text is not a checksum of an archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a package checksum (want 'sha256:' and 64 lower-case hexadecimal digits, or \
     apk's Q1 and 28 characters)"
)]
pub struct ArchiveChecksumError(String);

/// The checksum of a package archive, of the kind that its family's index has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ArchiveChecksum {
    /// Of the whole archive.
    Sha256(Digest),
    /// Of an apk package's control member as stored.
    Apk(Identity),
}

impl From<Digest> for ArchiveChecksum {
    fn from(digest: Digest) -> Self {
        Self::Sha256(digest)
    }
}

impl From<Identity> for ArchiveChecksum {
    fn from(identity: Identity) -> Self {
        Self::Apk(identity)
    }
}

impl fmt::Display for ArchiveChecksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digest) => digest.fmt(f),
            Self::Apk(identity) => identity.fmt(f),
        }
    }
}

impl FromStr for ArchiveChecksum {
    type Err = ArchiveChecksumError;

    fn from_str(text: &str) -> Result<Self, ArchiveChecksumError> {
        let fail = || ArchiveChecksumError(text.chars().take(100).collect());
        if text.starts_with('Q') {
            return text.parse().map(Self::Apk).map_err(|_| fail());
        }
        text.parse().map(Self::Sha256).map_err(|_| fail())
    }
}

impl serde::Serialize for ArchiveChecksum {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for ArchiveChecksum {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_are_read_as_they_are_written() {
        for checksum in
            [ArchiveChecksum::from(Digest::of(b"")), ArchiveChecksum::from(Identity::of(b""))]
        {
            let json = serde_json::to_string(&checksum).unwrap();
            assert_eq!(serde_json::from_str::<ArchiveChecksum>(&json).unwrap(), checksum);
        }
        for wrong in ["", "Q1", "md5:1", "sha256:0"] {
            assert!(wrong.parse::<ArchiveChecksum>().is_err(), "{wrong}");
        }
    }
}
