//! A zip archive: what is read is within its bounds, a rewriting without changes is the same bytes,
//! and without its first entry all others hold what they held.
#![no_main]

use imgfix_zip::{Archive, Change, Limits, Names};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let limits = Limits { total: 64 << 20, ..Limits::PACKAGE };
    let read = |bytes| Archive::read(bytes, limits, Names::LookedInto);
    let Ok(archive) = read(bytes::Bytes::copy_from_slice(data)) else { return };
    let contents: Vec<_> =
        archive.entries().iter().map(|entry| archive.content(entry).ok()).collect();
    assert_eq!(archive.rewrite(&[].into(), &[]).expect("nothing changes"), data);
    if contents.is_empty() {
        return;
    }
    if let Ok(again) = archive.rewrite(&[(0, Change::Removed)].into(), &[]) {
        let again = read(again).expect("it was written");
        let after: Vec<_> = again.entries().iter().map(|entry| again.content(entry).ok()).collect();
        assert_eq!(contents[1..], after);
    }
});
