//! `imgfix` on images of apk, as a user runs it: Alpine, Wolfi and Chainguard, with and without
//! apk in them, from a layout and from a registry. Images, packages and signed repositories are
//! made by each test.
//!
//! Needs Debian's openssl, skopeo, umoci and docker-registry; no network.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::apk::{installed, publish};
use common::apk_samples::{
    ALPINE, Apk, CHAINGUARD, DATABASE, FOUND, Found, SHELL, WOLFI, built_for, changes, grype,
    named, newer, older, trivy,
};
use common::cli::{self, assert_same, ran, snapshot};
use common::images::platforms_layout;
use common::outcome::{changed, text, unpacked, verdicts};
use common::registry::{Registry, run};
use serde_json::Value;

impl Apk {
    /// Writes a report; its path.
    fn report(&self, name: &str, content: &Value) -> PathBuf {
        let path = self.place.path(name);
        std::fs::write(&path, content.to_string()).expect("report");
        path
    }

    /// A repair with this report and the image's own repositories, reported as JSON.
    fn repair(&self, image: &str, report: &Path) -> Command {
        let mut command = self.place.bare("repair", image);
        command.args(["-q", "--format", "json", "-r"]).arg(report);
        command
    }

    /// The root of `oci:image:TAG`, unpacked by umoci.
    fn unpacked(&self, tag: &str) -> PathBuf {
        unpacked(&self.place.path("image"), tag, &self.place.path(&format!("bundle-{tag}")))
    }
}

const VERDICTS: [&str; 5] = [
    "CVE-2024-0001 foo-tools fixed",
    "CVE-2024-0001 libfoo fixed",
    "CVE-2024-0002 base fixed",
    "CVE-2024-0003 base not-fixed no-fixed-version",
    "CVE-2024-0004 watcher not-fixed not-in-repositories",
];

const CHANGED: [&str; 4] = [
    "base 1.0-r0 1.1-r0",
    "foo-tools 1.2.3-r0 1.2.4-r1",
    "fresh none 0.1-r0",
    "libfoo 1.2.3-r0 1.2.4-r1",
];

/// What the image has to have after a repair of what was found, and nothing else of it changed.
#[track_caller]
fn is_repaired(apk: &Apk, root: &Path, database: &str) {
    let (old, new) = (older(), newer());
    let mut all = named(&old, &["quiet", "watcher"]);
    all.extend(named(&new, &["base", "foo-tools", "fresh", "libfoo"]));
    let found = text(root, &format!("{database}/installed"));
    assert_eq!(found, installed(&all, &apk.key));
    for (path, want) in [
        ("etc/base.conf", "of base 1.1\n"),
        ("etc/own.conf", "of the user\n"),
        ("etc/own.conf.apk-new", "of base 1.1\n"),
        ("etc/kept.conf", "the same\n"),
        ("usr/share/base/changed", "of base 1.1\n"),
        ("usr/share/base/added", "of base 1.1\n"),
        ("usr/share/fresh/file", "of fresh\n"),
        ("usr/bin/foo", "foo 1.2.4\n"),
        ("usr/lib/libfoo.so.1", "libfoo 1.2.4\n"),
        ("usr/share/quiet", "of quiet 2.0\n"),
        ("etc/apk/world", "base\nfoo-tools\nquiet\nwatcher\n"),
        ("var/lib/kept", "of no package\n"),
    ] {
        assert_eq!(text(root, path), want, "{path}");
    }
    assert!(!root.join("usr/share/base/removed").exists());
    for path in ["etc/base.conf.apk-new", "etc/kept.conf.apk-new"] {
        assert!(!root.join(path).exists(), "{path}");
    }
}

#[test]
fn an_image_is_repaired_from_a_trivy_and_a_grype_report() {
    let apk = Apk::alpine();
    let before = snapshot(&apk.place.path("image"));
    let trivy = apk.report("trivy.json", &trivy("alpine", "3.20.3", FOUND));
    let grype = apk.report("grype.json", &grype("alpine", "3.20.3", FOUND));
    let image = apk.place.image("1");
    let json = ran(&mut apk.repair(&image, &trivy)).expect(0).json();

    assert_eq!(json["schema"], "imgfix/report/v1");
    assert_eq!(verdicts(&json), VERDICTS);
    assert_eq!(changed(&json, 0), CHANGED);
    let summary = &json["summary"];
    let counts = ["findings", "fixed", "not_fixed", "packages"].map(|name| summary[name].as_u64());
    assert_eq!(counts, [Some(5), Some(3), Some(2), Some(4)], "{summary}");
    assert_eq!(apk.place.tagged("1_fix").as_deref(), json["output"]["digest"].as_str());
    let root = apk.unpacked("1_fix");
    is_repaired(&apk, &root, DATABASE);
    // the script had the new version and the old one, the trigger the directory
    assert_eq!(text(&root, "var/lib/foo-upgraded"), "1.2.4-r1 1.2.3-r0\n");
    assert_eq!(text(&root, "var/lib/watched"), "/usr/share/base\n");
    assert_eq!(std::fs::read_dir(apk.place.path("tmp")).expect("tmp").count(), 0);
    // nothing of the original has changed
    let after = snapshot(&apk.place.path("image"));
    for (path, content) in before.iter().filter(|(path, _)| !path.ends_with("index.json")) {
        assert!(after.get(path) == Some(content), "{}", path.display());
    }
    assert_eq!(after.len(), before.len() + 3, "a layer, a configuration, a manifest");

    let by_grype = ran(apk.repair(&image, &grype).args(["--tag-suffix", "_grype"])).expect(0);
    assert_eq!(verdicts(&by_grype.json()), VERDICTS);
    // the plan, which is in the image's provenance, has the report's words
    let layer = |json: &Value| json["platforms"][0]["layer"]["digest"].clone();
    assert!(layer(&json).is_string(), "{json}");
    assert_eq!(layer(&by_grype.json()), layer(&json));
}

#[test]
fn scripts_and_triggers_of_the_repaired_image_are_those_of_its_packages() {
    let apk = Apk::alpine();
    let report = apk.report("trivy.json", &trivy("alpine", "3.20.3", FOUND));
    ran(&mut apk.repair(&apk.place.image("1"), &report)).expect(0);
    let (before, after) = (apk.unpacked("1"), apk.unpacked("1_fix"));
    let scripts = |root: &Path| -> Vec<String> {
        let bytes = std::fs::read(root.join("lib/apk/db/scripts.tar")).expect("scripts");
        let mut archive = tar::Archive::new(&bytes[..]);
        let entries = archive.entries().expect("entries");
        let path = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
            entry.expect("entry").path().expect("path").display().to_string()
        };
        entries.map(path).collect()
    };
    let tool = scripts(&after);
    assert_eq!(scripts(&before).len(), 1);
    assert_eq!(tool.len(), 2, "{tool:?}");
    assert!(tool.contains(&scripts(&before)[0]), "{tool:?}");
    let new = |name: &String| {
        name.starts_with("foo-tools-1.2.4-r1.Q1") && name.ends_with(".post-upgrade")
    };
    assert!(tool.iter().any(new), "{tool:?}");
    let triggers = |root: &Path| text(root, "lib/apk/db/triggers");
    assert_eq!(triggers(&after), triggers(&before));
}

#[test]
fn everything_newer_is_taken_without_a_report() {
    let apk = Apk::alpine();
    let mut command = apk.place.bare("repair", &apk.place.image("1"));
    let json = ran(command.args(["-q", "--format=json"])).expect(0).json();
    let mut want: Vec<&str> = CHANGED.to_vec();
    want.push("quiet 2.0-r0 2.1-r0");
    assert_eq!(changed(&json, 0), want);
    assert_eq!(text(&apk.unpacked("1_fix"), "usr/share/quiet"), "of quiet 2.1\n");
}

#[test]
fn an_index_signed_with_sha256_and_a_repository_of_the_user() {
    let apk = Apk::alpine();
    // the image's own is not looked at
    let other = apk.place.path("other");
    publish(&other, "x86_64", &apk.key, "RSA256", &newer());
    std::fs::remove_dir_all(apk.repository()).expect("remove");
    let report = apk.report("trivy.json", &trivy("alpine", "3.20.3", FOUND));
    let mut command = apk.repair(&apk.place.image("1"), &report);
    let json = ran(command.arg("--repository").arg(&other)).expect(0).json();
    assert_eq!(verdicts(&json), VERDICTS);
    is_repaired(&apk, &apk.unpacked("1_fix"), DATABASE);
}

#[test]
fn repaired_twice_again_and_elsewhere_gives_the_same_digest() {
    let apk = Apk::alpine();
    let report = apk.report("trivy.json", &trivy("alpine", "3.20.3", FOUND));
    let first = ran(&mut apk.repair(&apk.place.image("1"), &report)).expect(0).digest();
    let files = snapshot(&apk.place.path("image"));
    for tag in ["1", "1_fix"] {
        let again = ran(&mut apk.repair(&apk.place.image(tag), &report)).expect(0);
        assert_eq!(again.digest(), first, "{tag}");
        assert_eq!(apk.place.tagged("1_fix_fix"), None);
    }
    let again = snapshot(&apk.place.path("image"));
    assert_eq!(files.keys().collect::<Vec<_>>(), again.keys().collect::<Vec<_>>());
    let mut elsewhere = apk.place.imgfix();
    elsewhere.args(["repair", "oci:../image:1", "-q", "--format=json", "--no-cache", "-r"]);
    elsewhere.arg(&report).args(["--tag-suffix", "_elsewhere"]);
    elsewhere.current_dir(apk.place.path("tmp")).env("TZ", "Pacific/Chatham");
    assert_eq!(ran(elsewhere.env("HOME", "/nonexistent")).expect(0).digest(), first);
}

#[test]
fn a_saved_plan_is_done_exactly() {
    let apk = Apk::alpine();
    let report = apk.report("trivy.json", &trivy("alpine", "3.20.3", FOUND));
    let (image, file) = (apk.place.image("1"), apk.place.path("plan.json"));
    let before = snapshot(&apk.place.path("image"));
    let mut plan = apk.place.bare("plan", &image);
    let shown = ran(plan.args(["-q", "-r"]).arg(&report).arg("--save").arg(&file)).expect(0);
    for word in ["libfoo", "1.2.4-r1", "fresh"] {
        assert!(shown.stdout.contains(word), "no {word} in {}", shown.stdout);
    }
    assert_same(&before, &snapshot(&apk.place.path("image")));
    let mut planned = apk.place.bare("repair", &image);
    planned.args(["-q", "--format=json", "--tag-suffix=_planned", "--plan"]).arg(&file);
    let planned = ran(&mut planned).expect(0);
    let direct = ran(&mut apk.repair(&image, &report)).expect(0);
    assert_eq!(planned.digest(), direct.digest());
    assert_eq!(changed(&planned.json(), 0), CHANGED);
    // a plan keeps the findings that it does nothing about
    assert_eq!(verdicts(&planned.json()), VERDICTS[3..]);
}

#[test]
fn the_inventory_in_every_format() {
    let apk = Apk::alpine();
    let inventory = |format: &str| {
        let mut command = apk.place.imgfix();
        command.args(["inventory", "-q", "--format", format, &apk.place.image("1")]);
        ran(&mut command).expect(0)
    };
    let text = inventory("table").stdout;
    let json = inventory("json").json().to_string();
    for (name, version) in older().iter().map(|one| (&one.name, &one.version)) {
        assert!(text.contains(name) && text.contains(version), "{name}: {text}");
        assert!(json.contains(&format!("{name:?}")), "{name}: {json}");
        let purl = format!("pkg:apk/alpine/{name}@{version}?arch=x86_64&distro=alpine-3.20.3");
        for format in ["cyclonedx", "spdx"] {
            let list = inventory(format).json().to_string();
            let ours = list.contains(&purl) || list.contains(&purl.replace("&", "\\u0026"));
            assert!(ours, "no {purl} in {format}: {list}");
        }
    }
}

#[test]
fn the_difference_of_both_images() {
    let apk = Apk::alpine();
    let report = apk.report("trivy.json", &trivy("alpine", "3.20.3", FOUND));
    ran(&mut apk.repair(&apk.place.image("1"), &report)).expect(0);
    let mut command = apk.place.imgfix();
    command.args(["diff", "-q", &apk.place.image("1"), &apk.place.image("1_fix")]);
    let text = ran(&mut command).expect(0).stdout;
    for word in ["libfoo", "1.2.3-r0", "1.2.4-r1", "fresh", "etc/own.conf.apk-new"] {
        assert!(text.contains(word), "no {word} in {text}");
    }
    let json = ran(command.arg("--format=json")).expect(0).json();
    assert!(json.to_string().contains("usr/share/base/removed"), "{json}");
}

#[test]
fn exit_codes_say_what_is_left() {
    let apk = Apk::alpine();
    let report = apk.report("trivy.json", &trivy("alpine", "3.20.3", FOUND));
    let image = apk.place.image("1");
    ran(apk.repair(&image, &report).args(["--fail-on", "high"])).expect(3);
    assert!(apk.place.tagged("1_fix").is_some(), "3 means: published");
    ran(apk.repair(&image, &report).args(["--fail-on", "critical"])).expect(0);
    let only = ["--fail-on", "high", "--only", "CVE-2024-0002"];
    ran(apk.repair(&image, &report).args(only)).expect(0);
}

/// Some scanners speak of origins, as Alpine's own list of vulnerabilities does.
#[test]
fn a_finding_on_an_origin_is_one_on_its_packages() {
    let apk = Apk::alpine();
    let found: &[Found<'_>] = &[("CVE-2024-0001", "foo", "1.2.3-r0", Some("1.2.4-r0"))];
    let report = apk.report("trivy.json", &trivy("alpine", "3.20.3", found));
    let json = ran(&mut apk.repair(&apk.place.image("1"), &report)).expect(0).json();
    assert_eq!(verdicts(&json), ["CVE-2024-0001 foo fixed"]);
    assert_eq!(changed(&json, 0), ["foo-tools 1.2.3-r0 1.2.4-r1", "libfoo 1.2.3-r0 1.2.4-r1"]);
}

/// As apko makes images: no shell, no apk, the database where merged `/usr` has it, no scripts.
#[test]
fn images_of_wolfi_and_chainguard_without_apk_and_shell() {
    for (family, version, os_release, database) in [
        ("wolfi", "20230201", WOLFI, "lib/apk/db"),
        ("chainguard", "20230214", CHAINGUARD, "usr/lib/apk/db"),
    ] {
        let apk = Apk::new();
        apk.publish("RSA256", &newer());
        let mut root = apk.root(os_release, "x86_64");
        root.install(database, &older(), &apk.key);
        apk.image(&root);
        for report in [trivy(family, version, FOUND), grype(family, version, FOUND)] {
            let report = apk.report("report.json", &report);
            let json = ran(&mut apk.repair(&apk.place.image("1"), &report)).expect(0).json();
            assert_eq!(verdicts(&json), VERDICTS, "{family}");
            assert_eq!(changed(&json, 0), CHANGED, "{family}");
        }
        let root = apk.unpacked("1_fix");
        is_repaired(&apk, &root, database);
        // nothing could have run it
        assert!(!root.join("var/lib/foo-upgraded").exists());
        for other in ["lib/apk/db", "usr/lib/apk/db"].iter().filter(|one| **one != database) {
            assert!(!root.join(other).exists(), "{family}: {other}");
        }
        assert!(!root.join("bin/sh").exists());
    }
}

#[test]
fn every_platform_of_an_index_is_repaired_from_packages_for_it() {
    let apk = Apk::new();
    let platforms = [("amd64", "x86_64"), ("arm64", "aarch64")];
    let images = platforms.map(|(platform, architecture)| {
        let new = built_for(newer(), architecture);
        publish(&apk.repository(), architecture, &apk.key, "RSA", &new);
        let old = built_for(older(), architecture);
        let mut root = apk.root(ALPINE, architecture);
        root.install(DATABASE, &old, &apk.key);
        root.install_scripts(DATABASE, &old);
        root.write("bin/sh", SHELL);
        (platform, vec![root.layer(), changes()])
    });
    platforms_layout(&apk.place.path("image"), "1", &images);
    let mut command = apk.place.bare("repair", &apk.place.image("1"));
    let json = ran(command.args(["-q", "--format=json"])).expect(0).json();
    let mut want: Vec<&str> = CHANGED.to_vec();
    want.push("quiet 2.0-r0 2.1-r0");
    for (at, (platform, architecture)) in platforms.into_iter().enumerate() {
        assert_eq!(changed(&json, at), want, "{platform}");
        let back = apk.place.path(platform);
        let target = format!("oci:{}:back", back.display());
        let from = apk.place.image("1_fix");
        run("skopeo", &["--override-arch", platform, "copy", "-q", &from, &target]);
        let root = unpacked(&back, "back", &apk.place.path(&format!("bundle-{platform}")));
        let (old, new) = (built_for(older(), architecture), built_for(newer(), architecture));
        let mut all = named(&old, &["watcher"]);
        all.extend(new.iter());
        assert_eq!(text(&root, "lib/apk/db/installed"), installed(&all, &apk.key), "{platform}");
        assert_eq!(text(&root, "var/lib/foo-upgraded"), "1.2.4-r1 1.2.3-r0\n", "{platform}");
    }
    let again =
        ran(apk.place.bare("repair", &apk.place.image("1_fix")).args(["-q", "--format=json"]));
    assert_eq!(Some(again.expect(0).digest().as_str()), json["output"]["digest"].as_str());
}

#[test]
fn an_image_is_repaired_from_a_registry_into_it() {
    let registry = Registry::start();
    let apk = Apk::alpine();
    let (from, to) = (registry.reference("team/app:1"), registry.reference("team/app:1_fix"));
    let tls = "--dest-tls-verify=false";
    run("skopeo", &["copy", "-q", "--preserve-digests", tls, &apk.place.image("1"), &from]);
    let blobs = |registry: &Registry| -> BTreeMap<PathBuf, (u64, std::time::SystemTime)> {
        let blob = |path: &PathBuf| path.to_string_lossy().contains("/blobs/sha256/");
        registry.stored().into_iter().filter(|(path, _)| blob(path)).collect()
    };
    let before = blobs(&registry);
    let report = apk.report("grype.json", &grype("alpine", "3.20.3", FOUND));
    let json = ran(&mut apk.repair(&from, &report)).expect(0).json();
    assert_eq!(verdicts(&json), VERDICTS);
    assert_eq!(json["output"]["reference"].as_str(), Some(to.as_str()));
    let after = blobs(&registry);
    assert!(before.iter().all(|(path, state)| after.get(path) == Some(state)), "sent again");
    assert_eq!(after.len(), before.len() + 3, "a layer, a configuration, a manifest");

    let back = apk.place.path("back");
    let target = format!("oci:{}:back", back.display());
    run("skopeo", &["copy", "-q", "--preserve-digests", "--src-tls-verify=false", &to, &target]);
    assert_eq!(cli::tagged(&back, "back").as_deref(), json["output"]["digest"].as_str());
    is_repaired(&apk, &unpacked(&back, "back", &apk.place.path("bundle")), DATABASE);
    // the same as beside the original in a layout, and again from the repaired one
    let again = ran(&mut apk.repair(&to, &report)).expect(0);
    assert_eq!(Some(again.digest().as_str()), json["output"]["digest"].as_str());
}

#[test]
fn an_image_with_everything_new_is_left_as_it_is() {
    let apk = Apk::new();
    apk.publish("RSA", &newer());
    let mut root = apk.root(ALPINE, "x86_64");
    let mut all = newer();
    all.extend(older().into_iter().filter(|package| package.name == "watcher"));
    root.install(DATABASE, &all, &apk.key);
    root.install_scripts(DATABASE, &all);
    root.write("bin/sh", SHELL);
    apk.image(&root);
    let report = apk.report("trivy.json", &trivy("alpine", "3.20.3", FOUND));
    let mut command = apk.place.bare("repair", &apk.place.image("1"));
    let done = ran(command.args(["--format=json", "-r"]).arg(&report)).expect(0);
    let json = done.json();
    assert_eq!(changed(&json, 0), Vec::<String>::new());
    assert!(done.stderr.contains("1.2.3-r0"), "the report's versions: {}", done.stderr);
}
