//! Reads layers: decompression, digests, bounds, tar entries, whiteouts.
//!
//! In comes a layer's blob as a stream that checks its own digest; out goes a
//! [`ParsedLayer`]: every member's metadata, and the content of the few files that are
//! wanted in memory. A layer is read once from start to end; decompression runs in a thread
//! of its own beside hashing and parsing, and several layers are read at a time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::compression::{Compression, Source, detect};
use super::limits::Budget;
use super::tar_reader::{Member as TarMember, MemberKind, TarError, TarReader};
use super::whiteout::{self, Name};
use super::{Content, Entry, FileData, Kind, LayerId};
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

/// Makes a note of a file whose content is not kept: what a reader will want to know of it
/// later without the layer being read again. Gets path, size and content; reads as much of
/// the content as it likes.
pub type Note<'a> =
    &'a (dyn Fn(&ImagePath, u64, &mut dyn Read) -> io::Result<Option<Bytes>> + Sync);

/// What is wanted of files besides their metadata.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    pub keep: Keep<'a>,
    pub note: Note<'a>,
}

impl<'a> Wanted<'a> {
    /// Contents only.
    #[must_use]
    pub fn kept(keep: Keep<'a>) -> Self {
        Self { keep, note: &|_, _, _| Ok(None) }
    }
}

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
    /// Notes of files by their index among the members.
    pub notes: BTreeMap<u32, Bytes>,
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
    /// Puts an entry. A file's [`Content::Layer`] has the lowest layer here: a layer does not
    /// know which one it is.
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

/// The second thread: tar entries, then the rest of the stream (padding), then the diff ID.
fn parse(
    chunks: Chunks,
    spec: &LayerSpec,
    budget: &Budget,
    wanted: Wanted<'_>,
) -> Result<ParsedLayer, LayerError> {
    let mut tar = TarReader::new(chunks);
    let mut members = Vec::new();
    let notes = RefCell::default();
    let failed =
        |error: TarError| LayerError::Corrupt { layer: spec.name.clone(), why: error.to_string() };
    while let Some(member) = tar.next_member().map_err(failed)? {
        let index = u32::try_from(members.len()).unwrap_or(u32::MAX);
        members
            .push(Parser { spec, budget, wanted, notes: &notes }.member(&mut tar, member, index)?);
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
        members,
        notes: notes.into_inner(),
    })
}

/// Turns tar members into a layer's members.
#[derive(Clone, Copy)]
struct Parser<'a> {
    spec: &'a LayerSpec,
    budget: &'a Budget,
    wanted: Wanted<'a>,
    notes: &'a RefCell<BTreeMap<u32, Bytes>>,
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
            &MemberKind::CharDevice { major, minor } => Kind::CharDevice { major, minor },
            &MemberKind::BlockDevice { major, minor } => Kind::BlockDevice { major, minor },
            MemberKind::Symlink(target) => {
                if target.is_empty()
                    || target.len() > imgfix_model::path::MAX_PATH
                    || target.contains(&0)
                {
                    return Err(fail("the link's target is empty, too long or has a NUL byte"));
                }
                Kind::Symlink(target.clone())
            }
            MemberKind::Other => return Err(fail("its type is not supported")),
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
        let corrupt = |error: io::Error| LayerError::Corrupt {
            layer: self.spec.name.clone(),
            why: format!("{}: {error}", lossy(&member.name)),
        };
        let kept = member.size <= super::filesystem::MAX_READ
            && (member.size == 0 || (self.wanted.keep)(path, member.size))
            && self.budget.take_inline(member.size);
        if !kept {
            let note = (self.wanted.note)(path, member.size, tar).map_err(corrupt)?;
            if let Some(note) = note.filter(|note| self.budget.take_inline(note.len() as u64)) {
                self.notes.borrow_mut().insert(index, note);
            }
            return Ok(Content::Layer { layer: LayerId::Original(0), index });
        }
        let mut bytes = Vec::new();
        tar.read_to_end(&mut bytes).map_err(corrupt)?;
        Ok(Content::Inline(bytes.into()))
    }
}

fn lossy(name: &[u8]) -> String {
    String::from_utf8_lossy(name.get(..256).unwrap_or(name)).into_owned()
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::super::compression::tests::compress;
    use super::super::limits::LayerLimits;
    use super::super::{
        ContentLoader as _, FileSystem, LayerLoader, LinkId, Tree, Xattrs, merge, merge_over,
    };
    use super::*;

    /// A tar stream written by the `tar` crate, an independent implementation.
    pub struct Archive(tar::Builder<Vec<u8>>);

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

    fn spec(compression: Option<Compression>) -> LayerSpec {
        LayerSpec { name: "layer 1 of 1".into(), compression, diff_id: None }
    }

    fn read_with(blob: &[u8], limits: LayerLimits) -> Result<ParsedLayer, LayerError> {
        read_layer(blob, &spec(None), &Budget::new(limits), &|_, _| true)
    }

    pub fn read(blob: &[u8]) -> Result<ParsedLayer, LayerError> {
        read_with(blob, LayerLimits::default())
    }

    fn tree(layers: Vec<Vec<u8>>) -> Result<Tree, LayerError> {
        let parsed = layers.iter().map(|blob| read(blob)).collect::<Result<Vec<_>, _>>()?;
        merge(parsed, Arc::new(super::super::NoLayers))
    }

    /// Paths with what is there: a file's text, a link's target.
    fn shown(layers: Vec<Vec<u8>>) -> Vec<String> {
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

    fn message(result: Result<impl Sized, LayerError>) -> String {
        result.err().map(|error| error.to_string()).unwrap_or_default()
    }

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
        for blob in [&gzip[..gzip.len() - 9], &good[..600], &flipped, b"no tar at all"] {
            let result = read(blob);
            assert!(matches!(result, Err(LayerError::Corrupt { .. })), "{result:?}");
        }
    }

    #[test]
    fn names_that_leave_the_root_are_refused() {
        for archive in [
            Archive::new().file("../etc/passwd", "x"),
            Archive::new().file("usr/../../etc/passwd", "x"),
            Archive::new().file("a", "x").hard_link("b", "../a"),
            Archive::new().pax(&[("path", b"a/../../b")]).file("a", "x"),
            Archive::new().file(".wh...", ""),
            Archive::new().file("dir/.wh..", ""),
        ] {
            let result = read(&archive.bytes());
            assert!(matches!(result, Err(LayerError::Entry { .. })), "{result:?}");
        }
        let absolute = shown(vec![Archive::new().file("/etc/a", "x").bytes()]);
        assert_eq!(absolute, ["/", "/etc", "/etc/a=x"]);
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
    fn entries_and_metadata_have_limits() {
        let many = (0..20).fold(Archive::new(), |a, n| a.file(&format!("f{n}"), "")).bytes();
        let few = LayerLimits { max_entries: 19, ..LayerLimits::default() };
        assert!(matches!(read_with(&many, few), Err(LayerError::Entries { .. })));
        let small = LayerLimits { max_metadata: 30, ..LayerLimits::default() };
        assert!(matches!(read_with(&many, small), Err(LayerError::Metadata { .. })));
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::XHeader);
        header.set_size(1 << 40);
        header.set_cksum();
        let text = message(read(header.as_bytes()));
        assert!(text.contains("extension header"), "{text}");
    }

    #[test]
    fn only_wanted_files_stay_in_memory() {
        let blob = Archive::new().dir("d").file("d/keep", "k").file("d/leave", "abc").bytes();
        let only = |path: &ImagePath, _: u64| path.file_name() == b"keep";
        let budget = Budget::new(LayerLimits::default());
        let open = |layer| match layer {
            0 => Ok(Box::new(io::Cursor::new(Archive::new().bytes())) as Box<dyn Read + Send>),
            _ => Ok(Box::new(io::Cursor::new(
                Archive::new().dir("d").file("d/keep", "k").file("d/leave", "abc").bytes(),
            )) as _),
        };
        let layers = [Archive::new().bytes(), blob];
        let specs = [spec(None), spec(Some(Compression::None))];
        let parsed =
            read_layers(&specs, |at| Ok(&layers[at][..]), &budget, Wanted::kept(&only)).unwrap();
        let loader = Arc::new(LayerLoader::new(vec![None, Some(Compression::None)], open));
        let tree = merge(parsed, Arc::clone(&loader) as _).unwrap();
        let content = |path| match &tree.lstat(&ImagePath::literal(path)).unwrap().kind {
            Kind::File(data) => data.content.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(content("/d/keep"), Content::Inline("k".into()));
        let one = LayerId::Original(1);
        assert_eq!(content("/d/leave"), Content::Layer { layer: one, index: 2 });
        assert_eq!(&tree.read(&ImagePath::literal("/d/leave")).unwrap()[..], b"abc");

        let mut seen = Vec::new();
        let wanted = [(one, [1, 2].into())].into();
        loader
            .load_many(&wanted, &mut |layer, index, content| {
                let mut text = String::new();
                content.read_to_string(&mut text)?;
                seen.push((layer, index, text));
                Ok(())
            })
            .unwrap();
        assert_eq!(seen, [(one, 1, "k".into()), (one, 2, "abc".into())]);
        assert!(loader.load_many(&[(one, [3].into())].into(), &mut |_, _, _| Ok(())).is_err());
    }

    #[test]
    fn notes_are_made_of_files_that_are_left() {
        let blob = Archive::new().file("keep", "k").file("note", "abc").file("leave", "d").bytes();
        let note = |path: &ImagePath, size: u64, content: &mut dyn Read| {
            let mut first = [0];
            content.read_exact(&mut first)?;
            let wanted = path.file_name() == b"note";
            Ok(wanted.then(|| format!("{}{size}", char::from(first[0])).into()))
        };
        let keep = |path: &ImagePath, _: u64| path.file_name() == b"keep";
        let layers = [Archive::new().file("low", "x").bytes(), blob];
        let budget = Budget::new(LayerLimits::default());
        let wanted = Wanted { keep: &keep, note: &note };
        let specs = [spec(None), spec(None)];
        let parsed = read_layers(&specs, |at| Ok(&layers[at][..]), &budget, wanted).unwrap();
        let tree = merge(parsed, Arc::new(super::super::NoLayers)).unwrap();
        let note = |layer, index| tree.note(LayerId::Original(layer), index);
        assert_eq!(note(1, 1).map(|note| &note[..]), Some(&b"a3"[..]));
        assert_eq!([(0, 0), (1, 0), (1, 2)].map(|(l, i)| note(l, i)), [None; 3]);
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

    #[test]
    fn attributes_come_from_header_and_extensions() {
        let long = "d/".repeat(80) + "file";
        let blob = Archive::new()
            .pax(&[
                ("path", "\u{fc}ber".as_bytes()),
                ("uid", b"3000000"),
                ("mtime", b"-1.5"),
                ("SCHILY.xattr.security.capability", b"\x01\n\0=x"),
            ])
            .file("ignored", "x")
            .file(&long, "long")
            .add("null", tar::EntryType::Char, "", b"")
            .add("pipe", tar::EntryType::Fifo, "", b"")
            .bytes();
        let tree = tree(vec![blob]).unwrap();
        let entry = tree.lstat(&ImagePath::literal("/\u{fc}ber")).unwrap();
        assert_eq!((entry.uid, entry.gid, entry.mtime, entry.mode), (3_000_000, 0, -2, 0o644));
        let want: Xattrs = [(b"security.capability".to_vec(), b"\x01\n\0=x".to_vec())].into();
        assert_eq!(entry.xattrs, want);
        assert_eq!(&tree.read(&ImagePath::new(&long).unwrap()).unwrap()[..], b"long");
        assert_eq!(tree.lstat(&ImagePath::literal("/pipe")).unwrap().kind, Kind::Fifo);
        let null = &tree.lstat(&ImagePath::literal("/null")).unwrap().kind;
        assert_eq!(null, &Kind::CharDevice { major: 0, minor: 0 });
    }

    #[test]
    fn sparse_files_have_their_holes_back() {
        let mut gnu = tar::Header::new_gnu();
        gnu.set_entry_type(tar::EntryType::GNUSparse);
        gnu.set_path("gnu").unwrap();
        gnu.set_size(2);
        let fields = gnu.as_gnu_mut().unwrap();
        fields.sparse[0].set_offset(3);
        fields.sparse[0].set_length(1);
        fields.sparse[1].set_offset(6);
        fields.sparse[1].set_length(1);
        fields.set_real_size(8);
        gnu.set_cksum();
        let mut archive = Archive::new();
        archive.0.append(&gnu, &b"ab"[..]).unwrap();
        let mut map = b"2\n3\n1\n6\n1\n".to_vec();
        map.resize(512, 0);
        map.extend_from_slice(b"ab");
        let v1: [(&str, &[u8]); 4] = [
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"pax1.0"),
            ("GNU.sparse.realsize", b"8"),
        ];
        let v01: [(&str, &[u8]); 3] = [
            ("GNU.sparse.size", b"8"),
            ("GNU.sparse.map", b"3,1,6,1"),
            ("GNU.sparse.name", b"pax0.1"),
        ];
        let v00: [(&str, &[u8]); 5] = [
            ("GNU.sparse.size", b"8"),
            ("GNU.sparse.offset", b"3"),
            ("GNU.sparse.numbytes", b"1"),
            ("GNU.sparse.offset", b"6"),
            ("GNU.sparse.numbytes", b"1"),
        ];
        let blob = archive
            .pax(&v1)
            .add("GNUSparseFile.0/x", tar::EntryType::Regular, "", &map)
            .pax(&v01)
            .file("GNUSparseFile.1/x", "ab")
            .pax(&v00)
            .file("pax0.0", "ab")
            .file("after", "z")
            .bytes();
        let want = "\0\0\0a\0\0b\0";
        assert_eq!(
            shown(vec![blob]),
            [
                "/".into(),
                "/after=z".into(),
                format!("/gnu={want}"),
                format!("/pax0.0={want}"),
                format!("/pax0.1={want}"),
                format!("/pax1.0={want}"),
            ]
        );
    }

    #[test]
    fn damaged_sparse_maps_are_refused() {
        for (size, map) in
            [("8", "3,1,3,1"), ("8", "3,1,6"), ("5", "3,1,6,1"), ("8", "3,1"), ("8", "1,3")]
        {
            let blob = Archive::new()
                .pax(&[("GNU.sparse.size", size.as_bytes()), ("GNU.sparse.map", map.as_bytes())])
                .file("f", "ab")
                .bytes();
            assert!(matches!(read(&blob), Err(LayerError::Corrupt { .. })), "{size} {map}");
        }
    }

    fn base() -> Vec<u8> {
        Archive::new().file("d/a", "1").file("d/b", "1").file("d-x", "1").file("e/f/g", "1").bytes()
    }

    #[test]
    fn whiteouts_hide_lower_layers_only() {
        let upper = Archive::new().file("d/.wh.a", "").file("d/a", "2").file(".wh.e", "").bytes();
        assert_eq!(shown(vec![base(), upper]), ["/", "/d", "/d-x=1", "/d/a=2", "/d/b=1"]);
        let whiteout_last =
            Archive::new().file("e/new", "2").file(".wh.e", "").file("d/c", "2").bytes();
        assert_eq!(
            shown(vec![base(), whiteout_last]),
            ["/", "/d", "/d-x=1", "/d/a=1", "/d/b=1", "/d/c=2", "/e", "/e/new=2"]
        );
    }

    #[test]
    fn opaque_directories_hide_lower_layers_only() {
        for upper in [
            Archive::new().file("d/.wh..wh..opq", "").file("d/c", "2"),
            Archive::new().dir("d").file("d/c", "2").file("d/.wh..wh..opq", ""),
        ] {
            assert_eq!(
                shown(vec![base(), upper.bytes()]),
                ["/", "/d", "/d-x=1", "/d/c=2", "/e", "/e/f", "/e/f/g=1"]
            );
        }
        let all = Archive::new().file(".wh..wh..opq", "").file("n", "2").bytes();
        assert_eq!(shown(vec![base(), all]), ["/", "/n=2"]);
    }

    #[test]
    fn entries_replace_what_was_there() {
        let upper = Archive::new().file("d", "file").dir("d-x").symlink("e/f", "/d-x").bytes();
        assert_eq!(shown(vec![base(), upper]), ["/", "/d=file", "/d-x", "/e", "/e/f->/d-x"]);
        let twice = Archive::new().file("d/a", "2").file("d/a", "3").bytes();
        assert!(shown(vec![base(), twice]).contains(&"/d/a=3".into()));
    }

    #[test]
    fn entries_behind_a_linked_directory_land_where_it_leads() {
        let lower = Archive::new().dir("usr/lib").symlink("lib", "usr/lib").symlink("up", "../..");
        let upper = Archive::new().file("lib/x", "2").file("up/y", "2").bytes();
        assert_eq!(
            shown(vec![lower.bytes(), upper]),
            ["/", "/lib->usr/lib", "/up->../..", "/usr", "/usr/lib", "/usr/lib/x=2", "/y=2"]
        );
    }

    #[test]
    fn a_directory_made_of_a_link_is_opaque_for_itself() {
        // What overlayfs records for `rm lib && mkdir lib`.
        let lower = Archive::new().file("usr/lib/x", "1").symlink("lib", "usr/lib").bytes();
        let upper = Archive::new().dir("lib").file("lib/.wh..wh..opq", "").file("lib/y", "2");
        assert_eq!(
            shown(vec![lower, upper.bytes()]),
            ["/", "/lib", "/lib/y=2", "/usr", "/usr/lib", "/usr/lib/x=1"]
        );
    }

    #[test]
    fn hard_links_share_an_inode_while_two_names_are_left() {
        let lower = Archive::new().file("a", "1").hard_link("b", "a").hard_link("c", "/b").bytes();
        let link = |tree: &Tree, path| match &tree.lstat(&ImagePath::literal(path)).unwrap().kind {
            Kind::File(data) => data.link,
            _ => None,
        };
        let both = tree(vec![lower.clone()]).unwrap();
        assert_eq!(["/a", "/b", "/c"].map(|p| link(&both, p)), [Some(LinkId(0)); 3]);
        let upper = Archive::new().file("a", "2").file(".wh.c", "").file("d", "").bytes();
        let alone = tree(vec![lower.clone(), upper.clone()]).unwrap();
        assert_eq!(["/a", "/b"].map(|p| link(&alone, p)), [None; 2]);
        assert_eq!(shown(vec![lower.clone(), upper]), ["/", "/a=2", "/b=1", "/d="]);
        let across = tree(vec![lower, Archive::new().hard_link("z", "c").bytes()]).unwrap();
        assert_eq!(link(&across, "/z"), link(&across, "/a"));
    }

    #[test]
    fn a_layer_over_a_tree_keeps_what_the_tree_has() {
        let lower = Archive::new().file("a", "1").hard_link("b", "a").file("c", "1").bytes();
        let budget = Budget::new(LayerLimits::default());
        let none = |_: &ImagePath, _: u64| false;
        let parse = |blob: &[u8]| read_layer(blob, &spec(None), &budget, &none).unwrap();
        let layers = vec![parse(&Archive::new().bytes()), parse(&lower)];
        let blobs = [Archive::new().bytes(), lower];
        let loader = LayerLoader::new(vec![None, None], move |at| {
            Ok(Box::new(io::Cursor::new(blobs[at].clone())) as _)
        });
        let base = merge(layers, Arc::new(loader)).unwrap();
        let upper = Archive::new().file("x", "2").hard_link("y", "x").file(".wh.c", "").bytes();
        let top = parse(&upper);
        let patch =
            LayerLoader::of_patch(None, move || Ok(Box::new(io::Cursor::new(upper.clone())) as _));
        let over = merge_over(&base, top, patch).unwrap();
        let data = |path| match &over.lstat(&ImagePath::literal(path))?.kind {
            Kind::File(data) => Some((data.content.clone(), data.link)),
            _ => None,
        };
        let at = |layer, index, link| Some((Content::Layer { layer, index }, Some(LinkId(link))));
        let (one, patch) = (LayerId::Original(1), LayerId::Patch);
        assert_eq!((data("/a"), data("/b")), (at(one, 0, 0), at(one, 0, 0)));
        assert_eq!((data("/x"), data("/y")), (at(patch, 0, 1), at(patch, 0, 1)));
        assert_eq!(data("/c"), None);
        // files of the patch are read from it, the others from where they were
        let read = |path| over.read(&ImagePath::literal(path)).unwrap();
        assert_eq!([read("/a"), read("/y")], ["1", "2"]);
        let wanted = [(one, [0].into()), (patch, [0].into())].into();
        let mut seen = Vec::new();
        let mut sink = |layer: LayerId, _, content: &mut dyn Read| {
            let mut text = String::new();
            content.read_to_string(&mut text)?;
            seen.push((layer, text));
            Ok(())
        };
        over.loader().load_many(&wanted, &mut sink).unwrap();
        assert_eq!(seen, [(one, "1".into()), (patch, "2".into())]);
    }

    #[test]
    fn impossible_entries_are_refused() {
        for (upper, why) in [
            (Archive::new().hard_link("x", "missing"), "which is not in the image"),
            (Archive::new().hard_link("x", "e"), "a directory"),
            (Archive::new().file("d-x/y", ""), "is not a directory"),
            (Archive::new().symlink("l", "l").file("l/y", ""), "too many levels"),
        ] {
            let text = message(tree(vec![base(), upper.bytes()]));
            assert!(text.starts_with("layer 1 of 1: entry ") && text.contains(why), "{text}");
        }
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
                let _ = merge(vec![layer], Arc::new(super::super::NoLayers));
            }
        }
    }
}
