//! What reading a package archive has in common in all families: how much it may unpack to, and
//! who owns what is in it.

use std::io::{self, Read};

use imgfix_vfs::{Memory, OverBudget, Reserved};

/// What an entry of a payload costs until its package is in a layer, beside its names, in bytes:
/// itself, its places in the overlay and in the lists of the package database (measured).
const ENTRY: u64 = 1024;

/// How much more than itself a package may unpack to: packages of empty firmware images have a
/// hundred times their size. And what any package may unpack to.
const UNPACKED_PER_BYTE: u64 = 100;
const UNPACKED_AT_LEAST: u64 = 512 << 20;

/// How much a package may unpack to.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of all control members together.
    pub control_bytes: u64,
    /// Bytes of the payload's tar stream.
    pub payload_bytes: u64,
    /// Entries of the payload.
    pub entries: usize,
    /// What entries and control members are held with.
    pub memory: Memory,
}

impl Limits {
    /// For an archive of `size` bytes.
    #[must_use]
    pub fn for_archive(size: u64, memory: &Memory) -> Self {
        let limits = Self::default();
        let payload = size.saturating_mul(UNPACKED_PER_BYTE).saturating_add(UNPACKED_AT_LEAST);
        let payload_bytes = payload.min(limits.payload_bytes);
        Self { payload_bytes, memory: memory.clone(), ..limits }
    }

    /// Counts an entry with names of so many bytes. One package may take half of the budget:
    /// so which one is too large does not depend on what else is unpacked beside it.
    ///
    /// # Errors
    /// Half of the budget is used up, or all of it together with other packages.
    pub fn count_entry(&self, held: &mut Reserved, names: usize) -> Result<(), OverBudget> {
        let limit = self.memory.limit();
        let cost = ENTRY + 4 * names as u64;
        if held.bytes().saturating_add(cost) > limit / 2 {
            return Err(OverBudget { limit });
        }
        held.grow(cost)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            control_bytes: 64 << 20,
            payload_bytes: 8 << 30,
            entries: 1_000_000,
            memory: Memory::default(),
        }
    }
}

/// Who owns a payload entry: the name is looked up in the image, the number is used when
/// there is no such name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// `None`: the archive has a number only.
    pub name: Option<Vec<u8>>,
    /// The user's or group's number.
    pub id: u32,
}

impl Owner {
    /// As a member of a tar archive has it: an empty name is none.
    #[must_use]
    pub fn of_member(name: Vec<u8>, id: u32) -> Self {
        Self { name: Some(name).filter(|name| !name.is_empty()), id }
    }
}

/// Ends with an error instead of giving more than it may.
pub struct Bounded<R> {
    inner: R,
    left: u64,
    exceeded: bool,
}

impl<R: Read> Bounded<R> {
    /// Gives at most `limit` bytes of `inner`.
    pub fn new(inner: R, limit: u64) -> Self {
        Self { inner, left: limit, exceeded: false }
    }

    /// Whether there was more.
    pub fn exceeded(&self) -> bool {
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
