use std::sync::Arc;

use super::*;
use crate::modules::Modules;
use crate::options::Tool;
use crate::testing::{installed, repository};
use imgfix_model::digest::Digest;
use imgfix_model::finding::Finding;
use imgfix_model::path::ImagePath;
use imgfix_vfs::{Entry, Memory, NoLayers, Tree};

pub(super) fn context() -> Context {
    Context { platform: "linux/amd64".parse().unwrap(), manifest_digest: Digest::of(b"") }
}

pub(super) struct System {
    pub(super) packages: Vec<InstalledPackage>,
    pub(super) repositories: Vec<Repository>,
    pub(super) options: Options,
    locks: Locks,
    modules: ModuleState,
    pub(super) filter: ModuleFilter,
}

pub(super) fn system(image: &[&str], offered: &[&str]) -> System {
    System {
        packages: image.iter().map(|text| installed(text)).collect(),
        repositories: vec![repository(offered)],
        options: Options { protected: Vec::new(), ..Options::default() },
        locks: Locks::default(),
        modules: ModuleState::default(),
        filter: ModuleFilter::default(),
    }
}

impl System {
    fn everything(self) -> Planned {
        let image = Image {
            architecture: "x86_64",
            packages: self.packages.as_slice().into(),
            options: self.options,
            locks: self.locks,
            modules: self.modules,
        };
        let barred = BTreeMap::new();
        let all = Requests::Everything;
        plan_platform(&image, &self.repositories, &self.filter, &all, &barred, &context())
    }
}

fn steps(planned: &Planned) -> Vec<String> {
    let mut steps: Vec<String> = planned
        .plan
        .steps
        .iter()
        .map(|step| {
            let from = step.from.as_ref().map(|from| format!("{from}>")).unwrap_or_default();
            format!("{} {from}{}", step.package.name, step.to)
        })
        .collect();
    steps.sort();
    steps
}

fn upgraded(image: &[&str], offered: &[&str]) -> Vec<String> {
    steps(&system(image, offered).everything())
}

#[test]
fn the_newest_that_fits_is_taken() {
    for (what, image, offered, want) in [
        ("plain", &["a 1"][..], &["a 2", "a 3", "a 1"][..], &["a 1-1>3-1"][..]),
        ("epochs", &["a 1:1"], &["a 9", "a 1:2"], &["a 1:1-1>1:2-1"]),
        ("nothing newer", &["a 2"], &["a 1", "a 2"], &[]),
        ("other machines", &["a 1"], &["a.aarch64 2", "a.i686 2"], &[]),
        (
            "noarch and back",
            &["a 1", "b.noarch 1"],
            &["a.noarch 2", "b 2"],
            &["a 1-1>2-1", "b 1-1>2-1"],
        ),
        ("both lines", &["a 1", "a.i686 1"], &["a 2", "a.i686 2"], &["a 1-1>2-1", "a 1-1>2-1"]),
        ("with a library", &["a 1"], &["a 2; R: l >= 2", "l 1", "l 2"], &["a 1-1>2-1", "l 2-1"]),
        (
            "the machine's own",
            &["a 1"],
            &["a 2; R: c", "l.i686 9; P: c", "l 2; P: c"],
            &["a 1-1>2-1", "l 2-1"],
        ),
        (
            "a file",
            &["a 1"],
            &["a 2; R: /usr/bin/l", "l 1; F: /usr/bin/l"],
            &["a 1-1>2-1", "l 1-1"],
        ),
        ("a file that is there", &["a 1", "l 1; F: /opt/x"], &["a 2; R: /opt/x"], &["a 1-1>2-1"]),
        ("rich", &["a 1", "d 1"], &["a 2; R: (c if d)", "c 1"], &["a 1-1>2-1", "c 1-1"]),
        ("rich, without", &["a 1"], &["a 2; R: (c if d)", "c 1"], &["a 1-1>2-1"]),
        ("what it needs is not there", &["a 1"], &["a 2; R: no"], &[]),
        ("broken before", &["a 1; R: no"], &["a 2; R: no"], &["a 1-1>2-1"]),
        ("conflicts", &["a 1", "b 1"], &["a 2; C: b < 2"], &[]),
        (
            "conflicts, both newer",
            &["a 1", "b 1"],
            &["a 2; C: b < 2", "b 2"],
            &["a 1-1>2-1", "b 1-1>2-1"],
        ),
        ("rpm's own", &["a 1"], &["a 2; R: rpmlib(X) <= 4"], &["a 1-1>2-1"]),
    ] {
        assert_eq!(upgraded(image, offered), want, "{what}");
    }
}

#[test]
fn what_is_obsoleted_gives_way() {
    let planned =
        system(&["old 1", "u 1; R: old"], &["new 2; O: old < 2; P: old = 2"]).everything();
    assert_eq!(steps(&planned), ["new 2-1"]);
    let [removal] = planned.plan.removals.as_slice() else { panic!("{:?}", planned.plan) };
    assert_eq!(removal.package.name.as_ref(), "old");
    assert_eq!(removal.why(), "it gives way to new: Obsoletes: old < 2");
    // what still needs it keeps it
    assert!(upgraded(&["old 1", "u 1; R: old"], &["new 2; O: old"]).is_empty());
    let mut protected = system(&["old 1"], &["new 2; O: old"]);
    protected.options.protected = vec![crate::spec::Spec::new("old").unwrap()];
    assert!(steps(&protected.everything()).is_empty());
}

/// A repository may have any number of packages that say they take a package's place.
#[test]
fn a_flood_of_obsoleting_packages_is_bounded() {
    let flood: Vec<String> = (0..3000)
        .flat_map(|n| [1, 2].map(|v| format!("new{n:04} {v}; O: old < 2")))
        .chain((0..3000).map(|n| format!("one 2-{n}; O: other < 2")))
        .collect();
    let flood: Vec<&str> = flood.iter().map(String::as_str).collect();
    let started = std::time::Instant::now();
    assert_eq!(upgraded(&["old 1", "other 1"], &flood), ["new0000 2-1", "one 2-2999"]);
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
}

fn removed(planned: &Planned) -> Vec<String> {
    planned.plan.removals.iter().map(|one| one.package.name.to_string()).collect()
}

#[test]
fn several_packages_give_way_as_with_dnf() {
    for (what, image, offered, want, gone) in [
        (
            "a part that obsoletes the whole in any version is swapped for it",
            &["whole 1"][..],
            &["whole 2", "part 2; O: whole < 3"][..],
            &["part 2-1"][..],
            &["whole"][..],
        ),
        (
            "the whole comes first where the part obsoletes what is old",
            &["whole 1"],
            &["whole 2", "part 2; O: whole < 2"],
            &["whole 1-1>2-1"],
            &[],
        ),
        (
            "what takes the place anyway leaves none for the newer version",
            &["whole 1", "u 1"],
            &["whole 2", "part 2; O: whole < 2", "u 2; R: part"],
            &["part 2-1", "u 1-1>2-1"],
            &["whole"],
        ),
        (
            "all that obsolete in the same words come together",
            &["whole 1"],
            &["whole 2; O: whole < 2", "part 2; O: whole < 2"],
            &["part 2-1", "whole 1-1>2-1"],
            &[],
        ),
        (
            "and without a newer whole",
            &["whole 1"],
            &["part 2; O: whole < 2", "rest 2; O: whole < 2"],
            &["part 2-1", "rest 2-1"],
            &["whole"],
        ),
        (
            "all of them or none",
            &["whole 1"],
            &["part 2; O: whole < 2", "rest 2; O: whole < 2; R: no"],
            &[],
            &[],
        ),
        (
            "of several that obsolete in other words, the first name",
            &["whole 1"],
            &["rest 2; O: whole < 3", "part 2; O: whole < 2"],
            &["part 2-1"],
            &["whole"],
        ),
        (
            "what has its name, too, before what has not",
            &["whole 1"],
            &["part 2; O: whole < 2", "rest 2; O: whole < 3; P: whole = 2"],
            &["rest 2-1"],
            &["whole"],
        ),
        ("one for two", &["a 1", "b 1"], &["ab 2; O: a < 2; O: b < 2"], &["ab 2-1"], &["a", "b"]),
        (
            "an installed package for another one",
            &["a 1", "b 1"],
            &["a 2; O: b < 2"],
            &["a 1-1>2-1"],
            &["b"],
        ),
        (
            "the next where the first is out of reach",
            &["whole 1"],
            &["part 2; O: whole < 9; R: no", "whole 2"],
            &["whole 1-1>2-1"],
            &[],
        ),
    ] {
        let planned = system(image, offered).everything();
        assert_eq!(steps(&planned), want, "{what}");
        assert_eq!(removed(&planned), gone, "{what}");
    }
}

/// libsolv's choice rules, which give way to a report's findings.
#[test]
fn nothing_new_is_taken_where_something_installed_would_do() {
    for (what, image, offered, everything, one) in [
        (
            "what comes with the installed one is taken, and nothing new",
            &["a 1", "d 1"][..],
            &["a 2; R: c", "d 2; P: c; R: e", "e 2", "n 2; P: c"][..],
            &["a 1-1>2-1", "d 1-1>2-1", "e 2-1"][..],
            &["a 1-1>2-1", "d 1-1>2-1", "e 2-1"][..],
        ),
        (
            "what stays keeps what it needs",
            &["a 1; P: c", "b 1; R: c"],
            &["a 2", "n 2; P: c"],
            &["a 1-1>2-1", "n 2-1"],
            &["a 1-1>2-1", "n 2-1"],
        ),
        (
            "something new comes anyway",
            &["a 1; P: c", "b 1; R: c"],
            &["a 2; R: c", "b 2", "n 2; P: c"],
            &["a 1-1>2-1", "b 1-1>2-1", "n 2-1"],
            &["a 1-1>2-1", "n 2-1"],
        ),
        (
            "the image could not stay as it is",
            &["a 1; R: c", "b 1", "d 1; P: c", "u 1"],
            &["a 2; R: c", "b 2; P: c; R: no", "d 2", "n 2; P: c", "u 2"],
            &["a 1-1>2-1", "d 1-1>2-1", "n 2-1", "u 1-1>2-1"],
            &["a 1-1>2-1"],
        ),
        (
            "a newer version would do, and is out of reach",
            &["a 1", "d 1"],
            &["a 2; R: c", "d 2; P: c; R: no", "n 2; P: c"],
            &[],
            &["a 1-1>2-1", "n 2-1"],
        ),
        (
            "it is not the newest",
            &["a 1", "d 1"],
            &["a 2; R: c", "d 2; P: c; R: no", "d 3", "n 2; P: c"],
            &["a 1-1>2-1", "d 1-1>3-1", "n 2-1"],
            &["a 1-1>2-1", "n 2-1"],
        ),
        (
            "what obsoletes an installed package",
            &["a 1", "d 1"],
            &["a 2; R: p", "p 2; R: no; O: d < 2", "p 3"],
            &[],
            &["a 1-1>2-1", "p 3-1"],
        ),
        (
            "nothing installed",
            &["a 1", "d 1"],
            &["a 2; R: c", "n 2; P: c"],
            &["a 1-1>2-1", "n 2-1"],
            &["a 1-1>2-1", "n 2-1"],
        ),
    ] {
        assert_eq!(upgraded(image, offered), everything, "{what}");
        let fixed = Some("1-2".to_owned());
        let finding = Finding { fixed, ..Finding::system("CVE-1", "a", "1-1") };
        let requests = Requests::Findings(vec![finding.into()]);
        let System { packages, repositories, options, filter, .. } = system(image, offered);
        let packages = packages.as_slice().into();
        let image = Image { architecture: "x86_64", packages, options, ..Image::default() };
        let barred = BTreeMap::new();
        let planned = plan_platform(&image, &repositories, &filter, &requests, &barred, &context());
        assert_eq!(steps(&planned), one, "{what}");
    }
}

/// What a finding brings along is as new as can be, even where an older one would need less.
#[test]
fn what_changes_beside_is_the_newest() {
    let image = ["a 1", "d 1; R: a < 2"];
    let offered = ["a 2", "d 2", "d 3; R: n", "n 1"];
    let System { packages, repositories, options, filter, .. } = system(&image, &offered);
    let packages = packages.as_slice().into();
    let image = Image { architecture: "x86_64", packages, options, ..Image::default() };
    let fixed = Some("1-2".to_owned());
    let finding = Finding { fixed, ..Finding::system("CVE-1", "a", "1-1") };
    let requests = Requests::Findings(vec![finding.into()]);
    let barred = BTreeMap::new();
    let planned = plan_platform(&image, &repositories, &filter, &requests, &barred, &context());
    assert_eq!(steps(&planned), ["a 1-1>2-1", "d 1-1>3-1", "n 1-1"]);
}

/// A kernel is added for nothing of its own, and where something needs it, as with dnf.
#[test]
fn what_stays_in_all_versions_gets_another_one_beside_it() {
    let kernel = "k 1; P: installonlypkg(kernel)";
    let newer = ["k 2; P: installonlypkg(kernel)", "k 1; P: installonlypkg(kernel)"];
    let offered = |more: &[&'static str]| [&newer[..], more].concat();
    assert!(upgraded(&[kernel], &newer).is_empty());
    let planned = system(&[kernel, "a 1"], &offered(&["a 2; R: k >= 2"])).everything();
    assert_eq!(steps(&planned), ["a 1-1>2-1", "k 2-1"]);
    assert!(planned.plan.removals.is_empty());
    // the one that is there will do, and is not added again
    assert_eq!(upgraded(&[kernel, "a 1"], &offered(&["a 2; R: k"])), ["a 1-1>2-1"]);
    // it is there still
    let conflicting = ["a 2; R: k >= 2; C: k < 2"];
    assert!(upgraded(&[kernel, "a 1"], &offered(&conflicting)).is_empty());
    let mut excluded = system(&[kernel, "a 1"], &offered(&["a 2; R: k >= 2"]));
    excluded.options.excluded = vec![crate::spec::Spec::new("k").unwrap()];
    assert!(steps(&excluded.everything()).is_empty());
}

#[test]
fn machines_of_one_package_stay_at_one_version() {
    let two = ["a 1", "a.i686 1"];
    assert!(upgraded(&two, &["a 2"]).is_empty());
    assert_eq!(upgraded(&two, &["a 3", "a 2", "a.i686 2"]), ["a 1-1>2-1", "a 1-1>2-1"]);
    let planned = system(&two, &["a 2"]).everything();
    assert!(why(&planned).contains("version 2-1 of a for x86_64"), "{}", why(&planned));
    // what differs already may go on differing
    assert_eq!(upgraded(&["a 1", "a.i686 2"], &["a 3"]), ["a 1-1>3-1"]);
}

#[test]
fn what_has_a_worse_priority_is_taken_where_nothing_else_will_do() {
    let mut two = system(&["a 1", "b 1; R: a < 3"], &["a 2"]);
    two.repositories.push(repository(&["a 3"]));
    two.repositories[1].source.priority = 10;
    assert_eq!(steps(&two.everything()), ["a 1-1>2-1"]);
}

#[test]
fn recommended_packages_come_along_when_they_are_new() {
    let offered = ["a 2; W: w", "w 1"];
    assert_eq!(upgraded(&["a 1"], &offered), ["a 1-1>2-1", "w 1-1"]);
    assert_eq!(upgraded(&["a 1; W: w"], &offered), ["a 1-1>2-1"]);
    assert_eq!(upgraded(&["a 1"], &["a 2; W: w", "w 1; R: no"]), ["a 1-1>2-1"]);
    // what it needed first stays, though what that recommends would do alone
    let either = ["a 2; R: (b or c)", "b 1; W: c", "c 1"];
    assert_eq!(upgraded(&["a 1"], &either), ["a 1-1>2-1", "b 1-1", "c 1-1"]);
    let lower = ["a 2; W: w", "w 2; R: no", "w 1; W: v", "v 1"];
    assert_eq!(upgraded(&["a 1"], &lower), ["a 1-1>2-1", "v 1-1", "w 1-1"]);
    // it may obsolete what is on its way to a newer version
    assert_eq!(upgraded(&["a 1"], &["a 2; W: w", "w 2; O: a < 2"]), ["a 1-1>2-1", "w 2-1"]);
    let mut without = system(&["a 1"], &offered);
    without.options.weak_dependencies = false;
    assert_eq!(steps(&without.everything()), ["a 1-1>2-1"]);
}

#[test]
fn of_several_that_would_do_the_recommended_one_is_taken() {
    let either = ["a 2; R: (p or q)", "b 2; W: q", "p 1", "q 1"];
    assert_eq!(upgraded(&["a 1", "b 1"], &either), ["a 1-1>2-1", "b 1-1>2-1", "q 1-1"]);
    let there = ["a 2; R: (p or q)", "p 1", "q 1"];
    assert_eq!(upgraded(&["a 1", "b 1; W: q"], &there), ["a 1-1>2-1", "q 1-1"]);
    assert_eq!(upgraded(&["a 1", "b 1"], &there), ["a 1-1>2-1", "p 1-1"]);
    // in an installed one's place, too, where it is recommended before that one's turn
    let instead = ["a 2; W: p", "f 2", "p 2; O: f < 2"];
    let planned = system(&["a 1", "f 1"], &instead).everything();
    assert_eq!(steps(&planned), ["a 1-1>2-1", "p 2-1"]);
    assert_eq!(removed(&planned), ["f"]);
    assert_eq!(
        upgraded(&["f 1", "a 1"], &instead),
        ["a 1-1>2-1", "f 1-1>2-1", "p 2-1"],
        "after it"
    );
}

#[test]
fn nothing_takes_the_place_of_what_is_locked() {
    let lock = |list: &str| {
        let file = ImagePath::literal("/etc/dnf/plugins/versionlock.list");
        let file = (file, Entry::file(list.as_bytes().to_vec(), 0o644, 0));
        Locks::read(&Tree::from_entries([file], Arc::new(NoLayers)), Tool::Dnf).unwrap()
    };
    for (list, want) in [
        ("a-0:1-1.*\n", &[][..]),
        ("a-0:2-1.*\n", &["a 1-1>2-1"]),
        ("a-0:3-1.*\n", &["ab 2-1"]),
        ("b-0:1-1.*\n", &["ab 2-1"]),
    ] {
        let mut locked = system(&["a 1"], &["a 2", "ab 2; O: a < 3"]);
        locked.locks = lock(list);
        assert_eq!(steps(&locked.everything()), want, "{list}");
    }
}

fn why(planned: &Planned) -> String {
    planned.plan.kept_back.iter().map(|one| one.reason.to_string()).collect::<Vec<_>>().join("; ")
}

#[test]
fn settings_of_the_image_hold_packages_back() {
    let spec = |text| crate::spec::Spec::new(text).unwrap();
    let mut excluded = system(&["a 1"], &["a 2"]);
    excluded.options.excluded = vec![spec("a*")];
    let planned = excluded.everything();
    assert!(
        steps(&planned).is_empty() && why(&planned).contains("excludepkgs"),
        "{}",
        why(&planned)
    );

    let mut zypper =
        system(&["a 1; V: SUSE LLC", "b 1; V: Me"], &["a 2; V: openSUSE", "b 2; V: You"]);
    zypper.options = Options::of(Tool::Zypper);
    // as /etc/zypp/vendors.d of openSUSE Leap has it
    zypper.options.same_vendors = vec![vec!["opensuse".to_owned(), "suse llc".to_owned()]];
    let planned = zypper.everything();
    assert_eq!(steps(&planned), ["a 1-1>2-1"]);
    let mut zypper = system(&["a 1; V: SUSE LLC"], &["a 2; V: openSUSE"]);
    zypper.options = Options::of(Tool::Zypper);
    assert!(steps(&zypper.everything()).is_empty(), "they are one where the image says so");
    assert!(why(&planned).contains("vendors stay"), "{}", why(&planned));

    let planned = system(&["k 1; P: installonlypkg(kernel)"], &["k 2"]).everything();
    assert!(why(&planned).contains("installonlypkgs"), "{}", why(&planned));

    let mut two = system(&["a 1"], &["a 2"]);
    two.repositories.push(repository(&["a 3"]));
    two.repositories[0].source.priority = 10;
    assert_eq!(steps(&two.everything()), ["a 1-1>2-1"], "the better repository");
}

#[test]
fn modules_decide_what_is_seen() {
    let yaml = "---\ndocument: modulemd\nversion: 2\ndata:\n  name: m\n  stream: s\n  version: 1\n  \
                context: c\n  artifacts:\n    rpms:\n    - a-0:2-1.x86_64\n...\n";
    let mut modules = Modules::none(&Memory::default());
    modules.add(yaml.as_bytes()).unwrap();
    let with = |image: &str, enabled: bool| {
        let mut system = system(&[image], &["a 2", "a 3"]);
        if enabled {
            system.modules.enabled.insert("m".to_owned(), "s".to_owned());
        }
        system.filter = modules.filter(&system.modules);
        system.everything()
    };
    assert_eq!(steps(&with("a 1; M: m:s", true)), ["a 1-1>2-1"]);
    assert_eq!(steps(&with("a 1", false)), ["a 1-1>3-1"]);
    // the user has switched to s, or wants none
    assert_eq!(steps(&with("a 1; M: m:r", true)), ["a 1-1>2-1"]);
    let mut none = system(&["a 1; M: m:s"], &["a 2", "a 3"]);
    none.modules.disabled.insert("m".to_owned());
    none.filter = modules.filter(&none.modules);
    assert_eq!(steps(&none.everything()), ["a 1-1>3-1"]);
    let lost = with("a 1; M: m:s", false);
    assert!(steps(&lost).is_empty(), "{:?}", steps(&lost));
    assert!(why(&lost).contains("m:s"), "{}", why(&lost));
}
