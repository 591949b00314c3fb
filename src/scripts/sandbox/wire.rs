//! What goes between this program and its helper inside the namespaces: lines of JSON, the
//! content of files behind their line.

use std::collections::BTreeMap;
use std::io::{BufRead, Read as _, Write};

use bstr::BString;
use serde::{Deserialize, Serialize};

use super::super::Stop;
use super::Command;
use super::watch::Limits;

/// The longest line, in bytes: a path, a link target and extended attributes.
const MAX_LINE: u64 = 4 << 20;

/// The most bytes that one file may bring back.
pub const MAX_CONTENT: u64 = 256 << 20;

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

/// A path that came back, with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub head: Head,
    pub content: Vec<u8>,
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
    pub inode: u64,
    /// Seconds and nanoseconds.
    pub changed: (i64, i64),
}

/// Everything in the copy, by path.
pub type Listing = BTreeMap<BString, Seen>;

/// A command as the helper reads it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    pub argv: Vec<BString>,
    pub environment: Vec<(BString, BString)>,
    pub limits: Limits,
}

fn damaged(why: &dyn std::fmt::Display) -> Stop {
    Stop::new(format!("the sandbox's answer is damaged: {why}"))
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
    crate::json::read(&line).map(Some).map_err(std::io::Error::other)
}

#[must_use]
pub fn command_bytes(command: &Command, limits: Limits) -> Vec<u8> {
    let Command { argv, environment } = command.clone();
    let order = Order { argv, environment, limits };
    let mut line = Vec::new();
    // writing to memory does not fail, nor does turning text into JSON
    let _never = write_line(&mut line, &order);
    line
}

/// # Errors
/// It is not what the helper writes.
pub fn read_listing(mut bytes: &[u8]) -> Result<Listing, Stop> {
    let mut listing = Listing::new();
    while let Some((path, seen)) = read_line(&mut bytes).map_err(|error| damaged(&error))? {
        listing.insert(path, seen);
    }
    Ok(listing)
}

/// # Errors
/// It is not what the helper writes; a file is larger than what a script may leave.
pub fn read_members(mut bytes: &[u8]) -> Result<Vec<Member>, Stop> {
    let mut members = Vec::new();
    while let Some(head) = read_line::<Head>(&mut bytes).map_err(|error| damaged(&error))? {
        let size = match head.node {
            Node::File(size) => size,
            _ => 0,
        };
        if size > MAX_CONTENT {
            return Err(Stop::new(format!("it leaves {}, which is too large", head.path)));
        }
        let mut content = Vec::new();
        let read = (&mut bytes).take(size).read_to_end(&mut content);
        if read.map_err(|error| damaged(&error))? as u64 != size {
            return Err(damaged(&"a file ends early"));
        }
        members.push(Member { head, content });
    }
    Ok(members)
}
