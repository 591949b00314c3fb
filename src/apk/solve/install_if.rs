//! `install_if`: packages that come along when all that they wait for is there.
//!
//! In come the changes decided so far; out come the packages that apk adds to them. A new
//! package comes when its `install_if` holds. One that is installed is upgraded so only when
//! nothing else wants it and its own `install_if` holds no more (`nginx-doc` waits for `docs`
//! and for one version of `nginx`). Source: apk-tools 2.14, `src/solver.c` (`reconsider_name`,
//! `select_package`).

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::ApkUniverse;
use super::package_version::{PackageVersion, depends, is_about, provided_names};
use crate::dependency::Dependency;
use crate::record::{Record, join};
use imgfix_model::package::PackageName;
use imgfix_repair::planner::Companion;
use imgfix_solve::pool::Pooled as _;
use imgfix_solve::rules::Rules as _;
use imgfix_solve::solver::{Solvable, Universe as _};
use imgfix_versions::apk::generation::Generation;

/// What will be there.
pub(super) struct Present {
    /// In the order of their numbers; `world` is the first.
    pub(super) versions: Vec<(Solvable, Rc<PackageVersion>)>,
    /// Positions in `versions` by each name that is provided.
    pub(super) providers: BTreeMap<String, Vec<usize>>,
    generation: Generation,
}

impl Present {
    /// Those that provide `name`.
    pub(super) fn providing(
        &self,
        name: &str,
    ) -> impl Iterator<Item = &(Solvable, Rc<PackageVersion>)> {
        self.providers.get(name).into_iter().flatten().filter_map(|&at| self.versions.get(at))
    }

    /// Whether a version is what an entry of an `install_if` names.
    pub(super) fn is_about(&self, entry: &Dependency, version: &PackageVersion) -> bool {
        is_about(entry, version.record(), self.generation)
    }

    /// The names of the packages.
    pub(super) fn names(&self) -> Vec<PackageName> {
        let packages = self.versions.iter().filter(|(_, version)| !version.is_world());
        packages.map(|(_, version)| version.record().name.clone()).collect()
    }

    /// Whether one entry of an `install_if` holds, and by what.
    fn holds(&self, entry: &Dependency) -> Option<Option<Solvable>> {
        let mut about =
            self.providing(&entry.name.0).filter(|(_, version)| self.is_about(entry, version));
        match (entry.conflict, about.next()) {
            (true, None) => Some(None),
            (false, Some((solvable, _))) => Some(Some(*solvable)),
            _ => None,
        }
    }

    /// What the whole `install_if` of `record` holds by; `None`: it does not hold.
    fn triggers(&self, record: &Record) -> Option<Vec<Solvable>> {
        let by: Option<Vec<Option<Solvable>>> =
            record.install_if.iter().map(|entry| self.holds(entry)).collect();
        by.map(|by| by.into_iter().flatten().collect()).filter(|by: &Vec<_>| !by.is_empty())
    }
}

impl ApkUniverse<'_> {
    /// What is there after `changes`.
    pub(super) fn present(&self, changes: &[Solvable]) -> Present {
        let versions = self.there_after(changes);
        let mut providers: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, (_, version)) in versions.iter().enumerate().filter(|(_, (_, m))| !m.is_world()) {
            for name in provided_names(version.record()) {
                providers.entry(name.to_owned()).or_default().push(at);
            }
        }
        Present { versions, providers, generation: self.image.generation }
    }

    /// The packages that come along with `changes`; `preferred` are versions that are taken
    /// before others.
    pub(super) fn installed_along(
        &self,
        changes: &[Solvable],
        preferred: &BTreeSet<Solvable>,
    ) -> Vec<Companion> {
        let present = self.present(changes);
        let waiting: BTreeSet<PackageName> = present
            .providers
            .keys()
            .flat_map(|name| self.index.installed_if(name))
            .map(|available| available.record.name.clone())
            .collect();
        let wanted: BTreeSet<&str> = present
            .versions
            .iter()
            .flat_map(|(_, version)| depends(version.record()))
            .map(|dependency| dependency.name.0.as_str())
            .collect();
        let mut out = Vec::new();
        for package in waiting {
            let mut own = present.providing(&package.0);
            let own = own.find(|(_, version)| version.record().name == package);
            let is_wanted = |version: &PackageVersion| {
                provided_names(version.record()).iter().any(|name| wanted.contains(name))
            };
            let along = match own {
                Some((_, version)) if version.is_offered() || is_wanted(version) => None,
                Some((_, version)) if present.triggers(version.record()).is_some() => {
                    let higher = self.triggered(&package, &present, preferred);
                    higher.filter(|one| preferred.contains(&one.solvable))
                }
                _ => self.triggered(&package, &present, preferred),
            };
            out.extend(along);
        }
        out
    }

    /// The version of `package` that apk installs because its `install_if` holds.
    fn triggered(
        &self,
        package: &PackageName,
        present: &Present,
        preferred: &BTreeSet<Solvable>,
    ) -> Option<Companion> {
        self.look_up(&package.0);
        let names = self.pool.names_of(&package.0).into_iter();
        let mut versions: Vec<Solvable> = names.flat_map(|name| self.pool.offered(name)).collect();
        versions.sort_by_key(|solvable| !preferred.contains(solvable));
        versions.into_iter().find_map(|solvable| {
            let version = self.pool.get(solvable)?;
            let by = present.triggers(version.record())?;
            // A change is the better reason.
            let changed = by.iter().find(|one| !self.is_installed(**one));
            Some(Companion {
                solvable,
                because_of: changed.or(by.first()).copied()?,
                relation: format!("install_if: {}", join(&version.record().install_if)),
                is_gentle: false,
            })
        })
    }
}
