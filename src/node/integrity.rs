//! The registry's own hash of an archive: Subresource Integrity, as npm has it in `dist.integrity`
//! and in its lockfiles (<https://www.w3.org/TR/SRI/>), and the SHA-1 of older answers.
//!
//! In comes the text (`sha512-…`, several with blanks between) or the hexadecimal `shasum`; out
//! comes the strongest of them, which bytes are held against.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest as _;

/// A hash of an archive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Integrity {
    /// Only where a registry has nothing better.
    Sha1([u8; 20]),
    /// SHA-256.
    Sha256([u8; 32]),
    /// SHA-384.
    Sha384(Box<[u8; 48]>),
    /// What the npm registry has of every version.
    Sha512(Box<[u8; 64]>),
}

impl Integrity {
    /// The strongest hash of a text; `None`: it has none that is known.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.split_ascii_whitespace().take(64).filter_map(Self::one).max_by_key(Self::rank)
    }

    /// `dist.shasum`.
    #[must_use]
    pub fn of_shasum(text: &str) -> Option<Self> {
        imgfix_model::hex::decode(&text.to_ascii_lowercase()).map(Self::Sha1)
    }

    fn one(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once('-')?;
        // options may stand behind a question mark, and mean nothing
        let digest = STANDARD.decode(rest.split('?').next()?).ok()?;
        Some(match kind {
            "sha1" => Self::Sha1(digest.try_into().ok()?),
            "sha256" => Self::Sha256(digest.try_into().ok()?),
            "sha384" => Self::Sha384(Box::new(digest.try_into().ok()?)),
            "sha512" => Self::Sha512(Box::new(digest.try_into().ok()?)),
            _ => return None,
        })
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Sha1(_) => 0,
            Self::Sha256(_) => 1,
            Self::Sha384(_) => 2,
            Self::Sha512(_) => 3,
        }
    }

    fn parts(&self) -> (&'static str, &[u8]) {
        match self {
            Self::Sha1(digest) => ("sha1", digest),
            Self::Sha256(digest) => ("sha256", digest),
            Self::Sha384(digest) => ("sha384", digest.as_slice()),
            Self::Sha512(digest) => ("sha512", digest.as_slice()),
        }
    }

    /// Whether these are the bytes.
    #[must_use]
    pub fn is_of(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Sha1(digest) => sha1::Sha1::digest(bytes)[..] == digest[..],
            Self::Sha256(digest) => sha2::Sha256::digest(bytes)[..] == digest[..],
            Self::Sha384(digest) => sha2::Sha384::digest(bytes)[..] == digest[..],
            Self::Sha512(digest) => sha2::Sha512::digest(bytes)[..] == digest[..],
        }
    }
}

impl fmt::Display for Integrity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, digest) = self.parts();
        write!(f, "{kind}-{}", STANDARD.encode(digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_hash_counts() {
        let sha1 = Integrity::of_shasum("a9993e364706816aba3e25717850c26c9cd0d89d").unwrap();
        assert!(sha1.is_of(b"abc"));
        let sha512 = "sha512-3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9\
                      RU1EI2Q86A4qmslPpUyknw==";
        for text in
            [sha512.to_owned(), format!("{sha1} {sha512}"), format!("md5-x {sha512}?o {sha1}")]
        {
            let found = Integrity::parse(&text).unwrap();
            assert_eq!(found.to_string(), sha512);
            assert!(found.is_of(b"abc"));
            assert!(!found.is_of(b"abd"));
        }
        assert_eq!(Integrity::parse(&sha1.to_string()), Some(sha1));
        for digest in [
            "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
            "sha384-ywB1P0WjXou1oD1pmsZQBycsMqsO3tFjGotgWkP/W+2AhgcroefMI1i67KE0yCWn",
        ] {
            assert!(Integrity::parse(digest).unwrap().is_of(b"abc"));
        }
    }

    #[test]
    fn what_is_no_hash_is_none() {
        for text in ["", "sha512-", "sha512-AAAA", "md5-kAFQmDzST7DWlj99KOF/cg==", "sha1", "x y z"]
        {
            assert_eq!(Integrity::parse(text), None, "{text}");
        }
        for text in ["", "abc", "g9993e364706816aba3e25717850c26c9cd0d89d"] {
            assert_eq!(Integrity::of_shasum(text), None, "{text}");
        }
    }
}
