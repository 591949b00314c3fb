//! [`Header`]: what rpm keeps of a package, in its database and in its archives.
//!
//! In come the bytes of a header, hostile until they are checked; out come typed values by their
//! [`tag`]. A header keeps its bytes and slices them: nothing is copied. The form: two
//! counts, an index of entries (tag, type, offset, count), the data; all numbers big endian. The
//! index may begin with a region, a package's part of a header that no installation changes.
//! What rpm refuses is refused. Source: rpm `lib/header.cc` and
//! <https://rpm-software-management.github.io/rpm/manual/format_header.html>.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

pub mod installed;
mod make;
pub mod tag;
mod value;

pub use make::NewHeader;
pub use tag::Tag;
pub use value::{Numbers, Strings, Value};

/// What stands before a header in an archive.
pub const MAGIC: [u8; 8] = [0x8e, 0xad, 0xe8, 0x01, 0, 0, 0, 0];
/// The most entries of an index, as in rpm.
pub const MAX_ENTRIES: u32 = 0xffff;
/// The most bytes of a header's data, as in rpm.
pub const MAX_DATA: u32 = 0x0fff_ffff;
/// The most entries of a signature header, as in rpm.
const MAX_SIGNATURE_ENTRIES: u32 = 32;
/// The most bytes of a signature header's data, as in rpm.
const MAX_SIGNATURE_DATA: u32 = 64 << 20;
/// The most values of an array that is not binary, as in rpm.
const MAX_VALUES: u32 = 0x000f_ffff;
/// Bytes of an index entry, and of a region's trailer, which has the form of one.
const ENTRY: usize = 16;
/// The lowest tag that is no region's.
const FIRST_TAG: u32 = 100;

/// Why bytes are not a header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// It ends before its counts, or before what they promise.
    #[error("a header ends after {have} bytes, {want} were to come")]
    Truncated {
        /// Bytes that it has.
        have: usize,
        /// Bytes that it must have.
        want: usize,
    },
    /// More follows than the header has.
    #[error("a header of {want} bytes is followed by {} more", .have - .want)]
    Trailing {
        /// Bytes that came.
        have: usize,
        /// Bytes that the header has.
        want: usize,
    },
    /// An archive's header does not begin with the magic number.
    #[error("no header: it begins with {0:02x?}")]
    Magic([u8; 8]),
    /// The counts are above what rpm takes.
    #[error("a header of {entries} entries and {data} bytes of data is too large")]
    TooLarge {
        /// Entries of the index.
        entries: u32,
        /// Bytes of data.
        data: u32,
    },
    /// An entry of the index is not what it has to be.
    #[error("index entry {at} (tag {tag}, type {typ}, offset {offset}, count {count}): {why}")]
    Entry {
        /// Its place in the index, from 0.
        at: usize,
        /// The tag's number.
        tag: u32,
        /// The type's number.
        typ: u32,
        /// Where its data begins.
        offset: u32,
        /// How many values it says to have.
        count: u32,
        /// What is wrong.
        why: &'static str,
    },
    /// The region at the start of the index is damaged.
    #[error("region of tag {tag}: {why}")]
    Region {
        /// 62 or 63.
        tag: u32,
        /// What is wrong.
        why: &'static str,
    },
    /// A header of an archive has no region, or has it and more.
    #[error("the header has no region of tag {0}")]
    NoRegion(u32),
}

/// The type of an entry's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// A byte, in `FILESTATES` only.
    Char = 1,
    /// A byte.
    Int8 = 2,
    /// Two bytes.
    Int16 = 3,
    /// Four bytes.
    Int32 = 4,
    /// Eight bytes.
    Int64 = 5,
    /// One text.
    String = 6,
    /// Bytes; the count is their number.
    Bin = 7,
    /// Texts.
    StringArray = 8,
    /// One text in several languages, those of tag 100.
    I18nString = 9,
}

impl Type {
    fn of(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::Char,
            2 => Self::Int8,
            3 => Self::Int16,
            4 => Self::Int32,
            5 => Self::Int64,
            6 => Self::String,
            7 => Self::Bin,
            8 => Self::StringArray,
            9 => Self::I18nString,
            _ => return None,
        })
    }

    /// Bytes of one value; `None`: it ends with a NUL.
    fn width(self) -> Option<u32> {
        match self {
            Self::Char | Self::Int8 | Self::Bin => Some(1),
            Self::Int16 => Some(2),
            Self::Int32 => Some(4),
            Self::Int64 => Some(8),
            Self::String | Self::StringArray | Self::I18nString => None,
        }
    }

    /// What a value's offset has to be a multiple of.
    fn alignment(self) -> u32 {
        self.width().unwrap_or(1)
    }
}

/// An entry of the index that was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// What it is about.
    pub tag: Tag,
    /// Of all its values.
    pub typ: Type,
    /// How many values there are.
    pub count: u32,
    /// Where its data begins, in bytes from the start of the data.
    pub offset: u32,
    /// Bytes of its data.
    len: u32,
}

/// The part of a header that is a package's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// [`tag::HEADERIMMUTABLE`] of a package, [`tag::HEADERSIGNATURES`] of a signature header.
    pub tag: Tag,
    /// How many entries of the index belong to it, its own included.
    pub entries: u32,
    /// How many bytes of the data belong to it.
    pub data: u32,
}

/// A header. Clones share the bytes.
#[derive(Clone)]
pub struct Header {
    /// Without magic.
    blob: Bytes,
    /// Sorted by tag, one a tag, without the region's.
    entries: Arc<[Entry]>,
    region: Option<Region>,
    /// Where the data begins in `blob`.
    data_at: usize,
}

/// Where a header stands, which says how large it may be and which region it must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Database,
    Archive(Tag),
}

impl Header {
    /// Reads a header as databases have it: without magic, to the end of `blob`.
    ///
    /// # Errors
    /// Not a header, or one that rpm would not take.
    pub fn parse(blob: Bytes) -> Result<Self, HeaderError> {
        Self::parse_in(blob, Place::Database)
    }

    /// Reads a header as archives have it, behind its magic, from the start of `bytes`: the
    /// signature header with [`tag::HEADERSIGNATURES`], the package's with
    /// [`tag::HEADERIMMUTABLE`]. Packages of rpm 3 have no regions; those of later ones have no
    /// more than the region.
    ///
    /// # Errors
    /// Not a header, or one that rpm would not take.
    pub fn parse_in_archive(bytes: &Bytes, region: Tag) -> Result<Self, HeaderError> {
        let size = Self::size_in_archive(bytes, region)?;
        if bytes.len() < size {
            return Err(HeaderError::Truncated { have: bytes.len(), want: size });
        }
        Self::parse_in(bytes.slice(MAGIC.len()..size), Place::Archive(region))
    }

    /// How many bytes a header of an archive has, with its magic: from its first 16 bytes.
    ///
    /// # Errors
    /// No magic, fewer bytes, or counts above what rpm takes.
    pub fn size_in_archive(start: &[u8], region: Tag) -> Result<usize, HeaderError> {
        let (Some(magic), Some(counts)) = (start.first_chunk::<8>(), start.get(8..16)) else {
            return Err(HeaderError::Truncated { have: start.len(), want: 16 });
        };
        if magic != &MAGIC {
            return Err(HeaderError::Magic(*magic));
        }
        let (entries, data) = (u32_at(counts, 0), u32_at(counts, 4));
        check_counts(entries, data, Place::Archive(region))?;
        Ok(16 + entries as usize * ENTRY + data as usize)
    }

    fn parse_in(blob: Bytes, place: Place) -> Result<Self, HeaderError> {
        if blob.len() < 8 {
            return Err(HeaderError::Truncated { have: blob.len(), want: 8 });
        }
        let (count, data_len) = (u32_at(&blob, 0), u32_at(&blob, 4));
        check_counts(count, data_len, place)?;
        let data_at = 8 + count as usize * ENTRY;
        let want = data_at + data_len as usize;
        match blob.len() {
            have if have < want => return Err(HeaderError::Truncated { have, want }),
            have if have > want => return Err(HeaderError::Trailing { have, want }),
            _ => {}
        }
        let index = blob.get(8..data_at).unwrap_or_default();
        let data = blob.get(data_at..).unwrap_or_default();
        let region = find_region(index, data, place)?;
        let mut entries = Vec::with_capacity(count as usize);
        let mut end = 0;
        for (at, raw) in index.chunks_exact(ENTRY).enumerate().skip(region.is_some().into()) {
            let entry = check_entry(at, RawEntry::read(raw), data, end, region)?;
            end = entry.offset + entry.len;
            entries.push(entry);
        }
        // What an installation adds stands behind the region and counts more: the last one stays.
        entries.reverse();
        entries.sort_by_key(|entry| entry.tag);
        entries.dedup_by_key(|entry| entry.tag);
        Ok(Self { entries: entries.into(), region, data_at, blob })
    }

    /// Its bytes, without magic.
    #[must_use]
    pub fn blob(&self) -> &Bytes {
        &self.blob
    }

    /// The part that is the package's own; `None` of packages of rpm 3 and of keys.
    #[must_use]
    pub fn region(&self) -> Option<Region> {
        self.region
    }

    /// The package's own header as its archive has it, with magic: what signatures and digests
    /// of headers are over. Without a region all of it.
    #[must_use]
    pub fn as_in_archive(&self) -> Vec<u8> {
        let all = Region {
            tag: tag::HEADERIMMUTABLE,
            entries: u32_at(&self.blob, 0),
            data: u32_at(&self.blob, 4),
        };
        let region = self.region.unwrap_or(all);
        let index = self.blob.get(8..8 + region.entries as usize * ENTRY).unwrap_or_default();
        let data = self.data().get(..region.data as usize).unwrap_or_default();
        let mut out = Vec::with_capacity(16 + index.len() + data.len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&region.entries.to_be_bytes());
        out.extend_from_slice(&region.data.to_be_bytes());
        out.extend_from_slice(index);
        out.extend_from_slice(data);
        out
    }

    /// The same with another state of its file `file`; `None`: it has no such file. States are
    /// not of the region, which digests and signatures are over.
    #[must_use]
    pub fn with_file_state(&self, file: usize, state: u8) -> Option<Self> {
        let entry = self.entry(tag::FILESTATES)?;
        let start = self.data_at + entry.offset as usize;
        let mut blob = self.blob.to_vec();
        *blob.get_mut(start..start + entry.len as usize)?.get_mut(file)? = state;
        Some(Self { blob: blob.into(), ..self.clone() })
    }

    /// All entries but the region's, sorted by tag.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether it has a tag.
    #[must_use]
    pub fn has(&self, tag: Tag) -> bool {
        self.entry(tag).is_some()
    }

    /// The values of a tag, as they are typed.
    #[must_use]
    pub fn get(&self, tag: Tag) -> Option<Value<'_>> {
        let entry = self.entry(tag)?;
        let from = entry.offset as usize;
        let data = self.data().get(from..from + entry.len as usize)?;
        Some(Value::new(entry.typ, entry.count, data))
    }

    /// A text: of a [`Type::String`], or the first of several, which is the one of the locale
    /// `C` where they are one text in several languages.
    #[must_use]
    pub fn string(&self, tag: Tag) -> Option<&[u8]> {
        self.get(tag)?.strings()?.next()
    }

    /// A text for people and for comparing: as [`Header::string`], where it is UTF-8.
    #[must_use]
    pub fn text(&self, tag: Tag) -> Option<&str> {
        std::str::from_utf8(self.string(tag)?).ok()
    }

    /// Texts; none where the tag is missing or has other values.
    #[must_use]
    pub fn strings(&self, tag: Tag) -> Strings<'_> {
        self.get(tag).and_then(Value::strings).unwrap_or_default()
    }

    /// Numbers of any width; none where the tag is missing or has other values.
    #[must_use]
    pub fn numbers(&self, tag: Tag) -> Numbers<'_> {
        self.get(tag).and_then(Value::numbers).unwrap_or_default()
    }

    /// A number of any width: the first.
    #[must_use]
    pub fn number(&self, tag: Tag) -> Option<u64> {
        self.numbers(tag).get(0)
    }

    /// A number of at most 32 bits: the first.
    #[must_use]
    pub fn number32(&self, tag: Tag) -> Option<u32> {
        self.number(tag).and_then(|number| u32::try_from(number).ok())
    }

    /// Bytes.
    #[must_use]
    pub fn bin(&self, tag: Tag) -> Option<&[u8]> {
        self.get(tag)?.bin()
    }

    fn entry(&self, tag: Tag) -> Option<&Entry> {
        let at = self.entries.binary_search_by_key(&tag, |entry| entry.tag).ok()?;
        self.entries.get(at)
    }

    fn data(&self) -> &[u8] {
        self.blob.get(self.data_at..).unwrap_or_default()
    }
}

impl PartialEq for Header {
    fn eq(&self, other: &Self) -> bool {
        self.blob == other.blob
    }
}

impl Eq for Header {}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.entries.iter().map(|entry| (entry.tag, self.get(entry.tag)));
        f.debug_map().entries(values).finish()
    }
}

/// An index entry as it stands in the index, not checked.
#[derive(Clone, Copy)]
struct RawEntry {
    tag: u32,
    typ: u32,
    offset: u32,
    count: u32,
}

impl RawEntry {
    fn read(bytes: &[u8]) -> Self {
        let at = |at| u32_at(bytes, at);
        Self { tag: at(0), typ: at(4), offset: at(8), count: at(12) }
    }

    /// Whether it is one of a region: so many bytes of a trailer.
    fn is_of_region(self) -> bool {
        self.typ == Type::Bin as u32 && self.count as usize == ENTRY
    }
}

/// The big-endian number at a place; 0 behind the end, which callers have checked.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().map_or(0, u32::from_be_bytes)
}

fn check_counts(entries: u32, data: u32, place: Place) -> Result<(), HeaderError> {
    let (max_entries, max_data) = match place {
        Place::Archive(tag::HEADERSIGNATURES) => (MAX_SIGNATURE_ENTRIES, MAX_SIGNATURE_DATA),
        _ => (MAX_ENTRIES, MAX_DATA),
    };
    if entries > max_entries || data > max_data {
        return Err(HeaderError::TooLarge { entries, data });
    }
    Ok(())
}

/// The region that the index begins with, if it does.
fn find_region(index: &[u8], data: &[u8], place: Place) -> Result<Option<Region>, HeaderError> {
    let Some(first) = index.first_chunk::<ENTRY>() else { return Ok(None) };
    let first = RawEntry::read(first);
    let expected = match place {
        Place::Archive(tag) => first.tag == tag.0,
        Place::Database => [tag::HEADERIMAGE, tag::HEADERSIGNATURES, tag::HEADERIMMUTABLE]
            .contains(&Tag(first.tag)),
    };
    if !expected {
        return Ok(None);
    }
    let fail = |why| HeaderError::Region { tag: first.tag, why };
    if !first.is_of_region() {
        return Err(fail("its entry is not that of a region"));
    }
    let from = first.offset as usize;
    let trailer = data.get(from..).and_then(|rest| rest.first_chunk::<ENTRY>());
    let trailer = RawEntry::read(trailer.ok_or_else(|| fail("its trailer is not in the data"))?);
    // Old packages have the other tag in the trailer of their signatures.
    let named = trailer.tag == first.tag
        || (first.tag, trailer.tag) == (tag::HEADERSIGNATURES.0, tag::HEADERIMAGE.0);
    if !named || !trailer.is_of_region() {
        return Err(fail("its trailer is not that of a region"));
    }
    // The trailer's offset leads back over the index, from its end.
    let len = trailer.offset.wrapping_neg();
    let entries = len / ENTRY as u32;
    let all = index.len() / ENTRY;
    if !(len as usize).is_multiple_of(ENTRY) || entries == 0 || entries as usize > all {
        return Err(fail("it has more entries than the index, or none"));
    }
    let region = Region { tag: Tag(first.tag), entries, data: first.offset + ENTRY as u32 };
    let is_all = entries as usize == all && region.data as usize == data.len();
    if matches!(place, Place::Archive(_)) && !is_all {
        return Err(fail("it is not the whole header"));
    }
    Ok(Some(region))
}

/// `end` is where the data of the entry before ended.
fn check_entry(
    at: usize,
    raw: RawEntry,
    data: &[u8],
    end: u32,
    region: Option<Region>,
) -> Result<Entry, HeaderError> {
    let RawEntry { tag, typ, offset, count } = raw;
    let fail = |why| HeaderError::Entry { at, tag, typ, offset, count, why };
    if end > offset {
        return Err(fail("its data overlaps that of the entry before"));
    }
    if !(FIRST_TAG..=i32::MAX as u32).contains(&tag) {
        return Err(fail("no such tag"));
    }
    let kind = Type::of(typ).ok_or_else(|| fail("no such type"))?;
    if count == 0 || count as usize > data.len() || (kind != Type::Bin && count > MAX_VALUES) {
        return Err(fail("too many values, or none"));
    }
    if !offset.is_multiple_of(kind.alignment()) {
        return Err(fail("its data is not aligned"));
    }
    let rest = data.get(offset as usize..).ok_or_else(|| fail("its data is outside"))?;
    let len = match kind.width() {
        Some(width) => Some(u64::from(width) * u64::from(count)),
        None if kind == Type::String && count != 1 => return Err(fail("one text was to come")),
        None => value::texts_len(rest, count).map(|len| len as u64),
    };
    let len = len.filter(|&len| len > 0 && len <= rest.len() as u64);
    let len = len.and_then(|len| u32::try_from(len).ok());
    let len = len.ok_or_else(|| fail("its data goes on behind the end"))?;
    if let Some(region) = region {
        let trailer = region.data.saturating_sub(ENTRY as u32);
        if offset < region.data && offset + len > trailer {
            return Err(fail("its data overlaps the region's trailer"));
        }
    }
    Ok(Entry { tag: Tag(tag), typ: kind, count, offset, len })
}

#[cfg(test)]
mod tests;
