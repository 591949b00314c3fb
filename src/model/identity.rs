//! [`Identity`]: checksums as apk writes them, `Q1` and 28 characters for 20 bytes.
//!
//! In comes the text of a database, an index or a header; out comes the hash. A package's
//! identity (`C:`) is the hash of its control member as stored, compressed; a file's (`Z:`) is
//! that of its content, or of its target when it is a link. Source: apk-tools 2.14,
//! `src/blob.c` (`apk_blob_pull_csum`, `apk_blob_push_csum`).

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use super::hex;

/// Why text is not a checksum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a checksum (want Q1 and the base64 of 20 bytes, or Q2 and that of 32)")]
pub struct IdentityError(pub String);

/// A checksum, which is what apk knows packages and files by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Identity {
    /// `Q1`.
    Sha1([u8; 20]),
    /// SHA-256 cut to 160 bits, which apk 3 writes as `Q1` too: the package's flag `S` tells.
    Sha256Cut([u8; 20]),
    /// `Q2`.
    Sha256([u8; 32]),
}

impl Identity {
    /// The SHA-1 identity of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::Sha1(Sha1::digest(bytes).into())
    }

    /// The same 20 bytes read as SHA-256 cut to 160 bits, for the files of a package whose flag
    /// `S` says so; other kinds stay as they are.
    #[must_use]
    pub fn of_cut_sha256(self) -> Self {
        match self {
            Self::Sha1(hash) => Self::Sha256Cut(hash),
            other => other,
        }
    }

    /// The bytes of the hash in hexadecimal digits, as apk 3 has them in names of scripts.
    #[must_use]
    pub fn hexadecimal(&self) -> String {
        let kind = if matches!(self, Self::Sha256(_)) { "X2" } else { "X1" };
        format!("{kind}{}", hex::encode(self.as_bytes()))
    }

    /// The bytes of the hash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Sha1(hash) | Self::Sha256Cut(hash) => hash,
            Self::Sha256(hash) => hash,
        }
    }
}

impl FromStr for Identity {
    type Err = IdentityError;

    /// Reads `Q1…` and `Q2…`, `X1…` and `X2…`; the 32 or 40 digits of old databases are refused:
    /// MD5 says nothing any more.
    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let fail = || IdentityError(text.chars().take(100).collect());
        let decode = |rest: &str| STANDARD.decode(rest).map_err(|_| fail());
        match (text.get(..2), text.get(2..)) {
            (Some("Q1"), Some(rest)) => {
                decode(rest)?.try_into().map(Self::Sha1).map_err(|_| fail())
            }
            (Some("Q2"), Some(rest)) => {
                decode(rest)?.try_into().map(Self::Sha256).map_err(|_| fail())
            }
            (Some("X1"), Some(rest)) => hex::decode(rest).map(Self::Sha1).ok_or_else(fail),
            (Some("X2"), Some(rest)) => hex::decode(rest).map(Self::Sha256).ok_or_else(fail),
            _ => Err(fail()),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha1(hash) | Self::Sha256Cut(hash) => {
                write!(f, "Q1{}", STANDARD.encode(hash))
            }
            Self::Sha256(hash) => write!(f, "Q2{}", STANDARD.encode(hash)),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_read_and_written_as_apk_does() {
        let text = "Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=";
        let identity: Identity = text.parse().unwrap();
        assert_eq!(identity.to_string(), text);
        assert_eq!(Identity::of(b"").to_string(), "Q12jmj7l5rSw0yVb/vlWAYkK/YBwk=");
        let digits = "X1a8a719fa3db7c6cb005e681086438ef1d1e76d6c";
        assert_eq!(digits.parse(), Ok(identity));
        assert_eq!(identity.hexadecimal(), digits);
        assert_eq!(identity.of_cut_sha256().to_string(), text);
        assert_ne!(identity.of_cut_sha256(), identity);
        let long = Identity::Sha256([7; 32]);
        assert_eq!(long.to_string().parse(), Ok(long));
        for wrong in ["", "Q", "Q1", "Q1AAAA", "Q3AAAA", "Q1é", "d41d8cd98f00b204e9800998ecf8427e"]
        {
            assert!(wrong.parse::<Identity>().is_err(), "{wrong}");
        }
    }
}
