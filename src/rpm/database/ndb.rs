//! `Packages.db`, the packages of rpm's own format *ndb* (SUSE's default; rpm's source
//! `lib/backend/ndb/rpmpkg.c`).
//!
//! A head of 32 bytes, then pages of slots, then blobs. All numbers are little-endian, and blobs
//! are counted in blocks of 16 bytes from the start of the file. A slot says where a package's
//! blob is; blobs have a head and a tail of their own, with an Adler-32 sum over both.

mod container;
mod hash;
mod write;

use bytes::Bytes;

pub use write::{Index, Packages};

use super::damage::Damage;
use super::fields::Fields;
use super::{MAX_PACKAGES, Record, check_blob, in_order};

/// The file with all indexes, beside the packages.
pub const INDEX: &str = "Index.db";
const BLOCK: usize = 16;
const PAGE: usize = 4096;
const HEAD: usize = 32;
const BLOB_HEAD: usize = 16;
const BLOB_TAIL: usize = 12;
const MAGIC: u32 = u32::from_le_bytes(*b"RpmP");
const SLOT_MAGIC: u32 = u32::from_le_bytes(*b"Slot");
const BLOB_START: u32 = u32::from_le_bytes(*b"BlbS");
const BLOB_END: u32 = u32::from_le_bytes(*b"BlbE");

/// A slot in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    /// The place among all slots; the head takes the place of the first two.
    place: usize,
    number: u32,
    /// The first block of the blob, and how many there are.
    start: usize,
    blocks: usize,
}

impl Slot {
    /// The first block behind the blob.
    fn end(&self) -> usize {
        self.start + self.blocks
    }
}

/// The head and the slots of a file that was checked.
#[derive(Debug, Clone)]
struct Layout {
    generation: u32,
    slot_pages: usize,
    next_number: u32,
    /// In the order of their blobs.
    slots: Vec<Slot>,
}

/// The packages of `Packages.db`.
///
/// # Errors
/// Anything that rpm did not write: slots that overlap, blobs whose sizes or sums are wrong.
pub fn records(file: &Bytes) -> Result<Vec<Record>, Damage> {
    let layout = Layout::read(file)?;
    let records = layout.slots.iter().map(|slot| {
        let blob = blob(file, *slot)?;
        Ok(Record { number: slot.number, blob: file.slice_ref(blob) })
    });
    in_order(records.collect::<Result<_, Damage>>()?)
}

impl Layout {
    fn read(file: &[u8]) -> Result<Self, Damage> {
        let fields = Fields::little(file);
        let magic = fields.u32(0, "the head")?;
        if magic != MAGIC {
            return Err(Damage::invalid("head", "it does not begin with RpmP"));
        }
        let version = fields.u32(4, "the head")?;
        if version != 0 {
            return Err(Damage::Unsupported { what: "the version", value: version.into() });
        }
        if !file.len().is_multiple_of(BLOCK) {
            let why = format!("{} bytes are not whole blocks of {BLOCK} bytes", file.len());
            return Err(Damage::invalid("file", why));
        }
        let slot_pages = fields.u32(12, "the head")? as usize;
        let next_number = fields.u32(16, "the head")?;
        let limit = MAX_PACKAGES.div_ceil(PAGE / BLOCK);
        if slot_pages == 0 || slot_pages > limit {
            return Err(Damage::invalid("head", format!("{slot_pages} pages of slots")));
        }
        fields.slice(0, slot_pages * PAGE, "the end of the slots")?;
        let mut slots = Vec::new();
        for place in HEAD / BLOCK..slot_pages * (PAGE / BLOCK) {
            slots.extend(slot(fields, place, slot_pages)?);
        }
        slots.sort_by_key(|slot| slot.start);
        let layout =
            Self { generation: fields.u32(8, "the head")?, slot_pages, next_number, slots };
        layout.check()?;
        Ok(layout)
    }

    /// No two blobs overlap, and the next number is above all that were given.
    fn check(&self) -> Result<(), Damage> {
        let mut end = self.slot_pages * (PAGE / BLOCK);
        for slot in &self.slots {
            if slot.start < end {
                let why = "its blob begins in another one, or among the slots";
                return Err(Damage::invalid(format!("slot {}", slot.place), why));
            }
            end = slot.start + slot.blocks;
        }
        match self.slots.iter().map(|slot| slot.number).max() {
            Some(highest) if highest >= self.next_number => {
                let why = format!(
                    "the next number is {}, and package {highest} is there",
                    self.next_number
                );
                Err(Damage::invalid("head", why))
            }
            _ => Ok(()),
        }
    }
}

/// The slot at `place`, or none where it is free.
fn slot(fields: Fields<'_>, place: usize, slot_pages: usize) -> Result<Option<Slot>, Damage> {
    let at = place * BLOCK;
    let what = "the end of the slots";
    let wrong = |why: &str| Damage::invalid(format!("slot {place}"), why);
    if fields.u32(at, what)? != SLOT_MAGIC {
        return Err(wrong("it does not begin with Slot"));
    }
    let number = fields.u32(at + 4, what)?;
    let start = fields.u32(at + 8, what)? as usize;
    let blocks = fields.u32(at + 12, what)? as usize;
    if start == 0 {
        return Ok(None);
    }
    if number == 0 || blocks == 0 || start < slot_pages * (PAGE / BLOCK) {
        return Err(wrong("it has no number, no blocks, or its blob begins among the slots"));
    }
    if start.checked_add(blocks).is_none_or(|end| end > fields.len() / BLOCK) {
        return Err(wrong("its blob ends behind the file"));
    }
    Ok(Some(Slot { place, number, start, blocks }))
}

/// The blob of a slot, its sum and sizes checked.
fn blob(file: &[u8], slot: Slot) -> Result<&[u8], Damage> {
    let wrong = |why: &str| Damage::invalid(format!("blob of package {}", slot.number), why);
    let fields = Fields::little(file);
    let (at, size) = (slot.start * BLOCK, slot.blocks * BLOCK);
    let whole = Fields::little(fields.slice(at, size, "the end of a blob")?);
    let what = "a blob's head";
    if whole.u32(0, what)? != BLOB_START || whole.u32(4, what)? != slot.number {
        return Err(wrong("its head does not name this package"));
    }
    let length = whole.u32(12, what)? as usize;
    if length.checked_add(BLOB_HEAD + BLOB_TAIL).map(|all| all.div_ceil(BLOCK)) != Some(slot.blocks)
    {
        return Err(wrong("its length does not fit the slot's"));
    }
    let tail = size.saturating_sub(BLOB_TAIL);
    if whole.u32(tail + 4, what)? as usize != length || whole.u32(tail + 8, what)? != BLOB_END {
        return Err(wrong("its tail does not fit its head"));
    }
    let summed = whole.slice(0, tail, what)?;
    if whole.u32(tail, what)? != adler32(summed) {
        return Err(wrong("its Adler-32 sum is wrong"));
    }
    let blob = whole.slice(BLOB_HEAD, length, what)?;
    check_blob(slot.number, blob)?;
    Ok(blob)
}

/// Adler-32 (RFC 1950).
fn adler32(bytes: &[u8]) -> u32 {
    let (mut low, mut high) = (1_u32, 0_u32);
    for chunk in bytes.chunks(5552) {
        for byte in chunk {
            low += u32::from(*byte);
            high += low;
        }
        low %= 65_521;
        high %= 65_521;
    }
    high << 16 | low
}
