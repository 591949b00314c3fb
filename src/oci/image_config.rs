//! [`ImageConfig`]: what an image runs on, its layers' identities, its history.
//!
//! In come the bytes of a config; out goes the JSON as it was, so that fields nobody here knows
//! survive a rebuild, with typed access to the few that matter. OCI
//! (<https://github.com/opencontainers/image-spec/blob/main/config.md>) and Docker have the same
//! fields.

use bytes::Bytes;
use serde_json::Value;

use super::ImageError;
use super::manifest::{ImageManifest, MAX_CONFIG, MAX_LAYERS, array, counted, parse_json};
use imgfix_model::digest::DiffId;
use imgfix_model::platform::Platform;

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
        let (layers, ids) = (manifest.layers().len(), self.diff_ids.len());
        if layers == ids {
            return Ok(());
        }
        let (layers, ids) = (counted(layers, "layer"), counted(ids, "diff ID"));
        let why = format!("the manifest has {layers} but its config names {ids}");
        Err(ImageError::invalid(place, why))
    }
}

/// The platform of a config, or of a descriptor in an index; `None` when it names none.
pub(super) fn read_platform(value: &Value) -> Option<Platform> {
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

    use super::super::testing::{D1, manifest, raw};
    use super::super::{ImageConfig, media_type};
    use super::*;

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
        assert!(error.contains("2 layers") && error.ends_with("1 diff ID"), "{error}");
        for bad in [json!({}), json!({"os": "linux", "architecture": ""}), json!([])] {
            assert!(ImageConfig::parse(bad.to_string().into(), "app").is_err(), "{bad}");
        }
    }
}
