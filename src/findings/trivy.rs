//! Trivy's JSON report (`trivy image --format json`): schema version 2, the list of results that
//! versions before 0.20 wrote, and the reports of a cluster (`trivy k8s`), whose resources hold
//! the same results.
//!
//! Source: `pkg/k8s/report/report.go`, `pkg/types/report.go` and `pkg/fanal/types/artifact.go` of Trivy, and
//! <https://trivy.dev/latest/docs/configuration/reporting/#json>. `Results[]` has one element
//! a package store or file; its `Class` says what the element's lists hold.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::advisory::{lenient, newest, number};
use super::format::{Form, Format, Outline};
use super::report::{
    Collector, EntryPath, from_json, image_path, non_empty, split_versions, title, with_fixes,
};
use super::shape::Shape;
use super::trivy_risks::{self, Configuration, Misconfiguration, Secret};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport, purl};
use imgfix_model::advisory::Cvss;
use imgfix_model::finding::{Class, Finding, FixStatus, Naming, Severity, Subject};
use imgfix_model::location::{FileLocation, Location};

const SCANNER: &str = "Trivy";

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::Trivy,
    outlines: &[
        Outline {
            form: Form::Object,
            needs: &["SchemaVersion"],
            any: &["Results", "ArtifactName", "ArtifactType"],
        },
        Outline {
            form: Form::Object,
            needs: &["ClusterName"],
            any: &["Resources", "Findings", "Vulnerabilities", "Misconfigurations"],
        },
        // Before 0.20.
        Outline {
            form: Form::List,
            needs: &["Target"],
            any: &["Vulnerabilities", "Type", "Class", "Misconfigurations", "Secrets"],
        },
    ],
    parse,
};

/// Result types that gather many files under one heading (`Target` is then `Java`, `Node.js`,
/// ..., not a file; the file is in `PkgPath`), and those about no file at all.
const GATHERED: &[&str] = &[
    "jar",
    "node-pkg",
    "python-pkg",
    "gemspec",
    "conda-pkg",
    "conda-environment",
    "wordpress",
    "kubernetes",
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct Report {
    schema_version: u32,
    artifact_name: Option<String>,
    artifact_type: Option<String>,
    metadata: Option<Metadata>,
    results: Option<Vec<TrivyResult>>,
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
    #[serde(default, deserialize_with = "lenient")]
    history: Option<Vec<History>>,
    #[serde(default, deserialize_with = "lenient")]
    config: Option<ContainerConfig>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct History {
    created_by: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct ContainerConfig {
    env: Option<Vec<String>>,
    labels: Option<BTreeMap<String, String>>,
}

/// An element of `Results`; Veracode's container scan has the same.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
pub(super) struct TrivyResult {
    target: Option<String>,
    class: Option<String>,
    #[serde(rename = "Type")]
    kind: Option<String>,
    vulnerabilities: Option<Vec<Vulnerability>>,
    misconfigurations: Option<Vec<Misconfiguration>>,
    secrets: Option<Vec<Secret>>,
    licenses: Option<Vec<License>>,
    /// With `--show-suppressed`: what `.trivyignore` or VEX took out of the lists above.
    experimental_modified_findings: Option<Vec<Modified>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct Modified {
    #[serde(rename = "Type")]
    kind: Option<String>,
    status: Option<String>,
    statement: Option<String>,
    source: Option<String>,
    /// An entry of the list that `kind` names.
    finding: Option<serde_json::Value>,
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
    #[serde(rename = "PrimaryURL", default, deserialize_with = "lenient")]
    primary_url: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    references: Option<Vec<String>>,
    #[serde(rename = "CVSS", default, deserialize_with = "lenient")]
    cvss: Option<BTreeMap<String, VendorCvss>>,
}

/// What one source says by CVSS: an element of `VendorCVSS` (`trivy-db/pkg/types/types.go`).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
pub(super) struct VendorCvss {
    #[serde(rename = "V40Vector", default, deserialize_with = "lenient")]
    v40_vector: Option<String>,
    #[serde(rename = "V40Score", default, deserialize_with = "number")]
    v40_score: Option<f64>,
    #[serde(rename = "V3Vector", default, deserialize_with = "lenient")]
    v3_vector: Option<String>,
    #[serde(rename = "V3Score", default, deserialize_with = "number")]
    v3_score: Option<f64>,
    #[serde(rename = "V2Vector", default, deserialize_with = "lenient")]
    v2_vector: Option<String>,
    #[serde(rename = "V2Score", default, deserialize_with = "number")]
    v2_score: Option<f64>,
}

/// CVSS of each source that a report names.
pub(super) fn cvss(sources: Option<BTreeMap<String, VendorCvss>>) -> Vec<Cvss> {
    let sources = sources.into_iter().flatten();
    let said = sources.filter_map(|(source, of)| {
        let versions = [
            (of.v40_score, of.v40_vector),
            (of.v3_score, of.v3_vector),
            (of.v2_score, of.v2_vector),
        ];
        newest(&source, versions)
    });
    said.collect()
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct PkgIdentifier {
    #[serde(rename = "PURL")]
    purl: Option<String>,
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

/// A cluster's report, or a part of one.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct Cluster {
    cluster_name: Option<String>,
    resources: Option<Vec<Resource>>,
    /// `Resources` in consolidated reports.
    findings: Option<Vec<Resource>>,
    /// Trivy before 0.37.
    vulnerabilities: Option<Vec<Resource>>,
    /// Trivy before 0.37.
    misconfigurations: Option<Vec<Resource>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct Resource {
    kind: Option<String>,
    name: Option<String>,
    results: Option<Vec<TrivyResult>>,
}

/// Reads a report that was recognised as Trivy's.
fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let is_list = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    if is_list {
        let results: Vec<TrivyResult> = from_json(name, SCANNER, bytes)?;
        let mut reader = Reader::new(name, None);
        reader.results("", results)?;
        return Ok(reader.out.finish(ReportFormat::Trivy, ArtifactIdentity::default()));
    }
    let shape: Shape = from_json(name, SCANNER, bytes)?;
    if shape.has("ClusterName") {
        return parse_cluster(name, from_json(name, SCANNER, bytes)?);
    }
    let report: Report = from_json(name, SCANNER, bytes)?;
    if report.schema_version != 2 {
        return Err(FindingsError::UnknownFormat {
            name: name.to_owned(),
            what: format!("a Trivy report of schema version {}", report.schema_version),
        });
    }
    let mut metadata = report.metadata.unwrap_or_default();
    let configuration =
        configuration(report.artifact_name.as_deref(), metadata.image_config.as_mut());
    let artifact = identity(report.artifact_name, report.artifact_type, metadata);
    let mut reader = Reader::new(name, artifact.platform.clone());
    reader.configuration = configuration;
    reader.results("Results", report.results.unwrap_or_default())?;
    Ok(reader.out.finish(ReportFormat::Trivy, artifact))
}

fn parse_cluster(name: &str, cluster: Cluster) -> Result<ScanReport, FindingsError> {
    let mut reader = Reader::new(name, None);
    let mut resources = BTreeSet::new();
    for (list, entries) in [
        ("Resources", cluster.resources),
        ("Findings", cluster.findings),
        ("Vulnerabilities", cluster.vulnerabilities),
        ("Misconfigurations", cluster.misconfigurations),
    ] {
        for (index, resource) in entries.unwrap_or_default().into_iter().enumerate() {
            resources.insert((resource.kind, resource.name));
            let path = format!("{list}[{index}].Results");
            reader.results(&path, resource.results.unwrap_or_default())?;
        }
    }
    if resources.len() > 1 {
        reader.out.warnings.push(format!(
            "{name}: about {} resources of a cluster; findings of other images are not told apart \
             and are judged by package and version",
            resources.len()
        ));
    }
    let artifact = ArtifactIdentity {
        name: cluster.cluster_name.unwrap_or_default(),
        kind: Some("cluster".to_owned()),
        ..ArtifactIdentity::default()
    };
    Ok(reader.out.finish(ReportFormat::Trivy, artifact))
}

/// What names places in the image's configuration; no value of a variable or label is taken.
fn configuration(artifact: Option<&str>, config: Option<&mut ImageConfig>) -> Configuration {
    let (history, own) = match config {
        Some(config) => (config.history.take(), config.config.take()),
        None => (None, None),
    };
    let history = history.unwrap_or_default().into_iter();
    let (env, labels) = own.map_or((None, None), |own| (own.env, own.labels));
    let env = env.unwrap_or_default();
    Configuration {
        artifact: artifact.unwrap_or_default().to_owned(),
        history: history.map(|entry| entry.created_by.unwrap_or_default()).collect(),
        environment: env.iter().filter_map(|entry| trivy_risks::variable(entry)).collect(),
        labels: labels.unwrap_or_default().into_keys().collect(),
    }
}

fn identity(name: Option<String>, kind: Option<String>, metadata: Metadata) -> ArtifactIdentity {
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

/// Reads results into its collector.
pub(super) struct Reader<'a> {
    platform: Option<String>,
    configuration: Configuration,
    pub out: Collector<'a>,
}

/// What the entries of one element of `Results` share.
struct Target {
    class: Class,
    kind: String,
    /// The element's file, absolute; `None` for the system and for gathered libraries.
    file: Option<String>,
    /// Its `Target`, as it is.
    target: Option<String>,
}

impl<'a> Reader<'a> {
    fn new(name: &'a str, platform: Option<String>) -> Self {
        Self::over(Collector::new(name, SCANNER), platform)
    }

    /// One that goes on with what another format's reader has gathered.
    pub fn over(out: Collector<'a>, platform: Option<String>) -> Self {
        Self { platform, configuration: Configuration::default(), out }
    }

    /// `path` is the list's in the report.
    pub fn results(&mut self, path: &str, results: Vec<TrivyResult>) -> Result<(), FindingsError> {
        for (index, result) in results.into_iter().enumerate() {
            self.result(&format!("{path}[{index}]"), result)?;
        }
        Ok(())
    }

    fn result(&mut self, path: &str, result: TrivyResult) -> Result<(), FindingsError> {
        let name = self.out.name();
        let place = |list: &str, at: usize| EntryPath {
            name,
            scanner: SCANNER,
            path: format!("{path}.{list}[{at}]"),
        };
        let class = result.class.unwrap_or_default();
        let kind = result.kind.unwrap_or_default();
        let is_system = class == "os-pkgs" || class.is_empty() && is_distribution(&kind);
        let is_file = !is_system && !GATHERED.contains(&kind.as_str());
        let target = Target {
            class: if is_system { Class::System } else { Class::Library },
            target: result.target.clone(),
            file: non_empty(result.target).filter(|_| is_file).map(|text| image_path(&text)),
            kind,
        };
        for (at, entry) in result.vulnerabilities.unwrap_or_default().into_iter().enumerate() {
            let word = entry.status.clone();
            let finding = self.vulnerability(&place("Vulnerabilities", at), &target, entry)?;
            self.out.add(finding, word.as_deref(), "status", None);
        }
        for (at, entry) in result.misconfigurations.unwrap_or_default().into_iter().enumerate() {
            let passed = matches!(entry.status.as_deref(), Some("PASS" | "EXCEPTION"));
            let finding = self.misconfiguration(&place("Misconfigurations", at), &target, entry)?;
            match passed {
                true => self.out.passed += 1,
                false => self.out.findings.push(finding),
            }
        }
        for (at, entry) in result.secrets.unwrap_or_default().into_iter().enumerate() {
            let finding = self.secret(&place("Secrets", at), &target, entry)?;
            self.out.findings.push(finding);
        }
        for (at, entry) in result.licenses.unwrap_or_default().into_iter().enumerate() {
            let finding = self.license(&place("Licenses", at), entry)?;
            self.out.findings.push(finding);
        }
        let modified = result.experimental_modified_findings.unwrap_or_default();
        for (at, entry) in modified.into_iter().enumerate() {
            self.modified(&place("ExperimentalModifiedFindings", at), &target, entry)?;
        }
        Ok(())
    }

    /// An entry that Trivy took out of its lists, or would have.
    fn modified(
        &mut self,
        place: &EntryPath<'_>,
        target: &Target,
        entry: Modified,
    ) -> Result<(), FindingsError> {
        let value = entry.finding.unwrap_or_default();
        let finding = match entry.kind.as_deref().unwrap_or_default() {
            "vulnerability" => self.vulnerability(place, target, read(place, value)?)?,
            "misconfiguration" => self.misconfiguration(place, target, read(place, value)?)?,
            "secret" => self.secret(place, target, read(place, value)?)?,
            "license" => self.license(place, read(place, value)?)?,
            other => {
                let why = format!("{other:?} is not a kind of finding that Trivy has");
                return Err(place.error("Type", why));
            }
        };
        let word = place.required("Status", entry.status)?;
        if matches!(word.as_str(), "affected" | "under_investigation") {
            self.out.add(finding, Some(&word), "VEX", None);
            return Ok(());
        }
        let source = entry.source.as_deref().unwrap_or("ignore rule");
        self.out.assess(finding, &word, source, entry.statement.as_deref());
        Ok(())
    }

    fn vulnerability(
        &mut self,
        place: &EntryPath<'_>,
        target: &Target,
        entry: Vulnerability,
    ) -> Result<Finding, FindingsError> {
        let id = place.required("VulnerabilityID", entry.id)?;
        let package = place.required("PkgName", entry.pkg_name)?;
        let severity = place.severity(entry.severity.as_deref(), &mut self.out.warnings);
        let fixes = split_versions(entry.fixed_version.as_deref());
        let purl = entry.pkg_identifier.and_then(|identifier| identifier.purl);
        let aliases: BTreeSet<String> =
            entry.vendor_ids.unwrap_or_default().into_iter().filter(|alias| *alias != id).collect();
        // Trivy leaves the version out when its data has none. Versions before 0.38 say nothing
        // else; later ones have a status.
        let unfixed = entry.status.is_none() && fixes.is_empty();
        let finding = Finding {
            class: target.class,
            severity,
            architecture: purl.and_then(|purl| purl::qualifier(&purl, "arch")),
            status: unfixed.then_some(FixStatus::Affected),
            aliases: aliases.into_iter().collect(),
            title: title(entry.title),
            path: non_empty(entry.pkg_path)
                .map(|path| image_path(&path))
                .or_else(|| target.file.clone()),
            platform: self.platform.clone(),
            naming: Naming::Binary,
            advisory: entry.primary_url,
            references: entry.references.unwrap_or_default(),
            cvss: cvss(entry.cvss),
            ..Finding::system(&id, &package, &entry.installed_version.unwrap_or_default())
        };
        Ok(with_fixes(finding, fixes))
    }

    fn misconfiguration(
        &mut self,
        place: &EntryPath<'_>,
        target: &Target,
        entry: Misconfiguration,
    ) -> Result<Finding, FindingsError> {
        let id = place.required("ID", entry.id.clone())?;
        let severity = place.severity(entry.severity.as_deref(), &mut self.out.warnings);
        let (subject, location) = trivy_risks::of_misconfiguration(
            &entry,
            &target.kind,
            target.target.as_deref(),
            target.file.as_deref(),
            &self.configuration,
        );
        let package = match subject {
            Some(Subject::Secret) => "secret",
            _ => &target.kind,
        };
        let finding = self.baseline(&id, severity, package, location, entry.title);
        Ok(Finding { subject, ..finding })
    }

    fn secret(
        &mut self,
        place: &EntryPath<'_>,
        target: &Target,
        entry: Secret,
    ) -> Result<Finding, FindingsError> {
        let id = place.required("RuleID", entry.rule_id.clone())?;
        let severity = place.severity(entry.severity.as_deref(), &mut self.out.warnings);
        let location = trivy_risks::of_secret(
            &entry,
            target.target.as_deref(),
            target.file.as_deref(),
            &self.configuration,
        );
        let finding = self.baseline(&id, severity, "secret", location, entry.title);
        Ok(Finding { subject: Some(Subject::Secret), ..finding })
    }

    fn license(&mut self, place: &EntryPath<'_>, entry: License) -> Result<Finding, FindingsError> {
        let id = place.required("Name", entry.name)?;
        let severity = place.severity(entry.severity.as_deref(), &mut self.out.warnings);
        let package = non_empty(entry.pkg_name).unwrap_or_else(|| "license".to_owned());
        let path = non_empty(entry.file_path).map(|path| image_path(&path));
        let location = path.map(|path| FileLocation::at(path).into());
        let title = non_empty(entry.category).map(|category| format!("license: {category}"));
        let finding = self.baseline(&id, severity, &package, location, title);
        Ok(Finding { subject: Some(Subject::License), ..finding })
    }

    fn baseline(
        &self,
        id: &str,
        severity: Severity,
        package: &str,
        location: Option<Location>,
        text: Option<String>,
    ) -> Finding {
        let finding = Finding {
            class: Class::Baseline,
            severity,
            title: title(text),
            platform: self.platform.clone(),
            ..Finding::system(id, package, "")
        };
        match location {
            Some(location) => finding.located(location),
            None => finding,
        }
    }
}

/// An entry that was kept as a value until its kind was known.
fn read<T: serde::de::DeserializeOwned>(
    place: &EntryPath<'_>,
    value: serde_json::Value,
) -> Result<T, FindingsError> {
    serde_json::from_value(value).map_err(|error| place.error("Finding", error.to_string()))
}

/// Old reports have no `Class`: their `Type` is then a distribution or a kind of library.
///
/// Source: `pkg/fanal/types/const.go` of Trivy, the OS types.
fn is_distribution(kind: &str) -> bool {
    [
        "alma",
        "alpine",
        "amazon",
        "azurelinux",
        "cbl-mariner",
        "centos",
        "chainguard",
        "debian",
        "fedora",
        "opensuse",
        "opensuse.leap",
        "opensuse.tumbleweed",
        "opensuse-leap",
        "oracle",
        "photon",
        "redhat",
        "rocky",
        "suse linux enterprise server",
        "slem",
        "sles",
        "ubuntu",
        "wolfi",
    ]
    .contains(&kind)
}
