//! Problems: what people count. One problem is one id in one source package (or library, file or
//! other place), however many binary packages and platforms it was found in; it is fixed when all of
//! its findings are.
//!
//! In come the reports on the platforms; out go [`Problem`]s, worst first. Every rendering and
//! the counts ([`super::summary`]) are made of these.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::before_after::PlatformReport;
use super::text::{assessed_by, became};
use imgfix_model::advisory::Epss;
use imgfix_model::finding::{Class, Finding, Severity};
use imgfix_model::platform::Platform;
use imgfix_model::verdict::{JudgedFinding, Outcome};

/// One id in one source package, over all platforms.
#[derive(Debug, Clone)]
pub struct Problem<'a> {
    /// As the scanner names it: `CVE-2024-1234`.
    pub id: &'a str,
    /// The class of its findings.
    pub class: Class,
    /// The source package; for other classes what the scanner calls the thing.
    pub source: &'a str,
    /// Where in the image, of what is no package: a file, a variable, a part of the history.
    pub at: Option<String>,
    /// The worst that a finding of it says.
    pub severity: Severity,
    /// The worst that became of a finding of it.
    pub outcome: Outcome,
    /// One line for people, when a scanner gives one.
    pub title: Option<&'a str>,
    /// Where to read about it, when a scanner links it; `http` or `https`.
    pub link: Option<&'a str>,
    /// A report says that it is known to be exploited.
    pub known_exploited: bool,
    /// How likely it is to be exploited, the highest that a finding of it says.
    pub epss: Option<Epss>,
    /// Its findings, in the order of platforms and reports; never empty.
    pub findings: Vec<Found<'a>>,
}

/// One finding of a problem.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// The platform on which it was found.
    pub platform: &'a Platform,
    /// The finding and its verdict.
    pub judged: &'a JudgedFinding,
}

impl<'a> Problem<'a> {
    /// The findings that make the problem what it is: those with its outcome.
    pub fn decisive(&self) -> impl Iterator<Item = &Found<'a>> {
        self.findings.iter().filter(|one| one.judged.verdict.outcome() == self.outcome)
    }

    /// What became of it, as half a sentence; the different answers of its decisive findings,
    /// each once.
    #[must_use]
    pub fn became(&self) -> String {
        let mut all = Vec::new();
        for one in self.decisive() {
            let text = became(&one.judged.verdict);
            if !all.contains(&text) {
                all.push(text);
            }
        }
        all.join("; ")
    }

    /// The packages of its decisive findings, each once, in the order of their names.
    #[must_use]
    pub fn packages(&self) -> BTreeSet<&'a str> {
        self.decisive().map(|one| one.judged.finding.package.as_str()).collect()
    }

    /// The problem in few words.
    #[must_use]
    pub fn named(&self) -> Named<'a> {
        Named {
            id: self.id,
            severity: self.severity,
            title: self.title,
            link: self.link,
            known_exploited: self.known_exploited,
            epss: self.epss,
        }
    }

    /// The order of lists, as that of findings (`Finding::urgency`): what is known to be
    /// exploited, what is most likely to be, the worst, then by id.
    fn urgency(&self) -> impl Ord + '_ {
        let likely = Reverse(self.epss.map(|epss| epss.score));
        (
            Reverse(self.known_exploited),
            likely,
            Reverse(self.severity),
            self.id,
            self.source,
            &self.at,
        )
    }

    /// What to call the place of it in one word: the package when only one has it, else the
    /// source package.
    #[must_use]
    pub fn place(&self) -> &'a str {
        let packages = self.packages();
        match (packages.len(), packages.first()) {
            (1, Some(only)) => only,
            _ => self.source,
        }
    }
}

/// What an outcome is worth when a problem has several: the worst counts. What is still there
/// is worse than what is gone, and what nobody accepted is worse than what somebody did.
fn rank(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Left => 4,
        Outcome::Ignored => 3,
        Outcome::Mitigated => 2,
        Outcome::Fixed => 1,
        Outcome::NotAffected => 0,
    }
}

/// Every problem of an image, the most urgent first.
#[must_use]
pub fn problems(platforms: &[PlatformReport]) -> Vec<Problem<'_>> {
    let mut all: BTreeMap<(Class, &str, Option<String>, &str), Problem<'_>> = BTreeMap::new();
    for platform in platforms {
        for judged in &platform.findings {
            let finding = &judged.finding;
            let outcome = judged.verdict.outcome();
            let source = platform.sources.of_finding(finding);
            let found = Found { platform: &platform.platform, judged };
            let at = finding.location.as_ref().and_then(|_| finding.rough_place());
            let key = (finding.class, source, at.clone(), finding.id.as_str());
            let problem = all.entry(key).or_insert(Problem {
                id: &finding.id,
                class: finding.class,
                source,
                at,
                severity: finding.severity,
                outcome,
                title: None,
                link: None,
                known_exploited: false,
                epss: None,
                findings: Vec::new(),
            });
            problem.severity = problem.severity.max(finding.severity);
            if rank(outcome) > rank(problem.outcome) {
                problem.outcome = outcome;
            }
            problem.title = problem.title.or(finding.title.as_deref());
            problem.link = problem.link.or(finding.link());
            problem.known_exploited |= finding.known_exploited;
            problem.epss = problem.epss.max(finding.epss);
            problem.findings.push(found);
        }
    }
    let mut all: Vec<Problem<'_>> = all.into_values().collect();
    all.sort_by(|a, b| a.urgency().cmp(&b.urgency()));
    all
}

/// Problems of one source package that share what became of them: a row of a table.
#[derive(Debug, Clone)]
pub struct Row<'a> {
    /// The class of its findings.
    pub class: Class,
    /// The source package; for other classes what the scanner calls the thing.
    pub source: &'a str,
    /// The packages that have them, each with the versions that were seen.
    pub packages: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// Where in the image, as it goes behind `in`.
    pub places: BTreeSet<String>,
    /// What became of them, as half a sentence.
    pub outcome: String,
    /// Each in few words, the most urgent first; never empty.
    pub ids: Vec<Named<'a>>,
}

/// A problem in few words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named<'a> {
    /// As the scanner names it.
    pub id: &'a str,
    /// The worst that a finding of it says.
    pub severity: Severity,
    /// One line for people, when a scanner gives one.
    pub title: Option<&'a str>,
    /// Where to read about it, when a scanner links it; `http` or `https`.
    pub link: Option<&'a str>,
    /// A report says that it is known to be exploited.
    pub known_exploited: bool,
    /// How likely it is to be exploited.
    pub epss: Option<Epss>,
}

impl<'a> Row<'a> {
    fn new(class: Class, source: &'a str, outcome: String) -> Self {
        let (packages, places) = (BTreeMap::new(), BTreeSet::new());
        Self { class, source, packages, places, outcome, ids: Vec::new() }
    }

    fn add(&mut self, finding: &'a Finding) {
        self.packages.entry(&finding.package).or_default().insert(&finding.installed);
        self.places.extend(finding.place_beside_package());
    }

    /// The worst of its problems.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.ids.iter().map(|named| named.severity).max().unwrap_or(Severity::Unknown)
    }

    /// The versions that were seen, each once.
    #[must_use]
    pub fn installed(&self) -> String {
        let all: BTreeSet<&str> = self.packages.values().flatten().copied().collect();
        all.into_iter().filter(|version| !version.is_empty()).collect::<Vec<_>>().join(", ")
    }

    /// The packages' names, when they say more than the source package's does.
    #[must_use]
    pub fn folded(&self) -> Vec<&'a str> {
        let names: Vec<&str> = self.packages.keys().copied().collect();
        if names == [self.source] { Vec::new() } else { names }
    }
}

/// The rows of one outcome: the order is that of the most urgent problem in each.
#[must_use]
pub fn rows<'a>(problems: &[Problem<'a>], outcome: Outcome) -> Vec<Row<'a>> {
    let mut rows: Vec<Row<'a>> = Vec::new();
    let mut places = BTreeMap::new();
    for problem in problems.iter().filter(|one| one.outcome == outcome) {
        let became = problem.became();
        let key = (problem.class, problem.source, problem.at.clone(), became.clone());
        let place = *places.entry(key).or_insert_with(|| {
            rows.push(Row::new(problem.class, problem.source, became));
            rows.len() - 1
        });
        let Some(row) = rows.get_mut(place) else { continue };
        row.ids.push(problem.named());
        problem.decisive().for_each(|one| row.add(&one.judged.finding));
    }
    rows
}

/// What somebody assessed as no problem of the image, as rows alike; a problem is in one row.
#[must_use]
pub fn assessed(platforms: &[PlatformReport]) -> Vec<Row<'_>> {
    /// Who said so, and of which findings.
    type Said<'a> = (Vec<String>, Vec<&'a Finding>);
    let mut all: BTreeMap<(Class, &str, &str), Said<'_>> = BTreeMap::new();
    for platform in platforms {
        for one in &platform.assessed {
            let finding = &one.finding;
            let source = platform.sources.of_finding(finding);
            let (said, findings) = all.entry((finding.class, source, &finding.id)).or_default();
            let by = assessed_by(one);
            if !said.contains(&by) {
                said.push(by);
            }
            findings.push(finding);
        }
    }
    let mut rows: BTreeMap<(Class, &str, String), Row<'_>> = BTreeMap::new();
    for ((class, source, id), (said, findings)) in all {
        let by = said.join("; ");
        let row = rows.entry((class, source, by.clone())).or_insert(Row::new(class, source, by));
        let severity = findings.iter().map(|finding| finding.severity).max();
        let title = findings.iter().find_map(|finding| finding.title.as_deref());
        row.ids.push(Named {
            id,
            severity: severity.unwrap_or(Severity::Unknown),
            title,
            link: findings.iter().find_map(|finding| finding.link()),
            known_exploited: findings.iter().any(|finding| finding.known_exploited),
            epss: findings.iter().filter_map(|finding| finding.epss).max(),
        });
        findings.into_iter().for_each(|finding| row.add(finding));
    }
    let mut rows: Vec<Row<'_>> = rows.into_values().collect();
    for row in &mut rows {
        row.ids.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.id.cmp(b.id)));
    }
    rows.sort_by_key(|row| Reverse(row.severity()));
    rows
}

#[cfg(test)]
mod tests {
    use super::super::before_after::samples;
    use super::*;

    #[test]
    fn a_problem_is_fixed_when_all_its_findings_are() {
        let report = samples::index();
        let all = problems(&report.platforms);
        let one = |id: &str| all.iter().find(|one| one.id == id).unwrap();
        // libssl3 is fixed on both platforms, openssl only on one
        let half = one("CVE-2024-5535");
        assert_eq!((half.outcome, half.findings.len()), (Outcome::Left, 4));
        assert_eq!(half.packages().into_iter().collect::<Vec<_>>(), ["openssl"]);
        assert_eq!((half.place(), half.source), ("openssl", "openssl"));
        let whole = one("CVE-2024-6119");
        assert_eq!((whole.outcome, whole.findings.len()), (Outcome::Fixed, 2));
    }

    #[test]
    fn what_a_source_package_shares_is_one_row() {
        let report = samples::index();
        let all = problems(&report.platforms);
        let left = rows(&all, Outcome::Left);
        let glibc = left.iter().find(|row| row.source == "glibc").unwrap();
        assert_eq!(glibc.folded(), ["libc-bin", "libc6"]);
        assert_eq!(glibc.ids.len(), 1);
        assert_eq!(glibc.installed(), "2.36-9+deb12u4");
        let total: usize = left.iter().map(|row| row.ids.len()).sum();
        assert_eq!(total, report.summary.vulnerabilities.not_fixed);
    }
}
