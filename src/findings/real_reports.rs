//! Real reports of every scanner, in the folder that `REPORTS` in the environment names: each
//! parses whole, counted against jq; cut off or with a type swapped, each gives one error that
//! names file and place. Without `REPORTS` the tests say loudly that they did not run.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::tests::{pointers, with};
use super::*;

/// What jq must count in the raw file, by the file's name: findings and what somebody has
/// assessed, without checks that the scanner lists as passed.
const COUNTS: &[(&str, ReportFormat, &str)] = &[
    ("anchore_grype-", ReportFormat::Grype, ".matches | length"),
    ("anchorectl_vulns-", ReportFormat::Anchore, "length"),
    ("anchore_engine-", ReportFormat::Anchore, ".vulnerabilities | length"),
    ("anchore_evaluation-", ReportFormat::Anchore, ".securityEvaluation | length"),
    ("aqua_list-", ReportFormat::Aqua, "[.[].results.resources[].vulnerabilities | length] | add"),
    ("aqua_api-", ReportFormat::Aqua, ".cves // .result | length"),
    ("aqua-", ReportFormat::Aqua, "[.resources[].vulnerabilities | length] | add"),
    (
        "aws_inspector2-",
        ReportFormat::Inspector,
        "[.findings[].packageVulnerabilityDetails.vulnerablePackages | length] | add",
    ),
    ("clair-clair_", ReportFormat::Clair, ".vulnerabilities | length"),
    ("clair-clairklar_", ReportFormat::Clair, "[.Vulnerabilities[] | length] | add"),
    ("cyclonedx-", ReportFormat::CycloneDx, "[.vulnerabilities[].affects | length] | add"),
    ("harbor_", ReportFormat::Harbor, "[.[].vulnerabilities | length] | add"),
    (
        "neuvector-",
        ReportFormat::NeuVector,
        ".report | .vulnerabilities + .secrets + .setid_perms | length",
    ),
    ("osv_scanner-", ReportFormat::Osv, "[.results[].packages[].vulnerabilities | length] | add"),
    (
        "snyk-container",
        ReportFormat::Snyk,
        "[.vulnerabilities, .applications[].vulnerabilities | length] | add",
    ),
    (
        "twistlock-",
        ReportFormat::Prisma,
        "[.results[] | .vulnerabilities, .compliances | length] | add",
    ),
    (
        "veracode-",
        ReportFormat::Veracode,
        ".findings // ._embedded.findings // ._embedded.issues | length",
    ),
    (
        "xray_summary-",
        ReportFormat::Xray,
        r#"[.artifacts[].issues[] | [.impact_path[] | split("/") | last] | unique | length]
            | add // 0"#,
    ),
    ("xray_scan-", ReportFormat::Xray, "[.[].vulnerabilities[].components | length] | add"),
    ("xray_report-", ReportFormat::Xray, ".rows | length"),
    ("xray_export-", ReportFormat::Xray, ".data | length"),
    ("sysdig_cli-", ReportFormat::Sysdig, "[.result.packages[].vulns | length] | add"),
    ("sysdig_report-", ReportFormat::Sysdig, ".data // [.panels[].data[]] | length"),
    (
        "kubescape-",
        ReportFormat::Kubescape,
        r#"[.results[].controls[] | .status.status // (.rules | map(select(.status == "failed"))
            | if length > 0 then "failed" else "passed" end) | select(. == "failed")] | length"#,
    ),
    (
        "wiz-",
        ReportFormat::Wiz,
        r#"[.result | (.osPackages, .libraries, .applications | .[]?.vulnerabilities | length),
            (.secrets | length)] | add"#,
    ),
    ("orca-", ReportFormat::Orca, "length"),
    ("trivy-alpine-310.sarif", ReportFormat::Sarif, "[.runs[].results | length] | add"),
    (
        "trivy-",
        ReportFormat::Trivy,
        r#"[.Results[] | .Vulnerabilities, .Secrets, .Licenses,
            (.Misconfigurations // [] | map(select(.Status != "PASS"))) | length] | add // 0"#,
    ),
];

fn folder() -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("REPORTS").map(PathBuf::from) else {
        // Not eprintln!, which the test harness keeps to itself when a test passes.
        let _ = writeln!(
            std::io::stderr(),
            "\n*** NOT RUN: REPORTS is not set, which names a folder of scanners' real reports: \
             these were NOT read ***\n"
        );
        return None;
    };
    let shown = folder.display();
    assert!(folder.is_dir(), "REPORTS={shown} is no folder (its path has to be absolute)");
    Some(folder)
}

/// Name, bytes and path of every report.
fn reports(folder: &Path) -> Vec<(String, Vec<u8>, PathBuf)> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 29, "only {} reports in {}", paths.len(), folder.display());
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    paths.into_iter().map(|path| (name(&path), std::fs::read(&path).unwrap(), path)).collect()
}

fn jq(filter: &str, path: &Path) -> usize {
    let output = Command::new("jq").arg("-r").arg(filter).arg(path).output();
    let output = output.expect("jq (Debian package jq) counts what is in the raw files");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

#[test]
fn every_finding_of_every_real_report_is_read() {
    let Some(folder) = folder() else { return };
    for (name, bytes, path) in reports(&folder) {
        let (_, format, filter) = COUNTS
            .iter()
            .find(|(prefix, ..)| name.starts_with(prefix))
            .unwrap_or_else(|| panic!("{name}: say in COUNTS how jq counts it"));
        let report = parse_report(&name, &bytes).unwrap();
        assert_eq!(report.format, *format, "{name}");
        let entries = report.findings.len() + report.assessed.len();
        assert_eq!(entries, jq(filter, &path), "{name}");
        // Reports about several images say so.
        let mut warnings = report.warnings.iter();
        assert!(warnings.all(|one| one.contains("are judged by")), "{:?}", report.warnings);
        for finding in &report.findings {
            assert!(!finding.id.is_empty() && !finding.package.is_empty(), "{name}: {finding:?}");
        }
    }
}

#[test]
fn versions_and_classes_of_real_reports_are_understood() {
    let Some(folder) = folder() else { return };
    for (file, want) in [
        ("anchorectl_vulns-many_vulns.json", "CVE-2011-3374 System Negligible apt 1.4.9 -> -"),
        ("aqua-many_vulns.json", "CVE-2019-14697 System High musl 1.1.20-r4 -> 1.1.20-r5"),
        (
            "aws_inspector2-aws_inspector2_many_vul.json",
            "CVE-2015-8035 System Low libxml2 2.9.1-6.el7_2.3 -> 2.9.1-6.el7.4",
        ),
        (
            "clair-clairklar_mixed.json",
            "RHSA-2019:0109 System Critical perl-libs 4:5.16.3-293.el7 -> 4:5.16.3-294.el7_6",
        ),
        (
            "cyclonedx-nested-component-log4j.json",
            "GHSA-p6xc-xr62-6r2g Library High org.apache.logging.log4j:log4j-core 2.13.2 -> 2.17.0",
        ),
        (
            "harbor_vulnerability-harbor-trivy-vuln.json",
            "CVE-2022-1304 System High e2fsprogs 1.46.2-2 -> -",
        ),
        ("neuvector-many_vulns.json", "CVE-2015-8356 System High openssh 7.2_p2-r0 -> 1:7.2p2-3"),
        ("osv_scanner-some_findings.json", "MAL-2023-1035 Malicious Unknown flot-axis 0.0.0 -> -"),
        ("snyk-container.json", "SNYK-DEBIAN11-GCC10-5901313 System Low libgcc-s1 10.2.1-6 -> -"),
        ("trivy-alpine-310.sarif", "CVE-2019-1549 System Medium libssl1.1 1.1.1c-r0 -> 1.1.1d-r0"),
    ] {
        let report = parse_report(file, &std::fs::read(folder.join(file)).unwrap()).unwrap();
        let lines: Vec<String> = report
            .findings
            .iter()
            .map(|f| {
                let fixed = f.fixed.as_deref().unwrap_or("-");
                let (id, package, installed) = (&f.id, &f.package, &f.installed);
                format!("{id} {:?} {:?} {package} {installed} -> {fixed}", f.class, f.severity)
            })
            .collect();
        assert!(lines.iter().any(|line| line == want), "{file}: {want}\n{}", lines.join("\n"));
    }
}

/// What jq must count of what is said beside the fix: entries with a link, with CVSS, and with
/// EPSS.
const SAID: &[(&str, [&str; 3])] = &[
    (
        "trivy-debian-buster.json",
        [
            "[.Results[].Vulnerabilities[]? | select(.PrimaryURL or .References)] | length",
            "[.Results[].Vulnerabilities[]? | select(.CVSS)] | length",
            "0",
        ],
    ),
    (
        "trivy-alpine-310.sarif",
        ["[.runs[].results[]] | length", "[.runs[].results[]] | length", "0"],
    ),
    (
        "anchore_grype-many_vulns4.json",
        [
            "[.matches[] | select(.vulnerability.dataSource)] | length",
            "[.matches[] | select([.vulnerability, .relatedVulnerabilities[]?] | any(.cvss // [] | length > 0))] | length",
            "0",
        ],
    ),
    (
        "aws_inspector2-aws_inspector2_many_vul.json",
        [
            "[.findings[].packageVulnerabilityDetails | select(.sourceUrl) | .vulnerablePackages[]] | length",
            "[.findings[].packageVulnerabilityDetails | select(.cvss | length > 0) | .vulnerablePackages[]] | length",
            "[.findings[] | select(.epss) | .packageVulnerabilityDetails.vulnerablePackages[]] | length",
        ],
    ),
    (
        "harbor_vulnerability-harbor-trivy-vuln.json",
        [
            "[.[].vulnerabilities[] | select(.links | length > 0)] | length",
            "[.[].vulnerabilities[] | select(.preferred_cvss.score_v3 or .vendor_attributes.CVSS)] | length",
            "0",
        ],
    ),
];

#[test]
fn what_real_reports_say_beside_the_fix_is_kept() {
    let Some(folder) = folder() else { return };
    for (file, filters) in SAID {
        let path = folder.join(file);
        let report = parse_report(file, &std::fs::read(&path).unwrap()).unwrap();
        let all = || report.findings.iter().chain(report.assessed.iter().map(|one| &one.finding));
        let read = [
            all().filter(|one| one.link().is_some()).count(),
            all().filter(|one| !one.cvss.is_empty()).count(),
            all().filter(|one| one.epss.is_some()).count(),
        ];
        assert_eq!(read, filters.map(|filter| jq(filter, &path)), "{file}");
    }
}

#[test]
fn a_real_report_cut_anywhere_is_one_error_with_name_and_place() {
    let Some(folder) = folder() else { return };
    let mut random = StdRng::seed_from_u64(5);
    for (name, bytes, _) in reports(&folder) {
        let length = bytes.trim_ascii_end().len();
        for _ in 0..50 {
            let at = random.gen_range(1..length);
            let error = parse_report(&name, &bytes[..at]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{name}: ")), "{error}");
            let place = format!("after {at} bytes");
            assert!(error.contains(&place) || error.contains("line "), "{name} at {at}: {error}");
        }
    }
}

#[test]
fn a_real_report_with_a_type_swapped_is_a_report_or_an_error_with_name_and_place() {
    let Some(folder) = folder() else { return };
    let mut random = StdRng::seed_from_u64(7);
    let others = [
        Value::Null,
        json!(true),
        json!(-7),
        json!("text"),
        json!([]),
        json!([[]]),
        json!({"a": 1}),
    ];
    for (name, bytes, _) in reports(&folder) {
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        let places = pointers(&value);
        for _ in 0..50 {
            let at = &places[random.gen_range(0..places.len())];
            let new = others[random.gen_range(0..others.len())].clone();
            let swapped = with(value.clone(), at, new.clone()).to_string();
            if let Err(error) = parse_report(&name, swapped.as_bytes()) {
                let error = error.to_string();
                let whole = at.is_empty() || error.contains("not a scanner's report");
                assert!(
                    error.starts_with(&format!("{name}: at ")) || whole,
                    "{name}: {at} is {new}: {error}"
                );
            }
        }
    }
}
