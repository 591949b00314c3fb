//! [`OwnerNumbers`]: numbers for the names in packages, as apk remembers them.
//!
//! In come names; out come numbers from the image's `etc/passwd` and `etc/group`. A name is
//! looked up once, until a script has run (apk-tools 2.14, `src/io.c`, `apk_resolve_uid`,
//! `apk_id_cache_reset`).

use std::collections::HashMap;

use bytes::Bytes;

use imgfix_model::path::ImagePath;
use imgfix_repair::archive::Owner;
use imgfix_vfs::{Accounts, FileSystem, RootfsError};

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

    pub(super) fn user(&mut self, owner: &Owner, fs: &dyn FileSystem) -> Result<u32, RootfsError> {
        let find = |name: &[u8]| Ok(Accounts::parse(&read(fs, "/etc/passwd")?, b"").user(name));
        number(&mut self.users, owner, find)
    }

    pub(super) fn group(&mut self, owner: &Owner, fs: &dyn FileSystem) -> Result<u32, RootfsError> {
        let find = |name: &[u8]| Ok(Accounts::parse(b"", &read(fs, "/etc/group")?).group(name));
        number(&mut self.groups, owner, find)
    }
}

fn number(
    known: &mut HashMap<Vec<u8>, Option<u32>>,
    owner: &Owner,
    find: impl FnOnce(&[u8]) -> Result<Option<u32>, RootfsError>,
) -> Result<u32, RootfsError> {
    let Some(name) = &owner.name else { return Ok(owner.id) };
    if let Some(known) = known.get(name) {
        return Ok(known.unwrap_or(owner.id));
    }
    let found = find(name)?;
    known.insert(name.clone(), found);
    Ok(found.unwrap_or(owner.id))
}

/// The file, or nothing: an image without accounts has numbers only.
fn read(fs: &dyn FileSystem, path: &'static str) -> Result<Bytes, RootfsError> {
    Ok(fs.read_if_readable(&ImagePath::literal(path))?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use imgfix_vfs::{BrokenDisk, Tree};

    #[test]
    fn an_owner_whose_number_cannot_be_read_gets_no_other() {
        let owner = |name: &str| Owner { name: Some(name.as_bytes().to_vec()), id: 7 };
        let files = ["/etc/passwd", "/etc/group"];
        let files = files.map(|path| (ImagePath::literal(path), BrokenDisk::file(10)));
        let broken = Tree::from_entries(files, Arc::new(BrokenDisk));
        let empty = Tree::from_entries([], Arc::new(BrokenDisk));
        let mut numbers = OwnerNumbers::default();
        assert!(numbers.user(&owner("web"), &broken).is_err());
        assert!(numbers.group(&owner("web"), &broken).is_err());
        assert_eq!(numbers.user(&owner("web"), &empty).unwrap(), 7);
        assert_eq!(numbers.group(&owner("web"), &empty).unwrap(), 7);
    }
}
