//! Building the compact form of a `Packages` file from its text.
//!
//! In come the lines of the text; out comes a [`PackagesFile`]. Stanzas that nothing can be
//! installed from are left out and counted; text that is not deb822 is an error with its line.

use bstr::ByteSlice as _;
use sha2::{Digest as _, Sha256};

use super::record::{FIELD_COUNT, FIELDS, Field};
use super::{
    BLOCK, BLOCK_ROW, CHECKSUM, HEADER, IndexError, MAGIC, MAX_SAME, MAX_STANZA, PackagesFile, ROW,
    RecordLocation, TooMuch,
};
use imgfix_model::digest::Digest;
use imgfix_vfs::{Memory, Reserved};

/// The longest package name, in bytes (dpkg itself sets no limit; file names do).
const MAX_NAME: usize = 255;

/// Collects lines to stanzas, stanzas to blocks, blocks to a [`PackagesFile`].
pub(super) struct Builder {
    /// For what has been collected.
    reserved: Reserved,
    /// Lines so far.
    line: u64,
    /// The line that the current stanza starts on.
    stanza_line: u64,
    /// The kept values of the current stanza, one after the other.
    text: Vec<u8>,
    /// Where in `text` the value of each field is.
    values: [Option<(usize, usize)>; FIELD_COUNT],
    current: Current,
    stanza_bytes: usize,
    /// The block that is being filled.
    block: Vec<u8>,
    /// Of each block that is closed: where in `data` it is, its length there, and unpacked.
    blocks: Vec<[u32; 3]>,
    /// The closed blocks, packed.
    data: Vec<u8>,
    /// The names that rows are for, one after the other.
    names: Vec<u8>,
    packages: Vec<Row>,
    providers: Vec<Row>,
    left_out: u32,
    first_left_out: Option<String>,
}

/// What a continuation line belongs to.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Current {
    /// Before the first field of a stanza.
    #[default]
    None,
    /// A field that is not kept.
    Dropped,
    Kept(Field),
}

/// A name, and a record that it leads to.
#[derive(Clone, Copy)]
struct Row {
    /// Where in `names` it is, and its length.
    name: (u32, u32),
    at: RecordLocation,
}

impl Builder {
    pub(super) fn new(reserved: Reserved) -> Self {
        Self {
            reserved,
            line: 0,
            stanza_line: 0,
            text: Vec::new(),
            values: Default::default(),
            current: Current::None,
            stanza_bytes: 0,
            block: Vec::new(),
            blocks: Vec::new(),
            data: Vec::new(),
            names: Vec::new(),
            packages: Vec::new(),
            providers: Vec::new(),
            left_out: 0,
            first_left_out: None,
        }
    }

    /// What the collected tables and blocks take, with the copy that is made of them at the end
    /// and the space that growing vectors have in reserve.
    fn collected(&self) -> u64 {
        let rows = (self.packages.len() + self.providers.len()) * (size_of::<Row>() * 2 + ROW);
        let rest = self.blocks.len() * 2 * BLOCK_ROW + (self.names.len() + self.data.len()) * 3;
        (rows + rest) as u64
    }

    /// Takes the next line of the text, with the end of line that it has there.
    pub(super) fn line(&mut self, raw: &[u8]) -> Result<(), IndexError> {
        self.line += 1;
        let line = raw.strip_suffix(b"\n").unwrap_or(raw);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return self.end_stanza();
        }
        self.stanza_bytes += raw.len();
        if self.stanza_bytes > MAX_STANZA {
            return Err(self.error(format!("a stanza is longer than {MAX_STANZA} bytes")));
        }
        if matches!(line.first(), Some(b' ' | b'\t')) {
            return self.continuation(line);
        }
        let Some(colon) = line.find_byte(b':').filter(|at| *at > 0) else {
            let found: String = String::from_utf8_lossy(line).chars().take(60).collect();
            return Err(self.error(format!("expected a field name and a colon, found {found:?}")));
        };
        if self.current == Current::None {
            self.stanza_line = self.line;
        }
        let (name, value) = line.split_at(colon);
        self.current = match Field::named(name) {
            None => Current::Dropped,
            Some(field) => {
                self.start_field(field, value.get(1..).unwrap_or_default().trim_ascii())?;
                Current::Kept(field)
            }
        };
        Ok(())
    }

    fn start_field(&mut self, field: Field, value: &[u8]) -> Result<(), IndexError> {
        let start = self.text.len();
        self.text.extend_from_slice(value);
        let range = (start, self.text.len());
        match self.values.get_mut(field as usize) {
            Some(slot @ None) => *slot = Some(range),
            // bullseye's packages have Protected and its older name Important
            Some(_) if field == Field::Protected => self.text.truncate(start),
            _ => return Err(self.error(format!("the field {field:?} is there twice"))),
        }
        Ok(())
    }

    fn continuation(&mut self, line: &[u8]) -> Result<(), IndexError> {
        match self.current {
            Current::None => Err(self.error("a continuation line without a field".to_owned())),
            Current::Dropped => Ok(()),
            Current::Kept(field) => {
                self.text.push(b'\n');
                self.text.extend_from_slice(line.trim_ascii_end());
                if let Some(Some((_, end))) = self.values.get_mut(field as usize) {
                    *end = self.text.len();
                }
                Ok(())
            }
        }
    }

    fn error(&self, problem: String) -> IndexError {
        IndexError::Line { line: self.line, problem }
    }

    fn value(&self, field: Field) -> Option<&[u8]> {
        let (start, end) = (*self.values.get(field as usize)?)?;
        self.text.get(start..end)
    }

    /// Takes an empty line, or the end of the text.
    pub(super) fn end_stanza(&mut self) -> Result<(), IndexError> {
        if self.current != Current::None {
            match self.usable() {
                Ok(sha256) => self.add(&sha256)?,
                Err(Unusable::NoName) => {
                    return Err(IndexError::Line {
                        line: self.stanza_line,
                        problem: "a stanza without a Package field".to_owned(),
                    });
                }
                Err(Unusable::LeaveOut(why)) => {
                    self.left_out = self.left_out.saturating_add(1);
                    let line = self.stanza_line;
                    self.first_left_out.get_or_insert_with(|| format!("line {line}: {why}"));
                }
            }
        }
        self.text.clear();
        self.values = Default::default();
        self.current = Current::None;
        self.stanza_bytes = 0;
        Ok(())
    }

    /// Whether the current stanza names a package that can be fetched; its digest if so.
    fn usable(&self) -> Result<Digest, Unusable> {
        let leave = |why: String| Err(Unusable::LeaveOut(why));
        let text = |field| self.value(field).and_then(|v| std::str::from_utf8(v).ok());
        let Some(name) = text(Field::Package) else { return Err(Unusable::NoName) };
        if !is_package_name(name) {
            let name: String = name.chars().take(60).collect();
            return leave(format!("{name:?} is not a package name"));
        }
        for (field_name, field) in FIELDS {
            if self.value(field).is_some_and(|value| std::str::from_utf8(value).is_err()) {
                return leave(format!("{name}: the field {field_name} is not UTF-8"));
            }
        }
        for (field_name, field) in
            [("Version", Field::Version), ("Architecture", Field::Architecture)]
        {
            let value = text(field).unwrap_or_default();
            if value.is_empty() || value.len() > MAX_NAME || value.contains(char::is_whitespace) {
                return leave(format!("{name}: the field {field_name} is missing or wrong"));
            }
        }
        if let Err(why) = check_filename(text(Field::Filename).unwrap_or_default()) {
            return leave(format!("{name}: the field Filename {why}"));
        }
        if text(Field::Size).and_then(|size| size.parse::<u64>().ok()).is_none() {
            return leave(format!("{name}: the field Size is missing or wrong"));
        }
        match text(Field::Sha256).map(|hex| Digest::from_hex(&hex.to_ascii_lowercase())) {
            Some(Ok(digest)) => Ok(digest),
            _ => leave(format!("{name}: the field SHA256 is missing or wrong")),
        }
    }

    fn add(&mut self, sha256: &Digest) -> Result<(), IndexError> {
        let at = RecordLocation {
            block: u32::try_from(self.blocks.len()).unwrap_or(u32::MAX),
            offset: u32::try_from(self.block.len()).unwrap_or(u32::MAX),
        };
        for tag in 0..FIELD_COUNT {
            let Some(Some((start, end))) = self.values.get(tag).copied() else { continue };
            let hash = sha256.as_bytes();
            let value = if tag == Field::Sha256 as usize {
                hash.as_slice()
            } else {
                self.text.get(start..end).unwrap_or_default()
            };
            self.block.push(u8::try_from(tag).unwrap_or(u8::MAX));
            self.block.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
            self.block.extend_from_slice(value);
        }
        self.block.push(u8::MAX);
        let name = self.value(Field::Package).unwrap_or_default().to_vec();
        let row = Row { name: push_name(&mut self.names, &name), at };
        self.packages.push(row);
        let provides = self.value(Field::Provides).unwrap_or_default().to_vec();
        for name in provided_names(&provides) {
            let row = Row { name: push_name(&mut self.names, name), at };
            self.providers.push(row);
        }
        self.reserved.at_least(self.collected())?;
        if self.block.len() >= BLOCK {
            self.end_block()?;
        }
        Ok(())
    }

    fn end_block(&mut self) -> Result<(), IndexError> {
        if self.block.is_empty() {
            return Ok(());
        }
        let packed = zstd::bulk::compress(&self.block, 1)?;
        let number = |n: usize| u32::try_from(n).map_err(|_| TooMuch::Bytes(u32::MAX.into()));
        self.blocks.push([
            number(self.data.len())?,
            number(packed.len())?,
            number(self.block.len())?,
        ]);
        self.data.extend_from_slice(&packed);
        self.block.clear();
        Ok(())
    }

    /// The compact form of all stanzas so far.
    pub(super) fn finish(mut self, memory: &Memory) -> Result<PackagesFile, IndexError> {
        self.end_block()?;
        for rows in [&mut self.packages, &mut self.providers] {
            let name = |row: &Row| {
                let start = row.name.0 as usize;
                self.names.get(start..start + row.name.1 as usize).unwrap_or_default()
            };
            rows.sort_by(|a, b| name(a).cmp(name(b)).then(a.at.cmp(&b.at)));
            rows.dedup_by(|a, b| a.at == b.at && name(a) == name(b));
            if let Some(same) =
                rows.chunk_by(|a, b| name(a) == name(b)).find(|c| c.len() > MAX_SAME)
            {
                let name = same.first().map(name).unwrap_or_default();
                let name = String::from_utf8_lossy(name).into_owned();
                return Err(TooMuch::Same { name }.into());
            }
        }
        let left_out = self.first_left_out.unwrap_or_default();
        let mut out = Vec::with_capacity(
            HEADER
                + (self.packages.len() + self.providers.len()) * ROW
                + self.blocks.len() * BLOCK_ROW
                + self.names.len()
                + left_out.len()
                + self.data.len()
                + CHECKSUM,
        );
        out.extend_from_slice(MAGIC);
        for count in [
            self.packages.len(),
            self.providers.len(),
            self.blocks.len(),
            self.names.len(),
            left_out.len(),
            self.left_out as usize,
            self.data.len(),
            0,
        ] {
            let count = u32::try_from(count).map_err(|_| TooMuch::Bytes(u32::MAX.into()))?;
            out.extend(count.to_le_bytes());
        }
        for row in self.packages.iter().chain(&self.providers) {
            for number in [row.name.0, row.name.1, row.at.block, row.at.offset] {
                out.extend(number.to_le_bytes());
            }
        }
        out.extend(self.blocks.iter().flatten().flat_map(|number| number.to_le_bytes()));
        out.extend_from_slice(&self.names);
        out.extend_from_slice(left_out.as_bytes());
        out.extend_from_slice(&self.data);
        let body = out.len();
        let checksum = Sha256::digest(&out);
        out.extend_from_slice(&checksum);
        drop(self.reserved);
        PackagesFile::layout(memory.hold(out)?, body)
            .ok_or(IndexError::Damaged("it was made wrong"))
    }
}

/// Why a stanza is not kept.
enum Unusable {
    /// It is not a stanza of a package at all, so the text is not a `Packages` file.
    NoName,
    /// Nothing can be installed from it; the reason is for people.
    LeaveOut(String),
}

fn push_name(names: &mut Vec<u8>, name: &[u8]) -> (u32, u32) {
    let start = u32::try_from(names.len()).unwrap_or(u32::MAX);
    names.extend_from_slice(name);
    (start, u32::try_from(name.len()).unwrap_or(u32::MAX))
}

/// The names in a `Provides` field: `mail-transport-agent, libfoo (= 1.2), bar:any`.
fn provided_names(provides: &[u8]) -> impl Iterator<Item = &[u8]> {
    provides
        .split(|&b| b == b',')
        .map(|item| {
            let item = item.trim_ascii();
            let end = item
                .iter()
                .position(|&b| b == b'(' || b == b':' || b == b'[' || b.is_ascii_whitespace());
            item.get(..end.unwrap_or(item.len())).unwrap_or_default()
        })
        .filter(|name| !name.is_empty() && name.len() <= MAX_NAME)
}

/// Debian policy 5.6.7, and what dpkg's `pkg_name_is_illegal` lets pass besides (upper case,
/// `_`).
fn is_package_name(name: &str) -> bool {
    name.len() <= MAX_NAME
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._".contains(&b))
}

/// A path below the repository's base: relative, no `..`, nothing that would end or change
/// the path of a URL.
fn check_filename(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("is missing");
    }
    if name.len() > 4095 {
        return Err("is longer than 4095 bytes");
    }
    if name.starts_with('/') || name.contains("://") {
        return Err("is absolute");
    }
    if name.split('/').any(|part| part == "..") {
        return Err("has a '..' component");
    }
    if name.contains(['?', '#', '\\']) || name.contains(char::is_control) {
        return Err("has a character that no file name of a repository has");
    }
    Ok(())
}
