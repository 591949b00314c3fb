//! Custom resources of the Trivy operator: `kubectl get vulnerabilityreports -o json` (one, or
//! a list), and the operator's reports of exposed secrets and of configuration.
//!
//! Source: `pkg/apis/aquasecurity/v1alpha1` of <https://github.com/aquasecurity/trivy-operator>.

use serde::Deserialize;

use super::advisory::{cvss, lenient, number};
use super::format::{Form, Format, Outline};
use super::report::{
    Collector, EntryPath, class_of_type, from_json, image_path, non_empty, split_versions, title,
    with_fixes,
};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport, purl, risk};
use imgfix_model::finding::{Class, Finding, FixStatus, Naming};

const SCANNER: &str = "Trivy operator";

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::TrivyOperator,
    outlines: &[Outline {
        form: Form::Object,
        needs: &["apiVersion", "kind"],
        any: &["report", "items"],
    }],
    parse,
};

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Resource {
    kind: Option<String>,
    report: Option<Report>,
    items: Option<Vec<Resource>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Report {
    artifact: Option<Artifact>,
    registry: Option<Registry>,
    os: Option<Os>,
    vulnerabilities: Option<Vec<Vulnerability>>,
    secrets: Option<Vec<Secret>>,
    checks: Option<Vec<Check>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Artifact {
    repository: Option<String>,
    tag: Option<String>,
    digest: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Registry {
    server: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Os {
    family: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Vulnerability {
    #[serde(rename = "vulnerabilityID")]
    id: Option<String>,
    /// The package's name.
    resource: Option<String>,
    installed_version: Option<String>,
    fixed_version: Option<String>,
    severity: Option<String>,
    title: Option<String>,
    class: Option<String>,
    package_path: Option<String>,
    #[serde(rename = "packagePURL")]
    purl: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    primary_link: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    links: Option<Vec<String>>,
    /// Of the source that Trivy prefers, which is not named.
    #[serde(default, deserialize_with = "number")]
    score: Option<f64>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Secret {
    #[serde(rename = "ruleID")]
    id: Option<String>,
    title: Option<String>,
    severity: Option<String>,
    target: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Check {
    #[serde(rename = "checkID")]
    id: Option<String>,
    title: Option<String>,
    severity: Option<String>,
    success: Option<bool>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let top: Resource = from_json(name, SCANNER, bytes)?;
    let mut out = Collector::new(name, SCANNER);
    let known = top.report.is_some();
    let resources: Vec<(Resource, String)> = match top.items {
        Some(items) if !known => {
            items.into_iter().enumerate().map(|(at, one)| (one, format!("items[{at}]."))).collect()
        }
        _ => vec![(Resource { items: None, ..top }, String::new())],
    };
    let mut artifact = ArtifactIdentity::default();
    let mut read = 0;
    for (at, (resource, prefix)) in resources.into_iter().enumerate() {
        let Some(report) = resource.report else {
            let kind = resource.kind.unwrap_or_default();
            out.warnings.push(format!("{name}: {prefix}kind {kind:?} has no report; left out"));
            continue;
        };
        read += 1;
        if at == 0 {
            artifact = identity(&report);
        }
        entries(&mut out, &format!("{prefix}report"), report)?;
    }
    if read > 1 {
        // Several images: no one of them is what the whole is about.
        artifact = ArtifactIdentity { kind: Some("cluster".to_owned()), ..Default::default() };
        out.warnings.push(format!(
            "{name}: {read} reports; findings of other images are not told apart and are judged \
             by package and version"
        ));
    }
    Ok(out.finish(ReportFormat::TrivyOperator, artifact))
}

fn identity(report: &Report) -> ArtifactIdentity {
    let part = |text: &Option<String>| text.clone().unwrap_or_default();
    let name = report.artifact.as_ref().map_or_else(String::new, |artifact| {
        let server = report.registry.as_ref().and_then(|registry| registry.server.clone());
        let repository = [server.unwrap_or_default(), part(&artifact.repository)];
        let repository: Vec<&str> =
            repository.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        match part(&artifact.tag) {
            tag if tag.is_empty() => repository.join("/"),
            tag => format!("{}:{tag}", repository.join("/")),
        }
    });
    ArtifactIdentity {
        name,
        kind: Some("container_image".to_owned()),
        manifest_digests: report
            .artifact
            .as_ref()
            .and_then(|artifact| non_empty(artifact.digest.clone()))
            .into_iter()
            .collect(),
        os_family: report.os.as_ref().and_then(|os| non_empty(os.family.clone())),
        os_version: report.os.as_ref().and_then(|os| non_empty(os.name.clone())),
        ..ArtifactIdentity::default()
    }
}

fn entries(out: &mut Collector<'_>, path: &str, report: Report) -> Result<(), FindingsError> {
    for (at, entry) in report.vulnerabilities.unwrap_or_default().into_iter().enumerate() {
        let place = out.place(format!("{path}.vulnerabilities[{at}]"));
        let finding = vulnerability(out, &place, entry)?;
        out.findings.push(finding);
    }
    for (at, entry) in report.secrets.unwrap_or_default().into_iter().enumerate() {
        let place = out.place(format!("{path}.secrets[{at}]"));
        let id = place.required("ruleID", entry.id)?;
        let severity = out.severity(&place, entry.severity.as_deref());
        let location = non_empty(entry.target).map(|path| risk::file(&path).into());
        out.findings.push(risk::secret(&id, severity, entry.title, location));
    }
    for (at, entry) in report.checks.unwrap_or_default().into_iter().enumerate() {
        let place = out.place(format!("{path}.checks[{at}]"));
        let id = place.required("checkID", entry.id)?;
        if entry.success == Some(true) {
            out.passed += 1;
            continue;
        }
        let severity = out.severity(&place, entry.severity.as_deref());
        out.findings.push(Finding {
            class: Class::Baseline,
            severity,
            title: title(entry.title),
            ..Finding::system(&id, "configuration", "")
        });
    }
    Ok(())
}

fn vulnerability(
    out: &mut Collector<'_>,
    place: &EntryPath<'_>,
    entry: Vulnerability,
) -> Result<Finding, FindingsError> {
    let id = place.required("vulnerabilityID", entry.id)?;
    let package = place.required("resource", entry.resource)?;
    let severity = out.severity(place, entry.severity.as_deref());
    let purl = entry.purl.as_deref().and_then(purl::parse);
    let class = match (&entry.class, &purl) {
        (Some(class), _) if !class.is_empty() => class_of_type(class),
        (_, Some(purl)) => class_of_type(&purl.kind),
        // Reports before 0.19 say neither.
        _ => super::report::class_of_name(&package),
    };
    let fixes = split_versions(entry.fixed_version.as_deref());
    let finding = Finding {
        class,
        severity,
        architecture: purl.and_then(|purl| purl.architecture),
        // As in Trivy's own report without a status.
        status: fixes.is_empty().then_some(FixStatus::Affected),
        naming: Naming::Binary,
        title: title(entry.title),
        path: non_empty(entry.package_path).map(|path| image_path(&path)),
        advisory: entry.primary_link,
        references: entry.links.unwrap_or_default(),
        cvss: cvss("Trivy", entry.score, None).into_iter().collect(),
        ..Finding::system(&id, &package, &entry.installed_version.unwrap_or_default())
    };
    Ok(with_fixes(finding, fixes))
}
