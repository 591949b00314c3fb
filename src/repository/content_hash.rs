//! The hash of a whole file, as registries of libraries say it: PyPI in hexadecimal digits, npm as
//! "integrity", Maven in a file beside.
//!
//! In comes text of an index; out comes a [`ContentHash`], which bytes are held against. SHA-1 is
//! taken where a registry has nothing better: it is the registry's own word over TLS then, as it
//! is for the real tools.

use std::fmt;
use std::io::{self, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};

use imgfix_model::digest::Digest;
use imgfix_model::hex;

/// The hash of a file's content. The strongest is the greatest.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContentHash {
    /// Old packages of npm, and Maven's.
    Sha1([u8; 20]),
    /// PyPI's.
    Sha256([u8; 32]),
    /// npm's.
    Sha512([u8; 64]),
}

impl ContentHash {
    /// A hash in hexadecimal digits, whose number tells the kind; `None`: it is none of these.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let sha1 = || hex::decode(text).map(Self::Sha1);
        let sha256 = || hex::decode(text).map(Self::Sha256);
        sha1().or_else(sha256).or_else(|| hex::decode(text).map(Self::Sha512))
    }

    /// The strongest of the hashes of a Subresource Integrity text (`sha512-…`,
    /// <https://www.w3.org/TR/SRI/#integrity-metadata-description>); `None`: it has none of these.
    #[must_use]
    pub fn from_integrity(text: &str) -> Option<Self> {
        let one = |word: &str| {
            let (name, value) = word.split_once('-')?;
            let value = value.split_once('?').map_or(value, |(value, _)| value);
            let hash = Self::from_bytes(&STANDARD.decode(value).ok()?)?;
            (hash.name() == name).then_some(hash)
        };
        text.split_ascii_whitespace().filter_map(one).max()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let sha1 = || bytes.try_into().ok().map(Self::Sha1);
        let sha256 = || bytes.try_into().ok().map(Self::Sha256);
        sha1().or_else(sha256).or_else(|| bytes.try_into().ok().map(Self::Sha512))
    }

    /// `sha1`, `sha256`, `sha512`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sha1(_) => "sha1",
            Self::Sha256(_) => "sha256",
            Self::Sha512(_) => "sha512",
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Sha1(bytes) => bytes,
            Self::Sha256(bytes) => bytes,
            Self::Sha512(bytes) => bytes,
        }
    }

    /// As npm writes it: `sha512-` and Base64.
    #[must_use]
    pub fn integrity(&self) -> String {
        format!("{}-{}", self.name(), STANDARD.encode(self.bytes()))
    }

    /// Whether what `content` has is what this is the hash of, with its SHA-256 and its length.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn check(&self, content: &mut dyn Read) -> io::Result<Checked> {
        let (mut sha256, mut sha1, mut sha512) = (Sha256::new(), None, None);
        match self {
            Self::Sha1(_) => sha1 = Some(Sha1::new()),
            Self::Sha256(_) => {}
            Self::Sha512(_) => sha512 = Some(Sha512::new()),
        }
        let (mut buffer, mut size) = (vec![0; 1 << 16], 0);
        loop {
            let count = match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let read = buffer.get(..count).unwrap_or_default();
            size += count as u64;
            sha256.update(read);
            if let Some(hash) = &mut sha1 {
                hash.update(read);
            }
            if let Some(hash) = &mut sha512 {
                hash.update(read);
            }
        }
        let sha256: [u8; 32] = sha256.finalize().into();
        let found = match (sha1, sha512) {
            (Some(hash), _) => Self::Sha1(hash.finalize().into()),
            (_, Some(hash)) => Self::Sha512(hash.finalize().into()),
            _ => Self::Sha256(sha256),
        };
        Ok(Checked { is_same: found == *self, found, digest: Digest::from_sha256(sha256), size })
    }
}

/// What a content was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Whether it is what was expected.
    pub is_same: bool,
    /// Its hash, of the expected kind.
    pub found: ContentHash,
    /// Its SHA-256.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
}

impl fmt::Display for ContentHash {
    /// As digests are written: `sha512:` and hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name(), hex::encode(self.bytes()))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA1: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";
    const SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const SHA512: &str = "sha512-3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1E\
                          I2Q86A4qmslPpUyknw==";

    #[test]
    fn each_kind_is_checked() {
        let hashes = [
            ContentHash::from_hex(SHA1),
            ContentHash::from_hex(&SHA256.to_uppercase()),
            ContentHash::from_integrity(SHA512),
        ];
        for hash in hashes.map(Option::unwrap) {
            let same = hash.check(&mut &b"abc"[..]).unwrap();
            assert!(same.is_same && same.found == hash && same.size == 3, "{hash}");
            assert_eq!(same.digest.hex(), SHA256);
            let other = hash.check(&mut &b"abd"[..]).unwrap();
            assert!(!other.is_same && other.found.name() == hash.name(), "{hash}");
        }
    }

    #[test]
    fn of_several_the_strongest_counts() {
        let sha1 = "sha1-qZk+NkcGgWq6PiVxeFDCbJzQ2J0=";
        for (text, want) in [
            (format!("{sha1} {SHA512}?x"), Some("sha512")),
            (sha1.to_owned(), Some("sha1")),
            (format!("md5-kAFQmDzST7DWlj99KOF/cg== {sha1}"), Some("sha1")),
            // a name that is another kind's
            (sha1.replace("sha1", "sha512"), None),
            (String::new(), None),
            ("sha512-%".to_owned(), None),
        ] {
            let found = ContentHash::from_integrity(&text);
            assert_eq!(found.as_ref().map(ContentHash::name), want, "{text}");
        }
        assert_eq!(ContentHash::from_integrity(SHA512).unwrap().integrity(), SHA512);
        assert_eq!(ContentHash::from_hex(SHA1).unwrap().to_string(), format!("sha1:{SHA1}"));
        for text in ["", "a", "zz", "abcd", &SHA1[1..], "900150983cd24fb0d6963f7d28e17f72"] {
            assert_eq!(ContentHash::from_hex(text), None, "{text}");
        }
    }
}
