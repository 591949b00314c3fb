//! What each format says beside the fix arrives in findings: links, CVSS, EPSS, exploitation. A
//! value of another form is left out and never an error.

use serde_json::{Value, json};

use super::parse_report;
use imgfix_model::finding::Finding;

/// One report of each format, and what is said of its first finding: the advisory, the other
/// links, CVSS, EPSS, exploitation.
fn samples() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        (
            "trivy",
            json!({"SchemaVersion": 2, "Results": [{"Class": "os-pkgs", "Vulnerabilities": [{
                "VulnerabilityID": "CVE-1", "PkgName": "a", "InstalledVersion": "1",
                "PrimaryURL": "https://a.example/1", "References": ["https://b.example", "ftp://c"],
                "CVSS": {"nvd": {"V2Score": 5, "V2Vector": "AV:L", "V3Score": 7.8,
                                 "V3Vector": "CVSS:3.1/AV:L"},
                         "redhat": {"V3Score": 9.1}}}]}]}),
            "https://a.example/1 [https://b.example] redhat 9.1, nvd 7.8 CVSS:3.1/AV:L",
        ),
        (
            "operator",
            json!({"apiVersion": "aquasecurity.github.io/v1alpha1", "kind": "VulnerabilityReport", "report": {"vulnerabilities": [{
                "vulnerabilityID": "CVE-1", "resource": "a", "installedVersion": "1",
                "fixedVersion": "2", "severity": "LOW", "score": 4.5,
                "primaryLink": "https://a.example", "links": ["https://b.example"]}]}}),
            "https://a.example [https://b.example] Trivy 4.5",
        ),
        (
            "grype",
            json!({"descriptor": {}, "matches": [{
                "vulnerability": {
                    "id": "CVE-1", "dataSource": "https://a.example", "urls": ["https://b.example"],
                    "namespace": "debian:distro:debian:12", "cvss": [],
                    "epss": [{"cve": "CVE-1", "epss": 0.00043, "percentile": 0.1}],
                    "knownExploited": [{"cve": "CVE-1", "vendorProject": "a"}]},
                "relatedVulnerabilities": [{
                    "id": "CVE-1", "dataSource": "https://c.example", "namespace": "nvd:cpe",
                    "cvss": [{"type": "Primary", "version": "3.1", "vector": "CVSS:3.1/AV:N",
                              "metrics": {"baseScore": 9.8}}],
                    "epss": [{"epss": 0.5}]}],
                "artifact": {"name": "a", "version": "1", "type": "deb"}}]}),
            "https://a.example [https://b.example https://c.example] nvd:cpe 9.8 CVSS:3.1/AV:N; \
             EPSS 0.5; exploited",
        ),
        (
            "harbor",
            json!({"generated_at": "", "scanner": {"name": "Trivy"}, "vulnerabilities": [{
                "id": "CVE-1", "package": "a", "links": ["https://a.example", "https://b.example"],
                "preferred_cvss": {"score_v3": 7.8, "score_v2": null, "vector_v3": ""}}]}),
            "https://a.example [https://b.example] Trivy 7.8",
        ),
        (
            "harbor with sources",
            json!({"generated_at": "", "scanner": {"name": "Trivy"}, "vulnerabilities": [{
                "id": "CVE-1", "package": "a", "preferred_cvss": {"score_v3": 7.8},
                "vendor_attributes": {"CVSS": {"nvd": {"V3Score": 7.8, "V3Vector": "CVSS:3.1/AV:L"}}}}]}),
            "- [] nvd 7.8 CVSS:3.1/AV:L",
        ),
        (
            "scout",
            json!({"artifacts": [], "source": {}, "vulnerabilities": [{
                "purl": "pkg:deb/debian/a@1", "vulnerabilities": [{
                    "source": "nist", "source_id": "CVE-1", "url": "https://a.example",
                    "cisa_exploited": true, "epss": {"score": "0.25", "percentile": 0.5},
                    "cvss": {"severity": "HIGH", "score": "7.5", "vector": "CVSS:3.1/AV:N"}}]}]}),
            "https://a.example [] nist 7.5 CVSS:3.1/AV:N; EPSS 0.25 0.5; exploited",
        ),
        (
            "snyk",
            json!({"packageManager": "deb", "vulnerabilities": [{
                "id": "SNYK-1", "packageName": "a", "version": "1", "CVSSv3": "CVSS:3.1/AV:N",
                "cvssScore": 4.8, "references": [{"title": "a", "url": "https://a.example"}],
                "cvssDetails": [{"assigner": "NVD", "cvssV3Vector": "CVSS:3.1/AV:L",
                                 "cvssV3BaseScore": 8.1}],
                "epssDetails": {"percentile": "0.1", "probability": "0.00042"}}]}),
            "- [https://a.example] NVD 8.1 CVSS:3.1/AV:L, Snyk 4.8 CVSS:3.1/AV:N; EPSS 0.00042 0.1",
        ),
        (
            "osv",
            json!({"results": [{"packages": [{
                "package": {"name": "a", "version": "1", "ecosystem": "npm"},
                "vulnerabilities": [{
                    "id": "GHSA-1", "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N"},
                                                 {"type": "CVSS_V4", "score": "CVSS:4.0/AV:N"},
                                                 {"type": "Ubuntu", "score": "low"}],
                    "references": [{"type": "WEB", "url": "https://a.example"},
                                   {"type": "ADVISORY", "url": "https://b.example"}]}],
                "groups": [{"ids": ["GHSA-1"], "max_severity": "7.5"}]}]}]}),
            "https://b.example [https://a.example] OSV-Scanner 7.5, OSV CVSS:4.0/AV:N",
        ),
        (
            "cyclonedx",
            json!({"bomFormat": "CycloneDX", "specVersion": "1.5",
                   "components": [{"bom-ref": "a", "name": "a", "version": "1"}],
                   "vulnerabilities": [{
                       "id": "CVE-1", "source": {"name": "NVD", "url": "https://a.example"},
                       "references": [{"id": "GHSA-1", "source": {"url": "https://b.example"}}],
                       "advisories": [{"title": "a", "url": "https://c.example"}],
                       "ratings": [{"score": 9.8, "method": "CVSSv31", "vector": "CVSS:3.1/AV:N"},
                                   {"source": {"name": "o"}, "score": 3, "method": "OWASP"}],
                       "affects": [{"ref": "a"}]}]}),
            "https://a.example [https://b.example https://c.example] NVD 9.8 CVSS:3.1/AV:N",
        ),
        (
            "sarif",
            json!({"version": "2.1.0", "runs": [{
                "tool": {"driver": {"name": "Trivy", "rules": [{
                    "id": "CVE-1", "helpUri": "https://a.example",
                    "properties": {"security-severity": "5.3", "cvssv3_vector": "CVSS:3.1/AV:N"}}]}},
                "results": [{"ruleId": "CVE-1", "message": {"text": "Package: a\nVersion: 1"}}]}]}),
            "https://a.example [] Trivy 5.3 CVSS:3.1/AV:N",
        ),
        (
            "inspector",
            json!({"findings": [{
                "findingArn": "a", "severity": "MEDIUM", "epss": {"score": 0.00075},
                "packageVulnerabilityDetails": {
                    "vulnerabilityId": "CVE-1", "sourceUrl": "https://a.example",
                    "referenceUrls": ["https://b.example"],
                    "cvss": [{"baseScore": 5.5, "scoringVector": "CVSS:3.1/AV:L", "source": "NVD"}],
                    "vulnerablePackages": [{"name": "a", "version": "1"}]}}]}),
            "https://a.example [https://b.example] NVD 5.5 CVSS:3.1/AV:L; EPSS 0.00075",
        ),
        (
            "generic",
            json!({"schema": "imgfix/findings/v1", "findings": [{
                "id": "CVE-1", "package": "a", "advisory": "javascript:alert(1)",
                "references": ["https://a.example"], "cvss": [{"source": "x", "score": 1.5}],
                "epss": {"score": 0.5}, "known_exploited": true}]}),
            "- [https://a.example] x 1.5; EPSS 0.5; exploited",
        ),
    ]
}

/// What a finding says beside the fix.
fn said(finding: &Finding) -> String {
    let advisory = finding.advisory.as_deref().unwrap_or("-");
    let mut text = format!("{advisory} [{}]", finding.references.join(" "));
    let cvss = finding.cvss.iter().map(|one| {
        let parts = [
            Some(one.source.clone()),
            one.score.map(|score| score.to_string()),
            one.vector.clone(),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    });
    let cvss: Vec<String> = cvss.collect();
    if !cvss.is_empty() {
        text.push_str(&format!(" {}", cvss.join(", ")));
    }
    if let Some(epss) = finding.epss {
        let percentile = epss.percentile.map(|one| format!(" {one}")).unwrap_or_default();
        text.push_str(&format!("; EPSS {}{percentile}", epss.score));
    }
    if finding.known_exploited {
        text.push_str("; exploited");
    }
    text
}

#[test]
fn every_format_says_what_it_knows() {
    for (name, report, want) in samples() {
        let report = parse_report(name, report.to_string().as_bytes()).unwrap();
        assert_eq!(report.findings.len(), 1, "{name}");
        assert_eq!(said(&report.findings[0]), want, "{name}");
    }
}

#[test]
fn other_forms_of_what_is_said_lose_no_finding() {
    const KEYS: &[&str] = &[
        "PrimaryURL",
        "References",
        "CVSS",
        "V3Score",
        "primaryLink",
        "links",
        "score",
        "dataSource",
        "urls",
        "cvss",
        "epss",
        "knownExploited",
        "preferred_cvss",
        "vendor_attributes",
        "url",
        "cisa_exploited",
        "CVSSv3",
        "cvssScore",
        "references",
        "cvssDetails",
        "epssDetails",
        "advisories",
        "helpUri",
        "sourceUrl",
        "referenceUrls",
    ];
    // Keys that decide, and were read strictly before what is beside the fix was.
    let strict = |name: &str, key: &str| match name {
        "generic" => true,
        "cyclonedx" => matches!(key, "references" | "score"),
        "scout" => key == "cvss",
        _ => false,
    };
    for (name, report, _) in samples() {
        for at in super::tests::pointers(&report) {
            let key = at.rsplit('/').next().unwrap();
            if !KEYS.contains(&key) || strict(name, key) {
                continue;
            }
            for other in [json!(true), json!(-7), json!("text"), json!([[]]), json!({"a": 1})] {
                let changed = super::tests::with(report.clone(), &at, other.clone());
                let read = parse_report(name, changed.to_string().as_bytes());
                let read = read.unwrap_or_else(|error| panic!("{name} {at} {other}: {error}"));
                assert_eq!(read.findings.len(), 1, "{name} {at} {other}");
            }
        }
    }
}
