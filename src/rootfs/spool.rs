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
        Ok(Self { file: Arc::new(tempfile::tempfile()?), end: Arc::new(AtomicU64::new(0)) })
    }

    /// Copies exactly `len` bytes from `reader`.
    ///
    /// # Errors
    /// `UnexpectedEof` when the reader ends early; any error of reader or disk.
    pub fn store(&self, reader: &mut dyn Read, len: u64) -> io::Result<SpoolFile> {
        let offset = self.end.fetch_add(len, Ordering::Relaxed);
        let mut buffer = vec![0; usize::try_from(len).unwrap_or(usize::MAX).clamp(1, 128 * 1024)];
        let mut done = 0;
        while done < len {
            let want = usize::try_from(len - done).unwrap_or(usize::MAX).min(buffer.len());
            reader.read_exact(&mut buffer[..want])?;
            self.file.write_all_at(&buffer[..want], offset + done)?;
            done += want as u64;
        }
        Ok(SpoolFile { file: Arc::clone(&self.file), offset, len })
    }
}

impl SpoolFile {
    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

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
        let got = self.of.file.read_at(&mut buffer[..want], self.of.offset + self.position)?;
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
    fn a_short_reader_is_an_error() {
        let spool = Spool::new().unwrap();
        assert!(spool.store(&mut &b"abc"[..], 5).is_err());
    }
}
