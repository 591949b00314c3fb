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
    /// Whether [`LayerLimits::for_input`] lowers the limit for unpacked bytes.
    pub scale: Scale,
}

/// Whether the limits depend on how large an image is as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// A small image may unpack to less than a large one.
    ByInput,
    /// The limit for unpacked bytes is what the user said.
    Fixed,
}

/// What any image may unpack to, and how much more for each of its bytes. Real images have three
/// times their size; what has more is made of empty space (`/var/log/lastlog`).
const UNPACKED_AT_LEAST: u64 = 8 << 30;
const UNPACKED_PER_BYTE: u64 = 64;

/// What any image may have of entries and of names and attributes, and for how many stored bytes
/// it may have one more: an entry takes some ten bytes of a compressed layer and half a kilobyte
/// of memory.
const ENTRIES_AT_LEAST: u64 = 300_000;
const BYTES_PER_ENTRY: u64 = 100;
const METADATA_AT_LEAST: u64 = 64 << 20;
const METADATA_PER_BYTE: u64 = 2;

impl LayerLimits {
    /// The limits of an image that has so many bytes as it is stored.
    #[must_use]
    pub fn for_input(self, bytes: u64) -> Self {
        let grown =
            |least: u64, per_byte: u64| least.saturating_add(bytes.saturating_mul(per_byte));
        let metadata = grown(METADATA_AT_LEAST, METADATA_PER_BYTE);
        let max_unpacked = match self.scale {
            Scale::ByInput => self.max_unpacked.min(grown(UNPACKED_AT_LEAST, UNPACKED_PER_BYTE)),
            Scale::Fixed => self.max_unpacked,
        };
        Self {
            max_unpacked,
            max_entries: self.max_entries.min(ENTRIES_AT_LEAST + bytes / BYTES_PER_ENTRY),
            max_metadata: self.max_metadata.min(metadata),
            max_inline: self.max_inline.min(metadata),
            scale: self.scale,
        }
    }
}

impl Default for LayerLimits {
    /// 32 GiB unpacked, 2 million entries, 256 MiB of metadata, 256 MiB of content.
    fn default() -> Self {
        Self {
            max_unpacked: 32 << 30,
            max_entries: 2_000_000,
            max_metadata: 256 << 20,
            max_inline: 256 << 20,
            scale: Scale::ByInput,
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
    /// A budget of which nothing is spent yet.
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

    /// What there was to spend.
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
    fn small_images_may_unpack_to_less_unless_the_user_says_otherwise() {
        let limits = LayerLimits::default();
        let small = limits.for_input(25 << 20);
        assert_eq!(small.max_unpacked, (8 << 30) + (25 << 20) * 64);
        assert_eq!(small.max_entries, 562_144);
        assert_eq!(limits.for_input(5 << 30), limits);
        let fixed = LayerLimits { max_unpacked: 1 << 40, scale: Scale::Fixed, ..limits };
        assert_eq!(fixed.for_input(1).max_unpacked, 1 << 40);
    }

    #[test]
    fn a_budget_is_spent_once() {
        let budget = Budget::new(LayerLimits { max_unpacked: 10, ..LayerLimits::default() });
        assert!(budget.take_unpacked(6));
        assert!(!budget.take_unpacked(5));
        assert!(budget.take_unpacked(4));
        assert!(!budget.take_unpacked(1));
    }
}
