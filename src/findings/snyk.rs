//! Snyk's container report (`snyk container test --json`): the distribution's packages at the
//! top, applications found in the image under `applications`.
//!
//! Source: <https://docs.snyk.io/developer-tools/snyk-cli/commands/container-test> and
//! `src/lib/snyk-test/legacy.ts` of <https://github.com/snyk/cli> (`TestResult`).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::format::Format;
use super::report::{Collector, aliases, documents, image_path, non_empty, title, with_fixes};
use super::shape::Keys;
use super::{ArtifactIdentity, Class, Finding, FindingsError, ReportFormat, ScanReport};

const SCANNER: &str = "Snyk";

pub(super) const FORMAT: Format =
    Format { recognise: |shape| shape.either().is_some_and(is_result), parse };

fn is_result(keys: &Keys) -> bool {
    keys.has_all(&["vulnerabilities", "packageManager"])
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Report {
    vulnerabilities: Option<Vec<Entry>>,
    applications: Option<Vec<Report>>,
    package_manager: Option<String>,
    path: Option<String>,
    platform: Option<String>,
    target_file: Option<String>,
    docker: Option<Docker>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Docker {
    image_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Entry {
    id: Option<String>,
    title: Option<String>,
    severity: Option<String>,
    package_name: Option<String>,
    /// `source/binary` for Debian's packages.
    name: Option<String>,
    version: Option<String>,
    fixed_in: Option<Vec<String>>,
    nearest_fixed_in_version: Option<String>,
    package_manager: Option<String>,
    malicious: Option<bool>,
    identifiers: Option<BTreeMap<String, Option<Vec<String>>>>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let mut out = Collector::new(name, SCANNER);
    let mut artifact: Option<ArtifactIdentity> = None;
    for (report, prefix) in documents::<Report>(name, SCANNER, bytes)? {
        let about = artifact.get_or_insert_with(|| identity(&report));
        let platform = about.platform.clone();
        entries(&mut out, &prefix, report, platform.as_deref())?;
    }
    Ok(out.finish(ReportFormat::Snyk, artifact.unwrap_or_default()))
}

fn identity(report: &Report) -> ArtifactIdentity {
    let manager = report.package_manager.as_deref().unwrap_or_default();
    let (family, version) = match manager.split_once(':') {
        Some((family, version)) => (Some(family.to_owned()), Some(version.to_owned())),
        None => (None, None),
    };
    ArtifactIdentity {
        name: report.path.clone().unwrap_or_default(),
        kind: Some("image".to_owned()),
        config_digest: report.docker.as_ref().and_then(|docker| non_empty(docker.image_id.clone())),
        os_family: family,
        os_version: version,
        platform: non_empty(report.platform.clone()),
        ..ArtifactIdentity::default()
    }
}

/// The entries of one result and of its applications, which hold no further ones.
fn entries(
    out: &mut Collector<'_>,
    prefix: &str,
    report: Report,
    platform: Option<&str>,
) -> Result<(), FindingsError> {
    let manager = report.package_manager.clone().unwrap_or_default();
    let file = non_empty(report.target_file.clone()).map(|path| image_path(&path));
    for (at, entry) in report.vulnerabilities.unwrap_or_default().into_iter().enumerate() {
        let place = out.place(format!("{prefix}vulnerabilities[{at}]"));
        let id = place.required("id", entry.id)?;
        let package =
            place.required("packageName", non_empty(entry.name).or(entry.package_name))?;
        let severity = out.severity(&place, entry.severity.as_deref());
        let class = match entry.package_manager.as_deref().unwrap_or(&manager) {
            _ if entry.malicious == Some(true) => Class::Malicious,
            // `debian:11`; ecosystems of libraries have no release.
            manager if manager.contains(':') || manager.starts_with("linux") => Class::System,
            _ => Class::Library,
        };
        let package = match (class, package.rsplit_once('/')) {
            (Class::System, Some((_, binary))) => binary.to_owned(),
            _ => package,
        };
        let others = entry.identifiers.unwrap_or_default();
        let names = ["CVE", "GHSA", "ALTERNATIVE"];
        let others = names.iter().filter_map(|kind| others.get(*kind)?.clone()).flatten();
        let finding = Finding {
            class,
            severity,
            aliases: aliases(&id, others),
            title: title(entry.title),
            path: file.clone(),
            platform: platform.map(str::to_owned),
            ..Finding::system(&id, &package, &entry.version.unwrap_or_default())
        };
        let fixes = match non_empty(entry.nearest_fixed_in_version) {
            Some(nearest) => vec![nearest],
            None => entry.fixed_in.unwrap_or_default(),
        };
        out.findings.push(with_fixes(finding, fixes));
    }
    for (at, application) in report.applications.unwrap_or_default().into_iter().enumerate() {
        entries(out, &format!("{prefix}applications[{at}]."), application, platform)?;
    }
    Ok(())
}
