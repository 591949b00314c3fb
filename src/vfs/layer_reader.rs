//! Reads layers: decompression, digests, bounds.
//!
//! In comes a layer's blob as a stream that checks its own digest; out goes a
//! [`ParsedLayer`]: what every member changes ([`super::layer_changes`]), and the content of the
//! few files that are wanted in memory. A layer is read once from start to end; decompression runs in a thread
//! of its own beside hashing and parsing, and several layers are read at a time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::compression::{Compression, Source, detect};
use super::layer_changes::{ChangeReader, LayerChange};
use super::limits::Budget;
use super::tar_reader::{TarError, TarReader};
use imgfix_host::parallel::{parallel, processors};
use imgfix_model::digest::{DiffId, Digest};
use imgfix_model::path::ImagePath;

/// Uncompressed bytes handed from the decompressing thread at a time, and how many such
/// pieces may wait.
const CHUNK: usize = 256 * 1024;
const CHUNKS_WAITING: usize = 3;

/// Why a layer cannot be used. Every message starts with the layer's name.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The blob cannot be read, or does not have its digest.
    #[error("{layer}: {source}")]
    Read {
        /// [`LayerSpec::name`].
        layer: String,
        /// What the stream said.
        source: io::Error,
    },
    /// The blob is as it was stored, and is no tar archive that can be used.
    #[error("{layer} is damaged: {why}")]
    Corrupt {
        /// [`LayerSpec::name`].
        layer: String,
        /// What the decompressor or the tar reader said.
        why: String,
    },
    /// The first bytes are of another compression than the media type's.
    #[error("{layer}: its media type says {expected}, but its content is {found}")]
    Compression {
        /// [`LayerSpec::name`].
        layer: String,
        /// Of the media type.
        expected: Compression,
        /// Of the content.
        found: Compression,
    },
    /// The tar stream is not the one that the config names.
    #[error(
        "{layer}: its uncompressed content is {found}, but the image's config gives the diff ID \
         {expected}"
    )]
    DiffId {
        /// [`LayerSpec::name`].
        layer: String,
        /// In the config.
        expected: DiffId,
        /// Of what was read.
        found: DiffId,
    },
    /// A member that no file system could have, or that nothing can be put below.
    #[error("{layer}: entry {entry:?}: {why}")]
    Entry {
        /// [`LayerSpec::name`].
        layer: String,
        /// The member's name.
        entry: String,
        /// What is wrong, for people.
        why: String,
    },
    /// [`LayerLimits::max_unpacked`](super::LayerLimits::max_unpacked) is spent.
    #[error(
        "{layer}: the image unpacks to more than {limit} bytes; if it may be that large, raise \
         the limit with --max-unpacked-size"
    )]
    Unpacked {
        /// [`LayerSpec::name`] of the layer that went beyond it.
        layer: String,
        /// Bytes of all layers.
        limit: u64,
    },
    /// [`LayerLimits::max_entries`](super::LayerLimits::max_entries) is spent.
    #[error("{layer}: the image's layers have more than {limit} entries")]
    Entries {
        /// [`LayerSpec::name`] of the layer that went beyond it.
        layer: String,
        /// Entries of all layers.
        limit: u64,
    },
    /// [`LayerLimits::max_metadata`](super::LayerLimits::max_metadata) is spent.
    #[error("{layer}: names and attributes of the image's entries take more than {limit} bytes")]
    Metadata {
        /// [`LayerSpec::name`] of the layer that went beyond it.
        layer: String,
        /// Bytes of all layers.
        limit: u64,
    },
    /// Another layer failed; that error is the one to show.
    #[error("{layer}: reading was stopped")]
    Stopped {
        /// [`LayerSpec::name`].
        layer: String,
    },
}

/// What is known of a layer before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerSpec {
    /// For messages: `layer 2 of 5 (sha256:0123456789ab)`.
    pub name: String,
    /// As the media type says; `None` when it says nothing, then the content decides.
    pub compression: Option<Compression>,
    /// As the image's config says.
    pub diff_id: Option<DiffId>,
}

/// Decides which files' content stays in memory, by path and size.
pub type Keep<'a> = &'a (dyn Fn(&ImagePath, u64) -> bool + Sync);

/// Makes a note of a file whose content is not kept: what a reader will want to know of it
/// later without the layer being read again. Gets path, size and content; reads as much of
/// the content as it likes.
pub type Note<'a> =
    &'a (dyn Fn(&ImagePath, u64, &mut dyn Read) -> io::Result<Option<Bytes>> + Sync);

/// Whether the digests of files are taken while their layers are read. It costs the hashing of
/// everything, and saves who compares contents later from reading the layers again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Digests {
    /// They are not.
    #[default]
    Left,
    /// They are, of every file whose content is not kept.
    Taken,
}

/// What is wanted of files besides their metadata.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// Which contents are kept.
    pub keep: Keep<'a>,
    /// What is noted of the others.
    pub note: Note<'a>,
    /// Whether the others' digests are taken.
    pub digests: Digests,
}

impl<'a> Wanted<'a> {
    /// Contents only.
    #[must_use]
    pub fn kept(keep: Keep<'a>) -> Self {
        Self { keep, note: &|_, _, _| Ok(None), digests: Digests::Left }
    }
}

/// A layer that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedLayer {
    /// The spec's name.
    pub name: String,
    /// Of what was read; equal to the spec's where that has one.
    pub diff_id: DiffId,
    /// Bytes of the uncompressed tar stream.
    pub unpacked: u64,
    /// What each member of its archive does, in the order of the archive.
    pub changes: Vec<LayerChange>,
    /// Notes of files by their index among the changes.
    pub notes: BTreeMap<u32, Bytes>,
    /// Digests of files by their index among the changes, where they were taken.
    pub digests: BTreeMap<u32, Digest>,
}

/// Reads one layer to the end of its stream and checks its diff ID.
///
/// # Errors
/// The stream fails (which includes a blob that does not have its digest: that is told before
/// anything its content would be blamed for), the content is not what the spec says or not a
/// usable tar archive, or `budget` is spent.
pub fn read_layer(
    reader: impl Read + Send,
    spec: &LayerSpec,
    budget: &Budget,
    keep: Keep<'_>,
) -> Result<ParsedLayer, LayerError> {
    read_until(reader, spec, budget, Wanted::kept(keep), &AtomicBool::new(false))
}

/// Reads all layers, as many at a time as there are processors. `open` gives the stream of
/// the layer with this place in `specs`. When one layer fails the others are stopped.
///
/// # Errors
/// As [`read_layer`], of the lowest layer that failed by itself.
pub fn read_layers<R: Read + Send>(
    specs: &[LayerSpec],
    open: impl Fn(usize) -> io::Result<R> + Sync,
    budget: &Budget,
    wanted: Wanted<'_>,
) -> Result<Vec<ParsedLayer>, LayerError> {
    let stop = AtomicBool::new(false);
    let layers: Vec<(usize, &LayerSpec)> = specs.iter().enumerate().collect();
    let mut done = parallel(&layers, processors(), |(at, spec)| {
        if stop.load(Ordering::Relaxed) {
            return Err(LayerError::Stopped { layer: spec.name.clone() });
        }
        let result = open(*at)
            .map_err(|source| LayerError::Read { layer: spec.name.clone(), source })
            .and_then(|reader| read_until(reader, spec, budget, wanted, &stop));
        if result.is_err() {
            stop.store(true, Ordering::Relaxed);
        }
        result
    });
    // What failed by itself says why the others were stopped.
    done.sort_by_key(|result| matches!(result, Err(LayerError::Stopped { .. })));
    done.into_iter().collect()
}

fn read_until(
    reader: impl Read + Send,
    spec: &LayerSpec,
    budget: &Budget,
    wanted: Wanted<'_>,
    stop: &AtomicBool,
) -> Result<ParsedLayer, LayerError> {
    let (full, incoming) = sync_channel(CHUNKS_WAITING);
    let (empty, recycled) = channel();
    let chunks =
        Chunks { incoming, empty, current: Vec::new(), position: 0, hash: Sha256::new(), total: 0 };
    std::thread::scope(|scope| {
        let pump = scope.spawn(move || decompress(reader, spec, budget, stop, &full, &recycled));
        // Dropping the chunks tells the other thread that no more are wanted.
        let parsed = parse(chunks, spec, budget, wanted);
        let pumped = pump.join().unwrap_or_else(|_| {
            Err(LayerError::Corrupt {
                layer: spec.name.clone(),
                why: "decompression failed".into(),
            })
        });
        // What the stream itself has to say explains whatever the parser met.
        pumped.and(parsed)
    })
}

/// The first thread: source, decompression, the bound on unpacked bytes. When the parser is
/// gone or the decompressor fails, the source is still read to its end: if the blob does not
/// have its digest, that is the error.
fn decompress(
    reader: impl Read,
    spec: &LayerSpec,
    budget: &Budget,
    stop: &AtomicBool,
    full: &SyncSender<Vec<u8>>,
    recycled: &Receiver<Vec<u8>>,
) -> Result<(), LayerError> {
    let layer = || spec.name.clone();
    let read_error = |source| LayerError::Read { layer: layer(), source };
    let corrupt = |error: io::Error| LayerError::Corrupt { layer: layer(), why: error.to_string() };

    let mut source = Source::new(reader);
    let mut detected = match detect(&mut source) {
        Ok(detected) => detected,
        Err(error) => return Err(read_error(source.take_error().unwrap_or(error))),
    };
    let found = detected.found;
    if let Some(expected) = spec.compression.filter(|&expected| expected != found) {
        detected.source_mut().finish().map_err(read_error)?;
        return Err(LayerError::Compression { layer: layer(), expected, found });
    }
    let mut decoder = detected.decode().map_err(corrupt)?;
    let outcome = loop {
        let mut chunk = recycled.try_recv().unwrap_or_default();
        chunk.clear();
        if let Err(error) = (&mut decoder).take(CHUNK as u64).read_to_end(&mut chunk) {
            break Err(corrupt(error));
        }
        if chunk.is_empty() {
            break Ok(());
        }
        if stop.load(Ordering::Relaxed) {
            return Err(LayerError::Stopped { layer: layer() });
        }
        if !budget.take_unpacked(chunk.len() as u64) {
            let limit = budget.limits().max_unpacked;
            return Err(LayerError::Unpacked { layer: layer(), limit });
        }
        if full.send(chunk).is_err() {
            break Ok(());
        }
    };
    decoder.source_mut().finish().map_err(read_error)?;
    outcome
}

/// The second thread's end of the stream: gives the chunks as one buffered reader and hashes
/// them on the way.
struct Chunks {
    incoming: Receiver<Vec<u8>>,
    empty: Sender<Vec<u8>>,
    current: Vec<u8>,
    position: usize,
    hash: Sha256,
    total: u64,
}

impl BufRead for Chunks {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position >= self.current.len()
            && let Ok(next) = self.incoming.recv()
        {
            self.hash.update(&next);
            self.total += next.len() as u64;
            let used = std::mem::replace(&mut self.current, next);
            self.position = 0;
            // The other thread may have ended already and need no more buffers.
            let _ = self.empty.send(used);
        }
        Ok(self.current.get(self.position..).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.position = self.position.saturating_add(amount).min(self.current.len());
    }
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.fill_buf()?.read(buffer)?;
        self.consume(got);
        Ok(got)
    }
}

/// The second thread: tar members, then the rest of the stream (padding), then the diff ID.
fn parse(
    chunks: Chunks,
    spec: &LayerSpec,
    budget: &Budget,
    wanted: Wanted<'_>,
) -> Result<ParsedLayer, LayerError> {
    let mut tar = TarReader::new(chunks);
    let mut changes = Vec::new();
    let (notes, digests) = (RefCell::default(), RefCell::default());
    let reader = ChangeReader { spec, budget, wanted, notes: &notes, digests: &digests };
    let failed =
        |error: TarError| LayerError::Corrupt { layer: spec.name.clone(), why: error.to_string() };
    while let Some(member) = tar.next_member().map_err(failed)? {
        let index = u32::try_from(changes.len()).unwrap_or(u32::MAX);
        changes.push(reader.change(&mut tar, member, index)?);
    }
    let chunks = tar.get_mut();
    loop {
        let rest = chunks
            .fill_buf()
            .map_err(|source| LayerError::Read { layer: spec.name.clone(), source })?
            .len();
        if rest == 0 {
            break;
        }
        chunks.consume(rest);
    }
    let found = DiffId(Digest::from_sha256(std::mem::take(&mut chunks.hash).finalize().into()));
    if let Some(expected) = spec.diff_id.filter(|&expected| expected != found) {
        return Err(LayerError::DiffId { layer: spec.name.clone(), expected, found });
    }
    let unpacked = chunks.total;
    Ok(ParsedLayer {
        name: spec.name.clone(),
        diff_id: found,
        unpacked,
        changes,
        notes: notes.into_inner(),
        digests: digests.into_inner(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::compression::tests::compress;
    use super::super::limits::LayerLimits;
    use super::super::testing::{Archive, message, read, read_with, spec};
    use super::super::{NoLayers, merge};
    use super::*;

    #[test]
    fn all_compressions_give_the_same_layer() {
        let plain = Archive::new().dir("./").dir("etc/").file("etc/a", "x").bytes();
        let want = read(&plain).unwrap();
        assert_eq!(want.diff_id, DiffId(Digest::of(&plain)));
        assert_eq!(want.unpacked, plain.len() as u64);
        for with in [Compression::Gzip, Compression::Zstd] {
            assert_eq!(read(&compress(&plain, with)).unwrap(), want, "{with}");
        }
    }

    #[test]
    fn a_media_type_that_lies_is_refused() {
        let blob = compress(&Archive::new().bytes(), Compression::Gzip);
        let budget = Budget::new(LayerLimits::default());
        let result = read_layer(&blob[..], &spec(Some(Compression::Zstd)), &budget, &|_, _| true);
        assert_eq!(
            message(result),
            "layer 1 of 1: its media type says zstd, but its content is gzip"
        );
    }

    #[test]
    fn another_diff_id_is_refused() {
        let blob = Archive::new().file("a", "x").bytes();
        let budget = Budget::new(LayerLimits::default());
        let mut spec = spec(None);
        spec.diff_id = Some(DiffId(Digest::of(b"other")));
        let result = read_layer(&blob[..], &spec, &budget, &|_, _| true);
        assert!(matches!(result, Err(LayerError::DiffId { .. })));
        spec.diff_id = Some(DiffId(Digest::of(&blob)));
        assert!(read_layer(&blob[..], &spec, &budget, &|_, _| true).is_ok());
    }

    #[test]
    fn the_blobs_own_error_comes_before_what_its_content_caused() {
        struct Lying<'a>(&'a [u8]);
        impl Read for Lying<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                match self.0.read(buffer)? {
                    0 => Err(io::Error::other("digest mismatch")),
                    got => Ok(got),
                }
            }
        }
        let good = Archive::new().file("a", "x").bytes();
        let mut flipped = compress(&good, Compression::Gzip);
        flipped[30] ^= 0x10;
        let budget = Budget::new(LayerLimits::default());
        for blob in [&good[..], &flipped, &good[..600], b"no tar at all", b""] {
            let result = read_layer(Lying(blob), &spec(None), &budget, &|_, _| true);
            assert_eq!(message(result), "layer 1 of 1: digest mismatch");
        }
    }

    #[test]
    fn damaged_streams_are_refused() {
        let good = Archive::new().file("a", "some content").bytes();
        let gzip = compress(&good, Compression::Gzip);
        let mut flipped = good.clone();
        flipped[3] ^= 1;
        for blob in [&gzip[..gzip.len() - 9], &good[..520], &flipped, b"no tar at all"] {
            let result = read(blob);
            assert!(matches!(result, Err(LayerError::Corrupt { .. })), "{result:?}");
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb =
            Archive::new().add("zeros", tar::EntryType::Regular, "", &vec![0; 8 << 20]).bytes();
        let limits = LayerLimits { max_unpacked: 1 << 20, ..LayerLimits::default() };
        for with in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let text = message(read_with(&compress(&bomb, with), limits));
            assert!(text.contains("--max-unpacked-size"), "{text}");
        }
        // The same in holes that take no room in the archive.
        let sparse = Archive::new()
            .pax(&[("GNU.sparse.size", b"99999999999"), ("GNU.sparse.map", b"99999999999,0")])
            .file("holes", "")
            .bytes();
        assert!(matches!(read_with(&sparse, limits), Err(LayerError::Unpacked { .. })));
    }

    #[test]
    fn one_bad_layer_is_the_error_of_all() {
        let good = Archive::new().file("a", "x").bytes();
        let specs: Vec<_> = (0..8)
            .map(|n| LayerSpec { name: format!("layer {n}"), compression: None, diff_id: None })
            .collect();
        let budget = Budget::new(LayerLimits::default());
        let open = |at| match at {
            5 => Err(io::Error::other("gone")),
            _ => Ok(&good[..]),
        };
        assert_eq!(
            message(read_layers(&specs, open, &budget, Wanted::kept(&|_, _| true))),
            "layer 5: gone"
        );
        let all =
            read_layers(&specs, |_| Ok(&good[..]), &budget, Wanted::kept(&|_, _| true)).unwrap();
        assert!(all.iter().zip(&specs).all(|(layer, spec)| layer.name == spec.name));
    }

    proptest::proptest! {
        #[test]
        fn no_stream_makes_the_reader_panic(
            flips in proptest::collection::vec((0usize..4096, 0u8..), 1..6),
        ) {
            let mut blob = Archive::new()
                .pax(&[("GNU.sparse.size", b"8"), ("GNU.sparse.map", b"3,1,6,1")])
                .file("s", "ab")
                .file("d/a", "text")
                .hard_link("b", "d/a")
                .bytes();
            for (at, value) in flips {
                let at = at % blob.len();
                blob[at] = value;
                // Keep checksums right, so that the flip is seen.
                for block in (0..blob.len()).step_by(512) {
                    let header = &mut blob[block..block + 512];
                    if header[257..262] == *b"ustar" {
                        header[148..156].fill(b' ');
                        let sum: u32 = header.iter().map(|&b| u32::from(b)).sum();
                        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
                    }
                }
            }
            if let Ok(layer) = read(&blob) {
                let _ = merge(vec![layer], Arc::new(NoLayers));
            }
        }
    }
}
