//! One walk through `world` and the database, as apk makes its changeset.
//!
//! In come what was there and what will be; out come the changes in apk's order: packages that
//! are there afterwards, each behind what it needs (those that do not change too), and packages
//! that go. apk counts for each installed package who needs it, and purges it when the last
//! one is gone. Source: apk-tools 2.14, `src/solver.c` (`cset_gen_name_change`,
//! `cset_gen_name_remove`, `cset_track_deps_removed`, `cset_check_removal_by_iif`).

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::super::ApkUniverse;
use super::super::install_if::Present;
use super::super::package_version::{PackageVersion, provided, provided_names};
use crate::hash_table;
use crate::record::Record;
use imgfix_model::package::PackageName;
use imgfix_solve::solver::Solvable;

/// One entry of a changeset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// It is there; perhaps it was before.
    Install(Solvable),
    Remove(Solvable),
}

/// What is left to do, last first.
enum Visit {
    /// The chosen provider of a name.
    Name(String),
    /// What had the name before, and goes.
    Prepare(String),
    /// The chosen provider of a name, when the name is prepared.
    Chosen(String),
    Record(Solvable),
    /// A name that waits by `install_if` for one that is done.
    Waiting(String),
    /// What a package needs is needed.
    Need(Solvable),
    /// One need less of a name.
    Release(String),
    Remove(Solvable),
    RecordRemoval(Solvable),
    RemoveUnneeded(Solvable),
    /// A name that was there by an `install_if` that may be gone.
    RemoveWaiting(String),
}

pub(super) struct Walk<'a> {
    universe: &'a ApkUniverse<'a>,
    present: &'a Present,
    /// What was there, in the database's order.
    former: Vec<(Solvable, Rc<PackageVersion>)>,
    /// The former packages by their own names.
    own_former: BTreeMap<String, Solvable>,
    /// The former package, by each name that it provided in a version.
    stood_for: BTreeMap<String, String>,
    /// How many dependencies there are on each former package.
    needs: BTreeMap<String, i64>,
    /// Names that are done, provided ones included.
    processed: BTreeSet<String>,
    removed: BTreeSet<String>,
    done: BTreeSet<Solvable>,
    left: Vec<Visit>,
    changes: Vec<Change>,
}

impl<'a> Walk<'a> {
    /// `database` are the names of what was there, in its order.
    pub(super) fn new(
        universe: &'a ApkUniverse<'a>,
        before: &Present,
        present: &'a Present,
        database: &[PackageName],
    ) -> Self {
        let own: BTreeMap<&str, &(Solvable, Rc<PackageVersion>)> = before
            .versions
            .iter()
            .filter(|(_, version)| !version.is_world())
            .map(|one| (one.1.record().name.0.as_str(), one))
            .collect();
        let former: Vec<(Solvable, Rc<PackageVersion>)> = database
            .iter()
            .filter_map(|name| own.get(name.0.as_str()).map(|one| (*one).clone()))
            .collect();
        let mut walk = Self {
            universe,
            present,
            own_former: BTreeMap::new(),
            stood_for: BTreeMap::new(),
            needs: BTreeMap::new(),
            processed: BTreeSet::new(),
            removed: BTreeSet::new(),
            done: BTreeSet::new(),
            left: Vec::new(),
            changes: Vec::new(),
            former,
        };
        for (solvable, version) in &walk.former {
            let record = version.record();
            walk.own_former.insert(record.name.0.clone(), *solvable);
            let versioned = provided(record).filter(|(_, version)| version.is_some());
            let names = versioned.map(|(name, _)| (name.to_owned(), record.name.0.clone()));
            walk.stood_for.extend(names);
        }
        walk
    }

    pub(super) fn changes(mut self) -> Vec<Change> {
        for (_, version) in self.former.clone() {
            self.need(version.record());
        }
        let world = self.universe.image.world.iter();
        let mut world: Vec<String> = world.map(|entry| entry.name.0.clone()).collect();
        world.sort_by_cached_key(|name| (name.to_ascii_lowercase(), name.clone()));
        let database = self.former.iter().map(|(_, version)| version.record().name.0.clone());
        let names = world.into_iter().chain(database).map(Visit::Name);
        let unneeded = self.former.iter().map(|(one, _)| Visit::RemoveUnneeded(*one));
        let visits: Vec<Visit> = unneeded.chain(names).collect();
        self.push(visits);
        while let Some(visit) = self.left.pop() {
            self.visit(visit);
        }
        self.changes
    }

    /// Puts visits before all that is left.
    fn push(&mut self, visits: Vec<Visit>) {
        self.left.extend(visits.into_iter().rev());
    }

    fn visit(&mut self, visit: Visit) {
        match visit {
            Visit::Name(name) => {
                if !self.processed.contains(&name) {
                    self.push(vec![Visit::Prepare(name.clone()), Visit::Chosen(name)]);
                }
            }
            Visit::Prepare(name) => self.prepare(name),
            Visit::Chosen(name) => self.choose(&name),
            Visit::Record(solvable) => self.changes.push(Change::Install(solvable)),
            Visit::Waiting(name) => {
                if let Some(name) = self.may_follow(&name) {
                    self.push(vec![Visit::Name(name)]);
                }
            }
            Visit::Need(solvable) => {
                if let Some(version) = self.universe.pool.get(solvable) {
                    self.need(version.record());
                }
            }
            Visit::Release(name) => self.release(&name),
            Visit::Remove(solvable) => self.remove(solvable),
            Visit::RecordRemoval(solvable) => self.changes.push(Change::Remove(solvable)),
            Visit::RemoveUnneeded(solvable) => self.remove_unneeded(solvable),
            Visit::RemoveWaiting(name) => self.remove_waiting(&name),
        }
    }

    /// Takes away what had the name and does not have it any more.
    fn prepare(&mut self, name: String) {
        if !self.processed.insert(name.clone()) {
            return;
        }
        let mut gone: Vec<Solvable> = Vec::new();
        if let Some(&former) = self.own_former.get(&name)
            && self.own(&name).is_none()
        {
            gone.push(former);
        }
        gone.extend(
            self.former
                .iter()
                .filter(|(_, version)| provided_names(version.record()).contains(name.as_str()))
                .filter(|(_, version)| self.chosen(&version.record().name.0).is_none())
                .map(|(solvable, _)| *solvable),
        );
        self.push(gone.into_iter().map(Visit::Remove).collect());
    }

    fn choose(&mut self, name: &str) {
        let Some((solvable, version)) = self.chosen(name).cloned() else { return };
        if !self.done.insert(solvable) {
            return;
        }
        let record = version.record();
        let former = self.own_former.get(&record.name.0).copied();
        let names = provided(record).map(|(name, _)| Visit::Prepare(name.to_owned()));
        let mut visits: Vec<Visit> = names.collect();
        visits.extend(former.iter().flat_map(|&former| self.waiting_to_go(former)));
        visits.extend(record.depends.iter().map(|one| Visit::Name(one.name.0.clone())));
        visits.push(Visit::Record(solvable));
        visits.extend(self.waiting_for(record).into_iter().map(Visit::Waiting));
        visits.push(Visit::Need(solvable));
        visits.extend(former.iter().flat_map(|&former| self.releases(former)));
        self.push(visits);
    }

    /// Takes a package away, and before it what is installed and needs it.
    fn remove(&mut self, solvable: Solvable) {
        let Some(version) = self.universe.pool.get(solvable) else { return };
        let record = version.record();
        if self.own(&record.name.0).is_some() || !self.done.insert(solvable) {
            return;
        }
        self.removed.insert(record.name.0.clone());
        let mut needing: Vec<(u32, Solvable)> = self
            .former
            .iter()
            .filter(|(_, other)| {
                let mut depends = other.record().depends.iter();
                depends.any(|one| {
                    self.universe.is_about(one, record) != one.conflict && named(one, record)
                })
            })
            .map(|(solvable, other)| (bucket(other.record()), *solvable))
            .collect();
        needing.sort_unstable();
        let mut visits: Vec<Visit> =
            needing.into_iter().map(|(_, other)| Visit::Remove(other)).collect();
        visits.extend(self.waiting_to_go(solvable));
        visits.push(Visit::RecordRemoval(solvable));
        visits.extend(self.releases(solvable));
        self.push(visits);
    }

    fn remove_unneeded(&mut self, solvable: Solvable) {
        let Some(version) = self.universe.pool.get(solvable) else { return };
        let name = &version.record().name.0;
        if self.needs.get(name).is_none_or(|needs| *needs == 0) && self.chosen(name).is_none() {
            self.remove(solvable);
        }
    }

    /// What came by an `install_if` that does not hold any more goes.
    fn remove_waiting(&mut self, name: &str) {
        let Some(&former) = self.own_former.get(name) else { return };
        if self.chosen(name).is_some()
            || self.processed.contains(name)
            || self.removed.contains(name)
        {
            return;
        }
        let Some(version) = self.universe.pool.get(former) else { return };
        let mut waited = version.record().install_if.iter();
        let is_gone = waited.any(|entry| {
            self.removed.contains(&entry.name.0) && self.chosen(&entry.name.0).is_none()
        });
        if is_gone {
            self.remove_unneeded(former);
        }
    }

    fn need(&mut self, record: &Record) {
        for dependency in record.depends.iter().filter(|one| !one.conflict) {
            if let Some(stands) = self.stood_for.get(&dependency.name.0) {
                *self.needs.entry(stands.clone()).or_default() += 1;
            }
        }
    }

    fn release(&mut self, name: &str) {
        let Some(stands) = self.stood_for.get(name) else { return };
        let needs = self.needs.entry(stands.clone()).or_default();
        *needs -= 1;
        if *needs == 0
            && let Some(&former) = self.own_former.get(name)
        {
            self.remove(former);
        }
    }

    fn releases(&self, former: Solvable) -> Vec<Visit> {
        let Some(version) = self.universe.pool.get(former) else { return Vec::new() };
        let needed = version.record().depends.iter().filter(|one| !one.conflict);
        needed.map(|one| Visit::Release(one.name.0.clone())).collect()
    }

    fn waiting_to_go(&self, former: Solvable) -> Vec<Visit> {
        let Some(version) = self.universe.pool.get(former) else { return Vec::new() };
        self.waiting_for(version.record()).into_iter().map(Visit::RemoveWaiting).collect()
    }

    /// The provider of a name: the package called so before others.
    fn chosen(&self, name: &str) -> Option<&(Solvable, Rc<PackageVersion>)> {
        self.own(name).or_else(|| self.present.providing(name).next())
    }

    /// The package of that name.
    fn own(&self, name: &str) -> Option<&(Solvable, Rc<PackageVersion>)> {
        self.present.providing(name).find(|(_, version)| version.record().name.0 == name)
    }

    /// Names of packages of which some version has a name that `record` provides in its
    /// `install_if`.
    fn waiting_for(&self, record: &Record) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        for (name, _) in provided(record) {
            let mut waiting = BTreeSet::new();
            let installed = self.universe.image.packages.iter().copied();
            for one in installed.filter(|one| waits(one, name)) {
                waiting.extend(provided_names(one).into_iter().map(str::to_owned));
            }
            for one in self.universe.index.installed_if(name) {
                waiting.extend(provided_names(&one.record).into_iter().map(str::to_owned));
            }
            let mut waiting: Vec<String> = waiting.into_iter().collect();
            waiting.sort_by_cached_key(|name| hash_table::bucket(name.as_bytes()));
            out.extend(waiting);
        }
        out
    }

    /// The name of the waiting package when all that it waits for is done.
    fn may_follow(&self, name: &str) -> Option<String> {
        let (_, version) = self.chosen(name).filter(|_| !self.processed.contains(name))?;
        let done = version.record().install_if.iter().all(|entry| {
            let mut about = self.present.providing(&entry.name.0);
            let there = about.any(|(_, version)| self.present.is_about(entry, version));
            self.processed.contains(&entry.name.0) && there != entry.conflict
        });
        done.then(|| name.to_owned())
    }
}

fn waits(record: &Record, name: &str) -> bool {
    record.install_if.iter().any(|entry| entry.name.0 == name)
}

/// Whether a dependency is about a name of `record` at all.
fn named(dependency: &crate::dependency::Dependency, record: &Record) -> bool {
    provided(record).any(|(name, _)| name == dependency.name.0)
}

/// Where apk meets a package first when it goes through all names.
fn bucket(record: &Record) -> u32 {
    let buckets = provided(record).map(|(name, _)| hash_table::bucket(name.as_bytes()));
    buckets.min().unwrap_or_default()
}
