//! Reports of tools around Clair 2: klar (`JSON_OUTPUT=true`, vulnerabilities by severity) and
//! clair-scanner (`--report`, one list).
//!
//! Source: <https://github.com/optiopay/klar> (README, `JSON_OUTPUT`) and `main.go` of
//! <https://github.com/arminc/clair-scanner>.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::format::Format;
use super::report::{Collector, class_of_name, from_json, split_versions, title, with_fixes};
use super::{ArtifactIdentity, Finding, FindingsError, ReportFormat, ScanReport};

const SCANNER: &str = "klar or clair-scanner";

pub(super) const FORMAT: Format = Format {
    recognise: |shape| {
        shape.object().is_some_and(|keys| {
            keys.has_all(&["LayerCount", "Vulnerabilities"])
                || keys.has_all(&["image", "unapproved", "vulnerabilities"])
        })
    },
    parse,
};

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Report {
    /// klar: by severity.
    #[serde(rename = "Vulnerabilities")]
    by_severity: Option<BTreeMap<String, Vec<Entry>>>,
    /// clair-scanner.
    vulnerabilities: Option<Vec<Entry>>,
    image: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Entry {
    #[serde(alias = "vulnerability", rename = "Name")]
    id: Option<String>,
    #[serde(alias = "featurename", rename = "FeatureName")]
    package: Option<String>,
    #[serde(alias = "featureversion", rename = "FeatureVersion")]
    version: Option<String>,
    #[serde(alias = "fixedby", rename = "FixedBy")]
    fixed_by: Option<String>,
    #[serde(alias = "severity", rename = "Severity")]
    severity: Option<String>,
    #[serde(alias = "description", rename = "Description")]
    description: Option<String>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let report: Report = from_json(name, SCANNER, bytes)?;
    let mut out = Collector::new(name, SCANNER);
    for (severity, list) in report.by_severity.unwrap_or_default() {
        for (at, entry) in list.into_iter().enumerate() {
            add(&mut out, format!("Vulnerabilities.{severity}[{at}]"), entry)?;
        }
    }
    for (at, entry) in report.vulnerabilities.unwrap_or_default().into_iter().enumerate() {
        add(&mut out, format!("vulnerabilities[{at}]"), entry)?;
    }
    let artifact = ArtifactIdentity {
        name: report.image.unwrap_or_default(),
        kind: Some("image".to_owned()),
        ..ArtifactIdentity::default()
    };
    Ok(out.finish(ReportFormat::Clair, artifact))
}

fn add(out: &mut Collector<'_>, path: String, entry: Entry) -> Result<(), FindingsError> {
    let place = out.place(path);
    let id = place.required("Name", entry.id)?;
    let package = place.required("FeatureName", entry.package)?;
    let severity = out.severity(&place, entry.severity.as_deref());
    let finding = Finding {
        class: class_of_name(&package),
        severity,
        title: title(entry.description),
        ..Finding::system(&id, &package, &entry.version.unwrap_or_default())
    };
    out.findings.push(with_fixes(finding, split_versions(entry.fixed_by.as_deref())));
    Ok(())
}
