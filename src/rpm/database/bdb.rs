//! `Packages` of Berkeley DB: a hash table with pages, from a package's number to its header
//! (rpm up to 4.15: RHEL and CentOS up to 8, Amazon Linux 2; Berkeley DB's `dbinc/db_page.h`,
//! `hash.h`).
//!
//! Page 0 is the head; buckets are pages with pairs of items; an item that is too long for its page
//! is on a chain of overflow pages. All numbers are in the byte order of the machine that wrote
//! the file, the keys (rpm's numbers) too. Key 0 has no header, but the last number that was given.

mod btree;
mod page;
mod write;

use bytes::Bytes;

pub use write::{index_file, packages_file};

use super::damage::Damage;
use super::fields::Fields;
use super::{MAX_BLOB, MAX_PACKAGES, Record, check_blob, in_order};

/// Of every page but the head: sequence number, page number, previous, next, entries, high free
/// byte, level, type.
const PAGE_HEAD: usize = 26;
const HASH_MAGIC: u32 = 0x0006_1561;
const OVERFLOW: u8 = 7;
const HASH_META: u8 = 8;
const HASH_UNSORTED: u8 = 2;
const HASH: u8 = 13;
const ITEM_KEY_DATA: u8 = 1;
const ITEM_OFF_PAGE: u8 = 3;

/// The packages of `Packages`.
///
/// # Errors
/// Anything that rpm did not write: pages that are used twice, lengths that contradict each other,
/// features of Berkeley DB that rpm does not use.
pub fn records(file: &Bytes) -> Result<Vec<Record>, Damage> {
    Ok(Table::read(file)?.records)
}

/// The last number that `Packages` has given: rpm counts on from there.
///
/// # Errors
/// As [`records`].
pub fn last_number(file: &[u8]) -> Result<u32, Damage> {
    let table = Table::read(file)?;
    let highest = table.records.last().map_or(0, |record| record.number);
    Ok(table.last_number.unwrap_or(highest))
}

/// Whether the file's numbers have their highest byte first.
#[must_use]
pub fn is_big_endian(file: &[u8]) -> bool {
    Fields::big(file).u32(12, "the head").is_ok_and(|magic| magic == HASH_MAGIC)
}

/// A table, read whole.
#[derive(Debug)]
struct Table {
    records: Vec<Record>,
    /// What key 0 has; rpm writes it with the first package.
    last_number: Option<u32>,
}

/// What the head says, checked.
struct Pages<'a> {
    file: Fields<'a>,
    size: usize,
    last: u32,
    /// Whether a page was read already.
    seen: Vec<bool>,
}

impl Table {
    fn read(file: &[u8]) -> Result<Self, Damage> {
        let (mut pages, buckets) = Pages::read(file)?;
        let (mut records, mut last_number) = (Vec::new(), None);
        for first in buckets {
            let mut next = first;
            while next != 0 {
                let page = pages.take(next, &[HASH, HASH_UNSORTED])?;
                for (key, value) in pairs(page, next)? {
                    match pages.entry(&key, &value, next)? {
                        Entry::Last(number) if last_number.is_none() => last_number = Some(number),
                        Entry::Last(_) => return Err(in_page(next, "key 0 is there twice")),
                        Entry::Package(record) => records.push(record),
                    }
                    if records.len() > MAX_PACKAGES {
                        return Err(Damage::TooMany { what: "packages", limit: MAX_PACKAGES });
                    }
                }
                next = page.u32(16, "a page's head")?;
            }
        }
        let records = in_order(records)?;
        if let (Some(last), Some(highest)) = (last_number, records.last())
            && highest.number > last
        {
            let why = format!("the last number is {last}, and package {} is there", highest.number);
            return Err(Damage::invalid("key 0", why));
        }
        Ok(Self { records, last_number })
    }
}

/// One pair of the table.
enum Entry {
    Last(u32),
    Package(Record),
}

/// The bytes of an item with its type before them.
struct Item<'a>(Fields<'a>);

impl<'a> Pages<'a> {
    /// The pages of a file, and the first page of each bucket.
    fn read(file: &'a [u8]) -> Result<(Self, Vec<u32>), Damage> {
        let what = "the head";
        let little = Fields::little(file);
        let big = match little.u32(12, what)? {
            HASH_MAGIC => false,
            magic if magic.swap_bytes() == HASH_MAGIC => true,
            _ => return Err(Damage::invalid("head", "it is none of a Berkeley DB hash table")),
        };
        let head = Fields::ordered(file, big);
        supported(head)?;
        let size = head.u32(20, what)? as usize;
        if !size.is_power_of_two() || !(512..=65_536).contains(&size) {
            return Err(Damage::invalid("head", format!("pages of {size} bytes")));
        }
        let last = head.u32(32, what)?;
        // The file may be longer: Berkeley DB extends it before it counts the page.
        let count = (last as usize).checked_add(1).filter(|count| file.len() / size >= *count);
        let Some(count) = count else {
            let why = format!("{} bytes have no page {last} of {size} bytes", file.len());
            return Err(Damage::invalid("file", why));
        };
        let mut seen = vec![false; count];
        if let Some(first) = seen.first_mut() {
            *first = true;
        }
        Ok((Self { file: head, size, last, seen }, buckets(head, last)?))
    }

    /// Page `number`, for the first time: a page that is used twice is a loop or a lie.
    fn take(&mut self, number: u32, types: &[u8]) -> Result<Fields<'a>, Damage> {
        match self.seen.get_mut(number as usize) {
            Some(seen @ false) => *seen = true,
            Some(true) => return Err(in_page(number, "it is used twice")),
            None => {
                return Err(in_page(number, &format!("the last page is {}", self.last)));
            }
        }
        let what = "the end of a page";
        let bytes = self.file.slice(number as usize * self.size, self.size, what)?;
        let page = Fields::ordered(bytes, self.file.is_big());
        if page.u32(8, what)? != number {
            return Err(in_page(number, "it calls itself by another number"));
        }
        let kind = page.u8(25, what)?;
        if !types.contains(&kind) {
            return Err(in_page(number, &format!("its type is {kind}, where {types:?} belongs")));
        }
        Ok(page)
    }

    fn entry(&mut self, key: &Item<'a>, value: &Item<'a>, page: u32) -> Result<Entry, Damage> {
        let what = "a key";
        if key.0.u8(0, what)? != ITEM_KEY_DATA || key.0.len() != 5 {
            return Err(in_page(page, "a key is not a number of four bytes"));
        }
        let number = key.0.u32(1, what)?;
        let blob = self.value(value, page)?;
        if number == 0 {
            if blob.len() != 4 {
                return Err(in_page(page, "key 0 has no number of four bytes"));
            }
            return Ok(Entry::Last(Fields::ordered(&blob, self.file.is_big()).u32(0, what)?));
        }
        check_blob(number, &blob)?;
        Ok(Entry::Package(Record { number, blob: blob.into() }))
    }

    /// The bytes of a value, wherever they are.
    fn value(&mut self, item: &Item<'a>, page: u32) -> Result<Vec<u8>, Damage> {
        let what = "a value";
        match item.0.u8(0, what)? {
            ITEM_KEY_DATA => Ok(item.0.slice(1, item.0.len().saturating_sub(1), what)?.to_vec()),
            ITEM_OFF_PAGE if item.0.len() == 12 => {
                let (first, length) = (item.0.u32(4, what)?, item.0.u32(8, what)?);
                self.chain(first, length as usize)
            }
            kind => {
                Err(in_page(page, &format!("a value of type {kind} and {} bytes", item.0.len())))
            }
        }
    }

    /// A chain of overflow pages that has exactly `length` bytes.
    fn chain(&mut self, first: u32, length: usize) -> Result<Vec<u8>, Damage> {
        if length == 0 || length > MAX_BLOB {
            return Err(in_page(first, &format!("an overflow chain of {length} bytes")));
        }
        let what = "an overflow page";
        let (mut bytes, mut next) = (Vec::new(), first);
        while next != 0 {
            let page = self.take(next, &[OVERFLOW])?;
            let used = usize::from(page.u16(22, what)?);
            bytes.extend_from_slice(page.slice(PAGE_HEAD, used, what)?);
            if used == 0 || bytes.len() > length {
                return Err(in_page(next, "its bytes do not fit the chain's length"));
            }
            next = page.u32(16, what)?;
        }
        if bytes.len() != length {
            let why = format!("its chain has {} bytes, and {length} belong there", bytes.len());
            return Err(in_page(first, &why));
        }
        Ok(bytes)
    }
}

/// Features of Berkeley DB that rpm has never used are refused.
fn supported(head: Fields<'_>) -> Result<(), Damage> {
    let what = "the head";
    let refuse = |what, value: u32| Err(Damage::Unsupported { what, value: value.into() });
    let version = head.u32(16, what)?;
    if !(8..=10).contains(&version) {
        return refuse("the version of the hash table", version);
    }
    if head.u8(25, what)? != HASH_META {
        return refuse("the type of page 0", head.u8(25, what)?.into());
    }
    if head.u8(24, what)? != 0 {
        return refuse("the encryption", head.u8(24, what)?.into());
    }
    if head.u8(26, what)? != 0 {
        return refuse("the flags of page 0 (checksums, partitions)", head.u8(26, what)?.into());
    }
    // Duplicates, sub-databases and sorted duplicates.
    if head.u32(48, what)? != 0 {
        return refuse("the flags of the hash table", head.u32(48, what)?);
    }
    Ok(())
}

/// The first page of each bucket (`BUCKET_TO_PAGE`).
fn buckets(head: Fields<'_>, last: u32) -> Result<Vec<u32>, Damage> {
    let what = "the head";
    let (highest, high, low) = (head.u32(72, what)?, head.u32(76, what)?, head.u32(80, what)?);
    if highest >= last || highest > high || high >> 1 != low || (high & high.wrapping_add(1)) != 0 {
        let why = format!("{highest} buckets with masks {high:#x} and {low:#x} and {last} pages");
        return Err(Damage::invalid("head", why));
    }
    (0..=highest)
        .map(|bucket| {
            let step = 32 - bucket.leading_zeros() as usize;
            let spare = head.u32(96 + 4 * step, what)?;
            bucket
                .checked_add(spare)
                .filter(|page| *page != 0 && *page <= last)
                .ok_or_else(|| Damage::invalid("head", format!("bucket {bucket} has no page")))
        })
        .collect()
}

/// The pairs of a bucket's page: offsets from its head, items from its end.
fn pairs<'a>(page: Fields<'a>, number: u32) -> Result<Vec<(Item<'a>, Item<'a>)>, Damage> {
    let what = "a page's items";
    let entries = usize::from(page.u16(20, what)?);
    if entries % 2 != 0 || PAGE_HEAD + 2 * entries > page.len() {
        return Err(in_page(number, &format!("{entries} items")));
    }
    let mut end = page.len();
    let mut items = Vec::with_capacity(entries);
    for index in 0..entries {
        let start = usize::from(page.u16(PAGE_HEAD + 2 * index, what)?);
        if start >= end || start < PAGE_HEAD + 2 * entries {
            return Err(in_page(number, &format!("item {index} begins at byte {start}")));
        }
        items.push(Item(Fields::ordered(page.slice(start, end - start, what)?, page.is_big())));
        end = start;
    }
    let mut items = items.into_iter();
    Ok(std::iter::from_fn(|| Some((items.next()?, items.next()?))).collect())
}

fn in_page(number: u32, why: &str) -> Damage {
    Damage::invalid(format!("page {number}"), why)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One package, from a real image, with pages of 4096 bytes.
    const FILE: &[u8] = include_bytes!("../../../fixtures/rpm/one-package.Packages");

    fn damaged(change: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut file = FILE.to_vec();
        change(&mut file);
        records(&file.into()).unwrap_err().to_string()
    }

    #[test]
    fn a_package_is_found_on_its_pages() {
        let table = Table::read(FILE).unwrap();
        assert_eq!(table.records.len(), 1);
        assert_eq!(table.last_number, Some(table.records[0].number));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let set = |at: usize, value: u32| {
            move |file: &mut Vec<u8>| file[at..at + 4].copy_from_slice(&value.to_le_bytes())
        };
        assert!(damaged(|file| file.truncate(60)).contains("have no page"));
        assert!(damaged(|file| file.truncate(12288)).contains("have no page 3"));
        assert!(damaged(set(12, 0)).contains("none of a Berkeley DB hash table"));
        assert!(damaged(set(16, 11)).contains("the version of the hash table is 11"));
        assert!(damaged(set(20, 4095)).contains("pages of 4095 bytes"));
        assert!(damaged(set(32, u32::MAX)).contains("have no page"));
        assert!(damaged(set(72, 9)).contains("9 buckets"));
        assert!(damaged(set(48, 1)).contains("the flags of the hash table is 1"));
        // The chain's page leads to itself.
        assert!(damaged(set(3 * 4096 + 16, 3)).contains("used twice"));
        assert!(damaged(set(3 * 4096 + 8, 2)).contains("calls itself by another number"));
    }
}
