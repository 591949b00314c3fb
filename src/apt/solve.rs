//! Debian's relations in the planner's terms.
//!
//! In come the inventory, the repositories' index and the pins; out comes a [`Family`] that
//! the planner asks. The meaning of relations is that of Debian policy 7 and dpkg's
//! `lib/dpkg/depcon.c` and `src/main/depcon.c`, multi-arch as dpkg implements it
//! (`lib/dpkg/arch.c`, `archsatisfied`). Only what can be reached from newer versions of
//! installed packages is ever looked up, so that a plan costs what changes and not what the
//! repositories hold.
//!
//! Two rules are ours. Every installed package stays, at its version or at apt's candidate.
//! And relations that the image breaks already (distroless images leave out `debconf` and
//! other dependencies on purpose) may stay broken in the same way.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use super::index::{Available, PackageIndex};
use super::policy::AptPolicy;
use super::preferences::{Candidate, Present};
use imgfix_dpkg::inventory::{
    DpkgInventory, InstalledPackage, Record, Relations as PackageRelations,
};
use imgfix_dpkg::multi_arch::MultiArch;
use imgfix_dpkg::relations::{
    Clause, Qualifier, Relation, RelationError, parse_clauses, parse_list, parse_provides,
};
use imgfix_model::package::{Architecture, PackageId};
use imgfix_model::reason::Reason;
use imgfix_repair::planner::{
    Context, Family, Lock, Offer, Planned, Requests, Slot, StepFacts, plan,
};
use imgfix_solve::effort::{Effort, TooWide, Width};
use imgfix_solve::order::{Edge, Strength};
use imgfix_solve::solver::{
    Exclusion, Impossible, Name, Relations, Requirement, Solvable, Universe,
};
use imgfix_versions::VersionOrder;
use imgfix_versions::dpkg::Version;

/// Plans one platform's image: see [`plan`].
#[must_use]
pub fn plan_platform(
    inventory: &DpkgInventory,
    index: &PackageIndex,
    policy: &AptPolicy,
    requests: &Requests,
    banned: &BTreeMap<PackageId, Reason>,
    context: &Context,
) -> Planned {
    let universe =
        DpkgUniverse::for_requests(inventory, index, policy, requests, Effort::default());
    plan(&universe, requests, banned, context)
}

/// One version of a package: installed, or offered.
struct Member {
    name: Name,
    id: PackageId,
    /// `all` counts as the native architecture.
    architecture: Architecture,
    version: Version,
    relations: PackageRelations,
    multi_arch: MultiArch,
    /// `None`: it is what the image has.
    available: Option<Box<Available>>,
}

/// What a name can be.
#[derive(Default)]
struct Versions {
    installed: Option<Solvable>,
    candidate: Option<Solvable>,
}

/// Everything numbered so far.
#[derive(Default)]
struct Numbered {
    members: Vec<Rc<Member>>,
    names: Vec<Versions>,
    /// Names of packages that are not installed, by package name, once looked up.
    new: HashMap<String, Vec<Name>>,
    /// Names whose providers are all numbered.
    asked: HashSet<String>,
    /// Packages by the order in which the repositories mention them, as it was asked for.
    mentions: HashMap<Vec<String>, Vec<String>>,
    /// Members by their name and by what they provide.
    offers: HashMap<String, Vec<Solvable>>,
    /// `Breaks` and `Conflicts` by the name they are about.
    negative: HashMap<String, Vec<(Solvable, Negative, Relation)>>,
}

/// What apt would be asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    /// `apt-get upgrade --with-new-pkgs`: phased updates count.
    Upgrade,
    /// `apt-get install` of some packages.
    Install,
}

/// Which field excludes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Negative {
    Breaks,
    Conflicts,
}

/// The image and its repositories as a [`Family`].
pub struct DpkgUniverse<'a> {
    inventory: &'a DpkgInventory,
    index: &'a PackageIndex,
    policy: &'a AptPolicy,
    task: Task,
    slots: Vec<Slot>,
    keep: Vec<Name>,
    /// Clauses of installed packages that the image does not satisfy, by name.
    broken: BTreeMap<Name, Vec<Clause>>,
    /// Pairs of names whose installed versions exclude each other already.
    at_odds: BTreeSet<(Name, Name)>,
    numbered: RefCell<Numbered>,
    relations: RefCell<HashMap<Solvable, Rc<Relations>>>,
    lookups: Cell<usize>,
    /// What planning may take.
    effort: Effort,
}

impl<'a> DpkgUniverse<'a> {
    /// Numbers the installed packages and their candidates, for a plan that is to do
    /// `requests`.
    #[must_use]
    pub fn for_requests(
        inventory: &'a DpkgInventory,
        index: &'a PackageIndex,
        policy: &'a AptPolicy,
        requests: &Requests,
        effort: Effort,
    ) -> Self {
        let task = match requests {
            Requests::Everything => Task::Upgrade,
            Requests::Findings(_) => Task::Install,
        };
        let mut universe = Self {
            inventory,
            index,
            policy,
            task,
            slots: Vec::new(),
            keep: Vec::new(),
            broken: BTreeMap::new(),
            at_odds: BTreeSet::new(),
            numbered: RefCell::default(),
            relations: RefCell::default(),
            lookups: Cell::default(),
            effort,
        };
        for package in &inventory.packages {
            let slot = universe.add_installed(package);
            universe.slots.push(slot);
        }
        universe.find_broken();
        universe.keep = universe.names_with_a_choice();
        universe
    }

    /// How many packages were looked up in the index: the cost of the plan.
    #[must_use]
    pub fn lookups(&self) -> usize {
        self.lookups.get()
    }

    fn effective(&self, architecture: &Architecture) -> Architecture {
        match architecture.as_ref() {
            "all" => self.inventory.native.clone(),
            _ => architecture.clone(),
        }
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
            match member.available {
                None => versions.installed = Some(solvable),
                Some(_) => versions.candidate = Some(solvable),
            }
        }
        for name in offered_names(&member) {
            numbered.offers.entry(name.to_owned()).or_default().push(solvable);
        }
        for (field, relation) in negatives(&member) {
            let about = numbered.negative.entry(relation.name.clone()).or_default();
            about.push((solvable, field, relation.clone()));
        }
        numbered.members.push(Rc::new(member));
        solvable
    }

    fn add_installed(&self, package: &InstalledPackage) -> Slot {
        let name = self.new_name();
        let architecture = self.effective(&package.id.architecture);
        self.number(Member {
            name,
            id: package.id.clone(),
            architecture: architecture.clone(),
            version: package.version.clone(),
            relations: package.relations.clone(),
            multi_arch: package.multi_arch,
            available: None,
        });
        let versions = self.versions(package.id.name.as_ref(), &architecture);
        let twofold = matches!(package.record, Record::File(_)) && self.inventory.has_status();
        let lock = match (&package.unfinished, package.held) {
            _ if twofold => Lock::Broken {
                detail: format!(
                    "{} is recorded in status.d, as in an image without dpkg, and others in \
                     dpkg's own database: upgrade it where the image is built",
                    package.id.name
                ),
            },
            (Some(state), _) => Lock::Broken {
                detail: format!(
                    "dpkg left {} in the state {state}; build the image anew, or run \
                     'dpkg --configure -a' in it",
                    package.id.name
                ),
            },
            (None, true) => Lock::Held { by: "dpkg (Status: hold)".to_owned() },
            (None, false) => Lock::Free,
        };
        let candidate = self.candidate_of(name, package, &architecture, &versions);
        let (candidate, passed_over) = match candidate {
            Ok(candidate) => (candidate, None),
            Err(reason) => (None, Some(reason)),
        };
        Slot {
            id: package.id.clone(),
            installed: Offer {
                version: package.version.to_text(),
                source_version: package.source_version().to_text(),
            },
            source_name: package.source_name().to_owned(),
            candidate,
            newest: newest(&versions).map(offer),
            passed_over,
            lock,
        }
    }

    /// What apt would upgrade an installed package to, or why it does not.
    fn candidate_of(
        &self,
        name: Name,
        package: &InstalledPackage,
        architecture: &Architecture,
        versions: &[Available],
    ) -> Result<Option<(Solvable, Offer)>, Reason> {
        let held = |by| Err(Reason::Held { package: package.id.name.to_string(), by });
        let present = Present {
            name: package.id.name.as_ref(),
            architecture,
            version: &package.version,
            source_name: package.source_name(),
            source_version: package.source_version(),
        };
        let preferences = &self.policy.preferences;
        let available = match preferences.candidate(versions, Some(present), &self.inventory.native)
        {
            Candidate::Version(available) => available,
            Candidate::Pinned { by, .. } => return held(by),
            Candidate::None => return Ok(None),
        };
        if self.task == Task::Upgrade
            && let Some(by) = self.policy.phasing.holds_back(available, versions, &package.version)
        {
            return held(by);
        }
        self.add_available(name, available)
            .map(|solvable| Some((solvable, offer(available))))
            .map_err(|problem| Reason::Conflict {
                package: package.id.name.to_string(),
                detail: format!(
                    "the entry of {} {} in {} is not understood: {problem}",
                    available.name,
                    available.version,
                    available.repository.describe()
                ),
            })
    }

    /// What the index offers of a package for one architecture.
    fn versions(&self, name: &str, architecture: &Architecture) -> Vec<Available> {
        self.lookups.set(self.lookups.get() + 1);
        let mut versions = self.index.versions(name);
        versions.retain(|available| self.effective(&available.architecture) == *architecture);
        versions
    }

    /// Numbers an offered version, unless its version or relations are not understood.
    fn add_available(&self, name: Name, available: &Available) -> Result<Solvable, String> {
        let member = Member {
            name,
            id: available.id(),
            architecture: self.effective(&available.architecture),
            version: Version::parse_recorded(available.version.as_ref())
                .map_err(|error| error.to_string())?,
            relations: parse_relations(available).map_err(|error| error.to_string())?,
            multi_arch: available.multi_arch,
            available: Some(Box::new(available.clone())),
        };
        Ok(self.number(member))
    }

    /// The candidates of a package that is not installed, one for each architecture.
    fn new_packages(&self, name: &str) -> Vec<Solvable> {
        let known = self.numbered.borrow().new.get(name).cloned();
        let names = known.unwrap_or_else(|| {
            self.lookups.set(self.lookups.get() + 1);
            let names = self.look_up_new(name);
            self.numbered.borrow_mut().new.insert(name.to_owned(), names.clone());
            names
        });
        let numbered = self.numbered.borrow();
        let candidate = |name: &Name| numbered.names.get(name.0 as usize)?.candidate;
        names.iter().filter_map(candidate).collect()
    }

    fn look_up_new(&self, name: &str) -> Vec<Name> {
        let offered = self.index.versions(name);
        let mut architectures = vec![&self.inventory.native];
        architectures.extend(&self.inventory.foreign);
        let mut out = Vec::new();
        for architecture in architectures {
            let installed = self.inventory.packages.iter().any(|package| {
                package.id.name.as_ref() == name
                    && self.effective(&package.id.architecture) == *architecture
            });
            if installed {
                continue;
            }
            let versions: Vec<Available> = offered
                .iter()
                .filter(|available| self.effective(&available.architecture) == *architecture)
                .cloned()
                .collect();
            let native = &self.inventory.native;
            let preferences = &self.policy.preferences;
            let Candidate::Version(available) = preferences.candidate(&versions, None, native)
            else {
                continue;
            };
            let name = self.new_name();
            // What is not understood is as good as not there.
            if self.add_available(name, available).is_ok() {
                out.push(name);
            }
        }
        out
    }

    /// Numbered members that `relation` may be about, in the order of their numbers.
    fn known(&self, relation: &Relation) -> Vec<(Solvable, Rc<Member>)> {
        let numbered = self.numbered.borrow();
        let known = numbered.offers.get(&relation.name).cloned().unwrap_or_default();
        known
            .into_iter()
            .filter_map(|solvable| {
                Some((solvable, Rc::clone(numbered.members.get(solvable.0 as usize)?)))
            })
            .collect()
    }

    /// Whether `relation`, asked by a package of the architecture `asking`, is satisfied by
    /// `member`.
    fn satisfies(&self, relation: &Relation, asking: &Architecture, member: &Member) -> bool {
        let architecture = match &relation.qualifier {
            None => member.multi_arch == MultiArch::Foreign || member.architecture == *asking,
            Some(Qualifier::Any) => member.multi_arch == MultiArch::Allowed,
            Some(Qualifier::Native) => member.architecture == self.inventory.native,
            Some(Qualifier::Exact(exact)) => member.architecture.as_ref() == exact,
        };
        architecture && names(relation, member)
    }

    /// Whether a `Breaks` or `Conflicts` is about `member`: without a qualifier it is about
    /// every architecture.
    fn hits(&self, relation: &Relation, member: &Member) -> bool {
        let architecture = match &relation.qualifier {
            None | Some(Qualifier::Any) => true,
            Some(Qualifier::Native) => member.architecture == self.inventory.native,
            Some(Qualifier::Exact(exact)) => member.architecture.as_ref() == exact,
        };
        architecture && names(relation, member)
    }

    /// Finds relations that the image does not satisfy as it is.
    fn find_broken(&mut self) {
        let members: Vec<Rc<Member>> = self
            .numbered
            .borrow()
            .members
            .iter()
            .filter(|member| member.available.is_none())
            .cloned()
            .collect();
        let mut broken: BTreeMap<Name, Vec<Clause>> = BTreeMap::new();
        for member in &members {
            for (_, clause) in clauses(member) {
                let satisfied = clause.0.iter().any(|relation| {
                    self.known(relation).iter().any(|(_, other)| {
                        other.available.is_none()
                            && self.satisfies(relation, &member.architecture, other)
                    })
                });
                if !satisfied {
                    broken.entry(member.name).or_default().push(clause.clone());
                }
            }
            for (_, relation) in negatives(member) {
                for (_, other) in self.known(relation) {
                    if other.available.is_none()
                        && other.id.name != member.id.name
                        && self.hits(relation, &other)
                    {
                        self.at_odds.insert(pair(member.name, other.name));
                    }
                }
            }
        }
        for (at, a) in members.iter().enumerate() {
            let others = members.iter().skip(at + 1).take_while(|b| b.id.name == a.id.name);
            self.at_odds.extend(others.filter(|b| !in_step(a, b)).map(|b| pair(a.name, b.name)));
        }
        self.broken = broken;
    }

    /// The names that the solver must know from the start: those with a candidate, and those
    /// with a relation that an upgrade of another package could break.
    fn names_with_a_choice(&self) -> Vec<Name> {
        let numbered = self.numbered.borrow();
        let names: Vec<(Name, Solvable, bool)> = (0u32..)
            .zip(&numbered.names)
            .filter_map(|(at, versions)| {
                Some((Name(at), versions.installed?, versions.candidate.is_some()))
            })
            .collect();
        drop(numbered);
        names
            .into_iter()
            .filter(|(_, installed, choice)| {
                *choice || !self.relations(*installed).requires.is_empty()
            })
            .map(|(name, ..)| name)
            .collect()
    }

    /// Whether an installed package satisfies `clause` whatever is upgraded.
    fn always_holds(&self, clause: &Clause, asking: &Architecture) -> bool {
        clause.0.iter().any(|relation| {
            let satisfying: Vec<(Solvable, Rc<Member>)> = self
                .known(relation)
                .into_iter()
                .filter(|(_, member)| self.satisfies(relation, asking, member))
                .collect();
            let numbered = self.numbered.borrow();
            satisfying.iter().filter(|(_, member)| member.available.is_none()).any(|(_, member)| {
                let versions = numbered.names.get(member.name.0 as usize);
                versions.and_then(|versions| versions.candidate).is_none_or(|candidate| {
                    satisfying.iter().any(|(solvable, _)| *solvable == candidate)
                })
            })
        })
    }

    /// Whether `clause` of a newer version was broken before, in the same form: word by
    /// word, or about the same packages of which none was there.
    fn was_broken(&self, name: Name, clause: &Clause) -> bool {
        let about = |clause: &Clause| -> Vec<(String, Option<Qualifier>)> {
            clause.0.iter().map(|r| (r.name.clone(), r.qualifier.clone())).collect()
        };
        let absent = || {
            clause.0.iter().all(|relation| {
                self.known(relation).iter().all(|(_, member)| member.available.is_some())
            })
        };
        self.broken
            .get(&name)
            .into_iter()
            .flatten()
            .any(|before| before == clause || (about(before) == about(clause) && absent()))
    }

    /// Everything that satisfies a clause, in apt's order: what is installed, newer versions of
    /// it, then new packages in the order of the clause.
    fn alternatives(
        &self,
        clause: &Clause,
        asking: &Architecture,
        width: &mut Width<'_>,
    ) -> Result<Vec<Solvable>, TooWide> {
        let mut found: Vec<(u8, Solvable)> = Vec::new();
        let mut seen: HashSet<Solvable> = HashSet::new();
        for relation in &clause.0 {
            self.number_providers(&relation.name, width)?;
            let mut members = self.known(relation);
            width.compare(wide(&members))?;
            members.retain(|(_, member)| self.satisfies(relation, asking, member));
            self.sort_as_apt(relation, &mut members, width)?;
            for (solvable, member) in members {
                let rank = match (&member.available, self.installed(solvable)) {
                    (None, _) => 0,
                    (Some(_), Some(_)) => 1,
                    (Some(_), None) => 2,
                };
                if seen.insert(solvable) {
                    found.push((rank, solvable));
                }
            }
        }
        found.sort_by_key(|(rank, _)| *rank);
        Ok(found.into_iter().map(|(_, solvable)| solvable).collect())
    }

    /// Numbers what is called `name`, and what provides it.
    fn number_providers(&self, name: &str, width: &mut Width<'_>) -> Result<(), TooWide> {
        self.new_packages(name);
        if self.numbered.borrow().asked.contains(name) {
            return Ok(());
        }
        let providers = self.index.providers(name);
        width.compare(providers.len().saturating_mul(LOOKUP))?;
        for provider in providers {
            self.new_packages(provider.name.as_ref());
        }
        self.numbered.borrow_mut().asked.insert(name.to_owned());
        Ok(())
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
        let mut relations = Relations::default();
        for (field, clause) in clauses(&member) {
            for relation in &clause.0 {
                width.compare(self.width_of(&relation.name))?;
            }
            if self.was_broken(member.name, clause)
                || self.always_holds(clause, &member.architecture)
            {
                continue;
            }
            let alternatives = self.alternatives(clause, &member.architecture, width)?;
            let text = format!("{field}: {clause}");
            if alternatives.is_empty() {
                let why = format!("it has {text}, which nothing in the repositories satisfies");
                relations.impossible = Some(Impossible { why, because_of: None });
                return Ok(relations);
            }
            relations.requires.push(Requirement { alternatives, text });
        }
        self.exclude(solvable, &member, &mut relations, width)?;
        Ok(relations)
    }

    /// What it takes to compare all numbered members that may be called `name`.
    fn width_of(&self, name: &str) -> usize {
        let numbered = self.numbered.borrow();
        let known = numbered.offers.get(name).into_iter().flatten();
        1 + known
            .filter_map(|solvable| numbered.members.get(solvable.0 as usize))
            .map(|member| comparisons(member))
            .sum::<usize>()
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
        let mut found: BTreeMap<Solvable, (String, Solvable)> = BTreeMap::new();
        for (field, relation) in negatives(member) {
            width.compare(self.width_of(&relation.name))?;
            for (other, hit) in self.known(relation) {
                if self.hits(relation, &hit) {
                    found.insert(other, (format!("{field:?}: {relation}"), solvable));
                }
            }
        }
        let numbered = self.numbered.borrow();
        for name in offered_names(member) {
            let about = numbered.negative.get(name).map_or(&[][..], Vec::as_slice);
            width.compare(1 + about.len().saturating_mul(comparisons(member)))?;
            for (by, field, relation) in about {
                if self.hits(relation, member) {
                    found.entry(*by).or_insert((format!("{field:?}: {relation}"), *by));
                }
            }
        }
        // Instances of one package for several architectures go in step.
        for &other in numbered.offers.get(member.id.name.as_ref()).into_iter().flatten() {
            let Some(instance) = numbered.members.get(other.0 as usize) else { continue };
            if instance.id.name == member.id.name && !in_step(instance, member) {
                let text = format!("Multi-Arch, which wants {} at one version", member.id.name);
                found.insert(other, (text, solvable));
            }
        }
        for (with, (text, declared_by)) in found {
            let Some(other) = numbered.members.get(with.0 as usize) else { continue };
            // A package never excludes itself, in no version of itself, and none of its other
            // architectures but by the rule above.
            let own = other.id.name == member.id.name && !text.starts_with("Multi-Arch");
            if own
                || other.name == member.name
                || self.at_odds.contains(&pair(other.name, member.name))
            {
                continue;
            }
            let fixed = numbered.names.get(other.name.0 as usize).is_some_and(|versions| {
                versions.installed == Some(with) && versions.candidate.is_none()
            });
            if fixed && member.available.is_some() {
                let who = match declared_by == solvable {
                    true => "it".to_owned(),
                    false => format!("{} {}", other.id.name, other.version),
                };
                let why = format!(
                    "{who} has {text}, and {} {} cannot change",
                    other.id.name, other.version
                );
                relations.impossible.get_or_insert(Impossible { why, because_of: Some(with) });
            }
            relations.excludes.push(Exclusion { with, text, declared_by });
        }
        Ok(())
    }
}

impl Universe for DpkgUniverse<'_> {
    fn name(&self, solvable: Solvable) -> Name {
        self.member(solvable).map_or(Name(u32::MAX), |member| member.name)
    }

    fn candidates(&self, name: Name) -> Vec<Solvable> {
        let numbered = self.numbered.borrow();
        let versions = numbered.names.get(name.0 as usize);
        versions
            .map(|versions| [versions.installed, versions.candidate])
            .into_iter()
            .flatten()
            .flatten()
            .collect()
    }

    fn is_installed(&self, solvable: Solvable) -> bool {
        self.member(solvable).is_some_and(|member| member.available.is_none())
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
        let Some(member) = self.member(solvable) else { return String::new() };
        match member.architecture == self.inventory.native {
            true => format!("{} {}", member.id.name, member.version),
            false => format!("{} {}", member.id, member.version),
        }
    }

    fn effort(&self) -> &Effort {
        &self.effort
    }
}

impl Family for DpkgUniverse<'_> {
    fn slots(&self) -> &[Slot] {
        &self.slots
    }

    fn keep(&self) -> Vec<Name> {
        self.keep.clone()
    }

    fn installed(&self, solvable: Solvable) -> Option<Solvable> {
        let name = self.name(solvable);
        self.numbered.borrow().names.get(name.0 as usize)?.installed
    }

    fn order(&self) -> VersionOrder {
        VersionOrder::DPKG
    }

    fn package(&self, solvable: Solvable) -> PackageId {
        match self.member(solvable) {
            Some(member) => member.id.clone(),
            None => PackageId { name: "".into(), architecture: "".into() },
        }
    }

    fn offered(&self, packages: &BTreeSet<&PackageId>) -> BTreeSet<Solvable> {
        for package in packages {
            self.new_packages(package.name.as_ref());
        }
        let numbered = self.numbered.borrow();
        (0u32..)
            .map(Solvable)
            .zip(&numbered.members)
            .filter(|(_, member)| {
                let versions = numbered.names.get(member.name.0 as usize);
                let installed = versions
                    .and_then(|versions| numbered.members.get(versions.installed?.0 as usize));
                member.available.is_some()
                    && (packages.contains(&member.id)
                        || installed.is_some_and(|installed| packages.contains(&installed.id)))
            })
            .map(|(solvable, _)| solvable)
            .collect()
    }

    fn step(&self, solvable: Solvable) -> Option<StepFacts> {
        let member = self.member(solvable)?;
        let available = member.available.as_deref()?;
        let former = self.installed(solvable).and_then(|solvable| self.member(solvable));
        let mut notes: Vec<String> = clauses(&member)
            .filter(|(_, clause)| self.was_broken(member.name, clause))
            .map(|(field, clause)| {
                format!(
                    "{} {} has {field}: {clause}, which the image did not satisfy before either",
                    member.id.name, member.version
                )
            })
            .collect();
        if former.is_some()
            && let Some(percentage) = available.phased.filter(|p| *p < 100)
        {
            notes.push(format!(
                "{} {} is a phased update, which {percentage}% of machines get by now",
                member.id.name, member.version
            ));
        }
        Some(StepFacts {
            package: member.id.clone(),
            from: former.map(|former| former.version.to_text()),
            to: member.version.to_text(),
            archive: available.archive(),
            notes,
        })
    }

    fn notes(&self, changes: &[Solvable]) -> Vec<String> {
        self.recommended(changes)
    }

    fn edges(&self, steps: &[Solvable]) -> BTreeSet<Edge> {
        let members: Vec<Rc<Member>> =
            steps.iter().filter_map(|&solvable| self.member(solvable)).collect();
        let mut at: HashMap<&str, Vec<usize>> = HashMap::new();
        for (position, member) in members.iter().enumerate() {
            for name in offered_names(member) {
                at.entry(name).or_default().push(position);
            }
        }
        let mut edges = BTreeSet::new();
        for (later, member) in members.iter().enumerate() {
            for (field, clause) in clauses(member) {
                let strength = match field {
                    Field::PreDepends => Strength::Unpacked,
                    Field::Depends => Strength::Configured,
                };
                for relation in &clause.0 {
                    for &earlier in at.get(relation.name.as_str()).into_iter().flatten() {
                        let satisfies = members.get(earlier).is_some_and(|other| {
                            self.satisfies(relation, &member.architecture, other)
                        });
                        if satisfies {
                            edges.insert(Edge { earlier, later, strength });
                        }
                        if edges.len() >= MAX_EDGES {
                            return edges;
                        }
                    }
                }
            }
        }
        edges
    }
}

/// The most pairs of steps that are put in order, more than any real plan has.
const MAX_EDGES: usize = 1_000_000;

/// What looking up a package in the index takes, in comparisons.
const LOOKUP: usize = 200;

/// How many provided names are compared in the time of one version.
const NAMES_AT_ONCE: usize = 16;

/// What comparing a relation with a member takes, in comparisons.
fn comparisons(member: &Member) -> usize {
    1 + member.relations.provides.len() / NAMES_AT_ONCE
}

fn wide(members: &[(Solvable, Rc<Member>)]) -> usize {
    members.iter().map(|(_, member)| comparisons(member)).sum()
}

/// Which positive field a clause is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    PreDepends,
    Depends,
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Field::PreDepends => "Pre-Depends",
            Field::Depends => "Depends",
        })
    }
}

fn clauses(member: &Member) -> impl Iterator<Item = (Field, &Clause)> {
    let pre_depends = member.relations.pre_depends.iter().map(|clause| (Field::PreDepends, clause));
    pre_depends.chain(member.relations.depends.iter().map(|clause| (Field::Depends, clause)))
}

fn negatives(member: &Member) -> impl Iterator<Item = (Negative, &Relation)> {
    let breaks = member.relations.breaks.iter().map(|relation| (Negative::Breaks, relation));
    let conflicts = member.relations.conflicts.iter();
    breaks.chain(conflicts.map(|relation| (Negative::Conflicts, relation)))
}

/// The package's own name and those it provides, each once.
fn offered_names(member: &Member) -> BTreeSet<&str> {
    let provided = member.relations.provides.iter().map(|provided| provided.name.as_str());
    provided.chain([member.id.name.as_ref()]).collect()
}

/// Whether `relation` is about `member` by name and version, as itself or as what it
/// provides.
fn names(relation: &Relation, member: &Member) -> bool {
    (member.id.name.as_ref() == relation.name && relation.admits(&member.version))
        || member.relations.provides.iter().any(|provided| {
            provided.name == relation.name && relation.admits_provided(provided.version.as_ref())
        })
}

/// Whether two instances of one package can be there together: dpkg wants `Multi-Arch: same`
/// and the very same version.
fn in_step(a: &Member, b: &Member) -> bool {
    a.multi_arch == MultiArch::Same && b.multi_arch == MultiArch::Same && a.version == b.version
}

fn pair(a: Name, b: Name) -> (Name, Name) {
    (a.min(b), a.max(b))
}

fn parse_relations(available: &Available) -> Result<PackageRelations, RelationError> {
    let text = |field: &'_ Option<String>| field.clone().unwrap_or_default();
    Ok(PackageRelations {
        pre_depends: parse_clauses(&text(&available.pre_depends))?,
        depends: parse_clauses(&text(&available.depends))?,
        breaks: parse_list(&text(&available.breaks))?,
        conflicts: parse_list(&text(&available.conflicts))?,
        provides: parse_provides(&text(&available.provides))?,
        recommends: parse_clauses(&text(&available.recommends)).unwrap_or_default(),
    })
}

fn offer(available: &Available) -> Offer {
    let source = available.source.as_ref().map(|(_, version)| version);
    Offer {
        version: available.version.clone(),
        source_version: source.unwrap_or(&available.version).clone(),
    }
}

/// The offered version that is newest, whatever its priority.
fn newest(versions: &[Available]) -> Option<&Available> {
    versions
        .iter()
        .filter_map(|available| {
            Some((Version::parse_recorded(available.version.as_ref()).ok()?, available))
        })
        .max_by(|(a, _), (b, _)| a.cmp(b))
        .map(|(_, available)| available)
}

mod providers;
mod recommends;
#[cfg(test)]
mod tests;
