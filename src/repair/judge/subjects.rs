//! The packages of an image that a finding is about, and whether each is free of the problem.

use super::{At, Concern, Demand, Named, Rules, State, concerned};
use imgfix_model::finding::Finding;
use imgfix_model::package::{Installed, Inventory};

/// Which of an image's packages a finding concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subjects<'a> {
    /// In the inventory's order; never empty.
    Packages(Vec<&'a Installed>),
    /// See [`Concern::OtherArchitecture`].
    OtherArchitecture {
        wanted: String,
        installed: Vec<String>,
    },
    Nothing,
}

/// The packages that `finding` is about: unfinished ones too, whose files may be there.
#[must_use]
pub fn subjects<'a>(finding: &Finding, inventory: &'a Inventory) -> Subjects<'a> {
    let present: Vec<&Installed> = inventory.present().collect();
    let named = present.iter().map(|one| Named { id: &one.id, source: one.source_name() });
    match concerned(finding, named) {
        Concern::Packages(at) => {
            Subjects::Packages(at.iter().filter_map(|at| present.get(*at).copied()).collect())
        }
        Concern::OtherArchitecture { wanted, installed } => {
            Subjects::OtherArchitecture { wanted, installed }
        }
        Concern::Nothing => Subjects::Nothing,
    }
}

/// The versions of an installed package.
#[must_use]
pub fn at(package: &Installed) -> At<'_> {
    At { version: package.version.as_ref(), source_version: package.source_version().as_ref() }
}

/// Asks something with the rules of the inventory's family.
pub fn with_rules<T>(inventory: &Inventory, ask: impl FnOnce(&Rules<'_>) -> T) -> T {
    let compare = |a: &str, b: &str| inventory.compare(a, b);
    ask(&Rules { compare: &compare, zero: inventory.order.zero() })
}

/// What a finding demands of packages of this inventory.
#[must_use]
pub fn demand(finding: &Finding, inventory: &Inventory) -> Demand {
    with_rules(inventory, |rules| Demand::of(finding, rules))
}

/// The state of an installed package; `before` is the inventory that the report was made of.
#[must_use]
pub fn state(
    claims: &super::Claims,
    finding: &Finding,
    package: &Installed,
    before: &Inventory,
    inventory: &Inventory,
) -> State {
    let former = before.present().find(|one| one.id == package.id).map(at);
    with_rules(inventory, |rules| claims.state(finding, former, at(package), rules))
}
