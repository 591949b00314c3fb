//! GitGuardian's ggshield (`ggshield secret scan docker --json`, `path --json`): files with
//! incidents, each with its occurrences; of an image, one such scan in another.
//!
//! Source: `ggshield/verticals/secret/output/schemas.py` of <https://github.com/GitGuardian/ggshield>.
//! `match` holds the value; it is not read.

use serde::Deserialize;

use super::format::{Form, Format, Outline};
use super::report::{Collector, from_json, non_empty};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport, risk};
use imgfix_model::finding::Severity;
use imgfix_model::location::{FileLocation, Span};

const SCANNER: &str = "ggshield";

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::Ggshield,
    outlines: &[
        Outline {
            form: Form::Object,
            needs: &["entities_with_incidents", "total_incidents"],
            any: &["type", "id"],
        },
        Outline {
            form: Form::Object,
            needs: &["scans", "total_incidents"],
            any: &["type", "id", "scans[].entities_with_incidents"],
        },
    ],
    parse,
};

/// A scan in a scan is deeper in none of ggshield's reports.
const MAX_DEPTH: usize = 8;

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Scan {
    id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    scans: Option<Vec<Scan>>,
    entities_with_incidents: Option<Vec<Entity>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Entity {
    filename: Option<String>,
    incidents: Option<Vec<Incident>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Incident {
    #[serde(rename = "type")]
    kind: Option<String>,
    validity: Option<String>,
    ignore_reason: Option<serde_json::Value>,
    occurrences: Option<Vec<Occurrence>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Occurrence {
    line_start: Option<u32>,
    line_end: Option<u32>,
    /// From 0.
    index_start: Option<u32>,
    index_end: Option<u32>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let mut scan: Scan = from_json(name, SCANNER, bytes)?;
    let mut out = Collector::new(name, SCANNER);
    let artifact = ArtifactIdentity {
        name: scan.id.take().unwrap_or_default(),
        kind: non_empty(scan.kind.take()),
        ..ArtifactIdentity::default()
    };
    of_scan(&mut out, "", scan, MAX_DEPTH)?;
    Ok(out.finish(ReportFormat::Ggshield, artifact))
}

fn of_scan(
    out: &mut Collector<'_>,
    prefix: &str,
    scan: Scan,
    depth: usize,
) -> Result<(), FindingsError> {
    for (at, entity) in scan.entities_with_incidents.unwrap_or_default().into_iter().enumerate() {
        of_entity(out, format!("{prefix}entities_with_incidents[{at}]"), entity)?;
    }
    for (at, inner) in scan.scans.unwrap_or_default().into_iter().enumerate() {
        let path = format!("{prefix}scans[{at}]");
        let Some(depth) = depth.checked_sub(1) else {
            return Err(out.place(path).error("scans", "too many scans in each other"));
        };
        of_scan(out, &format!("{path}."), inner, depth)?;
    }
    Ok(())
}

fn of_entity(out: &mut Collector<'_>, path: String, entity: Entity) -> Result<(), FindingsError> {
    let filename = out.place(path.clone()).required("filename", entity.filename)?;
    for (at, incident) in entity.incidents.unwrap_or_default().into_iter().enumerate() {
        let place = out.place(format!("{path}.incidents[{at}]"));
        let id = place.required("type", incident.kind)?;
        let severity = match incident.validity.as_deref() {
            // the secret opens something
            Some("valid") => Severity::Critical,
            _ => risk::SECRET,
        };
        let ignored = incident.ignore_reason.as_ref().is_some_and(|reason| !reason.is_null());
        for one in incident.occurrences.unwrap_or_default() {
            let lines = Span::of(one.line_start, one.line_end);
            let from_one = |column: Option<u32>| column.map(|column| column.saturating_add(1));
            let columns = match (from_one(one.index_start), from_one(one.index_end)) {
                (Some(first), Some(last)) => Some(Span { first, last }),
                _ => None,
            };
            let one_line = lines.is_some_and(|lines| lines.first == lines.last);
            let columns = columns
                .filter(|columns| lines.is_some() && (!one_line || columns.first <= columns.last));
            let file = FileLocation { lines, columns, ..risk::file(&filename) };
            let finding = risk::secret(&id, severity, None, Some(file.into()));
            match ignored {
                true => out.assess(finding, "ignored", "ignore_reason", None),
                false => out.findings.push(finding),
            }
        }
    }
    Ok(())
}
