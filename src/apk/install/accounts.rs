//! [`OwnerNumbers`]: numbers for the names in packages, as apk remembers them.
//!
//! In come names; out come numbers from the image's `etc/passwd` and `etc/group`. A name is
//! looked up once, until a script has run (apk-tools 2.14, `src/io.c`, `apk_resolve_uid`,
//! `apk_id_cache_reset`).

use std::collections::HashMap;

use bytes::Bytes;

use imgfix_model::path::ImagePath;
use imgfix_repair::archive::Owner;
use imgfix_vfs::{Accounts, FileSystem};

/// What was looked up since the last script.
#[derive(Debug, Default)]
pub(super) struct OwnerNumbers {
    users: HashMap<Vec<u8>, Option<u32>>,
    groups: HashMap<Vec<u8>, Option<u32>>,
}

impl OwnerNumbers {
    /// A script may have changed what names mean.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    pub(super) fn user(&mut self, owner: &Owner, fs: &dyn FileSystem) -> u32 {
        let find = |name: &[u8]| Accounts::parse(&read(fs, "/etc/passwd"), b"").user(name);
        number(&mut self.users, owner, find)
    }

    pub(super) fn group(&mut self, owner: &Owner, fs: &dyn FileSystem) -> u32 {
        let find = |name: &[u8]| Accounts::parse(b"", &read(fs, "/etc/group")).group(name);
        number(&mut self.groups, owner, find)
    }
}

fn number(
    known: &mut HashMap<Vec<u8>, Option<u32>>,
    owner: &Owner,
    find: impl FnOnce(&[u8]) -> Option<u32>,
) -> u32 {
    let Some(name) = &owner.name else { return owner.id };
    if let Some(known) = known.get(name) {
        return known.unwrap_or(owner.id);
    }
    let found = find(name);
    known.insert(name.clone(), found);
    found.unwrap_or(owner.id)
}

/// The file, or nothing: an image without accounts has numbers only.
fn read(fs: &dyn FileSystem, path: &'static str) -> Bytes {
    fs.read(&ImagePath::literal(path)).unwrap_or_default()
}
