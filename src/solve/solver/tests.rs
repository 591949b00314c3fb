//! Questions with known answers, random ones, and questions without end.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::effort::WHOLE_RUN;

/// A universe of ready values.
#[derive(Debug, Clone, Default)]
struct FixedUniverse {
    names: BTreeMap<Name, Vec<Solvable>>,
    relations: BTreeMap<Solvable, Rc<Relations>>,
    installed: BTreeSet<Solvable>,
    replacing: BTreeMap<Name, Vec<Solvable>>,
    effort: Effort,
}

impl Universe for FixedUniverse {
    fn name(&self, solvable: Solvable) -> Name {
        let owner = self.names.iter().find(|(_, versions)| versions.contains(&solvable));
        owner.map_or(Name(u32::MAX), |(name, _)| *name)
    }

    fn candidates(&self, name: Name) -> Vec<Solvable> {
        self.names.get(&name).cloned().unwrap_or_default()
    }

    fn replacing(&self, name: Name) -> Vec<Solvable> {
        self.replacing.get(&name).cloned().unwrap_or_default()
    }

    fn is_installed(&self, solvable: Solvable) -> bool {
        self.installed.contains(&solvable)
    }

    fn relations(&self, solvable: Solvable) -> Rc<Relations> {
        self.relations.get(&solvable).cloned().unwrap_or_default()
    }

    fn describe(&self, solvable: Solvable) -> String {
        format!("p{}-v{}", self.name(solvable).0, solvable.0)
    }

    fn effort(&self) -> &Effort {
        &self.effort
    }
}

fn requirement(alternatives: &[u32]) -> Requirement {
    let alternatives: Vec<Solvable> = alternatives.iter().map(|&s| Solvable(s)).collect();
    Requirement { text: format!("Depends: {alternatives:?}"), alternatives }
}

fn exclusion(declared_by: u32, with: u32) -> Exclusion {
    Exclusion {
        with: Solvable(with),
        declared_by: Solvable(declared_by),
        text: format!("Conflicts: {with}"),
    }
}

/// Name n has the versions 2n (installed when `installed` has n) and 2n+1.
fn universe(names: u32, installed: &[u32]) -> FixedUniverse {
    FixedUniverse {
        names: (0..names).map(|n| (Name(n), vec![Solvable(2 * n), Solvable(2 * n + 1)])).collect(),
        installed: installed.iter().map(|n| Solvable(2 * n)).collect(),
        relations: BTreeMap::new(),
        replacing: BTreeMap::new(),
        effort: Effort::default(),
    }
}

/// Name 0 is installed, and version 3 of name 1 may take its place: it excludes version 0.
#[test]
fn another_name_may_take_the_place_of_what_is_kept() {
    let mut world = universe(2, &[0]);
    let excludes = vec![exclusion(3, 0)];
    world.relations.insert(Solvable(3), Rc::new(Relations { excludes, ..Relations::default() }));
    // without a version of name 0 that goes with it, it is out of reach
    world.names.insert(Name(0), vec![Solvable(0)]);
    assert!(smallest(&world, &task(&world, &[3])).is_err());
    world.replacing.insert(Name(0), vec![Solvable(3)]);
    assert_eq!(smallest(&world, &task(&world, &[3])), Ok(vec![Solvable(3)]));
    // what is wanted of name 0 itself is not met by it
    world.names.insert(Name(0), vec![Solvable(0), Solvable(1)]);
    assert_eq!(smallest(&world, &task(&world, &[1, 3])), Ok(vec![Solvable(1), Solvable(3)]));
    assert_eq!(smallest(&world, &task(&world, &[1])), Ok(vec![Solvable(1)]));
}

fn task(universe: &FixedUniverse, targets: &[u32]) -> Task {
    Task {
        keep: universe.installed.iter().map(|&s| universe.name(s)).collect(),
        targets: targets.iter().map(|&s| Solvable(s)).collect(),
        ..Task::default()
    }
}

fn relate(universe: &mut FixedUniverse, of: u32, requires: &[&[u32]], excludes: &[u32]) {
    let relations = Relations {
        requires: requires.iter().map(|alternatives| requirement(alternatives)).collect(),
        excludes: excludes.iter().map(|&with| exclusion(of, with)).collect(),
        impossible: None,
    };
    universe.relations.insert(Solvable(of), Rc::new(relations));
}

#[test]
fn nothing_changes_without_a_target() {
    let universe = universe(3, &[0, 1]);
    assert_eq!(smallest(&universe, &task(&universe, &[])), Ok(vec![]));
}

#[test]
fn a_target_brings_what_it_needs_and_nothing_else() {
    let mut universe = universe(4, &[0, 1, 2]);
    relate(&mut universe, 1, &[&[3]], &[]);
    assert_eq!(smallest(&universe, &task(&universe, &[1])), Ok(vec![Solvable(1), Solvable(3)]));
}

#[test]
fn what_breaks_is_upgraded_too() {
    let mut universe = universe(2, &[0, 1]);
    relate(&mut universe, 1, &[], &[2]);
    assert_eq!(smallest(&universe, &task(&universe, &[1])), Ok(vec![Solvable(1), Solvable(3)]));
}

#[test]
fn an_unreachable_target_is_explained_and_does_not_spoil_the_others() {
    let mut universe = universe(3, &[0, 1, 2]);
    relate(&mut universe, 3, &[], &[4, 5]);
    let (reached, rejected) =
        reachable(&universe, &task(&universe, &[]), &[Solvable(1), Solvable(3), Solvable(5)]);
    assert_eq!(reached, BTreeSet::from([Solvable(1), Solvable(5)]));
    let (which, explanation) = &rejected[0];
    assert_eq!((rejected.len(), *which), (1, Solvable(3)));
    assert_eq!(explanation.involved, [Solvable(3), Solvable(4), Solvable(5)]);
    assert!(explanation.sentences[0].contains("p1-v3 has Conflicts: "), "{explanation:?}");
}

/// `holes` + 1 pigeons that each need a hole of their own, which no search by resolution finds
/// impossible in less than exponential time: name 0 wants them, name 1 is honest.
fn pigeons(holes: u32) -> FixedUniverse {
    let mut out = universe(2, &[0, 1]);
    let mut next = 4;
    let mut number = || {
        let solvable = Solvable(next);
        let name = Name(next);
        next += 1;
        (name, solvable)
    };
    let mut in_hole: Vec<Vec<Solvable>> = vec![Vec::new(); holes as usize];
    let mut pigeons = Vec::new();
    for _ in 0..=holes {
        let places: Vec<(Name, Solvable)> = (0..holes).map(|_| number()).collect();
        for (hole, (name, solvable)) in in_hole.iter_mut().zip(&places) {
            out.names.insert(*name, vec![*solvable]);
            hole.push(*solvable);
        }
        pigeons.push(places.iter().map(|(_, solvable)| solvable.0).collect::<Vec<u32>>());
    }
    for hole in &in_hole {
        for one in hole {
            let others: Vec<u32> =
                hole.iter().filter(|other| *other != one).map(|other| other.0).collect();
            relate(&mut out, one.0, &[], &others);
        }
    }
    let pigeons: Vec<&[u32]> = pigeons.iter().map(Vec::as_slice).collect();
    relate(&mut out, 1, &pigeons, &[]);
    out
}

#[test]
fn a_question_without_end_is_given_up_and_spoils_no_other() {
    let few = pigeons(4);
    let (reached, rejected) = reachable(&few, &task(&few, &[]), &[Solvable(1), Solvable(3)]);
    assert_eq!(reached, BTreeSet::from([Solvable(3)]));
    assert!(!rejected[0].1.sentences.iter().any(|one| one == GIVEN_UP), "{rejected:?}");
    let many = pigeons(12);
    let mut all = task(&many, &[]);
    let (reached, rejected) = reachable(&many, &all, &[Solvable(1), Solvable(3)]);
    assert_eq!(reached, BTreeSet::from([Solvable(3)]));
    assert_eq!(rejected[0].0, Solvable(1));
    assert_eq!(rejected[0].1.sentences, [GIVEN_UP]);
    all.targets = reached;
    assert_eq!(smallest(&many, &all), Ok(vec![Solvable(3)]));
    let taken = many.effort.taken();
    assert!((ONE_QUESTION..3 * ONE_QUESTION).contains(&taken), "{taken}");
    // The same steps on every machine.
    let again = pigeons(12);
    reachable(&again, &task(&again, &[]), &[Solvable(1), Solvable(3)]);
    smallest(&again, &all).unwrap();
    assert_eq!(again.effort.taken(), taken);
}

/// The pigeons, and more packages that want the same; then their newer versions.
fn besieged(hostile: u32) -> (FixedUniverse, Vec<Solvable>) {
    let mut out = pigeons(12);
    out.effort = Effort::bounded(2_000, 100_000);
    let wants = Rc::clone(&out.relations[&Solvable(1)]);
    let mut targets = vec![Solvable(1)];
    for number in 0..hostile {
        let (installed, newer) = (Solvable(10_000 + 2 * number), Solvable(10_001 + 2 * number));
        out.names.insert(Name(10_000 + number), vec![installed, newer]);
        out.installed.insert(installed);
        out.relations.insert(newer, Rc::clone(&wants));
        targets.push(newer);
    }
    (out, targets)
}

#[test]
fn what_many_use_up_is_not_that_of_the_others() {
    let (universe, mut targets) = besieged(30);
    // the last of all, and one in their midst
    targets.push(Solvable(3));
    let task = task(&universe, &[]);
    let (reached, rejected) = reachable(&universe, &task, &targets);
    assert_eq!(reached, BTreeSet::from([Solvable(3)]));
    assert_eq!(rejected.len(), 31);
    assert!(rejected.iter().all(|(_, why)| why.is_given_up()));
    let taken = universe.effort.taken();
    assert!((2_000..2_000 + 100_000 * 6 / 10).contains(&taken), "{taken}");
    // What was given up is not asked about again, and there is something left for a second plan.
    assert!(universe.effort.to_share() > 0);
    let (reached, _) = reachable(&universe, &task, &targets);
    assert_eq!(reached, BTreeSet::from([Solvable(3)]));
    let again = universe.effort.taken() - taken;
    assert!(again < 1_000, "{again}");
    // Another image has packages of its own.
    let other = universe.effort.for_universe();
    assert!(!other.is_hopeless(Solvable(1)) && other.taken() == universe.effort.taken());
}

#[test]
fn a_part_of_the_effort_has_no_shares() {
    let (mut universe, mut targets) = besieged(20);
    targets.push(Solvable(3));
    universe.effort = universe.effort.part(4);
    let task = task(&universe, &[]);
    let (reached, _) = reachable(&universe, &task, &targets);
    assert_eq!(reached, BTreeSet::new());
    assert!(universe.effort.taken() < 2_000);
}

#[test]
fn what_is_reachable_is_reached_after_the_effort_for_all_is_used_up() {
    let mut universe = universe(3, &[0, 1]);
    relate(&mut universe, 1, &[&[3]], &[]);
    let task = task(&universe, &[1]);
    universe.effort.take(WHOLE_RUN + 1);
    assert_eq!(smallest(&universe, &task).unwrap_err().sentences, [GIVEN_UP]);
    assert_eq!(smallest_of_reachable(&universe, &task), Ok(vec![Solvable(1), Solvable(3)]));
    assert!(needed(&universe, &task, &[Solvable(1), Solvable(3)]).is_ok());
}

#[test]
fn what_is_forbidden_or_impossible_is_not_chosen() {
    let mut universe = universe(3, &[0, 1]);
    relate(&mut universe, 1, &[&[3, 5]], &[]);
    let mut task = task(&universe, &[1]);
    task.forbidden.insert(Solvable(3));
    assert_eq!(smallest(&universe, &task), Ok(vec![Solvable(1), Solvable(5)]));
    let odd = Impossible { why: "too odd".to_owned(), because_of: None };
    let impossible = Relations { impossible: Some(odd), ..Relations::default() };
    universe.relations.insert(Solvable(5), Rc::new(impossible));
    let explanation = smallest(&universe, &task).unwrap_err();
    assert!(explanation.sentences.iter().any(|s| s.ends_with("cannot be installed: too odd")));
}

/// Random relations over few names; some installed.
fn random() -> impl Strategy<Value = (FixedUniverse, Task)> {
    const NAMES: u32 = 5;
    let relations = prop::collection::vec(
        (
            prop::collection::vec(prop::collection::vec(0..NAMES * 2, 1..3), 0..3),
            prop::collection::vec(0..NAMES * 2, 0..2),
        ),
        (NAMES * 2) as usize,
    );
    (relations, prop::collection::vec(any::<bool>(), NAMES as usize), 0..NAMES, 0..NAMES).prop_map(
        |(relations, present, a, b)| {
            let installed: Vec<u32> = (0..NAMES).filter(|&n| present[n as usize]).collect();
            let mut universe = universe(NAMES, &installed);
            for (of, (requires, excludes)) in (0u32..).zip(&relations) {
                let requires: Vec<&[u32]> = requires.iter().map(Vec::as_slice).collect();
                // A package does not exclude itself.
                let excludes: Vec<u32> =
                    excludes.iter().copied().filter(|with| with / 2 != of / 2).collect();
                relate(&mut universe, of, &requires, &excludes);
            }
            let targets: Vec<u32> =
                [a, b].iter().filter(|n| installed.contains(n)).map(|n| 2 * n + 1).collect();
            let task = task(&universe, &targets);
            (universe, task)
        },
    )
}

/// All sets of versions that fulfil the task, by trying every one.
fn answers(universe: &FixedUniverse, task: &Task) -> Vec<BTreeSet<Solvable>> {
    let names: Vec<&Vec<Solvable>> = universe.names.values().collect();
    let mut out = Vec::new();
    for choice in 0..3usize.pow(names.len() as u32) {
        let mut rest = choice;
        let mut set = BTreeSet::new();
        for versions in &names {
            if let Some(version) = versions.get(rest % 3) {
                set.insert(*version);
            }
            rest /= 3;
        }
        let holds = task.keep.iter().all(|n| set.iter().any(|&s| universe.name(s) == *n))
            && task.targets.is_subset(&set)
            && set.iter().all(|&s| {
                let relations = universe.relations(s);
                relations.requires.iter().all(|r| r.alternatives.iter().any(|a| set.contains(a)))
                    && relations.excludes.iter().all(|e| !set.contains(&e.with))
            });
        if holds {
            out.push(set);
        }
    }
    out
}

proptest! {
    #[test]
    fn the_answer_is_one_and_none_is_within_it((universe, task) in random()) {
        let changes_of = |set: &BTreeSet<Solvable>| -> BTreeSet<Solvable> {
            set.iter().copied().filter(|&s| !universe.is_installed(s)).collect()
        };
        let all: Vec<BTreeSet<Solvable>> =
            answers(&universe, &task).iter().map(changes_of).collect();
        match smallest(&universe, &task) {
            Ok(changes) => {
                prop_assert_eq!(&smallest(&universe, &task), &Ok(changes.clone()));
                let changes: BTreeSet<Solvable> = changes.into_iter().collect();
                prop_assert!(all.contains(&changes), "{changes:?} is no answer");
                let better = all.iter().find(|other| other.is_subset(&changes) && **other != changes);
                prop_assert_eq!(better, None);
            }
            Err(_) => prop_assert!(all.is_empty(), "there are answers: {all:?}"),
        }
    }
}
