//! Artifacts with one file: a manifest whose one layer is the file itself, as `oras push` makes
//! them (<https://github.com/opencontainers/image-spec/blob/main/artifacts-guidance.md>).
//!
//! In comes a source whose reference has a digest, with the media types and the size that the
//! caller takes; out goes the file, whose digest was checked on the way.

use bytes::Bytes;
use oci_spec::image::Descriptor;

use super::manifest::{
    MAX_LAYERS, MAX_MANIFEST, array, counted, parse_json, read_descriptor, refuse_field,
    resolve_media_type,
};
use super::media_type::{DOCKER_LIST, OCI_INDEX};
use super::transport::{ImageError, RawManifest, Source};
use super::verified::read_small;

/// The one file of an artifact.
///
/// # Errors
/// The artifact cannot be read, or is damaged; it has no layer or several; its layer is of none of
/// `media_types`, or larger than `limit` bytes.
pub fn read_file(
    source: &dyn Source,
    media_types: &[&str],
    limit: u64,
) -> Result<Bytes, ImageError> {
    let place = source.reference().to_string();
    let layer = only_layer(&source.root()?, &place)?;
    let media_type = layer.media_type().as_ref();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if !media_types.contains(&essence) {
        return Err(ImageError::MediaType {
            place,
            media_type: media_type.chars().take(200).collect(),
            why: format!("want a layer of {}", media_types.join(" or ")),
        });
    }
    // Not opened for nothing when it is too large.
    if layer.size() > limit {
        let why = format!("its layer has {} bytes, more than the {limit} allowed", layer.size());
        return Err(ImageError::invalid(place, why));
    }
    read_small(source.blob(&layer)?, &layer, limit, &place)
}

/// The one layer of a manifest, be it of an image or of something else.
fn only_layer(raw: &RawManifest, place: &str) -> Result<Descriptor, ImageError> {
    let value = parse_json(&raw.bytes, MAX_MANIFEST, place)?;
    let media_type = resolve_media_type(&raw.media_type, &value, place)?;
    if [OCI_INDEX, DOCKER_LIST].contains(&media_type) {
        let why = "this is an index of several; name the digest of the one that is meant";
        let (place, media_type) = (place.to_owned(), media_type.to_owned());
        return Err(ImageError::MediaType { place, media_type, why: why.to_owned() });
    }
    refuse_field(&value, "manifests", "an index", place)?;
    match array(&value, "layers", MAX_LAYERS, place)? {
        [layer] => read_descriptor(Some(layer), &format!("{place}: layer 1")),
        layers => Err(ImageError::invalid(
            place,
            format!(
                "it has {}, and must have one, which is the file: 'oras push NAME:TAG \
                 FILE:MEDIA-TYPE' makes such",
                counted(layers.len(), "layer")
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::media_type::OCI_MANIFEST;
    use super::super::testing::MemorySource;
    use super::*;

    const TYPES: [&str; 2] = ["application/toml", "text/plain"];

    /// A source with an artifact of these layers, and its manifest for changes.
    fn artifact(layers: &[(&str, &str)], edit: impl FnOnce(&mut Value)) -> MemorySource {
        let mut source = MemorySource::new("docker://r.example/policy:1");
        let layers: Vec<Value> = layers
            .iter()
            .map(|(media_type, text)| {
                let layer = source.add_blob(media_type, text.as_bytes().to_vec());
                serde_json::to_value(layer).expect("json")
            })
            .collect();
        let empty = source.add_blob("application/vnd.oci.empty.v1+json", &b"{}"[..]);
        let mut manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "artifactType": "application/vnd.imgfix.policy.v1+toml",
            "config": serde_json::to_value(empty).expect("json"), "layers": layers});
        edit(&mut manifest);
        source.set_root("", &manifest);
        source
    }

    fn read(source: &MemorySource) -> Result<String, String> {
        let read = read_file(source, &TYPES, 16).map_err(|error| error.to_string())?;
        Ok(String::from_utf8(read.to_vec()).expect("text"))
    }

    #[test]
    fn the_one_layer_is_the_file() {
        for media_type in ["application/toml", "text/plain", "text/plain; charset=utf-8"] {
            let source = artifact(&[(media_type, "strict = true")], |_| ());
            assert_eq!(read(&source), Ok("strict = true".to_owned()), "{media_type}");
        }
        let full = "0123456789abcdef";
        assert_eq!(read(&artifact(&[("text/plain", full)], |_| ())), Ok(full.to_owned()));
    }

    #[test]
    fn anything_else_is_one_error_that_names_the_artifact() {
        let toml = ("application/toml", "a = 1");
        let none = |_: &mut Value| ();
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []});
        for (source, want) in [
            (artifact(&[], none), "it has 0 layers, and must have one"),
            (artifact(&[toml, ("text/plain", "b")], none), "it has 2 layers, and must have one"),
            (artifact(&[("application/x-tar", "a")], none), "want a layer of application/toml or"),
            (artifact(&[("text/plain", "0123456789abcdefg")], none), "17 bytes, more than the 16"),
            (
                artifact(&[toml], |it| it["layers"][0]["size"] = 4.into()),
                "its content has the digest",
            ),
            (artifact(&[toml], |it| *it = index), "this is an index of several"),
            (artifact(&[toml], |it| it["manifests"] = json!([])), "its kind is ambiguous"),
            (artifact(&[toml], |it| *it = json!({"schemaVersion": 1})), "schema 1 was retired"),
            (artifact(&[toml], |it| *it = json!([])), "not a JSON object"),
        ] {
            let error = read(&source).expect_err(want);
            assert!(error.contains(want), "{want}: {error}");
            // What a source does not get as it was promised is told by the source.
            let by = match want {
                "its content has the digest" => "memory: blob sha256:",
                _ => "docker://r.example/policy:1",
            };
            assert!(error.starts_with(by), "{error}");
        }
    }
}
