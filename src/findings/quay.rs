//! Quay's security API (`GET /api/v1/repository/.../manifest/.../security?vulnerabilities=true`):
//! the image as one layer, its features, and their vulnerabilities.
//!
//! Source: `data/secscan_model/datatypes.py` of <https://github.com/quay/quay>.

use serde::Deserialize;

use super::advisory::lenient;
use super::format::{Form, Format, Outline};
use super::report::{
    Collector, class_of_name, from_json, non_empty, split_versions, title, with_fixes,
};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport};
use imgfix_model::finding::{Class, Finding};

const SCANNER: &str = "Quay scan";

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::Quay,
    outlines: &[
        Outline {
            form: Form::Object,
            needs: &["data", "data.Layer"],
            any: &["data.Layer.Features"],
        },
        Outline { form: Form::Object, needs: &["Layer", "Layer.Features"], any: &[] },
    ],
    parse,
};

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Report {
    data: Option<Data>,
    #[serde(rename = "Layer")]
    layer: Option<Layer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct Data {
    layer: Option<Layer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct Layer {
    /// The manifest's digest.
    name: Option<String>,
    features: Option<Vec<Feature>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct Feature {
    name: Option<String>,
    version: Option<String>,
    /// `dpkg`, `python`; often empty.
    version_format: Option<String>,
    vulnerabilities: Option<Vec<Vulnerability>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct Vulnerability {
    name: Option<String>,
    severity: Option<String>,
    fixed_by: Option<String>,
    description: Option<String>,
    /// With blanks between them, when there are several.
    #[serde(default, deserialize_with = "lenient")]
    link: Option<String>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let report: Report = from_json(name, SCANNER, bytes)?;
    let mut out = Collector::new(name, SCANNER);
    let mut artifact = ArtifactIdentity::default();
    let (prefix, layer) = match report.data {
        Some(data) => ("data.", data.layer),
        None => ("", report.layer),
    };
    let Some(layer) = layer else { return Ok(out.finish(ReportFormat::Quay, artifact)) };
    artifact.manifest_digests.extend(non_empty(layer.name).filter(|name| name.contains(':')));
    for (at, feature) in layer.features.unwrap_or_default().into_iter().enumerate() {
        let path = format!("{prefix}Layer.Features[{at}]");
        for (number, entry) in feature.vulnerabilities.unwrap_or_default().into_iter().enumerate() {
            let place = out.place(format!("{path}.Vulnerabilities[{number}]"));
            let text = place.required("Name", entry.name)?;
            // Ubuntu's are called `CVE-2020-1234 on Ubuntu 20.04 LTS (focal) - low.`
            let id = text.split_whitespace().next().unwrap_or_default().to_owned();
            let package = out.place(path.clone()).required("Name", feature.name.clone())?;
            let severity = out.severity(&place, entry.severity.as_deref());
            let class = match feature.version_format.as_deref() {
                Some("python" | "java" | "maven" | "gem" | "npm" | "go") => Class::Library,
                _ => class_of_name(&package),
            };
            let links = entry.link.unwrap_or_default();
            let finding = Finding {
                class,
                severity,
                title: title(non_empty(entry.description)),
                references: links.split_whitespace().map(str::to_owned).collect(),
                ..Finding::system(&id, &package, feature.version.as_deref().unwrap_or_default())
            };
            out.findings.push(with_fixes(finding, split_versions(entry.fixed_by.as_deref())));
        }
    }
    Ok(out.finish(ReportFormat::Quay, artifact))
}
