//! Two layers, cut by a name and by a content: any tar streams are refused or written anew, and
//! what is written merges, and has nothing to be cut any more.
#![no_main]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::rc::Rc;
use std::sync::Arc;

use imgfix_excise::{Cut, excise};
use imgfix_model::digest::Digest;
use imgfix_model::path::ImagePath;
use imgfix_vfs::layer_reader::{LayerSpec, read_layer};
use imgfix_vfs::limits::{Budget, LayerLimits, Scale};
use imgfix_vfs::merge::merge;
use imgfix_vfs::{Compression, NoLayers};
use libfuzzer_sys::fuzz_target;

#[derive(Clone, Default)]
struct Out(Rc<RefCell<Vec<u8>>>);

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fuzz_target!(|data: &[u8]| {
    let spec = || LayerSpec {
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
    // layers are whole blocks
    let blocks = data.len() / 512;
    let (lower, upper) = data.split_at(blocks / 2 * 512);
    let layers = [lower, upper];
    let cut = Cut {
        paths: [ImagePath::literal("/d/a"), ImagePath::literal("/b")].into(),
        contents: [Digest::of(b"text"), Digest::of(b"ab")].into(),
        ..Cut::default()
    };
    let mut outs: BTreeMap<usize, Out> = BTreeMap::new();
    let open = |at: usize| Ok(layers[at]);
    let specs = [spec(), spec()];
    let done = excise(&specs, open, &cut, limits, |at| Ok(outs.entry(at).or_default().clone()));
    if done.is_err() {
        return;
    }
    let after: Vec<Vec<u8>> = layers
        .iter()
        .enumerate()
        .map(|(at, old)| outs.get(&at).map_or(old.to_vec(), |out| out.0.borrow().clone()))
        .collect();
    // a promoted sparse file has its holes written
    let limits = LayerLimits { max_unpacked: 8 << 20, ..limits };
    let budget = Budget::new(limits);
    let parsed = after.iter().map(|blob| read_layer(&blob[..], &spec(), &budget, &|_, _| false));
    let parsed = parsed.collect::<Result<Vec<_>, _>>().expect("what was written is an archive");
    merge(parsed, Arc::new(NoLayers)).expect("what was written merges");
    let again = excise(&specs, |at| Ok(&after[at][..]), &cut, limits, |_| Ok(Out::default()));
    assert!(again.expect("it was read already").survey.is_unchanged());
});
