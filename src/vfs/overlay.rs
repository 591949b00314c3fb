//! [`Overlay`]: changes over a [`Tree`], read back as if they were applied.
//!
//! Package installation writes here; [`crate::layer`] turns [`Overlay::changes`] into one
//! layer. All methods take paths literally (no link is followed): callers resolve first
//! with [`FileSystem::resolve_parent`], so that following links is always a visible choice.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;

use super::tree::{below, below_bounds, children};
use super::{Content, Entry, FileData, FileSystem, Kind, LinkId, RootfsError, Tree};
use imgfix_model::path::ImagePath;

/// What the overlay holds for one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The path is this entry now (new, or replaced, or only its metadata differs).
    Set(Entry),
    /// The path existed in the tree and is gone; everything below it too.
    Removed,
}

/// A mutable view over a shared tree. Cloning is cheap in the number of changes: used to try
/// a package set and drop it whole when it cannot be completed.
///
/// What is recorded keeps to three rules, which every method relies on: a `Removed` path is
/// one the tree has; below a path that is `Removed` or set to something else than a
/// directory nothing is recorded, and what the tree has there is hidden; a `Set` directory
/// hides nothing (a directory made anew has its former children as `Removed`).
#[derive(Clone)]
pub struct Overlay {
    tree: Arc<Tree>,
    upper: BTreeMap<ImagePath, Change>,
    next_link: u64,
    /// While [`Overlay::watch`]ed: what was recorded before of each path touched since.
    journal: Option<BTreeMap<ImagePath, Option<Change>>>,
}

impl Overlay {
    /// A view in which nothing is changed yet.
    #[must_use]
    pub fn new(tree: Arc<Tree>) -> Self {
        let next_link = tree.next_link();
        Self { tree, upper: BTreeMap::new(), next_link, journal: None }
    }

    /// The tree below.
    #[must_use]
    pub fn tree(&self) -> &Arc<Tree> {
        &self.tree
    }

    /// A hard-link identity that nothing in the tree or this overlay has.
    pub fn new_link(&mut self) -> LinkId {
        let id = LinkId(self.next_link);
        self.next_link = self.next_link.saturating_add(1);
        id
    }

    /// Makes `path` this entry, whatever was there. A directory set over a directory keeps
    /// what is below it; replacing a directory by something else removes what was below it.
    /// Of a hard-linked file only this name changes. Missing parents are created as 0755
    /// root directories with the entry's mtime.
    ///
    /// # Errors
    /// A parent exists and is not a directory; the root itself would not be a directory.
    pub fn set(&mut self, path: ImagePath, entry: Entry) -> Result<(), RootfsError> {
        if path.is_root() && !entry.is_dir() {
            return Err(RootfsError::NotADirectory(path));
        }
        let missing = self.missing_parents(&path)?;
        for parent in missing {
            self.put(parent, Entry::directory(0o755, entry.mtime));
        }
        self.put(path, entry);
        Ok(())
    }

    /// Puts `bytes` in the place of the content at exactly `path`; owner, mode, time and attributes
    /// stay. Of a hard-linked file only this name changes.
    ///
    /// # Errors
    /// `path` is missing, or no regular file.
    pub fn set_content(&mut self, path: &ImagePath, bytes: Bytes) -> Result<(), RootfsError> {
        let entry = self.lstat(path).ok_or_else(|| RootfsError::NotFound(path.clone()))?;
        if !entry.is_file() {
            return Err(RootfsError::NotAFile(path.clone()));
        }
        let (size, content) = (bytes.len() as u64, Content::Inline(bytes));
        let kind = Kind::File(FileData { size, content, link: None });
        self.set(path.clone(), Entry { kind, ..entry.clone() })
    }

    /// Removes `path` and everything below. Removing what is not there does nothing; of the
    /// root only the content goes.
    pub fn remove(&mut self, path: &ImagePath) {
        if path.is_root() {
            for child in self.read_dir(path) {
                self.remove(&child);
            }
            return;
        }
        if self.lstat(path).is_none() {
            return;
        }
        self.forget_below(path);
        if self.tree.lstat(path).is_some() {
            self.record(path.clone(), Change::Removed);
        } else {
            self.forget(path);
        }
    }

    /// Moves an entry (a directory with everything below) and replaces what was at `to`.
    ///
    /// # Errors
    /// `from` is missing; `to` lies below `from`; a parent of `to` is not a directory. The
    /// overlay is then unchanged.
    pub fn rename(&mut self, from: &ImagePath, to: ImagePath) -> Result<(), RootfsError> {
        if self.lstat(from).is_none() {
            return Err(RootfsError::NotFound(from.clone()));
        }
        if *from == to {
            return Ok(());
        }
        if to.starts_with(from) || to.is_root() {
            return Err(RootfsError::IntoItself { from: from.clone(), to });
        }
        self.missing_parents(&to)?;
        let mut moved = Vec::new();
        for path in self.walk(from) {
            let rest = path.as_bytes().get(from.as_bytes().len()..).unwrap_or_default();
            let target = to
                .join(rest)
                .map_err(|source| RootfsError::Path { path: to.to_string(), source })?;
            if let Some(entry) = self.lstat(&path) {
                moved.push((target, entry.clone()));
            }
        }
        self.remove(from);
        self.remove(&to);
        for (path, entry) in moved {
            self.set(path, entry)?;
        }
        Ok(())
    }

    /// Changes metadata in place (mode, owner, mtime, xattrs); the kind and content stay,
    /// whatever `change` does to them. Of a hard-linked file only this name changes.
    ///
    /// # Errors
    /// `path` is missing.
    pub fn modify(
        &mut self,
        path: &ImagePath,
        change: impl FnOnce(&mut Entry),
    ) -> Result<(), RootfsError> {
        let entry = self.lstat(path).ok_or_else(|| RootfsError::NotFound(path.clone()))?;
        let mut changed = entry.clone();
        change(&mut changed);
        changed.kind = entry.kind.clone();
        self.record(path.clone(), Change::Set(changed));
        Ok(())
    }

    /// Takes back what was done to `path` itself: it is again what the tree has there, and what is
    /// below it stays as it is here. Does nothing where the tree has none, or where one of both
    /// is a directory and the other is not.
    pub fn revert(&mut self, path: &ImagePath) {
        let was = self.tree.lstat(path).map(Entry::is_dir);
        if let Some(Change::Set(now)) = self.upper.get(path)
            && was == Some(now.is_dir())
        {
            self.forget(path);
        }
    }

    /// The effective changes in byte order: entries equal to the tree's are left out, removed
    /// paths are those that the tree has, only the topmost of a removed subtree. When a
    /// removed directory was recreated with other children, the vanished children are listed
    /// one by one. A directory replaced by something else is one `Set`.
    pub fn changes(&self) -> impl Iterator<Item = (&ImagePath, Change)> {
        self.upper
            .iter()
            .filter(|(path, change)| match change {
                Change::Set(entry) => self.tree.lstat(path) != Some(entry),
                Change::Removed => true,
            })
            .map(|(path, change)| (path, change.clone()))
    }

    /// Whether nothing is changed: [`Overlay::changes`] gives none.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        self.changes().next().is_none()
    }

    /// Whether something is recorded for exactly this path.
    #[must_use]
    pub fn is_changed(&self, path: &ImagePath) -> bool {
        self.upper.contains_key(path)
    }

    /// About how many entries a walk through everything looks at.
    #[must_use]
    pub fn count(&self) -> usize {
        self.tree.len().saturating_add(self.upper.len())
    }

    /// Begins to remember what is changed from here on, for [`Overlay::watched`].
    pub fn watch(&mut self) {
        self.journal = Some(BTreeMap::new());
    }

    /// Ends what [`Overlay::watch`] began: the paths that are changed since, in byte order,
    /// without those that are again as they were. The cost is that of the changes.
    pub fn watched(&mut self) -> Vec<ImagePath> {
        let journal = self.journal.take().unwrap_or_default();
        let differs =
            |(path, before): &(ImagePath, Option<Change>)| self.upper.get(path) != before.as_ref();
        journal.into_iter().filter(differs).map(|(path, _)| path).collect()
    }

    fn record(&mut self, path: ImagePath, change: Change) {
        match &mut self.journal {
            None => drop(self.upper.insert(path, change)),
            Some(journal) => {
                let before = self.upper.insert(path.clone(), change);
                journal.entry(path).or_insert(before);
            }
        }
    }

    fn forget(&mut self, path: &ImagePath) {
        let before = self.upper.remove(path);
        if let (Some(journal), Some(before)) = (&mut self.journal, before) {
            journal.entry(path.clone()).or_insert(Some(before));
        }
    }

    /// The directories above `path` that are not there, topmost first.
    fn missing_parents(&self, path: &ImagePath) -> Result<Vec<ImagePath>, RootfsError> {
        let mut missing = Vec::new();
        let mut current = path.parent();
        while let Some(parent) = current {
            match self.lstat(&parent) {
                Some(entry) if entry.is_dir() => break,
                Some(_) => return Err(RootfsError::NotADirectory(parent)),
                None => {}
            }
            current = parent.parent();
            missing.push(parent);
        }
        missing.reverse();
        Ok(missing)
    }

    /// Records `entry` at `path`, whose parent is a directory.
    fn put(&mut self, path: ImagePath, entry: Entry) {
        if !entry.is_dir() {
            self.forget_below(&path);
        } else if !self.lstat(&path).is_some_and(Entry::is_dir) {
            // The directory is new: what the tree has below must not shine through.
            for child in self.tree.read_dir(&path) {
                self.record(child, Change::Removed);
            }
        }
        self.record(path, Change::Set(entry));
    }

    fn forget_below(&mut self, path: &ImagePath) {
        let gone: Vec<_> = below(&self.upper, path).map(|(key, _)| key.clone()).collect();
        for key in gone {
            self.forget(&key);
        }
    }

    /// Whether a directory above `path` is gone or something else now.
    fn is_hidden(&self, path: &ImagePath) -> bool {
        let bytes = path.as_bytes();
        let ends = bytes.iter().enumerate().skip(1).filter(|&(_, &b)| b == b'/').map(|(at, _)| at);
        ends.filter_map(|end| self.upper.get(bytes.get(..end)?)).any(Change::hides_below)
    }
}

impl Change {
    fn hides_below(&self) -> bool {
        match self {
            Change::Set(entry) => !entry.is_dir(),
            Change::Removed => true,
        }
    }

    fn is_set(&self) -> bool {
        matches!(self, Change::Set(_))
    }
}

impl FileSystem for Overlay {
    fn lstat(&self, path: &ImagePath) -> Option<&Entry> {
        match self.upper.get(path) {
            Some(Change::Set(entry)) => Some(entry),
            Some(Change::Removed) => None,
            None => self.tree.lstat(path).filter(|_| !self.is_hidden(path)),
        }
    }

    fn read_dir(&self, path: &ImagePath) -> Vec<ImagePath> {
        if !self.lstat(path).is_some_and(Entry::is_dir) {
            return Vec::new();
        }
        // No hidden directory above (`lstat` saw to it) and `path` itself hides nothing.
        let mut names = self.tree.read_dir(path);
        names.retain(|child| !self.upper.contains_key(child));
        let own = children(&self.upper, path).filter(|(_, change)| change.is_set());
        names.extend(own.map(|(child, _)| child.clone()));
        names.sort_unstable();
        names
    }

    fn walk(&self, path: &ImagePath) -> Vec<ImagePath> {
        if self.lstat(path).is_none() {
            return Vec::new();
        }
        let mut hidden: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut paths: Vec<ImagePath> = Vec::new();
        let own = self.upper.get_key_value(path).into_iter().chain(below(&self.upper, path));
        for (key, change) in own {
            if change.hides_below() {
                hidden.push(below_bounds(key));
            }
            if change.is_set() {
                paths.push(key.clone());
            }
        }
        hidden.sort_unstable();
        let is_hidden = |key: &ImagePath| {
            let before = hidden.partition_point(|(start, _)| &**start <= key.as_bytes());
            let range = before.checked_sub(1).and_then(|at| hidden.get(at));
            range.is_some_and(|(_, end)| key.as_bytes() < &**end)
        };
        let lower = self.tree.walk(path).into_iter();
        paths.extend(lower.filter(|key| !self.upper.contains_key(key) && !is_hidden(key)));
        paths.sort_unstable();
        paths
    }

    fn note(&self, path: &ImagePath) -> Option<&Bytes> {
        self.tree.note_of(self.lstat(path))
    }

    fn open(&self, path: &ImagePath) -> Result<Box<dyn Read + Send + '_>, RootfsError> {
        self.tree.open_entry(path, self.lstat(path))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Kind;
    use super::super::tree::NoLayers;
    use super::*;

    type Model = BTreeMap<ImagePath, Entry>;

    fn path(text: &'static str) -> ImagePath {
        ImagePath::literal(text)
    }

    fn overlay(paths: &[&'static str]) -> Overlay {
        let entries = paths.iter().map(|p| (path(p), Entry::file("x", 0o644, 1)));
        Overlay::new(Arc::new(Tree::from_entries(entries, Arc::new(NoLayers))))
    }

    fn changed(overlay: &Overlay) -> Vec<String> {
        let sign = |change| if matches!(change, Change::Removed) { '-' } else { '+' };
        overlay.changes().map(|(path, change)| format!("{}{path}", sign(change))).collect()
    }

    #[test]
    fn nothing_changed_means_no_changes() {
        let mut overlay = overlay(&["/a/b", "/a/c"]);
        let (a, b) = (path("/a"), path("/a/b"));
        let before = overlay.lstat(&b).unwrap().clone();
        overlay.remove(&a);
        overlay.set(path("/a/b"), before.clone()).unwrap();
        overlay.set(path("/a/c"), before).unwrap();
        overlay.modify(&a, |entry| entry.mtime = 0).unwrap();
        overlay.set(path("/new"), Entry::directory(0o700, 0)).unwrap();
        overlay.remove(&path("/new"));
        overlay.remove(&path("/missing/x"));
        assert_eq!(changed(&overlay), [""; 0]);
    }

    #[test]
    fn what_changes_while_watched_is_told() {
        let mut overlay = overlay(&["/a/b", "/a/c"]);
        overlay.set(path("/new"), Entry::file("1", 0o644, 1)).unwrap();
        overlay.watch();
        assert_eq!(overlay.watched(), []);
        overlay.watch();
        overlay.set(path("/passing"), Entry::file("1", 0o644, 1)).unwrap();
        overlay.remove(&path("/passing"));
        overlay.modify(&path("/new"), |entry| entry.mode = 0o600).unwrap();
        overlay.modify(&path("/new"), |entry| entry.mode = 0o644).unwrap();
        assert_eq!(overlay.watched(), []);
        overlay.watch();
        overlay.remove(&path("/new"));
        overlay.remove(&path("/a/b"));
        overlay.set(path("/a/c"), Entry::file("2", 0o644, 1)).unwrap();
        let changed = ["/a/b", "/a/c", "/new"].map(path);
        assert_eq!(overlay.watched(), changed);
    }

    #[test]
    fn a_directory_made_anew_lists_its_lost_children() {
        let mut overlay = overlay(&["/a/b/1", "/a/c", "/a/d"]);
        overlay.remove(&path("/a"));
        assert_eq!(changed(&overlay), ["-/a"]);
        overlay.set(path("/a/d"), Entry::file("new", 0o644, 7)).unwrap();
        assert_eq!(changed(&overlay), ["+/a", "-/a/b", "-/a/c", "+/a/d"]);
        assert_eq!(overlay.lstat(&path("/a")).unwrap(), &Entry::directory(0o755, 7));
    }

    #[test]
    fn a_file_over_a_directory_hides_what_was_below() {
        let mut overlay = overlay(&["/a/b/1", "/a-b"]);
        overlay.set(path("/a/new"), Entry::fifo_for_test()).unwrap();
        overlay.set(path("/a"), Entry::symlink("a-b", 0)).unwrap();
        assert_eq!(changed(&overlay), ["+/a"]);
        assert!(overlay.lstat(&path("/a/b/1")).is_none());
        assert_eq!(overlay.walk(&ImagePath::root()).len(), 3);
        let below = overlay.set(path("/a/b"), Entry::file("", 0o644, 0));
        assert!(matches!(below, Err(RootfsError::NotADirectory(at)) if at == path("/a")));
    }

    #[test]
    fn a_rename_moves_the_whole_directory() {
        let mut overlay = overlay(&["/a/b/1", "/a/c", "/t/old"]);
        overlay.rename(&path("/a"), path("/t")).unwrap();
        assert_eq!(changed(&overlay), ["-/a", "+/t/b", "+/t/b/1", "+/t/c", "-/t/old"]);
        let into = overlay.rename(&path("/t"), path("/t/b/x"));
        assert!(matches!(into, Err(RootfsError::IntoItself { .. })));
        let none = overlay.rename(&path("/a"), path("/z"));
        assert!(matches!(none, Err(RootfsError::NotFound(_))));
    }

    #[test]
    fn modify_keeps_kind_and_content() {
        let mut overlay = overlay(&["/a"]);
        overlay.modify(&path("/a"), |entry| *entry = Entry::directory(0o4755, 9)).unwrap();
        let entry = overlay.lstat(&path("/a")).unwrap();
        assert_eq!((entry.mode, entry.mtime, entry.size()), (0o4755, 9, 1));
        assert_eq!(&overlay.read(&path("/a")).unwrap()[..], b"x");
    }

    #[test]
    fn new_link_identities_are_new() {
        let mut entry = Entry::file("x", 0o644, 1);
        if let Kind::File(data) = &mut entry.kind {
            data.link = Some(LinkId(41));
        }
        let tree = Tree::from_entries([(path("/a"), entry)], Arc::new(NoLayers));
        let mut overlay = Overlay::new(Arc::new(tree));
        assert_eq!([overlay.new_link(), overlay.new_link()], [LinkId(42), LinkId(43)]);
    }

    impl Entry {
        fn fifo_for_test() -> Self {
            Self { kind: Kind::Fifo, ..Self::directory(0o600, 0) }
        }
    }

    #[derive(Debug, Clone)]
    enum Op {
        Set(ImagePath, Entry),
        Remove(ImagePath),
        Rename(ImagePath, ImagePath),
        Touch(ImagePath, i64),
    }

    fn any_path() -> impl Strategy<Value = ImagePath> {
        // "a-b" sorts between "a" and "a/...", the case that naive ranges get wrong.
        let name = prop::sample::select(vec!["a", "b", "a-b", "a0"]);
        prop::collection::vec(name, 0..4).prop_map(|parts| ImagePath::new(parts.join("/")).unwrap())
    }

    fn any_entry() -> impl Strategy<Value = Entry> {
        prop_oneof![
            (0..3i64).prop_map(|mtime| Entry::directory(0o755, mtime)),
            "[xy]{0,1}".prop_map(|text| Entry::file(text, 0o644, 0)),
            Just(Entry::symlink("a", 0)),
        ]
    }

    fn any_op() -> impl Strategy<Value = Op> {
        prop_oneof![
            4 => (any_path(), any_entry()).prop_map(|(p, e)| Op::Set(p, e)),
            3 => any_path().prop_map(Op::Remove),
            2 => (any_path(), any_path()).prop_map(|(a, b)| Op::Rename(a, b)),
            1 => (any_path(), 0..3i64).prop_map(|(p, t)| Op::Touch(p, t)),
        ]
    }

    fn model_set(model: &mut Model, path: &ImagePath, entry: &Entry) -> bool {
        let parents = path.ancestors();
        if parents.iter().any(|p| model.get(p).is_some_and(|e| !e.is_dir()))
            || (path.is_root() && !entry.is_dir())
        {
            return false;
        }
        for parent in parents {
            model.entry(parent).or_insert_with(|| Entry::directory(0o755, entry.mtime));
        }
        if !entry.is_dir() {
            model.retain(|key, _| !key.starts_with(path));
        }
        model.insert(path.clone(), entry.clone());
        true
    }

    fn model_remove(model: &mut Model, path: &ImagePath) {
        model.retain(|key, _| key.is_root() || !key.starts_with(path));
    }

    fn model_rename(model: &mut Model, from: &ImagePath, to: &ImagePath) -> bool {
        let blocked = |p: &ImagePath| model.get(p).is_some_and(|e| !e.is_dir());
        if !model.contains_key(from) || to.ancestors().iter().any(blocked) {
            return false;
        }
        if from == to {
            return true;
        }
        if to.starts_with(from) || to.is_root() {
            return false;
        }
        let moved: Vec<_> = model
            .iter()
            .filter(|(key, _)| key.starts_with(from))
            .map(|(key, e)| (to.join(&key.as_bytes()[from.as_bytes().len()..]).unwrap(), e.clone()))
            .collect();
        model_remove(model, from);
        model_remove(model, to);
        moved.iter().all(|(key, entry)| model_set(model, key, entry))
    }

    fn model_apply(model: &mut Model, op: &Op) -> bool {
        match op {
            Op::Set(path, entry) => model_set(model, path, entry),
            Op::Remove(path) => {
                model_remove(model, path);
                true
            }
            Op::Rename(from, to) => model_rename(model, from, to),
            Op::Touch(path, mtime) => {
                model.get_mut(path).map(|entry| entry.mtime = *mtime).is_some()
            }
        }
    }

    fn apply(overlay: &mut Overlay, op: &Op) -> bool {
        match op {
            Op::Set(path, entry) => overlay.set(path.clone(), entry.clone()).is_ok(),
            Op::Remove(path) => {
                overlay.remove(path);
                true
            }
            Op::Rename(from, to) => overlay.rename(from, to.clone()).is_ok(),
            Op::Touch(path, mtime) => overlay.modify(path, |entry| entry.mtime = *mtime).is_ok(),
        }
    }

    proptest! {
        #[test]
        fn an_overlay_is_a_copy_with_the_operations_applied(
            start in prop::collection::vec((any_path(), any_entry()), 0..12),
            ops in prop::collection::vec(any_op(), 0..16),
        ) {
            let tree = Arc::new(Tree::from_entries(start, Arc::new(NoLayers)));
            let mut model: Model = tree.iter().map(|(p, e)| (p.clone(), e.clone())).collect();
            let mut overlay = Overlay::new(Arc::clone(&tree));
            for op in &ops {
                prop_assert_eq!(apply(&mut overlay, op), model_apply(&mut model, op), "{:?}", op);
            }

            let all = overlay.walk(&ImagePath::root());
            prop_assert_eq!(&all, &model.keys().cloned().collect::<Vec<_>>());
            for dir in model.keys().chain(tree.iter().map(|(path, _)| path)) {
                prop_assert_eq!(overlay.lstat(dir), model.get(dir));
                let direct: Vec<_> =
                    model.keys().filter(|p| p.parent().as_ref() == Some(dir)).cloned().collect();
                prop_assert_eq!(overlay.read_dir(dir), direct);
                let deep: Vec<_> = model.keys().filter(|p| p.starts_with(dir)).cloned().collect();
                prop_assert_eq!(overlay.walk(dir), deep);
            }

            let mut redone: Model = tree.iter().map(|(p, e)| (p.clone(), e.clone())).collect();
            for (path, change) in overlay.changes() {
                match change {
                    Change::Set(entry) => {
                        prop_assert_ne!(tree.lstat(path), Some(&entry));
                        prop_assert!(model_set(&mut redone, path, &entry));
                    }
                    Change::Removed => {
                        prop_assert!(tree.lstat(path).is_some());
                        model_remove(&mut redone, path);
                    }
                }
            }
            prop_assert_eq!(redone, model);
        }
    }
}
