//! The spool: one anonymous temporary file that holds unpacked package payload, so that
//! memory follows the largest file and not the image.
//!
//! Writers reserve a range and fill it, several at once; readers use positioned reads. The
//! file has no name, so nothing is left behind however the process ends.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// An append-only temporary store shared by threads. Cloning shares the same file.
#[derive(Debug, Clone)]
pub struct Spool {
    file: Arc<File>,
    end: Arc<AtomicU64>,
    limit: Arc<AtomicU64>,
}

/// The spool may not grow so much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is more than the {limit} bytes that may be on disk for it")]
pub struct SpoolFull {
    /// Bytes that all of its files may have together.
    pub limit: u64,
}

/// The file of a spool cannot be read or written. The file has no name, and callers add what they
/// wanted to read; the directory says where the fault is.
#[derive(Debug, thiserror::Error)]
#[error("the temporary directory {}: {source}", folder.display())]
struct Failed {
    folder: std::path::PathBuf,
    source: io::Error,
}

/// A range of the spool: one file's content. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SpoolFile {
    file: Arc<File>,
    offset: u64,
    len: u64,
}

impl Spool {
    /// A new empty spool in the system's temporary directory (`TMPDIR`).
    ///
    /// # Errors
    /// When no temporary file can be made there.
    pub fn new() -> io::Result<Self> {
        Self::bounded(u64::MAX)
    }

    /// As [`Spool::new`], for at most so many bytes.
    ///
    /// # Errors
    /// When no temporary file can be made there.
    pub fn bounded(limit: u64) -> io::Result<Self> {
        let (end, limit) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(limit)));
        Ok(Self { file: Arc::new(tempfile::tempfile()?), end, limit })
    }

    /// Lets the spool grow by so much more.
    pub fn raise(&self, bytes: u64) {
        let raised = |limit: u64| Some(limit.saturating_add(bytes));
        // The closure never refuses.
        let _ = self.limit.fetch_update(Ordering::Relaxed, Ordering::Relaxed, raised);
    }

    /// Takes room for `len` bytes at the end: where it begins.
    fn room(&self, len: u64) -> io::Result<u64> {
        let limit = self.limit.load(Ordering::Relaxed);
        let taken = |end: u64| end.checked_add(len).filter(|end| *end <= limit);
        self.end
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken)
            .map_err(|_| io::Error::new(io::ErrorKind::QuotaExceeded, SpoolFull { limit }))
    }

    /// A file with more behind it, for the price of what is added where nothing was stored since.
    /// `file` itself stays as it is.
    ///
    /// # Errors
    /// Any error of the disk; the spool is full.
    pub fn append(&self, file: &SpoolFile, more: &[u8]) -> io::Result<SpoolFile> {
        let len = file.len + more.len() as u64;
        let (from, to) = (file.offset + file.len, file.offset + len);
        let fits = to <= self.limit.load(Ordering::Relaxed) && Arc::ptr_eq(&self.file, &file.file);
        let order = Ordering::Relaxed;
        if fits && self.end.compare_exchange(from, to, order, order).is_ok() {
            self.file.write_all_at(more, from).map_err(named)?;
            return Ok(SpoolFile { len, ..file.clone() });
        }
        self.store(&mut file.reader().chain(more), len)
    }

    /// Copies exactly `len` bytes from `reader`.
    ///
    /// # Errors
    /// `UnexpectedEof` when the reader ends early; any error of reader or disk; the spool is full
    /// ([`SpoolFull`]).
    pub fn store(&self, reader: &mut dyn Read, len: u64) -> io::Result<SpoolFile> {
        let offset = self.room(len)?;
        let mut buffer = vec![0; usize::try_from(len).unwrap_or(usize::MAX).clamp(1, 128 * 1024)];
        let mut done = 0;
        while done < len {
            let want = usize::try_from(len - done).unwrap_or(usize::MAX).min(buffer.len());
            reader.read_exact(&mut buffer[..want])?;
            self.file.write_all_at(&buffer[..want], offset + done).map_err(named)?;
            done += want as u64;
        }
        Ok(SpoolFile { file: Arc::clone(&self.file), offset, len })
    }
}

fn named(source: io::Error) -> io::Error {
    io::Error::new(source.kind(), Failed { folder: std::env::temp_dir(), source })
}

impl SpoolFile {
    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A reader from the start; several may be open at once.
    #[must_use]
    pub fn reader(&self) -> SpoolReader {
        SpoolReader { of: self.clone(), position: 0 }
    }
}

impl PartialEq for SpoolFile {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.file, &other.file) && self.offset == other.offset && self.len == other.len
    }
}

impl Eq for SpoolFile {}

/// Reads one spooled file.
#[derive(Debug)]
pub struct SpoolReader {
    of: SpoolFile,
    position: u64,
}

impl Read for SpoolReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.of.len - self.position).unwrap_or(usize::MAX);
        let want = left.min(buffer.len());
        if want == 0 {
            return Ok(0);
        }
        let at = self.of.offset + self.position;
        let got = self.of.file.read_at(&mut buffer[..want], at).map_err(named)?;
        self.position += got as u64;
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        let spool = Spool::new().unwrap();
        let a = spool.store(&mut &b"hello"[..], 5).unwrap();
        let b = spool.store(&mut &b"world!"[..], 6).unwrap();
        for (file, want) in [(&b, "world!"), (&a, "hello")] {
            let mut got = String::new();
            file.reader().read_to_string(&mut got).unwrap();
            assert_eq!(got, want);
        }
    }

    #[test]
    fn a_bounded_spool_takes_no_more_and_says_so() {
        let spool = Spool::bounded(8).unwrap();
        spool.store(&mut &b"hello"[..], 5).unwrap();
        let error = spool.store(&mut &b"world"[..], 5).unwrap_err();
        assert!(error.to_string().contains("more than the 8 bytes"), "{error}");
        assert!(spool.store(&mut &b"abc"[..], 3).is_ok());
        spool.raise(5);
        assert!(spool.store(&mut &b"world"[..], 5).is_ok());
    }

    #[test]
    fn appending_shares_what_is_there_and_changes_no_file() {
        let spool = Spool::bounded(20).unwrap();
        let text = |file: &SpoolFile| {
            let mut text = String::new();
            file.reader().read_to_string(&mut text).unwrap();
            text
        };
        let one = spool.store(&mut &b"one"[..], 3).unwrap();
        let two = spool.append(&one, b"-two").unwrap();
        let other = spool.append(&one, b"+").unwrap();
        assert_eq!([&one, &two, &other].map(text), ["one", "one-two", "one+"]);
        assert_eq!(spool.end.load(Ordering::Relaxed), 11, "7 shared, 4 copied");
        assert!(spool.append(&two, &[0; 10]).is_err());
        let foreign = Spool::new().unwrap().store(&mut &b"x"[..], 1).unwrap();
        assert_eq!(text(&spool.append(&foreign, b"y").unwrap()), "xy");
    }

    /// Every write to this device fails, as on a full disk.
    #[test]
    fn an_error_of_the_disk_names_the_temporary_directory() {
        let file = Arc::new(File::options().write(true).open("/dev/full").unwrap());
        let spool = Spool { file, ..Spool::new().unwrap() };
        let stored = spool.store(&mut &b"abc"[..], 3).unwrap_err();
        let folder = std::env::temp_dir();
        let place = format!("the temporary directory {}: ", folder.display());
        assert!(stored.to_string().starts_with(&place), "{stored}");
        assert_eq!(stored.kind(), io::ErrorKind::StorageFull);
        assert!(crate::fault::is_of_this_machine(&stored));
    }

    #[test]
    fn a_short_reader_is_an_error() {
        let spool = Spool::new().unwrap();
        assert!(spool.store(&mut &b"abc"[..], 5).is_err());
    }
}
