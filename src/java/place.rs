//! Where a copy of a library is: a file of the image, and the way inside of it.

use bytes::Bytes;
use imgfix_model::path::ImagePath;
use imgfix_vfs::{Content, Entry, FileData, FileSystem, Kind, RootfsError};
use imgfix_zip::{Archive, Change, Names, ZipError};

use std::collections::BTreeMap;
use std::io::Read as _;

use crate::listing::{LIMITS, MAX_FILE};

/// The file that a library's path is about, and the names of entries on the way inside.
#[must_use]
pub fn split(fs: &dyn FileSystem, path: &ImagePath) -> Option<(ImagePath, String)> {
    let mut file = path.clone();
    loop {
        if fs.lstat(&file).is_some_and(Entry::is_file) {
            let inside = path.as_bytes().get(file.as_bytes().len()..)?;
            let inside = std::str::from_utf8(inside).ok()?.trim_start_matches('/');
            return Some((file, inside.to_owned()));
        }
        file = file.parent()?;
    }
}

/// The content of a file.
///
/// # Errors
/// It is none, or it cannot be read.
pub fn read(fs: &dyn FileSystem, path: &ImagePath) -> Result<Bytes, RootfsError> {
    if let Some(Kind::File(FileData { content: Content::Inline(bytes), .. })) =
        fs.lstat(path).map(|entry| &entry.kind)
    {
        return Ok(bytes.clone());
    }
    let mut bytes = Vec::new();
    let failed = |source| RootfsError::Io { what: path.to_string(), source };
    fs.open(path)?.take(MAX_FILE).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes.into())
}

/// An archive with other contents of some entries, each named by its way inside.
///
/// # Errors
/// It is no archive, or has no such entry.
pub fn with_nested(bytes: Bytes, new: &BTreeMap<String, Bytes>) -> Result<Bytes, ZipError> {
    if let Some(whole) = new.get("") {
        return Ok(whole.clone());
    }
    let archive = Archive::read(bytes, LIMITS, Names::LookedInto)?;
    let mut by_entry: BTreeMap<usize, BTreeMap<String, Bytes>> = BTreeMap::new();
    for (way, content) in new {
        let (at, rest) = entry_on(&archive, way)?;
        by_entry.entry(at).or_default().insert(rest, content.clone());
    }
    let mut changes = BTreeMap::new();
    for (at, new) in by_entry {
        let old = archive.content(&archive.entries()[at])?;
        changes.insert(at, Change::Content(with_nested(old, &new)?));
    }
    archive.rewrite(&changes, &[])
}

/// What lies at a way inside of an archive.
///
/// # Errors
/// It is no archive, or has no such entry.
pub fn nested(bytes: Bytes, way: &str) -> Result<Bytes, ZipError> {
    if way.is_empty() {
        return Ok(bytes);
    }
    let archive = Archive::read(bytes, LIMITS, Names::LookedInto)?;
    let (at, rest) = entry_on(&archive, way)?;
    nested(archive.content(&archive.entries()[at])?, &rest)
}

/// The entry that a way goes through, and the rest of it.
fn entry_on(archive: &Archive, way: &str) -> Result<(usize, String), ZipError> {
    let ends = way.match_indices('/').map(|(at, _)| at).chain([way.len()]);
    for end in ends {
        if let Some(at) = archive.find(&way[..end])? {
            return Ok((at, way[end..].trim_start_matches('/').to_owned()));
        }
    }
    Err(ZipError::NoEntry(way.to_owned()))
}
