//! [`LayerLoader`]: reads the content of layer members again, after the first pass has kept
//! only their place.
//!
//! A member can only be reached by decompressing its layer up to it. So the first time that a
//! member of a layer is asked for, all small files of the layer go to the *shelf*, a temporary
//! file without a name: maintainer scripts read many small files, and each layer is read once
//! for all of them. Large files are streamed again each time.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};

use super::LayerId;
use super::compression::{Compression, Decoder, Source, detect};
use super::spool::{Spool, SpoolFile};
use super::tar_reader::{TarError, TarReader};
use super::tree::{ContentLoader, MemberSink};

/// A layer's blob as a stream that checks its own digest at the end.
pub type Blob = Box<dyn Read + Send>;

type Open = dyn Fn(LayerId) -> io::Result<Blob> + Send + Sync;

/// The largest file that goes to the shelf, in bytes.
const SHELVED_UP_TO: u64 = 1 << 20;

/// Small files of one layer by the index of their member.
type Shelf = Arc<BTreeMap<u32, SpoolFile>>;

/// Opens layers again and finds members in them.
pub struct LayerLoader {
    /// The layers, and how they are stored if that is known.
    layers: BTreeMap<LayerId, Option<Compression>>,
    open: Box<Open>,
    shelves: Mutex<BTreeMap<LayerId, Shelf>>,
}

impl LayerLoader {
    /// For the layers of an image: `compressions` as their media types say, the lowest layer
    /// first; `open` gives the blob of a layer by its number.
    pub fn new(
        compressions: Vec<Option<Compression>>,
        open: impl Fn(usize) -> io::Result<Blob> + Send + Sync + 'static,
    ) -> Self {
        let layers = (0..).map(LayerId::Original).zip(compressions).collect();
        let open = move |layer| match layer {
            LayerId::Original(number) => open(usize::try_from(number).unwrap_or(usize::MAX)),
            LayerId::Patch => Err(no_layer(layer)),
        };
        Self { layers, open: Box::new(open), shelves: Mutex::default() }
    }

    /// For the patch layer alone.
    pub fn of_patch(
        compression: Option<Compression>,
        open: impl Fn() -> io::Result<Blob> + Send + Sync + 'static,
    ) -> Self {
        let open = move |layer| match layer {
            LayerId::Patch => open(),
            LayerId::Original(_) => Err(no_layer(layer)),
        };
        let layers = [(LayerId::Patch, compression)].into();
        Self { layers, open: Box::new(open), shelves: Mutex::default() }
    }

    /// The shelf of a layer; made on first use. Others who want one wait meanwhile.
    fn shelf(&self, layer: LayerId) -> io::Result<Shelf> {
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shelf) = shelves.get(&layer) {
            return Ok(Arc::clone(shelf));
        }
        let spool = Spool::new()?;
        let mut stream = self.stream(layer)?;
        let mut shelf = BTreeMap::new();
        while let Some((index, size)) = stream.next_small(SHELVED_UP_TO)? {
            let stored = spool.store(&mut stream.tar, size);
            shelf.insert(index, stream.check(stored)?);
        }
        stream.finish()?;
        let shelf = Arc::new(shelf);
        shelves.insert(layer, Arc::clone(&shelf));
        Ok(shelf)
    }

    fn stream(&self, layer: LayerId) -> io::Result<LayerStream> {
        let expected = *self.layers.get(&layer).ok_or_else(|| no_layer(layer))?;
        let detected = detect(Source::new((self.open)(layer)?))?;
        if expected.is_some_and(|expected| expected != detected.found) {
            return Err(io::Error::other(format!("{layer} changed since it was first read")));
        }
        let decoder = BufReader::with_capacity(64 * 1024, detected.decode()?);
        Ok(LayerStream { layer, tar: TarReader::new(decoder), next: 0 })
    }
}

fn no_layer(layer: LayerId) -> io::Error {
    io::Error::other(format!("the image has no such layer: {layer}"))
}

impl ContentLoader for LayerLoader {
    /// The stream ends with an error when the layer's blob turns out not to have its digest:
    /// what follows the member is read before the end is told.
    fn open(&self, layer: LayerId, index: u32) -> io::Result<Box<dyn Read + Send>> {
        if let Some(file) = self.shelf(layer)?.get(&index) {
            return Ok(Box::new(file.reader()));
        }
        let mut stream = self.stream(layer)?;
        stream.seek_to(index)?;
        Ok(Box::new(MemberContent { stream: Some(stream) }))
    }

    fn load_many(
        &self,
        wanted: &BTreeMap<LayerId, BTreeSet<u32>>,
        sink: MemberSink<'_>,
    ) -> io::Result<()> {
        for (&layer, indexes) in wanted {
            let mut stream = self.stream(layer)?;
            for &index in indexes {
                stream.seek_to(index)?;
                let sunk = sink(layer, index, &mut stream.tar);
                stream.check(sunk)?;
            }
            stream.finish()?;
        }
        Ok(())
    }
}

/// An image's layers, and the patch layer over them.
pub(super) struct WithPatch {
    pub(super) original: Arc<dyn ContentLoader>,
    pub(super) patch: LayerLoader,
}

impl WithPatch {
    fn of(&self, layer: LayerId) -> &dyn ContentLoader {
        match layer {
            LayerId::Original(_) => &*self.original,
            LayerId::Patch => &self.patch,
        }
    }
}

impl ContentLoader for WithPatch {
    fn open(&self, layer: LayerId, index: u32) -> io::Result<Box<dyn Read + Send>> {
        self.of(layer).open(layer, index)
    }

    fn load_many(
        &self,
        wanted: &BTreeMap<LayerId, BTreeSet<u32>>,
        sink: MemberSink<'_>,
    ) -> io::Result<()> {
        let mut original = wanted.clone();
        let patch = original.split_off(&LayerId::Patch);
        self.original.load_many(&original, sink)?;
        self.patch.load_many(&patch, sink)
    }
}

struct LayerStream {
    layer: LayerId,
    tar: TarReader<BufReader<Decoder<Source<Blob>>>>,
    /// The index of the member that comes next.
    next: u32,
}

impl LayerStream {
    /// Goes to the next member of at most so many bytes that has any: its index and size.
    fn next_small(&mut self, most: u64) -> io::Result<Option<(u32, u64)>> {
        loop {
            let found = self.tar.next_member().map_err(|error| match error {
                TarError::Io(error) => error,
                other => io::Error::other(other.to_string()),
            });
            let Some(member) = self.check(found)? else { return Ok(None) };
            let index = self.next;
            self.next += 1;
            if (1..=most).contains(&member.size) {
                return Ok(Some((index, member.size)));
            }
        }
    }

    fn seek_to(&mut self, index: u32) -> io::Result<()> {
        while self.next <= index {
            let found = match self.tar.next_member() {
                Ok(Some(_)) => Ok(()),
                Ok(None) => Err(io::Error::other(format!(
                    "{} has no member {index}: it changed since it was first read",
                    self.layer
                ))),
                Err(TarError::Io(error)) => Err(error),
                Err(error) => Err(io::Error::other(error.to_string())),
            };
            self.check(found)?;
            self.next += 1;
        }
        Ok(())
    }

    /// Prefers the blob's own error to what its content led to.
    fn check<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| self.source().finish().err().unwrap_or(error))
    }

    fn finish(&mut self) -> io::Result<()> {
        self.source().finish()
    }

    fn source(&mut self) -> &mut Source<Blob> {
        self.tar.get_mut().get_mut().source_mut()
    }
}

struct MemberContent {
    /// `None` once the blob has been checked.
    stream: Option<LayerStream>,
}

impl Read for MemberContent {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(stream) = self.stream.as_mut().filter(|_| !buffer.is_empty()) else {
            return Ok(0);
        };
        let got = stream.tar.read(buffer);
        let got = stream.check(got)?;
        if got == 0 {
            stream.finish()?;
            self.stream = None;
        }
        Ok(got)
    }
}
