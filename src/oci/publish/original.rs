//! The original of a repaired image, so that repairing again replaces the patch layer instead
//! of adding another one.
//!
//! The history entry of the patch layer says what the original was. The original's manifest
//! and config are put together again by taking away what [`super::rebuild()`] added; when their
//! bytes have the recorded digest nothing was lost.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::json_style::Editable;
use super::provenance::{Excised, Recorded, unset_marks};
use super::rebuild::point_at;
use crate::manifest::descriptor;
use crate::{Format, ImageConfig, ImageManifest, RawManifest};
use imgfix_model::digest::{DiffId, Digest};

/// How sure the original is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fidelity {
    /// Byte for byte: it has the recorded digest.
    Exact,
    /// The same layers and settings in other bytes: the image was converted, or its JSON was
    /// written by hand.
    Equivalent,
    /// The original without what the repair cut out of its layers: what is gone stays gone. The
    /// original itself is what [`OriginalParts::original_manifest`] names.
    Excised,
}

/// The image that a repaired image was made from.
#[derive(Debug, Clone)]
pub struct OriginalParts {
    /// The manifest without the repair.
    pub manifest: ImageManifest,
    /// The config without the repair.
    pub config: ImageConfig,
    /// Whether the manifest is known to be the original's.
    pub fidelity: Fidelity,
    /// The name the original had.
    pub base_name: String,
    /// What that name pointed at.
    pub original_digest: Digest,
    /// The recorded digest of the original's manifest.
    pub original_manifest: Digest,
    /// The plan of the earlier repair.
    pub plan_digest: Option<Digest>,
    /// What that repair cut out of the original's layers, when the image is [`Fidelity::Excised`].
    pub excised: Option<Excised>,
    /// What it got from repositories: the time of the newest package (seconds since the epoch),
    /// by what `newest::short_name` of the room `repository` makes of the repository's name.
    pub newest: BTreeMap<String, i64>,
}

/// The original of an image whose last layer is an imgfix patch layer, or that imgfix has cut
/// something out of; `None` for any other image, also for one that was built on top of a repaired
/// one.
#[must_use]
pub fn original_of(manifest: &ImageManifest, config: &ImageConfig) -> Option<OriginalParts> {
    let recorded = Recorded::read(config.history().last()?)?;
    let is_last = |id: &DiffId| config.diff_ids().last() == Some(id);
    if !recorded.diff_id.as_ref().is_none_or(is_last) || manifest.layers().is_empty() {
        return None;
    }
    let mut first = None;
    let config_document = Editable::of(config.bytes(), config.value());
    let manifest_document = Editable::of(&manifest.raw().bytes, manifest.value());
    let configs = config_candidates(&config_document.value, manifest.format(), &recorded);
    for config_value in configs {
        let config_bytes = config_document.write(&config_value);
        let edited = &manifest_document.value;
        for value in manifest_candidates(manifest, edited, &config_bytes, &recorded) {
            let bytes = manifest_document.write(&value);
            let digest = Digest::of(&bytes);
            let exact = digest == recorded.original_manifest && recorded.excised.is_none();
            if !exact && first.is_some() {
                continue;
            }
            let media_type = manifest.raw().media_type.clone();
            let raw = RawManifest { media_type, digest, bytes };
            let place = "the original of the image";
            let parsed = ImageManifest::parse(raw, place).ok()?;
            let config = ImageConfig::parse(config_bytes.clone(), place).ok()?;
            let fidelity = match (exact, &recorded.excised) {
                (true, _) => Fidelity::Exact,
                (false, None) => Fidelity::Equivalent,
                (false, Some(_)) => Fidelity::Excised,
            };
            let parts = parts(parsed, config, fidelity, &recorded);
            if exact {
                return Some(parts);
            }
            first = Some(parts);
        }
    }
    first
}

fn parts(
    manifest: ImageManifest,
    config: ImageConfig,
    fidelity: Fidelity,
    recorded: &Recorded,
) -> OriginalParts {
    OriginalParts {
        manifest,
        config,
        fidelity,
        base_name: recorded.base_name.clone(),
        original_digest: recorded.original_digest,
        original_manifest: recorded.original_manifest,
        plan_digest: recorded.plan_digest,
        excised: recorded.excised.clone(),
        newest: recorded.newest.clone(),
    }
}

/// The config without the repair, the likeliest spelling first: where a list or map has become
/// empty, the original may have had an empty one, null, or nothing.
fn config_candidates(config: &Value, format: Format, recorded: &Recorded) -> Vec<Value> {
    let mut value = config.clone();
    if recorded.diff_id.is_some()
        && let Some(ids) = value.pointer_mut("/rootfs/diff_ids").and_then(Value::as_array_mut)
    {
        ids.pop();
    }
    if let Some(history) = value.get_mut("history").and_then(Value::as_array_mut) {
        history.pop();
        recorded.evened.undo(history);
    }
    let mut candidates = spellings(vec![value], "", "history");
    if format == Format::Docker {
        for value in &mut candidates {
            if let Some(Value::Object(labels)) = value.pointer_mut("/config/Labels") {
                unset_marks(labels);
            }
        }
        candidates = spellings(candidates, "/config", "Labels");
        candidates = spellings(candidates, "", "config");
    }
    candidates
}

fn manifest_candidates(
    manifest: &ImageManifest,
    value: &Value,
    config: &Bytes,
    recorded: &Recorded,
) -> Vec<Value> {
    let mut value = value.clone();
    let media_type = manifest.config().media_type().as_ref();
    let config = descriptor(media_type, &Digest::of(config), config.len() as u64);
    point_at(&mut value["config"], &config);
    if recorded.diff_id.is_some()
        && let Some(layers) = value.get_mut("layers").and_then(Value::as_array_mut)
    {
        layers.pop();
    }
    if manifest.format() == Format::Docker {
        return vec![value];
    }
    if let Some(Value::Object(annotations)) = value.get_mut("annotations") {
        unset_marks(annotations);
    }
    spellings(vec![value], "", "annotations")
}

/// Each value, and if `key` is empty in it the values without it, with null, and with `{}` or
/// `[]`.
fn spellings(values: Vec<Value>, parent: &str, key: &str) -> Vec<Value> {
    let mut all = Vec::new();
    for value in values {
        let empty = match value.pointer(parent).and_then(|parent| parent.get(key)) {
            Some(Value::Object(map)) => map.is_empty(),
            Some(Value::Array(list)) => list.is_empty(),
            _ => false,
        };
        if !empty {
            all.push(value);
            continue;
        }
        let edited = |edit: &dyn Fn(&mut Map<String, Value>)| {
            let mut value = value.clone();
            if let Some(Value::Object(map)) = value.pointer_mut(parent) {
                edit(map);
            }
            value
        };
        all.push(edited(&|map| {
            map.shift_remove(key);
        }));
        all.push(edited(&|map| {
            map.insert(key.to_owned(), Value::Null);
        }));
        all.push(value);
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{patch, provenance};
    use super::super::{PatchLayer, rebuild};
    use super::*;
    use crate::media_type;
    use crate::testing::MemorySource;

    const DOCKER_TYPES: [(&str, &str); 3] = [
        (media_type::OCI_MANIFEST, media_type::DOCKER_MANIFEST),
        (media_type::OCI_CONFIG, media_type::DOCKER_CONFIG),
        (media_type::OCI_LAYER, media_type::DOCKER_LAYER),
    ];

    /// An image whose manifest and config are spelled by `spell`.
    fn image(
        format: Format,
        edit_config: &dyn Fn(&mut Value),
        edit_manifest: &dyn Fn(&mut Value),
        spell: &dyn Fn(&Value) -> String,
    ) -> (ImageManifest, ImageConfig) {
        let mut source = MemorySource::new("oci:app:1");
        let added = source.add_image_with("linux/amd64", &[b"base"], edit_config);
        let config: Value = serde_json::from_slice(&added.config).expect("config");
        let config = Bytes::from(spell(&config));
        let mut value: Value = serde_json::from_slice(&added.manifest.bytes).expect("manifest");
        value["config"]["digest"] = Digest::of(&config).to_string().into();
        value["config"]["size"] = config.len().into();
        edit_manifest(&mut value);
        let mut text = spell(&value);
        let mut media_type = media_type::OCI_MANIFEST;
        if format == Format::Docker {
            for (oci, docker) in DOCKER_TYPES {
                text = text.replace(oci, docker);
            }
            media_type = media_type::DOCKER_MANIFEST;
        }
        let raw = source.add_manifest(media_type, text);
        let manifest = ImageManifest::parse(raw, "app").expect("manifest");
        (manifest, ImageConfig::parse(config, "app").expect("config"))
    }

    fn repaired(
        manifest: &ImageManifest,
        config: &ImageConfig,
        layer: &PatchLayer,
    ) -> (ImageManifest, ImageConfig) {
        let new = rebuild(manifest, config, layer, &provenance()).expect("rebuild");
        let manifest = ImageManifest::parse(new.manifest, "app").expect("manifest");
        (manifest, ImageConfig::parse(new.config, "app").expect("config"))
    }

    #[test]
    fn the_original_comes_back_byte_for_byte() {
        let same: &dyn Fn(&mut Value) = &|_| ();
        type Edit = Box<dyn Fn(&mut Value)>;
        let edits: Vec<(&str, Edit, Edit)> = vec![
            ("plain", Box::new(same), Box::new(same)),
            (
                "no history",
                Box::new(|c| {
                    c.as_object_mut().and_then(|c| c.shift_remove("history"));
                }),
                Box::new(same),
            ),
            (
                "short history",
                Box::new(|c| c["history"] = json!([{"created_by": "ENV", "empty_layer": true}])),
                Box::new(same),
            ),
            (
                "surplus history",
                Box::new(|c| {
                    c["history"] = json!([{"empty_layer": false, "created_by": "a"}, {}, {}]);
                }),
                Box::new(same),
            ),
            (
                "numbers of any size",
                Box::new(|c| c["x"] = json!(["NUMBER", 9_007_199_254_740_993_u64])),
                Box::new(|m| m["x"] = "NUMBER".into()),
            ),
            ("null history", Box::new(|c| c["history"] = Value::Null), Box::new(same)),
            ("empty history", Box::new(|c| c["history"] = json!([])), Box::new(same)),
            ("null labels", Box::new(|c| c["config"]["Labels"] = Value::Null), Box::new(same)),
            (
                "labels",
                Box::new(|c| c["config"]["Labels"] = json!({"a": "<b> & c"})),
                Box::new(same),
            ),
            (
                "no run config",
                Box::new(|c| {
                    c.as_object_mut().and_then(|c| c.shift_remove("config"));
                }),
                Box::new(same),
            ),
            ("annotations", Box::new(same), Box::new(|m| m["annotations"] = json!({"a": "b"}))),
            ("empty annotations", Box::new(same), Box::new(|m| m["annotations"] = json!({}))),
            (
                "own base",
                Box::new(same),
                Box::new(|m| {
                    m["annotations"] =
                        json!({"org.opencontainers.image.base.name": "debian", "z": "1"})
                }),
            ),
        ];
        let go = |value: &Value| {
            value
                .to_string()
                .replace('<', "\\u003c")
                .replace('>', "\\u003e")
                .replace('&', "\\u0026")
        };
        let pretty = |value: &Value| {
            // more digits than a machine's numbers have, and more than are needed
            format!("{value:#}\n").replace("\"NUMBER\"", "18446744073709551617.10")
        };
        let spells: [&dyn Fn(&Value) -> String; 3] = [&ToString::to_string, &go, &pretty];
        for format in [Format::Oci, Format::Docker] {
            for (name, edit_config, edit_manifest) in &edits {
                for spell in spells {
                    let (manifest, config) = image(format, edit_config, edit_manifest, spell);
                    let (fixed, fixed_config) = repaired(&manifest, &config, &patch());
                    let parts = original_of(&fixed, &fixed_config).expect(name);
                    assert_eq!(parts.fidelity, Fidelity::Exact, "{name} {format:?}");
                    assert_eq!(parts.manifest.raw().bytes, manifest.raw().bytes, "{name}");
                    assert_eq!(parts.config.bytes(), config.bytes(), "{name}");
                    assert_eq!(parts.base_name, "oci:app:1");
                    assert_eq!(parts.original_digest, provenance().original_digest);
                }
            }
        }
    }

    #[test]
    fn repairing_again_replaces_the_patch_layer() {
        let (manifest, config) = image(Format::Oci, &|_| (), &|_| (), &ToString::to_string);
        let (once, once_config) = repaired(&manifest, &config, &patch());
        let original = original_of(&once, &once_config).expect("original");
        let second = PatchLayer { digest: Digest::of(b"second"), ..patch() };
        let (twice, _) = repaired(&original.manifest, &original.config, &second);
        let (direct, _) = repaired(&manifest, &config, &second);
        assert_eq!(twice.raw().bytes, direct.raw().bytes);
        assert_eq!(twice.layers().len(), 2);
    }

    #[test]
    fn a_converted_image_has_an_equivalent_original() {
        let (manifest, config) = image(Format::Oci, &|_| (), &|_| (), &|v| format!("{v:#}"));
        let (fixed, fixed_config) = repaired(&manifest, &config, &patch());
        // another tool wrote the manifest anew, without annotations
        let mut value = fixed.value().clone();
        value.as_object_mut().and_then(|map| map.shift_remove("annotations"));
        let bytes = Bytes::from(value.to_string());
        let media_type = media_type::OCI_MANIFEST.to_owned();
        let raw = RawManifest { media_type, digest: Digest::of(&bytes), bytes };
        let converted = ImageManifest::parse(raw, "app").expect("manifest");
        let parts = original_of(&converted, &fixed_config).expect("original");
        assert_eq!(parts.fidelity, Fidelity::Equivalent);
        assert_eq!(parts.config.bytes(), config.bytes());
        assert_eq!(parts.manifest.layers(), manifest.layers());
        assert_eq!(parts.original_manifest, manifest.digest());
    }

    #[test]
    fn other_images_have_no_original() {
        let (manifest, config) = image(Format::Oci, &|_| (), &|_| (), &ToString::to_string);
        assert!(original_of(&manifest, &config).is_none());
        let (_, fixed_config) = repaired(&manifest, &config, &patch());
        // built on top: one more layer after the patch
        let mut value = fixed_config.value().clone();
        if let Some(ids) = value.pointer_mut("/rootfs/diff_ids").and_then(Value::as_array_mut) {
            ids.push(Digest::of(b"more").to_string().into());
        }
        let on_top = ImageConfig::parse(value.to_string().into(), "app").expect("config");
        assert!(original_of(&manifest, &on_top).is_none());
    }
}
