//! Every output of a run gives the same numbers: of the built program on the fixtures' images,
//! what the page, the text, Markdown, JSON, KEY=VALUE lines, JUnit and a notification count is
//! held against each other. No network.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use common::cli::{Place, Ran, copy_tree, fixture, ran, report};
use regex::Regex;
use serde_json::Value;

const SEVERITIES: [&str; 6] = ["critical", "high", "medium", "low", "negligible", "unknown"];

/// What one output says, by the name of the number.
type Numbers = BTreeMap<String, String>;

/// A run with every output, and a notification into a file.
struct Run {
    place: Place,
    ran: Ran,
}

impl Run {
    fn new(place: Place, mut command: Command, code: i32) -> Self {
        std::fs::write(
            place.path("imgfix.toml"),
            "[[notify]]\nkind = \"file\"\npath = \"told.json\"\n",
        )
        .unwrap();
        command.arg("--config").arg(place.path("imgfix.toml"));
        for (option, file) in [
            ("--report-file", "report.json"),
            ("--html", "page.html"),
            ("--markdown", "comment.md"),
            ("--junit", "junit.xml"),
            ("--outputs", "outputs"),
        ] {
            command.arg(option).arg(place.path(file));
        }
        let ran = ran(&mut command).expect(code);
        Self { place, ran }
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.place.path(name)).expect(name)
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.text(name)).expect(name)
    }

    /// What each output says.
    fn all(&self) -> BTreeMap<&'static str, Numbers> {
        let page = self.text("page.html");
        let page = Regex::new("<style>.*?</style>|<[^>]+>").unwrap().replace_all(&page, " ");
        BTreeMap::from([
            ("page", of_people(&page)),
            ("text", of_people(&self.ran.stdout)),
            ("Markdown", of_people(&self.text("comment.md"))),
            ("JSON", of_json(&self.json("report.json"))),
            ("outputs", of_lines(&self.text("outputs"))),
            ("JUnit", of_junit(&self.text("junit.xml"))),
            ("notification", of_notification(&self.json("told.json"))),
        ])
    }

    /// Holds all outputs against each other; the numbers, and in how many outputs each is.
    #[track_caller]
    fn agree(&self) -> (Numbers, BTreeMap<String, usize>) {
        let all = self.all();
        let names: BTreeSet<&String> = all.values().flat_map(BTreeMap::keys).collect();
        let (mut agreed, mut times) = (Numbers::new(), BTreeMap::new());
        for name in names {
            let said: BTreeMap<&str, &String> = all
                .iter()
                .filter_map(|(output, numbers)| Some((*output, numbers.get(name)?)))
                .collect();
            let different: BTreeSet<&&String> = said.values().collect();
            assert_eq!(different.len(), 1, "{name}: {said:?}");
            times.insert(name.clone(), said.len());
            agreed.insert(name.clone(), (*said.values().next().unwrap()).clone());
        }
        (agreed, times)
    }
}

fn plain(text: &str) -> String {
    text.replace(',', "")
}

/// What a person reads, in whatever form.
fn of_people(text: &str) -> Numbers {
    let text: String = text.chars().map(|c| if "|*`".contains(c) { ' ' } else { c }).collect();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut out = Numbers::new();
    let mut find = |pattern: &str, names: &[&str]| {
        for (at, found) in Regex::new(pattern).unwrap().captures_iter(&text).enumerate() {
            for (name, group) in names.iter().zip(found.iter().skip(1)) {
                let Some(group) = group else { continue };
                // platforms one after the other; anything else is said once, or alike
                let name = name.replace("{at}", &at.to_string());
                let value = plain(group.as_str());
                let before = out.insert(name.clone(), value.clone());
                assert!(
                    before.as_ref().is_none_or(|before| *before == value),
                    "{name}: {before:?} and {value}"
                );
            }
        }
    };
    find(r"([\d,]+) of ([\d,]+) vulnerabilit\w+ (?:is|are) fixed", &["fixed", "total"]);
    find(
        r"([\d,]+) vulnerabilit\w+ in ([\d,]+) source packages?(?: \(([\d,]+) findings? of ([\d,]+) packages?\))?",
        &["total", "source packages", "findings", "packages"],
    );
    find(r"(?i)apart from these ([\d,]+) ignored", &["ignored"]);
    find(r"([\d,]+) not affected before the repair", &["not affected"]);
    find(r"([\d,]+) assessed as not affected", &["assessed"]);
    find(r"Not fixed \(?([\d,]+)", &["not fixed"]);
    find(r" Fixed \(([\d,]+)\)", &["fixed"]);
    find(r"Before ([\d,]+) After ([\d,]+)", &["total", "left"]);
    find(r" ([\d,]+) left: ", &["left"]);
    find(
        r"([\d,]+) vulnerabilit\w+ at or above (\w+) (?:is|are) not fixed",
        &["holding", "threshold"],
    );
    find(r"nothing at or above (\w+) is left", &["threshold"]);
    find(
        r"(?i)files: ([\d,]+) added, ([\d,]+) changed, ([\d,]+) removed",
        &["files added {at}", "files changed {at}", "files removed {at}"],
    );
    find(
        r"(?i)image size ([\d.]+ \w+) → ([\d.]+ \w+): one layer of ([\d.]+ \w+) \(([\d.]+ \w+) unpacked\)",
        &["size before {at}", "size after {at}", "layer {at}", "unpacked {at}"],
    );
    find(
        r"hangelogs? of (?:the )?([\d,]+) packages? names? ([\d,]+) vulnerabilit",
        &["naming packages", "named"],
    );
    find(
        r"([\d,]+) files? left out, identical but for (?:its|their) time: ([\d.]+ \w+)",
        &["left out {at}", "bytes left out {at}"],
    );
    for severity in SEVERITIES {
        let names = [format!("{severity} before"), format!("{severity} after")];
        let names = [names[0].as_str(), names[1].as_str()];
        find(&format!(r"\b{severity} ([\d,]+) ([\d,]+)\b"), &names);
    }
    out
}

fn of_json(report: &Value) -> Numbers {
    let counted = &report["summary"]["vulnerabilities"];
    let mut out = Numbers::new();
    for (name, key) in [
        ("total", "total"),
        ("source packages", "source_packages"),
        ("findings", "findings"),
        ("packages", "packages"),
        ("fixed", "fixed"),
        ("not fixed", "not_fixed"),
        ("ignored", "ignored"),
        ("not affected", "not_affected"),
        ("assessed", "assessed"),
    ] {
        out.insert(name.to_owned(), counted[key].to_string());
    }
    if let Some(named) = report["summary"].get("named_in_changelogs") {
        out.insert("naming packages".to_owned(), named["packages"].to_string());
        out.insert("named".to_owned(), named["vulnerabilities"].to_string());
    }
    let left: u64 = SEVERITIES.iter().map(|one| counted["after"][one].as_u64().unwrap()).sum();
    out.insert("left".to_owned(), left.to_string());
    for severity in SEVERITIES.iter().filter(|one| counted["before"][**one] != 0) {
        for when in ["before", "after"] {
            out.insert(format!("{severity} {when}"), counted[when][severity].to_string());
        }
    }
    let mut at = 0;
    for platform in report["platforms"].as_array().unwrap() {
        let Some(layer) = platform["layer"].as_object() else { continue };
        let bytes = |value: &Value| imgfix_terminal::bytes(value.as_u64().unwrap());
        let files = &platform["files"];
        for (name, key) in [("added", "added"), ("changed", "differing"), ("removed", "removed")] {
            out.insert(format!("files {name} {at}"), files[key].to_string());
        }
        out.insert(format!("size before {at}"), bytes(&platform["size"]["before"]));
        out.insert(format!("size after {at}"), bytes(&platform["size"]["after"]));
        out.insert(format!("layer {at}"), bytes(&layer["size"]));
        out.insert(format!("unpacked {at}"), bytes(&layer["unpacked_size"]));
        if let Some(left_out) = files.get("left_out") {
            out.insert(format!("left out {at}"), left_out["files"].to_string());
            out.insert(format!("bytes left out {at}"), bytes(&left_out["bytes"]));
        }
        at += 1;
    }
    if let Some(gate) = report.get("gate") {
        out.insert("gate".to_owned(), word(gate["passed"] == true));
        out.insert("holding".to_owned(), gate["held_by"].as_array().unwrap().len().to_string());
        out.insert("threshold".to_owned(), gate["threshold"].as_str().unwrap().to_owned());
    }
    out
}

fn word(passed: bool) -> String {
    if passed { "passed" } else { "failed" }.to_owned()
}

fn of_lines(lines: &str) -> Numbers {
    let values: BTreeMap<&str, &str> =
        lines.lines().filter_map(|line| line.split_once('=')).collect();
    let named = values.get("named-in-changelogs");
    let named = named.map(|number| ("named".to_owned(), (*number).to_owned()));
    [
        ("fixed", "fixed"),
        ("not fixed", "remaining"),
        ("total", "vulnerabilities"),
        ("source packages", "source-packages"),
        ("gate", "gate"),
    ]
    .into_iter()
    .map(|(name, key)| (name.to_owned(), values[key].to_owned()))
    .chain(named)
    .collect()
}

fn of_junit(xml: &str) -> Numbers {
    let suite = Regex::new(
        r#"<testsuite name="[^"]*" tests="(\d+)" failures="(\d+)" errors="0" skipped="(\d+)">"#,
    );
    let suites: Vec<Vec<u64>> = suite
        .unwrap()
        .captures_iter(xml)
        .map(|found| (1..4).map(|at| found[at].parse().unwrap()).collect())
        .collect();
    let [tests, failures, skipped] = suites[0][..] else { panic!("{suites:?}") };
    assert_eq!(
        xml.matches("<testcase ").count() as u64,
        suites.iter().map(|one| one[0]).sum::<u64>()
    );
    assert_eq!(
        xml.matches("<failure ").count() as u64,
        suites.iter().map(|one| one[1]).sum::<u64>()
    );
    assert_eq!(xml.matches("<skipped ").count() as u64, skipped);
    let mut out = Numbers::new();
    out.insert("not fixed".to_owned(), failures.to_string());
    out.insert("ignored".to_owned(), skipped.to_string());
    out.insert("tests".to_owned(), tests.to_string());
    if let Some(gate) = suites.get(1) {
        out.insert("gate".to_owned(), word(gate[1] == 0));
    }
    out
}

fn of_notification(told: &Value) -> Numbers {
    let mut out = of_people(&format!("{} {}", told["verdict"], told["counted"]));
    for (name, key) in [
        ("fixed", "fixed"),
        ("not fixed", "remaining"),
        ("total", "vulnerabilities"),
        ("source packages", "source_packages"),
    ] {
        let value = told[key].to_string();
        let said = out.insert(name.to_owned(), value.clone());
        assert!(said.is_none_or(|said| said == value), "{told}");
    }
    if told["gate"].is_object() {
        out.insert("gate".to_owned(), word(told["gate"]["passed"] == true));
        out.insert("holding".to_owned(), told["gate"]["held_by"].to_string());
        out.insert("threshold".to_owned(), told["gate"]["threshold"].as_str().unwrap().to_owned());
    }
    out
}

/// The tests of JUnit are the problems that count, and those that do not.
fn sum(numbers: &Numbers, names: &[&str]) -> u64 {
    names.iter().map(|name| numbers[*name].parse::<u64>().unwrap()).sum()
}

#[track_caller]
fn check(run: &Run) -> Numbers {
    let (numbers, times) = run.agree();
    for (name, least) in [
        ("total", 6),
        ("source packages", 6),
        ("fixed", 4),
        ("not fixed", 5),
        ("files changed 0", 4),
        ("size after 0", 4),
        ("left", 2),
    ] {
        assert!(times[name] >= least, "{name} is in {} outputs: {numbers:?}", times[name]);
    }
    assert_eq!(
        numbers["tests"].parse::<u64>().unwrap(),
        sum(&numbers, &["total", "ignored", "not affected"])
    );
    assert_eq!(sum(&numbers, &["fixed", "not fixed"]), sum(&numbers, &["total"]));
    let of = |when: &str| -> u64 {
        let all = numbers.iter().filter(|(name, _)| name.ends_with(when));
        all.filter(|(name, _)| SEVERITIES.iter().any(|one| name.starts_with(one)))
            .map(|(_, number)| number.parse::<u64>().unwrap())
            .sum()
    };
    assert_eq!(
        (of(" before"), of(" after")),
        (sum(&numbers, &["total"]), sum(&numbers, &["left"]))
    );
    numbers
}

fn debian(arguments: &[&str], code: i32) -> Run {
    let place = Place::debian();
    let mut command = place.on("repair", &place.image("12"));
    command.args(["-q", "-r", &report("debian-12.trivy")]).args(arguments);
    Run::new(place, command, code)
}

#[test]
fn of_a_repair() {
    let numbers = check(&debian(&[], 0));
    assert_eq!(numbers["findings"], "137", "jq has two packages of one source package");
    assert_eq!((&*numbers["total"], &*numbers["source packages"]), ("136", "9"));
}

#[test]
fn without_a_report_what_changelogs_name_is_told_apart() {
    let place = Place::debian();
    let mut command = place.on("repair", &place.image("12"));
    command.arg("-q");
    let run = Run::new(place, command, 0);
    let (numbers, times) = run.agree();
    assert!(times["named"] >= 5 && times["naming packages"] >= 4, "{times:?}");
    for name in ["total", "fixed", "not fixed"] {
        assert_eq!(numbers[name], "0", "{name}: none is judged");
    }
    let report = run.json("report.json");
    let packages = report["platforms"][0]["packages"].as_array().unwrap();
    let ids = |name: &str| -> Vec<String> {
        let package = packages.iter().find(|one| one["name"] == name).expect(name);
        let all = package["named_in_changelogs"].as_array().expect(name).iter();
        all.map(|id| id.as_str().unwrap().to_owned()).collect()
    };
    // from the image, or where it keeps no documentation, from the package
    assert!(ids("libexpat1").contains(&"CVE-2024-28757".to_owned()), "{:?}", ids("libexpat1"));
    assert_eq!(ids("jq"), ids("libjq1"), "one source package");
    assert!(run.ran.stdout.contains("Named in changelogs, not judged by a scanner"));
    let words = "Named in changelogs, not judged by a scanner";
    assert!(run.text("page.html").contains(words) && run.text("comment.md").contains(words));
    let schema = include_str!("../docs/report.schema.json");
    imgfix_report::schema_check::assert_valid(schema, &report.to_string());
    // none of it is in what is about findings
    assert!(!run.text("junit.xml").contains("CVE-"), "{}", run.text("junit.xml"));
}

#[test]
fn with_identical_files_left_out() {
    let exact = check(&debian(&[], 0));
    let run = debian(&["--skip-identical"], 0);
    let numbers = check(&run);
    let (_, times) = run.agree();
    assert!(times["left out 0"] >= 4 && times["bytes left out 0"] >= 4, "{times:?}");
    // nothing else is another number, but for sizes
    for (name, value) in exact.iter().filter(|(name, _)| {
        !["size after", "layer", "unpacked"].iter().any(|size| name.starts_with(size))
    }) {
        assert_eq!(numbers.get(name), Some(value), "{name}");
    }
}

#[test]
fn with_what_is_ignored() {
    let numbers = check(&debian(&["--ignore", "CVE-2005-2541", "--ignore", "CVE-2026-32316"], 0));
    assert_eq!((&*numbers["ignored"], &*numbers["total"]), ("2", "134"));
    assert_eq!(numbers["not fixed"], "2", "the ignored one is not among them");
}

#[test]
fn with_a_few_that_are_wanted() {
    let only = ["--only", "CVE-2026-32316", "--only", "CVE-2005-2541", "--only", "CVE-2024-28757"];
    let numbers = check(&debian(&only, 0));
    // the new libexpat1 fixes 26 more, which nobody asked for and nobody hides
    assert_eq!((&*numbers["total"], &*numbers["fixed"], &*numbers["not fixed"]), ("29", "28", "1"));
    assert_eq!(numbers["ignored"], "107");
}

#[test]
fn with_a_gate_that_is_passed_and_one_that_is_not() {
    let (failed, times) = debian(&["--fail-on", "high"], 3).agree();
    assert_eq!(
        (&*failed["gate"], &*failed["holding"], &*failed["threshold"]),
        ("failed", "2", "high")
    );
    assert!(times["holding"] >= 5 && times["gate"] >= 4, "{times:?}");
    let (passed, times) = debian(
        &[
            "--min-severity",
            "medium",
            "--ignore",
            "CVE-2023-45853",
            "--ignore",
            "CVE-2026-111497",
            "--fail-on",
            "medium",
        ],
        0,
    )
    .agree();
    assert_eq!(
        (&*passed["gate"], &*passed["holding"], &*passed["threshold"]),
        ("passed", "0", "medium")
    );
    assert!(times["threshold"] >= 5, "{times:?}");
}

#[test]
fn of_an_index_of_two_platforms() {
    let place = Place::new();
    copy_tree(&fixture("distroless"), &place.path("image"));
    let mut command = place.on("repair", &place.image("static"));
    command.args([
        "-q",
        "-r",
        &report("distroless-amd64.trivy"),
        "-r",
        &report("distroless-arm64.trivy"),
    ]);
    let run = Run::new(place, command, 0);
    let numbers = check(&run);
    let json = run.json("report.json");
    let raw = json["summary"]["findings"].as_u64().unwrap();
    assert_eq!(raw, 2 * sum(&numbers, &["total"]), "each platform has each");
    assert!(numbers.contains_key("files changed 1"), "{numbers:?}");
}
