//! What the planner asks of rpm's packages.

use std::collections::BTreeSet;

use super::RpmUniverse;
use super::package_version::PackageVersion;
use super::relation::{holds_now, needs};
use crate::primary::RelationKind;
use imgfix_model::package::PackageId;
use imgfix_model::plan::{Because, Removal};
use imgfix_repair::lowering::Lowering;
use imgfix_repair::planner::{Companion, Family, Offer, Slot, StepFacts};
use imgfix_repair::pooled;
use imgfix_solve::effort::Width;
use imgfix_solve::order::{Precedence, Strength};
use imgfix_solve::pool::{Pool, Pooled as _};
use imgfix_solve::rules::number_providers;
use imgfix_solve::solver::{Name, Solvable};
use imgfix_versions::VersionOrder;

impl Lowering for RpmUniverse<'_> {
    fn parts(&mut self) -> (&mut Pool<PackageVersion>, &mut Vec<Slot>) {
        (&mut self.pool, &mut self.slots)
    }

    fn offer(version: &PackageVersion) -> Offer {
        version.facts.offer()
    }
}

impl Family for RpmUniverse<'_> {
    fn slots(&self) -> &[Slot] {
        &self.slots
    }

    fn keep(&self) -> Vec<Name> {
        self.pool.keep.clone()
    }

    fn installed(&self, solvable: Solvable) -> Option<Solvable> {
        self.pool.installed(solvable)
    }

    fn order(&self) -> VersionOrder {
        VersionOrder::RPM
    }

    fn package(&self, solvable: Solvable) -> PackageId {
        pooled::package(self, solvable)
    }

    fn offered(&self, packages: &BTreeSet<&PackageId>) -> BTreeSet<Solvable> {
        pooled::offered(self, packages)
    }

    fn step(&self, solvable: Solvable) -> Option<StepFacts> {
        let version = self.pool.get(solvable)?;
        let place = version.facts.place?;
        let repository = self.repositories.get(place.repository)?;
        let archive = repository.archive(&self.package(place)?);
        let facts = pooled::step(self, solvable, archive)?;
        // what takes another's place was not there before
        let from = facts.from.filter(|_| self.replaced_by(solvable).is_none());
        Some(StepFacts { from, ..facts })
    }

    /// What is needed is installed before what needs it.
    fn edges(&self, steps: &[Solvable]) -> BTreeSet<Precedence> {
        let mut edges = BTreeSet::new();
        for (later, step) in steps.iter().enumerate() {
            let Some(version) = self.pool.get(*step) else { continue };
            for relation in version.needs().flat_map(PackageVersion::one_of) {
                for (earlier, other) in steps.iter().enumerate() {
                    let meets = self.pool.get(*other).is_some_and(|other| other.is_about(relation));
                    if meets && earlier != later {
                        let strength = Strength::Configured;
                        edges.insert(Precedence { earlier, later, strength });
                    }
                }
            }
        }
        edges
    }

    /// What newer packages take the place of.
    fn removals(&self, changes: &[Solvable]) -> Vec<Removal> {
        let mut removals = Vec::new();
        for (before, change) in changes.iter().enumerate() {
            let (Some(old), Some(new)) = (self.replaced_by(*change), self.pool.get(*change)) else {
                continue;
            };
            let source = old.facts.source_name();
            let own = old.facts.id.name.as_ref();
            let package = new.facts.place.and_then(|place| self.package(place));
            let said = package.and_then(|package| {
                let mut obsoletes = package.relations(RelationKind::Obsoletes);
                obsoletes.find(|one| one.name == own).map(|one| one.to_string())
            });
            removals.push(Removal {
                package: old.facts.id.clone(),
                version: old.facts.evr.to_text(),
                source: (source != own).then(|| source.as_str().into()),
                before,
                because: Because::Needed {
                    package: new.facts.id.clone(),
                    relation: format!("Obsoletes: {}", said.as_deref().unwrap_or(own)),
                },
            });
        }
        removals
    }

    /// What new versions recommend, and the installed ones did not.
    fn companions(&self, changes: &[Solvable], _wanted: &BTreeSet<Solvable>) -> Vec<Companion> {
        if !self.image.options.weak_dependencies {
            return Vec::new();
        }
        let mut companions: Vec<Companion> = Vec::new();
        for change in changes {
            let Some(version) = self.pool.get(*change) else { continue };
            let Some(package) = version.facts.place.and_then(|place| self.package(place)) else {
                continue;
            };
            let before: Vec<String> = self
                .image
                .packages
                .iter()
                .filter(|one| one.name == package.name())
                .flat_map(|one| one.recommends.iter().map(|text| text.text().to_string()))
                .collect();
            for text in package.relations(RelationKind::Recommends) {
                let is_there = |relation: &super::Relation| self.is_there(relation);
                if before.contains(&text.to_string()) || holds_now(&text, &is_there) {
                    continue;
                }
                let mut absences = Vec::new();
                let wanted = needs(&text, "Recommends", &is_there, &mut absences);
                let ([need], []) = (wanted.as_slice(), absences.as_slice()) else { continue };
                let met = changes.iter().any(|other| {
                    let other = self.pool.get(*other);
                    other.is_some_and(|other| need.one_of.iter().any(|one| other.is_about(one)))
                });
                if met {
                    continue;
                }
                let Some(solvable) = self.recommended(need) else { continue };
                if companions.iter().all(|one| one.solvable != solvable) {
                    let relation = need.text.clone();
                    companions.push(Companion { solvable, because_of: *change, relation });
                }
            }
        }
        companions
    }
}

impl RpmUniverse<'_> {
    /// The installed package whose place a version of another name takes.
    fn replaced_by(&self, solvable: Solvable) -> Option<std::rc::Rc<PackageVersion>> {
        let new = self.pool.get(solvable)?;
        let old = self.pool.get(self.pool.installed(solvable)?)?;
        (old.facts.id.name != new.facts.id.name).then_some(old)
    }

    /// The new package that a recommendation brings.
    fn recommended(&self, need: &super::relation::Need) -> Option<Solvable> {
        use imgfix_solve::rules::Rules as _;
        let mut width = Width::new(&self.pool.effort);
        for relation in &need.one_of {
            number_providers(self, &relation.name, &mut width).ok()?;
        }
        let any = self.pool.all_installed().into_iter().next()?.1;
        let found = self.alternatives(need, &any, &mut width).ok()?;
        // what would take the place of an installed package is no addition
        found.into_iter().find(|one| self.pool.installed(*one).is_none())
    }
}
