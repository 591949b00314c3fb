//! apk's relations in the planner's terms.
//!
//! In come what is installed with `world`, and the repositories' index; out comes a [`Family`]
//! that the planner asks. The meaning of relations is that of apk-tools 2.12 and 2.14
//! (`src/solver.c`, `src/package.c`), as `apk upgrade` (without `--available`) applies it:
//!
//! - A dependency asks for a provider of its name: the package called so, which provides its
//!   name in its version, or one whose `provides` has it. A name provided without a version
//!   satisfies only dependencies without one (`apk_dep_is_provided`).
//! - Two packages that provide one name exclude each other, unless both provide it without a
//!   version (`assign_name`).
//! - `!name` excludes every provider that the rest of it is about. `replaces` is no relation:
//!   it rules files only.
//! - Of several providers that are not there yet the one is taken that apk would take
//!   (`compare_providers`): the preferred tag, the higher version of the name asked for, the
//!   higher `provider_priority`. One that provides the name without a version and has no
//!   priority is never taken on its own account (`is_provider_auto_selectable`).
//! - `world` asks like a package that is always there; a version that it does not allow is no
//!   candidate. What it pins to a tag, and what that needs, may come from repositories with
//!   that tag ([`pinning`]).
//! - What has an `install_if` comes along when all of it holds ([`install_if`]).
//! - Steps are in the order of apk's changeset ([`changeset`]).
//! - What `world` reaches no more goes, be it in the way of what is wanted or not needed any
//!   more ([`presence`]).
//!
//! Three rules are ours. Nothing goes to a lower version, and nothing goes that `world` names or
//! did not reach before. A package of the same version with another identity is no upgrade
//! (there apk agrees, without `--available`). And relations that the image breaks already may
//! stay broken.
//!
//! Every higher version is considered, not only the highest: Wolfi's index keeps old ones. Only
//! names that can be reached from newer versions are ever looked up.

mod changeset;
mod install_if;
mod pinning;
mod presence;
mod world_check;

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use self::pinning::Pinning;
pub use self::world_check::unsatisfiable;
use super::dependency::{Constraint, Dependency};
use super::index::{Available, PackageIndex};
use super::inventory::ApkInventory;
use super::record::Record;
use imgfix_model::package::{PackageId, PackageName};
use imgfix_model::plan::Removal;
use imgfix_model::reason::Reason;
use imgfix_repair::planner::{
    Companion, Context, Family, Lock, Offer, Planned, Requests, Slot, StepFacts, plan,
};
use imgfix_solve::effort::{Effort, TooWide, Width};
use imgfix_solve::order::Edge;
use imgfix_solve::solver::{
    Exclusion, Explanation, Impossible, Name, Relations, Requirement, Solvable, Task, Universe,
    reachable,
};
use imgfix_versions::VersionOrder;
use imgfix_versions::apk::Version;
use imgfix_versions::apk::generation::Generation;

/// Which part of the effort goes into finding which versions are candidates: a quarter.
const SHARE_OF_CANDIDATES: u64 = 4;

/// How often rejected candidates are replaced by lower versions.
const MAX_ROUNDS: usize = 64;

/// What is installed, as far as plans depend on it.
#[derive(Debug, Clone, Default)]
pub struct Image<'a> {
    /// In the order of the database.
    pub packages: Vec<&'a Record>,
    pub world: &'a [Dependency],
    /// Whose rules versions are compared by.
    pub generation: Generation,
}

impl<'a> From<&'a ApkInventory> for Image<'a> {
    fn from(inventory: &'a ApkInventory) -> Self {
        Self {
            packages: inventory.database.packages.iter().map(|one| &one.record).collect(),
            world: &inventory.world.dependencies,
            generation: inventory.database.generation,
        }
    }
}

/// Plans one platform's image: see [`plan`].
#[must_use]
pub fn plan_platform(
    image: &Image<'_>,
    index: &PackageIndex,
    requests: &Requests,
    banned: &BTreeMap<PackageId, Reason>,
    context: &Context,
) -> Planned {
    let universe = ApkUniverse::for_requests(image, index, requests, Effort::default());
    plan(&universe, requests, banned, context)
}

/// Where a version is.
enum Source {
    /// Nowhere: it is `world`, which asks as packages do.
    World(Box<Record>),
    Installed(Box<Record>),
    Offered(Arc<Available>),
}

/// One version of a package, or `world`.
struct Member {
    name: Name,
    source: Source,
}

impl Member {
    fn record(&self) -> &Record {
        match &self.source {
            Source::World(record) | Source::Installed(record) => record,
            Source::Offered(available) => &available.record,
        }
    }

    fn is_world(&self) -> bool {
        matches!(self.source, Source::World(_))
    }

    fn is_offered(&self) -> bool {
        matches!(self.source, Source::Offered(_))
    }

    /// For people: a dependency of this member.
    fn text(&self, dependency: &Dependency) -> String {
        match self.is_world() {
            true => dependency.to_string(),
            false => format!("depends: {dependency}"),
        }
    }
}

/// What a name can be.
#[derive(Default)]
struct Versions {
    installed: Option<Solvable>,
    /// Most wanted first.
    offered: Vec<Solvable>,
}

/// Everything numbered so far.
#[derive(Default)]
struct Numbered {
    members: Vec<Rc<Member>>,
    names: Vec<Versions>,
    /// Names of packages, installed or looked up, by package name.
    packages: HashMap<String, Name>,
    /// Names whose providers are all numbered.
    asked: HashSet<String>,
    /// Members by each name that they provide, their own included.
    offers: HashMap<String, Vec<Solvable>>,
    /// `!name` by the name it is about.
    negative: HashMap<String, Vec<(Solvable, Dependency)>>,
}

/// The image and its repositories as a [`Family`].
pub struct ApkUniverse<'a> {
    image: &'a Image<'a>,
    index: &'a PackageIndex,
    pinning: Pinning,
    slots: Vec<Slot>,
    keep: Vec<Name>,
    /// Installed packages that go when nothing needs them any more.
    may_go: BTreeSet<Name>,
    /// Dependencies of installed packages that the image does not satisfy, by name.
    broken: BTreeMap<Name, Vec<Dependency>>,
    /// Pairs of names whose installed versions exclude each other already.
    at_odds: BTreeSet<(Name, Name)>,
    numbered: RefCell<Numbered>,
    relations: RefCell<HashMap<Solvable, Rc<Relations>>>,
    /// What planning may take.
    effort: Effort,
}

impl<'a> ApkUniverse<'a> {
    /// Image and index for a plan that is to do `requests`: everything newer is settled
    /// together.
    #[must_use]
    pub fn for_requests(
        image: &'a Image<'a>,
        index: &'a PackageIndex,
        requests: &Requests,
        effort: Effort,
    ) -> Self {
        let mut universe = Self::new(image, index, effort);
        if *requests == Requests::Everything {
            universe.settle_together();
        }
        universe
    }

    /// Numbers the installed packages and their newer versions.
    #[must_use]
    pub fn new(image: &'a Image<'a>, index: &'a PackageIndex, effort: Effort) -> Self {
        let mut universe = Self {
            image,
            index,
            pinning: Pinning::new(image, index),
            slots: Vec::new(),
            keep: Vec::new(),
            may_go: BTreeSet::new(),
            broken: BTreeMap::new(),
            at_odds: BTreeSet::new(),
            numbered: RefCell::default(),
            relations: RefCell::default(),
            effort,
        };
        let name = universe.new_name();
        let depends = image.world.to_vec();
        let world = Record { name: "world".into(), depends, ..Record::default() };
        universe.number(Member { name, source: Source::World(Box::new(world)) });
        let mut packages = image.packages.clone();
        packages.sort_by_cached_key(|record| record.id());
        for record in packages {
            let slot = universe.add_installed(record);
            universe.slots.push(slot);
        }
        universe.find_broken();
        universe.may_go = universe.reached_by_need();
        universe.keep = universe.names_with_a_choice();
        universe.settle_candidates();
        universe
    }

    /// Whether `record` satisfies `dependency`; of a conflict: whether it is excluded.
    fn is_about(&self, dependency: &Dependency, record: &Record) -> bool {
        is_about(dependency, record, self.image.generation)
    }

    fn member(&self, solvable: Solvable) -> Option<Rc<Member>> {
        self.numbered.borrow().members.get(solvable.0 as usize).cloned()
    }

    fn new_name(&self) -> Name {
        let mut numbered = self.numbered.borrow_mut();
        numbered.names.push(Versions::default());
        Name(u32::try_from(numbered.names.len() - 1).unwrap_or(u32::MAX))
    }

    /// Numbers a member and files its relations.
    fn number(&self, member: Member) -> Solvable {
        let mut numbered = self.numbered.borrow_mut();
        let solvable = Solvable(u32::try_from(numbered.members.len()).unwrap_or(u32::MAX));
        if let Some(versions) = numbered.names.get_mut(member.name.0 as usize) {
            match member.is_offered() {
                false => versions.installed = Some(solvable),
                true => versions.offered.push(solvable),
            }
        }
        if !member.is_world() {
            for name in provided_names(member.record()) {
                numbered.offers.entry(name.to_owned()).or_default().push(solvable);
            }
            let package = member.record().name.0.clone();
            numbered.packages.insert(package, member.name);
        }
        for conflict in conflicts(member.record()) {
            let about = numbered.negative.entry(conflict.name.0.clone()).or_default();
            about.push((solvable, conflict.clone()));
        }
        numbered.members.push(Rc::new(member));
        solvable
    }

    fn add_installed(&self, record: &Record) -> Slot {
        let name = self.new_name();
        self.number(Member { name, source: Source::Installed(Box::new(record.clone())) });
        let by = self.image.generation;
        let mut versions = self.index.versions(&record.name.0);
        versions.retain(|available| available.record.is_valid(by));
        let newer = |available: &Arc<Available>| {
            by.compare(&available.record.version, &record.version) == Ordering::Greater
        };
        let newest = versions.iter().fold(None::<&Arc<Available>>, |best, one| match best {
            Some(best) if by.compare(&one.record.version, &best.record.version).is_le() => {
                Some(best)
            }
            _ => Some(one),
        });
        let refused = newest.filter(|available| newer(available)).and_then(|available| {
            let by = match self.pinning.allows(available) {
                false => "the tag of its repository (etc/apk/repositories), to which world does \
                          not pin it"
                    .to_owned(),
                true => format!("world: {}", self.world_refuses(&available.record, record)?),
            };
            Some(Reason::Held { package: record.name.to_string(), by })
        });
        let mut offered: Vec<Arc<Available>> = versions
            .iter()
            .filter(|one| newer(one) && self.pinning.allows(one))
            .filter(|one| self.world_refuses(&one.record, record).is_none())
            .cloned()
            .collect();
        self.sort_versions(&mut offered);
        let candidate = offered.first().map(|available| offer(&available.record));
        let numbers: Vec<Solvable> = offered
            .into_iter()
            .map(|available| self.number(Member { name, source: Source::Offered(available) }))
            .collect();
        Slot {
            id: record.id(),
            installed: offer(record),
            source_name: record.origin_name().to_owned(),
            candidate: numbers.first().copied().zip(candidate),
            newest: newest.map(|available| offer(&available.record)),
            passed_over: refused,
            lock: Lock::Free,
        }
    }

    /// The first entry of `world` that forbids `record`, and did not forbid `former` already.
    fn world_refuses(&self, record: &Record, former: &Record) -> Option<&Dependency> {
        let refuses = |dependency: &Dependency, record: &Record| {
            provided(record).filter(|(name, _)| *name == dependency.name.0).any(|(_, version)| {
                admits(dependency, version, record, self.image.generation) == dependency.conflict
            })
        };
        self.image
            .world
            .iter()
            .find(|dependency| refuses(dependency, record) && !refuses(dependency, former))
    }

    /// Most wanted first; of equals, the one of the earlier repository.
    fn sort_versions(&self, versions: &mut [Arc<Available>]) {
        versions.sort_by(|a, b| {
            let preferred = self.pinning.prefers(b).cmp(&self.pinning.prefers(a));
            preferred
                .then_with(|| self.image.generation.compare(&b.record.version, &a.record.version))
        });
    }

    /// Numbers a package that is not installed, in all its versions.
    fn look_up(&self, package: &PackageName) {
        if self.numbered.borrow().packages.contains_key(&package.0) {
            return;
        }
        let mut versions = self.index.versions(&package.0);
        versions.retain(|available| {
            self.pinning.allows(available) && available.record.is_valid(self.image.generation)
        });
        if versions.is_empty() {
            return;
        }
        self.sort_versions(&mut versions);
        let name = self.new_name();
        for available in versions {
            self.number(Member { name, source: Source::Offered(available) });
        }
    }

    /// Numbered members that provide `name`, in the order of their numbers.
    fn known(&self, name: &PackageName) -> Vec<(Solvable, Rc<Member>)> {
        let numbered = self.numbered.borrow();
        let known = numbered.offers.get(&name.0).into_iter().flatten();
        known
            .filter_map(|&solvable| {
                Some((solvable, Rc::clone(numbered.members.get(solvable.0 as usize)?)))
            })
            .collect()
    }

    /// Those of [`Self::known`] that are installed.
    fn known_installed(&self, name: &PackageName) -> Vec<Rc<Member>> {
        let known = self.known(name).into_iter().map(|(_, member)| member);
        known.filter(|member| !member.is_offered()).collect()
    }

    /// Finds relations that the image does not satisfy as it is.
    fn find_broken(&mut self) {
        let members: Vec<Rc<Member>> = self
            .numbered
            .borrow()
            .members
            .iter()
            .filter(|member| !member.is_offered())
            .cloned()
            .collect();
        let mut broken: BTreeMap<Name, Vec<Dependency>> = BTreeMap::new();
        let mut at_odds = BTreeSet::new();
        for member in &members {
            for dependency in depends(member.record()) {
                let satisfied = self.known(&dependency.name).iter().any(|(_, other)| {
                    !other.is_offered() && self.is_about(dependency, other.record())
                });
                if !satisfied {
                    broken.entry(member.name).or_default().push(dependency.clone());
                }
            }
            at_odds.extend(
                self.excluded_by(member).into_iter().map(|other| pair(member.name, other.name)),
            );
        }
        self.broken = broken;
        self.at_odds = at_odds;
    }

    /// Installed members that `member` excludes by what it says of itself.
    fn excluded_by(&self, member: &Member) -> Vec<Rc<Member>> {
        let record = member.record();
        let mut out = Vec::new();
        for conflict in conflicts(record) {
            let known = self.known_installed(&conflict.name).into_iter();
            out.extend(known.filter(|other| self.is_about(conflict, other.record())));
        }
        let names = if member.is_world() { BTreeSet::new() } else { provided_names(record) };
        for name in names {
            let known = self.known_installed(&name.into()).into_iter();
            out.extend(known.filter(|other| share(name, record, other.record())));
        }
        out
    }

    /// Installed names that stay and can change, or that could lose something; the others need
    /// not be told to the solver.
    fn names_with_a_choice(&self) -> Vec<Name> {
        let numbered = self.numbered.borrow();
        let names: Vec<(Name, Solvable, bool)> = (0u32..)
            .zip(&numbered.names)
            .filter_map(|(at, versions)| {
                Some((Name(at), versions.installed?, !versions.offered.is_empty()))
            })
            .collect();
        drop(numbered);
        names
            .into_iter()
            .filter(|(name, ..)| !self.may_go.contains(name))
            .filter(|(_, installed, choice)| {
                *choice || !self.relations(*installed).requires.is_empty()
            })
            .map(|(name, ..)| name)
            .collect()
    }

    /// Where a candidate cannot be reached, not even alone, and lower versions are offered, the
    /// highest that can be is the candidate, and the slot has the reason against the others.
    fn settle_candidates(&mut self) {
        self.lower_candidates(&|universe, task, target| {
            reachable(universe, task, &[target]).1.into_iter().next().map(|(_, why)| why)
        });
    }

    /// Where candidates cannot be reached all together, those that are left behind are lowered
    /// too, as apk does when it upgrades everything.
    fn settle_together(&mut self) {
        self.lower_candidates(&|_, _, _| Some(Explanation::default()));
    }

    /// Tries all candidates at once, and takes the next lower version of those that cannot be
    /// reached and for which `why_lower` has a reason, until there are none.
    fn lower_candidates(
        &mut self,
        why_lower: &dyn Fn(&Self, &Task, Solvable) -> Option<Explanation>,
    ) {
        let lower = self.lower_versions();
        if lower.is_empty() {
            return;
        }
        let whole = self.effort.clone();
        self.effort = whole.part(SHARE_OF_CANDIDATES);
        self.lower_candidates_of(&lower, why_lower);
        self.effort = whole;
    }

    fn lower_candidates_of(
        &mut self,
        lower: &BTreeMap<Solvable, Solvable>,
        why_lower: &dyn Fn(&Self, &Task, Solvable) -> Option<Explanation>,
    ) {
        let task = self.task();
        let mut candidates: BTreeMap<usize, Solvable> = (0..)
            .zip(&self.slots)
            .filter_map(|(at, slot)| Some((at, slot.candidate.as_ref()?.0)))
            .collect();
        let mut reasons: BTreeMap<usize, Explanation> = BTreeMap::new();
        for _ in 0..MAX_ROUNDS {
            if self.effort.is_used_up() {
                break;
            }
            let targets: Vec<Solvable> = candidates.values().copied().collect();
            let mut lowered = false;
            for (target, _) in reachable(self, &task, &targets).1 {
                let Some(&next) = lower.get(&target) else { continue };
                let Some(why) = why_lower(self, &task, target) else { continue };
                for (at, candidate) in candidates.iter_mut().filter(|(_, c)| **c == target) {
                    *candidate = next;
                    reasons.entry(*at).or_insert_with(|| why.clone());
                    lowered = true;
                }
            }
            if !lowered {
                break;
            }
        }
        for (at, why) in reasons {
            let Some(&chosen) = candidates.get(&at) else { continue };
            // One of which no version can be reached keeps the highest; its reason comes with
            // the plan.
            if reachable(self, &task, &[chosen]).1.is_empty() {
                self.settle(at, chosen, &why);
            }
        }
    }

    /// Makes `chosen` a slot's candidate.
    fn settle(&mut self, at: usize, chosen: Solvable, why: &Explanation) {
        let Some(member) = self.member(chosen) else { return };
        let Some(slot) = self.slots.get_mut(at) else { return };
        slot.candidate = Some((chosen, offer(member.record())));
        if slot.passed_over.is_none() && !why.sentences.is_empty() {
            slot.passed_over = Some(Reason::Conflict {
                package: slot.id.name.to_string(),
                detail: why.sentences.join("; "),
            });
        }
    }

    /// The next lower version of each that is offered for an installed package.
    fn lower_versions(&self) -> BTreeMap<Solvable, Solvable> {
        let numbered = self.numbered.borrow();
        let upgrades = numbered.names.iter().filter(|versions| versions.installed.is_some());
        upgrades
            .flat_map(|versions| versions.offered.windows(2))
            .filter_map(|pair| match pair {
                [higher, lower] => Some((*higher, *lower)),
                _ => None,
            })
            .collect()
    }

    /// Whether an installed package satisfies `dependency` whatever is upgraded.
    fn always_holds(&self, dependency: &Dependency) -> bool {
        let satisfying: Vec<(Solvable, Rc<Member>)> = self
            .known(&dependency.name)
            .into_iter()
            .filter(|(_, member)| self.is_about(dependency, member.record()))
            .collect();
        let satisfied_by: HashSet<Solvable> =
            satisfying.iter().map(|(solvable, _)| *solvable).collect();
        let numbered = self.numbered.borrow();
        let mut stay = satisfying
            .iter()
            .filter(|(_, member)| !member.is_offered() && !self.may_go.contains(&member.name));
        stay.any(|(_, member)| {
            let versions = numbered.names.get(member.name.0 as usize);
            let mut offered = versions.into_iter().flat_map(|versions| &versions.offered);
            offered.all(|one| satisfied_by.contains(one))
        })
    }

    /// Whether `dependency` of a newer version was broken before, in the same form: word by
    /// word, or about the same name that nothing provided.
    fn was_broken(&self, name: Name, dependency: &Dependency) -> bool {
        let absent = || self.known(&dependency.name).iter().all(|(_, member)| member.is_offered());
        self.broken
            .get(&name)
            .into_iter()
            .flatten()
            .any(|before| before == dependency || (before.name == dependency.name && absent()))
    }

    /// Everything that satisfies a dependency: what is installed, newer versions of it, then
    /// new packages as apk prefers them.
    fn alternatives(
        &self,
        dependency: &Dependency,
        asking: &Record,
        width: &mut Width<'_>,
    ) -> Result<Vec<Solvable>, TooWide> {
        if !self.numbered.borrow().asked.contains(&dependency.name.0) {
            let providers = self.index.providers(&dependency.name.0);
            width.compare(providers.len().saturating_mul(LOOKUP))?;
            for provider in providers {
                self.look_up(&provider.record.name);
            }
            self.numbered.borrow_mut().asked.insert(dependency.name.0.clone());
        }
        width.compare(self.width_of(&dependency.name.0))?;
        let mut found: Vec<(u8, Solvable, Rc<Member>)> = Vec::new();
        for (solvable, member) in self.known(&dependency.name) {
            if !self.is_about(dependency, member.record()) {
                continue;
            }
            let rank = match (member.is_offered(), self.installed(solvable)) {
                (false, _) => 0,
                (true, Some(_)) => 1,
                (true, None) => 2,
            };
            if rank < 2 || self.may_be_selected(dependency, asking, member.record()) {
                found.push((rank, solvable, member));
            }
        }
        let prefers = |member: &Member| match &member.source {
            Source::Offered(available) => self.pinning.prefers(available),
            Source::Installed(_) | Source::World(_) => true,
        };
        found.sort_by(|(rank_a, a, member_a), (rank_b, b, member_b)| {
            let (record_a, record_b) = (member_a.record(), member_b.record());
            let version = |record| version_of(&dependency.name.0, record);
            rank_a
                .cmp(rank_b)
                .then_with(|| prefers(member_b).cmp(&prefers(member_a)))
                .then_with(|| {
                    compare_versions(version(record_b), version(record_a), self.image.generation)
                })
                .then_with(|| record_b.provider_priority.cmp(&record_a.provider_priority))
                .then_with(|| a.cmp(b))
        });
        Ok(found.into_iter().map(|(_, solvable, _)| solvable).collect())
    }

    /// What it takes to compare all numbered members that provide `name`.
    fn width_of(&self, name: &str) -> usize {
        let numbered = self.numbered.borrow();
        let known = numbered.offers.get(name).into_iter().flatten();
        1 + known
            .filter_map(|solvable| numbered.members.get(solvable.0 as usize))
            .map(|member| comparisons(member.record()))
            .sum::<usize>()
    }

    /// Whether apk installs a new package for the sake of `dependency` alone.
    fn may_be_selected(&self, dependency: &Dependency, asking: &Record, record: &Record) -> bool {
        let asked = |list: &[Dependency]| {
            list.iter().any(|other| !other.conflict && other.name == record.name)
        };
        version_of(&dependency.name.0, record).is_some()
            || record.provider_priority.is_some_and(|priority| priority > 0)
            || asked(&asking.depends)
            || asked(self.image.world)
    }

    fn compute_relations(&self, solvable: Solvable) -> Relations {
        let mut width = Width::new(&self.effort);
        self.relations_of(solvable, &mut width).unwrap_or_else(|too_wide| Relations {
            impossible: Some(Impossible { why: too_wide.to_string(), because_of: None }),
            ..Relations::default()
        })
    }

    fn relations_of(
        &self,
        solvable: Solvable,
        width: &mut Width<'_>,
    ) -> Result<Relations, TooWide> {
        let Some(member) = self.member(solvable) else { return Ok(Relations::default()) };
        let record = member.record();
        let mut relations = Relations::default();
        let own = comparisons(record);
        for dependency in depends(record) {
            width.compare(own + self.width_of(&dependency.name.0))?;
            if self.is_about(dependency, record)
                || self.was_broken(member.name, dependency)
                || self.always_holds(dependency)
            {
                continue;
            }
            let alternatives = self.alternatives(dependency, record, width)?;
            let text = member.text(dependency);
            if alternatives.is_empty() {
                let why = format!("it has {text}, which nothing in the repositories satisfies");
                relations.impossible = Some(Impossible { why, because_of: None });
                return Ok(relations);
            }
            relations.requires.push(Requirement { alternatives, text });
        }
        // apk 3 does not mind what a package provides itself.
        if member.is_offered()
            && self.image.generation == Generation::Apk2
            && let Some(conflict) =
                conflicts(record).find(|conflict| self.is_about(conflict, record))
        {
            let why = format!("it has {}, which it provides itself", member.text(conflict));
            relations.impossible = Some(Impossible { why, because_of: None });
        }
        self.exclude(solvable, &member, &mut relations, width)?;
        Ok(relations)
    }

    /// Exclusions with everything numbered so far. Of two members the one that is asked
    /// later finds the other, so that no pair is missed.
    fn exclude(
        &self,
        solvable: Solvable,
        member: &Member,
        relations: &mut Relations,
        width: &mut Width<'_>,
    ) -> Result<(), TooWide> {
        let record = member.record();
        let own = comparisons(record);
        let mut found: BTreeMap<Solvable, (String, Solvable)> = BTreeMap::new();
        for conflict in conflicts(record) {
            width.compare(own + self.width_of(&conflict.name.0))?;
            for (other, hit) in self.known(&conflict.name) {
                if self.is_about(conflict, hit.record()) {
                    found.insert(other, (member.text(conflict), solvable));
                }
            }
        }
        let numbered = self.numbered.borrow();
        let of = |solvable: Solvable| numbered.members.get(solvable.0 as usize);
        let names = if member.is_world() { BTreeSet::new() } else { provided_names(record) };
        for name in names {
            let about = numbered.negative.get(name).map_or(&[][..], Vec::as_slice);
            let sharing = numbered.offers.get(name).map_or(&[][..], Vec::as_slice);
            width.compare(1 + own.saturating_mul(about.len() + sharing.len()))?;
            let others = sharing.iter().filter_map(|one| of(*one));
            width.compare(others.map(|other| comparisons(other.record())).sum())?;
            for (by, conflict) in about {
                if let Some(other) = of(*by)
                    && self.is_about(conflict, record)
                {
                    found.entry(*by).or_insert((other.text(conflict), *by));
                }
            }
            for other in sharing {
                if of(*other).is_some_and(|other| share(name, record, other.record())) {
                    found.entry(*other).or_insert((format!("provides: {name}"), solvable));
                }
            }
        }
        for (with, (text, declared_by)) in found {
            let Some(other) = of(with) else { continue };
            if other.name == member.name || self.at_odds.contains(&pair(other.name, member.name)) {
                continue;
            }
            let fixed = numbered.names.get(other.name.0 as usize).is_some_and(|versions| {
                versions.installed == Some(with)
                    && versions.offered.is_empty()
                    && !self.may_go.contains(&other.name)
            });
            if fixed && member.is_offered() {
                let who = match declared_by == solvable {
                    true => "it".to_owned(),
                    false => describe(other),
                };
                let why = match text.starts_with("provides") {
                    true => format!("it has {text}, as {} has", describe(other)),
                    false => format!("{who} has {text}, and {} cannot change", describe(other)),
                };
                relations.impossible.get_or_insert(Impossible { why, because_of: Some(with) });
            }
            relations.excludes.push(Exclusion { with, text, declared_by });
        }
        Ok(())
    }
}

impl Universe for ApkUniverse<'_> {
    fn name(&self, solvable: Solvable) -> Name {
        self.member(solvable).map_or(Name(u32::MAX), |member| member.name)
    }

    fn candidates(&self, name: Name) -> Vec<Solvable> {
        let numbered = self.numbered.borrow();
        let versions = numbered.names.get(name.0 as usize).into_iter();
        versions.flat_map(|v| v.installed.iter().chain(&v.offered).copied()).collect()
    }

    fn is_installed(&self, solvable: Solvable) -> bool {
        self.member(solvable).is_some_and(|member| !member.is_offered())
    }

    fn relations(&self, solvable: Solvable) -> Rc<Relations> {
        if let Some(known) = self.relations.borrow().get(&solvable) {
            return Rc::clone(known);
        }
        let relations = Rc::new(self.compute_relations(solvable));
        self.relations.borrow_mut().insert(solvable, Rc::clone(&relations));
        relations
    }

    fn describe(&self, solvable: Solvable) -> String {
        self.member(solvable).map(|member| describe(&member)).unwrap_or_default()
    }

    fn effort(&self) -> &Effort {
        &self.effort
    }
}

impl Family for ApkUniverse<'_> {
    fn slots(&self) -> &[Slot] {
        &self.slots
    }

    fn keep(&self) -> Vec<Name> {
        self.keep.clone()
    }

    fn may_go(&self) -> BTreeSet<Name> {
        self.may_go.clone()
    }

    fn installed(&self, solvable: Solvable) -> Option<Solvable> {
        let name = self.name(solvable);
        self.numbered.borrow().names.get(name.0 as usize)?.installed
    }

    fn order(&self) -> VersionOrder {
        self.image.generation.into()
    }

    fn package(&self, solvable: Solvable) -> PackageId {
        match self.member(solvable) {
            Some(member) => member.record().id(),
            None => PackageId { name: "".into(), architecture: "".into() },
        }
    }

    fn offered(&self, packages: &BTreeSet<&PackageId>) -> BTreeSet<Solvable> {
        for package in packages {
            self.look_up(&package.name);
        }
        let numbered = self.numbered.borrow();
        let member = |solvable: Solvable| numbered.members.get(solvable.0 as usize);
        (0u32..)
            .map(Solvable)
            .zip(&numbered.members)
            .filter(|(_, offered)| {
                let versions = numbered.names.get(offered.name.0 as usize);
                let installed = versions.and_then(|versions| member(versions.installed?));
                offered.is_offered()
                    && (packages.contains(&offered.record().id())
                        || installed.is_some_and(|one| packages.contains(&one.record().id())))
            })
            .map(|(solvable, _)| solvable)
            .collect()
    }

    fn step(&self, solvable: Solvable) -> Option<StepFacts> {
        let member = self.member(solvable)?;
        let Source::Offered(available) = &member.source else { return None };
        let former = self.installed(solvable).and_then(|solvable| self.member(solvable));
        let notes = depends(member.record())
            .filter(|dependency| self.was_broken(member.name, dependency))
            .map(|dependency| {
                format!(
                    "{} has {}, which the image did not satisfy before either",
                    describe(&member),
                    member.text(dependency)
                )
            })
            .collect();
        Some(StepFacts {
            package: member.record().id(),
            from: former.map(|former| former.record().version.as_str().into()),
            to: member.record().version.as_str().into(),
            archive: available.archive()?,
            notes,
        })
    }

    fn edges(&self, steps: &[Solvable]) -> BTreeSet<Edge> {
        self.changeset_edges(steps)
    }

    fn removals(&self, changes: &[Solvable]) -> Vec<Removal> {
        self.changeset_removals(changes)
    }

    fn unneeded(&self, changes: &[Solvable]) -> Vec<Solvable> {
        self.unneeded_of(changes)
    }

    fn companions(&self, changes: &[Solvable], wanted: &BTreeSet<Solvable>) -> Vec<Companion> {
        self.installed_along(changes, wanted)
    }
}

/// What looking up a package in the index takes, in comparisons.
const LOOKUP: usize = 50;

/// How many provided names are compared in the time of one version.
const NAMES_AT_ONCE: usize = 16;

/// What comparing a dependency with a package takes, in comparisons.
fn comparisons(record: &Record) -> usize {
    1 + record.provides.len() / NAMES_AT_ONCE
}

fn describe(member: &Member) -> String {
    let record = member.record();
    match member.is_world() {
        true => record.name.to_string(),
        false => format!("{} {}", record.name, record.version),
    }
}

/// What must be there.
fn depends(record: &Record) -> impl Iterator<Item = &Dependency> {
    record.depends.iter().filter(|dependency| !dependency.conflict)
}

/// What must not be there.
fn conflicts(record: &Record) -> impl Iterator<Item = &Dependency> {
    record.depends.iter().filter(|dependency| dependency.conflict)
}

/// Every name that a package provides, with the version it provides it in: its own first.
fn provided(record: &Record) -> impl Iterator<Item = (&str, Option<&Version>)> {
    let own = (record.name.0.as_str(), Some(&record.version));
    let further = record.provides.iter().map(|one| (one.name.0.as_str(), one.version()));
    std::iter::once(own).chain(further)
}

/// The names that a package provides, each once.
fn provided_names(record: &Record) -> BTreeSet<&str> {
    provided(record).map(|(name, _)| name).collect()
}

/// The version in which a package provides `name`.
fn version_of<'a>(name: &str, record: &'a Record) -> Option<&'a Version> {
    provided(record).filter(|(own, _)| *own == name).find_map(|(_, version)| version)
}

fn compare_versions(a: Option<&Version>, b: Option<&Version>, by: Generation) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => by.compare(a, b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

/// Whether `version`, in which `record` provides the name of `dependency`, is what it asks for;
/// of a conflict: what it forbids.
fn admits(
    dependency: &Dependency,
    version: Option<&Version>,
    record: &Record,
    by: Generation,
) -> bool {
    match (&dependency.constraint, &record.identity) {
        (constraint, Some(identity)) => constraint.allows(version, identity, by),
        (Constraint::Any, None) => true,
        (Constraint::Identity(_), None) => false,
        (Constraint::Version(comparison, wanted), None) => {
            version.is_some_and(|version| comparison.allows(version, wanted, by))
        }
    }
}

/// Whether `record` satisfies `dependency`; of a conflict: whether it is excluded.
fn is_about(dependency: &Dependency, record: &Record, by: Generation) -> bool {
    provided(record)
        .filter(|(name, _)| *name == dependency.name.0)
        .any(|(_, version)| admits(dependency, version, record, by))
}

/// Whether two packages that provide `name` exclude each other for that.
fn share(name: &str, a: &Record, b: &Record) -> bool {
    a.name != b.name && (version_of(name, a).is_some() || version_of(name, b).is_some())
}

fn pair(a: Name, b: Name) -> (Name, Name) {
    (a.min(b), a.max(b))
}

fn offer(record: &Record) -> Offer {
    // apk gives all packages of an origin one version.
    Offer {
        version: record.version.as_str().into(),
        source_version: record.version.as_str().into(),
    }
}

#[cfg(test)]
mod tests;
