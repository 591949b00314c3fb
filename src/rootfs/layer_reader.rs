//! Reads layers: decompression, digests, bounds, tar entries, whiteouts.
//!
//! In comes a layer's blob as a stream that checks its own digest; out goes a
//! [`ParsedLayer`]: every member's metadata, and the content of the few files that are
//! wanted in memory. A layer is read once from start to end; decompression runs in a thread
//! of its own beside hashing and parsing, and several layers are read at a time.

use std::io::{self, BufRead, Read};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use sha2::{Digest as _, Sha256};

use super::compression::{Compression, Source, detect};
use super::limits::Budget;
use super::tar_reader::{Member as TarMember, MemberKind, TarError, TarReader};
use super::whiteout::{self, Name};
use super::{Content, Entry, FileData, ImagePath, Kind};
use crate::image::{DiffId, Digest};

/// Uncompressed bytes handed from the decompressing thread at a time, and how many such
/// pieces may wait.
const CHUNK: usize = 256 * 1024;
const CHUNKS_WAITING: usize = 3;

/// Why a layer cannot be used. Every message starts with the layer's name.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    #[error("{layer}: {source}")]
    Read { layer: String, source: io::Error },
    #[error("{layer} is damaged: {why}")]
    Corrupt { layer: String, why: String },
    #[error("{layer}: its media type says {expected}, but its content is {found}")]
    Compression { layer: String, expected: Compression, found: Compression },
    #[error(
        "{layer}: its uncompressed content is {found}, but the image's config gives the diff ID \
         {expected}"
    )]
    DiffId { layer: String, expected: DiffId, found: DiffId },
    #[error("{layer}: entry {entry:?}: {why}")]
    Entry { layer: String, entry: String, why: String },
    #[error(
        "{layer}: the image unpacks to more than {limit} bytes; if it may be that large, raise \
         the limit with --max-unpacked-size"
    )]
    Unpacked { layer: String, limit: u64 },
    #[error("{layer}: the image's layers have more than {limit} entries")]
    Entries { layer: String, limit: u64 },
    #[error("{layer}: names and attributes of the image's entries take more than {limit} bytes")]
    Metadata { layer: String, limit: u64 },
    /// Another layer failed; that error is the one to show.
    #[error("{layer}: reading was stopped")]
    Stopped { layer: String },
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

/// A layer's members in the order of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedLayer {
    /// The spec's name.
    pub name: String,
    /// Of what was read; equal to the spec's where that has one.
    pub diff_id: DiffId,
    /// Bytes of the uncompressed tar stream.
    pub unpacked: u64,
    pub members: Vec<Member>,
}

/// One member of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// As the archive names it: links in its directories are not resolved yet.
    pub path: ImagePath,
    pub action: Action,
}

/// What a member does to the layers below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Puts an entry. A file's [`Content::Layer`] has layer 0 here: a layer does not know its
    /// own number.
    Set(Entry),
    /// Makes the path another name of this one.
    HardLink(ImagePath),
    /// Hides the path, which is not the member's own.
    Whiteout(ImagePath),
    /// Hides what the lower layers have in this directory.
    Opaque(ImagePath),
    /// Nothing: bookkeeping of old storage drivers.
    Ignore,
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
    read_until(reader, spec, budget, keep, &AtomicBool::new(false))
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
    keep: Keep<'_>,
) -> Result<Vec<ParsedLayer>, LayerError> {
    let stop = AtomicBool::new(false);
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(spec) = specs.get(at) else { return };
            let result = open(at)
                .map_err(|source| LayerError::Read { layer: spec.name.clone(), source })
                .and_then(|reader| read_until(reader, spec, budget, keep, &stop));
            if result.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((at, result));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(specs.len());
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(at, result)| {
        (matches!(result, Err(LayerError::Stopped { .. })), result.is_ok(), *at)
    });
    done.into_iter().map(|(_, result)| result).collect()
}

fn read_until(
    reader: impl Read + Send,
    spec: &LayerSpec,
    budget: &Budget,
    keep: Keep<'_>,
    stop: &AtomicBool,
) -> Result<ParsedLayer, LayerError> {
    let (full, incoming) = sync_channel(CHUNKS_WAITING);
    let (empty, recycled) = channel();
    let chunks =
        Chunks { incoming, empty, current: Vec::new(), position: 0, hash: Sha256::new(), total: 0 };
    std::thread::scope(|scope| {
        let pump = scope.spawn(move || decompress(reader, spec, budget, stop, &full, &recycled));
        // Dropping the chunks tells the other thread that no more are wanted.
        let parsed = parse(chunks, spec, budget, keep);
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

/// The second thread: tar entries, then the rest of the stream (padding), then the diff ID.
fn parse(
    chunks: Chunks,
    spec: &LayerSpec,
    budget: &Budget,
    keep: Keep<'_>,
) -> Result<ParsedLayer, LayerError> {
    let mut tar = TarReader::new(chunks);
    let mut members = Vec::new();
    let failed =
        |error: TarError| LayerError::Corrupt { layer: spec.name.clone(), why: error.to_string() };
    while let Some(member) = tar.next_member().map_err(failed)? {
        let index = u32::try_from(members.len()).unwrap_or(u32::MAX);
        members.push(Parser { spec, budget, keep }.member(&mut tar, member, index)?);
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
    Ok(ParsedLayer { name: spec.name.clone(), diff_id: found, unpacked, members })
}

/// Turns tar members into a layer's members.
#[derive(Clone, Copy)]
struct Parser<'a> {
    spec: &'a LayerSpec,
    budget: &'a Budget,
    keep: Keep<'a>,
}

impl Parser<'_> {
    fn member<R: BufRead>(
        self,
        tar: &mut TarReader<R>,
        member: TarMember,
        index: u32,
    ) -> Result<Member, LayerError> {
        self.charge(tar, &member)?;
        let fail = |why: String| LayerError::Entry {
            layer: self.spec.name.clone(),
            entry: lossy(&member.name),
            why,
        };
        let path = ImagePath::new(&member.name).map_err(|error| fail(error.to_string()))?;
        let action = match whiteout::classify(&path) {
            Ok(Name::Whiteout(hidden)) => Action::Whiteout(hidden),
            Ok(Name::Opaque(dir)) => Action::Opaque(dir),
            Ok(Name::Ignored) => Action::Ignore,
            Ok(Name::Plain) => match &member.kind {
                MemberKind::HardLink(target) => Action::HardLink(
                    ImagePath::new(target)
                        .map_err(|error| fail(format!("hard link target: {error}")))?,
                ),
                _ => Action::Set(self.entry(tar, &path, &member, index)?),
            },
            Err(whiteout::BadWhiteout) => {
                return Err(fail(
                    "names that start with '.wh.' stand for removed files; this one \
                                 names none"
                        .into(),
                ));
            }
        };
        Ok(Member { path, action })
    }

    /// Takes what the member costs from the budget.
    fn charge<R: BufRead>(self, tar: &TarReader<R>, member: &TarMember) -> Result<(), LayerError> {
        let layer = || self.spec.name.clone();
        let limits = self.budget.limits();
        if !self.budget.take_entry() {
            return Err(LayerError::Entries { layer: layer(), limit: limits.max_entries });
        }
        let link = match &member.kind {
            MemberKind::HardLink(target) | MemberKind::Symlink(target) => target.len(),
            _ => 0,
        };
        let xattrs: usize =
            member.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum();
        if !self.budget.take_metadata((member.name.len() + link + xattrs) as u64) {
            return Err(LayerError::Metadata { layer: layer(), limit: limits.max_metadata });
        }
        // The stored bytes are counted as they are decompressed.
        if !self.budget.take_unpacked(tar.hole_bytes()) {
            return Err(LayerError::Unpacked { layer: layer(), limit: limits.max_unpacked });
        }
        Ok(())
    }

    fn entry<R: BufRead>(
        self,
        tar: &mut TarReader<R>,
        path: &ImagePath,
        member: &TarMember,
        index: u32,
    ) -> Result<Entry, LayerError> {
        let fail = |why: &str| LayerError::Entry {
            layer: self.spec.name.clone(),
            entry: lossy(&member.name),
            why: why.into(),
        };
        let kind = match &member.kind {
            MemberKind::Directory => Kind::Directory,
            MemberKind::Fifo => Kind::Fifo,
            MemberKind::CharDevice { major: 0, minor: 0 } => {
                return Err(fail(
                    "a character device 0/0 is overlayfs's own whiteout and cannot be in a layer",
                ));
            }
            &MemberKind::CharDevice { major, minor } => Kind::CharDevice { major, minor },
            &MemberKind::BlockDevice { major, minor } => Kind::BlockDevice { major, minor },
            MemberKind::Symlink(target) => {
                if target.is_empty() || target.len() > super::path::MAX_PATH || target.contains(&0)
                {
                    return Err(fail("the link's target is empty, too long or has a NUL byte"));
                }
                Kind::Symlink(target.clone())
            }
            MemberKind::File | MemberKind::HardLink(_) => {
                let content = self.content(tar, path, member, index)?;
                Kind::File(FileData { size: member.size, content, link: None })
            }
        };
        let &TarMember { mode, uid, gid, mtime, .. } = member;
        Ok(Entry { kind, mode, uid, gid, mtime, xattrs: member.xattrs.clone() })
    }

    fn content<R: BufRead>(
        self,
        tar: &mut TarReader<R>,
        path: &ImagePath,
        member: &TarMember,
        index: u32,
    ) -> Result<Content, LayerError> {
        let wanted = member.size <= super::filesystem::MAX_READ
            && (member.size == 0 || (self.keep)(path, member.size))
            && self.budget.take_inline(member.size);
        if !wanted {
            return Ok(Content::Layer { layer: 0, index });
        }
        let mut bytes = Vec::new();
        tar.read_to_end(&mut bytes).map_err(|error| LayerError::Corrupt {
            layer: self.spec.name.clone(),
            why: format!("{}: {error}", lossy(&member.name)),
        })?;
        Ok(Content::Inline(bytes.into()))
    }
}

fn lossy(name: &[u8]) -> String {
    String::from_utf8_lossy(name.get(..256).unwrap_or(name)).into_owned()
}
