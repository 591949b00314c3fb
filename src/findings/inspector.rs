//! AWS Inspector 2 (`aws inspector2 list-findings`) and ECR (`aws ecr
//! describe-image-scan-findings`, basic and enhanced scanning).
//!
//! Source: `Finding` of the Inspector 2 API reference and `ImageScanFindings` of the ECR API
//! reference (<https://docs.aws.amazon.com/inspector/v2/APIReference/API_Finding.html>,
//! <https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ImageScanFindings.html>).

use serde::Deserialize;

use super::advisory::{cvss, epss, lenient, number};
use super::format::{Form, Format, Outline};
use super::report::{
    Collector, aliases, class_of_type, from_json, image_path, non_empty, split_versions, title,
    with_fixes,
};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport};
use imgfix_model::advisory::Cvss;
use imgfix_model::finding::{Class, Finding, FixStatus, Naming};

const SCANNER: &str = "AWS Inspector";

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::Inspector,
    outlines: &[
        Outline { form: Form::Object, needs: &["imageScanFindings"], any: &[] },
        Outline {
            form: Form::Object,
            needs: &["findings"],
            any: &["findings[].packageVulnerabilityDetails", "findings[].findingArn"],
        },
        Outline { form: Form::Only, needs: &["findings"], any: &["nextToken"] },
    ],
    parse,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Report {
    findings: Option<Vec<InspectorFinding>>,
    image_scan_findings: Option<ImageScan>,
    repository_name: Option<String>,
    image_id: Option<ImageId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct ImageId {
    image_digest: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct ImageScan {
    findings: Option<Vec<Basic>>,
    enhanced_findings: Option<Vec<InspectorFinding>>,
}

/// A finding of ECR's basic scanning.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Basic {
    name: Option<String>,
    description: Option<String>,
    severity: Option<String>,
    attributes: Option<Vec<Attribute>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Attribute {
    key: Option<String>,
    value: Option<String>,
}

/// A finding of Inspector.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct InspectorFinding {
    finding_arn: Option<String>,
    severity: Option<String>,
    status: Option<String>,
    /// `YES`, `NO` or `PARTIAL`.
    fix_available: Option<String>,
    title: Option<String>,
    description: Option<String>,
    package_vulnerability_details: Option<Details>,
    resources: Option<Vec<Resource>>,
    #[serde(default, deserialize_with = "lenient")]
    epss: Option<InspectorEpss>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct InspectorEpss {
    #[serde(default, deserialize_with = "number")]
    score: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Details {
    vulnerability_id: Option<String>,
    related_vulnerabilities: Option<Vec<String>>,
    vulnerable_packages: Option<Vec<Package>>,
    #[serde(default, deserialize_with = "lenient")]
    source_url: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    reference_urls: Option<Vec<String>>,
    #[serde(default, deserialize_with = "lenient")]
    cvss: Option<Vec<InspectorCvss>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct InspectorCvss {
    #[serde(default, deserialize_with = "lenient")]
    source: Option<String>,
    #[serde(default, deserialize_with = "number")]
    base_score: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    scoring_vector: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Package {
    name: Option<String>,
    version: Option<String>,
    release: Option<String>,
    epoch: Option<u32>,
    arch: Option<String>,
    package_manager: Option<String>,
    file_path: Option<String>,
    fixed_in_version: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Resource {
    details: Option<ResourceDetails>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct ResourceDetails {
    aws_ecr_container_image: Option<Image>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Image {
    image_hash: Option<String>,
    repository_name: Option<String>,
    image_tags: Option<Vec<String>>,
    /// `DEBIAN_12`, `ALPINE_LINUX_3_18`.
    platform: Option<String>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let report: Report = from_json(name, SCANNER, bytes)?;
    let mut out = Collector::new(name, SCANNER);
    let mut artifact = ArtifactIdentity {
        name: report.repository_name.unwrap_or_default(),
        manifest_digests: report
            .image_id
            .and_then(|image| non_empty(image.image_digest))
            .into_iter()
            .collect(),
        ..ArtifactIdentity::default()
    };
    let (basic, enhanced) = match report.image_scan_findings {
        Some(scan) => (scan.findings, scan.enhanced_findings),
        None => (None, None),
    };
    for (at, entry) in basic.unwrap_or_default().into_iter().enumerate() {
        basic_finding(&mut out, format!("imageScanFindings.findings[{at}]"), entry)?;
    }
    for (list, entries) in
        [("findings", report.findings), ("imageScanFindings.enhancedFindings", enhanced)]
    {
        for (at, entry) in entries.unwrap_or_default().into_iter().enumerate() {
            identify(&mut artifact, &entry);
            finding(&mut out, format!("{list}[{at}]"), entry)?;
        }
    }
    Ok(out.finish(ReportFormat::Inspector, artifact))
}

/// Several images in one list are all noted: the image at hand is one of them or not.
fn identify(artifact: &mut ArtifactIdentity, entry: &InspectorFinding) {
    let resources = entry.resources.iter().flatten();
    for image in resources.filter_map(|r| r.details.as_ref()?.aws_ecr_container_image.as_ref()) {
        if artifact.name.is_empty() {
            let tag = image.image_tags.iter().flatten().next();
            artifact.name = match (&image.repository_name, tag) {
                (Some(name), Some(tag)) => format!("{name}:{tag}"),
                (name, _) => name.clone().unwrap_or_default(),
            };
        }
        if let (None, Some(platform)) = (&artifact.os_family, &image.platform) {
            (artifact.os_family, artifact.os_version) = system(platform);
        }
        if let Some(digest) = non_empty(image.image_hash.clone())
            && !artifact.manifest_digests.contains(&digest)
        {
            artifact.manifest_digests.push(digest);
        }
    }
}

fn basic_finding(out: &mut Collector<'_>, path: String, entry: Basic) -> Result<(), FindingsError> {
    let place = out.place(path);
    let id = place.required("name", entry.name)?;
    let attributes = entry.attributes.unwrap_or_default();
    let attribute = |wanted: &str| {
        let found = attributes.iter().find(|one| one.key.as_deref() == Some(wanted));
        found.and_then(|one| one.value.clone())
    };
    let package = place.required("attributes.package_name", attribute("package_name"))?;
    let severity = out.severity(&place, entry.severity.as_deref());
    let finding = Finding {
        severity,
        title: title(entry.description),
        // Basic scanning goes by the distributions' data, which is about sources. It says
        // nothing of fixes.
        naming: Naming::Source,
        ..Finding::system(&id, &package, &attribute("package_version").unwrap_or_default())
    };
    let fixes = split_versions(attribute("fixed_in_version").as_deref());
    out.findings.push(with_fixes(finding, fixes));
    Ok(())
}

fn finding(
    out: &mut Collector<'_>,
    path: String,
    entry: InspectorFinding,
) -> Result<(), FindingsError> {
    let place = out.place(path.clone());
    // `CLOSED`: Inspector itself says that it is gone. `SUPPRESSED`: a rule leaves it out.
    let status = entry.status;
    let severity = out.severity(&place, entry.severity.as_deref());
    let Some(details) = entry.package_vulnerability_details else {
        // Code and network reachability findings have no package.
        let id = place.required("findingArn", entry.finding_arn)?;
        let finding = Finding {
            class: Class::Baseline,
            severity,
            title: title(entry.title),
            ..Finding::system(&id, "configuration", "")
        };
        out.add(finding, status.as_deref(), "status", None);
        return Ok(());
    };
    let id =
        place.required("packageVulnerabilityDetails.vulnerabilityId", details.vulnerability_id)?;
    let names = aliases(&id, details.related_vulnerabilities.unwrap_or_default());
    let scores = details.cvss.into_iter().flatten();
    let scores: Vec<Cvss> = scores
        .filter_map(|one| {
            let source = one.source.as_deref().unwrap_or(SCANNER);
            cvss(source, one.base_score, one.scoring_vector)
        })
        .collect();
    let likely = entry.epss.and_then(|of| epss(of.score, None));
    let text = title(non_empty(entry.description).or(entry.title));
    for (at, package) in details.vulnerable_packages.unwrap_or_default().into_iter().enumerate() {
        let place =
            out.place(format!("{path}.packageVulnerabilityDetails.vulnerablePackages[{at}]"));
        let name = place.required("name", package.name.clone())?;
        let class = class_of_type(package.package_manager.as_deref().unwrap_or("OS"));
        let finding = Finding {
            class,
            severity,
            architecture: non_empty(package.arch.clone()),
            naming: Naming::Binary,
            aliases: names.clone(),
            title: text.clone(),
            advisory: details.source_url.clone(),
            references: details.reference_urls.clone().unwrap_or_default(),
            cvss: scores.clone(),
            epss: likely,
            path: non_empty(package.file_path.clone())
                .filter(|_| class != Class::System)
                .map(|path| image_path(&path)),
            ..Finding::system(&id, &name, &full_version(&package))
        };
        let fixes: Vec<String> = split_versions(package.fixed_in_version.as_deref())
            .iter()
            .filter(|version| !version.eq_ignore_ascii_case("NotAvailable"))
            .map(|version| without_zero_epoch(version))
            .collect();
        let none = fixes.is_empty() && entry.fix_available.as_deref() == Some("NO");
        let finding = Finding { status: none.then_some(FixStatus::Affected), ..finding };
        out.add(with_fixes(finding, fixes), status.as_deref(), "status", None);
    }
    Ok(())
}

/// `epoch:version-release`, as the package manager writes it.
fn full_version(package: &Package) -> String {
    let mut text = match package.epoch {
        Some(epoch) if epoch > 0 => format!("{epoch}:"),
        _ => String::new(),
    };
    text.push_str(package.version.as_deref().unwrap_or_default());
    if let Some(release) = package.release.as_deref().filter(|release| !release.is_empty()) {
        text.push('-');
        text.push_str(release);
    }
    text
}

fn without_zero_epoch(version: &str) -> String {
    version.strip_prefix("0:").unwrap_or(version).to_owned()
}

/// Family and version in Inspector's word for a system.
fn system(platform: &str) -> (Option<String>, Option<String>) {
    let lower = platform.to_ascii_lowercase();
    let at = lower.find(|c: char| c.is_ascii_digit()).unwrap_or(lower.len());
    let (family, version) = lower.split_at_checked(at).unwrap_or((&lower, ""));
    let family = family.trim_end_matches('_').trim_end_matches("_linux").replace('_', "-");
    (non_empty(Some(family)), non_empty(Some(version.replace('_', "."))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_named_as_elsewhere() {
        for (word, family, version) in [
            ("DEBIAN_12", "debian", Some("12")),
            ("UBUNTU_22_04", "ubuntu", Some("22.04")),
            ("ALPINE_LINUX_3_18", "alpine", Some("3.18")),
            ("AMAZON_LINUX_2", "amazon", Some("2")),
            ("OTHER", "other", None),
        ] {
            assert_eq!(
                system(word),
                (Some(family.to_owned()), version.map(str::to_owned)),
                "{word}"
            );
        }
    }
}
