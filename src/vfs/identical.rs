//! What a layer may leave out: files that are written anew and are what they were, but for the
//! time of modification. A package upgrade writes every file of the package, most of them with
//! the bytes that they had.
//!
//! In comes an overlay; [`leave_out`] takes back those of its changes, so that the original shows
//! through, and says which. What is left out has the type, mode, owner, group, extended
//! attributes, target and content that it had; contents are compared by their digests, of the
//! original by those that were taken while its layers were read
//! ([`Digests`](super::layer_reader::Digests)). Three rules keep the image what it would be
//! otherwise:
//!
//! - Of a hard-linked file all names are left out, or none; and only when they are the names that
//!   the file had.
//! - A directory is left out when nothing below it goes into the layer; else it is there with its
//!   new time, which costs nothing more: the layer has all directories above a change.
//! - Folders whose times mean something are kept as they are, by the caller's word.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

use super::{Change, Content, Entry, FileSystem, Kind, LayerId, LinkId, Overlay, RootfsError};
use imgfix_model::digest::Digest;
use imgfix_model::path::ImagePath;

/// What was left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identical {
    /// Everything but directories, in byte order.
    pub paths: Vec<ImagePath>,
    /// Bytes of the files; of names of one file, once.
    pub bytes: u64,
}

/// A path that may be left out: what it is now, and what it was.
struct Pair {
    now: Entry,
    was: Entry,
}

/// Takes back the changes of `overlay` that are none but for a time, except at and below the
/// folders `kept`.
///
/// # Errors
/// A layer or a temporary file cannot be read; the overlay is then as it was.
pub fn leave_out(overlay: &mut Overlay, kept: &[ImagePath]) -> Result<Identical, RootfsError> {
    let mut pairs = alike(overlay, kept);
    let mut directories = Vec::new();
    pairs.retain(|path, pair| {
        let is_directory = pair.now.is_dir();
        if is_directory {
            directories.push(path.clone());
        }
        !is_directory
    });
    keep_same_contents(overlay, &mut pairs)?;
    keep_whole_links(overlay, &mut pairs);
    for path in pairs.keys() {
        overlay.revert(path);
    }
    let needed = above_changes(overlay);
    for path in directories.iter().filter(|path| !needed.contains(*path)) {
        overlay.revert(path);
    }
    Ok(told(pairs))
}

/// The changed paths that differ from what they were in time and content at most; contents are
/// of one length.
fn alike(overlay: &Overlay, kept: &[ImagePath]) -> BTreeMap<ImagePath, Pair> {
    let pair = |(path, change): (&ImagePath, Change)| {
        let Change::Set(now) = change else { return None };
        let was = overlay.tree().lstat(path)?;
        let alike = is_alike(&now, was) && !kept.iter().any(|folder| path.starts_with(folder));
        alike.then(|| (path.clone(), Pair { now, was: was.clone() }))
    };
    overlay.changes().filter_map(pair).collect()
}

fn is_alike(now: &Entry, was: &Entry) -> bool {
    let kinds = match (&now.kind, &was.kind) {
        (Kind::File(now), Kind::File(was)) => now.size == was.size,
        (now, was) => now == was,
    };
    kinds
        && (now.mode, now.uid, now.gid) == (was.mode, was.uid, was.gid)
        && now.xattrs == was.xattrs
}

fn content(entry: &Entry) -> Option<&Content> {
    match &entry.kind {
        Kind::File(data) => Some(&data.content),
        _ => None,
    }
}

fn link(entry: &Entry) -> Option<LinkId> {
    match &entry.kind {
        Kind::File(data) => data.link,
        _ => None,
    }
}

/// Drops the pairs whose contents differ.
fn keep_same_contents(
    overlay: &Overlay,
    pairs: &mut BTreeMap<ImagePath, Pair>,
) -> Result<(), RootfsError> {
    let differ = |pair: &Pair| content(&pair.now) != content(&pair.was);
    let open = pairs.values().filter(|pair| differ(pair));
    let contents = open.flat_map(|pair| [&pair.now, &pair.was]).filter_map(content);
    let digests = Digests::of(overlay, contents)?;
    let mut different = Vec::new();
    for (path, pair) in pairs.iter().filter(|(_, pair)| differ(pair)) {
        let of = |entry: &Entry| digests.digest(path, content(entry));
        if of(&pair.now)? != of(&pair.was)? {
            different.push(path.clone());
        }
    }
    different.iter().for_each(|path| drop(pairs.remove(path)));
    Ok(())
}

/// The digests of contents: those that the tree has, and those that had to be made.
struct Digests<'a> {
    overlay: &'a Overlay,
    made: BTreeMap<(LayerId, u32), Digest>,
}

impl<'a> Digests<'a> {
    /// Reads of `contents` what lies in layers and whose digest nobody took; each layer once.
    fn of<'c>(
        overlay: &'a Overlay,
        contents: impl Iterator<Item = &'c Content>,
    ) -> Result<Self, RootfsError> {
        let tree = overlay.tree();
        let mut wanted: BTreeMap<LayerId, BTreeSet<u32>> = BTreeMap::new();
        for content in contents {
            if let Content::Layer { layer, index } = *content
                && tree.digest(layer, index).is_none()
            {
                wanted.entry(layer).or_default().insert(index);
            }
        }
        let mut made = BTreeMap::new();
        if !wanted.is_empty() {
            let mut sink = |layer, index, content: &mut dyn Read| {
                made.insert((layer, index), hashed(content)?);
                Ok(())
            };
            tree.loader().load_many(&wanted, &mut sink).map_err(|source| RootfsError::Io {
                what: "the image's layers again".to_owned(),
                source,
            })?;
        }
        Ok(Self { overlay, made })
    }

    /// `None` for what has no content.
    fn digest(
        &self,
        path: &ImagePath,
        content: Option<&Content>,
    ) -> Result<Option<Digest>, RootfsError> {
        let Some(content) = content else { return Ok(None) };
        match content {
            Content::Inline(bytes) => Ok(Some(Digest::of(bytes))),
            Content::Spool(file) => match hashed(&mut file.reader()) {
                Ok(digest) => Ok(Some(digest)),
                Err(source) => Err(RootfsError::Io { what: path.to_string(), source }),
            },
            Content::Layer { layer, index } => {
                let taken = self.overlay.tree().digest(*layer, *index);
                let digest = taken.or_else(|| self.made.get(&(*layer, *index)));
                digest.copied().map(Some).ok_or_else(|| RootfsError::NotFound(path.clone()))
            }
        }
    }
}

fn hashed(content: &mut dyn Read) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    io::copy(content, &mut hash)?;
    Ok(Digest::from_sha256(hash.finalize().into()))
}

/// Drops the names of files that would be linked otherwise than they are now.
fn keep_whole_links(overlay: &Overlay, pairs: &mut BTreeMap<ImagePath, Pair>) {
    let is_linked = |pair: &Pair| link(&pair.now).or(link(&pair.was)).is_some();
    if !pairs.values().any(is_linked) {
        return;
    }
    let (now, was) = (names(overlay), names(&**overlay.tree()));
    let is_whole = |path: &ImagePath, pair: &Pair| {
        let single = || BTreeSet::from([path.clone()]);
        let of = |names: &BTreeMap<LinkId, BTreeSet<ImagePath>>, entry: &Entry| {
            link(entry).and_then(|id| names.get(&id).cloned()).unwrap_or_else(single)
        };
        let all = of(&now, &pair.now);
        // Names with different attributes are no more one file (`layer::plan`).
        let same = |name: &ImagePath| pairs.get(name).is_some_and(|other| other.now == pair.now);
        all == of(&was, &pair.was) && all.iter().all(same)
    };
    let linked = pairs.iter().filter(|(_, pair)| is_linked(pair));
    let broken: Vec<ImagePath> =
        linked.filter(|(path, pair)| !is_whole(path, pair)).map(|(path, _)| path.clone()).collect();
    broken.iter().for_each(|path| drop(pairs.remove(path)));
}

/// The names of each hard-linked file.
fn names(fs: &dyn FileSystem) -> BTreeMap<LinkId, BTreeSet<ImagePath>> {
    let mut names: BTreeMap<LinkId, BTreeSet<ImagePath>> = BTreeMap::new();
    fs.visit(&ImagePath::root(), &mut |path, entry| {
        if let Some(id) = link(entry) {
            names.entry(id).or_default().insert(path.clone());
        }
    });
    names
}

/// The directories above everything that is changed, but for directories of which only the time
/// is: those are asked about.
fn above_changes(overlay: &Overlay) -> BTreeSet<ImagePath> {
    let only_time = |path: &ImagePath, change: &Change| match change {
        Change::Set(now) if now.is_dir() => {
            overlay.tree().lstat(path).is_some_and(|was| is_alike(now, was))
        }
        _ => false,
    };
    let changes = overlay.changes().filter(|(path, change)| !only_time(path, change));
    changes.flat_map(|(path, _)| path.ancestors()).collect()
}

fn told(pairs: BTreeMap<ImagePath, Pair>) -> Identical {
    let mut counted = BTreeSet::new();
    let mut bytes = 0u64;
    for pair in pairs.values() {
        if link(&pair.was).is_none_or(|id| counted.insert(id)) {
            bytes = bytes.saturating_add(pair.was.size());
        }
    }
    Identical { paths: pairs.into_keys().collect(), bytes }
}

#[cfg(test)]
mod tests;
