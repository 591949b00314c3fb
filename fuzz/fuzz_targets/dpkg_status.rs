//! dpkg's status file: what is understood is written back as it was, and gives an inventory
//! or one error.
#![no_main]

use std::sync::Arc;

use imgfix_dpkg::inventory::DpkgInventory;
use imgfix_dpkg::status::{Status, StanzaOrder};
use imgfix_vfs::{Entry, NoLayers, Tree};
use imgfix_model::path::ImagePath;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(status) = Status::parse(data.to_vec()) {
        let written = status.render(StanzaOrder::AsFound, |_, _| None);
        let again = Status::parse(written.clone()).expect("what was written is read");
        assert_eq!(again.render(StanzaOrder::AsFound, |_, _| None), written);
    }
    let file = (ImagePath::literal("/var/lib/dpkg/status"), Entry::file(data.to_vec(), 0o644, 0));
    let tree = Tree::from_entries([file], Arc::new(NoLayers));
    let _ = DpkgInventory::read(&tree).map(|inventory| inventory.to_inventory());
});
