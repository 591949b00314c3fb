//! One platform's image, read: its original manifest and config (an earlier repair taken
//! away), and the merged tree of its layers.

use std::io;
use std::sync::Arc;

use imgfix_host::progress::Progress;
use imgfix_model::digest::Digest;
use imgfix_model::path::ImagePath;
use imgfix_model::platform::Platform;
use imgfix_oci::publish::{Fidelity, OriginalParts, original_of};
use imgfix_oci::{
    BlobReader, ImageConfig, ImageManifest, PlatformImage, Source, compression_of, digest_of,
};
use imgfix_vfs::layer_reader::{Digests, LayerError, LayerSpec, Wanted, read_layers};
use imgfix_vfs::limits::Budget;
use imgfix_vfs::loader::LayerLoader;
use imgfix_vfs::merge::{merge, merge_over};
use imgfix_vfs::{FileSystem, Tree};

use super::{Environment, RepairError};

/// Where chisel notes what it cut (<https://documentation.ubuntu.com/chisel/en/latest/reference/manifest/>).
pub const CHISEL_MANIFEST: &str = "/var/lib/chisel/manifest.wall";

/// Whether an image was put together with chisel.
#[must_use]
pub fn is_chiselled(fs: &dyn FileSystem) -> bool {
    fs.stat(&ImagePath::literal(CHISEL_MANIFEST)).is_some_and(imgfix_vfs::Entry::is_file)
}

/// A platform's image in memory.
pub struct LoadedImage {
    /// The platform, as the index or the config has it.
    pub platform: Platform,
    /// The original's manifest: without the patch layer of an earlier repair.
    pub manifest: ImageManifest,
    /// The original's config, which `manifest` names.
    pub config: ImageConfig,
    /// The manifest digest as the reference names it today.
    pub current: Digest,
    /// Where the image comes from, when it is a repaired one.
    pub repaired_from: Option<OriginalParts>,
    /// The merged layers of `manifest`.
    pub tree: Arc<Tree>,
}

/// Which image is meant when it is a repaired one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum View {
    /// The original, with the patch layer of an earlier repair taken away.
    #[default]
    Original,
    /// The image as it is.
    AsIs,
    /// The image as it is, with the content of files that describe what is installed.
    Described,
}

/// Reads the layers of an image, or of the original that it was repaired from. `digests`: whether
/// contents will be compared.
///
/// # Errors
/// A layer is missing, damaged, not what manifest and config say, or too large.
pub fn load(
    source: &Arc<dyn Source>,
    image: PlatformImage,
    view: View,
    digests: Digests,
    environment: &Environment,
) -> Result<LoadedImage, RepairError> {
    let current = image.manifest.digest();
    let repaired_from = match view {
        View::Original => original_of(&image.manifest, &image.config),
        View::AsIs | View::Described => None,
    };
    let (manifest, config) = match &repaired_from {
        Some(parts) => {
            match parts.fidelity {
                Fidelity::Exact => {}
                Fidelity::Equivalent => environment.edge.progress.warn(&format!(
                    "{}: the image was converted since imgfix repaired it; its original is put \
                     together from its layers",
                    image.platform
                )),
                Fidelity::Excised => environment.edge.progress.message(&format!(
                    "{}: what imgfix cut out of {} ({}) stays cut",
                    image.platform, parts.base_name, parts.original_manifest
                )),
            }
            (parts.manifest.clone(), parts.config.clone())
        }
        None => (image.manifest, image.config),
    };
    let place = format!("{} ({})", source.reference(), image.platform);
    config.check_layers(&manifest, &place)?;
    let specs = specs(&place, &manifest, &config)?;
    let layers = manifest.layers();
    let stored = layers.iter().map(|layer| layer.size()).fold(0, u64::saturating_add);
    let budget = Budget::new(environment.limits.for_input(stored));
    let parsed = read_layers(
        &specs,
        |at| {
            let descriptor = layers.get(at).ok_or_else(|| io::Error::other("no such layer"))?;
            let blob = source.blob(descriptor).map_err(io::Error::other)?;
            let name = format!("layer {} of {}", at + 1, layers.len());
            Ok(Counted::new(blob, &*environment.edge.progress, &name, descriptor.size()))
        },
        &budget,
        Wanted {
            keep: &|path, size| keeps(environment, view, path, size),
            note: &|path, size, content| environment.note(path, size, content),
            digests,
        },
    )?;
    let loader = loader(source, &manifest, &specs);
    let tree = Arc::new(merge(parsed, Arc::new(loader))?);
    Ok(LoadedImage { platform: image.platform, manifest, config, current, repaired_from, tree })
}

fn keeps(environment: &Environment, view: View, path: &ImagePath, size: u64) -> bool {
    environment.wants(path, size)
        || (view == View::Described
            && environment.all_kinds().any(|kind| kind.describes(path, size)))
}

/// What is known of each layer, base first.
///
/// # Errors
/// A layer has no digest that is known.
pub(super) fn specs(
    place: &str,
    manifest: &ImageManifest,
    config: &ImageConfig,
) -> Result<Vec<LayerSpec>, RepairError> {
    let count = manifest.layers().len();
    let mut specs = Vec::with_capacity(count);
    for (at, (layer, diff_id)) in manifest.layers().iter().zip(config.diff_ids()).enumerate() {
        let digest = digest_of(layer, place)?;
        specs.push(LayerSpec {
            name: format!("{place}: layer {} of {count} ({})", at + 1, digest.short()),
            compression: compression_of(layer.media_type().as_ref()),
            diff_id: Some(*diff_id),
        });
    }
    Ok(specs)
}

fn loader(source: &Arc<dyn Source>, manifest: &ImageManifest, specs: &[LayerSpec]) -> LayerLoader {
    let source = Arc::clone(source);
    let layers = manifest.layers().to_vec();
    let compressions = specs.iter().map(|spec| spec.compression).collect();
    LayerLoader::new(compressions, move |layer| {
        let descriptor = layers.get(layer).ok_or_else(|| io::Error::other("no such layer"))?;
        source.blob(descriptor).map_err(io::Error::other)
    })
}

/// Reads the patch layer as it will be published and merges it over the original's tree: the
/// image as a container runtime will see it. `open` gives the layer from its beginning, as often
/// as it is asked.
///
/// # Errors
/// The layer is not readable or not what `spec` says.
pub fn patched(
    original: &Tree,
    open: impl Fn() -> BlobReader + Send + Sync + 'static,
    spec: &LayerSpec,
    environment: &Environment,
) -> Result<Tree, RepairError> {
    let budget = Budget::new(environment.limits);
    let wanted = Wanted {
        keep: &|path, size| environment.wants(path, size),
        note: &|path, size, content| environment.note(path, size, content),
        digests: Digests::Left,
    };
    let mut top = read_layers(std::slice::from_ref(spec), |_| Ok(open()), &budget, wanted)?;
    let top = top.pop().ok_or_else(|| LayerError::Read {
        layer: spec.name.clone(),
        source: io::Error::other("no such layer"),
    })?;
    let patch = LayerLoader::of_patch(spec.compression, move || Ok(open()));
    Ok(merge_over(original, top, patch)?)
}

/// A stream that reports its bytes.
struct Counted<R> {
    inner: R,
    task: Box<dyn imgfix_host::progress::Task>,
}

impl<R> Counted<R> {
    fn new(inner: R, progress: &dyn Progress, name: &str, size: u64) -> Self {
        Self { inner, task: progress.start(name, Some(size)) }
    }
}

impl<R: io::Read> io::Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        self.task.advance(got as u64);
        Ok(got)
    }
}
