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
    NewImage, NewLayer, Provenance, Publication, RebuiltIndex, manifest_descriptor,
};
use imgfix_oci::{
    BlobReader, Document, ImageError, ImageIndex, ImageSet, RawManifest, Reference, Source,
};

use super::patch::StoredLayer;
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
    /// The new layers as the manifest names them: lower ones that were written anew, the patch.
    pub layers: Vec<(Descriptor, StoredLayer)>,
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

/// How the bytes of a new layer are opened.
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
    let opens: Vec<Vec<Open<'_>>> = platforms.iter().map(NewPlatform::opens).collect();
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
    fn opens(&self) -> Vec<Open<'_>> {
        let open = |(_, layer): &'_ (Descriptor, StoredLayer)| -> Open<'_> {
            let layer = layer.clone();
            Box::new(move || Ok(layer.reader()))
        };
        self.layers.iter().map(open).collect()
    }

    fn new_image<'a>(&'a self, opens: &'a [Open<'_>]) -> NewImage<'a> {
        let layers = self.layers.iter().zip(opens);
        NewImage {
            manifest: self.manifest.clone(),
            config: self.config.clone(),
            layers: layers
                .map(|((descriptor, _), open)| NewLayer { descriptor, content: &**open })
                .collect(),
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

/// Asks the destination what it serves now: the tag, each manifest, each config, and the bytes of
/// the new layers.
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
        // Every original layer must be there, and every new one, which is read again.
        for (at, (new, _)) in one.layers.iter().enumerate() {
            let layers = found.manifest.layers();
            // a docker-archive may have other descriptors: there the last is the patch
            let served = layers.iter().find(|layer| layer.digest() == new.digest());
            let is_last = at + 1 == one.layers.len();
            let Some(served) = served.or_else(|| layers.last().filter(|_| is_last)) else {
                return Err(failed(format!("it does not have the new layer {}", new.digest())));
            };
            let mut blob = source.blob(served).map_err(|error| failed(error.to_string()))?;
            io::copy(&mut blob, &mut io::sink()).map_err(|error| failed(error.to_string()))?;
        }
    }
    Ok(())
}

/// A docker-archive has no manifest of its own: there the config decides.
fn same_root(set: &ImageSet, digest: Digest, output: &Reference) -> bool {
    matches!(output, Reference::DockerArchive { .. }) || set.root.raw().digest == digest
}
