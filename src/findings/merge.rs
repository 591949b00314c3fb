//! [`merge`]: several reports, one list without duplicates.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{Finding, ScanReport};

/// The findings of all reports, each problem once: the same id, package, architecture,
/// installed version, path and platform. Of duplicates the worst severity stays, the first
/// known fixed version (others go to `also_fixed_in`), and everything else that only one of
/// them knows. A report that does not tell architecture or platform speaks of all those that
/// another report names. Sorted, worst severity first.
#[must_use]
pub fn merge(reports: Vec<ScanReport>) -> Vec<Finding> {
    let mut groups: BTreeMap<(String, String, String, Option<String>), Vec<Finding>> =
        BTreeMap::new();
    for finding in reports.into_iter().flat_map(|report| report.findings) {
        let key = (
            finding.id.clone(),
            finding.package.clone(),
            finding.installed.clone(),
            finding.path.clone(),
        );
        groups.entry(key).or_default().push(finding);
    }
    let mut out: Vec<Finding> = groups.into_values().flat_map(merge_group).collect();
    sort_for_people(&mut out);
    out
}

/// Worst severity first, then by id, package and the rest: the order of every report.
pub fn sort_for_people(findings: &mut [Finding]) {
    findings.sort_by(|a, b| (Reverse(a.severity), a).cmp(&(Reverse(b.severity), b)));
}

/// One group has the same id, package, version and path.
fn merge_group(mut group: Vec<Finding>) -> Vec<Finding> {
    // Exact entries first, so that a vague one meets all it may speak of. Stable: among
    // equals the first report's word on the fixed version stays first.
    group
        .sort_by_key(|f| usize::from(f.architecture.is_none()) + usize::from(f.platform.is_none()));
    let mut out: Vec<Finding> = Vec::new();
    for finding in group {
        let mut met = false;
        for same in out.iter_mut().filter(|other| {
            agree(other.architecture.as_ref(), finding.architecture.as_ref())
                && agree(other.platform.as_ref(), finding.platform.as_ref())
        }) {
            absorb(same, &finding);
            met = true;
        }
        if !met {
            out.push(finding);
        }
    }
    out
}

fn agree(a: Option<&String>, b: Option<&String>) -> bool {
    a.zip(b).is_none_or(|(a, b)| a == b)
}

fn absorb(into: &mut Finding, from: &Finding) {
    into.severity = into.severity.max(from.severity);
    into.architecture = into.architecture.take().or_else(|| from.architecture.clone());
    into.platform = into.platform.take().or_else(|| from.platform.clone());
    into.title = into.title.take().or_else(|| from.title.clone());
    into.status = into.status.or(from.status);
    for version in from.fixed.iter().chain(&from.also_fixed_in) {
        if into.fixed.is_none() {
            into.fixed = Some(version.clone());
        } else if into.fixed.as_ref() != Some(version) && !into.also_fixed_in.contains(version) {
            into.also_fixed_in.push(version.clone());
        }
    }
    into.aliases.extend(from.aliases.iter().cloned());
    into.aliases.sort();
    into.aliases.dedup();
}

#[cfg(test)]
mod tests {
    use super::super::{ArtifactIdentity, ReportFormat, Severity};
    use super::*;

    fn report(findings: Vec<Finding>) -> ScanReport {
        ScanReport {
            name: "r.json".into(),
            format: ReportFormat::Trivy,
            artifact: ArtifactIdentity::default(),
            findings,
            assessed: Vec::new(),
            passed: 0,
            warnings: Vec::new(),
        }
    }

    fn finding(arch: Option<&str>, severity: Severity, fixed: Option<&str>) -> Finding {
        Finding {
            severity,
            architecture: arch.map(Into::into),
            fixed: fixed.map(Into::into),
            ..Finding::system("CVE-1", "libc6", "2.36-9")
        }
    }

    #[test]
    fn duplicates_keep_the_worst_severity_and_the_known_fix() {
        let merged = merge(vec![
            report(vec![finding(Some("amd64"), Severity::Low, None)]),
            report(vec![finding(None, Severity::High, Some("2.36-9+deb12u1"))]),
            report(vec![finding(Some("amd64"), Severity::Medium, Some("2.36-9+deb12u2"))]),
        ]);
        assert_eq!(
            merged,
            [Finding {
                also_fixed_in: vec!["2.36-9+deb12u1".into()],
                ..finding(Some("amd64"), Severity::High, Some("2.36-9+deb12u2"))
            }]
        );
    }

    #[test]
    fn architectures_stay_apart_and_a_vague_report_speaks_of_both() {
        let merged = merge(vec![
            report(vec![finding(None, Severity::Critical, None)]),
            report(vec![
                finding(Some("amd64"), Severity::Low, None),
                finding(Some("i386"), Severity::Low, None),
            ]),
        ]);
        assert_eq!(
            merged,
            [
                finding(Some("amd64"), Severity::Critical, None),
                finding(Some("i386"), Severity::Critical, None),
            ]
        );
    }

    #[test]
    fn what_differs_in_any_part_of_the_identity_stays() {
        let base = finding(Some("amd64"), Severity::Low, None);
        let all = vec![
            base.clone(),
            Finding { id: "CVE-2".into(), ..base.clone() },
            Finding { package: "libc-bin".into(), ..base.clone() },
            Finding { installed: "2".into(), ..base.clone() },
            Finding { path: Some("/app/a.jar".into()), ..base.clone() },
            Finding { architecture: Some("arm64".into()), ..base.clone() },
        ];
        assert_eq!(merge(vec![report(all.clone()), report(all.clone())]).len(), all.len());
        let arm = Finding { platform: Some("linux/arm64".into()), ..base.clone() };
        let amd = Finding { platform: Some("linux/amd64".into()), ..base };
        assert_eq!(merge(vec![report(vec![arm, amd])]).len(), 2);
    }

    #[test]
    fn the_worst_comes_first() {
        let ids: Vec<String> = merge(vec![report(vec![
            Finding { id: "CVE-3".into(), ..finding(None, Severity::Low, None) },
            Finding { id: "CVE-2".into(), ..finding(None, Severity::Critical, None) },
            Finding { id: "CVE-1".into(), ..finding(None, Severity::Low, None) },
        ])])
        .into_iter()
        .map(|f| f.id)
        .collect();
        assert_eq!(ids, ["CVE-2", "CVE-1", "CVE-3"]);
    }
}
