//! A script: its tree, or one error with a line of it.
#![no_main]

use imgfix_shell::syntax::{Dialect, Parser};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let lines = data.iter().filter(|b| **b == b'\n').count() + 1;
    for dialect in [Dialect::Posix, Dialect::Bash] {
        if let Err(error) = Parser::new(data, dialect).all() {
            assert!(error.line >= 1 && error.line as usize <= lines, "{error} of {lines}");
        }
    }
});
