//! The content of an `APKINDEX.tar.gz`: the text of its `APKINDEX`.
//!
//! In come the gzip members after the signatures, which the caller has verified
//! ([`super::signature`]), and how much may be held in memory; out come the packages' text, with
//! its share of that, and when it was made. Source: apk-tools 2.14, `src/database.c`
//! (`load_apkindex`), `src/app_index.c`.

use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use super::members::{TAR, is_file};
use imgfix_vfs::tar_reader::{TarError, TarReader};
use imgfix_vfs::{Memory, OverBudget, Reserved};

/// The most bytes that an index may unpack to (Wolfi's has about a hundred megabytes).
const MAX_UNPACKED: u64 = 1 << 30;
/// A byte that is not UTF-8 becomes a mark of so many bytes.
const MARK: u64 = 3;

/// What the archive may have besides the index: headers, and the repository's description.
const MAX_BESIDES: u64 = 1 << 20;
/// The most files in it.
const MAX_FILES: usize = 100;

/// Why an index cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexArchiveError {
    /// Not gzip, or not tar; it says why.
    #[error("it cannot be unpacked: {0}")]
    Unpack(String),
    /// Larger than any real index.
    #[error("it unpacks to more than {MAX_UNPACKED} bytes")]
    TooLarge,
    /// More than `--max-memory` leaves room for.
    #[error(transparent)]
    Memory(#[from] OverBudget),
    /// The archive has no `APKINDEX`.
    #[error("it has no file APKINDEX: it is not the index of a repository")]
    NoIndex,
    /// The archive has more files than any real index.
    #[error("it has more than {MAX_FILES} files")]
    TooManyFiles,
}

/// What an index says.
#[derive(Debug)]
pub struct IndexArchive {
    /// The packages.
    pub text: String,
    /// When it was made, seconds since the epoch.
    pub made: i64,
    /// The text's share of what may be held.
    pub held: Reserved,
}

impl IndexArchive {
    /// Reads the content of an index, whose text counts in `memory`.
    ///
    /// # Errors
    /// Damaged, too large, more than may be held, or without `APKINDEX`.
    pub fn read(content: &[u8], memory: &Memory) -> Result<Self, IndexArchiveError> {
        let damaged = |error: TarError| IndexArchiveError::Unpack(error.to_string());
        let room = memory.limit().saturating_add(MAX_BESIDES).min(MAX_UNPACKED);
        let mut limited = MultiGzDecoder::new(content).take(room);
        let mut archive = TarReader::with_rules(BufReader::new(&mut limited), TAR);
        let mut found = None;
        let mut files = 0;
        while let Some(entry) = archive.next_member().map_err(damaged)? {
            files += 1;
            if files > MAX_FILES {
                return Err(IndexArchiveError::TooManyFiles);
            }
            if entry.name != b"APKINDEX" || !is_file(&entry) {
                continue;
            }
            if entry.size > MAX_UNPACKED {
                return Err(IndexArchiveError::TooLarge);
            }
            // before it is read: several are read at once
            let mut held = memory.reserve(entry.size)?;
            let mut text = Vec::new();
            archive.read_to_end(&mut text).map_err(|error| {
                IndexArchiveError::Unpack(match error.kind() {
                    io::ErrorKind::UnexpectedEof => "it is cut off".to_owned(),
                    _ => error.to_string(),
                })
            })?;
            // a description in some other encoding is no reason to stop
            let text = match String::from_utf8(text) {
                Ok(text) => text,
                Err(error) => {
                    held.grow(entry.size.saturating_mul(MARK))?;
                    String::from_utf8_lossy(error.as_bytes()).into_owned()
                }
            };
            found = Some(Self { text, made: entry.mtime, held });
            break;
        }
        if limited.limit() == 0 {
            let limit = memory.limit();
            return Err(match room < MAX_UNPACKED {
                true => OverBudget { limit }.into(),
                false => IndexArchiveError::TooLarge,
            });
        }
        found.ok_or(IndexArchiveError::NoIndex)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{gzip, index, tar};
    use super::*;

    fn read(content: &[u8]) -> Result<IndexArchive, IndexArchiveError> {
        IndexArchive::read(content, &Memory::default())
    }

    #[test]
    fn what_is_more_than_may_be_held_is_not_read() {
        let (plain, other) = (index(&"P:a\n".repeat(100)), index(&"P:\u{fffd}".repeat(100)));
        for (content, limit, want) in
            [(&plain, 400, true), (&plain, 399, false), (&other, 500, true), (&other, 499, false)]
        {
            let memory = Memory::fixed(limit);
            let read = IndexArchive::read(content, &memory);
            assert_eq!(read.is_ok(), want, "{limit}: {read:?}");
            let held = if want { limit } else { 0 };
            assert_eq!(memory.used(), held);
            drop(read);
            assert_eq!(memory.used(), 0);
        }
        // of a text that is not UTF-8 two forms are there at once
        let odd = gzip(&tar(&[("APKINDEX", &[0xe9; 100][..])]));
        for (limit, want) in [(400, true), (399, false)] {
            assert_eq!(IndexArchive::read(&odd, &Memory::fixed(limit)).is_ok(), want);
        }
    }

    #[test]
    fn the_text_is_found_however_the_archive_is_cut_into_members() {
        let whole = read(&index("P:a\n\n")).unwrap();
        assert_eq!((whole.text.as_str(), whole.made), ("P:a\n\n", 7));
        let (first, second) = (tar(&[("DESCRIPTION", b"x")]), tar(&[("APKINDEX", b"P:\xe9")]));
        let pieces = [gzip(&first), gzip(&second)].concat();
        assert_eq!(read(&pieces).unwrap().text, "P:\u{fffd}");
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
            let why = read(&content).unwrap_err().to_string();
            assert!(why.contains(want), "{why} / {want}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = read(&bytes);
            let _ = read(&gzip(&bytes));
        }
    }
}
