//! Images with node modules, repaired from a registry on this machine.
//!
//! No network but this machine's own.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::io::Read as _;

use common::cli::{Place, Ran, blob, manifest, ran};
use common::debian::Tar;
use common::hostile::Response;
use common::images;
use common::libraries::{Found, verdicts};
use common::node::{Package, Registry, integrity, trivy};
use serde_json::{Value, json};

const MODULES: &str = "app/node_modules";

fn record(name: &str) -> String {
    format!("{MODULES}/{name}/package.json")
}

/// An image of one layer: packages in their folders, and other files.
fn image(packages: &[(&str, Package)], files: &[(&str, Value)]) -> Place {
    let place = Place::new();
    let mut tar = Tar::default();
    for (folder, package) in packages {
        package.install(&mut tar, folder);
    }
    for (path, document) in files {
        let text = serde_json::to_string_pretty(document).unwrap() + "\n";
        tar.file(path, text.as_bytes(), 0o644);
    }
    images::layout(&place.path("image"), "1", &[tar.end()]);
    place
}

fn repair(place: &Place, registry: &Registry, found: &[Found<'_>], options: &[&str]) -> Ran {
    let report = place.path("trivy.json");
    std::fs::write(&report, trivy(found).to_string()).expect("report");
    let mut command = place.bare("repair", &place.image("1"));
    command.env("npm_config_registry", registry.url());
    command.args(["-q", "--format", "json", "-r"]).arg(&report).args(options);
    ran(&mut command)
}

/// The files of the layer that a repair added, by path; links by their targets.
fn patch(place: &Place) -> BTreeMap<String, String> {
    let layout = place.path("image");
    let manifest = manifest(&layout, "1_fix");
    let layers = manifest["layers"].as_array().expect("layers");
    let digest = layers.last().unwrap()["digest"].as_str().unwrap();
    let bytes = std::fs::read(blob(&layout, digest)).expect("layer");
    let plain: Box<dyn std::io::Read> = match bytes.starts_with(&[0x1f, 0x8b]) {
        true => Box::new(flate2::read::GzDecoder::new(&bytes[..])),
        false => Box::new(zstd::Decoder::new(&bytes[..]).expect("zstd")),
    };
    let mut archive = tar::Archive::new(plain);
    let mut files = BTreeMap::new();
    for entry in archive.entries().expect("entries") {
        let mut entry = entry.expect("entry");
        let path = entry.path().expect("path").display().to_string();
        if entry.header().entry_type().is_dir() {
            continue;
        }
        let mut text = match entry.link_name().expect("link") {
            Some(target) => format!("-> {}", target.display()),
            None => String::new(),
        };
        let mode = entry.header().mode().expect("mode");
        entry.read_to_string(&mut text).expect("content");
        if mode & 0o100 != 0 {
            text = format!("x {text}");
        }
        files.insert(path, text);
    }
    files
}

fn lodash(version: &str) -> Package {
    Package::new("lodash", version)
}

#[test]
fn a_package_is_repaired_with_the_files_that_name_it() {
    let old = lodash("4.17.15").file("gone.js", "old", 0o644);
    let new = lodash("4.17.21").with("license", json!("MIT")).file("cli.js", "#!x", 0o644);
    let new = new.with("bin", json!({"lodash": "cli.js"}));
    let registry = Registry::start(&[old.clone(), lodash("4.17.20"), new.clone(), lodash("5.0.0")]);
    let lock = |entry: Value, range: &str| {
        json!({"name": "app", "lockfileVersion": 3, "requires": true, "packages": {
            "": {"name": "app", "dependencies": {"lodash": range}},
            "node_modules/lodash": entry}})
    };
    let before = json!({"version": "4.17.15", "resolved": "x", "integrity": "sha512-x"});
    let hidden = json!({"name": "app", "lockfileVersion": 3, "requires": true, "packages": {
        "node_modules/lodash": before.clone()}});
    let files = [
        ("app/package.json", json!({"name": "app", "dependencies": {"lodash": "4.17.15"}})),
        ("app/package-lock.json", lock(before, "4.17.15")),
        ("app/node_modules/.package-lock.json", hidden),
    ];
    let place = image(&[("app/node_modules/lodash", old)], &files);
    let found = [("CVE-2021-23337", "lodash", &*record("lodash"), "4.17.15", "4.17.21")];
    let ran = repair(&place, &registry, &found, &[]).expect(0);
    assert_eq!(verdicts(&ran), ["CVE-2021-23337 fixed -"]);
    let patch = patch(&place);
    let paths: Vec<&String> = patch.keys().collect();
    assert_eq!(
        paths,
        [
            "app/node_modules/.bin/lodash",
            "app/node_modules/.package-lock.json",
            "app/node_modules/lodash/.wh.gone.js",
            "app/node_modules/lodash/cli.js",
            "app/node_modules/lodash/index.js",
            "app/node_modules/lodash/package.json",
            "app/package-lock.json",
            "app/package.json",
        ]
    );
    assert_eq!(patch["app/node_modules/.bin/lodash"], "x -> ../lodash/cli.js");
    assert_eq!(patch["app/node_modules/lodash/cli.js"], "x #!x");
    let entry = json!({"version": "4.17.21",
        "resolved": format!("{}lodash/-/lodash-4.17.21.tgz", registry.url()),
        "integrity": integrity(&new.tarball()), "license": "MIT", "bin": {"lodash": "cli.js"}});
    let text = |value: &Value| serde_json::to_string_pretty(value).unwrap() + "\n";
    assert_eq!(patch["app/package-lock.json"], text(&lock(entry, "4.17.21")));
    assert!(patch["app/package.json"].contains(r#""lodash": "4.17.21""#));
    // the same again is the same image; the cache has all of it
    let again = repair(&place, &registry, &found, &["--offline"]).expect(0);
    assert_eq!(again.digest(), ran.digest());
}

#[test]
fn a_saved_plan_is_followed_without_asking_for_versions() {
    let registry = Registry::start(&[lodash("4.17.21")]);
    let place = image(&[("app/node_modules/lodash", lodash("4.17.15"))], &[]);
    let report = place.path("trivy.json");
    let path = record("lodash");
    let found = [("CVE-1", "lodash", &*path, "4.17.15", "4.17.21")];
    std::fs::write(&report, trivy(&found).to_string()).expect("report");
    let plan = place.path("plan.json");
    let mut command = place.bare("plan", &place.image("1"));
    command.env("npm_config_registry", registry.url());
    command.args(["-q", "-r"]).arg(&report).arg("--save").arg(&plan);
    ran(&mut command).expect(0);
    let asked = registry.server.requests().len();
    let mut command = place.bare("repair", &place.image("1"));
    command.env("npm_config_registry", registry.url());
    command.args(["-q", "--format", "json", "--plan"]).arg(&plan);
    ran(&mut command).expect(0);
    assert_eq!(registry.server.requests().len(), asked);
    assert!(patch(&place)["app/node_modules/lodash/package.json"].contains("4.17.21"));

    // what it names is fetched before the network goes
    let mut command = place.imgfix();
    command.args(["repair", "-q", "--no-cache", "--no-network-after-fetch", &place.image("1")]);
    command.args(["-o", &place.image("again"), "--plan"]).arg(&plan);
    ran(&mut command).expect(0);
    assert_eq!(place.tagged("again"), place.tagged("1_fix"));
}

/// mkdirp as it was: it pins minimist until 0.5.2.
fn mkdirp(version: &str, minimist: &str) -> Package {
    Package::new("mkdirp", version).needs(json!({"minimist": minimist}))
}

fn minimist(version: &str) -> Package {
    Package::new("minimist", version)
}

#[test]
fn who_pins_a_copy_forbids_it_or_goes_along() {
    let nested = record("mkdirp/node_modules/minimist");
    let found = [("CVE-2021-44906", "minimist", &*nested, "0.0.8", "0.2.4, 1.2.6")];
    let place = || {
        image(
            &[
                ("app/node_modules/mkdirp", mkdirp("0.5.1", "0.0.8")),
                ("app/node_modules/mkdirp/node_modules/minimist", minimist("0.0.8")),
            ],
            &[("app/package.json", json!({"dependencies": {"mkdirp": "^0.5.0"}}))],
        )
    };
    let all = [minimist("0.2.4"), minimist("1.2.6"), mkdirp("0.5.1", "0.0.8")];
    let registry = Registry::start(&all);
    let patch_only = repair(&place(), &registry, &found, &[]).expect(0);
    assert_eq!(verdicts(&patch_only), ["CVE-2021-44906 not-fixed beyond-upgrades"]);
    let refused = repair(&place(), &registry, &found, &["--library-upgrades", "major"]).expect(0);
    assert_eq!(verdicts(&refused), ["CVE-2021-44906 not-fixed constrained"]);
    assert!(refused.stdout.contains(r#"dependencies has \"minimist\": \"0.0.8\""#), "{refused:?}");
    let newer = [all.to_vec(), vec![mkdirp("0.5.2", "^1.2.5"), mkdirp("0.5.6", "^1.2.6")]].concat();
    let registry = Registry::start(&newer);
    let place = place();
    let along = repair(&place, &registry, &found, &["--library-upgrades", "major"]).expect(0);
    assert_eq!(verdicts(&along), ["CVE-2021-44906 fixed -"]);
    let patch = patch(&place);
    assert!(patch[&nested].contains("1.2.6"));
    assert!(patch[&record("mkdirp")].contains("0.5.2"));
}

#[test]
fn what_a_new_version_needs_comes_along_where_that_is_allowed() {
    let registry = Registry::start(&[
        Package::new("a", "1.0.1").needs(json!({"b": "^1"})),
        Package::new("b", "1.0.0").needs(json!({"c": "2"})),
        Package::new("b", "1.4.0").needs(json!({"c": "2"})),
        Package::new("c", "2.0.0"),
    ]);
    let hidden = json!({"name": "app", "lockfileVersion": 3, "packages": {
        "node_modules/a": {"version": "1.0.0", "dev": true, "dependencies": {"old": "1"}},
        "node_modules/old": {"version": "1.0.0", "dev": true}}});
    let place = || {
        image(
            &[
                ("app/node_modules/a", Package::new("a", "1.0.0").needs(json!({"old": "1"}))),
                ("app/node_modules/old", Package::new("old", "1.0.0")),
            ],
            &[
                ("app/package.json", json!({"devDependencies": {"a": "1"}})),
                ("app/node_modules/.package-lock.json", hidden.clone()),
            ],
        )
    };
    let path = record("a");
    let found = [("CVE-1", "a", &*path, "1.0.0", "1.0.1")];
    let refused = repair(&place(), &registry, &found, &[]).expect(0);
    assert_eq!(verdicts(&refused), ["CVE-1 not-fixed not-repairable"]);
    assert!(refused.stdout.contains("allow that with --library-upgrades minor"), "{refused:?}");
    let place = place();
    let ran = repair(&place, &registry, &found, &["--library-upgrades", "minor"]).expect(0);
    assert_eq!(verdicts(&ran), ["CVE-1 fixed -"]);
    let patch = patch(&place);
    assert!(patch[&record("a/node_modules/b")].contains("1.4.0"));
    assert!(patch.contains_key(&record("a/node_modules/b/node_modules/c")), "{patch:?}");
    assert!(patch.contains_key("app/node_modules/.wh.old"), "{patch:?}");
    let lock: Value = serde_json::from_str(&patch["app/node_modules/.package-lock.json"]).unwrap();
    let packages = lock["packages"].as_object().unwrap();
    assert_eq!(
        packages.keys().collect::<Vec<_>>(),
        [
            "node_modules/a",
            "node_modules/a/node_modules/b",
            "node_modules/a/node_modules/b/node_modules/c"
        ]
    );
    assert_eq!(packages["node_modules/a/node_modules/b"]["dev"], true);
}

#[test]
fn a_copy_that_only_it_needs_changes_with_it() {
    let a = |version: &str, b: &str| Package::new("a", version).needs(json!({"b": b, "c": "^1"}));
    let (b, c) = (|version| Package::new("b", version), |version| Package::new("c", version));
    let registry = Registry::start(&[a("1.0.1", "1.2.0"), b("1.2.0"), b("1.3.0"), c("1.1.0")]);
    let image = |project: Value| {
        image(
            &[
                ("app/node_modules/a", a("1.0.0", "1.0.0")),
                ("app/node_modules/b", b("1.0.0")),
                ("app/node_modules/c", c("1.0.0")),
            ],
            &[("app/package.json", json!({"dependencies": project}))],
        )
    };
    let path = record("a");
    let found = [("CVE-1", "a", &*path, "1.0.0", "1.0.1")];
    let place = image(json!({"a": "^1.0.0"}));
    let ran = repair(&place, &registry, &found, &[]).expect(0);
    assert_eq!(verdicts(&ran), ["CVE-1 fixed -"]);
    let changed = patch(&place);
    assert!(changed[&record("b")].contains("1.2.0"), "{changed:?}");
    assert!(!changed.contains_key(&record("c")), "{changed:?}");
    // one that the project needs as it is stays, and the new one comes below
    let place = image(json!({"a": "^1.0.0", "b": "~1.0.0"}));
    let ran = repair(&place, &registry, &found, &[]).expect(0);
    assert_eq!(verdicts(&ran), ["CVE-1 not-fixed not-repairable"]);
    let ran = repair(&place, &registry, &found, &["--library-upgrades", "minor"]).expect(0);
    assert_eq!(verdicts(&ran), ["CVE-1 fixed -"]);
    let changed = patch(&place);
    assert!(changed[&record("a/node_modules/b")].contains("1.2.0"), "{changed:?}");
    assert!(!changed.contains_key(&record("b")), "{changed:?}");
}

#[test]
fn npms_own_copies_change_with_npm_or_in_their_place() {
    let tar = |version: &str| Package::new("tar", version);
    let npm = |version: &str, inner: &str| {
        let bundled = tar(inner).needs(json!({"inner": inner})).document.to_string();
        let below = Package::new("inner", inner).document.to_string();
        Package::new("npm", version)
            .needs(json!({"tar": format!("^{inner}")}))
            .with("bundleDependencies", json!(["tar"]))
            .file("node_modules/tar/package.json", &bundled, 0o644)
            .file("node_modules/inner/package.json", &below, 0o644)
            .file("node_modules/tar/index.js", inner, 0o644)
    };
    const NPM: &str = "usr/lib/node_modules/npm";
    let path = format!("{NPM}/node_modules/tar/package.json");
    let found = [("CVE-1", "tar", &*path, "6.1.0", "6.2.1")];
    let minor = &["--library-upgrades", "minor"];
    // 10.0.1 does not bring the fix, 10.0.2 does
    let in_place = tar("6.2.1").needs(json!({"inner": "6"}));
    let versions = [npm("10.0.1", "6.1.5"), npm("10.0.2", "6.2.1"), in_place.clone()];
    let place = image(&[(NPM, npm("10.0.0", "6.1.0"))], &[]);
    let ran = repair(&place, &Registry::start(&versions), &found, minor).expect(0);
    assert_eq!(verdicts(&ran), ["CVE-1 fixed -"]);
    assert!(patch(&place)[&format!("{NPM}/package.json")].contains("10.0.2"));
    let place = image(&[(NPM, npm("10.0.0", "6.1.0"))], &[]);
    let without = [versions[0].clone(), in_place];
    let ran = repair(&place, &Registry::start(&without), &found, minor).expect(0);
    assert_eq!(verdicts(&ran), ["CVE-1 fixed -"]);
    let patch = patch(&place);
    assert!(patch[&path].contains("6.2.1"));
    assert!(!patch.contains_key(&format!("{NPM}/package.json")));
    // another package's bundle is that package's
    let other = |version: &str, inner: &str| {
        let mut other = npm(version, inner);
        other.document["name"] = json!("holder");
        other
    };
    let place = image(&[("usr/lib/node_modules/holder", other("1.0.0", "6.1.0"))], &[]);
    let path = path.replace("/npm/", "/holder/");
    let found = [("CVE-1", "tar", &*path, "6.1.0", "6.2.1")];
    let versions = [other("1.0.1", "6.1.5"), tar("6.2.1")];
    let ran = repair(&place, &Registry::start(&versions), &found, minor).expect(0);
    assert_eq!(verdicts(&ran), ["CVE-1 not-fixed not-repairable"]);
    assert!(ran.stdout.contains("it came in the archive of holder 1.0.0"), "{ran:?}");
}

#[test]
fn what_cannot_be_installed_without_running_it_is_left() {
    let scripted = lodash("4.17.21").with("scripts", json!({"postinstall": "node x"}));
    let compiled = lodash("4.17.21").file("build/x.node", "x", 0o644);
    let other = Package { document: lodash("4.17.22").document, ..lodash("4.17.21") };
    let path = record("lodash");
    let found = [("CVE-1", "lodash", &*path, "4.17.15", "4.17.21")];
    let place = || image(&[("app/node_modules/lodash", lodash("4.17.15"))], &[]);
    for (new, part) in [(scripted, "(postinstall)"), (compiled, "compiled code (build/x.node)")] {
        let registry = Registry::start(&[new]);
        let ran = repair(&place(), &registry, &found, &[]).expect(0);
        assert_eq!(verdicts(&ran), ["CVE-1 not-fixed not-repairable"]);
        assert!(ran.stdout.contains(part), "{part}: {ran:?}");
    }
    // an archive that is another than the registry says, and one that is another package
    let registry = Registry::start(&[lodash("4.17.21")]);
    let archive = "/lodash/-/lodash-4.17.21.tgz".to_owned();
    let foreign = Response::new(200, other.tarball());
    registry.instead.lock().unwrap().insert(archive, foreign);
    let ran = repair(&place(), &registry, &found, &[]).expect(0);
    assert_eq!(verdicts(&ran), ["CVE-1 not-fixed untrusted"]);
    // nobody signs on this registry
    let registry = Registry::start(&[lodash("4.17.21")]);
    let ran = repair(&place(), &registry, &found, &["--require-attestation"]).expect(0);
    assert_eq!(verdicts(&ran), ["CVE-1 not-fixed unattested"]);
}

#[test]
fn a_registry_that_fails_leaves_its_packages_and_the_rest_goes_on() {
    let registry = Registry::start(&[lodash("4.17.21"), minimist("1.2.8")]);
    registry.instead.lock().unwrap().insert("/lodash".to_owned(), Response::new(403, "no"));
    let place = image(
        &[
            ("app/node_modules/lodash", lodash("4.17.15")),
            ("app/node_modules/minimist", minimist("1.2.5")),
        ],
        &[],
    );
    let (one, two) = (record("lodash"), record("minimist"));
    let found = [
        ("CVE-1", "lodash", &*one, "4.17.15", "4.17.21"),
        ("CVE-2", "minimist", &*two, "1.2.5", "1.2.6"),
    ];
    let ran = repair(&place, &registry, &found, &[]).expect(0);
    assert_eq!(verdicts(&ran), ["CVE-1 not-fixed repository-unreadable", "CVE-2 fixed -"]);
}
