//! Images written to tar files: `oci-archive:` and `docker-archive:` as [`Sink`].
//!
//! Blobs go straight into a staged file beside the target, in the order they come (which the
//! manifest gives), with every header the same but for name and size: the same image is the
//! same file. The target is replaced when the tag is set, and only then. A docker-archive is
//! written as Docker 25 and newer write it: an OCI layout with a `manifest.json` over the
//! same blobs, so that `docker load` of any version reads it and the manifest with its
//! annotations is not lost.

use std::collections::BTreeSet;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use oci_spec::image::Descriptor;
use serde_json::json;

use super::Reference;
use super::layout::{OCI_LAYOUT, blob_path};
use super::layout_index::{name_with_tag, with_entry};
use super::manifest::{Document, descriptor, digest_of};
use super::reference::parse_name;
use super::transport::{BlobReader, ImageError, OpenBlob, RawManifest, Sink, Source};
use super::verified::{copy_blob, write_error};
use imgfix_host::staging;
use imgfix_host::staging::Staged;
use imgfix_host::unfinished::Unfinished;
use imgfix_model::digest::Digest;

/// What an archive can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flavour {
    Oci,
    /// One image for one platform.
    Docker,
}

/// An archive that is being written.
pub struct ArchiveSink {
    flavour: Flavour,
    path: PathBuf,
    /// The layout's tag, or the `RepoTags` entry.
    name: Option<String>,
    /// The whole name of the image, for its entry in the layout.
    image_name: Option<String>,
    place: String,
    state: Mutex<State>,
}

struct State {
    /// `None` once it is under its name.
    staged: Option<Staged>,
    blobs: BTreeSet<Digest>,
}

impl ArchiveSink {
    /// Prepares to write `oci-archive:FILE[:TAG]`. What is at `file` is replaced at the end. Where
    /// the original has the whole name `original`, the image gets that name, with its own tag.
    ///
    /// # Errors
    /// The directory of `file` cannot be written, or `file` is not a regular file.
    pub fn oci(
        file: &Path,
        tag: Option<&str>,
        original: Option<&str>,
        unfinished: &Unfinished,
    ) -> Result<Self, ImageError> {
        let name = tag.map(str::to_owned);
        let reference = Reference::OciArchive { file: file.to_owned(), tag: name.clone() };
        let image_name = name_with_tag(original, tag);
        Self::open(Flavour::Oci, file, name, image_name, &reference, unfinished)
    }

    /// Prepares to write `docker-archive:FILE[:REF]`. What is at `file` is replaced at the end.
    ///
    /// # Errors
    /// As [`ArchiveSink::oci`]; also a position (`@0`) instead of a name.
    pub fn docker(
        file: &Path,
        name: Option<&str>,
        unfinished: &Unfinished,
    ) -> Result<Self, ImageError> {
        let given = name.map(str::to_owned);
        let reference = Reference::DockerArchive { file: file.to_owned(), reference: given };
        let name = match name {
            Some(name) if name.starts_with('@') => {
                let why = "an image is written under a name, as docker-archive:FILE:app:1.0";
                return Err(ImageError::invalid(reference.to_string(), why));
            }
            Some(name) => Some(full_name(name, &reference.to_string())?),
            None => None,
        };
        // where containerd's importer looks for the whole name
        let image_name = name.clone();
        Self::open(Flavour::Docker, file, name, image_name, &reference, unfinished)
    }

    fn open(
        flavour: Flavour,
        path: &Path,
        name: Option<String>,
        image_name: Option<String>,
        reference: &Reference,
        unfinished: &Unfinished,
    ) -> Result<Self, ImageError> {
        let place = reference.to_string();
        if path.exists() && !path.is_file() {
            return Err(ImageError::invalid(place, "it is there, and not a regular file"));
        }
        let dir = staging::parent(path);
        staging::remove_stale(dir);
        let staged = start(dir, unfinished).map_err(|error| write_error(&place, error))?;
        let state = Mutex::new(State { staged: Some(staged), blobs: BTreeSet::new() });
        Ok(Self { flavour, path: path.to_owned(), name, image_name, place, state })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn store(&self, blob: &Descriptor, content: BlobReader) -> Result<(), ImageError> {
        let digest = digest_of(blob, &self.place)?;
        let mut state = self.state();
        if state.blobs.contains(&digest) {
            return Ok(());
        }
        let staged = state.staged.as_mut().ok_or_else(|| self.finished())?;
        let fail = |error| write_error(&self.place, error);
        let before = staged.file().stream_position().map_err(fail)?;
        let stored = write_header(staged.file(), &blob_path(&digest), blob.size())
            .map_err(fail)
            .and_then(|()| copy_blob(content, blob, staged.file(), &self.place))
            .and_then(|()| pad(staged.file(), blob.size()).map_err(fail));
        if let Err(error) = stored {
            // half a member would end the archive for every reader
            staged.file().set_len(before).map_err(fail)?;
            staged.file().seek(SeekFrom::Start(before)).map_err(fail)?;
            return Err(error);
        }
        state.blobs.insert(digest);
        Ok(())
    }

    fn finished(&self) -> ImageError {
        ImageError::invalid(self.place.as_str(), "the archive is finished already")
    }

    fn refuse_index(&self, manifest: &RawManifest) -> Result<Document, ImageError> {
        let document = Document::parse(manifest.clone(), &self.place)?;
        if self.flavour == Flavour::Docker && matches!(document, Document::Index(_)) {
            return Err(several_platforms(&self.place));
        }
        Ok(document)
    }

    /// `manifest.json` over the one image.
    fn docker_manifest(
        &self,
        document: &Document,
        blobs: &BTreeSet<Digest>,
    ) -> Result<Vec<u8>, ImageError> {
        let Document::Manifest(manifest) = document else {
            return Err(several_platforms(&self.place));
        };
        let path = |blob: &Descriptor| {
            let digest = digest_of(blob, &self.place)?;
            match blobs.contains(&digest) {
                true => Ok(blob_path(&digest)),
                false => Err(ImageError::NotFound {
                    place: format!("{}: blob {digest}", self.place),
                    hint: "; it was not written".into(),
                }),
            }
        };
        let layers = manifest.layers().iter().map(path).collect::<Result<Vec<_>, _>>()?;
        let saved = json!([{
            "Config": path(manifest.config())?,
            "RepoTags": self.name.iter().collect::<Vec<_>>(),
            "Layers": layers,
        }]);
        Ok(saved.to_string().into_bytes())
    }

    fn layout_index(&self, manifest: &RawManifest) -> Vec<u8> {
        let size = manifest.bytes.len() as u64;
        let entry = descriptor(&manifest.media_type, &manifest.digest, size);
        let full = self.name.as_deref().and_then(|name| parse_name(name).ok());
        let tag = match (self.flavour, &full) {
            (Flavour::Docker, Some(full)) => full.tag(),
            (Flavour::Docker, None) => None,
            (Flavour::Oci, _) => self.name.as_deref(),
        };
        with_entry(None, &entry, tag, self.image_name.as_deref()).to_string().into_bytes()
    }
}

/// The error of a docker-archive that should hold an index.
pub(super) fn several_platforms(place: &str) -> ImageError {
    let why = "a docker-archive holds an image for one platform; choose one with --platform, or \
               write oci-archive:FILE with -o";
    ImageError::invalid(place, why)
}

impl Sink for ArchiveSink {
    fn has_blob(&self, digest: &Digest) -> Result<bool, ImageError> {
        Ok(self.state().blobs.contains(digest))
    }

    fn put_blob(&self, descriptor: &Descriptor, content: OpenBlob<'_>) -> Result<(), ImageError> {
        self.store(descriptor, content()?)
    }

    fn link_blob(&self, _: &Descriptor, _: &dyn Source) -> Result<bool, ImageError> {
        Ok(false)
    }

    fn put_manifest(&self, manifest: &RawManifest) -> Result<(), ImageError> {
        if self.flavour == Flavour::Docker {
            self.refuse_index(manifest)?;
        }
        let bytes = manifest.bytes.clone();
        let blob = descriptor(&manifest.media_type, &manifest.digest, bytes.len() as u64);
        self.store(&blob, Box::new(std::io::Cursor::new(bytes)))
    }

    fn tag(&self, manifest: &RawManifest) -> Result<(), ImageError> {
        self.put_manifest(manifest)?;
        let document = self.refuse_index(manifest)?;
        let mut state = self.state();
        let mut members = vec![("index.json", self.layout_index(manifest))];
        if self.flavour == Flavour::Docker {
            members.push(("manifest.json", self.docker_manifest(&document, &state.blobs)?));
        }
        members.push(("oci-layout", OCI_LAYOUT.to_vec()));
        let mut staged = state.staged.take().ok_or_else(|| self.finished())?;
        let write = |staged: &mut Staged| -> std::io::Result<()> {
            for (name, content) in &members {
                let size = content.len() as u64;
                write_header(staged.file(), name, size)?;
                staged.file().write_all(content)?;
                pad(staged.file(), size)?;
            }
            staged.file().write_all(&[0; 1024])?;
            staged.sync()
        };
        write(&mut staged)
            .and_then(|()| staged.publish(&self.path, &self.place, || ()))
            .map_err(|error| write_error(&self.place, error))
    }
}

/// The name as skopeo writes it into `RepoTags`: with host and tag, so that however it was
/// spelled the same archive comes out. `docker load` wants a tag on every name.
fn full_name(name: &str, place: &str) -> Result<String, ImageError> {
    let full = parse_name(name).map_err(|why| ImageError::invalid(place, why))?;
    Ok(full.to_string())
}

fn start(dir: &Path, unfinished: &Unfinished) -> std::io::Result<Staged> {
    let mut staged = Staged::create_in(dir, unfinished)?;
    for name in ["blobs/", "blobs/sha256/"] {
        let mut header = header(name, 0)?;
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o755);
        header.set_cksum();
        staged.file().write_all(header.as_bytes())?;
    }
    Ok(staged)
}

/// The same for everyone: nothing of the host, the user or the clock.
fn header(name: &str, size: u64) -> std::io::Result<tar::Header> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name)?;
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    Ok(header)
}

fn write_header(to: &mut impl Write, name: &str, size: u64) -> std::io::Result<()> {
    to.write_all(header(name, size)?.as_bytes())
}

fn pad(to: &mut impl Write, size: u64) -> std::io::Result<()> {
    let over = usize::try_from(size % 512).unwrap_or(0);
    let zeros = [0; 512];
    match zeros.get(over..) {
        Some(padding) if over > 0 => to.write_all(padding),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use serde_json::Value;

    use super::*;
    use crate::archive::{DockerArchiveSource, open_oci};
    use crate::media_type;
    use crate::publish::{NewImage, Publication, publish};
    use crate::testing::MemorySource;
    use crate::{ImageSet, load};
    use imgfix_host::progress::Silent;
    use imgfix_vfs::limits::LayerLimits;

    fn image() -> (MemorySource, ImageSet) {
        let mut source = MemorySource::new("oci:app:1");
        let added = source.add_image("linux/amd64", &[b"base", &[b'x'; 512], b""]);
        source.set_root_manifest(&added);
        let set = load(&source, None).expect("set");
        (source, set)
    }

    fn write(sink: &ArchiveSink) -> (MemorySource, ImageSet) {
        let (source, set) = image();
        let images = set
            .images
            .iter()
            .map(|image| NewImage {
                manifest: image.manifest.raw().clone(),
                config: image.config.bytes().clone(),
                layers: Vec::new(),
            })
            .collect();
        let publication = Publication { images, indexes: Vec::new(), kept: Vec::new() };
        publish(sink, &source, &publication, &Silent).expect("publish");
        (source, set)
    }

    fn check(source: &dyn Source, set: &ImageSet) {
        let copy = load(source, None).expect("copy");
        assert_eq!(copy.root.raw().bytes, set.root.raw().bytes, "the manifest is kept");
        for layer in copy.images[0].manifest.layers() {
            source.blob(layer).expect("blob").read_to_end(&mut Vec::new()).expect("read");
        }
    }

    #[test]
    fn both_kinds_are_read_back() {
        let dir = tempfile::tempdir().expect("dir");
        let (oci, docker) = (dir.path().join("oci.tar"), dir.path().join("docker.tar"));
        let (_, set) = write(
            &ArchiveSink::oci(&oci, Some("1_fix"), None, &Unfinished::default()).expect("sink"),
        );
        check(&open_oci(&oci, Some("1_fix"), &LayerLimits::default()).expect("source"), &set);
        write(
            &ArchiveSink::docker(&docker, Some("app:1_fix"), &Unfinished::default()).expect("sink"),
        );
        check(
            &DockerArchiveSource::open(&docker, Some("app:1_fix"), &LayerLimits::default())
                .expect("source"),
            &set,
        );
        check(&open_oci(&docker, Some("1_fix"), &LayerLimits::default()).expect("source"), &set);
    }

    #[test]
    fn the_same_image_is_the_same_file() {
        let dir = tempfile::tempdir().expect("dir");
        let files: Vec<_> = ["a.tar", "b.tar"]
            .iter()
            .map(|name| {
                let path = dir.path().join(name);
                write(
                    &ArchiveSink::docker(&path, Some("app"), &Unfinished::default()).expect("sink"),
                );
                std::fs::read(path).expect("read")
            })
            .collect();
        assert!(files[0] == files[1]);
        let name = b"\"docker.io/library/app:latest\"";
        assert!(files[0].windows(name.len()).any(|text| text == name));
    }

    #[test]
    fn the_target_is_replaced_at_the_end_only() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("app.tar");
        std::fs::write(&path, b"old").expect("write");
        let sink = ArchiveSink::oci(&path, None, None, &Unfinished::default()).expect("sink");
        let blob = descriptor(media_type::OCI_LAYER, &Digest::of(b"x"), 1);
        sink.put_blob(&blob, &|| Ok(Box::new(&b"x"[..]))).expect("put");
        assert_eq!(std::fs::read(&path).expect("read"), b"old");
        drop(sink);
        assert_eq!(std::fs::read(&path).expect("read"), b"old");
        assert_eq!(std::fs::read_dir(dir.path()).expect("dir").count(), 1);
    }

    #[test]
    fn a_failed_blob_can_be_written_again() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("app.tar");
        let sink = ArchiveSink::oci(&path, None, None, &Unfinished::default()).expect("sink");
        let wrong = descriptor(media_type::OCI_LAYER, &Digest::of(b"base"), 4);
        for content in [&b"bas"[..], b"bass", b"bases"] {
            assert!(sink.put_blob(&wrong, &|| Ok(Box::new(content))).is_err());
        }
        let (_, set) = write(&sink);
        check(&open_oci(&path, None, &LayerLimits::default()).expect("source"), &set);
    }

    #[test]
    fn a_docker_archive_takes_no_index() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("app.tar");
        let sink = ArchiveSink::docker(&path, None, &Unfinished::default()).expect("sink");
        let index: Value = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX,
            "manifests": []});
        let bytes = bytes::Bytes::from(index.to_string());
        let media_type = media_type::OCI_INDEX.to_owned();
        let index = RawManifest { media_type, digest: Digest::of(&bytes), bytes };
        let error = sink.tag(&index).expect_err("index").to_string();
        assert!(error.contains("--platform"), "{error}");
        drop(sink);
        assert!(!path.exists());
        assert!(ArchiveSink::docker(&path, Some("@0"), &Unfinished::default()).is_err());
        assert!(ArchiveSink::docker(dir.path(), None, &Unfinished::default()).is_err());
        let nowhere = dir.path().join("none/app.tar");
        assert!(ArchiveSink::docker(&nowhere, None, &Unfinished::default()).is_err());
    }
}
