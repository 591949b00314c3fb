//! [`Census`]: what the copy uses of the disk, counted from inside while a command works in it.
//!
//! The folders of the copy are walked, then what is deleted but still open or running in a
//! process is added. All of that takes time, as long as there are many files: the caller gives
//! it in pieces. A name that is moved during the walk may be counted twice or not at all, so one
//! census is never the last.
//!
//! Two things cannot be counted: a deleted file that is mapped but not open, and one whose
//! descriptor waits in a socket. [`Counted::hidden`] says how much there may be of them.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs::{self, File, Metadata, ReadDir};
use std::io::{self, BufRead as _, BufReader};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::wire::Usage;

/// The unit of `st_blocks`, in bytes (stat(2)).
pub const BLOCK: u64 = 512;

/// The most that names of folders that are still to be looked into may take, in bytes.
const MAX_WAITING: usize = 64 << 20;

/// Whether the time is up is asked after so many names.
const NAMES_PER_LOOK: u32 = 64;

/// Folders that are still to be looked into, the next one last.
#[derive(Debug, Default)]
pub struct Waiting {
    folders: Vec<PathBuf>,
    bytes: usize,
}

impl Waiting {
    /// # Errors
    /// There are too many.
    pub fn push(&mut self, folder: PathBuf) -> io::Result<()> {
        self.bytes += size_of::<PathBuf>() + folder.as_os_str().len();
        if self.bytes > MAX_WAITING {
            return Err(io::Error::other("it makes more folders than can be looked into"));
        }
        self.folders.push(folder);
        Ok(())
    }

    pub fn pop(&mut self) -> Option<PathBuf> {
        let folder = self.folders.pop()?;
        self.bytes -= size_of::<PathBuf>() + folder.as_os_str().len();
        Some(folder)
    }
}

/// What a census found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    pub usage: Usage,
    /// Bytes that deleted files may have besides; `u64::MAX` when nothing is known of them.
    pub hidden: u64,
}

/// A census at work.
pub struct Census {
    /// The file system of the copy.
    device: u64,
    /// Bytes that one file can have.
    largest: u64,
    at: Option<At>,
    waiting: Waiting,
    /// Threads whose descriptors are still to be looked at; `None` before the folders are done.
    threads: Option<Vec<PathBuf>>,
    usage: Usage,
    /// Inodes with several names, or none.
    once: HashSet<u64>,
    /// Deleted files that are mapped.
    mapped: BTreeSet<u64>,
    is_hidden: bool,
}

/// What is being read.
enum At {
    Folder(ReadDir),
    Descriptors(ReadDir),
}

impl Census {
    /// Of the copy that is the root of this process. No file in it has more than `largest` bytes.
    ///
    /// # Errors
    /// The root cannot be looked at.
    pub fn begin(largest: u64) -> io::Result<Self> {
        let device = fs::metadata("/")?.dev();
        let mut waiting = Waiting::default();
        waiting.push(PathBuf::from("/"))?;
        Ok(Self {
            device,
            largest,
            at: None,
            waiting,
            threads: None,
            usage: Usage::default(),
            once: HashSet::new(),
            mapped: BTreeSet::new(),
            is_hidden: false,
        })
    }

    /// Counts on until `until`; `None` when it is not done then.
    ///
    /// # Errors
    /// Something cannot be counted; then nothing is known.
    pub fn go_on(&mut self, until: Instant) -> io::Result<Option<Counted>> {
        loop {
            for _ in 0..NAMES_PER_LOOK {
                if !self.step()? {
                    return Ok(Some(self.counted()));
                }
            }
            if Instant::now() >= until {
                return Ok(None);
            }
        }
    }

    fn counted(&self) -> Counted {
        let mapped = self.mapped.iter().filter(|inode| !self.once.contains(*inode)).count();
        let hidden = match self.is_hidden {
            true => u64::MAX,
            false => self.largest.saturating_mul(mapped as u64),
        };
        Counted { usage: self.usage, hidden }
    }

    /// One name more; `false` when there is none.
    fn step(&mut self) -> io::Result<bool> {
        match &mut self.at {
            Some(At::Folder(names)) => match names.next() {
                Some(name) => self.count_name(&name?)?,
                None => self.at = None,
            },
            Some(At::Descriptors(names)) => match names.next() {
                Some(Ok(name)) => self.count_descriptor(&name.path()),
                // its thread has ended
                Some(Err(_)) | None => self.at = None,
            },
            None => return self.enter(),
        }
        Ok(true)
    }

    /// The next folder or thread.
    fn enter(&mut self) -> io::Result<bool> {
        if let Some(folder) = self.waiting.pop() {
            self.at = there(fs::read_dir(&folder))
                .map_err(|error| {
                    io::Error::new(error.kind(), format!("{}: {error}", shown(&folder)))
                })?
                .map(At::Folder);
            return Ok(true);
        }
        let threads = self.threads.get_or_insert_with(threads);
        let Some(thread) = threads.pop() else { return Ok(false) };
        self.count_mapped(&thread);
        if let Some(found) = self.look(&thread, fs::metadata(thread.join("exe"))) {
            self.count_deleted(&found);
        }
        if let Some(names) = self.look(&thread, fs::read_dir(thread.join("fd"))) {
            self.at = Some(At::Descriptors(names));
        }
        Ok(true)
    }

    fn count_name(&mut self, entry: &fs::DirEntry) -> io::Result<()> {
        let Some(found) = there(entry.metadata())? else { return Ok(()) };
        if found.dev() != self.device {
            return Ok(());
        }
        if found.is_dir() {
            self.waiting.push(entry.path())?;
        }
        if found.is_dir() || found.nlink() == 1 || self.once.insert(found.ino()) {
            self.add(&found);
        }
        Ok(())
    }

    fn add(&mut self, found: &Metadata) {
        self.usage.bytes += found.blocks() * BLOCK;
        self.usage.files += 1;
    }

    fn count_deleted(&mut self, found: &Metadata) {
        if found.dev() == self.device && found.nlink() == 0 && self.once.insert(found.ino()) {
            self.add(found);
        }
    }

    fn count_descriptor(&mut self, path: &Path) {
        let thread = path.ancestors().nth(2).unwrap_or(path);
        let Some(found) = self.look(thread, fs::metadata(path)) else { return };
        if found.file_type().is_socket() {
            self.is_hidden |= holds_descriptors(path);
        } else {
            self.count_deleted(&found);
        }
    }

    fn count_mapped(&mut self, thread: &Path) {
        let Some(maps) = self.look(thread, File::open(thread.join("maps"))) else { return };
        for line in BufReader::new(maps).split(b'\n').map_while(Result::ok) {
            self.mapped.extend(deleted(&line));
        }
    }

    /// What a thread shows; one that has ended shows nothing, and one that may not be looked at
    /// hides something.
    fn look<T>(&mut self, thread: &Path, found: io::Result<T>) -> Option<T> {
        let refused = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
        self.is_hidden |= found.as_ref().err().is_some_and(refused) && lives(thread);
        found.ok()
    }
}

/// What is gone meanwhile is no error.
fn there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The end of a path, which may be thousands of bytes long.
fn shown(path: &Path) -> String {
    path.file_name().unwrap_or(OsStr::new("/")).to_string_lossy().into_owned()
}

/// All threads of the processes here but this one: each may have descriptors of its own.
fn threads() -> Vec<PathBuf> {
    let own = std::process::id().to_string();
    let numbered = |folder: &Path| {
        let names = fs::read_dir(folder).into_iter().flatten().flatten();
        names
            .map(|entry| entry.file_name())
            .filter(|name| name.as_encoded_bytes().first().is_some_and(u8::is_ascii_digit))
            .map(|name| folder.join(name))
            .collect::<Vec<_>>()
    };
    let processes = numbered(Path::new("/proc"));
    let others = processes.iter().filter(|process| !process.ends_with(&own));
    others.flat_map(|process| numbered(&process.join("task"))).collect()
}

/// Whether a thread has not ended yet: the kernel shows no more of a zombie than its name and
/// state.
fn lives(thread: &Path) -> bool {
    let Ok(text) = fs::read(thread.join("stat")) else { return false };
    // the name, in parentheses, may have any bytes
    let behind = text.rsplit(|&byte| byte == b')').next().unwrap_or_default();
    !matches!(behind.trim_ascii_start().first(), None | Some(b'Z' | b'X'))
}

/// Whether descriptors wait in a socket, from `/proc/PID/fdinfo` (`scm_fds`, since Linux 5.6). A
/// kernel that does not say may have some.
fn holds_descriptors(descriptor: &Path) -> bool {
    let number = descriptor.file_name().unwrap_or_default();
    let Some(thread) = descriptor.parent().and_then(Path::parent) else { return true };
    let Ok(text) = fs::read_to_string(thread.join("fdinfo").join(number)) else { return true };
    let count = text.lines().find_map(|line| line.strip_prefix("scm_fds:"));
    count.is_none_or(|count| count.trim() != "0")
}

/// The inode of a deleted file of the copy, from a line of `/proc/PID/maps` (proc(5)). What is on
/// `/dev` is memory, and counted as such.
fn deleted(line: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(line.strip_suffix(b" (deleted)")?);
    let mut fields = text.split_ascii_whitespace();
    let inode = fields.nth(4)?.parse().ok().filter(|inode| *inode != 0)?;
    let is_memory = fields.next().is_some_and(|path| {
        ["/dev/", "/SYSV", "/memfd:"].iter().any(|prefix| path.starts_with(prefix))
    });
    (!is_memory).then_some(inode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deleted_files_are_known_by_their_mappings() {
        let line = |rest: &str| deleted(format!("7f00-7f01 r--s 00000000 fe:00 {rest}").as_bytes());
        assert_eq!(line("77 /tmp/x (deleted)"), Some(77));
        assert_eq!(line("77 /tmp/a b (deleted)"), Some(77));
        assert_eq!(line("77 /tmp/x"), None);
        assert_eq!(line("77 /dev/shm/x (deleted)"), None);
        assert_eq!(line("77 /SYSV00000000 (deleted)"), None);
        assert_eq!(line("0 "), None);
        assert_eq!(deleted(b"7f00-7f01 r--s 00000000 fe:00 9 /\xff (deleted)"), Some(9));
        assert_eq!(deleted(b" (deleted)"), None);
    }

    #[test]
    fn folders_that_wait_do_not_grow_without_end() {
        let mut waiting = Waiting::default();
        waiting.push("/a".into()).unwrap();
        assert_eq!(waiting.pop(), Some("/a".into()));
        assert_eq!((waiting.pop(), waiting.bytes), (None, 0));
        let long = "x".repeat(1 << 20);
        let mut pushed = (0..100).map(|_| waiting.push(PathBuf::from(&long)));
        assert!(pushed.any(|pushed| pushed.is_err()));
    }
}
