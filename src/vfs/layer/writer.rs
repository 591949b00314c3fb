//! [`write_layer`]: an overlay's changes as a layer blob.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};

use super::blob::{BlobWriter, WrittenBlob};
use super::compressor::{LevelError, level};
use super::plan::{Item, plan};
use super::tar_header::Header;
use crate::whiteout;
use crate::{
    Compression, Content, Entry, FileSystem, Kind, LayerId, Overlay, RootfsError, Spool, SpoolFile,
};
use imgfix_host::parallel::processors;
use imgfix_model::digest::{DiffId, Digest};
use imgfix_model::path::ImagePath;

const BLOCK: u64 = crate::tar_format::BLOCK as u64;

/// How a layer is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerOptions {
    /// How the tar stream is compressed.
    pub compression: Compression,
    /// gzip: 0 to 9, 3 when `None`; zstd: 1 to 19, 3 when `None`.
    pub level: Option<u32>,
}

impl LayerOptions {
    /// Checks the level before anything is done.
    ///
    /// # Errors
    /// The compression has no such level.
    pub fn check(&self) -> Result<(), LevelError> {
        level(self.compression, self.level).map(|_| ())
    }
}

/// A layer that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenLayer {
    /// Of the blob.
    pub digest: Digest,
    /// Of the tar stream.
    pub diff_id: DiffId,
    /// Bytes of the blob.
    pub size: u64,
    /// Bytes of the tar stream.
    pub unpacked: u64,
    /// Entries and whiteouts.
    pub entries: u64,
}

/// Why a layer could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A path that was changed has a name that readers would take for a whiteout.
    #[error("{0}: names that start with '.wh.' mean removed files in a layer and cannot be kept")]
    Reserved(ImagePath),
    /// A device whose number has more than the seven octal digits of a ustar header.
    #[error("{0}: its device number is too large for a layer")]
    Device(ImagePath),
    /// A file's content is longer or shorter than its entry says.
    #[error("{path}: its content has {found} bytes where {expected} were recorded")]
    Size {
        /// The file.
        path: ImagePath,
        /// Bytes, as its entry says.
        expected: u64,
        /// Bytes that were read, up to the first that is too many.
        found: u64,
    },
    /// The compression has no such level.
    #[error(transparent)]
    Level(#[from] LevelError),
    /// A content that goes into the layer cannot be read.
    #[error(transparent)]
    Rootfs(#[from] RootfsError),
    /// The output or a temporary file cannot be written, or a thread cannot be started.
    #[error("cannot write the layer: {0}")]
    Output(#[source] io::Error),
}

/// Writes the overlay's changes to `out`. gzip uses all processors meanwhile.
///
/// # Errors
/// A level that the compression does not have (before anything is written), content that
/// cannot be read or has another length than recorded, names and numbers that no layer can
/// hold, and `out`'s own errors.
pub fn write_layer(
    overlay: &Overlay,
    options: &LayerOptions,
    out: &mut dyn Write,
) -> Result<WrittenLayer, WriteError> {
    write_with(overlay, options, out, processors())
}

fn write_with(
    overlay: &Overlay,
    options: &LayerOptions,
    out: &mut dyn Write,
    threads: usize,
) -> Result<WrittenLayer, WriteError> {
    let level = level(options.compression, options.level)?;
    let items = plan(overlay)?;
    let lower = fetch_lower(overlay, &items)?;
    let tar = BlobWriter::with_level(out, options.compression, level, threads);
    let mut tar = tar.map_err(WriteError::Output)?;
    for item in &items {
        write_item(&mut tar, item, overlay, &lower)?;
    }
    // The end of the archive: two blocks of zeros.
    tar.write_all(&[0; 2 * BLOCK as usize]).map_err(WriteError::Output)?;
    let entries = items.len() as u64;
    let WrittenBlob { digest, diff_id, size, unpacked } =
        tar.finish().map_err(WriteError::Output)?;
    Ok(WrittenLayer { digest, diff_id, size, unpacked, entries })
}

/// Contents of lower layers, by layer and member.
type Lower = BTreeMap<(LayerId, u32), SpoolFile>;

/// Files whose content stays in a lower layer (only their name or attributes changed) are
/// brought together first: each layer is read once, and its digest is checked before any of
/// it is used.
fn fetch_lower(overlay: &Overlay, items: &[Item]) -> Result<Lower, WriteError> {
    let mut wanted: BTreeMap<LayerId, BTreeSet<u32>> = BTreeMap::new();
    let mut sizes = BTreeMap::new();
    for item in items {
        if let Item::Entry(_, Entry { kind: Kind::File(data), .. }) = item
            && let Content::Layer { layer, index } = data.content
        {
            wanted.entry(layer).or_default().insert(index);
            sizes.insert((layer, index), data.size);
        }
    }
    let mut lower = Lower::new();
    if wanted.is_empty() {
        return Ok(lower);
    }
    let spool = Spool::new().map_err(WriteError::Output)?;
    let load = |layer, index, content: &mut dyn Read| {
        let size = sizes.get(&(layer, index)).copied().unwrap_or_default();
        lower.insert((layer, index), spool.store(content, size)?);
        Ok(())
    };
    let mut load = load;
    overlay
        .tree()
        .loader()
        .load_many(&wanted, &mut load)
        .map_err(|source| RootfsError::Io { what: "the image's layers again".into(), source })?;
    Ok(lower)
}

fn write_item(
    tar: &mut impl Write,
    item: &Item,
    overlay: &Overlay,
    lower: &Lower,
) -> Result<(), WriteError> {
    match item {
        Item::Whiteout(path) => tar.write_all(&whiteout_member(path)).map_err(WriteError::Output),
        Item::HardLink { path, entry, target } => {
            let header = Header {
                kind: b'1',
                name: path.relative().to_vec(),
                link: target.relative(),
                ..attributes(entry)
            };
            put(tar, path, &header)
        }
        Item::Entry(path, entry) => {
            put(tar, path, &of_entry(path, entry))?;
            match &entry.kind {
                Kind::File(data) => {
                    let spooled = match data.content {
                        Content::Layer { layer, index } => lower.get(&(layer, index)),
                        _ => None,
                    };
                    let mut content: Box<dyn Read + '_> = match spooled {
                        Some(file) => Box::new(file.reader()),
                        None => overlay.open(path)?,
                    };
                    copy(tar, path, &mut content, data.size)
                }
                _ => Ok(()),
            }
        }
    }
}

/// The member of a layer that hides `path` of the layers below.
#[must_use]
pub fn whiteout_member(path: &ImagePath) -> Vec<u8> {
    let name = path.file_name();
    let relative = path.relative();
    let dir = relative.get(..relative.len() - name.len()).unwrap_or_default();
    let name = [dir, whiteout::PREFIX, name].concat();
    // Only a device can have what no header holds.
    Header { kind: b'0', name, ..Header::default() }.encode().unwrap_or_default()
}

fn of_entry<'a>(path: &ImagePath, entry: &'a Entry) -> Header<'a> {
    let mut header = Header { name: path.relative().to_vec(), ..attributes(entry) };
    match &entry.kind {
        Kind::Directory => {
            header.kind = b'5';
            if path.is_root() {
                header.name = b".".to_vec();
            }
            header.name.push(b'/');
        }
        Kind::File(data) => {
            header.kind = b'0';
            header.size = data.size;
        }
        Kind::Symlink(target) => {
            header.kind = b'2';
            header.link = target;
        }
        Kind::Fifo => header.kind = b'6',
        &Kind::CharDevice { major, minor } => {
            header.kind = b'3';
            header.device = Some((major, minor));
        }
        &Kind::BlockDevice { major, minor } => {
            header.kind = b'4';
            header.device = Some((major, minor));
        }
    }
    header
}

fn attributes(entry: &Entry) -> Header<'_> {
    Header {
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        mtime: entry.mtime,
        xattrs: Some(&entry.xattrs),
        ..Header::default()
    }
}

fn put(tar: &mut impl Write, path: &ImagePath, header: &Header<'_>) -> Result<(), WriteError> {
    let blocks = header.encode().map_err(|_| WriteError::Device(path.clone()))?;
    tar.write_all(&blocks).map_err(WriteError::Output)
}

/// Copies exactly `size` bytes and pads them to whole blocks.
fn copy(
    tar: &mut impl Write,
    path: &ImagePath,
    content: &mut dyn Read,
    size: u64,
) -> Result<(), WriteError> {
    let failed = |source| RootfsError::Io { what: path.to_string(), source };
    let mut buffer = vec![0; 64 * 1024];
    let mut found = 0u64;
    loop {
        let got = match content.read(&mut buffer) {
            Ok(got) => got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(error).into()),
        };
        if got == 0 {
            break;
        }
        found += got as u64;
        if found > size {
            break;
        }
        tar.write_all(buffer.get(..got).unwrap_or_default()).map_err(WriteError::Output)?;
    }
    if found != size {
        return Err(WriteError::Size { path: path.clone(), expected: size, found });
    }
    let padding = usize::try_from((BLOCK - size % BLOCK) % BLOCK).unwrap_or_default();
    let zeros = [0; BLOCK as usize];
    tar.write_all(zeros.get(..padding).unwrap_or_default()).map_err(WriteError::Output)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        Budget, FileData, LayerLimits, LayerLoader, LayerSpec, LinkId, NoLayers, Tree, Xattrs,
        merge_over, read_layer,
    };

    const ALL: [Compression; 3] = [Compression::None, Compression::Gzip, Compression::Zstd];

    fn path(text: &'static str) -> ImagePath {
        ImagePath::literal(text)
    }

    fn file(content: &str, link: Option<u64>) -> Entry {
        let mut entry = Entry::file(content.to_owned(), 0o644, 5);
        if let Kind::File(data) = &mut entry.kind {
            data.link = link.map(LinkId);
        }
        entry
    }

    fn overlay(entries: &[(&'static str, Entry)]) -> Overlay {
        let entries = entries.iter().map(|(at, entry)| (path(at), entry.clone()));
        Overlay::new(Arc::new(Tree::from_entries(entries, Arc::new(NoLayers))))
    }

    fn write(overlay: &Overlay, compression: Compression) -> (Vec<u8>, WrittenLayer) {
        let mut blob = Vec::new();
        let options = LayerOptions { compression, level: None };
        let written = write_layer(overlay, &options, &mut blob).unwrap();
        assert_eq!(written.digest, Digest::of(&blob));
        assert_eq!(written.size, blob.len() as u64);
        (blob, written)
    }

    /// The layer's members as the `tar` crate, an independent reader, lists them.
    fn listed(overlay: &Overlay) -> Vec<String> {
        let (blob, written) = write(overlay, Compression::None);
        let mut archive = tar::Archive::new(&blob[..]);
        let list: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let head = entry.header();
                let kind = head.entry_type().as_byte() as char;
                let (mode, mtime) = (head.mode().unwrap(), head.mtime().unwrap());
                let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
                let link = entry.link_name_bytes().unwrap_or_default();
                let link = String::from_utf8_lossy(&link);
                format!("{kind} {mode:04o} {mtime} {} {name} {link}", entry.size()).trim().into()
            })
            .collect();
        assert_eq!(list.len() as u64, written.entries);
        list
    }

    #[test]
    fn directories_above_a_change_are_there_as_they_are() {
        let mut overlay = overlay(&[
            ("/usr", Entry::directory(0o711, 3)),
            ("/usr/lib/x", file("old", None)),
            ("/usr/lib/y", file("stays", None)),
        ]);
        overlay.set(path("/usr/lib/x"), file("new content", None)).unwrap();
        assert_eq!(
            listed(&overlay),
            ["5 0711 3 0 usr/", "5 0755 0 0 usr/lib/", "0 0644 5 11 usr/lib/x"]
        );
    }

    #[test]
    fn whiteouts_come_before_new_siblings() {
        let mut overlay = overlay(&[
            ("/d/gone", file("", None)),
            ("/d/sub/deep", file("", None)),
            ("/d-x", file("", None)),
        ]);
        overlay.remove(&path("/d/gone"));
        overlay.remove(&path("/d/sub"));
        overlay.remove(&path("/d-x"));
        overlay.set(path("/d/+new"), file("1", None)).unwrap();
        assert_eq!(
            listed(&overlay),
            [
                "0 0000 0 0 .wh.d-x",
                "5 0755 0 0 d/",
                "0 0000 0 0 d/.wh.gone",
                "0 0000 0 0 d/.wh.sub",
                "0 0644 5 1 d/+new",
            ]
        );
    }

    #[test]
    fn hard_links_stay_within_the_layer() {
        let mut overlay = overlay(&[("/low", file("l", Some(0))), ("/low2", file("l", Some(0)))]);
        let id = overlay.new_link().0;
        overlay.set(path("/z"), file("n", Some(id))).unwrap();
        overlay.set(path("/b"), file("n", Some(id))).unwrap();
        let mut other = file("n", Some(id));
        other.mode = 0o600;
        overlay.set(path("/c"), other).unwrap();
        overlay.rename(&path("/low"), path("/moved")).unwrap();
        assert_eq!(
            listed(&overlay),
            [
                "0 0000 0 0 .wh.low",
                "0 0644 5 1 b",
                "0 0600 5 1 c",
                "0 0644 5 1 moved",
                "1 0644 5 0 z b",
            ]
        );
    }

    #[test]
    fn nothing_to_change_is_an_empty_archive() {
        let (blob, written) = write(&overlay(&[]), Compression::None);
        assert_eq!((blob, written.entries), (vec![0; 1024], 0));
    }

    #[test]
    fn names_that_mean_whiteouts_are_refused() {
        let mut overlay = overlay(&[]);
        overlay.set(path("/a/.wh.b/c"), file("", None)).unwrap();
        let options = LayerOptions { compression: Compression::None, level: None };
        let result = write_layer(&overlay, &options, &mut Vec::new());
        assert!(matches!(result, Err(WriteError::Reserved(_))));
    }

    #[test]
    fn content_of_another_length_is_refused() {
        for recorded in [2, 4] {
            let mut overlay = overlay(&[]);
            let content = Content::Inline("abc".into());
            let kind = Kind::File(FileData { size: recorded, content, link: None });
            overlay.set(path("/a"), Entry { kind, ..file("", None) }).unwrap();
            let options = LayerOptions { compression: Compression::None, level: None };
            let result = write_layer(&overlay, &options, &mut Vec::new());
            assert!(matches!(result, Err(WriteError::Size { .. })), "{result:?}");
        }
    }

    #[test]
    fn files_of_lower_layers_are_read_once_a_layer() {
        struct Counting(std::sync::atomic::AtomicU32);
        impl crate::ContentLoader for Counting {
            fn open(&self, _: LayerId, _: u32) -> io::Result<Box<dyn Read + Send>> {
                Err(io::Error::other("one by one"))
            }
            fn load_many(
                &self,
                wanted: &BTreeMap<LayerId, BTreeSet<u32>>,
                sink: crate::tree::MemberSink<'_>,
            ) -> io::Result<()> {
                self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                for (&layer, indexes) in wanted {
                    let LayerId::Original(number) = layer else { panic!("{layer}") };
                    for &index in indexes {
                        sink(layer, index, &mut &format!("{number}{index}").into_bytes()[..])?;
                    }
                }
                Ok(())
            }
        }
        let lower = |layer, index| {
            let content = Content::Layer { layer: LayerId::Original(layer), index };
            let kind = Kind::File(FileData { size: 2, content, link: None });
            Entry { kind, ..Entry::directory(0o644, 1) }
        };
        let loader = Arc::new(Counting(0.into()));
        let entries = [(path("/a"), lower(0, 7)), (path("/b"), lower(1, 2))];
        let mut overlay =
            Overlay::new(Arc::new(Tree::from_entries(entries, Arc::clone(&loader) as _)));
        for at in ["/a", "/b"] {
            overlay.modify(&path(at), |entry| entry.mode = 0o600).unwrap();
        }
        let (blob, _) = write(&overlay, Compression::None);
        assert_eq!(loader.0.load(std::sync::atomic::Ordering::Relaxed), 1);
        assert_eq!((&blob[512..514], &blob[1536..1538]), (&b"07"[..], &b"12"[..]));
    }

    #[test]
    fn the_number_of_threads_does_not_show() {
        let mut overlay = overlay(&[]);
        let content: String = (0..400_000).map(|n| format!("{n} ")).collect();
        overlay.set(path("/usr/big"), file(&content, None)).unwrap();
        for compression in ALL {
            let options = LayerOptions { compression, level: None };
            let (mut one, mut four) = (Vec::new(), Vec::new());
            let first = write_with(&overlay, &options, &mut one, 1).unwrap();
            assert_eq!(first, write_with(&overlay, &options, &mut four, 4).unwrap());
            assert!(one == four, "{compression}");
        }
    }

    fn any_path() -> impl Strategy<Value = ImagePath> {
        let long = "n".repeat(120);
        let name =
            prop::sample::select(vec!["a".into(), "b".into(), "a-b".into(), "\u{e9}".into(), long]);
        prop::collection::vec(name, 1..4).prop_map(|parts| ImagePath::new(parts.join("/")).unwrap())
    }

    fn any_kind() -> impl Strategy<Value = Kind> {
        let content = |text: String| {
            let content = Content::Inline(text.into());
            Kind::File(FileData { size: content_len(&content), content, link: None })
        };
        prop_oneof![
            3 => Just(Kind::Directory),
            4 => "[xy]{0,2}".prop_map(content),
            1 => "[ab]/\u{e9}{1,60}".prop_map(|target| Kind::Symlink(target.into_bytes())),
            1 => Just(Kind::Fifo),
            1 => (0..300u32).prop_map(|minor| Kind::CharDevice { major: 1, minor }),
            1 => (0..300u32).prop_map(|minor| Kind::BlockDevice { major: 8, minor }),
        ]
    }

    fn content_len(content: &Content) -> u64 {
        match content {
            Content::Inline(bytes) => bytes.len() as u64,
            _ => 0,
        }
    }

    fn any_entry() -> impl Strategy<Value = Entry> {
        let id = prop_oneof![4 => Just(0u32), 1 => any::<u32>()];
        let mtime = prop_oneof![4 => 0..3i64, 1 => -(1i64 << 40)..(1i64 << 40)];
        let xattrs = prop_oneof![
            4 => Just(Xattrs::new()),
            1 => prop::collection::btree_map(
                "user\\.[a-z]{1,3}".prop_map(String::into_bytes),
                prop::collection::vec(any::<u8>(), 0..9),
                1..3,
            ),
        ];
        (any_kind(), 0..0o10000u32, id.clone(), id, mtime, xattrs).prop_map(
            |(kind, mode, uid, gid, mtime, xattrs)| Entry { kind, mode, uid, gid, mtime, xattrs },
        )
    }

    #[derive(Debug, Clone)]
    enum Op {
        Set(ImagePath, Entry),
        Remove(ImagePath),
        Rename(ImagePath, ImagePath),
        Chmod(ImagePath, u32),
    }

    fn any_op() -> impl Strategy<Value = Op> {
        prop_oneof![
            4 => (any_path(), any_entry()).prop_map(|(at, entry)| Op::Set(at, entry)),
            3 => any_path().prop_map(Op::Remove),
            1 => (any_path(), any_path()).prop_map(|(from, to)| Op::Rename(from, to)),
            1 => (any_path(), 0..0o10000u32).prop_map(|(at, mode)| Op::Chmod(at, mode)),
        ]
    }

    fn apply(overlay: &mut Overlay, op: Op) {
        // What cannot be done is an error and changes nothing.
        let _ = match op {
            Op::Set(at, entry) => overlay.set(at, entry),
            Op::Rename(from, to) => overlay.rename(&from, to),
            Op::Chmod(at, mode) => overlay.modify(&at, |entry| entry.mode = mode),
            Op::Remove(at) => {
                overlay.remove(&at);
                Ok(())
            }
        };
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn a_written_layer_over_the_original_is_the_overlay(
            start in prop::collection::vec((any_path(), any_entry()), 0..12),
            ops in prop::collection::vec(any_op(), 0..12),
            compression in prop::sample::select(ALL.to_vec()),
        ) {
            let tree = Arc::new(Tree::from_entries(start, Arc::new(NoLayers)));
            let mut overlay = Overlay::new(Arc::clone(&tree));
            ops.into_iter().for_each(|op| apply(&mut overlay, op));

            let (blob, written) = write(&overlay, compression);
            prop_assert_eq!(&blob, &write(&overlay, compression).0);
            let spec = LayerSpec {
                name: "patch".into(),
                compression: Some(compression),
                diff_id: Some(written.diff_id),
            };
            let budget = Budget::new(LayerLimits::default());
            let loader = LayerLoader::of_patch(None, || Err(io::Error::other("all is kept")));
            let layer = read_layer(&blob[..], &spec, &budget, &|_, _| true).unwrap();
            prop_assert_eq!(layer.unpacked, written.unpacked);
            prop_assert_eq!(layer.changes.len() as u64, written.entries);
            let merged = merge_over(&tree, layer, loader).unwrap();

            let want: Vec<_> = overlay
                .walk(&ImagePath::root())
                .into_iter()
                .map(|at| (at.clone(), overlay.lstat(&at).unwrap().clone()))
                .collect();
            let got: Vec<_> = merged.iter().map(|(at, entry)| (at.clone(), entry.clone())).collect();
            prop_assert_eq!(got, want);
        }
    }
}
