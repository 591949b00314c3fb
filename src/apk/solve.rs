//! apk's relations in the planner's terms.
//!
//! In come what is installed with `world`, and the repositories' index; out comes a
//! [`Family`](imgfix_repair::planner::Family) that the planner asks, which does what `apk upgrade`
//! (without `--available`) does. What dependencies mean is in [`package_version`], which provider
//! is taken in [`rules`], and the planner's questions are answered in [`family`]. Beyond relations:
//!
//! - `world` asks like a package that is always there; a version that it does not allow is no
//!   candidate. What it pins to a tag, and what that needs, may come from repositories with
//!   that tag ([`pinning`]).
//! - Of versions that cannot be reached lower ones are taken ([`imgfix_repair::lowering`]).
//! - What has an `install_if` comes along when all of it holds ([`install_if`]).
//! - Steps are in the order of apk's changeset ([`changeset`]).
//! - What `world` reaches no more goes, be it in the way of what is wanted or not needed any
//!   more ([`presence`]).
//!
//! Three rules are ours. Nothing goes to a lower version, and nothing goes that `world` names or
//! did not reach before. A package of the same version with another identity is no upgrade
//! (there apk agrees, without `--available`). And relations that the image breaks already may
//! stay broken.

mod changeset;
mod family;
mod install_if;
mod needs;
mod package_version;
mod pinning;
mod presence;
mod rules;
mod world_check;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

pub use self::needs::Needs;
use self::package_version::{PackageVersion, Source, admits, is_about, provided};
use self::pinning::Pinning;
pub use self::world_check::unsatisfiable;
use super::dependency::Dependency;
use super::index::{Available, PackageIndex};
use super::inventory::ApkInventory;
use super::record::Record;
use imgfix_model::package::PackageId;
use imgfix_model::reason::Reason;
use imgfix_repair::lowering::{settle_candidates, settle_together};
use imgfix_repair::planner::{Context, Lock, Offer, Planned, Requests, Slot, plan};
use imgfix_solve::effort::Effort;
use imgfix_solve::pool::Pool;
use imgfix_solve::rules::{broken, with_a_choice};
use imgfix_solve::solver::{Name, Solvable};
use imgfix_versions::apk::generation::Generation;

/// What is installed, as far as plans depend on it.
#[derive(Debug, Clone, Default)]
pub struct Image<'a> {
    /// In the order of the database.
    pub packages: Vec<&'a Record>,
    /// What `etc/apk/world` asks for.
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
    barred: &BTreeMap<PackageId, Reason>,
    context: &Context,
) -> Planned {
    let universe = ApkUniverse::for_requests(image, index, requests, Effort::default());
    plan(&universe, requests, barred, context)
}

/// The image and its repositories as a [`Family`](imgfix_repair::planner::Family).
pub struct ApkUniverse<'a> {
    image: &'a Image<'a>,
    index: &'a PackageIndex,
    pinning: Pinning,
    slots: Vec<Slot>,
    pool: Pool<PackageVersion>,
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
            settle_together(&mut universe);
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
            pool: Pool::new(effort),
        };
        let name = universe.pool.new_name();
        let depends = image.world.to_vec();
        let world = Record { name: "world".into(), depends, ..Record::default() };
        universe.pool.number(PackageVersion { name, source: Source::World(Box::new(world)) });
        let mut packages = image.packages.clone();
        packages.sort_by_cached_key(|record| record.id());
        for record in packages {
            let slot = universe.add_installed(record);
            universe.slots.push(slot);
        }
        universe.pool.broken = broken(&universe);
        universe.pool.may_go = universe.reached_by_need();
        universe.pool.keep = with_a_choice(&universe);
        settle_candidates(&mut universe);
        universe
    }

    /// Whether `record` satisfies `dependency`; of a conflict: whether it is excluded.
    fn is_about(&self, dependency: &Dependency, record: &Record) -> bool {
        is_about(dependency, record, self.image.generation)
    }

    fn add_installed(&self, record: &Record) -> Slot {
        let name = self.pool.new_name();
        self.pool
            .number(PackageVersion { name, source: Source::Installed(Box::new(record.clone())) });
        self.pool.file(&record.name.0, vec![name]);
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
            .map(|available| {
                self.pool.number(PackageVersion { name, source: Source::Offered(available) })
            })
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
    fn new_name(&self, package: &str) -> Option<Name> {
        let mut versions = self.index.versions(package);
        versions.retain(|available| {
            self.pinning.allows(available) && available.record.is_valid(self.image.generation)
        });
        if versions.is_empty() {
            return None;
        }
        self.sort_versions(&mut versions);
        let name = self.pool.new_name();
        for available in versions {
            self.pool.number(PackageVersion { name, source: Source::Offered(available) });
        }
        Some(name)
    }
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
