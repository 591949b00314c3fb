//! Images with archives of Java, repaired from a repository on this machine.
//!
//! No network but this machine's own.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::process::Command;

use common::cli::{Place, Ran, fixture, ran};
use common::debian::Tar;
use common::images;
use common::java::{Found, Jar, KEY, Maven, signature, trivy};
use serde_json::Value;

/// An image of one layer with these archives, and a report about them.
fn image(archives: &[(&str, &Jar)], found: &[Found<'_>]) -> Place {
    let place = Place::new();
    let mut tar = Tar::default();
    for (path, jar) in archives {
        tar.file(path, &jar.bytes(), 0o644);
    }
    images::layout(&place.path("image"), "1", &[tar.end()]);
    std::fs::write(place.path("trivy.json"), trivy(found).to_string()).expect("report");
    place
}

fn command(subcommand: &str, place: &Place, maven: &Maven) -> Command {
    maven.settings(place);
    let mut command = place.bare(subcommand, &place.image("1"));
    command.args(["-q", "--format", "json"]);
    command
}

fn repair(place: &Place, maven: &Maven, options: &[&str]) -> Ran {
    let mut command = command("repair", place, maven);
    command.arg("-r").arg(place.path("trivy.json")).args(options);
    ran(&mut command)
}

/// `ID VERDICT REASON`, a line a finding.
fn verdicts(ran: &Ran) -> Vec<String> {
    let json = ran.json();
    let findings = json["platforms"][0]["findings"].as_array().expect("findings");
    let line = |one: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let reason = text(&one["reason"]["kind"]);
        format!("{} {} {reason}", text(&one["id"]), text(&one["verdict"]))
    };
    findings.iter().map(line).collect()
}

fn lib(version: &str) -> Jar {
    Jar::new("org.acme:lib", version).with("data", version.as_bytes())
}

/// The image and the repository of a library that has a fix.
fn simple() -> (Place, Maven) {
    let found = [("CVE-1", "org.acme:lib", "opt/lib.jar", "1.0.0", "1.0.1")];
    (image(&[("opt/lib.jar", &lib("1.0.0"))], &found), Maven::start(&[lib("1.0.1")]))
}

#[test]
fn whoever_wants_a_signature_gets_only_what_a_known_key_signed() {
    let key = fixture(KEY).display().to_string();
    let other = fixture("rpm/key.asc").display().to_string();
    let (own, other) = (["--keyring", &*key], ["--keyring", &*other]);
    let wanted = "--require-attestation";
    let (place, maven) = simple();
    let good = signature(&place, &lib("1.0.1").bytes());
    let bad = signature(&place, b"another archive");
    let asc = format!("{}.asc", lib("1.0.1").path());
    for (signature, options, want, part) in [
        (None, vec![wanted], "not-fixed unattested", "none was given"),
        (None, vec![own[0], own[1], wanted], "not-fixed unattested", ".asc is not there"),
        (None, own.to_vec(), "fixed -", ""),
        (Some(&good), vec![own[0], own[1], wanted], "fixed -", ""),
        (Some(&good), vec![other[0], other[1], wanted], "not-fixed unattested", "is signed by"),
        (Some(&good), other.to_vec(), "fixed -", ""),
        (Some(&bad), vec![own[0], own[1], wanted], "not-fixed unattested", "was changed"),
        (Some(&bad), own.to_vec(), "not-fixed untrusted", "was changed"),
        // whoever gave no keys goes by the checksum
        (Some(&bad), vec![], "fixed -", ""),
    ] {
        let (place, maven) = simple();
        if let Some(signature) = signature {
            maven.put(&asc, signature.clone());
        }
        let ran = repair(&place, &maven, &options).expect(0);
        assert_eq!(verdicts(&ran), [format!("CVE-1 {want}")], "{options:?}");
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
        let is_changed = place.tagged("1_fix") != place.tagged("1");
        assert_eq!(is_changed, want == "fixed -", "{options:?}");
    }
    // a plan that was saved without keys is not followed, either
    let plan = place.path("plan.json");
    let mut save = command("plan", &place, &maven);
    save.arg("-r").arg(place.path("trivy.json")).arg("--save").arg(&plan);
    ran(&mut save).expect(0);
    let mut follow = command("repair", &place, &maven);
    let refused = ran(follow.arg("--plan").arg(&plan).arg(wanted)).expect(1);
    assert!(refused.stderr.contains("none was given"), "{}", refused.stderr);
    assert_eq!(place.tagged("1_fix"), None);
}
