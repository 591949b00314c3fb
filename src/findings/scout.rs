//! Docker Scout's own form (`docker scout sbom --format json`, `docker index cve`): what is in
//! the image, and the vulnerabilities by package URL.
//!
//! Source: `types` of <https://github.com/docker/index-cli-plugin>.

use serde::Deserialize;

use super::advisory::{cvss, epss, lenient, number};
use super::format::{Form, Format, Outline};
use super::identity::{platform_text, system_of_text};
use super::report::{
    Collector, class_of_type, from_json, image_path, non_empty, split_versions, title, with_fixes,
};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport, purl};
use imgfix_model::finding::{Class, Finding, FixStatus, Naming};

const SCANNER: &str = "Docker Scout";

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::Scout,
    outlines: &[Outline {
        form: Form::Object,
        needs: &["artifacts", "source", "vulnerabilities"],
        any: &["vulnerabilities[].purl", "vulnerabilities[].vulnerabilities"],
    }],
    parse,
};

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Report {
    source: Option<Source>,
    vulnerabilities: Option<Vec<Package>>,
    secrets: Option<Vec<Secrets>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Source {
    image: Option<Image>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Image {
    name: Option<String>,
    digest: Option<String>,
    distro: Option<Distro>,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Distro {
    os_name: Option<String>,
    os_version: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Platform {
    os: Option<String>,
    architecture: Option<String>,
    variant: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Package {
    purl: Option<String>,
    vulnerabilities: Option<Vec<Vulnerability>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Vulnerability {
    source_id: Option<String>,
    description: Option<String>,
    /// `not fixed` when there is none.
    fixed_by: Option<String>,
    cvss: Option<Cvss>,
    /// Where the source has it.
    #[serde(default, deserialize_with = "lenient")]
    source: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    url: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    cisa_exploited: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    epss: Option<Epss>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Epss {
    #[serde(default, deserialize_with = "number")]
    score: Option<f64>,
    #[serde(default, deserialize_with = "number")]
    percentile: Option<f64>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Cvss {
    severity: Option<String>,
    #[serde(default, deserialize_with = "number")]
    score: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    vector: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Secrets {
    source: Option<SecretSource>,
    findings: Option<Vec<Secret>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct SecretSource {
    location: Option<Location>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Location {
    path: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Secret {
    rule_id: Option<String>,
    title: Option<String>,
    severity: Option<String>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let report: Report = from_json(name, SCANNER, bytes)?;
    let mut out = Collector::new(name, SCANNER);
    let artifact = report.source.and_then(|source| source.image).map(identity).unwrap_or_default();
    for (at, package) in report.vulnerabilities.unwrap_or_default().into_iter().enumerate() {
        let url = out.place(format!("vulnerabilities[{at}]")).required("purl", package.purl)?;
        for (number, entry) in package.vulnerabilities.unwrap_or_default().into_iter().enumerate() {
            let path = format!("vulnerabilities[{at}].vulnerabilities[{number}]");
            vulnerability(&mut out, path, &url, artifact.platform.as_deref(), entry)?;
        }
    }
    for (at, group) in report.secrets.unwrap_or_default().into_iter().enumerate() {
        let file = group.source.and_then(|source| source.location?.path);
        for (number, entry) in group.findings.unwrap_or_default().into_iter().enumerate() {
            let place = out.place(format!("secrets[{at}].findings[{number}]"));
            let id = place.required("rule_id", entry.rule_id)?;
            let severity = out.severity(&place, entry.severity.as_deref());
            out.findings.push(Finding {
                class: Class::Baseline,
                severity,
                title: title(entry.title),
                path: non_empty(file.clone()).map(|path| image_path(&path)),
                ..Finding::system(&id, "secret", "")
            });
        }
    }
    Ok(out.finish(ReportFormat::Scout, artifact))
}

fn identity(image: Image) -> ArtifactIdentity {
    let (os_family, os_version) = match image.distro {
        Some(distro) => {
            let (family, _) = system_of_text(distro.os_name.as_deref().unwrap_or_default());
            (family, non_empty(distro.os_version))
        }
        None => (None, None),
    };
    ArtifactIdentity {
        name: image.name.unwrap_or_default(),
        kind: Some("image".to_owned()),
        manifest_digests: non_empty(image.digest).into_iter().collect(),
        os_family,
        os_version,
        platform: image
            .platform
            .and_then(|one| platform_text(one.os, one.architecture, one.variant)),
        ..ArtifactIdentity::default()
    }
}

fn vulnerability(
    out: &mut Collector<'_>,
    path: String,
    url: &str,
    platform: Option<&str>,
    entry: Vulnerability,
) -> Result<(), FindingsError> {
    let place = out.place(path);
    let id = place.required("source_id", entry.source_id)?;
    let package = purl::parse(url)
        .ok_or_else(|| place.error("purl", format!("{url:?} is not a package URL")))?;
    let word = entry.cvss.as_ref().and_then(|cvss| cvss.severity.as_deref());
    let severity = out.severity(&place, word);
    let source = entry.source.as_deref().unwrap_or(SCANNER);
    let score = entry.cvss.and_then(|of| cvss(source, of.score, of.vector));
    let unfixed = entry.fixed_by.as_deref().is_some_and(|by| by.eq_ignore_ascii_case("not fixed"));
    let class = class_of_type(&package.kind);
    let finding = Finding {
        class,
        severity,
        architecture: package.architecture,
        status: unfixed.then_some(FixStatus::Affected),
        title: title(entry.description),
        advisory: entry.url,
        cvss: score.into_iter().collect(),
        epss: entry.epss.and_then(|of| epss(of.score, of.percentile)),
        known_exploited: entry.cisa_exploited == Some(true),
        platform: platform.map(str::to_owned),
        // Scout merges a distribution's packages into their source.
        naming: if class == Class::System { Naming::Source } else { Naming::Either },
        ..Finding::system(&id, &package.name, &package.version)
    };
    let fixed = entry.fixed_by.as_deref().filter(|_| !unfixed);
    out.findings.push(with_fixes(finding, split_versions(fixed)));
    Ok(())
}
