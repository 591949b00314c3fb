//! The file system calls of the [`Machine`], over its overlay, as root makes them.
//!
//! Paths are taken as bytes from scripts: relative to a working directory, with `.` and `..`,
//! and resolved component by component inside the image (path_resolution(7)); `..` stops at
//! its root. What lies in `/proc`, `/sys` and `/dev` belongs to a running kernel: looking
//! there is a [`Stop`], save for the few devices that are the same everywhere. Directories
//! keep their modification time when names in them come and go: a layer would otherwise
//! carry a changed entry for each.
//!
//! - here: where a path leads, and what is there
//! - [`content`]: what files hold
//! - [`names`]: names in directories
//! - [`attributes`]: modes, owners, times, extended attributes

mod attributes;
mod content;
mod names;

use bytes::Bytes;

use super::{Errno, Machine, Stop, Sys};
pub use attributes::Owner;
use imgfix_model::path::ImagePath;
use imgfix_vfs::filesystem::MAX_LINKS;
use imgfix_vfs::whiteout;
use imgfix_vfs::{Entry, FileSystem, Kind, RootfsError};

/// What the last component of a path does when it is a symbolic link.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Followed,
    Taken,
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Only to read; the file must be there.
    Read,
    /// Made when missing, emptied otherwise. The mode is that of a new file.
    Truncate {
        /// Permission bits of a new file; the caller has taken the umask off.
        mode: u32,
    },
    /// Made when missing. The mode is that of a new file.
    Append {
        /// Permission bits of a new file; the caller has taken the umask off.
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

    fn existing(&self, directory: &ImagePath, path: &[u8], last: Last) -> Sys<ImagePath> {
        let path = attempt!(self.resolve(directory, path, last));
        if is_device(&path) {
            return Err(Stop::new(format!("it changes {path}, which belongs to a running system")));
        }
        Ok(if self.overlay.lstat(&path).is_some() { Ok(path) } else { Err(Errno::NotFound) })
    }
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
