//! A manifest, a config and an index with one repair added.
//!
//! Pure functions of values and bytes: the same original, layer and provenance give the same
//! bytes on every machine. Fields nobody here knows survive, fields keep their order, and the
//! JSON is written as the original's author wrote it (see [`super::json_style`]).

use std::collections::BTreeMap;

use bytes::Bytes;
use oci_spec::image::Descriptor;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::PublishError;
use super::history::even;
use super::json_style::Editable;
use super::provenance::{CREATED_BY, Provenance, is_marked, unset_marks};
use crate::image_index::{Child, ChildKind};
use crate::manifest::{MAX_LAYERS, descriptor};
use crate::platforms::MAX_DEPTH;
use crate::{Format, ImageConfig, ImageIndex, ImageManifest, RawManifest, layer_media_type};
use imgfix_json as json;
use imgfix_model::digest::{DiffId, Digest};
use imgfix_vfs::Compression;

/// The layer that a repair adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchLayer {
    /// Digest of the bytes as stored.
    pub digest: Digest,
    /// Digest of the uncompressed tar.
    pub diff_id: DiffId,
    /// Bytes as stored.
    pub size: u64,
    /// How the bytes are compressed: it decides the media type.
    pub compression: Compression,
}

/// A repaired image's manifest and config.
#[derive(Debug, Clone)]
pub struct Rebuilt {
    /// The original's with one layer more, and the marks of the repair.
    pub manifest: RawManifest,
    /// The original's with one diff ID and one history entry more.
    pub config: Bytes,
    /// The config as the manifest names it.
    pub config_descriptor: Descriptor,
    /// The patch layer as the manifest names it.
    pub layer_descriptor: Descriptor,
}

/// Adds `layer` to an image that is no repaired one (see [`super::original_of`]).
///
/// The config gets a diff ID and a history entry (a history that does not fit the layers is made
/// to: [`super::history`]), the manifest a layer and the marks of the repair. In Docker's schema 2
/// the marks are labels of the config.
///
/// # Errors
/// A zstd layer for a Docker schema 2 image, which has no media type for it; the most layers
/// are reached; a config whose `history` or `config` is of another type than the
/// specification's; names that differ in case only, which readers take for one.
pub fn rebuild(
    manifest: &ImageManifest,
    config: &ImageConfig,
    layer: &PatchLayer,
    provenance: &Provenance,
) -> Result<Rebuilt, PublishError> {
    let format = manifest.format();
    let media_type = layer_media_type(layer.compression, format).ok_or_else(|| {
        let why = "a Docker schema 2 image cannot have a zstd layer; use --compression gzip";
        PublishError::Rebuild(why.into())
    })?;
    if manifest.layers().len() >= MAX_LAYERS {
        let why = format!("the image has {MAX_LAYERS} layers already; squash it first");
        return Err(PublishError::Rebuild(why));
    }
    let layer_descriptor = descriptor(media_type, &layer.digest, layer.size);
    let Marked { manifest, config, config_descriptor } =
        compose(manifest, config, Some((layer, media_type)), provenance)?;
    Ok(Rebuilt { manifest, config, config_descriptor, layer_descriptor })
}

/// An image's manifest and config with the marks of a repair that added no layer.
#[derive(Debug, Clone)]
pub struct Marked {
    /// With the marks, in OCI's format.
    pub manifest: RawManifest,
    /// With a history entry that stands for no layer.
    pub config: Bytes,
    /// The config as the manifest names it.
    pub config_descriptor: Descriptor,
}

/// Marks an image that is repaired without a layer of its own: only the original's own layers are
/// others ([`mod@super::excised`]).
///
/// # Errors
/// As [`rebuild`], of config and names.
pub fn mark(
    manifest: &ImageManifest,
    config: &ImageConfig,
    provenance: &Provenance,
) -> Result<Marked, PublishError> {
    compose(manifest, config, None, provenance)
}

fn compose(
    manifest: &ImageManifest,
    config: &ImageConfig,
    layer: Option<(&PatchLayer, &str)>,
    provenance: &Provenance,
) -> Result<Marked, PublishError> {
    let format = manifest.format();
    let marks = provenance.marks(&manifest.digest(), layer.map(|(layer, _)| &layer.digest));

    let config_document = Editable::of(config.bytes(), config.value());
    let mut new_config = config_document.value.clone();
    let original = provenance.original(&manifest.digest());
    add_to_config(&mut new_config, config, &original, layer.map(|(layer, _)| layer), provenance)?;
    if format == Format::Docker {
        let run = object(&mut new_config, "config")?;
        provenance.set(object_in(run, "Labels")?, &marks);
    }
    let new_config = config_document.write(&new_config);
    let config_type = manifest.config().media_type().as_ref();
    let config_descriptor =
        descriptor(config_type, &Digest::of(&new_config), new_config.len() as u64);

    let document = Editable::of(&manifest.raw().bytes, manifest.value());
    let mut value = document.value.clone();
    point_at(&mut value["config"], &config_descriptor);
    if let Some((layer, media_type)) = layer {
        list(&mut value, "layers")?.push(json!({
            "mediaType": media_type, "digest": layer.digest.to_string(), "size": layer.size,
        }));
    }
    if format == Format::Oci {
        provenance.set(object(&mut value, "annotations")?, &marks);
    }
    let bytes = document.write(&value);
    // `Annotations` of the original and `annotations` of the repair would be one to some.
    for (what, bytes) in [("config", &new_config), ("manifest", &bytes)] {
        json::check(bytes, json::Names::AnyCase)
            .map_err(|why| PublishError::Rebuild(format!("the repaired image's {what}: {why}")))?;
    }
    let media_type = manifest.raw().media_type.clone();
    let manifest = RawManifest { media_type, digest: Digest::of(&bytes), bytes };
    Ok(Marked { manifest, config: new_config, config_descriptor })
}

fn add_to_config(
    value: &mut Value,
    config: &ImageConfig,
    original: &Digest,
    layer: Option<&PatchLayer>,
    provenance: &Provenance,
) -> Result<(), PublishError> {
    let rootfs = value
        .get_mut("rootfs")
        .ok_or_else(|| PublishError::Rebuild("the config of the image has no rootfs".to_owned()))?;
    let diff_ids = list(rootfs, "diff_ids")?;
    diff_ids.extend(layer.map(|layer| layer.diff_id.to_string().into()));
    let created = created(config, provenance);
    let history = list(value, "history")?;
    let evened = even(history, config.diff_ids().len(), created.as_deref());
    let mut entry = Map::new();
    if let Some(created) = created {
        entry.insert("created".into(), created.into());
    }
    let short = provenance.plan_digest.short();
    let created_by = format!("{CREATED_BY} (imgfix {}, plan {short})", provenance.version);
    entry.insert("created_by".into(), created_by.into());
    let diff_id = layer.map(|layer| &layer.diff_id);
    entry.insert("comment".into(), provenance.comment(original, diff_id, &evened).into());
    if layer.is_none() {
        entry.insert("empty_layer".into(), true.into());
    }
    history.push(Value::Object(entry));
    Ok(())
}

/// The time of the history entry; `None` when nothing but the clock could tell.
fn created(config: &ImageConfig, provenance: &Provenance) -> Option<String> {
    match provenance.source_date_epoch {
        Some(epoch) => {
            OffsetDateTime::from_unix_timestamp(epoch).ok().and_then(|t| t.format(&Rfc3339).ok())
        }
        None => config.created().map(str::to_owned),
    }
}

/// A new index over repaired manifests.
#[derive(Debug, Clone)]
pub struct RebuiltIndex {
    /// The indexes in the index that are new, innermost first.
    pub inner: Vec<RawManifest>,
    /// The index over all of them.
    pub index: RawManifest,
    /// Manifests of the original index that the new one names too.
    pub kept: Vec<Descriptor>,
    /// What the reader should know: attestations that no longer hold.
    pub notes: Vec<String>,
}

/// Points the entries of `index` at new manifests: `replaced` maps the digest of a manifest to
/// its successor. Order, platforms, annotations and all other entries stay; attestations of a
/// replaced manifest are dropped, because they speak of an image that is no longer there.
/// `inner` are the indexes in `index`, by digest; those with a replaced manifest are new, too.
///
/// # Errors
/// The index has annotations that are no object.
pub fn rebuild_index(
    index: &ImageIndex,
    inner: &BTreeMap<Digest, ImageIndex>,
    replaced: &BTreeMap<Digest, Descriptor>,
    provenance: &Provenance,
) -> Result<RebuiltIndex, PublishError> {
    let mut renewal = Renewal { inner, replaced, new: Vec::new(), kept: Vec::new(), notes: vec![] };
    let document = Editable::of(&index.raw().bytes, index.value());
    let mut value = renewal.index(index, &document, 0)?;
    let Renewal { new: inner, kept, notes, .. } = renewal;
    if index.format() == Format::Oci {
        let annotations = object(&mut value, "annotations")?;
        // marks of an earlier repair make way; what they stand in for comes back first
        if is_marked(annotations) {
            unset_marks(annotations);
        }
        provenance.set(annotations, &provenance.index_marks());
    }
    let bytes = document.write(&value);
    let media_type = index.raw().media_type.clone();
    let index = RawManifest { media_type, digest: Digest::of(&bytes), bytes };
    Ok(RebuiltIndex { inner, index, kept, notes })
}

/// An index and the indexes in it on the way to their successors.
struct Renewal<'a> {
    inner: &'a BTreeMap<Digest, ImageIndex>,
    replaced: &'a BTreeMap<Digest, Descriptor>,
    new: Vec<RawManifest>,
    kept: Vec<Descriptor>,
    notes: Vec<String>,
}

impl Renewal<'_> {
    /// The JSON of an index over the new manifests.
    fn index(
        &mut self,
        index: &ImageIndex,
        document: &Editable,
        depth: u32,
    ) -> Result<Value, PublishError> {
        let mut value = document.value.clone();
        let mut entries = Vec::new();
        let old = list(&mut value, "manifests")?;
        for (mut entry, child) in std::mem::take(old).into_iter().zip(index.children()) {
            let successor = match self.replaced.get(&child.digest) {
                Some(successor) => Some(successor.clone()),
                None => self.inner_index(child, depth)?,
            };
            match (&child.kind, successor) {
                (ChildKind::Attestation { of: Some(of) }, _) if self.replaced.contains_key(of) => {
                    self.notes.push(format!(
                        "the attestation {} is about the original {} and is not published",
                        child.digest.short(),
                        of.short()
                    ));
                    continue;
                }
                (_, Some(successor)) => point_at(&mut entry, &successor),
                (_, None) => self.kept.push(child.descriptor.clone()),
            }
            entries.push(entry);
        }
        *old = entries;
        Ok(value)
    }

    /// The successor of an index in an index; `None` when nothing in it is new.
    fn inner_index(
        &mut self,
        child: &Child,
        depth: u32,
    ) -> Result<Option<Descriptor>, PublishError> {
        let Some(index) = self.inner.get(&child.digest).filter(|_| depth < MAX_DEPTH) else {
            return Ok(None);
        };
        let kept = self.kept.len();
        let document = Editable::of(&index.raw().bytes, index.value());
        let value = self.index(index, &document, depth + 1)?;
        if value == document.value {
            // it is kept as a whole
            self.kept.truncate(kept);
            return Ok(None);
        }
        let bytes = document.write(&value);
        let media_type = index.raw().media_type.clone();
        let raw = RawManifest { media_type, digest: Digest::of(&bytes), bytes };
        let successor = descriptor(&raw.media_type, &raw.digest, raw.bytes.len() as u64);
        self.new.push(raw);
        Ok(Some(successor))
    }
}

/// Another digest and size for a descriptor, everything else of it kept.
pub(super) fn point_at(entry: &mut Value, to: &Descriptor) {
    entry["digest"] = to.digest().as_ref().into();
    entry["size"] = to.size().into();
    // a copy of the content, of which this is the descriptor no more
    if let Some(fields) = entry.as_object_mut() {
        fields.shift_remove("data");
    }
}

/// The object under `key`, made when it is missing or null.
fn object<'v>(value: &'v mut Value, key: &str) -> Result<&'v mut Map<String, Value>, PublishError> {
    match value.as_object_mut() {
        Some(map) => object_in(map, key),
        None => Err(PublishError::Rebuild(format!("the parent of {key:?} is not an object"))),
    }
}

fn object_in<'v>(
    map: &'v mut Map<String, Value>,
    key: &str,
) -> Result<&'v mut Map<String, Value>, PublishError> {
    let value = map.entry(key).or_insert_with(|| Value::Object(Map::new()));
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    value
        .as_object_mut()
        .ok_or_else(|| PublishError::Rebuild(format!("{key:?} of the image is not an object")))
}

/// The list under `key`, made when it is missing or null.
pub(super) fn list<'v>(
    value: &'v mut Value,
    key: &str,
) -> Result<&'v mut Vec<Value>, PublishError> {
    let fail = || PublishError::Rebuild(format!("{key:?} of the image is not a list"));
    let map = value.as_object_mut().ok_or_else(fail)?;
    let value = map.entry(key).or_insert_with(|| Value::Array(Vec::new()));
    if value.is_null() {
        *value = Value::Array(Vec::new());
    }
    value.as_array_mut().ok_or_else(fail)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{patch, provenance};
    use super::*;
    use crate::media_type;
    use crate::testing::MemorySource;
    use crate::{Document, load};

    fn rebuilt(edit: impl FnOnce(&mut Value)) -> (Value, Value, Rebuilt) {
        let mut source = MemorySource::new("oci:app:1");
        let image = source.add_image_with("linux/amd64", &[b"base"], edit);
        source.set_root_manifest(&image);
        let set = load(&source, None).expect("set");
        let image = &set.images[0];
        let new =
            rebuild(&image.manifest, &image.config, &patch(), &provenance()).expect("rebuild");
        let manifest = serde_json::from_slice(&new.manifest.bytes).expect("manifest");
        let config = serde_json::from_slice(&new.config).expect("config");
        (manifest, config, new)
    }

    #[test]
    fn one_layer_one_diff_id_and_one_history_entry_are_added() {
        let (manifest, config, new) = rebuilt(|config| config["x-mine"] = json!({"z": 1, "a": 2}));
        assert_eq!(manifest["layers"].as_array().map(Vec::len), Some(2));
        assert_eq!(manifest["layers"][1]["digest"], patch().digest.to_string());
        assert_eq!(manifest["layers"][1]["mediaType"], media_type::OCI_LAYER_GZIP);
        assert_eq!(manifest["config"]["digest"], Digest::of(&new.config).to_string());
        assert_eq!(manifest["config"]["size"], new.config.len());
        assert_eq!(config["rootfs"]["diff_ids"][1], patch().diff_id.to_string());
        let entry = &config["history"][1];
        assert_eq!(entry["created"], "2024-01-02T03:04:05Z", "the original's, not the clock's");
        assert!(entry["created_by"].as_str().is_some_and(|by| by.starts_with("imgfix repair")));
        assert_eq!(config["x-mine"].to_string(), r#"{"z":1,"a":2}"#);
        assert_eq!(config["config"], json!({"Env": ["A=b"]}), "labels are not touched");
        assert_eq!(manifest["annotations"]["org.opencontainers.image.base.name"], "oci:app:1");
        assert_eq!(manifest["annotations"]["dev.imgfix.layer"], patch().digest.to_string());
    }

    #[test]
    fn source_date_epoch_is_the_time_of_the_entry() {
        let mut source = MemorySource::new("oci:app:1");
        let image = source.add_image("linux/amd64", &[b"base"]);
        source.set_root_manifest(&image);
        let set = load(&source, None).expect("set");
        let facts = Provenance { source_date_epoch: Some(0), ..provenance() };
        let image = &set.images[0];
        let new = rebuild(&image.manifest, &image.config, &patch(), &facts).expect("rebuild");
        let config: Value = serde_json::from_slice(&new.config).expect("config");
        assert_eq!(config["history"][1]["created"], "1970-01-01T00:00:00Z");
    }

    #[test]
    fn null_history_and_missing_lists_are_made() {
        for history in [Value::Null, json!([])] {
            let (_, config, _) = rebuilt(|config| config["history"] = history);
            let history = config["history"].as_array().expect("history");
            assert_eq!(history.len(), 2, "one entry a layer");
            assert!(history[1]["created_by"].as_str().is_some_and(|by| by.starts_with("imgfix")));
        }
        let (_, config, _) = rebuilt(|config| {
            config.as_object_mut().and_then(|c| c.shift_remove("created"));
        });
        assert_eq!(config["history"][1].get("created"), None);
    }

    #[test]
    fn docker_images_have_labels_and_no_zstd() {
        let mut source = MemorySource::new("oci:app:1");
        let image = source.add_image("linux/amd64", &[b"base"]);
        let text = String::from_utf8_lossy(&image.manifest.bytes)
            .replace(media_type::OCI_MANIFEST, media_type::DOCKER_MANIFEST)
            .replace(media_type::OCI_CONFIG, media_type::DOCKER_CONFIG)
            .replace(media_type::OCI_LAYER, media_type::DOCKER_LAYER);
        let raw = source.add_manifest(media_type::DOCKER_MANIFEST, text);
        let manifest = ImageManifest::parse(raw, "app").expect("manifest");
        let config = ImageConfig::parse(image.config, "app").expect("config");
        let new = rebuild(&manifest, &config, &patch(), &provenance()).expect("rebuild");
        let value: Value = serde_json::from_slice(&new.manifest.bytes).expect("manifest");
        assert_eq!(value.get("annotations"), None);
        assert_eq!(value["layers"][1]["mediaType"], media_type::DOCKER_LAYER_GZIP);
        let config_value: Value = serde_json::from_slice(&new.config).expect("config");
        assert_eq!(config_value["config"]["Labels"]["dev.imgfix.version"], "0.0.0");
        assert_eq!(config_value["config"]["Env"], json!(["A=b"]));
        let zstd = PatchLayer { compression: Compression::Zstd, ..patch() };
        let error = rebuild(&manifest, &config, &zstd, &provenance()).expect_err("zstd");
        assert!(error.to_string().contains("--compression gzip"), "{error}");
    }

    #[test]
    fn indexes_in_an_index_are_made_anew_where_something_in_them_is() {
        let mut source = MemorySource::new("oci:app:1");
        let mut entry = |platform: &str| {
            let added = source.add_image(platform, &[platform.as_bytes()]);
            (added.manifest.digest, added.index_entry(Some(platform)))
        };
        let (amd64, amd64_entry) = entry("linux/amd64");
        let (_, windows) = entry("windows/amd64");
        let (_, arm64) = entry("linux/arm64");
        let mut nest = |children: Vec<Value>, more: Value| {
            let index = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX,
                "manifests": children, "annotations": more});
            let raw = source.add_manifest(media_type::OCI_INDEX, index.to_string());
            json!({"mediaType": raw.media_type, "digest": raw.digest.to_string(),
                "size": raw.bytes.len(), "annotations": more})
        };
        let changing = nest(vec![amd64_entry, windows.clone()], json!({"changing": "yes"}));
        let outer = nest(vec![changing], json!({}));
        let same = nest(vec![arm64], json!({"same": "yes"}));
        let index = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX,
            "manifests": [outer, same, windows]});
        source.set_root(media_type::OCI_INDEX, &index);
        let set = load(&source, None).expect("set");
        let Document::Index(root) = &set.root else { panic!() };
        let successor = descriptor(media_type::OCI_MANIFEST, &Digest::of(b"new"), 3);
        let replaced = BTreeMap::from([(amd64, successor)]);
        let new = rebuild_index(root, &set.inner, &replaced, &provenance()).expect("index");
        let digest = |raw: &RawManifest, at: usize| {
            let value: Value = serde_json::from_slice(&raw.bytes).expect("index");
            value["manifests"][at]["digest"].as_str().map(str::to_owned)
        };
        let [changed, above] = &new.inner[..] else { panic!("{:?}", new.inner) };
        assert_eq!(digest(changed, 0), Some(Digest::of(b"new").to_string()));
        assert_eq!(digest(changed, 1), windows["digest"].as_str().map(str::to_owned));
        assert_eq!(digest(above, 0), Some(changed.digest.to_string()));
        assert_eq!(digest(&new.index, 0), Some(above.digest.to_string()));
        assert_eq!(digest(&new.index, 1), same["digest"].as_str().map(str::to_owned));
        let value: Value = serde_json::from_slice(&changed.bytes).expect("index");
        assert_eq!(value["annotations"], json!({"changing": "yes"}), "the root alone is marked");
        let kept: Vec<_> = new.kept.iter().map(|one| one.digest().to_string()).collect();
        let want = [&windows, &same, &windows].map(|one| one["digest"].as_str().expect("digest"));
        assert_eq!(kept, want, "a kept index comes with all that is in it");
    }

    #[test]
    fn an_index_keeps_order_and_platforms_and_drops_stale_attestations() {
        let mut source = MemorySource::new("oci:app:1");
        let names = ["linux/amd64", "windows/amd64", "linux/arm64"];
        let added: Vec<_> =
            names.iter().map(|name| source.add_image(name, &[name.as_bytes()])).collect();
        let mut entries: Vec<_> =
            added.iter().zip(names).map(|(image, name)| image.index_entry(Some(name))).collect();
        entries[0]["annotations"] = json!({"keep": "me"});
        for of in &added[..2] {
            let attestation =
                source.add_image("linux/amd64", &[of.manifest.digest.hex().as_bytes()]);
            let mut entry = attestation.index_entry(None);
            entry["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": of.manifest.digest.to_string()});
            entries.push(entry);
        }
        let index = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX,
            "manifests": entries, "x": 1});
        source.set_root(media_type::OCI_INDEX, &index);
        let Document::Index(index) = load(&source, None).expect("set").root else { panic!() };

        let successor = descriptor(media_type::OCI_MANIFEST, &Digest::of(b"new"), 7);
        let replaced = BTreeMap::from([(added[0].manifest.digest, successor)]);
        let none = BTreeMap::new();
        let new = rebuild_index(&index, &none, &replaced, &provenance()).expect("index");
        let value: Value = serde_json::from_slice(&new.index.bytes).expect("index");
        let digests: Vec<_> = value["manifests"]
            .as_array()
            .map(|list| list.iter().map(|entry| entry["digest"].clone()).collect())
            .unwrap_or_default();
        assert_eq!(digests.len(), 4, "the attestation of the replaced one is gone");
        assert_eq!(digests[0], Digest::of(b"new").to_string());
        assert_eq!(digests[1], added[1].manifest.digest.to_string());
        assert_eq!(value["manifests"][0]["annotations"], json!({"keep": "me"}));
        assert_eq!(value["manifests"][0]["platform"]["architecture"], "amd64");
        assert_eq!(value["x"], 1);
        assert_eq!(new.notes.len(), 1);
        assert_eq!(new.kept.len(), 3);
    }
}
