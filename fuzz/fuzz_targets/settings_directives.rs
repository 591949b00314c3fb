//! Settings of programs with directives, a line or a block each: the first byte says which program. They are
//! read or refused, and what is set holds.
#![no_main]

#[path = "../settings.rs"]
mod settings;

use imgfix_settings::Format;
use libfuzzer_sys::fuzz_target;

const ASKED: [(Format, &str, &str); 15] = [
    (Format::Sshd, "key", "new"),
    (Format::Redis, "key", "new"),
    (Format::Mysql, "group.key", "new"),
    (Format::Postgresql, "key", "new"),
    (Format::PgHba, "host", "md5"),
    (Format::Nginx, "key", "new"),
    (Format::Nginx, "http.key.k", "new"),
    (Format::Apache, "key", "new"),
    (Format::Apache, "a[x].key", "new"),
    (Format::Memcached, "-p", "1"),
    (Format::Properties, "key", "new"),
    (Format::Ini, "group.key", "new"),
    (Format::Sysctl, "key", "new"),
    (Format::LoginDefs, "key", "new"),
    (Format::ShellVariables, "key", "new"),
];

fuzz_target!(|data: &[u8]| settings::ask(&ASKED, data));
