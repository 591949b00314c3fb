//! Plans of small random systems against those of real package managers:
//! `tests/differential_rpm/plans`.
//!
//! In come seeds, and a folder; [`random`] makes a system of each, [`cases`] has some by name, [`written`] writes it there as
//! real programs read it, with questions. Once these have answered, imgfix is asked the same. Out
//! comes a line for each answer that differs, and the sums.
//!
//! Of a report imgfix fixes what dnf's choice rules leave ([`super::relaxed`]). It is asked to leave
//! that, as dnf is asked for upgrades and not for repairs; how many of its own plans differ from those
//! is said with the sums.

mod cases;
mod random;
mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::random::{Advised, Ask, System};
use super::tests::context;
use super::*;
use crate::modules::Modules;
use crate::options::Tool;
use crate::spec::Spec;
use crate::testing::{installed, repository};
use crate::updateinfo::Advisories;
use imgfix_model::finding::Finding;
use imgfix_model::path::ImagePath;
use imgfix_repair::planner::Request;
use imgfix_vfs::{Entry, Memory, NoLayers, Tree};

/// How many of a hundred plans have to be the same.
const ENOUGH: usize = 95;

fn folder() -> PathBuf {
    std::env::var_os("IMGFIX_PLANS").expect("IMGFIX_PLANS names no folder").into()
}

/// `IMGFIX_SEEDS`: `0..50`.
fn seeds() -> std::ops::Range<u64> {
    let text = std::env::var("IMGFIX_SEEDS").expect("IMGFIX_SEEDS names no seeds");
    let (first, end) = text.split_once("..").expect("IMGFIX_SEEDS is no range");
    first.parse().unwrap()..end.parse().unwrap()
}

/// The systems, each with its name.
fn systems() -> impl Iterator<Item = (String, System)> {
    let random = seeds().map(|seed| (format!("{seed:06}"), random::system(seed)));
    cases::systems().into_iter().chain(random)
}

#[test]
#[ignore = "writes systems for real package managers: tests/differential_rpm/plans"]
fn random_systems_are_written() {
    for (name, system) in systems() {
        written::write(&system, &folder().join(name));
    }
}

/// What a program would do, a line each: `+name-evr.arch` comes, `-name-evr.arch` goes.
type Plan = BTreeSet<String>;

/// The answers of a program to a system's questions; `None`: it was not asked.
fn answers(system: &Path, program: &str) -> Option<BTreeMap<String, Plan>> {
    let text = std::fs::read_to_string(system.join(format!("answers.{program}"))).ok()?;
    let answer = |line: &str| {
        let (question, plan) = line.split_once('\t')?;
        Some((question.to_owned(), plan.split_whitespace().map(str::to_owned).collect()))
    };
    Some(text.lines().filter_map(answer).collect())
}

fn ours(system: &System, program: &str, requests: &Requests, leave: Leave) -> Plan {
    let packages: Vec<InstalledPackage> =
        system.installed.iter().map(|line| installed(line)).collect();
    let repositories: Vec<Repository> = system
        .repositories
        .iter()
        .map(|one| {
            let lines: Vec<&str> = one.offered.iter().map(String::as_str).collect();
            let mut repository = repository(&lines);
            repository.source.priority = one.priority;
            repository.source.module_hotfixes = one.module_hotfixes;
            let updateinfo = written::updateinfo(&one.advisories);
            repository.advisories =
                Advisories::read(updateinfo.as_bytes(), &|_| true, &Memory::default()).unwrap();
            repository
        })
        .collect();
    let specs = |list: &[String]| list.iter().filter_map(|text| Spec::new(text)).collect();
    let options = Options {
        weak_dependencies: system.weak_dependencies,
        protected: specs(&system.protected),
        excluded: specs(&system.excluded),
        same_vendors: match system.is_suse_one {
            true => vec![vec!["opensuse".to_owned(), "suse".to_owned()]],
            false => Vec::new(),
        },
        ..Options::of(if program == "zypper" { Tool::Zypper } else { Tool::Dnf })
    };
    let mut state = ModuleState::default();
    for [module, stream, chosen] in &system.streams.chosen {
        match *chosen {
            "enabled" => drop(state.enabled.insert((*module).to_owned(), (*stream).to_owned())),
            _ => drop(state.disabled.insert((*module).to_owned())),
        }
    }
    let files = written::locks(system)
        .into_iter()
        .map(|(path, text)| (ImagePath::literal(path), Entry::file(text.into_bytes(), 0o644, 0)));
    let tree = Tree::from_entries(files, Arc::new(NoLayers));
    let image = Image {
        modules: state,
        locks: Locks::read(&tree, options.tool).unwrap(),
        architecture: "x86_64",
        packages: packages.as_slice().into(),
        options,
    };
    let mut modules = Modules::none(&Memory::default());
    for text in system.repositories.iter().map(|one| &one.modules).chain([&system.streams.kept]) {
        modules.add(text.as_bytes()).unwrap();
    }
    let filter = modules.filter(&image.modules);
    let effort = Effort::default();
    let universe = RpmUniverse::leaving(&image, &repositories, &filter, requests, effort, leave);
    let planned = super::plan(&universe, requests, &BTreeMap::new(), &context());
    let mut plan = Plan::new();
    for step in &planned.plan.steps {
        let PackageId { name, architecture } = &step.package;
        plan.insert(format!("+{name}-{}.{architecture}", step.to));
        if let Some(from) = &step.from {
            let before = packages.iter().find(|one| {
                one.name == name.as_ref()
                    && one.evr == from.as_ref()
                    && arch::may_replace(&one.architecture, architecture.as_ref())
            });
            let architecture = before.map_or("?", |one| one.architecture.as_str());
            plan.insert(format!("-{name}-{from}.{architecture}"));
        }
    }
    for removal in &planned.plan.removals {
        let PackageId { name, architecture } = &removal.package;
        plan.insert(format!("-{name}-{}.{architecture}", removal.version));
    }
    plan
}

/// What imgfix is asked where a program is asked this.
fn requests(ask: &Ask, system: &System) -> Requests {
    // a report without versions, which lists the packages that the advisories are about
    let of_all = |id: &str| {
        let all = system.repositories.iter().flat_map(|one| &one.advisories);
        let meant: Vec<&Advised> =
            all.filter(|one| one.name == *id || one.problem == *id).collect();
        let packages = system.installed.iter().map(|line| installed(line));
        let advised = packages.filter(|package| {
            let mut packages = meant.iter().flat_map(|one| &one.packages);
            packages
                .any(|[name, machine, _]| *name == package.name && *machine == package.architecture)
        });
        let finding = |package: InstalledPackage| Finding::system(id, &package.name, "1-1");
        Requests::Findings(advised.map(finding).map(Request::from).collect())
    };
    match ask {
        Ask::Everything => Requests::Everything,
        Ask::Advisory(id) | Ask::Problem(id) => of_all(id),
        Ask::Package(name) => {
            // whatever is newer will do
            let fixed = Some("1-2".to_owned());
            let finding = Finding { fixed, ..Finding::system("CVE-1", name, "1-1") };
            Requests::Findings(vec![Request::from(finding)])
        }
    }
}

#[test]
#[ignore = "needs the answers of real package managers: tests/differential_rpm/plans"]
fn plans_are_those_of_real_package_managers() {
    let programs = std::env::var("IMGFIX_PROGRAMS").expect("IMGFIX_PROGRAMS names no program");
    let mut too_few = Vec::new();
    for program in programs.split_whitespace() {
        let (mut same, mut other, mut further) = (0, 0, 0);
        for (name, system) in systems() {
            let Some(answers) = answers(&folder().join(&name), program) else { continue };
            if program == "zypper" && !system.is_for_zypper() {
                continue;
            }
            for question in &system.questions {
                let Some(theirs) = answers.get(&question.name) else { continue };
                // zypper does all of a patch, or fails
                if program == "zypper" && question.name != "everything" && theirs.is_empty() {
                    continue;
                }
                let mut theirs = theirs.clone();
                let requests = requests(&question.ask, &system);
                let mut as_asked = ours(&system, program, &requests, Leave::WhatDnfLeaves);
                further += u32::from(as_asked != ours(&system, program, &requests, Leave::Nothing));
                // imgfix leaves a kernel as it is, with its reason, and adds a newer one only for
                // what needs it
                for plan in [&mut as_asked, &mut theirs] {
                    plan.retain(|one| !system.is_kernel(one));
                }
                if theirs == as_asked {
                    same += 1;
                    continue;
                }
                other += 1;
                println!("{name}: {}", question.ask);
                println!("  {program:6} {theirs:?}\n  imgfix {as_asked:?}\n{system}");
            }
        }
        println!("{program}: {same} plans the same, {other} others; {further} repairs do more");
        assert!(same > 0, "{program} has answered nothing");
        if same * 100 < (same + other) * ENOUGH {
            too_few.push(program);
        }
    }
    assert!(too_few.is_empty(), "too few plans are those of {}", too_few.join(" and "));
}
