//! What reading a package archive has in common in all families: how much it may unpack to, and
//! who owns what is in it.

use std::io::{self, Read};

/// How much a package may unpack to.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of all control members together.
    pub control_bytes: u64,
    /// Bytes of the payload's tar stream.
    pub payload_bytes: u64,
    /// Entries of the payload.
    pub entries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { control_bytes: 64 << 20, payload_bytes: 8 << 30, entries: 1_000_000 }
    }
}

/// Who owns a payload entry: the name is looked up in the image, the number is used when
/// there is no such name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    pub name: Option<Vec<u8>>,
    pub id: u32,
}

/// Ends with an error instead of giving more than it may.
pub(super) struct Bounded<R> {
    inner: R,
    left: u64,
    exceeded: bool,
}

impl<R: Read> Bounded<R> {
    pub(super) fn new(inner: R, limit: u64) -> Self {
        Self { inner, left: limit, exceeded: false }
    }

    /// Whether there was more.
    pub(super) fn exceeded(&self) -> bool {
        self.exceeded
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        match self.left.checked_sub(got as u64) {
            Some(left) => self.left = left,
            None => {
                self.exceeded = true;
                return Err(io::Error::other("unpacks to more than is allowed"));
            }
        }
        Ok(got)
    }
}
