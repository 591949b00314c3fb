//! Repairs without a scanner's report: which vulnerabilities the changelogs of the upgraded packages
//! name. In come platforms' reports; out go counts, the sentence and the rows that every rendering
//! shows. None of it is a finding: a changelog names what it fixes, what it does not and what it
//! takes back, and nobody judged it.

use std::collections::{BTreeMap, BTreeSet};

use super::before_after::PlatformReport;
use super::summary::{count, thousands};

/// What every rendering calls them.
pub const TITLE: &str = "Named in changelogs, not judged by a scanner";

/// How many are named, each thing once over all platforms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct NamedInChangelogs {
    /// Packages, by name, whose changelogs name any.
    pub packages: usize,
    /// Ids.
    pub vulnerabilities: usize,
}

impl NamedInChangelogs {
    /// `None` when no changelog was read: a report says what is to be repaired, or there is none.
    #[must_use]
    pub fn of(platforms: &[PlatformReport]) -> Option<Self> {
        let mut read = false;
        let (mut packages, mut ids) = (BTreeSet::new(), BTreeSet::new());
        for change in platforms.iter().flat_map(|platform| &platform.packages) {
            let Some(named) = &change.named_in_changelogs else { continue };
            read = true;
            if !named.is_empty() {
                packages.insert(&change.package.name);
            }
            ids.extend(named);
        }
        read.then_some(Self { packages: packages.len(), vulnerabilities: ids.len() })
    }

    /// `changelogs of 17 packages name 34 vulnerabilities (no report was given; none is judged)`
    #[must_use]
    pub fn sentence(self) -> String {
        let packages = count(self.packages, "package");
        match (self.packages, self.vulnerabilities) {
            (_, 0) => "the changelogs of the upgraded packages name no vulnerability (no report \
                       was given)"
                .to_owned(),
            (1, 1) => format!(
                "the changelog of {packages} names 1 vulnerability (no report was given; it is not \
                 judged)"
            ),
            (1, many) => format!(
                "the changelog of {packages} names {} vulnerabilities (no report was given; none \
                 is judged)",
                thousands(many)
            ),
            (_, 1) => format!(
                "changelogs of {packages} name 1 vulnerability (no report was given; it is not \
                 judged)"
            ),
            (_, many) => format!(
                "changelogs of {packages} name {} vulnerabilities (no report was given; none is \
                 judged)",
                thousands(many)
            ),
        }
    }
}

/// Packages whose changelogs name the same, with what they name: packages of one source share a
/// line.
#[must_use]
pub fn rows(platforms: &[PlatformReport]) -> Vec<(BTreeSet<&str>, BTreeSet<&str>)> {
    let mut by_package: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for change in platforms.iter().flat_map(|platform| &platform.packages) {
        let named = change.named_in_changelogs.iter().flatten().map(String::as_str);
        by_package.entry(change.package.name.as_ref()).or_default().extend(named);
    }
    let mut by_ids: BTreeMap<BTreeSet<&str>, BTreeSet<&str>> = BTreeMap::new();
    for (package, ids) in by_package.into_iter().filter(|(_, ids)| !ids.is_empty()) {
        by_ids.entry(ids).or_default().insert(package);
    }
    let mut rows: Vec<_> = by_ids.into_iter().map(|(ids, packages)| (packages, ids)).collect();
    rows.sort();
    rows
}

#[cfg(test)]
mod tests {
    use super::super::before_after::samples;
    use super::*;

    #[test]
    fn what_is_named_is_counted_once_and_is_no_finding() {
        let report = samples::unreported();
        let named = report.summary.named_in_changelogs.unwrap();
        assert_eq!((named.packages, named.vulnerabilities), (3, 3));
        assert_eq!(
            named.sentence(),
            "changelogs of 3 packages name 3 vulnerabilities (no report was given; none is judged)"
        );
        let summary = report.summary;
        assert_eq!((summary.findings, summary.fixed, summary.vulnerabilities.total), (0, 0, 0));
        let rows: Vec<String> = rows(&report.platforms)
            .into_iter()
            .map(|(packages, ids)| {
                let list = |all: BTreeSet<&str>| all.into_iter().collect::<Vec<_>>().join(" ");
                format!("{}: {}", list(packages), list(ids))
            })
            .collect();
        assert_eq!(rows, ["libc6: CVE-2024-2961", "libssl3 openssl: CVE-2024-5535 CVE-2024-6119"]);
        // platforms are not added up
        let twice = [&report.platforms[..], &report.platforms[..]].concat();
        assert_eq!(NamedInChangelogs::of(&twice), Some(named));
    }

    #[test]
    fn with_a_report_nothing_is_said() {
        assert_eq!(samples::report().summary.named_in_changelogs, None);
        assert!(rows(&samples::report().platforms).is_empty());
    }

    #[test]
    fn one_and_none_read_well() {
        let said =
            |packages, vulnerabilities| NamedInChangelogs { packages, vulnerabilities }.sentence();
        assert!(said(0, 0).contains("name no vulnerability (no report was given)"));
        assert!(said(1, 1).starts_with("the changelog of 1 package names 1 vulnerability ("));
        assert!(said(1, 2).starts_with("the changelog of 1 package names 2 vulnerabilities ("));
        assert!(said(2, 1).starts_with("changelogs of 2 packages name 1 vulnerability ("));
    }
}
