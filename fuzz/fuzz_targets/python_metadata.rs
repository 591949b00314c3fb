//! METADATA and PKG-INFO of Python distributions: there is one name and one version that can be
//! shown, which are in the text, or the reason why not; and versions compare both ways alike.
#![no_main]

use imgfix_python::{ORDER, identity, same_name};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(found) = identity(data) else { return };
    let text = String::from_utf8_lossy(data);
    for part in [found.name(), found.version()] {
        assert!(!part.is_empty() && !part.contains(char::is_control), "{part:?}");
        assert!(text.contains(part), "{part:?}");
    }
    assert!(same_name(found.name(), &found.name().to_ascii_uppercase()));
    let there = ORDER.compare(found.version(), "1.0.post1");
    let back = ORDER.compare("1.0.post1", found.version());
    assert_eq!(there, back.map(std::cmp::Ordering::reverse));
});
