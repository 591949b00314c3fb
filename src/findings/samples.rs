//! Small reports of every format and flavour of which no real one is at hand, made from the
//! formats' own descriptions: what is read from each is a snapshot.

use serde_json::{Value, json};

use super::format::FORMATS;
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
    let trivy_result = json!({"Target": "app (debian 10.1)", "Type": "debian", "Vulnerabilities": [
        {"VulnerabilityID": "CVE-2019-1", "PkgName": "libc6", "InstalledVersion": "2.28-10",
         "FixedVersion": "2.28-10+deb10u1", "Severity": "HIGH"}]});
    vec![
        (
            "Trivy list",
            json!([trivy_result, {"Target": "app/package-lock.json", "Type": "npm",
                "Vulnerabilities": [{"VulnerabilityID": "CVE-2019-2", "PkgName": "lodash",
                "InstalledVersion": "4.17.4", "FixedVersion": "4.17.12", "Severity": "CRITICAL"}]},
                {"Target": "empty", "Type": "bundler", "Vulnerabilities": null}]),
        ),
        (
            "Trivy Kubernetes",
            json!({"ClusterName": "prod", "Resources": [
                {"Namespace": "default", "Kind": "Deployment", "Name": "app",
                 "Metadata": [{"OS": {"Family": "debian", "Name": "10.1"}}],
                 "Results": [trivy_result]},
                {"Namespace": "default", "Kind": "Service", "Name": "app", "Results": [
                    {"Target": "Service/app", "Class": "config", "Type": "kubernetes",
                     "Misconfigurations": [{"ID": "KSV001", "Severity": "MEDIUM", "Status": "FAIL",
                        "Title": "can elevate"}]}]}]}),
        ),
        (
            "Trivy operator",
            json!({"apiVersion": "v1", "kind": "List", "items": [
                {"apiVersion": "aquasecurity.github.io/v1alpha1", "kind": "VulnerabilityReport",
                 "report": {"artifact": {"repository": "app", "tag": "1.0", "digest": "sha256:11"},
                    "registry": {"server": "registry.example"},
                    "os": {"family": "debian", "name": "12.7"},
                    "vulnerabilities": [
                        {"vulnerabilityID": "CVE-2024-1", "resource": "libc6",
                         "installedVersion": "2.36-9", "fixedVersion": "2.36-9+deb12u9",
                         "severity": "HIGH", "class": "os-pkgs",
                         "packagePURL": "pkg:deb/debian/libc6@2.36-9?arch=arm64"},
                        {"vulnerabilityID": "CVE-2024-2", "resource": "org.a:b",
                         "installedVersion": "1", "fixedVersion": "", "severity": "LOW",
                         "class": "", "packagePath": "app/b.jar"}]}},
                {"apiVersion": "aquasecurity.github.io/v1alpha1", "kind": "ExposedSecretReport",
                 "report": {"secrets": [{"ruleID": "github-pat", "severity": "CRITICAL",
                    "target": "/app/key", "title": "a token"}]}},
                {"apiVersion": "aquasecurity.github.io/v1alpha1", "kind": "ConfigAuditReport",
                 "report": {"checks": [
                    {"checkID": "KSV001", "severity": "MEDIUM", "success": false},
                    {"checkID": "KSV002", "severity": "MEDIUM", "success": true}]}},
                {"apiVersion": "apps/v1", "kind": "Deployment"}]}),
        ),
        (
            "SARIF of Grype",
            json!({"version": "2.1.0", "runs": [{
                "tool": {"driver": {"name": "Grype", "rules": [
                    {"id": "CVE-2024-1-libc6", "name": "DpkgMatcherExactDirectMatch",
                     "shortDescription": {"text": "CVE-2024-1 high vulnerability for libc6 package"},
                     "help": {"text": "Vulnerability CVE-2024-1\nSeverity: high\nPackage: libc6\nVersion: 2.36-9\nFix Version: 2.36-9+deb12u9\nType: deb\nLocation: /var/lib/dpkg/status\nLink: x"},
                     "properties": {"security-severity": "9.8"}}]}},
                "results": [
                    {"ruleId": "CVE-2024-1-libc6", "message": {"text":
                        "The path /var/lib/dpkg/status reports libc6 at version 2.36-9  which is a vulnerable (deb) package installed in the container"},
                     "locations": [{"physicalLocation": {"artifactLocation":
                        {"uri": "/var/lib/dpkg/status"}}}]},
                    {"ruleId": "CVE-2024-1-libc6", "kind": "pass", "message": {"text": "x"}}]}]}),
        ),
        (
            "SARIF of Docker Scout",
            json!({"version": "2.1.0", "runs": [{
                "tool": {"driver": {"name": "docker scout", "fullName": "Docker Scout", "rules": [
                    {"id": "CVE-2024-1", "name": "OsPackageVulnerability",
                     "shortDescription": {"text": "CVE-2024-1: overflow"},
                     "help": {"text": "long text"},
                     "properties": {"affected_version": "<2.36-9+deb12u9",
                        "fixed_version": "2.36-9+deb12u9", "cvssV3_severity": "HIGH",
                        "security-severity": "7.8", "tags": ["HIGH"],
                        "purls": ["pkg:deb/debian/glibc@2.36-9?os_distro=bookworm"]}},
                    {"id": "CVE-2024-2", "name": "OsPackageVulnerability",
                     "properties": {"fixed_version": "not fixed", "security-severity": "3.1",
                        "purls": ["pkg:npm/a@1", "pkg:npm/b@2"]}}]}},
                "results": [
                    {"ruleId": "CVE-2024-1", "ruleIndex": 0, "level": "error", "message": {"text":
                        "\n  Vulnerability   : CVE-2024-1\n  Severity        : HIGH\n  Package         : pkg:deb/debian/glibc@2.36-9?os_distro=bookworm\n  Affected range  : <2.36-9+deb12u9\n  Fixed version   : 2.36-9+deb12u9\n"}},
                    {"ruleId": "CVE-2024-2", "ruleIndex": 1, "level": "note", "message": {"text":
                        "  Package : pkg:npm/b@2\n  Fixed version : not fixed"},
                     "locations": [{"physicalLocation": {"artifactLocation":
                        {"uri": "/app/node_modules/b/package.json"}}}]}]}]}),
        ),
        (
            "SARIF without packages",
            json!({"version": "2.1.0", "runs": [{
                "tool": {"driver": {"name": "Trivy", "rules": [{"id": "DS002",
                    "name": "Misconfiguration", "shortDescription": {"text": "root"},
                    "properties": {"tags": ["misconfiguration", "HIGH"]}}]}},
                "properties": {"imageName": "app:1.0", "repoDigests": ["app@sha256:22"]},
                "results": [
                    {"ruleId": "DS002", "level": "error", "message": {"text": "runs as root"},
                     "locations": [{"physicalLocation": {"artifactLocation":
                        {"uri": "Dockerfile"}}}]},
                    {"ruleId": "OTHER", "level": "warning", "message": {"text": "x"}},
                    {"ruleId": "DS002", "message": {"text": "x"},
                     "suppressions": [{"kind": "external", "status": "accepted"}]}]}]}),
        ),
        (
            "CycloneDX of Trivy",
            json!({"bomFormat": "CycloneDX", "specVersion": "1.6",
                "metadata": {"component": {"type": "container", "name": "app:1.0", "properties": [
                    {"name": "aquasecurity:trivy:ImageID", "value": "sha256:11"},
                    {"name": "aquasecurity:trivy:DiffID", "value": "sha256:22"},
                    {"name": "aquasecurity:trivy:RepoDigest", "value": "app@sha256:33"}]}},
                "components": [
                    {"bom-ref": "u1", "type": "library", "name": "libc6", "version": "2.36-9",
                     "purl": "pkg:deb/debian/libc6@2.36-9?arch=amd64"},
                    {"bom-ref": "u2", "type": "library", "group": "org.a", "name": "b",
                     "version": "1", "properties": [
                        {"name": "aquasecurity:trivy:FilePath", "value": "app/b.jar"}]}],
                "vulnerabilities": [{"id": "CVE-2024-1",
                    "ratings": [{"score": 9.8}, {"score": 4.0}],
                    "recommendation":
                        "Upgrade libc6 to version 2.36-9+deb12u9; Upgrade org.a:b to version 2",
                    "affects": [{"ref": "u1"}, {"ref": "u2"},
                        {"ref": "urn:cdx:serial/1#u1"}]}]}),
        ),
        (
            "Clair 4",
            json!({"manifest_hash": "sha256:44",
                "packages": {"1": {"id": "1", "name": "libc6", "version": "2.36-9", "arch": "amd64"},
                    "2": {"id": "2", "name": "django", "version": "3.2.9"}},
                "distributions": {"1": {"did": "debian", "version_id": "12"}},
                "environments": {"1": [{"package_db": "var/lib/dpkg/status"}],
                    "2": [{"package_db": "python:usr/lib/python3/site-packages"}]},
                "vulnerabilities": {
                    "7": {"name": "CVE-2024-1 on Debian 12 (bookworm) - high.",
                        "normalized_severity": "High", "fixed_in_version": "2.36-9+deb12u9"},
                    "8": {"name": "PYSEC-2021-1", "normalized_severity": "Medium",
                        "fixed_in_version": "3.2.10", "description": "text"}},
                "package_vulnerabilities": {"1": ["7"], "2": ["8"]}}),
        ),
        (
            "Harbor without envelope",
            json!({"generated_at": "2026-01-01", "scanner": {"name": "Trivy"},
                "artifact": {"repository": "library/app", "digest": "sha256:33"},
                "vulnerabilities": [{"id": "CVE-2024-1", "package": "libc6", "version": "2.36-9",
                    "fix_version": "2.36-9+deb12u9", "severity": "Important"}]}),
        ),
        (
            "ECR",
            json!({"registryId": "1", "repositoryName": "app",
                "imageId": {"imageDigest": "sha256:33", "imageTag": "1.0"},
                "imageScanFindings": {
                    "findings": [{"name": "CVE-2019-1", "severity": "INFORMATIONAL",
                        "uri": "https://x", "attributes": [
                            {"key": "package_version", "value": "2.28-10"},
                            {"key": "package_name", "value": "glibc"}]}],
                    "enhancedFindings": [{"severity": "HIGH", "status": "ACTIVE", "title": "t",
                        "packageVulnerabilityDetails": {"vulnerabilityId": "CVE-2024-1",
                            "relatedVulnerabilities": ["CVE-2024-2"],
                            "vulnerablePackages": [
                                {"name": "libc6", "version": "2.36", "release": "9", "epoch": 0,
                                 "arch": "AMD64", "packageManager": "OS",
                                 "fixedInVersion": "0:2.36-9+deb12u9"},
                                {"name": "b", "version": "1", "packageManager": "MAVEN",
                                 "filePath": "app/b.jar", "fixedInVersion": "NotAvailable"}]}}]}}),
        ),
        (
            "Anchore Engine",
            json!({"imageDigest": "sha256:33", "vulnerability_type": "all", "vulnerabilities": [
                {"vuln": "CVE-2024-1", "package": "libc6-2.36-9", "package_name": "libc6",
                 "package_version": "2.36-9", "package_type": "dpkg", "package_path": "pkgdb",
                 "fix": "2.36-9+deb12u9", "severity": "High"},
                {"vuln": "VULNDB-1", "package_name": "b", "package_version": "1",
                 "package_type": "java", "package_path": "/app/b.jar", "fix": "None",
                 "severity": "Low"}]}),
        ),
        (
            "Aqua with malware",
            json!({"image": "app:1.0", "digest": "aa", "os": "debian", "version": "12",
                "resources": [], "malware": [{"malware": "Eicar-Test", "path": "/tmp/e.com"}],
                "sensitive_data": [{"type": "RSA private key", "path": "/root/id_rsa"}]}),
        ),
        (
            "GitLab",
            json!({"version": "15.0.7", "scan": {"type": "container_scanning"},
                "vulnerabilities": [{"id": "8c2d", "severity": "High", "name": "CVE-2024-1",
                    "solution": "Upgrade libc6 to 2.36-9+deb12u9",
                    "location": {"dependency": {"package": {"name": "libc6"}, "version": "2.36-9"},
                        "operating_system": "debian 12.7", "image": "registry.example/app:1.0"},
                    "identifiers": [
                        {"type": "cve", "name": "CVE-2024-1", "value": "CVE-2024-1"},
                        {"type": "cwe", "name": "CWE-1", "value": "1"}]}]}),
        ),
        (
            "Alibaba Container Registry",
            json!({"RequestId": "r", "TotalCount": 2, "Vulnerabilities": [
                {"CveName": "CVE-2024-1", "Feature": "libc6", "Version": "2.36-9",
                 "VersionFixed": "2.36-9+deb12u9", "VersionFormat": "dpkg", "Severity": "High",
                 "AliasName": "an alias", "ScanType": "cve"},
                {"CveName": "CVE-2024-2", "Feature": "org.a:b", "Version": "1",
                 "CveLocation": "/app/b.jar", "Severity": "Medium", "ScanType": "sca"}]}),
        ),
        (
            "Alibaba Security Center",
            json!([
                {"RequestId": "r", "VulRecords": [{"Name": "debian:10:CVE-2019-9893",
                    "AliasName": "CVE-2019-9893", "Related": "CVE-2019-9893", "Type": "cve",
                    "Necessity": "asap", "ImageDigest": "8f0f",
                    "ExtendContentJson": {"Os": "debian", "OsRelease": "10.9", "RpmEntityList": [
                        {"Name": "libseccomp2", "FullVersion": "2.3.3-4", "Version": "2.3.3",
                         "MatchDetail": "libseccomp2 version less than 0:2.4.1-1"}]}}]},
                {"RequestId": "r", "BaselineResult": [{"BaselineNameKey": "ak_leak",
                    "BaselineNameAlias": "an access key", "BaselineNameLevel": "high"}]},
                {"RequestId": "r", "BaselineItemInfos": [
                    {"BaselineItemKey": "hc.k.1", "BaselineItemAlias": "a check", "Status": 0},
                    {"BaselineItemKey": "hc.k.2", "Status": 1}]},
                {"RequestId": "r", "AffectedMaliciousFileImagesResponse": [{"Level": "serious",
                    "MaliciousMd5": "44d88612fea8a8f36de82e1278abb02f", "FilePath": "/tmp/e.com"}]},
                {"body": {"RequestId": "r", "GroupedMaliciousFileResponse": [
                    {"Level": "suspicious", "MaliciousName": "WebShell", "MaliciousMd5": "0a"}]}},
                {"RequestId": "r", "SensitiveFileList": [{"SensitiveFileKey": "ssh_key",
                    "SensitiveFileName": "SSH key", "RiskLevel": "medium"}]}
            ]),
        ),
        (
            "imgfix/findings/v1",
            json!({"schema": "imgfix/findings/v1",
                "image": {"reference": "app:1.0", "digest": "sha256:33", "platform": "linux/arm64"},
                "findings": [
                    {"id": "CVE-2024-1", "package": "libc6", "installed": "2.36-9",
                     "fixed": "2.36-9+deb12u9", "severity": "high", "architecture": "arm64"},
                    {"id": "EICAR", "class": "malicious", "path": "/tmp/e.com"}]}),
        ),
    ]
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

#[test]
fn no_report_is_of_two_formats() {
    let mut texts: Vec<String> = json_samples().into_iter().map(|(_, v)| v.to_string()).collect();
    texts.extend(super::tests::whole_reports());
    for text in texts {
        let shape: Shape = serde_json::from_str(&text).unwrap();
        let found = FORMATS.iter().filter(|format| (format.recognise)(&shape)).count();
        assert_eq!(found, 1, "{text}");
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
