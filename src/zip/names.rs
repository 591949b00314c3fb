//! Names of entries that become files.

use std::collections::BTreeSet;

use crate::{Entry, Names, ZipError};

/// The longest name, in bytes: Linux's longest path.
const MAX_NAME: usize = 4096;

/// Why a file of this name must not be made below a folder; half a sentence. A `/` at the end is
/// a folder's.
#[must_use]
pub fn unpacked_name_fault(name: &str) -> Option<&'static str> {
    let path = name.strip_suffix('/').unwrap_or(name);
    if path.is_empty() {
        return Some("its name is empty");
    }
    if name.len() > MAX_NAME {
        return Some("its name has more than 4096 bytes");
    }
    if name.starts_with('/') {
        return Some("its name is absolute");
    }
    if name.contains('\\') {
        return Some("its name has a backslash");
    }
    if name.chars().any(char::is_control) {
        return Some("its name has control characters");
    }
    let mut parts = path.split('/');
    parts.any(|part| matches!(part, "" | "." | "..")).then_some("its name leaves the folder")
}

/// Refuses what `rules` do not allow.
pub(crate) fn check(entries: &[Entry], rules: Names) -> Result<(), ZipError> {
    if rules == Names::LookedInto {
        return Ok(());
    }
    let refused =
        |entry: &Entry, why: &str| ZipError::Unsafe { name: entry.name.clone(), why: why.into() };
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for entry in entries {
        if !entry.has_text_name {
            return Err(refused(entry, "its name is not UTF-8"));
        }
        if let Some(why) = unpacked_name_fault(&entry.name) {
            return Err(refused(entry, why));
        }
        if entry.is_special() {
            return Err(refused(entry, "it is neither a file nor a folder"));
        }
        if !seen.insert(entry.path()) {
            return Err(refused(entry, "it comes twice"));
        }
    }
    // a file where another entry has a folder
    let files: BTreeSet<&str> =
        entries.iter().filter(|entry| !entry.is_folder()).map(Entry::path).collect();
    for entry in entries {
        let mut above = entry.path().match_indices('/').map(|(at, _)| &entry.path()[..at]);
        if above.any(|folder| files.contains(folder)) {
            return Err(refused(entry, "what is above it is a file"));
        }
    }
    Ok(())
}
