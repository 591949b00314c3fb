//! Images for tests.

use std::sync::Arc;

use imgfix_model::path::ImagePath;
use imgfix_vfs::{Entry, Overlay, Tree};

/// An image with files: path, content, mode.
pub fn overlay(files: &[(&str, &str, u32)]) -> Overlay {
    let mut entries = std::collections::BTreeMap::new();
    for (path, text, mode) in files {
        let path = ImagePath::new(path).unwrap();
        for above in path.ancestors() {
            entries.entry(above).or_insert_with(|| Entry::directory(0o755, 1));
        }
        entries.insert(path, Entry::file((*text).to_owned(), *mode, 1));
    }
    Overlay::new(Arc::new(Tree::from_entries(entries, Arc::new(imgfix_vfs::NoLayers))))
}
