//! Plans against the real apk: on small random systems, `apk upgrade --simulate` of an unpacked
//! Alpine root (`IMGFIX_APK_ROOT`) must change the same packages in the same order as imgfix.
//!
//! apk itself makes the systems: from a first repository and a `world` it says what it would
//! install, and that is what is installed when it sees the second repository.

mod real_apk;
mod systems;

use std::collections::{BTreeMap, BTreeSet};

use imgfix_apk::dependency::Dependency;
use imgfix_apk::index::{PackageIndex, RepositoryInfo};
use imgfix_apk::record::Record;
use imgfix_apk::solve::{Image, plan_platform};
use imgfix_model::digest::Digest;
use imgfix_model::finding::Finding;
use imgfix_repair::planner::{Context, Planned, Request, Requests};
use real_apk::{Answer, RealApk};
use systems::System;

fn records(text: &str) -> Vec<Record> {
    text.split_terminator("\n\n")
        .map(|package| {
            let mut record = Record::default();
            for line in package.lines() {
                let (field, value) = line.split_once(':').unwrap();
                record.set(field.as_bytes()[0], value).unwrap();
            }
            record
        })
        .collect()
}

fn plan(system: &System, requests: &Requests) -> Planned {
    let records = records(&system.installed);
    let world = Dependency::parse_list(&system.world.join(" ")).unwrap();
    let mut index = PackageIndex::new();
    for (tag, text) in [(None, &system.offered), (Some("edge".to_owned()), &system.edge)] {
        let info = RepositoryInfo {
            url: "https://apk.example/x".to_owned(),
            tags: vec![tag],
            ..RepositoryInfo::default()
        };
        index.push(text.clone(), info).unwrap();
    }
    let image = Image { packages: records.iter().collect(), world: &world, ..Image::default() };
    let context = Context {
        platform: "linux/amd64".parse().unwrap(),
        manifest_digest: Digest::of(b"differential"),
    };
    plan_platform(&image, &index, requests, &BTreeMap::new(), &context)
}

/// `name from>to` and what is purged, as [`Answer`] has it.
fn steps(planned: &Planned) -> Vec<String> {
    let plan = &planned.plan;
    let mut out = Vec::new();
    for at in 0..=plan.steps.len() {
        let purged = plan.removals.iter().filter(|removal| removal.before == at);
        out.extend(purged.map(|one| format!("Purging {} ({})", one.package.name, one.version)));
        out.extend(plan.steps.get(at).map(|step| {
            let from = step.from.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{} {from}>{}", step.package.name, step.to)
        }));
    }
    out
}

/// How two plans compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Same,
    /// The same, and something is purged.
    SamePurges,
    /// Neither changes anything.
    Nothing,
    Order,
    /// One of them purges something, and they differ.
    Purges,
    /// apk replaces or lowers something.
    Lowers,
    /// apk says that nothing satisfies world.
    GivesUp,
    /// apk only installs what an `install_if` brings; imgfix leaves an image alone in which
    /// nothing else changes.
    OnlyCompanions,
    /// imgfix does what apk does, and upgrades more.
    More,
    Packages,
}

fn compare(ours: &[String], theirs: &Answer) -> Outcome {
    let set = |list: &[String]| list.iter().cloned().collect::<BTreeSet<String>>();
    let purges = |list: &[String]| list.iter().any(|step| step.starts_with("Purging "));
    match theirs {
        Answer::Unsatisfiable(_) => Outcome::GivesUp,
        Answer::Steps { lowers: true, .. } => Outcome::Lowers,
        Answer::Steps { steps, .. } if steps == ours && ours.is_empty() => Outcome::Nothing,
        Answer::Steps { steps, .. } if steps == ours => match purges(ours) {
            true => Outcome::SamePurges,
            false => Outcome::Same,
        },
        Answer::Steps { steps, .. } if set(steps) == set(ours) => Outcome::Order,
        Answer::Steps { steps, .. } if purges(steps) || purges(ours) => Outcome::Purges,
        Answer::Steps { steps, .. }
            if ours.is_empty() && steps.iter().all(|step| step.contains(" >")) =>
        {
            Outcome::OnlyCompanions
        }
        Answer::Steps { steps, .. } if set(steps).is_subset(&set(ours)) => Outcome::More,
        Answer::Steps { .. } => Outcome::Packages,
    }
}

/// Plans for the first upgrade of a plan alone: the package, and the finding that it fixes.
fn first_alone(planned: &Planned) -> Option<(String, Requests)> {
    let step = planned.plan.steps.iter().find(|step| step.from.is_some())?;
    let name = step.package.name.to_string();
    let fixed = Some(step.to.to_string());
    let finding =
        Finding { fixed, ..Finding::system("CVE-1", &name, step.from.as_ref()?.as_ref()) };
    Some((name, Requests::Findings(vec![Request::from(finding)])))
}

/// Sums of one kind of plan, and what differs.
#[derive(Default)]
struct Comparison {
    outcomes: BTreeMap<Outcome, usize>,
    differences: String,
    /// The seeds that differ, with how.
    different: BTreeMap<u64, Outcome>,
}

impl Comparison {
    fn add(&mut self, seed: u64, system: &System, planned: &Planned, theirs: &Answer) {
        let ours = steps(planned);
        let outcome = compare(&ours, theirs);
        *self.outcomes.entry(outcome).or_insert(0) += 1;
        if outcome > Outcome::Nothing {
            self.different.insert(seed, outcome);
            let theirs = match theirs {
                Answer::Unsatisfiable(text) => text.clone(),
                Answer::Steps { steps, .. } => format!("{steps:?}"),
            };
            self.differences +=
                &format!("== {seed}: {outcome:?}\n  ours {ours:?}\n  apk  {theirs}\n{system}\n");
        }
    }

    /// Of the plans that apk makes without going to a lower version, the part that is the same.
    fn agreement(&self) -> f64 {
        let of = |outcomes: &[Outcome]| -> usize {
            outcomes.iter().filter_map(|outcome| self.outcomes.get(outcome)).sum()
        };
        let apart = of(&[Outcome::GivesUp, Outcome::Lowers]);
        let all: usize = self.outcomes.values().sum();
        of(&[Outcome::Same, Outcome::SamePurges, Outcome::Nothing]) as f64
            / (all - apart).max(1) as f64
    }
}

/// The seeds that [`KNOWN`] is about.
const SEEDS: u64 = 600;
/// The differences that were looked at, of the apk that its first line names.
const KNOWN: &str = "tests/differential_apk_plan/known.txt";

/// A line for each system that differs, as [`KNOWN`] has them.
fn lines<'a>(kinds: impl IntoIterator<Item = (&'a str, &'a Comparison)>) -> BTreeSet<String> {
    kinds
        .into_iter()
        .flat_map(|(what, comparison)| {
            comparison.different.iter().map(move |(seed, how)| format!("{what} {seed} {how:?}"))
        })
        .collect()
}

#[test]
#[ignore = "needs IMGFIX_APK_ROOT, an unpacked Alpine root: see README.md here"]
fn apk_agrees_with_plans_of_random_systems() {
    let root = std::env::var("IMGFIX_APK_ROOT").expect("IMGFIX_APK_ROOT names an Alpine root");
    let number = std::env::var("IMGFIX_APK_SYSTEMS").ok().map(|n| n.parse().unwrap());
    let number = number.unwrap_or(SEEDS);
    let apk = RealApk::new(root.as_ref());
    let (mut everything, mut one) = (Comparison::default(), Comparison::default());
    for seed in 0..number {
        let Some(system) = System::random(seed, &apk) else { continue };
        let planned = plan(&system, &Requests::Everything);
        everything.add(seed, &system, &planned, &apk.upgrade(&system, &[]));
        let Some((name, requests)) = first_alone(&planned) else { continue };
        one.add(seed, &system, &plan(&system, &requests), &apk.upgrade(&system, &[&name]));
    }
    let kinds = [("everything", &everything), ("one", &one)];
    for (what, comparison) in kinds {
        let agreement = comparison.agreement();
        println!("{what}: {:?}, agreement {agreement:.3}", comparison.outcomes);
    }
    println!("# everything\n{}# one package\n{}", everything.differences, one.differences);

    let header = format!("# {}, seeds below {number}\n", apk.version());
    let found = lines(kinds);
    if std::env::var_os("IMGFIX_BLESS").is_some() {
        let text = found.iter().fold(header, |text, line| text + line + "\n");
        std::fs::write(KNOWN, text).unwrap();
        return;
    }
    let known = std::fs::read_to_string(KNOWN).unwrap();
    match known.strip_prefix(&header) {
        Some(known) => {
            let known: BTreeSet<String> = known.lines().map(str::to_owned).collect();
            let new: Vec<_> = found.difference(&known).collect();
            let gone: Vec<_> = known.difference(&found).collect();
            assert!(
                new.is_empty() && gone.is_empty(),
                "new differences: {new:?}; gone: {gone:?}; look at them above, then IMGFIX_BLESS=1"
            );
        }
        // Another apk, or another number: what differs was not looked at one by one.
        None => assert!(everything.agreement() >= 0.93 && one.agreement() >= 0.89),
    }
}
