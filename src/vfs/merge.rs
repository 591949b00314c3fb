//! Puts parsed layers on top of each other: whiteouts, opaque directories, hard links, and
//! entries whose directory is a symbolic link in the image.
//!
//! The rules are those of the OCI image layer specification
//! (<https://github.com/opencontainers/image-spec/blob/main/layer.md>); where it is silent,
//! those of containerd, which unpacks most images: members are applied in the order of the
//! archive, the directory of each is resolved inside the root as the tree is at that moment,
//! and a missing directory is made. Unlike containerd, and as the specification says, a
//! whiteout never hides what its own layer brings.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::filesystem::follow;
use super::layer_changes::{Action, LayerChange};
use super::layer_reader::{LayerError, ParsedLayer};
use super::loader::{LayerLoader, WithPatch};
use super::tree::{below, children};
use super::{Content, ContentLoader, Entry, Kind, LayerId, LinkId, Tree};
use imgfix_model::digest::Digest;
use imgfix_model::path::ImagePath;

/// Merges layers, the lowest first.
///
/// # Errors
/// A hard link without a target, an entry below something that is not a directory, a loop of
/// symbolic links.
pub fn merge(layers: Vec<ParsedLayer>, loader: Arc<dyn ContentLoader>) -> Result<Tree, LayerError> {
    let mut merge = Merge::empty();
    for (number, layer) in (0..).zip(layers) {
        merge.layer = LayerId::Original(number);
        merge.add(layer)?;
    }
    Ok(merge.into_tree(loader))
}

/// Puts the patch layer over a merged tree: the image as it will be with that layer. `patch`
/// reads that layer again, for files of it that were not kept.
///
/// # Errors
/// As [`merge`].
pub fn merge_over(base: &Tree, layer: ParsedLayer, patch: LayerLoader) -> Result<Tree, LayerError> {
    // What the layers below were numbered matters no more: they are all lower.
    let lower = |(path, entry): (&ImagePath, &Entry)| {
        (path.clone(), Node::of(entry.clone(), LayerId::Original(0)))
    };
    let nodes = base.iter().map(lower).collect();
    let (notes, digests) = (base.notes().clone(), base.digests().clone());
    let next_link = base.next_link();
    let at = MemberId::default();
    let mut merge = Merge { nodes, layer: LayerId::Patch, at, next_link, notes, digests };
    merge.add(layer)?;
    let loader = Arc::new(WithPatch { original: Arc::clone(base.loader()), patch });
    Ok(merge.into_tree(loader))
}

/// A member of a layer's archive, by its places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct MemberId {
    /// Which layer, the lowest is 0.
    pub layer: u32,
    /// Which of the layer's members, the first is 0.
    pub index: u32,
}

pub(super) struct Node {
    pub(super) entry: Entry,
    /// The layer that put it here.
    pub(super) layer: LayerId,
    /// The member that put it here.
    pub(super) set_by: MemberId,
    /// The member that has its content: another one, when this is a hard link.
    pub(super) source: MemberId,
}

impl Node {
    /// What no member stands for.
    fn of(entry: Entry, layer: LayerId) -> Self {
        let none = MemberId::default();
        Self { entry, layer, set_by: none, source: none }
    }
}

pub(super) struct Merge {
    pub(super) nodes: BTreeMap<ImagePath, Node>,
    /// The layer being applied.
    pub(super) layer: LayerId,
    /// The member being applied.
    pub(super) at: MemberId,
    next_link: u64,
    /// By layer and index.
    notes: BTreeMap<(LayerId, u32), Bytes>,
    /// By layer and index.
    digests: BTreeMap<(LayerId, u32), Digest>,
}

impl Merge {
    /// Nothing but a root.
    pub(super) fn empty() -> Self {
        let lowest = LayerId::Original(0);
        let root = Node::of(Entry::directory(0o755, 0), lowest);
        Self {
            nodes: [(ImagePath::root(), root)].into(),
            layer: lowest,
            at: MemberId::default(),
            next_link: 0,
            notes: BTreeMap::new(),
            digests: BTreeMap::new(),
        }
    }

    fn add(&mut self, layer: ParsedLayer) -> Result<(), LayerError> {
        let number = self.layer;
        self.notes.extend(layer.notes.into_iter().map(|(index, note)| ((number, index), note)));
        self.digests.extend(layer.digests.into_iter().map(|(index, one)| ((number, index), one)));
        for LayerChange { path, action } in layer.changes {
            self.apply(&path, action).map_err(|why| LayerError::Entry {
                layer: layer.name.clone(),
                entry: path.to_string(),
                why,
            })?;
        }
        Ok(())
    }

    pub(super) fn apply(&mut self, path: &ImagePath, action: Action) -> Result<(), String> {
        match action {
            Action::Ignore => {}
            Action::Whiteout(hidden) => {
                let hidden = self.locate(&hidden)?;
                self.hide_below(&hidden);
                self.hide(&hidden);
            }
            Action::Opaque(dir) => {
                let dir = self.resolve(&dir)?;
                self.hide_below(&dir);
            }
            Action::HardLink(target) => {
                let target = self.locate(&target)?;
                let path = self.locate(path)?;
                if path != target {
                    let (entry, source) = self.shared(&target)?;
                    self.set(path, entry, source)?;
                }
            }
            Action::Set(mut entry) => {
                if let Kind::File(data) = &mut entry.kind
                    && let Content::Layer { layer, .. } = &mut data.content
                {
                    *layer = self.layer;
                }
                let path = self.locate(path)?;
                self.set(path, entry, self.at)?;
            }
        }
        Ok(())
    }

    /// The path with its directory resolved. When the directory is there as named, nothing
    /// above it can be a link.
    pub(super) fn locate(&self, path: &ImagePath) -> Result<ImagePath, String> {
        let Some(parent) = path.parent() else { return Ok(path.clone()) };
        if self.is_dir(&parent) {
            return Ok(path.clone());
        }
        self.resolve(&parent)?.join(path.file_name()).map_err(|error| error.to_string())
    }

    fn resolve(&self, path: &ImagePath) -> Result<ImagePath, String> {
        follow(&|at| self.nodes.get(at).map(|node| &node.entry), path)
            .map_err(|error| error.to_string())
    }

    fn is_dir(&self, path: &ImagePath) -> bool {
        self.nodes.get(path).is_some_and(|node| node.entry.is_dir())
    }

    /// The entry at `target`, marked as shared, and the member that has its content.
    fn shared(&mut self, target: &ImagePath) -> Result<(Entry, MemberId), String> {
        let node = self
            .nodes
            .get_mut(target)
            .ok_or_else(|| format!("a hard link to {target}, which is not in the image"))?;
        match &mut node.entry.kind {
            Kind::Directory => return Err(format!("a hard link to {target}, a directory")),
            Kind::File(data) if data.link.is_none() => {
                data.link = Some(LinkId(self.next_link));
                self.next_link += 1;
            }
            _ => {}
        }
        Ok((node.entry.clone(), node.source))
    }

    fn set(&mut self, path: ImagePath, entry: Entry, source: MemberId) -> Result<(), String> {
        if path.is_root() && !entry.is_dir() {
            return Err("the root must be a directory".into());
        }
        self.make_parents(&path, entry.mtime)?;
        if !entry.is_dir() && self.is_dir(&path) {
            let gone: Vec<_> = below(&self.nodes, &path).map(|(key, _)| key.clone()).collect();
            for key in gone {
                self.nodes.remove(&key);
            }
        }
        let node = Node { entry, layer: self.layer, set_by: self.at, source };
        self.nodes.insert(path, node);
        Ok(())
    }

    fn make_parents(&mut self, path: &ImagePath, mtime: i64) -> Result<(), String> {
        let Some(parent) = path.parent() else { return Ok(()) };
        match self.nodes.get(&parent) {
            Some(node) if node.entry.is_dir() => Ok(()),
            Some(_) => Err(format!("{parent} is not a directory")),
            None => {
                self.make_parents(&parent, mtime)?;
                let node = Node::of(Entry::directory(0o755, mtime), self.layer);
                self.nodes.insert(parent, node);
                Ok(())
            }
        }
    }

    /// Removes what lower layers have below `dir`.
    fn hide_below(&mut self, dir: &ImagePath) {
        let lower: Vec<_> = below(&self.nodes, dir)
            .filter(|(_, node)| node.layer < self.layer)
            .map(|(path, _)| path.clone())
            .collect();
        for path in lower.iter().rev() {
            self.hide(path);
        }
    }

    /// Removes a path of a lower layer unless this layer has brought something below it.
    fn hide(&mut self, path: &ImagePath) {
        let is_lower = self.nodes.get(path).is_some_and(|node| node.layer < self.layer);
        if is_lower && !path.is_root() && children(&self.nodes, path).next().is_none() {
            self.nodes.remove(path);
        }
    }

    fn into_tree(mut self, loader: Arc<dyn ContentLoader>) -> Tree {
        let notes = std::mem::take(&mut self.notes);
        let digests = std::mem::take(&mut self.digests);
        Tree::new(self.finish(), loader).with_aside(notes, digests)
    }

    /// The merged entries; a hard link whose other names are gone is none.
    fn finish(self) -> BTreeMap<ImagePath, Entry> {
        let mut names: BTreeMap<LinkId, u32> = BTreeMap::new();
        for node in self.nodes.values() {
            if let Kind::File(data) = &node.entry.kind
                && let Some(id) = data.link
            {
                *names.entry(id).or_default() += 1;
            }
        }
        let alone = |entry: &mut Entry| {
            if let Kind::File(data) = &mut entry.kind
                && data.link.is_some_and(|id| names.get(&id) == Some(&1))
            {
                data.link = None;
            }
        };
        self.nodes
            .into_iter()
            .map(|(path, mut node)| {
                alone(&mut node.entry);
                (path, node.entry)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};

    use super::super::testing::{Archive, message, shown, spec, tree};
    use super::super::{Budget, FileSystem as _, LayerLimits, read_layer};
    use super::*;

    fn base() -> Vec<u8> {
        Archive::new().file("d/a", "1").file("d/b", "1").file("d-x", "1").file("e/f/g", "1").bytes()
    }

    #[test]
    fn whiteouts_hide_lower_layers_only() {
        let upper = Archive::new().file("d/.wh.a", "").file("d/a", "2").file(".wh.e", "").bytes();
        assert_eq!(shown(vec![base(), upper]), ["/", "/d", "/d-x=1", "/d/a=2", "/d/b=1"]);
        let whiteout_last =
            Archive::new().file("e/new", "2").file(".wh.e", "").file("d/c", "2").bytes();
        assert_eq!(
            shown(vec![base(), whiteout_last]),
            ["/", "/d", "/d-x=1", "/d/a=1", "/d/b=1", "/d/c=2", "/e", "/e/new=2"]
        );
    }

    #[test]
    fn opaque_directories_hide_lower_layers_only() {
        for upper in [
            Archive::new().file("d/.wh..wh..opq", "").file("d/c", "2"),
            Archive::new().dir("d").file("d/c", "2").file("d/.wh..wh..opq", ""),
        ] {
            assert_eq!(
                shown(vec![base(), upper.bytes()]),
                ["/", "/d", "/d-x=1", "/d/c=2", "/e", "/e/f", "/e/f/g=1"]
            );
        }
        let all = Archive::new().file(".wh..wh..opq", "").file("n", "2").bytes();
        assert_eq!(shown(vec![base(), all]), ["/", "/n=2"]);
    }

    #[test]
    fn entries_replace_what_was_there() {
        let upper = Archive::new().file("d", "file").dir("d-x").symlink("e/f", "/d-x").bytes();
        assert_eq!(shown(vec![base(), upper]), ["/", "/d=file", "/d-x", "/e", "/e/f->/d-x"]);
        let twice = Archive::new().file("d/a", "2").file("d/a", "3").bytes();
        assert!(shown(vec![base(), twice]).contains(&"/d/a=3".into()));
    }

    #[test]
    fn entries_behind_a_linked_directory_land_where_it_leads() {
        let lower = Archive::new().dir("usr/lib").symlink("lib", "usr/lib").symlink("up", "../..");
        let upper = Archive::new().file("lib/x", "2").file("up/y", "2").bytes();
        assert_eq!(
            shown(vec![lower.bytes(), upper]),
            ["/", "/lib->usr/lib", "/up->../..", "/usr", "/usr/lib", "/usr/lib/x=2", "/y=2"]
        );
    }

    #[test]
    fn a_directory_made_of_a_link_is_opaque_for_itself() {
        // What overlayfs records for `rm lib && mkdir lib`.
        let lower = Archive::new().file("usr/lib/x", "1").symlink("lib", "usr/lib").bytes();
        let upper = Archive::new().dir("lib").file("lib/.wh..wh..opq", "").file("lib/y", "2");
        assert_eq!(
            shown(vec![lower, upper.bytes()]),
            ["/", "/lib", "/lib/y=2", "/usr", "/usr/lib", "/usr/lib/x=1"]
        );
    }

    #[test]
    fn hard_links_share_an_inode_while_two_names_are_left() {
        let lower = Archive::new().file("a", "1").hard_link("b", "a").hard_link("c", "/b").bytes();
        let link = |tree: &Tree, path| match &tree.lstat(&ImagePath::literal(path)).unwrap().kind {
            Kind::File(data) => data.link,
            _ => None,
        };
        let both = tree(vec![lower.clone()]).unwrap();
        assert_eq!(["/a", "/b", "/c"].map(|p| link(&both, p)), [Some(LinkId(0)); 3]);
        let upper = Archive::new().file("a", "2").file(".wh.c", "").file("d", "").bytes();
        let alone = tree(vec![lower.clone(), upper.clone()]).unwrap();
        assert_eq!(["/a", "/b"].map(|p| link(&alone, p)), [None; 2]);
        assert_eq!(shown(vec![lower.clone(), upper]), ["/", "/a=2", "/b=1", "/d="]);
        let across = tree(vec![lower, Archive::new().hard_link("z", "c").bytes()]).unwrap();
        assert_eq!(link(&across, "/z"), link(&across, "/a"));
    }

    #[test]
    fn a_layer_over_a_tree_keeps_what_the_tree_has() {
        let lower = Archive::new().file("a", "1").hard_link("b", "a").file("c", "1").bytes();
        let budget = Budget::new(LayerLimits::default());
        let none = |_: &ImagePath, _: u64| false;
        let parse = |blob: &[u8]| read_layer(blob, &spec(None), &budget, &none).unwrap();
        let layers = vec![parse(&Archive::new().bytes()), parse(&lower)];
        let blobs = [Archive::new().bytes(), lower];
        let loader = LayerLoader::new(vec![None, None], move |at| {
            Ok(Box::new(io::Cursor::new(blobs[at].clone())) as _)
        });
        let base = merge(layers, Arc::new(loader)).unwrap();
        let upper = Archive::new().file("x", "2").hard_link("y", "x").file(".wh.c", "").bytes();
        let top = parse(&upper);
        let patch =
            LayerLoader::of_patch(None, move || Ok(Box::new(io::Cursor::new(upper.clone())) as _));
        let over = merge_over(&base, top, patch).unwrap();
        let data = |path| match &over.lstat(&ImagePath::literal(path))?.kind {
            Kind::File(data) => Some((data.content.clone(), data.link)),
            _ => None,
        };
        let at = |layer, index, link| Some((Content::Layer { layer, index }, Some(LinkId(link))));
        let (one, patch) = (LayerId::Original(1), LayerId::Patch);
        assert_eq!((data("/a"), data("/b")), (at(one, 0, 0), at(one, 0, 0)));
        assert_eq!((data("/x"), data("/y")), (at(patch, 0, 1), at(patch, 0, 1)));
        assert_eq!(data("/c"), None);
        // files of the patch are read from it, the others from where they were
        let read = |path| over.read(&ImagePath::literal(path)).unwrap();
        assert_eq!([read("/a"), read("/y")], ["1", "2"]);
        let wanted = [(one, [0].into()), (patch, [0].into())].into();
        let mut seen = Vec::new();
        let mut sink = |layer: LayerId, _, content: &mut dyn Read| {
            let mut text = String::new();
            content.read_to_string(&mut text)?;
            seen.push((layer, text));
            Ok(())
        };
        over.loader().load_many(&wanted, &mut sink).unwrap();
        assert_eq!(seen, [(one, "1".into()), (patch, "2".into())]);
    }

    #[test]
    fn impossible_entries_are_refused() {
        for (upper, why) in [
            (Archive::new().hard_link("x", "missing"), "which is not in the image"),
            (Archive::new().hard_link("x", "e"), "a directory"),
            (Archive::new().file("d-x/y", ""), "is not a directory"),
            (Archive::new().symlink("l", "l").file("l/y", ""), "too many levels"),
        ] {
            let text = message(tree(vec![base(), upper.bytes()]));
            assert!(text.starts_with("layer 1 of 1: entry ") && text.contains(why), "{text}");
        }
    }
}
