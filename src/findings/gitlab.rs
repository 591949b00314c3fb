//! GitLab's container scanning report (`gl-container-scanning-report.json`).
//!
//! Source: `src/container-scanning-report-format.json` of
//! <https://gitlab.com/gitlab-org/security-products/security-report-schemas>.

use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;

use super::advisory::{Link, cvss, lenient, urls};
use super::format::{Form, Format, Outline};
use super::report::{Collector, aliases, class_of_name, from_json, non_empty, title};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport};
use imgfix_model::finding::{Finding, Naming};

const SCANNER: &str = "GitLab container scanning";

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::GitLab,
    outlines: &[Outline {
        form: Form::Object,
        needs: &["version", "vulnerabilities"],
        any: &["scan", "schema", "remediations", "dependency_files"],
    }],
    parse,
};

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Report {
    scan: Option<Scan>,
    vulnerabilities: Vec<Vulnerability>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Scan {
    scanner: Option<Scanner>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Scanner {
    id: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Vulnerability {
    id: Option<String>,
    name: Option<String>,
    message: Option<String>,
    description: Option<String>,
    severity: Option<String>,
    solution: Option<String>,
    location: Option<Location>,
    identifiers: Option<Vec<Identifier>>,
    #[serde(default, deserialize_with = "lenient")]
    links: Option<Vec<Link>>,
    #[serde(default, deserialize_with = "lenient")]
    cvss_vectors: Option<Vec<CvssVector>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct CvssVector {
    #[serde(default, deserialize_with = "lenient")]
    vendor: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    vector: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Location {
    dependency: Option<Dependency>,
    image: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Dependency {
    package: Option<Package>,
    version: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Package {
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Identifier {
    #[serde(rename = "type")]
    kind: Option<String>,
    value: Option<String>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let report: Report = from_json(name, SCANNER, bytes)?;
    let mut out = Collector::new(name, SCANNER);
    let mut artifact = ArtifactIdentity::default();
    let scanner = report.scan.and_then(|scan| scan.scanner?.id).unwrap_or_default();
    let naming = match scanner.to_ascii_lowercase().as_str() {
        "trivy" | "grype" => Naming::Binary,
        "docker-scout" | "docker scout" => Naming::Source,
        _ => Naming::Either,
    };
    for (at, entry) in report.vulnerabilities.into_iter().enumerate() {
        let place = out.place(format!("vulnerabilities[{at}]"));
        let names: Vec<(String, String)> = entry
            .identifiers
            .unwrap_or_default()
            .into_iter()
            .filter_map(|one| Some((one.kind.unwrap_or_default(), non_empty(one.value)?)))
            .filter(|(kind, _)| kind != "cwe")
            .collect();
        // GitLab's own id is a hash; the problem's name is among the identifiers.
        let cve = names.iter().find(|(kind, _)| kind == "cve").or(names.first());
        let id = place.required("id", cve.map(|(_, name)| name.clone()).or(entry.id))?;
        let severity = out.severity(&place, entry.severity.as_deref());
        let (dependency, image) = match entry.location {
            Some(location) => (location.dependency, location.image),
            None => (None, None),
        };
        if artifact.name.is_empty() {
            artifact.name = image.unwrap_or_default();
        }
        let (package, version) = match dependency {
            Some(one) => (one.package.and_then(|package| package.name), one.version),
            None => (None, None),
        };
        let package = place.required("location.dependency.package.name", package)?;
        let text = non_empty(entry.message).or(entry.name).or(entry.description);
        let vectors = entry.cvss_vectors.into_iter().flatten();
        out.findings.push(Finding {
            class: class_of_name(&package),
            severity,
            fixed: entry.solution.as_deref().and_then(fixed_version),
            aliases: aliases(&id, names.into_iter().map(|(_, name)| name)),
            title: title(text),
            references: urls(entry.links),
            cvss: vectors
                .filter_map(|one| cvss(one.vendor.as_deref().unwrap_or(SCANNER), None, one.vector))
                .collect(),
            naming,
            ..Finding::system(&id, &package, &version.unwrap_or_default())
        });
    }
    Ok(out.finish(ReportFormat::GitLab, artifact))
}

/// The version in `Upgrade apt to 1.8.2.3` and `Upgrade apt from 1 to 2`; the schema has no
/// field for it.
fn fixed_version(solution: &str) -> Option<String> {
    static UPGRADE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"(?i)^\s*(?:upgrade|update)\s.*\bto\s+(?:version\s+)?([0-9][^\s,;]*)").ok()
    });
    let found = UPGRADE.as_ref()?.captures(solution)?.get(1)?.as_str();
    Some(found.trim_end_matches('.').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_solution_names_the_version() {
        for (solution, want) in [
            ("Upgrade apt to 1.8.2.3", Some("1.8.2.3")),
            ("Upgrade libc6 from 2.28-10 to 2.28-10+deb10u1.", Some("2.28-10+deb10u1")),
            ("Update bash to version 1:5.0", Some("1:5.0")),
            ("No solution provided", None),
            ("Upgrade to a supported release", None),
        ] {
            assert_eq!(fixed_version(solution).as_deref(), want, "{solution}");
        }
    }
}
