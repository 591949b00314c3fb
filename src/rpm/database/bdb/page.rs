//! Pages of Berkeley DB while a file is written: a head, then data, in the byte order of the file.

/// A file of pages that grows.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) page_size: usize,
    big: bool,
    pub(super) bytes: Vec<u8>,
}

/// What a page's head says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) previous: u32,
    pub(super) next: u32,
    /// Items; for an overflow page how many use the chain.
    pub(super) entries: usize,
    /// Where the items begin; for an overflow page how many bytes it has.
    pub(super) free: usize,
    /// 1 for leaves of a tree, one more each step up, 0 elsewhere.
    pub(super) level: u8,
    pub(super) kind: u8,
}

impl Writer {
    /// A file that begins with the page `head`.
    pub(super) fn new(head: Vec<u8>, big: bool) -> Self {
        Self { page_size: head.len(), big, bytes: head }
    }

    pub(super) fn u16(&self, value: usize) -> [u8; 2] {
        let value = u16::try_from(value).unwrap_or(u16::MAX);
        if self.big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    pub(super) fn u32(&self, value: u32) -> [u8; 4] {
        if self.big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    /// How many pages there are.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.bytes.len() / self.page_size).unwrap_or(u32::MAX)
    }

    /// A page of zeroes at the end; its number.
    pub(super) fn add_page(&mut self) -> u32 {
        let number = self.count();
        self.bytes.resize(self.bytes.len() + self.page_size, 0);
        number
    }

    pub(super) fn put(&mut self, page: u32, at: usize, bytes: &[u8]) {
        let start = page as usize * self.page_size + at;
        if let Some(place) = self.bytes.get_mut(start..start + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    pub(super) fn put_head(&mut self, page: u32, head: Head) {
        // The sequence number of a file that has no log.
        self.put(page, 4, &self.u32(1));
        self.put(page, 8, &self.u32(page));
        self.put(page, 12, &self.u32(head.previous));
        self.put(page, 16, &self.u32(head.next));
        self.put(page, 20, &self.u16(head.entries));
        // 65536 is written as 0: a page of this size that has no item.
        self.put(page, 22, &self.u16(head.free % 65_536));
        self.put(page, 24, &[head.level, head.kind]);
    }

    /// A chain of overflow pages with these bytes; its first page.
    pub(super) fn put_chain(&mut self, bytes: &[u8]) -> u32 {
        let room = self.page_size - super::PAGE_HEAD;
        let first = self.count();
        let pages = u32::try_from(bytes.len().div_ceil(room)).unwrap_or(u32::MAX);
        for (number, part) in (first..).zip(bytes.chunks(room)) {
            let page = self.add_page();
            let previous = if number == first { 0 } else { number - 1 };
            let next = if number + 1 == first.saturating_add(pages) { 0 } else { number + 1 };
            let head = Head {
                previous,
                next,
                entries: 1,
                free: part.len(),
                level: 0,
                kind: super::OVERFLOW,
            };
            self.put_head(page, head);
            self.put(page, super::PAGE_HEAD, part);
        }
        first
    }
}
