//! A package archive of rpm: any bytes are unpacked within the limits or refused.
#![no_main]

use imgfix_repair::archive::Limits;
use imgfix_rpm::archive::{inspect, unpack};
use imgfix_vfs::Spool;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let limits = Limits { payload_bytes: 64 << 20, ..Limits::default() };
    let looked_at = inspect(data, &limits);
    let Ok(spool) = Spool::new() else { return };
    if let Ok(package) = unpack(data, &spool, &limits) {
        assert_eq!(looked_at.expect("a package that unpacks has headers"), package.headers);
    }
});
