//! rpm's database of installed packages as a value.
//!
//! In comes the image's file system; out comes the list of headers, each with rpm's number for it,
//! and from that list with changes the files as rpm would have left them. What a header says is
//! another module's subject: here it is a blob. rpm has three formats, which have the same content
//! (<https://rpm.org/docs/latest/manual/>, `lib/backend` of its source): SQLite ([`sqlite`]), ndb
//! ([`ndb`]) and Berkeley DB ([`bdb`]). Images without rpm may have the lists of [`manifest`].

pub mod bdb;
pub mod change;
mod damage;
mod fields;
pub mod index;
pub mod location;
pub mod manifest;
pub mod ndb;
mod rich;
pub mod sqlite;
mod wal;

use bytes::Bytes;
use imgfix_model::path::{ImagePath, PathError};
use imgfix_vfs::{FileSystem, RootfsError};

pub use change::{Change, FileChange, Written};
pub use damage::Damage;
pub use location::{Format, Location};

/// How many packages a database may have. The largest real ones have some ten thousand.
pub const MAX_PACKAGES: usize = 262_144;

/// The size of a header's blob that rpm accepts, in bytes (`HEADER_DATA_MAX` and its index).
pub const MAX_BLOB: usize = 272 << 20;

/// One package as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// rpm's number of the header, never 0 and never given twice.
    pub number: u32,
    /// The header without its magic: two counts, index entries, data.
    pub blob: Bytes,
}

/// Why a database cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The image's file system refused.
    #[error(transparent)]
    Image(#[from] RootfsError),
    /// A name of rpm's files does not fit below the directory.
    #[error(transparent)]
    Path(#[from] PathError),
    /// What is in the file is not what rpm writes.
    #[error("{path}: {damage}")]
    Damaged {
        /// The file.
        path: ImagePath,
        /// What is wrong, and where.
        damage: Damage,
    },
    /// Several directories have a database, and rpm's settings name none of them.
    #[error(
        "{first} and {second} both have an rpm database, and no setting of the image says which one rpm uses"
    )]
    Ambiguous {
        /// A directory with a database.
        first: ImagePath,
        /// Another one.
        second: ImagePath,
    },
}

/// A database, read whole.
#[derive(Debug, Clone)]
pub struct Database {
    /// Where it is, and in which format.
    pub location: Location,
    /// Its packages by number, ascending.
    pub records: Vec<Record>,
}

impl Database {
    /// The database at `location`.
    ///
    /// # Errors
    /// Files that cannot be read, or are not wholly what rpm writes: nothing is guessed.
    pub fn read(fs: &dyn FileSystem, location: Location) -> Result<Self, DatabaseError> {
        let path = location.file(location.format.file_name())?;
        let bytes = fs.read(&path)?;
        let records = match location.format {
            Format::Sqlite => {
                let log_path = location.file(sqlite::WAL)?;
                let log = fs.stat(&log_path).is_some().then(|| fs.read(&log_path)).transpose()?;
                let whole = sqlite::with_log(bytes, log.as_deref());
                let damaged = |damage| DatabaseError::Damaged { path: log_path, damage };
                sqlite::records(whole.map_err(damaged)?)
            }
            Format::Ndb => ndb::records(&bytes),
            Format::BerkeleyDb => bdb::records(&bytes),
        };
        let records = records.map_err(|damage| DatabaseError::Damaged { path, damage })?;
        Ok(Self { location, records })
    }
}

/// Records of a file in the order of their numbers; each number once, none of them 0.
fn in_order(mut records: Vec<Record>) -> Result<Vec<Record>, Damage> {
    records.sort_by_key(|record| record.number);
    if records.first().is_some_and(|record| record.number == 0) {
        return Err(Damage::invalid("package 0", "packages are counted from 1"));
    }
    for pair in records.windows(2) {
        if let [first, second] = pair
            && first.number == second.number
        {
            let place = format!("package {}", first.number);
            return Err(Damage::invalid(place, "it is there twice"));
        }
    }
    Ok(records)
}

/// The blob's length is one that rpm accepts, and what its two counts say.
fn check_blob(number: u32, blob: &[u8]) -> Result<(), Damage> {
    let place = || format!("header of package {number}");
    if blob.len() > MAX_BLOB {
        return Err(Damage::invalid(
            place(),
            format!("{} bytes are more than rpm reads", blob.len()),
        ));
    }
    let fields = fields::Fields::big(blob);
    let entries = u64::from(fields.u32(0, "a header's count of entries")?);
    let data = u64::from(fields.u32(4, "a header's size of data")?);
    let said = entries.saturating_mul(16).saturating_add(data).saturating_add(8);
    if said != blob.len() as u64 {
        let why = format!("it has {} bytes, and its counts say {said}", blob.len());
        return Err(Damage::invalid(place(), why));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
