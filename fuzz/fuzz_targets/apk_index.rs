//! An apk repository's index: its signatures come off and cover the rest of the file, its text
//! is read or refused, and what is in it is found by each of its names. Input that is no gzip
//! file is taken for the text alone.
#![no_main]

use imgfix_apk::index::{PackageIndex, RepositoryInfo};
use imgfix_apk::index_archive::IndexArchive;
use imgfix_apk::members::split_signed;
use imgfix_repository::rsa_keys::RsaKeyring as ApkKeyring;
use imgfix_apk::signature::verify;
use imgfix_vfs::Memory;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    assert!(verify("fuzz", data, &ApkKeyring::default()).is_err(), "no key, no trust");
    let text = match split_signed(data) {
        Ok(signed) => {
            let taken: usize = signed.signatures.iter().map(|member| member.stored.len()).sum();
            assert_eq!(taken + signed.content.len(), data.len());
            for member in &signed.signatures {
                let _ = member.files();
            }
            let Ok(archive) = IndexArchive::read(signed.content, &Memory::default()) else { return };
            archive.text
        }
        Err(_) => String::from_utf8_lossy(data).into_owned(),
    };
    let mut index = PackageIndex::new();
    if index.push(text, RepositoryInfo::default()).is_err() {
        assert!(index.is_empty(), "all or nothing");
        return;
    }
    for package in index.iter().take(50) {
        let record = &package.record;
        assert!(index.versions(&record.name.0).contains(&package));
        for provided in record.provides.iter().take(20) {
            assert!(index.providers(&provided.name.0).contains(&package));
        }
        for needed in record.install_if.iter().take(20) {
            assert!(index.installed_if(&needed.name.0).contains(&package));
        }
        assert!(package.archive().is_some_and(|archive| archive.url.ends_with(".apk")));
    }
});
