//! Kubescape's configuration scan (`kubescape scan --format json`): controls that each resource
//! passes or fails. (Its image scan has Grype's form.)
//!
//! Source: `reporthandling/v2` of <https://github.com/kubescape/opa-utils>.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::format::{Form, Format, Outline};
use super::report::{Collector, from_json, non_empty, title};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport};
use imgfix_model::finding::{Class, Finding, Severity};

const SCANNER: &str = "Kubescape";

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::Kubescape,
    outlines: &[Outline {
        form: Form::Object,
        needs: &["summaryDetails"],
        any: &["results", "resources", "summaryDetails.controls"],
    }],
    parse,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Report {
    cluster_name: Option<String>,
    results: Option<Vec<Resource>>,
    summary_details: Option<Summary>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Summary {
    controls: Option<BTreeMap<String, ControlSummary>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct ControlSummary {
    score_factor: Option<f64>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Resource {
    #[serde(rename = "resourceID")]
    id: Option<String>,
    controls: Option<Vec<Control>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Control {
    #[serde(rename = "controlID")]
    id: Option<String>,
    name: Option<String>,
    status: Option<Status>,
    rules: Option<Vec<Rule>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Status {
    status: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Rule {
    status: Option<String>,
    /// Exceptions that somebody has made.
    exception: Option<Vec<IgnoredAny>>,
}

impl Control {
    /// `failed`, `passed`, `skipped`; older versions say it of rules only.
    fn status(&self) -> &str {
        if let Some(word) = self.status.as_ref().and_then(|status| status.status.as_deref()) {
            return word;
        }
        let mut rules = self.rules.iter().flatten();
        let failed = rules.any(|rule| rule.status.as_deref() == Some("failed"));
        if failed { "failed" } else { "passed" }
    }

    fn is_excepted(&self) -> bool {
        let mut failed = self
            .rules
            .iter()
            .flatten()
            .filter(|rule| rule.status.as_deref() == Some("failed"))
            .peekable();
        failed.peek().is_some()
            && failed.all(|rule| rule.exception.as_ref().is_some_and(|list| !list.is_empty()))
    }
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let report: Report = from_json(name, SCANNER, bytes)?;
    let mut out = Collector::new(name, SCANNER);
    let controls = report.summary_details.and_then(|summary| summary.controls).unwrap_or_default();
    for (at, resource) in report.results.unwrap_or_default().into_iter().enumerate() {
        let about = non_empty(resource.id).unwrap_or_else(|| "configuration".to_owned());
        for (number, control) in resource.controls.unwrap_or_default().into_iter().enumerate() {
            let place = out.place(format!("results[{at}].controls[{number}]"));
            let id = place.required("controlID", control.id.clone())?;
            let status = control.status();
            if !matches!(status, "failed" | "excluded") {
                out.passed += 1;
                continue;
            }
            let factor = controls.get(&id).and_then(|summary| summary.score_factor);
            let excepted = status == "excluded" || control.is_excepted();
            let finding = Finding {
                class: Class::Baseline,
                severity: factor.map_or(Severity::Unknown, severity_of_factor),
                title: title(control.name),
                ..Finding::system(&id, &about, "")
            };
            if excepted {
                out.assess(finding, "excluded", "exception", None);
            } else {
                out.findings.push(finding);
            }
        }
    }
    let artifact = ArtifactIdentity {
        name: report.cluster_name.unwrap_or_default(),
        kind: Some("cluster".to_owned()),
        ..ArtifactIdentity::default()
    };
    Ok(out.finish(ReportFormat::Kubescape, artifact))
}

/// Source: `ControlSeverityToInt` in `reporthandling/apis` of opa-utils.
fn severity_of_factor(factor: f64) -> Severity {
    match factor {
        factor if factor >= 9.0 => Severity::Critical,
        factor if factor >= 7.0 => Severity::High,
        factor if factor >= 4.0 => Severity::Medium,
        factor if factor >= 1.0 => Severity::Low,
        _ => Severity::Unknown,
    }
}
