//! apk's text databases: what is understood of `installed`, `triggers` and `world` is written
//! and read to the same again, no file is outside its directory, and there is an inventory or
//! one error.
#![no_main]

use std::sync::Arc;

use imgfix_apk::installed::{InstalledDatabase, RecordOrder};
use imgfix_apk::inventory::ApkInventory;
use imgfix_apk::triggers::Triggers;
use imgfix_apk::world::World;
use imgfix_vfs::{Entry, NoLayers, Tree};
use imgfix_model::path::ImagePath;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(database) = InstalledDatabase::parse(data) {
        let written = database.write();
        let again = InstalledDatabase::parse(&written).expect("what was written is read");
        assert_eq!(again.write(), written);
        for directory in database.packages.iter().flat_map(|package| &package.directories) {
            for file in &directory.files {
                let path = directory.path_of(file).expect("a path");
                assert_eq!(path.parent().as_ref(), Some(&directory.path));
            }
        }
    }
    if let Ok(triggers) = Triggers::parse(data) {
        assert_eq!(Triggers::parse(&triggers.write()), Ok(triggers));
    }
    if let Ok(world) = World::parse(data) {
        let written = world.write(RecordOrder::Sorted);
        let again = World::parse(&written).expect("what was written is read");
        assert_eq!(again.write(RecordOrder::Sorted), written);
    }
    let file = |path| (ImagePath::literal(path), Entry::file(data.to_vec(), 0o644, 0));
    let files = [file("/lib/apk/db/installed"), file("/etc/apk/world"), file("/etc/apk/arch")];
    for count in 1..=files.len() {
        let tree = Tree::from_entries(files.iter().take(count).cloned(), Arc::new(NoLayers));
        let _ = ApkInventory::read(&tree).map(|inventory| inventory.to_inventory());
    }
});
