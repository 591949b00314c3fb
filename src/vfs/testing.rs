//! What the tests of this room share: layers written by another program's code, read and shown.

use std::sync::Arc;

use super::{
    Budget, Compression, Entry, FileSystem as _, Kind, LayerError, LayerLimits, LayerSpec,
    NoLayers, ParsedLayer, Tree, merge, read_layer,
};
use imgfix_model::path::ImagePath;

/// A tar stream written by the `tar` crate, an independent implementation.
pub struct Archive(pub tar::Builder<Vec<u8>>);

impl Archive {
    pub fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    pub fn add(mut self, name: &str, kind: tar::EntryType, link: &str, data: &[u8]) -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_mtime(1_700_000_000);
        header.set_size(data.len() as u64);
        // Set by hand: the crate refuses the names that matter here.
        let old = header.as_old_mut();
        if name.len() <= 100 {
            old.name[..name.len()].copy_from_slice(name.as_bytes());
        }
        old.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        if name.len() > 100 {
            self.0.append_data(&mut header, name, data).unwrap();
        } else {
            self.0.append(&header, data).unwrap();
        }
        self
    }

    pub fn file(self, name: &str, data: &str) -> Self {
        self.add(name, tar::EntryType::Regular, "", data.as_bytes())
    }

    pub fn dir(self, name: &str) -> Self {
        self.add(name, tar::EntryType::Directory, "", b"")
    }

    pub fn symlink(self, name: &str, target: &str) -> Self {
        self.add(name, tar::EntryType::Symlink, target, b"")
    }

    pub fn hard_link(self, name: &str, target: &str) -> Self {
        self.add(name, tar::EntryType::Link, target, b"")
    }

    pub fn pax(mut self, records: &[(&str, &[u8])]) -> Self {
        self.0.append_pax_extensions(records.iter().copied()).unwrap();
        self
    }

    pub fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

pub fn spec(compression: Option<Compression>) -> LayerSpec {
    LayerSpec { name: "layer 1 of 1".into(), compression, diff_id: None }
}

pub fn read_with(blob: &[u8], limits: LayerLimits) -> Result<ParsedLayer, LayerError> {
    read_layer(blob, &spec(None), &Budget::new(limits), &|_, _| true)
}

pub fn read(blob: &[u8]) -> Result<ParsedLayer, LayerError> {
    read_with(blob, LayerLimits::default())
}

pub fn tree(layers: Vec<Vec<u8>>) -> Result<Tree, LayerError> {
    let parsed = layers.iter().map(|blob| read(blob)).collect::<Result<Vec<_>, _>>()?;
    merge(parsed, Arc::new(NoLayers))
}

/// Paths with what is there: a file's text, a link's target.
pub fn shown(layers: Vec<Vec<u8>>) -> Vec<String> {
    let tree = tree(layers).unwrap();
    let show = |(path, entry): (&ImagePath, &Entry)| match &entry.kind {
        Kind::File(_) => {
            format!("{path}={}", String::from_utf8_lossy(&tree.read(path).unwrap()))
        }
        Kind::Symlink(target) => format!("{path}->{}", String::from_utf8_lossy(target)),
        _ => format!("{path}"),
    };
    tree.iter().map(show).collect()
}

pub fn message(result: Result<impl Sized, LayerError>) -> String {
    result.err().map(|error| error.to_string()).unwrap_or_default()
}
