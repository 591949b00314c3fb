//! Scanner reports as one normalised list, for people and programs: what `imgfix findings`
//! prints. In come reports as read; out goes text. The JSON is `imgfix/findings/v1` itself, so
//! imgfix reads its own output.

use imgfix_findings::{FINDINGS_SCHEMA, ScanReport};
use imgfix_model::finding::{Assessed, Finding};

use super::exploitation;
use super::summary::SeverityCounts;
use imgfix_terminal::{Accent, Style, Table, clean, count};

/// What each report is, a table of all findings, and the counts.
#[must_use]
pub fn table(reports: &[ScanReport], findings: &[Finding], style: Style) -> String {
    let mut out = String::new();
    for report in reports {
        let about = match report.artifact.name.as_str() {
            "" => String::new(),
            name => format!(" about {}", clean(name)),
        };
        let passed = match report.passed {
            0 => String::new(),
            number => format!(", {} passed", count(number, "check")),
        };
        let assessed = match report.assessed.len() {
            0 => String::new(),
            number => format!(", {number} assessed as no problem"),
        };
        let findings = count(report.findings.len(), "finding");
        let name = clean(&report.name);
        out.push_str(&format!("{name}: {}, {findings}{assessed}{passed}{about}\n", report.format));
    }
    let mut columns = vec!["severity", "class", "id", "package", "installed", "fixed in"];
    let says = |one: &Finding| one.known_exploited || one.epss.is_some();
    let exploited = findings.iter().any(says);
    if exploited {
        columns.push("exploited");
    }
    let mut rows = Table::new(&columns, &[]);
    let mut counts = SeverityCounts::default();
    for finding in findings {
        counts.add(finding.severity);
        let fixed: Vec<&str> =
            finding.fixed.iter().chain(&finding.also_fixed_in).map(String::as_str).collect();
        let (severity, class) = (finding.severity.to_string(), finding.kind());
        let (package, fixed) = (place(finding), fixed.join(", "));
        let known = [&severity, &class, &finding.id, &package, &finding.installed, &fixed];
        match exploited {
            true => {
                let [a, b, c, d, e, f] = known;
                rows.row([
                    a,
                    b,
                    c,
                    d,
                    e,
                    f,
                    &exploitation::words(finding.known_exploited, finding.epss),
                ]);
            }
            false => rows.row(known.map(String::as_str)),
        }
    }
    if !rows.is_empty() {
        out.push('\n');
        out.push_str(&rows.render(style));
    }
    let assessed = assessed(reports);
    if !assessed.is_empty() {
        let mut rows = Table::new(&["id", "package", "installed", "assessed as", "by"], &[]);
        for one in &assessed {
            let finding = &one.finding;
            let package = place(finding);
            rows.row([&finding.id, &package, &finding.installed, &one.assessment, &one.by]);
        }
        out.push_str("\nAssessed as no problem:\n");
        out.push_str(&rows.render(style));
    }
    let words = counts.to_string();
    let total = count(findings.len(), "finding");
    let line = if words.is_empty() { total } else { format!("{total}: {words}") };
    out.push_str(&format!("\n{}\n", style.paint(Accent::Heading, &line)));
    out
}

/// The package, and the file when that is something else.
fn place(finding: &Finding) -> String {
    match finding.place_beside_package() {
        // of a file that has no other name the place says more
        Some(place) if finding.path.as_ref() == Some(&finding.package) => place,
        Some(place) => format!("{} in {place}", finding.package),
        None => finding.package.clone(),
    }
}

/// What the reports assess as no problem, each once, by id.
fn assessed(reports: &[ScanReport]) -> Vec<&Assessed> {
    let mut all: Vec<&Assessed> = reports.iter().flat_map(|report| &report.assessed).collect();
    all.sort();
    all.dedup();
    all
}

/// The list as `imgfix/findings/v1`, ending in a newline. `reports` says which image it is
/// about when it is one report.
#[must_use]
pub fn json(reports: &[ScanReport], findings: &[Finding]) -> String {
    #[derive(serde::Serialize)]
    struct List<'a> {
        schema: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        image: Option<Image<'a>>,
        findings: &'a [Finding],
        #[serde(skip_serializing_if = "Vec::is_empty")]
        assessed: Vec<Listed<'a>>,
    }
    #[derive(serde::Serialize)]
    struct Listed<'a> {
        finding: &'a Finding,
        assessment: &'a str,
        by: &'a str,
    }
    #[derive(serde::Serialize)]
    struct Image<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        reference: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        digest: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        platform: Option<&'a str>,
    }
    let image = match reports {
        [one] => {
            let artifact = &one.artifact;
            let digest = match artifact.manifest_digests.as_slice() {
                [one] => Some(one.as_str()),
                _ => None,
            };
            let reference = Some(artifact.name.as_str()).filter(|name| !name.is_empty());
            let platform = artifact.platform.as_deref();
            (reference.is_some() || digest.is_some() || platform.is_some()).then_some(Image {
                reference,
                digest,
                platform,
            })
        }
        _ => None,
    };
    let assessed = assessed(reports)
        .into_iter()
        .map(|one| Listed { finding: &one.finding, assessment: &one.assessment, by: &one.by })
        .collect();
    let list = List { schema: FINDINGS_SCHEMA, image, findings, assessed };
    // Serialising plain data to memory cannot fail.
    let mut text = serde_json::to_string_pretty(&list).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgfix_findings::{merge, parse_report};

    fn report() -> ScanReport {
        let text = serde_json::json!({"schema": "imgfix/findings/v1",
        "image": {"reference": "app:1.0", "digest": "sha256:33", "platform": "linux/amd64"},
        "findings": [
            {"id": "CVE-2024-1", "package": "libc6", "installed": "2.36-9", "severity": "high",
             "fixed": "2.36-9+deb12u9", "also_fixed_in": ["2.40"], "status": "fixed",
             "architecture": "amd64", "title": "a title", "aliases": ["DSA-1"],
             "naming": "binary"},
            {"id": "CVE-\u{1b}[31m2", "package": "org.a:b", "installed": "1",
             "class": "library", "path": "/app/b.jar", "severity": "low"},
            {"id": "EICAR", "class": "malicious", "path": "/tmp/e.com", "severity": "critical"},
            {"id": "CVE-2024-3", "package": "bash", "status": "not-affected"}
        ], "assessed": [{"finding": {"id": "CVE-2024-4", "package": "openssl", "naming": "source",
            "installed": "3.0.1"}, "assessment": "not_affected", "by": "VEX: not \u{1b}used"}]});
        parse_report("r.json", text.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn the_table_reads_well_and_commands_no_terminal() {
        let report = report();
        let findings = merge(vec![report.clone()]);
        insta::assert_snapshot!(table(&[report], &findings, Style::default()));
    }

    #[test]
    fn the_json_is_a_report_with_the_same_findings() {
        let report = report();
        let findings = merge(vec![report.clone()]);
        let text = json(std::slice::from_ref(&report), &findings);
        super::super::schema_check::assert_valid(
            include_str!("../../docs/findings.schema.json"),
            &text,
        );
        let again = parse_report("again", text.as_bytes()).unwrap();
        assert_eq!(again.artifact.name, "app:1.0");
        assert_eq!(again.assessed, report.assessed);
        assert_eq!(merge(vec![again]), findings);
    }

    #[test]
    fn places_are_shown_and_written() {
        let text = serde_json::json!({"schema": "imgfix/findings/v1", "findings": [
            {"id": "aws-key", "package": "secret", "class": "baseline", "subject": "secret",
             "location": {"in": "environment", "name": "AWS_KEY"}},
            {"id": "pat", "package": "secret", "class": "baseline", "subject": "secret",
             "location": {"in": "file", "path": "srv/app/.env", "lines": {"first": 3, "last": 3},
                "columns": {"first": 2, "last": 9}, "layer": format!("sha256:{:064}", 1)}},
            {"id": "DS005", "package": "dockerfile", "class": "baseline", "subject": "build",
             "location": {"in": "history", "entry": 7}},
            {"id": "DS002", "class": "baseline", "location": {"in": "config", "field": "user"}},
            {"id": "DL3008", "class": "baseline", "subject": "build",
             "location": {"in": "build", "file": "Dockerfile"}},
            {"id": "EICAR", "class": "malicious", "location": {"in": "file",
                "md5": "44d88612fea8a8f36de82e1278abb02f", "path": "/tmp/e.com"}}]});
        let report = parse_report("r.json", text.to_string().as_bytes()).unwrap();
        let findings = merge(vec![report.clone()]);
        let table = table(std::slice::from_ref(&report), &findings, Style::default());
        for want in [
            "secret in ENV AWS_KEY",
            "secret in /srv/app/.env:3",
            "dockerfile in history entry 7",
            "configuration User",
            "the image as built (Dockerfile)",
            "/tmp/e.com",
        ] {
            assert!(table.contains(want), "{want}: {table}");
        }
        let text = json(&[report], &findings);
        super::super::schema_check::assert_valid(
            include_str!("../../docs/findings.schema.json"),
            &text,
        );
        let again = parse_report("again", text.as_bytes()).unwrap();
        assert_eq!(merge(vec![again]), findings);
    }

    #[test]
    fn what_is_said_of_exploitation_has_a_column() {
        let text = serde_json::json!({"schema": "imgfix/findings/v1", "findings": [
            {"id": "CVE-2024-1", "package": "a", "severity": "critical"},
            {"id": "CVE-2024-2", "package": "a", "known_exploited": true, "epss": {"score": 0.5},
             "advisory": "https://a.example/2", "references": ["https://b.example"],
             "cvss": [{"source": "nvd", "score": 9.8, "vector": "CVSS:3.1/AV:N"}]}]});
        let report = parse_report("r.json", text.to_string().as_bytes()).unwrap();
        let findings = merge(vec![report.clone()]);
        let table = table(std::slice::from_ref(&report), &findings, Style::default());
        let mut lines = table.lines().skip(2);
        assert!(lines.next().unwrap().contains("exploited"), "{table}");
        let first = lines.find(|line| line.contains("CVE-")).unwrap();
        assert!(
            first.contains("CVE-2024-2") && first.contains("known exploited, EPSS 0.5"),
            "{table}"
        );
        let text = json(&[report], &findings);
        super::super::schema_check::assert_valid(
            include_str!("../../docs/findings.schema.json"),
            &text,
        );
        let again = parse_report("again", text.as_bytes()).unwrap();
        assert_eq!(merge(vec![again]), findings);
    }

    #[test]
    fn no_finding_is_said_so() {
        let text = table(&[], &[], Style::default());
        assert_eq!(text, "\n0 findings\n");
    }
}
