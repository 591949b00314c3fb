//! SARIF 2.1.0 as container scanners write it: Trivy, Grype, Docker Scout, and others that put
//! a package URL or the lines `Package: ...` into the message or the rule. A result without a
//! package is kept as one of configuration.
//!
//! Source: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/>; what the scanners put into it:
//! `pkg/report/sarif.go` of Trivy, `grype/presenter/sarif` of Grype, `docker scout cves --format
//! sarif`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;

use super::advisory::{cvss, lenient};
use super::format::{Form, Format, Outline};
use super::report::{
    Collector, EntryPath, class_of_type, from_json, image_path, non_empty, severity_of_score,
    split_versions, title, with_fixes,
};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport, gitleaks, purl, risk};
use imgfix_model::finding::{Class, Finding, FixStatus, Naming, Severity, Subject};
use imgfix_model::location::{FileLocation, Location, Span};

const SCANNER: &str = "scanner";

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::Sarif,
    outlines: &[Outline { form: Form::Object, needs: &["runs"], any: &[] }],
    parse,
};

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Log {
    version: Option<String>,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Run {
    tool: Option<Tool>,
    results: Option<Vec<SarifResult>>,
    properties: Option<RunProperties>,
}

/// Trivy's.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct RunProperties {
    image_name: Option<String>,
    #[serde(rename = "imageID")]
    image_id: Option<String>,
    repo_digests: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Tool {
    driver: Driver,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Driver {
    name: Option<String>,
    rules: Option<Vec<Rule>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Rule {
    id: Option<String>,
    name: Option<String>,
    short_description: Option<Message>,
    help: Option<Message>,
    #[serde(default, deserialize_with = "lenient")]
    help_uri: Option<String>,
    properties: Option<RuleProperties>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct RuleProperties {
    tags: Option<Vec<String>>,
    #[serde(rename = "security-severity")]
    score: Option<String>,
    /// Docker Scout's.
    #[serde(rename = "cvssV3_severity")]
    word: Option<String>,
    /// Docker Scout's, and Grype's since 0.90.
    purls: Option<Vec<String>>,
    /// Docker Scout's.
    fixed_version: Option<String>,
    /// Trivy's.
    #[serde(rename = "cvssv3_vector", default, deserialize_with = "lenient")]
    vector: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Message {
    text: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct SarifResult {
    rule_id: Option<String>,
    rule_index: Option<i64>,
    /// In the place of `ruleId` and `ruleIndex`.
    rule: Option<RuleReference>,
    level: Option<String>,
    kind: Option<String>,
    baseline_state: Option<String>,
    message: Option<Message>,
    locations: Option<Vec<SarifLocation>>,
    suppressions: Option<Vec<Suppression>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct RuleReference {
    id: Option<String>,
    index: Option<i64>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Suppression {
    kind: Option<String>,
    status: Option<String>,
    justification: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct SarifLocation {
    physical_location: Option<PhysicalLocation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct PhysicalLocation {
    artifact_location: Option<ArtifactLocation>,
    #[serde(default, deserialize_with = "lenient")]
    region: Option<Region>,
}

/// What a region's snippet holds is not read: it may be a secret.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Region {
    start_line: Option<u32>,
    end_line: Option<u32>,
    start_column: Option<u32>,
    end_column: Option<u32>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct ArtifactLocation {
    uri: Option<String>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let log: Log = from_json(name, SCANNER, bytes)?;
    if let Some(version) = log.version.filter(|version| version != "2.1.0") {
        return Err(FindingsError::UnknownFormat {
            name: name.to_owned(),
            what: format!("SARIF of version {version:?} (2.1.0 is read)"),
        });
    }
    let mut out = Collector::new(name, SCANNER);
    let mut artifact = ArtifactIdentity::default();
    for (number, run) in log.runs.into_iter().enumerate() {
        if let Some(properties) = run.properties {
            artifact.name = properties.image_name.unwrap_or_default();
            artifact.config_digest = non_empty(properties.image_id);
            artifact.manifest_digests.extend(
                properties
                    .repo_digests
                    .unwrap_or_default()
                    .iter()
                    .map(|digest| digest.rsplit('@').next().unwrap_or_default().to_owned()),
            );
        }
        let driver = run.tool.map(|tool| tool.driver);
        let tool = driver.as_ref().and_then(|driver| driver.name.clone()).unwrap_or_default();
        let rules = driver.and_then(|driver| driver.rules).unwrap_or_default();
        let by_id: BTreeMap<&str, &Rule> =
            rules.iter().filter_map(|rule| Some((rule.id.as_deref()?, rule))).collect();
        for (at, entry) in run.results.unwrap_or_default().into_iter().enumerate() {
            let place = out.place(format!("runs[{number}].results[{at}]"));
            if entry.kind.as_deref() == Some("pass") {
                out.passed += 1;
                continue;
            }
            let id = entry.id();
            let index = entry.rule_index.or_else(|| entry.rule.as_ref()?.index);
            let rule = index
                .and_then(|index| rules.get(usize::try_from(index).ok()?))
                .filter(|rule| id.is_none() || rule.id.as_deref() == id)
                .or_else(|| by_id.get(id?).copied());
            let finding = finding(&mut out, &place, &tool, &entry, rule, &artifact.name)?;
            match entry.settled() {
                Some((word, what, note)) => out.assess(finding, word, &what, note),
                None => out.add(finding, entry.kind.as_deref(), "kind", None),
            }
        }
    }
    Ok(out.finish(ReportFormat::Sarif, artifact))
}

impl SarifResult {
    fn id(&self) -> Option<&str> {
        let reference = || self.rule.as_ref()?.id.as_deref();
        self.rule_id.as_deref().or_else(reference)
    }

    /// The word, what says so, and why, of a result that is no problem: one that the rule does
    /// not judge bad, that is gone since the baseline, or that somebody has suppressed. A result
    /// that waits for a review or whose suppression does is still one.
    ///
    /// Source: sections 3.27.9 (`kind`), 3.27.24 (`baselineState`) and 3.35 (`suppression`) of
    /// SARIF 2.1.0; a suppression without a status is accepted.
    fn settled(&self) -> Option<(&str, String, Option<&str>)> {
        if let Some(kind @ ("notApplicable" | "informational")) = self.kind.as_deref() {
            return Some((kind, "kind".to_owned(), None));
        }
        if self.baseline_state.as_deref() == Some("absent") {
            return Some(("absent", "baselineState".to_owned(), None));
        }
        let all = self.suppressions.as_deref().unwrap_or_default();
        let accepted = |one: &Suppression| matches!(one.status.as_deref(), None | Some("accepted"));
        let first = all.first().filter(|_| all.iter().all(accepted))?;
        let what = format!("{} suppression", first.kind.as_deref().unwrap_or("external"));
        Some(("suppressed", what, first.justification.as_deref()))
    }
}

fn finding(
    out: &mut Collector<'_>,
    place: &EntryPath<'_>,
    tool: &str,
    entry: &SarifResult,
    rule: Option<&Rule>,
    image: &str,
) -> Result<Finding, FindingsError> {
    let own = entry.id().map(str::to_owned);
    let rule_id = own.or_else(|| rule.and_then(|rule| rule.id.clone()));
    let rule_id = place.required("ruleId", rule_id)?;
    let message = entry.message.as_ref().and_then(|message| message.text.as_deref());
    let help = rule.and_then(|rule| rule.help.as_ref()?.text.as_deref());
    let said = Said::of(&[message.unwrap_or_default(), help.unwrap_or_default()]);
    let properties = rule.and_then(|rule| rule.properties.as_ref());
    let package = package(&said, message.unwrap_or_default(), properties);
    let severity = severity(out, place, entry, &said, properties);
    let physical = entry.locations.iter().flatten().find_map(|location| {
        let physical = location.physical_location.as_ref()?;
        Some((non_empty(physical.artifact_location.as_ref()?.uri.clone())?, physical))
    });
    let region = physical.as_ref().and_then(|(_, physical)| physical.region.as_ref());
    let uri = physical.as_ref().map(|(uri, _)| uri.clone());
    let id = said.get(&["vulnerability"]).filter(|id| rule_id.starts_with(id)).unwrap_or(&rule_id);
    let text = rule.and_then(|rule| rule.short_description.as_ref()?.text.clone());
    let kind = rule.and_then(|rule| rule.name.as_deref()).unwrap_or_default();
    let advisory = rule.and_then(|rule| rule.help_uri.clone());
    let Some(package) = package else {
        let about = if kind.is_empty() { tool } else { kind };
        let about = if about.is_empty() { "configuration" } else { about };
        let about = about.to_ascii_lowercase();
        let finding = without_package(id, &about, tool, severity, text, message);
        let location = place_of(&finding, tool, uri, region, image);
        return Ok(Finding { advisory, ..risk::located(finding, location) });
    };
    let score = properties.and_then(|properties| properties.score.as_deref()?.trim().parse().ok());
    let vector = properties.and_then(|properties| properties.vector.clone());
    let class = match (package.class, kind) {
        (Some(class), _) => class,
        (None, "OsPackageVulnerability") => Class::System,
        (None, "LanguageSpecificPackageVulnerability") => Class::Library,
        (None, _) => super::report::class_of_name(&package.name),
    };
    let fixed = properties
        .and_then(|properties| properties.fixed_version.as_deref())
        .or_else(|| said.get(&["fixedversion", "fixversion"]));
    // Docker Scout's words for `there is none`.
    let unfixed = fixed.is_some_and(|text| text.eq_ignore_ascii_case("not fixed"));
    let finding = Finding {
        class,
        severity,
        architecture: package.architecture,
        status: unfixed.then_some(FixStatus::Affected),
        title: title(text),
        path: uri.filter(|_| class == Class::Library).map(|path| image_path(&path)),
        naming: naming(tool),
        advisory,
        cvss: cvss(if tool.is_empty() { "SARIF" } else { tool }, score, vector)
            .into_iter()
            .collect(),
        ..Finding::system(id, &package.name, &package.version)
    };
    Ok(with_fixes(finding, split_versions(fixed.filter(|_| !unfixed))))
}

/// A result about no package: a secret, advice about a Dockerfile, other configuration.
fn without_package(
    id: &str,
    about: &str,
    tool: &str,
    severity: Severity,
    text: Option<String>,
    message: Option<&str>,
) -> Finding {
    let tool = tool.to_ascii_lowercase();
    if SECRET_TOOLS.contains(&&*tool) || about == "secret" {
        let severity = if severity == Severity::Unknown { risk::SECRET } else { severity };
        // the message may hold the value
        return risk::secret(id, severity, text, None);
    }
    let text = text.or_else(|| message.map(str::to_owned));
    match &*tool {
        "hadolint" => {
            let finding = risk::baseline(id, "dockerfile", severity, text);
            Finding { subject: Some(Subject::Build), ..finding }
        }
        _ => risk::baseline(id, about, severity, text),
    }
}

/// Tools that look for nothing but secrets.
const SECRET_TOOLS: &[&str] =
    &["gitleaks", "kingfisher", "trufflehog", "ggshield", "betterleaks", "nosey parker"];

/// Where a result without package is. Trivy has the image's name in the place of a file where the
/// configuration is meant.
fn place_of(
    finding: &Finding,
    tool: &str,
    uri: Option<String>,
    region: Option<&Region>,
    image: &str,
) -> Option<Location> {
    let uri = uri?;
    let lines = region.and_then(|region| Span::of(region.start_line, region.end_line));
    if finding.subject == Some(Subject::Build) {
        return Some(Location::Build { file: Some(uri), lines });
    }
    if !image.is_empty() && (uri == image || image_name_as_uri(image) == uri) {
        return Some(Location::Config { field: None });
    }
    let columns = lines.zip(region).and_then(|(lines, region)| match tool {
        "gitleaks" => gitleaks::columns(lines, region.start_column, region.end_column),
        _ => {
            // SARIF's last column does not belong to the region
            let last = region.end_column.and_then(|last| last.checked_sub(1));
            let columns = Span { first: region.start_column?, last: last? };
            let backwards = lines.first == lines.last && columns.last < columns.first;
            (columns.first > 0 && columns.last > 0 && !backwards).then_some(columns)
        }
    });
    Some(FileLocation { lines, columns, ..risk::file(&uri) }.into())
}

/// How Trivy makes a URI of an image's name: without tag and digest.
fn image_name_as_uri(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or(image);
    match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    }
}

/// What a tool calls packages by; of most it is not known.
fn naming(tool: &str) -> Naming {
    match tool.to_ascii_lowercase().as_str() {
        "trivy" | "grype" => Naming::Binary,
        "docker scout" => Naming::Source,
        _ => Naming::Either,
    }
}

/// `Key: value` lines of texts, the keys in lower case without spaces. The first of a key
/// counts: the message is about the very finding, the rule's help speaks of all.
struct Said(BTreeMap<String, String>);

impl Said {
    /// More lines than a scanner writes are not looked at.
    const MAX_LINES: usize = 64;

    fn of(texts: &[&str]) -> Self {
        let mut said = BTreeMap::new();
        for line in texts.iter().flat_map(|text| text.lines().take(Self::MAX_LINES)) {
            let line = line.trim();
            // Both write this one without a colon.
            let pair = match line.strip_prefix("Vulnerability ") {
                Some(id) if !id.contains([':', ' ']) => Some(("Vulnerability", id)),
                _ => line.split_once(':'),
            };
            let Some((key, value)) = pair else { continue };
            let key: String = key.split_whitespace().collect::<String>().to_ascii_lowercase();
            let value = value.trim();
            if !value.is_empty() && key.len() < 40 {
                said.entry(key).or_insert_with(|| value.to_owned());
            }
        }
        Self(said)
    }

    fn get(&self, keys: &[&str]) -> Option<&str> {
        keys.iter().find_map(|key| self.0.get(*key)).map(String::as_str)
    }
}

struct PackageSaid {
    name: String,
    version: String,
    class: Option<Class>,
    architecture: Option<String>,
}

fn package(said: &Said, message: &str, properties: Option<&RuleProperties>) -> Option<PackageSaid> {
    let of_purl = |text: &str| {
        purl::parse(text).map(|purl| PackageSaid {
            class: Some(class_of_type(&purl.kind)),
            name: purl.name,
            version: purl.version,
            architecture: purl.architecture,
        })
    };
    let said_package = said.get(&["package"]);
    // The message names the one of the rule's package URLs that this result is about.
    if let Some(package) = said_package.and_then(of_purl) {
        return Some(package);
    }
    let purls = properties.and_then(|properties| properties.purls.as_deref()).unwrap_or_default();
    if let ([purl], None) = (purls, said_package) {
        return of_purl(purl);
    }
    if let Some((name, version, kind)) = grype_message(message) {
        let class = Some(class_of_type(&kind));
        return Some(PackageSaid { name, version, class, architecture: None });
    }
    if let Some(name) = said_package {
        let version = said.get(&["installedversion", "version"]).unwrap_or_default();
        return Some(PackageSaid {
            name: name.to_owned(),
            version: version.to_owned(),
            class: said.get(&["type"]).map(class_of_type),
            architecture: None,
        });
    }
    purls.first().and_then(|purl| of_purl(purl))
}

/// Name, version and type in Grype's sentence.
fn grype_message(message: &str) -> Option<(String, String, String)> {
    static SENTENCE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(
            r"reports (\S+) at version (\S+)\s+which (?:is|would result in) a vulnerable \((\S+)\)",
        )
        .ok()
    });
    let found = SENTENCE.as_ref()?.captures(message)?;
    let part = |at: usize| Some(found.get(at)?.as_str().to_owned());
    Some((part(1)?, part(2)?, part(3)?))
}

/// The scanner's word where there is one; else what the score or, last, the level says.
fn severity(
    out: &mut Collector<'_>,
    place: &EntryPath<'_>,
    entry: &SarifResult,
    said: &Said,
    properties: Option<&RuleProperties>,
) -> Severity {
    if let Some(word) = said.get(&["severity"]) {
        return out.severity(place, Some(word));
    }
    if let Some(properties) = properties {
        if let Some(word) = properties.word.as_deref().and_then(|word| word.parse().ok()) {
            return word;
        }
        let mut tags = properties.tags.iter().flatten();
        if let Some(word) = tags.find_map(|tag| tag.parse().ok()) {
            return word;
        }
        if let Some(score) = properties.score.as_deref().and_then(|score| score.parse().ok()) {
            return severity_of_score(score);
        }
    }
    match entry.level.as_deref() {
        Some("error") => Severity::High,
        Some("warning") => Severity::Medium,
        Some("note") => Severity::Low,
        _ => Severity::Unknown,
    }
}
