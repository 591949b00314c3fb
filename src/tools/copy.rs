//! Copying as coreutils do it: what `cp` does with one source, for it and `install`.
//!
//! In come a source, a destination and what is to be kept; out comes the copied tree. Content is
//! passed on without being read.

use std::collections::BTreeMap;

use super::operands::{exists, inside, lstat, names_no_directory, quoted, stat};
use imgfix_shell::files::{Owner, attempt};
use imgfix_shell::{Errno, Process, Stop, Sys};
use imgfix_vfs::{Entry, Kind, LinkId};

/// Whether links in sources are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    Followed,
    /// Those named as operands only (`-H`).
    OperandsFollowed,
    Copied,
}

/// What a copy keeps of its source.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Kept {
    pub(super) mode: bool,
    pub(super) ownership: bool,
    pub(super) time: bool,
    pub(super) attributes: bool,
    pub(super) hard_links: bool,
}

/// What is asked of a copy.
#[derive(Debug, Clone)]
pub(super) struct Copying {
    pub(super) recursive: bool,
    pub(super) links: Links,
    pub(super) kept: Kept,
    /// What is there stays (`-n`).
    pub(super) no_clobber: bool,
    /// Only when newer (`-u`).
    pub(super) update: bool,
    /// What is there is removed first.
    pub(super) remove_first: bool,
    pub(super) verbose: bool,
    /// Where files of one inode went, for hard links among copies.
    pub(super) copied: BTreeMap<LinkId, Vec<u8>>,
}

impl Default for Copying {
    fn default() -> Self {
        Self {
            recursive: false,
            links: Links::Followed,
            kept: Kept::default(),
            no_clobber: false,
            update: false,
            remove_first: false,
            verbose: false,
            copied: BTreeMap::new(),
        }
    }
}

/// A source and where it goes.
struct Pair<'a> {
    from: &'a [u8],
    to: &'a [u8],
    source: Entry,
}

impl Copying {
    /// Copies an operand; `false` when something was refused, after a message about it.
    ///
    /// # Errors
    /// A file that only a running system has.
    pub(super) fn operand(
        &mut self,
        process: &mut Process<'_>,
        from: &[u8],
        to: &[u8],
    ) -> Result<bool, Stop> {
        let followed = self.links != Links::Copied;
        self.one(process, from, to, followed)
    }

    fn one(
        &mut self,
        process: &mut Process<'_>,
        from: &[u8],
        to: &[u8],
        followed: bool,
    ) -> Result<bool, Stop> {
        process.machine.spend(1)?;
        let found = if followed { stat(process, from)? } else { lstat(process, from)? };
        let source = match found {
            Ok(source) => source,
            Err(errno) => {
                return refuse(process, format!("cannot stat {}: {errno}", quoted(from)));
            }
        };
        if source.is_dir() && !self.recursive {
            let from = quoted(from);
            return refuse(process, format!("-r not specified; omitting directory {from}"));
        }
        let pair = Pair { from, to, source };
        match self.make_room(process, &pair, followed)? {
            Room::Free => {}
            Room::Kept => return Ok(true),
            Room::Refused(why) => return refuse(process, why),
        }
        if self.verbose {
            process.print(format!("{} -> {}\n", quoted(from), quoted(to)))?;
        }
        if pair.source.is_dir() {
            return self.directory(process, &pair);
        }
        match self.content(process, &pair)? {
            Ok(()) => Ok(true),
            Err(errno) => {
                refuse(process, format!("cannot create regular file {}: {errno}", quoted(to)))
            }
        }
    }

    /// Sees to what is at the destination already.
    fn make_room(
        &self,
        process: &mut Process<'_>,
        pair: &Pair<'_>,
        followed: bool,
    ) -> Result<Room, Stop> {
        let &Pair { from, to, ref source } = pair;
        // Only regular content goes through a link at the destination.
        let through = source.is_file() && !self.remove_first;
        let Ok(named) = lstat(process, to)? else { return Ok(Room::Free) };
        let present = match through || source.is_dir() {
            true => stat(process, to)?.ok(),
            false => Some(named.clone()),
        };
        let Some(present) = present else {
            let to = quoted(to);
            return Ok(Room::Refused(format!("not writing through dangling symlink {to}")));
        };
        // A link is not the same as what it leads to where it stays or goes as a link itself.
        let as_named = self.remove_first || (!followed && named.is_symlink());
        let (a, b) = match as_named {
            false => (process.follow(from)?, process.follow(to)?),
            true => (process.locate(from)?, process.locate(to)?),
        };
        let same_inode = match (&source.kind, &present.kind) {
            (Kind::File(a), Kind::File(b)) => a.link.is_some() && a.link == b.link,
            _ => false,
        };
        if (a.is_ok() && a == b) || same_inode && !self.remove_first {
            let (from, to) = (quoted(from), quoted(to));
            return Ok(Room::Refused(format!("{from} and {to} are the same file")));
        }
        if self.no_clobber && !source.is_dir() {
            return Ok(Room::Kept);
        }
        if self.update && !source.is_dir() && present.mtime >= source.mtime {
            return Ok(Room::Kept);
        }
        match (source.is_dir(), present.is_dir()) {
            (false, true) => {
                let to = quoted(to);
                return Ok(Room::Refused(format!(
                    "cannot overwrite directory {to} with non-directory"
                )));
            }
            (true, false) => {
                let (from, to) = (quoted(from), quoted(to));
                return Ok(Room::Refused(format!(
                    "cannot overwrite non-directory {to} with directory {from}"
                )));
            }
            (true, true) => return Ok(Room::Free),
            (false, false) => {}
        }
        let breaks_link = self.kept.hard_links
            && matches!(&present.kind, Kind::File(data) if data.link.is_some());
        if self.remove_first || !source.is_file() || breaks_link {
            let _gone = process.machine.unlink(&process.call.directory, to)?;
        }
        Ok(Room::Free)
    }

    fn directory(&mut self, process: &mut Process<'_>, pair: &Pair<'_>) -> Result<bool, Stop> {
        let &Pair { from, to, ref source } = pair;
        let mut whole = true;
        let is_new = !exists(process, to)?;
        if is_new {
            let mode = source.mode & 0o1777 & !process.call.umask;
            if let Err(errno) = process.machine.make_dir(&process.call.directory, to, mode)? {
                let to = quoted(to);
                return refuse(process, format!("cannot create directory {to}: {errno}"));
            }
        }
        if into_itself(process, from, to)? {
            return Err(process.unsupported("a directory to be copied into itself"));
        }
        let names = process.machine.read_dir(&process.call.directory, from)?.unwrap_or_default();
        for name in names {
            let followed = self.links == Links::Followed;
            whole &= self.one(process, &inside(from, &name), &inside(to, &name), followed)?;
        }
        self.keep(process, pair)?;
        Ok(whole)
    }

    fn content(&mut self, process: &mut Process<'_>, pair: &Pair<'_>) -> Sys<()> {
        let &Pair { from, to, ref source } = pair;
        let directory = &process.call.directory;
        match &source.kind {
            Kind::File(data) => {
                if let (true, Some(link)) = (self.kept.hard_links, data.link) {
                    if let Some(earlier) = self.copied.get(&link) {
                        if exists(process, to)? {
                            let _gone = process.machine.unlink(directory, to)?;
                        }
                        return process.machine.make_link(directory, earlier, to);
                    }
                    self.copied.insert(link, to.to_vec());
                }
                let mode = source.mode & 0o777 & !process.call.umask;
                if names_no_directory(process, to)? {
                    return Ok(Err(Errno::NotADirectory));
                }
                let directory = &process.call.directory;
                attempt!(process.machine.copy_content(directory, from, to, mode));
            }
            Kind::Symlink(target) => {
                attempt!(process.machine.make_symlink(directory, to, target));
            }
            _ => {
                let like = Entry { mode: source.mode & !process.call.umask, ..source.clone() };
                attempt!(process.machine.make_special(directory, to, &like));
            }
        }
        self.keep(process, pair)?;
        Ok(Ok(()))
    }

    /// Gives the copy what is kept of its source.
    fn keep(&self, process: &mut Process<'_>, pair: &Pair<'_>) -> Result<(), Stop> {
        let &Pair { to, ref source, .. } = pair;
        let directory = &process.call.directory;
        let machine = &mut *process.machine;
        let owner = Owner { uid: Some(source.uid), gid: Some(source.gid) };
        if source.is_symlink() {
            if self.kept.ownership {
                let _there = machine.lchown(directory, to, owner)?;
            }
            if self.kept.time {
                let _there = machine.set_link_mtime(directory, to, source.mtime)?;
            }
            return Ok(());
        }
        if self.kept.ownership {
            let _there = machine.chown(directory, to, owner)?;
        }
        if self.kept.attributes {
            for (name, value) in &source.xattrs {
                let _there = machine.set_xattr(directory, to, name, Some(value))?;
            }
        }
        if self.kept.mode {
            // Access lists are what is copied: without special bits in the source, those of
            // the destination stay.
            let special = match (source.mode & 0o7000, machine.stat(directory, to)?) {
                (0, Ok(entry)) => entry.mode & 0o7000,
                _ => 0,
            };
            let _there = machine.chmod(directory, to, source.mode | special)?;
        }
        if self.kept.time {
            let _there = machine.set_mtime(directory, to, source.mtime)?;
        }
        Ok(())
    }
}

enum Room {
    Free,
    Kept,
    Refused(String),
}

fn into_itself(process: &Process<'_>, from: &[u8], to: &[u8]) -> Result<bool, Stop> {
    let (Ok(from), Ok(to)) = (process.follow(from)?, process.follow(to)?) else {
        return Ok(false);
    };
    Ok(from != to && to.starts_with(&from))
}

fn refuse(process: &mut Process<'_>, why: impl AsRef<[u8]>) -> Result<bool, Stop> {
    process.complain(why)?;
    Ok(false)
}
