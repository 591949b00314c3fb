//! What a repair leaves, as GitLab's container-scanning report: the merge request's widget, the
//! vulnerability report and approval rules read it.
//!
//! Source: <https://gitlab.com/gitlab-org/security-products/security-report-schemas>, version
//! 15.0.7, which every GitLab since 16.0 takes. GitLab knows a vulnerability again by the image's
//! name without its tag, the package and the first identifier. It has no word for what somebody
//! accepted, so that what is ignored or mitigated is left out, and no place for what is in no
//! package.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

use super::before_after::{PlatformReport, RepairReport};
use super::cut::cut;
use super::finding_identity::identity;
use super::image_name;
use super::inventory::release;
use super::name_uuid::name_uuid;
use super::problem_pages;
use imgfix_model::advisory::web_link;
use imgfix_model::component::Contents;
use imgfix_model::finding::{Class, Finding, Severity};
use imgfix_model::reason::Reason;
use imgfix_model::verdict::{Outcome, Verdict};
use imgfix_terminal::clean;

/// The version of the schema.
const VERSION: &str = "15.0.7";

/// The most identifiers that GitLab keeps of one vulnerability.
const MAX_IDENTIFIERS: usize = 20;

/// The most characters of a name, and of a solution.
const MAX_NAME: usize = 255;
const MAX_SOLUTION: usize = 7000;

/// The document, indented, ending in a newline. `contents`: what is installed, one a platform of
/// the report; `created` in seconds since the epoch.
#[must_use]
pub fn render(report: &RepairReport, contents: &[Contents], created: i64) -> String {
    let mut vulnerabilities = Vec::new();
    for (at, platform) in report.platforms.iter().enumerate() {
        let place =
            Place { report, platform, operating_system: operating_system(contents.get(at)) };
        let left = platform.findings.iter().filter_map(|judged| match &judged.verdict {
            Verdict::NotFixed { reason } if judged.verdict.outcome() == Outcome::Left => {
                Some((&judged.finding, reason))
            }
            _ => None,
        });
        let of_packages =
            left.filter(|(finding, _)| matches!(finding.class, Class::System | Class::Library));
        vulnerabilities.extend(of_packages.map(|(finding, reason)| place.one(finding, reason)));
    }
    let tool = json!({
        "id": report.tool.name,
        "name": report.tool.name,
        "vendor": {"name": report.tool.name},
        "version": report.tool.version,
    });
    let time = time(created);
    imgfix_json::pretty(&json!({
        "version": VERSION,
        "schema": format!(
            "https://gitlab.com/gitlab-org/security-products/security-report-schemas/-/raw/\
             v{VERSION}/dist/container-scanning-report-format.json"
        ),
        "scan": {
            "analyzer": tool,
            "scanner": tool,
            "start_time": time,
            "end_time": time,
            "status": "success",
            "type": "container_scanning",
        },
        "vulnerabilities": vulnerabilities,
        "remediations": [],
    }))
}

/// `2026-01-31T12:00:00`, in UTC, as the schema wants it.
fn time(seconds: i64) -> String {
    let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .filter(|time| (1970..=9999).contains(&time.year()))
        .and_then(|time| time.format(form).ok())
        .unwrap_or_else(|| "1970-01-01T00:00:00".to_owned())
}

/// `debian 12`.
fn operating_system(contents: Option<&Contents>) -> String {
    let inventory = contents.and_then(|all| all.packages.as_ref());
    let distribution = inventory.map(|inventory| &inventory.distribution);
    let text = distribution.map_or_else(String::new, |one| {
        clean(format!("{} {}", one.id, release(one).unwrap_or_default()).trim())
    });
    if text.is_empty() { "unknown".to_owned() } else { text }
}

/// Where a finding is.
struct Place<'a> {
    report: &'a RepairReport,
    platform: &'a PlatformReport,
    operating_system: String,
}

impl Place<'_> {
    fn one(&self, finding: &Finding, reason: &Reason) -> Value {
        let image = self.report.standing_image();
        let title = finding.title.as_deref().unwrap_or(&finding.id);
        let links: Vec<Value> = problem_pages::page(finding)
            .iter()
            .map(String::as_str)
            .chain(finding.references.iter().filter_map(|text| web_link(text)))
            .map(|url| json!({"url": url}))
            .collect();
        json!({
            "id": self.id(finding),
            "name": cut(&clean(title), MAX_NAME),
            "description": clean(title),
            "severity": severity(finding.severity),
            "solution": cut(&clean(&solution(finding, reason, self.report)), MAX_SOLUTION),
            "identifiers": identifiers(finding),
            "links": links,
            "details": self.details(finding, reason),
            "location": {
                "dependency": {
                    "package": {"name": clean(&finding.package)},
                    "version": clean(&finding.installed),
                },
                "operating_system": self.operating_system,
                "image": clean(image_name::pasted(&image.reference)),
            },
        })
    }

    /// The same for every tag, and after every repair: without versions and digests.
    fn id(&self, finding: &Finding) -> String {
        name_uuid(&["container_scanning", &identity(self.report, self.platform, finding)])
    }

    fn details(&self, finding: &Finding, reason: &Reason) -> Value {
        let mut details = Map::new();
        let mut add = |key: &str, name: &str, value: &str| {
            if !value.is_empty() {
                let value = json!({"name": name, "type": "text", "value": clean(value)});
                details.insert(key.to_owned(), value);
            }
        };
        add("platform", "Platform", &self.platform.platform.to_string());
        add("source_package", "Source package", self.platform.sources.of_finding(finding));
        add("fixed_version", "Fixed version", finding.fixed.as_deref().unwrap_or_default());
        add("path", "File", finding.path.as_deref().unwrap_or_default());
        add("reason", self.report.title_of_left(), &reason.to_string());
        Value::Object(details)
    }
}

fn solution(finding: &Finding, reason: &Reason, report: &RepairReport) -> String {
    let state = report.title_of_left();
    match &finding.fixed {
        Some(fixed) => format!("Upgrade {} to {fixed}. {state}: {reason}", finding.package),
        None => format!("{state}: {reason}"),
    }
}

/// The finding's own id first: by it GitLab knows a vulnerability again.
fn identifiers(finding: &Finding) -> Vec<Value> {
    let mut all: Vec<&str> = vec![&finding.id];
    for alias in &finding.aliases {
        if !alias.is_empty() && !all.contains(&alias.as_str()) {
            all.push(alias);
        }
    }
    all.truncate(MAX_IDENTIFIERS);
    all.into_iter().map(|id| identifier(id, finding)).collect()
}

fn identifier(id: &str, finding: &Finding) -> Value {
    let kind: String = match id.split_once('-') {
        Some((kind, _)) if kind.chars().all(|c| c.is_ascii_alphanumeric()) && !kind.is_empty() => {
            kind.to_ascii_lowercase()
        }
        _ => "other".to_owned(),
    };
    let name = match clean(id) {
        text if text.is_empty() => "unnamed".to_owned(),
        text => text,
    };
    let mut identifier = json!({"type": kind, "name": name, "value": name});
    let own = (id == finding.id).then(|| problem_pages::page(finding)).flatten();
    if let Some(url) = own.or_else(|| problem_pages::of_id(id)) {
        identifier["url"] = json!(url);
    }
    identifier
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "Critical",
        Severity::High => "High",
        Severity::Medium => "Medium",
        Severity::Low => "Low",
        Severity::Negligible => "Info",
        Severity::Unknown => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::super::before_after::samples;
    use super::super::schema_check::assert_keeps_to;
    use super::*;

    /// The document, held against the schema.
    fn document(report: &RepairReport) -> Value {
        let contents = vec![samples::contents(); report.platforms.len()];
        let text = render(report, &contents, 1_700_000_000);
        assert_keeps_to("gitlab-container-scanning-15.0.7.schema.json", &text);
        serde_json::from_str(&text).unwrap()
    }

    fn ids(document: &Value) -> Vec<&str> {
        let all = document["vulnerabilities"].as_array().unwrap();
        all.iter().map(|one| one["id"].as_str().unwrap()).collect()
    }

    #[test]
    fn the_document_is_as_it_was() {
        document(&samples::report());
        insta::assert_snapshot!(render(&samples::report(), &[samples::contents()], 1_700_000_000));
    }

    #[test]
    fn it_has_what_is_left_in_packages_and_nothing_that_was_accepted() {
        for (report, says) in
            [(samples::report(), "Not fixed: "), (samples::planned(), "Would not be fixed: ")]
        {
            let document = document(&report);
            let all = document["vulnerabilities"].as_array().unwrap();
            assert_eq!(all.len(), report.summary.not_fixed);
            for one in all {
                assert_ne!(one["identifiers"][0]["value"], "CVE-2020-1", "it is ignored");
                assert!(one["solution"].as_str().unwrap().contains(says), "{one}");
            }
        }
        let mut report = samples::report();
        report.platforms[0].findings[0].finding.class = Class::Baseline;
        assert_eq!(ids(&document(&report)).len(), report.summary.not_fixed - 1);
    }

    #[test]
    fn a_vulnerability_has_the_same_id_at_another_tag_and_after_another_repair() {
        let report = samples::report();
        let mut other = samples::report();
        other.image.reference = "docker://registry.example/app:2.0".into();
        other.output = None;
        for judged in &mut other.platforms[0].findings {
            judged.finding.installed.push_str("+1");
            judged.finding.fixed = Some("9".into());
        }
        let (first, second) = (document(&report), document(&other));
        assert_eq!(ids(&first), ids(&second));
        let mut unique = ids(&first);
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), ids(&first).len());
        let index = document(&samples::index());
        let mut unique = ids(&index);
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), ids(&index).len(), "platforms are told apart");
    }

    #[test]
    fn what_a_report_says_stays_within_the_bounds() {
        let mut report = samples::report();
        let finding = &mut report.platforms[0].findings[0].finding;
        finding.id = "\u{1b}".into();
        finding.title = Some("é".repeat(3000));
        finding.fixed = Some("9".repeat(9000));
        finding.package = String::new();
        finding.aliases = (0..50).map(|number| format!("CVE-2024-{number}")).collect();
        let all = document(&report);
        let first = &all["vulnerabilities"][0];
        assert_eq!(first["name"].as_str().unwrap().chars().count(), MAX_NAME);
        assert_eq!(first["identifiers"].as_array().unwrap().len(), MAX_IDENTIFIERS);
        assert_eq!(first["identifiers"][0]["type"], "other");
    }
}
