//! OCI layout directories
//! (<https://github.com/opencontainers/image-spec/blob/main/image-layout.md>) as [`Source`]
//! and [`Sink`].
//!
//! Reading is shared with archives: [`LayoutSource`] works over [`Files`], a directory or the
//! index of a tar file. Writing keeps the layout whole at every moment: blobs are staged and
//! renamed, `index.json` is replaced last, under a lock, with its other entries as they were.
//! A sink that is dropped without a tag removes what it wrote, unless another writer might
//! count on it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use oci_spec::image::Descriptor;

use super::Reference;
use super::layout_index::{
    choose, editable_index, name_with_tag, parse_index, unnamed_images, with_entry,
};
use super::manifest::{MAX_MANIFEST, descriptor, digest_of};
use super::transport::{BlobReader, ImageError, OpenBlob, RawManifest, Sink, Source};
use super::verified::{copy_blob, read_small, verified_blob, write_error};
use imgfix_host::staging;
use imgfix_host::staging::Staged;
use imgfix_host::unfinished::{Pending, Unfinished};
use imgfix_model::digest::Digest;

/// The content of the `oci-layout` file.
pub(super) const OCI_LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// A set of named regular files: a directory, or a tar file.
pub(super) trait Files: Send + Sync {
    /// Opens a file by its path relative to the layout, with its size; `None` when there is
    /// none.
    fn open(&self, name: &str) -> io::Result<Option<(Box<dyn Read + Send>, u64)>>;
}

struct Directory(PathBuf);

impl Files for Directory {
    fn open(&self, name: &str) -> io::Result<Option<(Box<dyn Read + Send>, u64)>> {
        let path = self.0.join(name);
        // asked before it is opened: opening a FIFO would wait for a writer
        let metadata = match std::fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if !metadata.is_file() {
            let why = format!("{name} is not a regular file");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        Ok(Some((Box::new(File::open(&path)?), metadata.len())))
    }
}

/// The path of a blob in a layout.
pub(super) fn blob_path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// An image of an OCI layout.
pub struct LayoutSource {
    files: Box<dyn Files>,
    reference: Reference,
    place: String,
    root: Descriptor,
    image_name: Option<String>,
}

impl LayoutSource {
    /// Opens the image `tag` of the layout `dir`; without a tag, its only image.
    ///
    /// # Errors
    /// No such directory, not a layout, no such tag, or several images and no tag.
    pub fn open(dir: &Path, tag: Option<&str>) -> Result<Self, ImageError> {
        let dir = dir.to_owned();
        let reference = Reference::OciLayout { dir: dir.clone(), tag: tag.map(str::to_owned) };
        if !dir.is_dir() {
            let hint = "; give the directory of an OCI layout, as oci:DIR:TAG".to_owned();
            return Err(ImageError::NotFound { place: reference.to_string(), hint });
        }
        let with_tag = |tag| Reference::OciLayout { dir: dir.clone(), tag };
        Self::over(Box::new(Directory(dir.clone())), tag, &reference, with_tag)
    }

    /// Opens an image over any set of files; `with_tag` makes its complete reference.
    pub(super) fn over(
        files: Box<dyn Files>,
        tag: Option<&str>,
        reference: &Reference,
        with_tag: impl FnOnce(Option<String>) -> Reference,
    ) -> Result<Self, ImageError> {
        let place = reference.to_string();
        if read_file(files.as_ref(), "oci-layout", 4096, &place)?.is_none() {
            let why = "it has no oci-layout file: it is not an OCI layout";
            return Err(ImageError::invalid(place, why));
        }
        let index = read_file(files.as_ref(), "index.json", MAX_MANIFEST, &place)?
            .ok_or_else(|| ImageError::invalid(place.as_str(), "it has no index.json"))?;
        let index = parse_index(&index, &place)?;
        let chosen = choose(files.as_ref(), &index, tag, &place)?;
        let reference = with_tag(chosen.tag);
        let place = reference.to_string();
        let (root, image_name) = (chosen.descriptor, chosen.image_name);
        Ok(Self { files, reference, place, root, image_name })
    }
}

impl Source for LayoutSource {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    fn image_name(&self) -> Option<&str> {
        self.image_name.as_deref()
    }

    fn root(&self) -> Result<RawManifest, ImageError> {
        self.manifest(&self.root)
    }

    fn manifest(&self, descriptor: &Descriptor) -> Result<RawManifest, ImageError> {
        let digest = digest_of(descriptor, &self.place)?;
        let bytes = read_small(self.blob(descriptor)?, descriptor, MAX_MANIFEST, &self.place)?;
        Ok(RawManifest { media_type: descriptor.media_type().to_string(), digest, bytes })
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<BlobReader, ImageError> {
        open_blob(self.files.as_ref(), descriptor, &self.place)
    }
}

/// The blob of a layout that `descriptor` announces; a wrong size shows before it is read.
pub(super) fn open_blob(
    files: &dyn Files,
    descriptor: &Descriptor,
    place: &str,
) -> Result<BlobReader, ImageError> {
    let digest = digest_of(descriptor, place)?;
    let opened = files.open(&blob_path(&digest)).map_err(|error| ImageError::io(place, error))?;
    let Some((reader, size)) = opened else {
        let place = format!("{place}: blob {digest}");
        return Err(ImageError::NotFound { place, hint: "; the layout is incomplete".into() });
    };
    if size != descriptor.size() {
        let why = format!("it has {size} bytes, but {} are announced", descriptor.size());
        return Err(ImageError::invalid(format!("{place}: blob {digest}"), why));
    }
    verified_blob(reader, descriptor, place)
}

/// A small file of the layout; `None` when there is none.
pub(super) fn read_file(
    files: &dyn Files,
    name: &str,
    limit: u64,
    place: &str,
) -> Result<Option<Bytes>, ImageError> {
    let place = format!("{place}: {name}");
    let fail = |error| ImageError::io(place.as_str(), error);
    let Some((reader, _)) = files.open(name).map_err(fail)? else { return Ok(None) };
    let mut bytes = Vec::new();
    reader.take(limit + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > limit {
        return Err(ImageError::invalid(place, format!("it is larger than {limit} bytes")));
    }
    Ok(Some(bytes.into()))
}

/// An OCI layout that is written to.
pub struct LayoutSink {
    dir: PathBuf,
    tag: Option<String>,
    /// The whole name of the image, for its entry.
    image_name: Option<String>,
    place: String,
    unfinished: Unfinished,
    traces: Arc<Mutex<Traces>>,
    _pending: Pending,
}

/// What a sink has put into a layout and no tag names yet.
#[derive(Default)]
struct Traces {
    /// Files that were not there before.
    written: BTreeSet<PathBuf>,
    /// Directories that were not there before, outermost first.
    created: Vec<PathBuf>,
    /// Locked shared while the sink may count on blobs being there.
    presence: Option<File>,
}

impl Traces {
    /// Removes them, unless another writer of the layout may count on them.
    fn remove(&mut self) {
        let alone = self.presence.take().is_none_or(|presence| {
            let _ = presence.unlock();
            presence.try_lock().is_ok()
        });
        let (written, created) =
            (std::mem::take(&mut self.written), std::mem::take(&mut self.created));
        if !alone {
            return;
        }
        for file in written {
            let _ = std::fs::remove_file(file);
        }
        for dir in created.iter().rev() {
            let _ = std::fs::remove_dir(dir);
        }
    }
}

fn lock(traces: &Mutex<Traces>) -> MutexGuard<'_, Traces> {
    traces.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LayoutSink {
    /// Makes `dir` ready to be written, creating it when it is missing.
    ///
    /// # Errors
    /// It cannot be written, or holds something that is not an OCI layout.
    pub fn open(
        dir: &Path,
        tag: Option<&str>,
        unfinished: &Unfinished,
    ) -> Result<Self, ImageError> {
        Self::open_for(dir, tag, None, unfinished)
    }

    /// As [`LayoutSink::open`], for an image whose original has the whole name `original`: the new
    /// one gets that name, with its own tag.
    ///
    /// # Errors
    /// As [`LayoutSink::open`].
    pub fn open_for(
        dir: &Path,
        tag: Option<&str>,
        original: Option<&str>,
        unfinished: &Unfinished,
    ) -> Result<Self, ImageError> {
        let image_name = name_with_tag(original, tag);
        let tag = tag.map(str::to_owned);
        let place = Reference::OciLayout { dir: dir.to_owned(), tag: tag.clone() }.to_string();
        let foreign = dir.is_dir()
            && !dir.join("oci-layout").exists()
            && std::fs::read_dir(dir)
                .map_err(|error| ImageError::io(place.as_str(), error))?
                .flatten()
                .any(|entry| entry.file_name() != "blobs");
        if foreign {
            let why = "the directory is not empty and not an OCI layout; name another with -o";
            return Err(ImageError::invalid(place, why));
        }
        let traces = Arc::new(Mutex::new(Traces::default()));
        let undo = Arc::clone(&traces);
        let pending = unfinished.remember(Box::new(move || lock(&undo).remove()));
        let unfinished = unfinished.clone();
        let dir = dir.to_owned();
        let sink = Self { dir, tag, image_name, place, unfinished, traces, _pending: pending };
        sink.check_unnamed()?;
        sink.prepare().map_err(|error| write_error(&sink.place, error))?;
        Ok(sink)
    }

    /// Creates what is missing and proves that it can be written, before hours of work.
    fn prepare(&self) -> io::Result<()> {
        let blobs = self.blobs();
        for path in [self.dir.clone(), self.dir.join("blobs"), blobs.clone()] {
            let missing: Vec<PathBuf> =
                path.ancestors().take_while(|p| !p.exists()).map(Path::to_owned).collect();
            for dir in missing.into_iter().rev().filter(|dir| !dir.as_os_str().is_empty()) {
                self.unfinished.whole(|| {
                    std::fs::create_dir(&dir)?;
                    lock(&self.traces).created.push(dir);
                    Ok::<_, io::Error>(())
                })?;
            }
        }
        for dir in [&self.dir, &blobs] {
            staging::remove_stale(dir);
            drop(Staged::create_in(dir, &self.unfinished)?);
        }
        let presence = File::open(&blobs)?;
        if presence.lock_shared().is_ok() {
            lock(&self.traces).presence = Some(presence);
        }
        Ok(())
    }

    /// Refuses to replace one of several images without a name: nothing says which one.
    fn check_unnamed(&self) -> Result<(), ImageError> {
        let Ok(bytes) = std::fs::read(self.dir.join("index.json")) else { return Ok(()) };
        if self.tag.is_none() && unnamed_images(&parse_index(&bytes, &self.place)?) > 1 {
            let why = "it has several images without a tag; give the new one a tag";
            return Err(ImageError::invalid(self.place.as_str(), why));
        }
        Ok(())
    }

    fn blobs(&self) -> PathBuf {
        self.dir.join("blobs/sha256")
    }

    fn store(&self, descriptor: &Descriptor, content: BlobReader) -> Result<(), ImageError> {
        let path = self.dir.join(blob_path(&digest_of(descriptor, &self.place)?));
        let fail = |error| write_error(&self.place, error);
        let mut staged = Staged::create_in(&self.blobs(), &self.unfinished).map_err(fail)?;
        copy_blob(content, descriptor, staged.file(), &self.place)?;
        self.keep(staged, path).map_err(fail)
    }

    /// Gives a file its name; it goes again if no tag follows.
    fn keep(&self, mut staged: Staged, path: PathBuf) -> io::Result<()> {
        staged.sync()?;
        let new = !path.exists();
        staged.persist(&path, || {
            if new {
                lock(&self.traces).written.insert(path.clone());
            }
        })
    }

    fn point_tag(&self, manifest: &Descriptor) -> Result<(), ImageError> {
        let fail = |error| write_error(&self.place, error);
        // locks the whole read-change-write; gone with the file handle
        let directory = File::open(&self.dir).map_err(fail)?;
        let _ = directory.lock();
        let path = self.dir.join("index.json");
        let (index, numbers) = match std::fs::read(&path) {
            Ok(bytes) => {
                let (index, numbers) = editable_index(&bytes, &self.place)?;
                (Some(index), numbers)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Default::default(),
            Err(error) => return Err(ImageError::io(self.place.as_str(), error)),
        };
        let index = with_entry(index, manifest, self.tag.as_deref(), self.image_name.as_deref());
        let version = self.dir.join("oci-layout");
        if !version.exists() {
            let staged = self.staged(OCI_LAYOUT).map_err(fail)?;
            self.keep(staged, version).map_err(fail)?;
        }
        let index = numbers.restore(&index.to_string());
        let mut staged = self.staged(index.as_bytes()).map_err(fail)?;
        let publish = || {
            staged.sync()?;
            // from here on the tag names them
            staged.publish(&path, &self.place, || *lock(&self.traces) = Traces::default())
        };
        publish().map_err(fail)
    }

    fn staged(&self, content: &[u8]) -> io::Result<Staged> {
        let mut staged = Staged::create_in(&self.dir, &self.unfinished)?;
        staged.file().write_all(content)?;
        Ok(staged)
    }
}

impl Sink for LayoutSink {
    fn has_blob(&self, digest: &Digest) -> Result<bool, ImageError> {
        Ok(self.dir.join(blob_path(digest)).is_file())
    }

    fn put_blob(&self, descriptor: &Descriptor, content: OpenBlob<'_>) -> Result<(), ImageError> {
        self.store(descriptor, content()?)
    }

    fn link_blob(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<bool, ImageError> {
        let Reference::OciLayout { dir, .. } = source.reference() else { return Ok(false) };
        let same = match (std::fs::canonicalize(dir), std::fs::canonicalize(&self.dir)) {
            (Ok(theirs), Ok(ours)) => theirs == ours,
            _ => false,
        };
        Ok(same && self.has_blob(&digest_of(descriptor, &self.place)?)?)
    }

    fn put_manifest(&self, manifest: &RawManifest) -> Result<(), ImageError> {
        let bytes = manifest.bytes.clone();
        let size = bytes.len() as u64;
        let descriptor = descriptor(&manifest.media_type, &manifest.digest, size);
        self.store(&descriptor, Box::new(io::Cursor::new(bytes)))
    }

    fn tag(&self, manifest: &RawManifest) -> Result<(), ImageError> {
        if !self.has_blob(&manifest.digest)? {
            self.put_manifest(manifest)?;
        }
        let size = manifest.bytes.len() as u64;
        self.point_tag(&descriptor(&manifest.media_type, &manifest.digest, size))
    }
}

impl Drop for LayoutSink {
    fn drop(&mut self) {
        lock(&self.traces).remove();
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout_index::REF_NAME;
    use super::super::media_type;
    use super::*;

    fn blob(content: &'static [u8]) -> Descriptor {
        descriptor(media_type::OCI_LAYER, &Digest::of(content), content.len() as u64)
    }

    fn put(sink: &dyn Sink, content: &'static [u8]) -> Descriptor {
        let blob = blob(content);
        sink.put_blob(&blob, &|| Ok(Box::new(content))).expect("put");
        blob
    }

    fn manifest(content: &str) -> RawManifest {
        let bytes = Bytes::from(content.to_owned());
        let media_type = media_type::OCI_MANIFEST.to_owned();
        RawManifest { media_type, digest: Digest::of(&bytes), bytes }
    }

    fn files(dir: &Path) -> Vec<String> {
        let mut found = Vec::new();
        let mut todo = vec![dir.to_owned()];
        while let Some(next) = todo.pop() {
            for entry in std::fs::read_dir(next).expect("dir").flatten() {
                match entry.file_type().expect("type").is_dir() {
                    true => todo.push(entry.path()),
                    false => found.push(entry.file_name().to_string_lossy().into_owned()),
                }
            }
        }
        found.sort();
        found
    }

    #[test]
    fn what_is_stored_is_read_back() {
        let temp = tempfile::tempdir().expect("dir");
        let dir = temp.path().join("a/b/layout");
        let sink = LayoutSink::open(&dir, Some("1.0"), &Unfinished::default()).expect("sink");
        let stored = put(&sink, b"layer");
        sink.put_manifest(&manifest("{}")).expect("manifest");
        sink.tag(&manifest("{}")).expect("tag");
        drop(sink);
        let source = LayoutSource::open(&dir, None).expect("source");
        assert_eq!(source.reference().to_string(), format!("oci:{}:1.0", dir.display()));
        assert_eq!(source.root().expect("root").digest, Digest::of(b"{}"));
        let mut content = Vec::new();
        source.blob(&stored).expect("blob").read_to_end(&mut content).expect("read");
        assert_eq!(content, b"layer");
        assert_eq!(files(&dir).len(), 4, "two blobs, oci-layout, index.json: {:?}", files(&dir));
    }

    #[test]
    fn a_tag_is_replaced_in_place_and_others_are_kept() {
        let temp = tempfile::tempdir().expect("dir");
        for (tag, content) in [("a", "{}"), ("b", "{\"b\":1}"), ("a", "{\"a\":2}")] {
            let sink =
                LayoutSink::open(temp.path(), Some(tag), &Unfinished::default()).expect("sink");
            sink.tag(&manifest(content)).expect("tag");
        }
        let index = std::fs::read_to_string(temp.path().join("index.json")).expect("index");
        let (a, b) = (index.find("\"a\"").expect("a"), index.find("\"b\"").expect("b"));
        assert!(a < b && index.matches(REF_NAME).count() == 2, "{index}");
        let source = LayoutSource::open(temp.path(), Some("a")).expect("source");
        assert_eq!(source.root().expect("root").bytes, "{\"a\":2}");
        let error = LayoutSource::open(temp.path(), None).err().expect("two").to_string();
        assert!(error.contains("several images") && error.contains("a, b"), "{error}");
        let error = LayoutSource::open(temp.path(), Some("c")).err().expect("c").to_string();
        assert!(error.contains("not found") && error.contains("a, b"), "{error}");
    }

    #[test]
    fn without_a_tag_nothing_is_left() {
        let temp = tempfile::tempdir().expect("dir");
        let dir = temp.path().join("new");
        let sink = LayoutSink::open(&dir, Some("1"), &Unfinished::default()).expect("sink");
        put(&sink, b"layer");
        drop(sink);
        assert!(!dir.exists());
    }

    #[test]
    fn blobs_of_others_survive_a_failed_writer() {
        let temp = tempfile::tempdir().expect("dir");
        let failing =
            LayoutSink::open(temp.path(), Some("1"), &Unfinished::default()).expect("sink");
        let other = LayoutSink::open(temp.path(), Some("2"), &Unfinished::default()).expect("sink");
        let shared = put(&failing, b"shared");
        let digest = digest_of(&shared, "x").expect("digest");
        assert!(other.has_blob(&digest).expect("has"));
        drop(failing);
        assert!(other.has_blob(&digest).expect("has"), "the other writer skipped it already");
    }

    #[test]
    fn wrong_content_is_not_stored() {
        let temp = tempfile::tempdir().expect("dir");
        let sink = LayoutSink::open(temp.path(), Some("1"), &Unfinished::default()).expect("sink");
        for wrong in [&b"other"[..], b"laye", b"layer+"] {
            let error = sink.put_blob(&blob(b"layer"), &|| Ok(Box::new(wrong))).expect_err("wrong");
            assert!(error.to_string().contains("blob sha256:"), "{error}");
        }
        assert!(files(temp.path()).is_empty(), "{:?}", files(temp.path()));
    }

    #[test]
    fn damaged_and_missing_blobs_are_errors() {
        let temp = tempfile::tempdir().expect("dir");
        let sink = LayoutSink::open(temp.path(), Some("1"), &Unfinished::default()).expect("sink");
        let stored = put(&sink, b"layer");
        sink.tag(&manifest("{}")).expect("tag");
        let source = LayoutSource::open(temp.path(), Some("1")).expect("source");
        let path = temp.path().join(blob_path(&Digest::of(b"layer")));
        std::fs::write(&path, b"lager").expect("flip");
        let mut content = Vec::new();
        let error = source.blob(&stored).expect("open").read_to_end(&mut content);
        assert!(error.expect_err("flipped").to_string().contains("tampered"));
        std::fs::write(&path, b"la").expect("truncate");
        let error = source.blob(&stored).err().expect("size").to_string();
        assert!(error.contains("2 bytes, but 5"), "{error}");
        std::fs::remove_file(&path).expect("remove");
        assert!(matches!(source.blob(&stored), Err(ImageError::NotFound { .. })));
    }

    #[test]
    fn what_is_no_layout_is_named() {
        let temp = tempfile::tempdir().expect("dir");
        let error = LayoutSource::open(temp.path(), None).err().expect("empty").to_string();
        assert!(error.contains("oci-layout"), "{error}");
        let missing = temp.path().join("missing");
        assert!(matches!(LayoutSource::open(&missing, None), Err(ImageError::NotFound { .. })));
        std::fs::write(temp.path().join("thesis.txt"), b"").expect("write");
        let error = LayoutSink::open(temp.path(), None, &Unfinished::default())
            .err()
            .expect("foreign")
            .to_string();
        assert!(error.contains("not an OCI layout"), "{error}");
    }

    #[test]
    fn the_same_layout_needs_no_copy() {
        let temp = tempfile::tempdir().expect("dir");
        let sink = LayoutSink::open(temp.path(), Some("1"), &Unfinished::default()).expect("sink");
        let stored = put(&sink, b"layer");
        sink.tag(&manifest("{}")).expect("tag");
        let source = LayoutSource::open(temp.path(), Some("1")).expect("source");
        let again = LayoutSink::open(&temp.path().join("."), Some("2"), &Unfinished::default())
            .expect("sink");
        assert!(again.link_blob(&stored, &source).expect("link"));
        let elsewhere = tempfile::tempdir().expect("dir");
        let other =
            LayoutSink::open(elsewhere.path(), Some("2"), &Unfinished::default()).expect("sink");
        assert!(!other.link_blob(&stored, &source).expect("link"));
    }
}
