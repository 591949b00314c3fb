//! Small images for this room's tests.

use std::sync::Arc;

use imgfix_model::path::ImagePath;
use imgfix_vfs::{Entry, NoLayers, Tree};
use serde_json::{Value, json};

/// An image of files (paths that end in `package.json` get a document), `LINK -> TARGET` lines
/// for links.
pub(crate) fn image(files: &[(&str, Value)], links: &[(&str, &str)]) -> Tree {
    let path = |path: &str| ImagePath::new(path).unwrap();
    let file = |(at, document): &(&str, Value)| {
        (path(at), Entry::file(imgfix_json::pretty(document), 0o644, 0))
    };
    let link = |(at, target): &(&str, &str)| (path(at), Entry::symlink(*target, 0));
    // folders are there by themselves: a tree has parents of what it has
    let mut entries: Vec<(ImagePath, Entry)> =
        files.iter().map(file).chain(links.iter().map(link)).collect();
    let mut folders: Vec<ImagePath> =
        entries.iter().flat_map(|(path, _)| path.parent().unwrap().ancestors()).collect();
    folders.extend(entries.iter().filter_map(|(path, _)| path.parent()));
    folders.sort();
    folders.dedup();
    entries.extend(folders.into_iter().map(|path| (path, Entry::directory(0o755, 0))));
    Tree::from_entries(entries, Arc::new(NoLayers))
}

/// A `package.json` with dependencies.
pub(crate) fn package(name: &str, version: &str, needs: &[(&str, &str)]) -> Value {
    let needs: serde_json::Map<String, Value> =
        needs.iter().map(|(name, spec)| ((*name).to_owned(), json!(spec))).collect();
    json!({"name": name, "version": version, "dependencies": needs})
}
