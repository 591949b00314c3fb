//! The simple index, JSON or HTML, and pip's settings.
#![no_main]

use imgfix_python::{index, pip_conf};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(files) = index::read(data) {
        assert!(files.iter().all(|file| !file.url.contains('#')));
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(found) = pip_conf::registries(&[text], &|_| None, Some(text))
    {
        assert!(found.places.iter().all(|place| place.url.ends_with('/')));
    }
});
