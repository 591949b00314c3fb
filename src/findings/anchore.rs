//! Anchore Enterprise and Anchore Engine (`anchorectl image vulnerabilities -o json`,
//! `anchore-cli image vuln`, `GET /images/.../vuln/all`): a list, or an object that holds it;
//! what it knows of malware and secrets (`content/malware`, `artifacts/secret_search`);
//! and the policy report of Anchore Enterprise 5 (`securityEvaluation`).
//!
//! Source: `VulnerabilityResponse` in the API description of
//! <https://github.com/anchore/anchore-engine> (`anchore_engine/services/apiext/swagger`).

use serde::Deserialize;

use super::advisory::lenient;
use super::format::{Form, Format, Outline};
use super::report::{
    Collector, EntryPath, class_of_type, from_json, image_path, non_empty, split_versions,
    with_fixes,
};
use super::shape::{Look, Shape};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport, risk};
use imgfix_model::finding::{Class, Finding, FixStatus, Naming, Severity};
use imgfix_model::location::{FileLocation, Span};

const SCANNER: &str = "Anchore";

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::Anchore,
    outlines: &[
        Outline {
            form: Form::Object,
            needs: &["vulnerabilities"],
            any: &["vulnerability_type", "vulnerabilityType", "vulnerabilities[].vuln"],
        },
        // Without vulnerabilities.
        Outline { form: Form::Object, needs: &["imageDigest", "vulnerabilities"], any: &[] },
        Outline {
            form: Form::List,
            needs: &["vuln"],
            any: &["packageName", "package_name", "package"],
        },
        Outline {
            form: Form::Object,
            needs: &["securityEvaluation"],
            any: &["metadata", "securityEvaluation[].vulnerabilityId"],
        },
        // `GET /images/.../content/malware`
        Outline {
            form: Form::Object,
            needs: &["content", "content_type"],
            any: &["imageDigest", "image_digest", "content[].findings"],
        },
        // `GET /images/.../artifacts/secret_search`
        Outline {
            form: Form::List,
            needs: &["path", "matches"],
            any: &["matches[].name", "matches[].lines"],
        },
    ],
    parse,
};

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Report {
    #[serde(alias = "imageDigest")]
    image_digest: Option<String>,
    vulnerabilities: Option<Vec<Vulnerability>>,
    #[serde(rename = "securityEvaluation")]
    evaluation: Option<Vec<Evaluated>>,
    metadata: Option<Metadata>,
    /// What a scanner of malware says.
    content: Option<Vec<MalwareScan>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct MalwareScan {
    findings: Option<Vec<Malware>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Malware {
    path: Option<String>,
    signature: Option<String>,
}

/// A file in which patterns for secrets were found.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Searched {
    path: Option<String>,
    matches: Option<Vec<Matched>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Matched {
    name: Option<String>,
    /// From 1.
    lines: Option<Vec<u32>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Metadata {
    registry: Option<String>,
    repository: Option<String>,
    tag: Option<String>,
    image_digest: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Vulnerability {
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
    #[serde(alias = "willNotFix")]
    will_not_fix: Option<bool>,
    severity: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    url: Option<String>,
}

/// An entry of `securityEvaluation`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Evaluated {
    vulnerability_id: Option<String>,
    severity: Option<String>,
    package_type: Option<String>,
    path: Option<String>,
    /// Name and version in one.
    package: Option<String>,
    fix_available: Option<String>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let mut out = Collector::new(name, SCANNER);
    let shape: Shape = from_json(name, SCANNER, bytes)?;
    if shape.look("[].matches") == Look::Present {
        secrets(&mut out, from_json(name, SCANNER, bytes)?)?;
        return Ok(out.finish(ReportFormat::Anchore, ArtifactIdentity::default()));
    }
    if shape.is_list() {
        entries(&mut out, "", from_json(name, SCANNER, bytes)?)?;
        return Ok(out.finish(ReportFormat::Anchore, ArtifactIdentity::default()));
    }
    let report: Report = from_json(name, SCANNER, bytes)?;
    let mut artifact = ArtifactIdentity::default();
    malware(&mut out, report.content.unwrap_or_default())?;
    artifact.manifest_digests.extend(non_empty(report.image_digest));
    if let Some(about) = report.metadata {
        artifact.manifest_digests.extend(non_empty(about.image_digest));
        let path: Vec<String> =
            [about.registry, about.repository].into_iter().filter_map(non_empty).collect();
        let tag = non_empty(about.tag).map(|tag| format!(":{tag}")).unwrap_or_default();
        artifact.name = format!("{}{tag}", path.join("/"));
    }
    entries(&mut out, "vulnerabilities", report.vulnerabilities.unwrap_or_default())?;
    for (at, entry) in report.evaluation.unwrap_or_default().into_iter().enumerate() {
        evaluated(&mut out, format!("securityEvaluation[{at}]"), entry)?;
    }
    Ok(out.finish(ReportFormat::Anchore, artifact))
}

fn malware(out: &mut Collector<'_>, scans: Vec<MalwareScan>) -> Result<(), FindingsError> {
    for (number, scan) in scans.into_iter().enumerate() {
        for (at, entry) in scan.findings.unwrap_or_default().into_iter().enumerate() {
            let place = out.place(format!("content[{number}].findings[{at}]"));
            let path = place.required("path", entry.path)?;
            let id = place.required("signature", entry.signature)?;
            let file = risk::file(&path);
            out.findings.push(risk::malicious(&id, Severity::Critical, None, file));
        }
    }
    Ok(())
}

fn secrets(out: &mut Collector<'_>, files: Vec<Searched>) -> Result<(), FindingsError> {
    for (number, file) in files.into_iter().enumerate() {
        let path = out.place(format!("[{number}]")).required("path", file.path)?;
        for (at, one) in file.matches.unwrap_or_default().into_iter().enumerate() {
            let place = out.place(format!("[{number}].matches[{at}]"));
            let id = place.required("name", one.name)?;
            let lines = one.lines.unwrap_or_default();
            let all =
                if lines.is_empty() { vec![None] } else { lines.into_iter().map(Some).collect() };
            for line in all {
                let file = FileLocation { lines: Span::of(line, None), ..risk::file(&path) };
                out.findings.push(risk::secret(&id, risk::SECRET, None, Some(file.into())));
            }
        }
    }
    Ok(())
}

fn entries(
    out: &mut Collector<'_>,
    list: &str,
    entries: Vec<Vulnerability>,
) -> Result<(), FindingsError> {
    for (at, entry) in entries.into_iter().enumerate() {
        let place = out.place(format!("{list}[{at}]"));
        let id = place.required("vuln", entry.vuln)?;
        let both = entry.package.as_deref().map(split_package);
        let package = entry.package_name.or(both.map(|(name, _)| name.to_owned()));
        let package = place.required("packageName", package)?;
        let version = text(entry.package_version).or(both.map(|(_, version)| version.to_owned()));
        let severity = out.severity(&place, entry.severity.as_deref());
        let finding = Finding {
            severity,
            status: (entry.will_not_fix == Some(true)).then_some(FixStatus::WillNotFix),
            advisory: entry.url,
            ..of_package(&id, &package, version, entry.package_type, entry.package_path)
        };
        out.findings.push(with_fixes(finding, fixes(entry.fix)));
    }
    Ok(())
}

fn evaluated(out: &mut Collector<'_>, path: String, entry: Evaluated) -> Result<(), FindingsError> {
    let place: EntryPath<'_> = out.place(path);
    let id = place.required("vulnerabilityId", entry.vulnerability_id)?;
    let package = place.required("package", entry.package)?;
    let (package, version) = split_package(&package);
    let severity = out.severity(&place, entry.severity.as_deref());
    let finding = Finding {
        severity,
        ..of_package(&id, package, Some(version.to_owned()), entry.package_type, entry.path)
    };
    out.findings.push(with_fixes(finding, fixes(entry.fix_available)));
    Ok(())
}

/// A finding of a package as Anchore catalogues it: what is installed, by its own name.
fn of_package(
    id: &str,
    package: &str,
    version: Option<String>,
    kind: Option<String>,
    path: Option<String>,
) -> Finding {
    let class = class_of_type(kind.as_deref().unwrap_or_default());
    Finding {
        class,
        path: text(path).filter(|_| class == Class::Library).map(|path| image_path(&path)),
        naming: Naming::Binary,
        ..Finding::system(id, package, &version.unwrap_or_default())
    }
}

/// `None` stands for no version: whether there is a fix is then not known.
fn fixes(fix: Option<String>) -> Vec<String> {
    split_versions(text(fix).as_deref())
}

/// Name and version of `libc6-2.36-9`: a version begins with a digit.
fn split_package(both: &str) -> (&str, &str) {
    let digit = |at: usize| both.as_bytes().get(at + 1).is_some_and(u8::is_ascii_digit);
    let at = both.match_indices('-').map(|(at, _)| at).find(|at| *at > 0 && digit(*at));
    at.and_then(|at| Some((both.get(..at)?, both.get(at + 1..)?))).unwrap_or((both, ""))
}

/// Anchore writes `None` where there is nothing.
fn text(text: Option<String>) -> Option<String> {
    non_empty(text).filter(|text| text != "None")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_version_are_told_apart() {
        for (both, want) in [
            ("libc6-2.36-9", ("libc6", "2.36-9")),
            ("tomcat-annotations-api-9.0.97", ("tomcat-annotations-api", "9.0.97")),
            ("jdk", ("jdk", "")),
            ("-1", ("-1", "")),
            ("a-", ("a-", "")),
        ] {
            assert_eq!(split_package(both), want, "{both}");
        }
    }
}
