//! What the planner asks of rpm's packages.

use std::collections::BTreeSet;

use super::RpmUniverse;
use super::package_version::PackageVersion;
use super::relation::{holds_now, needs};
use crate::primary::RelationKind;
use imgfix_model::finding::Finding;
use imgfix_model::package::PackageId;
use imgfix_model::plan::{Because, Removal};
use imgfix_repair::lowering::Lowering;
use imgfix_repair::planner::{Companion, Family, Offer, Slot, StepFacts};
use imgfix_repair::pooled;
use imgfix_solve::effort::Width;
use imgfix_solve::order::{Precedence, Strength};
use imgfix_solve::pool::{Pool, Pooled as _};
use imgfix_solve::rules::number_providers;
use imgfix_solve::solver::{Name, Solvable, Universe as _};
use imgfix_versions::VersionOrder;

impl Lowering for RpmUniverse<'_> {
    fn parts(&mut self) -> (&mut Pool<PackageVersion>, &mut Vec<Slot>) {
        (&mut self.pool, &mut self.slots)
    }

    fn offer(version: &PackageVersion) -> Offer {
        version.facts.offer()
    }

    fn choices(&self, slot: usize) -> Vec<Solvable> {
        let slot = self.slots.get(slot);
        slot.and_then(|slot| self.choices.get(&slot.id)).cloned().unwrap_or_default()
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

    fn replaced(&self, solvable: Solvable) -> Vec<Solvable> {
        self.pool.replaced(solvable)
    }

    fn advised(&self, finding: &Finding) -> Vec<String> {
        self.fixed_by_advisories(finding)
    }

    fn advised_candidate(&self, finding: &Finding, slot: usize) -> Option<(Solvable, Offer)> {
        self.led_to(finding, slot)
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
        pooled::step(self, solvable, archive)
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

    /// What newer packages take the place of, and no version is left of.
    fn removals(&self, changes: &[Solvable]) -> Vec<Removal> {
        let mut removals: Vec<Removal> = Vec::new();
        let named: BTreeSet<Name> = changes.iter().map(|change| self.name(*change)).collect();
        for (before, change) in changes.iter().enumerate() {
            let Some(new) = self.pool.get(*change) else { continue };
            for old in self.pool.replaced(*change).into_iter().filter_map(|one| self.pool.get(one))
            {
                let known = removals.iter().any(|one| one.package == old.facts.id);
                if known || named.contains(&old.name) {
                    continue;
                }
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
                for solvable in self.recommended(need) {
                    if companions.iter().all(|one| one.solvable != solvable) {
                        let relation = need.text.clone();
                        let because_of = *change;
                        let is_gentle = true;
                        companions.push(Companion { solvable, because_of, relation, is_gentle });
                    }
                }
            }
        }
        companions
    }
}

impl RpmUniverse<'_> {
    /// The new packages of which a recommendation brings one, the most wanted first.
    fn recommended(&self, need: &super::relation::Need) -> Vec<Solvable> {
        let mut width = Width::new(&self.pool.effort);
        for relation in &need.one_of {
            if number_providers(self, &relation.name, &mut width).is_err() {
                return Vec::new();
            }
        }
        let mut found = self.would_do(need, &mut width).unwrap_or_default();
        found.retain(|one| self.pool.installed(*one).is_none());
        found
    }
}
