//! What a repair leaves, as SARIF 2.1.0: for code-scanning pages and gates that read it.
//! imgfix reads its own output as a report.
//!
//! Source: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/>; GitHub wants a rule for each
//! result, a location, and `security-severity`
//! (<https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning>).
//! It knows an alert again by its rule, its file and `primaryLocationLineHash`: none of them says
//! a tag, a digest or a version, so that an alert is the same one at the next tag. It refuses more
//! than 25,000 results and 10 MB (compressed), and shows 5,000
//! (<https://docs.github.com/en/code-security/code-scanning/troubleshooting-sarif-uploads/results-exceed-limit>):
//! the worst come first, and what is cut is said.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::before_after::{PlatformReport, RepairReport, Stage};
use super::cut::cut;
use super::finding_identity::identity;
use super::image_name;
use super::problem_pages;
use imgfix_model::digest::Digest;
use imgfix_model::finding::{Class, Finding, Severity, Subject};
use imgfix_model::verdict::{JudgedFinding, Outcome, Verdict};
use imgfix_terminal::count;

/// The most results that GitHub takes of one run.
const MAX_RESULTS: usize = 25_000;

/// The most characters of a text that came from outside: GitHub takes 1024 of a description, and
/// 25,000 results with such texts stay within its size.
const MAX_TEXT: usize = 1000;

/// A finding that is left, and where.
struct Left<'a> {
    platform: &'a PlatformReport,
    judged: &'a JudgedFinding,
}

/// The log, indented, ending in a newline.
#[must_use]
pub fn render(report: &RepairReport) -> String {
    rendered(report, MAX_RESULTS)
}

fn rendered(report: &RepairReport, most: usize) -> String {
    let image = report.standing_image();
    let mut left: Vec<Left<'_>> = Vec::new();
    for platform in &report.platforms {
        let all = platform.findings.iter().filter(|one| is_left(one.verdict.outcome()));
        left.extend(all.map(|judged| Left { platform, judged }));
    }
    // Stable: of equals, those of the first platform come first.
    left.sort_by_key(|one| Reverse(one.judged.finding.severity));
    let left_out = left.split_off(left.len().min(most));
    let rules = rules(&left);
    let numbers: BTreeMap<&str, usize> = rules.keys().copied().zip(0..).collect();
    let mut seen = BTreeMap::new();
    let results: Vec<Value> = left
        .iter()
        .map(|one| {
            let rule = numbers.get(one.judged.finding.id.as_str()).copied().unwrap_or_default();
            let mut result = result(one, rule, report);
            result["partialFingerprints"] = fingerprints(one, report, &mut seen);
            result
        })
        .collect();
    imgfix_json::pretty(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": report.tool.name,
                "version": report.tool.version,
                "rules": rules.into_iter().map(|(id, worst)| rule(id, worst)).collect::<Vec<_>>(),
            }},
            "automationDetails": {"id": run_of(report)},
            "invocations": [invocation(&left_out, most)],
            "results": results,
            "columnKind": "utf16CodeUnits",
            "properties": {
                "imageName": image.reference,
                "repoDigests": [format!("{}@{}", image.reference, image.digest)],
            },
        }],
    }))
}

/// Whether the repaired image has it.
fn is_left(outcome: Outcome) -> bool {
    outcome == Outcome::Left || outcome.is_accepted()
}

/// What the runs about one image share: GitHub keeps the newest run of each. A plan says what
/// would be, and does not take the place of what is. Nothing stands behind the last slash: no run
/// is known by itself.
fn run_of(report: &RepairReport) -> String {
    let kind = match report.stage {
        Stage::Repaired => "imgfix",
        Stage::Planned => "imgfix-plan",
    };
    format!("{kind}/{}/", image_name::stable(&report.image.reference))
}

fn invocation(left_out: &[Left<'_>], most: usize) -> Value {
    let mut invocation = json!({"executionSuccessful": true});
    if let Some(worst) = left_out.first() {
        let text = format!(
            "{} left out: a code-scanning page takes {most} of one run, and these are the least \
             severe, {} and below; the JSON report has all",
            count(left_out.len(), "finding"),
            worst.judged.finding.severity
        );
        invocation["toolExecutionNotifications"] =
            json!([{"level": "warning", "message": {"text": text}}]);
    }
    invocation
}

/// The rules in the order of their ids, each with its worst finding: an id is one rule whatever
/// the number of packages that have it.
fn rules<'a>(left: &[Left<'a>]) -> BTreeMap<&'a str, &'a Finding> {
    let mut rules: BTreeMap<&str, &Finding> = BTreeMap::new();
    for one in left {
        let finding = &one.judged.finding;
        let worst = rules.entry(&finding.id).or_insert(finding);
        if finding.severity > worst.severity {
            *worst = finding;
        }
    }
    rules
}

fn rule(id: &str, finding: &Finding) -> Value {
    let name = match finding.class {
        _ if finding.subject == Some(Subject::Secret) => "Secret",
        Class::System => "OsPackageVulnerability",
        Class::Library => "LanguageSpecificPackageVulnerability",
        Class::Baseline => "Misconfiguration",
        Class::Malicious => "MaliciousFile",
    };
    let title = cut(finding.title.as_deref().unwrap_or(id), MAX_TEXT);
    let severity = finding.severity.to_string().to_uppercase();
    let page = problem_pages::page(finding);
    let linked = match &page {
        Some(url) => format!("[{}]({})", markdown(id), url.replace([' ', '(', ')', '<', '>'], "")),
        None => markdown(id),
    };
    let text = match &page {
        Some(url) => format!("{id}\nSeverity: {severity}\n{title}\nLink: {url}"),
        None => format!("{id}\nSeverity: {severity}\n{title}"),
    };
    let mut rule = json!({
        "id": id,
        "name": name,
        "shortDescription": {"text": title},
        "fullDescription": {"text": title},
        "defaultConfiguration": {"level": level(finding.severity)},
        "help": {
            "text": text,
            "markdown": format!("**{linked}** (severity: {severity})\n\n{}", markdown(&title)),
        },
        "properties": {
            "tags": ["security", finding.class.to_string(), severity],
            "security-severity": score(finding.severity),
        },
    });
    if let Some(page) = page {
        rule["helpUri"] = json!(page);
    }
    rule
}

/// Text of others is only text: marks of Markdown and HTML say nothing.
fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // people and issues are not told
            '@' | '#' => {
                out.push(c);
                out.push('\u{200b}');
            }
            '\n' | '\r' => out.push(' '),
            '-' => out.push(c),
            c if c.is_ascii_punctuation() => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// What makes a finding the same one at another tag and after another repair: no version, no
/// digest. GitHub reads `primaryLocationLineHash`; behind the colon stands how many like it came
/// before, as CodeQL writes it.
fn fingerprints(
    one: &Left<'_>,
    report: &RepairReport,
    seen: &mut BTreeMap<String, usize>,
) -> Value {
    let said = identity(report, one.platform, &one.judged.finding);
    let hash: String = Digest::of(said.as_bytes()).hex().chars().take(16).collect();
    let times = seen.entry(hash.clone()).or_default();
    *times += 1;
    let fingerprint = format!("{hash}:{times}");
    json!({"primaryLocationLineHash": fingerprint, "imgfixFinding/v1": fingerprint})
}

fn result(one: &Left<'_>, rule: usize, report: &RepairReport) -> Value {
    let Left { platform, judged } = one;
    let finding = &judged.finding;
    let image = &report.standing_image().reference;
    let why = match &judged.verdict {
        Verdict::NotFixed { reason } => reason.to_string(),
        Verdict::Mitigated { how } => how.clone(),
        Verdict::Fixed { .. } | Verdict::NotAffected { .. } => String::new(),
    };
    let state = match judged.verdict.outcome() {
        Outcome::Mitigated => "Mitigated",
        _ => report.title_of_left(),
    };
    let place = finding.location.as_ref().map(|location| format!("Location: {location}\n"));
    let message = format!(
        "Package: {}\nInstalled Version: {}\nVulnerability {}\nSeverity: {}\nFixed Version: {}\n\
         {}Platform: {}\n{state}: {}",
        finding.package,
        finding.installed,
        finding.id,
        finding.severity.to_string().to_uppercase(),
        finding.fixed.as_deref().unwrap_or_default(),
        place.unwrap_or_default(),
        platform.platform,
        cut(&why, MAX_TEXT),
    );
    let stable = image_name::stable(&report.image.reference);
    let uri = finding.path.as_deref().map_or(stable, |path| path.trim_start_matches('/'));
    let mut result = json!({
        "ruleId": finding.id,
        "ruleIndex": rule,
        "level": level(finding.severity),
        "message": {"text": message},
        "locations": [{
            "physicalLocation": {
                "artifactLocation": {"uri": uri_text(uri)},
                "region": region(finding),
            },
            "message": {"text": format!("{image}: {} {}", finding.package, finding.installed)},
        }],
    });
    if judged.verdict.outcome().is_accepted() {
        result["suppressions"] =
            json!([{"kind": "external", "status": "accepted", "justification": why}]);
    }
    result
}

/// The lines, where a finding has some; the first one of everything else.
fn region(finding: &Finding) -> Value {
    let lines = finding.location.as_ref().and_then(|location| location.file()?.lines);
    match lines {
        Some(lines) => json!({"startLine": lines.first, "endLine": lines.last}),
        None => json!({"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 1}),
    }
}

/// A relative URI reference; everything that is not plain is percent-encoded.
fn uri_text(path: &str) -> String {
    path.split('/')
        .map(|part| imgfix_findings::purl::encode(part).replace(':', "%3A"))
        .collect::<Vec<_>>()
        .join("/")
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Negligible | Severity::Unknown => "note",
    }
}

/// The middle of the severity's range of CVSS scores: reports give words, not scores.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.0",
        Severity::Negligible | Severity::Unknown => "0.0",
    }
}

#[cfg(test)]
mod tests {
    use super::super::before_after::samples;
    use super::super::schema_check::assert_keeps_to;
    use super::*;

    #[test]
    fn the_log_is_as_it_was() {
        insta::assert_snapshot!(render(&samples::report()));
    }

    #[test]
    fn what_is_left_is_read_back_as_findings() {
        let report = samples::report();
        let read = imgfix_findings::parse_report("sarif", render(&report).as_bytes()).unwrap();
        let count = |outcome: Outcome| {
            let all = report.platforms.iter().flat_map(|platform| &platform.findings);
            all.filter(|one| one.verdict.outcome() == outcome).count()
        };
        assert_eq!(read.findings.len(), count(Outcome::Left));
        assert_eq!(read.assessed.len(), count(Outcome::Ignored));
        for finding in &read.findings {
            let all = report.platforms.iter().flat_map(|platform| &platform.findings);
            let mut same = all.filter(|one| one.finding.id == finding.id);
            assert!(same.any(|one| one.finding.severity == finding.severity), "{finding:?}");
        }
    }

    /// The log's only run, held against the schema.
    fn run(text: &str) -> Value {
        assert_keeps_to("sarif-2.1.0.schema.json", text);
        let mut log: Value = serde_json::from_str(text).unwrap();
        log["runs"][0].take()
    }

    fn all<'a>(run: &'a Value, key: &str) -> Vec<&'a Value> {
        run[key].as_array().unwrap().iter().collect()
    }

    #[test]
    fn alerts_are_the_same_at_another_tag_and_after_another_repair() {
        let report = samples::report();
        let mut other = samples::report();
        other.image.reference = "docker://registry.example/app:2.0".into();
        other.output.as_mut().unwrap().reference = "docker://registry.example/app:2.0_fix".into();
        other.image.digest = Digest::of(b"another");
        other.platforms[0].findings.reverse();
        for judged in &mut other.platforms[0].findings {
            judged.finding.installed.push_str("+1");
        }
        let alerts = |report: &RepairReport| {
            let run = run(&render(report));
            let mut alerts: Vec<[String; 3]> = all(&run, "results")
                .iter()
                .map(|one| {
                    [
                        one["ruleId"].to_string(),
                        one["locations"][0]["physicalLocation"]["artifactLocation"].to_string(),
                        one["partialFingerprints"]["primaryLocationLineHash"].to_string(),
                    ]
                })
                .collect();
            alerts.sort();
            let rules: Vec<String> = all(&run["tool"]["driver"], "rules")
                .iter()
                .map(|rule| rule["id"].to_string())
                .collect();
            (alerts, rules, run["automationDetails"].clone())
        };
        assert_eq!(alerts(&report), alerts(&other));
        assert_eq!(alerts(&report).2["id"], "imgfix/registry.example/app/");
        let planned = alerts(&samples::planned());
        assert_eq!(planned.2["id"], "imgfix-plan/registry.example/app/");
        assert_eq!(alerts(&report).0, planned.0);
        for report in [samples::report(), samples::index()] {
            let (alerts, ..) = alerts(&report);
            let unique: std::collections::BTreeSet<_> = alerts.iter().map(|one| &one[2]).collect();
            assert_eq!(unique.len(), alerts.len(), "each finding is an alert of its own");
        }
        // two findings that differ in nothing are still two alerts
        let mut twice = samples::report();
        let again = twice.platforms[0].findings[0].clone();
        twice.platforms[0].findings.push(again);
        let (alerts, ..) = alerts(&twice);
        assert!(alerts.iter().any(|one| one[2].ends_with(":2\"")), "{alerts:?}");
    }

    #[test]
    fn what_is_too_much_is_cut_from_the_least_severe_and_said() {
        let report = samples::report();
        let whole = run(&render(&report));
        assert_eq!(whole["invocations"], json!([{"executionSuccessful": true}]));
        let cut = run(&rendered(&report, 2));
        let kept: Vec<&Value> = all(&cut, "results").iter().map(|one| &one["ruleId"]).collect();
        assert_eq!(kept, ["CVE-2023-31484", "CVE-2023-4911"], "a critical and a high one");
        assert_eq!(all(&cut["tool"]["driver"], "rules").len(), 2);
        let text =
            cut["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"].as_str();
        assert!(text.unwrap().starts_with("4 findings left out"), "{text:?}");
        assert!(text.unwrap().contains("medium and below"), "{text:?}");
    }

    #[test]
    fn a_rule_is_as_bad_as_its_worst_finding_and_its_help_is_only_text() {
        let mut report = samples::report();
        let title = "![x](http://evil.example) <script> @team\n# big";
        for judged in &mut report.platforms[0].findings {
            judged.finding.title = Some(title.to_owned());
            judged.finding.id = "CVE-2024-1".into();
        }
        let run = run(&render(&report));
        let [rule] = all(&run["tool"]["driver"], "rules")[..] else { panic!("{run}") };
        assert_eq!(rule["properties"]["security-severity"], "9.5");
        assert_eq!(rule["helpUri"], "https://www.cve.org/CVERecord?id=CVE-2024-1");
        assert!(all(&rule["properties"], "tags").len() <= 10);
        let help = rule["help"]["markdown"].as_str().unwrap();
        assert!(!help.contains('<') && !help.contains("](http://"), "{help}");
        let shown = pulldown_cmark::Parser::new(help).filter_map(|event| match event {
            pulldown_cmark::Event::Text(text) => Some(text.into_string()),
            _ => None,
        });
        let shown = shown.collect::<String>().replace('\u{200b}', "");
        assert!(shown.ends_with("![x](http://evil.example) <script> @team # big"), "{shown}");
    }
}
