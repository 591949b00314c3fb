//! Veracode: the container scan (`veracode scan --format json`), which holds reports of Grype and
//! Trivy; the findings of an application (`/appsec/v2/applications/.../findings`); and issues
//! of the agent (`/srcclr/v3/workspaces/.../issues`).
//!
//! Source: <https://docs.veracode.com/r/c_findings_v2_intro>,
//! <https://docs.veracode.com/r/c_agent_rest_api_intro>, and the keys that
//! <https://github.com/relaxnow/veracode-container-security-display> shows.

use serde::Deserialize;

use super::format::{Form, Format, Outline};
use super::report::{
    Collector, from_json, image_path, non_empty, severity_of_score, text_or_number, title,
};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport, grype, trivy};
use imgfix_model::finding::{Class, Finding, Severity};

const SCANNER: &str = "Veracode";

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::Veracode,
    outlines: &[
        Outline {
            form: Form::Object,
            needs: &["vulnerabilities", "vulnerabilities.matches"],
            any: &["policy-results", "policy-passed", "configs", "secrets"],
        },
        Outline {
            form: Form::Object,
            needs: &["findings", "findings[].scan_type", "findings[].finding_details"],
            any: &[],
        },
        Outline {
            form: Form::Object,
            needs: &["_embedded"],
            any: &["_embedded.findings", "_embedded.issues"],
        },
    ],
    parse,
};

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Report {
    vulnerabilities: Option<grype::Report>,
    configs: Option<Results>,
    secrets: Option<Results>,
    findings: Option<Vec<VeracodeFinding>>,
    #[serde(rename = "_embedded")]
    embedded: Option<Embedded>,
}

/// Of Trivy's form.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct Results {
    results: Option<Vec<trivy::TrivyResult>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Embedded {
    findings: Option<Vec<VeracodeFinding>>,
    issues: Option<Vec<Issue>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct VeracodeFinding {
    description: Option<String>,
    finding_status: Option<Status>,
    finding_details: Details,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Status {
    /// `OPEN` or `CLOSED`.
    status: Option<String>,
    resolution: Option<String>,
    resolution_status: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Details {
    /// 5 is very high.
    severity: Option<u8>,
    cve: Option<Cve>,
    cwe: Option<Cwe>,
    component_filename: Option<String>,
    version: Option<String>,
    component_path: Option<Vec<ComponentPath>>,
    file_path: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Cve {
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Cwe {
    #[serde(default, deserialize_with = "text_or_number")]
    id: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct ComponentPath {
    path: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Issue {
    /// `open` or `fixed`.
    issue_status: Option<String>,
    issue_type: Option<String>,
    ignored: Option<bool>,
    /// A CVSS score.
    severity: Option<f64>,
    library: Option<Library>,
    vulnerability: Option<Vulnerability>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Library {
    /// `maven:org.example:a:1.0:`.
    id: Option<String>,
    name: Option<String>,
    version: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Vulnerability {
    #[serde(default, deserialize_with = "text_or_number")]
    id: Option<String>,
    title: Option<String>,
    /// Without `CVE-`.
    cve: Option<String>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let report: Report = from_json(name, SCANNER, bytes)?;
    let mut out = Collector::new(name, SCANNER);
    let mut artifact = ArtifactIdentity::default();
    if let Some(matches) = report.vulnerabilities {
        artifact = grype::entries(&mut out, "vulnerabilities.", matches)?;
    }
    let mut reader = trivy::Reader::over(out, artifact.platform.clone());
    for (list, results) in [("configs", report.configs), ("secrets", report.secrets)] {
        let results = results.and_then(|one| one.results).unwrap_or_default();
        reader.results(&format!("{list}.Results"), results)?;
    }
    let mut out = reader.out;
    let (findings, issues) = match report.embedded {
        Some(embedded) => (embedded.findings, embedded.issues),
        None => (None, None),
    };
    for (list, entries) in [("findings", report.findings), ("_embedded.findings", findings)] {
        for (at, entry) in entries.unwrap_or_default().into_iter().enumerate() {
            finding(&mut out, format!("{list}[{at}]"), entry)?;
        }
    }
    for (at, entry) in issues.unwrap_or_default().into_iter().enumerate() {
        issue(&mut out, format!("_embedded.issues[{at}]"), entry)?;
    }
    Ok(out.finish(ReportFormat::Veracode, artifact))
}

fn finding(
    out: &mut Collector<'_>,
    path: String,
    entry: VeracodeFinding,
) -> Result<(), FindingsError> {
    let place = out.place(path);
    let details = entry.finding_details;
    let severity = match details.severity {
        Some(5) => Severity::Critical,
        Some(4) => Severity::High,
        Some(3) => Severity::Medium,
        Some(2) => Severity::Low,
        Some(0 | 1) => Severity::Negligible,
        _ => Severity::Unknown,
    };
    let text = title(entry.description);
    let finding = match details.cve.and_then(|cve| non_empty(cve.name)) {
        Some(id) => {
            let package = place.required("component_filename", details.component_filename)?;
            let file = details.component_path.into_iter().flatten().find_map(|one| one.path);
            Finding {
                class: Class::Library,
                severity,
                title: text,
                path: non_empty(file).map(|path| image_path(&path)),
                ..Finding::system(&id, &package, &details.version.unwrap_or_default())
            }
        }
        None => {
            let (id, kind) = match details.cwe {
                Some(cwe) => (cwe.id.map(|id| format!("CWE-{id}")), cwe.name),
                None => (None, None),
            };
            Finding {
                class: Class::Baseline,
                severity,
                title: title(kind).or(text),
                path: non_empty(details.file_path).map(|path| image_path(&path)),
                ..Finding::system(&place.required("finding_details.cwe.id", id)?, "code", "")
            }
        }
    };
    let status = entry.finding_status;
    let mitigated = status.as_ref().is_some_and(|status| {
        status.resolution.as_deref() == Some("MITIGATED")
            && status.resolution_status.as_deref() == Some("APPROVED")
    });
    match status {
        Some(_) if mitigated => out.assess(finding, "mitigated", "resolution", None),
        Some(status) => out.add(finding, status.status.as_deref(), "finding_status", None),
        None => out.findings.push(finding),
    }
    Ok(())
}

fn issue(out: &mut Collector<'_>, path: String, entry: Issue) -> Result<(), FindingsError> {
    let place = out.place(path);
    let (coordinates, name, version) = match entry.library {
        Some(library) => (library.id, library.name, library.version),
        None => (None, None, None),
    };
    let package =
        place.required("library.id", coordinates.as_deref().and_then(package).or(name))?;
    let (id, text) = match entry.vulnerability {
        Some(one) => {
            let cve = non_empty(one.cve).map(|number| format!("CVE-{number}"));
            (cve.or(one.id.map(|id| format!("SRCCLR-SID-{id}"))), one.title)
        }
        // Licences and outdated libraries.
        None => (entry.issue_type, None),
    };
    let finding = Finding {
        class: Class::Library,
        severity: entry.severity.map_or(Severity::Unknown, severity_of_score),
        title: title(text),
        ..Finding::system(
            &place.required("vulnerability.cve", id)?,
            &package,
            &version.unwrap_or_default(),
        )
    };
    match entry.issue_status.as_deref() {
        _ if entry.ignored == Some(true) => out.assess(finding, "ignored", "issue", None),
        Some("fixed") => out.assess(finding, "fixed", "issue_status", None),
        _ => out.findings.push(finding),
    }
    Ok(())
}

/// `org.example:a` of `maven:org.example:a:1.0:`; other ecosystems have an empty second part.
fn package(coordinates: &str) -> Option<String> {
    let mut parts = coordinates.split(':').skip(1);
    let (group, artifact) = (parts.next()?, parts.next().unwrap_or_default());
    let name = match (group, artifact) {
        (name, "") => name.to_owned(),
        (group, artifact) if coordinates.starts_with("maven:") => format!("{group}:{artifact}"),
        (name, _) => name.to_owned(),
    };
    non_empty(Some(name))
}
