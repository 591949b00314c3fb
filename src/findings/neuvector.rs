//! NeuVector's scan report (`GET /v1/scan/image/...`, `scanner` results): vulnerabilities, and
//! the benchmark checks, secrets and setuid files that the scan met.
//!
//! Source: `RESTScanReport` in `controller/api/apis.go` of
//! <https://github.com/neuvector/neuvector>.

use serde::Deserialize;

use super::advisory::{lenient, newest, number};
use super::format::{Form, Format, Outline};
use super::report::{
    Collector, aliases, class_of_name, from_json, image_path, non_empty, split_versions, title,
    with_fixes,
};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport};
use imgfix_model::finding::{Class, Finding};

const SCANNER: &str = "NeuVector";

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::NeuVector,
    outlines: &[Outline {
        form: Form::Object,
        needs: &["report"],
        any: &[
            "report.vulnerabilities",
            "report.modules",
            "report.checks",
            "report.secrets",
            "report.setid_perms",
        ],
    }],
    parse,
};

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Envelope {
    report: Report,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Report {
    image_id: Option<String>,
    registry: Option<String>,
    repository: Option<String>,
    tag: Option<String>,
    digest: Option<String>,
    vulnerabilities: Option<Vec<Vulnerability>>,
    checks: Option<Vec<Check>>,
    secrets: Option<Vec<File>>,
    setid_perms: Option<Vec<File>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Vulnerability {
    name: Option<String>,
    severity: Option<String>,
    description: Option<String>,
    package_name: Option<String>,
    package_version: Option<String>,
    fixed_version: Option<String>,
    file_name: Option<String>,
    cves: Option<Vec<String>>,
    /// Version 2 of CVSS.
    #[serde(default, deserialize_with = "number")]
    score: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    vectors: Option<String>,
    #[serde(default, deserialize_with = "number")]
    score_v3: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    vectors_v3: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    link: Option<String>,
    /// `accepted` when somebody has accepted it.
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Check {
    test_number: Option<String>,
    level: Option<String>,
    description: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct File {
    #[serde(rename = "type")]
    kind: Option<String>,
    path: Option<String>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let report = from_json::<Envelope>(name, SCANNER, bytes)?.report;
    let mut out = Collector::new(name, SCANNER);
    for (at, entry) in report.vulnerabilities.unwrap_or_default().into_iter().enumerate() {
        vulnerability(&mut out, format!("report.vulnerabilities[{at}]"), entry)?;
    }
    for (at, entry) in report.checks.unwrap_or_default().into_iter().enumerate() {
        check(&mut out, format!("report.checks[{at}]"), entry)?;
    }
    for (list, package, entries) in
        [("secrets", "secret", report.secrets), ("setid_perms", "setid", report.setid_perms)]
    {
        for (at, entry) in entries.unwrap_or_default().into_iter().enumerate() {
            // Seen without type and path in reports of images that have none.
            let place = out.place(format!("report.{list}[{at}]"));
            let path = non_empty(entry.path).map(|path| image_path(&path));
            let id = non_empty(entry.kind).unwrap_or_else(|| package.to_owned());
            let id = place.required("type", Some(id))?;
            out.findings.push(Finding {
                class: Class::Baseline,
                path,
                ..Finding::system(&id, package, "")
            });
        }
    }
    let part = |text: Option<String>| text.unwrap_or_default();
    let artifact = ArtifactIdentity {
        name: image_name(&part(report.registry), &part(report.repository), &part(report.tag)),
        config_digest: non_empty(report.image_id),
        manifest_digests: non_empty(report.digest).into_iter().collect(),
        ..ArtifactIdentity::default()
    };
    Ok(out.finish(ReportFormat::NeuVector, artifact))
}

/// The image's reference: NeuVector writes registries as URLs, with or without a slash at the
/// end.
fn image_name(registry: &str, repository: &str, tag: &str) -> String {
    let host = registry.trim().trim_end_matches('/');
    let host = host.split_once("://").map_or(host, |(_, host)| host);
    let repository = repository.trim().trim_matches('/');
    let parts = [host, repository].into_iter().filter(|part| !part.is_empty());
    let path = parts.collect::<Vec<_>>().join("/");
    match tag.trim() {
        tag if tag.is_empty() || path.is_empty() => path,
        digest if digest.contains(':') => format!("{path}@{digest}"),
        tag => format!("{path}:{tag}"),
    }
}

fn vulnerability(
    out: &mut Collector<'_>,
    path: String,
    entry: Vulnerability,
) -> Result<(), FindingsError> {
    let place = out.place(path);
    let id = place.required("name", entry.name)?;
    let package = place.required("package_name", entry.package_name)?;
    let severity = out.severity(&place, entry.severity.as_deref());
    let file = non_empty(entry.file_name).map(|path| image_path(&path));
    let finding = Finding {
        class: if file.is_some() { Class::Library } else { class_of_name(&package) },
        severity,
        aliases: aliases(&id, entry.cves.unwrap_or_default()),
        title: title(entry.description),
        path: file,
        advisory: entry.link,
        cvss: newest(SCANNER, [(entry.score_v3, entry.vectors_v3), (entry.score, entry.vectors)])
            .into_iter()
            .collect(),
        ..Finding::system(&id, &package, &entry.package_version.unwrap_or_default())
    };
    let finding = with_fixes(finding, split_versions(entry.fixed_version.as_deref()));
    let accepted = entry.tags.iter().flatten().any(|tag| tag == "accepted");
    out.add(finding, accepted.then_some("accepted"), "tag", None);
    Ok(())
}

fn check(out: &mut Collector<'_>, path: String, entry: Check) -> Result<(), FindingsError> {
    let place = out.place(path);
    let id = place.required("test_number", entry.test_number)?;
    let severity = match entry.level.as_deref().unwrap_or_default() {
        // Headings, remarks, and what is in order.
        "PASS" | "INFO" | "NOTE" | "MANUAL" => {
            out.passed += 1;
            return Ok(());
        }
        "WARN" => imgfix_model::finding::Severity::Medium,
        "ERROR" => imgfix_model::finding::Severity::Unknown,
        word => out.severity(&place, Some(word)),
    };
    out.findings.push(Finding {
        class: Class::Baseline,
        severity,
        title: title(entry.description),
        ..Finding::system(&id, "benchmark", "")
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_has_one_name_however_the_registry_is_written() {
        for registry in
            ["https://registry.example", "https://registry.example/", "registry.example"]
        {
            let name = image_name(registry, "library/app", "1.0");
            assert_eq!(name, "registry.example/library/app:1.0", "{registry}");
        }
        for (parts, want) in [
            (("https://registry.example:5000/", "app", ""), "registry.example:5000/app"),
            (("", "library/app", "1.0"), "library/app:1.0"),
            (("https://r.example/", "/app/", "sha256:11"), "r.example/app@sha256:11"),
            (("", "", "1.0"), ""),
        ] {
            assert_eq!(image_name(parts.0, parts.1, parts.2), want, "{parts:?}");
        }
    }
}
