//! Settings in YAML, in MongoDB's forms and in JSON (by the first byte). They are read or refused, and what is
//! set holds.
#![no_main]

#[path = "../settings.rs"]
mod settings;

use imgfix_settings::Format;
use libfuzzer_sys::fuzz_target;

const ASKED: [(Format, &str, &str); 5] = [
    (Format::Yaml, "key", "new"),
    (Format::Yaml, "key.v", "new"),
    (Format::Mongod, "security.authorization", "enabled"),
    (Format::Json, "key", "new"),
    (Format::Json, "key.v", "1"),
];

fuzz_target!(|data: &[u8]| settings::ask(&ASKED, data));
