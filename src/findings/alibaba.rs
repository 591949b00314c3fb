//! Alibaba Cloud: answers of Container Registry (`ListRepoTagScanResult`) and of Security
//! Center (`DescribeImageVulList`, `DescribeImageBaselineCheckResult`,
//! `DescribeImageBaselineItemList`, `DescribeImageBaselineDetail`, `DescribeAffectedMaliciousFileImages`,
//! `DescribeGroupedMaliciousFiles`, `DescribeImageSensitiveFileList`): one answer, a list of
//! pages, or the SDK's envelope (`body`). These are the four classes of risk: system,
//! application, baseline, malicious.
//!
//! Source: the response models of `cr-20181201` and `sas-20181203` in
//! <https://github.com/aliyun/alibabacloud-csharp-sdk>, and
//! <https://www.alibabacloud.com/help/doc-detail/171702.htm>.

use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;

use super::format::{Form, Format, Outline};
use super::report::{
    Collector, EntryPath, aliases, documents, image_path, non_empty, split_versions, title,
    with_fixes,
};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport, risk};
use imgfix_model::finding::{Class, Finding, Naming, Severity};
use imgfix_model::location::{FileLocation, Location};

const SCANNER: &str = "Alibaba Cloud scan";

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::Alibaba,
    outlines: &[
        Outline {
            form: Form::Either,
            needs: &["RequestId"],
            any: &[
                "Vulnerabilities",
                "VulRecords",
                "BaselineResult",
                "BaselineItemInfos",
                "BaselineDetail",
                "AffectedMaliciousFileImagesResponse",
                "GroupedMaliciousFileResponse",
                "SensitiveFileList",
            ],
        },
        Outline {
            form: Form::Either,
            needs: &["body"],
            any: &[
                "body.Vulnerabilities",
                "body.VulRecords",
                "body.BaselineResult",
                "body.BaselineItemInfos",
                "body.BaselineDetail",
                "body.AffectedMaliciousFileImagesResponse",
                "body.GroupedMaliciousFileResponse",
                "body.SensitiveFileList",
            ],
        },
        Outline { form: Form::Either, needs: &["VulRecords"], any: &[] },
        Outline { form: Form::Either, needs: &["BaselineResult"], any: &[] },
        Outline { form: Form::Either, needs: &["BaselineItemInfos"], any: &[] },
        Outline {
            form: Form::Either,
            needs: &["BaselineDetail", "BaselineDetail.BaselineItemKey"],
            any: &[],
        },
        Outline { form: Form::Either, needs: &["AffectedMaliciousFileImagesResponse"], any: &[] },
        Outline { form: Form::Either, needs: &["GroupedMaliciousFileResponse"], any: &[] },
        Outline { form: Form::Either, needs: &["SensitiveFileList"], any: &[] },
    ],
    parse,
};

/// The SDK's envelope, or the answer itself.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct Answer {
    #[serde(rename = "body")]
    body: Option<Box<Answer>>,
    vulnerabilities: Option<Vec<RegistryVulnerability>>,
    vul_records: Option<Vec<VulRecord>>,
    baseline_result: Option<Vec<Baseline>>,
    baseline_item_infos: Option<Vec<BaselineItem>>,
    baseline_detail: Option<BaselineDetail>,
    affected_malicious_file_images_response: Option<Vec<MaliciousFile>>,
    grouped_malicious_file_response: Option<Vec<MaliciousFile>>,
    sensitive_file_list: Option<Vec<SensitiveFile>>,
}

/// Container Registry's.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct RegistryVulnerability {
    cve_name: Option<String>,
    alias_name: Option<String>,
    severity: Option<String>,
    feature: Option<String>,
    version: Option<String>,
    version_fixed: Option<String>,
    version_format: Option<String>,
    cve_location: Option<String>,
    /// `cve` for the system, `sca` for applications.
    scan_type: Option<String>,
    description: Option<String>,
}

/// Security Center's.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct VulRecord {
    name: Option<String>,
    alias_name: Option<String>,
    /// Names of the problem, separated by commas.
    related: Option<String>,
    /// `cve` for the system, `sca` for applications.
    #[serde(rename = "Type")]
    kind: Option<String>,
    /// `asap`, `later`, `nntf` (no need to fix).
    necessity: Option<String>,
    level: Option<String>,
    image_digest: Option<String>,
    extend_content_json: Option<Content>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct Content {
    os: Option<String>,
    os_release: Option<String>,
    rpm_entity_list: Option<Vec<Package>>,
}

/// A package, an RPM or not.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct Package {
    name: Option<String>,
    full_version: Option<String>,
    version: Option<String>,
    /// `libstdc++ version less than 8.5.0-4.el8_5`.
    match_detail: Option<String>,
    path: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct Baseline {
    baseline_name_key: Option<String>,
    baseline_name_alias: Option<String>,
    baseline_name_level: Option<String>,
    status: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct BaselineItem {
    baseline_item_key: Option<String>,
    baseline_item_alias: Option<String>,
    baseline_name_key: Option<String>,
    /// 1: mended.
    status: Option<i64>,
    white_list: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct BaselineDetail {
    baseline_item_key: Option<String>,
    baseline_item_alias: Option<String>,
    level: Option<String>,
    /// The place and the value: `/usr/aksk.txt:yourAccessKeyID`.
    prompt: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct MaliciousFile {
    malicious_md5: Option<String>,
    malicious_name: Option<String>,
    file_path: Option<String>,
    level: Option<String>,
    digest: Option<String>,
    layer: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct SensitiveFile {
    sensitive_file_key: Option<String>,
    sensitive_file_name: Option<String>,
    risk_level: Option<String>,
    file_path: Option<String>,
    layer_digest: Option<String>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let mut reader =
        Reader { out: Collector::new(name, SCANNER), artifact: ArtifactIdentity::default() };
    for (answer, prefix) in documents::<Answer>(name, SCANNER, bytes)? {
        match answer.body {
            Some(body) => reader.answer(&format!("{prefix}body."), *body)?,
            None => reader.answer(&prefix, answer)?,
        }
    }
    Ok(reader.out.finish(ReportFormat::Alibaba, reader.artifact))
}

struct Reader<'a> {
    out: Collector<'a>,
    artifact: ArtifactIdentity,
}

impl Reader<'_> {
    fn answer(&mut self, prefix: &str, answer: Answer) -> Result<(), FindingsError> {
        for (at, entry) in answer.vulnerabilities.unwrap_or_default().into_iter().enumerate() {
            self.registry(&self.out.place(format!("{prefix}Vulnerabilities[{at}]")), entry)?;
        }
        for (at, entry) in answer.vul_records.unwrap_or_default().into_iter().enumerate() {
            self.record(format!("{prefix}VulRecords[{at}]"), entry)?;
        }
        for (at, entry) in answer.baseline_result.unwrap_or_default().into_iter().enumerate() {
            let place = self.out.place(format!("{prefix}BaselineResult[{at}]"));
            let id = place.required("BaselineNameKey", entry.baseline_name_key)?;
            let severity = self.out.severity(&place, entry.baseline_name_level.as_deref());
            self.baseline(&id, severity, entry.baseline_name_alias, entry.status, None);
        }
        for (at, entry) in answer.baseline_item_infos.unwrap_or_default().into_iter().enumerate() {
            let place = self.out.place(format!("{prefix}BaselineItemInfos[{at}]"));
            let key = entry.baseline_item_key.or(entry.baseline_name_key);
            let id = place.required("BaselineItemKey", key)?;
            let status = if entry.white_list == Some(1) { Some(1) } else { entry.status };
            self.baseline(&id, Severity::Unknown, entry.baseline_item_alias, status, None);
        }
        if let Some(detail) = answer.baseline_detail {
            let place = self.out.place(format!("{prefix}BaselineDetail"));
            let id = place.required("BaselineItemKey", detail.baseline_item_key)?;
            let severity = self.out.severity(&place, detail.level.as_deref());
            let location = detail.prompt.as_deref().and_then(place_of_prompt);
            self.baseline(&id, severity, detail.baseline_item_alias, None, location);
        }
        for (list, entries) in [
            ("AffectedMaliciousFileImagesResponse", answer.affected_malicious_file_images_response),
            ("GroupedMaliciousFileResponse", answer.grouped_malicious_file_response),
        ] {
            for (at, entry) in entries.unwrap_or_default().into_iter().enumerate() {
                self.malicious(&self.out.place(format!("{prefix}{list}[{at}]")), entry)?;
            }
        }
        for (at, entry) in answer.sensitive_file_list.unwrap_or_default().into_iter().enumerate() {
            let place = self.out.place(format!("{prefix}SensitiveFileList[{at}]"));
            let id = place.required("SensitiveFileKey", entry.sensitive_file_key)?;
            let severity = self.out.severity(&place, entry.risk_level.as_deref());
            let location = non_empty(entry.file_path).map(|path| {
                let layer = entry.layer_digest.as_deref().and_then(risk::layer);
                FileLocation { layer, ..risk::file(&path) }.into()
            });
            let title = entry.sensitive_file_name;
            self.out.findings.push(risk::secret(&id, severity, title, location));
        }
        Ok(())
    }

    fn registry(
        &mut self,
        place: &EntryPath<'_>,
        entry: RegistryVulnerability,
    ) -> Result<(), FindingsError> {
        let id = place.required("CveName", entry.cve_name)?;
        let package = place.required("Feature", entry.feature)?;
        let severity = self.out.severity(place, entry.severity.as_deref());
        let class = class(entry.scan_type.as_deref().or(entry.version_format.as_deref()));
        let finding = Finding {
            class,
            severity,
            title: title(non_empty(entry.alias_name).or(entry.description)),
            path: non_empty(entry.cve_location)
                .filter(|_| class == Class::Library)
                .map(|path| image_path(&path)),
            ..Finding::system(&id, &package, &entry.version.unwrap_or_default())
        };
        let fixes = split_versions(entry.version_fixed.as_deref());
        self.out.findings.push(with_fixes(finding, fixes));
        Ok(())
    }

    fn record(&mut self, path: String, entry: VulRecord) -> Result<(), FindingsError> {
        let place = self.out.place(path.clone());
        let related = split_versions(entry.related.as_deref());
        let own = place.required("Name", entry.name)?;
        // `debian:10:CVE-2019-9893`, `oval:com.redhat.rhsa:def:20172836`.
        let id = related.first().cloned().unwrap_or_else(|| own.clone());
        let severity = match entry.necessity.as_deref() {
            Some("asap") => Severity::High,
            Some("later") => Severity::Medium,
            Some("nntf") => Severity::Low,
            _ => self.out.severity(&place, entry.level.as_deref()),
        };
        if let Some(digest) = non_empty(entry.image_digest) {
            let digest = if digest.contains(':') { digest } else { format!("sha256:{digest}") };
            if !self.artifact.manifest_digests.contains(&digest) {
                self.artifact.manifest_digests.push(digest);
            }
        }
        let class = class(entry.kind.as_deref());
        let content = entry.extend_content_json;
        let (os, release, packages) = match content {
            Some(content) => (content.os, content.os_release, content.rpm_entity_list),
            None => (None, None, None),
        };
        self.artifact.os_family = self.artifact.os_family.take().or(non_empty(os));
        self.artifact.os_version = self.artifact.os_version.take().or(non_empty(release));
        let packages = packages.unwrap_or_default();
        if packages.is_empty() {
            return Err(place.error("ExtendContentJson.RpmEntityList", "names no package"));
        }
        let mut names = related;
        names.push(own);
        for (at, package) in packages.into_iter().enumerate() {
            let path = format!("{path}.ExtendContentJson.RpmEntityList[{at}]");
            let name = self.out.place(path).required("Name", package.name)?;
            let version = non_empty(package.full_version).or(package.version);
            self.out.findings.push(Finding {
                class,
                severity,
                fixed: package.match_detail.as_deref().and_then(less_than),
                aliases: aliases(&id, names.clone()),
                title: title(entry.alias_name.clone()),
                // Security Center lists what is installed.
                naming: Naming::Binary,
                path: non_empty(package.path)
                    .filter(|_| class == Class::Library)
                    .map(|path| image_path(&path)),
                ..Finding::system(&id, &name, &version.unwrap_or_default())
            });
        }
        Ok(())
    }

    /// Status 1 is `mended`.
    fn baseline(
        &mut self,
        id: &str,
        severity: Severity,
        text: Option<String>,
        status: Option<i64>,
        location: Option<Location>,
    ) {
        if status == Some(1) {
            self.out.passed += 1;
            return;
        }
        let finding = match id {
            "ak_leak" => risk::secret(id, severity, text, location),
            _ => risk::located(risk::baseline(id, "baseline", severity, text), location),
        };
        self.out.findings.push(finding);
    }

    fn malicious(
        &mut self,
        place: &EntryPath<'_>,
        entry: MaliciousFile,
    ) -> Result<(), FindingsError> {
        let id = non_empty(entry.malicious_name.clone()).or(entry.malicious_md5.clone());
        let id = place.required("MaliciousMd5", id)?;
        let severity = match entry.level.as_deref() {
            Some("serious") => Severity::Critical,
            Some("suspicious") => Severity::High,
            Some("remind") => Severity::Low,
            word => self.out.severity(place, word),
        };
        self.artifact.manifest_digests.extend(non_empty(entry.digest));
        let md5 = entry.malicious_md5.as_deref().and_then(|md5| md5.parse().ok());
        let layer = entry.layer.as_deref().and_then(risk::layer);
        let path = non_empty(entry.file_path).map(|path| image_path(&path));
        let file = FileLocation { path, md5, layer, ..FileLocation::default() };
        let finding = risk::malicious(&id, severity, None, file);
        let aliases = aliases(&id, entry.malicious_md5);
        self.out.findings.push(Finding { aliases, ..finding });
        Ok(())
    }
}

/// The file that a prompt begins with; what is behind its colon is a secret's value, or an
/// account's.
fn place_of_prompt(prompt: &str) -> Option<Location> {
    let path = prompt.split(':').next()?.trim();
    let is_path = path.starts_with('/') && path.len() > 1 && !path.contains('\n');
    is_path.then(|| risk::file(path).into())
}

/// The class of a scan's type; the system when nothing else is said.
fn class(kind: Option<&str>) -> Class {
    match kind.unwrap_or_default().to_ascii_lowercase().as_str() {
        "sca" | "app" | "cms" | "maven" | "npm" | "pypi" | "gem" | "composer" | "go" | "nuget" => {
            Class::Library
        }
        _ => Class::System,
    }
}

/// The version in `libstdc++ version less than 8.5.0-4.el8_5` (`equals` names an affected
/// version, not a fixed one). An epoch of 0 is left out.
fn less_than(detail: &str) -> Option<String> {
    static LESS: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"version less than (?:0:)?([0-9][^\s,;]*)").ok());
    Some(LESS.as_ref()?.captures(detail)?.get(1)?.as_str().to_owned())
}
