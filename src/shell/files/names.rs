//! Names in directories: made, linked, moved and taken away.

use bytes::Bytes;

use super::super::{Errno, Machine, Stop, Sys};
use super::{Last, attempt, is_device, refuse_reserved, sys};
use imgfix_model::path::ImagePath;
use imgfix_vfs::{Entry, FileSystem as _, Kind};

impl Machine {
    /// Makes a new entry at a resolved path where nothing is, owned as the directory says.
    pub(super) fn make(&mut self, path: ImagePath, mut entry: Entry) -> Sys<()> {
        self.settings.resources.count_entry(path.as_bytes().len())?;
        if self.entry(&path).is_some() {
            return Ok(Err(Errno::Exists));
        }
        let parent = path.parent().and_then(|parent| self.overlay.lstat(&parent));
        let Some(parent) = parent else { return Ok(Err(Errno::NotFound)) };
        refuse_reserved(&path)?;
        if parent.mode & 0o2000 != 0 {
            entry.gid = parent.gid;
            if entry.is_dir() {
                entry.mode |= 0o2000;
            }
        }
        sys(self.overlay.set(path, entry))
    }

    /// Makes a directory.
    ///
    /// # Errors
    /// As [`Machine::follow`].
    pub fn make_dir(&mut self, directory: &ImagePath, path: &[u8], mode: u32) -> Sys<()> {
        let path = attempt!(self.locate(directory, path));
        self.make(path, Entry::directory(mode, self.settings.now))
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// As [`Machine::follow`].
    pub fn make_symlink(&mut self, directory: &ImagePath, path: &[u8], target: &[u8]) -> Sys<()> {
        let path = attempt!(self.locate(directory, path));
        self.make(path, Entry::symlink(target, self.settings.now))
    }

    /// Makes another name for a file, links in `from` not followed.
    ///
    /// # Errors
    /// As [`Machine::follow`].
    pub fn make_link(&mut self, directory: &ImagePath, from: &[u8], to: &[u8]) -> Sys<()> {
        let from = attempt!(self.locate(directory, from));
        let to = attempt!(self.locate(directory, to));
        let Some(mut entry) = self.entry(&from) else { return Ok(Err(Errno::NotFound)) };
        match &mut entry.kind {
            Kind::Directory => return Ok(Err(Errno::NotPermitted)),
            Kind::File(data) => {
                if data.link.is_none() {
                    data.link = Some(self.overlay.new_link());
                    attempt!(sys(self.overlay.set(from, entry.clone())));
                }
            }
            _ => return Err(Stop::new(format!("it makes a hard link to {from}, not a file"))),
        }
        self.make(to, entry)
    }

    /// Makes a named pipe or a device node like `like`.
    ///
    /// # Errors
    /// As [`Machine::follow`].
    pub fn make_special(&mut self, directory: &ImagePath, path: &[u8], like: &Entry) -> Sys<()> {
        let path = attempt!(self.locate(directory, path));
        let entry = Entry { kind: like.kind.clone(), ..Entry::file(Bytes::new(), like.mode, 0) };
        self.make(path, Entry { mtime: self.settings.now, ..entry })
    }

    /// Removes a name that is not a directory.
    ///
    /// # Errors
    /// As [`Machine::follow`].
    pub fn unlink(&mut self, directory: &ImagePath, path: &[u8]) -> Sys<()> {
        let path = attempt!(self.locate(directory, path));
        match self.entry(&path) {
            None => Ok(Err(Errno::NotFound)),
            Some(entry) if entry.is_dir() => Ok(Err(Errno::IsADirectory)),
            Some(_) if is_device(&path) => Err(Stop::new(format!("it removes {path}"))),
            Some(_) => {
                self.overlay.remove(&path);
                Ok(Ok(()))
            }
        }
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// As [`Machine::follow`].
    pub fn remove_dir(&mut self, directory: &ImagePath, path: &[u8]) -> Sys<()> {
        let path = attempt!(self.locate(directory, path));
        match self.entry(&path) {
            None => Ok(Err(Errno::NotFound)),
            Some(entry) if !entry.is_dir() => Ok(Err(Errno::NotADirectory)),
            Some(_) if !self.overlay.read_dir(&path).is_empty() => Ok(Err(Errno::NotEmpty)),
            Some(_) => {
                self.overlay.remove(&path);
                Ok(Ok(()))
            }
        }
    }

    /// Renames, replacing what is at `to`, as `rename(2)`.
    ///
    /// # Errors
    /// As [`Machine::follow`].
    pub fn rename(&mut self, directory: &ImagePath, from: &[u8], to: &[u8]) -> Sys<()> {
        let from = attempt!(self.locate(directory, from));
        let to = attempt!(self.locate(directory, to));
        let Some(source) = self.entry(&from) else { return Ok(Err(Errno::NotFound)) };
        if let Some(present) = self.entry(&to) {
            match (source.is_dir(), present.is_dir()) {
                (true, false) => return Ok(Err(Errno::NotADirectory)),
                (false, true) => return Ok(Err(Errno::IsADirectory)),
                (true, true) if !self.overlay.read_dir(&to).is_empty() => {
                    return Ok(Err(Errno::NotEmpty));
                }
                _ if self.names_of(&from).contains(&to) => return Ok(Ok(())),
                _ => {}
            }
        }
        refuse_reserved(&to)?;
        sys(self.overlay.rename(&from, to))
    }

    /// How many names the file has; 1 for everything that is not a regular file. The last
    /// component is not followed.
    ///
    /// # Errors
    /// As [`Machine::follow`].
    pub fn links(&self, directory: &ImagePath, path: &[u8]) -> Sys<usize> {
        let path = attempt!(self.existing(directory, path, Last::Taken));
        Ok(Ok(self.names_of(&path).len()))
    }

    /// All paths that are hard links to the same file; the path itself for everything else.
    pub(super) fn names_of(&self, path: &ImagePath) -> Vec<ImagePath> {
        let link_of = |path: &ImagePath| match self.overlay.lstat(path).map(|entry| &entry.kind) {
            Some(Kind::File(data)) => data.link,
            _ => None,
        };
        let Some(link) = link_of(path) else { return vec![path.clone()] };
        let mut all = self.overlay.walk(&ImagePath::root());
        all.retain(|other| link_of(other) == Some(link));
        all
    }

    pub(super) fn is_linked(&self, path: &ImagePath) -> bool {
        let kind = self.overlay.lstat(path).map(|entry| &entry.kind);
        matches!(kind, Some(Kind::File(data)) if data.link.is_some())
    }
}
