//! rpm's `Packages.db`: any bytes are read, with numbers that ascend, or refused.
#![no_main]

use imgfix_rpm::database::ndb::records;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(records) = records(&data.to_vec().into()) else { return };
    assert!(records.windows(2).all(|pair| pair[0].number < pair[1].number));
});
