//! kingfisher (`kingfisher scan --format json`): one object of findings, and behind it, on a line
//! of its own, one of statistics.
//!
//! Source: measured with 2.14.0 of <https://github.com/mongodb/kingfisher>. `snippet` holds the
//! value unless `--redact` was given, and `validation.response` what a server said; neither is
//! read.

use serde::Deserialize;

use super::format::{Form, Format, Outline};
use super::report::{Collector, from_json, non_empty};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport, risk};
use imgfix_model::finding::Severity;
use imgfix_model::location::{FileLocation, Span};

const SCANNER: &str = "kingfisher";

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::Kingfisher,
    outlines: &[
        Outline {
            form: Form::Object,
            needs: &["findings"],
            any: &["findings[].rule", "findings[].finding"],
        },
        Outline { form: Form::Object, needs: &["findings", "audit", "audit.schema"], any: &[] },
    ],
    parse,
};

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Report {
    findings: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Entry {
    rule: Option<Rule>,
    finding: Option<Found>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Rule {
    id: Option<String>,
    description: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Found {
    path: Option<String>,
    line: Option<u32>,
    /// From 0.
    column_start: Option<u32>,
    /// From 0; the last one belongs to it.
    column_end: Option<u32>,
    validation: Option<Validation>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Validation {
    outcome: Option<String>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    // Statistics behind the first line repeat the numbers.
    let first = bytes.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty());
    let whole = imgfix_json::read::<serde::de::IgnoredAny>(bytes).is_ok();
    let document = first.filter(|_| !whole).unwrap_or(bytes);
    let report: Report = from_json(name, SCANNER, document)?;
    let mut out = Collector::new(name, SCANNER);
    for (at, entry) in report.findings.into_iter().enumerate() {
        let place = out.place(format!("findings[{at}]"));
        let rule = entry.rule.ok_or_else(|| place.error("rule", "missing"))?;
        let found = entry.finding.ok_or_else(|| place.error("finding", "missing"))?;
        let id = place.required("rule.id", rule.id)?;
        let path = place.required("finding.path", found.path)?;
        let lines = Span::of(found.line, None);
        let from_one = |column: Option<u32>| column.map(|column| column.saturating_add(1));
        let columns = Span::of(from_one(found.column_start), from_one(found.column_end));
        let columns = columns.filter(|_| lines.is_some());
        let file = FileLocation { lines, columns, ..risk::file(&path) };
        let outcome = found.validation.and_then(|validation| validation.outcome);
        let severity = match outcome.as_deref() {
            // the secret opens something
            Some("active" | "valid" | "success") => Severity::Critical,
            _ => risk::SECRET,
        };
        let title = non_empty(rule.description).or(non_empty(rule.name));
        out.findings.push(risk::secret(&id, severity, title, Some(file.into())));
    }
    Ok(out.finish(ReportFormat::Kingfisher, ArtifactIdentity::default()))
}
