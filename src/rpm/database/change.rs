//! A transaction's changes of the database, and the files after them.
//!
//! In come headers that are added and numbers that go, in the order in which rpm does it; out come
//! the database's files, each whole, and the numbers that the added headers got. rpm never gives a
//! number twice.
//!
//! What rpm leaves beside the packages' file: SQLite's `-wal` empty and its `-shm` as it was (its
//! content means nothing without a log: SQLite makes it anew); no `__db.NNN` of Berkeley DB, which
//! are memory of the machine that wrote them, and whose pages would be older than the files.

use std::collections::BTreeMap;

use bytes::Bytes;
use imgfix_model::path::ImagePath;
use imgfix_vfs::FileSystem;

use super::index::{INDEXES, Index};
use super::{Damage, Database, DatabaseError, Format, Record, bdb, ndb, sqlite};
use crate::header::{Header, HeaderError};

/// One step.
#[derive(Debug, Clone)]
pub enum Change {
    /// A package is installed: its header with what rpm adds to it.
    Add(Header),
    /// The package with this number is gone.
    Erase(u32),
    /// What the database says of one of a package's files is another.
    FileState {
        /// The package's number.
        number: u32,
        /// The place of the file in it.
        file: usize,
        /// As `FILESTATES` has it.
        state: u8,
    },
}

/// What becomes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileChange {
    /// It has this content.
    Write(Bytes),
    /// It is taken away.
    Remove,
}

/// A database after changes.
#[derive(Debug, Clone)]
pub struct Written {
    /// The files that change, by their paths.
    pub files: Vec<(ImagePath, FileChange)>,
    /// The numbers of the headers that were added, in their order.
    pub numbers: Vec<u32>,
}

impl Database {
    /// The files after `changes`. The database is read again: `fs` has to be as it was.
    ///
    /// # Errors
    /// Files that cannot be read, headers in the database that are none, numbers that are not there.
    pub fn write(&self, fs: &dyn FileSystem, changes: &[Change]) -> Result<Written, DatabaseError> {
        match self.location.format {
            Format::Sqlite => self.write_sqlite(fs, changes),
            Format::Ndb => self.write_ndb(fs, changes),
            Format::BerkeleyDb => self.write_bdb(fs, changes),
        }
    }

    fn write_sqlite(
        &self,
        fs: &dyn FileSystem,
        changes: &[Change],
    ) -> Result<Written, DatabaseError> {
        let path = self.location.file(Format::Sqlite.file_name())?;
        let wal_path = self.location.file(sqlite::WAL)?;
        let wal = self.read_if_there(fs, sqlite::WAL)?;
        let damaged = |damage| DatabaseError::Damaged { path: wal_path.clone(), damage };
        let whole = sqlite::with_log(fs.read(&path)?, wal.as_deref()).map_err(damaged)?;
        let (file, numbers) = self.located(sqlite::changed(whole, changes))?;
        let mut files = vec![(path, FileChange::Write(file.into()))];
        if wal.is_some_and(|wal| !wal.is_empty()) {
            files.push((wal_path, FileChange::Write(Bytes::new())));
        }
        Ok(Written { files, numbers })
    }

    pub(super) fn read_if_there(
        &self,
        fs: &dyn FileSystem,
        name: &str,
    ) -> Result<Option<Bytes>, DatabaseError> {
        let path = self.location.file(name)?;
        fs.stat(&path).is_some().then(|| fs.read(&path)).transpose().map_err(Into::into)
    }

    fn write_ndb(&self, fs: &dyn FileSystem, changes: &[Change]) -> Result<Written, DatabaseError> {
        let path = self.location.file(Format::Ndb.file_name())?;
        let packages = self.located(ndb::Packages::read(fs.read(&path)?.into()))?;
        let index_path = self.location.file(ndb::INDEX)?;
        // An index of another generation is none: rpm makes it anew, and so it may go.
        let before = self.read_if_there(fs, ndb::INDEX)?;
        let index = match &before {
            Some(file) => ndb::Index::read(file.to_vec(), packages.generation()).ok().flatten(),
            None => None,
        };
        let (packages, index, numbers) = self.located(change_ndb(packages, index, changes))?;
        let mut files = vec![(path, FileChange::Write(packages.into()))];
        match index {
            Some(index) => files.push((index_path, FileChange::Write(index.into()))),
            None if before.is_some() => files.push((index_path, FileChange::Remove)),
            None => {}
        }
        Ok(Written { files, numbers })
    }

    fn write_bdb(&self, fs: &dyn FileSystem, changes: &[Change]) -> Result<Written, DatabaseError> {
        let path = self.location.file(Format::BerkeleyDb.file_name())?;
        let before = fs.read(&path)?;
        let (records, numbers) = self.located(self.changed_records(&before, changes))?;
        let last = self.located(bdb::last_number(&before))?;
        let last = numbers.last().copied().unwrap_or(last);
        let file = self.located(bdb::packages_file(&before, &records, last))?;
        let mut files = vec![(path, FileChange::Write(file.into()))];
        let headers = self.located(headers(&records))?;
        let big = bdb::is_big_endian(&before);
        for index in INDEXES {
            // rpm makes an index that is missing; one that is none it would believe.
            let Some(before) = self.read_if_there(fs, index.name)? else { continue };
            let path = self.location.file(index.name)?;
            let change = match bdb::index_file(&before, &index_entries(index, &headers, big)) {
                Ok(file) => FileChange::Write(file.into()),
                Err(_) => FileChange::Remove,
            };
            files.push((path, change));
        }
        let regions = fs.read_dir(&self.location.directory).into_iter();
        let regions = regions.filter(|path| path.file_name().starts_with(b"__db."));
        files.extend(regions.map(|path| (path, FileChange::Remove)));
        Ok(Written { files, numbers })
    }

    /// The packages after the changes, ascending, and the numbers of the new ones.
    fn changed_records(
        &self,
        before: &[u8],
        changes: &[Change],
    ) -> Result<(Vec<Record>, Vec<u32>), Damage> {
        let mut last = bdb::last_number(before)?;
        let mut numbers = Vec::new();
        let mut records: BTreeMap<u32, Bytes> =
            self.records.iter().map(|record| (record.number, record.blob.clone())).collect();
        for change in changes {
            match change {
                Change::Erase(number) => {
                    if records.remove(number).is_none() {
                        return Err(not_there(*number));
                    }
                }
                Change::Add(header) => {
                    last = last
                        .checked_add(1)
                        .ok_or_else(|| Damage::invalid("key 0", "no number is left"))?;
                    records.insert(last, header.blob().clone());
                    numbers.push(last);
                }
                Change::FileState { number, file, state } => {
                    let blob = records.get(number).cloned().ok_or_else(|| not_there(*number))?;
                    let blob = with_file_state(*number, blob, *file, *state)?;
                    records.insert(*number, blob);
                }
            }
        }
        let records = records.into_iter().map(|(number, blob)| Record { number, blob });
        Ok((records.collect(), numbers))
    }

    fn located<T>(&self, result: Result<T, Damage>) -> Result<T, DatabaseError> {
        let path = self.location.file(self.location.format.file_name())?;
        result.map_err(|damage| DatabaseError::Damaged { path, damage })
    }
}

/// The changes in both files; the index is not there afterwards where it was damaged.
fn change_ndb(
    mut packages: ndb::Packages,
    mut index: Option<ndb::Index>,
    changes: &[Change],
) -> Result<(Vec<u8>, Option<Vec<u8>>, Vec<u32>), Damage> {
    let mut numbers = Vec::new();
    for change in changes {
        let indexed = match change {
            Change::Add(header) => {
                let number = packages.add(header.blob())?;
                numbers.push(number);
                index.as_mut().map(|index| index.add(number, header))
            }
            Change::Erase(number) => {
                let blob = Bytes::copy_from_slice(packages.header(*number)?);
                packages.erase(*number)?;
                let header = headers(&[Record { number: *number, blob }])?;
                let header = header.first().map(|(_, header)| header);
                index.as_mut().zip(header).map(|(index, header)| index.erase(*number, header))
            }
            Change::FileState { number, file, state } => {
                let blob = Bytes::copy_from_slice(packages.header(*number)?);
                packages.replace(*number, &with_file_state(*number, blob, *file, *state)?)?;
                None
            }
        };
        match (indexed, &mut index) {
            (Some(Err(_)), _) => index = None,
            // rpm says after each package which generation the index belongs to.
            (_, Some(index)) => index.set_generation(packages.generation()),
            _ => {}
        }
    }
    Ok((packages.into_file(), index.map(ndb::Index::into_file), numbers))
}

/// A header with another state of a file. Nothing else of it changes, so that what signs it holds.
pub(super) fn with_file_state(
    number: u32,
    blob: Bytes,
    file: usize,
    state: u8,
) -> Result<Bytes, Damage> {
    let headers = headers(&[Record { number, blob }])?;
    let changed = headers.first().and_then(|(_, header)| header.with_file_state(file, state));
    let changed = changed.map(|header| header.blob().clone());
    changed.ok_or_else(|| {
        Damage::invalid(format!("header of package {number}"), format!("it has no file {file}"))
    })
}

pub(super) fn not_there(number: u32) -> Damage {
    Damage::invalid(format!("package {number}"), "it is not there")
}

/// The headers of all packages, by their numbers.
pub(super) fn headers(records: &[Record]) -> Result<Vec<(u32, Header)>, Damage> {
    let header = |record: &Record| {
        let wrong = |error: HeaderError| {
            Damage::invalid(format!("header of package {}", record.number), error.to_string())
        };
        Ok((record.number, Header::parse(record.blob.clone()).map_err(wrong)?))
    };
    records.iter().map(header).collect()
}

/// All entries of an index by their keys, for each the packages and places in the order in which
/// rpm has added them. Berkeley DB has no key of no bytes: rpm takes one zero byte for it.
fn index_entries(
    index: Index,
    headers: &[(u32, Header)],
    big: bool,
) -> Vec<(Vec<u8>, Vec<(u32, u32)>)> {
    let mut keys: BTreeMap<Vec<u8>, Vec<(u32, u32)>> = BTreeMap::new();
    for (number, header) in headers {
        for entry in index.entries(header, big) {
            let key = if entry.key.is_empty() { vec![0] } else { entry.key };
            keys.entry(key).or_default().push((*number, entry.place));
        }
    }
    keys.into_iter().collect()
}
