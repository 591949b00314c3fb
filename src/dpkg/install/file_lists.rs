//! Which package owns which path: the file lists of all packages, both ways.
//!
//! Paths are kept once and numbered, in the form dpkg lists them (absolute, `/.` for the
//! root); packages are their places in the status file.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::deb::listed_name;

/// A path that some package lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct NameId(u32);

/// All file lists.
#[derive(Debug, Default)]
pub(super) struct FileLists {
    names: Vec<Arc<[u8]>>,
    by_name: HashMap<Arc<[u8]>, NameId>,
    lists: Vec<Vec<NameId>>,
    owners: Vec<Vec<usize>>,
}

impl FileLists {
    /// The number of a path, given to it now if it has none.
    pub(super) fn id(&mut self, name: &[u8]) -> NameId {
        if let Some(&id) = self.by_name.get(name) {
            return id;
        }
        let id = NameId(u32::try_from(self.names.len()).unwrap_or(u32::MAX));
        let name: Arc<[u8]> = name.into();
        self.names.push(Arc::clone(&name));
        self.by_name.insert(name, id);
        self.owners.push(Vec::new());
        id
    }

    /// The number of a path, if a package lists it or a run has met it.
    pub(super) fn known(&self, name: &[u8]) -> Option<NameId> {
        self.by_name.get(name).copied()
    }

    pub(super) fn name(&self, id: NameId) -> Arc<[u8]> {
        self.names.get(id.0 as usize).cloned().unwrap_or_else(|| Arc::from(&b"/."[..]))
    }

    /// Packages that list the path.
    pub(super) fn owners(&self, id: NameId) -> &[usize] {
        self.owners.get(id.0 as usize).map(Vec::as_slice).unwrap_or_default()
    }

    /// The paths of a package, in the order of its list.
    pub(super) fn of(&self, package: usize) -> &[NameId] {
        self.lists.get(package).map(Vec::as_slice).unwrap_or_default()
    }

    /// Gives a package a new list.
    pub(super) fn set(&mut self, package: usize, list: Vec<NameId>) {
        if self.lists.len() <= package {
            self.lists.resize(package + 1, Vec::new());
        }
        let former = self.lists.get_mut(package).map(|slot| std::mem::replace(slot, list));
        for id in former.unwrap_or_default() {
            if let Some(owners) = self.owners.get_mut(id.0 as usize) {
                owners.retain(|owner| *owner != package);
            }
        }
        let Self { lists, owners, .. } = self;
        for id in lists.get(package).map(Vec::as_slice).unwrap_or_default() {
            if let Some(owners) = owners.get_mut(id.0 as usize)
                && !owners.contains(&package)
            {
                owners.push(package);
            }
        }
    }

    /// Reads the text of a `.list` file as the list of a package.
    pub(super) fn parse(&mut self, package: usize, text: &[u8]) {
        let list = text
            .split(|&b| b == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| self.id(&listed_name(line)))
            .collect();
        self.set(package, list);
    }

    /// The text of a `.list` file.
    pub(super) fn render(&self, list: &[NameId]) -> Vec<u8> {
        let mut out = Vec::new();
        for id in list {
            out.extend_from_slice(&self.name(*id));
            out.push(b'\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_owners_agree() {
        let mut lists = FileLists::default();
        lists.parse(0, b"/.\n/usr\n/usr/a\n");
        lists.parse(2, b"/.\n/usr\n/usr/b\n");
        let usr = lists.known(b"/usr").unwrap();
        assert_eq!(lists.owners(usr), [0, 2]);
        assert_eq!(lists.of(1), []);
        let b = lists.id(b"/usr/b");
        lists.set(0, vec![b]);
        assert_eq!(lists.owners(usr), [2]);
        assert_eq!(lists.owners(b), [2, 0]);
        assert_eq!(lists.render(lists.of(2)), b"/.\n/usr\n/usr/b\n");
    }
}
