//! A root file system on disk, as a snapshot to compare and as a tree for imgfix.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgfix_model::path::ImagePath;
use imgfix_vfs::{
    Content, ContentLoader, Entry, FileData, FileSystem, Kind, LayerId, LinkId, Overlay, Tree,
    Xattrs,
};
use sha2::{Digest, Sha256};

/// One path of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub kind: NodeKind,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: i64,
    /// The first of all paths that are this inode.
    pub inode: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    Directory,
    /// The content, or its digest when it is large.
    File(Vec<u8>),
    Symlink(Vec<u8>),
    Fifo,
    CharDevice(u32, u32),
    BlockDevice(u32, u32),
}

pub type Snapshot = BTreeMap<String, Node>;

/// Content up to this size is compared (and shown) as it is.
const SMALL: u64 = 256 << 10;

/// Everything below `folder` but what `skip` names.
pub fn snapshot(folder: &Path, skip: &[&str]) -> Snapshot {
    let mut snapshot = Snapshot::new();
    let mut inodes: BTreeMap<u64, String> = BTreeMap::new();
    for_each(folder, skip, &mut |name, path, meta| {
        let kind = match kind_of(path, meta) {
            Kind::Directory => NodeKind::Directory,
            Kind::File(_) => NodeKind::File(content(meta.len(), &mut File::open(path).unwrap())),
            Kind::Symlink(target) => NodeKind::Symlink(target),
            Kind::Fifo => NodeKind::Fifo,
            Kind::CharDevice { major, minor } => NodeKind::CharDevice(major, minor),
            Kind::BlockDevice { major, minor } => NodeKind::BlockDevice(major, minor),
        };
        let inode = inodes.entry(meta.ino()).or_insert_with(|| name.to_owned()).clone();
        let mode = meta.mode() & 0o7777;
        let node =
            Node { kind, mode, uid: meta.uid(), gid: meta.gid(), mtime: meta.mtime(), inode };
        snapshot.insert(name.to_owned(), node);
    });
    snapshot
}

/// The same as a tree. Contents are read from the disk when they are asked for.
pub fn tree(folder: &Path, skip: &[&str]) -> Tree {
    let mut entries = Vec::new();
    let mut files = Vec::new();
    for_each(folder, skip, &mut |name, path, meta| {
        let mut kind = kind_of(path, meta);
        if let Kind::File(data) = &mut kind {
            data.content =
                Content::Layer { layer: LayerId::Original(0), index: files.len() as u32 };
            files.push(path.to_owned());
        }
        let entry = Entry {
            kind,
            mode: meta.mode() & 0o7777,
            uid: meta.uid(),
            gid: meta.gid(),
            mtime: meta.mtime(),
            xattrs: Xattrs::new(),
        };
        entries.push((ImagePath::new(name).unwrap(), entry));
    });
    Tree::from_entries(entries, Arc::new(Disk(files)))
}

/// What an overlay looks like, in the form of [`snapshot`].
pub fn overlay_snapshot(overlay: &Overlay) -> Snapshot {
    let mut snapshot = Snapshot::new();
    let mut inodes: BTreeMap<LinkId, String> = BTreeMap::new();
    for path in overlay.walk(&ImagePath::root()) {
        let entry = overlay.lstat(&path).unwrap();
        let name = path.to_string();
        let mut inode = name.clone();
        let kind = match &entry.kind {
            Kind::Directory => NodeKind::Directory,
            Kind::File(data) => {
                if let Some(link) = data.link {
                    inode = inodes.entry(link).or_insert_with(|| name.clone()).clone();
                }
                NodeKind::File(content(data.size, &mut overlay.open(&path).unwrap()))
            }
            Kind::Symlink(target) => NodeKind::Symlink(target.clone()),
            Kind::Fifo => NodeKind::Fifo,
            Kind::CharDevice { major, minor } => NodeKind::CharDevice(*major, *minor),
            Kind::BlockDevice { major, minor } => NodeKind::BlockDevice(*major, *minor),
        };
        let Entry { mode, uid, gid, mtime, .. } = *entry;
        snapshot.insert(name, Node { kind, mode, uid, gid, mtime, inode });
    }
    snapshot
}

struct Disk(Vec<PathBuf>);

impl ContentLoader for Disk {
    fn open(&self, _layer: LayerId, index: u32) -> std::io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(&self.0[index as usize])?))
    }
}

fn content(size: u64, reader: &mut dyn Read) -> Vec<u8> {
    if size <= SMALL {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        return bytes;
    }
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match reader.read(&mut buffer).unwrap() {
            0 => return format!("{size} bytes, {:x?}", hasher.finalize()).into_bytes(),
            got => hasher.update(&buffer[..got]),
        }
    }
}

fn kind_of(path: &Path, meta: &Metadata) -> Kind {
    let kind = meta.file_type();
    let (major, minor) = (((meta.rdev() >> 8) & 0xfff) as u32, (meta.rdev() & 0xff) as u32);
    if kind.is_dir() {
        Kind::Directory
    } else if kind.is_symlink() {
        Kind::Symlink(fs::read_link(path).unwrap().as_os_str().as_bytes().to_vec())
    } else if kind.is_fifo() {
        Kind::Fifo
    } else if kind.is_char_device() {
        Kind::CharDevice { major, minor }
    } else if kind.is_block_device() {
        Kind::BlockDevice { major, minor }
    } else {
        let link = (meta.nlink() > 1).then(|| LinkId(meta.ino()));
        Kind::File(FileData {
            size: meta.len(),
            content: Content::Inline(Default::default()),
            link,
        })
    }
}

/// Parents before children, in byte order.
fn for_each(folder: &Path, skip: &[&str], each: &mut dyn FnMut(&str, &Path, &Metadata)) {
    visit(folder, folder, skip, each);
}

fn visit(folder: &Path, path: &Path, skip: &[&str], each: &mut dyn FnMut(&str, &Path, &Metadata)) {
    let name = format!("/{}", path.strip_prefix(folder).unwrap().to_string_lossy());
    if skip.contains(&name.as_str()) {
        return;
    }
    let meta = fs::symlink_metadata(path).unwrap();
    each(&name, path, &meta);
    if meta.is_dir() {
        let mut children: Vec<_> =
            fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        children.sort();
        for child in children {
            visit(folder, &child, skip, each);
        }
    }
}
