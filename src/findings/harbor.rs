//! Harbor's vulnerability report (`GET .../artifacts/.../additions/vulnerabilities`): an object
//! keyed by media type, or the report alone as a scanner adapter gives it.
//!
//! Source: `api/spec/scanner-adapter-openapi-v1.2.yaml` of
//! <https://github.com/goharbor/pluggable-scanner-spec>, `HarborVulnerabilityReport`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::advisory::{lenient, newest, number};
use super::format::{Form, Format, Outline};
use super::report::{
    Collector, class_of_name, from_json, non_empty, split_versions, title, with_fixes,
};
use super::shape::Shape;
use super::trivy::{self, VendorCvss};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport};
use imgfix_model::finding::{Finding, Naming};

const SCANNER: &str = "Harbor scan";

const MEDIA_TYPES: [&str; 2] = [
    "application/vnd.security.vulnerability.report",
    "application/vnd.scanner.adapter.vuln.report.harbor",
];

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::Harbor,
    outlines: &[
        Outline {
            form: Form::Object,
            needs: &["application/vnd.security.vulnerability.report*"],
            any: &[],
        },
        Outline {
            form: Form::Object,
            needs: &["application/vnd.scanner.adapter.vuln.report.harbor*"],
            any: &[],
        },
        Outline {
            form: Form::Object,
            needs: &["generated_at", "scanner", "vulnerabilities"],
            any: &[],
        },
    ],
    parse,
};

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Report {
    artifact: Option<Artifact>,
    scanner: Option<Scanner>,
    vulnerabilities: Option<Vec<VulnerabilityItem>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Scanner {
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Artifact {
    repository: Option<String>,
    digest: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct VulnerabilityItem {
    id: Option<String>,
    package: Option<String>,
    version: Option<String>,
    fix_version: Option<String>,
    severity: Option<String>,
    /// In the words of the distribution's data, from some scanners.
    status: Option<String>,
    description: Option<String>,
    artifact_digests: Option<Vec<String>>,
    #[serde(default, deserialize_with = "lenient")]
    links: Option<Vec<String>>,
    /// Of the source that the scanner prefers, which is not named.
    #[serde(default, deserialize_with = "lenient")]
    preferred_cvss: Option<PreferredCvss>,
    #[serde(default, deserialize_with = "lenient")]
    vendor_attributes: Option<VendorAttributes>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct PreferredCvss {
    #[serde(default, deserialize_with = "number")]
    score_v3: Option<f64>,
    #[serde(default, deserialize_with = "number")]
    score_v2: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    vector_v3: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    vector_v2: Option<String>,
}

/// What Trivy's adapter passes on.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct VendorAttributes {
    #[serde(rename = "CVSS", default, deserialize_with = "lenient")]
    cvss: Option<BTreeMap<String, VendorCvss>>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let shape: Shape = from_json(name, SCANNER, bytes)?;
    let wrapped = MEDIA_TYPES.iter().any(|kind| shape.has(&format!("{kind}*")));
    let reports: BTreeMap<String, Report> = if wrapped {
        from_json(name, SCANNER, bytes)?
    } else {
        BTreeMap::from([(String::new(), from_json(name, SCANNER, bytes)?)])
    };
    let mut out = Collector::new(name, SCANNER);
    let mut artifact = ArtifactIdentity::default();
    // The same content in two versions of the format: the newer has all.
    let Some((media_type, report)) = reports.into_iter().next_back() else {
        return Ok(out.finish(ReportFormat::Harbor, artifact));
    };
    let prefix = if media_type.is_empty() { media_type } else { format!("[{media_type:?}].") };
    // Other adapters are of scanners that know sources or binaries.
    let scanner = report.scanner.and_then(|scanner| scanner.name).unwrap_or_default();
    let naming = if scanner == "Trivy" { Naming::Binary } else { Naming::Either };
    if let Some(about) = report.artifact {
        artifact.name = about.repository.unwrap_or_default();
        artifact.manifest_digests.extend(non_empty(about.digest));
    }
    for (at, entry) in report.vulnerabilities.unwrap_or_default().into_iter().enumerate() {
        let place = out.place(format!("{prefix}vulnerabilities[{at}]"));
        let id = place.required("id", entry.id)?;
        let package = place.required("package", entry.package)?;
        let severity = out.severity(&place, entry.severity.as_deref());
        for digest in entry.artifact_digests.unwrap_or_default() {
            if !artifact.manifest_digests.contains(&digest) {
                artifact.manifest_digests.push(digest);
            }
        }
        let mut links = entry.links.unwrap_or_default().into_iter();
        let by_source = trivy::cvss(entry.vendor_attributes.and_then(|vendor| vendor.cvss));
        let preferred = entry.preferred_cvss.and_then(|one| {
            let versions = [(one.score_v3, one.vector_v3), (one.score_v2, one.vector_v2)];
            newest(if scanner.is_empty() { SCANNER } else { &scanner }, versions)
        });
        // Where sources are named, the preferred one is among them.
        let cvss = match by_source.is_empty() {
            true => preferred.into_iter().collect(),
            false => by_source,
        };
        let finding = Finding {
            class: class_of_name(&package),
            severity,
            title: title(entry.description),
            naming,
            advisory: links.next(),
            references: links.collect(),
            cvss,
            ..Finding::system(&id, &package, &entry.version.unwrap_or_default())
        };
        let finding = with_fixes(finding, split_versions(entry.fix_version.as_deref()));
        out.add(finding, entry.status.as_deref(), "status", None);
    }
    Ok(out.finish(ReportFormat::Harbor, artifact))
}
