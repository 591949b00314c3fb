//! Small images, made through the library itself.

use std::io::Write;
use std::path::Path;

use imgfix_host::unfinished::Unfinished;
use imgfix_model::digest::Digest;
use imgfix_oci::layout::{LayoutSink, LayoutSource};
use imgfix_oci::media_type;
use imgfix_oci::{RawManifest, Sink, descriptor};
use serde_json::{Value, json};

/// A tar layer with one file.
pub fn layer(name: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, name, content).expect("tar");
    builder.into_inner().expect("tar")
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("gzip");
    encoder.finish().expect("gzip")
}

fn put(sink: &dyn Sink, media_type: &str, bytes: Vec<u8>) -> Value {
    let blob = descriptor(media_type, &Digest::of(&bytes), bytes.len() as u64);
    sink.put_blob(&blob, &|| Ok(Box::new(std::io::Cursor::new(bytes.clone())))).expect("blob");
    serde_json::to_value(blob).expect("json")
}

fn raw(media_type: &str, value: &Value) -> RawManifest {
    let bytes = bytes::Bytes::from(value.to_string());
    RawManifest { media_type: media_type.into(), digest: Digest::of(&bytes), bytes }
}

fn manifest(sink: &dyn Sink, architecture: &str, layers: &[Vec<u8>]) -> RawManifest {
    let ids: Vec<_> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    let config = json!({"created": "2024-01-02T03:04:05Z", "architecture": architecture,
        "os": "linux", "config": {"Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": ids},
        "history": vec![json!({"created_by": "test"}); layers.len()]});
    let config = put(sink, media_type::OCI_CONFIG, config.to_string().into_bytes());
    let layers: Vec<_> =
        layers.iter().map(|layer| put(sink, media_type::OCI_LAYER_GZIP, gzip(layer))).collect();
    let value = json!({"schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST,
        "config": config, "layers": layers});
    let manifest = raw(media_type::OCI_MANIFEST, &value);
    sink.put_manifest(&manifest).expect("manifest");
    manifest
}

/// A layout with one image of gzip layers.
pub fn layout(dir: &Path, tag: &str, layers: &[Vec<u8>]) -> LayoutSource {
    let sink = LayoutSink::open(dir, Some(tag), &Unfinished::default()).expect("layout");
    let manifest = manifest(&sink, "amd64", layers);
    sink.tag(&manifest).expect("tag");
    LayoutSource::open(dir, Some(tag)).expect("layout")
}

/// A layout with one image of these layers as they are stored: gzip, whatever is in it. The
/// config's diff IDs are not theirs.
pub fn layout_of_blobs(dir: &Path, tag: &str, blobs: &[Vec<u8>]) {
    let sink = LayoutSink::open(dir, Some(tag), &Unfinished::default()).expect("layout");
    let ids = vec![Digest::of(b"another").to_string(); blobs.len()];
    let config = json!({"created": "2024-01-02T03:04:05Z", "architecture": "amd64", "os": "linux",
        "config": {}, "rootfs": {"type": "layers", "diff_ids": ids}});
    let config = put(&sink, media_type::OCI_CONFIG, config.to_string().into_bytes());
    let put_layer = |blob: &Vec<u8>| put(&sink, media_type::OCI_LAYER_GZIP, blob.clone());
    let layers: Vec<_> = blobs.iter().map(put_layer).collect();
    let value = json!({"schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST,
        "config": config, "layers": layers});
    let manifest = raw(media_type::OCI_MANIFEST, &value);
    sink.put_manifest(&manifest).expect("manifest");
    sink.tag(&manifest).expect("tag");
}

/// A layout with an index of two platforms that share their first layer.
pub fn index_layout(dir: &Path, tag: &str, shared: &[u8]) -> LayoutSource {
    let platform = |architecture: &'static str| {
        (architecture, vec![shared.to_vec(), layer("architecture", architecture.as_bytes())])
    };
    platforms_layout(dir, tag, &[platform("amd64"), platform("arm64")])
}

/// A layout with an index of these architectures.
pub fn platforms_layout(dir: &Path, tag: &str, images: &[(&str, Vec<Vec<u8>>)]) -> LayoutSource {
    let sink = LayoutSink::open(dir, Some(tag), &Unfinished::default()).expect("layout");
    let manifests: Vec<_> = images
        .iter()
        .map(|(architecture, layers)| {
            let manifest = manifest(&sink, architecture, layers);
            json!({"mediaType": manifest.media_type, "digest": manifest.digest.to_string(),
                "size": manifest.bytes.len(),
                "platform": {"os": "linux", "architecture": architecture}})
        })
        .collect();
    let index = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX,
        "manifests": manifests});
    sink.tag(&raw(media_type::OCI_INDEX, &index)).expect("tag");
    LayoutSource::open(dir, Some(tag)).expect("layout")
}
