//! From a plan to a published image and its report: layer, verification, manifest, index,
//! publication, reading back.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use oci_spec::image::Descriptor;

use crate::image::{
    self, Digest, Document, ImageError, LayerCompression, Platform, RawManifest, Reference,
};
use crate::layer::{Compression, LayerOptions, WrittenLayer, write_layer};
use crate::packages::dpkg::inventory::DpkgInventory;
use crate::plan::Plan;
use crate::publish::{
    self, NewImage, Patch, PatchLayer, Provenance, Publication, Rebuilt, manifest_descriptor,
};
use crate::report::before_after::{
    EffectNote, FileCounts, LayerReport, NamedImage, PackageChange, PackageKept, PlatformReport,
};
use crate::report::{RepairReport, effects};
use crate::rootfs::layer_reader::LayerSpec;
use crate::rootfs::{Change, FileSystem, Overlay, Tree};

use super::apply::Applied;
use super::load::{self, Loaded};
use super::planning::{self, PlanRequest, Planned, PlannedPlatform};
use super::{Environment, RepairError};

/// What to repair, and where to.
pub struct RepairRequest {
    pub plan: PlanRequest,
    /// Do exactly this plan.
    pub saved: Option<Plan>,
    /// `None`: beside the original, its tag with `suffix`.
    pub output: Option<Reference>,
    pub suffix: String,
    pub layer: LayerOptions,
}

/// A platform's image, rebuilt, and its layer on disk until it is published.
struct Repaired {
    platform: Platform,
    /// Digest of the manifest as the source names it today.
    current: Digest,
    manifest: RawManifest,
    config: bytes::Bytes,
    patch: Option<(Descriptor, TemporaryLayer)>,
    report: PlatformReport,
}

/// Plans (or follows a plan), repairs, verifies, publishes, reads back.
///
/// # Errors
/// Nothing was published, except for [`RepairError::ReadBack`].
pub fn repair(
    request: &RepairRequest,
    environment: &Environment,
) -> Result<RepairReport, RepairError> {
    let planned = planning::plan(&request.plan, request.saved.as_ref(), environment)?;
    let output = match &request.output {
        Some(output) => output.clone(),
        None => planned.source.reference().with_fix_suffix(&request.suffix)?,
    };
    image::check_output(&output, &planned.set)?;
    let plan_digest = planned.plan.digest();
    let Planned { source, set, platforms, plan, .. } = planned;
    let mut repaired = Vec::with_capacity(platforms.len());
    for platform in platforms {
        let provenance = provenance(&plan, &platform.loaded, &*source, plan_digest, environment);
        repaired.push(one(platform, &provenance, &request.layer, environment)?);
    }
    let digest = publish_all(&*source, &set, &repaired, &output, &plan, environment)?;
    read_back(&output, digest, &repaired, environment)?;
    let original =
        NamedImage { reference: request.plan.image.to_string(), digest: plan.image_digest };
    let output = NamedImage { reference: output.to_string(), digest };
    let reports = repaired.into_iter().map(|one| one.report).collect();
    Ok(RepairReport::new(original, Some(output), reports, Vec::new()))
}

fn provenance(
    plan: &Plan,
    loaded: &Loaded,
    source: &dyn image::Source,
    plan_digest: Digest,
    environment: &Environment,
) -> Provenance {
    let base_name = loaded
        .repaired_from
        .as_ref()
        .map_or_else(|| source.reference().base_name(), |parts| parts.base_name.clone());
    Provenance {
        base_name,
        original_digest: plan.image_digest,
        plan_digest,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        source_date_epoch: environment.source_date_epoch,
    }
}

/// Repairs one platform: layer, verification, new config and manifest.
fn one(
    planned: PlannedPlatform,
    provenance: &Provenance,
    options: &LayerOptions,
    environment: &Environment,
) -> Result<Repaired, RepairError> {
    let PlannedPlatform { loaded, applied, inventory, findings, plan, notes, .. } = planned;
    let packages = plan
        .steps
        .iter()
        .map(|step| PackageChange {
            package: step.package.clone(),
            from: step.from.clone(),
            to: step.to.clone(),
            url: step.archive.url.clone(),
            sha256: step.archive.sha256,
            repository: step.archive.repository.clone(),
        })
        .collect();
    let kept_back = plan
        .kept_back
        .iter()
        .map(|kept| PackageKept {
            package: kept.package.clone(),
            version: kept.version.clone(),
            reason: kept.reason.clone(),
        })
        .collect();
    let mut report = PlatformReport {
        platform: loaded.platform.clone(),
        original_manifest: loaded.manifest.digest(),
        manifest: None,
        layer: None,
        packages,
        kept_back,
        findings: Vec::new(),
        files: FileCounts::default(),
        effects: Vec::new(),
        notes,
    };
    let Some(Applied { overlay, effects, .. }) = applied else {
        environment.progress.message(&format!("{}: nothing can be upgraded", loaded.platform));
        report.findings = crate::verify::judge(&findings, &inventory, &plan);
        return Ok(Repaired {
            platform: loaded.platform,
            current: loaded.current,
            manifest: loaded.manifest.raw().clone(),
            config: loaded.config.bytes().clone(),
            patch: None,
            report,
        });
    };
    environment.progress.message(&format!(
        "{}: writing {} upgraded packages",
        loaded.platform,
        plan.steps.len()
    ));
    let (layer, file) = write(&overlay, options)?;
    let after = verified(&loaded, &overlay, &layer, &file, options, environment)?;
    check_steps(&plan.steps, &after)?;
    report.findings = crate::verify::judge(&findings, &after, &plan);
    report.files = count(&overlay);
    report.effects = effects
        .iter()
        .filter_map(|effect| {
            let text = effects::sentence(&effect.kind)?;
            Some(EffectNote { package: effect.package.clone(), text })
        })
        .collect();
    let patch = PatchLayer {
        digest: layer.digest,
        diff_id: layer.diff_id,
        size: layer.size,
        compression: stored(options.compression),
    };
    let Rebuilt { manifest, config, layer_descriptor, .. } =
        publish::rebuild(&loaded.manifest, &loaded.config, &patch, provenance)?;
    report.manifest = Some(manifest.digest);
    report.layer = Some(LayerReport {
        digest: layer.digest,
        diff_id: layer.diff_id,
        size: layer.size,
        unpacked_size: layer.unpacked,
        entries: layer.entries,
    });
    Ok(Repaired {
        platform: loaded.platform,
        current: loaded.current,
        manifest,
        config,
        patch: Some((layer_descriptor, file)),
        report,
    })
}

fn stored(compression: Compression) -> LayerCompression {
    match compression {
        Compression::None => LayerCompression::None,
        Compression::Gzip => LayerCompression::Gzip,
        Compression::Zstd => LayerCompression::Zstd,
    }
}

/// The patch layer in a file without a name.
#[derive(Clone)]
struct TemporaryLayer(Arc<File>);

impl TemporaryLayer {
    fn reader(&self) -> impl Read + Send + 'static {
        PositionedReader { file: Arc::clone(&self.0), at: 0 }
    }
}

struct PositionedReader {
    file: Arc<File>,
    at: u64,
}

impl Read for PositionedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.file.read_at(buffer, self.at)?;
        self.at += got as u64;
        Ok(got)
    }
}

fn write(
    overlay: &Overlay,
    options: &LayerOptions,
) -> Result<(WrittenLayer, TemporaryLayer), RepairError> {
    let mut file = tempfile::tempfile().map_err(RepairError::Temporary)?;
    let layer = write_layer(overlay, options, &mut file)
        .map_err(|error| RepairError::WriteLayer(error.to_string()))?;
    Ok((layer, TemporaryLayer(Arc::new(file))))
}

/// Reads the written layer back over the original and takes the inventory there: what is
/// judged is what will be published.
fn verified(
    loaded: &Loaded,
    overlay: &Overlay,
    layer: &WrittenLayer,
    file: &TemporaryLayer,
    options: &LayerOptions,
    environment: &Environment,
) -> Result<DpkgInventory, RepairError> {
    let spec = LayerSpec {
        name: format!("the patch layer ({})", layer.digest.short()),
        compression: Some(load::stream_compression(stored(options.compression))),
        diff_id: Some(layer.diff_id),
    };
    let tree = load::patched(&loaded.tree, file.reader(), &spec, environment)?;
    same_view(&tree, overlay)?;
    DpkgInventory::read(&tree).map_err(|source| RepairError::Inventory {
        image: format!("the repaired image ({})", loaded.platform),
        source,
    })
}

/// Every changed path must be in the repaired image as the package manager left it.
fn same_view(tree: &Tree, overlay: &Overlay) -> Result<(), RepairError> {
    let wrong = |path: &dyn std::fmt::Display, why: &str| {
        Err(RepairError::Verification(format!("{path} {why}")))
    };
    for (path, change) in overlay.changes() {
        match (change, tree.lstat(path)) {
            (Change::Removed, None) => {}
            (Change::Removed, Some(_)) => return wrong(path, "is still there"),
            (Change::Set(_), None) => return wrong(path, "is missing"),
            (Change::Set(want), Some(have)) => {
                let alike = std::mem::discriminant(&want.kind)
                    == std::mem::discriminant(&have.kind)
                    && (want.mode, want.uid, want.gid, want.mtime, want.size())
                        == (have.mode, have.uid, have.gid, have.mtime, have.size());
                if !alike {
                    return wrong(path, "has other metadata than the package gives it");
                }
            }
        }
    }
    Ok(())
}

/// Every step must show in the repaired image's inventory.
fn check_steps(steps: &[crate::plan::Step], after: &DpkgInventory) -> Result<(), RepairError> {
    for step in steps {
        let found = after.packages.iter().find(|package| package.id == step.package);
        if found.is_none_or(|package| package.version.to_text() != step.to) {
            let why = format!("{} is not at version {}", step.package, step.to);
            return Err(RepairError::Verification(why));
        }
    }
    Ok(())
}

fn count(overlay: &Overlay) -> FileCounts {
    let mut counts = FileCounts::default();
    for (path, change) in overlay.changes() {
        match change {
            Change::Removed => counts.removed += overlay.tree().walk(path).len() as u64,
            Change::Set(_) if overlay.tree().lstat(path).is_some() => counts.changed += 1,
            Change::Set(_) => counts.added += 1,
        }
    }
    counts
}

/// Publishes all platforms under the output's tag, which moves last.
fn publish_all(
    source: &dyn image::Source,
    set: &image::ImageSet,
    repaired: &[Repaired],
    output: &Reference,
    plan: &Plan,
    environment: &Environment,
) -> Result<Digest, RepairError> {
    environment.progress.message(&format!("publishing {output}"));
    let opens: Vec<Option<Box<dyn Fn() -> Result<image::BlobReader, ImageError> + Sync>>> =
        repaired
            .iter()
            .map(|one| {
                one.patch.as_ref().map(|(_, file)| {
                    let file = file.clone();
                    Box::new(move || Ok(Box::new(file.reader()) as image::BlobReader))
                        as Box<dyn Fn() -> Result<image::BlobReader, ImageError> + Sync>
                })
            })
            .collect();
    let images = repaired
        .iter()
        .zip(&opens)
        .map(|(one, open)| NewImage {
            manifest: one.manifest.clone(),
            config: one.config.clone(),
            patch: match (&one.patch, open) {
                (Some((descriptor, _)), Some(open)) => Some(Patch { descriptor, content: &**open }),
                _ => None,
            },
        })
        .collect();
    let mut publication = Publication { images, index: None, kept: Vec::new() };
    if let Document::Index(index) = &set.root {
        let changed = repaired.iter().any(|one| one.manifest.digest != one.current);
        if changed {
            let replaced: BTreeMap<Digest, Descriptor> = repaired
                .iter()
                .filter(|one| one.manifest.digest != one.current)
                .map(|one| (one.current, manifest_descriptor(&one.manifest)))
                .collect();
            let first = repaired.iter().find(|one| one.patch.is_some());
            let provenance = Provenance {
                base_name: source.reference().base_name(),
                original_digest: plan.image_digest,
                plan_digest: plan.digest(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                source_date_epoch: environment.source_date_epoch,
            };
            let _ = first;
            let rebuilt = publish::rebuild_index(index, &replaced, &provenance)?;
            for note in &rebuilt.notes {
                environment.progress.warn(note);
            }
            publication.index = Some(rebuilt.index);
            publication.kept = rebuilt.kept;
        } else {
            publication.index = Some(index.raw().clone());
            publication.kept = index.children().iter().map(|one| one.descriptor.clone()).collect();
        }
    }
    let sink = image::open_sink(output, &environment.registry, &environment.unfinished)?;
    let published = publish::publish(&*sink, source, &publication, &*environment.progress)?;
    environment.progress.detail(&format!(
        "{} bytes sent in {} blobs, {} blobs were there",
        published.bytes_sent, published.blobs_sent, published.blobs_linked
    ));
    Ok(published.digest)
}

/// Asks the destination what it serves now: the tag, each manifest, each config, and the
/// patch layer's bytes.
fn read_back(
    output: &Reference,
    digest: Digest,
    repaired: &[Repaired],
    environment: &Environment,
) -> Result<(), RepairError> {
    let failed = |why: String| RepairError::ReadBack { reference: output.to_string(), why };
    let source = image::open_source(output, &environment.registry)
        .map_err(|error| failed(error.to_string()))?;
    let set = image::load(&*source, None).map_err(|error| failed(error.to_string()))?;
    if !same_root(&set, digest, output) {
        return Err(failed(format!("it is {} now", set.root.raw().digest)));
    }
    for one in repaired {
        let found = set.images.iter().find(|image| {
            image.platform == one.platform
                && Digest::of(image.config.bytes()) == Digest::of(&one.config)
        });
        let Some(found) = found else {
            return Err(failed(format!("it has no repaired image for {}", one.platform)));
        };
        // Every original layer and the patch must be there; the patch is read again.
        let Some((_, _)) = &one.patch else { continue };
        let Some(top) = found.manifest.layers().last() else {
            return Err(failed("it has no layers".to_owned()));
        };
        let mut blob = source.blob(top).map_err(|error| failed(error.to_string()))?;
        io::copy(&mut blob, &mut io::sink()).map_err(|error| failed(error.to_string()))?;
    }
    Ok(())
}

/// A docker-archive has no manifest of its own: there the config decides.
fn same_root(set: &image::ImageSet, digest: Digest, output: &Reference) -> bool {
    matches!(output, Reference::DockerArchive { .. }) || set.root.raw().digest == digest
}
