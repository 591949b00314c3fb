//! One index of `Index.db`: a hash table from keys to pairs of a package's number and a place
//! (`rpmidx.c`).
//!
//! A head of 64 bytes; slots of 8 bytes, and for each 4 bytes more behind all of them; then keys,
//! each with its length before it. A slot names a key by its offset, with some bits of the key's
//! hash above. Slots that were given up stay as marks, so that a search goes on.

use super::super::damage::Damage;
use super::super::fields::Fields;
use super::container::Container;

const MAGIC: u32 = u32::from_le_bytes(*b"RpmI");
const HEAD: usize = 64;
const KEYS: usize = 4096;
const GONE: u32 = u32::MAX;
const INDEX: u8 = 0;
const REBUILD: u8 = 1;

/// The head of a table; what it holds is in the container.
#[derive(Debug)]
pub(super) struct Table {
    tag: u32,
    id: usize,
    generation: u32,
    slots: usize,
    used: u32,
    gone: u32,
    /// Bits of a slot's first word that are of the hash.
    mask: u32,
    key_end: usize,
    key_excess: u32,
}

impl Table {
    /// The table of a tag, made where it is missing.
    pub(super) fn open(container: &mut Container, tag: u32) -> Result<Self, Damage> {
        match container.find(tag, INDEX) {
            Some(id) => Self::read(container, tag, id),
            None => Self::create(container, tag),
        }
    }

    fn read(container: &Container, tag: u32, id: usize) -> Result<Self, Damage> {
        let wrong = |why| Damage::invalid(format!("index of tag {tag}"), why);
        let what = "the head of an index";
        let blob = container.blob(id);
        let fields = Fields::little(blob);
        if fields.u32(0, what)? != MAGIC || fields.u32(4, what)? != 0 {
            return Err(wrong("it is none of version 0"));
        }
        let table = Self {
            tag,
            id,
            generation: fields.u32(8, what)?,
            slots: fields.u32(12, what)? as usize,
            used: fields.u32(16, what)?,
            gone: fields.u32(20, what)?,
            mask: fields.u32(24, what)?,
            key_end: fields.u32(28, what)? as usize,
            key_excess: fields.u32(32, what)?,
        };
        if !table.slots.is_power_of_two() || table.slots < 256 || table.used as usize > table.slots
        {
            return Err(wrong("its slots are impossible"));
        }
        let keys = table.slots.checked_mul(12).and_then(|size| blob.len().checked_sub(HEAD + size));
        if keys.is_none_or(|keys| table.key_end > keys || table.key_end == 0) {
            return Err(wrong("its keys end behind it"));
        }
        // A search ends at a slot that was never used.
        if (0..table.slots).all(|slot| table.slot(container, slot) != 0) {
            return Err(wrong("it has no free slot"));
        }
        Ok(table)
    }

    /// An index without keys, as rpm makes it: by rebuilding nothing.
    fn create(container: &mut Container, tag: u32) -> Result<Self, Damage> {
        Self::put_new(container, tag, 1024, KEYS, 1, |_, _| Vec::new())
    }

    fn slot(&self, container: &Container, slot: usize) -> u32 {
        self.word(container, HEAD + 8 * slot)
    }

    fn word(&self, container: &Container, at: usize) -> u32 {
        Fields::little(container.blob(self.id)).u32(at, "an index").unwrap_or(0)
    }

    fn put(&self, container: &mut Container, at: usize, value: u32) {
        if let Some(place) = container.blob_mut(self.id).get_mut(at..at + 4) {
            place.copy_from_slice(&value.to_le_bytes());
        }
    }

    fn keys_at(&self) -> usize {
        HEAD + self.slots * 12
    }

    /// The slots that a search for a key looks at, in its order.
    fn probe(&self, hash: u32) -> impl Iterator<Item = usize> + use<> {
        let mask = self.slots - 1;
        let mut at = hash as usize & mask;
        (7..).map(move |step: usize| {
            let found = at;
            at = (at + step) & mask;
            found
        })
    }

    pub(super) fn add(
        &mut self,
        container: &mut Container,
        key: &[u8],
        number: u32,
        place: u32,
    ) -> Result<(), Damage> {
        self.rebuild_if_due(container)?;
        let hash = murmur(key);
        let (data, more) = encoded(number, place);
        let (mut offset, mut gone, mut end) = (0, None, 0);
        for slot in self.probe(hash).take(self.slots * 2) {
            end = slot;
            let found = self.slot(container, slot);
            if found == 0 {
                break;
            }
            if found == GONE {
                gone = Some(slot);
                continue;
            }
            if offset == 0 && self.is_key(container, found, hash, key) {
                offset = found;
            }
            if offset == found && self.has(container, slot, data, more) {
                return Ok(());
            }
        }
        if offset == 0 {
            offset = self.add_key(container, key)? | hash & self.mask;
        }
        let slot = match gone {
            Some(slot) => {
                self.gone = self.gone.saturating_sub(1);
                slot
            }
            None => {
                self.used += 1;
                end
            }
        };
        self.put(container, HEAD + 8 * slot, offset);
        self.put(container, HEAD + 8 * slot + 4, data);
        if more != 0 {
            self.put(container, HEAD + 8 * self.slots + 4 * slot, more);
        }
        self.generation = self.generation.wrapping_add(1);
        self.put_head(container);
        Ok(())
    }

    pub(super) fn erase(
        &mut self,
        container: &mut Container,
        key: &[u8],
        number: u32,
        place: u32,
    ) -> Result<(), Damage> {
        self.rebuild_if_due(container)?;
        let hash = murmur(key);
        let (data, more) = encoded(number, place);
        let (mut offset, mut others) = (0, false);
        for slot in self.probe(hash).take(self.slots * 2) {
            let found = self.slot(container, slot);
            if found == 0 {
                break;
            }
            if found == GONE {
                continue;
            }
            if offset == 0 && self.is_key(container, found, hash, key) {
                offset = found;
            }
            if offset != found {
                continue;
            }
            if !self.has(container, slot, data, more) {
                others = true;
                continue;
            }
            self.put(container, HEAD + 8 * slot, GONE);
            self.put(container, HEAD + 8 * slot + 4, GONE);
            if more != 0 {
                self.put(container, HEAD + 8 * self.slots + 4 * slot, 0);
            }
            self.gone += 1;
        }
        if offset == 0 {
            return Ok(());
        }
        if !others {
            let length = encoded_key(key).len();
            let from = self.keys_at() + (offset & !self.mask) as usize;
            if let Some(bytes) = container.blob_mut(self.id).get_mut(from..from + length) {
                bytes.fill(0);
            }
            self.key_excess = self.key_excess.saturating_add(u32::try_from(length).unwrap_or(0));
        }
        self.generation = self.generation.wrapping_add(1);
        self.put_head(container);
        Ok(())
    }

    fn is_key(&self, container: &Container, found: u32, hash: u32, key: &[u8]) -> bool {
        let offset = (found & !self.mask) as usize;
        let encoded = encoded_key(key);
        let keys = container.blob(self.id).get(self.keys_at()..).unwrap_or_default();
        (found ^ hash) & self.mask == 0
            && offset + key.len() < self.key_end
            && keys.get(offset..offset + encoded.len()) == Some(&*encoded)
    }

    fn has(&self, container: &Container, slot: usize, data: u32, more: u32) -> bool {
        self.word(container, HEAD + 8 * slot + 4) == data
            && (more == 0 || self.word(container, HEAD + 8 * self.slots + 4 * slot) == more)
    }

    fn add_key(&mut self, container: &mut Container, key: &[u8]) -> Result<u32, Damage> {
        let key = encoded_key(key);
        while container.blob(self.id).len() - self.keys_at() < self.key_end + key.len() {
            let more = container.page_size.max(KEYS);
            container.resize(self.id, container.blob(self.id).len() + more);
        }
        let from = self.keys_at() + self.key_end;
        if let Some(place) = container.blob_mut(self.id).get_mut(from..from + key.len()) {
            place.copy_from_slice(&key);
        }
        let full = |_| Damage::invalid(format!("index of tag {}", self.tag), "its keys are full");
        let offset = u32::try_from(self.key_end).map_err(full)?;
        self.key_end += key.len();
        Ok(offset)
    }

    fn put_head(&self, container: &mut Container) {
        let key_end = u32::try_from(self.key_end).unwrap_or(u32::MAX);
        let slots = u32::try_from(self.slots).unwrap_or(u32::MAX);
        let words = [
            MAGIC,
            0,
            self.generation,
            slots,
            self.used,
            self.gone,
            self.mask,
            key_end,
            self.key_excess,
        ];
        for (at, word) in words.into_iter().enumerate() {
            self.put(container, 4 * at, word);
        }
    }

    /// A table that is too full, or has too many holes among its keys, is made anew.
    fn rebuild_if_due(&mut self, container: &mut Container) -> Result<(), Damage> {
        let full = self.used as usize > self.slots / 2;
        let excess = self.key_excess as usize;
        let holes = excess > 4096 && excess * 4 > self.key_end;
        if full || holes || self.key_end as u64 >= u64::from(!self.mask) {
            *self = self.rebuilt(container)?;
        }
        Ok(())
    }

    fn rebuilt(&self, container: &mut Container) -> Result<Self, Damage> {
        let mut slots = (0..self.slots)
            .filter(|slot| !matches!(self.slot(container, *slot), 0 | GONE))
            .count()
            .max(256);
        slots = (1 << slots.ilog2()) * 4;
        let keys = self.key_end.max(KEYS);
        let old = Copy { table: self, blob: container.blob(self.id).to_vec() };
        Self::put_new(
            container,
            self.tag,
            slots,
            keys,
            self.generation.wrapping_add(1),
            |table, container| old.all_into(table, container),
        )
    }

    /// A table of a new size, filled, in the place of the old one.
    fn put_new(
        container: &mut Container,
        tag: u32,
        slots: usize,
        keys: usize,
        generation: u32,
        fill: impl FnOnce(&mut Self, &mut Container) -> Vec<u8>,
    ) -> Result<Self, Damage> {
        let page = container.page_size;
        let size = (HEAD + slots * 12 + keys).next_multiple_of(page);
        let keys = size - HEAD - slots * 12;
        let mut mask: u64 = 0x1_0000;
        while mask < 1 << 32 && mask < keys as u64 + 8192 {
            mask <<= 1;
        }
        let mask = u32::try_from((1_u64 << 32) - mask).unwrap_or(0);
        let id = match container.find(tag, REBUILD) {
            Some(id) => {
                container.resize(id, 0);
                id
            }
            None => container.create(tag, REBUILD)?,
        };
        container.resize(id, size);
        let (used, gone, key_end, key_excess) = (0, 0, 1, 0);
        let mut table = Self { tag, id, generation, slots, used, gone, mask, key_end, key_excess };
        let keys = fill(&mut table, container);
        let from = table.keys_at() + 1;
        if let Some(place) = container.blob_mut(id).get_mut(from..from + keys.len()) {
            place.copy_from_slice(&keys);
        }
        table.key_end = 1 + keys.len();
        table.put_head(container);
        let shorter = (HEAD + slots * 12 + table.key_end + KEYS).next_multiple_of(page);
        if shorter < size {
            container.resize(id, shorter);
        }
        table.id = container.rename(id, tag, INDEX);
        Ok(table)
    }
}

/// A table that is made anew, as it was.
struct Copy<'a> {
    table: &'a Table,
    blob: Vec<u8>,
}

impl Copy<'_> {
    fn word(&self, at: usize) -> u32 {
        Fields::little(&self.blob).u32(at, "an index").unwrap_or(0)
    }

    /// Every entry goes into `table`, key by key in the order of the old slots; the new keys.
    fn all_into(&self, table: &mut Table, container: &mut Container) -> Vec<u8> {
        let mut done = vec![false; self.table.slots];
        let mut keys = Vec::new();
        for slot in 0..self.table.slots {
            let found = self.word(HEAD + 8 * slot);
            if found == 0 || found == GONE || done.get(slot).copied().unwrap_or(true) {
                continue;
            }
            let offset = found & !self.table.mask;
            let stored =
                self.blob.get(self.table.keys_at() + offset as usize..).unwrap_or_default();
            let Some((key, stored)) = decoded_key(stored) else { continue };
            let hash = murmur(key);
            let at = u32::try_from(1 + keys.len()).unwrap_or(u32::MAX);
            keys.extend_from_slice(stored);
            let old = offset | hash & self.table.mask;
            for slot in self.table.probe(hash).take(self.table.slots * 2) {
                let found = self.word(HEAD + 8 * slot);
                if found == 0 {
                    break;
                }
                if found != old {
                    continue;
                }
                if let Some(done) = done.get_mut(slot) {
                    *done = true;
                }
                let data = self.word(HEAD + 8 * slot + 4);
                let more = self.word(HEAD + 8 * self.table.slots + 4 * slot);
                let free = table.probe(hash).take(table.slots * 2);
                let mut free = free.filter(|slot| table.slot(container, *slot) == 0);
                let Some(to) = free.next() else { continue };
                drop(free);
                table.put(container, HEAD + 8 * to, at | hash & table.mask);
                table.put(container, HEAD + 8 * to + 4, data);
                if data & 0x8000_0000 != 0 && more != 0 {
                    table.put(container, HEAD + 8 * table.slots + 4 * to, more);
                }
                table.used += 1;
            }
        }
        keys
    }
}

/// A key as it is stored: its length, then its bytes.
fn encoded_key(key: &[u8]) -> Vec<u8> {
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX).to_le_bytes();
    let head: &[u8] = match key.len() {
        1..255 => &length[..1],
        0..65_535 => &[255, length[0], length[1]],
        _ => &[255, 255, 255, length[0], length[1], length[2], length[3]],
    };
    [head, key].concat()
}

/// The key at the start of the bytes, alone and as it is stored.
fn decoded_key(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, length) = match bytes {
        [255, 255, 255, a, b, c, d, ..] => (7, u32::from_le_bytes([*a, *b, *c, *d]) as usize),
        [255, a, b, ..] => (3, usize::from(u16::from_le_bytes([*a, *b]))),
        [length, ..] => (1, usize::from(*length)),
        [] => return None,
    };
    let end = length.checked_add(head)?;
    Some((bytes.get(head..end)?, bytes.get(..end)?))
}

/// A package's number and a place in one word, and in a second one where they are too large.
fn encoded(number: u32, place: u32) -> (u32, u32) {
    if number < 0x10_0000 && place < 0x400 {
        (number | place << 20, 0)
    } else if number < 0x100_0000 && place < 0x40 {
        (number | place << 24 | 0x4000_0000, 0)
    } else {
        (place | 0x8000_0000, number)
    }
}

/// rpm's variant of MurmurHash.
fn murmur(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = u32::try_from(key.len()).unwrap_or(u32::MAX).wrapping_mul(M);
    for part in key.chunks(4) {
        let word = part.iter().rev().fold(0, |word: u32, byte| word << 8 | u32::from(*byte));
        hash = hash.wrapping_add(word).wrapping_mul(M);
        hash ^= hash >> 16;
    }
    hash = hash.wrapping_mul(M);
    hash ^= hash >> 10;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> 17
}
