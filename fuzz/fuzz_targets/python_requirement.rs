//! Requirements with their markers, and version specifiers: what is read answers, and specifiers
//! are shown as they are read.
#![no_main]

use imgfix_python::marker::Variables;
use imgfix_python::requirement::Requirement;
use imgfix_python::specifiers::{Specifiers, Version};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let version: Version = "1.2.3".parse().expect("a version");
    if let Ok(found) = text.parse::<Requirement>() {
        assert!(text.contains(&found.name));
        let variables = Variables {
            python_version: Some("3.11".into()),
            python_full_version: None,
            platform_machine: "x86_64".into(),
        };
        let without = found.applies::<&str>(&variables, &[]);
        // more extras never take a requirement away
        assert!(!without || found.applies(&variables, &["socks"]));
        let _ = found.specifiers.allow(&version);
    }
    if let Ok(found) = text.parse::<Specifiers>() {
        let again: Specifiers = found.to_string().parse().expect("what we wrote");
        assert_eq!(again, found);
        assert_eq!(again.allow(&version), found.allow(&version));
        assert!(Specifiers::lenient(text).is_ok());
    }
});
