//! [`Inspections`]: the libraries of an image looked into, each file once.
//!
//! What a file in a layer is was noted when the layer was read ([`note`]); for those without
//! a note each layer is read again once for all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::io::{self, Read};

use bstr::ByteSlice as _;
use bytes::Bytes;

use super::elf::{Class, Inspected, inspect};
use super::folders::Folder;
use super::libraries::names;
use super::program::Program;
use imgfix_model::path::ImagePath;
use imgfix_shell::{Process, Stop};
use imgfix_vfs::{Content, Entry, FileSystem as _, Kind, LayerId};

/// The note of a file that may be a library, for the reader of layers.
///
/// # Errors
/// The content's own.
pub fn note(path: &ImagePath, size: u64, content: &mut dyn Read) -> io::Result<Option<Bytes>> {
    let name = path.file_name();
    let is_named = name.starts_with(b"lib") || name.starts_with(b"ld");
    if !is_named || !name.contains_str(".so") {
        return Ok(None);
    }
    match inspect(content, size)? {
        Inspected::OutOfReach => Ok(None),
        known => Ok(serde_json::to_vec(&known).ok().map(Bytes::from)),
    }
}

/// What files are, by their path with all links followed.
#[derive(Default)]
pub struct Inspections(BTreeMap<ImagePath, Inspected>);

impl Inspections {
    /// Looks into all files in the folders that lie in layers.
    ///
    /// # Errors
    /// A layer cannot be read again.
    pub fn gather(
        process: &mut Process<'_>,
        program: &Program,
        folders: &[Folder],
    ) -> Result<Self, Stop> {
        let mut known = BTreeMap::new();
        let mut wanted: BTreeMap<LayerId, BTreeSet<u32>> = BTreeMap::new();
        let mut files: BTreeMap<(LayerId, u32), (Vec<ImagePath>, u64)> = BTreeMap::new();
        for folder in folders {
            for (name, _) in names(process, program, folder)? {
                let own = [folder.real.as_bytes(), b"/", &name].concat();
                let Ok(real) = process.machine.follow(&ImagePath::root(), &own)? else { continue };
                let entry = process.machine.overlay.lstat(&real);
                let Some(Kind::File(data)) = entry.map(|entry| &entry.kind) else { continue };
                if let Content::Layer { layer, index } = data.content {
                    let note = process.machine.overlay.tree().note(layer, index);
                    if let Some(noted) = note.and_then(|note| imgfix_json::read(note).ok()) {
                        known.insert(real, noted);
                        continue;
                    }
                    wanted.entry(layer).or_default().insert(index);
                    let (paths, _) =
                        files.entry((layer, index)).or_insert_with(|| (Vec::new(), data.size));
                    paths.push(real);
                }
            }
        }
        let mut sink = |layer: LayerId, index: u32, content: &mut dyn Read| {
            if let Some((paths, size)) = files.remove(&(layer, index)) {
                let inspected = inspect(content, size)?;
                known.extend(paths.into_iter().map(|path| (path, inspected.clone())));
            }
            Ok(())
        };
        let loader = process.machine.overlay.tree().loader();
        loader.load_many(&wanted, &mut sink).map_err(|error| {
            Stop::from_error(format!("libraries cannot be read: {error}"), &error)
        })?;
        Ok(Self(known))
    }

    /// What a file is. Those that are too small to be anything are told as such.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn of(
        &mut self,
        process: &mut Process<'_>,
        program: &Program,
        path: &ImagePath,
        entry: &Entry,
    ) -> Result<Inspected, Stop> {
        let smallest = match program.processor.class {
            Class::Elf32 => 52,
            Class::Elf64 => 64,
        };
        if entry.size() < smallest {
            if entry.size() == 0 {
                process.complain(format!("File {path} is empty, not checked."))?;
            }
            return Ok(Inspected::Unusable);
        }
        if let Some(known) = self.0.get(path) {
            return Ok(known.clone());
        }
        let failed = |error: &(dyn Error + 'static)| {
            Stop::from_error(format!("{path} cannot be read: {error}"), error)
        };
        let mut content = process.machine.overlay.open(path).map_err(|error| failed(&error))?;
        let inspected = inspect(&mut content, entry.size()).map_err(|error| failed(&error))?;
        self.0.insert(path.clone(), inspected.clone());
        Ok(inspected)
    }
}
