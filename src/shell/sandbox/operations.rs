//! What the inside does with the copy, which is its root: write what differs, list, give files
//! back.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read as _, Write};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{self as unix, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use bstr::BString;
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};

use super::census::{BLOCK, Waiting};
use super::removal;
use super::transfer::is_outside;
use super::wire::{Head, Node, Seen, read_line, write_line};

fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes.to_vec()))
}

/// An error with its path.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
struct At {
    path: PathBuf,
    source: io::Error,
}

pub(super) fn at(path: &Path, source: io::Error) -> io::Error {
    io::Error::new(source.kind(), At { path: path.to_owned(), source })
}

/// Writes and removes what standard input says.
pub fn apply() -> io::Result<()> {
    let mut input = BufReader::with_capacity(1 << 16, io::stdin());
    // Times of folders last: every new name in one changes it.
    let mut folders = Vec::new();
    while let Some(head) = read_line::<Head>(&mut input)? {
        let path = path_of(&head.path);
        write(&path, &head, &mut input).map_err(|error| at(&path, error))?;
        if head.node == Node::Directory {
            folders.push((path, head.mtime));
        }
    }
    for (path, mtime) in folders {
        if fs::symlink_metadata(&path).is_ok() {
            set_time(&path, mtime).map_err(|error| at(&path, error))?;
        }
    }
    Ok(())
}

fn write(path: &Path, head: &Head, input: &mut dyn BufRead) -> io::Result<()> {
    let present = fs::symlink_metadata(path).ok();
    let is_folder = present.as_ref().is_some_and(fs::Metadata::is_dir);
    if present.is_some() && !(is_folder && head.node == Node::Directory) && head.node != Node::Other
    {
        remove(path, is_folder)?;
    }
    match &head.node {
        Node::Removed | Node::Other => return Ok(()),
        Node::Link(other) => return fs::hard_link(path_of(other), path),
        Node::Directory if is_folder => {}
        Node::Directory => fs::create_dir(path)?,
        Node::Symlink(target) => unix::symlink(path_of(target), path)?,
        Node::Fifo => {
            let kind = FileType::Fifo;
            rustix::fs::mknodat(CWD, path, kind, Mode::from_raw_mode(0o600), 0)?;
        }
        Node::File(size) => {
            let copied = io::copy(&mut input.take(*size), &mut File::create(path)?)?;
            if copied != *size {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
    unix::lchown(path, Some(head.uid), Some(head.gid))?;
    if !matches!(head.node, Node::Symlink(_)) {
        fs::set_permissions(path, fs::Permissions::from_mode(head.mode))?;
    }
    for (name, value) in &head.xattrs {
        // Attributes that a namespace may not set are those of the system outside.
        let name = OsStr::from_bytes(name);
        let _not_settable = rustix::fs::lsetxattr(path, name, value, XattrFlags::empty());
    }
    set_time(path, head.mtime)
}

fn remove(path: &Path, is_folder: bool) -> io::Result<()> {
    match is_folder {
        true => {
            removal::empty(path)?;
            fs::remove_dir(path)
        }
        false => fs::remove_file(path),
    }
}

fn set_time(path: &Path, mtime: i64) -> io::Result<()> {
    let time = Timespec { tv_sec: mtime, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Writes what everything is like to standard output.
pub fn list() -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout());
    let mut pending = Waiting::default();
    pending.push(PathBuf::from("/"))?;
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if is_outside(path.as_os_str().as_bytes()) {
                continue;
            }
            let found = fs::symlink_metadata(&path).map_err(|error| at(&path, error))?;
            let seen = Seen {
                kind: found.mode() & 0o170_000,
                mode: found.mode() & 0o7777,
                uid: found.uid(),
                gid: found.gid(),
                size: if found.is_dir() { 0 } else { found.size() },
                disk: found.blocks() * BLOCK,
                inode: found.ino(),
                changed: (found.ctime(), found.ctime_nsec()),
            };
            write_line(&mut out, &(BString::from(path.as_os_str().as_bytes()), seen))?;
            if found.is_dir() {
                pending.push(path)?;
            }
        }
    }
    out.flush()
}

/// Writes the paths that standard input names to standard output, contents too.
pub fn fetch() -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout());
    for path in BufReader::new(io::stdin()).split(0) {
        let bytes = path?;
        let path = path_of(&bytes);
        give(&path, &bytes, &mut out).map_err(|error| at(&path, error))?;
    }
    out.flush()
}

fn give(path: &Path, bytes: &[u8], out: &mut dyn Write) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    let kind = found.file_type();
    let mut content = None;
    let node = match FileType::from_raw_mode(found.mode()) {
        FileType::Directory => Node::Directory,
        FileType::Symlink => Node::Symlink(fs::read_link(path)?.into_os_string().into_vec().into()),
        FileType::Fifo => Node::Fifo,
        FileType::RegularFile => {
            content = Some(File::open(path)?);
            Node::File(found.size())
        }
        _ => Node::Other,
    };
    let head = Head {
        path: bytes.into(),
        node,
        mode: if kind.is_symlink() { 0o777 } else { found.mode() & 0o7777 },
        uid: found.uid(),
        gid: found.gid(),
        mtime: found.mtime(),
        xattrs: xattrs(path)?,
    };
    write_line(out, &head)?;
    if let Some(content) = content {
        let copied = io::copy(&mut content.take(found.size()), out)?;
        if copied != found.size() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

fn xattrs(path: &Path) -> io::Result<Vec<(BString, BString)>> {
    let mut names = vec![0; 64 << 10];
    let Ok(len) = rustix::fs::llistxattr(path, &mut names[..]) else { return Ok(Vec::new()) };
    let names = names.get(..len).unwrap_or_default();
    let mut all = Vec::new();
    for name in names.split(|&b| b == 0).filter(|name| !name.is_empty()) {
        let is_kept = name.starts_with(b"user.") || name == b"security.capability";
        let mut value = vec![0; 64 << 10];
        if is_kept {
            let len = rustix::fs::lgetxattr(path, OsStr::from_bytes(name), &mut value[..])?;
            value.truncate(len);
            all.push((name.into(), value.into()));
        }
    }
    Ok(all)
}
