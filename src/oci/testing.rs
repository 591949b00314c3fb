//! What the tests of this room share: an image source in memory, and documents for it.

use std::collections::BTreeMap;

use bytes::Bytes;
use oci_spec::image::Descriptor;
use serde_json::{Value, json};

use super::media_type;
use super::transport::{BlobReader, ImageError, RawManifest, Source};
use super::verified::verified_blob;
use super::{Reference, descriptor, digest_of};
use imgfix_model::digest::Digest;
use imgfix_model::platform::Platform;

/// Blobs and manifests by digest.
pub struct MemorySource {
    reference: Reference,
    blobs: BTreeMap<Digest, Bytes>,
    root: Option<RawManifest>,
}

/// A manifest that was added.
#[derive(Debug, Clone)]
pub struct Added {
    /// As it was stored.
    pub manifest: RawManifest,
    /// The config that it names.
    pub config: Bytes,
}

impl Added {
    /// How an index names it.
    pub fn index_entry(&self, platform: Option<&str>) -> Value {
        let mut entry = json!({"mediaType": self.manifest.media_type,
            "digest": self.manifest.digest.to_string(), "size": self.manifest.bytes.len()});
        if let Some(platform) = platform {
            let platform: Platform = platform.parse().expect("platform");
            entry["platform"] = serde_json::to_value(platform).expect("json");
        }
        entry
    }
}

impl MemorySource {
    /// A source without blobs; `reference` is how errors call it.
    pub fn new(reference: &str) -> Self {
        let reference = reference.parse().expect("reference");
        Self { reference, blobs: BTreeMap::new(), root: None }
    }

    /// Stores a blob; the descriptor that names it.
    pub fn add_blob(&mut self, media_type: &str, bytes: impl Into<Bytes>) -> Descriptor {
        let bytes = bytes.into();
        let digest = Digest::of(&bytes);
        let descriptor = descriptor(media_type, &digest, bytes.len() as u64);
        self.blobs.insert(digest, bytes);
        descriptor
    }

    /// An OCI image of uncompressed layers.
    pub fn add_image(&mut self, platform: &str, layers: &[&[u8]]) -> Added {
        self.add_image_with(platform, layers, |_| ())
    }

    /// An OCI image of uncompressed layers whose config `edit` changes.
    pub fn add_image_with(
        &mut self,
        platform: &str,
        layers: &[&[u8]],
        edit: impl FnOnce(&mut Value),
    ) -> Added {
        let platform: Platform = platform.parse().expect("platform");
        let diff_ids: Vec<_> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
        let mut config = json!({"created": "2024-01-02T03:04:05Z",
            "architecture": platform.architecture, "os": platform.os,
            "config": {"Env": ["A=b"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": vec![json!({"created_by": "base"}); layers.len()]});
        if let Some(variant) = platform.variant {
            config["variant"] = variant.into();
        }
        edit(&mut config);
        let config = Bytes::from(config.to_string());
        let layers: Vec<Value> = layers
            .iter()
            .map(|layer| self.add_blob(media_type::OCI_LAYER, layer.to_vec()))
            .map(|descriptor| serde_json::to_value(descriptor).expect("json"))
            .collect();
        let descriptor = self.add_blob(media_type::OCI_CONFIG, config.clone());
        let manifest = json!({"schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST,
            "config": descriptor, "layers": layers});
        let manifest = self.add_manifest(media_type::OCI_MANIFEST, manifest.to_string());
        Added { manifest, config }
    }

    /// Stores a manifest or an index.
    pub fn add_manifest(&mut self, media_type: &str, bytes: impl Into<Bytes>) -> RawManifest {
        let bytes = bytes.into();
        self.add_blob(media_type, bytes.clone());
        RawManifest { media_type: media_type.into(), digest: Digest::of(&bytes), bytes }
    }

    /// Stores what the reference leads to.
    pub fn set_root(&mut self, media_type: &str, value: &Value) {
        self.root = Some(self.add_manifest(media_type, value.to_string()));
    }

    /// The reference leads to this manifest.
    pub fn set_root_manifest(&mut self, added: &Added) {
        self.root = Some(added.manifest.clone());
    }
}

impl Source for MemorySource {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    fn root(&self) -> Result<RawManifest, ImageError> {
        Ok(self.root.clone().expect("no root was set"))
    }

    fn manifest(&self, descriptor: &Descriptor) -> Result<RawManifest, ImageError> {
        let digest = digest_of(descriptor, "memory")?;
        let bytes = self.blobs.get(&digest).cloned().ok_or_else(|| missing(&digest))?;
        Ok(RawManifest { media_type: descriptor.media_type().to_string(), digest, bytes })
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<BlobReader, ImageError> {
        let digest = digest_of(descriptor, "memory")?;
        let bytes = self.blobs.get(&digest).cloned().ok_or_else(|| missing(&digest))?;
        verified_blob(std::io::Cursor::new(bytes), descriptor, "memory")
    }
}

fn missing(digest: &Digest) -> ImageError {
    ImageError::NotFound { place: format!("memory: {digest}"), hint: String::new() }
}

/// A digest that nothing has.
pub const D1: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
/// Another one.
pub const D2: &str = "sha256:2222222222222222222222222222222222222222222222222222222222222222";

/// A document as a transport gives it.
pub fn raw(media_type: &str, value: &Value) -> RawManifest {
    let bytes = Bytes::from(value.to_string());
    RawManifest { media_type: media_type.into(), digest: Digest::of(&bytes), bytes }
}

/// An OCI manifest with one layer of this media type.
pub fn manifest(layer_type: &str) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "config": {"mediaType": media_type::OCI_CONFIG, "digest": D1, "size": 10},
        "layers": [{"mediaType": layer_type, "digest": D2, "size": 20}],
        "annotations": {"a": "b"},
        "x-unknown": [1, 2]
    })
}
