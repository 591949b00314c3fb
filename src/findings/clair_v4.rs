//! Clair 4's vulnerability report (`clairctl report --out json`, or `GET
//! /matcher/api/v1/vulnerability_report/...`): packages and vulnerabilities by number, and a
//! table that pairs them.
//!
//! Source: `vulnerabilityreport.go`, `package.go` and `environment.go` of
//! <https://github.com/quay/claircore>.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::advisory::lenient;
use super::format::{Form, Format, Outline};
use super::report::{
    Collector, documents, image_path, non_empty, split_versions, title, with_fixes,
};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport};
use imgfix_model::finding::{Class, Finding, Naming};

const SCANNER: &str = "Clair";

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::ClairV4,
    outlines: &[Outline {
        form: Form::Either,
        needs: &["package_vulnerabilities", "vulnerabilities"],
        any: &[],
    }],
    parse,
};

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Report {
    manifest_hash: Option<String>,
    packages: Option<BTreeMap<String, Package>>,
    environments: Option<BTreeMap<String, Option<Vec<Environment>>>>,
    vulnerabilities: Option<BTreeMap<String, Vulnerability>>,
    package_vulnerabilities: Option<BTreeMap<String, Vec<String>>>,
    distributions: Option<BTreeMap<String, Distribution>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Package {
    name: Option<String>,
    version: Option<String>,
    arch: Option<String>,
    /// `binary` or `source`.
    kind: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Environment {
    /// `var/lib/dpkg/status`, `python:usr/lib/...`.
    package_db: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Vulnerability {
    name: Option<String>,
    description: Option<String>,
    normalized_severity: Option<String>,
    fixed_in_version: Option<String>,
    /// With blanks between them.
    #[serde(default, deserialize_with = "lenient")]
    links: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Distribution {
    did: Option<String>,
    version_id: Option<String>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let mut out = Collector::new(name, SCANNER);
    let mut artifact = ArtifactIdentity::default();
    for (report, prefix) in documents::<Report>(name, SCANNER, bytes)? {
        let distribution = report.distributions.iter().flatten().next().map(|(_, one)| one);
        artifact.manifest_digests.extend(non_empty(report.manifest_hash.clone()));
        artifact.os_family = distribution.and_then(|one| non_empty(one.did.clone()));
        artifact.os_version = distribution.and_then(|one| non_empty(one.version_id.clone()));
        for (package, ids) in report.package_vulnerabilities.iter().flatten() {
            for (at, id) in ids.iter().enumerate() {
                let path = format!("{prefix}package_vulnerabilities.{package}[{at}]");
                pair(&mut out, path, &report, package, id)?;
            }
        }
    }
    Ok(out.finish(ReportFormat::ClairV4, artifact))
}

/// One vulnerability of one package.
fn pair(
    out: &mut Collector<'_>,
    path: String,
    report: &Report,
    package_id: &str,
    vulnerability_id: &str,
) -> Result<(), FindingsError> {
    let place = out.place(path);
    let package = report.packages.as_ref().and_then(|all| all.get(package_id));
    let package = package.ok_or_else(|| place.error("package", "not among packages"))?;
    let vulnerability = report.vulnerabilities.as_ref().and_then(|all| all.get(vulnerability_id));
    let vulnerability =
        vulnerability.ok_or_else(|| place.error("vulnerability", "not among vulnerabilities"))?;
    let title_text = place.required("vulnerability.name", vulnerability.name.clone())?;
    // Ubuntu's are called `CVE-2020-1234 on Ubuntu 20.04 LTS (focal) - low.`
    let id = title_text.split_whitespace().next().unwrap_or_default().to_owned();
    let name = place.required("package.name", package.name.clone())?;
    let severity = out.severity(&place, vulnerability.normalized_severity.as_deref());
    let database = report
        .environments
        .as_ref()
        .and_then(|all| all.get(package_id))
        .and_then(|places| places.as_ref()?.first()?.package_db.clone());
    let class = class(database.as_deref().unwrap_or_default());
    let links = vulnerability.links.as_deref().unwrap_or_default();
    let finding = Finding {
        class,
        severity,
        architecture: non_empty(package.arch.clone()),
        naming: match package.kind.as_deref() {
            Some("binary") => Naming::Binary,
            Some("source") => Naming::Source,
            _ => Naming::Either,
        },
        title: title(non_empty(vulnerability.description.clone()).or(Some(title_text))),
        references: links.split_whitespace().map(str::to_owned).collect(),
        path: database.filter(|_| class == Class::Library).map(|database| {
            image_path(database.split_once(':').map_or(database.as_str(), |(_, path)| path))
        }),
        ..Finding::system(&id, &name, package.version.as_deref().unwrap_or_default())
    };
    let fixes = vulnerability.fixed_in_version.as_deref();
    out.findings.push(with_fixes(finding, split_versions(fixes)));
    Ok(())
}

/// Language packages name their database with the language before a colon; `sqlite:`, `ndb:`
/// and `bdb:` are RPM's.
fn class(database: &str) -> Class {
    match database.split_once(':') {
        Some(("sqlite" | "ndb" | "bdb" | "rpm", _)) | None => Class::System,
        Some(_) => Class::Library,
    }
}
