//! Settings in XML, of Tomcat and Hadoop: the first byte says of which. They are read or refused, and what is
//! set holds.
#![no_main]

#[path = "../settings.rs"]
mod settings;

use imgfix_settings::Format;
use libfuzzer_sys::fuzz_target;

const ASKED: [(Format, &str, &str); 4] = [
    (Format::TomcatServer, "a@k", "new"),
    (Format::TomcatServer, "b/c[k=v]@n", "new"),
    (Format::TomcatUsers, "user[v]@roles", "new"),
    (Format::Hadoop, "key", "new"),
];

fuzz_target!(|data: &[u8]| settings::ask(&ASKED, data));
