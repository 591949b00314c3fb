//! What was changed, by source package: its binary packages folded, platforms of an index
//! together where they got the same. One table, which page, Markdown and text lay out.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::before_after::{ComponentArchive, PlatformReport};
use super::problems::{Named, Problem};
use super::summary::SeverityCounts;
use imgfix_model::finding::{Class, Severity};
use imgfix_model::platform::Platform;
use imgfix_model::verdict::Outcome;

/// What was changed of one source package.
#[derive(Debug, Clone)]
pub struct SourceChange<'a> {
    /// The source package.
    pub source: &'a str,
    /// Usually one; several when its packages got different versions.
    pub steps: Vec<VersionStep<'a>>,
    /// The problems of it that are fixed, the most urgent first.
    pub fixed: Vec<Named<'a>>,
}

impl SourceChange<'_> {
    /// The worst that is fixed, which need not be the most urgent.
    fn worst(&self) -> Option<Severity> {
        self.fixed.iter().map(|named| named.severity).max()
    }
}

/// The packages of a source package that went the same way.
#[derive(Debug, Clone)]
pub struct VersionStep<'a> {
    /// `None`: newly installed.
    pub from: Option<&'a str>,
    /// `None`: taken away.
    pub to: Option<&'a str>,
    /// Names of binary packages.
    pub packages: BTreeSet<&'a str>,
    /// On which platforms.
    pub platforms: BTreeSet<&'a Platform>,
}

/// A component of a store that is no package manager.
#[derive(Debug, Clone)]
pub struct ComponentStep<'a> {
    /// Its name in its store.
    pub component: &'a str,
    /// `None`: it was not there, or has no versions.
    pub from: Option<&'a str>,
    /// `None`: it is gone, or has no versions.
    pub to: Option<&'a str>,
    /// Where it is.
    pub store: &'a str,
    /// What it is made of now, when that was fetched.
    pub archive: Option<&'a ComponentArchive>,
    /// The problems of it that are fixed, the most urgent first.
    pub fixed: Vec<Named<'a>>,
}

/// Every source package of which something was changed or fixed: what fixes the worst first,
/// then by name.
#[must_use]
pub fn packages<'a>(
    platforms: &'a [PlatformReport],
    problems: &[Problem<'a>],
) -> Vec<SourceChange<'a>> {
    type Way<'a> = (Option<&'a str>, Option<&'a str>);
    type Who<'a> = (BTreeSet<&'a str>, BTreeSet<&'a Platform>);
    let mut ways: BTreeMap<&str, BTreeMap<Way<'a>, Who<'a>>> = BTreeMap::new();
    for one in platforms {
        let changed = one.packages.iter().map(|change| {
            (&change.package, change.from.as_ref().map(AsRef::as_ref), Some(change.to.as_ref()))
        });
        let removed =
            one.removed.iter().map(|gone| (&gone.package, Some(gone.version.as_ref()), None));
        for (package, from, to) in changed.chain(removed) {
            let name: &str = package.name.as_ref();
            let ways = ways.entry(one.sources.of_package(name)).or_default();
            let (packages, platforms) = ways.entry((from, to)).or_default();
            packages.insert(name);
            platforms.insert(&one.platform);
        }
    }
    let mut fixed: BTreeMap<&str, Vec<Named<'a>>> = BTreeMap::new();
    let of_packages = |problem: &&Problem<'a>| {
        problem.class == Class::System && problem.outcome == Outcome::Fixed
    };
    for problem in problems.iter().filter(of_packages) {
        ways.entry(problem.source).or_default();
        fixed.entry(problem.source).or_default().push(problem.named());
    }
    let mut all: Vec<SourceChange<'a>> = ways
        .into_iter()
        .map(|(source, ways)| {
            let step = |((from, to), (packages, platforms)): (Way<'a>, Who<'a>)| VersionStep {
                from,
                to,
                packages,
                platforms,
            };
            let steps = ways.into_iter().map(step).collect();
            SourceChange { source, steps, fixed: fixed.remove(source).unwrap_or_default() }
        })
        .collect();
    all.sort_by_key(|one| (Reverse(one.worst()), one.source));
    all
}

/// Every component that was changed, in the order in which it was done.
#[must_use]
pub fn components<'a>(
    platforms: &'a [PlatformReport],
    problems: &[Problem<'a>],
) -> Vec<ComponentStep<'a>> {
    let mut all: Vec<ComponentStep<'a>> = Vec::new();
    let mut met = BTreeSet::new();
    for change in platforms.iter().flat_map(|one| &one.components) {
        let (from, to) =
            (change.from.as_ref().map(AsRef::as_ref), change.to.as_ref().map(AsRef::as_ref));
        if !met.insert((&change.store, &change.component, &change.path, from, to)) {
            continue;
        }
        // a report may write the name in another way than the record: where both have a place, that
        // decides which copy it is
        let place = change.path.as_ref().map(ToString::to_string);
        let is_it = |problem: &Problem<'a>| {
            let mut places = problem.findings.iter().map(|one| one.judged.finding.path.as_deref());
            let is_place = |found: Option<&str>| match (found, &place) {
                (Some(found), Some(place)) => {
                    found.trim_start_matches('/') == place.trim_start_matches('/')
                }
                _ => problem.source == change.component,
            };
            places.any(is_place)
        };
        let of_it = |problem: &&Problem<'a>| {
            problem.class != Class::System && problem.outcome == Outcome::Fixed && is_it(problem)
        };
        let fixed = problems.iter().filter(of_it).map(Problem::named).collect();
        let (component, store) = (&change.component, &change.store);
        let archive = change.archive.as_ref();
        all.push(ComponentStep { component, from, to, store, archive, fixed });
    }
    all
}

/// `2 critical, 1 high`; nothing for no problems.
#[must_use]
pub fn by_severity(problems: &[Named<'_>]) -> String {
    let mut counts = SeverityCounts::default();
    problems.iter().for_each(|named| counts.add(named.severity));
    counts.to_string()
}

/// Names, shortened: `libssl3, openssl and 2 more`.
#[must_use]
pub fn some_of<'a>(names: impl IntoIterator<Item = &'a str>, most: usize) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match names.get(..most) {
        Some(shown) if names.len() > most => {
            format!("{} and {} more", shown.join(", "), names.len() - most)
        }
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::super::before_after::samples;
    use super::super::problems::problems;
    use super::*;

    #[test]
    fn a_change_is_worth_the_worst_that_it_fixes_whatever_is_named_first() {
        let named = |id, severity, known_exploited| Named {
            id,
            severity,
            title: None,
            link: None,
            known_exploited,
            epss: None,
        };
        let fixed =
            vec![named("CVE-1", Severity::Low, true), named("CVE-2", Severity::Critical, false)];
        let change = SourceChange { source: "zlib", steps: Vec::new(), fixed };
        assert_eq!(change.worst(), Some(Severity::Critical));
    }

    #[test]
    fn binaries_and_platforms_of_one_source_package_are_one_row() {
        let report = samples::index();
        let rows = packages(&report.platforms, &problems(&report.platforms));
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].source, "openssl");
        assert_eq!(rows[0].steps.len(), 1);
        assert_eq!(
            rows[0].steps[0].packages.iter().copied().collect::<Vec<_>>(),
            ["libssl3", "openssl"]
        );
        assert_eq!(rows[0].steps[0].platforms.len(), 2);
        // the other problem of it is left on one platform
        assert_eq!(rows[0].fixed.iter().map(|one| one.id).collect::<Vec<_>>(), ["CVE-2024-6119"]);
    }

    #[test]
    fn what_is_taken_away_is_a_step_to_nothing() {
        let report = samples::report();
        let rows = packages(&report.platforms, &problems(&report.platforms));
        let old = rows.iter().find(|row| row.source == "libold1").unwrap();
        assert_eq!((old.steps[0].from, old.steps[0].to), (Some("0.9-1"), None));
    }

    #[test]
    fn long_lists_are_shortened() {
        assert_eq!(some_of(["a", "b"], 2), "a, b");
        assert_eq!(some_of(["a", "b", "c"], 2), "a, b and 1 more");
        assert_eq!(some_of([], 2), "");
    }
}
