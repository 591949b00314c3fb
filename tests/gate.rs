//! The gate and the review of plans: what `--fail-on` says and where, what is not published
//! then, and what a plan writes for people who cannot push. Of the built program on the
//! fixtures' image. No network.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::process::Command;

use common::cli::{Place, ran, report};
use serde_json::Value;

/// A finding of the fixtures' report that has no fixed version.
const UNFIXABLE: &str = "CVE-2005-2541";
/// One that has.
const FIXABLE: &str = "CVE-2026-32316";

fn on(place: &Place, subcommand: &str, arguments: &[&str]) -> Command {
    let mut command = place.on(subcommand, &place.image("12"));
    command.args(["-q", "-r", &report("debian-12.trivy")]).args(arguments);
    command
}

fn text(place: &Place, name: &str) -> String {
    std::fs::read_to_string(place.path(name)).expect(name)
}

#[test]
fn a_failed_gate_says_why_in_one_line_for_one_and_in_a_list_for_several() {
    let place = Place::debian();
    let one = ran(&mut on(&place, "repair", &["--fail-on", "critical"])).expect(3);
    let line = "imgfix: gate: 1 vulnerability at or above critical is not fixed: CVE-2023-45853 zlib1g: \
                the distribution will not fix it\n";
    assert_eq!(one.stderr, line, "also when it is told to be quiet");
    let several = ran(&mut on(&place, "repair", &["--fail-on", "low"])).expect(3);
    let lines: Vec<&str> = several.stderr.lines().collect();
    assert_eq!(lines[0], "imgfix: gate: 3 vulnerabilities at or above low are not fixed:");
    assert_eq!(lines.len(), 4);
    assert!(lines[3].ends_with(&format!("{UNFIXABLE} tar: the distribution has no fixed version")));
    let passed = ran(&mut on(&place, "repair", &["--only", FIXABLE, "--fail-on", "low"])).expect(0);
    assert_eq!(passed.stderr, "");
    assert!(passed.stdout.contains("gate: passed: nothing at or above low is left"));
}

#[test]
fn a_failed_gate_keeps_the_image_from_being_published() {
    let place = Place::debian();
    let mut command = on(
        &place,
        "repair",
        &["--fail-on", "high", "--no-publish-on-failed-gate", "--original", "backup"],
    );
    for (option, file) in
        [("--html", "x.html"), ("--outputs", "x.out"), ("--report-file", "x.json")]
    {
        command.arg(option).arg(place.path(file));
    }
    let run = ran(&mut command).expect(3);
    assert_eq!((place.tagged("12_fix"), place.tagged("12_original")), (None, None));
    let said = "133 of 136 vulnerabilities would be fixed; nothing was published, because the gate is not passed";
    assert!(run.stdout.starts_with(said), "{}", run.stdout);
    assert!(
        run.stderr.contains("gate: 2 vulnerabilities at or above high would not be fixed"),
        "{}",
        run.stderr
    );
    assert!(text(&place, "x.html").contains(said));
    let outputs = text(&place, "x.out");
    let original = place.tagged("12").unwrap();
    for want in [
        &format!("digest={original}"),
        "published=false",
        "fixed=0",
        "remaining=136",
        "would-be-fixed=133",
        "gate=failed",
    ] {
        assert!(outputs.lines().any(|line| line == want), "{want}: {outputs}");
    }
    let report: Value = serde_json::from_str(&text(&place, "x.json")).unwrap();
    assert_eq!(report["output"], Value::Null);
    assert_eq!(report["gate"]["held_by"][0]["id"], "CVE-2023-45853");

    let arguments = ["--only", FIXABLE, "--fail-on", "high", "--no-publish-on-failed-gate"];
    ran(&mut on(&place, "repair", &arguments)).expect(0);
    assert!(place.tagged("12_fix").is_some(), "a gate that is passed lets it through");
}

#[test]
fn a_gate_that_cannot_keep_its_word_is_a_wrong_command_line() {
    let place = Place::debian();
    let run = ran(&mut on(&place, "repair", &["--no-publish-on-failed-gate"])).expect(2);
    assert!(run.stderr.contains("there is no gate; say with --fail-on"), "{}", run.stderr);
    let scan = ["--no-publish-on-failed-gate", "--fail-on", "low", "--scan-with", "true {archive}"];
    ran(&mut on(&place, "repair", &scan)).expect(2);
    std::fs::write(place.path("imgfix.toml"), "scan-with = \"true {archive}\"\n").unwrap();
    let config = place.path("imgfix.toml").display().to_string();
    let policy = ["--no-publish-on-failed-gate", "--fail-on", "low", "--config", &config];
    let run = ran(&mut on(&place, "repair", &policy)).expect(2);
    assert!(run.stderr.contains("known only when that is published"), "{}", run.stderr);
    assert_eq!(place.tagged("12_fix"), None);
}

/// The file of a policy that says this.
fn policy(place: &Place, text: &str) -> String {
    std::fs::write(place.path("imgfix.toml"), text).unwrap();
    place.path("imgfix.toml").display().to_string()
}

#[test]
fn the_gate_of_the_policy_holds_for_repairs_and_plans_where_no_flag_is_given() {
    let place = Place::debian();
    let config = policy(&place, "fail-on = \"critical\"\n");
    let line = "imgfix: gate: 1 vulnerability at or above critical";
    for subcommand in ["repair", "plan"] {
        let run = ran(&mut on(&place, subcommand, &["--config", &config])).expect(3);
        assert!(run.stderr.starts_with(line), "{subcommand}: {}", run.stderr);
        assert!(run.stdout.contains("gate: 1 vulnerability"), "{subcommand}: {}", run.stdout);
        let flag = ["--config", &config, "--fail-on", "high"];
        let run = ran(&mut on(&place, subcommand, &flag)).expect(3);
        let line = "imgfix: gate: 2 vulnerabilities at or above high";
        assert!(run.stderr.starts_with(line), "the flag goes first: {}", run.stderr);
        let passed = ["--config", &config, "--only", FIXABLE];
        ran(&mut on(&place, subcommand, &passed)).expect(0);
    }
}

#[test]
fn the_policy_says_when_nothing_is_published() {
    let place = Place::debian();
    let text = "fail-on = \"high\"\nno-publish-on-failed-gate = true\nskip-unchanged = true\n";
    let config = policy(&place, text);
    let run = ran(&mut on(&place, "repair", &["--config", &config])).expect(3);
    assert!(run.stdout.contains("because the gate is not passed"), "{}", run.stdout);
    let nothing = ["--config", &config, "--only", UNFIXABLE];
    let run = ran(&mut on(&place, "repair", &nothing)).expect(0);
    let said = "The only vulnerability cannot be fixed; nothing was published";
    assert!(run.stdout.starts_with(said), "{}", run.stdout);
    assert_eq!(place.tagged("12_fix"), None);
    ran(&mut on(&place, "repair", &["--config", &config, "--only", FIXABLE])).expect(0);
    assert!(place.tagged("12_fix").is_some(), "a good repair is published");
    let config = policy(&place, "no-publish-on-failed-gate = true\n");
    let run = ran(&mut on(&place, "repair", &["--config", &config])).expect(2);
    assert!(run.stderr.contains("or with fail-on in the policy"), "{}", run.stderr);
}

#[test]
fn an_image_without_anything_to_do_is_published_only_when_that_is_wanted() {
    let place = Place::debian();
    let nothing = ["--only", UNFIXABLE];
    let run = ran(on(&place, "repair", &nothing).arg("--skip-unchanged")).expect(0);
    let said = "The only vulnerability cannot be fixed; nothing was published";
    assert!(run.stdout.starts_with(said), "{}", run.stdout);
    assert_eq!(place.tagged("12_fix"), None);
    let run = ran(on(&place, "repair", &nothing).args(["--skip-unchanged", "--fail-on", "low"]));
    run.expect(3);
    let run = ran(&mut on(&place, "repair", &nothing)).expect(0);
    let said = "The only vulnerability cannot be fixed; the image was published as it was";
    assert!(run.stdout.starts_with(said), "{}", run.stdout);
    assert!(place.tagged("12_fix").is_some());
    // a repair that has something to do is not skipped
    let place = Place::debian();
    ran(&mut on(&place, "repair", &["--only", FIXABLE, "--skip-unchanged"])).expect(0);
    assert!(place.tagged("12_fix").is_some());
}

#[test]
fn a_plan_is_reviewed_and_claims_nothing() {
    let place = Place::debian();
    let before = common::cli::snapshot(&place.path("image"));
    let mut command = on(&place, "plan", &["--fail-on", "high"]);
    let files = [
        ("--html", "plan.html"),
        ("--markdown", "plan.md"),
        ("--sarif", "plan.sarif"),
        ("--junit", "plan.xml"),
        ("--outputs", "plan.out"),
        ("--dotenv", "plan.env"),
        ("--save", "plan.json"),
    ];
    for (option, file) in files {
        command.arg(option).arg(place.path(file));
    }
    let run = ran(&mut command).expect(3);
    assert_eq!(common::cli::snapshot(&place.path("image")), before, "nothing is written");
    let verdict = "133 of 136 vulnerabilities would be fixed";
    assert!(run.stdout.contains(verdict), "{}", run.stdout);
    assert!(run.stderr.contains("gate: 2 vulnerabilities at or above high would not be fixed"));
    for name in ["plan.html", "plan.md"] {
        let text = text(&place, name);
        assert!(text.contains(verdict), "{name}");
        assert!(text.contains("expat") && text.contains("CVE-2024-28757"), "{name}");
        for claim in
            [" are fixed", " is fixed", ">Not fixed", "**Fixed", "read back", "was published"]
        {
            assert!(!text.contains(claim), "{name} says {claim:?}");
        }
    }
    let page = text(&place, "plan.html");
    assert!(page.contains("Changelog of") && page.contains("var/lib/dpkg/"));
    let junit = text(&place, "plan.xml");
    assert!(
        junit.contains("<testsuite name=\"plan for oci:") && junit.contains("would not be fixed")
    );
    let sarif: Value = serde_json::from_str(&text(&place, "plan.sarif")).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 3);
    let message = results[0]["message"]["text"].as_str().unwrap();
    assert!(message.contains("Would not be fixed: "), "{message}");
    let outputs = text(&place, "plan.out");
    assert!(outputs.starts_with("changes=true\nwould-be-fixed=133\nwould-remain=3\n"), "{outputs}");
    assert!(text(&place, "plan.env").contains("IMGFIX_WOULD_BE_FIXED=133\n"));
    // what was planned is what is done
    let saved = place.path("plan.json");
    let mut repair = place.bare("repair", &place.image("12"));
    repair.args(["-q", "-r", &report("debian-12.trivy"), "--format", "json", "--plan"]).arg(saved);
    let report = ran(&mut repair).expect(0).json();
    assert_eq!(report["summary"]["vulnerabilities"]["fixed"], 133);
}

#[test]
fn a_plan_tells_with_its_exit_code_whether_there_is_something_to_do() {
    let place = Place::debian();
    ran(&mut on(&place, "plan", &["--detailed-exitcode"])).expect(5);
    ran(&mut on(&place, "plan", &[])).expect(0);
    ran(&mut on(&place, "plan", &["--detailed-exitcode", "--only", UNFIXABLE])).expect(0);
    let both = ["--detailed-exitcode", "--fail-on", "low"];
    ran(&mut on(&place, "plan", &both)).expect(3);
    ran(&mut on(&place, "plan", &["--fail-on", "low", "--only", FIXABLE])).expect(0);
}

#[test]
fn files_of_a_plan_are_opened_before_the_work() {
    let place = Place::debian();
    for option in ["--html", "--markdown", "--sarif", "--junit", "--outputs", "--dotenv"] {
        let mut command = on(&place, "plan", &[]);
        let run = ran(command.arg(option).arg(place.path("no/such/file"))).expect(2);
        assert!(run.stderr.contains(option), "{}", run.stderr);
    }
    let mut command = on(&place, "plan", &[]);
    command.arg("--save").arg(place.path("same")).arg("--html").arg(place.path("same"));
    assert!(ran(&mut command).expect(2).stderr.contains("both name"));
}
