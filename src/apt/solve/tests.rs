//! Plans of a few lines of text.
//!
//! A package is written `name version; Field: value; ...`, a finding
//! `ID package installed > fixed`. A plan is shown as `name from>to` steps.

mod choice;
mod findings;
mod random;

use std::io::Read;
use std::sync::Arc;

use super::*;
use crate::index::RepositoryInfo;
use crate::phasing::Phasing;
use crate::policy::Recommends;
use imgfix_dpkg::inventory::STATUS;
use imgfix_model::digest::Digest;
use imgfix_model::finding::Finding;
use imgfix_model::path::ImagePath;
use imgfix_model::plan::Because;
use imgfix_repair::planner::Request;
use imgfix_vfs::LayerId;
use imgfix_vfs::tree::ContentLoader;
use imgfix_vfs::{Entry, Tree};

struct NoLayers;

impl ContentLoader for NoLayers {
    fn open(&self, _: LayerId, _: u32) -> std::io::Result<Box<dyn Read + Send>> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

fn stanza(line: &str, more: &str) -> String {
    let mut parts = line.split(';').map(str::trim);
    let (name, version) = parts.next().unwrap().split_once(' ').unwrap();
    let mut fields: Vec<String> = parts.map(str::to_owned).collect();
    if !fields.iter().any(|field| field.starts_with("Architecture:")) {
        fields.push("Architecture: amd64".to_owned());
    }
    if !more.is_empty() && !fields.iter().any(|field| field.starts_with("Status:")) {
        fields.push(more.to_owned());
    }
    format!("Package: {name}\nVersion: {version}\n{}\n", fields.join("\n"))
}

fn inventory(image: &[&str]) -> DpkgInventory {
    let status: Vec<String> =
        image.iter().map(|line| stanza(line, "Status: install ok installed")).collect();
    let mut entries =
        vec![(ImagePath::literal(STATUS), Entry::file(status.join("\n").into_bytes(), 0o644, 0))];
    let arch = Entry::file("amd64\ni386\n", 0o644, 0);
    entries.push((ImagePath::literal("/var/lib/dpkg/arch"), arch));
    DpkgInventory::read(&Tree::from_entries(entries, Arc::new(NoLayers))).unwrap()
}

fn index(repository: &[&str]) -> PackageIndex {
    index_of("stable-security", repository)
}

/// What an archive of this name offers.
fn index_of(archive: &str, repository: &[&str]) -> PackageIndex {
    const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let text: Vec<String> = repository
        .iter()
        .map(|line| {
            stanza(line, "") + &format!("Filename: pool/x.deb\nSize: 7\nSHA256: {SHA256}\n")
        })
        .collect();
    let info = RepositoryInfo {
        url: "http://deb.example/".to_owned(),
        suite: "stable-security".to_owned(),
        component: "main".to_owned(),
        archive: archive.to_owned(),
        ..RepositoryInfo::default()
    };
    PackageIndex::from_text(&text.join("\n"), info).unwrap()
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

fn id(text: &str) -> PackageId {
    let (name, architecture) = text.split_once(':').unwrap_or((text, "amd64"));
    PackageId { name: name.into(), architecture: architecture.into() }
}

/// One problem; everything but image and repository has a default.
struct Case<'a> {
    image: &'a [&'a str],
    repository: &'a [&'a str],
    requests: Requests,
    pins: &'a str,
    barred: BTreeMap<PackageId, Reason>,
}

impl<'a> Case<'a> {
    fn new(image: &'a [&'a str], repository: &'a [&'a str]) -> Self {
        Self {
            image,
            repository,
            requests: Requests::Everything,
            pins: "",
            barred: BTreeMap::new(),
        }
    }

    fn plan(&self) -> Planned {
        let mut policy = AptPolicy::default();
        policy.preferences.add("/etc/apt/preferences", self.pins.as_bytes()).unwrap();
        plan_platform(
            &inventory(self.image),
            &index(self.repository),
            &policy,
            &self.requests,
            &self.barred,
            &context(),
        )
    }
}

fn steps(planned: &Planned) -> Vec<String> {
    let steps = planned.plan.steps.iter();
    steps
        .map(|step| {
            let name = match step.package.architecture.as_ref() {
                "amd64" => step.package.name.to_string(),
                _ => step.package.to_string(),
            };
            let from = step.from.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{name} {from}>{}", step.to)
        })
        .collect()
}

fn reasons(planned: &Planned) -> Vec<(String, Reason)> {
    let unfixed = planned.plan.unfixed.iter();
    unfixed.map(|unfixed| (unfixed.finding.id.clone(), unfixed.reason.clone())).collect()
}

/// Plans for one finding in `a` that 2 fixes.
fn for_a(image: &[&str], repository: &[&str]) -> Planned {
    let requests = findings(&["C a 1 > 2"]);
    Case { requests, ..Case::new(image, repository) }.plan()
}

#[test]
fn every_kind_of_relation_is_honoured() {
    for (what, image, repository, want) in [
        ("only what is needed", &["a 1", "b 1"][..], &["a 2", "b 2"][..], &["a 1>2"][..]),
        ("depends", &["a 1", "b 1"], &["a 2; Depends: b (>= 2)", "b 2"], &["b 1>2", "a 1>2"]),
        (
            "pre-depends",
            &["a 1", "b 1"],
            &["a 2; Pre-Depends: b (= 2)", "b 2"],
            &["b 1>2", "a 1>2"],
        ),
        ("new package", &["a 1"], &["a 2; Depends: n", "n 3"], &["n >3", "a 1>2"]),
        (
            "satisfied already",
            &["a 1", "b 1"],
            &["a 2; Depends: b, n | b", "b 2", "n 1"],
            &["a 1>2"],
        ),
        (
            "an upgrade rather than a new package",
            &["a 1", "b 1"],
            &["a 2; Depends: n | b (>= 2)", "b 2", "n 1"],
            &["b 1>2", "a 1>2"],
        ),
        ("first alternative", &["a 1"], &["a 2; Depends: m | n", "n 1", "m 1"], &["m >1", "a 1>2"]),
        (
            "second alternative",
            &["a 1"],
            &["a 2; Depends: m (>= 2) | n", "n 1", "m 1"],
            &["n >1", "a 1>2"],
        ),
        (
            "lockstep by equality",
            &["a 1", "d 1; Depends: a (= 1)"],
            &["a 2", "d 2; Depends: a (= 2)"],
            &["a 1>2", "d 1>2"],
        ),
        ("breaks", &["a 1", "b 1"], &["a 2; Breaks: b (<< 2)", "b 2"], &["a 1>2", "b 1>2"]),
        ("conflicts", &["a 1", "b 1"], &["a 2; Conflicts: b (<= 1)", "b 2"], &["a 1>2", "b 1>2"]),
        (
            "installed breaks newer",
            &["a 1", "b 1; Breaks: a (>= 2)"],
            &["a 2", "b 2"],
            &["a 1>2", "b 1>2"],
        ),
        (
            "conflicts with a virtual",
            &["a 1", "b 1; Provides: v"],
            &["a 2; Conflicts: v", "b 2"],
            &["a 1>2", "b 1>2"],
        ),
        (
            "not with itself",
            &["a 1; Provides: v; Conflicts: v"],
            &["a 2; Provides: v; Conflicts: v, a"],
            &["a 1>2"],
        ),
        ("virtual", &["a 1"], &["a 2; Depends: v", "p 1; Provides: v"], &["p >1", "a 1>2"]),
        (
            "real before virtual",
            &["a 1"],
            &["a 2; Depends: v", "m 1; Provides: v", "v 1"],
            &["v >1", "a 1>2"],
        ),
        (
            "versioned virtual",
            &["a 1"],
            &["a 2; Depends: v (>= 2)", "m 1; Provides: v", "n 1; Provides: v (= 2)"],
            &["n >1", "a 1>2"],
        ),
        (
            "foreign",
            &["a 1; Architecture: i386"],
            &["a 2; Architecture: i386; Depends: n", "n 1; Multi-Arch: foreign"],
            &["n >1", "a:i386 1>2"],
        ),
        (
            "any",
            &["a 1; Architecture: i386"],
            &["a 2; Architecture: i386; Depends: n:any", "n 1; Multi-Arch: allowed"],
            &["n >1", "a:i386 1>2"],
        ),
        (
            "all is native",
            &["a 1; Architecture: all"],
            &["a 2; Architecture: all; Depends: n", "n 1"],
            &["n >1", "a:all 1>2"],
        ),
        ("all becomes native", &["a 1; Architecture: all"], &["a 2"], &["a 1>2"]),
        (
            "same goes in step",
            &["a 1; Multi-Arch: same", "a 1; Multi-Arch: same; Architecture: i386"],
            &["a 2; Multi-Arch: same", "a 2; Multi-Arch: same; Architecture: i386"],
            &["a 1>2", "a:i386 1>2"],
        ),
        ("newer than the fix", &["a 1"], &["a 3", "a 2"], &["a 1>3"]),
        (
            "what an unchanged package needs stays",
            &["a 1; Provides: v", "u 1; Depends: v"],
            &["a 2", "p 1; Provides: v"],
            &["a 1>2", "p >1"],
        ),
    ] {
        let planned = for_a(image, repository);
        assert_eq!(steps(&planned), want, "{what}: {:?}", planned.plan.unfixed);
        assert!(planned.plan.unfixed.is_empty(), "{what}: {:?}", planned.plan.unfixed);
    }
}

#[test]
fn what_cannot_be_says_why() {
    let conflict = |package: &str, detail: &str| Reason::Conflict {
        package: package.to_owned(),
        detail: detail.to_owned(),
    };
    for (what, image, repository, want) in [
        (
            "a dependency that is nowhere",
            &["a 1"][..],
            &["a 2; Depends: n (>= 2)", "n 1"][..],
            conflict("a", "a 2 cannot be installed: it has Depends: n (>= 2), which nothing in the repositories satisfies"),
        ),
        (
            "a package that cannot change",
            &["a 1", "b 1"],
            &["a 2; Breaks: b"],
            conflict("b", "a 2 cannot be installed: it has Breaks: b, and b 1 cannot change"),
        ),
        (
            "an unchanged dependant",
            &["a 1", "d 1; Depends: a (= 1)"],
            &["a 2"],
            conflict("d", "d 1 has Depends: a (= 1), which cannot be satisfied"),
        ),
        (
            "unqualified wants its own architecture",
            &["a 1; Architecture: i386"],
            &["a 2; Architecture: i386; Depends: n", "n 1"],
            conflict("a", "a:i386 2 cannot be installed: it has Depends: n, which nothing in the repositories satisfies"),
        ),
        (
            "any wants allowed",
            &["a 1"],
            &["a 2; Depends: n:any", "n 1"],
            conflict("a", "a 2 cannot be installed: it has Depends: n:any, which nothing in the repositories satisfies"),
        ),
        (
            "a relation that is not understood",
            &["a 1"],
            &["a 2; Depends: ("],
            conflict("a", "the entry of a 2 in http://deb.example stable-security main is not understood: relation \"(\" at byte 0: a package name is missing before \"(\""),
        ),
        (
            "same goes in step",
            &["a 1; Multi-Arch: same", "a 1; Multi-Arch: same; Architecture: i386"],
            &["a 2; Multi-Arch: same"],
            Reason::NotInRepositories { wanted: "2".to_owned(), newest: None },
        ),
        ("a hold", &["a 1; Status: hold ok installed"], &["a 2"], Reason::Held { package: "a".to_owned(), by: "dpkg (Status: hold)".to_owned() }),
        (
            "a hold of what it needs",
            &["a 1", "b 1; Status: hold ok installed"],
            &["a 2; Depends: b (>= 2)", "b 2"],
            Reason::Held { package: "b".to_owned(), by: "dpkg (Status: hold)".to_owned() },
        ),
        ("not there", &["a 1"], &["a 1.5", "b 9"], Reason::NotInRepositories { wanted: "2".to_owned(), newest: Some("1.5".to_owned()) }),
        ("nothing there", &["a 1"], &[], Reason::NotInRepositories { wanted: "2".to_owned(), newest: None }),
        ("no such package", &["b 1"], &["a 2"], Reason::NotOwned),
        (
            "half a package",
            &["a 1; Status: install ok half-configured"],
            &["a 2"],
            Reason::UnsupportedImage { detail: "dpkg left a in the state half-configured; build the image anew, or run 'dpkg --configure -a' in it".to_owned() },
        ),
    ] {
        let planned = for_a(image, repository);
        assert_eq!(reasons(&planned), [("C".to_owned(), want)], "{what}");
        assert_eq!(steps(&planned), Vec::<String>::new(), "{what}");
    }
}

#[test]
fn steps_say_why() {
    let because = |image: &[&str], repository: &[&str]| -> Vec<String> {
        for_a(image, repository)
            .plan
            .steps
            .iter()
            .map(|step| match step.because.as_slice() {
                [Because::Fixes { findings }] => format!("{}: {}", step.package.name, findings[0]),
                [Because::Needed { package, relation }] => {
                    format!("{}: {} {relation}", step.package.name, package.name)
                }
                other => panic!("{other:?}"),
            })
            .collect()
    };
    for (image, repository, want) in [
        (
            &["a 1", "b 1"][..],
            &["a 2; Depends: b (>= 2)", "b 2"][..],
            &["b: a Depends: b (>= 2)", "a: C"][..],
        ),
        (&["a 1", "b 1"], &["a 2; Breaks: b (<< 2)", "b 2"], &["a: C", "b: a Breaks: b (<< 2)"]),
        (
            &["a 1", "d 1; Depends: a (= 1)"],
            &["a 2", "d 2"],
            &["a: C", "d: a d 1 has Depends: a (= 1)"],
        ),
        (
            &["a 1", "b 1; Breaks: a (>= 2)"],
            &["a 2", "b 2"],
            &["a: C", "b: a b 1 has Breaks: a (>= 2)"],
        ),
        (
            &["a 1; Provides: v", "u 1; Depends: v"],
            &["a 2", "p 1; Provides: v"],
            &["a: C", "p: u Depends: v"],
        ),
        (
            &["a 1; Provides: v", "e 1; Depends: v | e (>= 2)"],
            &["a 2", "e 2"],
            &["a: C", "e: a e 1 has Depends: v | e (>= 2)"],
        ),
    ] {
        assert_eq!(because(image, repository), want);
    }
}

#[test]
fn one_bad_target_does_not_spoil_the_others() {
    let requests = findings(&["A a 1 > 2", "B b 1 > 2", "C c 1 > 2"]);
    let repository = &["a 2", "b 2; Depends: nowhere", "c 2"];
    let planned = Case { requests, ..Case::new(&["a 1", "b 1", "c 1"], repository) }.plan();
    assert_eq!(steps(&planned), ["a 1>2", "c 1>2"]);
    assert!(matches!(&reasons(&planned)[0], (id, Reason::Conflict { .. }) if id == "B"));
}

#[test]
fn of_two_that_exclude_each_other_the_more_severe_wins() {
    for severe in ["A", "B"] {
        let mut list = [finding("A a 1 > 2"), finding("B b 1 > 2")];
        for finding in &mut list {
            if finding.id == severe {
                finding.severity = imgfix_model::finding::Severity::Critical;
            }
        }
        let requests = Requests::Findings(list.into_iter().map(Request::from).collect());
        let repository = &["a 2; Conflicts: b (>= 2)", "b 2"];
        let planned = Case { requests, ..Case::new(&["a 1", "b 1"], repository) }.plan();
        assert_eq!(steps(&planned), [format!("{} 1>2", severe.to_lowercase())]);
        let (id, reason) = &reasons(&planned)[0];
        assert_ne!(id, severe);
        let wanted = "a 2 has Conflicts: b (>= 2)";
        assert!(
            matches!(reason, Reason::Conflict { detail, .. } if detail == wanted),
            "{reason:?}"
        );
    }
}

#[test]
fn bans_lock_a_package_and_what_needs_it() {
    let scripts = |package: &str| Reason::NeedsScripts {
        package: package.to_owned(),
        script: "postinst".to_owned(),
        line: Some(3),
        detail: "runs a compiler".to_owned(),
    };
    for ban in ["b", "n"] {
        let requests = findings(&["A a 1 > 2", "B b 1 > 2", "C c 1 > 2"]);
        let repository = &["a 2; Depends: b (>= 2), n", "b 2", "c 2", "n 1"];
        let mut case = Case { requests, ..Case::new(&["a 1", "b 1", "c 1"], repository) };
        case.barred.insert(id(ban), scripts(ban));
        let planned = case.plan();
        let mut unfixed = vec![("A".to_owned(), scripts(ban))];
        if ban == "b" {
            assert_eq!(steps(&planned), ["c 1>2"]);
            unfixed.insert(0, ("B".to_owned(), scripts("b")));
        } else {
            assert_eq!(steps(&planned), ["b 1>2", "c 1>2"]);
        }
        assert_eq!(reasons(&planned), unfixed);
    }
}

#[test]
fn relations_that_are_broken_already_may_stay_broken() {
    let image = &["a 1; Depends: debconf (>= 0.5) | debconf-2.0, libc (>= 1)", "libc 1"];
    for (depends, fixed) in [
        ("debconf (>= 0.5) | debconf-2.0, libc (>= 1)", true),
        ("debconf (>= 1.0) | debconf-2.0, libc (>= 1)", true),
        ("debconf (>= 0.5) | debconf-2.0, libc (>= 3)", false),
        ("debconf, libc", false),
        ("nowhere", false),
    ] {
        let planned = for_a(image, &[&format!("a 2; Depends: {depends}")]);
        assert_eq!(planned.plan.unfixed.is_empty(), fixed, "{depends}");
        assert_eq!(planned.notes.len(), usize::from(fixed), "{depends}");
    }
    // A package that is there at a version that never was enough is no such case.
    let planned = for_a(&["a 1; Depends: b (>= 5)", "b 1"], &["a 2; Depends: b (>= 6)"]);
    assert!(!planned.plan.unfixed.is_empty());
    // What is at odds already may stay so.
    let planned = for_a(&["a 1; Breaks: b", "b 1"], &["a 2; Breaks: b"]);
    assert_eq!(steps(&planned), ["a 1>2"]);
}

#[test]
fn without_a_report_everything_newer_is_taken_and_the_rest_named() {
    let image = &["a 1", "b 1", "c 1; Status: hold ok installed", "d 5", "e 1"];
    let repository = &["a 2", "b 2; Depends: nowhere", "c 2", "d 4"];
    let planned = Case::new(image, repository).plan();
    assert_eq!(steps(&planned), ["a 1>2"]);
    assert_eq!(planned.plan.steps[0].because, [Because::Newer]);
    let kept: Vec<String> = planned
        .plan
        .kept_back
        .iter()
        .map(|kept| format!("{} {}", kept.package.name, kept.version))
        .collect();
    assert_eq!(kept, ["c 2", "b 2"]);
}

#[test]
fn steps_are_in_the_order_of_their_relations() {
    let image = &["a 1", "b 1", "c 1"];
    let repository = &["a 2; Depends: b", "b 2; Pre-Depends: c; Depends: a", "c 2"];
    assert_eq!(steps(&Case::new(image, repository).plan()), ["c 1>2", "a 1>2", "b 1>2"]);
}

#[test]
fn only_what_an_upgrade_reaches_is_looked_up() {
    let others: Vec<String> =
        (0..100).map(|n| format!("other{n} 1; Depends: other{}", n + 1)).collect();
    let mut repository: Vec<&str> = others.iter().map(String::as_str).collect();
    repository.extend(["a 2; Depends: b, n", "b 2; Depends: other1 | a", "n 1"]);
    let (inventory, index) = (inventory(&["a 1", "b 1"]), index(&repository));
    let policy = AptPolicy::default();
    let everything = Requests::Everything;
    let universe =
        DpkgUniverse::for_requests(&inventory, &index, &policy, &everything, Effort::default());
    let planned = plan(&universe, &everything, &BTreeMap::new(), &context());
    assert_eq!(steps(&planned), ["n >1", "a 1>2", "b 1>2"]);
    // a, b and n.
    assert_eq!(universe.lookups(), 3);
}

/// dpkg records no epoch of zero: neither does the plan.
#[test]
fn versions_are_planned_as_dpkg_records_them() {
    for (image, offered, want) in [
        ("foo 1", "foo 0:1.5", "foo 1>1.5"),
        ("foo 0:1", "foo 00:2", "foo 0:1>2"),
        ("foo 1:1", "foo 01:2", "foo 1:1>1:2"),
    ] {
        let planned = Case::new(&[image], &[offered]).plan();
        assert_eq!(steps(&planned), [want], "{offered}");
    }
    for (image, offered) in
        [("foo 1.0", "foo 0:1.0"), ("foo 1.0", "foo 1.0-0"), ("foo 1", "foo 01")]
    {
        assert!(steps(&Case::new(&[image], &[offered]).plan()).is_empty(), "{offered}");
    }
}
