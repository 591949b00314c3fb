//! What upgraded packages say of their changes, for people who review an upgrade; and which
//! vulnerabilities they name there, which is no more than that: nobody has judged it.

use std::collections::{BTreeMap, BTreeSet};

use super::package::PackageId;

/// Entries kept at most: a jump over more is told as such.
pub const MAX_ENTRIES: usize = 100;
/// Bytes of text kept at most over all entries.
pub const MAX_TEXT: usize = 64 << 10;
/// Ids kept at most of one package: a kernel that is a year old has some thousands.
pub const MAX_IDS: usize = 20_000;

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

/// The CVE ids in a text, in capitals: `CVE-`, the year, and a number of at least four digits
/// (<https://www.cve.org/ResourcesSupport/FAQs#pc_cve_recordsrecord_cve_numbering>).
#[must_use]
pub fn vulnerability_ids(line: &str) -> Vec<String> {
    const PREFIX: &str = "CVE-";
    /// Digits of a number at most, as the record's schema has it.
    const DIGITS: std::ops::RangeInclusive<usize> = 4..=19;
    let line = line.to_ascii_uppercase();
    let mut found = Vec::new();
    for (at, _) in line.match_indices(PREFIX) {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        let rest = line.get(at + PREFIX.len()..).unwrap_or_default();
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let year = digits(rest);
        let number = rest.get(year..).and_then(|rest| rest.strip_prefix('-')).map_or(0, digits);
        let apart = !before.is_some_and(|c| c.is_ascii_alphanumeric());
        if apart && year == 4 && DIGITS.contains(&number) {
            let id = rest.get(..year + 1 + number).unwrap_or_default();
            found.push(format!("{PREFIX}{id}"));
        }
    }
    found
}
