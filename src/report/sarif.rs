//! What a repair leaves, as SARIF 2.1.0: for code-scanning pages and gates that read it.
//! imgfix reads its own output as a report.
//!
//! Source: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/>; GitHub wants a rule for each
//! result, a location, and `security-severity`
//! (<https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning>).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::before_after::RepairReport;
use imgfix_model::finding::{Class, Severity};
use imgfix_model::verdict::{JudgedFinding, Outcome, Verdict};

/// The log, indented, ending in a newline.
#[must_use]
pub fn render(report: &RepairReport) -> String {
    let image = report.output.as_ref().unwrap_or(&report.image);
    let mut rules: Vec<Value> = Vec::new();
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut results = Vec::new();
    for platform in &report.platforms {
        let all = platform.findings.iter();
        for judged in all.filter(|judged| is_left(judged.verdict.outcome())) {
            let id = judged.finding.id.as_str();
            let number = *numbers.entry(id).or_insert_with(|| {
                rules.push(rule(judged));
                rules.len() - 1
            });
            let platform = platform.platform.to_string();
            let place = Place { image: &image.reference, platform: &platform };
            results.push(result(judged, number, &place, report.is_done()));
        }
    }
    imgfix_json::pretty(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": report.tool.name,
                "version": report.tool.version,
                "rules": rules,
            }},
            "results": results,
            "columnKind": "utf16CodeUnits",
            "properties": {
                "imageName": image.reference,
                "repoDigests": [format!("{}@{}", image.reference, image.digest)],
            },
        }],
    }))
}

/// Whether the repaired image has it.
fn is_left(outcome: Outcome) -> bool {
    outcome == Outcome::Left || outcome.is_accepted()
}

fn rule(judged: &JudgedFinding) -> Value {
    let finding = &judged.finding;
    let name = match finding.class {
        Class::System => "OsPackageVulnerability",
        Class::Library => "LanguageSpecificPackageVulnerability",
        Class::Baseline => "Misconfiguration",
        Class::Malicious => "MaliciousFile",
    };
    let mut rule = json!({
        "id": finding.id,
        "name": name,
        "shortDescription": {"text": finding.title.as_deref().unwrap_or(&finding.id)},
        "defaultConfiguration": {"level": level(finding.severity)},
        "properties": {
            "tags": ["security", finding.severity.to_string().to_uppercase()],
            "security-severity": score(finding.severity),
        },
    });
    if let Some(link) = finding.link() {
        rule["helpUri"] = json!(link);
    }
    rule
}

/// Where a finding is.
struct Place<'a> {
    image: &'a str,
    platform: &'a str,
}

/// `is_done`: the verdict is of an image that is there.
fn result(judged: &JudgedFinding, rule: usize, place: &Place<'_>, is_done: bool) -> Value {
    let Place { image, platform } = *place;
    let finding = &judged.finding;
    let why = match &judged.verdict {
        Verdict::NotFixed { reason } => reason.to_string(),
        Verdict::Mitigated { how } => how.clone(),
        Verdict::Fixed { .. } | Verdict::NotAffected { .. } => String::new(),
    };
    let state = match (judged.verdict.outcome(), is_done) {
        (Outcome::Mitigated, _) => "Mitigated",
        (_, true) => "Not fixed",
        (_, false) => "Would not be fixed",
    };
    let message = format!(
        "Package: {}\nInstalled Version: {}\nVulnerability {}\nSeverity: {}\nFixed Version: {}\n\
         Platform: {platform}\n{state}: {why}",
        finding.package,
        finding.installed,
        finding.id,
        finding.severity.to_string().to_uppercase(),
        finding.fixed.as_deref().unwrap_or_default(),
    );
    let uri = finding.path.as_deref().map_or(image, |path| path.trim_start_matches('/'));
    let mut result = json!({
        "ruleId": finding.id,
        "ruleIndex": rule,
        "level": level(finding.severity),
        "message": {"text": message},
        "locations": [{
            "physicalLocation": {
                "artifactLocation": {"uri": uri_text(uri)},
                "region": {"startLine": 1},
            },
            "message": {"text": format!("{image}: {} {}", finding.package, finding.installed)},
        }],
    });
    if judged.verdict.outcome().is_accepted() {
        result["suppressions"] =
            json!([{"kind": "external", "status": "accepted", "justification": why}]);
    }
    result
}

/// A relative URI reference; everything that is not plain is percent-encoded.
fn uri_text(path: &str) -> String {
    path.split('/')
        .map(|part| imgfix_findings::purl::encode(part).replace(':', "%3A"))
        .collect::<Vec<_>>()
        .join("/")
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Negligible | Severity::Unknown => "note",
    }
}

/// The middle of the severity's range of CVSS scores: reports give words, not scores.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.0",
        Severity::Negligible | Severity::Unknown => "0.0",
    }
}

#[cfg(test)]
mod tests {
    use super::super::before_after::samples;
    use super::*;

    #[test]
    fn the_log_is_as_it_was() {
        insta::assert_snapshot!(render(&samples::report()));
    }

    #[test]
    fn what_is_left_is_read_back_as_findings() {
        let report = samples::report();
        let read = imgfix_findings::parse_report("sarif", render(&report).as_bytes()).unwrap();
        let count = |outcome: Outcome| {
            let all = report.platforms.iter().flat_map(|platform| &platform.findings);
            all.filter(|one| one.verdict.outcome() == outcome).count()
        };
        assert_eq!(read.findings.len(), count(Outcome::Left));
        assert_eq!(read.assessed.len(), count(Outcome::Ignored));
        for finding in &read.findings {
            let all = report.platforms.iter().flat_map(|platform| &platform.findings);
            let mut same = all.filter(|one| one.finding.id == finding.id);
            assert!(same.any(|one| one.finding.severity == finding.severity), "{finding:?}");
        }
    }
}
