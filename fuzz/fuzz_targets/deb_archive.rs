//! A package archive: any bytes are unpacked within the limits or refused.
#![no_main]

use imgfix_repair::archive::Limits;
use imgfix_dpkg::deb::{inspect_control, unpack};
use imgfix_vfs::Spool;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let limits = Limits::default();
    let looked_at = inspect_control(data, &limits);
    let Ok(spool) = Spool::new() else { return };
    if let Ok(package) = unpack(data, &spool, &limits) {
        let control = looked_at.expect("a package that unpacks has a control part");
        assert_eq!(control.name(), package.control.name());
    }
});
