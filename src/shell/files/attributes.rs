//! Modes, owners, times and extended attributes.

use super::super::{Machine, Sys};
use super::{Last, attempt, sys};
use imgfix_model::path::ImagePath;
use imgfix_vfs::{Entry, FileSystem as _};

/// A new owner; `None` leaves that half as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// Number of the user.
    pub uid: Option<u32>,
    /// Number of the group.
    pub gid: Option<u32>,
}

impl Machine {
    /// Changes an inode through all its names.
    pub(super) fn change_inode(
        &mut self,
        path: &ImagePath,
        change: impl Fn(&mut Entry),
    ) -> Sys<()> {
        if self.is_linked(path) {
            // All of the image is looked through for other names.
            self.spend_items(self.overlay.count())?;
        }
        for name in self.names_of(path) {
            let Some(mut entry) = self.overlay.lstat(&name).cloned() else { continue };
            if !self.overlay.is_changed(&name) {
                self.settings.resources.count_entry(name.as_bytes().len())?;
            }
            change(&mut entry);
            attempt!(sys(self.overlay.set(name, entry)));
        }
        Ok(Ok(()))
    }

    /// Sets permission bits, links followed.
    ///
    /// # Errors
    /// As [`Machine::follow`].
    pub fn chmod(&mut self, directory: &ImagePath, path: &[u8], mode: u32) -> Sys<()> {
        let path = attempt!(self.existing(directory, path, Last::Followed));
        self.change_inode(&path, |entry| entry.mode = mode & 0o7777)
    }

    /// Sets owner and group, links followed. As on Linux this clears the setuid and setgid
    /// bits and the capabilities of a file.
    ///
    /// # Errors
    /// As [`Machine::follow`].
    pub fn chown(&mut self, directory: &ImagePath, path: &[u8], owner: Owner) -> Sys<()> {
        let path = attempt!(self.existing(directory, path, Last::Followed));
        self.give(&path, owner)
    }

    /// As [`Machine::chown`], but a link itself gets the owner.
    ///
    /// # Errors
    /// As [`Machine::follow`].
    pub fn lchown(&mut self, directory: &ImagePath, path: &[u8], owner: Owner) -> Sys<()> {
        let path = attempt!(self.existing(directory, path, Last::Taken));
        self.give(&path, owner)
    }

    pub(super) fn give(&mut self, path: &ImagePath, owner: Owner) -> Sys<()> {
        self.change_inode(path, |entry| {
            entry.uid = owner.uid.unwrap_or(entry.uid);
            entry.gid = owner.gid.unwrap_or(entry.gid);
            if entry.is_file() {
                entry.mode &= !0o4000;
                // A setgid bit without group execution means mandatory locking, and stays.
                if entry.mode & 0o010 != 0 {
                    entry.mode &= !0o2000;
                }
                entry.xattrs.remove(&b"security.capability"[..]);
            }
        })
    }

    /// Sets the modification time, links followed.
    ///
    /// # Errors
    /// As [`Machine::follow`].
    pub fn set_mtime(&mut self, directory: &ImagePath, path: &[u8], mtime: i64) -> Sys<()> {
        let path = attempt!(self.existing(directory, path, Last::Followed));
        self.change_inode(&path, |entry| entry.mtime = mtime)
    }

    /// As [`Machine::set_mtime`], but of a link itself.
    ///
    /// # Errors
    /// As [`Machine::follow`].
    pub fn set_link_mtime(&mut self, directory: &ImagePath, path: &[u8], mtime: i64) -> Sys<()> {
        let path = attempt!(self.existing(directory, path, Last::Taken));
        self.change_inode(&path, |entry| entry.mtime = mtime)
    }

    /// Sets or removes an extended attribute, links followed.
    ///
    /// # Errors
    /// As [`Machine::follow`].
    pub fn set_xattr(
        &mut self,
        directory: &ImagePath,
        path: &[u8],
        name: &[u8],
        value: Option<&[u8]>,
    ) -> Sys<()> {
        let path = attempt!(self.existing(directory, path, Last::Followed));
        self.change_inode(&path, |entry| match value {
            Some(value) => drop(entry.xattrs.insert(name.to_vec(), value.to_vec())),
            None => drop(entry.xattrs.remove(name)),
        })
    }
}
