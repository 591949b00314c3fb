//! Plans of small random systems against those of the real dnf: `tests/differential_rpm/plans`.
//!
//! In come seeds; each makes an installed system and a repository, as real packages by rpmbuild,
//! and asks `dnf upgrade --assumeno` and imgfix for everything, and for one package. Out comes a
//! line for each seed that differs, and the sums.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::tests::{context, system};
use super::*;
use imgfix_model::finding::Finding;
use imgfix_repair::planner::Request;

const INSTALLED: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const NEW: [&str; 4] = ["n", "o", "p", "q"];
const CAPABILITIES: [&str; 4] = ["cap0", "cap1", "cap2", "cap3"];

/// A system: what is installed, and what is offered, as lines of [`crate::testing`].
struct Random {
    installed: Vec<String>,
    offered: Vec<String>,
}

fn random(seed: u64) -> Random {
    let mut rng = StdRng::seed_from_u64(seed);
    let present: Vec<&str> = INSTALLED.into_iter().filter(|_| rng.gen_bool(0.8)).collect();
    let mut provided = Vec::new();
    let mut installed = Vec::new();
    for name in &present {
        let mut line = format!("{name} 1-1");
        if rng.gen_bool(0.4) {
            let capability = CAPABILITIES.choose(&mut rng).unwrap();
            provided.push(*capability);
            let _ = write!(line, "; P: {capability}");
        }
        installed.push(line);
    }
    for line in &mut installed {
        if rng.gen_bool(0.5)
            && let Some(other) = present.choose(&mut rng)
            && !line.starts_with(other)
        {
            let version = ["", " = 1", " >= 1", " < 3"].choose(&mut rng).unwrap();
            let _ = write!(line, "; R: {other}{version}");
        }
        if rng.gen_bool(0.3)
            && let Some(capability) = provided.choose(&mut rng)
        {
            let _ = write!(line, "; R: {capability}");
        }
    }
    let mut offered = Vec::new();
    let all: Vec<&str> = present.iter().copied().chain(NEW).collect();
    for name in &all {
        for version in [2, 3] {
            if !rng.gen_bool(if version == 2 { 0.8 } else { 0.4 }) {
                continue;
            }
            let mut line = format!("{name} {version}-1");
            if rng.gen_bool(0.4) {
                let capability = CAPABILITIES.choose(&mut rng).unwrap();
                let versioned =
                    if rng.gen_bool(0.5) { format!(" = {version}") } else { String::new() };
                let _ = write!(line, "; P: {capability}{versioned}");
            }
            for _ in 0..2 {
                if !rng.gen_bool(0.4) {
                    continue;
                }
                let other = all.choose(&mut rng).unwrap();
                if other == name {
                    continue;
                }
                let capability = CAPABILITIES.choose(&mut rng).unwrap();
                let third = all.choose(&mut rng).unwrap();
                let relation = match rng.gen_range(0..10) {
                    0..=3 => format!("{other} >= {}", rng.gen_range(1..=3)),
                    4 => (*other).to_owned(),
                    5 => format!("{other} = {}", rng.gen_range(1..=3)),
                    6 => (*capability).to_owned(),
                    7 => format!("{capability} >= {}", rng.gen_range(1..=3)),
                    8 => format!("({other} or {third})"),
                    _ => format!("({other} if {third})"),
                };
                let _ = write!(line, "; R: {relation}");
            }
            if rng.gen_bool(0.12) {
                let other = all.choose(&mut rng).unwrap();
                if other != name {
                    let _ = write!(line, "; C: {other} < {}", rng.gen_range(2..=3));
                }
            }
            if rng.gen_bool(0.06) && NEW.contains(name) {
                let other = present.choose(&mut rng);
                if let Some(other) = other {
                    let _ = write!(line, "; O: {other} < 2; P: {other} = 2");
                }
            }
            if rng.gen_bool(0.15) {
                let other = NEW.choose(&mut rng).unwrap();
                if other != name {
                    let _ = write!(line, "; W: {other}");
                }
            }
            offered.push(line);
        }
    }
    Random { installed, offered }
}

/// Builds packages, all of different names, in one run of rpmbuild.
fn build(work: &Path, lines: &[&String], to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    let mut spec = String::from(
        "Name: none\nVersion: 1\nRelease: 1\nSummary: x\nLicense: x\n%description\nx\n",
    );
    for line in lines {
        let mut parts = line.split("; ");
        let (name, evr) = parts.next().unwrap().split_once(' ').unwrap();
        let (version, _) = evr.split_once('-').unwrap();
        let _ = write!(spec, "%package -n {name}\nVersion: {version}\nRelease: 1\nSummary: x\n");
        for part in parts {
            let (key, value) = part.split_once(": ").unwrap();
            let tag = match key {
                "R" => "Requires",
                "P" => "Provides",
                "C" => "Conflicts",
                "O" => "Obsoletes",
                _ => "Recommends",
            };
            let _ = writeln!(spec, "{tag}: {value}");
        }
        let _ = write!(spec, "%description -n {name}\nx\n%files -n {name}\n");
    }
    let file = work.join("x.spec");
    std::fs::write(&file, spec).unwrap();
    let top = format!("_topdir {}", work.join("top").display());
    let out = format!("_rpmdir {}", to.display());
    run(Command::new("rpmbuild")
        .args(["-bb", "--quiet", "--target", "x86_64", "--define", &top, "--define", &out])
        .args(["--define", "_build_id_links none", "--define", "debug_package %{nil}"])
        .arg(&file));
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Installs and offers the system; `None`: rpm does not take it.
fn make(work: &Path, random: &Random) -> Option<PathBuf> {
    let (root, repository) = (work.join("root"), work.join("repository"));
    build(work, &random.installed.iter().collect::<Vec<_>>(), &work.join("installed"));
    for version in ["2-1", "3-1"] {
        let of = |line: &&String| line.split([' ', ';']).nth(1) == Some(version);
        let lines: Vec<&String> = random.offered.iter().filter(of).collect();
        build(work, &lines, &repository.join(version));
    }
    run(Command::new("createrepo_c").args(["-q", "--simple-md-filenames"]).arg(&repository));
    std::fs::create_dir_all(root.join("var/lib/rpm")).unwrap();
    let packages = std::fs::read_dir(work.join("installed/x86_64")).unwrap();
    let packages: Vec<PathBuf> = packages.map(|entry| entry.unwrap().path()).collect();
    let status = Command::new("rpm")
        .args(["-i", "--justdb", "--nosignature", "--noscripts", "--root"])
        .arg(&root)
        .args(packages)
        .output()
        .unwrap()
        .status;
    status.success().then_some(root)
}

/// What dnf would install: `name evr`.
fn dnf(work: &Path, root: &Path, package: Option<&str>) -> BTreeSet<String> {
    let conf = work.join("dnf.conf");
    let at = |name: &str| work.join(name).display().to_string();
    std::fs::write(
        &conf,
        format!(
            "[main]\ngpgcheck=0\nplugins=0\nbest=0\nreposdir={}\nvarsdir={}\ncachedir={}\n\
             logdir={}\npersistdir={}\nmodule_platform_id=platform:x1\nprotected_packages=\n\
             [r]\nname=r\nbaseurl=file://{}\n",
            at("none"),
            at("none"),
            at("cache"),
            at("log"),
            at("persist"),
            at("repository")
        ),
    )
    .unwrap();
    let mut command = Command::new("dnf");
    command.arg("-c").arg(&conf).arg("--installroot").arg(root);
    command.args(["--releasever", "1", "--forcearch", "x86_64", "upgrade", "--assumeno"]);
    let output = command.args(package).env("LC_ALL", "C").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut taken = false;
    let mut found = BTreeSet::new();
    for line in text.lines() {
        if !line.starts_with(' ') {
            taken = ["Installing", "Upgrading"].iter().any(|one| line.starts_with(one));
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ([name, "x86_64", evr, ..], true) = (words.as_slice(), taken) {
            found.insert(format!("{name} {evr}"));
        }
    }
    found
}

fn ours(random: &Random, requests: Requests) -> BTreeSet<String> {
    let lines = |list: &[String]| list.iter().map(String::as_str).collect::<Vec<_>>().join("\n");
    let (installed, offered) = (lines(&random.installed), lines(&random.offered));
    let installed: Vec<&str> = installed.lines().collect();
    let offered: Vec<&str> = offered.lines().collect();
    let system = system(&installed, &offered);
    let image = Image {
        architecture: "x86_64",
        packages: system.packages.as_slice().into(),
        options: system.options.clone(),
        ..Image::default()
    };
    let barred = BTreeMap::new();
    let planned =
        plan_platform(&image, &system.repositories, &system.filter, &requests, &barred, &context());
    let steps = planned.plan.steps.iter();
    steps.map(|step| format!("{} {}", step.package.name, step.to)).collect()
}

#[test]
#[ignore = "needs dnf, rpmbuild and createrepo_c: tests/differential_rpm/plans"]
fn random_systems_are_planned_as_dnf_does() {
    let count: u64 =
        std::env::var("IMGFIX_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(50);
    let (mut same, mut other, mut none) = (0, 0, 0);
    for seed in 0..count {
        let random = random(seed);
        let work = tempfile::tempdir().unwrap();
        let Some(root) = make(work.path(), &random) else {
            none += 1;
            continue;
        };
        let mut questions = vec![(String::from("everything"), None, Requests::Everything)];
        let theirs = dnf(work.path(), &root, None);
        let upgraded = random.installed.iter().filter_map(|line| line.split(' ').next());
        let first = upgraded
            .into_iter()
            .find(|name| theirs.iter().any(|taken| taken.split(' ').next() == Some(*name)));
        if let Some(name) = first {
            let taken = theirs.iter().find(|taken| taken.split(' ').next() == Some(name));
            let fixed = taken.and_then(|taken| taken.split(' ').nth(1)).map(str::to_owned);
            let finding = Finding { fixed, ..Finding::system("CVE-1", name, "1-1") };
            let requests = Requests::Findings(vec![Request::from(finding)]);
            questions.push((name.to_owned(), Some(name.to_owned()), requests));
        }
        for (what, package, requests) in questions {
            let theirs = dnf(work.path(), &root, package.as_deref());
            let ours = ours(&random, requests);
            if theirs == ours {
                same += 1;
            } else {
                other += 1;
                println!("seed {seed}, {what}:\n  dnf    {theirs:?}\n  imgfix {ours:?}");
                println!("  installed {:?}\n  offered {:?}", random.installed, random.offered);
            }
        }
    }
    println!("{same} plans the same, {other} others, {none} systems that rpm does not take");
    assert!(same * 100 >= (same + other) * 95, "fewer than 95 of 100 plans are the same");
}
