//! The images behind a reference: one for a manifest, one for each platform of an index.
//!
//! A [`Source`] comes in; out goes an [`ImageSet`] of the Linux images that can be repaired,
//! with what was left out and why. Only manifests and configs are read.

use std::collections::BTreeSet;

use oci_spec::image::Descriptor;

use super::manifest::{ChildKind, Document, ImageConfig, ImageManifest, MAX_CONFIG};
use super::transport::{ImageError, Source};
use super::verified::read_small;
use super::{Digest, Platform};

/// The image of one platform.
#[derive(Debug, Clone)]
pub struct PlatformImage {
    pub platform: Platform,
    /// The manifest as the index names it; of a lone manifest its own descriptor.
    pub descriptor: Descriptor,
    pub manifest: ImageManifest,
    pub config: ImageConfig,
}

/// A manifest of an index that is not repaired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    pub digest: Digest,
    pub platform: Option<Platform>,
    pub reason: SkipReason,
}

/// Why a manifest of an index is not repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipReason {
    /// Not the platform that was asked for.
    NotWanted,
    /// Windows and others.
    NotLinux,
    /// Provenance or an SBOM of another manifest.
    Attestation,
    /// A nested index, or no image at all.
    NotAnImage,
}

/// Everything a reference names.
#[derive(Debug, Clone)]
pub struct ImageSet {
    /// The manifest or index the reference points at.
    pub root: Document,
    /// What is to be repaired, in the index's order.
    pub images: Vec<PlatformImage>,
    /// What is not.
    pub skipped: Vec<Skipped>,
}

/// Every Linux image behind `source`.
///
/// # Errors
/// As [`load`].
pub fn platforms(source: &dyn Source) -> Result<Vec<PlatformImage>, ImageError> {
    load(source, None).map(|set| set.images)
}

/// The Linux images behind `source`, narrowed to `wanted` when it is given.
///
/// # Errors
/// The source fails, a manifest or config is invalid, or no image is left.
pub fn load(source: &dyn Source, wanted: Option<&Platform>) -> Result<ImageSet, ImageError> {
    let place = source.reference().to_string();
    let root = Document::parse(source.root()?, &place)?;
    let mut set = ImageSet { root, images: Vec::new(), skipped: Vec::new() };
    match &set.root {
        Document::Manifest(manifest) => {
            let image = read_image(source, manifest.descriptor(), manifest.clone(), &place)?;
            match unwanted(&image.platform, wanted) {
                None => set.images.push(image),
                Some(reason) => set.skipped.push(Skipped {
                    digest: image.manifest.digest(),
                    platform: Some(image.platform),
                    reason,
                }),
            }
        }
        Document::Index(index) => {
            let mut seen = BTreeSet::new();
            for child in index.children() {
                let mut skip = |platform, reason| {
                    set.skipped.push(Skipped { digest: child.digest, platform, reason });
                };
                let named = child.platform.as_ref();
                match child.kind {
                    ChildKind::Image => {}
                    ChildKind::Attestation { .. } => {
                        skip(child.platform.clone(), SkipReason::Attestation);
                        continue;
                    }
                    ChildKind::Other => {
                        skip(child.platform.clone(), SkipReason::NotAnImage);
                        continue;
                    }
                }
                if let Some(reason) = named.and_then(|platform| unwanted(platform, wanted)) {
                    skip(child.platform.clone(), reason);
                    continue;
                }
                // the same manifest twice (arm64 and arm64/v8) is repaired once
                if !seen.insert(child.digest) {
                    continue;
                }
                let place = format!("{place}@{}", child.digest);
                let manifest = ImageManifest::parse(source.manifest(&child.descriptor)?, &place)?;
                let mut image = read_image(source, child.descriptor.clone(), manifest, &place)?;
                match named {
                    Some(platform) => image.platform = platform.clone(),
                    None => {
                        if let Some(reason) = unwanted(&image.platform, wanted) {
                            skip(Some(image.platform), reason);
                            continue;
                        }
                    }
                }
                set.images.push(image);
            }
        }
    }
    if set.images.is_empty() {
        return Err(nothing_left(&set, wanted, &place));
    }
    Ok(set)
}

fn unwanted(platform: &Platform, wanted: Option<&Platform>) -> Option<SkipReason> {
    if platform.os != "linux" {
        return Some(SkipReason::NotLinux);
    }
    match wanted {
        Some(wanted) if !platform.matches(wanted) => Some(SkipReason::NotWanted),
        _ => None,
    }
}

fn read_image(
    source: &dyn Source,
    descriptor: Descriptor,
    manifest: ImageManifest,
    place: &str,
) -> Result<PlatformImage, ImageError> {
    let blob = source.blob(manifest.config())?;
    let bytes = read_small(blob, manifest.config(), MAX_CONFIG, place)?;
    let config = ImageConfig::parse(bytes, place)?;
    config.check_layers(&manifest, place)?;
    Ok(PlatformImage { platform: config.platform().clone(), descriptor, manifest, config })
}

fn nothing_left(set: &ImageSet, wanted: Option<&Platform>, place: &str) -> ImageError {
    let there: BTreeSet<String> = set
        .skipped
        .iter()
        .filter(|skipped| skipped.reason != SkipReason::Attestation)
        .filter_map(|skipped| skipped.platform.as_ref().map(ToString::to_string))
        .collect();
    let there = match there.is_empty() {
        true => "it names no platform".to_owned(),
        false => format!("it has {}", there.into_iter().collect::<Vec<_>>().join(", ")),
    };
    let why = match wanted {
        Some(wanted) => format!("it has no image for {wanted}; {there}"),
        None => format!("it has no Linux image; {there}"),
    };
    ImageError::invalid(place, why)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::MemorySource;
    use super::*;
    use crate::image::manifest::media_type;

    fn index_of(source: &mut MemorySource, children: Vec<Value>) {
        let index = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX,
            "manifests": children});
        source.set_root(media_type::OCI_INDEX, &index);
    }

    fn names(set: &ImageSet) -> Vec<String> {
        set.images.iter().map(|image| image.platform.to_string()).collect()
    }

    #[test]
    fn a_lone_manifest_is_one_image() {
        let mut source = MemorySource::new("oci:app:1");
        let image = source.add_image("linux/amd64", &[b"layer"]);
        source.set_root_manifest(&image);
        let set = load(&source, None).expect("set");
        assert_eq!(names(&set), ["linux/amd64"]);
        let wanted = "linux/arm64".parse().expect("platform");
        let error = load(&source, Some(&wanted)).expect_err("arm64").to_string();
        assert!(error.contains("linux/arm64") && error.contains("linux/amd64"), "{error}");
    }

    #[test]
    fn an_index_gives_every_linux_image_once() {
        let mut source = MemorySource::new("oci:app:1");
        let mut children = Vec::new();
        for platform in ["linux/amd64", "linux/arm64/v8", "windows/amd64"] {
            let image = source.add_image(platform, &[platform.as_bytes()]);
            children.push(image.index_entry(Some(platform)));
        }
        children.push(children[0].clone());
        let unnamed = source.add_image("linux/riscv64", &[b"riscv"]);
        children.push(unnamed.index_entry(None));
        let mut attestation = children[1].clone();
        attestation["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
        children.push(attestation);
        index_of(&mut source, children);

        let set = load(&source, None).expect("set");
        assert_eq!(names(&set), ["linux/amd64", "linux/arm64/v8", "linux/riscv64"]);
        let reasons: Vec<_> = set.skipped.iter().map(|skipped| skipped.reason).collect();
        assert_eq!(reasons, [SkipReason::NotLinux, SkipReason::Attestation]);

        let wanted = "linux/arm64".parse().expect("platform");
        let narrowed = load(&source, Some(&wanted)).expect("set");
        assert_eq!(names(&narrowed), ["linux/arm64/v8"]);
    }

    #[test]
    fn a_config_of_another_image_is_refused() {
        let mut source = MemorySource::new("oci:app:1");
        let image = source.add_image_with("linux/amd64", &[b"a", b"b"], |config| {
            config["rootfs"]["diff_ids"].as_array_mut().map(Vec::pop);
        });
        source.set_root_manifest(&image);
        let error = load(&source, None).expect_err("diff IDs").to_string();
        assert!(error.contains("2 layers") && error.contains("1 diff IDs"), "{error}");
    }
}
