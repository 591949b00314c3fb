//! What a command did in the copy, and how it goes into the overlay.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::super::{Resources, Stop};
use super::wire::{FetchedPath, FetchedPaths, Listing, Node, Seen};
use imgfix_model::path::ImagePath;
use imgfix_vfs::whiteout;
use imgfix_vfs::{
    Content, Entry, FileData, FileSystem as _, Kind, LinkId, Overlay, RootfsError, Xattrs,
};

/// The type bits of a mode that mean a directory.
const DIRECTORY: u32 = 0o040_000;

/// What differs between two listings.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The topmost of what is gone.
    pub removed: Vec<ImagePath>,
    /// New, or changed in content or attributes.
    pub set: Vec<ImagePath>,
    /// The inode of each that was set and has other names.
    pub inodes: BTreeMap<ImagePath, u64>,
}

/// Compares by change time: nothing but the kernel sets it. Of a directory only its own
/// attributes count, not that names in it came and went.
#[must_use]
pub fn between(before: &Listing, after: &Listing) -> Changed {
    let mut changed = Changed::default();
    let (before, after) = (&before.paths, &after.paths);
    for path in before.keys().filter(|path| !after.contains_key(*path)) {
        let Ok(path) = ImagePath::new(path) else { continue };
        if !changed.removed.last().is_some_and(|top| path.starts_with(top)) {
            changed.removed.push(path);
        }
    }
    let mut names: BTreeMap<u64, usize> = BTreeMap::new();
    for seen in after.values() {
        *names.entry(seen.inode).or_default() += 1;
    }
    for (path, seen) in after {
        let is_same = before.get(path).is_some_and(|former| match seen.kind {
            DIRECTORY => attributes(former) == attributes(seen),
            _ => former.is_untouched(seen),
        });
        let Ok(path) = ImagePath::new(path) else { continue };
        if is_same {
            continue;
        }
        if seen.kind != DIRECTORY && names.get(&seen.inode).is_some_and(|count| *count > 1) {
            changed.inodes.insert(path.clone(), seen.inode);
        }
        changed.set.push(path);
    }
    changed
}

fn attributes(seen: &Seen) -> (u32, u32, u32, u32) {
    (seen.kind, seen.mode, seen.uid, seen.gid)
}

/// Puts the changes into the overlay. Files get `now` as their time unless the command set
/// one that is in the past.
///
/// # Errors
/// A device or socket was made; the overlay does not take the change; the budget is spent.
pub fn apply(
    overlay: &mut Overlay,
    changed: &Changed,
    fetched: FetchedPaths,
    resources: &Resources,
    now: i64,
) -> Result<(), Stop> {
    let failed = |error: RootfsError| Stop::from_error(error.to_string(), &error);
    for path in &changed.removed {
        overlay.remove(path);
    }
    let mut links: BTreeMap<u64, LinkId> = BTreeMap::new();
    for FetchedPath { head, content } in fetched.all {
        let Ok(path) = ImagePath::new(&head.path) else { continue };
        let cost = usize::try_from(head.cost()).unwrap_or(usize::MAX);
        let link = changed
            .inodes
            .get(&path)
            .map(|inode| *links.entry(*inode).or_insert_with(|| overlay.new_link()));
        let kind = match head.node {
            Node::Directory => Kind::Directory,
            Node::Symlink(target) => Kind::Symlink(target.into()),
            Node::Fifo => Kind::Fifo,
            Node::File(size) => {
                let content = content.unwrap_or_else(|| Content::Inline(bytes::Bytes::new()));
                Kind::File(FileData { size, content, link })
            }
            Node::Other => {
                return Err(Stop::new(format!("it makes {path}, which no layer can have")));
            }
            Node::Link(_) | Node::Removed => continue,
        };
        let xattrs: Xattrs =
            head.xattrs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        if whiteout::is_reserved(&path) {
            let why = format!("it makes {path}, which means a removed file in a layer");
            return Err(Stop::new(why));
        }
        let former = overlay.lstat(&path).cloned();
        let mut entry = Entry {
            kind,
            mode: head.mode,
            uid: head.uid,
            gid: head.gid,
            mtime: head.mtime,
            xattrs,
        };
        entry.mtime = entry.mtime.min(now);
        if entry.is_dir() {
            entry.mtime = former.as_ref().map_or(now, |former| former.mtime);
        }
        if let Some(former) = &former
            && is_same(overlay, &path, former, &entry).map_err(failed)?
        {
            continue;
        }
        if !overlay.is_changed(&path) {
            resources.count_entry(cost)?;
        }
        overlay.set(path, entry).map_err(failed)?;
    }
    Ok(())
}

/// Whether a file was written again with what it had: its time alone is no change. Contents
/// that only a layer has are not read for that.
///
/// # Errors
/// One of the two cannot be read: nobody knows then whether it is a change.
fn is_same(
    overlay: &Overlay,
    path: &ImagePath,
    former: &Entry,
    entry: &Entry,
) -> Result<bool, RootfsError> {
    let plain = |entry: &Entry| Entry { mtime: 0, kind: Kind::Fifo, ..entry.clone() };
    if plain(former) != plain(entry) {
        return Ok(false);
    }
    let (Kind::File(old), Kind::File(new)) = (&former.kind, &entry.kind) else {
        return Ok(former.kind == entry.kind);
    };
    let in_layer = matches!(old.content, Content::Layer { .. });
    if old.size != new.size || old.link.is_some() != new.link.is_some() || in_layer {
        return Ok(false);
    }
    let mut old = overlay.open(path)?;
    let equal = match &new.content {
        Content::Inline(new) => is_equal(&mut *old, &mut &new[..]),
        Content::Spool(new) => is_equal(&mut *old, &mut new.reader()),
        Content::Layer { .. } => Ok(false),
    };
    equal.map_err(|source| RootfsError::Io { what: path.to_string(), source })
}

/// Whether two streams have the same bytes.
fn is_equal(one: &mut dyn Read, other: &mut dyn Read) -> io::Result<bool> {
    let mut buffers = [vec![0; 64 << 10], vec![0; 64 << 10]];
    loop {
        let [left, right] = &mut buffers;
        let (a, b) = (fill(one, left)?, fill(other, right)?);
        if left.get(..a) != right.get(..b) {
            return Ok(false);
        }
        if a == 0 {
            return Ok(true);
        }
    }
}

/// Reads until the buffer is full or the stream ends: how much.
fn fill(from: &mut dyn Read, mut buffer: &mut [u8]) -> io::Result<usize> {
    let len = buffer.len();
    io::copy(&mut from.take(len as u64), &mut buffer)?;
    Ok(len - buffer.len())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::wire::Head;
    use super::*;
    use imgfix_vfs::{Memory, NoLayers, Tree};

    fn seen(kind: u32, inode: u64, changed: i64) -> Seen {
        Seen { kind, mode: 0o644, uid: 0, gid: 0, size: 1, disk: 0, inode, changed: (changed, 0) }
    }

    fn listing(entries: &[(&str, Seen)]) -> Listing {
        let mut listing = Listing::new(&Memory::default());
        let paths = entries.iter().map(|(path, seen)| ((*path).into(), seen.clone()));
        listing.paths = paths.collect();
        listing
    }

    #[test]
    fn what_has_another_change_time_has_changed() {
        const FILE: u32 = 0o100_000;
        let before = listing(&[
            ("/a", seen(DIRECTORY, 1, 1)),
            ("/a/gone", seen(DIRECTORY, 2, 1)),
            ("/a/gone/x", seen(FILE, 3, 1)),
            ("/a/same", seen(FILE, 4, 1)),
            ("/a/touched", seen(FILE, 5, 1)),
        ]);
        let after = listing(&[
            ("/a", seen(DIRECTORY, 1, 2)),
            ("/a/same", seen(FILE, 4, 1)),
            ("/a/touched", seen(FILE, 5, 2)),
            ("/a/second", seen(FILE, 5, 2)),
            ("/a/new", seen(FILE, 6, 2)),
        ]);
        let changed = between(&before, &after);
        let text = |paths: &[ImagePath]| paths.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(text(&changed.removed), ["/a/gone"]);
        assert_eq!(text(&changed.set), ["/a/new", "/a/second", "/a/touched"]);
        assert_eq!(changed.inodes.len(), 2);
    }

    #[test]
    fn changes_go_into_the_overlay_with_the_time_of_the_run() {
        let files = [("/a", Entry::file("old", 0o644, 5)), ("/b", Entry::file("x", 0o644, 5))];
        let files = files.map(|(path, entry)| (ImagePath::literal(path), entry));
        let tree = Tree::from_entries(files, Arc::new(NoLayers));
        let mut overlay = Overlay::new(Arc::new(tree));
        let path = |path: &str, content: &str, mtime| FetchedPath {
            head: Head {
                path: path.into(),
                node: Node::File(content.len() as u64),
                mode: 0o644,
                uid: 0,
                gid: 0,
                mtime,
                xattrs: Vec::new(),
            },
            content: Some(Content::Inline(content.to_owned().into())),
        };
        let resources = Resources::default();
        let mut fetched = FetchedPaths::new(resources.memory());
        fetched.all = vec![path("/a", "new", 99), path("/b", "x", 99), path("/c", "c", 3)];
        apply(&mut overlay, &Changed::default(), fetched, &resources, 42).unwrap();
        let changes: Vec<_> = overlay.changes().map(|(path, _)| path.to_string()).collect();
        assert_eq!(changes, ["/a", "/c"]);
        let time = |path| overlay.lstat(&ImagePath::literal(path)).unwrap().mtime;
        assert_eq!(["/a", "/b", "/c"].map(time), [42, 5, 3]);
    }

    struct Broken;

    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::from_raw_os_error(5))
        }
    }

    #[test]
    fn streams_are_compared_and_one_that_breaks_is_no_difference() {
        let long = vec![7; 200_000];
        let mut other = long.clone();
        assert!(is_equal(&mut &long[..], &mut &other[..]).unwrap());
        other[199_999] = 8;
        assert!(!is_equal(&mut &long[..], &mut &other[..]).unwrap());
        assert!(!is_equal(&mut &long[..], &mut &long[..199_999]).unwrap());
        for whole in [true, false] {
            let mut broken = (&long[..]).chain(Broken);
            let end = if whole { long.len() } else { 70_000 };
            let error = is_equal(&mut broken, &mut &long[..end]).map_err(|e| e.raw_os_error());
            // what differs before the break is told without it
            assert_eq!(error, if whole { Err(Some(5)) } else { Ok(false) });
        }
    }
}
