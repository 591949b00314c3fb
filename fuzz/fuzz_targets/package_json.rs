//! package.json of node modules: there is one name and one version that can be shown, written
//! and read to the same again, or the reason why not; and versions compare both ways alike.
#![no_main]

use imgfix_node::{ORDER, identity};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(found) = identity(data) else { return };
    for part in [found.name(), found.version()] {
        assert!(!part.is_empty() && !part.contains(char::is_control), "{part:?}");
    }
    let written =
        serde_json::json!({"name": found.name(), "version": found.version()}).to_string();
    let again = identity(written.as_bytes()).expect("it was read before");
    assert_eq!((again.name(), again.version()), (found.name(), found.version()));
    let there = ORDER.compare(found.version(), "1.0.0-rc.1");
    let back = ORDER.compare("1.0.0-rc.1", found.version());
    assert_eq!(there, back.map(std::cmp::Ordering::reverse));
});
