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
pub use super::reachable::reachable;

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
    /// The version that is excluded.
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
    /// Each of them must be satisfied when the version is installed.
    pub requires: Vec<Requirement>,
    /// Versions that cannot be installed together with it, whichever of the two says so.
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
    /// Versions of other names that do as well, where a version of this one is to be kept.
    fn replacing(&self, _name: Name) -> Vec<Solvable> {
        Vec::new()
    }
    /// Whether this is what the image has.
    fn is_installed(&self, solvable: Solvable) -> bool;
    /// What a version asks of the others.
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
    /// Versions that must not be in the answer.
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

impl Explanation {
    /// The search took too much.
    pub(super) fn given_up() -> Self {
        Self { sentences: vec![GIVEN_UP.to_owned()], involved: Vec::new() }
    }

    pub(super) fn is_given_up(&self) -> bool {
        *self == Self::given_up()
    }
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
    smallest_from(solve_as(universe, task, &|_| true, Budget::Unshared)?, universe, task)
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
            && fewer.is_as_wanted_as(&answer, universe)
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
    solve_as(universe, task, &permitted, Budget::Unshared).map(|answer| answer.all)
}

/// What the solver chose.
pub(super) struct Answer {
    all: Vec<Solvable>,
    /// Those that are not installed now.
    changes: Vec<Solvable>,
}

impl Answer {
    /// Whether no package that changes with both is at a less wanted version than with `other`.
    fn is_as_wanted_as(&self, other: &Self, universe: &dyn Universe) -> bool {
        self.changes.iter().filter(|one| !other.changes.contains(one)).all(|one| {
            let name = universe.name(*one);
            let before = other.changes.iter().find(|other| universe.name(**other) == name);
            before.is_none_or(|before| {
                let candidates = universe.candidates(name);
                let place = |one: Solvable| candidates.iter().position(|other| *other == one);
                place(*one) <= place(*before)
            })
        })
    }

    /// Whether everything that may go is still there, in whatever version, if `other` has it.
    fn loses_no_more_than(&self, other: &Self, universe: &dyn Universe, task: &Task) -> bool {
        let may_go = |answer: &Self| -> BTreeSet<Name> {
            let names = answer.all.iter().map(|&one| universe.name(one));
            names.filter(|name| task.may_go.contains(name)).collect()
        };
        may_go(self).is_superset(&may_go(other))
    }
}

/// Sorted by what people read: numbers follow the order of the look-ups, descriptions do not.
fn by_description(universe: &dyn Universe, solvables: &[Solvable]) -> Vec<Solvable> {
    let mut sorted = solvables.to_vec();
    sorted.sort_by_cached_key(|&solvable| universe.describe(solvable));
    sorted
}

/// How many steps one question may take: [`ONE_QUESTION`] at most, and what is said here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Budget {
    /// The question ends when the effort that all of them share is used up.
    Remaining,
    /// The question goes on when the shared effort is used up, because what is decided already
    /// depends on the answer.
    Unshared,
    /// So many steps, even when the shared effort is used up.
    Share(u64),
}

/// One run of the solver; only versions that `permitted` admits are considered.
fn solve(
    universe: &dyn Universe,
    task: &Task,
    permitted: &dyn Fn(Solvable) -> bool,
) -> Result<Answer, Explanation> {
    solve_as(universe, task, permitted, Budget::Remaining)
}

pub(super) fn solve_as(
    universe: &dyn Universe,
    task: &Task,
    permitted: &dyn Fn(Solvable) -> bool,
    budget: Budget,
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
        budget,
        before: universe.effort().taken(),
        told: Cell::new(0),
        turns: Cell::new(0),
    };
    let mut kept: BTreeSet<Name> = task.keep.iter().copied().collect();
    kept.extend(names.iter().copied());
    let requirements: Vec<ConditionalRequirement> =
        kept.into_iter().map(|name| provider.keep(name, names.contains(&name)).into()).collect();
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
        Err(UnsolvableOrCancelled::Cancelled(_)) => Err(Explanation::given_up()),
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
    budget: Budget,
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

    /// A version of a name; unless it has to be of this one, what takes its place does too.
    fn keep(&self, name: Name, of_this: bool) -> SolverRequirement {
        let text: Rc<str> = Rc::from("stays installed");
        let own = self.set(name, Vec::new(), Sense::All, Rc::clone(&text));
        let others = if of_this { Vec::new() } else { self.universe.replacing(name) };
        if others.is_empty() {
            return SolverRequirement::Single(own);
        }
        let mut sets = vec![own];
        for (name, versions) in self.by_name(&others) {
            sets.push(self.set(name, versions, Sense::These, Rc::clone(&text)));
        }
        self.union(sets)
    }

    fn union(&self, sets: Vec<VersionSetId>) -> SolverRequirement {
        let mut all = self.sets.borrow_mut();
        all.unions.push(sets);
        SolverRequirement::Union(VersionSetUnionId::from_index(all.unions.len() - 1))
    }

    /// Versions in order, those of one name together.
    fn by_name(&self, versions: &[Solvable]) -> Vec<(Name, Vec<Solvable>)> {
        let mut groups: Vec<(Name, Vec<Solvable>)> = Vec::new();
        let mut places: BTreeMap<Name, usize> = BTreeMap::new();
        for &version in versions {
            let name = self.universe.name(version);
            let place = *places.entry(name).or_insert(groups.len());
            match groups.get_mut(place) {
                Some((_, versions)) => versions.push(version),
                None => groups.push((name, vec![version])),
            }
        }
        groups
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
        let sets: Vec<VersionSetId> = self
            .by_name(&requirement.alternatives)
            .into_iter()
            .map(|(name, versions)| self.set(name, versions, Sense::These, Rc::clone(&text)))
            .collect();
        self.tell(requirement.alternatives.len());
        match sets.as_slice() {
            [only] => SolverRequirement::Single(*only),
            _ => self.union(sets),
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
        let most = match self.budget {
            Budget::Share(share) => share.min(ONE_QUESTION),
            Budget::Remaining | Budget::Unshared => ONE_QUESTION,
        };
        let over = effort.taken() - self.before > most
            || (self.budget == Budget::Remaining && effort.is_used_up());
        over.then(|| Box::new(GIVEN_UP) as Box<dyn Any>)
    }
}

#[cfg(test)]
mod tests;
