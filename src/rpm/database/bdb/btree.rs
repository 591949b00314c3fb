//! A tree of Berkeley DB with all of its pairs at once: leaves from the left to the right, then
//! each level above them.

use super::page::{Head, Writer};
use super::{ITEM_KEY_DATA, ITEM_OFF_PAGE, PAGE_HEAD};

const INTERNAL: u8 = 3;
const LEAF: u8 = 5;
/// Of an item on a leaf: length, type.
const LEAF_ITEM: usize = 3;
/// Of an item above: length, type, a byte that is not used, page, count of records.
const INTERNAL_ITEM: usize = 12;

/// A page with the first key below it.
struct Child {
    page: u32,
    key: Vec<u8>,
}

/// Writes the pairs, sorted by key; the root's page, which is 1 as rpm has it.
pub(super) fn put(file: &mut Writer, pairs: &[(&[u8], Vec<u8>)]) -> u32 {
    let root = file.add_page();
    // Longer items are elsewhere, so that four fit a page (`B_MINKEY_TO_OVFLSIZE`).
    let longest = (file.page_size - PAGE_HEAD) / 4 - 10;
    let items: Vec<[Vec<u8>; 2]> = pairs
        .iter()
        .map(|(key, value)| [leaf_item(file, key, longest), leaf_item(file, value, longest)])
        .collect();
    let sizes = items.iter().map(|[key, value]| key.len() + value.len() + 4);
    let groups = groups(sizes, file.page_size - PAGE_HEAD);
    if groups.len() <= 1 {
        let items: Vec<&Vec<u8>> = items.iter().flatten().collect();
        put_page(file, root, &items, Links { previous: 0, next: 0 }, 1);
        return root;
    }
    let pages: Vec<u32> = groups.iter().map(|_| file.add_page()).collect();
    let mut children = Vec::with_capacity(groups.len());
    for (at, (range, page)) in groups.iter().zip(&pages).enumerate() {
        let neighbour = |at: Option<usize>| at.and_then(|at| pages.get(at)).copied().unwrap_or(0);
        let links = Links { previous: neighbour(at.checked_sub(1)), next: neighbour(Some(at + 1)) };
        let items: Vec<_> = items.get(range.clone()).unwrap_or_default().iter().flatten().collect();
        put_page(file, *page, &items, links, 1);
        let key = pairs.get(range.start).map_or(&[][..], |(key, _)| key).to_vec();
        children.push(Child { page: *page, key });
    }
    put_levels(file, root, children, longest)
}

/// The levels above the leaves, up to the root.
fn put_levels(file: &mut Writer, root: u32, mut children: Vec<Child>, longest: usize) -> u32 {
    let mut level = 2;
    loop {
        let items: Vec<Vec<u8>> = children
            .iter()
            .enumerate()
            // What is below the first key goes to the first page, whatever it says.
            .map(|(at, child)| {
                internal_item(file, if at == 0 { &[] } else { &child.key }, child.page, longest)
            })
            .collect();
        let sizes = items.iter().map(|item| item.len() + 2);
        let groups = groups(sizes, file.page_size - PAGE_HEAD);
        let mut above = Vec::new();
        for range in &groups {
            let page = if groups.len() == 1 { root } else { file.add_page() };
            let items: Vec<_> = items.get(range.clone()).unwrap_or_default().iter().collect();
            put_page(file, page, &items, Links { previous: 0, next: 0 }, level);
            let key = children.get(range.start).map(|child| child.key.clone()).unwrap_or_default();
            above.push(Child { page, key });
        }
        if groups.len() <= 1 {
            return root;
        }
        (children, level) = (above, level.saturating_add(1));
    }
}

struct Links {
    previous: u32,
    next: u32,
}

fn put_page(file: &mut Writer, page: u32, items: &[&Vec<u8>], links: Links, level: u8) {
    let mut end = file.page_size;
    for (index, item) in items.iter().enumerate() {
        end -= item.len();
        file.put(page, end, item);
        let start = file.u16(end);
        file.put(page, PAGE_HEAD + 2 * index, &start);
    }
    let kind = if level == 1 { LEAF } else { INTERNAL };
    let Links { previous, next } = links;
    file.put_head(page, Head { previous, next, entries: items.len(), free: end, level, kind });
}

/// Ranges of items that fit a page each, at least one of them a range.
fn groups(sizes: impl Iterator<Item = usize>, room: usize) -> Vec<std::ops::Range<usize>> {
    let mut groups: Vec<std::ops::Range<usize>> = Vec::new();
    let mut used = room + 1;
    for (at, size) in sizes.enumerate() {
        used += size;
        match groups.last_mut() {
            Some(group) if used <= room => group.end = at + 1,
            _ => {
                groups.push(at..at + 1);
                used = size;
            }
        }
    }
    groups
}

/// A key or a value on a leaf, or where it is; a multiple of four bytes.
fn leaf_item(file: &mut Writer, bytes: &[u8], longest: usize) -> Vec<u8> {
    let mut item = if bytes.len() > longest {
        elsewhere(file, bytes)
    } else {
        let mut item = file.u16(bytes.len()).to_vec();
        item.push(ITEM_KEY_DATA);
        item.extend_from_slice(bytes);
        item
    };
    item.resize(item.len().max(LEAF_ITEM).next_multiple_of(4), 0);
    item
}

fn internal_item(file: &mut Writer, key: &[u8], page: u32, longest: usize) -> Vec<u8> {
    let (kind, key) = if key.len() > longest {
        (ITEM_OFF_PAGE, elsewhere(file, key))
    } else {
        (ITEM_KEY_DATA, key.to_vec())
    };
    let mut item = file.u16(key.len()).to_vec();
    item.extend([kind, 0]);
    item.extend(file.u32(page));
    item.extend(file.u32(0));
    item.extend(key);
    item.resize(item.len().max(INTERNAL_ITEM).next_multiple_of(4), 0);
    item
}

/// A reference to a chain of overflow pages.
fn elsewhere(file: &mut Writer, bytes: &[u8]) -> Vec<u8> {
    let page = file.put_chain(bytes);
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut item = vec![0, 0, ITEM_OFF_PAGE, 0];
    item.extend(file.u32(page));
    item.extend(file.u32(length));
    item
}
