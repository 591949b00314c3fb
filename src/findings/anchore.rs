//! Anchore Enterprise and Anchore Engine (`anchorectl image vulnerabilities -o json`,
//! `anchore-cli image vuln`, `GET /images/.../vuln/all`): a list, or an object that holds it.
//!
//! Source: `VulnerabilityResponse` in the API description of
//! <https://github.com/anchore/anchore-engine> (`anchore_engine/services/apiext/swagger`).

use serde::Deserialize;

use super::format::Format;
use super::report::{
    Collector, class_of_type, from_json, image_path, non_empty, split_versions, with_fixes,
};
use super::shape::Keys;
use super::{ArtifactIdentity, Class, Finding, FindingsError, ReportFormat, ScanReport};

const SCANNER: &str = "Anchore";

pub(super) const FORMAT: Format = Format {
    recognise: |shape| match (shape.object(), shape.list()) {
        (Some(keys), _) => {
            keys.has("vulnerabilities")
                && keys.has_any(&["vulnerability_type", "vulnerabilityType"])
        }
        (_, Some(keys)) => is_entry(keys),
        _ => false,
    },
    parse,
};

fn is_entry(keys: &Keys) -> bool {
    keys.has("vuln") && keys.has_any(&["packageName", "package_name", "package"])
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Report {
    #[serde(alias = "imageDigest")]
    image_digest: Option<String>,
    vulnerabilities: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Entry {
    vuln: Option<String>,
    #[serde(alias = "packageName")]
    package_name: Option<String>,
    /// Name and version in one.
    package: Option<String>,
    #[serde(alias = "packageVersion")]
    package_version: Option<String>,
    #[serde(alias = "packageType")]
    package_type: Option<String>,
    #[serde(alias = "packagePath")]
    package_path: Option<String>,
    fix: Option<String>,
    severity: Option<String>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let mut out = Collector::new(name, SCANNER);
    let mut artifact = ArtifactIdentity::default();
    let (list, entries) = if bytes.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'[') {
        ("", from_json(name, SCANNER, bytes)?)
    } else {
        let report: Report = from_json(name, SCANNER, bytes)?;
        artifact.manifest_digests.extend(non_empty(report.image_digest));
        ("vulnerabilities", report.vulnerabilities)
    };
    let entries: Vec<Entry> = entries;
    for (at, entry) in entries.into_iter().enumerate() {
        let place = out.place(format!("{list}[{at}]"));
        let id = place.required("vuln", entry.vuln)?;
        let package = place.required("packageName", entry.package_name.or(entry.package))?;
        let severity = out.severity(&place, entry.severity.as_deref());
        let class = class_of_type(entry.package_type.as_deref().unwrap_or_default());
        let finding = Finding {
            class,
            severity,
            path: text(entry.package_path)
                .filter(|_| class == Class::Library)
                .map(|path| image_path(&path)),
            ..Finding::system(&id, &package, &text(entry.package_version).unwrap_or_default())
        };
        out.findings.push(with_fixes(finding, split_versions(entry.fix.as_deref())));
    }
    Ok(out.finish(ReportFormat::Anchore, artifact))
}

/// Anchore writes `None` where there is nothing.
fn text(text: Option<String>) -> Option<String> {
    non_empty(text).filter(|text| text != "None")
}
