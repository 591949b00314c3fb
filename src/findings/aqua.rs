//! Aqua's image scan (`scannercli scan --jsonfile`): resources, each a package or a file, with
//! their vulnerabilities; malware and sensitive data beside them.
//!
//! Source: the report's own keys (no public schema);
//! <https://github.com/jenkinsci/aqua-security-scanner-plugin> reads the same.

use serde::Deserialize;

use super::format::Format;
use super::report::{
    Collector, class_of_type, from_json, image_path, non_empty, split_versions, title, with_fixes,
};
use super::{ArtifactIdentity, Class, Finding, FindingsError, ReportFormat, ScanReport, Severity};

const SCANNER: &str = "Aqua scanner";

pub(super) const FORMAT: Format = Format {
    recognise: |shape| {
        shape.object().is_some_and(|keys| {
            keys.has_all(&["image", "resources"])
                || keys.has_all(&["image", "vulnerability_summary"])
                || keys.has_all(&["image", "scan_started"])
        })
    },
    parse,
};

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Report {
    image: Option<String>,
    digest: Option<String>,
    os: Option<String>,
    version: Option<String>,
    resources: Option<Vec<Entry>>,
    malware: Option<Vec<Malware>>,
    sensitive_data: Option<Vec<Sensitive>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Entry {
    resource: Resource,
    vulnerabilities: Option<Vec<Vulnerability>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Resource {
    /// `apk`, `deb`, `rpm`, or a language's.
    format: Option<String>,
    name: Option<String>,
    version: Option<String>,
    arch: Option<String>,
    path: Option<String>,
    cpe: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Vulnerability {
    name: Option<String>,
    description: Option<String>,
    fix_version: Option<String>,
    aqua_severity: Option<String>,
    vendor_severity: Option<String>,
    nvd_severity: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Malware {
    malware: Option<String>,
    path: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Sensitive {
    #[serde(rename = "type")]
    kind: Option<String>,
    path: Option<String>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let report: Report = from_json(name, SCANNER, bytes)?;
    let mut out = Collector::new(name, SCANNER);
    for (at, entry) in report.resources.unwrap_or_default().into_iter().enumerate() {
        for (number, vulnerability) in
            entry.vulnerabilities.unwrap_or_default().into_iter().enumerate()
        {
            let path = format!("resources[{at}].vulnerabilities[{number}]");
            add(&mut out, path, &entry.resource, vulnerability)?;
        }
    }
    for (at, entry) in report.malware.unwrap_or_default().into_iter().enumerate() {
        let place = out.place(format!("malware[{at}]"));
        let path = image_path(&place.required("path", entry.path)?);
        let id = non_empty(entry.malware).unwrap_or_else(|| "malware".to_owned());
        out.findings.push(Finding {
            class: Class::Malicious,
            severity: Severity::Critical,
            path: Some(path.clone()),
            ..Finding::system(&id, &path, "")
        });
    }
    for (at, entry) in report.sensitive_data.unwrap_or_default().into_iter().enumerate() {
        let place = out.place(format!("sensitive_data[{at}]"));
        let path = image_path(&place.required("path", entry.path)?);
        let id = non_empty(entry.kind).unwrap_or_else(|| "sensitive-data".to_owned());
        out.findings.push(Finding {
            class: Class::Baseline,
            path: Some(path),
            ..Finding::system(&id, "secret", "")
        });
    }
    let artifact = ArtifactIdentity {
        name: report.image.unwrap_or_default(),
        kind: Some("image".to_owned()),
        // The image's ID, without its algorithm.
        config_digest: non_empty(report.digest)
            .map(|digest| if digest.contains(':') { digest } else { format!("sha256:{digest}") }),
        os_family: non_empty(report.os),
        os_version: non_empty(report.version),
        ..ArtifactIdentity::default()
    };
    Ok(out.finish(ReportFormat::Aqua, artifact))
}

fn add(
    out: &mut Collector<'_>,
    path: String,
    resource: &Resource,
    entry: Vulnerability,
) -> Result<(), FindingsError> {
    let place = out.place(path);
    let id = place.required("name", entry.name)?;
    // A file that Aqua knows by its hash has no name.
    let file = non_empty(resource.path.clone()).map(|path| image_path(&path));
    let name = non_empty(resource.name.clone()).or_else(|| file.clone());
    let package = place.required("resource.name", name.or_else(|| resource.cpe.clone()))?;
    let word = [entry.aqua_severity, entry.vendor_severity, entry.nvd_severity];
    let severity = out.severity(&place, word.into_iter().find_map(non_empty).as_deref());
    let finding = Finding {
        class: class_of_type(resource.format.as_deref().unwrap_or_default()),
        severity,
        architecture: non_empty(resource.arch.clone()),
        title: title(entry.description),
        path: file,
        ..Finding::system(&id, &package, resource.version.as_deref().unwrap_or_default())
    };
    out.findings.push(with_fixes(finding, split_versions(entry.fix_version.as_deref())));
    Ok(())
}
