//! An archive: its entries, as the central directory and the local headers have them in one
//! voice.

use bytes::Bytes;

use crate::directory::{self, End};
use crate::format::{
    CENTRAL, CENTRAL_LEN, DEFLATED, DESCRIBED_LATER, DESCRIPTOR, ENCRYPTED, EXTRA_64, HIDDEN,
    LOCAL, LOCAL_LEN, STORED, STRONGLY_ENCRYPTED, damaged, extras, place, u16_at, u32_at, u64_at,
};
use crate::{Limits, Names, ZipError, names};

/// A zip archive whose headers were read.
#[derive(Debug, Clone)]
pub struct Archive {
    pub(crate) bytes: Bytes,
    pub(crate) end: End,
    pub(crate) entries: Vec<Entry>,
    /// Numbers of entries, sorted by name.
    by_name: Vec<usize>,
}

/// One entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub(crate) name: String,
    /// Whether the name is text as it stands; else what is none of it is replaced.
    pub(crate) has_text_name: bool,
    /// Who made it (the high byte: 3 is Unix), by which version.
    made_by: u16,
    pub(crate) flags: u16,
    pub(crate) method: u16,
    pub(crate) crc: u32,
    pub(crate) compressed: u64,
    pub(crate) size: u64,
    external: u32,
    /// Where its header in the central directory begins.
    pub(crate) central: usize,
    /// Where that ends.
    pub(crate) central_end: usize,
    /// Where its local header begins.
    pub(crate) local: usize,
    /// Where its data begin.
    pub(crate) data: usize,
    /// Where its data end, with the descriptor that may follow them.
    pub(crate) end: usize,
}

impl Entry {
    /// As it is written. Folders end with `/`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its name without the `/` of a folder.
    #[must_use]
    pub fn path(&self) -> &str {
        self.name.strip_suffix('/').unwrap_or(&self.name)
    }

    /// Whether it is a folder.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        self.name.ends_with('/')
    }

    /// Bytes of its content.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether its content lies in the archive as it is.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        self.method == STORED
    }

    /// The CRC-32 of its content.
    #[must_use]
    pub fn crc(&self) -> u32 {
        self.crc
    }

    /// The mode that Unix's writers note (`0o100644`); `None`: written elsewhere.
    #[must_use]
    pub fn unix_mode(&self) -> Option<u32> {
        let mode = self.external >> 16;
        (self.made_by >> 8 == 3 && mode != 0).then_some(mode)
    }

    /// A link, a device, a socket, or a mode that contradicts the name.
    pub(crate) fn is_special(&self) -> bool {
        match self.unix_mode().map(|mode| mode & 0o170_000) {
            None | Some(0) => false,
            Some(0o040_000) => !self.is_folder(),
            Some(0o100_000) => self.is_folder(),
            Some(_) => true,
        }
    }
}

impl Archive {
    /// Reads the headers of `bytes`. No content is inflated.
    ///
    /// # Errors
    /// It is no archive; its headers contradict each other, the local headers, or the bytes;
    /// entries share bytes; it is beyond `limits`; a name is against `rules`.
    pub fn read(bytes: Bytes, limits: Limits, rules: Names) -> Result<Self, ZipError> {
        let end = directory::find(&bytes)?;
        if end.entries > limits.entries {
            let (has, most) = (end.entries, limits.entries);
            return Err(ZipError::Beyond(format!("it has {has} entries, more than {most}")));
        }
        let mut entries = Vec::new();
        let mut at = end.directory;
        for _ in 0..end.entries {
            let entry = central(&bytes, &end, at)?;
            at = entry.central_end;
            entries.push(entry);
        }
        if at != end.directory_end {
            return Err(damaged("its central directory has more than its entries"));
        }
        sizes(&entries, &bytes, &limits)?;
        for entry in &mut entries {
            local(&bytes, entry, end.directory)?;
        }
        disjoint(&entries, end.directory)?;
        names::check(&entries, rules)?;
        let mut by_name: Vec<usize> = (0..entries.len()).collect();
        by_name.sort_by(|a, b| entries[*a].name.cmp(&entries[*b].name));
        Ok(Self { bytes, end, entries, by_name })
    }

    /// The entries in the order of the central directory.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The number of the entry with this name; `None`: there is none.
    ///
    /// # Errors
    /// Several have it.
    pub fn find(&self, name: &str) -> Result<Option<usize>, ZipError> {
        let first = self.by_name.partition_point(|at| self.entries[*at].name.as_str() < name);
        let mut same =
            self.by_name[first..].iter().copied().take_while(|at| self.entries[*at].name == name);
        let found = same.next();
        if same.next().is_some() {
            return Err(damaged(format!("{name:?} comes twice")));
        }
        Ok(found)
    }

    /// Bytes that stand before the first entry: a script that makes the archive a program.
    #[must_use]
    pub fn prefix(&self) -> &[u8] {
        let first = self.entries.iter().map(|entry| entry.local).min();
        &self.bytes[..first.unwrap_or(self.end.directory)]
    }

    /// The archive itself.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// Sizes of 64 bits where the fields of 32 are full: the extra field has only those, in this
/// order.
fn widened(extra: &[u8], fields: &mut [&mut u64]) -> Result<(), ZipError> {
    let full: Vec<usize> =
        (0..fields.len()).filter(|at| *fields[*at] == u64::from(u32::MAX)).collect();
    let mut wide = extras(extra).filter(|(id, _, _)| *id == EXTRA_64).map(|(_, _, data)| data);
    let Some(data) = wide.next() else { return Ok(()) };
    if wide.next().is_some() {
        return Err(damaged("an entry has sizes of 64 bits twice"));
    }
    for (number, at) in full.into_iter().enumerate() {
        let value = u64_at(data, number * 8);
        *fields[at] = value.ok_or_else(|| damaged("an entry's sizes of 64 bits are cut off"))?;
    }
    Ok(())
}

/// An entry as the central directory has it at `at`.
fn central(bytes: &[u8], end: &End, at: usize) -> Result<Entry, ZipError> {
    let cut = || damaged("its central directory is cut off");
    let bytes = bytes.get(..end.directory_end).ok_or_else(cut)?;
    if u32_at(bytes, at) != Some(CENTRAL) {
        return Err(damaged("its central directory has something that is no entry"));
    }
    let short = |field| u16_at(bytes, at + field).ok_or_else(cut);
    let long = |field| u32_at(bytes, at + field).ok_or_else(cut);
    let name_at = at + CENTRAL_LEN;
    let extra_at = name_at + usize::from(short(28)?);
    let comment_at = extra_at + usize::from(short(30)?);
    let central_end = comment_at + usize::from(short(32)?);
    let raw = bytes.get(name_at..extra_at).ok_or_else(cut)?;
    let extra = bytes.get(extra_at..comment_at).ok_or_else(cut)?;
    if central_end > bytes.len() {
        return Err(cut());
    }
    let (mut compressed, mut size) = (u64::from(long(20)?), u64::from(long(24)?));
    let mut offset = u64::from(long(42)?);
    widened(extra, &mut [&mut size, &mut compressed, &mut offset])?;
    let text = std::str::from_utf8(raw);
    let has_text_name = text.is_ok();
    let name = String::from_utf8_lossy(raw).into_owned();
    if short(34)? != 0 && short(34)? != u16::MAX {
        return Err(ZipError::Unsupported("it has several parts".into()));
    }
    let local = end.before.checked_add(place(offset)?);
    let local = local.filter(|local| *local < end.directory);
    let local = local.ok_or_else(|| damaged(format!("{name:?} is not before the directory")))?;
    Ok(Entry {
        name,
        has_text_name,
        made_by: short(4)?,
        flags: short(8)?,
        method: short(10)?,
        crc: long(16)?,
        compressed,
        size,
        external: long(38)?,
        central: at,
        central_end,
        local,
        data: local,
        end: local,
    })
}

/// Checks the local header of an entry and finds its data.
fn local(bytes: &[u8], entry: &mut Entry, directory: usize) -> Result<(), ZipError> {
    let name = &entry.name;
    let cut = || damaged(format!("{name:?} is cut off"));
    let contradicts = |what: &str| {
        damaged(format!("{name:?} has another {what} in the central directory than where it is"))
    };
    let at = entry.local;
    let bytes = bytes.get(..directory).ok_or_else(cut)?;
    if u32_at(bytes, at) != Some(LOCAL) {
        return Err(damaged(format!("{name:?} is not where the central directory says")));
    }
    let short = |field| u16_at(bytes, at + field).ok_or_else(cut);
    let long = |field| u32_at(bytes, at + field).ok_or_else(cut);
    let extra_at = at + LOCAL_LEN + usize::from(short(26)?);
    let data = extra_at + usize::from(short(28)?);
    let raw = bytes.get(at + LOCAL_LEN..extra_at).ok_or_else(cut)?;
    let extra = bytes.get(extra_at..data).ok_or_else(cut)?;
    let same_name = match entry.has_text_name {
        true => raw == name.as_bytes(),
        false => String::from_utf8_lossy(raw) == *name,
    };
    if !same_name {
        return Err(contradicts("name"));
    }
    if short(8)? != entry.method {
        return Err(contradicts("method"));
    }
    let meaning = ENCRYPTED | DESCRIBED_LATER | STRONGLY_ENCRYPTED | HIDDEN;
    if short(6)? & meaning != entry.flags & meaning {
        return Err(contradicts("set of flags"));
    }
    let described_later = entry.flags & DESCRIBED_LATER != 0;
    let crc = long(14)?;
    let (mut compressed, mut size) = (u64::from(long(18)?), u64::from(long(22)?));
    widened(extra, &mut [&mut size, &mut compressed])?;
    let agree = |here: u64, there: u64| here == there || (described_later && here == 0);
    if !agree(crc.into(), entry.crc.into()) {
        return Err(contradicts("CRC"));
    }
    if !agree(compressed, entry.compressed) || !agree(size, entry.size) {
        return Err(contradicts("size"));
    }
    let end = data.checked_add(place(entry.compressed)?).filter(|end| *end <= directory);
    let end = end.ok_or_else(cut)?;
    let described = if described_later { descriptor(bytes, end, entry).unwrap_or(0) } else { 0 };
    entry.data = data;
    entry.end = end + described;
    Ok(())
}

/// The length of the descriptor after an entry's data, in one of the four forms that it has.
fn descriptor(bytes: &[u8], at: usize, entry: &Entry) -> Option<usize> {
    let signed = if u32_at(bytes, at) == Some(DESCRIPTOR) { 4 } else { 0 };
    for start in [signed, 0] {
        if u32_at(bytes, at + start) != Some(entry.crc) {
            continue;
        }
        let wide = (u64_at(bytes, at + start + 4), u64_at(bytes, at + start + 12));
        if wide == (Some(entry.compressed), Some(entry.size)) {
            return Some(start + 20);
        }
        let narrow = (u32_at(bytes, at + start + 4), u32_at(bytes, at + start + 8));
        let narrow = (narrow.0.map(u64::from), narrow.1.map(u64::from));
        if narrow == (Some(entry.compressed), Some(entry.size)) {
            return Some(start + 12);
        }
    }
    None
}

/// Refuses entries that lie over each other: so a small archive has content without end.
fn disjoint(entries: &[Entry], directory: usize) -> Result<(), ZipError> {
    let mut spans: Vec<(usize, usize)> =
        entries.iter().map(|entry| (entry.local, entry.end)).collect();
    spans.sort_unstable();
    let ends = spans.iter().map(|span| span.1);
    let next = spans.iter().skip(1).map(|span| span.0).chain([directory]);
    match ends.zip(next).all(|(end, next)| end <= next) {
        true => Ok(()),
        false => Err(damaged("its entries lie over each other")),
    }
}

/// Refuses contents that are larger than what is allowed, or than what was compressed can give.
fn sizes(entries: &[Entry], bytes: &[u8], limits: &Limits) -> Result<(), ZipError> {
    let beyond = |what: String| Err(ZipError::Beyond(what));
    let mut total: u64 = 0;
    for entry in entries {
        let (name, size) = (&entry.name, entry.size);
        if size > limits.entry {
            return beyond(format!("{name:?} has {size} bytes, more than {}", limits.entry));
        }
        if entry.method == STORED && entry.compressed != size && entry.flags & ENCRYPTED == 0 {
            return Err(damaged(format!("{name:?} is stored, and has two sizes")));
        }
        // deflate's best is 258 bytes for two bits
        if entry.method == DEFLATED && size / 1032 > entry.compressed {
            return Err(damaged(format!("{name:?} cannot have {size} bytes")));
        }
        total = total.saturating_add(size);
    }
    if total > limits.total {
        return beyond(format!("its contents have {total} bytes, more than {}", limits.total));
    }
    let packed = bytes.len() as u64;
    if total > Limits::FREE && total > packed.saturating_mul(limits.ratio) {
        let ratio = limits.ratio;
        return beyond(format!("its contents are more than {ratio} times as large as it is"));
    }
    Ok(())
}
