//! Several repairers in one image: a small one that changes files before dpkg and one that does
//! after it, over the same overlay, published and judged with dpkg's packages.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use common::cli::{self, Place, fixture, report};
use imgfix::Repair;
use imgfix_model::component::{Component, StoreId};
use imgfix_model::finding::{Class, Finding};
use imgfix_model::path::ImagePath;
use imgfix_model::plan::{Because, PlatformPlan, StorePlan, StoreStep, Unfixed};
use imgfix_model::reason::Reason;
use imgfix_model::verdict::Verdict;
use imgfix_repair::error::{Cause, RepairerError};
use imgfix_repair::judge::Components;
use imgfix_repair::planner::Requests;
use imgfix_repair::repairer::{Done, Kind, Part, Repairer, Work};
use imgfix_versions::VersionOrder;
use imgfix_vfs::{Entry, FileSystem, Overlay};

/// A store of single files: each finding of class baseline whose package is this kind's name is
/// about one, by its path.
struct Files {
    name: &'static str,
}

/// A store that writes a file anew as it was, but for its time, whatever is asked.
struct Toucher;

/// The file.
const TOUCHED: &str = "/etc/debian_version";

impl Kind for Toucher {
    fn wants(&self, _path: &ImagePath, _size: u64) -> bool {
        false
    }

    fn detect(&self, _fs: &dyn FileSystem) -> Result<Vec<Box<dyn Repairer>>, Cause> {
        let path = ImagePath::literal(TOUCHED);
        Ok(vec![Box::new(Touched(StoreId::new("touched", &path)))])
    }
}

struct Touched(StoreId);

impl Touched {
    fn write(&self, mut overlay: Overlay) -> Result<Done, RepairerError> {
        let path = ImagePath::literal(TOUCHED);
        let text = overlay.read(&path).unwrap();
        let was = overlay.lstat(&path).unwrap().clone();
        let anew = Entry::file(text, was.mode, was.mtime + 1);
        overlay.set(path, Entry { uid: was.uid, gid: was.gid, ..anew }).unwrap();
        let step = StoreStep {
            component: TOUCHED.to_owned(),
            path: None,
            unpack: None,
            attested_by: None,
            from: None,
            to: None,
            archive: None,
            because: vec![Because::Newer],
        };
        let part = Part::Store(StorePlan { store: self.0.clone(), steps: vec![step] });
        Ok(Done { part, ..Done::unchanged(overlay) })
    }
}

impl Repairer for Touched {
    fn store(&self) -> &StoreId {
        &self.0
    }

    fn components(&self) -> Components<'_> {
        Components { all: Vec::new(), order: VersionOrder::DPKG, same_name: |a, b| a == b }
    }

    fn claims(&self, _finding: &Finding) -> bool {
        false
    }

    fn repair(
        &self,
        _requests: &Requests,
        _work: &Work<'_>,
        overlay: Overlay,
    ) -> Result<Done, RepairerError> {
        self.write(overlay)
    }

    fn follow(
        &self,
        _plan: &PlatformPlan,
        _work: &Work<'_>,
        overlay: Overlay,
    ) -> Result<Done, RepairerError> {
        self.write(overlay)
    }

    fn verdict(
        &self,
        _finding: &Finding,
        _after: Option<&dyn Repairer>,
        _plan: &PlatformPlan,
        planned: Option<&Reason>,
    ) -> Verdict {
        Verdict::NotFixed { reason: planned.cloned().unwrap_or(Reason::NotOwned) }
    }
}

const BEFORE: Files = Files { name: "before" };
const AFTER: Files = Files { name: "after" };

/// What dpkg's database says of a package, in the tree that a repairer is given.
fn version_of(fs: &dyn FileSystem, package: &str) -> String {
    let status = fs.read(&ImagePath::literal("/var/lib/dpkg/status")).unwrap();
    cli::version_in(&String::from_utf8_lossy(&status), package).unwrap()
}

impl Kind for Files {
    fn wants(&self, path: &ImagePath, _size: u64) -> bool {
        path.as_bytes().starts_with(b"/opt/")
    }

    fn detect(&self, fs: &dyn FileSystem) -> Result<Vec<Box<dyn Repairer>>, Cause> {
        let read = |path: ImagePath| {
            let text = String::from_utf8_lossy(&fs.read(&path).ok()?).into_owned();
            Some((path.to_string(), text))
        };
        let folder = ImagePath::new(format!("/opt/{}", self.name))?;
        let files = fs.read_dir(&folder).into_iter().filter_map(read).collect();
        Ok(vec![Box::new(Store { id: StoreId::new(self.name, &folder), files })])
    }
}

struct Store {
    id: StoreId,
    /// What they say, by path.
    files: BTreeMap<String, String>,
}

impl Store {
    fn write(&self, requests: &Requests, overlay: Overlay) -> Result<Done, RepairerError> {
        let mut done = Done::unchanged(overlay.clone());
        let Requests::Findings(requests) = requests else { return Ok(done) };
        let seen = version_of(&overlay, "libexpat1");
        let (mut changed, mut steps) = (overlay, Vec::new());
        for request in requests {
            let path = request.finding.path.clone().unwrap();
            if path.ends_with("impossible") {
                // all or nothing: what was changed before it goes with it
                let package = path.clone();
                let detail = "the set cannot be completed".to_owned();
                let left = |one: &imgfix_repair::planner::Request| Unfixed {
                    finding: one.finding.clone(),
                    reason: Reason::Conflict { package: package.clone(), detail: detail.clone() },
                };
                done.unfixed = requests.iter().map(left).collect();
                return Ok(done);
            }
            let entry = Entry::file(format!("{} saw {seen}", self.id.kind), 0o644, 1);
            changed.set(ImagePath::new(&path).unwrap(), entry).unwrap();
            steps.push(StoreStep {
                component: path,
                path: None,
                unpack: None,
                attested_by: None,
                from: None,
                to: None,
                archive: None,
                because: vec![Because::Fixes { findings: vec![request.finding.id.clone()] }],
            });
        }
        done.part = Part::Store(StorePlan { store: self.id.clone(), steps });
        Ok(Done { overlay: changed, ..done })
    }
}

impl Repairer for Store {
    fn store(&self) -> &StoreId {
        &self.id
    }

    fn components(&self) -> Components<'_> {
        Components {
            all: self
                .files
                .iter()
                .map(|(path, text)| Component {
                    name: path,
                    version: text,
                    source: path,
                    source_version: text,
                    architecture: None,
                    path: None,
                })
                .collect(),
            order: VersionOrder::DPKG,
            same_name: |a, b| a == b,
        }
    }

    fn claims(&self, finding: &Finding) -> bool {
        finding.class == Class::Baseline && finding.package == self.id.kind
    }

    fn repair(
        &self,
        requests: &Requests,
        _work: &Work<'_>,
        overlay: Overlay,
    ) -> Result<Done, RepairerError> {
        self.write(requests, overlay)
    }

    fn follow(
        &self,
        plan: &PlatformPlan,
        _work: &Work<'_>,
        mut overlay: Overlay,
    ) -> Result<Done, RepairerError> {
        let Some(own) = plan.stores.iter().find(|one| one.store == self.id) else {
            return Ok(Done::unchanged(overlay));
        };
        for step in &own.steps {
            let entry = Entry::file(format!("{} saw nothing", self.id.kind), 0o644, 1);
            overlay.set(ImagePath::new(&step.component).unwrap(), entry).unwrap();
        }
        Ok(Done { part: Part::Store(own.clone()), ..Done::unchanged(overlay) })
    }

    fn verdict(
        &self,
        finding: &Finding,
        after: Option<&dyn Repairer>,
        _plan: &PlatformPlan,
        planned: Option<&Reason>,
    ) -> Verdict {
        // asked of the store as it is in the published layers
        let path = finding.path.as_deref().unwrap();
        let path = ImagePath::new(path).unwrap().to_string();
        let written = after.is_some_and(|after| {
            after.components().all.iter().any(|one| one.name == path && one.version.contains("saw"))
        });
        match (written, planned) {
            (_, Some(reason)) => Verdict::NotFixed { reason: reason.clone() },
            (true, None) if path.ends_with("off") => {
                Verdict::Mitigated { how: "it is off".to_owned() }
            }
            (true, None) => Verdict::Fixed { version: "new".to_owned() },
            (false, None) => Verdict::NotFixed { reason: Reason::StillPresent { installed: path } },
        }
    }
}

/// A repair of Debian's fixture with dpkg and both small stores, of findings (package, path).
fn repaired(place: &Place, findings: &[(&str, &str)]) -> imgfix::pipeline::RepairOutcome {
    let findings: Vec<_> = findings
        .iter()
        .map(|(package, path)| {
            serde_json::json!({
                "id": format!("CFG-{path}"), "package": package, "class": "baseline",
                "severity": "high", "path": path,
            })
        })
        .collect();
    let own = serde_json::json!({"schema": "imgfix/findings/v1", "findings": findings});
    Repair::of(&place.image("12"))
        .unwrap()
        .kinds(&[&BEFORE, &imgfix_apt::repairer::Debian, &AFTER])
        .report("own.json", serde_json::to_vec(&own).unwrap())
        .report("trivy.json", std::fs::read(report("debian-12.trivy")).unwrap())
        .repository(&cli::repository_line(&fixture("repository")))
        .run()
        .unwrap()
}

/// A file of the tag `12_fix`, as its layers have it.
fn file(place: &Place, path: &str) -> Option<String> {
    let bundle = place.path("bundle");
    if !bundle.exists() {
        let mut command = std::process::Command::new("umoci");
        let image = format!("{}:12_fix", place.path("image").display());
        command.args(["unpack", "--image", &image]);
        if !cli::is_root() {
            command.arg("--rootless");
        }
        cli::ran(command.arg(&bundle)).expect(0);
    }
    std::fs::read_to_string(bundle.join("rootfs").join(path)).ok()
}

#[test]
fn stores_before_and_after_dpkg_share_one_overlay_and_are_judged_by_themselves() {
    let place = Place::debian();
    let done = repaired(
        &place,
        &[
            ("before", "opt/before/conf"),
            ("after", "opt/after/conf"),
            ("after", "opt/after/off"),
            ("nobody", "etc/nobody"),
        ],
    );
    // each saw what those before it had changed
    let seen = |path: &str| file(&place, path).unwrap_or_default();
    assert_eq!(seen("opt/before/conf"), "before saw 2.5.0-1+deb12u2");
    assert_eq!(seen("opt/after/conf"), "after saw 2.5.0-1+deb12u5");

    let report = &done.report;
    let [platform] = report.platforms.as_slice() else { panic!("{report:?}") };
    let verdict = |id: &str| {
        let judged = platform.findings.iter().find(|one| one.finding.id == id).unwrap();
        judged.verdict.clone()
    };
    assert_eq!(verdict("CFG-opt/before/conf"), Verdict::Fixed { version: "new".into() });
    assert_eq!(verdict("CFG-opt/after/conf"), Verdict::Fixed { version: "new".into() });
    assert_eq!(verdict("CFG-opt/after/off"), Verdict::Mitigated { how: "it is off".into() });
    // what no store claims has its reason from one place
    let nobodys = Verdict::NotFixed { reason: Reason::NoRecipe { class: "baseline".into() } };
    assert_eq!(verdict("CFG-etc/nobody"), nobodys);
    // dpkg's own are as they are without the others, which the library's own example counts
    let of = |class: Class| {
        let all = platform.findings.iter().filter(move |one| one.finding.class == class);
        all.filter(|one| matches!(one.verdict, Verdict::Fixed { .. })).count()
    };
    assert_eq!((of(Class::System), of(Class::Baseline)), (134, 2));
    let summary = &report.summary;
    assert_eq!((summary.fixed, summary.mitigated, summary.not_fixed), (136, 1, 4));
    assert_eq!(summary.findings, 141);
    // what was done is said
    let changed: Vec<&str> = platform.components.iter().map(|one| one.component.as_str()).collect();
    assert_eq!(changed, ["/opt/before/conf", "/opt/after/conf", "/opt/after/off"]);
    assert!(platform.components.iter().any(|one| one.store == "after at /opt/after"));
    // one layer holds all of it
    let manifest = |tag| cli::manifest(&place.path("image"), tag);
    let layers = |tag| manifest(tag)["layers"].as_array().unwrap().len();
    assert_eq!(layers("12_fix"), layers("12") + 1);
    let schema = include_str!("../docs/report.schema.json");
    imgfix_report::schema_check::assert_valid(schema, &imgfix_report::json::render(report));
}

#[test]
fn no_layer_is_published_that_would_be_empty() {
    let own = serde_json::json!({"schema": "imgfix/findings/v1", "findings": []}).to_string();
    let repair = |place: &Place| {
        Repair::of(&place.image("12"))
            .unwrap()
            .kinds(&[&imgfix_apt::repairer::Debian, &Toucher])
            .report("own.json", own.clone().into_bytes())
            .repository(&cli::repository_line(&fixture("repository")))
    };
    let layers = |place: &Place, tag| {
        let manifest = cli::manifest(&place.path("image"), tag);
        manifest["layers"].as_array().unwrap().len()
    };
    let place = Place::debian();
    repair(&place).run().unwrap();
    assert_eq!(layers(&place, "12_fix"), layers(&place, "12") + 1, "a time is a change");

    let place = Place::debian();
    let done = repair(&place).skip_identical().run().unwrap();
    let [platform] = done.report.platforms.as_slice() else { panic!() };
    assert_eq!((platform.layer.as_ref(), platform.manifest), (None, None));
    assert_eq!(platform.files.left_out.map(|one| one.files), Some(1));
    assert_eq!(platform.size.before, platform.size.after);
    assert_eq!(place.tagged("12_fix"), place.tagged("12"), "the image is as it was");
}

#[test]
fn a_store_whose_set_cannot_be_completed_leaves_no_trace_and_the_others_go_on() {
    let place = Place::debian();
    let done = repaired(
        &place,
        &[
            ("before", "opt/before/conf"),
            ("before", "opt/before/impossible"),
            ("after", "opt/after/conf"),
        ],
    );
    assert_eq!(file(&place, "opt/before/conf"), None);
    assert_eq!(file(&place, "opt/after/conf").as_deref(), Some("after saw 2.5.0-1+deb12u5"));
    let [platform] = done.report.platforms.as_slice() else { panic!() };
    for path in ["conf", "impossible"] {
        let id = format!("CFG-opt/before/{path}");
        let judged = platform.findings.iter().find(|one| one.finding.id == id).unwrap();
        assert!(
            matches!(&judged.verdict, Verdict::NotFixed { reason: Reason::Conflict { .. } }),
            "{judged:?}"
        );
    }
    assert_eq!(done.report.summary.fixed, 135);
}
