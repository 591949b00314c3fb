//! An archive written again: chosen entries are replaced, removed or added, and every other byte
//! is copied. What is stored stays stored (Spring Boot reads nested jars in place), deflated
//! stays deflated; times, modes, comments, extra fields, a script in front and the order stay.
//!
//! Offsets count as they did before: from the first byte, or from behind the script.

use std::collections::BTreeMap;
use std::io::Write as _;

use bytes::Bytes;
use flate2::{Compression, Crc, write::DeflateEncoder};

use crate::format::{
    CENTRAL, CENTRAL_LEN, DEFLATED, DESCRIBED_LATER, ENCRYPTED, EXTRA_64, LOCAL, LOCAL_LEN,
    LOCATOR_64_LEN, STORED, UTF_8, damaged, extras, put, u16_at, u32_at, without_64,
};
use crate::{Archive, Entry, ZipError, unpacked_name_fault};

/// What becomes of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It gets another content.
    Content(Bytes),
    /// It goes.
    Removed,
}

/// A file that is added after the last entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addition {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub content: Bytes,
}

impl Archive {
    /// The archive with `changes` to entries, by their numbers, and with `additions`.
    ///
    /// # Errors
    /// An entry that is to be replaced is encrypted or compressed in another way than with
    /// deflate, an addition's name is taken or no file's, or what results does not fit the
    /// format as this archive uses it.
    pub fn rewrite(
        &self,
        changes: &BTreeMap<usize, Change>,
        additions: &[Addition],
    ) -> Result<Bytes, ZipError> {
        for addition in additions {
            let taken = self.entries.iter().any(|one| one.path() == addition.name);
            let fault = unpacked_name_fault(&addition.name)
                .or(addition.name.ends_with('/').then_some("its name is a folder's"))
                .or(taken.then_some("its name is taken"));
            if let Some(why) = fault {
                return Err(ZipError::Unsafe { name: addition.name.clone(), why: why.into() });
            }
        }
        let mut order: Vec<usize> = (0..self.entries.len()).collect();
        order.sort_by_key(|at| self.entries[*at].local);

        let mut out = Vec::with_capacity(self.bytes.len());
        let mut copied = 0;
        let mut placed: Vec<Option<Placed>> = vec![None; self.entries.len()];
        for at in order {
            let entry = &self.entries[at];
            out.extend_from_slice(&self.bytes[copied..entry.local]);
            let local = out.len();
            copied = entry.end;
            placed[at] = match changes.get(&at) {
                None => {
                    out.extend_from_slice(&self.bytes[entry.local..entry.end]);
                    Some(Placed { local, content: None })
                }
                Some(Change::Removed) => None,
                Some(Change::Content(content)) => {
                    let packed = Packed::new(content, entry)?;
                    out.extend(self.local_header(entry, &packed));
                    out.extend_from_slice(&packed.data);
                    Some(Placed { local, content: Some(packed.summary()) })
                }
            };
        }
        let mut added = Vec::new();
        out.extend_from_slice(&self.bytes[copied..self.end.directory]);
        for addition in additions {
            let local = out.len();
            let packed = Packed::deflated(&addition.content)?;
            out.extend(new_header(&addition.name, &packed.summary(), None)?);
            out.extend_from_slice(&packed.data);
            let offset = narrow(self.offset(local)?)?;
            added.push(new_header(&addition.name, &packed.summary(), Some(offset))?);
        }

        let directory = out.len();
        let mut entries = added.len() as u64;
        for (entry, placed) in self.entries.iter().zip(&placed) {
            if let Some(placed) = placed {
                out.extend(self.central_header(entry, placed)?);
                entries += 1;
            }
        }
        added.iter().for_each(|header| out.extend_from_slice(header));
        let records = out.len();
        out.extend_from_slice(&self.bytes[self.end.directory_end..]);
        self.end_records(&mut out, directory, records, entries)?;
        Ok(out.into())
    }

    /// What headers say of a place in the archive.
    fn offset(&self, place: usize) -> Result<u64, ZipError> {
        let offset = place.checked_sub(self.end.before);
        offset.map(|offset| offset as u64).ok_or_else(|| damaged("it is before the archive"))
    }

    fn local_header(&self, entry: &Entry, packed: &Packed) -> Vec<u8> {
        let old = &self.bytes[entry.local..entry.data];
        let name_len = usize::from(u16_at(old, 26).unwrap_or(0));
        let (fixed, extra) = old.split_at(LOCAL_LEN + name_len);
        let extra = without_64(extra);
        let mut header = fixed.to_vec();
        let flags = u16_at(old, 6).unwrap_or(0) & !DESCRIBED_LATER;
        put(&mut header, 6, &flags.to_le_bytes());
        packed.summary().put(&mut header, 14);
        put(&mut header, 28, &u16::try_from(extra.len()).unwrap_or(u16::MAX).to_le_bytes());
        header.extend(extra);
        header
    }

    fn central_header(&self, entry: &Entry, placed: &Placed) -> Result<Vec<u8>, ZipError> {
        let mut header = self.bytes[entry.central..entry.central_end].to_vec();
        let offset = self.offset(placed.local)?;
        let name_len = usize::from(u16_at(&header, 28).unwrap_or(0));
        let extra_len = usize::from(u16_at(&header, 30).unwrap_or(0));
        let extra = CENTRAL_LEN + name_len..CENTRAL_LEN + name_len + extra_len;
        let is_full = |field| u32_at(&header, field) == Some(u32::MAX);
        let wide = extras(&header[extra.clone()]).find(|(id, _, _)| *id == EXTRA_64);
        let wide = wide.map(|(_, start, _)| extra.start + start);
        if let Some(content) = &placed.content {
            // small numbers all: the field of 64 bits is not needed
            let kept = without_64(&header[extra.clone()]);
            let flags = u16_at(&header, 8).unwrap_or(0) & !DESCRIBED_LATER;
            put(&mut header, 8, &flags.to_le_bytes());
            put(&mut header, 30, &u16::try_from(kept.len()).unwrap_or(u16::MAX).to_le_bytes());
            content.put(&mut header, 16);
            put(&mut header, 42, &narrow(offset)?.to_le_bytes());
            header.splice(extra, kept);
            return Ok(header);
        }
        match wide.filter(|_| is_full(42)) {
            Some(start) => {
                let before = 8 * [20, 24].into_iter().filter(|field| is_full(*field)).count();
                put(&mut header, start + before, &offset.to_le_bytes());
            }
            None => put(&mut header, 42, &narrow(offset)?.to_le_bytes()),
        }
        Ok(header)
    }

    /// The end records, which begin at `records`, with what is true now.
    fn end_records(
        &self,
        out: &mut [u8],
        directory: usize,
        records: usize,
        entries: u64,
    ) -> Result<(), ZipError> {
        let (size, offset) = ((records - directory) as u64, self.offset(directory)?);
        let mut record = records;
        if self.end.record_64.is_some() {
            let locator = records + (self.end.record - self.end.directory_end) - LOCATOR_64_LEN;
            for (at, value) in [(24, entries), (32, entries), (40, size), (48, offset)] {
                put(out, records + at, &value.to_le_bytes());
            }
            put(out, locator + 8, &self.offset(records)?.to_le_bytes());
            record = locator + LOCATOR_64_LEN;
        }
        let is_wide = self.end.record_64.is_some();
        for at in [8, 10] {
            if !(is_wide && u16_at(out, record + at) == Some(u16::MAX)) {
                let entries = u16::try_from(entries).map_err(|_| too_large())?;
                put(out, record + at, &entries.to_le_bytes());
            }
        }
        for (at, value) in [(12, size), (16, offset)] {
            if !(is_wide && u32_at(out, record + at) == Some(u32::MAX)) {
                put(out, record + at, &narrow(value)?.to_le_bytes());
            }
        }
        Ok(())
    }
}

/// Where an entry is now, and what it holds if that is new.
#[derive(Clone)]
struct Placed {
    local: usize,
    content: Option<Summary>,
}

/// What headers say of a content.
#[derive(Clone, Copy)]
struct Summary {
    method: u16,
    crc: u32,
    compressed: u32,
    size: u32,
}

impl Summary {
    /// CRC and both sizes, which stand one after the other in both kinds of headers.
    fn put(&self, header: &mut [u8], at: usize) {
        for (number, value) in [self.crc, self.compressed, self.size].into_iter().enumerate() {
            put(header, at + 4 * number, &value.to_le_bytes());
        }
    }
}

/// A content as it lies in an archive.
struct Packed {
    summary: Summary,
    data: Bytes,
}

impl Packed {
    fn new(content: &Bytes, entry: &Entry) -> Result<Self, ZipError> {
        let name = &entry.name;
        if entry.flags & ENCRYPTED != 0 || entry.is_folder() {
            return Err(ZipError::Unsupported(format!("{name:?} is encrypted or a folder")));
        }
        match entry.method {
            STORED => Self::of(STORED, content, content.clone()),
            DEFLATED => Self::deflated(content),
            other => {
                Err(ZipError::Unsupported(format!("{name:?} is compressed by method {other}")))
            }
        }
    }

    fn deflated(content: &Bytes) -> Result<Self, ZipError> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        let data = encoder.write_all(content).and_then(|()| encoder.finish());
        let data = data.map_err(|error| damaged(format!("it cannot be deflated: {error}")))?;
        Self::of(DEFLATED, content, data.into())
    }

    fn of(method: u16, content: &Bytes, data: Bytes) -> Result<Self, ZipError> {
        let mut crc = Crc::new();
        crc.update(content);
        let (compressed, size) = (narrow(data.len() as u64)?, narrow(content.len() as u64)?);
        Ok(Self { summary: Summary { method, crc: crc.sum(), compressed, size }, data })
    }

    fn summary(&self) -> Summary {
        self.summary
    }
}

/// The header of a new file; `offset`: for the central directory.
fn new_header(name: &str, content: &Summary, offset: Option<u32>) -> Result<Vec<u8>, ZipError> {
    /// 1980-01-01, the first day that the format knows.
    const DAY: u16 = (1 << 5) | 1;
    const VERSION: u16 = 20;
    const UNIX: u16 = (3 << 8) | VERSION;
    let name_len = u16::try_from(name.len()).map_err(|_| too_large())?;
    let mut header = Vec::new();
    match offset {
        None => header.extend(LOCAL.to_le_bytes()),
        Some(_) => {
            header.extend(CENTRAL.to_le_bytes());
            header.extend(UNIX.to_le_bytes());
        }
    }
    for field in [VERSION, UTF_8, content.method, 0, DAY] {
        header.extend(field.to_le_bytes());
    }
    for field in [content.crc, content.compressed, content.size] {
        header.extend(field.to_le_bytes());
    }
    header.extend(name_len.to_le_bytes());
    header.extend([0; 2]); // extra
    if let Some(offset) = offset {
        header.extend([0; 6]); // comment, disk, internal attributes
        header.extend((0o100_644_u32 << 16).to_le_bytes());
        header.extend(offset.to_le_bytes());
    }
    header.extend(name.as_bytes());
    Ok(header)
}

/// A number that both readers of 32 and of 64 bits understand alike.
fn narrow(value: u64) -> Result<u32, ZipError> {
    let value = u32::try_from(value).ok().filter(|value| *value != u32::MAX);
    value.ok_or_else(too_large)
}

fn too_large() -> ZipError {
    ZipError::Beyond("what results does not fit its headers".into())
}
