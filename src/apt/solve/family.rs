//! What the planner asks of Debian's packages: which are there, what a step does, and in which
//! order dpkg has to take them.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use super::DpkgUniverse;
use super::package_version::{Field, PackageVersion};
use imgfix_model::package::PackageId;
use imgfix_repair::planner::{Family, Slot, StepFacts};
use imgfix_repair::pooled;
use imgfix_solve::order::{Precedence, Strength};
use imgfix_solve::pool::Pooled as _;
use imgfix_solve::solver::{Name, Solvable};
use imgfix_versions::VersionOrder;

/// The most pairs of steps that are put in order, more than any real plan has.
const MAX_EDGES: usize = 1_000_000;

impl Family for DpkgUniverse<'_> {
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
        VersionOrder::DPKG
    }

    fn package(&self, solvable: Solvable) -> PackageId {
        pooled::package(self, solvable)
    }

    fn offered(&self, packages: &BTreeSet<&PackageId>) -> BTreeSet<Solvable> {
        pooled::offered(self, packages)
    }

    fn step(&self, solvable: Solvable) -> Option<StepFacts> {
        let version = self.pool.get(solvable)?;
        let available = version.available.as_deref()?;
        let mut facts = pooled::step(self, solvable, available.archive())?;
        if facts.from.is_some()
            && let Some(percentage) = available.phased.filter(|p| *p < 100)
        {
            facts.notes.push(format!(
                "{} is a phased update, which {percentage}% of machines get by now",
                version.label()
            ));
        }
        Some(facts)
    }

    fn notes(&self, changes: &[Solvable]) -> Vec<String> {
        self.recommended(changes)
    }

    fn edges(&self, steps: &[Solvable]) -> BTreeSet<Precedence> {
        let versions: Vec<Rc<PackageVersion>> =
            steps.iter().filter_map(|&solvable| self.pool.get(solvable)).collect();
        let mut at: HashMap<&str, Vec<usize>> = HashMap::new();
        for (position, version) in versions.iter().enumerate() {
            for name in version.names() {
                at.entry(name).or_default().push(position);
            }
        }
        let mut edges = BTreeSet::new();
        for (later, version) in versions.iter().enumerate() {
            for need in version.needs() {
                let strength = match need.field {
                    Field::PreDepends => Strength::Unpacked,
                    Field::Depends => Strength::Configured,
                };
                for relation in &need.clause.0 {
                    for &earlier in at.get(relation.name.as_str()).into_iter().flatten() {
                        let satisfies = versions.get(earlier).is_some_and(|other| {
                            self.is_satisfied(relation, &version.architecture, other)
                        });
                        if satisfies {
                            edges.insert(Precedence { earlier, later, strength });
                        }
                        if edges.len() >= MAX_EDGES {
                            return edges;
                        }
                    }
                }
            }
        }
        edges
    }
}
