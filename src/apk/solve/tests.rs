//! Plans of a few lines of text.
//!
//! A package is written `name version; D: dependencies; p: provides; i: install_if; ...`, one
//! that only a tagged repository has `@tag name version; ...`, a finding
//! `ID package installed > fixed`. A plan is shown as `name from>to` steps, in its order.

mod reasons;
mod removals;

use super::*;
use crate::index::RepositoryInfo;
use imgfix_model::digest::Digest;
use imgfix_model::finding::Finding;
use imgfix_model::identity::Identity;
use imgfix_model::plan::Because;
use imgfix_repair::planner::Request;

fn record_text(line: &str) -> String {
    let mut parts = line.split(';').map(str::trim);
    let (name, version) = parts.next().unwrap().split_once(' ').unwrap();
    let fields: Vec<String> = parts.map(|field| field.replacen(": ", ":", 1)).collect();
    let identity = Identity::of(line.as_bytes());
    format!("C:{identity}\nP:{name}\nV:{version}\nA:x86_64\nS:7\nI:9\n{}\n", fields.join("\n"))
}

fn record(line: &str) -> Record {
    let mut record = Record::default();
    for line in record_text(line).lines().filter(|line| !line.is_empty()) {
        let (field, value) = line.split_once(':').unwrap();
        record.set(field.as_bytes()[0], value).unwrap();
    }
    record
}

fn index(repository: &[&str]) -> PackageIndex {
    let mut index = PackageIndex::new();
    for tag in [None, Some("edge")] {
        let own = repository.iter().filter_map(|line| match (tag, line.strip_prefix("@edge ")) {
            (None, None) => Some(*line),
            (Some(_), line) => line,
            _ => None,
        });
        let text: String = own.map(|line| record_text(line) + "\n").collect();
        let info = RepositoryInfo {
            url: format!("https://apk.example/{}", tag.unwrap_or("main")),
            tags: vec![tag.map(str::to_owned)],
            ..RepositoryInfo::default()
        };
        index.push(text, info).unwrap();
    }
    index
}

fn finding(line: &str) -> Finding {
    let (left, fixed) = line.split_once('>').unwrap();
    let words: Vec<&str> = left.split_whitespace().collect();
    let fixed = fixed.trim();
    Finding {
        fixed: (!fixed.is_empty()).then(|| fixed.to_owned()),
        ..Finding::system(words[0], words[1], words[2])
    }
}

fn findings(lines: &[&str]) -> Requests {
    Requests::Findings(lines.iter().map(|line| Request::from(finding(line))).collect())
}

fn context() -> Context {
    Context { platform: "linux/amd64".parse().unwrap(), manifest_digest: Digest::of(b"") }
}

/// Plans an image whose `world` is given as a line.
fn planned(
    world: &str,
    image: &[&str],
    repository: &[&str],
    requests: &Requests,
    barred: &BTreeMap<PackageId, Reason>,
) -> Planned {
    planned_by(Generation::Apk2, (world, image, repository), requests, barred)
}

/// The same with the rules of a generation of apk.
fn planned_by(
    generation: Generation,
    (world, image, repository): (&str, &[&str], &[&str]),
    requests: &Requests,
    barred: &BTreeMap<PackageId, Reason>,
) -> Planned {
    let records: Vec<Record> = image.iter().map(|line| record(line)).collect();
    let world = Dependency::parse_list(world).unwrap();
    let image = Image { packages: records.iter().collect(), world: &world, generation };
    plan_platform(&image, &index(repository), requests, barred, &context())
}

fn everything(world: &str, image: &[&str], repository: &[&str]) -> Planned {
    planned(world, image, repository, &Requests::Everything, &BTreeMap::new())
}

fn for_findings(world: &str, image: &[&str], repository: &[&str], lines: &[&str]) -> Planned {
    planned(world, image, repository, &findings(lines), &BTreeMap::new())
}

fn steps(planned: &Planned) -> Vec<String> {
    let steps = planned.plan.steps.iter();
    steps
        .map(|step| {
            let from = step.from.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{} {from}>{}", step.package.name, step.to)
        })
        .collect()
}

fn reason(planned: &Planned) -> &Reason {
    &planned.plan.unfixed[0].reason
}

fn conflict_detail(planned: &Planned) -> String {
    match reason(planned) {
        Reason::Conflict { detail, .. } => detail.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_newer_and_what_satisfies_is_for_the_images_apk_to_say() {
    for (what, world, image, repository, by_apk_2, by_apk_3) in [
        (
            "a leading zero, up",
            "a",
            &["a 1.016-r0"][..],
            &["a 1.04-r0"][..],
            "",
            "a 1.016-r0>1.04-r0",
        ),
        ("and down", "a", &["a 1.04-r0"], &["a 1.016-r0"], "a 1.04-r0>1.016-r0", ""),
        (
            "the highest of several",
            "a",
            &["a 1.0-r0"],
            &["a 1.04-r0", "a 1.016-r0"],
            "a 1.0-r0>1.016-r0",
            "a 1.0-r0>1.04-r0",
        ),
        ("a commit is a version", "a", &["a 1.0-r0"], &["a 1.1~abc-r0"], "", "a 1.0-r0>1.1~abc-r0"),
        (
            "a digit behind the letter is none",
            "a",
            &["a 1.0-r0"],
            &["a 1.1a1-r0"],
            "a 1.0-r0>1.1a1-r0",
            "",
        ),
        (
            "nor is it in a dependency",
            "a n",
            &["a 1", "n 1.0b1"],
            &["a 2; D: n>=1.0a1"],
            "a 1>2",
            "",
        ),
        (
            "what world allows",
            "a<=1.04-r0",
            &["a 1.0-r0"],
            &["a 1.016-r0"],
            "",
            "a 1.0-r0>1.016-r0",
        ),
        ("what a dependency allows", "a b", &["a 1", "b 1.016"], &["a 2; D: b<1.04"], "", "a 1>2"),
        ("what is excluded", "a b", &["a 1", "b 1.016"], &["a 2; D: !b<1.04"], "a 1>2", ""),
        ("up to a prefix", "a n", &["a 1", "n 1.2.3"], &["a 2; D: n<~1.2"], "a 1>2", "a 1>2"),
        ("a longer prefix", "a n", &["a 1", "n 1.2"], &["a 2; D: n~1.2.3"], "a 1>2", ""),
        (
            "of providers, the higher",
            "a",
            &["a 1"],
            &["a 2; D: v", "m 1; p: v=1.016", "n 1; p: v=1.04"],
            "m >1 a 1>2",
            "n >1 a 1>2",
        ),
    ] {
        for (generation, want) in [(Generation::Apk2, by_apk_2), (Generation::Apk3, by_apk_3)] {
            let barred = BTreeMap::new();
            let system = (world, image, repository);
            let planned = planned_by(generation, system, &Requests::Everything, &barred);
            assert_eq!(steps(&planned).join(" "), want, "{what}, {generation:?}");
        }
    }
}

#[test]
fn every_kind_of_relation_is_honoured() {
    for (what, world, image, repository, want) in [
        ("only what is needed", "a b", &["a 1", "b 1"][..], &["a 2", "b 2"][..], &["a 1>2"][..]),
        (
            "depends on a higher version",
            "a b",
            &["a 1", "b 1"],
            &["a 2; D: b>=2", "b 2"],
            &["b 1>2", "a 1>2"],
        ),
        ("new package", "a", &["a 1"], &["a 2; D: n", "n 3"], &["n >3", "a 1>2"]),
        (
            "an upgrade brings a library by its so name",
            "a",
            &["a 1; D: so:l.so.1", "l 1; p: so:l.so.1=1"],
            &["a 2; D: so:l.so.2", "l 2; p: so:l.so.2=2", "l1 1; p: so:l.so.1=1"],
            &["l 1>2", "a 1>2"],
        ),
        (
            "what still needs the old so name goes up too",
            "a b",
            &["a 1; D: so:l.so.1", "b 1; D: so:l.so.1", "l 1; p: so:l.so.1=1"],
            &["a 2; D: so:l.so.2", "b 2; D: so:l.so.2", "l 2; p: so:l.so.2=2"],
            &["l 1>2", "a 1>2", "b 1>2"],
        ),
        (
            "a versioned provider, the higher one",
            "a",
            &["a 1"],
            &["a 2; D: v", "m 9; p: v=1", "n 1; p: v=2"],
            &["n >1", "a 1>2"],
        ),
        (
            "a provider of a version",
            "a",
            &["a 1"],
            &["a 2; D: v<2", "m 9; p: v=1", "n 1; p: v=2"],
            &["m >9", "a 1>2"],
        ),
        (
            "a provider without a version by its priority",
            "a",
            &["a 1"],
            &["a 2; D: v", "m 1; p: v", "n 1; p: v; k: 10", "o 1; p: v; k: 9"],
            &["n >1", "a 1>2"],
        ),
        (
            "a provider that is there is enough",
            "a m",
            &["a 1", "m 1; p: v"],
            &["a 2; D: v", "n 1; p: v; k: 10"],
            &["a 1>2"],
        ),
        (
            "a provider without a version that is asked for by name",
            "a",
            &["a 1"],
            &["a 2; D: v m", "m 1; p: v"],
            &["m >1", "a 1>2"],
        ),
        (
            "the highest of several new versions",
            "a",
            &["a 1"],
            &["a 2; D: n", "n 3", "n 5", "n 4"],
            &["n >5", "a 1>2"],
        ),
        (
            "a version between",
            "a",
            &["a 1"],
            &["a 2; D: n<5", "n 3", "n 5", "n 4"],
            &["n >4", "a 1>2"],
        ),
        (
            "fuzzy versions",
            "a",
            &["a 1"],
            &["a 2; D: n~4.1", "n 4.10", "n 4.1.7", "n 4.2"],
            &["n >4.1.7", "a 1>2"],
        ),
        (
            "a conflict that an upgrade ends",
            "a b",
            &["a 1", "b 1"],
            &["a 2; D: !b<2", "b 2"],
            &["b 1>2", "a 1>2"],
        ),
        (
            "a conflict that another has",
            "a b",
            &["a 1", "b 1; D: !a>=2"],
            &["a 2", "b 2"],
            &["a 1>2", "b 1>2"],
        ),
        (
            "a version conflict is not about a name without a version",
            "a b",
            &["a 1", "b 1; p: v"],
            &["a 2; D: !v<2"],
            &["a 1>2"],
        ),
        ("replaces takes nothing away", "a b", &["a 1", "b 1"], &["a 2; r: b", "b 2"], &["a 1>2"]),
        (
            "a name moves from one package to another",
            "a b",
            &["a 1", "b 1; p: v=1"],
            &["a 2; p: v=2", "b 2"],
            &["a 1>2", "b 1>2"],
        ),
        (
            "names without versions go together",
            "a b",
            &["a 1", "b 1; p: v"],
            &["a 2; p: v", "b 2"],
            &["a 1>2"],
        ),
        (
            "exactly one package by its identity",
            "a",
            &["a 1"],
            &["a 2; D: n><Q1NcYvfw2LFf9wsn1LC3F9AS9U4DI=", "n 1"],
            &[],
        ),
        (
            "circles",
            "a",
            &["a 1; D: b=1", "b 1; D: a=1"],
            &["a 2; D: b=2", "b 2; D: a=2"],
            &["b 1>2", "a 1>2"],
        ),
        (
            "what its own package provides",
            "a",
            &["a 1"],
            &["a 2; D: cmd:a; p: cmd:a=2"],
            &["a 1>2"],
        ),
        (
            "virtual packages of the user stay",
            ".deps",
            &["a 1", ".deps 20240101.1; D: a so:x; I: 0", "x 1; p: so:x=1"],
            &["a 2", "x 2; p: so:y=2"],
            &["a 1>2"],
        ),
    ] {
        let planned = for_findings(world, image, repository, &["C a 1 > 2"]);
        assert_eq!(steps(&planned), want, "{what}: {:?}", planned.plan.unfixed);
        assert_eq!(planned.fixes.is_empty(), want.is_empty(), "{what}");
    }
}

#[test]
fn everything_goes_to_the_highest_version_that_can_be_reached() {
    for (what, world, image, repository, want) in [
        ("the highest", "a", &["a 1"][..], &["a 2", "a 3", "a 1.5"][..], &["a 1>3"][..]),
        ("never down", "a b", &["a 2", "b 1"], &["a 1"], &[]),
        ("the same version of another build stays", "a", &["a 1; t: 5"], &["a 1; t: 6"], &[]),
        (
            "a lower one where the highest needs what is not there",
            "a",
            &["a 1"],
            &["a 2", "a 3; D: missing"],
            &["a 1>2"],
        ),
        (
            "a lower one where the highest of two exclude each other",
            "a b",
            &["a 1", "b 1"],
            &["a 2", "b 2", "b 3; D: !a"],
            &["a 1>2", "b 1>2"],
        ),
        (
            "all of one source in step",
            "a",
            &["a 1; D: a-l=1", "a-l 1"],
            &["a 2; D: a-l=2", "a 3; D: a-l=3", "a-l 2"],
            &["a-l 1>2", "a 1>2"],
        ),
        ("world's limit", "a<3", &["a 1"], &["a 2", "a 3"], &["a 1>2"]),
        ("world's fuzzy version", "a~1.2", &["a 1.2.1"], &["a 1.2.5", "a 1.3"], &["a 1.2.1>1.2.5"]),
        ("world's exact version", "a=1", &["a 1"], &["a 2"], &[]),
        (
            "world's word against a new package",
            "a !n",
            &["a 1"],
            &["a 2", "a 3; D: n", "n 1"],
            &["a 1>2"],
        ),
        (
            "world's word on a provided name",
            "a v<2",
            &["a 1; p: v=1"],
            &["a 2; p: v=2", "a 1.5; p: v=1.5"],
            &["a 1>1.5"],
        ),
        (
            "a broken world stays broken",
            "a missing b=7",
            &["a 1", "b 1"],
            &["a 2", "b 2"],
            &["a 1>2", "b 1>2"],
        ),
        (
            "a relation that is broken already",
            "a",
            &["a 1; D: sh !b", "b 1"],
            &["a 2; D: sh !b"],
            &["a 1>2"],
        ),
    ] {
        let planned = everything(world, image, repository);
        assert_eq!(steps(&planned), want, "{what}: {:?}", planned.plan.kept_back);
    }
}

#[test]
fn tagged_repositories_serve_what_world_pins_to_them() {
    for (what, world, image, repository, want) in [
        ("not without a pin", "a", &["a 1"][..], &["a 2", "@edge a 3"][..], &["a 1>2"][..]),
        ("the pinned name", "a@edge b", &["a 1", "b 1"], &["@edge a 3", "@edge b 3"], &["a 1>3"]),
        ("the tag before a higher version", "a@edge", &["a 1"], &["a 4", "@edge a 3"], &["a 1>3"]),
        (
            "what it needs where no other will do",
            "a@edge b",
            &["a 1", "b 1"],
            &["@edge a 3; D: b>=3 n", "b 2", "@edge b 3", "n 1", "@edge n 2"],
            &["b 1>3", "n >1", "a 1>3"],
        ),
        (
            "what it needs prefers the others",
            "a@edge b",
            &["a 1", "b 1"],
            &["@edge a 3; D: b", "b 2", "@edge b 3"],
            &["b 1>2", "a 1>3"],
        ),
    ] {
        assert_eq!(steps(&everything(world, image, repository)), want, "{what}");
    }
}

#[test]
fn what_waits_by_install_if_comes_along() {
    for (what, world, image, repository, want) in [
        (
            "when all of it is there",
            "a b",
            &["a 1", "b 1"][..],
            &["a 2", "a-b 2; i: a=2 b"][..],
            &["a 1>2", "a-b >2"][..],
        ),
        ("not when some is missing", "a", &["a 1"], &["a 2", "a-b 2; i: a=2 b"], &["a 1>2"]),
        (
            "not beside what it excludes",
            "a b",
            &["a 1", "b 1"],
            &["a 2", "a-b 2; i: a !b"],
            &["a 1>2"],
        ),
        (
            "an installed one in step",
            "a b",
            &["a 1", "b 1", "a-b 1; i: a=1 b"],
            &["a 2", "a-b 2; i: a=2 b"],
            &["a 1>2", "a-b 1>2"],
        ),
        (
            "one that still holds stays",
            "a b",
            &["a 1", "b 1", "a-b 1; i: a b"],
            &["a 2", "a-b 2; i: a b"],
            &["a 1>2"],
        ),
        (
            "one that something else wants stays",
            "a b a-b",
            &["a 1", "b 1", "a-b 1; i: a=1 b"],
            &["a 2", "a-b 2; i: a=2 b"],
            &["a 1>2"],
        ),
        (
            "with what it needs",
            "a b",
            &["a 1", "b 1"],
            &["a 2", "a-b 2; i: a=2 b; D: n", "n 1"],
            &["a 1>2", "n >1", "a-b >2"],
        ),
        (
            "one after the other",
            "a b",
            &["a 1", "b 1"],
            &["a 2", "c 2; i: a=2", "d 2; i: c b"],
            &["a 1>2", "c >2", "d >2"],
        ),
        (
            "left out when it cannot be installed",
            "a b",
            &["a 1", "b 1"],
            &["a 2", "c 2; i: a=2; D: missing"],
            &["a 1>2"],
        ),
        ("not when nothing changes", "a", &["a 2"], &["a 2", "c 2; i: a=2"], &[]),
    ] {
        let planned = for_findings(world, image, repository, &["C a 1 > 2"]);
        assert_eq!(steps(&planned), want, "{what}");
    }
    let planned = for_findings("a b", &["a 1", "b 1"], &["a 2", "c 2; i: a=2 b"], &["C a 1 > 2"]);
    assert_eq!(
        planned.plan.steps[1].because,
        [Because::Needed {
            package: PackageId { name: "a".into(), architecture: "x86_64".into() },
            relation: "install_if: a=2 b".to_owned(),
        }]
    );
}

#[test]
fn steps_are_in_the_order_of_apks_changeset() {
    for (what, world, image, repository, want) in [
        ("world by name", "C b a", &["a 1", "b 1", "C 1"][..], &["a 2", "b 2", "C 2"][..], "a b C"),
        (
            "dependencies first, in their order",
            "a",
            &["a 1; D: c b", "b 1", "c 1"],
            &["a 2; D: c b", "b 2", "c 2"],
            "c b a",
        ),
        (
            "circles end where they began",
            "b",
            &["a 1; D: b", "b 1; D: c", "c 1; D: a"],
            &["a 2; D: b", "b 2; D: c", "c 2; D: a"],
            "a c b",
        ),
        (
            "what world does not reach comes last, as the database has it",
            "z",
            &["y 1", "x 1", "z 1"],
            &["x 2", "y 2", "z 2"],
            "z y x",
        ),
        (
            "apk-tools before all, with what it needs",
            "a apk-tools",
            &["a 1", "apk-tools 1; D: l", "l 1"],
            &["a 2", "apk-tools 2; D: l>=2", "l 2"],
            "l apk-tools a",
        ),
        (
            "through a provided name",
            "a",
            &["a 1; D: so:l", "l 1; p: so:l=1", "b 1"],
            &["a 2; D: so:l", "l 2; p: so:l=2", "b 2"],
            "l a b",
        ),
    ] {
        let steps = steps(&everything(world, image, repository));
        let names: Vec<&str> = steps.iter().map(|step| step.split(' ').next().unwrap()).collect();
        assert_eq!(names.join(" "), want, "{what}");
    }
}

#[test]
fn an_identity_is_one_build_of_a_version() {
    let identity = Identity::of(b"n 1; t: 6");
    let a = format!("a 2; D: n><{identity}");
    let repository = [a.as_str(), "n 1; t: 5", "n 1; t: 6", "n 2"];
    let planned = for_findings("a", &["a 1"], &repository, &["C a 1 > 2"]);
    assert_eq!(steps(&planned), ["n >1", "a 1>2"]);
    assert_eq!(planned.plan.steps[0].archive.checksum.to_string(), identity.to_string());
}

#[test]
fn a_step_says_where_its_package_is() {
    let planned = everything("a", &["a 1"], &["a 2"]);
    let archive = &planned.plan.steps[0].archive;
    assert_eq!(archive.url, "https://apk.example/main/x86_64/a-2.apk");
    assert_eq!(archive.checksum.to_string(), Identity::of(b"a 2").to_string());
}
