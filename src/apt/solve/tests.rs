//! Plans of a few lines of text.
//!
//! A package is written `name version; Field: value; ...`, a finding
//! `ID package installed > fixed`. A plan is shown as `name from>to` steps.

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
    banned: BTreeMap<PackageId, Reason>,
}

impl<'a> Case<'a> {
    fn new(image: &'a [&'a str], repository: &'a [&'a str]) -> Self {
        Self {
            image,
            repository,
            requests: Requests::Everything,
            pins: "",
            banned: BTreeMap::new(),
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
            &self.banned,
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
fn findings_are_matched_by_name_source_and_version() {
    let image = &[
        "liba 1+b1; Source: a (1)",
        "liba-bin 1+b1; Source: a (1)",
        "tool 4:9; Source: defaults (1.2)",
    ];
    let repository = &[
        "liba 2; Source: a (2)",
        "liba-bin 2; Source: a (2)",
        "tool 4:10; Source: defaults (1.3)",
    ];
    let plan =
        |lines: &[&str]| Case { requests: findings(lines), ..Case::new(image, repository) }.plan();
    // By binary name; by source name all of its packages.
    assert_eq!(steps(&plan(&["C liba 1+b1 > 2"])), ["liba 1+b1>2"]);
    assert_eq!(steps(&plan(&["C a 1 > 2"])), ["liba 1+b1>2", "liba-bin 1+b1>2"]);
    // Fixed versions are those of the source.
    assert_eq!(steps(&plan(&["C tool 4:9 > 1.3"])), ["tool 4:9>4:10"]);
    assert_eq!(plan(&["C tool 4:9 > 1.2"]).already_fixed.len(), 1);
    assert_eq!(steps(&plan(&["C tool 4:9 > 4:10"])), ["tool 4:9>4:10"]);
}

#[test]
fn a_source_s_finding_is_for_all_its_binaries() {
    use imgfix_model::finding::Naming;
    let image = &["openssl 1", "libssl3 1; Source: openssl"];
    let repository = &["openssl 2", "libssl3 2; Source: openssl"];
    let both = &["libssl3 1>2", "openssl 1>2"][..];
    for (naming, want) in
        [(Naming::Source, both), (Naming::Either, both), (Naming::Binary, &["openssl 1>2"][..])]
    {
        let mut one = finding("C openssl 1 > 2");
        one.naming = naming;
        let requests = Requests::Findings(vec![one.into()]);
        let planned = Case { requests, ..Case::new(image, repository) }.plan();
        let mut done = steps(&planned);
        done.sort();
        assert_eq!(done, want, "{naming:?}");
        assert!(planned.plan.unfixed.is_empty(), "{naming:?}");
    }
    // One of them has no fixed version yet: what can be done is done, and nothing is claimed.
    let mut one = finding("C openssl 1 > 2");
    one.naming = Naming::Source;
    let requests = Requests::Findings(vec![one.into()]);
    let planned = Case { requests, ..Case::new(image, &["openssl 2"]) }.plan();
    assert_eq!(steps(&planned), ["openssl 1>2"]);
    let wanted = || Reason::NotInRepositories { wanted: "2".to_owned(), newest: None };
    assert_eq!(reasons(&planned), [("C".to_owned(), wanted())]);
}

#[test]
fn without_a_fixed_version_the_newest_is_taken_and_nothing_is_claimed() {
    use imgfix_model::reason::UnknownFix;
    let unknown = |fixed: Option<&str>| {
        let mut one = finding("C a 1 >");
        one.fixed = fixed.map(ToOwned::to_owned);
        Requests::Findings(vec![one.into()])
    };
    let word = || UnknownFix::Word { word: "See advisory".to_owned() };
    for (fixed, because) in [(None, UnknownFix::NotSaid), (Some("See advisory"), word())] {
        let newer = Case { requests: unknown(fixed), ..Case::new(&["a 1"], &["a 2"]) }.plan();
        assert_eq!(steps(&newer), ["a 1>2"]);
        let unproven = Reason::Unproven { upgraded_to: "2".to_owned(), because: because.clone() };
        assert_eq!(reasons(&newer), [("C".to_owned(), unproven)]);
        let same = Case { requests: unknown(fixed), ..Case::new(&["a 1"], &["a 1"]) }.plan();
        assert!(same.plan.steps.is_empty());
        let nothing = Reason::FixUnknown { because, installed: "1".to_owned() };
        assert_eq!(reasons(&same), [("C".to_owned(), nothing)]);
    }
}

#[test]
fn another_release_s_report_changes_nothing() {
    let mut one = finding("C a 1 > 2");
    one.other_release = Some("ubuntu 22.04".to_owned());
    let requests = Requests::Findings(vec![one.into()]);
    let planned = Case { requests, ..Case::new(&["a 1"], &["a 2"]) }.plan();
    assert!(planned.plan.steps.is_empty());
    let reason = Reason::OtherRelease { release: "ubuntu 22.04".to_owned() };
    assert_eq!(reasons(&planned), [("C".to_owned(), reason)]);
}

#[test]
fn findings_that_nothing_can_fix_get_their_reasons() {
    let mut elsewhere = finding("E a 1 > 2");
    elsewhere.platform = Some("linux/arm64".to_owned());
    let ignored = Reason::Ignored { by: "--ignore I".to_owned() };
    let mut no_fix = finding("N a 1 >");
    no_fix.status = Some(imgfix_model::finding::FixStatus::Affected);
    let requests = Requests::Findings(vec![
        no_fix.into(),
        elsewhere.into(),
        Request { finding: finding("I a 1 > 2"), settled: Some(ignored.clone()) },
    ]);
    let planned = Case { requests, ..Case::new(&["a 1"], &["a 2"]) }.plan();
    assert_eq!(
        reasons(&planned),
        [("N".to_owned(), Reason::NoFixedVersion), ("I".to_owned(), ignored),]
    );
    assert!(planned.plan.steps.is_empty());
}

#[test]
fn reports_that_disagree_are_met_as_far_as_can_be() {
    let mut two = finding("C a 1 > 2");
    two.also_fixed_in = vec!["3".to_owned()];
    let requests = Requests::Findings(vec![two.into()]);
    for (repository, want) in [(&["a 3"][..], "a 1>3"), (&["a 2"], "a 1>2")] {
        let planned = Case { requests: requests.clone(), ..Case::new(&["a 1"], repository) }.plan();
        assert_eq!(steps(&planned), [want]);
    }
}

#[test]
fn pins_forbid() {
    let requests = findings(&["C a 1 > 2"]);
    let pins = "Package: a\nPin: version 2\nPin-Priority: -1\n";
    let case = Case { requests, pins, ..Case::new(&["a 1"], &["a 2"]) };
    let by = "the pin of priority -1 in /etc/apt/preferences, line 1".to_owned();
    let held = Reason::Held { package: "a".to_owned(), by };
    assert_eq!(reasons(&case.plan()), [("C".to_owned(), held.clone())]);
    let everything = Case { requests: Requests::Everything, ..case };
    assert_eq!(everything.plan().plan.kept_back[0].reason, held);
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
        case.banned.insert(id(ban), scripts(ban));
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

/// Random systems, judged by trying every other state of them.
mod random {
    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 5] = ["pa", "pb", "pc", "pd", "pe"];

    /// A relation: field, other package, kind.
    type Raw = (u8, u8, u8);

    #[derive(Debug, Clone)]
    struct Package {
        installed: bool,
        held: bool,
        offered: bool,
        /// Of version 1 and of version 2.
        relations: [Vec<Raw>; 2],
    }

    fn package() -> impl Strategy<Value = Package> {
        let relations = || prop::collection::vec((0..5u8, 0..5u8, 0..6u8), 0..3);
        (
            any::<bool>(),
            prop::bool::weighted(0.1),
            prop::bool::weighted(0.8),
            [relations(), relations()],
        )
            .prop_map(|(installed, held, offered, relations)| Package {
                installed,
                held,
                offered,
                relations,
            })
    }

    fn line(name: &str, version: usize, relations: &[Raw], more: &str) -> String {
        let mut fields: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for &(field, other, kind) in relations {
            let field =
                ["Depends", "Pre-Depends", "Breaks", "Conflicts", "Provides"][field as usize];
            let other = NAMES[other as usize];
            let text = match (field, kind) {
                ("Provides", 0..3) => format!("virtual-{other}"),
                ("Provides", _) => format!("virtual-{other} (= 2)"),
                ("Depends", 4) => format!("virtual-{other} | {other} (>= 2)"),
                (_, 0) => other.to_owned(),
                (_, 1) => format!("{other} (= 1)"),
                (_, 2) => format!("{other} (>= 2)"),
                (_, 3) => format!("{other} (<< 2)"),
                (_, 4) => format!("virtual-{other}"),
                _ => format!("virtual-{other} (>= 2)"),
            };
            fields.entry(field).or_default().push(text);
        }
        let fields: Vec<String> = fields
            .iter()
            .map(|(field, values)| format!("; {field}: {}", values.join(", ")))
            .collect();
        format!("{name} {version}{more}{}", fields.concat())
    }

    /// The state of each name: absent, version 1, version 2.
    type State = [u8; NAMES.len()];

    /// What the relations of one version are, parsed.
    struct System {
        relations: Vec<[PackageRelations; 2]>,
        packages: Vec<Package>,
        before: State,
    }

    impl System {
        fn new(packages: &[Package]) -> Self {
            let parse = |name: &str, raw: &[Raw]| {
                let text = stanza(&line(name, 1, raw, ""), "");
                let stanza = &imgfix_dpkg::control::parse_stanzas(text).unwrap()[0];
                let get = |field| stanza.get(field).unwrap_or_default();
                PackageRelations {
                    pre_depends: parse_clauses(get("Pre-Depends")).unwrap(),
                    depends: parse_clauses(get("Depends")).unwrap(),
                    breaks: parse_list(get("Breaks")).unwrap(),
                    conflicts: parse_list(get("Conflicts")).unwrap(),
                    provides: parse_provides(get("Provides")).unwrap(),
                    recommends: Vec::new(),
                }
            };
            let mut before = [0; NAMES.len()];
            for (at, package) in packages.iter().enumerate() {
                before[at] = u8::from(package.installed);
            }
            let relations = packages
                .iter()
                .zip(NAMES)
                .map(|(package, name)| {
                    [parse(name, &package.relations[0]), parse(name, &package.relations[1])]
                })
                .collect();
            Self { relations, packages: packages.to_vec(), before }
        }

        fn of(&self, at: usize, version: u8) -> &PackageRelations {
            &self.relations[at][usize::from(version) - 1]
        }

        /// Whether `relation` is met by package `at` in `state`.
        fn met(&self, relation: &Relation, state: &State, at: usize) -> bool {
            if state[at] == 0 {
                return false;
            }
            let version = Version::parse(&state[at].to_string()).unwrap();
            (relation.name == NAMES[at] && relation.admits(&version))
                || self.of(at, state[at]).provides.iter().any(|provided| {
                    provided.name == relation.name
                        && relation.admits_provided(provided.version.as_ref())
                })
        }

        fn clauses(&self, at: usize, version: u8) -> impl Iterator<Item = &Clause> {
            let relations = self.of(at, version);
            relations.pre_depends.iter().chain(&relations.depends)
        }

        fn holds(&self, clause: &Clause, state: &State) -> bool {
            clause.0.iter().any(|relation| (0..NAMES.len()).any(|at| self.met(relation, state, at)))
        }

        /// Pairs that exclude each other in `state`.
        fn at_odds(&self, state: &State) -> BTreeSet<(usize, usize)> {
            let mut out = BTreeSet::new();
            for at in (0..NAMES.len()).filter(|at| state[*at] > 0) {
                let relations = self.of(at, state[at]);
                for relation in relations.breaks.iter().chain(&relations.conflicts) {
                    let hit =
                        (0..NAMES.len()).filter(|o| *o != at && self.met(relation, state, *o));
                    out.extend(hit.map(|other| (at.min(other), at.max(other))));
                }
            }
            out
        }

        /// Whether an image may go from `before` to `state`.
        fn allowed(&self, state: &State) -> bool {
            let possible = (0..NAMES.len()).all(|at| {
                let package = &self.packages[at];
                match (self.before[at], state[at]) {
                    (0, 0) | (1, 1) => true,
                    (0, 1) | (1, 0) => false,
                    (1, _) => package.offered && !package.held,
                    _ => package.offered,
                }
            });
            // Broken before: the same words, or the same names of which none was there.
            let names = |clause: &Clause| -> Vec<String> {
                clause.0.iter().map(|relation| relation.name.clone()).collect()
            };
            let was_broken = |at: usize, clause: &Clause| {
                self.before[at] > 0
                    && self.clauses(at, 1).any(|old| {
                        let absent = clause.0.iter().all(|relation| {
                            let open = Relation { constraint: None, ..relation.clone() };
                            (0..NAMES.len()).all(|other| !self.met(&open, &self.before, other))
                        });
                        !self.holds(old, &self.before)
                            && (old == clause || (names(old) == names(clause) && absent))
                    })
            };
            possible
                && self.at_odds(state).is_subset(&self.at_odds(&self.before))
                && (0..NAMES.len()).filter(|at| state[*at] > 0).all(|at| {
                    self.clauses(at, state[at])
                        .all(|clause| self.holds(clause, state) || was_broken(at, clause))
                })
        }

        fn states(&self) -> impl Iterator<Item = State> {
            (0..3usize.pow(NAMES.len() as u32)).map(|number| {
                let mut state = [0; NAMES.len()];
                let mut rest = number;
                for slot in &mut state {
                    *slot = (rest % 3) as u8;
                    rest /= 3;
                }
                state
            })
        }
    }

    proptest! {
        #[test]
        fn plans_are_consistent_complete_and_minimal(
            packages in prop::collection::vec(package(), NAMES.len()),
            reported in prop::collection::vec(any::<bool>(), NAMES.len()),
        ) {
            let (mut image, mut repository, mut lines) = (Vec::new(), Vec::new(), Vec::new());
            for (at, (package, name)) in packages.iter().zip(NAMES).enumerate() {
                if package.installed {
                    let hold = if package.held { "; Status: hold ok installed" } else { "" };
                    image.push(line(name, 1, &package.relations[0], hold));
                }
                if package.offered {
                    repository.push(line(name, 2, &package.relations[1], ""));
                }
                if reported[at] {
                    lines.push(format!("F-{name} {name} 1 > 2"));
                }
            }
            if image.is_empty() {
                return Ok(());
            }
            let image: Vec<&str> = image.iter().map(String::as_str).collect();
            let repository: Vec<&str> = repository.iter().map(String::as_str).collect();
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let case = Case { requests: findings(&lines), ..Case::new(&image, &repository) };
            let planned = case.plan();
            prop_assert_eq!(&planned, &case.plan());

            let system = System::new(&packages);
            let mut after = system.before;
            for step in &planned.plan.steps {
                let at = NAMES.iter().position(|name| *name == step.package.name.as_ref()).unwrap();
                prop_assert_eq!(step.from.is_some(), system.before[at] == 1);
                prop_assert!(!step.because.is_empty());
                let unclear = step.because.iter().any(
                    |b| matches!(b, Because::Needed { relation, .. } if relation == "a relation"),
                );
                prop_assert!(!unclear, "{:?}", planned.plan.steps);
                after[at] = 2;
            }
            prop_assert!(system.allowed(&after), "{:?} is not allowed", after);
            // Every finding is fixed or has a reason.
            let unfixed: BTreeSet<String> =
                planned.plan.unfixed.iter().map(|u| u.finding.package.clone()).collect();
            let fixed = |state: &State| -> Vec<usize> {
                (0..NAMES.len())
                    .filter(|at| reported[*at] && system.before[*at] == 1 && state[*at] == 2)
                    .collect()
            };
            for at in (0..NAMES.len()).filter(|at| reported[*at]) {
                prop_assert!(after[at] == 2 || unfixed.contains(NAMES[at]), "{}", NAMES[at]);
            }
            // No allowed state fixes more, and none that fixes as much changes less.
            let done = fixed(&after);
            for state in system.states().filter(|state| system.allowed(state)) {
                let other = fixed(&state);
                let more = other.len() > done.len() && done.iter().all(|at| other.contains(at));
                prop_assert!(!more, "{:?} fixes more than {:?}", state, after);
                let within = (0..NAMES.len())
                    .all(|at| state[at] == system.before[at] || state[at] == after[at]);
                prop_assert!(
                    state == after || !within || other != done,
                    "{:?} changes less than {:?}", state, after
                );
            }
        }
    }
}

/// Each is what `apt-get --simulate --with-new-pkgs upgrade` (apt 2.6.1) takes.
#[test]
fn of_several_providers_apts_choice_is_taken() {
    let app = "app 2; Depends: virtual";
    for (repository, want) in [
        // Of equals the one that is mentioned last, whatever it needs.
        (
            vec![app, "pa 1; Provides: virtual; Depends: h1", "pc 1; Provides: virtual", "h1 1"],
            "pc",
        ),
        (
            vec![app, "pa 1; Provides: virtual", "pc 1; Provides: virtual; Depends: h1", "h1 1"],
            "h1 pc",
        ),
        (vec![app, "pc 1; Provides: virtual", "pa 1; Provides: virtual"], "pa"),
        (
            vec![
                "aa 1; Suggests: pc",
                app,
                "pa 1; Provides: virtual",
                "pb 1; Provides: virtual",
                "pc 1; Provides: virtual",
            ],
            "pb",
        ),
        (
            vec![
                app,
                "pa 1; Provides: virtual; Priority: optional",
                "pb 1; Provides: virtual; Priority: standard",
                "pc 1; Provides: virtual; Priority: optional",
            ],
            "pb",
        ),
        // A package of that very name goes first.
        (vec![app, "virtual 1", "pc 1; Provides: virtual"], "virtual"),
        // What cannot be installed is passed over.
        (vec![app, "pa 1; Provides: virtual", "pc 1; Provides: virtual; Depends: none"], "pa"),
    ] {
        let mut new = steps(&Case::new(&["app 1"], &repository).plan());
        new.retain(|step| step.contains(" >"));
        let names: Vec<&str> = new.iter().filter_map(|step| step.split(' ').next()).collect();
        assert_eq!(names.join(" "), want, "{repository:?}");
    }
}

/// The packages named are those that apt 2.6.1 installs besides.
#[test]
fn what_apt_would_install_as_recommended_is_named() {
    for (image, repository, want) in [
        (
            vec!["app 1; Recommends: old", "kept 1"],
            vec![
                "app 2; Recommends: virtual, old, kept, other | more",
                "pa 1; Provides: virtual",
                "old 1",
                "more 1",
            ],
            vec![
                "more 1, too: app 2 has Recommends: other | more",
                "pa 1, too: app 2 has Recommends: virtual",
            ],
        ),
        (
            vec!["app 1; Recommends: dep", "dep 1"],
            vec!["app 2; Recommends: dep (>= 3) | alt", "dep 2", "alt 1"],
            vec!["alt 1, too: app 2 has Recommends: dep (>= 3) | alt"],
        ),
        (
            vec!["app 1"],
            vec!["app 2; Depends: new", "new 1; Recommends: rec, app", "rec 1"],
            vec!["rec 1, too: new 1 has Recommends: rec"],
        ),
        (vec!["app 1; Recommends: rec"], vec!["app 2; Recommends: rec", "rec 1"], vec![]),
        (vec!["app 1"], vec!["app 2; Recommends: nobody, b (", "rec 1"], vec![]),
    ] {
        let planned = Case::new(&image, &repository).plan();
        assert_eq!(planned.notes.len(), want.len(), "{:?}", planned.notes);
        for (note, want) in planned.notes.iter().zip(&want) {
            let want = format!("apt would install {want}, and imgfix adds only what is needed");
            assert_eq!(*note, want);
        }
        let (inventory, index) = (inventory(&image), index(&repository));
        let policy = AptPolicy { recommends: Recommends::Ignored, ..AptPolicy::default() };
        let requests = Requests::Everything;
        let none = BTreeMap::new();
        let quiet = plan_platform(&inventory, &index, &policy, &requests, &none, &context());
        assert_eq!(quiet.notes, Vec::<String>::new());
        assert_eq!(quiet.plan.steps, planned.plan.steps);
    }
}

/// Phased updates are held back where apt upgrades everything, and taken where it is asked
/// for a package.
#[test]
fn phased_updates_wait_unless_a_finding_asks() {
    let (image, repository) = (["foo 1"], ["foo 2; Phased-Update-Percentage: 10"]);
    let policy = AptPolicy { phasing: Phasing::HoldBack, ..AptPolicy::default() };
    let run = |requests: &Requests| {
        let (inventory, index) = (inventory(&image), index_of("noble-updates", &repository));
        plan_platform(&inventory, &index, &policy, requests, &BTreeMap::new(), &context())
    };
    let all = run(&Requests::Everything);
    assert!(all.plan.steps.is_empty());
    let held = format!("{:?}", all.plan.kept_back[0].reason);
    assert!(held.contains("apt's phased updates (10% of machines get 2 by now"), "{held}");
    let asked = run(&findings(&["CVE-1 foo 1 > 2"]));
    assert_eq!(steps(&asked), ["foo 1>2"]);
    assert_eq!(asked.notes, ["foo 2 is a phased update, which 10% of machines get by now"]);
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
