//! What files hold: read, written, opened, copied.

use bytes::Bytes;

use super::super::stream::Open;
use super::super::{Errno, Machine, Stop, Stream, Sys};
use super::{Access, attempt, is_device, sys};
use imgfix_model::path::ImagePath;
use imgfix_vfs::{Entry, FileData, FileSystem as _, Kind};

impl Machine {
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
    pub(super) fn file_entry(&mut self, content: Bytes, mode: u32) -> Result<Entry, Stop> {
        let size = content.len() as u64;
        let content = self.settings.resources.store(content)?;
        let kind = Kind::File(FileData { size, content, link: None });
        Ok(Entry { kind, ..Entry::file(Bytes::new(), mode, self.settings.now) })
    }

    /// Writes to an open file, at a position or its end.
    pub(in super::super) fn write_at(
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

    pub(super) fn replace_content(&mut self, path: &ImagePath, content: Bytes) -> Sys<()> {
        let size = content.len() as u64;
        let content = self.settings.resources.store(content)?;
        self.put_content(path, FileData { size, content, link: None })
    }

    pub(super) fn put_content(&mut self, path: &ImagePath, data: FileData) -> Sys<()> {
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
}
