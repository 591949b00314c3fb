//! The files of Berkeley DB after changes, each laid out anew.
//!
//! The head of each is the image's own, so that version, byte order, size of pages and the file's
//! identity stay; pages are used from the first to the last, without holes. The table keeps its two
//! buckets: rpm's never get more, as Berkeley DB is told no fill factor.

use super::super::Record;
use super::super::damage::Damage;
use super::super::fields::Fields;
use super::btree;
use super::page::{Head, Writer};
use super::{HASH, ITEM_KEY_DATA, ITEM_OFF_PAGE, PAGE_HEAD};

/// Bytes of a pair on a page: a key of four bytes and a value elsewhere, with their types, and
/// where each begins.
const PAIR: usize = 5 + 12 + 2 * 2;
/// Where the head of a tree has the number of its root.
const ROOT: usize = 88;
const BTREE_MAGIC: u32 = 0x0005_3162;
const BTREE_META: u8 = 9;

/// `Packages` with these records, ascending, and the last number that was given; `before` is the
/// image's.
///
/// # Errors
/// `before` is none of rpm's tables.
pub fn packages_file(before: &[u8], records: &[Record], last: u32) -> Result<Vec<u8>, Damage> {
    let (pages, _) = super::Pages::read(before)?;
    let head = pages.file.slice(0, pages.size, "the head")?.to_vec();
    let mut file = Writer::new(head, pages.file.is_big());
    let mut buckets = [Vec::new(), Vec::new()];
    let counter = file.u32(last);
    let mut pairs: Vec<([u8; 4], &[u8])> = vec![(file.u32(0), &counter)];
    pairs.extend(records.iter().map(|record| (file.u32(record.number), &*record.blob)));
    for pair in pairs {
        let [even, odd] = &mut buckets;
        if hash(&pair.0) & 1 == 0 { even.push(pair) } else { odd.push(pair) }
    }
    // The first page of each bucket has a fixed place.
    let first = [file.add_page(), file.add_page()];
    for (page, mut pairs) in first.into_iter().zip(buckets) {
        // Berkeley DB keeps the pairs of a page sorted by their keys' bytes.
        pairs.sort();
        put_bucket(&mut file, page, &pairs);
    }
    let last_page = file.count().saturating_sub(1);
    let count = u32::try_from(records.len()).unwrap_or(u32::MAX);
    for (at, value) in
        [(28, 0), (32, last_page), (72, 1), (76, 1), (80, 0), (88, count.saturating_add(1))]
    {
        let value = file.u32(value);
        file.put(0, at, &value);
    }
    for step in 0..32 {
        let value = file.u32(u32::from(step < 2));
        file.put(0, 96 + 4 * step, &value);
    }
    Ok(file.bytes)
}

/// The pairs of a bucket on `page` and on as many as it takes.
fn put_bucket(file: &mut Writer, first: u32, pairs: &[([u8; 4], &[u8])]) {
    let room = (file.page_size - PAGE_HEAD) / PAIR;
    let mut parts = pairs.chunks(room).peekable();
    let (mut page, mut previous) = (first, 0);
    loop {
        let part = parts.next().unwrap_or_default();
        let mut end = file.page_size;
        for (at, (key, value)) in part.iter().enumerate() {
            let item = if value.len() <= 11 {
                [&[ITEM_KEY_DATA], *value].concat()
            } else {
                let chain = file.put_chain(value);
                let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
                let (chain, length) = (file.u32(chain), file.u32(length));
                [&[ITEM_OFF_PAGE, 0, 0, 0][..], &chain, &length].concat()
            };
            for (item, index) in
                [([&[ITEM_KEY_DATA], &key[..]].concat(), 2 * at), (item, 2 * at + 1)]
            {
                end -= item.len();
                file.put(page, end, &item);
                let start = file.u16(end);
                file.put(page, PAGE_HEAD + 2 * index, &start);
            }
        }
        let next = if parts.peek().is_some() { file.add_page() } else { 0 };
        let entries = 2 * part.len();
        file.put_head(page, Head { previous, next, entries, free: end, level: 0, kind: HASH });
        if next == 0 {
            return;
        }
        (previous, page) = (page, next);
    }
}

/// Berkeley DB's hash of a key (`__ham_func4`, which is FNV).
fn hash(key: &[u8]) -> u32 {
    key.iter().fold(0, |hash: u32, byte| hash.wrapping_mul(16_777_619) ^ u32::from(*byte))
}

/// The file of an index with these entries, sorted by key: for each key pairs of a package's number
/// and a place. `before` is the image's.
///
/// # Errors
/// `before` is none of rpm's trees.
pub fn index_file(
    before: &[u8],
    entries: &[(Vec<u8>, Vec<(u32, u32)>)],
) -> Result<Vec<u8>, Damage> {
    let what = "the head";
    let big = match Fields::little(before).u32(12, what)? {
        BTREE_MAGIC => false,
        magic if magic.swap_bytes() == BTREE_MAGIC => true,
        _ => return Err(Damage::invalid("head", "it is none of a Berkeley DB tree")),
    };
    let head = Fields::ordered(before, big);
    let size = head.u32(20, what)? as usize;
    let flags = head.u32(48, what)?;
    let version = head.u32(16, what)?;
    if !size.is_power_of_two() || !(512..=65_536).contains(&size) {
        return Err(Damage::invalid("head", format!("pages of {size} bytes")));
    }
    if head.u8(25, what)? != BTREE_META || flags != 0 || !(9..=10).contains(&version) {
        return Err(Damage::invalid("head", "it is none of a tree as rpm makes them"));
    }
    let mut file = Writer::new(head.slice(0, size, what)?.to_vec(), big);
    let pairs = entries.iter().map(|(key, places)| {
        let value = places.iter().flat_map(|(number, place)| [file.u32(*number), file.u32(*place)]);
        (key.as_slice(), value.flatten().collect::<Vec<u8>>())
    });
    let pairs: Vec<_> = pairs.collect();
    let root = btree::put(&mut file, &pairs);
    let last_page = file.count().saturating_sub(1);
    for (at, value) in [(28, 0), (32, last_page), (ROOT, root)] {
        let value = file.u32(value);
        file.put(0, at, &value);
    }
    Ok(file.bytes)
}
