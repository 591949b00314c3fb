//! Maven's settings.xml and maven-metadata.xml: what comes out can be asked for.
#![no_main]

use imgfix_java::{metadata_versions, settings};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(found) = settings(data, &|_| Some("x".to_owned())) {
        for place in found.registries.places {
            assert!(place.url.ends_with('/') && !place.url.contains(char::is_whitespace));
        }
    }
    for version in metadata_versions(data).unwrap_or_default() {
        assert!(!version.is_empty() && !version.contains(['/', '\\']) && !version.contains(".."));
    }
});
