//! A layer: every member of any tar stream is read within its limits or refused, and what was
//! read merges to a tree whose entries have parents.
#![no_main]

use std::sync::Arc;

use imgfix_vfs::layer_reader::{LayerSpec, read_layer};
use imgfix_vfs::limits::{Budget, LayerLimits, Scale};
use imgfix_vfs::merge::merge;
use imgfix_vfs::{Compression, FileSystem, NoLayers};
use imgfix_model::path::ImagePath;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let spec = LayerSpec {
        name: "layer".to_owned(),
        compression: Some(Compression::None),
        diff_id: None,
    };
    let limits = LayerLimits {
        max_unpacked: 1 << 20,
        max_entries: 1000,
        max_metadata: 1 << 20,
        max_inline: 1 << 20,
        scale: Scale::Fixed,
    };
    let keep = |_: &ImagePath, size: u64| size < 4096;
    let Ok(layer) = read_layer(data, &spec, &Budget::new(limits), &keep) else { return };
    let Ok(tree) = merge(vec![layer], Arc::new(NoLayers)) else { return };
    for path in tree.walk(&ImagePath::literal("/")) {
        assert!(tree.lstat(&path).is_some(), "{path} is listed and not there");
        assert!(path.parent().is_none_or(|parent| tree.lstat(&parent).is_some()), "{path}");
    }
});
