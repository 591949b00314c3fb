//! `Packages.db` changed as rpm changes it: the best gap for a new blob, slots used again, blobs
//! moved to the front when there is room (`rpmpkg.c`).

use super::super::damage::Damage;
use super::container::Container;
use super::hash::Table;
use super::{
    BLOB_END, BLOB_HEAD, BLOB_START, BLOB_TAIL, BLOCK, HEAD, Layout, PAGE, SLOT_MAGIC, Slot,
    adler32, blob,
};
use crate::database::index::{INDEXES, Index as Kind};
use crate::header::Header;

const SLOTS_A_PAGE: usize = PAGE / BLOCK;

/// `Packages.db` while it is changed.
#[derive(Debug)]
pub struct Packages {
    file: Vec<u8>,
    layout: Layout,
}

impl Packages {
    /// The file as it is.
    ///
    /// # Errors
    /// As [`super::records`].
    pub fn read(file: Vec<u8>) -> Result<Self, Damage> {
        let layout = Layout::read(&file)?;
        Ok(Self { file, layout })
    }

    /// The count of changes so far, which the index has to have, too.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.layout.generation
    }

    /// The file after all changes.
    #[must_use]
    pub fn into_file(self) -> Vec<u8> {
        self.file
    }

    /// A header is added; its number.
    ///
    /// # Errors
    /// No number or no room is left.
    pub fn add(&mut self, header: &[u8]) -> Result<u32, Damage> {
        let full = || Damage::invalid("head", "no number is left");
        let number = self.layout.next_number;
        self.layout.next_number = number.checked_add(1).ok_or_else(full)?;
        let blocks = (BLOB_HEAD + header.len() + BLOB_TAIL).div_ceil(BLOCK);
        if self.free_slot().is_none() {
            self.add_slot_page()?;
        }
        let place = self.free_slot().ok_or_else(full)?;
        let start = self.gap(blocks, false);
        self.put_blob(start, &new_blob(number, self.layout.generation, header, blocks));
        self.put_slot(Slot { place, number, start, blocks });
        Ok(number)
    }

    /// The package with this number has another header, of the same size.
    ///
    /// # Errors
    /// It is not there.
    pub fn replace(&mut self, number: u32, header: &[u8]) -> Result<(), Damage> {
        let slot = self.layout.slots.iter().find(|slot| slot.number == number).copied();
        let slot = slot.ok_or_else(|| crate::database::change::not_there(number))?;
        let blob = new_blob(number, self.layout.generation, header, slot.blocks);
        self.put_blob(slot.start, &blob);
        self.bump();
        Ok(())
    }

    /// The package with this number goes.
    ///
    /// # Errors
    /// It is not there.
    pub fn erase(&mut self, number: u32) -> Result<(), Damage> {
        let slots = &self.layout.slots;
        let Some(at) = slots.iter().position(|slot| slot.number == number) else {
            return Err(crate::database::change::not_there(number));
        };
        let gone = self.layout.slots.remove(at);
        self.write_slot(gone.place, 0, 0, 0);
        self.zero(gone.start, gone.blocks);
        let blocks = self.file.len() / BLOCK;
        if !self.layout.slots.is_empty() && gone.start < blocks / 2 {
            self.move_to_front(at, &gone, blocks);
        }
        let end = self.layout.slots.last().map_or(self.layout.slot_pages * SLOTS_A_PAGE, Slot::end);
        if end < blocks / 4 * 3 {
            self.file.truncate(end * BLOCK);
        }
        Ok(())
    }

    /// The two blobs at the end fill the gap that a blob in the first half leaves, the larger first.
    fn move_to_front(&mut self, at: usize, gone: &Slot, blocks: usize) {
        let before = at.checked_sub(1).and_then(|at| self.layout.slots.get(at));
        let mut start = before.map_or(self.layout.slot_pages * SLOTS_A_PAGE, Slot::end);
        let mut room = self.layout.slots.get(at).map_or(gone.end(), |next| next.start) - start;
        // rpm looks at the last two slots while the one that goes still counts as one.
        let mut with_gone = self.layout.slots.clone();
        with_gone.insert(at, Slot { start: 0, blocks: 0, ..*gone });
        let mut last: Vec<Slot> = with_gone.iter().rev().take(2).copied().collect();
        last.reverse();
        if let [first, second] = last.as_mut_slice()
            && first.blocks < second.blocks
        {
            std::mem::swap(first, second);
        }
        for slot in last {
            if slot.start == 0
                || slot.start < start
                || slot.start < blocks / 2
                || slot.blocks > room
            {
                continue;
            }
            self.move_blob(slot, start);
            start += slot.blocks;
            room -= slot.blocks;
        }
    }

    fn move_blob(&mut self, slot: Slot, start: usize) {
        let from = slot.start * BLOCK;
        let bytes = self.file.get(from..from + slot.blocks * BLOCK).unwrap_or_default().to_vec();
        self.put_blob(start, &bytes);
        self.layout.slots.retain(|other| other.place != slot.place);
        self.put_slot(Slot { start, ..slot });
        self.zero(slot.start, slot.blocks);
    }

    /// Where a blob goes: the smallest gap that is large enough, the first of several; else the end.
    fn gap(&self, blocks: usize, behind_first: bool) -> usize {
        let slots = &self.layout.slots;
        let mut end = self.layout.slot_pages * SLOTS_A_PAGE;
        if behind_first && let Some(first) = slots.first() {
            end = first.start;
        }
        let mut best: Option<(usize, usize)> = None;
        for slot in slots {
            let room = slot.start - end;
            if room >= blocks && best.is_none_or(|(least, _)| room < least) {
                best = Some((room, end));
            }
            end = slot.end();
        }
        best.map_or(end, |(_, start)| start)
    }

    /// The first slot that is free, in the order of slots.
    fn free_slot(&self) -> Option<usize> {
        let used: std::collections::HashSet<usize> =
            self.layout.slots.iter().map(|slot| slot.place).collect();
        (HEAD / BLOCK..self.layout.slot_pages * SLOTS_A_PAGE).find(|place| !used.contains(place))
    }

    /// One more page of slots; blobs in its way go elsewhere.
    fn add_slot_page(&mut self) -> Result<(), Damage> {
        let pages = self.layout.slot_pages;
        let end = (pages + 1) * SLOTS_A_PAGE;
        while let Some(first) = self.layout.slots.first().copied()
            && first.start < end
        {
            let start = self.gap(first.blocks, true);
            self.move_blob(first, start);
        }
        let mut page = vec![0; PAGE];
        for slot in page.chunks_mut(BLOCK) {
            if let Some(magic) = slot.first_chunk_mut() {
                *magic = SLOT_MAGIC.to_le_bytes();
            }
        }
        self.put_blob(pages * SLOTS_A_PAGE, &page);
        self.layout.slot_pages = pages + 1;
        self.bump();
        Ok(())
    }

    fn put_blob(&mut self, start: usize, bytes: &[u8]) {
        let from = start * BLOCK;
        if self.file.len() < from + bytes.len() {
            self.file.resize(from + bytes.len(), 0);
        }
        if let Some(place) = self.file.get_mut(from..from + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    fn zero(&mut self, start: usize, blocks: usize) {
        if let Some(place) = self.file.get_mut(start * BLOCK..(start + blocks) * BLOCK) {
            place.fill(0);
        }
    }

    fn put_slot(&mut self, slot: Slot) {
        let at = self.layout.slots.partition_point(|other| other.start < slot.start);
        self.layout.slots.insert(at, slot);
        self.write_slot(slot.place, slot.number, slot.start, slot.blocks);
    }

    fn write_slot(&mut self, place: usize, number: u32, start: usize, blocks: usize) {
        let words = [SLOT_MAGIC, number, word(start), word(blocks)];
        self.put_blob(place, &words.map(u32::to_le_bytes).concat());
        self.bump();
    }

    /// One change more, and the head as it is.
    fn bump(&mut self) {
        self.layout.generation = self.layout.generation.wrapping_add(1);
        let words = [self.layout.generation, word(self.layout.slot_pages), self.layout.next_number];
        if let Some(place) = self.file.get_mut(8..20) {
            place.copy_from_slice(&words.map(u32::to_le_bytes).concat());
        }
    }

    /// The header of a package.
    ///
    /// # Errors
    /// It is not there, or damaged.
    pub fn header(&self, number: u32) -> Result<&[u8], Damage> {
        let slot = self.layout.slots.iter().find(|slot| slot.number == number);
        let slot = slot.ok_or_else(|| crate::database::change::not_there(number))?;
        blob(&self.file, *slot)
    }
}

/// A blob with its head and tail.
fn new_blob(number: u32, generation: u32, header: &[u8], blocks: usize) -> Vec<u8> {
    let length = word(header.len());
    let mut bytes = Vec::with_capacity(blocks * BLOCK);
    for value in [BLOB_START, number, generation, length] {
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend_from_slice(header);
    bytes.resize(blocks * BLOCK - BLOB_TAIL, 0);
    for value in [adler32(&bytes), length, BLOB_END] {
        bytes.extend(value.to_le_bytes());
    }
    bytes
}

fn word(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// `Index.db` while it is changed: a container with a hash table for each index.
#[derive(Debug)]
pub struct Index {
    container: Container,
}

impl Index {
    /// The file as it is, where it belongs to the packages' generation; rpm makes any other anew.
    ///
    /// # Errors
    /// It is none of rpm's, or an index is missing in it.
    pub fn read(file: Vec<u8>, generation: u32) -> Result<Option<Self>, Damage> {
        let container = Container::read(file)?;
        if container.user_generation != generation {
            return Ok(None);
        }
        Ok(Some(Self { container }))
    }

    /// The entries of a header are added.
    ///
    /// # Errors
    /// The file is damaged where they go.
    pub fn add(&mut self, number: u32, header: &Header) -> Result<(), Damage> {
        self.each(header, |table, container, key, place| table.add(container, key, number, place))
    }

    /// The entries of a header go.
    ///
    /// # Errors
    /// The file is damaged where they are.
    pub fn erase(&mut self, number: u32, header: &Header) -> Result<(), Damage> {
        self.each(header, |table, container, key, place| table.erase(container, key, number, place))
    }

    fn each(
        &mut self,
        header: &Header,
        mut change: impl FnMut(&mut Table, &mut Container, &[u8], u32) -> Result<(), Damage>,
    ) -> Result<(), Damage> {
        for index in INDEXES {
            let Kind { tag, .. } = index;
            let mut table = Table::open(&mut self.container, tag.0)?;
            for entry in index.entries(header, cfg!(target_endian = "big")) {
                change(&mut table, &mut self.container, &entry.key, entry.place)?;
            }
        }
        Ok(())
    }

    /// The index belongs to this generation of the packages now.
    pub fn set_generation(&mut self, generation: u32) {
        self.container.set_user_generation(generation);
    }

    /// The file after all changes.
    #[must_use]
    pub fn into_file(self) -> Vec<u8> {
        self.container.into_file()
    }
}
