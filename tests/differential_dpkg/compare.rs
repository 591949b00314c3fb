//! imgfix's result as a snapshot, and what differs between two snapshots.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use imgfix::packages::dpkg::deb::{Limits, unpack};
use imgfix::packages::dpkg::install::{InstallError, Mark, NewPackage, Options, install};
use imgfix::rootfs::{
    ContentLoader, Entry, FileSystem, ImagePath, Kind, LinkId, Overlay, Spool, Tree,
};

use super::deb::Deb;
use super::root::{Node, NodeKind, Snapshot};

/// What imgfix gives generated files, so that they are known here.
const GENERATED: i64 = 42;

struct NoContent;

impl ContentLoader for NoContent {
    fn open(&self, _layer: u32, _index: u32) -> std::io::Result<Box<dyn Read + Send>> {
        Err(std::io::Error::other("everything is in memory here"))
    }
}

/// Installs the packages over the snapshot.
pub fn with_imgfix(before: &Snapshot, debs: &[Deb]) -> Result<Snapshot, InstallError> {
    let tree = Arc::new(tree_of(before));
    let mut overlay = Overlay::new(tree);
    let spool = Spool::new().unwrap();
    let packages: Vec<NewPackage> = debs
        .iter()
        .map(|deb| NewPackage {
            package: unpack(&deb.bytes()[..], &spool, &Limits::default()).unwrap(),
            mark: Mark::Manual,
        })
        .collect();
    install(&mut overlay, &packages, &Options { timestamp: GENERATED })?;
    Ok(snapshot_of(&overlay))
}

fn tree_of(snapshot: &Snapshot) -> Tree {
    let mut links: BTreeMap<&str, u32> = BTreeMap::new();
    for node in snapshot.values() {
        *links.entry(&node.inode).or_default() += 1;
    }
    let ids: BTreeMap<&str, u64> = links
        .iter()
        .filter(|(_, count)| **count > 1)
        .enumerate()
        .map(|(id, (inode, _))| (*inode, id as u64))
        .collect();
    let entries = snapshot.iter().map(|(path, node)| {
        let mut entry = match &node.kind {
            NodeKind::Directory => Entry::directory(node.mode, node.mtime),
            NodeKind::File(content) => Entry::file(content.clone(), node.mode, node.mtime),
            NodeKind::Symlink(target) => Entry::symlink(target.clone(), node.mtime),
            NodeKind::Fifo | NodeKind::Device(..) => Entry::directory(node.mode, node.mtime),
        };
        match (&mut entry.kind, &node.kind) {
            (Kind::File(data), _) => {
                data.link = ids.get(node.inode.as_str()).map(|id| LinkId(*id));
            }
            (kind, NodeKind::Fifo) => *kind = Kind::Fifo,
            (kind, NodeKind::Device(major, minor)) => {
                *kind = Kind::CharDevice { major: *major, minor: *minor };
            }
            _ => {}
        }
        entry.uid = node.uid;
        entry.gid = node.gid;
        (ImagePath::new(path).unwrap(), entry)
    });
    Tree::from_entries(entries, Arc::new(NoContent))
}

fn snapshot_of(overlay: &Overlay) -> Snapshot {
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
                let mut content = Vec::new();
                overlay.open(&path).unwrap().read_to_end(&mut content).unwrap();
                NodeKind::File(content)
            }
            Kind::Symlink(target) => NodeKind::Symlink(target.clone()),
            Kind::Fifo => NodeKind::Fifo,
            Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } => {
                NodeKind::Device(*major, *minor)
            }
        };
        let node = Node {
            kind,
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            mtime: entry.mtime,
            inode,
        };
        snapshot.insert(name, node);
    }
    snapshot
}

/// What is left out of the comparison, each with its reason.
fn is_exempt(path: &str) -> bool {
    // dpkg's log and its locks: not state of the image.
    path.starts_with("/var/log/")
        || ["/var/lib/dpkg/lock", "/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/triggers/Lock"]
            .contains(&path)
        // Made by any run of dpkg, always empty.
        || path == "/var/lib/dpkg/triggers/Unincorp"
        || path == "/var/lib/dpkg/parts"
        || path == "/var/lib/dpkg/alternatives"
}

/// One line a difference.
pub fn differences(ours: &Snapshot, dpkg: &Snapshot) -> Vec<String> {
    let mut out = Vec::new();
    let mut paths: Vec<&String> = ours.keys().chain(dpkg.keys()).collect();
    paths.sort();
    paths.dedup();
    for path in paths.into_iter().filter(|path| !is_exempt(path)) {
        match (dpkg.get(path), ours.get(path)) {
            (Some(_), None) => out.push(format!("{path}: there | not there")),
            (None, Some(_)) => out.push(format!("{path}: not there | there")),
            (Some(dpkg), Some(ours)) => compare(path, dpkg, ours, &mut out),
            (None, None) => {}
        }
    }
    out
}

fn compare(path: &str, dpkg: &Node, ours: &Node, out: &mut Vec<String>) {
    match (&dpkg.kind, &ours.kind) {
        (NodeKind::File(a), NodeKind::File(b)) if a != b => {
            let diff = similar::TextDiff::from_lines(
                &*String::from_utf8_lossy(a),
                &*String::from_utf8_lossy(b),
            )
            .unified_diff()
            .header("dpkg", "imgfix")
            .to_string();
            out.push(format!("{path}: content\n{diff}"));
        }
        (a, b) if a != b => out.push(format!("{path}: {a:?} | {b:?}")),
        _ => {}
    }
    let meta = |node: &Node| format!("{:o} {}:{}", node.mode, node.uid, node.gid);
    if meta(dpkg) != meta(ours) {
        out.push(format!("{path}: {} | {}", meta(dpkg), meta(ours)));
    }
    if dpkg.inode != ours.inode {
        out.push(format!("{path}: linked with {} | {}", dpkg.inode, ours.inode));
    }
    // A directory's time is when something was put into it; a generated file's is now.
    let is_directory = dpkg.kind == NodeKind::Directory;
    if !is_directory && ours.mtime != GENERATED && dpkg.mtime != ours.mtime {
        out.push(format!("{path}: time {} | {}", dpkg.mtime, ours.mtime));
    }
    if ours.mtime == GENERATED && !is_directory && dpkg.mtime < 1_500_000_000 {
        out.push(format!("{path}: time {} | generated", dpkg.mtime));
    }
}
