//! A repository's Packages file: it is read or refused, and its packed form, as the cache keeps
//! it, is taken back. Damaged packed forms are refused.
#![no_main]

use imgfix_apt::packages_file::PackagesFile;
use imgfix_vfs::Memory;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = PackagesFile::from_bytes(data.to_vec(), &Memory::default());
    let Ok(packages) = PackagesFile::read(data, &Memory::default()) else { return };
    let again = PackagesFile::from_bytes(packages.as_bytes().to_vec(), &Memory::default()).expect("its own form");
    assert_eq!(again.len(), packages.len());
    assert_eq!(again.left_out(), packages.left_out());
});
