//! The container of `Index.db`: pages, and slots that say which of them an index has (`rpmxdb.c`).
//!
//! A head of 32 bytes, then slots of 16 bytes; a slot has a tag, a kind (0 an index, 1 one that is
//! being made anew), its first page and how many pages it has.

use super::super::damage::Damage;
use super::super::fields::Fields;

const MAGIC: u32 = u32::from_le_bytes(*b"RpmX");
const SLOT_MAGIC: u32 = u32::from_le_bytes(*b"Slo\0");
const SLOT: usize = 16;
const HEAD_SLOTS: usize = 2;
/// Far more slots than rpm has indexes.
const MAX_SLOT_PAGES: usize = 16;

/// One blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    /// The place in the file, counted from 1 behind the head.
    id: usize,
    tag: u32,
    kind: u8,
    start: usize,
    pages: usize,
}

/// The container with its blobs.
#[derive(Debug)]
pub(super) struct Container {
    file: Vec<u8>,
    pub(super) page_size: usize,
    generation: u32,
    pub(super) user_generation: u32,
    slot_pages: usize,
    /// Used slots in the order of their pages; those without pages first, the newest of them first.
    chain: Vec<Slot>,
    /// Free slots, the next one to use last.
    free: Vec<usize>,
}

impl Container {
    pub(super) fn read(file: Vec<u8>) -> Result<Self, Damage> {
        let fields = Fields::little(&file);
        let what = "the head";
        let wrong = |why: &str| Damage::invalid("head of Index.db", why);
        if fields.u32(0, what)? != MAGIC || fields.u32(4, what)? != 0 {
            return Err(wrong("it is none of rpm's containers of version 0"));
        }
        let slot_pages = fields.u32(12, what)? as usize;
        let page_size = fields.u32(16, what)? as usize;
        if !page_size.is_power_of_two() || !(256..=65_536).contains(&page_size) {
            return Err(wrong("the size of its pages is impossible"));
        }
        if slot_pages == 0 || slot_pages > MAX_SLOT_PAGES || !file.len().is_multiple_of(page_size) {
            return Err(wrong("its slots or its pages are impossible"));
        }
        let (mut chain, mut free) = (Vec::new(), Vec::new());
        for id in 1..=slot_pages * (page_size / SLOT) - HEAD_SLOTS {
            let at = (HEAD_SLOTS - 1 + id) * SLOT;
            let magic = fields.u32(at, what)?;
            if magic & 0x00ff_ffff != SLOT_MAGIC {
                return Err(wrong("a slot does not begin with Slo"));
            }
            let [tag, start, pages] =
                [fields.u32(at + 4, what)?, fields.u32(at + 8, what)?, fields.u32(at + 12, what)?];
            if start == 0 {
                free.push(id);
                continue;
            }
            let (start, pages) = (start as usize, pages as usize);
            let start = if pages == 0 { slot_pages } else { start };
            chain.push(Slot { id, tag, kind: (magic >> 24) as u8, start, pages });
        }
        free.reverse();
        chain.sort_by_key(|slot| (slot.start, slot.pages));
        let mut end = slot_pages;
        for slot in &chain {
            if slot.start < end || slot.start + slot.pages > file.len() / page_size {
                return Err(wrong("its blobs overlap, or end behind the file"));
            }
            end = slot.start + slot.pages;
        }
        let (generation, user_generation) = (fields.u32(8, what)?, fields.u32(20, what)?);
        Ok(Self { file, page_size, generation, user_generation, slot_pages, chain, free })
    }

    pub(super) fn into_file(self) -> Vec<u8> {
        self.file
    }

    pub(super) fn set_user_generation(&mut self, generation: u32) {
        self.user_generation = generation;
        self.generation = self.generation.wrapping_add(1);
        self.put(8, self.generation);
        self.put(20, generation);
    }

    /// The blob of a tag.
    pub(super) fn find(&self, tag: u32, kind: u8) -> Option<usize> {
        self.chain.iter().find(|slot| slot.tag == tag && slot.kind == kind).map(|slot| slot.id)
    }

    /// A new blob without pages.
    pub(super) fn create(&mut self, tag: u32, kind: u8) -> Result<usize, Damage> {
        let full = || Damage::invalid("head of Index.db", "no slot is left");
        let id = self.free.pop().ok_or_else(full)?;
        let slot = Slot { id, tag, kind, start: self.slot_pages, pages: 0 };
        self.chain.insert(0, slot);
        self.write(slot);
        Ok(id)
    }

    /// The bytes of a blob.
    pub(super) fn blob(&self, id: usize) -> &[u8] {
        let slot = self.slot(id);
        let from = slot.start * self.page_size;
        self.file.get(from..from + slot.pages * self.page_size).unwrap_or_default()
    }

    pub(super) fn blob_mut(&mut self, id: usize) -> &mut [u8] {
        let slot = self.slot(id);
        let from = slot.start * self.page_size;
        self.file.get_mut(from..from + slot.pages * self.page_size).unwrap_or_default()
    }

    /// A blob gets the pages for so many bytes, more or fewer than it has.
    pub(super) fn resize(&mut self, id: usize, bytes: usize) {
        let pages = bytes.div_ceil(self.page_size);
        let slot = self.slot(id);
        let rest = bytes % self.page_size;
        if slot.pages > 0 && pages > 0 && pages <= slot.pages && rest > 0 {
            let from = (slot.start + pages - 1) * self.page_size;
            if let Some(tail) = self.file.get_mut(from + rest..from + self.page_size) {
                tail.fill(0);
            }
        }
        if pages == slot.pages {
            return;
        }
        let at = self.position(id);
        let next = self.chain.get(at + 1).map_or(self.end(), |next| next.start);
        if pages == 0 {
            self.chain.remove(at);
            let slot = Slot { start: self.slot_pages, pages, ..slot };
            self.chain.insert(0, slot);
            self.write(slot);
        } else if pages <= next - slot.start {
            self.zero(slot.start + slot.pages, pages.saturating_sub(slot.pages));
            let slot = Slot { pages, ..slot };
            if let Some(place) = self.chain.get_mut(at) {
                *place = slot;
            }
            self.write(slot);
        } else {
            self.relocate(id, pages);
        }
    }

    /// The first gap that is large enough, or the end, with the blob's content.
    fn relocate(&mut self, id: usize, pages: usize) {
        let mut end = self.slot_pages;
        let mut behind = 0;
        for (at, slot) in self.chain.iter().enumerate() {
            if slot.start - end >= pages {
                break;
            }
            end = slot.start + slot.pages;
            behind = at + 1;
        }
        let room = self.end().saturating_sub(end);
        if behind == self.chain.len() && room < pages {
            self.zero(self.end(), pages - room);
        }
        self.move_to(id, end, behind, pages);
    }

    /// A blob is copied to `start`, behind `behind` other slots of the chain.
    fn move_to(&mut self, id: usize, start: usize, behind: usize, pages: usize) {
        let old = self.slot(id);
        let mut content = self.blob(id).to_vec();
        content.resize(pages * self.page_size, 0);
        let from = start * self.page_size;
        if let Some(place) = self.file.get_mut(from..from + content.len()) {
            place.copy_from_slice(&content);
        }
        let at = self.position(id);
        let slot = Slot { start, pages, ..old };
        self.chain.remove(at);
        let behind = if at < behind { behind - 1 } else { behind };
        self.chain.insert(behind.min(self.chain.len()), slot);
        self.write(slot);
    }

    /// A blob goes: two from the end may take its place, and the file may get shorter.
    fn remove(&mut self, id: usize) {
        let at = self.position(id);
        let gone = self.chain.remove(at);
        let used: usize = self.chain.iter().map(|slot| slot.pages).sum();
        let end = self.end();
        if used * 2 < end && (gone.start + gone.pages) * 2 < end {
            self.move_to_front(at);
        }
        self.write(Slot { tag: 0, kind: 0, start: 0, pages: 0, ..gone });
        self.free.push(id);
        let last = self.chain.last().map_or(self.slot_pages, |slot| slot.start + slot.pages);
        if last < end / 4 * 3 {
            self.file.truncate(last * self.page_size);
        }
    }

    fn move_to_front(&mut self, at: usize) {
        let before = at.checked_sub(1).and_then(|at| self.chain.get(at));
        let mut start = before.map_or(self.slot_pages, |slot| slot.start + slot.pages);
        let mut room = self.chain.get(at).map_or(self.end(), |next| next.start) - start;
        let mut behind = at;
        let mut last: Vec<Slot> = self.chain.iter().rev().take(2).copied().collect();
        if let [first, second] = last.as_mut_slice()
            && first.pages < second.pages
        {
            std::mem::swap(first, second);
        }
        for slot in last {
            if slot.pages > 0 && slot.pages <= room && slot.start > start {
                self.move_to(slot.id, start, behind, slot.pages);
                start += slot.pages;
                room -= slot.pages;
                behind += 1;
            }
        }
    }

    /// A blob gets another's tag and kind and its slot; the other one goes.
    pub(super) fn rename(&mut self, id: usize, tag: u32, kind: u8) -> usize {
        let Some(other) = self.find(tag, kind) else {
            let at = self.position(id);
            if let Some(slot) = self.chain.get_mut(at) {
                (slot.tag, slot.kind) = (tag, kind);
            }
            self.write(self.slot(id));
            return id;
        };
        self.remove(other);
        self.free.pop();
        let at = self.position(id);
        let slot = Slot { id: other, tag, kind, ..self.slot(id) };
        if let Some(place) = self.chain.get_mut(at) {
            *place = slot;
        }
        self.write(slot);
        self.write(Slot { id, tag: 0, kind: 0, start: 0, pages: 0 });
        self.free.push(id);
        other
    }

    fn end(&self) -> usize {
        self.file.len() / self.page_size
    }

    fn position(&self, id: usize) -> usize {
        self.chain.iter().position(|slot| slot.id == id).unwrap_or(0)
    }

    fn slot(&self, id: usize) -> Slot {
        let found = self.chain.get(self.position(id)).copied();
        found.unwrap_or(Slot { id, tag: 0, kind: 0, start: 0, pages: 0 })
    }

    fn zero(&mut self, start: usize, pages: usize) {
        let (from, to) = (start * self.page_size, (start + pages) * self.page_size);
        if self.file.len() < to {
            self.file.resize(to, 0);
        }
        if let Some(place) = self.file.get_mut(from..to) {
            place.fill(0);
        }
    }

    fn write(&mut self, slot: Slot) {
        let at = (HEAD_SLOTS - 1 + slot.id) * SLOT;
        let word = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        // A blob without pages is told from a free slot by its first page.
        let start = if slot.pages == 0 && slot.start != 0 { 1 } else { word(slot.start) };
        self.put(at, SLOT_MAGIC | u32::from(slot.kind) << 24);
        self.put(at + 4, slot.tag);
        self.put(at + 8, start);
        self.put(at + 12, word(slot.pages));
        self.generation = self.generation.wrapping_add(1);
        self.put(8, self.generation);
    }

    fn put(&mut self, at: usize, value: u32) {
        if let Some(place) = self.file.get_mut(at..at + 4) {
            place.copy_from_slice(&value.to_le_bytes());
        }
    }
}
