//! A repository's InRelease: split, verified, parsed. No text is accepted but the seeds' own.
#![no_main]

use std::sync::LazyLock;

use imgfix_apt::release::ReleaseFile;
use imgfix_repository::cleartext::Cleartext;
use imgfix_repository::signature::{Keyring, verify_cleartext, verify_detached};
use libfuzzer_sys::fuzz_target;

/// The time of verification: after the fixtures were signed.
const NOW: i64 = 1_900_000_000;

static KEYRING: LazyLock<Keyring> = LazyLock::new(|| {
    let key = include_bytes!("../../fixtures/repository/key.asc");
    Keyring::parse("key.asc", key).expect("the fixtures' key")
});
static SIGNED: LazyLock<String> = LazyLock::new(|| {
    let bytes = include_bytes!("../../fixtures/repository/dists/bookworm-security/InRelease");
    let text = Cleartext::split(bytes).expect("the fixtures' InRelease").text();
    String::from_utf8(text).expect("text")
});

fuzz_target!(|data: &[u8]| {
    if let Ok((text, _)) = verify_cleartext("InRelease", data, &KEYRING, NOW) {
        assert_eq!(text, *SIGNED, "a signature over another text was accepted");
    }
    let _ = verify_detached("Release.gpg", SIGNED.as_bytes(), data, &KEYRING, NOW);
    let _ = Keyring::parse("key.asc", data);
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = ReleaseFile::parse("Release", text);
    }
    if let Ok(split) = Cleartext::split(data)
        && let Ok(text) = String::from_utf8(split.text())
    {
        let _ = ReleaseFile::parse("InRelease", &text);
    }
});
