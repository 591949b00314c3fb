//! [`LayerLoader`]: reads the content of layer members again, after the first pass has kept
//! only their place.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, Read};

use super::compression::{Compression, Decoder, Source, detect};
use super::tar_reader::{TarError, TarReader};
use super::tree::{ContentLoader, MemberSink};

/// A layer's blob as a stream that checks its own digest at the end.
pub type Blob = Box<dyn Read + Send>;

type Open = dyn Fn(u32) -> io::Result<Blob> + Send + Sync;

/// Opens layers again by number and finds members in them.
pub struct LayerLoader {
    compressions: Vec<Option<Compression>>,
    open: Box<Open>,
}

impl LayerLoader {
    /// `compressions` as the layers' media types say, the lowest layer first; `open` gives
    /// the blob of a layer by its number.
    pub fn new(
        compressions: Vec<Option<Compression>>,
        open: impl Fn(u32) -> io::Result<Blob> + Send + Sync + 'static,
    ) -> Self {
        Self { compressions, open: Box::new(open) }
    }

    fn stream(&self, layer: u32) -> io::Result<LayerStream> {
        let at = usize::try_from(layer).unwrap_or(usize::MAX);
        let expected = *self
            .compressions
            .get(at)
            .ok_or_else(|| io::Error::other(format!("the image has no layer {layer}")))?;
        let detected = detect(Source::new((self.open)(layer)?))?;
        if expected.is_some_and(|expected| expected != detected.found) {
            return Err(io::Error::other(format!("layer {layer} changed since it was first read")));
        }
        let decoder = BufReader::with_capacity(64 * 1024, detected.decode()?);
        Ok(LayerStream { layer, tar: TarReader::new(decoder), next: 0 })
    }
}

impl ContentLoader for LayerLoader {
    /// The stream ends with an error when the layer's blob turns out not to have its digest:
    /// what follows the member is read before the end is told.
    fn open(&self, layer: u32, index: u32) -> io::Result<Box<dyn Read + Send>> {
        let mut stream = self.stream(layer)?;
        stream.seek_to(index)?;
        Ok(Box::new(MemberContent { stream: Some(stream) }))
    }

    fn load_many(
        &self,
        wanted: &BTreeMap<u32, BTreeSet<u32>>,
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

struct LayerStream {
    layer: u32,
    tar: TarReader<BufReader<Decoder<Source<Blob>>>>,
    /// The index of the member that comes next.
    next: u32,
}

impl LayerStream {
    fn seek_to(&mut self, index: u32) -> io::Result<()> {
        while self.next <= index {
            let found = match self.tar.next_member() {
                Ok(Some(_)) => Ok(()),
                Ok(None) => Err(io::Error::other(format!(
                    "layer {} has no member {index}: it changed since it was first read",
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
