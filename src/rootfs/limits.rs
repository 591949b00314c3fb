//! Bounds on what the layers of one image may cost, shared by the threads that read them.

use std::sync::atomic::{AtomicU64, Ordering};

/// How much an image may unpack to before it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerLimits {
    /// Bytes of all uncompressed layers together, the holes of sparse files included
    /// (`--max-unpacked-size`).
    pub max_unpacked: u64,
    /// Entries of all layers together.
    pub max_entries: u64,
    /// Bytes of names, link targets and extended attributes of all layers together.
    pub max_metadata: u64,
    /// Bytes of file content kept in memory. Not an error when reached: further content is
    /// left in its layer and read again when needed.
    pub max_inline: u64,
}

impl Default for LayerLimits {
    /// 64 GiB unpacked, 2 million entries, 256 MiB of metadata, 256 MiB of content.
    fn default() -> Self {
        Self {
            max_unpacked: 64 << 30,
            max_entries: 2_000_000,
            max_metadata: 256 << 20,
            max_inline: 256 << 20,
        }
    }
}

/// What is left of the [`LayerLimits`] of one image.
#[derive(Debug)]
pub struct Budget {
    limits: LayerLimits,
    unpacked: AtomicU64,
    entries: AtomicU64,
    metadata: AtomicU64,
    inline: AtomicU64,
}

impl Budget {
    #[must_use]
    pub fn new(limits: LayerLimits) -> Self {
        Self {
            limits,
            unpacked: AtomicU64::new(limits.max_unpacked),
            entries: AtomicU64::new(limits.max_entries),
            metadata: AtomicU64::new(limits.max_metadata),
            inline: AtomicU64::new(limits.max_inline),
        }
    }

    #[must_use]
    pub fn limits(&self) -> &LayerLimits {
        &self.limits
    }

    pub(super) fn take_unpacked(&self, bytes: u64) -> bool {
        take(&self.unpacked, bytes)
    }

    pub(super) fn take_entry(&self) -> bool {
        take(&self.entries, 1)
    }

    pub(super) fn take_metadata(&self, bytes: u64) -> bool {
        take(&self.metadata, bytes)
    }

    pub(super) fn take_inline(&self, bytes: u64) -> bool {
        take(&self.inline, bytes)
    }
}

/// Takes `amount` if so much is left.
fn take(left: &AtomicU64, amount: u64) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(amount)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_spent_once() {
        let budget = Budget::new(LayerLimits { max_unpacked: 10, ..LayerLimits::default() });
        assert!(budget.take_unpacked(6));
        assert!(!budget.take_unpacked(5));
        assert!(budget.take_unpacked(4));
        assert!(!budget.take_unpacked(1));
    }
}
