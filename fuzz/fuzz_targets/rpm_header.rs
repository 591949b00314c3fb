//! A header of rpm's database: refused, or read to values that do not leave it, and put behind
//! its own region again.
#![no_main]

use bytes::Bytes;
use imgfix_rpm::header::{Header, NewHeader, tag};
use imgfix_rpm::package::{Package, RelationKind, ScriptletKind, TriggerKind};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(header) = Header::parse(Bytes::copy_from_slice(data)) else { return };
    for entry in header.entries() {
        assert!(header.get(entry.tag).is_some(), "{entry:?}");
    }
    if header.region().is_some_and(|region| region.tag == tag::HEADERIMMUTABLE) {
        let mut new = NewHeader::default();
        new.number(tag::INSTALLTIME, 1);
        if let Ok(stored) = new.behind_region(&header) {
            assert_eq!(stored.as_in_archive(), header.as_in_archive());
        }
    }
    let Ok(package) = Package::new(header) else { return };
    let _ = package.evr();
    let _ = package.scriptlet(ScriptletKind::Post);
    assert!(package.changelog().count() <= data.len());
    if let Ok(files) = package.files() {
        assert_eq!(files.iter().count(), files.len());
    }
    for kind in RelationKind::ALL {
        let _ = package.relations(kind);
    }
    for kind in TriggerKind::ALL {
        let _ = package.triggers(kind);
    }
});
