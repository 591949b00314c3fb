//! Small reports of every format and flavour of which no real one is at hand, made from the
//! formats' own descriptions: what is read from each is a snapshot.

mod open;
mod risks;
mod vendors;

use imgfix_model::finding::Finding;
use serde_json::{Value, json};

use super::format::fitting;
use super::shape::Shape;
use super::tests::{pointers, with};
use super::*;

/// Name and text of each.
fn samples() -> Vec<(&'static str, String)> {
    let mut out: Vec<(&str, String)> =
        json_samples().into_iter().map(|(name, value)| (name, value.to_string())).collect();
    out.push(("CycloneDX XML", CYCLONEDX_XML.to_owned()));
    out
}

const CYCLONEDX_XML: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bom xmlns="http://cyclonedx.org/schema/bom/1.5" version="1">
  <metadata><component type="container" bom-ref="image"><name>app:1.0</name>
    <version>sha256:1111111111111111111111111111111111111111111111111111111111111111</version>
  </component></metadata>
  <components>
    <component type="library" bom-ref="pkg:deb/debian/libc6@2.36-9?arch=amd64">
      <name>libc6</name><version>2.36-9</version>
      <purl>pkg:deb/debian/libc6@2.36-9?arch=amd64</purl>
      <components><component type="library" bom-ref="b"><group>org.a</group><name>b</name>
        <version>1</version></component></components>
    </component>
  </components>
  <vulnerabilities>
    <vulnerability bom-ref="v"><id>CVE-2024-1</id>
      <source><name>debian</name></source>
      <references><reference><id>DSA-1-1</id></reference></references>
      <ratings>
        <rating><source><name>nvd</name></source><severity>critical</severity></rating>
        <rating><source><name>debian</name></source><score>5.0</score><severity>medium</severity></rating>
      </ratings>
      <description>a &lt;b&gt; problem</description>
      <recommendation>Upgrade libc6 to version 2.36-9+deb12u9</recommendation>
      <analysis><state>exploitable</state></analysis>
      <affects>
        <target><ref>pkg:deb/debian/libc6@2.36-9?arch=amd64</ref></target>
        <target><ref>b</ref></target>
      </affects>
    </vulnerability>
  </vulnerabilities>
</bom>"#;

fn json_samples() -> Vec<(&'static str, Value)> {
    [open::samples(), vendors::samples(), risks::samples()].concat()
}

#[test]
fn every_flavour_is_understood() {
    let texts: Vec<String> = samples()
        .iter()
        .map(|(name, text)| {
            let report = parse_report("report", text.as_bytes())
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            let mut lines = vec![format!("== {name}: {}, {} passed", report.format, report.passed)];
            lines.push(format!("   about {:?}", report.artifact));
            lines.extend(report.findings.iter().map(line));
            lines.extend(
                report
                    .assessed
                    .iter()
                    .map(|one| format!("   {}, {}:{}", one.assessment, one.by, line(&one.finding))),
            );
            lines.extend(report.warnings.iter().map(|warning| format!("   warning: {warning}")));
            lines.join("\n")
        })
        .collect();
    insta::assert_snapshot!(texts.join("\n"));
}

/// Everything of a finding on one line.
fn line(finding: &Finding) -> String {
    let value = serde_json::to_value(finding).unwrap();
    let parts: Vec<String> = value
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| match value {
            Value::String(text) => format!("{key}={text}"),
            other => format!("{key}={other}"),
        })
        .collect();
    format!("   {}", parts.join(" "))
}

/// The format of each sample, and the number of its entries, by the beginning of its name.
const EXPECTED: &[(&str, ReportFormat, usize)] = &[
    ("Trivy list", ReportFormat::Trivy, 2),
    ("Trivy Kubernetes", ReportFormat::Trivy, 2),
    ("Trivy operator", ReportFormat::TrivyOperator, 5),
    ("SARIF of Grype", ReportFormat::Sarif, 2),
    ("SARIF of Docker Scout", ReportFormat::Sarif, 2),
    ("SARIF without packages", ReportFormat::Sarif, 3),
    ("CycloneDX of Trivy", ReportFormat::CycloneDx, 3),
    ("CycloneDX XML", ReportFormat::CycloneDx, 2),
    ("Clair 4", ReportFormat::ClairV4, 2),
    ("Harbor without envelope", ReportFormat::Harbor, 1),
    ("ECR", ReportFormat::Inspector, 3),
    ("Anchore Engine", ReportFormat::Anchore, 2),
    ("Aqua with malware", ReportFormat::Aqua, 2),
    ("GitLab", ReportFormat::GitLab, 1),
    ("Alibaba Container Registry", ReportFormat::Alibaba, 2),
    ("Alibaba Security Center", ReportFormat::Alibaba, 7),
    ("imgfix/findings/v1", ReportFormat::Generic, 2),
    ("imgfix/findings/v1 with", ReportFormat::Generic, 3),
    ("Aqua list", ReportFormat::Aqua, 2),
    ("Aqua API", ReportFormat::Aqua, 1),
    ("anchorectl envelope", ReportFormat::Anchore, 1),
    ("Anchore evaluation", ReportFormat::Anchore, 1),
    ("Inspector", ReportFormat::Inspector, 3),
    ("Snyk with ignored", ReportFormat::Snyk, 3),
    ("klar", ReportFormat::Clair, 1),
    ("OSV-Scanner", ReportFormat::Osv, 3),
    ("Harbor of another", ReportFormat::Harbor, 2),
    ("NeuVector", ReportFormat::NeuVector, 2),
    ("twistcli", ReportFormat::Prisma, 7),
    ("Veracode container", ReportFormat::Veracode, 3),
    ("Veracode findings", ReportFormat::Veracode, 3),
    ("Veracode agent", ReportFormat::Veracode, 3),
    ("Xray summary", ReportFormat::Xray, 4),
    ("Xray scan", ReportFormat::Xray, 2),
    ("Xray report", ReportFormat::Xray, 1),
    ("Xray export", ReportFormat::Xray, 1),
    ("Sysdig scanner", ReportFormat::Sysdig, 3),
    ("Sysdig report", ReportFormat::Sysdig, 1),
    ("Sysdig panels", ReportFormat::Sysdig, 2),
    ("Docker Scout", ReportFormat::Scout, 4),
    ("Quay", ReportFormat::Quay, 2),
    ("Kubescape", ReportFormat::Kubescape, 4),
    ("Wiz", ReportFormat::Wiz, 3),
    ("Orca", ReportFormat::Orca, 2),
    ("Dockle", ReportFormat::Dockle, 11),
    ("trufflehog", ReportFormat::Trufflehog, 1),
    ("ggshield", ReportFormat::Ggshield, 2),
    ("hadolint", ReportFormat::Hadolint, 7),
    ("Anchore malware", ReportFormat::Anchore, 1),
    ("Anchore secrets", ReportFormat::Anchore, 3),
    ("Alibaba details", ReportFormat::Alibaba, 4),
    ("gitleaks", ReportFormat::Gitleaks, 6),
    ("kingfisher", ReportFormat::Kingfisher, 4),
];

fn expected(name: &str) -> (ReportFormat, usize) {
    let found = EXPECTED.iter().filter(|(start, ..)| name.starts_with(start));
    let (_, format, entries) =
        found.max_by_key(|(start, ..)| start.len()).unwrap_or_else(|| panic!("{name}: EXPECTED"));
    (*format, *entries)
}

#[test]
fn every_entry_is_a_finding_or_assessed_or_passed() {
    for (name, text) in samples() {
        let report = parse_report("report", text.as_bytes()).unwrap();
        let entries = report.findings.len() + report.assessed.len() + report.passed;
        assert_eq!((report.format, entries), expected(name), "{name}");
    }
}

/// Every format is held against every other's reports: its own fits best.
#[test]
fn no_report_is_of_two_formats() {
    let own = super::tests::whole_reports();
    let own = own.into_iter().zip([ReportFormat::Trivy, ReportFormat::Grype]);
    let samples = json_samples().into_iter().map(|(name, value)| {
        let (format, _) = expected(name);
        (value.to_string(), format)
    });
    for (text, want) in samples.chain(own) {
        let shape: Shape = serde_json::from_str(&text).unwrap();
        let fitting = fitting(&shape);
        let (best, keys) = fitting[0];
        assert_eq!(best, want, "{text}\n{fitting:?}");
        let second = fitting.get(1).map_or(0, |(_, keys)| *keys);
        assert!(second < keys, "{text} is as well another: {fitting:?}");
    }
}

#[test]
fn the_error_of_an_unknown_report_names_every_format() {
    let error = parse_report("report", b"{}").unwrap_err().to_string();
    for format in super::format::FORMATS {
        let name = format.name.to_string();
        let name = name.split(' ').next().unwrap();
        assert!(error.contains(name), "{name}: {error}");
    }
}

#[test]
fn what_is_of_no_format_is_told_the_nearest() {
    for (text, want) in [
        (
            r#"{"Results": [], "ArtifactName": "a"}"#,
            "other JSON (nearest is Trivy, but for that it lacks SchemaVersion)",
        ),
        (
            r#"{"vulnerabilities": [{"id": "CVE-1"}]}"#,
            "other JSON (nearest is CycloneDX, but for that it lacks bomFormat)",
        ),
        (
            r#"{"findings": [{"id": "CVE-1"}], "count": 1}"#,
            "other JSON (nearest is imgfix/findings/v1, but for that it lacks schema)",
        ),
        (
            r#"[{"vuln": "CVE-1"}]"#,
            "a JSON list of something else (nearest is Anchore, but for that it lacks packageName \
             or package_name or package)",
        ),
        (r#"{"a": 1}"#, "other JSON"),
        ("[7]", "a JSON list of something else"),
        ("7", "a single JSON value"),
    ] {
        let error = parse_report("report", text.as_bytes()).unwrap_err().to_string();
        let want = format!("report: not a scanner's report but {want}; known are");
        assert!(error.starts_with(&want), "{error}");
    }
}

#[test]
fn a_cut_sample_is_an_error() {
    for (name, text) in samples() {
        for at in (1..text.len()).filter(|at| text.is_char_boundary(*at)) {
            let error = parse_report("report", &text.as_bytes()[..at]);
            assert!(error.is_err(), "{name} cut at {at} is taken for a report: {error:?}");
        }
    }
}

#[test]
fn any_node_of_a_sample_may_be_of_another_type() {
    let others = [Value::Null, json!(7), json!("text"), json!([[]]), json!({"a": 1})];
    for (name, value) in json_samples() {
        for at in pointers(&value) {
            for new in &others {
                let swapped = with(value.clone(), &at, new.clone()).to_string();
                if let Err(error) = parse_report("report", swapped.as_bytes()) {
                    let error = error.to_string();
                    assert!(error.starts_with("report: "), "{name} {at}: {error}");
                }
            }
        }
    }
}

#[test]
fn bad_xml_is_one_error_with_its_place() {
    let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
    let xmlns = "http://cyclonedx.org/schema/bom/1.5";
    for (text, want) in [
        ("<a><b></a>", "report: the XML is not well-formed at byte "),
        ("<a>&undefined;</a>", "report: not a scanner's report but XML with the element \"a\""),
        ("<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><bom>&x;</bom>", "report: "),
        (&deep, "report: the XML is not well-formed at byte "),
        (&format!("<bom xmlns='{xmlns}'/>"), "report: not a scanner's report but a CycloneDX"),
        ("<bom/>", "report: not a scanner's report but XML of another namespace"),
        (
            &format!(
                "<bom xmlns='{xmlns}'><vulnerabilities><vulnerability><ratings><rating>\
                 <score>high</score></rating></ratings></vulnerability></vulnerabilities></bom>"
            ),
            "report: at bom.vulnerabilities",
        ),
    ] {
        let error = parse_report("report", text.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(want), "{error}");
    }
}
