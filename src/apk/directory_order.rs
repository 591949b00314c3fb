//! [`DirectoryOrder`]: the order in which apk 3 has the directories of one package.
//!
//! In come the looks that apk takes at them while it reads a record or unpacks an archive; out
//! comes the order in which it writes them: that in which they were met, but sorted by their
//! names up to the last look that found more than 32 of them out of order. Source: apk-tools 3.0,
//! `src/database.c` (`apk_db_diri_get`, `apk_db_diri_query`, `apk_db_diri_bsearch`).

use std::collections::HashSet;

use imgfix_model::path::ImagePath;

/// So many may be out of order.
const MAX_UNSORTED: usize = 32;

/// The directories so far.
#[derive(Debug, Clone, Default)]
pub struct DirectoryOrder {
    met: Vec<ImagePath>,
    known: HashSet<ImagePath>,
    /// The first so many are sorted when all is done.
    sorted: usize,
    unsorted: usize,
    /// The one behind which the next is put.
    last: Option<ImagePath>,
    highest: Option<ImagePath>,
    current: Option<ImagePath>,
}

impl DirectoryOrder {
    /// The directory becomes the current one; it is added when it is not known.
    pub fn enter(&mut self, path: &ImagePath) {
        if self.current.as_ref() == Some(path) {
            return;
        }
        self.look();
        if self.known.insert(path.clone()) {
            let is_lower = self.last.as_ref().is_some_and(|last| key(path) < key(last));
            if is_lower || self.unsorted > 0 {
                self.unsorted += 1;
            }
            if self.highest.as_ref().is_none_or(|highest| key(highest) < key(path)) {
                self.highest = Some(path.clone());
            }
            self.last = Some(path.clone());
            self.met.push(path.clone());
        }
        self.current = Some(path.clone());
    }

    /// A file is put into its directory, which should be known.
    pub fn put_into(&mut self, path: &ImagePath) {
        if self.look_for(path) || path.is_root() {
            self.enter(path);
        }
    }

    /// A directory is looked for; whether it is known.
    pub fn look_for(&mut self, path: &ImagePath) -> bool {
        if self.current.as_ref() == Some(path) {
            return true;
        }
        self.look();
        self.known.contains(path)
    }

    fn look(&mut self) {
        if self.unsorted > MAX_UNSORTED {
            self.sorted = self.met.len();
            self.last.clone_from(&self.highest);
            self.unsorted = 0;
        }
    }

    /// The directories in their order.
    #[must_use]
    pub fn finish(mut self) -> Vec<ImagePath> {
        if let Some(sorted) = self.met.get_mut(..self.sorted) {
            sorted.sort_by(|a, b| key(a).cmp(key(b)));
        }
        self.met
    }
}

fn key(path: &ImagePath) -> &[u8] {
    path.relative()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(names: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut order = DirectoryOrder::default();
        for name in names {
            order.enter(&ImagePath::new(&name).unwrap());
        }
        order.finish().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn directories_stay_as_they_are_met_until_many_are_out_of_order() {
        // 1 in order, then all that follow the first one that is lower count as out of order.
        let names = |count: usize| -> Vec<String> {
            ["/z".to_owned()].into_iter().chain((0..count).map(|at| format!("/a{at:02}"))).collect()
        };
        for count in [0, 1, 32, 33] {
            assert_eq!(order(names(count)), names(count), "{count}");
        }
        // The 34th look for another directory sorts what was met before it.
        let mut sorted = names(33);
        sorted.sort();
        sorted.push("/a33".to_owned());
        assert_eq!(order(names(34)), sorted);
        let mut looked = DirectoryOrder::default();
        for name in names(33) {
            looked.enter(&ImagePath::new(&name).unwrap());
        }
        looked.put_into(&ImagePath::literal("/a32"));
        assert_eq!(
            looked.clone().finish()[0].to_string(),
            "/z",
            "the current one is not looked for"
        );
        assert!(!looked.look_for(&ImagePath::literal("/other")));
        assert_eq!(looked.finish()[0].to_string(), "/a00");
    }

    #[test]
    fn names_in_order_are_never_sorted_and_known_ones_are_not_added() {
        let names: Vec<String> = (0..100).map(|at| format!("/d{at:03}")).collect();
        assert_eq!(order(names.clone()), names);
        let twice = names.iter().chain(&names).cloned();
        assert_eq!(order(twice), names);
        let mut root = DirectoryOrder::default();
        root.put_into(&ImagePath::literal("/usr"));
        root.put_into(&ImagePath::root());
        assert_eq!(root.finish(), [ImagePath::root()]);
    }
}
