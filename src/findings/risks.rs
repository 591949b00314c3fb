//! Reports about secrets, malicious files and configuration, made by the real tools about one
//! image that was made for it: what is read of each is a snapshot. Every value that a report has
//! of a secret is planted as `PLANTED`, and is never kept.

use super::*;
use imgfix_model::finding::Finding;

/// Name, text, and the number of its findings.
const REPORTS: &[(&str, &str, usize)] = &[("Trivy", include_str!("samples/risks/trivy.json"), 15)];

/// A finding for people: id, severity, what and where, with everything of the place as JSON.
fn line(finding: &Finding) -> String {
    let place = finding.location.as_ref();
    let exact = place.map(|place| serde_json::to_string(place).unwrap()).unwrap_or_default();
    let title = finding.title.as_deref().unwrap_or_default();
    let (kind, place) = (finding.kind(), finding.place().unwrap_or_default());
    format!(
        "   {} {} {kind} {} in {place}: {title}\n      {exact}",
        finding.id, finding.severity, finding.package
    )
}

#[test]
fn every_finding_has_its_place() {
    let texts: Vec<String> = REPORTS
        .iter()
        .map(|(name, text, number)| {
            let report = parse_report(name, text.as_bytes())
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(report.findings.len(), *number, "{name}");
            let head = format!("== {name}: {}, {} passed", report.format, report.passed);
            let lines = report.findings.iter().map(line);
            let warnings = report.warnings.iter().map(|one| format!("   warning: {one}"));
            std::iter::once(head).chain(lines).chain(warnings).collect::<Vec<_>>().join("\n")
        })
        .collect();
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn no_value_of_a_secret_is_kept() {
    for (name, text, _) in REPORTS {
        let report = parse_report(name, text.as_bytes()).unwrap();
        let kept = format!("{report:?}");
        assert!(!kept.contains("PLANTED"), "{name}: {kept}");
    }
}
