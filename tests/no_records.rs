//! An image that records nothing of what is in it: one file from scratch. Every command takes it.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use common::cli::{Place, ran};
use common::debian::Tar;
use common::images;
use serde_json::{Value, json};

fn image() -> Place {
    let place = Place::new();
    let mut tar = Tar::default();
    tar.file("app", b"\x7fELF and no more", 0o755);
    images::layout(&place.path("image"), "1", &[tar.end()]);
    place
}

#[test]
fn it_is_listed_as_empty_in_every_format() {
    let place = image();
    let mut command = place.imgfix();
    let table = ran(command.args(["inventory", "-q", &place.image("1")])).expect(0);
    assert!(table.stdout.contains("no package manager that is known"), "{}", table.stdout);
    let list = |format: &str| -> Value {
        let mut command = place.imgfix();
        let arguments = ["inventory", "-q", "--format", format, &place.image("1")];
        ran(command.args(arguments)).expect(0).json()
    };
    let listed = list("json");
    assert_eq!(listed["platforms"][0]["packages"], json!([]));
    assert_eq!(listed["platforms"][0]["family"], Value::Null);
    assert_eq!(list("cyclonedx")["components"], json!([]));
    let packages = list("spdx")["packages"].as_array().cloned().unwrap();
    assert_eq!(packages.len(), 1, "the image itself: {packages:?}");
}

#[test]
fn what_a_report_says_of_it_gets_its_reason() {
    let place = image();
    let report = json!({"SchemaVersion": 2, "ArtifactName": "app", "Results": [
        {"Target": "app", "Class": "os-pkgs", "Type": "debian", "Vulnerabilities": [
            {"VulnerabilityID": "CVE-1", "PkgName": "libfoo", "InstalledVersion": "1",
             "FixedVersion": "2", "Severity": "HIGH"}]},
        {"Target": "app", "Class": "secret", "Secrets": [
            {"RuleID": "private-key", "Severity": "HIGH", "Title": "key", "StartLine": 1,
             "EndLine": 1}]}]});
    std::fs::write(place.path("report.json"), report.to_string()).unwrap();
    let report = place.path("report.json");
    let mut command = place.bare("repair", &place.image("1"));
    command.args(["--format=json", "-q", "-r", report.to_str().unwrap()]);
    let done = ran(&mut command).expect(0).json();
    let findings = done["platforms"][0]["findings"].as_array().expect("findings");
    let reasons: Vec<_> =
        findings.iter().map(|one| one["verdict"]["reason"]["kind"].clone()).collect();
    assert_eq!(reasons.len(), 2, "{done:#}");
    let mut command = place.bare("plan", &place.image("1"));
    ran(command.args(["-q", "-r", report.to_str().unwrap()])).expect(0);
}

#[test]
fn without_a_report_nothing_is_changed_and_it_says_what_is_wanted() {
    let place = image();
    let done = ran(&mut place.bare("repair", &place.image("1"))).expect(0);
    assert!(done.stderr.contains("give a report (-r)"), "{}", done.stderr);
    assert_eq!(place.tagged("1"), place.tagged("1_fix"));
    let mut command = place.imgfix();
    command.args(["diff", "-q", &place.image("1"), &place.image("1_fix")]);
    ran(&mut command).expect(0);
}
