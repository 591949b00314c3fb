//! Zip archives (APPNOTE.TXT 6.3.10): wheels, jars, wars and the jars inside of them.
//!
//! In come bytes that a stranger wrote; out come [`Entry`]s and their contents, each checked
//! against its size and CRC, or one clear error. An archive is what its central directory says,
//! and every header that says it a second time has to agree: two readers never see two archives
//! ([`Archive::read`]). [`Archive::rewrite`] gives the archive again with chosen entries replaced,
//! removed or added, and every other byte copied.
//!
//! The readers that others wrote (`zip`, `rawzip`) give entries without what lies around them; a
//! rewriting that copies has to know each byte's place, so the headers are read here. Inflating
//! is `flate2`'s.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod archive;
mod content;
mod directory;
mod format;
mod names;
mod rewrite;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;

pub use archive::{Archive, Entry};
pub use names::unpacked_name_fault;
pub use rewrite::{Addition, Change};

/// What an archive may make its reader use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Entries.
    pub entries: u64,
    /// Bytes of one entry's content.
    pub entry: u64,
    /// Bytes of all contents together.
    pub total: u64,
    /// How many times the archive's size its contents may have together, above
    /// [`Limits::FREE`].
    pub ratio: u64,
}

impl Limits {
    /// What the ratio does not count: small archives of zeros harm nobody.
    pub const FREE: u64 = 64 << 20;

    /// For packages of libraries: several times what the largest that were seen have (pyspark:
    /// 281 MB; jars: 40,000 entries).
    pub const PACKAGE: Self = Self { entries: 300_000, entry: 2 << 30, total: 4 << 30, ratio: 200 };
}

/// Which names an archive may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// It is unpacked: each is a path below the folder that it is unpacked to, none comes twice,
    /// none is a link (see [`unpacked_name_fault`]).
    Unpacked,
    /// It is looked into: names are keys. One that comes twice cannot be asked for.
    LookedInto,
}

/// Why an archive cannot be used. Each is one line, its names written so that they harm no
/// terminal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZipError {
    /// It has no end record.
    #[error("it is no zip archive")]
    NoZip,
    /// Headers that contradict each other or the bytes.
    #[error("it is a damaged zip archive: {0}")]
    Damaged(String),
    /// More than its reader allows.
    #[error("it is a zip archive beyond the bounds: {0}")]
    Beyond(String),
    /// Something that the format has and that is not read.
    #[error("it is a zip archive that cannot be read: {0}")]
    Unsupported(String),
    /// A name that must not be unpacked.
    #[error("it is a zip archive with an unsafe entry {name:?}: {why}")]
    Unsafe {
        /// As it is written.
        name: String,
        /// Half a sentence.
        why: String,
    },
    /// What is asked for is not there.
    #[error("it has no entry {0:?}")]
    NoEntry(String),
}
