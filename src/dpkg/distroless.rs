//! Distroless images: `/var/lib/dpkg/status.d`, where each package has a file of its own and
//! no dpkg is installed.
//!
//! In comes the image's file system; out come the stanzas with the files they lie in, and
//! the `.md5sums` beside them that stand for the package's file list. Google's distroless build
//! rules write this layout, and scanners read it. Some builders encode the file's name, so the
//! stanza says which package it is.

use super::control::{Stanza, parse_stanzas};
use super::inventory::InventoryError;
use imgfix_model::path::ImagePath;
use imgfix_vfs::{Entry, FileSystem};

/// Where the files are. Merged-usr does not touch it.
pub const STATUS_D: &str = "/var/lib/dpkg/status.d";

/// How many files the directory may have.
pub const MAX_FILES: usize = 65_536;

/// One package's record.
#[derive(Debug, Clone)]
pub struct StatusFile {
    /// The file with the stanza, all links resolved.
    pub path: ImagePath,
    /// The one stanza of the file.
    pub stanza: Stanza,
    /// The `<file>.md5sums` beside it, if there is one.
    pub md5sums: Option<ImagePath>,
}

/// All records in byte order of their file names; empty when there is no `status.d`.
///
/// # Errors
/// Files that cannot be read or are not one stanza, by path.
pub fn read(fs: &dyn FileSystem) -> Result<Vec<StatusFile>, InventoryError> {
    let directory = fs.resolve(&ImagePath::literal(STATUS_D))?;
    let files = fs.read_dir(&directory);
    if files.len() > MAX_FILES {
        return Err(InventoryError::TooManyFiles { path: directory, found: files.len() });
    }
    let mut out = Vec::new();
    for path in &files {
        if path.file_name().ends_with(b".md5sums") || path.file_name().starts_with(b".") {
            continue;
        }
        let resolved = fs.resolve(path)?;
        if !fs.lstat(&resolved).is_some_and(Entry::is_file) {
            continue;
        }
        if let Some(stanza) = read_stanza(fs, &resolved)? {
            let beside = [path.as_bytes(), b".md5sums"].concat();
            let md5sums = files.iter().find(|file| file.as_bytes() == beside).cloned();
            out.push(StatusFile { path: resolved, stanza, md5sums });
        }
    }
    Ok(out)
}

/// The stanza of one file; `None` for an empty file.
fn read_stanza(fs: &dyn FileSystem, path: &ImagePath) -> Result<Option<Stanza>, InventoryError> {
    let control = |source| InventoryError::Control { path: path.clone(), source };
    let mut stanzas = parse_stanzas(fs.read(path)?).map_err(control)?.into_iter();
    match (stanzas.next(), stanzas.next()) {
        (_, Some(second)) => Err(InventoryError::Stanza {
            path: path.clone(),
            line: second.line(),
            problem: "a second stanza in a file of status.d, which holds one package".to_owned(),
        }),
        (first, None) => Ok(first),
    }
}
