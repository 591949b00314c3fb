//! What goes between this program and its helper inside the namespaces: lines of JSON, the
//! content of files behind their line.
//!
//! What comes back is a stranger's in size and number: it is read piece by piece, and each is
//! charged to the budget of the run before it is held.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read as _, Write};

use bstr::BString;
use serde::{Deserialize, Serialize};

use super::super::{Resources, Stop};
use super::Command;
use super::watch::Limits;
use imgfix_vfs::{Content, Memory, Reserved};

/// The longest line, in bytes: a path, a link target and extended attributes.
const MAX_LINE: u64 = 4 << 20;

/// The most bytes that one file may bring back.
pub const MAX_CONTENT: u64 = 256 << 20;

/// The most bytes that all files of a command may bring back.
const MAX_FETCHED: u64 = 512 << 20;

/// What a path costs in memory beside its name, in bytes: node of a map, attributes.
const PATH: u64 = 160;

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Node {
    Directory,
    /// With this many bytes behind the line.
    File(u64),
    Symlink(BString),
    Fifo,
    /// Another name of this path's file.
    Link(BString),
    /// Something that cannot be made inside: left as it is.
    Other,
    Removed,
}

/// A path with all that a layer tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub path: BString,
    pub node: Node,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: i64,
    pub xattrs: Vec<(BString, BString)>,
}

impl Head {
    /// What it holds of the budget, in bytes.
    #[must_use]
    pub fn cost(&self) -> u64 {
        let target = match &self.node {
            Node::Symlink(target) | Node::Link(target) => target.len(),
            _ => 0,
        };
        let xattrs = self.xattrs.iter().map(|(name, value)| name.len() + value.len() + 64);
        PATH + (self.path.len() + target + xattrs.sum::<usize>()) as u64
    }
}

/// A path that came back; a file has its content.
#[derive(Debug, Clone, PartialEq)]
pub struct FetchedPath {
    pub head: Head,
    pub content: Option<Content>,
}

/// What came back, with its share of the budget.
#[derive(Debug)]
pub struct FetchedPaths {
    pub all: Vec<FetchedPath>,
    share: Reserved,
}

impl FetchedPaths {
    /// Nothing yet; what comes is charged to `memory`.
    #[must_use]
    pub fn new(memory: &Memory) -> Self {
        Self { all: Vec::new(), share: memory.share() }
    }
}

/// What a path was like when the copy was looked through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The type bits of its mode.
    pub kind: u32,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    /// Bytes on disk. The file system may change them by itself.
    pub disk: u64,
    pub inode: u64,
    /// Seconds and nanoseconds.
    pub changed: (i64, i64),
}

impl Seen {
    /// Whether nothing was done to it between the two.
    #[must_use]
    pub fn is_untouched(&self, later: &Self) -> bool {
        *self == Self { disk: self.disk, ..later.clone() }
    }
}

/// Everything in the copy, by path, with its share of the budget.
#[derive(Debug)]
pub struct Listing {
    pub paths: BTreeMap<BString, Seen>,
    share: Reserved,
}

impl Listing {
    /// An empty copy's; what comes is charged to `memory`.
    #[must_use]
    pub fn new(memory: &Memory) -> Self {
        Self { paths: BTreeMap::new(), share: memory.share() }
    }

    /// What it has on disk: a file with several names once.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let files: BTreeMap<u64, u64> =
            self.paths.values().map(|seen| (seen.inode, seen.disk)).collect();
        Usage { bytes: files.values().sum(), files: files.len() as u64 }
    }
}

/// Bytes and files on a disk.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub bytes: u64,
    pub files: u64,
}

/// A command as the helper reads it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    pub argv: Vec<BString>,
    pub environment: Vec<(BString, BString)>,
    pub limits: Limits,
    /// What the copy has on disk before.
    pub before: Usage,
}

/// A stop on its way through a stream.
fn stop(stop: impl Into<Stop>) -> io::Error {
    io::Error::other(stop.into())
}

/// # Errors
/// The stream's own.
pub fn write_line(out: &mut dyn Write, value: &impl Serialize) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    out.write_all(&line)
}

/// The next line; `None` at the end.
///
/// # Errors
/// The stream's own; a line that is too long or not what it should be.
pub fn read_line<T: for<'a> Deserialize<'a>>(
    input: &mut dyn BufRead,
) -> std::io::Result<Option<T>> {
    let mut line = Vec::new();
    input.take(MAX_LINE).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    imgfix_json::read(&line).map(Some).map_err(std::io::Error::other)
}

#[must_use]
pub fn command_bytes(command: &Command, limits: Limits, before: Usage) -> Vec<u8> {
    let Command { argv, environment } = command.clone();
    let order = Order { argv, environment, limits, before };
    let mut line = Vec::new();
    // writing to memory does not fail, nor does turning text into JSON
    let _never = write_line(&mut line, &order);
    line
}

/// Reads what the helper lists.
///
/// # Errors
/// The stream's own; it is not what the helper writes; the budget is spent ([`Stop`]).
pub fn read_listing(input: &mut dyn BufRead, memory: &Memory) -> io::Result<Listing> {
    let mut listing = Listing::new(memory);
    while let Some((path, seen)) = read_line::<(BString, Seen)>(input)? {
        listing.share.grow(PATH + path.len() as u64).map_err(stop)?;
        listing.paths.insert(path, seen);
    }
    Ok(listing)
}

/// Reads paths with the content of files, which goes where scripts' files go.
///
/// # Errors
/// The stream's own; it is not what the helper writes; the budget is spent, or a file or all of
/// them are larger than what a script may leave ([`Stop`]).
pub fn read_fetched(input: &mut dyn BufRead, resources: &Resources) -> io::Result<FetchedPaths> {
    let mut fetched = FetchedPaths::new(resources.memory());
    let mut bytes = 0_u64;
    while let Some(head) = read_line::<Head>(input)? {
        fetched.share.grow(head.cost()).map_err(stop)?;
        let content = match head.node {
            Node::File(size) if size > MAX_CONTENT => {
                return Err(stop(Stop::new(format!(
                    "it leaves {}, which is too large",
                    head.path
                ))));
            }
            Node::File(size) => {
                bytes = bytes.saturating_add(size);
                if bytes > MAX_FETCHED {
                    let most = MAX_FETCHED >> 20;
                    return Err(stop(Stop::new(format!("it leaves more than {most} MiB"))));
                }
                Some(resources.store_from(input, size)?)
            }
            _ => None,
        };
        fetched.all.push(FetchedPath { head, content });
    }
    Ok(fetched)
}
