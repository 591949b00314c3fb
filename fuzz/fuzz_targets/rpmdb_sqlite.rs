//! rpm's `rpmdb.sqlite` with a write-ahead log: any bytes are read, with numbers that ascend, or
//! refused. The first two bytes say how many bytes of the rest are the log.
#![no_main]

use imgfix_rpm::database::sqlite::{records, with_log};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((length, rest)) = data.split_first_chunk::<2>() else { return };
    let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
    let (database, wal) = rest.split_at(rest.len() - length);
    let Ok(whole) = with_log(database.to_vec().into(), Some(wal)) else { return };
    let Ok(records) = records(whole) else { return };
    assert!(records.windows(2).all(|pair| pair[0].number < pair[1].number));
});
