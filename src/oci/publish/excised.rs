//! An image with other lower layers: what was found in them is cut out.
//!
//! In come manifest and config, the layers that were written anew by their places, and what
//! becomes of the config; out come a manifest and a config that are built on as an original is
//! ([`super::rebuild()`], [`super::mark`]). A layer that is not named keeps its descriptor. What a
//! descriptor says of the content of its old blob (a table of contents for lazy pulling) goes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::PublishError;
use super::json_style::Editable;
use super::rebuild::{PatchLayer, list, point_at};
use crate::manifest::descriptor;
use crate::{ImageConfig, ImageManifest, RawManifest, compression_of};
use imgfix_model::digest::Digest;

/// Beginnings of annotations that are about a layer's bytes: eStargz, zstd:chunked.
const ABOUT_BYTES: [&str; 2] = ["containerd.io/snapshot/", "io.github.containers.zstd-chunked"];

/// Puts `layers` in the place of those at the same places (the lowest is 0); `edit` makes the
/// config, with its diff IDs.
///
/// # Errors
/// A layer is not compressed as its media type says, or is kept elsewhere than with the image; the
/// config is not the one of these layers.
pub fn excised(
    manifest: &ImageManifest,
    config: &ImageConfig,
    layers: &BTreeMap<usize, PatchLayer>,
    edit: &dyn Fn(&Value) -> Value,
) -> Result<(ImageManifest, ImageConfig), PublishError> {
    let place = "the image without what was cut out of it";
    let document = Editable::of(config.bytes(), config.value());
    let config_bytes = document.write(&edit(&document.value));
    let new_config = ImageConfig::parse(config_bytes.clone(), place)?;

    let document = Editable::of(&manifest.raw().bytes, manifest.value());
    let mut value = document.value.clone();
    let config_type = manifest.config().media_type().as_ref();
    let size = config_bytes.len() as u64;
    point_at(&mut value["config"], &descriptor(config_type, &Digest::of(&config_bytes), size));
    for (at, entry) in list(&mut value, "layers")?.iter_mut().enumerate() {
        let (Some(layer), Some(old)) = (layers.get(&at), manifest.layers().get(at)) else {
            continue;
        };
        let fail = |why: &str| PublishError::Rebuild(format!("layer {}: {why}", at + 1));
        let media_type = old.media_type().as_ref();
        if compression_of(media_type).is_some_and(|said| said != layer.compression) {
            return Err(fail("the new layer is not compressed as its media type says"));
        }
        if old.urls().as_ref().is_some_and(|urls| !urls.is_empty()) {
            return Err(fail("it is kept elsewhere than with the image and cannot be rewritten"));
        }
        point_at(entry, &descriptor(media_type, &layer.digest, layer.size));
        if let Some(Value::Object(annotations)) = entry.get_mut("annotations") {
            annotations.retain(|key, _| !ABOUT_BYTES.iter().any(|about| key.starts_with(about)));
        }
    }
    let bytes = document.write(&value);
    let media_type = manifest.raw().media_type.clone();
    let raw = RawManifest { media_type, digest: Digest::of(&bytes), bytes };
    let new_manifest = ImageManifest::parse(raw, place)?;
    new_config.check_layers(&new_manifest, place)?;
    for (at, (new, old)) in new_config.diff_ids().iter().zip(config.diff_ids()).enumerate() {
        let wanted = layers.get(&at).map_or(old, |layer| &layer.diff_id);
        if new != wanted {
            let why = format!("layer {}: the config has another diff ID", at + 1);
            return Err(PublishError::Rebuild(why));
        }
    }
    Ok((new_manifest, new_config))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::provenance::{BASE_DIGEST, BASE_NAME, EXCISED, Excised, ORIGINAL_MANIFEST};
    use super::super::testing::{patch, provenance};
    use super::super::{Fidelity, Provenance, mark, original_of, rebuild};
    use super::*;
    use crate::testing::MemorySource;
    use crate::{Document, load};
    use imgfix_model::digest::DiffId;
    use imgfix_vfs::Compression;

    fn image() -> (ImageManifest, ImageConfig) {
        let mut source = MemorySource::new("oci:app:1");
        let added = source.add_image("linux/amd64", &[b"base", b"app"]);
        let mut value: Value = serde_json::from_slice(&added.manifest.bytes).expect("manifest");
        value["annotations"] = json!({BASE_DIGEST: "sha256:own", "a": "b"});
        value["layers"][0]["annotations"] =
            json!({"containerd.io/snapshot/stargz/toc.digest": "x", "c": "d"});
        let raw = source.add_manifest(crate::media_type::OCI_MANIFEST, value.to_string());
        source.set_root_manifest(&added);
        let set = load(&source, None).expect("set");
        let Document::Manifest(_) = &set.root else { panic!() };
        let manifest = ImageManifest::parse(raw, "app").expect("manifest");
        (manifest, set.images[0].config.clone())
    }

    fn layers(manifest: &ImageManifest) -> BTreeMap<usize, PatchLayer> {
        let compression = compression_of(manifest.layers()[0].media_type().as_ref());
        let compression = compression.unwrap_or(Compression::Gzip);
        let diff_id = DiffId(Digest::of(b"new, unpacked"));
        [(0, PatchLayer { digest: Digest::of(b"new"), diff_id, size: 3, compression })].into()
    }

    fn edit(value: &Value) -> Value {
        let mut value = value.clone();
        value["rootfs"]["diff_ids"][0] = Digest::of(b"new, unpacked").to_string().into();
        value
    }

    #[test]
    fn only_what_was_rewritten_is_new() {
        let (manifest, config) = image();
        let (new, new_config) =
            excised(&manifest, &config, &layers(&manifest), &edit).expect("new");
        let value = new.value();
        assert_eq!(value["layers"][0]["digest"], Digest::of(b"new").to_string());
        assert_eq!(value["layers"][0]["annotations"], json!({"c": "d"}));
        assert_eq!(value["layers"][1], manifest.value()["layers"][1]);
        assert_eq!(new_config.diff_ids()[1], config.diff_ids()[1]);
        assert_eq!(value["config"]["digest"], Digest::of(new_config.bytes()).to_string());
        let none = excised(&manifest, &config, &BTreeMap::new(), &Clone::clone).expect("same");
        assert_eq!(none.0.raw().bytes, manifest.raw().bytes, "nothing cut, nothing changed");
        let stale = excised(&manifest, &config, &layers(&manifest), &Clone::clone);
        assert!(stale.unwrap_err().to_string().contains("another diff ID"));
        let mut other = layers(&manifest);
        other.values_mut().for_each(|layer| layer.compression = Compression::Zstd);
        let error = excised(&manifest, &config, &other, &edit).unwrap_err().to_string();
        assert!(error.contains("compressed"), "{error}");
    }

    #[test]
    fn the_original_is_known_by_its_digest_and_what_is_gone_stays_gone() {
        let (manifest, config) = image();
        let (cut, cut_config) =
            excised(&manifest, &config, &layers(&manifest), &edit).expect("new");
        let old: Digest = manifest.layers()[0].digest().as_ref().parse().expect("digest");
        let record = Excised { original_manifest: manifest.digest(), layers: [(0, old)].into() };
        let provenance = Provenance { excised: Some(record.clone()), ..provenance() };
        let patched = rebuild(&cut, &cut_config, &patch(), &provenance).expect("patched");
        let marked = mark(&cut, &cut_config, &provenance).expect("marked");
        for (raw, config, count) in
            [(patched.manifest, patched.config, 3), (marked.manifest, marked.config, 2)]
        {
            let manifest_of = ImageManifest::parse(raw, "app").expect("manifest");
            let config_of = ImageConfig::parse(config, "app").expect("config");
            assert_eq!(manifest_of.layers().len(), count);
            config_of.check_layers(&manifest_of, "app").expect("layers");
            let annotations = &manifest_of.value()["annotations"];
            assert_eq!(annotations[BASE_DIGEST], Value::Null, "it is not that base any more");
            assert_eq!(annotations[BASE_NAME], "oci:app:1");
            assert_eq!(annotations[ORIGINAL_MANIFEST], manifest.digest().to_string());
            assert_eq!(annotations[EXCISED], format!("0:{old}"));
            let parts = original_of(&manifest_of, &config_of).expect("a repaired image");
            assert_eq!(parts.fidelity, Fidelity::Excised);
            assert_eq!(parts.original_manifest, manifest.digest());
            assert_eq!(parts.excised, Some(record.clone()));
            assert_eq!(parts.manifest.raw().bytes, cut.raw().bytes, "without the marks");
            assert_eq!(parts.config.bytes(), cut_config.bytes());
            // a record that cannot be read tells of no original
            let text = std::str::from_utf8(config_of.bytes()).expect("text");
            let damaged = text.replace(&format!("{EXCISED}=0:"), &format!("{EXCISED}=x:"));
            assert_ne!(damaged, text);
            let damaged = ImageConfig::parse(damaged.into(), "app").expect("config");
            assert!(original_of(&manifest_of, &damaged).is_none());
        }
    }
}
