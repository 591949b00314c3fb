//! Moving a repaired image into a sink: layers, config, manifests, index, and the tag last.
//!
//! A layer that is there already is not sent: the sink links it (same layout, same
//! repository, mount from another repository of the registry) or has it. What is sent is a
//! stream. Until the tag moves, readers of the destination see the old state.

use std::collections::BTreeSet;
use std::io::Read;

use bytes::Bytes;
use oci_spec::image::Descriptor;
use serde_json::Value;

use super::PublishError;
use crate::manifest::{ImageManifest, MAX_CHILDREN, descriptor, digest_of};
use crate::media_type;
use crate::platforms::MAX_DEPTH;
use crate::{BlobReader, ImageError, OpenBlob, RawManifest, Sink, Source};
use imgfix_host::progress::{Progress, Task};
use imgfix_json as json;
use imgfix_model::digest::Digest;

/// A layer that the original does not have, and where its bytes are: a patch layer, or a lower
/// one that was written anew.
#[derive(Clone, Copy)]
pub struct NewLayer<'a> {
    /// As the new manifest names it.
    pub descriptor: &'a Descriptor,
    /// Its bytes as stored.
    pub content: OpenBlob<'a>,
}

/// An image that is published.
pub struct NewImage<'a> {
    /// What is published for its platform.
    pub manifest: RawManifest,
    /// What the manifest names as its config.
    pub config: Bytes,
    /// Those of its layers that are new; none for an image that needed no repair.
    pub layers: Vec<NewLayer<'a>>,
}

/// Everything that goes under one tag.
pub struct Publication<'a> {
    /// One for each platform; a single one needs no index.
    pub images: Vec<NewImage<'a>>,
    /// The index over the images, when the original had one, behind the new ones in it.
    pub indexes: Vec<RawManifest>,
    /// Manifests of the original's index that the new one names too ([`super::RebuiltIndex`]).
    pub kept: Vec<Descriptor>,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// What the tag points at.
    pub digest: Digest,
    /// Bytes of blobs that were sent.
    pub bytes_sent: u64,
    /// Blobs that were sent.
    pub blobs_sent: u64,
    /// Blobs that were there already, linked or mounted.
    pub blobs_linked: u64,
}

/// Publishes under the tag of `sink`. `source` is where the original is read from.
///
/// # Errors
/// Source or sink fail; the tag is then as it was.
pub fn publish(
    sink: &dyn Sink,
    source: &dyn Source,
    publication: &Publication<'_>,
    progress: &dyn Progress,
) -> Result<Published, PublishError> {
    let mut push = Push { sink, source, progress, done: BTreeSet::new(), sent: (0, 0), linked: 0 };
    for image in &publication.images {
        push.image(image)?;
    }
    for kept in &publication.kept {
        push.kept(kept, 0)?;
    }
    for index in &publication.indexes {
        sink.put_manifest(index)?;
    }
    let root = match (publication.indexes.last(), publication.images.as_slice()) {
        (Some(index), _) => index,
        (None, [image]) => &image.manifest,
        (None, images) => {
            let why = format!("{} images need an index to be published", images.len());
            return Err(PublishError::Rebuild(why));
        }
    };
    sink.tag(root)?;
    let (blobs_sent, bytes_sent) = push.sent;
    Ok(Published { digest: root.digest, bytes_sent, blobs_sent, blobs_linked: push.linked })
}

struct Push<'a> {
    sink: &'a dyn Sink,
    source: &'a dyn Source,
    progress: &'a dyn Progress,
    done: BTreeSet<Digest>,
    /// Blobs and bytes.
    sent: (u64, u64),
    linked: u64,
}

impl Push<'_> {
    fn image(&mut self, image: &NewImage<'_>) -> Result<(), PublishError> {
        let place = self.source.reference().to_string();
        let manifest = ImageManifest::parse(image.manifest.clone(), &place)?;
        for layer in manifest.layers() {
            let new = image.layers.iter().find(|new| new.descriptor.digest() == layer.digest());
            match new {
                Some(new) => self.send(layer, new.content, "new layer")?,
                None => self.original(layer, "layer")?,
            }
        }
        let config = image.config.clone();
        let open = move || Ok(Box::new(std::io::Cursor::new(config.clone())) as BlobReader);
        self.send(manifest.config(), &open, "config")?;
        self.sink.put_manifest(&image.manifest)?;
        Ok(())
    }

    /// A manifest of the original that is published unchanged, with all it names.
    fn kept(&mut self, child: &Descriptor, depth: u32) -> Result<(), PublishError> {
        let known = media_type::MANIFESTS.contains(&child.media_type().as_ref());
        let manifest = match self.source.manifest(child) {
            Ok(manifest) => manifest,
            // an index may name what is no manifest
            Err(_) if !known => return self.original(child, "blob"),
            Err(error) => return Err(error.into()),
        };
        let place = format!("{}@{}", self.source.reference(), manifest.digest);
        let fail = |why: &str| PublishError::Image(ImageError::invalid(place.as_str(), why));
        let value: Value = match json::read_of_image(&manifest.bytes) {
            Ok(value) => value,
            Err(_) if !known => return self.original(child, "blob"),
            Err(error) => {
                return Err(PublishError::Image(ImageError::json(place.as_str(), error)));
            }
        };
        if depth >= MAX_DEPTH {
            return Err(fail("indexes are nested too deeply"));
        }
        for nested in descriptors(&value, &["manifests"]).map_err(|why| fail(&why))? {
            self.kept(&nested, depth + 1)?;
        }
        for blob in descriptors(&value, &["config", "layers", "blobs"]).map_err(|why| fail(&why))? {
            // foreign layers are named in a manifest, but not kept with it
            let foreign = blob.urls().as_ref().is_some_and(|urls| !urls.is_empty());
            if !foreign {
                self.original(&blob, "blob")?;
            }
        }
        self.sink.put_manifest(&manifest)?;
        Ok(())
    }

    /// A blob of the original.
    fn original(&mut self, blob: &Descriptor, what: &str) -> Result<(), PublishError> {
        let digest = digest_of(blob, "manifest")?;
        if self.done.contains(&digest) {
            return Ok(());
        }
        if self.sink.link_blob(blob, self.source)? {
            self.progress.detail(&format!("{what} {} is there already", digest.short()));
            self.done.insert(digest);
            self.linked += 1;
            return Ok(());
        }
        let source = self.source;
        self.send(blob, &|| source.blob(blob), what)
    }

    /// A blob from wherever its content is, unless the sink has it.
    fn send(
        &mut self,
        blob: &Descriptor,
        content: OpenBlob<'_>,
        what: &str,
    ) -> Result<(), PublishError> {
        let digest = digest_of(blob, "manifest")?;
        if !self.done.insert(digest) {
            return Ok(());
        }
        if self.sink.has_blob(&digest)? {
            self.progress.detail(&format!("{what} {} is there already", digest.short()));
            self.linked += 1;
            return Ok(());
        }
        let name = format!("{what} {}", digest.short());
        let progress = self.progress;
        let counted = || {
            let task = progress.start(&name, Some(blob.size()));
            Ok(Box::new(Counted { content: content()?, task }) as BlobReader)
        };
        self.sink.put_blob(blob, &counted)?;
        self.sent = (self.sent.0 + 1, self.sent.1 + blob.size());
        Ok(())
    }
}

/// Reports what goes through it.
struct Counted {
    content: BlobReader,
    task: Box<dyn Task>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.content.read(buffer)?;
        self.task.advance(read as u64);
        Ok(read)
    }
}

/// The descriptors under `keys` of a manifest of any kind.
fn descriptors(value: &Value, keys: &[&str]) -> Result<Vec<Descriptor>, String> {
    let mut found = Vec::new();
    for key in keys {
        let values = match value.get(*key) {
            Some(Value::Array(values)) => values.iter().collect(),
            Some(object @ Value::Object(_)) => vec![object],
            _ => continue,
        };
        if values.len() > MAX_CHILDREN {
            return Err(format!("{key} names {} blobs, which is too many", values.len()));
        }
        for value in values {
            let descriptor = serde::Deserialize::deserialize(value)
                .map_err(|error| format!("{key} has an invalid descriptor: {error}"))?;
            found.push(descriptor);
        }
    }
    Ok(found)
}

/// The descriptor of a manifest, for an index.
#[must_use]
pub fn manifest_descriptor(manifest: &RawManifest) -> Descriptor {
    descriptor(&manifest.media_type, &manifest.digest, manifest.bytes.len() as u64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::super::testing::{PATCH, patch, provenance};
    use super::super::{rebuild, rebuild_index};
    use super::*;
    use crate::layout::{LayoutSink, LayoutSource};
    use crate::media_type;
    use crate::testing::MemorySource;
    use crate::{Document, load};
    use imgfix_host::progress::Silent;
    use imgfix_host::unfinished::Unfinished;

    fn open_patch() -> Result<BlobReader, ImageError> {
        Ok(Box::new(PATCH))
    }

    #[test]
    fn an_index_is_copied_with_its_kept_manifests() {
        let mut source = MemorySource::new("oci:app:1");
        let linux = source.add_image("linux/amd64", &[b"linux", b"shared"]);
        let windows = source.add_image("windows/amd64", &[b"windows", b"shared"]);
        let index = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests":
            [linux.index_entry(Some("linux/amd64")), windows.index_entry(Some("windows/amd64"))]});
        source.set_root(media_type::OCI_INDEX, &index);
        let set = load(&source, None).expect("set");
        let image = &set.images[0];
        let new =
            rebuild(&image.manifest, &image.config, &patch(), &provenance()).expect("rebuild");
        let Document::Index(index) = &set.root else { panic!() };
        let successor = manifest_descriptor(&new.manifest);
        let replaced = BTreeMap::from([(image.manifest.digest(), successor)]);
        let new_index = rebuild_index(index, &set.inner, &replaced, &provenance()).expect("index");

        let temp = tempfile::tempdir().expect("dir");
        let sink =
            LayoutSink::open(temp.path(), Some("1_fix"), &Unfinished::default()).expect("sink");
        let layers = vec![NewLayer { descriptor: &new.layer_descriptor, content: &open_patch }];
        let images =
            vec![NewImage { manifest: new.manifest.clone(), config: new.config.clone(), layers }];
        let publication =
            Publication { images, indexes: vec![new_index.index.clone()], kept: new_index.kept };
        let done = publish(&sink, &source, &publication, &Silent).expect("publish");
        assert_eq!(done.digest, new_index.index.digest);
        // linux, shared, patch, windows and two configs
        assert_eq!((done.blobs_sent, done.blobs_linked), (6, 0));

        let copy = LayoutSource::open(temp.path(), Some("1_fix")).expect("source");
        let set = load(&copy, None).expect("set");
        assert_eq!(set.images[0].manifest.digest(), new.manifest.digest);
        let mut content = String::new();
        let layer = set.images[0].manifest.layers().last().expect("layer");
        copy.blob(layer).expect("blob").read_to_string(&mut content).expect("read");
        assert_eq!(content.as_bytes(), PATCH);
        let again = publish(
            &LayoutSink::open(temp.path(), Some("1_fix"), &Unfinished::default()).expect("sink"),
            &copy,
            &publication,
            &Silent,
        );
        assert_eq!(again.map(|done| done.bytes_sent).ok(), Some(0), "nothing is sent twice");
    }

    #[test]
    fn a_failing_layer_leaves_the_old_tag() {
        let mut source = MemorySource::new("oci:app:1");
        let added = source.add_image("linux/amd64", &[b"base"]);
        source.set_root_manifest(&added);
        let set = load(&source, None).expect("set");
        let image = &set.images[0];
        let new =
            rebuild(&image.manifest, &image.config, &patch(), &provenance()).expect("rebuild");
        let temp = tempfile::tempdir().expect("dir");
        let dir = temp.path().join("layout");
        let sink = LayoutSink::open(&dir, Some("1_fix"), &Unfinished::default()).expect("sink");
        let wrong: OpenBlob<'_> = &|| Ok(Box::new(&b"wrong"[..]));
        let layers = vec![NewLayer { descriptor: &new.layer_descriptor, content: wrong }];
        let images = vec![NewImage { manifest: new.manifest, config: new.config, layers }];
        let publication = Publication { images, indexes: Vec::new(), kept: Vec::new() };
        assert!(publish(&sink, &source, &publication, &Silent).is_err());
        drop(sink);
        assert!(!dir.exists(), "nothing is left behind");
    }
}
