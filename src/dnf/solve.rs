//! rpm's relations in the planner's terms, and which versions dnf would take.
//!
//! In come what is installed, the repositories, and the settings of the image's package manager;
//! out comes a [`Family`](imgfix_repair::planner::Family) that the planner asks, which does what
//! `dnf upgrade PACKAGE...` does. What relations mean is in [`relation`], what a version is in
//! [`package_version`], which newer version is the candidate in [`candidates`] and
//! [`imgfix_repair::lowering`], what takes an installed package's place in [`obsoletes`], what
//! advisories say in [`advised`], what is recommended in [`recommended`], how the solver's
//! questions are answered in [`rules`] and [`choices`], and the planner's in [`family`].
//!
//! Three rules are ours. Nothing installed goes but what a newer package obsoletes. Conditions of
//! rich dependencies are judged by what the image has; where they do not hold, their absence is a
//! thing that a need may be met by. And relations that the image breaks already
//! may stay broken. What dnf's choice rules ([`choices`]) would leave of a report is fixed
//! ([`relaxed`]).

mod advised;
mod candidates;
mod choices;
#[cfg(test)]
mod differential;
mod family;
mod obsoletes;
mod package_version;
mod recommended;
pub mod relation;
mod relaxed;
mod rules;

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

pub(crate) use self::package_version::source_of;
use self::package_version::{Facts, PackageVersion, Place, Words};
use self::relation::Relation;
use super::arch;
use super::installed::InstalledPackage;
use super::locks::Locks;
use super::modules::{ModuleFilter, ModuleState};
use super::options::Options;
use super::primary::{Package, RelationKind};
use super::remote::Repository;
use super::spec::Subject;
use imgfix_model::package::PackageId;
use imgfix_model::reason::Reason;
use imgfix_repair::planner::{Context, Planned, Requests, Slot, plan};
use imgfix_solve::effort::Effort;
use imgfix_solve::pool::Pool;
use imgfix_solve::rules::{broken, with_a_choice};
use imgfix_solve::solver::{Name, Solvable};
use imgfix_versions::rpm::Evr;

/// The image, as far as plans depend on it.
#[derive(Debug, Clone, Default)]
pub struct Image<'a> {
    /// rpm's name of its machine: `x86_64`.
    pub architecture: &'a str,
    /// In the order of the database.
    pub packages: Cow<'a, [InstalledPackage]>,
    /// Settings of its package manager.
    pub options: Options,
    /// What the user has fixed.
    pub locks: Locks,
    /// Which streams are enabled.
    pub modules: ModuleState,
}

/// What of a question may be left though it could be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leave {
    /// A report is to be repaired as far as possible.
    Nothing,
    /// What needs something new where dnf takes nothing new.
    WhatDnfLeaves,
}

/// Plans one platform's image: see [`plan`].
#[must_use]
pub fn plan_platform(
    image: &Image<'_>,
    repositories: &[Repository],
    filter: &ModuleFilter,
    requests: &Requests,
    barred: &BTreeMap<PackageId, Reason>,
    context: &Context,
) -> Planned {
    let effort = Effort::default();
    let universe = RpmUniverse::for_requests(image, repositories, filter, requests, effort);
    plan(&universe, requests, barred, context)
}

/// The image and its repositories as a [`Family`](imgfix_repair::planner::Family).
pub struct RpmUniverse<'a> {
    image: &'a Image<'a>,
    repositories: &'a [Repository],
    filter: &'a ModuleFilter,
    /// Paths that any relation names.
    paths: BTreeSet<&'a str>,
    /// Installed packages by the names that they have and provide, and by wanted paths.
    there: BTreeMap<&'a str, Vec<usize>>,
    slots: Vec<Slot>,
    pool: Pool<PackageVersion>,
    /// Names of packages, and of their sources, that are to be upgraded; `None`: everything.
    asked: Option<BTreeSet<String>>,
    /// Installed packages that are to be upgraded for that, with what is changed beside; `None`: all.
    updated: Option<BTreeSet<Name>>,
    /// What those recommend that are there or are to come, by its name.
    recommended: BTreeMap<String, Vec<Relation>>,
    /// What can be taken for each installed package, the most wanted first.
    choices: BTreeMap<PackageId, Vec<Solvable>>,
    /// Offered versions that are numbered.
    places: RefCell<BTreeMap<Place, Solvable>>,
    /// Names of packages that obsolete another one in the same words, by these words.
    saying: RefCell<BTreeMap<String, Rc<BTreeSet<String>>>>,
    /// What choice rules leave out, each of them by itself, by what has the need.
    left_out: RefCell<BTreeMap<Name, Vec<Vec<Solvable>>>>,
    /// What they must not leave out.
    needed: BTreeSet<Solvable>,
    /// Absences that are numbered, by their names.
    absences: RefCell<BTreeSet<String>>,
}

impl<'a> RpmUniverse<'a> {
    /// Image and repositories for a plan that is to do `requests`: everything newer is settled
    /// together.
    #[must_use]
    pub fn for_requests(
        image: &'a Image<'a>,
        repositories: &'a [Repository],
        filter: &'a ModuleFilter,
        requests: &Requests,
        effort: Effort,
    ) -> Self {
        Self::leaving(image, repositories, filter, requests, effort, Leave::Nothing)
    }

    /// As [`Self::for_requests`]; what is left that could be had is up to the caller.
    fn leaving(
        image: &'a Image<'a>,
        repositories: &'a [Repository],
        filter: &'a ModuleFilter,
        requests: &Requests,
        effort: Effort,
        leave: Leave,
    ) -> Self {
        let asked = match requests {
            Requests::Everything => None,
            Requests::Findings(all) => {
                Some(all.iter().map(|one| one.finding.package.clone()).collect())
            }
        };
        let leave = if asked.is_none() { Leave::WhatDnfLeaves } else { leave };
        let mut universe = Self::numbered(image, repositories, filter, effort, asked, leave);
        universe.settle();
        universe
    }

    /// Numbers the installed packages and their newer versions.
    #[must_use]
    pub fn new(
        image: &'a Image<'a>,
        repositories: &'a [Repository],
        filter: &'a ModuleFilter,
        effort: Effort,
    ) -> Self {
        let asked = Some(BTreeSet::new());
        let leave = Leave::WhatDnfLeaves;
        let mut universe = Self::numbered(image, repositories, filter, effort, asked, leave);
        universe.settle();
        universe
    }

    fn numbered(
        image: &'a Image<'a>,
        repositories: &'a [Repository],
        filter: &'a ModuleFilter,
        effort: Effort,
        asked: Option<BTreeSet<String>>,
        leave: Leave,
    ) -> Self {
        let mut universe = Self {
            image,
            repositories,
            filter,
            paths: wanted_paths(image, repositories),
            there: BTreeMap::new(),
            slots: Vec::new(),
            pool: Pool::new(effort),
            asked,
            updated: None,
            recommended: BTreeMap::new(),
            choices: BTreeMap::new(),
            places: RefCell::default(),
            saying: RefCell::default(),
            left_out: RefCell::default(),
            needed: BTreeSet::new(),
            absences: RefCell::default(),
        };
        universe.find_installed();
        let mut slots: Vec<Slot> =
            image.packages.iter().filter_map(|package| universe.add_installed(package)).collect();
        slots.sort_by(|a, b| a.id.cmp(&b.id));
        universe.slots = slots;
        universe.number_beside();
        universe.find_replacing();
        universe.find_updated();
        universe.pool.broken = broken(&universe);
        universe.pool.keep = with_a_choice(&universe);
        universe.relax_for_image();
        if leave == Leave::Nothing {
            universe.relax_for_report();
        }
        universe
    }

    /// Files installed packages under what they provide.
    fn find_installed(&mut self) {
        for (at, package) in self.image.packages.iter().enumerate() {
            let provides = package.provides.iter().map(|one| one.name.as_str());
            let files = package.files.iter().map(String::as_str);
            let files = files.filter(|path| self.paths.contains(path));
            for name in provides.chain([package.name.as_str()]).chain(files) {
                let list = self.there.entry(name).or_default();
                if list.last() != Some(&at) {
                    list.push(at);
                }
            }
        }
    }

    /// Whether the image has what a relation names.
    fn is_there(&self, relation: &Relation) -> bool {
        let plain = |package: &InstalledPackage, relation: &Relation| {
            if package.name == relation.name && relation.evr.is_none() {
                return true;
            }
            if relation.name.starts_with('/') && package.files.contains(&relation.name) {
                return true;
            }
            let named = package.provides.iter().filter(|one| one.name == relation.name);
            named
                .into_iter()
                .any(|one| relation.meets(one.flag, Evr::parse(&one.evr).ok().as_ref()))
        };
        let known = self.there.get(relation.name.as_str()).into_iter().flatten();
        known.filter_map(|at| self.image.packages.get(*at)).any(|package| {
            plain(package, relation)
                && relation.besides.iter().all(|(besides, other)| {
                    plain(package, other) == (*besides == relation::Besides::With)
                })
        })
    }

    /// An offered package, if its version is one.
    fn offered(&self, place: Place, name: Name) -> Option<PackageVersion> {
        let package = self.package(place)?;
        let facts = Facts {
            id: id(package.name(), package.architecture()),
            evr: evr_of(&package)?,
            source: package.source().to_owned(),
            place: Some(place),
        };
        let words = |kind| package.relations(kind).collect();
        let repository = self.repositories.get(place.repository)?;
        let has = |path: &&&str| {
            repository.primary.with_file(path).any(|found| found.number == place.package)
        };
        let words = Words {
            provides: words(RelationKind::Provides),
            requires: words(RelationKind::Requires),
            conflicts: words(RelationKind::Conflicts),
            obsoletes: words(RelationKind::Obsoletes),
            files: self.paths.iter().filter(has).copied().collect(),
        };
        let is_there = |relation: &Relation| self.is_there(relation);
        let mut version = PackageVersion::new(name, facts, &words, &is_there);
        self.come_together(&package, &mut version);
        Some(version)
    }

    /// Numbers a version, and the absences that its needs may be met by.
    fn number(&self, version: PackageVersion) -> Solvable {
        for absence in &version.absences {
            if !self.absences.borrow_mut().insert(absence.token.clone()) {
                continue;
            }
            let states = PackageVersion::absence(self.pool.new_name(), absence);
            for state in states.into_iter().flatten() {
                self.pool.number(state);
            }
        }
        let place = version.facts.place;
        let solvable = self.pool.number(version);
        if let Some(place) = place {
            self.places.borrow_mut().insert(place, solvable);
        }
        solvable
    }

    fn package(&self, place: Place) -> Option<Package<'a>> {
        self.repositories.get(place.repository)?.primary.get(place.package)
    }

    /// What repositories offer of a name, in their order, as far as the image's machine can have
    /// it.
    fn named(&self, name: &str) -> Vec<(Place, Package<'a>)> {
        let mut all = Vec::new();
        for (repository, one) in self.repositories.iter().enumerate() {
            let packages = one.primary.named(name);
            let fitting = packages
                .filter(|package| arch::is_for(package.architecture(), self.image.architecture));
            all.extend(
                fitting.map(|package| (Place { repository, package: package.number }, package)),
            );
        }
        all
    }
}

fn id(name: &str, architecture: &str) -> PackageId {
    PackageId { name: name.into(), architecture: architecture.into() }
}

fn evr_of(package: &Package<'_>) -> Option<Evr> {
    let epoch = package.epoch().parse::<u32>().ok().filter(|epoch| *epoch > 0);
    Evr::new(epoch, package.version(), Some(package.release())).ok()
}

fn subject<'p>(package: &Package<'p>) -> Subject<'p> {
    Subject {
        name: package.name(),
        epoch: package.epoch(),
        version: package.version(),
        release: package.release(),
        architecture: package.architecture(),
    }
}

/// Paths that relations of anything name: `/bin/sh`.
fn wanted_paths<'a>(image: &'a Image<'a>, repositories: &'a [Repository]) -> BTreeSet<&'a str> {
    let mut paths = BTreeSet::new();
    for package in image.packages.iter() {
        let lists = [&package.requires, &package.conflicts, &package.recommends];
        let names = lists.into_iter().flatten().map(|one| one.name.as_str());
        paths.extend(names.flat_map(paths_in));
    }
    for repository in repositories {
        for package in repository.primary.packages() {
            for kind in [RelationKind::Requires, RelationKind::Conflicts, RelationKind::Recommends]
            {
                paths.extend(package.relations(kind).flat_map(|one| paths_in(one.name)));
            }
        }
    }
    paths
}

/// The paths of a relation, rich ones included.
pub(crate) fn paths_in(name: &str) -> impl Iterator<Item = &str> {
    let rich = name.starts_with('(');
    let words = name.split(move |c: char| rich && (c.is_whitespace() || c == '(' || c == ')'));
    words.filter(|word| word.starts_with('/'))
}

#[cfg(test)]
mod tests;
