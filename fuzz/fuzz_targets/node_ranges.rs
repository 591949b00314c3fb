//! npm's ranges and what dependencies say: whatever is read answers every version in the same way
//! twice, a plain version allows itself, and a range with `|| *` behind it allows every release.
#![no_main]

use imgfix_node::{ORDER, Range, Spec};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (range, version) = text.split_once('\n').unwrap_or((text, "1.2.3"));
    let spec = Spec::parse(range);
    assert_eq!(spec.allows("a", "a", version), Spec::parse(range).allows("a", "a", version));
    let Some(found) = Range::parse(range) else { return };
    if ORDER.is_valid(range) && ORDER.is_valid(version) {
        let same = ORDER.compare(range, version) == Some(std::cmp::Ordering::Equal);
        // a version that is alone allows what compares as itself
        assert_eq!(found.allows(version), same, "{range:?} {version:?}");
    }
    // (with a blank: of three bars the first two are the sign)
    if let Some(wider) = Range::parse(&format!("{range} || *")) {
        assert!(wider.allows("1.2.3"), "{range:?}");
    }
});
