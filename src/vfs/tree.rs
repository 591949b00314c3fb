//! [`Tree`]: the merged, read-only view of an image's layers.
//!
//! In come the entries that [`merge`](super::merge()) made of the layers, or ready ones; out come
//! answers to [`FileSystem`]. Content that is not in memory is read again through a
//! [`ContentLoader`].

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::ops::Bound::{Excluded, Included};
use std::sync::Arc;

use bytes::Bytes;

use super::filesystem::Visitor;
use super::{Content, Entry, FileData, FileSystem, Kind, LayerId, LinkId, RootfsError};
use imgfix_model::digest::Digest;
use imgfix_model::path::ImagePath;

/// Reads a layer member's content again, for files too large to keep in memory.
pub trait ContentLoader: Send + Sync {
    /// A stream of the content of member `index` (as in [`super::Content::Layer`]) of `layer`.
    ///
    /// # Errors
    /// The layer cannot be read again.
    fn open(&self, layer: LayerId, index: u32) -> std::io::Result<Box<dyn Read + Send>>;

    /// Hands the content of many members to `sink`, as layer, index and stream, in ascending
    /// order. Implementations that stream layers read each one once; nothing that `sink` was
    /// given may be relied on before this returns `Ok`.
    ///
    /// # Errors
    /// A layer cannot be read again or lacks a member; errors of `sink`.
    fn load_many(
        &self,
        wanted: &BTreeMap<LayerId, BTreeSet<u32>>,
        sink: MemberSink<'_>,
    ) -> std::io::Result<()> {
        for (&layer, indexes) in wanted {
            for &index in indexes {
                sink(layer, index, &mut self.open(layer, index)?)?;
            }
        }
        Ok(())
    }
}

/// Takes members' contents: layer, index, stream.
pub type MemberSink<'a> = &'a mut dyn FnMut(LayerId, u32, &mut dyn Read) -> std::io::Result<()>;

/// A loader for trees without layers, all of whose files are in memory or spooled.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLayers;

impl ContentLoader for NoLayers {
    fn open(&self, layer: LayerId, _index: u32) -> std::io::Result<Box<dyn Read + Send>> {
        Err(std::io::Error::other(format!("{layer} is not available")))
    }
}

/// A loader whose every read fails, as those of a broken disk do (EIO): for tests of what becomes
/// of that.
#[cfg(any(test, feature = "testing"))]
#[derive(Debug, Clone, Copy, Default)]
pub struct BrokenDisk;

#[cfg(any(test, feature = "testing"))]
impl BrokenDisk {
    /// A file of so many bytes that it cannot give.
    #[must_use]
    pub fn file(size: u64) -> Entry {
        let content = Content::Layer { layer: LayerId::Original(0), index: 0 };
        let kind = Kind::File(super::FileData { size, content, link: None });
        Entry { kind, ..Entry::file("", 0o755, 0) }
    }
}

#[cfg(any(test, feature = "testing"))]
impl ContentLoader for BrokenDisk {
    fn open(&self, _layer: LayerId, _index: u32) -> std::io::Result<Box<dyn Read + Send>> {
        const EIO: i32 = 5;
        Err(std::io::Error::from_raw_os_error(EIO))
    }
}

/// The merged layers of one image. Always has a root directory.
pub struct Tree {
    entries: BTreeMap<ImagePath, Entry>,
    loader: Arc<dyn ContentLoader>,
    next_link: u64,
    notes: BTreeMap<(LayerId, u32), Bytes>,
    digests: BTreeMap<(LayerId, u32), Digest>,
}

impl Tree {
    /// A tree of ready entries; missing parent directories are added (0755, root). Of
    /// entries with the same path the last stays; an entry below something that is not a
    /// directory could not be reached and is dropped.
    #[must_use]
    pub fn from_entries(
        entries: impl IntoIterator<Item = (ImagePath, Entry)>,
        loader: Arc<dyn ContentLoader>,
    ) -> Self {
        let given: BTreeMap<_, _> = entries.into_iter().collect();
        let mut entries = BTreeMap::new();
        entries.insert(ImagePath::root(), Entry::directory(0o755, 0));
        for (path, entry) in given {
            if path.is_root() && !entry.is_dir() {
                continue;
            }
            if add_parents(&mut entries, &path) {
                entries.insert(path, entry);
            }
        }
        Self::new(entries, loader)
    }

    /// `entries` have the root and every parent directory.
    pub(super) fn new(entries: BTreeMap<ImagePath, Entry>, loader: Arc<dyn ContentLoader>) -> Self {
        let links = entries.values().filter_map(link);
        let next_link = links.map(|id| id.0.saturating_add(1)).max().unwrap_or(0);
        Self { entries, loader, next_link, notes: BTreeMap::new(), digests: BTreeMap::new() }
    }

    /// This tree with notes and digests that were made of files while their layers were read.
    pub(super) fn with_aside(
        self,
        notes: BTreeMap<(LayerId, u32), Bytes>,
        digests: BTreeMap<(LayerId, u32), Digest>,
    ) -> Self {
        Self { notes, digests, ..self }
    }

    pub(super) fn notes(&self) -> &BTreeMap<(LayerId, u32), Bytes> {
        &self.notes
    }

    /// The note that was made of member `index` of `layer` when the layer was read.
    #[must_use]
    pub fn note(&self, layer: LayerId, index: u32) -> Option<&Bytes> {
        self.notes.get(&(layer, index))
    }

    pub(super) fn digests(&self) -> &BTreeMap<(LayerId, u32), Digest> {
        &self.digests
    }

    /// The digest of the content of member `index` of `layer`, where it was taken when the layer
    /// was read ([`Digests`](super::layer_reader::Digests)).
    #[must_use]
    pub fn digest(&self, layer: LayerId, index: u32) -> Option<&Digest> {
        self.digests.get(&(layer, index))
    }

    /// Number of entries, the root included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry. There is always a root, so this is always `false`.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The note of `entry`, of this tree or an overlay of it.
    pub(super) fn note_of(&self, entry: Option<&Entry>) -> Option<&Bytes> {
        match &entry?.kind {
            Kind::File(FileData { content: Content::Layer { layer, index }, .. }) => {
                self.note(*layer, *index)
            }
            _ => None,
        }
    }

    /// All entries in byte order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&ImagePath, &Entry)> {
        self.entries.iter()
    }

    /// What reads the layers' members again.
    #[must_use]
    pub fn loader(&self) -> &Arc<dyn ContentLoader> {
        &self.loader
    }

    /// The first hard-link identity that no entry of this tree has.
    pub(super) fn next_link(&self) -> u64 {
        self.next_link
    }

    /// The content of `entry`, of this tree or an overlay of it, found at `path`.
    pub(super) fn open_entry(
        &self,
        path: &ImagePath,
        entry: Option<&Entry>,
    ) -> Result<Box<dyn Read + Send>, RootfsError> {
        let entry = entry.ok_or_else(|| RootfsError::NotFound(path.clone()))?;
        let Kind::File(data) = &entry.kind else {
            return Err(RootfsError::NotAFile(path.clone()));
        };
        match &data.content {
            Content::Inline(bytes) => Ok(Box::new(std::io::Cursor::new(bytes.clone()))),
            Content::Spool(file) => Ok(Box::new(file.reader())),
            Content::Layer { layer, index } => self
                .loader
                .open(*layer, *index)
                .map_err(|source| RootfsError::Io { what: path.to_string(), source }),
        }
    }
}

impl FileSystem for Tree {
    fn lstat(&self, path: &ImagePath) -> Option<&Entry> {
        self.entries.get(path)
    }

    fn read_dir(&self, path: &ImagePath) -> Vec<ImagePath> {
        children(&self.entries, path).map(|(child, _)| child.clone()).collect()
    }

    fn walk(&self, path: &ImagePath) -> Vec<ImagePath> {
        let top = self.entries.get_key_value(path).map(|(key, _)| key);
        top.into_iter().chain(below(&self.entries, path).map(|(key, _)| key)).cloned().collect()
    }

    fn visit<'a>(&'a self, path: &ImagePath, visitor: Visitor<'_, 'a>) {
        let top = self.entries.get_key_value(path);
        top.into_iter().chain(below(&self.entries, path)).for_each(|(path, entry)| {
            visitor(path, entry);
        });
    }

    fn open(&self, path: &ImagePath) -> Result<Box<dyn Read + Send + '_>, RootfsError> {
        self.open_entry(path, self.lstat(path))
    }

    fn note(&self, path: &ImagePath) -> Option<&Bytes> {
        self.note_of(self.lstat(path))
    }
}

fn link(entry: &Entry) -> Option<LinkId> {
    match &entry.kind {
        Kind::File(data) => data.link,
        _ => None,
    }
}

/// Adds the directories above `path`; `false` when one of them is something else.
fn add_parents(entries: &mut BTreeMap<ImagePath, Entry>, path: &ImagePath) -> bool {
    let Some(parent) = path.parent() else { return true };
    if let Some(entry) = entries.get(&parent) {
        return entry.is_dir();
    }
    add_parents(entries, &parent) && {
        entries.insert(parent, Entry::directory(0o755, 0));
        true
    }
}

/// The keys strictly below `dir` are exactly those from `dir/` to before `dir0`: `0` is the
/// byte after `/`.
pub(super) fn below_bounds(dir: &ImagePath) -> (Vec<u8>, Vec<u8>) {
    let stem = if dir.is_root() { &[][..] } else { dir.as_bytes() };
    ([stem, b"/"].concat(), [stem, b"0"].concat())
}

/// Everything strictly below `dir`, in byte order.
pub(super) fn below<'a, T>(
    map: &'a BTreeMap<ImagePath, T>,
    dir: &ImagePath,
) -> impl Iterator<Item = (&'a ImagePath, &'a T)> + use<'a, T> {
    let (start, end) = below_bounds(dir);
    map.range::<[u8], _>((Excluded(&*start), Excluded(&*end)))
}

/// The entries directly in `dir`, in byte order of their names. Whole subtrees are jumped
/// over, so that the cost follows the number of children. Children of `/a` do not follow
/// each other: between `/a/x` and what lies below it may come `/a/x-y`.
pub(super) fn children<'a, T>(
    map: &'a BTreeMap<ImagePath, T>,
    dir: &ImagePath,
) -> impl Iterator<Item = (&'a ImagePath, &'a T)> + use<'a, T> {
    let (start, end) = below_bounds(dir);
    let name_at = start.len();
    let mut range = map.range::<[u8], _>((Excluded(&*start), Excluded(&*end)));
    std::iter::from_fn(move || {
        loop {
            let (key, value) = range.next()?;
            let bytes = key.as_bytes();
            let name = bytes.get(name_at..).unwrap_or_default();
            let Some(slash) = name.iter().position(|&b| b == b'/') else {
                return Some((key, value));
            };
            let mut past = bytes.get(..name_at + slash).unwrap_or_default().to_vec();
            past.push(b'0');
            range = map.range::<[u8], _>((Included(&*past), Excluded(&*end)));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(paths: &[&'static str]) -> Tree {
        let entries = paths.iter().map(|p| (ImagePath::literal(p), Entry::file("x", 0o644, 1)));
        Tree::from_entries(entries, Arc::new(NoLayers))
    }

    fn text(paths: Vec<ImagePath>) -> Vec<String> {
        paths.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn missing_parents_are_directories_of_root() {
        let tree = tree(&["/a/b/c"]);
        let b = tree.lstat(&ImagePath::literal("/a/b")).unwrap();
        assert_eq!(b, &Entry::directory(0o755, 0));
        assert_eq!(text(tree.walk(&ImagePath::root())), ["/", "/a", "/a/b", "/a/b/c"]);
    }

    #[test]
    fn children_are_found_between_subtrees() {
        let tree = tree(&["/a/x/1/2", "/a/x-y/3", "/a/x0", "/a-b/c", "/a0"]);
        let dir = |path| text(tree.read_dir(&ImagePath::literal(path)));
        assert_eq!(dir("/"), ["/a", "/a-b", "/a0"]);
        assert_eq!(dir("/a"), ["/a/x", "/a/x-y", "/a/x0"]);
        assert_eq!(dir("/a/x"), ["/a/x/1"]);
        assert_eq!(dir("/a/x0"), [""; 0]);
        assert_eq!(dir("/missing"), [""; 0]);
        let walk = |path| text(tree.walk(&ImagePath::literal(path)));
        assert_eq!(walk("/a/x"), ["/a/x", "/a/x/1", "/a/x/1/2"]);
        assert_eq!(walk("/a-b"), ["/a-b", "/a-b/c"]);
        assert_eq!(walk("/nothing"), [""; 0]);
        for path in ["/", "/a", "/a/x", "/a-b/c", "/nothing"] {
            let path = ImagePath::literal(path);
            let mut seen = Vec::new();
            tree.visit(&path, &mut |path, entry| {
                assert_eq!(tree.lstat(path), Some(entry));
                seen.push(path.clone());
            });
            assert_eq!(seen, tree.walk(&path), "{path}");
        }
    }

    #[test]
    fn what_lies_below_a_file_is_dropped() {
        let tree = tree(&["/a", "/a/b/c"]);
        assert_eq!(text(tree.walk(&ImagePath::root())), ["/", "/a"]);
    }

    #[test]
    fn only_files_open() {
        let tree = tree(&["/a/b"]);
        let open = |path| tree.open(&ImagePath::literal(path)).err();
        assert!(open("/a/b").is_none());
        assert!(matches!(open("/a"), Some(RootfsError::NotAFile(_))));
        assert!(matches!(open("/c"), Some(RootfsError::NotFound(_))));
    }
}
