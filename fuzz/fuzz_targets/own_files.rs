//! Files that a pull request may bring: a policy and a saved plan. They are read or refused, and
//! a plan that was read is written as a plan that reads the same.
#![no_main]

use std::path::Path;

use imgfix_model::plan::Plan;
use imgfix::policy::Standing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for standing in [Standing::Trusted, Standing::Found] {
        if let Ok(text) = std::str::from_utf8(data)
            && let Err(error) = imgfix::policy::parse("imgfix.toml", text, Path::new("/"), standing)
        {
            assert!(error.to_string().starts_with("imgfix.toml"), "{error}");
        }
    }
    if let Ok(plan) = Plan::load(data) {
        let text = serde_json::to_vec(&plan).expect("JSON");
        let again = Plan::load(&text).expect("its own form");
        assert_eq!(again.digest(), plan.digest());
    }
});
