//! The end of an archive: where its central directory is. The end record, that of 64 bits and
//! its locator have to agree, and have to be the only ones that the bytes can be read to have.

use crate::ZipError;
use crate::format::{
    CENTRAL_LEN, END, END_64, END_64_LEN, END_LEN, LOCATOR_64, LOCATOR_64_LEN, damaged, place,
    u16_at, u32_at, u64_at,
};

/// What the end records say, with their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    /// Where the end record begins.
    pub(crate) record: usize,
    /// Where the record of 64 bits begins, if there is one; its locator is between both.
    pub(crate) record_64: Option<usize>,
    /// Where the central directory begins.
    pub(crate) directory: usize,
    /// Where it ends: at the first of the end records.
    pub(crate) directory_end: usize,
    pub(crate) entries: u64,
    /// What stands before the archive and is not counted by its offsets: a shell script.
    pub(crate) before: usize,
}

/// Finds the end records.
pub(crate) fn find(bytes: &[u8]) -> Result<End, ZipError> {
    let record = end_record(bytes)?;
    let short = |at| u16_at(bytes, record + at).map(u64::from).ok_or(ZipError::NoZip);
    let long = |at| u32_at(bytes, record + at).map(u64::from).ok_or(ZipError::NoZip);
    let (disk, first_disk, here, entries) = (short(4)?, short(6)?, short(8)?, short(10)?);
    let (size, offset) = (long(12)?, long(16)?);
    let locator = record.checked_sub(LOCATOR_64_LEN);
    let Some(locator) = locator.filter(|at| u32_at(bytes, *at) == Some(LOCATOR_64)) else {
        if disk != 0 || first_disk != 0 || here != entries {
            return Err(ZipError::Unsupported("it has several parts".into()));
        }
        return closed(End {
            record,
            record_64: None,
            directory: start(record, size)?,
            directory_end: record,
            entries,
            before: before(start(record, size)?, offset)?,
        });
    };
    let wide = locator.checked_sub(END_64_LEN);
    let Some(wide) = wide.filter(|at| u32_at(bytes, *at) == Some(END_64)) else {
        return Err(damaged("its end record of 64 bits is not before its locator"));
    };
    let number = |at| u64_at(bytes, wide + at).ok_or(ZipError::NoZip);
    let disks = (u32_at(bytes, wide + 16), u32_at(bytes, wide + 20), u32_at(bytes, locator + 4));
    if number(4)? != END_64_LEN as u64 - 12 {
        return Err(damaged("its end record of 64 bits has another length"));
    }
    let (here_64, entries_64) = (number(24)?, number(32)?);
    let parts = u32_at(bytes, locator + 16).unwrap_or(0);
    if disks != (Some(0), Some(0), Some(0)) || parts > 1 || here_64 != entries_64 {
        return Err(ZipError::Unsupported("it has several parts".into()));
    }
    let (size_64, offset_64) = (number(40)?, number(48)?);
    let agree = |narrow: u64, all: u64, wide: u64| narrow == all || narrow == wide;
    let all_agree = agree(here, 0xffff, entries_64)
        && agree(entries, 0xffff, entries_64)
        && agree(size, 0xffff_ffff, size_64)
        && agree(offset, 0xffff_ffff, offset_64);
    if !all_agree {
        return Err(damaged("its two end records contradict each other"));
    }
    let directory = start(wide, size_64)?;
    let before = before(directory, offset_64)?;
    let told = u64_at(bytes, locator + 8).ok_or(ZipError::NoZip)?;
    if before.checked_add(place(told)?) != Some(wide) {
        return Err(damaged("its locator points elsewhere"));
    }
    closed(End {
        record,
        record_64: Some(wide),
        directory,
        directory_end: wide,
        entries: entries_64,
        before,
    })
}

/// The one record whose comment ends where the archive ends.
fn end_record(bytes: &[u8]) -> Result<usize, ZipError> {
    let last = bytes.len().checked_sub(END_LEN).ok_or(ZipError::NoZip)?;
    let first = last.saturating_sub(usize::from(u16::MAX));
    let mut records = (first..=last).filter(|at| {
        u32_at(bytes, *at) == Some(END)
            && u16_at(bytes, at + 20)
                .is_some_and(|len| at + END_LEN + usize::from(len) == bytes.len())
    });
    let record = records.next().ok_or(ZipError::NoZip)?;
    if records.next().is_some() {
        return Err(damaged("it has two end records"));
    }
    Ok(record)
}

fn start(end: usize, size: u64) -> Result<usize, ZipError> {
    end.checked_sub(place(size)?)
        .ok_or_else(|| damaged("its central directory begins before the archive"))
}

fn before(directory: usize, offset: u64) -> Result<usize, ZipError> {
    directory
        .checked_sub(place(offset)?)
        .ok_or_else(|| damaged("its central directory is not where its end record says"))
}

/// Refuses a number of entries that the directory has no room for.
fn closed(end: End) -> Result<End, ZipError> {
    let room = (end.directory_end - end.directory) / CENTRAL_LEN;
    if end.entries > room as u64 {
        return Err(damaged(format!(
            "it says that it has {} entries, and its central directory has room for {room}",
            end.entries
        )));
    }
    Ok(end)
}
