//! What Debian's relations mean: Debian policy 7 and dpkg's `lib/dpkg/depcon.c` and
//! `src/main/depcon.c`, multi-arch as dpkg implements it (`lib/dpkg/arch.c`, `archsatisfied`).

use std::collections::HashSet;

use super::DpkgUniverse;
use super::package_version::{Ban, Need, PackageVersion};
use imgfix_dpkg::multi_arch::MultiArch;
use imgfix_dpkg::relations::{Clause, Qualifier, Relation};
use imgfix_model::package::Architecture;
use imgfix_solve::effort::{TooWide, Width};
use imgfix_solve::pool::{Change, Pool, Pooled as _};
use imgfix_solve::rules::{Likeness, Rivalry, Rules, number_providers};
use imgfix_solve::solver::Solvable;

impl DpkgUniverse<'_> {
    /// Whether `relation`, asked by a package of the architecture `asking`, is satisfied by
    /// `version`.
    pub(super) fn is_satisfied(
        &self,
        relation: &Relation,
        asking: &Architecture,
        version: &PackageVersion,
    ) -> bool {
        let architecture = match &relation.qualifier {
            None => version.multi_arch == MultiArch::Foreign || version.architecture == *asking,
            Some(Qualifier::Any) => version.multi_arch == MultiArch::Allowed,
            Some(Qualifier::Native) => version.architecture == self.inventory.native,
            Some(Qualifier::Exact(exact)) => version.architecture.as_ref() == exact,
        };
        architecture && version.is_named_by(relation)
    }

    /// Everything that satisfies a clause, in apt's order: what is installed, newer versions of
    /// it, then new packages in the order of the clause.
    pub(super) fn alternatives_of(
        &self,
        clause: &Clause,
        asking: &Architecture,
        width: &mut Width<'_>,
    ) -> Result<Vec<Solvable>, TooWide> {
        let mut found: Vec<(Change, Solvable)> = Vec::new();
        let mut seen: HashSet<Solvable> = HashSet::new();
        for relation in &clause.0 {
            self.look_up(&relation.name);
            number_providers(self, &relation.name, width)?;
            width.compare(self.pool.width_of(&relation.name))?;
            let mut versions = self.pool.providing(&relation.name);
            versions.retain(|(_, version)| self.is_satisfied(relation, asking, version));
            self.sort_as_apt(relation, &mut versions, width)?;
            for (solvable, version) in versions {
                if seen.insert(solvable) {
                    found.push((self.pool.change(solvable, &version), solvable));
                }
            }
        }
        found.sort_by_key(|(change, _)| *change);
        Ok(found.into_iter().map(|(_, solvable)| solvable).collect())
    }
}

impl Rules for DpkgUniverse<'_> {
    type Version = PackageVersion;

    const LOOKUP: usize = 200;

    fn pool(&self) -> &Pool<PackageVersion> {
        &self.pool
    }

    fn satisfies(
        &self,
        relation: &Relation,
        asking: &PackageVersion,
        other: &PackageVersion,
    ) -> bool {
        self.is_satisfied(relation, &asking.architecture, other)
    }

    /// Without a qualifier it is about every architecture. A package never excludes itself, in no
    /// version of itself, and none of its other architectures but by [`Rules::rivalry`].
    fn forbids(&self, ban: &Ban, by: &PackageVersion, other: &PackageVersion) -> bool {
        let architecture = match &ban.relation.qualifier {
            None | Some(Qualifier::Any) => true,
            Some(Qualifier::Native) => other.architecture == self.inventory.native,
            Some(Qualifier::Exact(exact)) => other.architecture.as_ref() == exact,
        };
        other.id.name != by.id.name && architecture && other.is_named_by(&ban.relation)
    }

    fn is_contested(&self, name: &str, version: &PackageVersion) -> bool {
        version.id.name.as_ref() == name
    }

    /// Instances of one package for several architectures go in step.
    fn rivalry(
        &self,
        name: &str,
        version: &PackageVersion,
        other: &PackageVersion,
    ) -> Option<Rivalry> {
        let instance = other.id.name.as_ref() == name && version.id.name == other.id.name;
        (instance && !version.is_in_step_with(other)).then(|| Rivalry {
            text: format!("Multi-Arch, which wants {name} at one version"),
            mutual: false,
        })
    }

    fn likeness(&self, before: &Need, need: &Need) -> Likeness {
        let about = |need: &Need| -> Vec<(String, Option<Qualifier>)> {
            need.clause.0.iter().map(|r| (r.name.clone(), r.qualifier.clone())).collect()
        };
        match before.clause == need.clause {
            true => Likeness::Same,
            false if about(before) == about(need) => Likeness::SameSubject,
            false => Likeness::Different,
        }
    }

    fn alternatives(
        &self,
        need: &Need,
        asking: &PackageVersion,
        width: &mut Width<'_>,
    ) -> Result<Vec<Solvable>, TooWide> {
        self.alternatives_of(&need.clause, &asking.architecture, width)
    }

    fn providers(&self, name: &str) -> Vec<String> {
        let providers = self.index.providers(name).into_iter();
        providers.map(|available| available.name.to_string()).collect()
    }

    fn look_up(&self, package: &str) {
        self.pool.look_up(package, || self.new_names(package));
    }

    fn shown(&self, version: &PackageVersion) -> String {
        match version.architecture == self.inventory.native {
            true => version.label(),
            false => format!("{} {}", version.id, version.version),
        }
    }
}
