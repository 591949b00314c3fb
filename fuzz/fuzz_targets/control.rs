//! deb822 text, and the relations, versions and scripts' names that its fields hold.
#![no_main]

use imgfix_dpkg::control::parse_stanzas;
use imgfix_dpkg::relations::{parse_clauses, parse_list, parse_provides};
use imgfix_versions::dpkg::Version;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(stanzas) = parse_stanzas(data.to_vec()) else { return };
    for stanza in stanzas {
        for field in stanza.fields() {
            let Ok(value) = std::str::from_utf8(field.value) else { continue };
            let _ = (parse_clauses(value), parse_list(value), parse_provides(value));
            if let Ok(version) = Version::parse(value.trim()) {
                let again = Version::parse(&version.to_string()).expect("a version");
                assert_eq!(version.cmp(&again), std::cmp::Ordering::Equal);
            }
        }
    }
});
