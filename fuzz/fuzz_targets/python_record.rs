//! RECORD of an installed distribution, and entry_points.txt: what is read is written and read
//! again as it was, and a program's name is a file's.
#![no_main]

use imgfix_python::entry_points;
use imgfix_python::record::{LineEnd, read, write};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(mut rows) = read(data) {
        rows.sort();
        for end in [LineEnd::CrLf, LineEnd::Lf] {
            let again = read(&write(rows.clone(), end)).expect("what we wrote");
            // a byte order mark in front is none of a path's
            if !rows.first().is_some_and(|row| row.path.starts_with('\u{feff}')) {
                assert_eq!(again, rows);
            }
        }
    }
    for script in entry_points::scripts(data).unwrap_or_default() {
        assert!(!script.name.is_empty() && !script.name.contains('/'), "{script:?}");
        assert!(script.name != ".." && !script.function.contains('('), "{script:?}");
    }
});
