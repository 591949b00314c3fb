//! Lockfiles of npm, Yarn 1 and pnpm, and answers of a registry: what is changed reads again, and
//! says the new version where it said the old one.
#![no_main]

use imgfix_node::json_file::JsonFile;
use imgfix_node::npm_lock::{self, Arrived};
use imgfix_node::packument::Packument;
use imgfix_node::{Keys, Manifest, npmrc, pnpm_lock, yarn_lock};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let document = serde_json::json!({"name": "a", "version": "1.0.1", "dependencies": {"b": "^1"}});
    if let Ok(mut file) = JsonFile::read(data) {
        assert_eq!(JsonFile::read(&file.bytes()).expect("it was read before").value, file.value);
        let _ = Manifest::of(&file.value);
        let new = Arrived {
            location: "node_modules/a",
            document: &document,
            url: "https://registry.example/a-1.0.1.tgz",
            integrity: "sha512-x",
            deprecated: None,
        };
        if npm_lock::replace(&mut file.value, &new) {
            let text = String::from_utf8(file.bytes()).expect("JSON is text");
            assert!(text.contains("1.0.1"), "{text}");
        }
        npm_lock::add(&mut file.value, &Arrived { location: "node_modules/a/node_modules/c", ..new }, {
            "node_modules/a"
        });
        npm_lock::remove(&mut file.value, "node_modules/a");
        JsonFile::read(&file.bytes()).expect("what is written reads");
    }
    if let Ok(found) = Packument::read("a", data) {
        assert!(found.releases().all(|version| found.versions.contains_key(version.as_ref())));
    }
    let _ = Keys::read(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = npmrc::registries(&[text], &|_| None);
    let needs = [("b".to_owned(), "^1".to_owned())];
    let moved = yarn_lock::Moved {
        name: "a",
        from: "1.0.0",
        to: "1.0.1",
        url: "https://registry.example/a-1.0.1.tgz",
        sha1: "cc",
        integrity: "sha512-x",
        dependencies: &needs,
        optional: &[],
        is_pinned: true,
    };
    if let Some((text, _, _)) = yarn_lock::replace(text, &moved) {
        assert!(text.contains("  version \"1.0.1\"\n"), "{text}");
    }
    let moved = pnpm_lock::Moved {
        name: "a",
        from: "1.0.0",
        to: "1.0.1",
        integrity: "sha512-x",
        dependencies: &needs,
        optional: &[],
    };
    if let Some(text) = pnpm_lock::replace(text, &moved) {
        assert!(text.contains("1.0.1"), "{text}");
    }
});
