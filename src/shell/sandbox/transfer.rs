//! The copy follows the overlay: what differs is sent to the helper.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter, Read, Write};

use super::super::Stop;
use super::namespaces::Job;
use super::wire::{Head, Node, write_line};
use imgfix_model::path::ImagePath;
use imgfix_vfs::{
    Change, Content, Entry, FileSystem as _, Kind, LayerId, LinkId, Memory, OverBudget, Overlay,
    RootfsError,
};

/// Folders that are those of a running system inside, and are not copied.
pub const OUTSIDE: [&str; 3] = ["/dev", "/proc", "/sys"];

/// Whether a path is in one of the folders that are not copied, or one of them.
#[must_use]
pub fn is_outside(path: &[u8]) -> bool {
    OUTSIDE.iter().any(|folder| {
        path.strip_prefix(folder.as_bytes())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    })
}

/// Sends what is to be written and removed.
///
/// # Errors
/// Content of the image cannot be read; the budget is spent. That the helper has ended is not an
/// error here: its own end tells why.
pub fn send<T>(
    overlay: &Overlay,
    copied: Option<&BTreeMap<ImagePath, Change>>,
    wanted: &BTreeMap<ImagePath, Change>,
    memory: &Memory,
    job: Job<T>,
) -> Result<Job<T>, Stop> {
    let paths = match copied {
        None => overlay.walk(&ImagePath::root()).into_iter().collect(),
        Some(copied) => differing(overlay, copied, wanted),
    };
    let mut out = BufWriter::with_capacity(1 << 16, job);
    match send_all(overlay, &paths, memory, &mut out) {
        Ok(()) | Err(SendError::Helper) => {}
        Err(SendError::Image(stop)) => return Err(stop),
    }
    let (job, _unsent) = out.into_parts();
    Ok(job)
}

/// The paths that are not in the copy as they are in the overlay.
fn differing(
    overlay: &Overlay,
    copied: &BTreeMap<ImagePath, Change>,
    wanted: &BTreeMap<ImagePath, Change>,
) -> BTreeSet<ImagePath> {
    let mut paths = BTreeSet::new();
    for path in copied.keys().chain(wanted.keys()) {
        if copied.get(path) == wanted.get(path) {
            continue;
        }
        paths.insert(path.clone());
        let was_folder = match copied.get(path) {
            Some(Change::Set(entry)) => entry.is_dir(),
            Some(Change::Removed) => false,
            None => overlay.tree().lstat(path).is_some_and(Entry::is_dir),
        };
        if !was_folder {
            paths.extend(overlay.walk(path));
        }
    }
    paths
}

enum SendError {
    /// It has ended; what it said tells why.
    Helper,
    /// Content of the image cannot be read, or there is too much of it.
    Image(Stop),
}

impl From<OverBudget> for SendError {
    fn from(error: OverBudget) -> Self {
        Self::Image(error.into())
    }
}

impl From<io::Error> for SendError {
    fn from(_: io::Error) -> Self {
        Self::Helper
    }
}

impl From<RootfsError> for SendError {
    fn from(error: RootfsError) -> Self {
        Self::Image(Stop::from_error(error.to_string(), &error))
    }
}

fn send_all(
    overlay: &Overlay,
    paths: &BTreeSet<ImagePath>,
    memory: &Memory,
    out: &mut dyn Write,
) -> Result<(), SendError> {
    // Heads that wait for their content.
    let mut share = memory.share();
    let mut later: Vec<Head> = Vec::new();
    let mut first: BTreeMap<LinkId, &ImagePath> = BTreeMap::new();
    let mut in_layers: BTreeMap<(LayerId, u32), Head> = BTreeMap::new();
    let mut wanted: BTreeMap<LayerId, BTreeSet<u32>> = BTreeMap::new();
    for path in paths.iter().filter(|path| !is_outside(path.as_bytes())) {
        let Some(entry) = overlay.lstat(path) else {
            write_line(out, &removed(path))?;
            continue;
        };
        let mut head = head(path, entry);
        let Kind::File(data) = &entry.kind else {
            write_line(out, &head)?;
            continue;
        };
        if let Some(link) = data.link {
            match first.get(&link) {
                Some(other) => {
                    share.grow(head.cost())?;
                    head.node = Node::Link(other.as_bytes().into());
                    later.push(head);
                    continue;
                }
                None => drop(first.insert(link, path)),
            }
        }
        match &data.content {
            &Content::Layer { layer, index } => {
                share.grow(head.cost())?;
                wanted.entry(layer).or_default().insert(index);
                if let Some(double) = in_layers.insert((layer, index), head) {
                    // one member under two names, one of them a copy
                    write_line(out, &double)?;
                    copy_out(overlay, path, data.size, out)?;
                }
            }
            _ => {
                write_line(out, &head)?;
                copy_out(overlay, path, data.size, out)?;
            }
        }
    }
    let mut helper = false;
    let loaded = overlay.tree().loader().load_many(&wanted, &mut |layer, index, content| {
        let Some(head) = in_layers.remove(&(layer, index)) else { return Ok(()) };
        let Node::File(size) = head.node else { return Ok(()) };
        let mut out = Outward { out: &mut *out, failed: &mut helper };
        write_line(&mut out, &head).and_then(|()| copy_exactly(content, size, &mut out))
    });
    match (loaded, helper) {
        (Ok(()), _) => {}
        (Err(_), true) => return Err(SendError::Helper),
        (Err(error), false) => {
            let what = format!("the image's files cannot be read: {error}");
            return Err(SendError::Image(Stop::from_error(what, &error)));
        }
    }
    for head in later {
        write_line(out, &head)?;
    }
    Ok(out.flush()?)
}

/// The way to the helper, which notes whether it was that way that failed and not what was sent.
struct Outward<'a> {
    out: &'a mut dyn Write,
    failed: &'a mut bool,
}

impl Write for Outward<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes).inspect_err(|_| *self.failed = true)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush().inspect_err(|_| *self.failed = true)
    }
}

/// Sends the content of a file.
fn copy_out(
    overlay: &Overlay,
    path: &ImagePath,
    size: u64,
    out: &mut dyn Write,
) -> Result<(), SendError> {
    let mut failed = false;
    let mut content = overlay.open(path)?;
    match copy_exactly(&mut *content, size, &mut Outward { out, failed: &mut failed }) {
        Err(_) if failed => Err(SendError::Helper),
        Err(source) => Err(RootfsError::Io { what: path.to_string(), source }.into()),
        Ok(()) => Ok(()),
    }
}

fn copy_exactly(content: &mut dyn Read, size: u64, out: &mut dyn Write) -> io::Result<()> {
    let copied = io::copy(&mut content.take(size), out)?;
    if copied != size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

fn removed(path: &ImagePath) -> Head {
    Head {
        path: path.as_bytes().into(),
        node: Node::Removed,
        mode: 0,
        uid: 0,
        gid: 0,
        mtime: 0,
        xattrs: Vec::new(),
    }
}

fn head(path: &ImagePath, entry: &Entry) -> Head {
    let node = match &entry.kind {
        Kind::Directory => Node::Directory,
        Kind::File(data) => Node::File(data.size),
        Kind::Symlink(target) => Node::Symlink(target.clone().into()),
        Kind::Fifo => Node::Fifo,
        Kind::CharDevice { .. } | Kind::BlockDevice { .. } => Node::Other,
    };
    let xattr = |(name, value): (&Vec<u8>, &Vec<u8>)| (name.clone().into(), value.clone().into());
    Head {
        path: path.as_bytes().into(),
        node,
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        mtime: entry.mtime,
        xattrs: entry.xattrs.iter().map(xattr).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use imgfix_vfs::{BrokenDisk, Tree};

    fn sent(entries: &[(&'static str, Entry)], out: &mut dyn Write) -> Result<(), SendError> {
        let entries = entries.iter().map(|(path, entry)| (ImagePath::literal(path), entry.clone()));
        let overlay = Overlay::new(Arc::new(Tree::from_entries(entries, Arc::new(BrokenDisk))));
        let paths = overlay.walk(&ImagePath::root()).into_iter().collect();
        send_all(&overlay, &paths, &Memory::default(), out)
    }

    struct Ended;

    impl Write for Ended {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_file_that_this_machine_cannot_read_is_no_fault_of_the_package() {
        let broken = BrokenDisk::file(10);
        // one member, and one that has two names, which is read by itself
        for entries in [&[("/a", broken.clone())][..], &[("/a", broken.clone()), ("/b", broken)]] {
            let Err(SendError::Image(stop)) = sent(entries, &mut Vec::new()) else {
                panic!("no stop");
            };
            assert!(stop.is_of_this_machine, "{stop}");
            assert!(stop.detail.contains("Input/output error"), "{stop}");
        }
    }

    #[test]
    fn what_the_helper_does_not_take_is_told_by_itself() {
        let file = Entry::file("x".repeat(100), 0o644, 0);
        assert!(matches!(sent(&[("/a", file)], &mut Ended), Err(SendError::Helper)));
    }
}
