//! Samples of vendors' scanners.

use serde_json::{Value, json};

pub(super) fn samples() -> Vec<(&'static str, Value)> {
    vec![
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
            "Aqua list",
            json!([{"image_name": "app:1.0", "results": {"image": "app:1.0", "digest": "sha256:aa",
                "os": "debian", "version": "12", "resources": [{
                    "resource": {"format": "deb", "name": "libc6", "version": "2.36-9",
                        "arch": "amd64", "src_name": "glibc"},
                    "vulnerabilities": [
                        {"name": "CVE-2024-1", "aqua_severity": "high",
                         "fix_version": "2.36-9+deb12u9"},
                        {"name": "CVE-2024-2", "aqua_severity": "low", "acknowledged": true,
                         "ack_comment": "not reachable"}]}]}}]),
        ),
        (
            "Aqua API",
            json!({"count": 1, "page": 1, "pagesize": 50, "result": [
                {"name": "CVE-2024-1", "aqua_severity": "high", "fix_version": "2.36-9+deb12u9",
                 "resource": {"type": "package", "format": "deb", "name": "libc6",
                    "version": "2.36-9"}, "image_name": "app:1.0", "image_digest": "sha256:33",
                 "os": "debian", "os_version": "12"}]}),
        ),
        (
            "Aqua API 1",
            json!({"image_name": "app:1.0", "registry": "r", "cves_counts": {"total": 1}, "cves": [
                {"file": "/usr/lib/a.so", "name": "CVE-2024-1", "severity": "high",
                 "acknowledged": false, "fix_version": "a-1.1"}]}),
        ),
        (
            "anchorectl envelope",
            json!({"imageDigest": "sha256:33", "vulnerabilities": [
                {"vuln": "CVE-2024-1", "package": "libc6-2.36-9", "packageType": "dpkg",
                 "fix": "None", "severity": "High", "willNotFix": true}]}),
        ),
        (
            "Anchore evaluation",
            json!({"metadata": {"registry": "docker.io", "repository": "app", "tag": "1.0",
                    "imageDigest": "sha256:33"},
                "securityEvaluation": [{"vulnerabilityId": "CVE-2024-1", "severity": "Critical",
                    "packageType": "Java", "path": "/app/a.jar", "package": "a-b-9.0.97",
                    "fixAvailable": "10.1.34,9.0.98"}]}),
        ),
        (
            "Inspector",
            json!({"findings": [
                {"findingArn": "arn:1", "severity": "HIGH", "status": "ACTIVE", "fixAvailable": "NO",
                 "packageVulnerabilityDetails": {"vulnerabilityId": "CVE-2024-1",
                    "vulnerablePackages": [{"name": "libssl3", "version": "3.0.11",
                        "release": "1~deb12u2", "epoch": 0, "arch": "X86_64",
                        "packageManager": "OS", "fixedInVersion": "NotAvailable"}]},
                 "resources": [{"details": {"awsEcrContainerImage": {"imageHash": "sha256:33",
                    "repositoryName": "app", "platform": "DEBIAN_12"}}}]},
                {"findingArn": "arn:2", "severity": "LOW", "status": "SUPPRESSED",
                 "packageVulnerabilityDetails": {"vulnerabilityId": "CVE-2024-2",
                    "vulnerablePackages": [{"name": "bash", "version": "5.2", "arch": "ARM64"}]}},
                {"findingArn": "arn:3", "severity": "LOW", "status": "CLOSED", "title": "open port"}
            ]}),
        ),
        (
            "Snyk with ignored",
            json!({"packageManager": "deb", "path": "app:1.0", "platform": "linux/amd64",
                "vulnerabilities": [
                    {"id": "SNYK-DEBIAN12-OPENSSL-1", "severity": "high", "version": "3.0.11-1",
                     "packageManager": "debian:12", "name": "openssl/libssl3",
                     "packageName": "openssl", "fixedIn": [],
                     "description": "There is no fixed version for `Debian:12` `openssl`.",
                     "identifiers": {"CVE": ["CVE-2024-1"]}},
                    {"id": "SNYK-DEBIAN12-BASH-1", "severity": "low", "version": "5.2",
                     "packageManager": "debian:12", "packageName": "bash", "fixedIn": ["5.3"]}],
                "filtered": {"ignore": [
                    {"id": "SNYK-DEBIAN12-TAR-1", "severity": "low", "version": "1.34",
                     "packageManager": "debian:12", "name": "tar",
                     "filtered": {"ignored": [{"reason": "not used", "source": "cli"}]}}],
                    "patch": []}}),
        ),
        (
            "NeuVector",
            json!({"report": {"registry": "https://registry.example/", "repository": "app",
                "tag": "1.0", "digest": "sha256:33", "vulnerabilities": [
                    {"name": "CVE-2024-1", "severity": "High", "package_name": "openssl",
                     "package_version": "3.0.11", "fixed_version": "3.0.13"},
                    {"name": "CVE-2024-2", "severity": "Low", "package_name": "bash",
                     "package_version": "5.2", "tags": ["accepted"]}]}}),
        ),
        (
            "twistcli",
            json!({"results": [{"id": "sha256:11", "name": "app:1.0", "digest": "sha256:33",
                "distro": "Debian GNU/Linux 12 (bookworm)", "distroRelease": "bookworm",
                "packages": [{"type": "os", "name": "dpkg", "version": "1.21.22"},
                    {"type": "python", "name": "pycrypto", "version": "2.6.1"}],
                "complianceDistribution": {"high": 1}, "compliances": [
                    {"id": 41, "title": "(CIS_Docker_v1.5.0 - 4.1) runs as root",
                     "severity": "high", "category": "Docker"}],
                "vulnerabilityDistribution": {"high": 1}, "vulnerabilities": [
                    {"id": "CVE-2024-1", "status": "fixed in 1.21.23, 1.22", "severity": "high",
                     "packageName": "dpkg", "packageVersion": "1.21.22"},
                    {"id": "CVE-2024-2", "status": "open", "severity": "important",
                     "packageName": "dpkg", "packageVersion": "1.21.22"},
                    {"id": "CVE-2024-3", "status": "will not fix", "severity": "low",
                     "packageName": "pycrypto", "packageVersion": "2.6.1"},
                    {"id": "CVE-2024-4", "status": "deferred", "severity": "low",
                     "packageName": "dpkg", "packageVersion": "1.21.22"},
                    {"id": "CVE-2024-5", "status": "not affected", "severity": "low",
                     "packageName": "dpkg", "packageVersion": "1.21.22"},
                    {"id": "CVE-2024-6", "status": "fixed in 3", "severity": "critical",
                     "packageName": "org.a_b", "packageVersion": "1",
                     "packagePath": "/app/b.jar"}]}],
                "consoleURL": "https://console.example"}),
        ),
        (
            "Veracode container",
            json!({"vulnerabilities": {"matches": [
                    {"vulnerability": {"id": "CVE-2024-1", "severity": "High",
                        "fix": {"versions": ["2.36-9+deb12u9"], "state": "fixed"}},
                     "artifact": {"name": "libc6", "version": "2.36-9", "type": "deb"}}]},
                "configs": {"Results": [{"Target": "Dockerfile", "Class": "config",
                    "Type": "dockerfile", "Misconfigurations": [
                        {"ID": "DS002", "Title": "root", "Severity": "HIGH", "Status": "FAIL"}]}]},
                "secrets": {"Results": [{"Target": "/app/key", "Class": "secret",
                    "Secrets": [{"RuleID": "github-pat", "Severity": "CRITICAL"}]}]},
                "policy-passed": false, "policy-results": [{"failures": []}]}),
        ),
        (
            "Veracode findings",
            json!({"findings": [
                {"scan_type": "SCA", "description": "text", "finding_status": {"status": "OPEN",
                    "resolution": "UNRESOLVED", "resolution_status": "NONE"},
                 "finding_details": {"severity": 4, "cve": {"name": "CVE-2024-1"},
                    "component_filename": "b-1.jar", "version": "1",
                    "component_path": [{"path": "app/b-1.jar"}]}},
                {"scan_type": "STATIC", "finding_status": {"status": "OPEN",
                    "resolution": "MITIGATED", "resolution_status": "APPROVED"},
                 "finding_details": {"severity": 3, "cwe": {"id": 80, "name": "XSS"},
                    "file_path": "/app/a.jsp"}},
                {"scan_type": "STATIC", "finding_status": {"status": "CLOSED"},
                 "finding_details": {"severity": 0, "cwe": {"id": 74, "name": "Injection"}}}]}),
        ),
        (
            "Veracode agent",
            json!({"_embedded": {"issues": [
                {"issue_status": "open", "issue_type": "vulnerability", "ignored": false,
                 "severity": 8.8, "library": {"id": "maven:org.a:b:1:", "name": "B",
                    "version": "1"}, "vulnerability": {"id": "7", "title": "t", "cve": "2024-1"}},
                {"issue_status": "fixed", "severity": 5.0, "library": {"id": "gem:c::2:",
                    "version": "2"}, "vulnerability": {"id": "8"}},
                {"issue_status": "open", "ignored": true, "library": {"name": "D"},
                 "issue_type": "library"}]}}),
        ),
        (
            "Xray summary",
            json!({"artifacts": [{"general": {"name": "app:1.0", "sha256": "33"}, "issues": [
                {"issue_id": "XRAY-1", "summary": "text", "severity": "High",
                 "cves": [{"cve": "CVE-2024-1", "cvss_v3": "7.2"}], "impact_path": [
                    "default/app/1.0/sha256__11.tar.gz/3.18:busybox:1.36.1-r0",
                    "default/app/1.0/sha256__11.tar.gz/3.18:ssl_client:1.36.1-r0",
                    "default/app/1.0/sha256__22.tar.gz/app.jar/lib/okio-2.8.0.jar"]},
                {"summary": "a problem without a name", "severity": "Low", "cves": [{}],
                 "impact_path": ["default/app/1.0/sha256__11.tar.gz/3.18:zlib:1.2.13-r1"]}]}]}),
        ),
        (
            "Xray scan",
            json!([{"scan_id": "a", "component_id": "docker://app:1.0", "package_type": "Docker",
                "vulnerabilities": [{"issue_id": "XRAY-2", "severity": "Unknown",
                    "cves": [{"cve": "CVE-2024-1"}], "components": {
                        "alpine://3.18:libssl3:3.1.1-r1": {"fixed_versions": ["[3.1.1-r3]"],
                            "impact_paths": [[{"component_id": "docker://app:1.0",
                                "full_path": "sha256__78.tar"}]]},
                        "gav://org.a:b:1": {"fixed_versions": ["[2]"], "impact_paths": [[
                            {"full_path": "sha256__78.tar"}, {"full_path": "lib/b.jar"}]]}}}]}]),
        ),
        (
            "Xray report",
            json!({"total_rows": 1, "rows": [{"cves": [{"cve": "CVE-2024-1"}], "severity": "High",
                "vulnerable_component": "rpm://8:libX11:0:1.6.8-3.el8", "issue_id": "XRAY-3",
                "impacted_artifact": "docker://app:1.0", "fixed_versions": ["\u{2265} 1.6.9"]}]}),
        ),
        (
            "Xray export",
            json!({"total_count": 1, "data": [{"id": "", "severity": "High", "summary": "text",
                "source_comp_id": "deb://debian:bookworm:libx11:2:1.8.4-2",
                "component_versions": {"fixed_versions": ["\u{2265} 2:1.8.4-2+deb12u2"],
                    "more_details": {"cves": [{"cve": "CVE-2024-1"}]}}}]}),
        ),
        (
            "Sysdig scanner",
            json!({"info": {}, "scanner": {"name": "sysdig-cli-scanner"}, "result": {
                "metadata": {"pullString": "app:1.0", "imageId": "sha256:11",
                    "digest": "sha256:33", "baseOs": "debian 12.7", "os": "linux",
                    "architecture": "amd64"},
                "packages": [
                    {"type": "os", "name": "libc6", "version": "2.36-9",
                     "path": "/var/lib/dpkg/status", "vulns": [
                        {"name": "CVE-2024-1", "severity": {"value": "High"},
                         "fixedInVersion": "2.36-9+deb12u9"},
                        {"name": "CVE-2024-2", "severity": {"value": "Low"},
                         "acceptedRisks": [{"reason": "not used"}]}]},
                    {"type": "python", "name": "idna", "version": "2.2", "path": "/py/PKG-INFO",
                     "vulns": [{"name": "CVE-2024-3", "severity": {"value": "High"},
                        "fixedInVersion": "3.7"}]},
                    {"type": "os", "name": "bash", "version": "5.2"}]}}),
        ),
        (
            "Sysdig report",
            json!({"data": [{"imageId": "sha256:11", "imagePullString": "app:1.0",
                "osName": "ubuntu 22.04", "vulnName": "CVE-2024-1", "vulnSeverity": "High",
                "vulnFixAvailable": true, "vulnFixVersion": "3.0.2-0ubuntu1.18",
                "packageName": "libssl3", "packageType": "os", "packagePath": "",
                "packageVersion": "3.0.2-0ubuntu1.10"}]}),
        ),
        (
            "Sysdig panels",
            json!({"name": "Findings", "panels": [{"data": [
                {"container_image": "app:1.0", "container_image_distro": "debian 12.9",
                 "container_image_id": "sha256:11", "scan_package_name": "tar",
                 "scan_package_type": "OS", "scan_package_version": "1.34",
                 "vuln_id": "CVE-2005-2541", "vuln_fix_available": false,
                 "vuln_fixed_in_version": "", "vuln_risk_accepted": true,
                 "vuln_severity": "Negligible"},
                {"container_image": "other:1.0", "container_image_id": "sha256:12",
                 "scan_package_name": "tar", "scan_package_type": "OS",
                 "scan_package_version": "1.34", "vuln_id": "CVE-2005-2541",
                 "vuln_fix_available": false, "vuln_fixed_in_version": ""}]}]}),
        ),
        (
            "Docker Scout",
            json!({"source": {"type": "image", "image": {"name": "app", "digest": "sha256:33",
                    "distro": {"os_name": "Debian GNU/Linux", "os_version": "12"},
                    "platform": {"os": "linux", "architecture": "amd64"}}},
                "artifacts": [{"type": "deb", "name": "glibc", "version": "2.36-9"}],
                "vulnerabilities": [
                    {"purl": "pkg:deb/debian/glibc@2.36-9?os_distro=bookworm", "vulnerabilities": [
                        {"source": "debian", "source_id": "CVE-2024-1", "fixed_by": "2.36-9+deb12u9",
                         "vulnerable_range": "<2.36-9+deb12u9", "cvss": {"severity": "HIGH"}},
                        {"source": "debian", "source_id": "CVE-2024-2", "fixed_by": "not fixed"}]},
                    {"purl": "pkg:npm/%40a/b@1", "vulnerabilities": [
                        {"source_id": "GHSA-1", "cvss": {"severity": "LOW"}}]}],
                "secrets": [{"source": {"location": {"path": "/app/key"}}, "findings": [
                    {"rule_id": "github-pat", "title": "a token", "severity": "CRITICAL"}]}],
                "descriptor": {"name": "docker-scout", "sbom_version": "6"}}),
        ),
        (
            "Wiz",
            json!({"id": "a", "status": {"state": "SUCCESS"}, "policies": [],
                "scanOriginResource": {"name": "app:1.0", "digest": null}, "result": {
                    "osPackages": [{"name": "libcrypto3", "version": "3.3.1-r0",
                        "vulnerabilities": [{"name": "CVE-2024-5535", "severity": "LOW",
                            "fixedVersion": "3.3.1-r1", "description": null}]}],
                    "libraries": [{"name": "golang.org/x/net", "version": "0.14.0",
                        "path": "/app/go.mod", "vulnerabilities": [{"name": "CVE-2023-44487",
                            "severity": "MEDIUM", "fixedVersion": "0.17.0"}]}],
                    "applications": null, "secrets": [{"type": "PASSWORD",
                        "description": "a password", "path": "/app/a.go"}]}}),
        ),
        (
            "Orca",
            json!([{"Title": "Unused role", "Category": "IAM", "OrcaScore": 5.1, "Status": "open",
                    "Source": "role-a", "Labels": []},
                {"Title": "Open bucket", "Category": "Data", "OrcaScore": 9.1,
                 "Status": "dismissed", "Source": "bucket-b"}]),
        ),
    ]
}
