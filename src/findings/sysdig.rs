//! Sysdig Secure: the result of `sysdig-cli-scanner --output json` (`result`), and the two forms
//! of its vulnerability reports (`data`, `panels`), which list the workloads of a cluster.
//!
//! Source: <https://docs.sysdig.com/en/sysdig-secure/install-vm-cli-scanner/>, and real reports.

use serde::Deserialize;

use super::format::{Form, Format, Outline};
use super::identity::system_of_text;
use super::report::{
    Collector, class_of_type, from_json, image_path, non_empty, split_versions, with_fixes,
};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport, identity};
use imgfix_model::finding::{Class, Finding, FixStatus, Naming};

const SCANNER: &str = "Sysdig";

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::Sysdig,
    outlines: &[
        Outline {
            form: Form::Object,
            needs: &["result", "result.packages"],
            any: &["result.metadata", "result.vulnTotalBySeverity", "scanner"],
        },
        Outline {
            form: Form::Object,
            needs: &["data", "data[].vulnName"],
            any: &["data[].packageName", "data[].imagePullString"],
        },
        Outline {
            form: Form::Object,
            needs: &["panels", "panels[].data"],
            any: &["panels[].data[].vuln_id", "panels[].data[].scan_package_name"],
        },
    ],
    parse,
};

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Report {
    result: Option<Outcome>,
    data: Option<Vec<Row>>,
    panels: Option<Vec<Panel>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Outcome {
    metadata: Option<Metadata>,
    packages: Option<Vec<Package>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Metadata {
    pull_string: Option<String>,
    image_id: Option<String>,
    digest: Option<String>,
    /// `debian 9.13`.
    base_os: Option<String>,
    os: Option<String>,
    architecture: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Package {
    /// `os`, `python`, ...
    #[serde(rename = "type")]
    kind: Option<String>,
    name: Option<String>,
    version: Option<String>,
    path: Option<String>,
    vulns: Option<Vec<Vulnerability>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Vulnerability {
    name: Option<String>,
    severity: Option<Severity>,
    fixed_in_version: Option<String>,
    accepted_risks: Option<Vec<AcceptedRisk>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Severity {
    value: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct AcceptedRisk {
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Panel {
    data: Option<Vec<Row>>,
}

/// One line of a report, in the older keys or in those of 2025.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Row {
    #[serde(alias = "container_image")]
    image_pull_string: Option<String>,
    #[serde(alias = "container_image_id")]
    image_id: Option<String>,
    #[serde(alias = "container_image_distro")]
    os_name: Option<String>,
    #[serde(alias = "vuln_id")]
    vuln_name: Option<String>,
    #[serde(alias = "vuln_severity")]
    vuln_severity: Option<String>,
    #[serde(alias = "vuln_fix_available")]
    vuln_fix_available: Option<bool>,
    #[serde(alias = "vuln_fixed_in_version")]
    vuln_fix_version: Option<String>,
    #[serde(alias = "vuln_risk_accepted")]
    risk_accepted: Option<bool>,
    #[serde(alias = "scan_package_name")]
    package_name: Option<String>,
    #[serde(alias = "scan_package_type")]
    package_type: Option<String>,
    #[serde(alias = "scan_package_path")]
    package_path: Option<String>,
    #[serde(alias = "scan_package_version")]
    package_version: Option<String>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let report: Report = from_json(name, SCANNER, bytes)?;
    let mut out = Collector::new(name, SCANNER);
    let mut artifact = ArtifactIdentity::default();
    if let Some(outcome) = report.result {
        artifact = outcome.metadata.map(about).unwrap_or_default();
        let platform = artifact.platform.as_deref();
        for (at, one) in outcome.packages.unwrap_or_default().into_iter().enumerate() {
            package(&mut out, format!("result.packages[{at}]"), platform, one)?;
        }
    }
    let mut images: Vec<Option<String>> = Vec::new();
    for (at, entry) in report.data.unwrap_or_default().into_iter().enumerate() {
        row(&mut out, &mut artifact, &mut images, format!("data[{at}]"), entry)?;
    }
    for (number, panel) in report.panels.unwrap_or_default().into_iter().enumerate() {
        for (at, entry) in panel.data.unwrap_or_default().into_iter().enumerate() {
            let path = format!("panels[{number}].data[{at}]");
            row(&mut out, &mut artifact, &mut images, path, entry)?;
        }
    }
    if images.len() > 1 {
        artifact = ArtifactIdentity { kind: Some("cluster".to_owned()), ..Default::default() };
        out.warnings.push(format!(
            "{name}: several images of a cluster; findings of other images are not told apart and \
             are judged by package and version"
        ));
    }
    Ok(out.finish(ReportFormat::Sysdig, artifact))
}

fn about(metadata: Metadata) -> ArtifactIdentity {
    let (os_family, os_version) = system_of_text(metadata.base_os.as_deref().unwrap_or_default());
    ArtifactIdentity {
        name: metadata.pull_string.unwrap_or_default(),
        kind: Some("image".to_owned()),
        config_digest: non_empty(metadata.image_id),
        manifest_digests: non_empty(metadata.digest).into_iter().collect(),
        os_family,
        os_version,
        platform: identity::platform_text(metadata.os, metadata.architecture, None),
        ..ArtifactIdentity::default()
    }
}

fn package(
    out: &mut Collector<'_>,
    path: String,
    platform: Option<&str>,
    package: Package,
) -> Result<(), FindingsError> {
    let class = class_of_type(package.kind.as_deref().unwrap_or_default());
    let file = non_empty(package.path).filter(|_| class == Class::Library);
    for (at, entry) in package.vulns.unwrap_or_default().into_iter().enumerate() {
        let place = out.place(format!("{path}.vulns[{at}]"));
        let id = place.required("name", entry.name)?;
        let name = out.place(path.clone()).required("name", package.name.clone())?;
        let word = entry.severity.and_then(|severity| severity.value);
        let severity = out.severity(&place, word.as_deref());
        let finding = Finding {
            class,
            severity,
            path: file.as_deref().map(image_path),
            platform: platform.map(str::to_owned),
            naming: Naming::Binary,
            ..Finding::system(&id, &name, package.version.as_deref().unwrap_or_default())
        };
        let finding = with_fixes(finding, split_versions(entry.fixed_in_version.as_deref()));
        match entry.accepted_risks.unwrap_or_default().into_iter().next() {
            Some(risk) => out.assess(finding, "accepted", "accepted risk", risk.reason.as_deref()),
            None => out.findings.push(finding),
        }
    }
    Ok(())
}

fn row(
    out: &mut Collector<'_>,
    artifact: &mut ArtifactIdentity,
    images: &mut Vec<Option<String>>,
    path: String,
    row: Row,
) -> Result<(), FindingsError> {
    let place = out.place(path);
    if !images.contains(&row.image_id) {
        if images.is_empty() {
            let (os_family, os_version) =
                system_of_text(row.os_name.as_deref().unwrap_or_default());
            *artifact = ArtifactIdentity {
                name: row.image_pull_string.unwrap_or_default(),
                config_digest: non_empty(row.image_id.clone()),
                os_family,
                os_version,
                ..ArtifactIdentity::default()
            };
        }
        // Two are enough to know that there are several.
        if images.len() < 2 {
            images.push(row.image_id);
        }
    }
    let id = place.required("vulnName", row.vuln_name)?;
    let package = place.required("packageName", row.package_name)?;
    let severity = out.severity(&place, row.vuln_severity.as_deref());
    let class = class_of_type(row.package_type.as_deref().unwrap_or_default());
    let fixes = split_versions(row.vuln_fix_version.as_deref());
    let none = fixes.is_empty() && row.vuln_fix_available == Some(false);
    let finding = Finding {
        class,
        severity,
        status: none.then_some(FixStatus::Affected),
        path: non_empty(row.package_path)
            .filter(|_| class == Class::Library)
            .map(|path| image_path(&path)),
        naming: Naming::Binary,
        ..Finding::system(&id, &package, &row.package_version.unwrap_or_default())
    };
    let word = (row.risk_accepted == Some(true)).then_some("accepted");
    out.add(with_fixes(finding, fixes), word, "accepted risk", None);
    Ok(())
}
