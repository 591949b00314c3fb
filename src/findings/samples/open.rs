//! Samples of open tools and of standards.

use serde_json::{Value, json};

pub(super) fn samples() -> Vec<(&'static str, Value)> {
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
            "klar",
            json!({"LayerCount": 2, "Vulnerabilities": {"High": [
                {"Name": "CVE-2024-1", "NamespaceName": "debian:12", "FeatureName": "openssl",
                 "FeatureVersion": "3.0.11-1", "Severity": "High", "FixedBy": "3.0.13-1"}]}}),
        ),
        (
            "OSV-Scanner",
            json!({"results": [{"source": {"path": "app.tar", "type": "docker"}, "packages": [
                {"package": {"name": "openssl", "version": "3.0.11-1", "ecosystem": "Debian:12"},
                 "vulnerabilities": [
                    {"id": "DSA-1-1", "aliases": ["CVE-2024-1"], "affected": [
                        {"package": {"name": "openssl", "ecosystem": "Debian:12"}, "ranges": [
                            {"type": "ECOSYSTEM", "events": [{"introduced": "0"},
                                {"fixed": "3.0.13-1"}]}]}]},
                    {"id": "DEBIAN-CVE-2024-2", "affected": [
                        {"package": {"name": "openssl", "ecosystem": "Debian:12"}, "ranges": [
                            {"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]}]}]},
                {"package": {"name": "glibc", "os_package_name": "libc6", "version": "2.36-9",
                    "ecosystem": "Debian:12"},
                 "vulnerabilities": [{"id": "DEBIAN-CVE-2024-3", "affected": [
                    {"package": {"name": "glibc", "ecosystem": "Debian:12"}, "ranges": [
                        {"type": "ECOSYSTEM", "events": [{"introduced": "0"},
                            {"last_affected": "2.36-9"}]}]}]}]}]}]}),
        ),
        (
            "Harbor of another scanner",
            json!({"application/vnd.security.vulnerability.report; version=1.1": {
                "scanner": {"name": "Clair"}, "vulnerabilities": [
                    {"id": "CVE-2024-1", "package": "openssl:amd64", "version": "3.0.11",
                     "fix_version": "", "severity": "High", "status": "will_not_fix"},
                    {"id": "CVE-2024-2", "package": "openssl", "version": "3.0.11",
                     "severity": "Low", "status": "not_affected"}]}}),
        ),
        (
            "Quay",
            json!({"status": "scanned", "data": {"Layer": {"Name": "sha256:33", "Features": [
                {"Name": "openssl", "Version": "3.0.11-1", "VersionFormat": "", "Vulnerabilities": [
                    {"Name": "CVE-2024-1", "Severity": "High", "FixedBy": "3.0.13-1",
                     "Description": "text"},
                    {"Name": "CVE-2024-2 on Ubuntu 22.04 (jammy) - low.", "Severity": "Low",
                     "FixedBy": ""}]},
                {"Name": "bash", "Version": "5.2", "Vulnerabilities": []}]}}}),
        ),
        (
            "Kubescape",
            json!({"clusterName": "prod", "summaryDetails": {"controls": {
                    "C-0013": {"name": "Non-root containers", "scoreFactor": 6}}},
                "resources": [], "results": [{"resourceID": "apps/v1/default/Deployment/app",
                    "controls": [
                        {"controlID": "C-0013", "name": "Non-root containers",
                         "status": {"status": "failed"}, "rules": [{"status": "failed"}]},
                        {"controlID": "C-0017", "name": "Immutable", "rules": [
                            {"status": "failed", "exception": [{"policyType": "x"}]}]},
                        {"controlID": "C-0016", "name": "Escalation",
                         "status": {"status": "passed"}},
                        {"controlID": "C-0050", "rules": [{"status": "passed"}]}]}]}),
        ),
        (
            "imgfix/findings/v1 with assessments",
            json!({"schema": "imgfix/findings/v1", "findings": [
                    {"id": "CVE-2024-1", "package": "openssl", "naming": "source",
                     "fixed": "Pending"},
                    {"id": "CVE-2024-2", "package": "bash:amd64", "status": "not-affected"}],
                "assessed": [{"finding": {"id": "CVE-2024-3", "package": "tar"},
                    "assessment": "false_positive", "by": "the team"}]}),
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
