//! Which findings the user wants repaired: severity, ids, and the rules of ignore files.
//!
//! Nothing vanishes: what is left out comes back with the reason, for the report.

use time::Date;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::IgnoreRule;
use super::ignore::is_called;
use imgfix_model::advisory::Probability;
use imgfix_model::finding::{Assessed, Finding, Severity};

/// How days are written.
pub(super) const DATE: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");

/// The user's choice. The default keeps everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Findings below are left out; `unknown` is the lowest.
    pub min_severity: Option<Severity>,
    /// Only findings that a report says are exploited.
    pub only_known_exploited: bool,
    /// Findings of a lower EPSS score are left out, and those without one, but not what is known
    /// to be exploited. Zero leaves nothing out.
    pub min_epss: Option<Probability>,
    /// When not empty: only findings with one of these ids or aliases.
    pub only: Vec<String>,
    /// Findings with one of these ids or aliases are left out.
    pub ignore: Vec<String>,
    /// From ignore files.
    pub rules: Vec<IgnoreRule>,
}

/// A finding that the user's choice leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoredFinding {
    /// What the report says.
    pub finding: Finding,
    /// `--ignore CVE-2024-1`, `.trivyignore:3`, `--min-severity high`, `--only`, `--only-kev`.
    pub by: String,
}

/// What a [`Filter`] makes of findings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filtered {
    /// Those to repair, in the order given.
    pub kept: Vec<Finding>,
    /// Those left out, in the order given.
    pub ignored: Vec<IgnoredFinding>,
    /// What reports list and somebody assessed as no problem; no choice of the user's.
    pub assessed: Vec<Assessed>,
    /// Ids of `only` that no finding has: probably a slip of the pen.
    pub unmatched: Vec<String>,
    /// Rules that would have left a finding out, had they not expired (`.trivyignore:3`).
    pub expired: Vec<String>,
    /// Choices by what no report says of any finding, so that nothing, or next to nothing, is
    /// left to repair.
    pub unsaid: Vec<Unsaid>,
}

/// A choice by what no report says, and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsaid {
    /// `--only-kev`, and no finding is said to be known to be exploited.
    #[error(
        "--only-kev: no report says of any vulnerability that it is known to be exploited, so \
         that every finding is left alone; give a report that has this too (of a current Grype, \
         of Docker Scout, or imgfix/findings/v1 with known_exploited), or leave out --only-kev"
    )]
    KnownExploited,
    /// `--min-epss`, and no finding has a score.
    #[error(
        "--min-epss: no report has EPSS scores, so that every finding is left alone that is not \
         known to be exploited; give a report that has them too (of a current Grype, of \
         Docker Scout, Snyk or Amazon Inspector, or imgfix/findings/v1 with epss), or leave out \
         --min-epss"
    )]
    Epss,
}

impl Filter {
    /// Splits findings into those to repair and those left out. `today` decides which rules
    /// have expired.
    #[must_use]
    pub fn apply(&self, findings: Vec<Finding>, today: Date) -> Filtered {
        let mut out = Filtered {
            unmatched: self
                .only
                .iter()
                .filter(|id| !findings.iter().any(|finding| is_called(finding, id)))
                .cloned()
                .collect(),
            unsaid: self.unsaid(&findings),
            ..Filtered::default()
        };
        for finding in findings {
            match self.ignored_by(&finding, today, &mut out.expired) {
                Some(by) => out.ignored.push(IgnoredFinding { finding, by }),
                None => out.kept.push(finding),
            }
        }
        out.expired.sort();
        out.expired.dedup();
        out
    }

    /// Which choices are by what none of the findings has.
    fn unsaid(&self, findings: &[Finding]) -> Vec<Unsaid> {
        let none = |has: fn(&Finding) -> bool| !findings.is_empty() && !findings.iter().any(has);
        let mut unsaid = Vec::new();
        if self.only_known_exploited && none(|finding| finding.known_exploited) {
            unsaid.push(Unsaid::KnownExploited);
        }
        if self.least_epss().is_some() && none(|finding| finding.epss.is_some()) {
            unsaid.push(Unsaid::Epss);
        }
        unsaid
    }

    /// The score below which findings are left out; zero leaves none out.
    fn least_epss(&self) -> Option<Probability> {
        self.min_epss.filter(|least| *least > Probability::default())
    }

    fn ignored_by(
        &self,
        finding: &Finding,
        today: Date,
        expired: &mut Vec<String>,
    ) -> Option<String> {
        if !self.only.is_empty() && !self.only.iter().any(|id| is_called(finding, id)) {
            return Some("--only".to_owned());
        }
        if let Some(id) = self.ignore.iter().find(|id| is_called(finding, id)) {
            return Some(format!("--ignore {id}"));
        }
        for rule in self.rules.iter().filter(|rule| rule.is_about(finding)) {
            if rule.expires.is_none_or(|day| today < day) {
                return Some(rule.from.clone());
            }
            expired.push(rule.from.clone());
        }
        if let Some(least) = self.min_severity.filter(|least| finding.severity < *least) {
            return Some(format!("--min-severity {least}"));
        }
        if self.only_known_exploited && !finding.known_exploited {
            return Some("--only-kev".to_owned());
        }
        let least = self.least_epss()?;
        if finding.known_exploited {
            return None;
        }
        let likely = finding.epss.is_some_and(|epss| epss.score >= least);
        (!likely).then(|| format!("--min-epss {least}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse_ignore_file;
    use super::*;
    use imgfix_model::advisory::Epss;
    use time::macros::date;

    fn findings() -> Vec<Finding> {
        vec![
            Finding {
                severity: Severity::High,
                aliases: vec!["CVE-2021-44420".into()],
                ..Finding::system("GHSA-v6rh-hp5x-86rv", "django", "3.2.9")
            },
            Finding { severity: Severity::Low, ..Finding::system("CVE-2019-1", "bash", "5.0-4") },
            Finding::system("CVE-2019-2", "zlib1g", "1.2"),
        ]
    }

    fn ignored(filter: &Filter, today: Date) -> Vec<(String, String)> {
        let filtered = filter.apply(findings(), today);
        assert_eq!(filtered.kept.len() + filtered.ignored.len(), 3, "none is lost");
        filtered.ignored.into_iter().map(|i| (i.finding.package, i.by)).collect()
    }

    fn pairs(want: &[(&str, &str)]) -> Vec<(String, String)> {
        want.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn everything_is_kept_by_default() {
        assert_eq!(ignored(&Filter::default(), date!(2026 - 01 - 01)), []);
    }

    #[test]
    fn each_choice_leaves_out_with_its_reason() {
        let today = date!(2026 - 01 - 01);
        for (filter, want) in [
            (
                Filter { min_severity: Some(Severity::Medium), ..Filter::default() },
                pairs(&[("bash", "--min-severity medium"), ("zlib1g", "--min-severity medium")]),
            ),
            (
                Filter { only: vec!["cve-2021-44420".into()], ..Filter::default() },
                pairs(&[("bash", "--only"), ("zlib1g", "--only")]),
            ),
            (
                Filter { ignore: vec!["CVE-2019-1".into()], ..Filter::default() },
                pairs(&[("bash", "--ignore CVE-2019-1")]),
            ),
        ] {
            assert_eq!(ignored(&filter, today), want, "{filter:?}");
        }
    }

    #[test]
    fn exploited_and_likely_findings_are_chosen() {
        let epss = |score: f64| {
            let score = Probability::new(score).unwrap();
            Some(Epss { score, percentile: None })
        };
        let all = || {
            vec![
                Finding {
                    known_exploited: true,
                    epss: epss(0.01),
                    ..Finding::system("CVE-1", "kev", "1")
                },
                Finding { epss: epss(0.1), ..Finding::system("CVE-2", "likely", "1") },
                Finding { epss: epss(0.09999), ..Finding::system("CVE-3", "unlikely", "1") },
                Finding::system("CVE-4", "unsaid", "1"),
                Finding { known_exploited: true, ..Finding::system("CVE-5", "kev-alone", "1") },
            ]
        };
        let kept = |filter: &Filter| -> (Vec<String>, Vec<String>) {
            let filtered = filter.apply(all(), date!(2026 - 01 - 01));
            let reasons = filtered.ignored.into_iter().map(|one| one.by).collect();
            (filtered.kept.into_iter().map(|one| one.package).collect(), reasons)
        };
        let likely = Filter { min_epss: Probability::new(0.1), ..Filter::default() };
        let (names, reasons) = kept(&likely);
        assert_eq!(names, ["kev", "likely", "kev-alone"]);
        assert_eq!(reasons, ["--min-epss 0.1"; 2]);
        let zero = Filter { min_epss: Probability::new(0.0), ..Filter::default() };
        assert_eq!(kept(&zero).1, [""; 0]);
        let exploited = Filter { only_known_exploited: true, ..Filter::default() };
        let (names, reasons) = kept(&exploited);
        assert_eq!(names, ["kev", "kev-alone"]);
        assert_eq!(reasons, ["--only-kev"; 3]);
    }

    #[test]
    fn a_choice_by_what_no_report_says_is_named() {
        let epss = Epss { score: Probability::new(0.5).unwrap(), percentile: None };
        let plain = || Finding::system("CVE-1", "a", "1");
        let exploited = || Finding { known_exploited: true, ..plain() };
        let scored = || Finding { epss: Some(epss), ..plain() };
        let kev = Filter { only_known_exploited: true, ..Filter::default() };
        let likely = Filter { min_epss: Probability::new(0.1), ..Filter::default() };
        let zero = Filter { min_epss: Probability::new(0.0), ..Filter::default() };
        let both = Filter { min_epss: likely.min_epss, ..kev.clone() };
        for (filter, findings, want) in [
            (&kev, vec![plain(), scored()], vec![Unsaid::KnownExploited]),
            (&kev, vec![plain(), exploited()], vec![]),
            (&kev, vec![], vec![]),
            (&likely, vec![plain(), exploited()], vec![Unsaid::Epss]),
            (&likely, vec![plain(), scored()], vec![]),
            (&zero, vec![plain()], vec![]),
            (&both, vec![plain()], vec![Unsaid::KnownExploited, Unsaid::Epss]),
            (&Filter::default(), vec![plain()], vec![]),
        ] {
            let filtered = filter.apply(findings.clone(), date!(2026 - 01 - 01));
            assert_eq!(filtered.unsaid, want, "{filter:?} {findings:?}");
        }
    }

    #[test]
    fn rules_end_on_their_day() {
        let rules = parse_ignore_file(
            ".trivyignore",
            b"# accepted\nCVE-2019-1 exp:2026-01-01\n\n  CVE-2019-2 # no date\r\nDS002",
        )
        .unwrap();
        let filter = Filter { rules, ..Filter::default() };
        assert_eq!(
            ignored(&filter, date!(2025 - 12 - 31)),
            pairs(&[("bash", ".trivyignore:2"), ("zlib1g", ".trivyignore:4")])
        );
        let filtered = filter.apply(findings(), date!(2026 - 01 - 01));
        assert_eq!(filtered.expired, [".trivyignore:2"]);
        assert_eq!(filtered.ignored.len(), 1);
    }

    #[test]
    fn ids_that_nothing_has_are_named() {
        let filter =
            Filter { only: vec!["CVE-1".into(), "CVE-2019-1".into()], ..Filter::default() };
        assert_eq!(filter.apply(findings(), date!(2026 - 01 - 01)).unmatched, ["CVE-1"]);
    }

    #[test]
    fn a_bad_line_is_named() {
        for (text, want) in [
            (&b"CVE-1\nCVE-2 exp:soon"[..], "ignore: line 2: \"soon\" is not a date"),
            (&b"CVE-1 exp:2026-13-01"[..], "ignore: line 1: \"2026-13-01\" is not a date"),
            (&b"\xff\xfe"[..], "ignore: line 1: not UTF-8 text"),
        ] {
            let message = parse_ignore_file("ignore", text).unwrap_err().to_string();
            assert!(message.starts_with(want), "{message}");
        }
    }
}
