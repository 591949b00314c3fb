//! rpm's relations as the solver asks for them: see [`super::relation`] for what they mean.
//!
//! Of several packages that would do and are not there, the one is taken that libsolv would take:
//! of the best priority, for the machine itself, recommended, called as it is asked for, in the
//! newest version.

use std::rc::Rc;

use super::RpmUniverse;
use super::package_version::PackageVersion;
use super::relation::{Ban, Need, Relation};
use crate::arch;
use crate::options::Tool;
use imgfix_solve::effort::{TooWide, Width};
use imgfix_solve::pool::{Change, Pool, Pooled as _};
use imgfix_solve::rules::{Likeness, Rivalry, Rules, number_providers};
use imgfix_solve::solver::Solvable;

impl Rules for RpmUniverse<'_> {
    type Version = PackageVersion;

    const LOOKUP: usize = 50;

    fn pool(&self) -> &Pool<PackageVersion> {
        &self.pool
    }

    fn satisfies(&self, relation: &Relation, _: &PackageVersion, other: &PackageVersion) -> bool {
        other.is_about(relation)
    }

    fn forbids(&self, ban: &Ban, by: &PackageVersion, other: &PackageVersion) -> bool {
        // what takes a package's place has its name in the pool, and excludes it so already
        by.name != other.name && other.is_banned_by(ban)
    }

    fn is_contested(&self, name: &str, version: &PackageVersion) -> bool {
        version.is_package() && version.facts.id.name.as_ref() == name
    }

    /// Packages of one name for several machines go together in the same version only, as their
    /// common files are the same ones.
    fn rivalry(
        &self,
        name: &str,
        version: &PackageVersion,
        other: &PackageVersion,
    ) -> Option<Rivalry> {
        let (own, its) = (&version.facts, &other.facts);
        let differ = version.name != other.name
            && self.is_contested(name, other)
            && own.evr != its.evr
            && !self.stays_beside(name)
            // libzypp has them go their own ways
            && self.image.options.tool != Tool::Zypper;
        differ.then(|| Rivalry {
            text: format!("version {} of {name} for {}", own.evr, own.id.architecture),
            mutual: false,
        })
    }

    fn likeness(&self, before: &Need, need: &Need) -> Likeness {
        let subjects = |need: &Need| -> Vec<String> {
            need.one_of.iter().map(|relation| relation.name.clone()).collect()
        };
        match before == need {
            true => Likeness::Same,
            false if subjects(before) == subjects(need) => Likeness::SameSubject,
            false => Likeness::Different,
        }
    }

    fn alternatives(
        &self,
        need: &Need,
        asking: &PackageVersion,
        width: &mut Width<'_>,
    ) -> Result<Vec<Solvable>, TooWide> {
        let would_do = self.would_do(need, width)?;
        width.compare(would_do.len())?;
        Ok(self.narrowed(would_do, asking))
    }

    fn providers(&self, name: &str) -> Vec<String> {
        let mut packages = Vec::new();
        for repository in self.repositories {
            let primary = &repository.primary;
            let all = primary.providing(name).chain(primary.named(name));
            packages.extend(all.chain(primary.with_file(name)).map(|one| one.name().to_owned()));
        }
        packages.sort_unstable();
        packages.dedup();
        packages
    }

    fn look_up(&self, package: &str) {
        self.pool.look_up(package, || self.new_names(package));
    }

    fn holds_alone(
        &self,
        version: &PackageVersion,
        need: &Need,
        width: &mut Width<'_>,
    ) -> Result<bool, TooWide> {
        width.compare(version.comparisons().saturating_mul(need.one_of.len()))?;
        Ok(need.one_of.iter().any(|relation| version.is_about(relation)))
    }
}

impl RpmUniverse<'_> {
    /// What satisfies a need, the most wanted first.
    pub(super) fn would_do(
        &self,
        need: &Need,
        width: &mut Width<'_>,
    ) -> Result<Vec<Solvable>, TooWide> {
        let mut found: Vec<(Change, Solvable, Rc<PackageVersion>)> = Vec::new();
        for relation in &need.one_of {
            number_providers(self, &relation.name, width)?;
            width.compare(1 + self.pool.width_of(&relation.name))?;
            for (solvable, version) in self.pool.providing(&relation.name) {
                if version.is_about(relation)
                    && found.iter().all(|(_, known, _)| *known != solvable)
                {
                    found.push((self.pool.change(solvable, &version), solvable, version));
                }
            }
        }
        // of `(a or b)`, what is named first
        let position = |version: &PackageVersion| {
            need.one_of.iter().position(|relation| version.is_about(relation))
        };
        let called = |version: &PackageVersion| {
            need.one_of.iter().any(|one| one.name == version.facts.id.name.as_ref())
        };
        found.sort_by(|(change_a, a, version_a), (change_b, b, version_b)| {
            let by_name = || called(version_b).cmp(&called(version_a));
            let distance = |version: &PackageVersion| {
                arch::distance(version.facts.id.architecture.as_ref(), self.image.architecture)
            };
            change_a
                .cmp(change_b)
                .then_with(|| self.priority(version_a).cmp(&self.priority(version_b)))
                .then_with(|| distance(version_a).cmp(&distance(version_b)))
                .then_with(|| self.is_recommended(version_b).cmp(&self.is_recommended(version_a)))
                .then_with(|| position(version_a).cmp(&position(version_b)))
                .then_with(by_name)
                .then_with(|| match version_a.name == version_b.name {
                    true => version_b.facts.evr.cmp(&version_a.facts.evr),
                    false => version_a.facts.id.cmp(&version_b.facts.id),
                })
                .then_with(|| a.cmp(b))
        });
        Ok(found.into_iter().map(|(_, solvable, _)| solvable).collect())
    }

    /// Whether several versions of a package may be installed.
    fn stays_beside(&self, name: &str) -> bool {
        let mut installed = self.image.packages.iter().filter(|one| one.name == name);
        installed.any(|one| self.image.options.keeps_all(one))
    }

    /// The priority of a version's repository; what is installed is before all.
    pub(super) fn priority(&self, version: &PackageVersion) -> i64 {
        let place = version.facts.place;
        let repository = place.and_then(|place| self.repositories.get(place.repository));
        repository.map_or(i64::MIN, |repository| repository.source.priority)
    }
}
