//! What upgraded packages say of their changes, for people who review an upgrade; and which
//! vulnerabilities they name there, which is no more than that: nobody has judged it.

use std::collections::{BTreeMap, BTreeSet};

use super::package::PackageId;

/// What the changelogs of upgraded packages say between the installed and the new version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changelogs {
    /// For people to read; packages with the same entries share them.
    pub entries: Vec<Changelog>,
    /// The ids (`CVE-2024-2961`) that they name, of each package whose changelog was found; of
    /// one that names none, an empty set.
    pub named: BTreeMap<PackageId, BTreeSet<String>>,
}

/// What changed in one version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct ChangelogEntry {
    /// The version whose changes these are, as the entry's heading has it.
    pub version: String,
    /// As the line says it: `bookworm-security; urgency=high`.
    pub target: String,
    /// Who and when, as the trailer says it; empty when the text ends before it.
    pub trailer: String,
    /// The indented lines, without their indent of two.
    pub text: String,
}

/// The entries above a version, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct ChangelogPart {
    /// Newest first; at most as many as the reader of changelogs keeps.
    pub entries: Vec<ChangelogEntry>,
    /// Whether more entries than shown lie between the versions.
    pub cut: bool,
}

/// What changed in upgraded packages, by their own words. Packages of one source share one.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Changelog {
    /// `name:architecture`, sorted.
    pub packages: Vec<String>,
    /// The changes that `packages` share.
    #[serde(flatten)]
    pub part: ChangelogPart,
}

impl Changelog {
    /// Puts packages with the same entries together; packages without entries are left out.
    #[must_use]
    pub fn gather(parts: Vec<(String, ChangelogPart)>) -> Vec<Self> {
        let mut by_part: BTreeMap<ChangelogPart, Vec<String>> = BTreeMap::new();
        for (package, part) in parts.into_iter().filter(|(_, part)| !part.entries.is_empty()) {
            by_part.entry(part).or_default().push(package);
        }
        let mut out: Vec<Self> = by_part
            .into_iter()
            .map(|(part, mut packages)| {
                packages.sort();
                Self { packages, part }
            })
            .collect();
        out.sort_by(|a, b| a.packages.cmp(&b.packages));
        out
    }
}
