//! Which source package a finding is about: distributions build several binary packages from
//! one source package, security data is about sources, and so people count by them.
//!
//! In come an image's inventories; out goes a table of names, which a report carries along, so
//! that every rendering groups alike.

use std::collections::{BTreeMap, BTreeSet};

use imgfix_model::finding::{Class, Finding, Naming};
use imgfix_model::package::Inventory;

/// The source packages of binary packages, by name. A package that is not in it is its own
/// source package, or is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Sources(BTreeMap<String, String>);

impl Sources {
    /// The sources that inventories name (dpkg's `Source:`, apk's origin). Of two inventories
    /// the first one's word counts.
    pub fn of<'a>(inventories: impl IntoIterator<Item = &'a Inventory>) -> Self {
        let mut sources = BTreeMap::new();
        for package in inventories.into_iter().flat_map(Inventory::present) {
            let name: &str = package.id.name.as_ref();
            sources.entry(name.to_owned()).or_insert_with(|| package.source_name().to_owned());
        }
        Self(sources)
    }

    /// The source package of a binary package: its own name when no other is known.
    #[must_use]
    pub fn of_package<'a>(&'a self, package: &'a str) -> &'a str {
        self.0.get(package).map_or(package, String::as_str)
    }

    /// What a finding is about: the source package; for libraries, configuration and files
    /// what the scanner calls it.
    #[must_use]
    pub fn of_finding<'a>(&'a self, finding: &'a Finding) -> &'a str {
        match (finding.class, finding.naming) {
            (Class::System, Naming::Binary | Naming::Either) => self.of_package(&finding.package),
            _ => &finding.package,
        }
    }

    /// Only what `packages` need, and only sources of another name than the package's.
    #[must_use]
    pub fn narrowed(mut self, packages: &BTreeSet<&str>) -> Self {
        self.0.retain(|package, source| package != source && packages.contains(package.as_str()));
        self
    }

    /// Whether every package is its own source package.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(any(test, feature = "testing"))]
impl<const N: usize> From<[(&str, &str); N]> for Sources {
    fn from(pairs: [(&str, &str); N]) -> Self {
        Self(pairs.into_iter().map(|(a, b)| (a.to_owned(), b.to_owned())).collect())
    }
}
