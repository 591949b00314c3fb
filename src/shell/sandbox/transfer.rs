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
        Err(SendError::Image(why)) => return Err(Stop::new(why)),
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
    Image(String),
}

impl From<OverBudget> for SendError {
    fn from(error: OverBudget) -> Self {
        Self::Image(error.to_string())
    }
}

impl From<io::Error> for SendError {
    fn from(_: io::Error) -> Self {
        Self::Helper
    }
}

impl From<RootfsError> for SendError {
    fn from(error: RootfsError) -> Self {
        Self::Image(error.to_string())
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
                    io::copy(&mut overlay.open(path)?, out)?;
                }
            }
            _ => {
                write_line(out, &head)?;
                io::copy(&mut overlay.open(path)?, out)?;
            }
        }
    }
    let mut helper = None;
    let loaded = overlay.tree().loader().load_many(&wanted, &mut |layer, index, content| {
        let Some(head) = in_layers.remove(&(layer, index)) else { return Ok(()) };
        let sent = write_line(out, &head).and_then(|()| copy_exactly(content, &head, out));
        sent.inspect_err(|error| helper = Some(error.kind()))
    });
    match (loaded, helper) {
        (Ok(()), _) => {}
        (Err(_), Some(_)) => return Err(SendError::Helper),
        (Err(error), None) => return Err(SendError::Image(error.to_string())),
    }
    for head in later {
        write_line(out, &head)?;
    }
    Ok(out.flush()?)
}

fn copy_exactly(content: &mut dyn Read, head: &Head, out: &mut dyn Write) -> io::Result<()> {
    let Node::File(size) = head.node else { return Ok(()) };
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
