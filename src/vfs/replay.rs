//! [`Replay`]: layers merged member by member, for who asks after each of them what it did.
//!
//! In come the changes of parsed layers, base first, in the order of their archives; between two
//! of them it says where in the image a name leads, and which members of which layer are behind
//! a path. The rules are those of [`super::merge`](mod@super::merge), which does the work.

use super::filesystem::follow;
use super::layer_changes::Action;
use super::merge::{Merge, Node};
use super::{Entry, LayerId};
use imgfix_model::path::ImagePath;

pub use super::merge::MemberId;

/// What is at a path at one moment of the merging.
#[derive(Debug, Clone, Copy)]
pub struct Placed<'a> {
    /// The entry.
    pub entry: &'a Entry,
    /// The layer that put it there.
    pub layer: LayerId,
    /// The member that put it there. A folder that no member stands for has the first of all.
    pub set_by: MemberId,
    /// The member that has its content: another one, when it is a hard link.
    pub source: MemberId,
}

/// Layers on the way to a tree.
pub struct Replay {
    merge: Merge,
}

impl Default for Replay {
    fn default() -> Self {
        Self { merge: Merge::empty() }
    }
}

impl Replay {
    /// Applies what one member does. Members come in their order, layer for layer.
    ///
    /// # Errors
    /// As [`merge`](super::merge()), without the names of layer and entry.
    pub fn apply(
        &mut self,
        member: MemberId,
        path: &ImagePath,
        action: Action,
    ) -> Result<(), String> {
        self.merge.layer = LayerId::Original(member.layer);
        self.merge.at = member;
        self.merge.apply(path, action)
    }

    /// Where `path` leads, the links of its folders followed, its own not.
    ///
    /// # Errors
    /// A loop of links, or a folder that is none.
    pub fn locate(&self, path: &ImagePath) -> Result<ImagePath, String> {
        self.merge.locate(path)
    }

    /// What is at `path`, which is [located](Replay::locate).
    #[must_use]
    pub fn at(&self, path: &ImagePath) -> Option<Placed<'_>> {
        self.merge.nodes.get(path).map(placed)
    }

    /// What is at the end of `path`, its own links followed, too.
    #[must_use]
    pub fn followed(&self, path: &ImagePath) -> Option<Placed<'_>> {
        let nodes = &self.merge.nodes;
        let end = follow(&|at| nodes.get(at).map(|node| &node.entry), path).ok()?;
        self.at(&end)
    }

    /// Everything that is there.
    pub fn iter(&self) -> impl Iterator<Item = (&ImagePath, Placed<'_>)> {
        self.merge.nodes.iter().map(|(path, node)| (path, placed(node)))
    }

    /// Whether anything is below `path`.
    #[must_use]
    pub fn has_below(&self, path: &ImagePath) -> bool {
        super::tree::below(&self.merge.nodes, path).next().is_some()
    }
}

fn placed(node: &Node) -> Placed<'_> {
    let Node { entry, layer, set_by, source } = node;
    Placed { entry, layer: *layer, set_by: *set_by, source: *source }
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::super::testing::{Archive, read};
    use super::*;

    #[test]
    fn members_are_known_by_their_places() {
        let base = Archive::new().dir("usr").dir("usr/lib").symlink("lib", "usr/lib");
        let base = base.file("lib/a", "1").hard_link("b", "lib/a");
        let upper = Archive::new().hard_link("usr/c", "b").symlink("d", "lib/a");
        let mut replay = Replay::default();
        for (layer, blob) in (0..).zip([base.bytes(), upper.bytes()]) {
            for (index, change) in (0..).zip(read(&blob).unwrap().changes) {
                let member = MemberId { layer, index };
                replay.apply(member, &change.path, change.action).unwrap();
            }
        }
        let path = ImagePath::literal;
        let found = |text| {
            let at = replay.at(&path(text)).unwrap();
            ((at.set_by.layer, at.set_by.index), (at.source.layer, at.source.index))
        };
        assert_eq!(replay.locate(&path("/lib/a")), Ok(path("/usr/lib/a")));
        assert_eq!(found("/usr/lib/a"), ((0, 3), (0, 3)));
        assert_eq!(found("/b"), ((0, 4), (0, 3)));
        assert_eq!(found("/usr/c"), ((1, 0), (0, 3)));
        assert!(matches!(replay.at(&path("/d")).unwrap().entry.kind, Kind::Symlink(_)));
        assert_eq!(replay.followed(&path("/d")).unwrap().set_by, MemberId { layer: 0, index: 3 });
        assert!(replay.has_below(&path("/usr")) && !replay.has_below(&path("/b")));
        assert_eq!(replay.iter().count(), 8);
    }
}
