//! What the planner asks of a [`Pool`](imgfix_solve::pool::Pool), whatever the family.
//!
//! In comes a family's pool with its rules; out come answers for a
//! [`Family`](super::planner::Family): which package a version is of, which versions a ban is
//! about, and what installing one does.

use std::collections::BTreeSet;

use super::planner::StepFacts;
use imgfix_model::package::PackageId;
use imgfix_model::plan::Archive;
use imgfix_solve::pool::{Found, Pooled};
use imgfix_solve::rules::{Rules, was_broken};
use imgfix_solve::solver::Solvable;
use imgfix_versions::VersionText;

/// A version that is one of a package with a name that people know.
pub trait Packaged: Pooled {
    /// The package.
    fn id(&self) -> PackageId;
    /// The version as its family writes it.
    fn version_text(&self) -> VersionText;
}

/// The package of a version; one without a name where the number is of none.
pub fn package<R: Rules<Version: Packaged>>(rules: &R, solvable: Solvable) -> PackageId {
    match rules.pool().get(solvable) {
        Some(version) => version.id(),
        None => PackageId { name: "".into(), architecture: "".into() },
    }
}

/// All offered versions of `packages`, also those that would take their place.
pub fn offered<R: Rules<Version: Packaged>>(
    rules: &R,
    packages: &BTreeSet<&PackageId>,
) -> BTreeSet<Solvable> {
    for package in packages {
        rules.look_up(package.name.as_ref());
    }
    let pool = rules.pool();
    let replaces = |solvable: Solvable| {
        let own = pool.installed(solvable).into_iter();
        let mut installed = own.chain(pool.replaced(solvable)).filter_map(|one| pool.get(one));
        installed.any(|installed| packages.contains(&installed.id()))
    };
    let offered: Found<R::Version> = pool.all(Pooled::is_offered);
    offered
        .into_iter()
        .filter(|(solvable, version)| packages.contains(&version.id()) || replaces(*solvable))
        .map(|(solvable, _)| solvable)
        .collect()
}

/// What installing a version from `archive` means; its notes name the needs that were not
/// satisfied before and are not now. `None`: the number is of no version.
pub fn step<R: Rules<Version: Packaged>>(
    rules: &R,
    solvable: Solvable,
    archive: Archive,
) -> Option<StepFacts> {
    let pool = rules.pool();
    let version = pool.get(solvable)?;
    let former = pool.installed(solvable).and_then(|installed| pool.get(installed));
    let broken = version.needs().filter(|need| was_broken(rules, version.name(), need));
    let notes = broken
        .map(|need| {
            format!(
                "{} has {}, which the image did not satisfy before either",
                version.label(),
                version.need_text(need)
            )
        })
        .collect();
    Some(StepFacts {
        package: version.id(),
        from: former.map(|former| former.version_text()),
        to: version.version_text(),
        archive,
        notes,
    })
}
