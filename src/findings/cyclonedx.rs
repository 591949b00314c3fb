//! CycloneDX 1.4 to 1.6 with vulnerabilities (`trivy image --format cyclonedx --scanners vuln`,
//! `grype -o cyclonedx-json`, and others), JSON here, XML in [`super::cyclonedx_xml`]. Each
//! vulnerability names the components that have it.
//!
//! Source: <https://cyclonedx.org/docs/1.6/json/#vulnerabilities>. Versions that have the fix
//! are not in the standard: Grype writes the property `grype:fixed_versions`, Trivy the
//! recommendation `Upgrade NAME to version VERSION`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;

use super::advisory::{Link, cvss, lenient};
use super::format::{Form, Format, Outline};
use super::report::{
    Collector, EntryPath, class_of_type, from_json, is_no_problem, non_empty, severity_of_score,
    split_versions, title, with_fixes,
};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport, purl, vers};
use imgfix_model::advisory::Cvss;
use imgfix_model::finding::{Class, Finding, FixStatus, Naming, Severity};

const SCANNER: &str = "scanner";

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::CycloneDx,
    outlines: &[Outline { form: Form::Object, needs: &["bomFormat", "vulnerabilities"], any: &[] }],
    parse,
};

/// The document; [`super::cyclonedx_xml`] fills the same.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Document {
    pub spec_version: Option<String>,
    pub metadata: Option<Metadata>,
    pub components: Option<Vec<Component>>,
    pub vulnerabilities: Option<Vec<Vulnerability>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Metadata {
    pub component: Option<Component>,
    pub tools: Option<Tools>,
}

/// What made the document: a list until 1.4, an object since 1.5.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Tools {
    List(Vec<Source>),
    Object { components: Option<Vec<Source>> },
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Component {
    #[serde(rename = "bom-ref")]
    pub bom_ref: Option<String>,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub group: Option<String>,
    pub name: Option<String>,
    pub version: Option<String>,
    pub purl: Option<String>,
    pub components: Option<Vec<Component>>,
    pub properties: Option<Vec<Property>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Property {
    pub name: Option<String>,
    pub value: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Vulnerability {
    pub id: Option<String>,
    pub source: Option<Source>,
    pub references: Option<Vec<Reference>>,
    pub ratings: Option<Vec<Rating>>,
    pub description: Option<String>,
    pub recommendation: Option<String>,
    pub analysis: Option<Analysis>,
    pub affects: Option<Vec<Affected>>,
    pub properties: Option<Vec<Property>>,
    #[serde(default, deserialize_with = "lenient")]
    pub advisories: Option<Vec<Link>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Source {
    pub name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub url: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Reference {
    pub id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub source: Option<Source>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Rating {
    pub source: Option<Source>,
    pub severity: Option<String>,
    pub score: Option<f64>,
    /// `CVSSv31`, `OWASP`, `other`, ...
    #[serde(default, deserialize_with = "lenient")]
    pub method: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub vector: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Analysis {
    pub state: Option<String>,
    pub justification: Option<String>,
    pub detail: Option<String>,
    pub response: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Affected {
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    pub versions: Option<Vec<AffectedVersion>>,
}

/// Whether a version, or those of a range, have the problem.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct AffectedVersion {
    pub version: Option<String>,
    pub range: Option<String>,
    pub status: Option<String>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    read(name, from_json(name, SCANNER, bytes)?)
}

/// The findings of a document, whatever it was written in.
pub(super) fn read(name: &str, document: Document) -> Result<ScanReport, FindingsError> {
    let mut out = Collector::new(name, SCANNER);
    if !matches!(document.spec_version.as_deref(), Some("1.4" | "1.5" | "1.6" | "1.7") | None) {
        out.warnings.push(format!(
            "{name}: CycloneDX {}; 1.4 to 1.6 are known",
            document.spec_version.as_deref().unwrap_or_default()
        ));
    }
    let (about, tools) = match document.metadata {
        Some(metadata) => (metadata.component, metadata.tools),
        None => (None, None),
    };
    let naming = naming(tools.as_ref());
    let artifact = about.as_ref().map(identity).unwrap_or_default();
    let mut components: BTreeMap<&str, &Component> = BTreeMap::new();
    let all = document.components.unwrap_or_default();
    gather(&mut components, &all);
    if let Some(about) = &about {
        gather(&mut components, std::slice::from_ref(about));
    }
    for (at, entry) in document.vulnerabilities.unwrap_or_default().into_iter().enumerate() {
        let path = format!("vulnerabilities[{at}]");
        let place = out.place(path.clone());
        let id = place.required("id", entry.id.clone())?;
        let severity = severity(&mut out, &place, &entry);
        for (number, affected) in entry.affects.iter().flatten().enumerate() {
            let place = out.place(format!("{path}.affects[{number}]"));
            let reference = place.required("ref", affected.reference.clone())?;
            let finding = finding(&place, &id, severity, &entry, &reference, &components)?;
            add(&mut out, &entry, affected, Finding { naming, ..finding });
        }
        if entry.affects.iter().flatten().next().is_none() {
            return Err(place.error("affects", "empty, and a finding needs a component"));
        }
    }
    Ok(out.finish(ReportFormat::CycloneDx, artifact))
}

/// Takes a finding or the assessment that the document has of it: of the very version before
/// that of the whole.
fn add(out: &mut Collector<'_>, entry: &Vulnerability, affected: &Affected, finding: Finding) {
    let analysis = entry.analysis.as_ref();
    let state = analysis.and_then(|analysis| analysis.state.as_deref());
    if let Some(state) = state.filter(|state| is_no_problem(state)) {
        let note = analysis.and_then(|analysis| {
            non_empty(analysis.justification.clone()).or(non_empty(analysis.detail.clone()))
        });
        out.assess(finding, state, "analysis", note.as_deref());
        return;
    }
    match affected.status_of(&finding.installed) {
        Some("unaffected") => out.assess(finding, "unaffected", "affects[].versions", None),
        _ => out.findings.push(finding),
    }
}

impl Affected {
    /// What is said of a version: by name before by range. A range that cannot be decided says
    /// nothing.
    fn status_of(&self, version: &str) -> Option<&str> {
        let all = || self.versions.iter().flatten();
        let named = all().find(|one| one.version.as_deref() == Some(version));
        let within = |one: &&AffectedVersion| {
            one.range.as_deref().and_then(|range| vers::contains(range, version)) == Some(true)
        };
        // Of ranges that overlap, one that says affected counts.
        let affected =
            || all().filter(within).find(|one| one.status.as_deref() != Some("unaffected"));
        let found = named.or_else(affected).or_else(|| all().find(within))?;
        // Without a status the schema means affected.
        Some(found.status.as_deref().unwrap_or("affected"))
    }
}

/// What tools call packages by.
fn naming(tools: Option<&Tools>) -> Naming {
    let list = match tools {
        Some(Tools::List(list)) => list.as_slice(),
        Some(Tools::Object { components }) => components.as_deref().unwrap_or_default(),
        None => &[],
    };
    let known = list.iter().filter_map(|tool| tool.name.as_deref()).find_map(|name| {
        Some(match name.to_ascii_lowercase().as_str() {
            "trivy" | "grype" => Naming::Binary,
            "docker scout" | "docker-scout" => Naming::Source,
            _ => return None,
        })
    });
    known.unwrap_or_default()
}

fn identity(component: &Component) -> ArtifactIdentity {
    let properties = component.properties.iter().flatten();
    let mut identity = ArtifactIdentity {
        name: component.name.clone().unwrap_or_default(),
        kind: component.kind.clone(),
        ..ArtifactIdentity::default()
    };
    // Trivy's properties.
    for property in properties {
        let (Some(name), Some(value)) = (&property.name, &property.value) else { continue };
        match name.rsplit(':').next().unwrap_or_default() {
            "ImageID" => identity.config_digest = Some(value.clone()),
            "DiffID" => identity.diff_ids.push(value.clone()),
            "RepoDigest" => identity
                .manifest_digests
                .push(value.rsplit('@').next().unwrap_or_default().to_owned()),
            _ => {}
        }
    }
    // Grype's component has the manifest's digest as its version.
    identity
        .manifest_digests
        .extend(component.version.clone().filter(|version| version.starts_with("sha256:")));
    identity
}

/// All components by their reference, nested ones too: the reader's limit on nesting bounds
/// the recursion.
fn gather<'a>(into: &mut BTreeMap<&'a str, &'a Component>, components: &'a [Component]) {
    for component in components {
        if let Some(reference) = component.bom_ref.as_deref() {
            into.insert(reference, component);
        }
        gather(into, component.components.as_deref().unwrap_or_default());
    }
}

fn finding(
    place: &EntryPath<'_>,
    id: &str,
    severity: Severity,
    entry: &Vulnerability,
    reference: &str,
    components: &BTreeMap<&str, &Component>,
) -> Result<Finding, FindingsError> {
    // `urn:cdx:SERIAL/VERSION#REF` points into a document beside this one.
    let local = reference.strip_prefix("urn:cdx:").and_then(|link| link.split_once('#'));
    let local = local.map_or_else(|| reference.to_owned(), |(_, part)| part.to_owned());
    let component = components.get(local.as_str());
    let link = component.and_then(|component| component.purl.as_deref()).unwrap_or(&local);
    let url = purl::parse(link);
    let (package, version, class, architecture) = match (url, component) {
        (Some(url), _) => (url.name, url.version, class_of_type(&url.kind), url.architecture),
        (None, Some(component)) => {
            let name = place.required("component.name", component.name.clone())?;
            let name = match component.group.as_deref() {
                Some(group) if !group.is_empty() => format!("{group}:{name}"),
                _ => name,
            };
            let class = match component.kind.as_deref() {
                Some("operating-system") => Class::System,
                _ => Class::Library,
            };
            (name, component.version.clone().unwrap_or_default(), class, None)
        }
        (None, None) => {
            return Err(place.error("ref", format!("no component has the reference {reference:?}")));
        }
    };
    let finding = Finding {
        class,
        severity,
        architecture,
        status: entry.analysis.as_ref().and_then(status),
        aliases: super::report::aliases(
            id,
            entry.references.iter().flatten().filter_map(|one| one.id.clone()),
        ),
        title: title(entry.description.clone()),
        path: component.and_then(|component| file(component)).filter(|_| class == Class::Library),
        advisory: entry.source.as_ref().and_then(|source| source.url.clone()),
        references: links(entry),
        cvss: entry.ratings.iter().flatten().filter_map(|rating| said_by(rating, entry)).collect(),
        ..Finding::system(id, &package, &version)
    };
    Ok(with_fixes(finding, fixes(entry, &package)))
}

/// Where to read about a vulnerability, its own source apart.
fn links(entry: &Vulnerability) -> Vec<String> {
    let advisories = entry.advisories.iter().flatten().filter_map(|one| one.url.clone());
    let elsewhere = entry.references.iter().flatten();
    let elsewhere = elsewhere.filter_map(|one| one.source.as_ref()?.url.clone());
    advisories.chain(elsewhere).collect()
}

/// What a rating says by CVSS, if it is by that. One without a source is of the vulnerability's.
fn said_by(rating: &Rating, entry: &Vulnerability) -> Option<Cvss> {
    let method = rating.method.as_deref().unwrap_or_default();
    let vector = rating.vector.as_deref().unwrap_or_default();
    let by_cvss = method.starts_with("CVSS") || method.is_empty() && vector.contains("AV:");
    let source = rating.source.as_ref().or(entry.source.as_ref());
    let source = source.and_then(|source| source.name.as_deref()).unwrap_or("CycloneDX");
    cvss(source, rating.score, rating.vector.clone()).filter(|_| by_cvss)
}

/// The component's file: Trivy's `aquasecurity:trivy:FilePath`, Syft's `syft:location:0:path`.
fn file(component: &Component) -> Option<String> {
    let property = component.properties.iter().flatten().find(|property| {
        property
            .name
            .as_deref()
            .is_some_and(|name| name.ends_with(":FilePath") || name == "syft:location:0:path")
    })?;
    non_empty(property.value.clone()).map(|path| super::report::image_path(&path))
}

fn fixes(entry: &Vulnerability, package: &str) -> Vec<String> {
    let property = entry.properties.iter().flatten().find(|property| {
        property.name.as_deref().is_some_and(|name| name.ends_with("fixed_versions"))
    });
    if let Some(property) = property {
        return split_versions(property.value.as_deref());
    }
    let Some(text) = entry.recommendation.as_deref() else { return Vec::new() };
    recommended(text, package)
}

/// `Upgrade libc6 to version 2.36-9+deb12u9; Upgrade libc-bin to version ...`.
fn recommended(text: &str, package: &str) -> Vec<String> {
    static UPGRADE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"(?i)upgrade (\S+) to versions? ([0-9v][^\s;,]*(?:, [0-9v][^\s;,]*)*)").ok()
    });
    let Some(pattern) = UPGRADE.as_ref() else { return Vec::new() };
    let mut found = pattern
        .captures_iter(text)
        .filter_map(|captures| Some((captures.get(1)?.as_str(), captures.get(2)?.as_str())));
    let versions = found.find(|(name, _)| *name == package).map(|(_, versions)| versions);
    split_versions(versions)
}

/// The rating of the vulnerability's own source, else the worst.
fn severity(out: &mut Collector<'_>, place: &EntryPath<'_>, entry: &Vulnerability) -> Severity {
    let own = entry.source.as_ref().and_then(|source| source.name.as_deref());
    let ratings = || entry.ratings.iter().flatten();
    let of_source = ratings().find(|rating| {
        own.is_some()
            && rating.severity.is_some()
            && rating.source.as_ref().and_then(|source| source.name.as_deref()) == own
    });
    if let Some(rating) = of_source {
        return out.severity(place, rating.severity.as_deref());
    }
    let words: Vec<Severity> = ratings()
        .filter_map(|rating| rating.severity.as_deref())
        .map(|word| out.severity(place, Some(word)))
        .collect();
    let scores = || ratings().filter_map(|rating| rating.score).map(severity_of_score);
    words.into_iter().max().or_else(|| scores().max()).unwrap_or(Severity::Unknown)
}

/// What the analysis says of a fix. `exploitable` says nothing of one.
///
/// Source: `impactAnalysisState` and `impactAnalysisResponse` of the schema.
fn status(analysis: &Analysis) -> Option<FixStatus> {
    let mut responses = analysis.response.iter().flatten();
    if responses.any(|word| matches!(word.as_str(), "will_not_fix" | "can_not_fix")) {
        return Some(FixStatus::WillNotFix);
    }
    (analysis.state.as_deref() == Some("in_triage")).then_some(FixStatus::UnderInvestigation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recommendation_names_versions_by_package() {
        let text = "Upgrade libc6 to version 2.36-9+deb12u9; Upgrade spring to version 5.3.18, \
                    5.2.20; Read the advisory";
        assert_eq!(recommended(text, "libc6"), ["2.36-9+deb12u9"]);
        assert_eq!(recommended(text, "spring"), ["5.3.18", "5.2.20"]);
        assert_eq!(recommended(text, "libc"), [""; 0]);
    }
}
