//! The images behind a reference: one for a manifest, one for each platform of an index.
//!
//! A [`Source`] comes in; out goes an [`ImageSet`] of the Linux images that can be repaired,
//! with what was left out and why. Only manifests and configs are read.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use oci_spec::image::Descriptor;

use super::image_config::ImageConfig;
use super::image_index::{Child, ChildKind, ImageIndex};
use super::manifest::{Document, ImageManifest, MAX_CHILDREN, MAX_CONFIG, ManifestKind};
use super::transport::{ImageError, Source};
use super::verified::read_small;
use imgfix_model::digest::Digest;
use imgfix_model::platform::Platform;

/// The image of one platform.
#[derive(Debug, Clone)]
pub struct PlatformImage {
    /// As the index says; where it names none, as the config does.
    pub platform: Platform,
    /// The manifest as the index names it; of a lone manifest its own descriptor.
    pub descriptor: Descriptor,
    /// What `descriptor` names.
    pub manifest: ImageManifest,
    /// What the manifest names; it has a diff ID for each layer.
    pub config: ImageConfig,
}

/// A manifest of an index that is not repaired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Of the manifest.
    pub digest: Digest,
    /// As the index or the config says, if one does.
    pub platform: Option<Platform>,
    /// Why it is left as it is.
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
    /// An artifact: a chart, a signature, ...
    NotAnImage,
}

/// Everything a reference names.
#[derive(Debug, Clone)]
pub struct ImageSet {
    /// The manifest or index the reference points at.
    pub root: Document,
    /// Indexes in the index, by digest.
    pub inner: BTreeMap<Digest, ImageIndex>,
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

/// How deep indexes in indexes are followed.
pub const MAX_DEPTH: u32 = 4;

/// The Linux images behind `source`, narrowed to `wanted` when it is given.
///
/// # Errors
/// The source fails, a manifest or config is invalid, or no image is left.
pub fn load(source: &dyn Source, wanted: Option<&Platform>) -> Result<ImageSet, ImageError> {
    let place = source.reference().to_string();
    let root = Document::parse(source.root()?, &place)?;
    let mut set =
        ImageSet { root, inner: BTreeMap::new(), images: Vec::new(), skipped: Vec::new() };
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
            let index = index.clone();
            let mut walk =
                Walk { source, place: &place, wanted, seen: BTreeSet::new(), looked_at: 0 };
            walk.index(&index, &mut set, 0)?;
        }
    }
    if set.images.is_empty() {
        return Err(nothing_left(&set, wanted, &place));
    }
    Ok(set)
}

/// Goes through an index and the indexes in it.
struct Walk<'a> {
    source: &'a dyn Source,
    place: &'a str,
    wanted: Option<&'a Platform>,
    seen: BTreeSet<Digest>,
    /// Entries of all indexes.
    looked_at: usize,
}

impl Walk<'_> {
    fn index(
        &mut self,
        index: &ImageIndex,
        set: &mut ImageSet,
        depth: u32,
    ) -> Result<(), ImageError> {
        self.looked_at += index.children().len();
        if depth >= MAX_DEPTH || self.looked_at > MAX_CHILDREN {
            let why = format!(
                "its indexes are nested deeper than {MAX_DEPTH}, or have more than {MAX_CHILDREN} \
                 entries together"
            );
            return Err(ImageError::invalid(self.place, why));
        }
        for child in index.children() {
            if let Err(reason) = self.child(child, set, depth)? {
                let platform = child.platform.clone();
                set.skipped.push(Skipped { digest: child.digest, platform, reason });
            }
        }
        Ok(())
    }

    /// One entry: its images are put into `set`, or why there are none is returned.
    fn child(
        &mut self,
        child: &Child,
        set: &mut ImageSet,
        depth: u32,
    ) -> Result<Result<(), SkipReason>, ImageError> {
        let named = child.platform.as_ref();
        match child.kind {
            ChildKind::Image | ChildKind::Index => {}
            ChildKind::Attestation { .. } => return Ok(Err(SkipReason::Attestation)),
            ChildKind::Other => return Ok(Err(SkipReason::NotAnImage)),
        }
        if let Some(reason) = named.and_then(|platform| unwanted(platform, self.wanted)) {
            return Ok(Err(reason));
        }
        // the same manifest twice (arm64 and arm64/v8) is repaired once
        if !self.seen.insert(child.digest) {
            return Ok(Ok(()));
        }
        let place = format!("{}@{}", self.place, child.digest);
        let raw = self.source.manifest(&child.descriptor)?;
        if child.kind == ChildKind::Index {
            let Document::Index(inner) = Document::parse(raw, &place)? else {
                return Err(ImageError::invalid(place, "it was announced as an index"));
            };
            self.index(&inner, set, depth + 1)?;
            set.inner.insert(child.digest, inner);
            return Ok(Ok(()));
        }
        if ManifestKind::of(&raw, child, &place)? == ManifestKind::Artifact {
            return Ok(Err(SkipReason::NotAnImage));
        }
        let manifest = ImageManifest::parse(raw, &place)?;
        let config = read_config(self.source, &manifest, &place)?;
        if named.is_none() && !ImageConfig::names_a_platform(&config, &place)? {
            return Ok(Err(SkipReason::NotAnImage));
        }
        let mut image = image_of(child.descriptor.clone(), manifest, config, &place)?;
        match named {
            Some(platform) => image.platform = platform.clone(),
            None => {
                if let Some(reason) = unwanted(&image.platform, self.wanted) {
                    let (digest, platform) = (child.digest, Some(image.platform));
                    set.skipped.push(Skipped { digest, platform, reason });
                    return Ok(Ok(()));
                }
            }
        }
        set.images.push(image);
        Ok(Ok(()))
    }
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
    let config = read_config(source, &manifest, place)?;
    image_of(descriptor, manifest, config, place)
}

fn read_config(
    source: &dyn Source,
    manifest: &ImageManifest,
    place: &str,
) -> Result<Bytes, ImageError> {
    read_small(source.blob(manifest.config())?, manifest.config(), MAX_CONFIG, place)
}

fn image_of(
    descriptor: Descriptor,
    manifest: ImageManifest,
    config: Bytes,
    place: &str,
) -> Result<PlatformImage, ImageError> {
    let config = ImageConfig::parse(config, place)?;
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
    use crate::media_type;

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

    /// An entry for a manifest that is about no root file system.
    fn artifact(source: &mut MemorySource, config: &str, layer: &str, content: &str) -> Value {
        let text = content.as_bytes().to_vec();
        let config = source.add_blob(config, text.clone());
        let layer = source.add_blob(layer, text);
        let manifest = json!({"schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST,
            "config": config, "layers": [layer]});
        let raw = source.add_manifest(media_type::OCI_MANIFEST, manifest.to_string());
        json!({"mediaType": raw.media_type, "digest": raw.digest.to_string(),
            "size": raw.bytes.len()})
    }

    #[test]
    fn what_is_no_image_is_skipped_whatever_shows_it() {
        let mut source = MemorySource::new("oci:app:1");
        let image = source.add_image("linux/amd64", &[b"layer"]);
        let unnamed = source.add_image("linux/arm64", &[b"arm"]);
        let cosign = "application/vnd.dev.cosign.simplesigning.v1+json";
        let nothing =
            r#"{"architecture":"","os":"","config":{},"rootfs":{"type":"layers","diff_ids":[]}}"#;
        let mut typed = image.index_entry(None);
        typed["artifactType"] = "application/spdx+json".into();
        let mut chart = artifact(
            &mut source,
            "application/vnd.cncf.helm.config.v1+json",
            "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
            "{}",
        );
        chart["platform"] = json!({"os": "linux", "architecture": "amd64"});
        let children = vec![
            image.index_entry(Some("linux/amd64")),
            typed,
            chart,
            // the config of an image, a signature's layer
            artifact(&mut source, media_type::OCI_CONFIG, cosign, nothing),
            // a layer of an image, a config that runs on nothing
            artifact(&mut source, media_type::OCI_CONFIG, media_type::OCI_LAYER, nothing),
            json!({"mediaType": "text/plain", "digest": Digest::of(b"x").to_string(), "size": 1}),
            unnamed.index_entry(None),
        ];
        index_of(&mut source, children.clone());
        let set = load(&source, None).expect("set");
        assert_eq!(names(&set), ["linux/amd64", "linux/arm64"]);
        let skipped: Vec<_> =
            set.skipped.iter().map(|one| (one.digest.to_string(), one.reason)).collect();
        let want: Vec<_> = children[1..6]
            .iter()
            .map(|one| (one["digest"].as_str().expect("digest").to_owned(), SkipReason::NotAnImage))
            .collect();
        assert_eq!(skipped, want);

        // what an index says to be an image of a platform is refused with a reason
        let encrypted = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted";
        for layer in [cosign, encrypted] {
            let mut odd = artifact(&mut source, media_type::OCI_CONFIG, layer, nothing);
            odd["platform"] = json!({"os": "linux", "architecture": "amd64"});
            index_of(&mut source, vec![odd]);
            assert!(load(&source, None).is_err(), "{layer}");
        }
    }

    #[test]
    fn an_index_in_an_index_is_walked() {
        let mut source = MemorySource::new("oci:app:1");
        let entry = |source: &mut MemorySource, platform: &str| {
            source.add_image(platform, &[platform.as_bytes()]).index_entry(Some(platform))
        };
        let nest = |source: &mut MemorySource, children: Vec<Value>| {
            let index = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX,
                "manifests": children});
            let raw = source.add_manifest(media_type::OCI_INDEX, index.to_string());
            json!({"mediaType": raw.media_type, "digest": raw.digest.to_string(),
                "size": raw.bytes.len()})
        };
        let (amd64, arm64) = (entry(&mut source, "linux/amd64"), entry(&mut source, "linux/arm64"));
        let windows = entry(&mut source, "windows/amd64");
        let inner = nest(&mut source, vec![arm64, windows]);
        let middle = nest(&mut source, vec![inner.clone()]);
        index_of(&mut source, vec![amd64.clone(), middle.clone(), inner]);
        let set = load(&source, None).expect("set");
        assert_eq!(names(&set), ["linux/amd64", "linux/arm64"]);
        assert_eq!(set.skipped.len(), 1);
        assert_eq!(set.inner.len(), 2);
        let mut deep = middle;
        for _ in 0..4 {
            deep = nest(&mut source, vec![deep]);
        }
        index_of(&mut source, vec![amd64.clone(), deep]);
        let error = load(&source, None).expect_err("deep").to_string();
        assert!(error.contains("nested deeper than 4"), "{error}");
        let many = nest(&mut source, vec![amd64.clone(); 600]);
        let more = nest(&mut source, vec![amd64; 500]);
        index_of(&mut source, vec![many, more]);
        let error = load(&source, None).expect_err("many").to_string();
        assert!(error.contains("more than 1024"), "{error}");
    }

    #[test]
    fn a_config_of_another_image_is_refused() {
        let mut source = MemorySource::new("oci:app:1");
        let image = source.add_image_with("linux/amd64", &[b"a", b"b"], |config| {
            config["rootfs"]["diff_ids"].as_array_mut().map(Vec::pop);
        });
        source.set_root_manifest(&image);
        let error = load(&source, None).expect_err("diff IDs").to_string();
        assert!(error.contains("2 layers") && error.ends_with("1 diff ID"), "{error}");
    }
}
