//! The gate of `--fail-on`: whether something at or above a severity is left, and what.
//!
//! In come a report and the severity; out goes a [`Gate`], which the report carries along, so
//! that every rendering and the exit code say the same. What the user chose to ignore does not
//! hold it, nor what is out of use; what only the user's scanner still finds does.

use std::collections::BTreeSet;

use super::before_after::RepairReport;
use super::problems::problems;
use super::scan_comparison::ScannedFinding;
use imgfix_model::finding::Severity;
use imgfix_model::verdict::Outcome;
use imgfix_terminal::clean;

/// How many of what holds the gate a message lists.
pub const LISTED: usize = 10;

/// A gate and what it says of a report.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Gate {
    /// What is left at this severity or worse holds the gate.
    pub threshold: Severity,
    /// Nothing holds it.
    pub passed: bool,
    /// What holds it, the worst first: empty when it is passed.
    pub held_by: Vec<Holding>,
    /// Verdicts are of an image that is there, not of what would be.
    #[serde(skip)]
    is_done: bool,
    /// `1 vulnerability`, `3 problems`.
    #[serde(skip)]
    counted: String,
}

/// One problem that holds a gate.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Holding {
    /// The worst that a finding of it says.
    pub severity: Severity,
    /// As the scanner names it: `CVE-2024-1234`.
    pub id: String,
    /// The source package; for libraries and files what the scanner calls it.
    pub source: String,
    /// The packages that still have it, by name.
    pub packages: Vec<String>,
    /// Why it is left, as half a sentence.
    pub why: String,
}

impl Gate {
    /// Holds a report against a severity.
    #[must_use]
    pub fn of(report: &RepairReport, threshold: Severity) -> Self {
        let all = problems(&report.platforms);
        let left = all
            .iter()
            .filter(|one| one.outcome == Outcome::Left && one.severity >= threshold)
            .map(|one| Holding {
                severity: one.severity,
                id: one.id.to_owned(),
                source: one.source.to_owned(),
                packages: one.packages().into_iter().map(str::to_owned).collect(),
                why: one.became(),
            });
        let mut held_by: Vec<Holding> = left.collect();
        held_by.extend(report.scan.iter().flat_map(|scan| {
            let new: BTreeSet<&ScannedFinding> = scan.new.iter().collect();
            let disputed = scan.disputed.iter().filter(|one| !new.contains(one));
            let said = |one: &ScannedFinding, why: &str| Holding {
                severity: one.severity,
                id: one.id.clone(),
                source: one.package.clone(),
                packages: vec![one.package.clone()],
                why: why.to_owned(),
            };
            let new = new.iter().map(|one| said(one, "the scanner did not find it before"));
            let disputed: BTreeSet<&ScannedFinding> = disputed.collect();
            let disputed = disputed
                .into_iter()
                .map(|one| said(one, "the scanner still finds it though it is judged fixed"));
            let all = new.chain(disputed);
            all.filter(|one| one.severity >= threshold).collect::<Vec<_>>()
        }));
        held_by.sort_by(|a, b| {
            b.severity.cmp(&a.severity).then_with(|| (&a.id, &a.source).cmp(&(&b.id, &b.source)))
        });
        let counted = report.summary.vulnerabilities.noun(held_by.len());
        let (passed, is_done) = (held_by.is_empty(), report.is_done());
        Self { threshold, passed, held_by, is_done, counted }
    }

    /// `passed` or `failed`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        if self.passed { "passed" } else { "failed" }
    }

    /// The gate in one line: `passed: nothing at or above high is left`, `1 vulnerability at or
    /// above high is not fixed`.
    #[must_use]
    pub fn sentence(&self) -> String {
        let threshold = self.threshold;
        let plural = self.held_by.len() != 1;
        match (self.passed, self.is_done, plural) {
            (true, true, _) => format!("passed: nothing at or above {threshold} is left"),
            (true, false, _) => format!("passed: nothing at or above {threshold} would be left"),
            (false, true, false) => {
                format!("{} at or above {threshold} is not fixed", self.counted)
            }
            (false, true, true) => {
                format!("{} at or above {threshold} are not fixed", self.counted)
            }
            (false, false, _) => {
                format!("{} at or above {threshold} would not be fixed", self.counted)
            }
        }
    }

    /// What holds it, in lines for a person; one line when only one does. Everything is clean
    /// for terminals.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let sentence = format!("gate: {}", self.sentence());
        match self.held_by.as_slice() {
            [] => vec![sentence],
            [only] => vec![format!("{sentence}: {only}")],
            several => {
                let mut lines = vec![format!("{sentence}:")];
                lines.extend(several.iter().take(LISTED).map(|one| format!("  {one}")));
                if several.len() > LISTED {
                    lines.push(format!("  and {} more", several.len() - LISTED));
                }
                lines
            }
        }
    }
}

impl std::fmt::Display for Holding {
    /// `CVE-2024-1234 zlib1g: the distribution has no fixed version`, clean for terminals.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", clean(&self.id), clean(self.place()), clean(&self.why))
    }
}

impl Holding {
    /// The package that has it, the source package when several have.
    #[must_use]
    pub fn place(&self) -> &str {
        match self.packages.as_slice() {
            [only] => only,
            _ => &self.source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::before_after::samples;
    use super::*;

    #[test]
    fn what_is_left_decides_the_gate() {
        let report = samples::report();
        for (severity, want) in [
            (Severity::Critical, 1),
            (Severity::High, 2),
            (Severity::Medium, 3),
            (Severity::Low, 4),
            (Severity::Unknown, 5),
        ] {
            let gate = Gate::of(&report, severity);
            assert_eq!(gate.held_by.len(), want, "{severity}");
            assert!(!gate.passed);
        }
    }

    #[test]
    fn one_line_for_one_and_at_most_ten_for_many() {
        let mut report = samples::report();
        let gate = Gate::of(&report, Severity::Critical);
        let why = "the postinst script of perl-base cannot be evaluated, line 12: perl -e";
        assert_eq!(
            gate.lines(),
            [format!(
                "gate: 1 vulnerability at or above critical is not fixed: CVE-2023-31484 \
                 perl-base: {why}"
            )]
        );
        let template = report.platforms[0]
            .findings
            .iter()
            .find(|one| one.finding.id == "CVE-2011-3374")
            .unwrap()
            .clone();
        for number in 0..15 {
            let mut one = template.clone();
            one.finding.id = format!("CVE-2099-{number:02}");
            report.platforms[0].findings.push(one);
        }
        let lines = Gate::of(&report, Severity::Low).lines();
        assert_eq!(lines.len(), 1 + LISTED + 1, "{lines:?}");
        assert_eq!(lines[0], "gate: 19 vulnerabilities at or above low are not fixed:");
        assert_eq!(lines.last().unwrap(), "  and 9 more");
    }

    #[test]
    fn a_passed_gate_says_so() {
        let mut report = samples::report();
        report.platforms[0].findings.retain(|one| one.verdict.outcome() != Outcome::Left);
        let gate = Gate::of(&report, Severity::Negligible);
        assert!(gate.passed && gate.held_by.is_empty());
        assert_eq!(gate.lines(), ["gate: passed: nothing at or above negligible is left"]);
    }

    #[test]
    fn what_the_scanner_says_holds_it_too() {
        let mut report = samples::scanned();
        report.platforms[0].findings.clear();
        let scan = report.scan.as_mut().unwrap();
        let disputed = scan.disputed.len();
        assert!(disputed > 0);
        scan.new = scan.disputed.clone();
        let gate = Gate::of(&report, Severity::Unknown);
        assert_eq!(gate.held_by.len(), disputed, "each counts once");
    }
}
