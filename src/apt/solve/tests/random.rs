//! Random systems, judged by trying every other state of them.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use imgfix_dpkg::inventory::Relations;
use imgfix_dpkg::relations::{Clause, Relation, parse_clauses, parse_list, parse_provides};

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
        let field = ["Depends", "Pre-Depends", "Breaks", "Conflicts", "Provides"][field as usize];
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
    let fields: Vec<String> =
        fields.iter().map(|(field, values)| format!("; {field}: {}", values.join(", "))).collect();
    format!("{name} {version}{more}{}", fields.concat())
}

/// The state of each name: absent, version 1, version 2.
type State = [u8; NAMES.len()];

/// What the relations of one version are, parsed.
struct System {
    relations: Vec<[Relations; 2]>,
    packages: Vec<Package>,
    before: State,
}

impl System {
    fn new(packages: &[Package]) -> Self {
        let parse = |name: &str, raw: &[Raw]| {
            let text = stanza(&line(name, 1, raw, ""), "");
            let stanza = &imgfix_dpkg::control::parse_stanzas(text).unwrap()[0];
            let get = |field| stanza.get(field).unwrap_or_default();
            Relations {
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

    fn of(&self, at: usize, version: u8) -> &Relations {
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
                let hit = (0..NAMES.len()).filter(|o| *o != at && self.met(relation, state, *o));
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
