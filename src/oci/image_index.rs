//! Indexes: the manifests of an image's platforms, and what else is listed beside them.
//!
//! In comes the JSON of an OCI index or a Docker manifest list; out goes an [`ImageIndex`], the
//! JSON as it was with its entries read as [`Child`].

use oci_spec::image::Descriptor;
use serde_json::Value;

use super::ImageError;
use super::image_config::read_platform;
use super::manifest::{MAX_CHILDREN, array, digest_of, read_descriptor, refuse_field};
use super::media_type::{self, Format};
use super::transport::RawManifest;
use imgfix_model::digest::Digest;
use imgfix_model::platform::Platform;

/// What a manifest in an index is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChildKind {
    /// An image; the platform may be missing and is then in the image's config.
    Image,
    /// BuildKit's provenance or SBOM of the manifest with this digest
    /// (<https://docs.docker.com/build/metadata/attestations/attestation-storage/>).
    Attestation {
        /// `vnd.docker.reference.digest`; `None` when it is missing or no digest.
        of: Option<Digest>,
    },
    /// Another index.
    Index,
    /// Something that is no image by its media type or artifact type.
    Other,
}

/// A manifest that an index names.
#[derive(Debug, Clone)]
pub struct Child {
    /// As the index has it.
    pub descriptor: Descriptor,
    /// The descriptor's.
    pub digest: Digest,
    /// What the index says that it runs on.
    pub platform: Option<Platform>,
    /// What the index says that it is.
    pub kind: ChildKind,
}

/// An OCI index or a Docker manifest list.
#[derive(Debug, Clone)]
pub struct ImageIndex {
    raw: RawManifest,
    value: Value,
    format: Format,
    children: Vec<Child>,
}

impl ImageIndex {
    /// Reads a document whose media type is that of an index.
    pub(super) fn from_value(
        raw: RawManifest,
        value: Value,
        format: Format,
        place: &str,
    ) -> Result<Self, ImageError> {
        refuse_field(&value, "config", "an image manifest", place)?;
        refuse_field(&value, "layers", "an image manifest", place)?;
        let children = array(&value, "manifests", MAX_CHILDREN, place)?
            .iter()
            .enumerate()
            .map(|(n, child)| read_child(child, &format!("{place}: manifest {}", n + 1)))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { raw, value, format, children })
    }

    /// The bytes as stored.
    #[must_use]
    pub fn raw(&self) -> &RawManifest {
        &self.raw
    }

    /// The digest of the index.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.raw.digest
    }

    /// The JSON, with every field.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// OCI or Docker schema 2.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// The manifests in the index's order.
    #[must_use]
    pub fn children(&self) -> &[Child] {
        &self.children
    }
}

/// Reads one entry of an index, or of the `index.json` of a layout.
pub(super) fn read_child(value: &Value, place: &str) -> Result<Child, ImageError> {
    let descriptor = read_descriptor(Some(value), place)?;
    let digest = digest_of(&descriptor, place)?;
    let platform = value.get("platform").and_then(read_platform);
    let annotation = |key: &str| value.get("annotations")?.get(key)?.as_str();
    let unknown = platform.as_ref().is_some_and(|p| p.os == "unknown");
    let kind = if annotation("vnd.docker.reference.type").is_some() || unknown {
        let of = annotation("vnd.docker.reference.digest").and_then(|of| of.parse().ok());
        ChildKind::Attestation { of }
    } else {
        let is_artifact = value.get("artifactType").is_some_and(|kind| !kind.is_null());
        match descriptor.media_type().as_ref() {
            _ if is_artifact => ChildKind::Other,
            media_type::OCI_MANIFEST | media_type::DOCKER_MANIFEST => ChildKind::Image,
            media_type::OCI_INDEX | media_type::DOCKER_LIST => ChildKind::Index,
            _ => ChildKind::Other,
        }
    };
    Ok(Child { descriptor, digest, platform, kind })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Document;
    use super::super::testing::{D1, D2, raw};
    use super::*;

    #[test]
    fn an_index_tells_images_from_attestations() {
        let value = json!({
            "schemaVersion": 2, "mediaType": media_type::OCI_INDEX,
            "manifests": [
                {"mediaType": media_type::OCI_MANIFEST, "digest": D1, "size": 1,
                 "platform": {"os": "linux", "architecture": "arm", "variant": "v7"}},
                {"mediaType": media_type::OCI_MANIFEST, "digest": D2, "size": 1,
                 "platform": {"os": "unknown", "architecture": "unknown"},
                 "annotations": {"vnd.docker.reference.type": "attestation-manifest",
                                 "vnd.docker.reference.digest": D1}},
                {"mediaType": media_type::OCI_INDEX, "digest": D2, "size": 1},
                {"mediaType": media_type::DOCKER_LIST, "digest": D2, "size": 1},
                {"mediaType": media_type::OCI_MANIFEST, "digest": D2, "size": 1,
                 "artifactType": "application/spdx+json"},
                {"mediaType": "application/vnd.oci.artifact.manifest.v1+json", "digest": D2,
                 "size": 1}
            ]
        });
        let Ok(Document::Index(index)) = Document::parse(raw("", &value), "app") else {
            panic!("not an index")
        };
        let kinds: Vec<_> = index.children().iter().map(|child| child.kind.clone()).collect();
        let of = D1.parse().ok();
        let want = [
            ChildKind::Image,
            ChildKind::Attestation { of },
            ChildKind::Index,
            ChildKind::Index,
            ChildKind::Other,
            ChildKind::Other,
        ];
        assert_eq!(kinds, want);
        let platform = index.children()[0].platform.as_ref().map(ToString::to_string);
        assert_eq!(platform.as_deref(), Some("linux/arm/v7"));
    }
}
