//! What a scanner itself says of the image before and after a repair, held against the
//! verdicts: a second opinion that no rendering leaves out.

use std::collections::BTreeSet;

use super::before_after::RepairReport;
use super::summary::SeverityCounts;
use imgfix_model::finding::{Finding, Severity};
use imgfix_model::verdict::Outcome;

/// A scanner's two results.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ScanComparison {
    /// The scanner's command as the user wrote it.
    pub command: String,
    /// What it finds in the original, by severity.
    pub before: SeverityCounts,
    /// What it finds in the repaired image, by severity.
    pub after: SeverityCounts,
    /// Found before and not after.
    pub gone: usize,
    /// Found after and not before.
    pub new: Vec<ScannedFinding>,
    /// Found after, though the verdict is that it is fixed.
    pub disputed: Vec<ScannedFinding>,
}

/// A finding, in few words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct ScannedFinding {
    /// In the words of imgfix.
    pub severity: Severity,
    /// As the scanner names it.
    pub id: String,
    /// The package as the scanner names it.
    pub package: String,
    /// The version that the scanner saw.
    pub installed: String,
}

impl From<&Finding> for ScannedFinding {
    fn from(finding: &Finding) -> Self {
        Self {
            severity: finding.severity,
            id: finding.id.clone(),
            package: finding.package.clone(),
            installed: finding.installed.clone(),
        }
    }
}

impl ScanComparison {
    /// Compares what the user wants to know of (`before`, `after`: merged and filtered).
    #[must_use]
    pub fn new(
        command: &str,
        before: &[Finding],
        after: &[Finding],
        report: &RepairReport,
    ) -> Self {
        let key = |finding: &Finding| {
            (finding.id.clone(), finding.package.clone(), finding.rough_place())
        };
        let (old, now): (BTreeSet<_>, BTreeSet<_>) =
            (before.iter().map(key).collect(), after.iter().map(key).collect());
        let fixed: BTreeSet<_> = report
            .platforms
            .iter()
            .flat_map(|platform| &platform.findings)
            .filter(|judged| judged.verdict.outcome() == Outcome::Fixed)
            .map(|judged| key(&judged.finding))
            .collect();
        let pick = |wanted: &dyn Fn(&Finding) -> bool| -> Vec<ScannedFinding> {
            after.iter().filter(|finding| wanted(finding)).map(ScannedFinding::from).collect()
        };
        Self {
            command: command.to_owned(),
            before: counts(before),
            after: counts(after),
            gone: old.difference(&now).count(),
            new: pick(&|finding| !old.contains(&key(finding))),
            disputed: pick(&|finding| fixed.contains(&key(finding))),
        }
    }

    /// Findings that the verdicts do not count and the scanner does, at least as bad as
    /// `severity`.
    #[must_use]
    pub fn unexpected_at_or_above(&self, severity: Severity) -> usize {
        let all: BTreeSet<&ScannedFinding> = self.new.iter().chain(&self.disputed).collect();
        all.into_iter().filter(|finding| finding.severity >= severity).count()
    }

    /// The comparison in one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let words = |counts: &SeverityCounts| match counts.total() {
            0 => "nothing".to_owned(),
            total => format!("{total} ({counts})"),
        };
        let mut text = format!(
            "The scanner found {} before and {} after",
            words(&self.before),
            words(&self.after)
        );
        if !self.new.is_empty() {
            text.push_str(&format!("; {} new", self.new.len()));
        }
        if !self.disputed.is_empty() {
            text.push_str(&format!("; {} it still finds though judged fixed", self.disputed.len()));
        }
        text.push('.');
        text
    }
}

fn counts(findings: &[Finding]) -> SeverityCounts {
    let mut counts = SeverityCounts::default();
    findings.iter().for_each(|finding| counts.add(finding.severity));
    counts
}

#[cfg(test)]
mod tests {
    use super::super::before_after::samples;
    use super::*;

    #[test]
    fn the_scanner_has_its_own_opinion() {
        let report = samples::report();
        let find = |id: &str| {
            let all = report.platforms.iter().flat_map(|platform| &platform.findings);
            all.map(|judged| judged.finding.clone()).find(|finding| finding.id == id).unwrap()
        };
        let before = vec![find("CVE-2024-5535"), find("CVE-2024-6119"), find("CVE-2011-3374")];
        let new = Finding { severity: Severity::High, ..Finding::system("CVE-9", "bash", "1") };
        let after = vec![find("CVE-2011-3374"), find("CVE-2024-6119"), new];
        let comparison = ScanComparison::new("trivy {image}", &before, &after, &report);
        assert_eq!(comparison.gone, 1);
        let ids = |list: &[ScannedFinding]| -> Vec<String> {
            list.iter().map(|finding| finding.id.clone()).collect()
        };
        assert_eq!(ids(&comparison.new), ["CVE-9"]);
        assert_eq!(ids(&comparison.disputed), ["CVE-2024-6119"]);
        assert_eq!(comparison.unexpected_at_or_above(Severity::High), 2);
        assert_eq!(comparison.unexpected_at_or_above(Severity::Critical), 0);
        assert_eq!(
            comparison.sentence(),
            "The scanner found 3 (1 critical, 1 high, 1 low) before and 3 (2 high, 1 low) after; \
             1 new; 1 it still finds though judged fixed."
        );
    }

    #[test]
    fn a_clean_scan_reads_well() {
        let report = samples::report();
        let comparison = ScanComparison::new("x", &[], &[], &report);
        assert_eq!(comparison.sentence(), "The scanner found nothing before and nothing after.");
    }
}
