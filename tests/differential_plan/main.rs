//! Plans against the real apt: where `apt-get` is on the machine, it judges what imgfix plans.
//!
//! - Small random systems: what imgfix plans is given to `apt-get --simulate install` as exact
//!   versions; apt must agree that just these packages change and nothing is removed.
//! - Dates of Release files are read as apt reads them, where python3-apt is there to ask.
//! - A real system, when `IMGFIX_PLAN_ROOT` names an unpacked root with fetched package lists
//!   (`apt-get update` done in it): imgfix must plan exactly what `apt-get --simulate
//!   upgrade --with-new-pkgs` does, and the time it takes is printed.

mod configuration;
mod dates;
mod policy;
mod providers;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufReader, Read};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use imgfix_apt::index::{PackageIndex, RepositoryInfo};
use imgfix_apt::packages_file::PackagesFile;
use imgfix_apt::policy::AptPolicy;
use imgfix_apt::solve::plan_platform;
use imgfix_dpkg::inventory::DpkgInventory;
use imgfix_model::digest::Digest;
use imgfix_model::path::ImagePath;
use imgfix_repair::planner::{Context, Planned, Requests};
use imgfix_vfs::LayerId;
use imgfix_vfs::tree::ContentLoader;
use imgfix_vfs::{Entry, Tree};
use proptest::prelude::*;
use proptest::test_runner::{TestRng, TestRunner};

struct NoLayers;

impl ContentLoader for NoLayers {
    fn open(&self, _: LayerId, _: u32) -> std::io::Result<Box<dyn Read + Send>> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

/// The few files of `root` that the planner reads.
fn tree(root: &Path) -> Tree {
    let files = ["var/lib/dpkg/status", "var/lib/dpkg/arch", "var/lib/apt/extended_states"];
    let entries = files.iter().filter_map(|name| {
        let bytes = fs::read(root.join(name)).ok()?;
        Some((ImagePath::new(name).ok()?, Entry::file(bytes, 0o644, 0)))
    });
    Tree::from_entries(entries.collect::<Vec<_>>(), Arc::new(NoLayers))
}

fn plan(inventory: &DpkgInventory, index: &PackageIndex) -> Planned {
    let context = Context {
        platform: "linux/amd64".parse().unwrap(),
        manifest_digest: Digest::of(b"differential"),
    };
    let none = BTreeMap::new();
    let policy = AptPolicy::default();
    plan_platform(inventory, index, &policy, &Requests::Everything, &none, &context)
}

/// `name:arch version` of every step.
fn steps(planned: &Planned) -> BTreeSet<String> {
    let steps = planned.plan.steps.iter();
    steps.map(|step| format!("{} {}", step.package.name, step.to)).collect()
}

fn apt(root: &Path, arguments: &[&str]) -> String {
    match try_apt(root, arguments) {
        Ok(text) => text,
        Err(text) => panic!("{text}"),
    }
}

/// What apt says; as an error when it fails.
fn try_apt(root: &Path, arguments: &[&str]) -> Result<String, String> {
    let root = root.display();
    let output = Command::new("apt-get")
        .env("LC_ALL", "C")
        .arg(format!("-oDir={root}"))
        .arg(format!("-oDir::State::status={root}/var/lib/dpkg/status"))
        .args(["-oAPT::Architecture=amd64", "-oAPT::Architectures=amd64"])
        .args(["-oAPT::Sandbox::User=", "-oAcquire::Languages=none", "-oDebug::NoLocking=1"])
        .args(["-oAPT::Get::AllowUnauthenticated=1", "-oAPT::Install-Recommends=0"])
        .args(["-oDir::Etc::parts=/nonexistent", "-oAcquire::Check-Valid-Until=0"])
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    Err(text + &String::from_utf8_lossy(&output.stderr))
}

/// Whether apt chose the same packages and failed only to put them in an order: a circle
/// through a `Pre-Depends`, which Debian's policy forbids and imgfix, which installs a set at
/// once, need not care about.
fn has_no_order(error: &str, offered: &str) -> bool {
    const MESSAGES: [&str; 4] = [
        "E: Conf Broken",
        "E: Could not configure",
        "E: Could not perform immediate configuration",
        "probably a dependency cycle",
    ];
    let circle =
        offered.contains("Pre-Depends") && MESSAGES.iter().any(|message| error.contains(message));
    // apt's own word for an order that it does not find, after it has listed what it chose.
    let lost = error.contains("MaxLoopCount reached") && error.contains(" 0 to remove");
    circle || lost
}

/// `name version` of every `Inst` line; removals as `-name`. What apt takes away and puts back
/// in a newer version, to get around a conflict on the way, is not removed.
fn simulated(text: &str) -> BTreeSet<String> {
    let mut removed = BTreeSet::new();
    let mut installed = BTreeSet::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (name, to) = match words.as_slice() {
            ["Remv", name, ..] => {
                removed.insert(*name);
                continue;
            }
            ["Inst", name, from, to, ..] if from.starts_with('[') => (name, to),
            ["Inst", name, to, ..] => (name, to),
            _ => continue,
        };
        removed.remove(name);
        installed.insert(format!("{name} {}", to.trim_start_matches('(')));
    }
    installed.extend(removed.into_iter().map(|name| format!("-{name}")));
    installed
}

fn has_apt() -> bool {
    Command::new("apt-get").arg("--version").output().is_ok()
}

/// One package of a random system: relations of its version 1 and 2.
#[derive(Debug, Clone)]
struct Package {
    installed: bool,
    versions: [Vec<(u8, u8, u8)>; 2],
    offered: bool,
}

const NAMES: [&str; 6] = ["pa", "pb", "pc", "pd", "pe", "pf"];

fn package() -> impl Strategy<Value = Package> {
    let relations = || prop::collection::vec((0..5u8, 0..6u8, 0..5u8), 0..3);
    (any::<bool>(), [relations(), relations()], prop::bool::weighted(0.8))
        .prop_map(|(installed, versions, offered)| Package { installed, versions, offered })
}

fn stanza(name: &str, version: u8, relations: &[(u8, u8, u8)], more: &str) -> String {
    let mut fields: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for &(field, other, operator) in relations {
        let field = ["Depends", "Pre-Depends", "Breaks", "Conflicts", "Provides"][field as usize];
        let other = NAMES[other as usize];
        if other == name {
            continue;
        }
        let constraint = match (field, operator) {
            ("Provides", _) => format!("virtual-{other}"),
            ("Depends", 4) => format!("virtual-{other} | {other} (>= 2)"),
            (_, 0) => other.to_owned(),
            (_, 1) => format!("{other} (= 1)"),
            (_, 2) => format!("{other} (>= 2)"),
            (_, 3) => format!("{other} (<< 2)"),
            _ => format!("virtual-{other}"),
        };
        let values = fields.entry(field).or_default();
        if !values.contains(&constraint) {
            values.push(constraint);
        }
    }
    let fields: String =
        fields.iter().map(|(field, values)| format!("{field}: {}\n", values.join(", "))).collect();
    format!(
        "Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: x <x@example.org>\n\
         Description: x\n{fields}{more}\n"
    )
}

/// Runs a property over random values: the same ones each time, so that a failure is about the
/// change under test; with `PROPTEST_CASES` as many new ones.
fn random<S: Strategy>(
    cases: u32,
    values: &S,
    property: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let more = std::env::var("PROPTEST_CASES").ok().and_then(|number| number.parse().ok());
    let config = ProptestConfig {
        cases: more.unwrap_or(cases),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut runner = match more {
        Some(_) => TestRunner::new(config),
        None => {
            let seed = TestRng::deterministic_rng(config.rng_algorithm);
            TestRunner::new_with_rng(config, seed)
        }
    };
    runner.run(values, property).unwrap();
}

#[test]
fn apt_agrees_with_plans_of_random_systems() {
    if !has_apt() {
        return;
    }
    const FILE: &str = "Filename: ./x.deb\nSize: 1\nSHA256: \
                        e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n";
    // The same systems each time, so that a failure is about the change under test; with
    // PROPTEST_CASES as many new ones.
    let more = std::env::var("PROPTEST_CASES").ok().and_then(|number| number.parse().ok());
    let config = ProptestConfig {
        cases: more.unwrap_or(60),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut runner = match more {
        Some(_) => TestRunner::new(config),
        None => {
            let seed = TestRng::deterministic_rng(config.rng_algorithm);
            TestRunner::new_with_rng(config, seed)
        }
    };
    let judged = std::cell::Cell::new(0);
    runner
        .run(&prop::collection::vec(package(), NAMES.len()), |packages| {
            let root = tempfile::tempdir().unwrap();
            let (mut status, mut offered) = (String::new(), String::new());
            for (package, name) in packages.iter().zip(NAMES) {
                if package.installed {
                    let installed = "Status: install ok installed\n";
                    status += &stanza(name, 1, &package.versions[0], installed);
                }
                if package.offered {
                    offered += &stanza(name, 2, &package.versions[1], FILE);
                }
            }
            write_root(root.path(), &status, &offered);
            // apt plans nothing on a system that is broken already.
            if is_broken(root.path()) {
                return Ok(());
            }
            let inventory = DpkgInventory::read(&tree(root.path())).unwrap();
            let info = RepositoryInfo { url: "file:///x/".into(), ..RepositoryInfo::default() };
            let index = PackageIndex::from_text(&offered, info).unwrap();
            let planned = plan(&inventory, &index);
            prop_assert_eq!(steps(&planned), steps(&plan(&inventory, &index)));
            let ours = steps(&planned);
            let wanted: Vec<String> = ours.iter().map(|step| step.replace(' ', "=")).collect();
            let mut arguments = vec!["--simulate", "install"];
            arguments.extend(wanted.iter().map(String::as_str));
            let text = match try_apt(root.path(), &arguments) {
                Ok(text) => text,
                Err(error) if has_no_order(&error, &offered) => return Ok(()),
                Err(error) => panic!("{error}"),
            };
            prop_assert_eq!(&simulated(&text), &ours, "{}\n{}\n{}", text, status, offered);
            judged.set(judged.get() + usize::from(!ours.is_empty()));
            // What apt manages without removals, imgfix manages too. Where packages exclude each
            // other, imgfix takes the first by name (there are no severities here) and apt what
            // its own search meets: so of all that differs, the first must be ours.
            // (apt's search gives up on some systems: then it manages nothing.)
            let text = try_apt(root.path(), &["--simulate", "--with-new-pkgs", "upgrade"]);
            let theirs = text.map(|text| simulated(&text)).unwrap_or_default();
            let installed = |step: &&String| status.contains(&format!("Package: {}\n", &step[..2]));
            let first = ours.symmetric_difference(&theirs).find(installed);
            prop_assert!(
                first.is_none_or(|step| ours.contains(step)),
                "{ours:?} {theirs:?}\n{status}\n{offered}"
            );
            Ok(())
        })
        .unwrap();
    assert!(judged.get() > 0);
}

fn is_broken(root: &Path) -> bool {
    let output = Command::new("apt-get")
        .arg(format!("-oDir={}", root.display()))
        .arg(format!("-oDir::State::status={}/var/lib/dpkg/status", root.display()))
        .args(["-oAPT::Architecture=amd64", "-oAPT::Architectures=amd64", "-oDebug::NoLocking=1"])
        .arg("check")
        .output()
        .unwrap();
    !output.status.success()
}

fn write_root(root: &Path, status: &str, offered: &str) {
    for directory in [
        "etc/apt/preferences.d",
        "etc/apt/sources.list.d",
        "var/lib/dpkg",
        "var/lib/apt/lists/partial",
        "var/cache/apt/archives/partial",
        "repository",
    ] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    fs::write(root.join("var/lib/dpkg/status"), status).unwrap();
    fs::write(root.join("repository/Packages"), offered).unwrap();
    let line = format!("deb [trusted=yes] file:{}/repository ./\n", root.display());
    fs::write(root.join("etc/apt/sources.list"), line).unwrap();
    apt(root, &["update"]);
}

#[test]
fn a_real_system_is_planned_as_apt_does_it() {
    let Some(root) = std::env::var_os("IMGFIX_PLAN_ROOT") else { return };
    let root = Path::new(&root);
    let inventory = DpkgInventory::read(&tree(root)).unwrap();
    let mut lists: Vec<_> = fs::read_dir(root.join("var/lib/apt/lists"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with("_Packages"))
        .collect();
    lists.sort();
    let mut index = PackageIndex::new();
    for list in &lists {
        let file = {
            let text = BufReader::new(fs::File::open(list).unwrap());
            PackagesFile::read(text, &imgfix_vfs::Memory::default()).unwrap()
        };
        let url = format!("file:///{}/", list.file_name().unwrap().to_string_lossy());
        index.push(file, Arc::new(RepositoryInfo { url, ..RepositoryInfo::default() }));
    }
    let start = Instant::now();
    let planned = plan(&inventory, &index);
    let took = start.elapsed();
    eprintln!(
        "{} packages offered, {} steps planned in {took:?}",
        index.len(),
        steps(&planned).len()
    );
    let text = apt(root, &["--simulate", "--with-new-pkgs", "upgrade"]);
    assert_eq!(steps(&planned), simulated(&text));
}
