//! Wiz's command line (`wizcli docker scan --format json`): packages of the system, libraries and
//! applications with their vulnerabilities, and secrets.
//!
//! Source: real reports (there is no public description).

use serde::Deserialize;

use super::format::{Form, Format, Outline};
use super::report::{
    Collector, from_json, image_path, non_empty, split_versions, title, with_fixes,
};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport};
use imgfix_model::finding::{Class, Finding, Naming};

const SCANNER: &str = "wizcli";

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::Wiz,
    outlines: &[Outline {
        form: Form::Object,
        needs: &["result"],
        any: &[
            "result.osPackages",
            "result.libraries",
            "result.secrets",
            "scanOriginResource",
            "policies",
        ],
    }],
    parse,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Report {
    scan_origin_resource: Option<Origin>,
    result: Outcome,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Origin {
    name: Option<String>,
    digest: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Outcome {
    os_packages: Option<Vec<Package>>,
    libraries: Option<Vec<Package>>,
    applications: Option<Vec<Package>>,
    secrets: Option<Vec<Secret>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Package {
    name: Option<String>,
    version: Option<String>,
    path: Option<String>,
    vulnerabilities: Option<Vec<Vulnerability>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Vulnerability {
    name: Option<String>,
    severity: Option<String>,
    fixed_version: Option<String>,
    description: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Secret {
    #[serde(rename = "type")]
    kind: Option<String>,
    description: Option<String>,
    path: Option<String>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let report: Report = from_json(name, SCANNER, bytes)?;
    let mut out = Collector::new(name, SCANNER);
    for (list, class, packages) in [
        ("osPackages", Class::System, report.result.os_packages),
        ("libraries", Class::Library, report.result.libraries),
        ("applications", Class::Library, report.result.applications),
    ] {
        for (at, one) in packages.unwrap_or_default().into_iter().enumerate() {
            package(&mut out, &format!("result.{list}[{at}]"), class, one)?;
        }
    }
    for (at, entry) in report.result.secrets.unwrap_or_default().into_iter().enumerate() {
        let place = out.place(format!("result.secrets[{at}]"));
        let id = place.required("type", entry.kind)?;
        out.findings.push(Finding {
            class: Class::Baseline,
            title: title(entry.description),
            path: non_empty(entry.path).map(|path| image_path(&path)),
            ..Finding::system(&id, "secret", "")
        });
    }
    let (about, digest) = match report.scan_origin_resource {
        Some(origin) => (origin.name, origin.digest),
        None => (None, None),
    };
    let artifact = ArtifactIdentity {
        name: about.unwrap_or_default(),
        kind: Some("image".to_owned()),
        manifest_digests: non_empty(digest).into_iter().collect(),
        ..ArtifactIdentity::default()
    };
    Ok(out.finish(ReportFormat::Wiz, artifact))
}

fn package(
    out: &mut Collector<'_>,
    path: &str,
    class: Class,
    package: Package,
) -> Result<(), FindingsError> {
    for (at, entry) in package.vulnerabilities.unwrap_or_default().into_iter().enumerate() {
        let place = out.place(format!("{path}.vulnerabilities[{at}]"));
        let id = place.required("name", entry.name)?;
        let name = out.place(path.to_owned()).required("name", package.name.clone())?;
        let severity = out.severity(&place, entry.severity.as_deref());
        let finding = Finding {
            class,
            severity,
            title: title(entry.description),
            path: non_empty(package.path.clone())
                .filter(|_| class == Class::Library)
                .map(|path| image_path(&path)),
            naming: Naming::Binary,
            ..Finding::system(&id, &name, package.version.as_deref().unwrap_or_default())
        };
        out.findings.push(with_fixes(finding, split_versions(entry.fixed_version.as_deref())));
    }
    Ok(())
}
