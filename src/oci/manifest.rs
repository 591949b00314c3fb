//! Manifests as values: which kind of document it is, and that of one image.
//!
//! Bytes with a media type come in; out goes a [`Document`], an [`ImageManifest`] or an
//! [`ImageIndex`]: the JSON as it was, so that fields nobody here knows survive a rebuild, with
//! typed access to the few that matter. OCI
//! (<https://github.com/opencontainers/image-spec>) and Docker schema 2
//! (<https://distribution.github.io/distribution/spec/manifest-v2-2/>) differ in media types
//! only. What cannot be repaired faithfully is refused here, with what to do instead: schema
//! 1, foreign layers, encrypted layers, artifacts that are no images.

use oci_spec::image::{Descriptor, MediaType};
use serde_json::Value;

use super::ImageError;
use super::image_index::{Child, ImageIndex};
use super::media_type::{self, Format, compression_of};
use super::transport::RawManifest;
use imgfix_json as json;
use imgfix_model::digest::Digest;

/// Largest manifest or index, in bytes: what registries accept
/// (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests>).
pub const MAX_MANIFEST: u64 = 4 << 20;
/// Largest config, in bytes.
pub const MAX_CONFIG: u64 = 8 << 20;
/// Most layers of an image: container engines stop at 127, this leaves room for others.
pub const MAX_LAYERS: usize = 512;
/// Most manifests of an index.
pub const MAX_CHILDREN: usize = 1024;

/// A descriptor without annotations or platform.
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
    /// One image.
    Manifest(ImageManifest),
    /// Several, of different platforms.
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
            Self::Index(index) => index.raw(),
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
                media_type: index.raw().media_type.clone(),
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
pub enum ManifestKind {
    /// An image, or something that claims to be one and is to be refused with a reason.
    Image,
    /// A chart, a signature, an SBOM, ...
    Artifact,
}

impl ManifestKind {
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

pub(super) fn parse_json(bytes: &[u8], limit: u64, place: &str) -> Result<Value, ImageError> {
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
pub(super) fn resolve_media_type(
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
pub(super) fn refuse_field(
    value: &Value,
    key: &str,
    kind: &str,
    place: &str,
) -> Result<(), ImageError> {
    if value.get(key).is_some() {
        let why = format!("it has {key:?} like {kind}: its kind is ambiguous");
        return Err(ImageError::invalid(place, why));
    }
    Ok(())
}

/// The list under `key`, of at most `limit` elements.
pub(super) fn array<'v>(
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

/// `1 layer`, `2 layers`.
pub(super) fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::super::testing::{D2, manifest, raw};
    use super::*;

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
}
