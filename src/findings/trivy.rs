//! Trivy's JSON report, schema version 2 (`trivy image --format json`).
//!
//! Source: `pkg/types/report.go` and `pkg/fanal/types/artifact.go` of Trivy, and
//! <https://trivy.dev/latest/docs/configuration/reporting/#json>. `Results[]` has one element
//! a package store or file; its `Class` says what the element's lists hold.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::report::{Place, from_json, image_path, non_empty, title};
use super::{
    ArtifactIdentity, Class, Finding, FindingsError, FixStatus, ReportFormat, ScanReport, purl,
};

const SCANNER: &str = "Trivy";

/// Result types that gather many files under one heading (`Target` is then `Java`, `Node.js`,
/// ..., not a file; the file is in `PkgPath`).
const GATHERED: &[&str] =
    &["jar", "node-pkg", "python-pkg", "gemspec", "conda-pkg", "conda-environment", "wordpress"];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct Report {
    schema_version: u32,
    artifact_name: Option<String>,
    artifact_type: Option<String>,
    metadata: Option<Metadata>,
    results: Option<Vec<ResultEntry>>,
}

#[derive(Deserialize, Default)]
#[serde(default, expecting = "an object")]
struct Metadata {
    #[serde(rename = "OS")]
    os: Option<Os>,
    #[serde(rename = "ImageID")]
    image_id: Option<String>,
    #[serde(rename = "DiffIDs")]
    diff_ids: Option<Vec<String>>,
    #[serde(rename = "RepoDigests")]
    repo_digests: Option<Vec<String>>,
    #[serde(rename = "ImageConfig")]
    image_config: Option<ImageConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct Os {
    family: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct ImageConfig {
    architecture: Option<String>,
    os: Option<String>,
    variant: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct ResultEntry {
    target: Option<String>,
    class: Option<String>,
    #[serde(rename = "Type")]
    kind: Option<String>,
    vulnerabilities: Option<Vec<Vulnerability>>,
    misconfigurations: Option<Vec<Misconfiguration>>,
    secrets: Option<Vec<Secret>>,
    licenses: Option<Vec<License>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct Vulnerability {
    #[serde(rename = "VulnerabilityID")]
    id: Option<String>,
    #[serde(rename = "VendorIDs")]
    vendor_ids: Option<Vec<String>>,
    pkg_name: Option<String>,
    pkg_path: Option<String>,
    pkg_identifier: Option<PkgIdentifier>,
    installed_version: Option<String>,
    fixed_version: Option<String>,
    status: Option<String>,
    severity: Option<String>,
    title: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct PkgIdentifier {
    #[serde(rename = "PURL")]
    purl: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct Misconfiguration {
    #[serde(rename = "ID")]
    id: Option<String>,
    title: Option<String>,
    status: Option<String>,
    severity: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct Secret {
    #[serde(rename = "RuleID")]
    rule_id: Option<String>,
    title: Option<String>,
    severity: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct License {
    name: Option<String>,
    category: Option<String>,
    severity: Option<String>,
    pkg_name: Option<String>,
    file_path: Option<String>,
}

/// Reads a report that was recognised as Trivy's.
pub(super) fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let report: Report = from_json(name, SCANNER, bytes)?;
    if report.schema_version != 2 {
        return Err(FindingsError::UnknownFormat {
            name: name.to_owned(),
            what: format!("a Trivy report of schema version {}", report.schema_version),
        });
    }
    let artifact = identity(report.artifact_name, report.artifact_type, report.metadata);
    let mut reader = Reader {
        name,
        platform: artifact.platform.clone(),
        findings: Vec::new(),
        passed: 0,
        warnings: Vec::new(),
    };
    for (index, result) in report.results.unwrap_or_default().into_iter().enumerate() {
        reader.result(index, result)?;
    }
    Ok(ScanReport {
        name: name.to_owned(),
        format: ReportFormat::Trivy,
        artifact,
        findings: reader.findings,
        passed: reader.passed,
        warnings: reader.warnings,
    })
}

fn identity(
    name: Option<String>,
    kind: Option<String>,
    metadata: Option<Metadata>,
) -> ArtifactIdentity {
    let metadata = metadata.unwrap_or_default();
    let (family, version) = match metadata.os {
        Some(os) => (non_empty(os.family), non_empty(os.name)),
        None => (None, None),
    };
    ArtifactIdentity {
        name: name.unwrap_or_default(),
        kind: non_empty(kind),
        // `repository@sha256:...`
        manifest_digests: metadata
            .repo_digests
            .unwrap_or_default()
            .iter()
            .map(|text| text.rsplit('@').next().unwrap_or_default().to_owned())
            .collect(),
        config_digest: non_empty(metadata.image_id),
        diff_ids: metadata.diff_ids.unwrap_or_default(),
        os_family: family,
        os_version: version,
        platform: metadata.image_config.and_then(|config| {
            super::identity::platform_text(config.os, config.architecture, config.variant)
        }),
    }
}

struct Reader<'a> {
    name: &'a str,
    platform: Option<String>,
    findings: Vec<Finding>,
    passed: usize,
    warnings: Vec<String>,
}

/// What the entries of one element of `Results` share.
struct Target {
    class: Class,
    kind: String,
    /// The element's file, absolute; `None` for the system and for gathered libraries.
    file: Option<String>,
}

impl Reader<'_> {
    fn result(&mut self, index: usize, result: ResultEntry) -> Result<(), FindingsError> {
        let name = self.name;
        let place = |list: &str, at: usize| Place {
            name,
            scanner: SCANNER,
            path: format!("Results[{index}].{list}[{at}]"),
        };
        let class = result.class.unwrap_or_default();
        let kind = result.kind.unwrap_or_default();
        let is_file = class != "os-pkgs" && !GATHERED.contains(&kind.as_str());
        let target = Target {
            class: if class == "os-pkgs" { Class::System } else { Class::Library },
            file: non_empty(result.target).filter(|_| is_file).map(|text| image_path(&text)),
            kind,
        };
        for (at, entry) in result.vulnerabilities.unwrap_or_default().into_iter().enumerate() {
            self.vulnerability(&place("Vulnerabilities", at), &target, entry)?;
        }
        for (at, entry) in result.misconfigurations.unwrap_or_default().into_iter().enumerate() {
            self.misconfiguration(&place("Misconfigurations", at), &target, entry)?;
        }
        for (at, entry) in result.secrets.unwrap_or_default().into_iter().enumerate() {
            self.secret(&place("Secrets", at), &target, entry)?;
        }
        for (at, entry) in result.licenses.unwrap_or_default().into_iter().enumerate() {
            self.license(&place("Licenses", at), entry)?;
        }
        Ok(())
    }

    fn vulnerability(
        &mut self,
        place: &Place<'_>,
        target: &Target,
        entry: Vulnerability,
    ) -> Result<(), FindingsError> {
        let id = place.required("VulnerabilityID", entry.id)?;
        let package = place.required("PkgName", entry.pkg_name)?;
        let severity = place.severity(entry.severity.as_deref(), &mut self.warnings);
        let mut fixes = split_versions(entry.fixed_version.as_deref()).into_iter();
        let purl = entry.pkg_identifier.and_then(|identifier| identifier.purl);
        let aliases: BTreeSet<String> =
            entry.vendor_ids.unwrap_or_default().into_iter().filter(|alias| *alias != id).collect();
        self.findings.push(Finding {
            class: target.class,
            severity,
            architecture: purl.and_then(|purl| purl::qualifier(&purl, "arch")),
            fixed: fixes.next(),
            also_fixed_in: fixes.collect(),
            status: entry.status.as_deref().and_then(status),
            aliases: aliases.into_iter().collect(),
            title: title(entry.title),
            path: non_empty(entry.pkg_path)
                .map(|path| image_path(&path))
                .or_else(|| target.file.clone()),
            platform: self.platform.clone(),
            ..Finding::system(&id, &package, &entry.installed_version.unwrap_or_default())
        });
        Ok(())
    }

    fn misconfiguration(
        &mut self,
        place: &Place<'_>,
        target: &Target,
        entry: Misconfiguration,
    ) -> Result<(), FindingsError> {
        let id = place.required("ID", entry.id)?;
        if matches!(entry.status.as_deref(), Some("PASS" | "EXCEPTION")) {
            self.passed += 1;
            return Ok(());
        }
        let severity = place.severity(entry.severity.as_deref(), &mut self.warnings);
        self.baseline(&id, severity, &target.kind, target.file.clone(), entry.title);
        Ok(())
    }

    fn secret(
        &mut self,
        place: &Place<'_>,
        target: &Target,
        entry: Secret,
    ) -> Result<(), FindingsError> {
        let id = place.required("RuleID", entry.rule_id)?;
        let severity = place.severity(entry.severity.as_deref(), &mut self.warnings);
        self.baseline(&id, severity, "secret", target.file.clone(), entry.title);
        Ok(())
    }

    fn license(&mut self, place: &Place<'_>, entry: License) -> Result<(), FindingsError> {
        let id = place.required("Name", entry.name)?;
        let severity = place.severity(entry.severity.as_deref(), &mut self.warnings);
        let package = non_empty(entry.pkg_name).unwrap_or_else(|| "license".to_owned());
        let path = non_empty(entry.file_path).map(|path| image_path(&path));
        let title = non_empty(entry.category).map(|category| format!("license: {category}"));
        self.baseline(&id, severity, &package, path, title);
        Ok(())
    }

    fn baseline(
        &mut self,
        id: &str,
        severity: super::Severity,
        package: &str,
        path: Option<String>,
        text: Option<String>,
    ) {
        self.findings.push(Finding {
            class: Class::Baseline,
            severity,
            title: title(text),
            path,
            platform: self.platform.clone(),
            ..Finding::system(id, package, "")
        });
    }
}

/// `FixedVersion` may list one version a release line: `4.2.16, 5.0.7`.
fn split_versions(text: Option<&str>) -> Vec<String> {
    text.unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|version| !version.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Source: `pkg/types/status.go` of trivy-db.
fn status(word: &str) -> Option<FixStatus> {
    Some(match word {
        "fixed" => FixStatus::Fixed,
        "affected" => FixStatus::Affected,
        "not_affected" => FixStatus::NotAffected,
        "under_investigation" => FixStatus::UnderInvestigation,
        "will_not_fix" => FixStatus::WillNotFix,
        "fix_deferred" => FixStatus::Deferred,
        "end_of_life" => FixStatus::EndOfLife,
        _ => return None,
    })
}
