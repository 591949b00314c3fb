//! Ignore files of every kind: what each rule leaves out, and what is refused.

use time::macros::date;

use super::*;
use crate::Filter;
use imgfix_model::finding::{Class, FixStatus, Severity};

fn findings() -> Vec<Finding> {
    let library = |id: &str, package: &str, path: &str| Finding {
        class: Class::Library,
        path: Some(path.to_owned()),
        ..Finding::system(id, package, "1.0")
    };
    vec![
        Finding {
            aliases: vec!["SNYK-DEBIAN12-OPENSSL-1".to_owned()],
            fixed: Some("3.0.13-1".to_owned()),
            architecture: Some("amd64".to_owned()),
            severity: Severity::High,
            ..Finding::system("CVE-2024-1", "libssl3", "3.0.11-1")
        },
        Finding {
            status: Some(FixStatus::WillNotFix),
            ..Finding::system("CVE-2024-2", "bash", "5.2")
        },
        library("CVE-2024-3", "org.a:b", "/app/lib/b.jar"),
        library("CVE-2024-3", "org.a:b", "/opt/b.jar"),
        Finding {
            class: Class::Baseline,
            path: Some("/app/key".to_owned()),
            ..Finding::system("github-pat", "secret", "")
        },
    ]
}

/// Which of the findings a file leaves out, as `id package path`, on a day.
fn ignored_on(day: Date, name: &str, text: &str) -> Vec<String> {
    let rules = parse_ignore_file(name, text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"));
    let filtered = Filter { rules, ..Filter::default() }.apply(findings(), day);
    let out = filtered.ignored.into_iter().map(|one| {
        let path = one.finding.path.unwrap_or_default();
        format!("{} {} {path}", one.finding.id, one.finding.package).trim_end().to_owned()
    });
    out.collect()
}

fn ignored(name: &str, text: &str) -> Vec<String> {
    ignored_on(date!(2026 - 01 - 01), name, text)
}

const SSL: &str = "CVE-2024-1 libssl3";
const BASH: &str = "CVE-2024-2 bash";
const JAR: &str = "CVE-2024-3 org.a:b /app/lib/b.jar";
const OTHER_JAR: &str = "CVE-2024-3 org.a:b /opt/b.jar";
const KEY: &str = "github-pat secret /app/key";

#[test]
fn trivys_yaml_narrows_by_path_package_and_time() {
    for (text, want) in [
        ("vulnerabilities:\n- id: CVE-2024-1\n", &[SSL][..]),
        ("vulnerabilities:\n- id: CVE-2024-3\n", &[JAR, OTHER_JAR]),
        ("vulnerabilities:\n- id: CVE-2024-3\n  paths: ['app/**']\n", &[JAR]),
        (
            "vulnerabilities:\n- id: CVE-2024-3\n  purls: ['pkg:maven/org.a/b@1.0']\n",
            &[JAR, OTHER_JAR],
        ),
        ("vulnerabilities:\n- id: CVE-2024-3\n  purls: ['pkg:maven/org.a/b@2.0']\n", &[]),
        ("vulnerabilities:\n- id: CVE-2024-1\n  purls: ['pkg:deb/debian/libssl3']\n", &[SSL]),
        (
            "vulnerabilities:\n- id: CVE-2024-1\n  purls: ['pkg:deb/debian/libssl3?arch=x86_64']\n",
            &[SSL],
        ),
        (
            "vulnerabilities:\n- id: CVE-2024-1\n  purls: ['pkg:deb/debian/libssl3?arch=arm64']\n",
            &[],
        ),
        ("vulnerabilities:\n- id: CVE-2024-1\n  purls: ['pkg:npm/libssl3']\n", &[]),
        ("vulnerabilities:\n- id: CVE-2024-1\n  expired_at: 2026-01-02\n", &[SSL]),
        ("vulnerabilities:\n- id: CVE-2024-1\n  expired_at: 2026-01-01\n", &[]),
        ("vulnerabilities:\n- id: github-pat\n", &[]),
        ("secrets:\n- id: github-pat\n  statement: made up\n", &[KEY]),
        ("misconfigurations: []\nlicenses:\n", &[]),
        ("# nothing yet\n", &[]),
    ] {
        assert_eq!(ignored(".trivyignore.yaml", text), want, "{text}");
    }
    let text = "vulnerabilities:\n- id: CVE-2024-1\n  statement: not used\n";
    let rules = parse_ignore_file("a/.trivyignore.yaml", text.as_bytes()).unwrap();
    assert_eq!(rules[0].from, "a/.trivyignore.yaml: vulnerabilities[0] (not used)");
}

#[test]
fn grypes_rules_hold_when_all_of_their_conditions_do() {
    let rule = |text: &str| format!("output: json\nignore:\n- {text}\n");
    for (text, want) in [
        ("vulnerability: CVE-2024-1", &[SSL][..]),
        ("fix-state: wont-fix", &[BASH]),
        ("fix-state: fixed", &[SSL]),
        ("fix-state: unknown", &[JAR, OTHER_JAR, KEY]),
        ("package: {name: 'lib.*', type: deb}", &[SSL]),
        ("package: {name: 'lib'}", &[]),
        ("package: {name: 'libssl3', version: 3.0.11-1}", &[SSL]),
        ("package: {name: 'libssl3', version: '3'}", &[]),
        ("package: {name: 'org.a:b', type: java-archive, location: '/app/**'}", &[JAR]),
        ("{vulnerability: CVE-2024-1, fix-state: wont-fix}", &[]),
        ("{vulnerability: CVE-2024-1, include-aliases: true, reason: accepted}", &[SSL]),
    ] {
        assert_eq!(ignored(".grype.yaml", &rule(text)), want, "{text}");
    }
}

#[test]
fn snyks_rules_name_packages_at_the_end_of_their_paths() {
    let file = |id: &str, path: &str, rest: &str| {
        format!("version: v1.25.0\nignore:\n  {id}:\n    - '{path}':\n        reason: r\n{rest}")
    };
    let ssl = "SNYK-DEBIAN12-OPENSSL-1";
    for (text, want) in [
        (file(ssl, "*", ""), &[SSL][..]),
        (file("CVE-2024-1", "*", ""), &[SSL]),
        (file(ssl, "docker-image|app > openssl/libssl3@3.0.11-1", ""), &[SSL]),
        (file(ssl, "openssl/libssl3", ""), &[SSL]),
        (file(ssl, "openssl/libssl3@3.0.12-1", ""), &[]),
        (file(ssl, "app@1 > bash", ""), &[]),
        (file("CVE-2024-3", "org.a:b@1.0", ""), &[JAR, OTHER_JAR]),
        (file(ssl, "*", "        expires: 2026-06-01T00:00:00.000Z\n"), &[SSL]),
        (file(ssl, "*", "        expires: 2025-06-01T00:00:00.000Z\n"), &[]),
        (file(ssl, "*", "        disregardIfFixable: true\n"), &[]),
        (file("CVE-2024-2", "*", "        disregardIfFixable: true\n"), &[BASH]),
        ("version: v1.25.0\npatch: {}\nignore: {}\n".to_owned(), &[]),
    ] {
        assert_eq!(ignored(".snyk", &text), want, "{text}");
    }
}

/// A document with one statement for each text.
fn vex(statements: &[&str]) -> String {
    format!(
        r#"{{"@context": "https://openvex.dev/ns/v0.2.0", "@id": "x", "author": "a",
            "timestamp": "2026-01-01T00:00:00Z", "version": 1, "statements": [{}]}}"#,
        statements.join(",")
    )
}

#[test]
fn openvex_leaves_out_what_is_not_affected_or_fixed() {
    let ssl = r#""vulnerability": {"name": "CVE-2024-1"}"#;
    let deb = r#""products": [{"@id": "pkg:deb/debian/libssl3@3.0.11-1?arch=amd64"}]"#;
    let image = r#""products": [{"@id": "pkg:oci/app@sha256%3A33", "subcomponents":
        [{"@id": "pkg:maven/org.a/b@1.0"}]}]"#;
    let whole = r#""products": [{"@id": "pkg:oci/app@sha256%3A33"}]"#;
    let statement = |parts: &[&str]| format!("{{{}}}", parts.join(","));
    let not = r#""status": "not_affected", "justification": "component_not_present""#;
    let affected = r#""status": "affected""#;
    let jar = r#""vulnerability": {"name": "GHSA-9", "aliases": ["CVE-2024-3"]}"#;
    for (statements, want) in [
        (vec![statement(&[ssl, deb, not])], &[SSL][..]),
        (vec![statement(&[ssl, deb, r#""status": "fixed""#])], &[SSL]),
        (vec![statement(&[ssl, deb, affected])], &[]),
        (vec![statement(&[ssl, deb, r#""status": "under_investigation""#])], &[]),
        (vec![statement(&[jar, image, not])], &[JAR, OTHER_JAR]),
        (vec![statement(&[ssl, image, not])], &[]),
        (vec![statement(&[ssl, whole, not])], &[SSL]),
        (vec![statement(&[ssl, r#""products": [{"@id": "libssl3"}]"#, not])], &[SSL]),
        (vec![statement(&[ssl, r#""products": [{"@id": "libssl"}]"#, not])], &[]),
        (
            vec![statement(&[
                ssl,
                r#""products": [{"@id": "x", "identifiers": {"purl": "pkg:deb/debian/libssl3"}}]"#,
                not,
            ])],
            &[SSL],
        ),
        // 0.0.1.
        (
            vec![statement(&[
                r#""vulnerability": "CVE-2024-1""#,
                r#""products": ["pkg:oci/app"], "subcomponents": ["pkg:deb/debian/libssl3"]"#,
                not,
            ])],
            &[SSL],
        ),
        // The last word counts.
        (vec![statement(&[ssl, deb, not]), statement(&[ssl, deb, affected])], &[]),
        (vec![statement(&[ssl, deb, affected]), statement(&[ssl, deb, not])], &[SSL]),
        (
            vec![
                statement(&[ssl, deb, affected, r#""timestamp": "2026-01-03T00:00:00Z""#]),
                statement(&[ssl, deb, not, r#""timestamp": "2026-01-02T00:00:00Z""#]),
            ],
            &[],
        ),
    ] {
        let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
        assert_eq!(ignored("vex.json", &vex(&statements)), want, "{statements:?}");
    }
    let text = vex(&[&statement(&[ssl, deb, not])]);
    let rules = parse_ignore_file("vex.json", text.as_bytes()).unwrap();
    assert_eq!(rules[0].from, "vex.json: statements[0] (not_affected: component_not_present)");
}

#[test]
fn kinds_are_told_by_content_whatever_the_name() {
    for (text, want) in [
        ("CVE-2024-1\n", &[SSL][..]),
        ("\u{feff}# ids\nCVE-2024-1 exp:2030-01-01 # note: accepted\n", &[SSL]),
        ("---\nvulnerabilities:\n- id: CVE-2024-1\n", &[SSL]),
        ("ignore:\n- vulnerability: CVE-2024-2\n", &[BASH]),
        ("# Snyk\nversion: v1.25.0\nignore:\n  CVE-2024-2:\n    - '*': {reason: r}\n", &[BASH]),
        ("", &[]),
        ("# nothing\n", &[]),
    ] {
        assert_eq!(ignored("ignore", text), want, "{text}");
    }
}

#[test]
fn what_is_not_understood_is_an_error() {
    let bomb = format!(
        "a: &a [x,x,x,x,x,x,x,x,x]\n{}vulnerabilities: []\n",
        (b'b'..=b'i')
            .map(|c| {
                let (name, before) = (char::from(c), char::from(c - 1));
                format!("{name}: &{name} [{}]\n", vec![format!("*{before}"); 9].join(","))
            })
            .collect::<String>()
    );
    let deep = format!("vulnerabilities: {}{}\n", "[".repeat(100_000), "]".repeat(100_000));
    let several = vex(&[
        r#"{"vulnerability": {"name": "CVE-1"}, "products": [{"@id": "pkg:oci/a"}],
            "status": "not_affected"}"#,
        r#"{"vulnerability": {"name": "CVE-1"}, "products": [{"@id": "pkg:oci/b"}],
            "status": "not_affected"}"#,
    ]);
    let no_product = vex(&[r#"{"vulnerability": {"name": "CVE-1"}, "status": "fixed"}"#]);
    let odd = vex(&[r#"{"vulnerability": {"name": "CVE-1"}, "status": "maybe"}"#]);
    for (name, text, want) in [
        ("a", "<xml/>", "a: line 1: \"<xml/>\" is not an id"),
        ("a", "CVE-1\nhello, world\n", "a: line 2: \"hello,\" is not an id"),
        ("a", "{\"a\": 1}", "a: not an ignore file that is understood: at"),
        ("a", "[]", "a: not an ignore file that is understood: at"),
        ("a", "{\"@context\": \"x\", \"statements\": []}", "a: not an ignore file that is"),
        ("a", "rules:\n- id: CVE-1\n", "a: not an ignore file that is understood: YAML without"),
        ("a.yaml", "CVE-1\n", "a.yaml: not an ignore file that is understood: YAML without keys"),
        ("a.yaml", "vulnerabilities:\n- id: [1\n", "a.yaml: not an ignore file"),
        ("a.yaml", "ignore: x\nversion: 1\n", "a.yaml: at ignore: "),
        ("a", "vulnerabilities:\n- {id: CVE-1, until: 2030-01-01}\n", "a: at vulnerabilities[0]"),
        ("a", "vulnerabilities:\n- {id: ''}\n", "a: at vulnerabilities[0]: a rule needs an id"),
        (
            "a",
            "vulnerabilities:\n- {id: C, expired_at: soon}\n",
            "a: at vulnerabilities[0]: \"soon\"",
        ),
        (
            "a",
            "vulnerabilities:\n- {id: C, purls: [x]}\n",
            "a: at vulnerabilities[0]: \"x\" is not",
        ),
        ("a", "vulnerabilities:\n- {id: C, paths: ['{']}\n", "a: at vulnerabilities[0]: \"{\" is"),
        ("a", "vulnerabilities: []\nrules: []\n", "a: at "),
        ("a", "vulnerabilities: []\nvulnerabilities: []\n", "a: not an ignore file"),
        ("a", "vulnerabilities:\n- id: A\n  id: B\n", "a: not an ignore file"),
        ("a", "ignore:\n- {}\n", "a: at ignore[0]: a rule without conditions"),
        ("a", "ignore:\n- {namespace: debian}\n", "a: at [0]"),
        ("a", "ignore:\n- {vex-status: fixed}\n", "a: at [0]"),
        ("a", "ignore:\n- {fix-state: x}\n", "a: at ignore[0]: \"x\" is not a fix-state"),
        ("a", "ignore:\n- {package: {type: npm}}\n", "a: at ignore[0]: the type \"npm\" needs"),
        ("a", "ignore:\n- {package: {upstream-name: x}}\n", "a: at [0].package"),
        ("a", "ignore: []\nonly-fixed: true\n", "a: at only-fixed: only-fixed leaves findings"),
        ("a", "ignore: []\nignores: []\n", "a: at ignores: is not a key of Grype's"),
        ("a", "version: 1\nignore:\n  A:\n  - '* > *': {}\n", "a: at ignore.A: \"* > *\" names no"),
        ("a", "version: 1\nignore:\n  A:\n  - '*': {until: 1}\n", "a: at ignore.A[0].*"),
        ("a", &several, "a: at statements[1]: the document is about several images (pkg:oci/a, "),
        ("a", &no_product, "a: at statements[0]: a statement needs products"),
        ("a", &odd, "a: at statements[0]: \"maybe\" is not a status"),
        ("a", &bomb, "a: not an ignore file that is understood: YAML: repetition limit"),
        ("a", &deep, "a: not an ignore file that is understood: YAML: more than 100 brackets"),
    ] {
        let error = parse_ignore_file(name, text.as_bytes()).map(|rules| rules.len());
        let shown: String = text.chars().take(200).collect();
        let error = error.expect_err(&shown).to_string();
        assert!(error.starts_with(want), "{shown}\n{error}");
    }
    for bytes in [&b"\xff\xfe"[..], b"a: \xff\n"] {
        assert!(parse_ignore_file("a", bytes).is_err());
    }
}
