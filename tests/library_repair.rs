//! The loop that all kinds of libraries share, with a small kind of its own: each library is a file
//! `/libs/FOLDER/NAME` with its version. Which version is chosen, what is barred and what comes
//! then, what would be worse, what is put out of use, and what the verdicts are.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use common::cli::Place;
use common::debian::Tar;
use common::images;
use imgfix::Repair;
use imgfix_model::component::{Libraries, Library, Mitigated, StoreId};
use imgfix_model::description::Description;
use imgfix_model::finding::Finding;
use imgfix_model::path::ImagePath;
use imgfix_model::plan::{Because, StoreStep};
use imgfix_model::reason::Reason;
use imgfix_model::verdict::Verdict;
use imgfix_repair::error::{Cause, RepairerError};
use imgfix_repair::libraries::{
    Barred, Change, LibraryManager, LibraryStore, Outcome, Resolved, Versions,
};
use imgfix_repair::repairer::{Kind, Repairer, Work};
use imgfix_report::before_after::PlatformReport;
use imgfix_versions::{VersionOrder, VersionText};
use imgfix_vfs::{Entry, FileSystem, Overlay};
use serde_json::json;

/// What the registry has of every library.
const OFFERED: [&str; 7] = ["1.0.1", "1.0.2", "1.0.3", "1.1.0", "2.0.0", "0.9", "1.0.4"];

struct Lines;

struct Manager(StoreId);

fn root() -> ImagePath {
    ImagePath::literal("/libs")
}

/// The store as it is; `1.0.0-off` is 1.0.0 with its problem out of use.
fn listed(fs: &dyn FileSystem) -> Libraries {
    let mut libraries = Vec::new();
    fs.visit(&root(), &mut |path, entry| {
        if !entry.is_file() {
            return;
        }
        let text = String::from_utf8(fs.read(path).unwrap().to_vec()).unwrap();
        let (version, is_off) = match text.strip_suffix("-off") {
            Some(version) => (version, true),
            None => (text.as_str(), false),
        };
        let mitigated = Mitigated { ids: vec!["CVE-OFF".into()], how: "it is off".into() };
        libraries.push(Library {
            name: String::from_utf8_lossy(path.file_name()).into_owned(),
            version: version.into(),
            path: path.clone(),
            owner: None,
            description: Description::default(),
            mitigated: is_off.then_some(mitigated).into_iter().collect(),
        });
    });
    libraries.sort_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
    Libraries {
        store: StoreId::new("lines", &root()),
        purl_type: "generic",
        order: VersionOrder::DPKG,
        libraries,
        unread: Vec::new(),
    }
}

impl Kind for Lines {
    fn wants(&self, path: &ImagePath, _size: u64) -> bool {
        path.starts_with(&root())
    }

    fn detect(&self, fs: &dyn FileSystem) -> Result<Vec<Box<dyn Repairer>>, Cause> {
        let libraries = listed(fs);
        let manager = Box::new(Manager(libraries.store.clone()));
        Ok(vec![Box::new(LibraryStore::new(libraries, |a, b| a == b).managed(manager))])
    }
}

fn barred(step: &StoreStep, detail: &str) -> Barred {
    let component = format!("{} {}", step.component, step.to.as_ref().unwrap());
    let reason = Reason::NotRepairable { component, detail: detail.to_owned() };
    Barred { path: step.path.clone().unwrap(), reason }
}

impl LibraryManager for Manager {
    fn obstacle(&self, _: &dyn FileSystem, library: &Library) -> Result<Option<Reason>, Cause> {
        let reason = || Reason::NotRepairable {
            component: library.name.clone(),
            detail: "it is fixed to the wall".to_owned(),
        };
        Ok((library.name == "fixed").then(reason))
    }

    fn versions(
        &self,
        _: &dyn FileSystem,
        _: &Library,
        _: &Work<'_>,
    ) -> Result<Versions, RepairerError> {
        Ok(Versions::Known(OFFERED.map(VersionText::from).to_vec()))
    }

    fn resolve(
        &self,
        _: &dyn FileSystem,
        changes: &[Change<'_>],
        _: &Work<'_>,
    ) -> Result<Resolved, RepairerError> {
        let mut steps = Vec::new();
        for change in changes {
            let library = change.library;
            let step = StoreStep {
                component: library.name.clone(),
                path: Some(library.path.clone()),
                from: Some(library.version.clone()),
                to: Some(change.to.clone()),
                archive: None,
                unpack: None,
                attested_by: None,
                because: vec![Because::Fixes { findings: change.fixes.to_vec() }],
            };
            // what this one needs beside
            if library.name == "needy" {
                steps.push(StoreStep {
                    component: "brought".to_owned(),
                    path: Some(root().join("brought").unwrap()),
                    from: None,
                    to: Some("1.0.1".into()),
                    because: vec![Because::Beside {
                        component: library.name.clone(),
                        relation: "it needs it".to_owned(),
                    }],
                    ..step.clone()
                });
            }
            steps.push(step);
        }
        Ok(Resolved::Steps(steps))
    }

    fn apply(
        &self,
        mut overlay: Overlay,
        steps: &[StoreStep],
        _: &Work<'_>,
    ) -> Result<Outcome, RepairerError> {
        for step in steps {
            let to = step.to.as_ref().unwrap().as_ref();
            match (step.component.as_str(), to) {
                ("picky", "1.0.1" | "1.0.2") => {
                    return Ok(Outcome::Barred(barred(step, "it does not start")));
                }
                ("broken", _) => return Ok(Outcome::Barred(barred(step, "it never starts"))),
                _ => {}
            }
            let text = if step.from == step.to { format!("{to}-off") } else { to.to_owned() };
            overlay.set(step.path.clone().unwrap(), Entry::file(text, 0o644, 1)).unwrap();
        }
        Ok(Outcome::Applied(overlay))
    }

    fn list(&self, fs: &dyn FileSystem) -> Option<Libraries> {
        let libraries = listed(fs);
        assert_eq!(libraries.store, self.0);
        Some(libraries)
    }

    fn mitigate(
        &self,
        _: &dyn FileSystem,
        library: &Library,
        ids: &[String],
    ) -> Result<Option<StoreStep>, Cause> {
        let version = Some(library.version.clone());
        let step = || StoreStep {
            component: library.name.clone(),
            path: Some(library.path.clone()),
            from: version.clone(),
            to: version.clone(),
            archive: None,
            unpack: None,
            attested_by: None,
            because: vec![Because::Fixes { findings: ids.to_vec() }],
        };
        Ok(ids.iter().any(|id| id == "CVE-OFF").then(step))
    }
}

/// The report of a repair by findings (`ID NAME PATH FIXED`) of an image with these files
/// (`PATH VERSION`).
fn repaired(files: &[&str], findings: &[&str]) -> PlatformReport {
    let mut tar = Tar::default();
    for line in files {
        let (path, version) = line.split_once(' ').unwrap();
        tar.file(&format!("libs/{path}"), version.as_bytes(), 0o644);
    }
    let place = Place::new();
    images::layout(&place.path("image"), "1", &[tar.end()]);
    let finding = |line: &&str| {
        let [id, name, path, fixed] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let path = (path != "-").then(|| format!("libs/{path}"));
        json!({"id": id, "package": name, "class": "library", "severity": "high",
            "installed": "1.0.0", "fixed": fixed, "path": path})
    };
    let findings: Vec<_> = findings.iter().map(finding).collect();
    let own = json!({"schema": "imgfix/findings/v1", "findings": findings});
    let done = Repair::of(&place.image("1"))
        .unwrap()
        .kinds(&[&Lines])
        .report("own.json", serde_json::to_vec(&own).unwrap())
        .run()
        .unwrap();
    done.report.platforms.into_iter().next().unwrap()
}

/// What became of the findings.
fn verdicts(files: &[&str], findings: &[&str]) -> Vec<String> {
    let platform = repaired(files, findings);
    let shown = |finding: &Finding, verdict: &Verdict| {
        let verdict = match verdict {
            Verdict::Fixed { version } => format!("fixed {version}"),
            Verdict::Mitigated { how } => format!("mitigated: {how}"),
            Verdict::NotAffected { version } => format!("not affected {version}"),
            Verdict::NotFixed { reason } => format!("left: {reason}"),
        };
        format!("{} {}: {verdict}", finding.id, finding.package)
    };
    let mut all: Vec<String> =
        platform.findings.iter().map(|one| shown(&one.finding, &one.verdict)).collect();
    all.sort();
    all
}

#[test]
fn the_smallest_version_that_fixes_most() {
    assert_eq!(
        verdicts(
            &["a 1.0.0", "b 1.0.0", "c 1.0.2"],
            &[
                "CVE-1 a a 1.0.1",
                "CVE-2 a a 1.0.3",
                "CVE-3 a a 2.0.0",
                "CVE-4 b b 1.0.9",
                "CVE-5 c c 1.0.1"
            ],
        ),
        [
            "CVE-1 a: fixed 1.0.3",
            "CVE-2 a: fixed 1.0.3",
            "CVE-3 a: left: a 1.0.0 is fixed in 2.0.0, a major upgrade: allow it with \
             --library-upgrades major",
            "CVE-4 b: left: b 1.0.0 is fixed in 1.1.0, a minor upgrade: allow it with \
             --library-upgrades minor",
            "CVE-5 c: not affected 1.0.2",
        ]
    );
}

#[test]
fn exactly_the_copy_that_was_found_is_repaired() {
    assert_eq!(
        verdicts(&["x/a 1.0.0", "y/a 1.0.0"], &["CVE-1 a y/a 1.0.1"]),
        ["CVE-1 a: fixed 1.0.1"]
    );
    let changed = |findings: &[&str]| -> Vec<String> {
        let all = repaired(&["x/a 1.0.0", "y/a 1.0.0"], findings).components;
        all.iter().map(|one| one.path.as_ref().unwrap().to_string()).collect()
    };
    assert_eq!(changed(&["CVE-1 a y/a 1.0.1"]), ["/libs/y/a"]);
    assert_eq!(changed(&["CVE-1 a - 1.0.1"]), ["/libs/x/a", "/libs/y/a"]);
    // a report that names no path speaks of both
    assert_eq!(
        verdicts(&["x/a 1.0.0", "y/a 1.0.0"], &["CVE-1 a - 1.0.1"]),
        ["CVE-1 a: fixed 1.0.1"]
    );
}

#[test]
fn what_is_barred_goes_to_its_next_version_and_holds_nobody_back() {
    assert_eq!(
        verdicts(
            &["picky 1.0.0", "broken 1.0.0", "fixed 1.0.0", "a 1.0.0"],
            &[
                "CVE-1 picky picky 1.0.1",
                "CVE-2 broken broken 1.0.1",
                "CVE-3 fixed fixed 1.0.1",
                "CVE-4 a a 1.0.1",
            ],
        ),
        [
            "CVE-1 picky: fixed 1.0.3",
            "CVE-2 broken: left: broken 1.0.1 is not changed: it never starts",
            "CVE-3 fixed: left: fixed is not changed: it is fixed to the wall",
            "CVE-4 a: fixed 1.0.1",
        ]
    );
}

#[test]
fn a_repair_brings_no_finding_of_the_report() {
    // the version with the fix has a problem of its own, which ends in the next
    assert_eq!(
        verdicts(
            &["needy 1.0.0", "a 1.0.0"],
            &[
                "CVE-1 needy needy 1.0.1",
                "CVE-2 a a 1.0.1",
                "CVE-3 brought elsewhere/brought 1.0.2",
            ]
        ),
        [
            "CVE-1 needy: left: brought 1.0.1 would bring CVE-3, which is not there now",
            "CVE-2 a: fixed 1.0.1",
            "CVE-3 brought: left: no recipe yet for findings of class library",
        ]
    );
    // without it, what it brings stays
    assert_eq!(
        verdicts(&["needy 1.0.0"], &["CVE-1 needy needy 1.0.1"]),
        ["CVE-1 needy: fixed 1.0.1"]
    );
}

#[test]
fn what_no_version_helps_is_put_out_of_use() {
    assert_eq!(
        verdicts(
            &["a 1.0.0", "b 1.0.0"],
            &["CVE-OFF a a 2.0.0", "CVE-2 a a 2.0.0", "CVE-3 b b 1.0.1"],
        ),
        [
            "CVE-2 a: left: a 1.0.0 is fixed in 2.0.0, a major upgrade: allow it with \
             --library-upgrades major",
            "CVE-3 b: fixed 1.0.1",
            "CVE-OFF a: mitigated: it is off",
        ]
    );
}
