//! apk's archive of scripts: what is understood is written and read to the same again, plain
//! and gzip.
#![no_main]

use imgfix_apk::installed::{InstalledDatabase, InstalledPackage};
use imgfix_apk::record::Record;
use imgfix_apk::scripts_archive::{ScriptsArchive, Storage};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for storage in Storage::ALL {
        let Ok(scripts) = ScriptsArchive::parse(data, storage) else { continue };
        let mut database = InstalledDatabase::default();
        for identity in scripts.packages() {
            let record = Record {
                identity: Some(*identity),
                name: "a".into(),
                ..Record::default()
            };
            database.packages.push(InstalledPackage { record, ..InstalledPackage::default() });
        }
        for storage in Storage::ALL {
            let written = scripts.write(&database, 1, storage).expect("written");
            assert_eq!(ScriptsArchive::parse(&written, storage).as_ref(), Ok(&scripts));
        }
    }
});
