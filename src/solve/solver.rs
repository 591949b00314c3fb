//! The solver: which set of package versions satisfies all relations, changes what it must
//! and nothing else.
//!
//! In comes a [`Universe`] (a family's packages and relations, asked for lazily) and a
//! [`Task`]; out comes a smallest set of changes, or an [`Explanation`]. Nothing here knows a
//! package manager. The search itself is resolvo's (CDCL, <https://docs.rs/resolvo>); what is
//! ours is that installed versions are favoured, that the answer is minimal, that one
//! unreachable target does not spoil the others, and that a question ends ([`super::effort`]):
//! what it was about is out of reach then.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::rc::Rc;

use resolvo::conflict::{ConflictCause, ConflictEdge, ConflictGraph, ConflictNode};
use resolvo::{
    Candidates, Condition, ConditionId, ConditionalRequirement, DenseIndex, Dependencies,
    DependencyProvider, HintDependenciesAvailable, Interner, KnownDependencies, NameId, Problem,
    Requirement as SolverRequirement, SolvableId, Solver, SolverCache, StringId,
    UnsolvableOrCancelled, VersionSetId, VersionSetUnionId,
};

use super::effort::{Effort, GIVEN_UP, ONE_QUESTION};

/// Something of which at most one version is installed (`libc6:amd64`), by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(pub u32);

/// One version of a [`Name`], by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Solvable(pub u32);

/// One of `alternatives` must be installed too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// Most wanted first. Never empty: see [`Relations::impossible`].
    pub alternatives: Vec<Solvable>,
    /// In the family's words: `Depends: libc6 (>= 2.36)`.
    pub text: String,
}

/// `with` cannot be installed together with the one that has this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exclusion {
    pub with: Solvable,
    /// In the family's words: `Breaks: libfoo (<< 2)`.
    pub text: String,
    /// Who says so: itself or `with`.
    pub declared_by: Solvable,
}

/// Everything one version asks of the others. Relations that hold whatever is chosen are
/// left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Relations {
    pub requires: Vec<Requirement>,
    pub excludes: Vec<Exclusion>,
    /// Why it can never be installed.
    pub impossible: Option<Impossible>,
}

/// Why a version can never be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Impossible {
    /// The rest of the sentence `libc6 2.36 cannot be installed: …`.
    pub why: String,
    /// The version that is in its way, if there is one.
    pub because_of: Option<Solvable>,
}

/// Packages as the solver sees them. Answers must not change while a plan is made.
pub trait Universe {
    /// What a version is a version of.
    fn name(&self, solvable: Solvable) -> Name;
    /// All versions that may be considered; the installed one first.
    fn candidates(&self, name: Name) -> Vec<Solvable>;
    /// Whether this is what the image has.
    fn is_installed(&self, solvable: Solvable) -> bool;
    /// What it asks for.
    fn relations(&self, solvable: Solvable) -> Rc<Relations>;
    /// For people: `libc6 2.36-9`.
    fn describe(&self, solvable: Solvable) -> String;
    /// What the search may take.
    fn effort(&self) -> &Effort;
}

/// What is to be reached.
#[derive(Debug, Clone, Default)]
pub struct Task {
    /// Names of which one version must stay installed. Names that have but one version and
    /// ask for nothing may be left out.
    pub keep: Vec<Name>,
    /// Versions that must be in the answer.
    pub targets: BTreeSet<Solvable>,
    /// Versions that must be in the answer unless their name goes.
    pub unless_gone: BTreeSet<Solvable>,
    /// Installed names that go when nothing needs them; they are in no way kept.
    pub may_go: BTreeSet<Name>,
    /// Versions that must not.
    pub forbidden: BTreeSet<Solvable>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explanation {
    /// Sorted sentences, at most [`MAX_SENTENCES`].
    pub sentences: Vec<String>,
    /// The versions that are in each other's way, sorted.
    pub involved: Vec<Solvable>,
}

/// How many sentences an explanation has.
pub const MAX_SENTENCES: usize = 6;

/// The changes (versions that are not installed now) that reach all targets, sorted. No
/// change can be left out of the answer without losing it, or a package that may go, as long as
/// there is effort left to try.
///
/// # Errors
/// There is no answer, and why.
pub fn smallest(universe: &dyn Universe, task: &Task) -> Result<Vec<Solvable>, Explanation> {
    smallest_from(solve(universe, task, &|_| true)?, universe, task)
}

/// As [`smallest`], of targets that were found to be reachable: even when the effort for further
/// questions is used up.
///
/// # Errors
/// As [`smallest`].
pub fn smallest_of_reachable(
    universe: &dyn Universe,
    task: &Task,
) -> Result<Vec<Solvable>, Explanation> {
    smallest_from(solve_as(universe, task, &|_| true, Asked::Anyhow)?, universe, task)
}

fn smallest_from(
    mut answer: Answer,
    universe: &dyn Universe,
    task: &Task,
) -> Result<Vec<Solvable>, Explanation> {
    let upgrades = |solvable: Solvable| {
        let name = universe.name(solvable);
        universe.candidates(name).iter().any(|&other| universe.is_installed(other))
    };
    let wanted = |solvable: &Solvable| {
        task.targets.contains(solvable) || task.unless_gone.contains(solvable)
    };
    // The solver tries what is installed first, and would rather add a package than upgrade
    // one. An upgrade is the smaller change.
    for extra in by_description(universe, &answer.changes) {
        if upgrades(extra) || wanted(&extra) || !answer.changes.contains(&extra) {
            continue;
        }
        let without = |solvable: Solvable| {
            upgrades(solvable) || (answer.changes.contains(&solvable) && solvable != extra)
        };
        if let Ok(fewer) = solve(universe, task, &without)
            && fewer.loses_no_more_than(&answer, universe, task)
        {
            answer = fewer;
        }
    }
    for extra in by_description(universe, &answer.changes) {
        if wanted(&extra) || !answer.changes.contains(&extra) {
            continue;
        }
        let without = |solvable: Solvable| {
            universe.is_installed(solvable)
                || (answer.changes.contains(&solvable) && solvable != extra)
        };
        if let Ok(fewer) = solve(universe, task, &without)
            && fewer.loses_no_more_than(&answer, universe, task)
        {
            answer = fewer;
        }
    }
    Ok(answer.changes)
}

/// Everything that has to be there after exactly these changes: what is kept and what that
/// needs, sorted. An installed package that is not in it is in the way, or no longer needed.
///
/// # Errors
/// There is no answer, and why.
pub fn needed(
    universe: &dyn Universe,
    task: &Task,
    changes: &[Solvable],
) -> Result<Vec<Solvable>, Explanation> {
    let permitted =
        |solvable: Solvable| universe.is_installed(solvable) || changes.contains(&solvable);
    // few can be chosen, and the changes are decided
    solve_as(universe, task, &permitted, Asked::Anyhow).map(|answer| answer.all)
}

/// What the solver chose.
struct Answer {
    all: Vec<Solvable>,
    /// Those that are not installed now.
    changes: Vec<Solvable>,
}

impl Answer {
    /// Whether everything that may go is still there, in whatever version, if `other` has it.
    fn loses_no_more_than(&self, other: &Self, universe: &dyn Universe, task: &Task) -> bool {
        let may_go = |answer: &Self| -> BTreeSet<Name> {
            let names = answer.all.iter().map(|&one| universe.name(one));
            names.filter(|name| task.may_go.contains(name)).collect()
        };
        may_go(self).is_superset(&may_go(other))
    }
}

/// Numbers follow the order in which questions were asked; descriptions do not.
fn by_description(universe: &dyn Universe, solvables: &[Solvable]) -> Vec<Solvable> {
    let mut sorted = solvables.to_vec();
    sorted.sort_by_cached_key(|&solvable| universe.describe(solvable));
    sorted
}

/// The most targets that can be reached together, going through them in the given order and
/// keeping each that can be reached with those kept before; and the others, each with the
/// reason against it.
pub fn reachable(
    universe: &dyn Universe,
    task: &Task,
    targets: &[Solvable],
) -> (BTreeSet<Solvable>, Vec<(Solvable, Explanation)>) {
    let mut task = task.clone();
    let mut rejected = Vec::new();
    // Halving gives the same answer as one at a time, because what cannot be reached stays
    // out of reach when more is wanted.
    let mut waiting = vec![targets];
    while let Some(some) = waiting.pop() {
        let mut wider = task.clone();
        wider.targets.extend(some);
        match (solve(universe, &wider, &|_| true), some) {
            (Ok(_), _) => task = wider,
            (Err(_), []) => {}
            (Err(explanation), [one]) => rejected.push((*one, explanation)),
            (Err(_), some) => {
                let (first, second) = some.split_at(some.len() / 2);
                waiting.push(second);
                waiting.push(first);
            }
        }
    }
    (task.targets, rejected)
}

/// Whether a question is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// As long as there is effort left for all.
    WithinEffort,
    /// What is decided already depends on the answer.
    Anyhow,
}

/// One run of the solver; only versions that `permitted` admits are considered.
fn solve(
    universe: &dyn Universe,
    task: &Task,
    permitted: &dyn Fn(Solvable) -> bool,
) -> Result<Answer, Explanation> {
    solve_as(universe, task, permitted, Asked::WithinEffort)
}

fn solve_as(
    universe: &dyn Universe,
    task: &Task,
    permitted: &dyn Fn(Solvable) -> bool,
    asked: Asked,
) -> Result<Answer, Explanation> {
    let names: BTreeSet<Name> = task.targets.iter().map(|&target| universe.name(target)).collect();
    let wanted: BTreeSet<Solvable> = task.targets.union(&task.unless_gone).copied().collect();
    let decided: BTreeSet<Name> = wanted.iter().map(|&target| universe.name(target)).collect();
    let permitted = |solvable: Solvable| {
        !task.forbidden.contains(&solvable)
            && (wanted.contains(&solvable) || !decided.contains(&universe.name(solvable)))
            && permitted(solvable)
    };
    let provider = Provider {
        universe,
        permitted: &permitted,
        sets: RefCell::default(),
        asked,
        before: universe.effort().taken(),
        told: Cell::new(0),
        turns: Cell::new(0),
    };
    let mut kept: BTreeSet<Name> = task.keep.iter().copied().collect();
    kept.extend(names.iter().copied());
    let requirements: Vec<ConditionalRequirement> =
        kept.into_iter().map(|name| provider.keep(name).into()).collect();
    let mut solver = Solver::new(provider);
    match solver.solve(Problem::new().requirements(requirements)) {
        Ok(chosen) => {
            let mut all: Vec<Solvable> = chosen.into_iter().map(from_id).collect();
            all.sort_unstable();
            let changes = all.iter().copied().filter(|&one| !universe.is_installed(one)).collect();
            Ok(Answer { all, changes })
        }
        Err(UnsolvableOrCancelled::Unsolvable(conflict)) => {
            Err(solver.provider().explain(&conflict.graph(&solver)))
        }
        Err(UnsolvableOrCancelled::Cancelled(_)) => {
            Err(Explanation { sentences: vec![GIVEN_UP.to_owned()], involved: Vec::new() })
        }
    }
}

fn from_id(id: SolvableId) -> Solvable {
    Solvable(id.into_raw())
}

fn to_id(solvable: Solvable) -> SolvableId {
    SolvableId::from_raw(solvable.0)
}

/// Versions of one name, as the solver's "version set".
struct VersionSet {
    name: Name,
    /// Sorted.
    versions: Vec<Solvable>,
    sense: Sense,
    text: Rc<str>,
}

/// Which versions are in a [`VersionSet`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sense {
    These,
    AllButThese,
    All,
}

/// Numbers given to version sets, unions of them, and reasons.
#[derive(Default)]
struct Sets {
    sets: Vec<VersionSet>,
    unions: Vec<Vec<VersionSetId>>,
    reasons: Vec<Impossible>,
}

/// Lets resolvo ask a [`Universe`].
struct Provider<'a> {
    universe: &'a dyn Universe,
    permitted: &'a dyn Fn(Solvable) -> bool,
    sets: RefCell<Sets>,
    asked: Asked,
    /// Steps that were taken before.
    before: u64,
    /// How much the solver was told, in versions: what it goes through again and again.
    told: Cell<u64>,
    /// How often it asked whether to go on.
    turns: Cell<u64>,
}

/// In how many turns the solver learns so much that each takes a step more.
const TURNS: u64 = 200;

/// How much of what the solver was told it goes through in a step.
const IN_A_STEP: u64 = 2_000;

impl Provider<'_> {
    fn tell(&self, versions: usize) {
        self.told.set(self.told.get() + versions as u64);
        self.universe.effort().take(versions as u64 / IN_A_STEP);
    }

    fn keep(&self, name: Name) -> SolverRequirement {
        let text = Rc::from("stays installed");
        SolverRequirement::Single(self.set(name, Vec::new(), Sense::All, text))
    }

    fn set(
        &self,
        name: Name,
        versions: Vec<Solvable>,
        sense: Sense,
        text: Rc<str>,
    ) -> VersionSetId {
        let mut versions = versions;
        versions.sort_unstable();
        let mut sets = self.sets.borrow_mut();
        sets.sets.push(VersionSet { name, versions, sense, text });
        VersionSetId::from_index(sets.sets.len() - 1)
    }

    /// Alternatives in order, those of one name together.
    fn requirement(&self, requirement: &Requirement) -> SolverRequirement {
        let text: Rc<str> = requirement.text.as_str().into();
        let mut groups: Vec<(Name, Vec<Solvable>)> = Vec::new();
        let mut places: BTreeMap<Name, usize> = BTreeMap::new();
        for &alternative in &requirement.alternatives {
            let name = self.universe.name(alternative);
            let place = *places.entry(name).or_insert(groups.len());
            match groups.get_mut(place) {
                Some((_, versions)) => versions.push(alternative),
                None => groups.push((name, vec![alternative])),
            }
        }
        let sets: Vec<VersionSetId> = groups
            .into_iter()
            .map(|(name, versions)| self.set(name, versions, Sense::These, Rc::clone(&text)))
            .collect();
        self.tell(requirement.alternatives.len());
        match sets.as_slice() {
            [only] => SolverRequirement::Single(*only),
            _ => {
                let mut all = self.sets.borrow_mut();
                all.unions.push(sets);
                SolverRequirement::Union(VersionSetUnionId::from_index(all.unions.len() - 1))
            }
        }
    }

    fn constraint(&self, exclusion: &Exclusion) -> VersionSetId {
        let name = self.universe.name(exclusion.with);
        let declared_by = self.universe.describe(exclusion.declared_by);
        let text = format!("{declared_by} has {}", exclusion.text).into();
        self.set(name, vec![exclusion.with], Sense::AllButThese, text)
    }

    /// The text of a version set.
    fn text(&self, set: VersionSetId) -> String {
        let sets = self.sets.borrow();
        sets.sets.get(set.to_index()).map(|set| set.text.to_string()).unwrap_or_default()
    }

    fn requirement_text(&self, requirement: SolverRequirement) -> String {
        match requirement {
            SolverRequirement::Single(set) => self.text(set),
            SolverRequirement::Union(union) => {
                let first = {
                    let sets = self.sets.borrow();
                    sets.unions.get(union.to_index()).and_then(|sets| sets.first().copied())
                };
                first.map(|set| self.text(set)).unwrap_or_default()
            }
        }
    }

    fn explain(&self, graph: &ConflictGraph) -> Explanation {
        let graph = &graph.graph;
        let mut sentences = BTreeSet::new();
        let mut involved = BTreeSet::new();
        for edge in graph.edge_indices() {
            let Some((from, to)) = graph.edge_endpoints(edge) else { continue };
            let (Some(&ConflictNode::Solvable(from)), Some(&to), Some(&edge)) =
                (graph.node_weight(from), graph.node_weight(to), graph.edge_weight(edge))
            else {
                continue;
            };
            let from = from_id(from);
            let who = self.universe.describe(from);
            match (edge, to) {
                (ConflictEdge::Requires(wanted), ConflictNode::UnresolvedDependency) => {
                    let wanted = self.requirement_text(wanted);
                    sentences.insert(format!("{who} has {wanted}, which cannot be satisfied"));
                    involved.insert(from);
                }
                (ConflictEdge::Requires(wanted), _) => {
                    sentences.insert(format!("{who} has {}", self.requirement_text(wanted)));
                    involved.insert(from);
                }
                (
                    ConflictEdge::Conflict(ConflictCause::Constrains(set)),
                    ConflictNode::Solvable(to),
                ) => {
                    sentences.insert(self.text(set));
                    involved.extend([from, from_id(to)]);
                }
                (ConflictEdge::Conflict(_), ConflictNode::Excluded(why)) => {
                    let sets = self.sets.borrow();
                    let Some(reason) = sets.reasons.get(why.to_index()) else { continue };
                    sentences.insert(format!("{who} cannot be installed: {}", reason.why));
                    involved.insert(from);
                    involved.extend(reason.because_of);
                }
                _ => {}
            }
        }
        Explanation {
            sentences: sentences.into_iter().take(MAX_SENTENCES).collect(),
            involved: involved.into_iter().collect(),
        }
    }
}

impl Interner for Provider<'_> {
    type NameId = NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl Display + '_ {
        self.universe.describe(from_id(solvable))
    }

    fn display_name(&self, name: NameId) -> impl Display + '_ {
        let first = self.universe.candidates(Name(name.into_raw())).first().copied();
        first.map(|solvable| self.universe.describe(solvable)).unwrap_or_default()
    }

    fn display_version_set(&self, set: VersionSetId) -> impl Display + '_ {
        self.text(set)
    }

    fn display_string(&self, string: StringId) -> impl Display + '_ {
        let sets = self.sets.borrow();
        sets.reasons.get(string.to_index()).map(|reason| reason.why.clone()).unwrap_or_default()
    }

    fn version_set_name(&self, set: VersionSetId) -> NameId {
        let sets = self.sets.borrow();
        // Every set that the solver knows was made by `set`.
        NameId::from_raw(sets.sets.get(set.to_index()).map_or(u32::MAX, |set| set.name.0))
    }

    fn solvable_name(&self, solvable: SolvableId) -> NameId {
        NameId::from_raw(self.universe.name(from_id(solvable)).0)
    }

    fn version_sets_in_union(
        &self,
        union: VersionSetUnionId,
    ) -> impl Iterator<Item = VersionSetId> {
        let sets = self.sets.borrow();
        sets.unions.get(union.to_index()).cloned().unwrap_or_default().into_iter()
    }

    fn resolve_condition(&self, _: ConditionId) -> Condition {
        // No requirement of ours has a condition, so that this is never asked.
        Condition::Requirement(VersionSetId::from_index(0))
    }
}

impl DependencyProvider for Provider<'_> {
    async fn filter_candidates(
        &self,
        candidates: &[SolvableId],
        set: VersionSetId,
        inverse: bool,
    ) -> Vec<SolvableId> {
        let sets = self.sets.borrow();
        let Some(set) = sets.sets.get(set.to_index()) else { return Vec::new() };
        self.tell(candidates.len());
        let named = |id: &SolvableId| set.versions.binary_search(&from_id(*id)).is_ok();
        let holds = |id: &SolvableId| match set.sense {
            Sense::All => true,
            Sense::These => named(id),
            Sense::AllButThese => !named(id),
        };
        candidates.iter().copied().filter(|id| holds(id) != inverse).collect()
    }

    async fn get_candidates(&self, name: NameId) -> Option<Candidates> {
        let candidates: Vec<SolvableId> = self
            .universe
            .candidates(Name(name.into_raw()))
            .into_iter()
            .filter(|&solvable| (self.permitted)(solvable))
            .map(to_id)
            .collect();
        self.tell(candidates.len());
        let favored =
            candidates.iter().copied().find(|&id| self.universe.is_installed(from_id(id)));
        Some(Candidates {
            candidates,
            favored,
            hint_dependencies_available: HintDependenciesAvailable::None,
            ..Candidates::default()
        })
    }

    async fn sort_candidates(&self, _: &SolverCache<Self>, solvables: &mut [SolvableId]) {
        solvables.sort_by_key(|&id| (!self.universe.is_installed(from_id(id)), id));
    }

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        let relations = self.universe.relations(from_id(solvable));
        if let Some(reason) = &relations.impossible {
            let mut sets = self.sets.borrow_mut();
            sets.reasons.push(reason.clone());
            return Dependencies::Unknown(StringId::from_index(sets.reasons.len() - 1));
        }
        Dependencies::Known(KnownDependencies {
            requirements: relations
                .requires
                .iter()
                .map(|requirement| self.requirement(requirement).into())
                .collect(),
            constrains: relations.excludes.iter().map(|e| self.constraint(e)).collect(),
        })
    }

    fn should_cancel_with_value(&self) -> Option<Box<dyn Any>> {
        let effort = self.universe.effort();
        effort.take(1 + self.told.get() / IN_A_STEP + self.turns.get() / TURNS);
        self.turns.set(self.turns.get() + 1);
        let over = effort.taken() - self.before > ONE_QUESTION
            || (self.asked == Asked::WithinEffort && effort.is_used_up());
        over.then(|| Box::new(GIVEN_UP) as Box<dyn Any>)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// A universe of ready values.
    #[derive(Debug, Clone, Default)]
    struct FixedUniverse {
        names: BTreeMap<Name, Vec<Solvable>>,
        relations: BTreeMap<Solvable, Rc<Relations>>,
        installed: BTreeSet<Solvable>,
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
            names: (0..names)
                .map(|n| (Name(n), vec![Solvable(2 * n), Solvable(2 * n + 1)]))
                .collect(),
            installed: installed.iter().map(|n| Solvable(2 * n)).collect(),
            relations: BTreeMap::new(),
            effort: Effort::default(),
        }
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

    #[test]
    fn what_is_reachable_is_reached_after_the_effort_for_all_is_used_up() {
        let mut universe = universe(3, &[0, 1]);
        relate(&mut universe, 1, &[&[3]], &[]);
        let task = task(&universe, &[1]);
        universe.effort.take(super::super::effort::WHOLE_RUN + 1);
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
        (relations, prop::collection::vec(any::<bool>(), NAMES as usize), 0..NAMES, 0..NAMES)
            .prop_map(|(relations, present, a, b)| {
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
            })
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
                    relations
                        .requires
                        .iter()
                        .all(|r| r.alternatives.iter().any(|a| set.contains(a)))
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
}
