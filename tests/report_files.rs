//! The forms that a repair's report takes, as files: of the built program on the fixtures'
//! image. No network.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use common::cli::{Place, Ran, ran, tagged};
use imgfix_report::schema_check::assert_keeps_to;
use serde_json::Value;

const FILES: [(&str, &str); 8] = [
    ("--report-file", "report.json"),
    ("--html", "review.html"),
    ("--markdown", "review.md"),
    ("--review-json", "review.json"),
    ("--sarif", "left.sarif"),
    ("--gitlab", "gitlab.json"),
    ("--openvex", "fixed.vex.json"),
    ("--junit", "junit.xml"),
];

fn repair(place: &Place) -> Ran {
    let mut command = place.repair(&place.image("12"));
    command.env("SOURCE_DATE_EPOCH", "1700000000");
    for (option, file) in FILES {
        command.arg(option).arg(place.path(file));
    }
    ran(&mut command).expect(0)
}

fn text(place: &Place, name: &str) -> String {
    std::fs::read_to_string(place.path(name)).expect(name)
}

fn json(place: &Place, name: &str) -> Value {
    serde_json::from_str(&text(place, name)).expect(name)
}

#[test]
fn every_form_tells_of_the_same_repair() {
    let place = Place::debian();
    let run = repair(&place);
    let report = run.json();
    let counted = &report["summary"]["vulnerabilities"];
    let (fixed, left) = (&counted["fixed"], &counted["not_fixed"]);
    let (fixed, left) = (fixed.as_u64().unwrap(), left.as_u64().unwrap());
    assert!(fixed > 0 && left > 0, "{fixed} and {left}");
    let left_findings = report["summary"]["not_fixed"].as_u64().unwrap();
    let digest = run.digest();

    assert_eq!(json(&place, "report.json"), report);
    let verdict = format!("{fixed} of {} vulnerabilities are fixed", fixed + left);
    for name in ["review.html", "review.md"] {
        let text = text(&place, name);
        assert!(text.contains(&verdict), "{name}: no {verdict:?}");
        assert!(text.contains(&digest), "{name}");
        assert!(text.contains("imgfix repair oci:"), "{name}: no command");
    }
    let page = text(&place, "review.html");
    assert!(page.contains("libexpat1") && page.contains("Changelog of"), "{page}");
    assert!(page.contains("var/lib/dpkg/"), "the files are shown");

    let review = json(&place, "review.json");
    assert_eq!(review["schema"], "imgfix/review/v1");
    assert_eq!(review["repair"], report);
    let platform = &review["platforms"][0];
    let logs = platform["changelogs"].as_array().unwrap();
    let entries = logs.iter().map(|log| log["entries"].as_array().unwrap().len()).sum::<usize>();
    assert!(entries > 0, "{logs:?}");
    assert!(!platform["repositories"][0]["fingerprint"].as_str().unwrap().is_empty());
    let upgraded = platform["diff"]["packages"]["upgraded"].as_array().unwrap().len();
    assert_eq!(upgraded as u64, report["summary"]["packages"].as_u64().unwrap());

    let sarif = json(&place, "left.sarif");
    assert_eq!(sarif["runs"][0]["results"].as_array().unwrap().len() as u64, left_findings);
    let gitlab = json(&place, "gitlab.json");
    let vulnerabilities = gitlab["vulnerabilities"].as_array().unwrap();
    assert_eq!(vulnerabilities.len() as u64, left_findings);
    assert_eq!(vulnerabilities[0]["location"]["operating_system"], "debian 12");
    assert_eq!(gitlab["scan"]["end_time"], "2023-11-14T22:13:20");
    let vex = json(&place, "fixed.vex.json");
    assert_eq!(vex["timestamp"], "2023-11-14T22:13:20Z");
    let of_status = |status: &str| {
        let all = vex["statements"].as_array().unwrap().iter();
        all.filter(|one| one["status"] == status).collect::<Vec<_>>()
    };
    assert!(!of_status("fixed").is_empty() && !of_status("affected").is_empty(), "{vex}");
    let manifest = report["platforms"][0]["manifest"].as_str().unwrap();
    let product = &of_status("fixed")[0]["products"][0];
    assert_eq!(format!("sha256:{}", product["hashes"]["sha-256"].as_str().unwrap()), manifest);
    let parts = vex.to_string();
    assert!(parts.contains("?arch=amd64&distro=debian-12"), "{parts}");
    for (schema, name) in [
        ("sarif-2.1.0.schema.json", "left.sarif"),
        ("gitlab-container-scanning-15.0.7.schema.json", "gitlab.json"),
        ("openvex-0.2.0.schema.json", "fixed.vex.json"),
    ] {
        assert_keeps_to(schema, &text(&place, name));
    }
    let junit = text(&place, "junit.xml");
    assert_eq!(junit.matches("<testcase ").count() as u64, fixed + left);
    assert_eq!(junit.matches("<failure ").count() as u64, left);
}

#[test]
fn without_a_finding_there_is_no_openvex_document_and_it_is_said() {
    let place = Place::debian();
    let file = place.path("fixed.vex.json");
    let mut command = place.on("repair", &place.image("12"));
    let run = ran(command.arg("--openvex").arg(&file)).expect(0);
    let want = format!("--openvex {} is not written", file.display());
    assert!(run.stderr.contains(&want), "{}", run.stderr);
    assert!(!file.exists());
}

#[test]
fn an_openvex_document_has_the_author_that_is_named_and_no_fix_that_nobody_published() {
    let place = Place::debian();
    std::fs::write(place.path("policy.toml"), "vex-author = \"Team <team@a.example>\"").unwrap();
    let vex = |more: &[&str], code| {
        let mut command = place.repair(&place.image("12"));
        command.arg("--openvex").arg(place.path("vex.json")).args(more);
        ran(&mut command).expect(code);
        json(&place, "vex.json")
    };
    let policy = place.path("policy.toml").display().to_string();
    assert_eq!(vex(&[], 0)["author"], "imgfix");
    assert_eq!(vex(&["--config", &policy], 0)["author"], "Team <team@a.example>");
    assert_eq!(vex(&["--config", &policy, "--vex-author", "Ann"], 0)["author"], "Ann");
    let withheld = vex(&["--fail-on", "low", "--no-publish-on-failed-gate"], 3);
    let statements = withheld["statements"].as_array().unwrap();
    assert!(statements.iter().all(|one| one["status"] != "fixed"), "{withheld}");
    let action = |one: &Value| one["action_statement"].as_str().map(str::to_owned);
    let actions: Vec<String> = statements.iter().filter_map(action).collect();
    assert!(actions.iter().any(|text| text.contains("was withheld")), "{actions:?}");
}

#[test]
fn what_is_left_is_a_report_that_imgfix_reads() {
    let place = Place::debian();
    let left = repair(&place).json()["summary"]["not_fixed"].as_u64().unwrap();
    let mut command = place.imgfix();
    command.args(["findings", "--format", "json"]).arg(place.path("left.sarif"));
    let list = ran(&mut command).expect(0).json();
    assert_eq!(list["schema"], "imgfix/findings/v1");
    assert_eq!(list["findings"].as_array().unwrap().len() as u64, left);
}

#[test]
fn the_same_repair_gives_the_same_review() {
    let pages: Vec<String> = (0..2)
        .map(|_| {
            let place = Place::debian();
            repair(&place);
            let folder = place.dir.path().display().to_string();
            text(&place, "review.html").replace(&folder, "")
        })
        .collect();
    assert!(pages[0] == pages[1]);
}

#[test]
fn a_file_that_cannot_be_written_is_said_before_anything_is_published() {
    for (option, _) in FILES {
        let place = Place::debian();
        let mut command = place.repair(&place.image("12"));
        command.arg(option).arg(place.path("no/such/folder/file"));
        let run = ran(&mut command).expect(2);
        let want = format!("{option} {}", place.path("no/such/folder/file").display());
        assert!(run.stderr.contains(&want), "{}", run.stderr);
        assert_eq!(tagged(&place.path("image"), "12_fix"), None);
    }
}

/// A link to what the process has open, as `/dev/stdout` is: as root, a report to that with
/// `> FILE` would have taken the link's place for the whole machine.
#[test]
fn what_is_no_file_of_its_own_is_written_and_never_replaced() {
    use std::os::unix::fs::{FileTypeExt as _, symlink};
    let place = Place::debian();
    let out = place.path("out.txt");
    symlink("/proc/self/fd/1", place.path("stdout")).unwrap();
    symlink("stdout", place.path("link-to-stdout")).unwrap();
    symlink("/dev/null", place.path("null")).unwrap();
    let run = |name: &str| {
        let mut command = place.on("plan", &place.image("12"));
        command.args(["-q", "--format", "json", "--save"]).arg(place.path(name));
        command.stdout(std::fs::File::create(&out).unwrap()).stderr(std::process::Stdio::null());
        assert!(command.status().unwrap().success(), "{name}");
        std::fs::read_to_string(&out).unwrap()
    };
    let alone = run("plan.json");
    let saved = text(&place, "plan.json");
    for name in ["stdout", "link-to-stdout"] {
        let both = run(name);
        assert!(place.path(name).symlink_metadata().unwrap().is_symlink(), "{name}");
        // neither is over the other
        assert_eq!(both.len(), alone.len() + saved.len(), "{name}: {both}");
        assert!(both.contains(&alone) && both.contains(&saved), "{name}: {both}");
    }
    assert_eq!(run("null"), alone);
    assert!(place.path("null").symlink_metadata().unwrap().is_symlink());

    ran(std::process::Command::new("mkfifo").arg(place.path("pipe"))).expect(0);
    let pipe = place.path("pipe");
    let reader = std::thread::spawn(move || std::fs::read_to_string(pipe).unwrap());
    run("pipe");
    assert_eq!(reader.join().unwrap(), saved);
    assert!(place.path("pipe").symlink_metadata().unwrap().file_type().is_fifo());
}

#[test]
fn two_images_are_compared_as_a_page_and_as_markdown() {
    let place = Place::debian();
    repair(&place);
    for (format, start) in [("html", "<!DOCTYPE html>"), ("markdown", "## imgfix: The two images")]
    {
        let mut command = place.imgfix();
        command.args(["diff", &place.image("12"), &place.image("12_fix"), "--format", format]);
        let run = ran(&mut command).expect(0);
        assert!(run.stdout.starts_with(start), "{}", run.stdout);
        assert!(run.stdout.contains("imagemagick-6-common"), "{}", run.stdout);
    }
    let mut command = place.imgfix();
    command.args(["diff", &place.image("12"), &place.image("12"), "--format", "markdown"]);
    assert!(ran(&mut command).expect(0).stdout.contains("The two images are the same"));
}

#[test]
fn classes_without_a_recipe_are_carried_to_the_end() {
    let place = Place::debian();
    let findings = serde_json::json!({"schema": "imgfix/findings/v1", "findings": [
        {"id": "CVE-2022-1", "class": "library", "package": "org.a:b", "installed": "1",
         "fixed": "2", "path": "/srv/app/b.jar", "severity": "high"},
        {"id": "ODD-1", "class": "baseline", "package": "dockerfile", "severity": "low"},
        {"id": "EICAR", "class": "malicious", "path": "/srv/e.com", "severity": "critical"}]});
    std::fs::write(place.path("findings.json"), findings.to_string()).unwrap();
    let mut command = place.repair(&place.image("12"));
    command.arg("-r").arg(place.path("findings.json")).arg("--markdown").arg(place.path("r.md"));
    let report = ran(&mut command).expect(0).json();
    for (id, class) in [("CVE-2022-1", "library"), ("ODD-1", "baseline"), ("EICAR", "malicious")] {
        let all = report["platforms"][0]["findings"].as_array().unwrap();
        let found = all.iter().find(|one| one["id"] == id).expect(id);
        assert_eq!(found["verdict"], "not-fixed");
        assert_eq!(found["reason"]["kind"], "no-recipe");
        assert_eq!(found["explanation"], format!("no recipe yet for findings of class {class}"));
    }
    assert!(text(&place, "r.md").contains("By class: system"));
    let mut command = place.on("plan", &place.image("12"));
    command.arg("-q").arg("-r").arg(place.path("findings.json"));
    let plan = ran(&mut command).expect(0).stdout;
    assert!(plan.contains("no recipe yet for findings of class malicious"), "{plan}");
}
