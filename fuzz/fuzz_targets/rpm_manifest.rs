//! A distroless image's list of rpm packages: what is read is written back as it was.
#![no_main]

use imgfix_rpm::database::manifest::packages;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(packages) = packages(data) else { return };
    let lines: String = packages.iter().map(|package| package.line()).collect();
    assert_eq!(lines.trim_end_matches('\n').as_bytes(), data.strip_suffix(b"\n").unwrap_or(data));
});
