//! Orca Security's export of alerts as JSON. Alerts have a title and no package: they are
//! carried as findings of configuration.
//!
//! Source: real reports (there is no public description).

use serde::Deserialize;

use super::format::{Form, Format, Outline};
use super::report::{Collector, from_json, non_empty, severity_of_score, title};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport};
use imgfix_model::finding::{Class, Finding, Severity};

const SCANNER: &str = "Orca";

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::Orca,
    outlines: &[Outline {
        form: Form::List,
        needs: &["OrcaScore", "Title"],
        any: &["Category", "Status", "Source"],
    }],
    parse,
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct Alert {
    title: Option<String>,
    category: Option<String>,
    /// `open`, `in_progress`, `snoozed`, `dismissed`, `closed`.
    status: Option<String>,
    orca_score: Option<f64>,
    source: Option<String>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let alerts: Vec<Alert> = from_json(name, SCANNER, bytes)?;
    let mut out = Collector::new(name, SCANNER);
    for (at, alert) in alerts.into_iter().enumerate() {
        let place = out.place(format!("[{at}]"));
        let id = place.required("Title", alert.title)?;
        let about = non_empty(alert.source).unwrap_or_else(|| "configuration".to_owned());
        let finding = Finding {
            class: Class::Baseline,
            severity: alert.orca_score.map_or(Severity::Unknown, severity_of_score),
            title: title(alert.category),
            ..Finding::system(&id, &about, "")
        };
        match alert.status.as_deref() {
            Some(word @ ("dismissed" | "snoozed" | "closed")) => {
                out.assess(finding, word, "status", None);
            }
            _ => out.findings.push(finding),
        }
    }
    Ok(out.finish(ReportFormat::Orca, ArtifactIdentity::default()))
}
