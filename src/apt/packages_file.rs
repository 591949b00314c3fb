//! One `Packages` file of an apt repository in a compact form that is quick to load again.
//!
//! In comes the unpacked text as a stream (Debian's is 46 MB with 60 000 stanzas); out comes a
//! [`PackagesFile`]: the fields that planning and fetching need, in small compressed blocks,
//! with sorted tables of package names and of provided names. Memory follows the compact
//! size (about a tenth of the text), and a lookup unpacks one block. [`PackagesFile::as_bytes`]
//! and [`PackagesFile::from_bytes`] let a cache keep the form between runs; it carries its own
//! SHA-256, so that a damaged file of the cache is found out. [`builder`] makes it, [`record`] is
//! one package in it.
//!
//! The text format is described in the Debian policy manual, 5.1, and in
//! <https://wiki.debian.org/DebianRepository/Format#A.22Packages.22_Indices>.

mod builder;
mod record;

use std::io::{self, BufRead, Read as _};
use std::ops::Range;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use self::builder::Builder;
pub(crate) use self::record::{Field, Record};
use self::record::{NAMING, names_in};
use imgfix_vfs::{Memory, OverBudget};

/// The most unpacked bytes of one `Packages` file that are read.
pub const MAX_UNPACKED: u64 = 1 << 30;

/// The longest stanza, in bytes. Real ones stay below 100 kB (long `Provides`).
const MAX_STANZA: usize = 4 << 20;

/// The most packages of one name, or that provide one name. Real indexes have some hundred.
const MAX_SAME: usize = 5_000;

/// A block is closed when its records reach this size, in bytes.
const BLOCK: usize = 32 << 10;

/// Names the layout of [`PackagesFile::as_bytes`]; a change of the layout changes it.
const MAGIC: &[u8; 8] = b"imgfixP2";

/// The version of the layout, for the name of its folder in the cache; a change of the layout
/// changes it.
pub(crate) const FORMAT: &str = "v2";

/// Why a `Packages` file, or the compact form of one, cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The stream fails, or is not of the compression that it should be.
    #[error("cannot be unpacked: {0}")]
    Io(#[from] io::Error),
    /// It is larger than any real one, or than there is room for.
    #[error(transparent)]
    TooMuch(#[from] TooMuch),
    /// The text is not deb822.
    #[error("line {line}: {problem}")]
    Line {
        /// From 1.
        line: u64,
        /// For people.
        problem: String,
    },
    /// The compact form is not what [`PackagesFile::as_bytes`] gave; it says what is wrong.
    #[error("the cached form is damaged: {0}")]
    Damaged(&'static str),
}

/// A file that is more than any real one, or more than there is room for.
#[derive(Debug, thiserror::Error)]
pub enum TooMuch {
    /// More bytes than this.
    #[error("unpacks to more than {0} bytes")]
    Bytes(u64),
    /// Too many packages under one name.
    #[error("more than {MAX_SAME} packages are called {name:?}, or provide it")]
    Same {
        /// The name that they are called, or provide.
        name: String,
    },
    /// More than `--max-memory` leaves room for.
    #[error(transparent)]
    Memory(#[from] OverBudget),
}

impl From<OverBudget> for IndexError {
    fn from(error: OverBudget) -> Self {
        Self::TooMuch(error.into())
    }
}

/// Where a record lies: its block and the offset in the unpacked block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct RecordLocation {
    block: u32,
    offset: u32,
}

/// The compact form of one `Packages` file. Cloning is cheap.
#[derive(Clone)]
pub struct PackagesFile {
    bytes: Bytes,
    /// By name.
    packages: Table,
    /// By provided name.
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
    /// Where in the bytes it begins.
    at: usize,
    rows: usize,
}

/// The length of a table's row, in bytes.
const ROW: usize = 16;
/// The length of a block's row, in bytes: where it is, its length there, and unpacked.
const BLOCK_ROW: usize = 12;
/// The length of what is before the tables, in bytes: the magic and eight numbers.
const HEADER: usize = 40;
/// The length of the SHA-256 at the end, in bytes.
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
    /// repository, a malformed package name) is left out and counted, see
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

    /// Number of package versions, without those that were left out.
    #[must_use]
    pub fn len(&self) -> usize {
        self.packages.rows
    }

    /// Whether the file has no package that can be used.
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
    pub(crate) fn versions(&self, name: &str) -> Vec<Record> {
        self.records(&self.packages, name)
    }

    /// The records of all packages whose `Provides` names `name`, in the file's order.
    pub(crate) fn providers(&self, name: &str) -> Vec<Record> {
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
    pub(crate) fn mentions<'n>(&self, names: &[&'n str]) -> Vec<&'n str> {
        let mut found: Vec<&str> = Vec::new();
        let count = u32::try_from(self.blocks.len() / BLOCK_ROW).unwrap_or(u32::MAX);
        for block in (0..count).filter_map(|number| self.block(number)) {
            let mut at = 0;
            while let Some((record, end)) = Record::with_end(&block, at) {
                at = end;
                let own = record.text(Field::Package).into_iter();
                let others = NAMING.iter().filter_map(|field| record.text(*field));
                for name in own.chain(others.flat_map(names_in)) {
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
            let Some(location) = self.row_location(table, row) else { break };
            let block = match &unpacked {
                Some((at, block)) if *at == location.block => block.clone(),
                _ => {
                    let Some(block) = self.block(location.block) else { break };
                    unpacked = Some((location.block, block.clone()));
                    block
                }
            };
            out.extend(Record::at(&block, location.offset as usize));
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

    fn row_location(&self, table: &Table, row: usize) -> Option<RecordLocation> {
        let at = table.at + row * ROW;
        Some(RecordLocation {
            block: u32_at(&self.bytes, at + 8)?,
            offset: u32_at(&self.bytes, at + 12)?,
        })
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

#[cfg(test)]
mod tests;
