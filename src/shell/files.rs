//! The file system calls of the [`Machine`], over its overlay, as root makes them.
//!
//! Paths are taken as bytes from scripts: relative to a working directory, with `.` and `..`,
//! and resolved component by component inside the image (path_resolution(7)); `..` stops at
//! its root. What lies in `/proc`, `/sys` and `/dev` belongs to a running kernel: looking
//! there is a [`Stop`], save for the few devices that are the same everywhere. Directories
//! keep their modification time when names in them come and go: a layer would otherwise
//! carry a changed entry for each.

use bytes::Bytes;

use super::stream::Open;
use super::{Errno, Machine, Stop, Stream, Sys};
use imgfix_model::path::ImagePath;
use imgfix_vfs::filesystem::MAX_LINKS;
use imgfix_vfs::whiteout;
use imgfix_vfs::{Entry, FileData, FileSystem, Kind, RootfsError};

/// What the last component of a path does when it is a symbolic link.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Followed,
    Taken,
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    /// Made when missing, emptied otherwise. The mode is that of a new file.
    Truncate {
        mode: u32,
    },
    /// Made when missing. The mode is that of a new file.
    Append {
        mode: u32,
    },
}

/// Turns errors of the overlay into what the kernel would say, or a stop.
fn errno(error: RootfsError) -> Result<Errno, Stop> {
    match error {
        RootfsError::NotFound(_) => Ok(Errno::NotFound),
        RootfsError::NotAFile(_) => Ok(Errno::IsADirectory),
        RootfsError::NotADirectory(_) => Ok(Errno::NotADirectory),
        RootfsError::IntoItself { .. } => Ok(Errno::Invalid),
        RootfsError::LinkLoop(_) => Ok(Errno::LinkLoop),
        other => Err(Stop::from_error(other.to_string(), &other)),
    }
}

/// No layer can hold a name that means a removed file there.
fn refuse_reserved(path: &ImagePath) -> Result<(), Stop> {
    match whiteout::is_reserved(path) {
        true => Err(Stop::new(format!("it makes {path}, which means a removed file in a layer"))),
        false => Ok(()),
    }
}

fn sys<T>(result: Result<T, RootfsError>) -> Sys<T> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) => Ok(Err(errno(error)?)),
    }
}

/// Returns early with an ordinary failure.
#[macro_export]
macro_rules! attempt {
    ($result:expr) => {
        match $result? {
            Ok(value) => value,
            Err(errno) => return Ok(Err(errno)),
        }
    };
}
pub use crate::attempt;

impl Machine {
    /// Where a path leads, links followed. Its last component may be missing.
    ///
    /// # Errors
    /// The path leads to what only a running kernel has.
    pub fn follow(&self, directory: &ImagePath, path: &[u8]) -> Sys<ImagePath> {
        self.resolve(directory, path, Last::Followed)
    }

    /// Where a path leads, a link in its last component not followed. That may be missing.
    ///
    /// # Errors
    /// As [`Machine::follow`].
    pub fn locate(&self, directory: &ImagePath, path: &[u8]) -> Sys<ImagePath> {
        self.resolve(directory, path, Last::Taken)
    }

    fn resolve(&self, directory: &ImagePath, path: &[u8], last: Last) -> Sys<ImagePath> {
        if path.is_empty() {
            return Ok(Err(Errno::NotFound));
        }
        let mut at = match path.first() {
            Some(b'/') => ImagePath::root(),
            _ => directory.clone(),
        };
        // What is still to be walked, the next component last.
        let mut pending: Vec<Vec<u8>> =
            path.split(|&b| b == b'/').rev().map(<[u8]>::to_vec).collect();
        let mut links = 0;
        // Whether `at` is known not to be there: only a last component may be.
        let mut missing = false;
        while let Some(component) = pending.pop() {
            let is_last = pending.iter().all(|rest| rest.is_empty() || rest == b".");
            if missing {
                if component.is_empty() || component == b"." {
                    continue;
                }
                return Ok(Err(Errno::NotFound));
            }
            match &component[..] {
                b"" | b"." => {
                    if !self.is_directory(&at) {
                        return Ok(Err(Errno::NotADirectory));
                    }
                    continue;
                }
                b".." => {
                    if !self.is_directory(&at) {
                        return Ok(Err(Errno::NotADirectory));
                    }
                    at = at.parent().unwrap_or_else(ImagePath::root);
                    continue;
                }
                _ => {}
            }
            if !self.is_directory(&at) {
                return Ok(Err(Errno::NotADirectory));
            }
            let Ok(next) = at.join(&component) else { return Ok(Err(Errno::NameTooLong)) };
            forbid_kernel_files(&next)?;
            match self.overlay.lstat(&next).map(|entry| &entry.kind) {
                Some(Kind::Symlink(target)) => {
                    let trailing_slash = pending.iter().any(Vec::is_empty);
                    if is_last && last == Last::Taken && !trailing_slash {
                        return Ok(Ok(next));
                    }
                    links += 1;
                    if links > MAX_LINKS {
                        return Ok(Err(Errno::LinkLoop));
                    }
                    if target.first() == Some(&b'/') {
                        at = ImagePath::root();
                    }
                    let parts = target.split(|&b| b == b'/').filter(|part| !part.is_empty());
                    pending.extend(parts.rev().map(<[u8]>::to_vec));
                }
                Some(_) => at = next,
                None => {
                    missing = !is_device(&next) && !self.is_directory(&next);
                    at = next;
                }
            }
        }
        Ok(Ok(at))
    }

    fn is_directory(&self, path: &ImagePath) -> bool {
        self.overlay.lstat(path).is_some_and(Entry::is_dir)
            || matches!(path.as_bytes(), b"/dev" | b"/proc" | b"/sys")
    }

    /// The entry at a resolved path.
    fn entry(&self, path: &ImagePath) -> Option<Entry> {
        if is_device(path) {
            let kind = Kind::CharDevice { major: 1, minor: 3 };
            return Some(Entry { kind, ..Entry::file(Bytes::new(), 0o666, self.settings.now) });
        }
        if self.overlay.lstat(path).is_none() && self.is_directory(path) {
            return Some(Entry::directory(0o755, self.settings.now));
        }
        self.overlay.lstat(path).cloned()
    }

    /// The entry behind all links.
    ///
    /// # Errors
    /// As [`Machine::follow`].
    pub fn stat(&self, directory: &ImagePath, path: &[u8]) -> Sys<Entry> {
        let path = attempt!(self.follow(directory, path));
        Ok(self.entry(&path).ok_or(Errno::NotFound))
    }

    /// The entry, a link itself when the path names one.
    ///
    /// # Errors
    /// As [`Machine::follow`].
    pub fn lstat(&self, directory: &ImagePath, path: &[u8]) -> Sys<Entry> {
        let path = attempt!(self.locate(directory, path));
        Ok(self.entry(&path).ok_or(Errno::NotFound))
    }

    /// The whole content of a file, links followed.
    ///
    /// # Errors
    /// As [`Machine::follow`]; the file is larger than scripts may hold.
    pub fn read_file(&mut self, directory: &ImagePath, path: &[u8]) -> Sys<Bytes> {
        let path = attempt!(self.follow(directory, path));
        match self.entry(&path).map(|entry| (entry.size(), entry.kind)) {
            None => Ok(Err(Errno::NotFound)),
            Some((_, Kind::Directory)) => Ok(Err(Errno::IsADirectory)),
            Some((size, Kind::File(_))) => {
                self.spend_data(usize::try_from(size).unwrap_or(usize::MAX))?;
                sys(self.overlay.read(&path))
            }
            Some((_, Kind::CharDevice { .. })) if path.as_bytes() == b"/dev/null" => {
                Ok(Ok(Bytes::new()))
            }
            Some(_) => Err(Stop::new(format!("it reads from {path}, which is not a file"))),
        }
    }

    /// The names in a directory, sorted by bytes.
    ///
    /// # Errors
    /// As [`Machine::follow`].
    pub fn read_dir(&mut self, directory: &ImagePath, path: &[u8]) -> Sys<Vec<Vec<u8>>> {
        let path = attempt!(self.follow(directory, path));
        if matches!(path.as_bytes(), b"/dev" | b"/proc" | b"/sys") {
            return Err(Stop::new(format!("it lists {path}, which belongs to a running system")));
        }
        match self.overlay.lstat(&path) {
            None => Ok(Err(Errno::NotFound)),
            Some(entry) if !entry.is_dir() => Ok(Err(Errno::NotADirectory)),
            Some(_) => {
                let children = self.overlay.read_dir(&path);
                self.spend(1 + children.len() as u64 / 16)?;
                Ok(Ok(children.iter().map(|child| child.file_name().to_vec()).collect()))
            }
        }
    }

    /// Makes a file or replaces its content; a file that is there keeps mode and owner.
    ///
    /// # Errors
    /// As [`Machine::follow`].
    pub fn write_file(
        &mut self,
        directory: &ImagePath,
        path: &[u8],
        content: impl Into<Bytes>,
        mode: u32,
    ) -> Sys<()> {
        let path = attempt!(self.follow(directory, path));
        let content = content.into();
        self.spend_data(content.len())?;
        match self.entry(&path) {
            None => {
                let entry = self.file_entry(content, mode)?;
                self.make(path, entry)
            }
            Some(entry) if entry.is_file() => self.replace_content(&path, content),
            Some(entry) if entry.is_dir() => Ok(Err(Errno::IsADirectory)),
            Some(_) if path.as_bytes() == b"/dev/null" => Ok(Ok(())),
            Some(_) => Err(Stop::new(format!("it writes to {path}, which is not a file"))),
        }
    }

    /// Opens a file.
    ///
    /// # Errors
    /// As [`Machine::follow`].
    pub fn open(&mut self, directory: &ImagePath, path: &[u8], access: Access) -> Sys<Stream> {
        let target = attempt!(self.follow(directory, path));
        if target.as_bytes() == b"/dev/null" {
            return Ok(Ok(Stream::null()));
        }
        let mode = match access {
            Access::Read => {
                let data = attempt!(self.read_file(directory, path));
                return Ok(Ok(Stream::input(data)));
            }
            Access::Truncate { mode } | Access::Append { mode } => mode,
        };
        let exists = self.entry(&target).is_some();
        if !exists || access == (Access::Truncate { mode }) {
            attempt!(self.write_file(directory, path, Bytes::new(), mode));
        } else if self.entry(&target).is_some_and(|entry| entry.is_dir()) {
            return Ok(Err(Errno::IsADirectory));
        }
        let at = matches!(access, Access::Truncate { .. }).then_some(0);
        Ok(Ok(Stream::new(Open::File { path: target, at })))
    }

    /// An entry of a file with this content, which is put where there is room for it.
    fn file_entry(&mut self, content: Bytes, mode: u32) -> Result<Entry, Stop> {
        let size = content.len() as u64;
        let content = self.settings.resources.store(content)?;
        let kind = Kind::File(FileData { size, content, link: None });
        Ok(Entry { kind, ..Entry::file(Bytes::new(), mode, self.settings.now) })
    }

    /// Writes to an open file, at a position or its end.
    pub(super) fn write_at(
        &mut self,
        path: &ImagePath,
        at: &mut Option<u64>,
        data: &[u8],
    ) -> Sys<()> {
        let Some(Kind::File(present)) = self.overlay.lstat(path).map(|entry| entry.kind.clone())
        else {
            return Err(Stop::new(format!("it writes to {path}, which it has moved away")));
        };
        if at.is_none_or(|at| at == present.size)
            && let Some(content) = self.settings.resources.append(&present.content, data)?
        {
            let size = present.size.saturating_add(data.len() as u64);
            if let Some(at) = at {
                *at = size;
            }
            return self.put_content(path, FileData { size, content, link: None });
        }
        // Before it is read: a file of the image may be of any size.
        let before = usize::try_from(present.size).unwrap_or(usize::MAX);
        self.spend_data(before.saturating_add(data.len()))?;
        let mut content = attempt!(sys(self.overlay.read(path))).to_vec();
        match at {
            None => content.extend_from_slice(data),
            Some(position) => {
                let from = usize::try_from(*position).unwrap_or(usize::MAX);
                let end = from.saturating_add(data.len());
                self.spend_data(end)?;
                if content.len() < end {
                    content.resize(end, 0);
                }
                if let Some(range) = content.get_mut(from..end) {
                    range.copy_from_slice(data);
                }
                *position = end as u64;
            }
        }
        self.replace_content(path, content.into())
    }

    fn replace_content(&mut self, path: &ImagePath, content: Bytes) -> Sys<()> {
        let size = content.len() as u64;
        let content = self.settings.resources.store(content)?;
        self.put_content(path, FileData { size, content, link: None })
    }

    fn put_content(&mut self, path: &ImagePath, data: FileData) -> Sys<()> {
        let now = self.settings.now;
        self.change_inode(path, |entry| {
            let link = match &entry.kind {
                Kind::File(old) => old.link,
                _ => None,
            };
            entry.kind = Kind::File(FileData { link, ..data.clone() });
            entry.mtime = now;
            entry.xattrs.remove(&b"security.capability"[..]);
        })
    }

    /// Changes an inode through all its names.
    fn change_inode(&mut self, path: &ImagePath, change: impl Fn(&mut Entry)) -> Sys<()> {
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

    /// All paths that are hard links to the same file; the path itself for everything else.
    fn names_of(&self, path: &ImagePath) -> Vec<ImagePath> {
        let link_of = |path: &ImagePath| match self.overlay.lstat(path).map(|entry| &entry.kind) {
            Some(Kind::File(data)) => data.link,
            _ => None,
        };
        let Some(link) = link_of(path) else { return vec![path.clone()] };
        let mut all = self.overlay.walk(&ImagePath::root());
        all.retain(|other| link_of(other) == Some(link));
        all
    }

    fn is_linked(&self, path: &ImagePath) -> bool {
        let kind = self.overlay.lstat(path).map(|entry| &entry.kind);
        matches!(kind, Some(Kind::File(data)) if data.link.is_some())
    }

    /// Makes a new entry at a resolved path where nothing is, owned as the directory says.
    fn make(&mut self, path: ImagePath, mut entry: Entry) -> Sys<()> {
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

    fn give(&mut self, path: &ImagePath, owner: Owner) -> Sys<()> {
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

    /// Gives the content of one file to another without reading it, links in both followed. A
    /// file that is there keeps mode and owner; a new one gets the mode.
    ///
    /// # Errors
    /// As [`Machine::follow`]; a device other than `/dev/null`.
    pub fn copy_content(
        &mut self,
        directory: &ImagePath,
        from: &[u8],
        to: &[u8],
        mode: u32,
    ) -> Sys<()> {
        let from = attempt!(self.follow(directory, from));
        let to = attempt!(self.follow(directory, to));
        let data = match self.entry(&from).map(|entry| entry.kind) {
            Some(Kind::File(data)) => FileData { link: None, ..data },
            None => return Ok(Err(Errno::NotFound)),
            Some(Kind::Directory) => return Ok(Err(Errno::IsADirectory)),
            Some(_) if is_device(&from) => {
                return self.write_file(&ImagePath::root(), to.as_bytes(), Bytes::new(), mode);
            }
            Some(_) => return Err(Stop::new(format!("it copies {from}, which is not a file"))),
        };
        let now = self.settings.now;
        match self.entry(&to) {
            None => {
                let entry =
                    Entry { kind: Kind::File(data), ..Entry::file(Bytes::new(), mode, now) };
                self.make(to, entry)
            }
            Some(entry) if entry.is_file() => self.put_content(&to, data),
            Some(entry) if entry.is_dir() => Ok(Err(Errno::IsADirectory)),
            Some(_) if is_device(&to) => Ok(Ok(())),
            Some(_) => Err(Stop::new(format!("it writes to {to}, which is not a file"))),
        }
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

    /// How many names the file has; 1 for everything that is not a regular file. The last
    /// component is not followed.
    ///
    /// # Errors
    /// As [`Machine::follow`].
    pub fn links(&self, directory: &ImagePath, path: &[u8]) -> Sys<usize> {
        let path = attempt!(self.existing(directory, path, Last::Taken));
        Ok(Ok(self.names_of(&path).len()))
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

    fn existing(&self, directory: &ImagePath, path: &[u8], last: Last) -> Sys<ImagePath> {
        let path = attempt!(self.resolve(directory, path, last));
        if is_device(&path) {
            return Err(Stop::new(format!("it changes {path}, which belongs to a running system")));
        }
        Ok(if self.overlay.lstat(&path).is_some() { Ok(path) } else { Err(Errno::NotFound) })
    }
}

/// A new owner; `None` leaves that half as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    pub uid: Option<u32>,
    pub gid: Option<u32>,
}

/// Devices that every container has and that behave the same everywhere.
fn is_device(path: &ImagePath) -> bool {
    path.as_bytes() == b"/dev/null"
}

/// What a running kernel shows differs from machine to machine: a script that looks there
/// cannot be evaluated.
fn forbid_kernel_files(path: &ImagePath) -> Result<(), Stop> {
    let kernel = ["/proc", "/sys", "/dev"].map(ImagePath::literal);
    if kernel.iter().any(|top| path != top && path.starts_with(top)) && !is_device(path) {
        return Err(Stop::new(format!("it looks at {path}, which belongs to a running system")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Settings, Table};
    use super::*;
    use imgfix_vfs::{NoLayers, Overlay, Tree};

    fn machine() -> Machine {
        let entries = [
            ("/usr/lib/a", Entry::file("a", 0o4755, 1)),
            ("/lib", Entry::symlink("usr/lib", 1)),
            ("/up", Entry::symlink("../../usr/./lib/../lib", 1)),
            ("/loop", Entry::symlink("loop", 1)),
            ("/dangling", Entry::symlink("etc/new", 1)),
            ("/etc", Entry::directory(0o755, 1)),
            ("/shared", Entry { gid: 50, ..Entry::directory(0o2775, 1) }),
        ];
        let entries = entries.map(|(path, entry)| (ImagePath::literal(path), entry));
        let tree = Tree::from_entries(entries, Arc::new(NoLayers));
        let settings = Settings::new(9, "amd64");
        Machine::new(Overlay::new(Arc::new(tree)), settings, Arc::new(Table::new()))
    }

    fn root() -> ImagePath {
        ImagePath::root()
    }

    #[test]
    fn paths_resolve_as_in_the_kernel() {
        let machine = machine();
        let lib = ImagePath::literal("/usr/lib");
        for (from, path, followed) in [
            ("/", "lib/a", Ok("/usr/lib/a")),
            ("/", "/up/a", Ok("/usr/lib/a")),
            ("/usr/lib", "../../../lib", Ok("/usr/lib")),
            ("/usr/lib", ".", Ok("/usr/lib")),
            ("/", "dangling", Ok("/etc/new")),
            ("/", "etc/new/", Ok("/etc/new")),
            ("/", "/dev/null", Ok("/dev/null")),
            ("/", "loop", Err(Errno::LinkLoop)),
            ("/", "", Err(Errno::NotFound)),
            ("/", "missing/x", Err(Errno::NotFound)),
            ("/", "missing/..", Err(Errno::NotFound)),
            ("/", "lib/a/", Err(Errno::NotADirectory)),
            ("/", "lib/a/b", Err(Errno::NotADirectory)),
            ("/", "lib/a/..", Err(Errno::NotADirectory)),
        ] {
            let found = machine.follow(&ImagePath::literal(from), path.as_bytes()).unwrap();
            assert_eq!(found.map(|found| found.to_string()), followed.map(str::to_owned), "{path}");
        }
        assert_eq!(machine.locate(&root(), b"lib").unwrap(), Ok(ImagePath::literal("/lib")));
        assert_eq!(machine.locate(&root(), b"lib/").unwrap(), Ok(lib));
    }

    #[test]
    fn what_a_kernel_shows_stops_the_script() {
        let machine = machine();
        for path in ["/proc/self/mounts", "/sys/kernel", "/dev/random", "/etc/../proc/1"] {
            let stop = machine.stat(&root(), path.as_bytes()).unwrap_err();
            assert!(stop.detail.contains("running system"), "{path}: {stop}");
        }
        assert!(machine.stat(&root(), b"/proc").unwrap().unwrap().is_dir());
    }

    #[test]
    fn a_hard_linked_file_changes_under_all_its_names() {
        let mut machine = machine();
        machine.make_link(&root(), b"lib/a", b"etc/b").unwrap().unwrap();
        machine.write_file(&root(), b"etc/b", "new", 0o600).unwrap().unwrap();
        assert_eq!(machine.read_file(&root(), b"lib/a").unwrap().unwrap(), "new");
        machine.chmod(&root(), b"lib/a", 0o600).unwrap().unwrap();
        let entry = machine.stat(&root(), b"etc/b").unwrap().unwrap();
        assert_eq!((entry.mode, entry.mtime), (0o600, 9));
    }

    #[test]
    fn open_files_keep_their_position() {
        let mut machine = machine();
        let access = Access::Truncate { mode: 0o644 };
        let file = machine.open(&root(), b"dangling", access).unwrap().unwrap();
        machine.write(&file, b"one\n").unwrap().unwrap();
        let more =
            machine.open(&root(), b"etc/new", Access::Append { mode: 0o644 }).unwrap().unwrap();
        machine.write(&more, b"three\n").unwrap().unwrap();
        machine.write(&file, b"two\n").unwrap().unwrap();
        let text = machine.read_file(&root(), b"etc/new").unwrap().unwrap();
        assert_eq!(text, "one\ntwo\ne\n");
        let input = machine.open(&root(), b"etc/new", Access::Read).unwrap().unwrap();
        assert_eq!(machine.read_line(&input).unwrap().unwrap(), b"one\n");
        assert_eq!(machine.read_to_end(&input).unwrap().unwrap(), "two\ne\n");
    }

    #[test]
    fn changes_fail_as_in_the_kernel() {
        let mut machine = machine();
        let root = root();
        let m = &mut machine;
        for (what, got, want) in [
            ("mkdir", m.make_dir(&root, b"etc", 0o755), Err(Errno::Exists)),
            ("mkdir", m.make_dir(&root, b"no/etc", 0o755), Err(Errno::NotFound)),
            ("unlink", m.unlink(&root, b"etc"), Err(Errno::IsADirectory)),
            ("rmdir", m.remove_dir(&root, b"usr"), Err(Errno::NotEmpty)),
            ("rmdir", m.remove_dir(&root, b"lib"), Err(Errno::NotADirectory)),
            ("rename", m.rename(&root, b"etc", b"usr"), Err(Errno::NotEmpty)),
            ("rename", m.rename(&root, b"lib", b"usr"), Err(Errno::IsADirectory)),
            ("rename", m.rename(&root, b"usr", b"usr/x"), Err(Errno::Invalid)),
            ("rename", m.rename(&root, b"loop", b"etc/loop"), Ok(())),
            ("chmod", m.chmod(&root, b"none", 0), Err(Errno::NotFound)),
        ] {
            assert_eq!(got.unwrap(), want, "{what}");
        }
    }

    #[test]
    fn setgid_directories_pass_their_group_on_and_chown_takes_setuid_away() {
        let mut machine = machine();
        machine.make_dir(&root(), b"shared/d", 0o755).unwrap().unwrap();
        let made = machine.stat(&root(), b"shared/d").unwrap().unwrap();
        assert_eq!((made.gid, made.mode), (50, 0o2755));
        let owner = Owner { uid: Some(5), gid: None };
        machine.chown(&root(), b"lib/a", owner).unwrap().unwrap();
        let given = machine.stat(&root(), b"lib/a").unwrap().unwrap();
        assert_eq!((given.uid, given.gid, given.mode), (5, 0, 0o755));
    }
}
