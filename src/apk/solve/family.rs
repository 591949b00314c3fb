//! What the planner asks of apk's packages: see [`super::changeset`], [`super::presence`] and
//! [`super::install_if`] for the answers that are apk's own.

use std::collections::BTreeSet;

use super::package_version::{PackageVersion, Source};
use super::{ApkUniverse, offer};
use imgfix_model::package::PackageId;
use imgfix_model::plan::Removal;
use imgfix_repair::lowering::Lowering;
use imgfix_repair::planner::{Companion, Family, Offer, Slot, StepFacts};
use imgfix_repair::pooled;
use imgfix_solve::order::Precedence;
use imgfix_solve::pool::Pool;
use imgfix_solve::solver::{Name, Solvable};
use imgfix_versions::VersionOrder;

impl Lowering for ApkUniverse<'_> {
    fn parts(&mut self) -> (&mut Pool<PackageVersion>, &mut Vec<Slot>) {
        (&mut self.pool, &mut self.slots)
    }

    fn offer(version: &PackageVersion) -> Offer {
        offer(version.record())
    }
}

impl Family for ApkUniverse<'_> {
    fn slots(&self) -> &[Slot] {
        &self.slots
    }

    fn keep(&self) -> Vec<Name> {
        self.pool.keep.clone()
    }

    fn may_go(&self) -> BTreeSet<Name> {
        self.pool.may_go.clone()
    }

    fn installed(&self, solvable: Solvable) -> Option<Solvable> {
        self.pool.installed(solvable)
    }

    fn order(&self) -> VersionOrder {
        self.image.generation.into()
    }

    fn package(&self, solvable: Solvable) -> PackageId {
        pooled::package(self, solvable)
    }

    fn offered(&self, packages: &BTreeSet<&PackageId>) -> BTreeSet<Solvable> {
        pooled::offered(self, packages)
    }

    fn step(&self, solvable: Solvable) -> Option<StepFacts> {
        let version = self.pool.get(solvable)?;
        let Source::Offered(available) = &version.source else { return None };
        pooled::step(self, solvable, available.archive()?)
    }

    fn edges(&self, steps: &[Solvable]) -> BTreeSet<Precedence> {
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
