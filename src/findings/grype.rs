//! Grype's JSON report (`grype -o json`).
//!
//! Source: `grype/presenter/models` of Grype: `matches[]` pairs a vulnerability with the
//! artifact (package) that has it; `source` says what was scanned, `distro` on what.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor, value::MapAccessDeserializer};

use super::advisory::{cvss, epss, lenient, number};
use super::format::{Form, Format, Outline};
use super::report::{Collector, from_json, image_path, non_empty, title, with_fixes};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport, purl};
use imgfix_model::finding::{Class, Finding, FixStatus, Naming};

const SCANNER: &str = "Grype";

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::Grype,
    outlines: &[Outline {
        form: Form::Object,
        needs: &["matches"],
        any: &["source", "descriptor", "matches[].artifact"],
    }],
    parse,
};

#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Report {
    matches: Option<Vec<Match>>,
    /// With `--show-suppressed`, and what the configuration ignores.
    #[serde(rename = "ignoredMatches")]
    ignored_matches: Option<Vec<Match>>,
    source: Option<Source>,
    distro: Option<Distro>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Source {
    #[serde(rename = "type")]
    kind: Option<String>,
    target: Option<Target>,
}

/// `source.target`: an object for images, a path for directories and files.
enum Target {
    Path(String),
    Image(ImageTarget),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct ImageTarget {
    user_input: Option<String>,
    #[serde(rename = "imageID")]
    image_id: Option<String>,
    manifest_digest: Option<String>,
    repo_digests: Option<Vec<String>>,
    layers: Option<Vec<Layer>>,
    os: Option<String>,
    architecture: Option<String>,
    #[serde(rename = "architectureVariant")]
    variant: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Layer {
    digest: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Distro {
    name: Option<String>,
    version: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Match {
    vulnerability: Vulnerability,
    related_vulnerabilities: Option<Vec<Vulnerability>>,
    artifact: Artifact,
    applied_ignore_rules: Option<Vec<IgnoreRule>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", expecting = "an object")]
struct IgnoreRule {
    reason: Option<String>,
    vex_status: Option<String>,
    vex_justification: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Vulnerability {
    id: Option<String>,
    severity: Option<String>,
    description: Option<String>,
    fix: Option<Fix>,
    #[serde(rename = "dataSource", default, deserialize_with = "lenient")]
    data_source: Option<String>,
    /// Whose data it is: `debian:distro:debian:12`, `nvd:cpe`.
    #[serde(default, deserialize_with = "lenient")]
    namespace: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    urls: Option<Vec<String>>,
    #[serde(default, deserialize_with = "lenient")]
    cvss: Option<Vec<GrypeCvss>>,
    /// One for each CVE that it is about.
    #[serde(default, deserialize_with = "lenient")]
    epss: Option<Vec<GrypeEpss>>,
    /// Entries of CISA's catalogue.
    #[serde(rename = "knownExploited", default, deserialize_with = "lenient")]
    known_exploited: Option<Vec<IgnoredAny>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct GrypeCvss {
    #[serde(default, deserialize_with = "lenient")]
    source: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    vector: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    metrics: Option<CvssMetrics>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct CvssMetrics {
    #[serde(rename = "baseScore", default, deserialize_with = "number")]
    base_score: Option<f64>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct GrypeEpss {
    #[serde(default, deserialize_with = "number")]
    epss: Option<f64>,
    #[serde(default, deserialize_with = "number")]
    percentile: Option<f64>,
}

impl Vulnerability {
    /// What is said beside the fix; `finding` is given it.
    fn say(self, finding: &mut Finding) {
        let source = self.namespace.unwrap_or_else(|| SCANNER.to_owned());
        finding.references.extend(self.urls.into_iter().flatten().chain(self.data_source));
        finding.cvss.extend(self.cvss.into_iter().flatten().filter_map(|one| {
            let score = one.metrics.and_then(|metrics| metrics.base_score);
            cvss(one.source.as_deref().unwrap_or(&source), score, one.vector)
        }));
        let all = self.epss.into_iter().flatten();
        let highest = all.filter_map(|one| epss(one.epss, one.percentile)).max();
        finding.epss = finding.epss.max(highest);
        finding.known_exploited |= self.known_exploited.is_some_and(|list| !list.is_empty());
    }
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Fix {
    versions: Option<Vec<String>>,
    state: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Artifact {
    name: Option<String>,
    version: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    locations: Option<Vec<Location>>,
    purl: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Location {
    path: Option<String>,
    annotations: Option<Annotations>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Annotations {
    evidence: Option<String>,
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TargetVisitor;
        impl<'de> Visitor<'de> for TargetVisitor {
            type Value = Target;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a path or an object that describes an image")
            }
            fn visit_str<E>(self, path: &str) -> Result<Target, E> {
                Ok(Target::Path(path.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Target, A::Error> {
                ImageTarget::deserialize(MapAccessDeserializer::new(map)).map(Target::Image)
            }
        }
        deserializer.deserialize_any(TargetVisitor)
    }
}

/// Reads a report that was recognised as Grype's.
fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let report: Report = from_json(name, SCANNER, bytes)?;
    let mut out = Collector::new(name, SCANNER);
    let artifact = entries(&mut out, "", report)?;
    Ok(out.finish(ReportFormat::Grype, artifact))
}

/// The entries of a report, which stands at `prefix` in the text; Veracode's container scan
/// holds one.
pub(super) fn entries(
    out: &mut Collector<'_>,
    prefix: &str,
    report: Report,
) -> Result<ArtifactIdentity, FindingsError> {
    let artifact = identity(report.source, report.distro);
    let platform = artifact.platform.as_deref();
    for (at, entry) in report.matches.unwrap_or_default().into_iter().enumerate() {
        let finding = finding(out, format!("{prefix}matches[{at}]"), entry, platform)?;
        out.findings.push(finding);
    }
    for (at, mut entry) in report.ignored_matches.unwrap_or_default().into_iter().enumerate() {
        let rules = entry.applied_ignore_rules.take().unwrap_or_default();
        let finding = finding(out, format!("{prefix}ignoredMatches[{at}]"), entry, platform)?;
        // Of several rules the first has decided.
        let rule = rules.into_iter().next();
        let (word, note) = match rule {
            Some(rule) => (
                non_empty(rule.vex_status),
                non_empty(rule.reason).or(non_empty(rule.vex_justification)),
            ),
            None => (None, None),
        };
        let what = if word.is_some() { "VEX" } else { "ignore rule" };
        let word = word.unwrap_or_else(|| "ignored".to_owned());
        out.assess(finding, &word, what, note.as_deref());
    }
    Ok(artifact)
}

fn identity(source: Option<Source>, distro: Option<Distro>) -> ArtifactIdentity {
    let (family, version) = match distro {
        Some(distro) => (non_empty(distro.name), non_empty(distro.version)),
        None => (None, None),
    };
    let mut identity =
        ArtifactIdentity { os_family: family, os_version: version, ..ArtifactIdentity::default() };
    let Some(source) = source else { return identity };
    identity.kind = non_empty(source.kind);
    match source.target {
        None => {}
        Some(Target::Path(path)) => identity.name = path,
        Some(Target::Image(image)) => {
            identity.name = image.user_input.unwrap_or_default();
            identity.config_digest = non_empty(image.image_id);
            identity.manifest_digests = image
                .repo_digests
                .unwrap_or_default()
                .iter()
                .map(|text| text.rsplit('@').next().unwrap_or_default().to_owned())
                .chain(non_empty(image.manifest_digest))
                .collect();
            // Grype names layers by the digest of their uncompressed content.
            identity.diff_ids =
                image.layers.unwrap_or_default().into_iter().filter_map(|l| l.digest).collect();
            identity.platform =
                super::identity::platform_text(image.os, image.architecture, image.variant);
        }
    }
    identity
}

fn finding(
    out: &mut Collector<'_>,
    path: String,
    entry: Match,
    platform: Option<&str>,
) -> Result<Finding, FindingsError> {
    let place = out.place(path);
    let mut about = entry.vulnerability;
    let id = place.required("vulnerability.id", about.id.take())?;
    let package = place.required("artifact.name", entry.artifact.name)?;
    let severity = out.severity(&place, about.severity.as_deref());
    let class = match entry.artifact.kind.as_deref() {
        Some("deb" | "apk" | "rpm" | "alpm" | "portage") => Class::System,
        _ => Class::Library,
    };
    let (versions, state) = match about.fix.take() {
        Some(fix) => (fix.versions.unwrap_or_default(), fix.state),
        None => (Vec::new(), None),
    };
    let related = entry.related_vulnerabilities.unwrap_or_default();
    let aliases: BTreeSet<String> = related
        .iter()
        .filter_map(|related| related.id.clone())
        .filter(|alias| *alias != id)
        .collect();
    let mut finding = Finding {
        class,
        severity,
        architecture: entry.artifact.purl.and_then(|purl| purl::qualifier(&purl, "arch")),
        status: state.as_deref().and_then(status),
        aliases: aliases.into_iter().collect(),
        title: title(about.description.take()),
        advisory: about.data_source.take(),
        // A system package's locations are its records in the package database.
        path: match class {
            Class::System => None,
            _ => primary_path(entry.artifact.locations.unwrap_or_default()),
        },
        platform: platform.map(str::to_owned),
        // Also where the match was made on the source: the artifact is the installed package.
        naming: Naming::Binary,
        ..Finding::system(&id, &package, &entry.artifact.version.unwrap_or_default())
    };
    about.say(&mut finding);
    related.into_iter().for_each(|one| one.say(&mut finding));
    Ok(with_fixes(finding, versions))
}

/// The file that shows the artifact: the one marked as primary evidence, else the first.
fn primary_path(locations: Vec<Location>) -> Option<String> {
    let primary = |location: &Location| {
        location.annotations.as_ref().and_then(|a| a.evidence.as_deref()) == Some("primary")
    };
    let at = locations.iter().position(primary).unwrap_or(0);
    let location = locations.into_iter().nth(at)?;
    non_empty(location.path).map(|path| image_path(&path))
}

/// Source: `grype/vulnerability/fix.go`.
fn status(state: &str) -> Option<FixStatus> {
    Some(match state {
        "fixed" => FixStatus::Fixed,
        "not-fixed" => FixStatus::Affected,
        "wont-fix" => FixStatus::WillNotFix,
        _ => return None,
    })
}
