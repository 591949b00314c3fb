//! Rich dependencies and versions of rpm: what is read is written and read to the same again, and
//! orders are the same from both sides.
#![no_main]

use imgfix_rpm::relation::Rich;
use imgfix_versions::rpm::Evr;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(rich) = Rich::parse(text) {
        assert!(!rich.relations().is_empty());
        let written = rich.to_string();
        if written.starts_with('(') {
            assert_eq!(Rich::parse(&written).expect("what was written is read"), rich);
        }
    }
    let (a, b) = text.split_once('\n').unwrap_or((text, text));
    if let (Ok(a), Ok(b)) = (Evr::parse(a), Evr::parse(b)) {
        assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        assert_eq!(Evr::parse(&a.to_string()).expect("what was written is read"), a);
    }
});
