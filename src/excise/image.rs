//! [`excise`]: both passes over the layers of one image.

use std::io::{self, Read, Write};

use imgfix_vfs::compression::Unpacked;
use imgfix_vfs::layer::{BlobWriter, WrittenBlob};
use imgfix_vfs::layer_reader::{Digests, LayerSpec, Wanted, read_layers};
use imgfix_vfs::limits::{Budget, LayerLimits};
use imgfix_vfs::{Compression, LayerError, ParsedLayer};

use super::cut::{Cut, ExciseError};
use super::rewrite::Rewriter;
use super::survey::{Survey, survey};

/// What one layer became.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewLayer {
    /// Nothing: it keeps its blob.
    Unchanged,
    /// A blob of its own, compressed as the old one.
    Rewritten {
        /// Digests and sizes.
        written: WrittenBlob,
        /// As the old one.
        compression: Compression,
    },
}

/// What became of an image.
#[derive(Debug)]
pub struct Excision {
    /// What went, what is left.
    pub survey: Survey,
    /// One for each layer, base first.
    pub layers: Vec<NewLayer>,
}

/// Cuts `cut` out of an image. `open` gives the blob of the layer with this place in `specs`, as
/// often as it is asked; `output` takes the new blob of a layer that is written anew.
///
/// # Errors
/// A layer cannot be read or is too large, has a form in which an entry cannot be cut, or the
/// output fails.
pub fn excise<R: Read + Send, W: Write>(
    specs: &[LayerSpec],
    open: impl Fn(usize) -> io::Result<R> + Sync,
    cut: &Cut,
    limits: LayerLimits,
    mut output: impl FnMut(usize) -> io::Result<W>,
) -> Result<Excision, ExciseError> {
    let parsed = read(specs, &open, limits)?;
    let survey = survey(&parsed, cut)?;
    drop(parsed);
    let mut rewriter = Rewriter::new(&survey);
    let mut layers = Vec::with_capacity(specs.len());
    for (at, spec) in specs.iter().enumerate() {
        if !survey.reads(at) {
            layers.push(NewLayer::Unchanged);
            continue;
        }
        let unread =
            |source| ExciseError::Layer(LayerError::Read { layer: spec.name.clone(), source });
        let stream = open(at).and_then(Unpacked::new).map_err(unread)?;
        if !survey.rewrites(at) {
            rewriter.layer(at, stream, &mut io::sink())?;
            layers.push(NewLayer::Unchanged);
            continue;
        }
        let compression = stream.found();
        let failed = |source| ExciseError::Output { layer: at, source };
        let out = output(at).map_err(failed)?;
        let mut blob = BlobWriter::new(out, compression, None)
            .map_err(|source| ExciseError::Compressor { layer: at, source })?;
        rewriter.layer(at, stream, &mut blob)?;
        let written = blob.finish().map_err(failed)?;
        layers.push(NewLayer::Rewritten { written, compression });
    }
    drop(rewriter);
    Ok(Excision { survey, layers })
}

/// What the survey wants to know of the layers of an image: names, and the digests of contents.
fn read<R: Read + Send>(
    specs: &[LayerSpec],
    open: &(impl Fn(usize) -> io::Result<R> + Sync),
    limits: LayerLimits,
) -> Result<Vec<ParsedLayer>, ExciseError> {
    // Every digest is wanted; no content is.
    let budget = Budget::new(LayerLimits { max_inline: u64::MAX, ..limits });
    let wanted = Wanted { digests: Digests::Taken, ..Wanted::kept(&|_, _| false) };
    Ok(read_layers(specs, open, &budget, wanted)?)
}
