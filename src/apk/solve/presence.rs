//! What is there after changes, and what goes with them.
//!
//! In come the image and changes; out comes what `world` reaches. apk has nothing installed
//! but what `world` reaches through `depends`, `provides` and `install_if`; all else it purges.
//! An image's `world` may be poor, or missing: what is out of its reach before any change stays
//! as it is, and so does what it names. Source: apk-tools 2.14, `src/solver.c`
//! (`apk_solver_solve`).

use std::collections::BTreeSet;
use std::rc::Rc;

use super::ApkUniverse;
use super::package_version::{PackageVersion, depends};
use imgfix_solve::pool::{Found, Pooled as _};
use imgfix_solve::solver::{Name, Solvable, Task, Universe as _, needed};

impl ApkUniverse<'_> {
    /// What the solver is to keep, and what it may lose.
    pub(super) fn task(&self) -> Task {
        Task { keep: self.pool.keep.clone(), may_go: self.pool.may_go.clone(), ..Task::default() }
    }

    /// Installed packages that are there for the sake of others.
    pub(super) fn reached_by_need(&self) -> BTreeSet<Name> {
        let installed = self.pool.all_installed();
        let named = |version: &PackageVersion| {
            let mut entries = self.image.world.iter().filter(|entry| !entry.conflict);
            entries.any(|entry| entry.name == version.record().name)
        };
        let mut reached: BTreeSet<Solvable> = BTreeSet::new();
        let world = installed.iter().filter(|(_, version)| version.is_world());
        let mut waiting: Vec<Rc<PackageVersion>> =
            world.map(|(_, version)| Rc::clone(version)).collect();
        loop {
            while let Some(version) = waiting.pop() {
                for dependency in depends(version.record()) {
                    let known = self.pool.providing(&dependency.name.0).into_iter();
                    waiting.extend(
                        known
                            .filter(|(_, other)| !other.is_offered())
                            .filter(|(_, other)| self.is_about(dependency, other.record()))
                            .filter(|(solvable, _)| reached.insert(*solvable))
                            .map(|(_, other)| other),
                    );
                }
            }
            let found = installed.iter().filter(|(solvable, _)| reached.contains(solvable));
            let found: Found<PackageVersion> = found.cloned().collect();
            let joins = installed.iter().find(|(solvable, version)| {
                !reached.contains(solvable) && self.comes_along(version, &found)
            });
            let Some((solvable, version)) = joins else { break };
            reached.insert(*solvable);
            waiting.push(Rc::clone(version));
        }
        let reached = installed.iter().filter(|(solvable, _)| reached.contains(solvable));
        reached.filter(|(_, version)| !named(version)).map(|(_, version)| version.name).collect()
    }

    /// Everything that is there after `changes`, `world` too, in the order of numbers.
    pub(super) fn there_after(&self, changes: &[Solvable]) -> Found<PackageVersion> {
        let changed: BTreeSet<Name> = changes.iter().map(|&change| self.name(change)).collect();
        let mut task = self.task();
        task.targets = changes.iter().copied().collect();
        let needed = self.needed_after(task, changes);
        let mut out = self.pool.all_installed();
        out.retain(|(solvable, version)| {
            let may_go = self.pool.may_go.contains(&version.name);
            !changed.contains(&version.name)
                && (!may_go || needed.as_ref().is_none_or(|needed| needed.contains(solvable)))
        });
        out.extend(changes.iter().filter_map(|&change| Some((change, self.pool.get(change)?))));
        out.sort_by_key(|(solvable, _)| *solvable);
        out
    }

    /// Those of `changes` that nothing needs and that do not come along either.
    pub(super) fn unneeded_of(&self, changes: &[Solvable]) -> Vec<Solvable> {
        let may_go = |change: &Solvable| self.pool.may_go.contains(&self.name(*change));
        let mut task = self.task();
        let (loose, fast) = changes.iter().partition(|change| may_go(change));
        (task.unless_gone, task.targets) = (loose, fast);
        let needed = self.needed_after(task, changes).unwrap_or_default();
        let unneeded = changes.iter().filter(|change| may_go(change) && !needed.contains(change));
        unneeded.copied().collect()
    }

    /// What is needed after `changes`, or comes along; `None`: everything stays.
    fn needed_after(&self, mut task: Task, changes: &[Solvable]) -> Option<BTreeSet<Solvable>> {
        if self.pool.may_go.is_empty() {
            return None;
        }
        let mut found: BTreeSet<Solvable> =
            needed(self, &task, changes).ok()?.into_iter().collect();
        let mut refused = BTreeSet::new();
        loop {
            let names: BTreeSet<Name> = found.iter().map(|&one| self.name(one)).collect();
            let (present, absent): (Vec<_>, Vec<_>) =
                self.versions_among(changes).into_iter().partition(|(solvable, version)| {
                    found.contains(solvable)
                        || (!self.pool.may_go.contains(&version.name)
                            && !names.contains(&version.name))
                });
            let joins = absent.into_iter().find(|(solvable, version)| {
                !names.contains(&version.name)
                    && !refused.contains(solvable)
                    && self.comes_along(version, &present)
            });
            let Some((solvable, _)) = joins else { break };
            task.targets.insert(solvable);
            match needed(self, &task, changes) {
                Ok(more) => found = more.into_iter().collect(),
                Err(_) => {
                    // apk leaves what it cannot have.
                    task.targets.remove(&solvable);
                    refused.insert(solvable);
                }
            }
        }
        Some(found)
    }

    /// `changes`, and what is installed and not changed by them.
    fn versions_among(&self, changes: &[Solvable]) -> Found<PackageVersion> {
        let changed: BTreeSet<Name> = changes.iter().map(|&change| self.name(change)).collect();
        let mut out = self.pool.all_installed();
        out.retain(|(_, version)| !changed.contains(&version.name));
        out.extend(changes.iter().filter_map(|&change| Some((change, self.pool.get(change)?))));
        out
    }

    /// Whether all of a package's `install_if` holds, with at least one package that is there.
    fn comes_along(
        &self,
        version: &PackageVersion,
        present: &[(Solvable, Rc<PackageVersion>)],
    ) -> bool {
        let entries = &version.record().install_if;
        let there = |entry| {
            let mut present = present.iter().filter(|(_, other)| !other.is_world());
            present.any(|(_, other)| self.is_about(entry, other.record()))
        };
        entries.iter().any(|entry| !entry.conflict)
            && entries.iter().all(|entry| there(entry) != entry.conflict)
    }
}
