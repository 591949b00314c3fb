//! One `Packages` file of an apt repository in a compact form that is quick to load again.
//!
//! In comes the unpacked text as a stream (Debian's is 46 MB with 60 000 stanzas); out comes a
//! [`PackagesFile`]: the fields that planning and fetching need, in small compressed blocks,
//! with sorted tables of package names and of provided names. Memory follows the compact
//! size (about a tenth of the text), and a lookup unpacks one block. [`PackagesFile::as_bytes`]
//! and [`PackagesFile::from_bytes`] let a cache keep the form between runs; it carries its own
//! SHA-256, so that a damaged cache entry is found out.
//!
//! The text format is described in the Debian policy manual, 5.1, and in
//! <https://wiki.debian.org/DebianRepository/Format#A.22Packages.22_Indices>.

use std::io::{self, BufRead, Read as _};
use std::ops::Range;

use bstr::ByteSlice as _;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use imgfix_model::digest::Digest;
use imgfix_vfs::{Memory, OverBudget, Reserved};

/// The most unpacked bytes of one `Packages` file that are read.
pub const MAX_UNPACKED: u64 = 1 << 30;

/// The longest stanza, in bytes. Real ones stay below 100 kB (long `Provides`).
const MAX_STANZA: usize = 4 << 20;

/// The most packages of one name, or that provide one name. Real indexes have some hundred.
const MAX_SAME: usize = 5_000;

/// The longest package name (dpkg itself sets no limit; file names do).
const MAX_NAME: usize = 255;

/// A block is closed when its records reach this size, in bytes.
const BLOCK: usize = 32 << 10;

/// Names the layout of [`PackagesFile::as_bytes`]; a change of the layout changes it.
const MAGIC: &[u8; 8] = b"imgfixP2";

/// The layout's version, for the name of a cache folder.
pub const FORMAT: &str = "v2";

/// Why a `Packages` file, or the compact form of one, cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error("cannot be unpacked: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    TooMuch(#[from] TooMuch),
    #[error("line {line}: {problem}")]
    Line { line: u64, problem: String },
    #[error("the cached form is damaged: {0}")]
    Damaged(&'static str),
}

/// A file that is more than any real one, or more than there is room for.
#[derive(Debug, thiserror::Error)]
pub enum TooMuch {
    #[error("unpacks to more than {0} bytes")]
    Bytes(u64),
    #[error("more than {MAX_SAME} packages are called {name:?}, or provide it")]
    Same { name: String },
    #[error(transparent)]
    Memory(#[from] OverBudget),
}

impl From<OverBudget> for IndexError {
    fn from(error: OverBudget) -> Self {
        Self::TooMuch(error.into())
    }
}

/// The fields that are kept. The number is the field's tag in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Field {
    Package,
    Version,
    Architecture,
    Source,
    MultiArch,
    Essential,
    Protected,
    Priority,
    PreDepends,
    Depends,
    Provides,
    Conflicts,
    Breaks,
    Replaces,
    Recommends,
    Suggests,
    Enhances,
    Filename,
    Size,
    Sha256,
    Phased,
}

const FIELDS: [(&str, Field); 22] = [
    ("Package", Field::Package),
    ("Version", Field::Version),
    ("Architecture", Field::Architecture),
    ("Source", Field::Source),
    ("Multi-Arch", Field::MultiArch),
    ("Essential", Field::Essential),
    ("Protected", Field::Protected),
    ("Important", Field::Protected),
    ("Priority", Field::Priority),
    ("Pre-Depends", Field::PreDepends),
    ("Depends", Field::Depends),
    ("Provides", Field::Provides),
    ("Conflicts", Field::Conflicts),
    ("Breaks", Field::Breaks),
    ("Replaces", Field::Replaces),
    ("Recommends", Field::Recommends),
    ("Suggests", Field::Suggests),
    ("Enhances", Field::Enhances),
    ("Filename", Field::Filename),
    ("Size", Field::Size),
    ("SHA256", Field::Sha256),
    ("Phased-Update-Percentage", Field::Phased),
];

const FIELD_COUNT: usize = 21;

/// The fields that name other packages, in the order in which apt reads them.
const NAMING: [Field; 9] = [
    Field::PreDepends,
    Field::Depends,
    Field::Conflicts,
    Field::Breaks,
    Field::Recommends,
    Field::Suggests,
    Field::Replaces,
    Field::Enhances,
    Field::Provides,
];

impl Field {
    fn named(name: &[u8]) -> Option<Self> {
        FIELDS
            .iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()))
            .map(|(_, field)| *field)
    }
}

/// Where a record lies: its block and the offset in the unpacked block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    block: u32,
    offset: u32,
}

/// The compact form of one `Packages` file. Cloning is cheap.
#[derive(Clone)]
pub struct PackagesFile {
    bytes: Bytes,
    packages: Table,
    providers: Table,
    blocks: Range<usize>,
    names: Range<usize>,
    left_out: Range<usize>,
    left_out_count: u32,
    data: Range<usize>,
}

/// A table of 16-byte rows (name offset, name length, block, offset), sorted by name.
#[derive(Debug, Clone)]
struct Table {
    at: usize,
    rows: usize,
}

const ROW: usize = 16;
const BLOCK_ROW: usize = 12;
const HEADER: usize = 40;
const CHECKSUM: usize = 32;

impl std::fmt::Debug for PackagesFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackagesFile")
            .field("packages", &self.packages.rows)
            .field("providers", &self.providers.rows)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}

impl PackagesFile {
    /// Reads the unpacked text of a `Packages` file to its end.
    ///
    /// A stanza that cannot be installed from (no SHA-256, a file name that leaves the
    /// repository, a package name that is none) is left out and counted, see
    /// [`PackagesFile::left_out`].
    ///
    /// # Errors
    /// Text that is not deb822, or is larger than [`MAX_UNPACKED`]; more packages and names than
    /// `memory` has room for; errors of the stream.
    pub fn read(text: impl BufRead, memory: &Memory) -> Result<Self, IndexError> {
        let mut builder = Builder::new(memory.reserve(MAX_STANZA as u64)?);
        let mut text = text.take(MAX_UNPACKED + 1);
        let mut line = Vec::with_capacity(4096);
        loop {
            line.clear();
            let limit = MAX_STANZA as u64 + 1;
            let got = (&mut text).take(limit).read_until(b'\n', &mut line)?;
            if got == 0 {
                break;
            }
            if text.limit() == 0 {
                return Err(TooMuch::Bytes(MAX_UNPACKED).into());
            }
            builder.line(&line)?;
        }
        builder.end_stanza()?;
        builder.finish(memory)
    }

    /// The form that [`PackagesFile::from_bytes`] takes.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Takes the form that [`PackagesFile::as_bytes`] gave.
    ///
    /// # Errors
    /// Bytes of another layout, or damaged ones (their checksum is wrong); more than `memory`
    /// has room for.
    pub fn from_bytes(bytes: Vec<u8>, memory: &Memory) -> Result<Self, IndexError> {
        let bytes = memory.hold(bytes)?;
        let body = bytes.len().checked_sub(CHECKSUM).ok_or(IndexError::Damaged("too short"))?;
        let (content, checksum) = bytes.split_at(body);
        if content.get(..MAGIC.len()) != Some(MAGIC) {
            return Err(IndexError::Damaged("it has another layout"));
        }
        if Sha256::digest(content).as_slice() != checksum {
            return Err(IndexError::Damaged("its checksum is wrong"));
        }
        Self::layout(bytes, body).ok_or(IndexError::Damaged("its tables do not fit"))
    }

    /// Finds the sections; `None` when they do not fill `body` bytes exactly.
    fn layout(bytes: Bytes, body: usize) -> Option<Self> {
        let number = |index: usize| u32_at(&bytes, MAGIC.len() + 4 * index).map(|n| n as usize);
        let (packages, providers, blocks) = (number(0)?, number(1)?, number(2)?);
        let (names, left_out, left_out_count) = (number(3)?, number(4)?, number(5)?);
        let data = number(6)?;
        let mut at = HEADER;
        let mut section = |len: usize| -> Option<Range<usize>> {
            let start = at;
            at = at.checked_add(len).filter(|end| *end <= body)?;
            Some(start..at)
        };
        let packages = Table { at: section(packages.checked_mul(ROW)?)?.start, rows: packages };
        let providers = Table { at: section(providers.checked_mul(ROW)?)?.start, rows: providers };
        let blocks = section(blocks.checked_mul(BLOCK_ROW)?)?;
        let names = section(names)?;
        let left_out = section(left_out)?;
        let data = section(data)?;
        if at != body {
            return None;
        }
        let left_out_count = u32::try_from(left_out_count).ok()?;
        Some(Self { bytes, packages, providers, blocks, names, left_out, left_out_count, data })
    }

    /// Number of package versions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.packages.rows
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packages.rows == 0
    }

    /// How many stanzas were left out, and why the first one was.
    #[must_use]
    pub fn left_out(&self) -> Option<(u32, &str)> {
        let reason = self.bytes.get(self.left_out.clone())?;
        (self.left_out_count > 0)
            .then(|| (self.left_out_count, std::str::from_utf8(reason).unwrap_or_default()))
    }

    /// The records of all versions of the package `name`, in the file's order.
    pub(super) fn versions(&self, name: &str) -> Vec<Record> {
        self.records(&self.packages, name)
    }

    /// The records of all packages whose `Provides` names `name`, in the file's order.
    pub(super) fn providers(&self, name: &str) -> Vec<Record> {
        self.records(&self.providers, name)
    }

    /// Whether there is a package `name`, without unpacking its record.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        let at = self.first(&self.packages, name);
        self.row_name(&self.packages, at) == Some(name.as_bytes())
    }

    /// Those of `names` that the file mentions, in the order of their first mention, be it as a
    /// package or in a relation. Reads the whole file.
    pub(super) fn mentions<'n>(&self, names: &[&'n str]) -> Vec<&'n str> {
        let mut found: Vec<&str> = Vec::new();
        let count = u32::try_from(self.blocks.len() / BLOCK_ROW).unwrap_or(u32::MAX);
        for block in (0..count).filter_map(|number| self.block(number)) {
            let mut at = 0;
            while let Some((record, end)) = Record::with_end(&block, at) {
                at = end;
                let own = record.text(Field::Package).into_iter();
                let others = NAMING.iter().filter_map(|field| record.text(*field));
                for name in own.chain(others.flat_map(named)) {
                    let wanted = names.iter().find(|wanted| **wanted == name);
                    found.extend(wanted.filter(|name| !found.contains(name)).copied());
                }
                if found.len() == names.len() {
                    return found;
                }
            }
        }
        found
    }

    fn records(&self, table: &Table, name: &str) -> Vec<Record> {
        let mut out = Vec::new();
        let mut unpacked: Option<(u32, Bytes)> = None;
        for row in self.first(table, name)..table.rows {
            if self.row_name(table, row) != Some(name.as_bytes()) {
                break;
            }
            let Some(place) = self.row_place(table, row) else { break };
            let block = match &unpacked {
                Some((at, block)) if *at == place.block => block.clone(),
                _ => {
                    let Some(block) = self.block(place.block) else { break };
                    unpacked = Some((place.block, block.clone()));
                    block
                }
            };
            out.extend(Record::at(&block, place.offset as usize));
        }
        out
    }

    /// The first row whose name is not below `name`.
    fn first(&self, table: &Table, name: &str) -> usize {
        let (mut low, mut high) = (0, table.rows);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.row_name(table, middle).unwrap_or_default() < name.as_bytes() {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    fn row_name(&self, table: &Table, row: usize) -> Option<&[u8]> {
        if row >= table.rows {
            return None;
        }
        let at = table.at + row * ROW;
        let start = u32_at(&self.bytes, at)? as usize;
        let len = u32_at(&self.bytes, at + 4)? as usize;
        self.bytes.get(self.names.clone())?.get(start..start.checked_add(len)?)
    }

    fn row_place(&self, table: &Table, row: usize) -> Option<Place> {
        let at = table.at + row * ROW;
        Some(Place { block: u32_at(&self.bytes, at + 8)?, offset: u32_at(&self.bytes, at + 12)? })
    }

    fn block(&self, number: u32) -> Option<Bytes> {
        let row = self
            .bytes
            .get(self.blocks.clone())?
            .get((number as usize).checked_mul(BLOCK_ROW)?..)?;
        let (start, len) = (u32_at(row, 0)? as usize, u32_at(row, 4)? as usize);
        let unpacked = u32_at(row, 8)? as usize;
        if unpacked > BLOCK + MAX_STANZA {
            return None;
        }
        let packed = self.bytes.get(self.data.clone())?.get(start..start.checked_add(len)?)?;
        zstd::bulk::decompress(packed, unpacked).ok().map(Bytes::from)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}

/// One stanza's kept fields.
#[derive(Debug, Clone)]
pub(super) struct Record {
    fields: [Option<Bytes>; FIELD_COUNT],
}

impl Record {
    /// The record at `offset` of an unpacked block: tag, length and value of each field; a
    /// tag of 255 ends it.
    fn at(block: &Bytes, offset: usize) -> Option<Self> {
        Self::with_end(block, offset).map(|(record, _)| record)
    }

    /// The record at `offset`, and where the next one begins.
    fn with_end(block: &Bytes, offset: usize) -> Option<(Self, usize)> {
        let mut fields: [Option<Bytes>; FIELD_COUNT] = Default::default();
        let mut at = offset;
        loop {
            let tag = usize::from(*block.get(at)?);
            if tag == usize::from(u8::MAX) {
                return Some((Self { fields }, at + 1));
            }
            let len = u32_at(block, at + 1)? as usize;
            let start = at + 5;
            at = start.checked_add(len).filter(|end| *end <= block.len())?;
            *fields.get_mut(tag)? = Some(block.slice(start..at));
        }
    }

    pub(super) fn text(&self, field: Field) -> Option<&str> {
        std::str::from_utf8(self.bytes(field)?).ok()
    }

    pub(super) fn bytes(&self, field: Field) -> Option<&[u8]> {
        self.fields.get(field as usize)?.as_deref()
    }
}

/// Collects lines to stanzas, stanzas to blocks, blocks to a [`PackagesFile`].
struct Builder {
    /// For what has been collected.
    reserved: Reserved,
    line: u64,
    /// The line that the current stanza starts on.
    stanza_line: u64,
    /// The kept values of the current stanza, one after the other.
    text: Vec<u8>,
    values: [Option<(usize, usize)>; FIELD_COUNT],
    /// What a continuation line belongs to.
    current: Current,
    stanza_bytes: usize,
    block: Vec<u8>,
    blocks: Vec<[u32; 3]>,
    data: Vec<u8>,
    names: Vec<u8>,
    packages: Vec<Row>,
    providers: Vec<Row>,
    left_out: u32,
    first_left_out: Option<String>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Current {
    /// Before the first field of a stanza.
    #[default]
    None,
    /// A field that is not kept.
    Dropped,
    Kept(Field),
}

#[derive(Clone, Copy)]
struct Row {
    name: (u32, u32),
    place: Place,
}

impl Builder {
    fn new(reserved: Reserved) -> Self {
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

    fn line(&mut self, raw: &[u8]) -> Result<(), IndexError> {
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

    fn end_stanza(&mut self) -> Result<(), IndexError> {
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
        let place = Place {
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
        let row = Row { name: push_name(&mut self.names, &name), place };
        self.packages.push(row);
        let provides = self.value(Field::Provides).unwrap_or_default().to_vec();
        for name in provided_names(&provides) {
            let row = Row { name: push_name(&mut self.names, name), place };
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

    fn finish(mut self, memory: &Memory) -> Result<PackagesFile, IndexError> {
        self.end_block()?;
        for rows in [&mut self.packages, &mut self.providers] {
            let name = |row: &Row| {
                let start = row.name.0 as usize;
                self.names.get(start..start + row.name.1 as usize).unwrap_or_default()
            };
            rows.sort_by(|a, b| name(a).cmp(name(b)).then(a.place.cmp(&b.place)));
            rows.dedup_by(|a, b| a.place == b.place && name(a) == name(b));
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
            for number in [row.name.0, row.name.1, row.place.block, row.place.offset] {
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

/// The names in a relation field.
fn named(field: &str) -> impl Iterator<Item = &str> {
    field.split([',', '|']).map(|relation| {
        let relation = relation.trim_start();
        let end = relation.find([' ', '(', ':', '[', '<', '\n', '\t']).unwrap_or(relation.len());
        relation.get(..end).unwrap_or_default()
    })
}

enum Unusable {
    NoName,
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHA: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn stanza(name: &str, version: &str, more: &str) -> String {
        format!(
            "Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: x\n{more}\
             Filename: pool/{name}.deb\nSize: 12\nSHA256: {SHA}\nDescription: d\n long\n\n"
        )
    }

    fn names(records: &[Record]) -> Vec<String> {
        records
            .iter()
            .map(|r| {
                format!("{} {}", r.text(Field::Package).unwrap(), r.text(Field::Version).unwrap())
            })
            .collect()
    }

    #[test]
    fn versions_and_providers_are_found_and_survive_the_cache() {
        let mut text = stanza("b", "2", "Provides: mta, c (= 1),\n d:any\n");
        text += &stanza("a", "1", "Provides: mta, mta\n");
        text += &stanza("b", "3", "");
        for i in 0..2000 {
            text += &stanza(&format!("filler{i}"), "1", "Depends: x, y\n");
        }
        let built = PackagesFile::read(text.as_bytes(), &Memory::default()).unwrap();
        assert!(built.blocks.len() > BLOCK_ROW, "several blocks");
        let loaded =
            PackagesFile::from_bytes(built.as_bytes().to_vec(), &Memory::default()).unwrap();
        for file in [built, loaded] {
            assert_eq!(file.len(), 2003);
            assert_eq!(names(&file.versions("b")), ["b 2", "b 3"]);
            assert_eq!(names(&file.providers("mta")), ["b 2", "a 1"]);
            assert_eq!(names(&file.providers("c")), ["b 2"]);
            assert_eq!(names(&file.providers("d")), ["b 2"]);
            assert_eq!(names(&file.versions("filler1999")), ["filler1999 1"]);
            assert!(file.versions("").is_empty() && file.versions("zz").is_empty());
            assert!(file.has("a") && !file.has("mta"));
            assert_eq!(file.left_out(), None);
        }
    }

    #[test]
    fn a_damaged_cached_form_is_refused() {
        let file = PackagesFile::read(stanza("a", "1", "").as_bytes(), &Memory::default()).unwrap();
        let good = file.as_bytes().to_vec();
        for at in [0, 9, 30, good.len() / 2, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(PackagesFile::from_bytes(bad, &Memory::default()).is_err(), "byte {at}");
        }
        for len in [0, 8, 40, good.len() - 1] {
            assert!(
                PackagesFile::from_bytes(good[..len].to_vec(), &Memory::default()).is_err(),
                "length {len}"
            );
        }
    }

    #[test]
    fn stanzas_that_cannot_be_fetched_are_left_out_and_counted() {
        for (field, value, why) in [
            ("Filename", "../x.deb", "line 1: a: the field Filename has a '..' component"),
            ("Filename", "/x.deb", "line 1: a: the field Filename is absolute"),
            ("Filename", "http://x/y", "line 1: a: the field Filename is absolute"),
            ("Filename", "", "line 1: a: the field Filename is missing"),
            ("Size", "-1", "line 1: a: the field Size is missing or wrong"),
            ("SHA256", "abc", "line 1: a: the field SHA256 is missing or wrong"),
            ("Version", "1 2", "line 1: a: the field Version is missing or wrong"),
            ("Package", "a/b", "line 1: \"a/b\" is not a package name"),
        ] {
            let text: String = stanza("a", "1", "")
                .lines()
                .map(|line| match line.strip_prefix(&format!("{field}:")) {
                    Some(_) => format!("{field}: {value}\n"),
                    None => format!("{line}\n"),
                })
                .collect();
            let file =
                PackagesFile::read((text + &stanza("z", "1", "")).as_bytes(), &Memory::default())
                    .unwrap();
            assert_eq!(file.left_out(), Some((1, why)));
            assert_eq!(file.len(), 1);
        }
    }

    #[test]
    fn names_without_end_meet_the_budget_and_give_it_back() {
        let memory = Memory::fixed(MAX_STANZA as u64 + (8 << 20));
        let provides = (0..50_000).map(|n| format!("a{n},")).collect::<String>();
        let text: String = (0..20)
            .map(|n| stanza(&format!("p{n}"), "1", &format!("Provides: {provides}\n")))
            .collect();
        let error = PackagesFile::read(text.as_bytes(), &memory).unwrap_err();
        assert!(error.to_string().contains("--max-memory"), "{error}");
        assert_eq!(memory.used(), 0);
        let small = PackagesFile::read(stanza("a", "1", "").as_bytes(), &memory).unwrap();
        assert_eq!(memory.used(), small.as_bytes().len() as u64);
        drop(small);
        assert_eq!(memory.used(), 0);
        let same = stanza("a", "1", "").repeat(MAX_SAME + 1);
        let error = PackagesFile::read(same.as_bytes(), &Memory::default()).unwrap_err();
        assert_eq!(error.to_string(), "more than 5000 packages are called \"a\", or provide it");
    }

    #[test]
    fn text_that_is_not_deb822_is_an_error_with_its_line() {
        for (text, want) in [
            ("no colon\n", "line 1: expected a field name and a colon, found \"no colon\""),
            ("Package: a\nPackage: b\n", "line 2: the field Package is there twice"),
            (" x\n", "line 1: a continuation line without a field"),
            ("\n\nVersion: 1\n", "line 3: a stanza without a Package field"),
        ] {
            let error = PackagesFile::read(text.as_bytes(), &Memory::default()).unwrap_err();
            assert_eq!(error.to_string(), want);
        }
        let long = "x".repeat(MAX_STANZA + 10);
        assert!(PackagesFile::read(long.as_bytes(), &Memory::default()).is_err());
        assert!(PackagesFile::read(&b""[..], &Memory::default()).unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = PackagesFile::read(&bytes[..], &Memory::default());
            let _ = PackagesFile::from_bytes(bytes, &Memory::default());
        }

        #[test]
        fn near_packages_files_never_panic(
            text in "((Package|Version|Provides|SHA256|Filename|x)?[: ]{0,2}[a-c,(]{0,3}\n){0,30}"
        ) {
            let _ = PackagesFile::read(text.as_bytes(), &Memory::default());
        }
    }
}
