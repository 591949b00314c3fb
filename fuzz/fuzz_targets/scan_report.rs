//! A report of any scanner, JSON or text, told apart by its content: it is read or refused with one
//! error, and what is read, merged with itself, is no more than it was.
#![no_main]

use imgfix_findings::{merge, parse_report};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(report) = parse_report("report.json", data) else { return };
    let once = merge(vec![report.clone()]);
    assert_eq!(merge(vec![report.clone(), report]).len(), once.len());
});
