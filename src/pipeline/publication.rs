//! Repaired platforms to a published image: manifests, the index when the original has one, the
//! tag; then the destination is asked what it serves.

use std::collections::BTreeMap;
use std::io;

use oci_spec::image::Descriptor;

use imgfix_model::digest::Digest;
use imgfix_model::platform::Platform;
use imgfix_oci as image;
use imgfix_oci::publish;
use imgfix_oci::publish::{
    NewImage, Patch, Provenance, Publication, RebuiltIndex, manifest_descriptor,
};
use imgfix_oci::{
    BlobReader, Document, ImageError, ImageIndex, ImageSet, RawManifest, Reference, Source,
};

use super::patch::TemporaryLayer;
use super::{Environment, RepairError};

/// A platform's image as it will be published.
pub struct NewPlatform {
    /// Which of the index's images it is.
    pub platform: Platform,
    /// Digest of the manifest as the source names it today.
    pub current: Digest,
    /// Its manifest, as its bytes are published.
    pub manifest: RawManifest,
    /// The config that the manifest names.
    pub config: bytes::Bytes,
    /// The new layer as the manifest names it; `None` when nothing could be upgraded.
    pub patch: Option<(Descriptor, TemporaryLayer)>,
}

/// The image that all platforms were read from.
pub struct Original<'a> {
    /// Where the original is read from.
    pub source: &'a dyn Source,
    /// The original: its index and platforms.
    pub set: &'a ImageSet,
    /// What the index, if there is one, says of its repair.
    pub provenance: &'a Provenance,
}

/// How the bytes of a patch layer are opened.
type Open<'a> = Box<dyn Fn() -> Result<BlobReader, ImageError> + Sync + 'a>;

/// Publishes all platforms under the output's tag, which moves last; the digest it names then.
///
/// # Errors
/// The destination fails; its tag is as it was.
pub fn publish(
    original: &Original<'_>,
    platforms: &[NewPlatform],
    output: &Reference,
    environment: &Environment,
) -> Result<Digest, RepairError> {
    let progress = &*environment.edge.progress;
    progress.message(&format!("publishing {output}"));
    let opens: Vec<Option<Open<'_>>> = platforms.iter().map(NewPlatform::open_patch).collect();
    let images = platforms.iter().zip(&opens).map(|(one, open)| one.new_image(open)).collect();
    let (indexes, kept) = match &original.set.root {
        Document::Manifest(_) => (Vec::new(), Vec::new()),
        Document::Index(index) => {
            let new = new_index(index, platforms, original)?;
            for note in &new.notes {
                progress.warn(note);
            }
            (new.inner.into_iter().chain([new.index]).collect(), new.kept)
        }
    };
    let publication = Publication { images, indexes, kept };
    let name = original.source.image_name();
    let sink = image::open_sink(output, name, &environment.registry, &environment.edge.unfinished)?;
    let published = publish::publish(&*sink, original.source, &publication, progress)?;
    progress.detail(&format!(
        "blobs: {} sent ({} bytes), {} there already",
        published.blobs_sent, published.bytes_sent, published.blobs_linked
    ));
    Ok(published.digest)
}

impl NewPlatform {
    fn open_patch(&self) -> Option<Open<'_>> {
        let (_, layer) = self.patch.as_ref()?;
        Some(Box::new(|| Ok(layer.reader())))
    }

    fn new_image<'a>(&'a self, open: &'a Option<Open<'_>>) -> NewImage<'a> {
        let patch = self.patch.as_ref().zip(open.as_ref());
        NewImage {
            manifest: self.manifest.clone(),
            config: self.config.clone(),
            patch: patch.map(|((descriptor, _), open)| Patch { descriptor, content: &**open }),
        }
    }
}

/// The index with the platforms that have changed; as it is when none has.
fn new_index(
    index: &ImageIndex,
    platforms: &[NewPlatform],
    original: &Original<'_>,
) -> Result<RebuiltIndex, RepairError> {
    let replaced: BTreeMap<Digest, Descriptor> = platforms
        .iter()
        .filter(|one| one.manifest.digest != one.current)
        .map(|one| (one.current, manifest_descriptor(&one.manifest)))
        .collect();
    if !replaced.is_empty() {
        let (inner, provenance) = (&original.set.inner, original.provenance);
        return Ok(publish::rebuild_index(index, inner, &replaced, provenance)?);
    }
    let kept = index.children().iter().map(|one| one.descriptor.clone()).collect();
    let index = index.raw().clone();
    Ok(RebuiltIndex { inner: Vec::new(), index, kept, notes: Vec::new() })
}

/// Asks the destination what it serves now: the tag, each manifest, each config, and the
/// patch layer's bytes.
///
/// # Errors
/// It serves something else than was published.
pub fn read_back(
    output: &Reference,
    digest: Digest,
    platforms: &[NewPlatform],
    environment: &Environment,
) -> Result<(), RepairError> {
    let failed = |why: String| RepairError::ReadBack { reference: output.to_string(), why };
    let source = image::open_source(output, &environment.registry)
        .map_err(|error| failed(error.to_string()))?;
    let set = image::load(&*source, None).map_err(|error| failed(error.to_string()))?;
    if !same_root(&set, digest, output) {
        return Err(failed(format!("it is {} now", set.root.raw().digest)));
    }
    for one in platforms {
        let found = set.images.iter().find(|image| {
            image.platform == one.platform
                && Digest::of(image.config.bytes()) == Digest::of(&one.config)
        });
        let Some(found) = found else {
            return Err(failed(format!("it has no repaired image for {}", one.platform)));
        };
        // Every original layer and the patch must be there; the patch is read again.
        if one.patch.is_none() {
            continue;
        }
        let Some(top) = found.manifest.layers().last() else {
            return Err(failed("it has no layers".to_owned()));
        };
        let mut blob = source.blob(top).map_err(|error| failed(error.to_string()))?;
        io::copy(&mut blob, &mut io::sink()).map_err(|error| failed(error.to_string()))?;
    }
    Ok(())
}

/// A docker-archive has no manifest of its own: there the config decides.
fn same_root(set: &ImageSet, digest: Digest, output: &Reference) -> bool {
    matches!(output, Reference::DockerArchive { .. }) || set.root.raw().digest == digest
}
