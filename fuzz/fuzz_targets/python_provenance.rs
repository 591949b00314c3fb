//! The provenance of a file: attestations with certificates, entries of a log and proofs; and a
//! trust root. Nobody but the real publisher is ever attested.
#![no_main]

use imgfix_python::provenance::{Judged, judge};
use imgfix_sigstore::TrustRoot;
use libfuzzer_sys::fuzz_target;

const REAL: &[u8] = include_bytes!("../seeds/python_provenance/github.json");
const FILE: &str = "pypi_attestations-0.0.19.tar.gz";
const SHA: &str = "9bb1add04b1b4e182be6b0b80931593f7a291eb49d69b4fd728a5d4cbcdc4bd3";

fuzz_target!(|data: &[u8]| {
    if let Judged::Attested(by) = judge(data, FILE, SHA, TrustRoot::public_good()) {
        assert_eq!(by, "GitHub trailofbits/pypi-attestations release.yml");
    }
    if let Ok(root) = TrustRoot::read(data) {
        let _ = judge(REAL, FILE, SHA, &root);
    }
});
