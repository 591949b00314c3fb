//! Package differences: by `name:architecture`, with the direction where the family's order
//! of versions is known.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use imgfix_model::package::{Inventory, PackageId};
use imgfix_versions::VersionText;

/// Packages that differ, each list sorted by name and architecture.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct PackagesDiff {
    /// Only the second image has them.
    pub added: Vec<PackageVersion>,
    /// Only the first image has them.
    pub removed: Vec<PackageVersion>,
    /// Newer in the second image, in the family's order.
    pub upgraded: Vec<VersionChange>,
    /// Older in the second image, in the family's order.
    pub downgraded: Vec<VersionChange>,
    /// Another version, and no telling which is newer.
    pub changed: Vec<VersionChange>,
}

/// A package at a version.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PackageVersion {
    /// Which package.
    #[serde(flatten)]
    pub package: PackageId,
    /// The version that is, or was, installed.
    pub version: VersionText,
}

/// A package that has another version.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct VersionChange {
    /// Which package.
    #[serde(flatten)]
    pub package: PackageId,
    /// In the first image.
    pub from: VersionText,
    /// In the second image.
    pub to: VersionText,
}

impl PackagesDiff {
    /// Whether no package differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.removed.is_empty()
            && self.upgraded.is_empty()
            && self.downgraded.is_empty()
            && self.changed.is_empty()
    }
}

/// Compares two inventories of one family.
#[must_use]
pub fn diff_packages(before: &Inventory, after: &Inventory) -> PackagesDiff {
    let by_id = |inventory: &Inventory| -> BTreeMap<PackageId, VersionText> {
        inventory.packages.iter().map(|p| (p.id.clone(), p.version.clone())).collect()
    };
    let (old, mut new) = (by_id(before), by_id(after));
    let mut diff = PackagesDiff::default();
    for (package, from) in old {
        let Some(to) = new.remove(&package) else {
            diff.removed.push(PackageVersion { package, version: from });
            continue;
        };
        if from == to {
            continue;
        }
        let list = match before.compare(from.as_ref(), to.as_ref()) {
            Some(Ordering::Less) => &mut diff.upgraded,
            Some(Ordering::Greater) => &mut diff.downgraded,
            Some(Ordering::Equal) | None => &mut diff.changed,
        };
        list.push(VersionChange { package, from, to });
    }
    diff.added =
        new.into_iter().map(|(package, version)| PackageVersion { package, version }).collect();
    diff
}
