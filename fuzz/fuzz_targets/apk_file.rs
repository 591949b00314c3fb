//! An apk package: any bytes are unpacked within the limits or refused.
#![no_main]

use imgfix_apk::apk_file::{inspect_control, unpack};
use imgfix_repair::archive::Limits;
use imgfix_vfs::Spool;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let looked_at = inspect_control(data);
    let Ok(spool) = Spool::new() else { return };
    if let Ok(package) = unpack(data, &spool, &Limits::default()) {
        let control = looked_at.expect("a package that unpacks has a control member");
        assert_eq!(control, package.control);
        assert!(package.payload.iter().all(|entry| !entry.path.is_root()));
    }
});
