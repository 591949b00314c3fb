//! Reports as a whole: real ones where they are at hand, small ones for every field, bad
//! ones for every message, and arbitrary ones that must not panic.

use imgfix_model::finding::{FixStatus, Severity};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn parse(value: &Value) -> ScanReport {
    parse_report("report.json", value.to_string().as_bytes()).unwrap()
}

fn trivy() -> Value {
    json!({
        "SchemaVersion": 2,
        "ArtifactName": "app:1.0",
        "ArtifactType": "container_image",
        "Metadata": {
            "OS": {"Family": "debian", "Name": "12.7"},
            "ImageID": "sha256:11",
            "DiffIDs": ["sha256:22"],
            "RepoDigests": ["registry.example:5000/app@sha256:33"],
            "ImageConfig": {"architecture": "arm64", "os": "linux", "variant": "v8"}
        },
        "Results": [
            {"Target": "app:1.0 (debian 12.7)", "Class": "os-pkgs", "Type": "debian",
             "Vulnerabilities": [{
                "VulnerabilityID": "CVE-2024-1", "PkgName": "libexpat1", "Title": "a title",
                "VendorIDs": ["DSA-1-1"],
                "PkgIdentifier": {"PURL": "pkg:deb/debian/libexpat1@1?arch=arm64&epoch=1"},
                "InstalledVersion": "1:2.5.0-1", "FixedVersion": "1:2.5.0-1+deb12u1",
                "Status": "fixed", "Severity": "CRITICAL"}]},
            {"Target": "Java", "Class": "lang-pkgs", "Type": "jar", "Vulnerabilities": [{
                "VulnerabilityID": "CVE-2022-1", "PkgName": "org.a:b", "PkgPath": "app/b.jar",
                "InstalledVersion": "1", "FixedVersion": "5.3.18, 5.2.20", "Severity": "LOW",
                "Status": "will_not_fix"}]},
            {"Target": "usr/bin/tool", "Class": "lang-pkgs", "Type": "gobinary",
             "Vulnerabilities": [{"VulnerabilityID": "CVE-2022-2", "PkgName": "stdlib"}]},
            {"Target": "Dockerfile", "Class": "config", "Type": "dockerfile",
             "Misconfigurations": [
                {"ID": "DS002", "Title": "root", "Severity": "HIGH", "Status": "FAIL"},
                {"ID": "DS001", "Severity": "HIGH", "Status": "PASS"}]},
            {"Target": "/app/key", "Class": "secret",
             "Secrets": [{"RuleID": "github-pat", "Severity": "CRITICAL", "Title": "a token"}]},
            {"Target": "OS Packages", "Class": "license", "Licenses": [
                {"Name": "GPL-2.0", "PkgName": "bash", "Severity": "HIGH",
                 "Category": "restricted"}]},
            {"Target": "Node.js", "Class": "lang-pkgs", "Vulnerabilities": null}
        ]
    })
}

fn grype() -> Value {
    json!({
        "matches": [
            {"vulnerability": {"id": "CVE-2024-1", "severity": "Critical",
                "description": "text", "fix": {"versions": ["2.5.0-1+deb12u1"], "state": "fixed"}},
             "relatedVulnerabilities": [{"id": "CVE-2024-1"}],
             "artifact": {"name": "libexpat1", "version": "2.5.0-1", "type": "deb",
                "locations": [{"path": "/var/lib/dpkg/status"}],
                "purl": "pkg:deb/debian/libexpat1@2.5.0-1?arch=amd64"}},
            {"vulnerability": {"id": "GHSA-1", "severity": "Negligible",
                "fix": {"versions": [], "state": "wont-fix"}},
             "relatedVulnerabilities": [{"id": "CVE-2"}, {"id": "CVE-1"}],
             "artifact": {"name": "django", "version": "3.2.9", "type": "python", "locations": [
                {"path": "/py/RECORD"},
                {"path": "/py/METADATA", "annotations": {"evidence": "primary"}}]}}
        ],
        "source": {"type": "image", "target": {
            "userInput": "app:1.0", "imageID": "sha256:11", "manifestDigest": "sha256:44",
            "repoDigests": ["registry.example/app@sha256:33"],
            "layers": [{"digest": "sha256:22"}], "architecture": "amd64", "os": "linux"}},
        "distro": {"name": "debian", "version": "12", "idLike": []},
        "descriptor": {"name": "grype"}
    })
}

#[test]
fn every_field_of_trivy_is_understood() {
    let report = parse(&trivy());
    assert_eq!(report.format, ReportFormat::Trivy);
    assert_eq!(report.passed, 1);
    assert_eq!(report.warnings, [""; 0]);
    insta::assert_json_snapshot!(report.findings);
    assert_eq!(
        report.artifact,
        ArtifactIdentity {
            name: "app:1.0".into(),
            kind: Some("container_image".into()),
            manifest_digests: vec!["sha256:33".into()],
            config_digest: Some("sha256:11".into()),
            diff_ids: vec!["sha256:22".into()],
            os_family: Some("debian".into()),
            os_version: Some("12.7".into()),
            platform: Some("linux/arm64/v8".into()),
        }
    );
}

#[test]
fn every_field_of_grype_is_understood() {
    let report = parse(&grype());
    assert_eq!(report.format, ReportFormat::Grype);
    insta::assert_json_snapshot!(report.findings);
    assert_eq!(
        report.artifact,
        ArtifactIdentity {
            name: "app:1.0".into(),
            kind: Some("image".into()),
            manifest_digests: vec!["sha256:33".into(), "sha256:44".into()],
            config_digest: Some("sha256:11".into()),
            diff_ids: vec!["sha256:22".into()],
            os_family: Some("debian".into()),
            os_version: Some("12".into()),
            platform: Some("linux/amd64".into()),
        }
    );
}

#[test]
fn trivy_says_every_status() {
    for (word, want) in [
        ("fixed", Some(FixStatus::Fixed)),
        ("affected", Some(FixStatus::Affected)),
        ("under_investigation", Some(FixStatus::UnderInvestigation)),
        ("will_not_fix", Some(FixStatus::WillNotFix)),
        ("fix_deferred", Some(FixStatus::Deferred)),
        ("end_of_life", Some(FixStatus::EndOfLife)),
        ("unknown", None),
    ] {
        let mut report = trivy();
        report["Results"][0]["Vulnerabilities"][0]["Status"] = json!(word);
        assert_eq!(parse(&report).findings[0].status, want, "{word}");
    }
}

#[test]
fn no_fixed_version_means_what_the_format_says() {
    let first = |report: &Value| {
        let finding = parse(report).findings.remove(0);
        (finding.fixed, finding.status)
    };
    let vulnerability = |fixed: Value, status: Value| {
        let mut report = trivy();
        let entry = &mut report["Results"][0]["Vulnerabilities"][0];
        entry["FixedVersion"] = fixed;
        entry["Status"] = status;
        first(&report)
    };
    let affected = (None, Some(FixStatus::Affected));
    assert_eq!(vulnerability(json!(""), Value::Null), affected);
    assert_eq!(vulnerability(Value::Null, Value::Null), affected);
    assert_eq!(vulnerability(json!(""), json!("unknown")), (None, None));
    let word = (Some("Pending".to_owned()), None);
    assert_eq!(vulnerability(json!("Pending"), Value::Null), word);
    for (state, want) in [
        ("fixed", Some(FixStatus::Fixed)),
        ("not-fixed", Some(FixStatus::Affected)),
        ("wont-fix", Some(FixStatus::WillNotFix)),
        ("unknown", None),
    ] {
        let mut report = grype();
        report["matches"][0]["vulnerability"]["fix"] = json!({"versions": [], "state": state});
        assert_eq!(first(&report), (None, want), "{state}");
    }
}

/// Id, the assessment and who says so, of each.
fn assessed(report: &ScanReport) -> Vec<[&str; 3]> {
    report.assessed.iter().map(|one| [&*one.finding.id, &*one.assessment, &*one.by]).collect()
}

#[test]
fn what_trivy_takes_out_is_assessed() {
    let mut report = trivy();
    let entry = report["Results"][0]["Vulnerabilities"][0].clone();
    report["Results"][0]["Vulnerabilities"][0]["Status"] = json!("not_affected");
    let modified = |status: &str, source: &str, statement: &str| {
        json!({"Type": "vulnerability", "Status": status, "Source": source,
            "Statement": statement, "Finding": entry})
    };
    report["Results"][0]["ExperimentalModifiedFindings"] = json!([
        modified("ignored", ".trivyignore", "accepted"),
        modified("not_affected", "vex.json", "vulnerable_code_not_present"),
        modified("fixed", "vex.json", ""),
        modified("under_investigation", "vex.json", ""),
        {"Type": "secret", "Status": "ignored", "Finding": {"RuleID": "github-pat"}},
    ]);
    let before = parse(&trivy()).findings.len();
    let report = parse(&report);
    assert_eq!(
        assessed(&report),
        [
            ["CVE-2024-1", "not_affected", "status in report.json"],
            ["CVE-2024-1", "ignored", ".trivyignore in report.json: accepted"],
            ["CVE-2024-1", "not_affected", "vex.json in report.json: vulnerable_code_not_present"],
            ["CVE-2024-1", "fixed", "vex.json in report.json"],
            ["github-pat", "ignored", "ignore rule in report.json"],
        ]
    );
    assert_eq!(report.findings.len(), before);
    assert_eq!(report.findings[0].status, Some(FixStatus::UnderInvestigation));
}

#[test]
fn what_grype_ignores_is_assessed() {
    let mut report = grype();
    let mut ignored = report["matches"][0].clone();
    ignored["appliedIgnoreRules"] = json!([{"vulnerability": "CVE-2024-1", "reason": "accepted"}]);
    let mut vex = report["matches"][1].clone();
    vex["appliedIgnoreRules"] = json!([{"vex-status": "not_affected",
        "vex-justification": "component_not_present"}]);
    let bare = report["matches"][1].clone();
    report["ignoredMatches"] = json!([ignored, vex, bare]);
    let report = parse(&report);
    assert_eq!(report.findings.len(), 2);
    assert_eq!(
        assessed(&report),
        [
            ["CVE-2024-1", "ignored", "ignore rule in report.json: accepted"],
            ["GHSA-1", "not_affected", "VEX in report.json: component_not_present"],
            ["GHSA-1", "ignored", "ignore rule in report.json"],
        ]
    );
}

#[test]
fn sarif_results_that_are_settled_are_assessed() {
    let result = |extra: Value| {
        let mut result = json!({"ruleId": "CVE-2024-1", "message": {"text": "x"}});
        result.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        result
    };
    let suppressed =
        |status: &str| json!({"suppressions": [{"kind": "inSource", "status": status}]});
    for (extra, want) in [
        (json!({}), None),
        (json!({"kind": "fail"}), None),
        (json!({"kind": "open"}), None),
        (json!({"kind": "review"}), None),
        (json!({"baselineState": "unchanged"}), None),
        (json!({"suppressions": []}), None),
        (suppressed("underReview"), None),
        (suppressed("rejected"), None),
        (suppressed("accepted"), Some(["suppressed", "inSource suppression in report.json"])),
        (
            json!({"suppressions": [{"kind": "external", "justification": "not used"}]}),
            Some(["suppressed", "external suppression in report.json: not used"]),
        ),
        (json!({"suppressions": [{"status": "accepted"}, {"status": "underReview"}]}), None),
        (json!({"kind": "notApplicable"}), Some(["notApplicable", "kind in report.json"])),
        (json!({"kind": "informational"}), Some(["informational", "kind in report.json"])),
        (json!({"baselineState": "absent"}), Some(["absent", "baselineState in report.json"])),
    ] {
        let log = json!({"version": "2.1.0", "runs": [{"results": [result(extra.clone())]}]});
        let report = parse(&log);
        assert_eq!(report.findings.len() + report.assessed.len(), 1, "{extra}");
        let got = assessed(&report).first().map(|one| [one[1], one[2]]);
        assert_eq!(got, want, "{extra}");
    }
}

#[test]
fn sarif_rules_are_found_however_they_are_named() {
    let rules = json!([
        {"id": "CVE-2024-1", "shortDescription": {"text": "first"}},
        {"id": "CVE-2024-2", "shortDescription": {"text": "second"}},
    ]);
    for reference in [
        json!({"ruleId": "CVE-2024-2"}),
        json!({"ruleIndex": 1}),
        json!({"ruleId": "CVE-2024-2", "ruleIndex": 1}),
        json!({"ruleId": "CVE-2024-2", "ruleIndex": 0}),
        json!({"rule": {"id": "CVE-2024-2"}}),
        json!({"rule": {"index": 1}}),
        json!({"rule": {"id": "CVE-2024-2", "index": 1}}),
    ] {
        let mut result = json!({"message": {"text": "Package: libc6\nInstalled Version: 2.36"}});
        result.as_object_mut().unwrap().extend(reference.as_object().unwrap().clone());
        let log = json!({"version": "2.1.0", "runs": [
            {"tool": {"driver": {"name": "a", "rules": rules}}, "results": [result]}]});
        let finding = parse(&log).findings.remove(0);
        let got = (finding.id.as_str(), finding.title.as_deref());
        assert_eq!(got, ("CVE-2024-2", Some("second")), "{reference}");
    }
}

#[test]
fn cyclonedx_analyses_and_unaffected_versions_are_assessed() {
    let document = |analysis: Value, versions: Value| {
        json!({"bomFormat": "CycloneDX", "specVersion": "1.6",
            "components": [{"bom-ref": "a", "name": "libc6", "version": "2.36-9",
                "purl": "pkg:deb/debian/libc6@2.36-9"}],
            "vulnerabilities": [{"id": "CVE-2024-1", "analysis": analysis,
                "affects": [{"ref": "a", "versions": versions}]}]})
    };
    let by = |note: &str| format!("analysis in report.json{note}");
    for (analysis, versions, want) in [
        (json!({"state": "exploitable"}), Value::Null, None),
        (json!({"state": "in_triage"}), Value::Null, None),
        (Value::Null, json!([{"version": "2.36-9", "status": "affected"}]), None),
        (Value::Null, json!([{"version": "2.36-9"}]), None),
        (Value::Null, json!([{"version": "2.40", "status": "unaffected"}]), None),
        (
            json!({"state": "not_affected", "justification": "code_not_reachable"}),
            Value::Null,
            Some(("not_affected", by(": code_not_reachable"))),
        ),
        (
            json!({"state": "false_positive", "detail": "other"}),
            Value::Null,
            Some(("false_positive", by(": other"))),
        ),
        (json!({"state": "resolved"}), Value::Null, Some(("resolved", by("")))),
        (
            json!({"state": "resolved_with_pedigree"}),
            Value::Null,
            Some(("resolved_with_pedigree", by(""))),
        ),
        (
            Value::Null,
            json!([{"version": "2.36-9", "status": "unaffected"}]),
            Some(("unaffected", "affects[].versions in report.json".to_owned())),
        ),
        (
            Value::Null,
            json!([{"range": "vers:deb/<2.36", "status": "affected"},
                {"range": "vers:deb/>=2.36", "status": "unaffected"}]),
            Some(("unaffected", "affects[].versions in report.json".to_owned())),
        ),
        (
            Value::Null,
            json!([{"range": "vers:deb/>=2.36", "status": "unaffected"},
                {"range": "vers:deb/>=2.30", "status": "affected"}]),
            None,
        ),
        (Value::Null, json!([{"range": "vers:generic/*x", "status": "unaffected"}]), None),
    ] {
        let report = parse(&document(analysis.clone(), versions.clone()));
        assert_eq!(report.findings.len() + report.assessed.len(), 1);
        let got = report.assessed.first().map(|one| (&*one.assessment, one.by.clone()));
        assert_eq!(got, want, "{analysis} {versions}");
    }
    let triage = parse(&document(json!({"state": "in_triage"}), Value::Null));
    assert_eq!(triage.findings[0].status, Some(FixStatus::UnderInvestigation));
    let refused = json!({"state": "exploitable", "response": ["will_not_fix"]});
    let refused = parse(&document(refused, Value::Null));
    assert_eq!(refused.findings[0].status, Some(FixStatus::WillNotFix));
}

#[test]
fn reports_are_read_packed_and_in_utf_16() {
    let text = trivy().to_string();
    let want = parse_report("r", text.as_bytes()).unwrap();
    let utf16: Vec<u8> =
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packer, &utf16).unwrap();
    for bytes in [utf16, packer.finish().unwrap()] {
        assert_eq!(parse_report("r", &bytes).unwrap(), want);
    }
}

#[test]
fn the_path_of_a_directory_scan_is_its_name() {
    let mut report = grype();
    report["source"] = json!({"type": "directory", "target": "/srv/app"});
    assert_eq!(parse(&report).artifact.name, "/srv/app");
}

#[test]
fn a_report_without_findings_is_a_report() {
    for text in [
        r#"{"SchemaVersion": 2, "ArtifactName": "a"}"#,
        r#"{"SchemaVersion": 2, "ArtifactName": "a", "Results": null}"#,
        "\u{feff}{\"matches\": [], \"source\": null, \"descriptor\": {}}",
        r#"{"imageDigest": "sha256:11", "vulnerabilities": []}"#,
        r#"{"findings": []}"#,
        r#"{"results": []}"#,
        r#"{"total_rows": 0, "rows": []}"#,
        r#"{"bomFormat": "CycloneDX", "specVersion": "1.6", "vulnerabilities": []}"#,
        r#"{"version": "2.1.0", "runs": []}"#,
    ] {
        assert_eq!(parse_report("r", text.as_bytes()).unwrap().findings, [], "{text}");
    }
}

#[test]
fn a_word_that_is_no_severity_is_unknown_and_said() {
    let mut report = trivy();
    report["Results"][0]["Vulnerabilities"][0]["Severity"] = json!("APOCALYPTIC");
    let report = parse(&report);
    assert_eq!(report.findings[0].severity, Severity::Unknown);
    assert_eq!(
        report.warnings,
        [
            "report.json: at Results[0].Vulnerabilities[0]: \"APOCALYPTIC\" is not a severity (known \
          are critical, high, medium, low, negligible and unknown); taken as unknown"
        ]
    );
}

/// `value` with the node at `pointer` replaced.
pub(super) fn with(mut value: Value, pointer: &str, new: Value) -> Value {
    *value.pointer_mut(pointer).unwrap() = new;
    value
}

#[test]
fn a_bad_report_gives_one_error_with_place_and_remedy() {
    let text = |value: Value| value.to_string().into_bytes();
    let whole = text(trivy());
    let vulnerability = "/Results/0/Vulnerabilities/0";
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", vec![]),
        ("blank", b" \n".to_vec()),
        ("not json", b"2026-01-01T00:00:00Z INFO [vuln] scanning\n{}".to_vec()),
        ("truncated", whole[..whole.len() / 2].to_vec()),
        ("trailing log", [whole.as_slice(), b"\n2026 INFO done"].concat()),
        ("utf-16", b"\xff\xfe{\0}".to_vec()),
        ("array", b"[{\"Target\": \"a\"}]".to_vec()),
        ("number", b"7".to_vec()),
        ("other object", b"{\"a\": 1}".to_vec()),
        ("cyclonedx", b"{\"bomFormat\": \"CycloneDX\", \"components\": []}".to_vec()),
        ("sarif", b"{\"version\": \"2.0.0\", \"runs\": []}".to_vec()),
        ("schema 3", text(with(trivy(), "/SchemaVersion", json!(3)))),
        ("results not a list", text(with(trivy(), "/Results", json!({})))),
        ("entry is null", text(with(trivy(), vulnerability, Value::Null))),
        (
            "id is a number",
            text(with(trivy(), &format!("{vulnerability}/VulnerabilityID"), json!(5))),
        ),
        (
            "id is empty",
            text(with(trivy(), &format!("{vulnerability}/VulnerabilityID"), json!(""))),
        ),
        ("package missing", text(with(trivy(), &format!("{vulnerability}/PkgName"), Value::Null))),
        ("grype id missing", text(with(grype(), "/matches/1/vulnerability/id", Value::Null))),
        ("grype artifact is text", text(with(grype(), "/matches/1/artifact", json!("x")))),
        ("grype fix is a list", text(with(grype(), "/matches/0/vulnerability/fix", json!([[]])))),
        ("deep nesting", [b"{\"matches\":".to_vec(), vec![b'['; 1_000_000]].concat()),
        ("invalid utf-8", b"{\"SchemaVersion\": 2, \"ArtifactName\": \"\xff\"}".to_vec()),
    ];
    let lines: Vec<String> = cases
        .iter()
        .map(|(name, bytes)| {
            let error = parse_report("report.json", bytes).unwrap_err();
            format!("{name}:\n  {error}")
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

/// Counts by a second way: every object that looks like an entry, found by walking.
fn count_independently(value: &Value) -> usize {
    let trivy_lists = ["Vulnerabilities", "Misconfigurations", "Secrets", "Licenses"];
    if value.get("SchemaVersion").is_some() {
        let results = value["Results"].as_array().into_iter().flatten();
        results
            .flat_map(|result| trivy_lists.iter().filter_map(move |list| result[*list].as_array()))
            .map(Vec::len)
            .sum()
    } else {
        value["matches"].as_array().map_or(0, Vec::len)
    }
}

/// Facts of the images of an OCI layout of `fixtures/`, read with nothing but a JSON parser.
fn layout_facts(folder: &std::path::Path) -> Vec<ImageFacts> {
    let read = |digest: &str| -> Value {
        let name = digest.strip_prefix("sha256:").unwrap();
        let bytes = std::fs::read(folder.join("blobs/sha256").join(name)).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let index: Value =
        serde_json::from_slice(&std::fs::read(folder.join("index.json")).unwrap()).unwrap();
    let top = text(&index["manifests"][0]["digest"]);
    let manifests = match read(&top)["manifests"].as_array() {
        Some(list) => list.iter().map(|entry| text(&entry["digest"])).collect(),
        None => vec![top.clone()],
    };
    manifests
        .into_iter()
        .map(|digest| {
            let manifest = read(&digest);
            let config = read(&text(&manifest["config"]["digest"]));
            let digests = |list: &Value, key: Option<&str>| -> Vec<imgfix_model::digest::Digest> {
                let items = list.as_array().unwrap().iter();
                items.map(|i| text(key.map_or(i, |k| &i[k])).parse().unwrap()).collect()
            };
            let arch = text(&config["architecture"]);
            ImageFacts {
                platform: format!("linux/{arch}").parse().unwrap(),
                manifest_digests: vec![top.parse().unwrap(), digest.parse().unwrap()],
                config_digest: text(&manifest["config"]["digest"]).parse().unwrap(),
                diff_ids: digests(&config["rootfs"]["diff_ids"], None)
                    .into_iter()
                    .map(imgfix_model::digest::DiffId)
                    .collect(),
                layer_digests: digests(&manifest["layers"], Some("digest")),
                distribution: None,
            }
        })
        .collect()
}

#[test]
fn the_fixtures_reports_are_about_the_fixtures_images() {
    let fixtures =
        std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("fixtures");
    let facts = |name: &str| layout_facts(&fixtures.join(name));
    for (image, other, reports) in [
        ("debian-12", "distroless", &["debian-12"][..]),
        ("distroless", "debian-12", &["distroless-amd64", "distroless-arm64"]),
    ] {
        for report in reports {
            let read = |scanner: &str| {
                let name = format!("{report}.{scanner}.json");
                let bytes = std::fs::read(fixtures.join("reports").join(&name)).unwrap();
                let report = parse_report(&name, &bytes).unwrap();
                let value: Value = serde_json::from_slice(&bytes).unwrap();
                assert_eq!(report.findings.len(), count_independently(&value), "{name}");
                assert_eq!(matches_image(&report.artifact, &facts(image)), Match::Yes, "{name}");
                let foreign = matches_image(&report.artifact, &facts(other));
                assert!(matches!(foreign, Match::No { .. }), "{name}: {foreign:?}");
                report
            };
            let (trivy, grype) = (read("trivy"), read("grype"));
            let alone = merge(vec![trivy.clone()]).len();
            assert!(alone > 0, "{report}");
            // Both are about the same problems, told twice.
            assert_eq!(merge(vec![trivy, grype]).len(), alone, "{report}");
        }
    }
}

/// Arbitrary JSON, biased to the keys that the parsers know.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!("pkg:deb/debian/a@1?arch=%4")),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[A-Za-z]{1,3}", inner, 0..4)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

/// Every JSON pointer of a value.
pub(super) fn pointers(value: &Value) -> Vec<String> {
    let children: Vec<(String, &Value)> = match value {
        Value::Array(items) => {
            items.iter().enumerate().map(|(at, item)| (at.to_string(), item)).collect()
        }
        Value::Object(map) => {
            let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
            map.iter().map(|(key, item)| (escaped(key), item)).collect()
        }
        _ => Vec::new(),
    };
    let below = children.into_iter().flat_map(|(key, item)| {
        pointers(item).into_iter().map(move |rest| format!("/{key}{rest}"))
    });
    std::iter::once(String::new()).chain(below).collect()
}

proptest! {
    #[test]
    fn any_json_is_a_report_or_an_error(value in any_json()) {
        let _ = parse_report("r", value.to_string().as_bytes());
        let _ = parse_ignore_file("r", value.to_string().as_bytes());
        let _ = parse_ignore_file("r.yaml", value.to_string().as_bytes());
    }

    #[test]
    fn any_node_may_be_of_another_type(
        which in any::<bool>(), at in any::<prop::sample::Index>(), new in any_json(),
    ) {
        let report = if which { trivy() } else { grype() };
        let places = pointers(&report);
        let swapped = with(report, at.get::<String>(&places), new);
        if let Ok(report) = parse_report("r", swapped.to_string().as_bytes()) {
            let parsed = report.findings.len() + report.assessed.len() + report.passed;
            prop_assert!(parsed <= 8);
            let _ = merge(vec![report]);
        }
    }

    #[test]
    fn a_cut_report_is_an_error(which in any::<bool>(), at in any::<prop::sample::Index>()) {
        let text = if which { trivy() } else { grype() }.to_string();
        prop_assert!(parse_report("r", &text.as_bytes()[..at.index(text.len())]).is_err());
    }

    #[test]
    fn any_bytes_are_a_report_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_report("r", &bytes);
        let _ = parse_ignore_file("i", &bytes);
    }
}

/// A whole report of each scanner that has its own tests here.
pub(super) fn whole_reports() -> Vec<String> {
    vec![trivy().to_string(), grype().to_string()]
}
