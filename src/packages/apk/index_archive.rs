//! The content of an `APKINDEX.tar.gz`: the text of its `APKINDEX`.
//!
//! In come the gzip members after the signatures, which the caller has verified
//! ([`super::signature`]); out come the packages' text and when it was made. Source: apk-tools
//! 2.14, `src/database.c` (`load_apkindex`), `src/app_index.c`.

use std::io::Read;

use flate2::bufread::MultiGzDecoder;

use super::members::is_file;

/// The most bytes that an index may unpack to (Wolfi's has about a hundred megabytes).
const MAX_UNPACKED: u64 = 1 << 30;

/// What the archive may have besides the index: headers, and the repository's description.
const MAX_BESIDES: u64 = 1 << 20;
/// The most files in it.
const MAX_FILES: usize = 100;

/// Why an index cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexArchiveError {
    #[error("it cannot be unpacked: {0}")]
    Unpack(String),
    #[error("it unpacks to more than may be held; allow more with --max-memory")]
    TooLarge,
    #[error("it has no file APKINDEX: it is not the index of a repository")]
    NoIndex,
    #[error("it has more than {MAX_FILES} files")]
    TooManyFiles,
}

/// What an index says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexArchive {
    /// The packages.
    pub text: String,
    /// When it was made, seconds since the epoch.
    pub made: i64,
}

impl IndexArchive {
    /// Reads the content of an index.
    ///
    /// # Errors
    /// Damaged, too large, or without `APKINDEX`.
    pub fn read(content: &[u8]) -> Result<Self, IndexArchiveError> {
        Self::read_within(content, MAX_UNPACKED)
    }

    /// As [`IndexArchive::read`], where the index may have `most` bytes.
    ///
    /// # Errors
    /// As [`IndexArchive::read`].
    pub fn read_within(content: &[u8], most: u64) -> Result<Self, IndexArchiveError> {
        let unpack = |error: std::io::Error| IndexArchiveError::Unpack(error.to_string());
        let room = most.saturating_add(MAX_BESIDES).min(MAX_UNPACKED);
        let mut limited = MultiGzDecoder::new(content).take(room);
        let mut archive = tar::Archive::new(&mut limited);
        let mut found = None;
        for (at, entry) in archive.entries().map_err(unpack)?.enumerate() {
            if at >= MAX_FILES {
                return Err(IndexArchiveError::TooManyFiles);
            }
            let mut entry = entry.map_err(unpack)?;
            if *entry.path_bytes() != *b"APKINDEX" || !is_file(entry.header()) {
                continue;
            }
            if entry.size() > most {
                return Err(IndexArchiveError::TooLarge);
            }
            let made = entry.header().mtime().map_err(unpack)?;
            let mut text = Vec::new();
            let size = entry.read_to_end(&mut text).map_err(unpack)?;
            if size as u64 != entry.size() {
                return Err(IndexArchiveError::Unpack("it is cut off".to_owned()));
            }
            // a description in some other encoding is no reason to stop
            let text = String::from_utf8(text)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
            found = Some(Self { text, made: i64::try_from(made).unwrap_or(i64::MAX) });
            break;
        }
        if limited.limit() == 0 {
            return Err(IndexArchiveError::TooLarge);
        }
        found.ok_or(IndexArchiveError::NoIndex)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{gzip, index, tar};
    use super::*;

    #[test]
    fn the_text_is_found_however_the_archive_is_cut_into_members() {
        let read = IndexArchive::read(&index("P:a\n\n")).unwrap();
        assert_eq!((read.text.as_str(), read.made), ("P:a\n\n", 7));
        let (first, second) = (tar(&[("DESCRIPTION", b"x")]), tar(&[("APKINDEX", b"P:\xe9")]));
        let pieces = [gzip(&first), gzip(&second)].concat();
        assert_eq!(IndexArchive::read(&pieces).unwrap().text, "P:\u{fffd}");
    }

    #[test]
    fn what_is_no_index_is_told_apart() {
        let whole = tar(&[("APKINDEX", &[b'x'; 600])]);
        for (content, want) in [
            (gzip(&tar(&[("usr/APKINDEX", b"x")])), "no file APKINDEX"),
            (gzip(b""), "no file APKINDEX"),
            (gzip(&whole[..700]), "cut off"),
            (gzip(&vec![b'x'; 2000]), "cannot be unpacked"),
            (b"x".to_vec(), "cannot be unpacked"),
            (gzip(&whole)[..40].to_vec(), "cannot be unpacked"),
            (gzip(&tar(&[("x", &b"x"[..]); 200])), "more than 100 files"),
        ] {
            let why = IndexArchive::read(&content).unwrap_err().to_string();
            assert!(why.contains(want), "{why} / {want}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = IndexArchive::read(&bytes);
            let _ = IndexArchive::read(&gzip(&bytes));
        }
    }
}
