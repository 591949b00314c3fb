//! Small random systems: what is installed, `world`, and what two repositories offer.

use std::fmt;

use imgfix_model::identity::Identity;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::real_apk::{Answer, RealApk};

const NAMES: [&str; 8] = ["pa", "pb", "pc", "pd", "pe", "pf", "pg", "ph"];

/// Texts as the files have them.
#[derive(Debug, Clone, Default)]
pub struct System {
    pub world: Vec<String>,
    pub installed: String,
    pub offered: String,
    /// Of the repository that is tagged `@edge`.
    pub edge: String,
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |text: &str| {
            let packages = text.split_terminator("\n\n").map(|package| {
                let fields = package.lines().filter(|l| b"PVDpik".contains(&l.as_bytes()[0]));
                fields.map(|l| l.replacen("P:", "", 1).replacen("V:", "", 1)).collect::<Vec<_>>()
            });
            packages.map(|fields| format!("    {}\n", fields.join("; "))).collect::<String>()
        };
        write!(
            f,
            "  world {}\n  installed\n{}  offered\n{}  edge\n{}",
            self.world.join(" "),
            short(&self.installed),
            short(&self.offered),
            short(&self.edge)
        )
    }
}

/// What a package asks of another in all its versions, but for the version itself.
type Shape = Vec<(u32, &'static str)>;

fn shape(random: &mut StdRng) -> Shape {
    let count = random.gen_range(0..3);
    (0..count).map(|_| (random.gen_range(0..32), *NAMES.choose(random).unwrap())).collect()
}

/// A dependency that wants `other` about version `around`.
fn dependency(random: &mut StdRng, kind: u32, other: &str, around: u32) -> String {
    let wanted = around - u32::from(random.gen_bool(0.1));
    match kind {
        0..=9 => other.to_owned(),
        10..=15 => format!("{other}>={wanted}"),
        16..=17 => format!("{other}={wanted}"),
        18 => format!("{other}<{}", wanted + 1),
        19..=20 => format!("{other}~{wanted}"),
        21..=25 => format!("so:{other}.{wanted}"),
        26..=27 => format!("cmd:{other}>={wanted}"),
        28..=29 => format!("v{}", kind % 3),
        30 => format!("!{other}<{wanted}"),
        _ => format!("!{other}"),
    }
}

/// One version of a package at random. Most ask for what the package always asks for.
fn package(random: &mut StdRng, name: &str, version: u32, usual: &Shape) -> String {
    let own = match random.gen_bool(0.8) {
        true => usual.clone(),
        false => shape(random),
    };
    let mut depends: Vec<String> = Vec::new();
    for (kind, other) in own {
        let dependency = dependency(random, kind, other, version);
        if other != name && !depends.contains(&dependency) {
            depends.push(dependency);
        }
    }
    let mut provides =
        vec![format!("so:{name}.{version}={version}"), format!("cmd:{name}={version}")];
    match random.gen_range(0..8) {
        0 => provides.push(format!("v{}", random.gen_range(0..3))),
        1 => provides.push(format!("v{}={version}", random.gen_range(0..3))),
        2 => provides.push(format!("cmd:{}={version}", NAMES.choose(random).unwrap())),
        _ => {}
    }
    provides.dedup();
    let mut fields = format!("P:{name}\nV:{version}\nA:x86_64\nS:10\nI:10\nT:x\nU:x\nL:x\n");
    if random.gen_bool(0.3) {
        fields += &format!("k:{}\n", random.gen_range(0..20));
    }
    if !depends.is_empty() {
        fields += &format!("D:{}\n", depends.join(" "));
    }
    fields += &format!("p:{}\n", provides.join(" "));
    if random.gen_bool(0.15) {
        let others: Vec<&&str> = NAMES.choose_multiple(random, 2).filter(|o| **o != name).collect();
        let waits = others.iter().map(|other| match random.gen_bool(0.5) {
            true => format!("{other}={version}"),
            false => (**other).to_string(),
        });
        fields += &format!("i:{}\n", waits.collect::<Vec<_>>().join(" "));
    }
    format!("C:{}\n{fields}\n", Identity::of(fields.as_bytes()))
}

impl System {
    /// `None`: apk cannot install this world, or nothing of it.
    pub fn random(seed: u64, apk: &RealApk) -> Option<Self> {
        let random = &mut StdRng::seed_from_u64(seed);
        let usual: Vec<Shape> = NAMES.iter().map(|_| shape(random)).collect();
        let old: Vec<String> =
            NAMES.iter().zip(&usual).map(|(name, usual)| package(random, name, 2, usual)).collect();
        let mut world: Vec<String> = Vec::new();
        for name in NAMES {
            match random.gen_range(0..20) {
                0..=6 => world.push(name.to_owned()),
                7 => world.push(format!("{name}<4")),
                8 => world.push(format!("!{name}")),
                _ => {}
            }
        }
        let Answer::Steps { steps, .. } = apk.first(&old.concat(), &world) else { return None };
        let installed = |name: &str| steps.iter().any(|step| step.starts_with(&format!("{name} ")));
        let present: Vec<&str> = NAMES.into_iter().filter(|name| installed(name)).collect();
        if present.is_empty() {
            return None;
        }
        let mut system = Self::default();
        for ((name, text), usual) in NAMES.iter().zip(&old).zip(&usual) {
            if present.contains(name) {
                system.installed += text;
            }
            // Some versions are gone from the repository.
            if random.gen_bool(0.5) {
                system.offered += text;
            }
            for version in [3, 4] {
                if random.gen_bool(0.7) {
                    system.offered += &package(random, name, version, usual);
                }
            }
            if random.gen_bool(0.2) {
                let version = random.gen_range(3..6);
                system.edge += &package(random, name, version, usual);
            }
        }
        for entry in &mut world {
            if random.gen_bool(0.15) && present.contains(&entry.as_str()) {
                *entry += ["@edge", "=2", ">=2", "~2"].choose(random).unwrap();
            }
        }
        system.world = world;
        Some(system)
    }
}
