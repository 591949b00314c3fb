//! The JSON documents of an image: index, manifest and config are read or refused; what is read
//! keeps its bytes, and a config fits a manifest or the difference is an error.
#![no_main]

use imgfix_oci::media_type;
use imgfix_model::digest::Digest;
use imgfix_oci::{Document, ImageConfig, ImageManifest, RawManifest};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // Two documents with a NUL between them.
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let first = parts.next().unwrap_or_default();
    let second = parts.next().unwrap_or_default();
    let config = ImageConfig::parse(second.to_vec().into(), "config").ok();
    for kind in [media_type::OCI_MANIFEST, media_type::OCI_INDEX] {
        let bytes = bytes::Bytes::copy_from_slice(first);
        let digest = Digest::of(&bytes);
        let raw = RawManifest { media_type: kind.into(), digest, bytes };
        let _ = Document::parse(raw.clone(), "document");
        let Ok(manifest) = ImageManifest::parse(raw, "manifest") else { continue };
        assert_eq!(manifest.raw().bytes, first);
        assert_eq!(manifest.digest(), digest);
        if let Some(config) = &config
            && config.check_layers(&manifest, "image").is_ok()
        {
            assert_eq!(manifest.layers().len(), config.diff_ids().len());
        }
    }
    if let Some(config) = config {
        assert_eq!(config.bytes(), second);
    }
});
