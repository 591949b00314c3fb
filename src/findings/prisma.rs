//! Prisma Cloud (`twistcli images scan --output-file`): images, each with its vulnerabilities,
//! the checks that it fails (`compliances`), and its packages.
//!
//! Source: the output that
//! <https://docs.prismacloud.io/en/compute-edition/30/admin-guide/tools/twistcli-scan-images>
//! shows, and real reports.

use serde::Deserialize;

use super::advisory::{cvss, lenient, number};
use super::format::{Form, Format, Outline};
use super::identity::system_of_text;
use super::report::{
    Collector, class_of_name, class_of_type, from_json, image_path, non_empty, split_versions,
    text_or_number, title, with_fixes,
};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport};
use imgfix_model::finding::{Class, Finding};

const SCANNER: &str = "twistcli";

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::Prisma,
    outlines: &[Outline {
        form: Form::Object,
        needs: &["results", "results[].distro"],
        any: &[
            "results[].vulnerabilityDistribution",
            "results[].complianceDistribution",
            "results[].vulnerabilities[].packageName",
        ],
    }],
    parse,
};

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Report {
    results: Vec<Image>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Image {
    /// Of the image's config.
    id: Option<String>,
    name: Option<String>,
    digest: Option<String>,
    /// `Debian GNU/Linux 12 (bookworm)`.
    distro: Option<String>,
    vulnerabilities: Option<Vec<Vulnerability>>,
    compliances: Option<Vec<Compliance>>,
    packages: Option<Vec<Package>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Vulnerability {
    id: Option<String>,
    /// `fixed in 1.2, 1.3`, `open`, `will not fix`, `deferred`, ...
    status: Option<String>,
    severity: Option<String>,
    description: Option<String>,
    package_name: Option<String>,
    package_version: Option<String>,
    package_path: Option<String>,
    package_type: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    link: Option<String>,
    #[serde(default, deserialize_with = "number")]
    cvss: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    vector: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Compliance {
    #[serde(default, deserialize_with = "text_or_number")]
    id: Option<String>,
    title: Option<String>,
    severity: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Package {
    #[serde(rename = "type")]
    kind: Option<String>,
    name: Option<String>,
    version: Option<String>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let report: Report = from_json(name, SCANNER, bytes)?;
    let mut out = Collector::new(name, SCANNER);
    let several = report.results.len() > 1;
    let mut artifact = ArtifactIdentity::default();
    for (at, image) in report.results.into_iter().enumerate() {
        if at == 0 && !several {
            artifact = identity(&image);
        }
        read(&mut out, &format!("results[{at}]"), image)?;
    }
    if several {
        out.warnings.push(format!("{name}: several images; findings are judged by package"));
    }
    Ok(out.finish(ReportFormat::Prisma, artifact))
}

fn identity(image: &Image) -> ArtifactIdentity {
    let (os_family, os_version) = system_of_text(image.distro.as_deref().unwrap_or_default());
    ArtifactIdentity {
        name: image.name.clone().unwrap_or_default(),
        kind: Some("image".to_owned()),
        config_digest: non_empty(image.id.clone()),
        manifest_digests: non_empty(image.digest.clone()).into_iter().collect(),
        os_family,
        os_version,
        ..ArtifactIdentity::default()
    }
}

fn read(out: &mut Collector<'_>, path: &str, image: Image) -> Result<(), FindingsError> {
    let packages = image.packages.unwrap_or_default();
    for (at, entry) in image.vulnerabilities.unwrap_or_default().into_iter().enumerate() {
        vulnerability(out, format!("{path}.vulnerabilities[{at}]"), &packages, entry)?;
    }
    for (at, entry) in image.compliances.unwrap_or_default().into_iter().enumerate() {
        let place = out.place(format!("{path}.compliances[{at}]"));
        let id = place.required("id", entry.id.or_else(|| entry.title.clone()))?;
        let severity = out.severity(&place, entry.severity.as_deref());
        out.findings.push(Finding {
            class: Class::Baseline,
            severity,
            title: title(entry.title),
            ..Finding::system(&id, "compliance", "")
        });
    }
    Ok(())
}

fn vulnerability(
    out: &mut Collector<'_>,
    path: String,
    packages: &[Package],
    entry: Vulnerability,
) -> Result<(), FindingsError> {
    let place = out.place(path);
    let id = place.required("id", entry.id)?;
    let package = place.required("packageName", entry.package_name)?;
    let version = entry.package_version.unwrap_or_default();
    let severity = out.severity(&place, entry.severity.as_deref());
    let listed = packages.iter().find(|one| {
        one.name.as_deref() == Some(&package) && one.version.as_deref() == Some(&version)
    });
    let kind = non_empty(entry.package_type).or_else(|| listed?.kind.clone());
    let file = non_empty(entry.package_path).map(|path| image_path(&path));
    let class = match kind {
        Some(kind) => class_of_type(&kind),
        // Packages of the system have no file.
        None if file.is_some() => Class::Library,
        None => class_of_name(&package),
    };
    let status = entry.status.unwrap_or_default();
    let fixed = status.trim().strip_prefix("fixed in ");
    let finding = Finding {
        class,
        severity,
        title: title(entry.description),
        advisory: entry.link,
        cvss: cvss(SCANNER, entry.cvss, entry.vector).into_iter().collect(),
        path: file.filter(|_| class == Class::Library),
        ..Finding::system(&id, &package, &version)
    };
    out.add(with_fixes(finding, split_versions(fixed)), Some(&status), "status", None);
    Ok(())
}
