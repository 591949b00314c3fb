//! What an image says of its repositories: apt.conf, preferences and sources of either kind. They
//! are read or refused, and what names a place names it within bounds.
#![no_main]

use std::sync::Arc;

use imgfix_dpkg::apt_conf::AptConf;
use imgfix_apt::preferences::{PinTypes, Preferences};
use imgfix_apt::sources;
use imgfix_vfs::{Entry, NoLayers, Tree};
use imgfix_model::path::ImagePath;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((kind, text)) = data.split_first() else { return };
    let path = match kind % 4 {
        0 => "/etc/apt/apt.conf.d/a",
        1 => "/etc/apt/preferences.d/a",
        2 => "/etc/apt/sources.list.d/a.list",
        _ => "/etc/apt/sources.list.d/a.sources",
    };
    let entry = Entry::file(text.to_vec(), 0o644, 1);
    let tree = Tree::from_entries([(ImagePath::literal(path), entry)], Arc::new(NoLayers));
    let conf = AptConf::read(&tree).unwrap();
    let _ = conf.truth("Acquire::Check-Valid-Until", true);
    let _ = Preferences::read(&tree, &conf, PinTypes::WithSourceVersion);
    let Ok(sources) = sources::read(&tree) else { return };
    for source in sources.sources {
        assert!(!source.describe().contains('\n'));
        let _ = (source.dists(), source.wants("amd64"));
    }
});
