//! Manifests, indexes and configs as values.
//!
//! Bytes with a media type come in; out go [`ImageManifest`], [`ImageIndex`] and
//! [`ImageConfig`]: the JSON as it was, so that fields nobody here knows survive a rebuild,
//! with typed access to the few that matter. OCI
//! (<https://github.com/opencontainers/image-spec>) and Docker schema 2
//! (<https://distribution.github.io/distribution/spec/manifest-v2-2/>) differ in media types
//! only. What cannot be repaired faithfully is refused here, with what to do instead: schema
//! 1, foreign layers, encrypted layers, artifacts that are no images.

use bytes::Bytes;
use oci_spec::image::{Descriptor, MediaType};
use serde_json::Value;

use super::ImageError;
use crate::transport::RawManifest;
use imgfix_json as json;
use imgfix_model::digest::{DiffId, Digest};
use imgfix_model::platform::Platform;
use imgfix_vfs::Compression;

/// Largest manifest or index, in bytes: what registries accept
/// (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests>).
pub const MAX_MANIFEST: u64 = 4 << 20;
/// Largest config, in bytes.
pub const MAX_CONFIG: u64 = 8 << 20;
/// Most layers of an image: container engines stop at 127, this leaves room for others.
pub const MAX_LAYERS: usize = 512;
/// Most manifests of an index.
pub const MAX_CHILDREN: usize = 1024;

/// Media types of both families.
pub mod media_type {
    pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    pub const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
    pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
    pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    /// Not in Docker's specification, but written by BuildKit and containers/image.
    pub const DOCKER_LAYER_ZSTD: &str = "application/vnd.docker.image.rootfs.diff.tar.zstd";

    /// What a registry is asked for.
    pub const MANIFESTS: [&str; 4] = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST];
}

/// The family of media types a manifest is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Oci,
    Docker,
}

/// How a layer of this media type is stored; `None` for any other type.
#[must_use]
pub fn compression_of(media_type: &str) -> Option<Compression> {
    use self::media_type as t;
    match media_type {
        t::OCI_LAYER | t::DOCKER_LAYER => Some(Compression::None),
        t::OCI_LAYER_GZIP | t::DOCKER_LAYER_GZIP => Some(Compression::Gzip),
        t::OCI_LAYER_ZSTD | t::DOCKER_LAYER_ZSTD => Some(Compression::Zstd),
        _ => None,
    }
}

/// The media type of a layer stored so in an image of `format`. Docker's schema 2 knows no
/// zstd, so there is none: the caller says so, rather than turning the image into another
/// format than the one it was pulled in.
#[must_use]
pub fn layer_media_type(compression: Compression, format: Format) -> Option<&'static str> {
    use self::media_type as t;
    match (format, compression) {
        (Format::Oci, Compression::None) => Some(t::OCI_LAYER),
        (Format::Oci, Compression::Gzip) => Some(t::OCI_LAYER_GZIP),
        (Format::Oci, Compression::Zstd) => Some(t::OCI_LAYER_ZSTD),
        (Format::Docker, Compression::None) => Some(t::DOCKER_LAYER),
        (Format::Docker, Compression::Gzip) => Some(t::DOCKER_LAYER_GZIP),
        (Format::Docker, Compression::Zstd) => None,
    }
}

/// A descriptor of this room's own types.
#[must_use]
pub fn descriptor(media_type: &str, digest: &Digest, size: u64) -> Descriptor {
    let digest: oci_spec::image::Sha256Digest = match digest.hex().parse() {
        Ok(digest) => digest,
        Err(_) => unreachable!("64 hexadecimal digits are a sha256 digest"),
    };
    Descriptor::new(MediaType::from(media_type), size, digest)
}

/// The digest of a descriptor.
///
/// # Errors
/// It is not SHA-256, the only algorithm registries and engines agree on.
pub fn digest_of(descriptor: &Descriptor, place: &str) -> Result<Digest, ImageError> {
    descriptor.digest().as_ref().parse().map_err(|error: imgfix_model::digest::DigestError| {
        ImageError::invalid(place, error.to_string())
    })
}

/// A manifest of one image or an index of several.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there is one for each image, not many")]
pub enum Document {
    Manifest(ImageManifest),
    Index(ImageIndex),
}

impl Document {
    /// Reads a manifest or index of either family.
    ///
    /// # Errors
    /// Invalid JSON, schema 1, another media type, or a document that could be read as both
    /// (CVE-2021-41190).
    pub fn parse(raw: RawManifest, place: &str) -> Result<Self, ImageError> {
        let value = parse_json(&raw.bytes, MAX_MANIFEST, place)?;
        let media_type = resolve_media_type(&raw.media_type, &value, place)?;
        let raw = RawManifest { media_type: media_type.to_owned(), ..raw };
        match media_type {
            media_type::OCI_MANIFEST => {
                ImageManifest::from_value(raw, value, Format::Oci, place).map(Self::Manifest)
            }
            media_type::DOCKER_MANIFEST => {
                ImageManifest::from_value(raw, value, Format::Docker, place).map(Self::Manifest)
            }
            media_type::OCI_INDEX => {
                ImageIndex::from_value(raw, value, Format::Oci, place).map(Self::Index)
            }
            _ => ImageIndex::from_value(raw, value, Format::Docker, place).map(Self::Index),
        }
    }

    /// The bytes as stored.
    #[must_use]
    pub fn raw(&self) -> &RawManifest {
        match self {
            Self::Manifest(manifest) => &manifest.raw,
            Self::Index(index) => &index.raw,
        }
    }
}

/// A manifest of one image.
#[derive(Debug, Clone)]
pub struct ImageManifest {
    raw: RawManifest,
    value: Value,
    format: Format,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

impl ImageManifest {
    /// Reads an image manifest.
    ///
    /// # Errors
    /// As [`Document::parse`]; also when it is an index.
    pub fn parse(raw: RawManifest, place: &str) -> Result<Self, ImageError> {
        match Document::parse(raw, place)? {
            Document::Manifest(manifest) => Ok(manifest),
            Document::Index(index) => Err(ImageError::MediaType {
                place: place.to_owned(),
                media_type: index.raw.media_type,
                why: "one image is wanted here, and this is an index".into(),
            }),
        }
    }

    fn from_value(
        raw: RawManifest,
        value: Value,
        format: Format,
        place: &str,
    ) -> Result<Self, ImageError> {
        refuse_field(&value, "manifests", "an index", place)?;
        refuse_field(&value, "fsLayers", "a schema 1 manifest", place)?;
        let config = read_descriptor(value.get("config"), &format!("{place}: config"))?;
        check_config_type(config.media_type().as_ref(), place)?;
        let layers = array(&value, "layers", MAX_LAYERS, place)?
            .iter()
            .enumerate()
            .map(|(n, layer)| {
                let place = format!("{place}: layer {}", n + 1);
                let layer = read_descriptor(Some(layer), &place)?;
                check_layer(&layer, &place)?;
                Ok(layer)
            })
            .collect::<Result<Vec<_>, ImageError>>()?;
        Ok(Self { raw, value, format, config, layers })
    }

    /// The bytes as stored.
    #[must_use]
    pub fn raw(&self) -> &RawManifest {
        &self.raw
    }

    /// The digest of the manifest.
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

    /// Where the config is.
    #[must_use]
    pub fn config(&self) -> &Descriptor {
        &self.config
    }

    /// The layers, base first.
    #[must_use]
    pub fn layers(&self) -> &[Descriptor] {
        &self.layers
    }

    /// One annotation of the manifest (Docker's manifests have none).
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.value.get("annotations")?.get(key)?.as_str()
    }

    /// The descriptor of this manifest.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        descriptor(&self.raw.media_type, &self.raw.digest, self.raw.bytes.len() as u64)
    }
}

/// What the manifest of an index's entry turns out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// An image, or something that claims to be one and is to be refused with a reason.
    Image,
    /// A chart, a signature, an SBOM, ...
    Artifact,
}

impl Content {
    /// Whether a manifest is about a root file system: its config says so and, when the index
    /// names no platform for it, its layers too. (cosign's signatures have the config of an
    /// image, and layers that are none.)
    ///
    /// # Errors
    /// It is not JSON.
    pub fn of(raw: &RawManifest, child: &Child, place: &str) -> Result<Self, ImageError> {
        let value = parse_json(&raw.bytes, MAX_MANIFEST, place)?;
        let media_type = |descriptor: &Value| {
            descriptor.get("mediaType").and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        if let Some(config) = value.get("config")
            && check_config_type(&media_type(config), place).is_err()
        {
            return Ok(Self::Artifact);
        }
        let layers = value.get("layers").and_then(Value::as_array);
        let are_layers = layers.into_iter().flatten().all(|one| is_layer_type(&media_type(one)));
        Ok(if are_layers || child.platform.is_some() { Self::Image } else { Self::Artifact })
    }
}

/// Whether a blob of this type is a part of a root file system, be it one that is refused.
fn is_layer_type(media_type: &str) -> bool {
    ["application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs."]
        .iter()
        .any(|family| media_type.starts_with(family))
}

/// What a manifest in an index is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChildKind {
    /// An image; the platform may be missing and is then in the image's config.
    Image,
    /// BuildKit's provenance or SBOM of the manifest with this digest
    /// (<https://docs.docker.com/build/metadata/attestations/attestation-storage/>).
    Attestation { of: Option<Digest> },
    /// Another index.
    Index,
    /// Something that is no image by its media type or artifact type.
    Other,
}

/// A manifest that an index names.
#[derive(Debug, Clone)]
pub struct Child {
    pub descriptor: Descriptor,
    pub digest: Digest,
    pub platform: Option<Platform>,
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
    fn from_value(
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

/// The config of an image: platform, layer identities, history, run parameters.
#[derive(Debug, Clone)]
pub struct ImageConfig {
    bytes: Bytes,
    value: Value,
    platform: Platform,
    diff_ids: Vec<DiffId>,
}

impl ImageConfig {
    /// Whether a config says what it runs on; those of signatures and attestations do not.
    ///
    /// # Errors
    /// Invalid JSON.
    pub fn names_a_platform(bytes: &Bytes, place: &str) -> Result<bool, ImageError> {
        let value = parse_json(bytes, MAX_CONFIG, place)?;
        Ok(read_platform(&value).is_some())
    }

    /// Reads a config.
    ///
    /// # Errors
    /// Invalid JSON, no architecture or OS, diff IDs that are no digests.
    pub fn parse(bytes: Bytes, place: &str) -> Result<Self, ImageError> {
        let value = parse_json(&bytes, MAX_CONFIG, place)?;
        let text = |key: &str| value.get(key).and_then(Value::as_str).filter(|t| !t.is_empty());
        let required = |key: &str| {
            text(key).map(str::to_owned).ok_or_else(|| {
                ImageError::invalid(place, format!("the config has no {key}; it is not an image"))
            })
        };
        let platform = Platform {
            os: required("os")?,
            architecture: required("architecture")?,
            variant: text("variant").map(str::to_owned),
        };
        let rootfs = value
            .get("rootfs")
            .ok_or_else(|| ImageError::invalid(place, "the config has no rootfs"))?;
        let diff_ids = array(rootfs, "diff_ids", MAX_LAYERS, place)?
            .iter()
            .map(|id| {
                let text = id.as_str().unwrap_or_default();
                text.parse().map(DiffId).map_err(|error: imgfix_model::digest::DigestError| {
                    ImageError::invalid(format!("{place}: rootfs.diff_ids"), error.to_string())
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { bytes, value, platform, diff_ids })
    }

    /// The bytes as stored.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The JSON, with every field.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// What the image runs on.
    #[must_use]
    pub fn platform(&self) -> &Platform {
        &self.platform
    }

    /// The uncompressed layers' digests, base first.
    #[must_use]
    pub fn diff_ids(&self) -> &[DiffId] {
        &self.diff_ids
    }

    /// The history, oldest first; empty when there is none.
    #[must_use]
    pub fn history(&self) -> &[Value] {
        self.value.get("history").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// When the image was made, as written (RFC 3339).
    #[must_use]
    pub fn created(&self) -> Option<&str> {
        self.value.get("created").and_then(Value::as_str)
    }

    /// One of `config.Labels`.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.value.get("config")?.get("Labels")?.get(key)?.as_str()
    }

    /// Checks that this config belongs to `manifest`: one diff ID for each layer.
    ///
    /// # Errors
    /// The numbers differ.
    pub fn check_layers(&self, manifest: &ImageManifest, place: &str) -> Result<(), ImageError> {
        let (layers, ids) = (manifest.layers.len(), self.diff_ids.len());
        if layers == ids {
            return Ok(());
        }
        let why = format!("the manifest has {layers} layers but its config names {ids} diff IDs");
        Err(ImageError::invalid(place, why))
    }
}

fn parse_json(bytes: &[u8], limit: u64, place: &str) -> Result<Value, ImageError> {
    if bytes.len() as u64 > limit {
        let why = format!("{} bytes are more than the {limit} allowed", bytes.len());
        return Err(ImageError::invalid(place, why));
    }
    let value: Value =
        json::read_of_image(bytes).map_err(|error| ImageError::json(place, error))?;
    if value.is_object() { Ok(value) } else { Err(ImageError::invalid(place, "not a JSON object")) }
}

/// What a transport may say of a manifest when it does not know its kind.
const GENERIC: [&str; 4] = ["", "application/json", "application/octet-stream", "text/plain"];

fn unsupported(media_type: &str, why: &str, place: &str) -> ImageError {
    ImageError::MediaType {
        place: place.to_owned(),
        media_type: media_type.chars().take(200).collect(),
        why: why.to_owned(),
    }
}

/// The media type of a manifest, when it is one that is repaired.
fn known_media_type(name: &str, place: &str) -> Result<&'static str, ImageError> {
    let known = media_type::MANIFESTS.into_iter().find(|known| *known == name);
    let why = "want an OCI or Docker schema 2 image manifest or index";
    known.ok_or_else(|| unsupported(name, why, place))
}

/// Checks a descriptor that says what it is about, as those of a layout must: other readers go
/// by what it says, so its manifest may not be taken for anything else.
///
/// # Errors
/// Its media type is not that of an image manifest or index.
pub(super) fn check_manifest_type(descriptor: &Descriptor, place: &str) -> Result<(), ImageError> {
    known_media_type(descriptor.media_type().as_ref(), place).map(|_| ())
}

/// The media type of a manifest: its own `mediaType` field and what the transport said must
/// agree; a transport that does not know ([`GENERIC`]) leaves it to the field, and without one
/// to the other fields.
fn resolve_media_type(
    transport: &str,
    value: &Value,
    place: &str,
) -> Result<&'static str, ImageError> {
    let transport = transport.split(';').next().unwrap_or_default().trim();
    let schema = value.get("schemaVersion").and_then(Value::as_u64);
    if schema == Some(1) || transport.contains("docker.distribution.manifest.v1+") {
        let why = "Docker's schema 1 was retired in 2019; convert it first: 'skopeo copy \
                   --format v2s2 SOURCE DESTINATION'";
        return Err(unsupported("schema 1", why, place));
    }
    if schema != Some(2) {
        return Err(ImageError::invalid(place, "schemaVersion is not 2; it is not a manifest"));
    }
    let own = value.get("mediaType").map(|own| own.as_str().unwrap_or_default());
    let own = own.map(|own| known_media_type(own, place)).transpose()?;
    let announced = match GENERIC.contains(&transport) {
        true => None,
        false => Some(known_media_type(transport, place)?),
    };
    match (own, announced) {
        (Some(own), Some(announced)) if own != announced => Err(ImageError::invalid(
            place,
            format!("it was announced as {announced}, but says that it is {own}"),
        )),
        (Some(known), _) | (None, Some(known)) => Ok(known),
        (None, None) => match (value.get("manifests").is_some(), value.get("config").is_some()) {
            (true, false) => Ok(media_type::OCI_INDEX),
            (false, true) => Ok(media_type::OCI_MANIFEST),
            _ => Err(ImageError::invalid(place, "it is neither an image manifest nor an index")),
        },
    }
}

/// A document that has the fields of both kinds means different images to different readers.
fn refuse_field(value: &Value, key: &str, kind: &str, place: &str) -> Result<(), ImageError> {
    if value.get(key).is_some() {
        let why = format!("it has {key:?} like {kind}: its kind is ambiguous");
        return Err(ImageError::invalid(place, why));
    }
    Ok(())
}

fn array<'v>(
    value: &'v Value,
    key: &str,
    limit: usize,
    place: &str,
) -> Result<&'v [Value], ImageError> {
    let array = match value.get(key) {
        Some(Value::Array(array)) => array.as_slice(),
        // Go writes an empty slice as null
        Some(Value::Null) => &[],
        _ => return Err(ImageError::invalid(place, format!("{key} is missing or not a list"))),
    };
    if array.len() > limit {
        let why = format!("{} {key} are more than the {limit} allowed", array.len());
        return Err(ImageError::invalid(place, why));
    }
    Ok(array)
}

/// A descriptor with a SHA-256 digest.
pub(super) fn read_descriptor(
    value: Option<&Value>,
    place: &str,
) -> Result<Descriptor, ImageError> {
    let value = value.ok_or_else(|| ImageError::invalid(place, "is missing"))?;
    // "urls": null and "annotations": null are written by some tools; Option takes both
    let descriptor: Descriptor = serde::Deserialize::deserialize(value)
        .map_err(|error| ImageError::invalid(place, format!("is no descriptor: {error}")))?;
    digest_of(&descriptor, place)?;
    Ok(descriptor)
}

fn check_config_type(media_type: &str, place: &str) -> Result<(), ImageError> {
    match media_type {
        media_type::OCI_CONFIG | media_type::DOCKER_CONFIG => Ok(()),
        other => Err(ImageError::MediaType {
            place: format!("{place}: config"),
            media_type: other.to_owned(),
            why: "this is an artifact (a chart, an attestation, ...), not a container image".into(),
        }),
    }
}

fn check_layer(layer: &Descriptor, place: &str) -> Result<(), ImageError> {
    let media_type = layer.media_type().as_ref();
    let refuse = |why: &str| {
        Err(ImageError::MediaType {
            place: place.to_owned(),
            media_type: media_type.to_owned(),
            why: why.to_owned(),
        })
    };
    if media_type.contains("nondistributable") || media_type.contains(".foreign.") {
        return refuse("foreign layers are not in the registry and may not be copied");
    }
    if layer.urls().as_ref().is_some_and(|urls| !urls.is_empty()) {
        return refuse("the layer is to be fetched from a URL elsewhere, which imgfix never does");
    }
    if media_type.ends_with("+encrypted") {
        return refuse("decrypt the image first: 'skopeo copy --decryption-key KEY'");
    }
    match compression_of(media_type) {
        Some(_) => Ok(()),
        None => refuse("want a tar layer, plain or compressed with gzip or zstd"),
    }
}

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

fn read_platform(value: &Value) -> Option<Platform> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).filter(|t| !t.is_empty());
    Some(Platform {
        os: text("os")?.to_owned(),
        architecture: text("architecture")?.to_owned(),
        variant: text("variant").map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const D1: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
    const D2: &str = "sha256:2222222222222222222222222222222222222222222222222222222222222222";

    fn raw(media_type: &str, value: &Value) -> RawManifest {
        let bytes = Bytes::from(value.to_string());
        RawManifest { media_type: media_type.into(), digest: Digest::of(&bytes), bytes }
    }

    fn manifest(layer_type: &str) -> Value {
        json!({
            "schemaVersion": 2,
            "mediaType": media_type::OCI_MANIFEST,
            "config": {"mediaType": media_type::OCI_CONFIG, "digest": D1, "size": 10},
            "layers": [{"mediaType": layer_type, "digest": D2, "size": 20}],
            "annotations": {"a": "b"},
            "x-unknown": [1, 2]
        })
    }

    #[test]
    fn an_image_manifest_is_read_and_keeps_unknown_fields() {
        let value = manifest(media_type::OCI_LAYER_ZSTD);
        let read = ImageManifest::parse(raw("", &value), "app").expect("manifest");
        assert_eq!(read.format(), Format::Oci);
        assert_eq!(read.config().size(), 10);
        assert_eq!(read.layers().len(), 1);
        assert_eq!(read.annotation("a"), Some("b"));
        assert_eq!(read.value()["x-unknown"], json!([1, 2]));
        assert_eq!(
            digest_of(&read.layers()[0], "app").map(|d| d.to_string()).ok(),
            Some(D2.into())
        );
    }

    #[test]
    fn the_kind_comes_from_the_document_the_transport_or_its_fields() {
        let mut bare = manifest(media_type::OCI_LAYER);
        bare.as_object_mut().map(|o| o.remove("mediaType"));
        let docker =
            raw("application/vnd.docker.distribution.manifest.v2+json; charset=utf-8", &bare);
        let read = ImageManifest::parse(docker, "app").expect("docker");
        assert_eq!(read.format(), Format::Docker);
        assert_eq!(read.raw().media_type, media_type::DOCKER_MANIFEST);
        let sniffed = ImageManifest::parse(raw("application/json", &bare), "app").expect("oci");
        assert_eq!(sniffed.format(), Format::Oci);
        let said = raw(media_type::OCI_MANIFEST, &bare);
        assert_eq!(ImageManifest::parse(said, "app").expect("oci").format(), Format::Oci);
        let schema_1 = raw("application/vnd.docker.distribution.manifest.v1+prettyjws", &bare);
        let error = ImageManifest::parse(schema_1, "app").expect_err("schema 1").to_string();
        assert!(error.contains("schema 1"), "{error}");
    }

    #[test]
    fn what_cannot_be_repaired_is_refused_with_a_way_out() {
        let edit = |edit: &dyn Fn(&mut Value)| {
            let mut value = manifest(media_type::OCI_LAYER_GZIP);
            edit(&mut value);
            value
        };
        let table: Vec<(&str, Value, &str)> = vec![
            ("", edit(&|v| v["schemaVersion"] = json!(1)), "skopeo copy --format v2s2"),
            ("", edit(&|v| v["schemaVersion"] = json!(3)), "schemaVersion"),
            ("", edit(&|v| v["mediaType"] = json!("application/x")), "application/x"),
            ("", edit(&|v| v["manifests"] = json!([])), "ambiguous"),
            (media_type::OCI_INDEX, edit(&|_| ()), "was announced as"),
            (
                "",
                edit(&|v| v["config"]["mediaType"] = json!("application/vnd.oci.empty.v1+json")),
                "artifact",
            ),
            ("", edit(&|v| v["config"]["digest"] = json!("sha256:12")), "config"),
            ("", edit(&|v| v["config"]["size"] = json!(-1)), "config"),
            (
                "",
                edit(&|v| {
                    v.as_object_mut().map(|o| o.remove("config"));
                }),
                "config: is missing",
            ),
            ("", edit(&|v| v["layers"] = json!({})), "layers"),
            ("", edit(&|v| v["layers"][0]["urls"] = json!(["https://x/"])), "URL"),
            (
                "",
                edit(&|v| {
                    v["layers"][0]["mediaType"] =
                        json!("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip")
                }),
                "foreign",
            ),
            (
                "",
                edit(&|v| {
                    v["layers"][0]["mediaType"] =
                        json!("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")
                }),
                "foreign",
            ),
            (
                "",
                edit(&|v| {
                    v["layers"][0]["mediaType"] =
                        json!("application/vnd.oci.image.layer.v1.tar+gzip+encrypted")
                }),
                "decrypt",
            ),
            ("", edit(&|v| v["layers"][0]["mediaType"] = json!("application/x-bzip2")), "layer 1"),
            (
                "",
                edit(&|v| {
                    v["layers"] = json!(vec![
                        json!({"mediaType": media_type::OCI_LAYER, "digest": D2, "size": 1});
                        MAX_LAYERS + 1
                    ])
                }),
                "more than",
            ),
        ];
        for (transport, value, why) in table {
            let error = Document::parse(raw(transport, &value), "app:1").expect_err(why);
            let error = error.to_string();
            assert!(error.contains(why) && error.contains("app:1"), "want {why:?}: {error}");
        }
        let not_json = RawManifest {
            media_type: String::new(),
            digest: Digest::of(b"{"),
            bytes: Bytes::from_static(b"{"),
        };
        assert!(Document::parse(not_json, "app").is_err());
    }

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

    #[test]
    fn a_config_gives_platform_and_diff_ids() {
        let value = json!({"architecture": "amd64", "os": "linux", "config": {"Labels": {"a": "b"}},
            "rootfs": {"type": "layers", "diff_ids": [D1]}, "history": [{}, {}]});
        let config = ImageConfig::parse(value.to_string().into(), "app").expect("config");
        assert_eq!(config.platform().to_string(), "linux/amd64");
        assert_eq!(config.label("a"), Some("b"));
        assert_eq!(config.history().len(), 2);
        let two = {
            let mut value = manifest(media_type::OCI_LAYER);
            let layer = value["layers"][0].clone();
            value["layers"] = json!([layer, layer]);
            ImageManifest::parse(raw("", &value), "app").expect("manifest")
        };
        let error = config.check_layers(&two, "app").expect_err("2 layers").to_string();
        assert!(error.contains("2 layers") && error.contains("1 diff IDs"), "{error}");
        for bad in [json!({}), json!({"os": "linux", "architecture": ""}), json!([])] {
            assert!(ImageConfig::parse(bad.to_string().into(), "app").is_err(), "{bad}");
        }
    }

    #[test]
    fn docker_has_no_zstd_layers() {
        assert_eq!(layer_media_type(Compression::Zstd, Format::Docker), None);
        for format in [Format::Oci, Format::Docker] {
            for compression in [Compression::None, Compression::Gzip] {
                let media_type = layer_media_type(compression, format).expect("media type");
                assert_eq!(compression_of(media_type), Some(compression));
            }
        }
    }
}
