//! What a layer for an overlay holds, and in which order.

use std::collections::BTreeMap;

use super::writer::WriteError;
use crate::whiteout;
use crate::{Change, Entry, FileSystem, Kind, LinkId, Overlay};
use imgfix_model::path::ImagePath;

/// One member of the layer to be written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// The entry as it is, with its content.
    Entry(ImagePath, Entry),
    /// Another name of an inode that an earlier member of this layer holds.
    HardLink { path: ImagePath, entry: Entry, target: ImagePath },
    /// The path of the lower layers that it hides.
    Whiteout(ImagePath),
}

/// The members for the overlay's changes: parents before what they hold; in a directory the
/// whiteouts first, then the rest, by bytes. Every directory above a change is there as it
/// is now, so that nothing that unpacks the layer alone makes up its mode, owner or time;
/// the root only when it changed.
pub(super) fn plan(overlay: &Overlay) -> Result<Vec<Item>, WriteError> {
    let mut items: BTreeMap<Vec<u8>, Item> = BTreeMap::new();
    for (path, change) in overlay.changes() {
        if whiteout::is_reserved(path) {
            return Err(WriteError::Reserved(path.clone()));
        }
        for dir in path.ancestors().into_iter().filter(|dir| !dir.is_root()) {
            if let Some(entry) = overlay.lstat(&dir) {
                items
                    .entry(dir.as_bytes().to_vec())
                    .or_insert_with(|| Item::Entry(dir.clone(), entry.clone()));
            }
        }
        match change {
            Change::Set(entry) => {
                items.insert(path.as_bytes().to_vec(), Item::Entry(path.clone(), entry));
            }
            Change::Removed => {
                items.insert(whiteout_key(path), Item::Whiteout(path.clone()));
            }
        }
    }
    let mut items: Vec<_> = items.into_values().collect();
    link(&mut items);
    Ok(items)
}

/// Sorts before every name in the directory, which cannot hold a NUL.
fn whiteout_key(path: &ImagePath) -> Vec<u8> {
    let name = path.file_name();
    let bytes = path.as_bytes();
    let dir = bytes.get(..bytes.len() - name.len()).unwrap_or_default();
    [dir, b"\0", name].concat()
}

/// Makes hard links of later names of an inode. Only names in this layer are linked: a layer
/// may be unpacked without those below it. Names whose attributes differ (only one of them
/// was changed) are no longer one inode.
fn link(items: &mut [Item]) {
    let mut first: BTreeMap<LinkId, Vec<(ImagePath, Entry)>> = BTreeMap::new();
    for item in items {
        let Item::Entry(path, entry) = item else { continue };
        let Kind::File(data) = &entry.kind else { continue };
        let Some(id) = data.link else { continue };
        let same = first.entry(id).or_default();
        match same.iter().find(|(_, earlier)| earlier == entry) {
            None => same.push((path.clone(), entry.clone())),
            Some((target, _)) => {
                let (path, target) = (path.clone(), target.clone());
                *item = Item::HardLink { path, entry: entry.clone(), target };
            }
        }
    }
}
