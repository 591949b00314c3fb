//! Small random systems: what is installed and offered, settings, and questions. In comes a
//! seed; out comes a [`System`], always the same.

use std::fmt::{self, Write as _};

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};

const INSTALLED: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const NEW: [&str; 4] = ["n", "o", "p", "q"];
const CAPABILITIES: [&str; 4] = ["cap0", "cap1", "cap2", "cap3"];

/// Vendors, and how often each is one.
const VENDORS: [(&str, u32); 4] =
    [("SUSE LLC <https://www.suse.com/>", 6), ("openSUSE", 3), ("Packman", 1), ("obs://x", 1)];

/// dnf's own.
pub(super) const PRIORITY: i64 = 99;

/// A system: packages are lines of [`crate::testing`].
pub(super) struct System {
    pub installed: Vec<String>,
    pub repositories: Vec<Offered>,
    /// The package of which all versions stay.
    pub kernel: Option<String>,
    pub weak_dependencies: bool,
    pub protected: Vec<String>,
    pub excluded: Vec<String>,
    pub streams: Streams,
    /// Names with the only version that may be installed of them.
    pub locks: Vec<(String, String)>,
    /// Whether SUSE and openSUSE are one vendor.
    pub is_suse_one: bool,
    pub questions: Vec<Question>,
}

/// A repository.
pub(super) struct Offered {
    pub offered: Vec<String>,
    pub priority: i64,
    pub advisories: Vec<Advised>,
    /// The text of `modules.yaml`; empty: there is none.
    pub modules: String,
    pub module_hotfixes: bool,
}

/// What the image has chosen of modules.
#[derive(Default)]
pub(super) struct Streams {
    /// Files of `/etc/dnf/modules.d`, by the module: the stream, and `enabled` or `disabled`.
    pub chosen: Vec<[&'static str; 3]>,
    /// What dnf has kept of `modules.yaml`.
    pub kept: String,
}

impl Offered {
    pub fn at(priority: i64, offered: Vec<String>) -> Self {
        Self {
            offered,
            priority,
            advisories: Vec::new(),
            modules: String::new(),
            module_hotfixes: false,
        }
    }
}

/// An advisory.
pub(super) struct Advised {
    pub name: String,
    pub problem: String,
    /// Name, architecture and version of packages.
    pub packages: Vec<[String; 3]>,
}

pub(super) struct Question {
    pub name: String,
    pub ask: Ask,
}

/// What is asked; written as the words of a command.
pub(super) enum Ask {
    Everything,
    Package(String),
    /// By its name.
    Advisory(String),
    /// By a problem that it refers to.
    Problem(String),
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("upgrade"),
            Self::Package(name) => write!(f, "upgrade {name}"),
            Self::Advisory(name) => write!(f, "upgrade --advisory {name}"),
            Self::Problem(name) => write!(f, "upgrade --cve {name}"),
        }
    }
}

impl System {
    /// Whether zypper is asked as well: it knows no protected packages, has kernels and locks in
    /// lists of its own, and upgrades nothing that is installed for two machines.
    pub fn is_for_zypper(&self) -> bool {
        let two = self.installed.iter().any(|line| line.contains(".i686 "));
        self.kernel.is_none() && self.protected.is_empty() && self.locks.is_empty() && !two
    }

    /// Whether a line of a plan is about the package of which all versions stay.
    pub fn is_kernel(&self, line: &str) -> bool {
        let name = line.get(1..).and_then(|rest| rest.split('-').next());
        name.is_some() && name == self.kernel.as_deref()
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  installed {:?}", self.installed)?;
        for Offered { offered, priority, advisories, .. } in &self.repositories {
            writeln!(f, "  offered at {priority} {offered:?}")?;
            for Advised { name, problem, packages } in advisories {
                let packages: Vec<String> = packages.iter().map(|one| one.join(" ")).collect();
                writeln!(f, "  {name} for {problem}: {packages:?}")?;
            }
        }
        let Self { weak_dependencies, protected, excluded, .. } = self;
        writeln!(f, "  locks {:?}", self.locks)?;
        writeln!(f, "  SUSE is one vendor: {}", self.is_suse_one)?;
        writeln!(f, "  weak {weak_dependencies}, protected {protected:?}, excluded {excluded:?}")
    }
}

/// What a system has that not all have.
struct Features {
    obsoletes: bool,
    machines: bool,
    install_only: bool,
    excludes: bool,
    protects: bool,
    priorities: bool,
}

/// A system; some have packages of several vendors.
pub(super) fn system(seed: u64) -> System {
    let mut system = of_one_vendor(seed);
    // with numbers of its own, which leave the rest as it is
    let mut rng = StdRng::seed_from_u64(!seed);
    if rng.gen_bool(0.4) {
        system.is_suse_one = rng.gen_bool(0.5);
        let offered = system.repositories.iter_mut().flat_map(|one| &mut one.offered);
        for line in system.installed.iter_mut().chain(offered) {
            let vendor = VENDORS.choose_weighted(&mut rng, |one| one.1).unwrap();
            let _ = write!(line, "; V: {}", vendor.0);
        }
    }
    if rng.gen_bool(0.1)
        && let Some(line) = system.installed.choose(&mut rng)
        && let Some(name) = line.split(['.', ' ']).next()
    {
        let version = ["1-1", "2-1"].choose(&mut rng).unwrap();
        system.locks.push((name.to_owned(), (*version).to_owned()));
    }
    system
}

fn of_one_vendor(seed: u64) -> System {
    let mut rng = StdRng::seed_from_u64(seed);
    let features = Features {
        obsoletes: rng.gen_bool(0.15),
        machines: rng.gen_bool(0.2),
        install_only: rng.gen_bool(0.15),
        excludes: rng.gen_bool(0.15),
        protects: rng.gen_bool(0.15),
        priorities: rng.gen_bool(0.15),
    };
    let weak_dependencies = rng.gen_bool(0.8);
    let present: Vec<&str> = INSTALLED.into_iter().filter(|_| rng.gen_bool(0.8)).collect();
    let mut installed = installed(&mut rng, &present);
    let mut offered = offered(&mut rng, &features, &present);
    let kernel = match features.install_only {
        true => present.choose(&mut rng).map(|name| (*name).to_owned()),
        false => None,
    };
    if let Some(kernel) = &kernel {
        for line in installed.iter_mut().chain(&mut offered) {
            if line.starts_with(kernel.as_str()) {
                // what a newer one brings along is not compared, as imgfix adds none
                if let Some((package, _)) = line.split_once("; ") {
                    *line = package.to_owned();
                }
                line.push_str("; P: installonlypkg(kernel)");
            }
        }
    }
    if features.machines {
        let twins = |rng: &mut StdRng, lines: &mut Vec<String>, share: f64| {
            for line in lines.clone() {
                if rng.gen_bool(share) {
                    lines.push(line.replacen(' ', ".i686 ", 1));
                }
            }
        };
        twins(&mut rng, &mut installed, 0.4);
        twins(&mut rng, &mut offered, 0.7);
    }
    let mut some_of = |list: &[&str], wanted: bool| -> Vec<String> {
        if !wanted {
            return Vec::new();
        }
        let chosen = list.choose(&mut rng).into_iter();
        chosen.map(|one| (*one).to_owned()).collect()
    };
    let excluded =
        some_of(&["a", "b-3*", "[np]", "c-3-1.x86_64", "d-2", "*.i686"], features.excludes);
    let protected = some_of(&INSTALLED, features.protects);
    let mut repositories = vec![Offered::at(PRIORITY, offered)];
    if features.priorities {
        let all = std::mem::take(&mut repositories[0].offered);
        let (better, rest) = all.into_iter().partition(|_| rng.gen_bool(0.3));
        repositories[0].offered = rest;
        repositories.push(Offered::at(10, better));
    }
    let mut questions = vec![Question { name: "everything".to_owned(), ask: Ask::Everything }];
    let asked: Vec<&&str> = present.choose_multiple(&mut rng, 2).collect();
    questions.extend(asked.into_iter().filter(|name| Some(**name) != kernel.as_deref()).map(
        |name| Question { name: format!("package-{name}"), ask: Ask::Package((*name).to_owned()) },
    ));
    if rng.gen_bool(0.3) {
        for repository in &mut repositories {
            repository.advisories = advisories(&mut rng, &repository.offered, &present);
        }
        let all = || repositories.iter().flat_map(|one| &one.advisories);
        questions.extend(all().next().map(|one| Question {
            name: "advisory".to_owned(),
            ask: Ask::Advisory(one.name.clone()),
        }));
        questions.extend(all().last().map(|one| Question {
            name: "problem".to_owned(),
            ask: Ask::Problem(one.problem.clone()),
        }));
    }
    System {
        installed,
        repositories,
        kernel,
        weak_dependencies,
        protected,
        excluded,
        streams: Streams::default(),
        locks: Vec::new(),
        is_suse_one: false,
        questions,
    }
}

/// An advisory for each version of some packages, at first two of them in one.
fn advisories(rng: &mut StdRng, offered: &[String], present: &[&str]) -> Vec<Advised> {
    let mut advisories: Vec<Advised> = Vec::new();
    for line in offered {
        let Some((package, evr)) = line.split(';').next().and_then(|one| one.split_once(' '))
        else {
            continue;
        };
        let (name, machine) = package.split_once('.').unwrap_or((package, "x86_64"));
        let of_version =
            |one: &Advised| one.packages.iter().any(|[own, _, at]| own == name && at == evr);
        let place = match advisories.iter().position(of_version) {
            Some(place) => place,
            None if !present.contains(&name) || line.contains("kernel") => continue,
            None if rng.gen_bool(0.4) => continue,
            None if advisories.len() == 1
                && advisories[0].packages.iter().all(|[own, ..]| own != name)
                && rng.gen_bool(0.5) =>
            {
                0
            }
            None => {
                advisories.push(Advised {
                    name: format!("A-{}-{name}-{evr}", advisories.len()),
                    problem: format!("CVE-2024-{}", rng.gen_range(1..=3)),
                    packages: Vec::new(),
                });
                advisories.len() - 1
            }
        };
        advisories[place].packages.push([name.to_owned(), machine.to_owned(), evr.to_owned()]);
    }
    advisories
}

fn installed(rng: &mut StdRng, present: &[&str]) -> Vec<String> {
    let mut provided = Vec::new();
    let mut installed = Vec::new();
    for name in present {
        let mut line = format!("{name} 1-1");
        if rng.gen_bool(0.4) {
            let capability = CAPABILITIES.choose(rng).unwrap();
            provided.push(*capability);
            let _ = write!(line, "; P: {capability}");
        }
        installed.push(line);
    }
    for line in &mut installed {
        if rng.gen_bool(0.5)
            && let Some(other) = present.choose(rng)
            && !line.starts_with(other)
        {
            let version = ["", " = 1", " >= 1", " < 3"].choose(rng).unwrap();
            let _ = write!(line, "; R: {other}{version}");
        }
        if rng.gen_bool(0.3)
            && let Some(capability) = provided.choose(rng)
        {
            let _ = write!(line, "; R: {capability}");
        }
    }
    installed
}

fn offered(rng: &mut StdRng, features: &Features, present: &[&str]) -> Vec<String> {
    let mut offered = Vec::new();
    let all: Vec<&str> = present.iter().copied().chain(NEW).collect();
    for name in &all {
        for version in [2, 3] {
            if !rng.gen_bool(if version == 2 { 0.8 } else { 0.4 }) {
                continue;
            }
            let mut line = format!("{name} {version}-1");
            if rng.gen_bool(0.4) {
                let capability = CAPABILITIES.choose(rng).unwrap();
                let versioned =
                    if rng.gen_bool(0.5) { format!(" = {version}") } else { String::new() };
                let _ = write!(line, "; P: {capability}{versioned}");
            }
            relations(rng, name, &all, &mut line);
            if NEW.contains(name) {
                obsoletes(rng, features, version, present, &mut line);
            }
            offered.push(line);
        }
    }
    offered
}

fn relations(rng: &mut StdRng, name: &str, all: &[&str], line: &mut String) {
    for _ in 0..2 {
        if !rng.gen_bool(0.4) {
            continue;
        }
        let other = all.choose(rng).unwrap();
        if *other == name {
            continue;
        }
        let capability = CAPABILITIES.choose(rng).unwrap();
        let third = all.choose(rng).unwrap();
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
        let other = all.choose(rng).unwrap();
        if *other != name {
            let _ = write!(line, "; C: {other} < {}", rng.gen_range(2..=3));
        }
    }
    if rng.gen_bool(0.15) {
        let other = NEW.choose(rng).unwrap();
        if *other != name {
            let _ = write!(line, "; W: {other}");
        }
    }
}

/// What a new package takes the place of: in some systems much, with and without its name, with
/// other new packages or alone.
fn obsoletes(
    rng: &mut StdRng,
    features: &Features,
    version: u32,
    present: &[&str],
    line: &mut String,
) {
    let share = if features.obsoletes { 0.3 } else { 0.05 };
    for _ in 0..2 {
        if !rng.gen_bool(share) {
            return;
        }
        let few = present.get(..2).unwrap_or(present);
        let Some(other) = (if features.obsoletes { few } else { present }).choose(rng) else {
            return;
        };
        let below = if rng.gen_bool(0.7) { 2 } else { rng.gen_range(3..=4) };
        let _ = write!(line, "; O: {other} < {below}");
        if rng.gen_bool(0.6) {
            let _ = write!(line, "; P: {other} = {version}");
        }
    }
}
