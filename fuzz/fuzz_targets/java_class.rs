//! A class file: it goes together with itself, whatever it says.
#![no_main]

use std::collections::BTreeMap;

use imgfix_java::{ClassPath, Code, Words, broken};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut words = Words::default();
    let mut code = Code::default();
    code.add(data, &mut words);
    let path: ClassPath<'_> = BTreeMap::from([("a".to_owned(), &code)]);
    assert_eq!(broken(&path, &path, &mut words), Ok(Vec::new()));
});
