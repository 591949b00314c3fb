//! Reports about secrets, malicious files and configuration, made by the real tools about one
//! image that was made for it: what is read of each is a snapshot. Every value that a report has
//! of a secret is planted as `PLANTED`, and is never kept.

use super::*;
use imgfix_model::finding::Finding;

/// Name, text, and the number of its findings.
const REPORTS: &[(&str, &str, usize)] = &[
    ("Trivy", include_str!("samples/risks/trivy.json"), 15),
    ("gitleaks", include_str!("samples/risks/gitleaks.json"), 6),
    ("SARIF of gitleaks", include_str!("samples/risks/gitleaks.sarif"), 6),
    ("kingfisher", include_str!("samples/risks/kingfisher.json"), 4),
    ("trufflehog", include_str!("samples/risks/trufflehog.jsonl"), 3),
    ("ggshield", include_str!("samples/risks/ggshield.json"), 1),
    ("hadolint", include_str!("samples/risks/hadolint.json"), 7),
    ("Dockle", include_str!("samples/risks/dockle.json"), 10),
    ("clamscan", include_str!("samples/risks/clamscan.txt"), 2),
    ("clamscan of layers", include_str!("samples/risks/clamscan-blobs.txt"), 2),
    ("YARA", include_str!("samples/risks/yara.txt"), 2),
    ("Anchore malware", include_str!("samples/risks/anchore-malware.json"), 1),
    ("Anchore secrets", include_str!("samples/risks/anchore-secrets.json"), 3),
    ("Alibaba details", include_str!("samples/risks/alibaba.json"), 4),
];

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

#[test]
fn lines_that_no_scanner_writes_are_an_error_with_their_place() {
    for (text, want) in [
        (
            "a.com: X.UNOFFICIAL FOUND\nwhat is this\n",
            "r: at line 2: not a line that clamscan writes; make the report again with a current \
             clamscan",
        ),
        (
            "a.com: OK\nb.com: two words FOUND\n",
            "r: at line 2: not a line that clamscan writes; make the report again with a current \
             clamscan",
        ),
    ] {
        assert_eq!(parse_report("r", text.as_bytes()).unwrap_err().to_string(), want);
    }
    let lines = include_str!("samples/risks/trufflehog.jsonl");
    for (broken, want) in [
        ("{\"SourceMetadata\": 7, \"DetectorName\": \"a\"}", "r: at line 5, SourceMetadata: "),
        ("{\"DetectorName\": \"a\"}", "r: at line 5.SourceMetadata.Data: neither Docker"),
        ("{\"Detector", "r: at line 5, "),
    ] {
        let error = parse_report("r", format!("{lines}{broken}\n").as_bytes()).unwrap_err();
        assert!(error.to_string().starts_with(want), "{error}");
    }
    // other texts are what they were before
    for text in ["hello world", "note: something is OK", "[a] b", "error: OK FOUND it"] {
        let error = parse_report("r", text.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("r: not JSON"), "{error}");
    }
}

#[test]
fn the_folder_that_a_scanner_unpacked_to_is_no_part_of_a_path() {
    let paths = |root: &str| {
        let text = include_str!("samples/risks/gitleaks.json");
        let mut report = parse_report("r", text.as_bytes()).unwrap();
        report.below_root(root);
        let all: std::collections::BTreeSet<String> =
            report.findings.iter().filter_map(Finding::rough_place).collect();
        (all.into_iter().collect::<Vec<_>>().join(" "), report.warnings)
    };
    let inside = "/app/.env /root/.aws/credentials /root/.ssh/id_rsa";
    for root in ["img/L4", "/img/L4", "img/L4/", "./img/L4"] {
        assert_eq!(paths(root), (inside.to_owned(), Vec::new()), "{root}");
    }
    let (text, warnings) = paths("img/L4/root");
    assert_eq!(text, "/.aws/credentials /.ssh/id_rsa /img/L4/app/.env");
    assert_eq!(
        warnings,
        ["r: paths of 3 findings are not below the report root img/L4/root, and stay as they are \
          (the first is /img/L4/app/.env)"]
    );
    // a name that only begins alike is no folder
    assert_eq!(paths("img/L").1.len(), 1);
}

proptest::proptest! {
    #[test]
    fn arbitrary_lines_never_panic(
        lines in proptest::collection::vec("[a-z0-9x:!().\\[\\]\"=$ /-]{0,40}( FOUND|: OK|)", 0..6)
    ) {
        let _ = parse_report("r", lines.join("\n").as_bytes());
    }
}
