//! `imgfix check`, and repairs of what it finds: accounts, modes, files, how the image runs.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use common::cli::{Place, Ran, ran};
use common::debian::Tar;
use common::images;
use serde_json::{Value, json};

const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\ntoor:x:0:0::/root:/bin/sh\n\
                      ann:x:1000:1000::/home/ann:/bin/sh\n";

fn image() -> Place {
    let place = Place::new();
    let mut tar = Tar::default();
    tar.file("etc/passwd", PASSWD.as_bytes(), 0o644);
    tar.file("etc/group", b"root:x:0:\nshadow:x:42:\n", 0o644);
    tar.file("etc/shadow", b"root:*:1::::::\ntoor:!:1::::::\nann::1::::::\n", 0o666);
    tar.file("etc/cron.daily/x", b"#!/bin/sh\n", 0o777);
    tar.file("root/.rhosts", b"+ +\n", 0o600);
    tar.file("usr/bin/odd", b"\x7fELF", 0o4755);
    tar.file("usr/bin/su", b"\x7fELF", 0o4755);
    images::layout(&place.path("image"), "1", &[tar.end()]);
    place
}

fn check(place: &Place, tag: &str, more: &[&str]) -> Ran {
    let mut command = place.imgfix();
    ran(command.args(["check", "-q", &place.image(tag)]).args(more))
}

/// Of each recipe how many places it finds, and how many of these a repair would leave.
fn found(ran: Ran) -> BTreeMap<String, (usize, usize)> {
    let mut all = BTreeMap::new();
    let report = ran.expect(0).json();
    for one in report["platforms"][0]["findings"].as_array().expect("findings") {
        let counts: &mut (usize, usize) =
            all.entry(one["id"].as_str().unwrap().to_owned()).or_default();
        counts.0 += 1;
        counts.1 += usize::from(one["verdict"] != "fixed");
    }
    all
}

fn expected(all: &[(&str, usize, usize)]) -> BTreeMap<String, (usize, usize)> {
    all.iter().map(|(name, places, left)| ((*name).to_owned(), (*places, *left))).collect()
}

const LEFT: &[(&str, usize, usize)] = &[
    ("account-same-number", 2, 2),
    ("account-second-root", 1, 1),
    ("no-healthcheck", 1, 1),
    ("runs-as-root", 1, 1),
    ("set-id-programs", 1, 1),
];

#[test]
fn everything_is_found_and_what_is_safe_would_be_repaired() {
    let place = image();
    let safe = [
        ("account-empty-password", 1, 0),
        ("mode-crontab", 1, 0),
        ("mode-shadow", 1, 0),
        ("trusted-hosts", 1, 0),
        ("world-writable-system", 2, 0),
    ];
    let want = expected(&[LEFT, &safe].concat());
    assert_eq!(found(check(&place, "1", &["--format", "json"])), want);
    let table = check(&place, "1", &[]).expect(0).stdout;
    assert!(table.contains("12 findings"), "{table}");
    assert!(table.contains("/etc/shadow"), "{table}");
    assert_eq!(place.tagged("1_fix"), None, "a check writes no image");
}

#[test]
fn exit_codes_are_those_of_a_gate() {
    let place = image();
    check(&place, "1", &["--fail-on", "critical"]).expect(3);
    check(&place, "1", &["--fail-on", "critical", "--recipe-level", "opt-in"]).expect(0);
    check(&place, "1", &["--detailed-exitcode"]).expect(5);
    let why = check(&place, "1", &["--enable-recipe", "nobody"]).expect(2).stderr;
    assert!(why.contains("there is no recipe nobody"), "{why}");
    let one = check(&place, "1", &["--only", "mode-shadow", "--format", "json"]);
    let shown = found(one);
    assert_eq!(shown["mode-shadow"], (1, 0));
}

#[test]
fn what_is_repaired_is_gone_and_a_second_repair_changes_nothing() {
    let place = image();
    let mut command = place.bare("repair", &place.image("1"));
    let done = ran(command.args(["-q", "--format", "json", "--checks"])).expect(0);
    let summary = done.json()["summary"].clone();
    assert_eq!(found(check(&place, "1_fix", &["--format", "json"])), expected(LEFT), "{summary}");

    let mut command = place.imgfix();
    let diff = ran(command.args(["diff", "-q", &place.image("1"), &place.image("1_fix")]));
    let diff = diff.expect(0).stdout;
    for line in [
        "- /root/.rhosts (4 B)",
        "~ /etc/cron.daily/x: mode 0777 to 0755",
        "~ /etc/shadow: content 43 B to 44 B, mode 0666 to 0640",
    ] {
        assert!(diff.contains(line), "{diff}");
    }
    assert!(diff.contains("0 added, 1 removed, 2 changed"), "{diff}");

    let first = place.tagged("1_fix");
    let mut command = place.bare("repair", &place.image("1"));
    ran(command.args(["-q", "--checks"])).expect(0);
    assert_eq!(place.tagged("1_fix"), first, "the same digest twice");
    let mut command = place.bare("repair", &place.image("1_fix"));
    ran(command.args(["-q", "--checks", "-o", &place.image("again")])).expect(0);
    assert_eq!(place.tagged("again"), first, "a repair of a repair starts from the original");
}

#[test]
fn recipes_are_enabled_and_skipped_by_name_and_by_policy() {
    let place = image();
    let json = ["--format", "json", "--enable-recipe", "account-second-root"];
    let all = found(check(&place, "1", &[&json[..], &["--skip-recipe", "mode-shadow"]].concat()));
    assert_eq!(all["account-second-root"], (1, 0));
    assert_eq!(all["mode-shadow"], (1, 1));
    let policy = "enable-recipes = ['set-id-programs']\nskip-recipes = ['trusted-hosts']\n";
    std::fs::write(place.path("imgfix.toml"), policy).unwrap();
    let all = found(check(&place, "1", &["--format", "json"]));
    assert_eq!((all["set-id-programs"], all["trusted-hosts"]), ((1, 0), (1, 1)));
    // a choice among what the checks find needs no report, whoever asked for them
    std::fs::write(place.path("imgfix.toml"), "checks = true\n").unwrap();
    let mut command = place.bare("plan", &place.image("1"));
    let plan = ran(command.args(["-q", "--only", "mode-shadow"])).expect(0).stdout;
    assert!(plan.contains("mode-shadow"), "{plan}");
}

#[test]
fn a_scanners_finding_is_repaired_by_the_recipe_that_knows_it() {
    let place = image();
    let report = json!({"SchemaVersion": 2, "ArtifactName": "app", "Results": [
        {"Target": "app", "Class": "config", "Type": "dockerfile", "Misconfigurations": [
            {"ID": "DS002", "Severity": "HIGH", "Title": "root", "Status": "FAIL"}]}]});
    std::fs::write(place.path("trivy.json"), report.to_string()).unwrap();
    let mut command = place.bare("repair", &place.image("1"));
    command.args(["-q", "--format", "json", "-r", "trivy.json"]);
    let done: Value = ran(&mut command).expect(0).json();
    let verdict = &done["platforms"][0]["findings"][0];
    assert_eq!(verdict["verdict"], "not-fixed");
    assert_eq!(verdict["reason"]["kind"], "not-repairable", "{verdict:#}");
    assert_eq!(place.tagged("1_fix"), place.tagged("1"));
}

#[test]
fn no_repository_is_asked() {
    let place = Place::debian();
    let missing = format!("deb [trusted=yes] file://{} ./", place.path("missing").display());
    let all = found(check(&place, "12", &["--format", "json"]));
    assert!(all.contains_key("no-healthcheck"), "{all:?}");
    let mut command = place.bare("repair", &place.image("12"));
    command.args(["-q", "--format", "json", "--checks", "--repository", &missing]);
    let done = ran(&mut command).expect(0).json();
    let asked = done["platforms"][0].get("repositories");
    assert!(asked.is_none_or(|asked| *asked == json!([])), "{done:#}");
}

#[test]
fn a_saved_plan_does_what_it_says() {
    let place = image();
    let mut command = place.bare("plan", &place.image("1"));
    ran(command.args(["-q", "--checks", "--save", "plan.json"])).expect(0);
    let mut command = place.bare("repair", &place.image("1"));
    ran(command.args(["-q", "--plan", "plan.json"])).expect(0);
    assert_eq!(found(check(&place, "1_fix", &["--format", "json"])), expected(LEFT));
}
