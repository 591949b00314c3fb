//! [`Memory`]: one budget of bytes for what a run holds because of what strangers sent.
//!
//! In come sizes, before the bytes are held; out come [`Reserved`] shares, which go back to
//! the budget when they are dropped, or [`OverBudget`]. A caller that meets it leaves the
//! package or the source out and goes on: a budget that is spent is no reason to end a run.
//!
//! The limit follows what came in: a run starts with a base, and each byte of a layer or a
//! package that really arrived adds a little to it ([`Memory::admit`]). So a small input that
//! unpacks without end meets the base, and a large image is not refused for being large.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

/// What a run may hold before anything came in, in bytes.
pub const BASE: u64 = 256 << 20;

/// How much a byte of input adds to the limit.
const PER_BYTE: u64 = 2;

/// The budget does not have so much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "it needs more memory than imgfix may use for what it reads, {limit} bytes; allow more with \
     --max-memory"
)]
pub struct OverBudget {
    /// Bytes that the run may hold at present.
    pub limit: u64,
}

/// A shared budget. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Memory(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: AtomicU64,
    /// What the limit never grows beyond.
    most: u64,
    used: AtomicU64,
}

/// A share of the budget, given back when dropped.
#[derive(Debug)]
pub struct Reserved {
    of: Memory,
    bytes: u64,
}

impl Memory {
    /// A budget of exactly so many bytes, as the user wants it.
    #[must_use]
    pub fn fixed(bytes: u64) -> Self {
        Self::between(bytes, bytes)
    }

    /// A budget that starts with [`BASE`] and grows with what comes in, up to half of what the
    /// machine has.
    #[must_use]
    pub fn of_machine(machine: u64) -> Self {
        let most = machine / 2;
        Self::between(BASE.min(most), most)
    }

    fn between(limit: u64, most: u64) -> Self {
        let (limit, used) = (AtomicU64::new(limit), AtomicU64::new(0));
        Self(Arc::new(Shared { limit, most, used }))
    }

    /// Bytes that may be held at present.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.0.limit.load(Ordering::Relaxed)
    }

    /// Bytes that are held.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Tells that so many bytes came in, as they were sent or stored.
    pub fn admit(&self, bytes: u64) {
        let grown = |limit: u64| {
            let more = limit.saturating_add(bytes.saturating_mul(PER_BYTE)).min(self.0.most);
            Some(more.max(limit))
        };
        // The closure never refuses.
        let _ = self.0.limit.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown);
    }

    /// Takes a share.
    ///
    /// # Errors
    /// There is not so much left.
    pub fn reserve(&self, bytes: u64) -> Result<Reserved, OverBudget> {
        let mut reserved = self.share();
        reserved.grow(bytes)?;
        Ok(reserved)
    }

    /// A share of nothing, to grow.
    #[must_use]
    pub fn share(&self) -> Reserved {
        Reserved { of: self.clone(), bytes: 0 }
    }

    /// Bytes that count as held until the last clone of them is dropped.
    ///
    /// # Errors
    /// There is not so much left.
    pub fn hold(&self, bytes: impl Into<Bytes>) -> Result<Bytes, OverBudget> {
        let content = bytes.into();
        let reserved = self.reserve(content.len() as u64)?;
        Ok(Bytes::from_owner(Held { content, _reserved: reserved }))
    }
}

impl Default for Memory {
    /// [`BASE`], growing without end: for tests and callers that have no machine to ask.
    fn default() -> Self {
        Self::between(BASE, u64::MAX)
    }
}

impl Reserved {
    /// Takes more.
    ///
    /// # Errors
    /// There is not so much left; the share is as before.
    pub fn grow(&mut self, bytes: u64) -> Result<(), OverBudget> {
        let limit = self.of.limit();
        let taken = |used: u64| used.checked_add(bytes).filter(|used| *used <= limit);
        self.of
            .0
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken)
            .map_err(|_| OverBudget { limit })?;
        self.bytes += bytes;
        Ok(())
    }

    /// Takes what is missing to `bytes` in all; gives nothing back.
    ///
    /// # Errors
    /// There is not so much left; the share is as before.
    pub fn at_least(&mut self, bytes: u64) -> Result<(), OverBudget> {
        self.grow(bytes.saturating_sub(self.bytes))
    }

    /// What this share has taken, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.of.0.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

struct Held {
    content: Bytes,
    _reserved: Reserved,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.content
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_go_back_when_they_are_dropped() {
        let memory = Memory::fixed(10);
        let mut six = memory.reserve(6).unwrap();
        assert_eq!(memory.clone().reserve(5).unwrap_err(), OverBudget { limit: 10 });
        six.grow(4).unwrap();
        assert_eq!(six.grow(1), Err(OverBudget { limit: 10 }));
        assert_eq!((six.bytes(), memory.used()), (10, 10));
        drop(six);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn held_bytes_count_until_the_last_clone_is_gone() {
        let memory = Memory::fixed(10);
        let held = memory.hold(b"0123456789".to_vec()).unwrap();
        let part = held.slice(2..4);
        drop(held);
        assert!(memory.hold(b"x".to_vec()).is_err());
        assert_eq!(part, "23");
        drop(part);
        assert!(memory.hold(b"x".to_vec()).is_ok());
    }

    #[test]
    fn what_comes_in_raises_the_limit_up_to_half_of_the_machine() {
        let memory = Memory::of_machine(4 * BASE);
        assert_eq!(memory.limit(), BASE);
        memory.admit(BASE / 4);
        assert_eq!(memory.limit(), BASE + BASE / 2);
        memory.admit(u64::MAX);
        assert_eq!(memory.limit(), 2 * BASE);
        assert_eq!(Memory::of_machine(BASE).limit(), BASE / 2);
        let fixed = Memory::fixed(7);
        fixed.admit(1 << 30);
        assert_eq!(fixed.limit(), 7);
    }
}
