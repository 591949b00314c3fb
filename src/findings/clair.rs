//! Reports of tools around Clair 2: klar (`JSON_OUTPUT=true`, vulnerabilities by severity) and
//! clair-scanner (`--report`, one list).
//!
//! Source: <https://github.com/optiopay/klar> (README, `JSON_OUTPUT`) and `main.go` of
//! <https://github.com/arminc/clair-scanner>.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::advisory::lenient;
use super::format::{Form, Format, Outline};
use super::report::{Collector, class_of_name, from_json, split_versions, title, with_fixes};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport};
use imgfix_model::finding::{Finding, Naming};

const SCANNER: &str = "klar or clair-scanner";

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::Clair,
    outlines: &[
        Outline { form: Form::Object, needs: &["LayerCount", "Vulnerabilities"], any: &[] },
        Outline {
            form: Form::Object,
            needs: &["image", "unapproved", "vulnerabilities"],
            any: &[],
        },
    ],
    parse,
};

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Report {
    /// klar: by severity.
    #[serde(rename = "Vulnerabilities")]
    by_severity: Option<BTreeMap<String, Vec<Vulnerability>>>,
    /// clair-scanner.
    vulnerabilities: Option<Vec<Vulnerability>>,
    image: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Vulnerability {
    #[serde(alias = "vulnerability", rename = "Name")]
    id: Option<String>,
    #[serde(alias = "featurename", rename = "FeatureName")]
    package: Option<String>,
    #[serde(alias = "featureversion", rename = "FeatureVersion")]
    version: Option<String>,
    #[serde(alias = "fixedby", rename = "FixedBy")]
    fixed_by: Option<String>,
    /// `debian:12`, `centos:7`.
    #[serde(alias = "namespace", rename = "NamespaceName")]
    namespace: Option<String>,
    #[serde(alias = "severity", rename = "Severity")]
    severity: Option<String>,
    #[serde(alias = "description", rename = "Description")]
    description: Option<String>,
    #[serde(alias = "link", rename = "Link", default, deserialize_with = "lenient")]
    link: Option<String>,
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

fn add(out: &mut Collector<'_>, path: String, entry: Vulnerability) -> Result<(), FindingsError> {
    let place = out.place(path);
    let id = place.required("Name", entry.id)?;
    let package = place.required("FeatureName", entry.package)?;
    let severity = out.severity(&place, entry.severity.as_deref());
    let finding = Finding {
        class: class_of_name(&package),
        severity,
        title: title(entry.description),
        advisory: entry.link,
        naming: naming(entry.namespace.as_deref().unwrap_or_default()),
        ..Finding::system(&id, &package, &entry.version.unwrap_or_default())
    };
    out.findings.push(with_fixes(finding, split_versions(entry.fixed_by.as_deref())));
    Ok(())
}

/// Clair 2 knows dpkg's packages by their source, RPM's by their own name.
///
/// Source: `ext/featurefmt` of <https://github.com/quay/clair>, version 2.1.
fn naming(namespace: &str) -> Naming {
    match namespace.split(':').next().unwrap_or_default() {
        "debian" | "ubuntu" => Naming::Source,
        "centos" | "rhel" | "oracle" | "amzn" | "opensuse" | "sles" => Naming::Binary,
        _ => Naming::Either,
    }
}
