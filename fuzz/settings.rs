//! What the targets of settings share: a file is read or refused, and what is set in it holds.

use std::sync::Arc;

use imgfix_model::path::ImagePath;
use imgfix_settings::{Format, all, effective, remove_everywhere, set};
use imgfix_vfs::{Entry, NoLayers, Tree};

fn tree(text: &[u8]) -> Tree {
    let file = |path, text: &[u8]| (ImagePath::literal(path), Entry::file(text.to_vec(), 0o644, 0));
    Tree::from_entries([file("/etc/a", text), file("/etc/d/b", b"key v\n")], Arc::new(NoLayers))
}

/// Asks for one of the keys, which the first byte says; the rest is the file.
pub fn ask(asked: &[(Format, &str, &str)], data: &[u8]) {
    let Some((which, text)) = data.split_first() else { return };
    let (format, key, value) = asked[usize::from(*which) % asked.len()];
    let file = ImagePath::literal("/etc/a");
    let image = tree(text);
    let _ = all(&image, format, &file, key);
    // An edit after which another setting would not be as it was is refused by the room itself, as one of a file that
    // is not understood: nothing is written.
    let _ = remove_everywhere(&image, format, &file, key);
    let Ok(changed) = set(&image, format, &file, key, value) else { return };
    if let Some((_, new)) = changed.iter().find(|(path, _)| *path == file) {
        let after = tree(new);
        let found = effective(&after, format, &file, key).expect("what was written is read");
        assert_eq!(found.map(|found| found.value).as_deref(), Some(value));
        assert!(set(&after, format, &file, key, value).expect("it is read").is_empty());
    }
}
