//! Numbers for the owners' names of a package's files, from the image's `/etc/passwd` and
//! `/etc/group` as they are when the package is unpacked. Source: rpm `lib/rpmug.cc`, and
//! `rpmfilesStat` of `lib/rpmfi.cc`.

use bytes::Bytes;
use imgfix_model::path::ImagePath;
use imgfix_vfs::{Accounts, FileSystem, RootfsError};

use crate::package::File;

/// Whose a file is, with its permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ownership {
    pub uid: u32,
    pub gid: u32,
    pub mode: u32,
}

/// The users and groups that the image has now.
pub(super) struct Owners(Accounts);

impl Owners {
    pub fn read(fs: &dyn FileSystem) -> Result<Self, RootfsError> {
        let read = |path| -> Result<Bytes, RootfsError> {
            Ok(fs.read_if_readable(&ImagePath::literal(path))?.unwrap_or_default())
        };
        Ok(Self(Accounts::parse(&read("/etc/passwd")?, &read("/etc/group")?)))
    }

    /// Where a name is not known, root has the file, and it runs as nobody else.
    pub fn of(&self, file: &File<'_>) -> Ownership {
        let mut mode = file.mode & 0o7777;
        let mut number = |name: &[u8], known: Option<u32>, bit: u32| match known {
            _ if name.is_empty() || name == b"root" => 0,
            Some(number) => number,
            None => {
                mode &= !bit;
                0
            }
        };
        let uid = number(file.user, self.0.user(file.user), 0o4000);
        let gid = number(file.group, self.0.group(file.group), 0o2000);
        Ownership { uid, gid, mode }
    }
}
