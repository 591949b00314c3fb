//! OSV-Scanner (`osv-scanner scan image --format json`): packages by the place they were found
//! in, each with records of the OSV database.
//!
//! Source: <https://google.github.io/osv-scanner/output/#json> and
//! <https://ossf.github.io/osv-schema/>.

use serde::Deserialize;

use super::advisory::{cvss, lenient};
use super::format::{Form, Format, Outline};
use super::report::{
    Collector, aliases, from_json, image_path, non_empty, severity_of_score, title, with_fixes,
};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport};
use imgfix_model::advisory::Cvss;
use imgfix_model::finding::{Class, Finding, FixStatus, Naming, Severity};

const SCANNER: &str = "OSV-Scanner";

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::Osv,
    outlines: &[
        Outline {
            form: Form::Object,
            needs: &["results"],
            any: &[
                "experimental_config",
                "image_metadata",
                "license_summary",
                "results[].packages",
            ],
        },
        Outline { form: Form::Only, needs: &["results"], any: &[] },
    ],
    parse,
};

/// Ecosystems whose packages are the distribution's, as the OSV schema names them.
const SYSTEMS: &[&str] = &[
    "AlmaLinux",
    "Alpaquita",
    "Alpine",
    "Azure Linux",
    "BellSoft Hardened Containers",
    "Chainguard",
    "Debian",
    "Echo",
    "Mageia",
    "MinimOS",
    "openEuler",
    "openSUSE",
    "Photon OS",
    "Red Hat",
    "Rocky Linux",
    "SUSE",
    "Ubuntu",
    "Wolfi",
];

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Report {
    results: Option<Vec<Source>>,
    image_metadata: Option<ImageMetadata>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct ImageMetadata {
    layer_metadata: Option<Vec<Layer>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Layer {
    diff_id: Option<String>,
    is_empty: Option<bool>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Source {
    source: Option<SourceInfo>,
    packages: Option<Vec<PackageVulns>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct SourceInfo {
    path: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct PackageVulns {
    package: Package,
    vulnerabilities: Option<Vec<Vulnerability>>,
    groups: Option<Vec<Group>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Package {
    name: Option<String>,
    /// The binary package of `name`, a source package.
    os_package_name: Option<String>,
    version: Option<String>,
    ecosystem: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Vulnerability {
    id: Option<String>,
    aliases: Option<Vec<String>>,
    upstream: Option<Vec<String>>,
    summary: Option<String>,
    details: Option<String>,
    affected: Option<Vec<Affected>>,
    database_specific: Option<DatabaseSpecific>,
    #[serde(rename = "severity", default, deserialize_with = "lenient")]
    vectors: Option<Vec<OsvSeverity>>,
    #[serde(default, deserialize_with = "lenient")]
    references: Option<Vec<OsvReference>>,
}

/// <https://ossf.github.io/osv-schema/#severity-field>.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct OsvSeverity {
    /// `CVSS_V2`, `CVSS_V3`, `CVSS_V4`, or a distribution's name.
    #[serde(rename = "type", default, deserialize_with = "lenient")]
    kind: Option<String>,
    /// A vector, or a distribution's word.
    #[serde(default, deserialize_with = "lenient")]
    score: Option<String>,
}

/// <https://ossf.github.io/osv-schema/#references-field>.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct OsvReference {
    #[serde(rename = "type", default, deserialize_with = "lenient")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    url: Option<String>,
}

/// The vector of the newest version of CVSS that a record has, and the score that OSV-Scanner
/// worked out for its group.
fn said_by_cvss(id: &str, record: &Vulnerability, groups: &[Group]) -> Vec<Cvss> {
    let vectors = record.vectors.iter().flatten();
    let vectors = vectors.filter(|one| one.kind.as_deref().unwrap_or_default().starts_with("CVSS"));
    let newest = vectors.max_by_key(|one| one.kind.clone()).and_then(|one| one.score.clone());
    cvss("OSV", None, newest)
        .into_iter()
        .chain(cvss(SCANNER, group_score(id, groups), None))
        .collect()
}

/// The highest score of the records of an id's group.
fn group_score(id: &str, groups: &[Group]) -> Option<f64> {
    groups
        .iter()
        .find(|group| group.ids.iter().flatten().any(|one| one == id))
        .and_then(|group| group.max_severity.as_deref()?.parse().ok())
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct DatabaseSpecific {
    severity: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Affected {
    package: Option<Package>,
    ranges: Option<Vec<Range>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Range {
    #[serde(rename = "type")]
    kind: Option<String>,
    events: Option<Vec<Event>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Event {
    introduced: Option<String>,
    fixed: Option<String>,
    last_affected: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Group {
    ids: Option<Vec<String>>,
    max_severity: Option<String>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let report: Report = from_json(name, SCANNER, bytes)?;
    let mut out = Collector::new(name, SCANNER);
    let mut artifact = ArtifactIdentity::default();
    for (at, source) in report.results.unwrap_or_default().into_iter().enumerate() {
        let path = source.source.and_then(|source| non_empty(source.path));
        if at == 0 {
            artifact.name = path.clone().unwrap_or_default();
        }
        for (number, entry) in source.packages.unwrap_or_default().into_iter().enumerate() {
            package(
                &mut out,
                &format!("results[{at}].packages[{number}]"),
                path.as_deref(),
                entry,
            )?;
        }
    }
    artifact.diff_ids = report
        .image_metadata
        .and_then(|metadata| metadata.layer_metadata)
        .unwrap_or_default()
        .into_iter()
        .filter(|layer| layer.is_empty != Some(true))
        .filter_map(|layer| non_empty(layer.diff_id))
        .collect();
    Ok(out.finish(ReportFormat::Osv, artifact))
}

fn package(
    out: &mut Collector<'_>,
    path: &str,
    file: Option<&str>,
    entry: PackageVulns,
) -> Result<(), FindingsError> {
    let about = entry.package;
    let ecosystem = about.ecosystem.clone().unwrap_or_default();
    let family = ecosystem.split(':').next().unwrap_or_default();
    let is_system = SYSTEMS.contains(&family);
    let groups = entry.groups.unwrap_or_default();
    let naming = match (non_empty(about.os_package_name.clone()), family) {
        (Some(_), _) => Naming::Binary,
        (None, "Debian" | "Ubuntu" | "Alpine") => Naming::Source,
        (None, "AlmaLinux" | "Red Hat" | "Rocky Linux" | "SUSE" | "openSUSE") => Naming::Binary,
        _ => Naming::Either,
    };
    for (at, vulnerability) in entry.vulnerabilities.unwrap_or_default().into_iter().enumerate() {
        let place = out.place(format!("{path}.vulnerabilities[{at}]"));
        let id = place.required("id", vulnerability.id.clone())?;
        let name = non_empty(about.os_package_name.clone()).or_else(|| about.name.clone());
        let package = out.place(format!("{path}.package")).required("name", name)?;
        let severity = severity(&id, &vulnerability, &groups);
        let cvss = said_by_cvss(&id, &vulnerability, &groups);
        let fixes = fixed_versions(&vulnerability, &about);
        let unending = never_ends(&vulnerability.affected, &about);
        let links = vulnerability.references.unwrap_or_default();
        let advisory = links.iter().find(|link| link.kind.as_deref() == Some("ADVISORY"));
        let names = vulnerability.aliases.into_iter().chain(vulnerability.upstream).flatten();
        let finding = Finding {
            class: match &id {
                // Records of malicious packages: <https://github.com/ossf/malicious-packages>.
                id if id.starts_with("MAL-") => Class::Malicious,
                _ if is_system => Class::System,
                _ => Class::Library,
            },
            severity,
            aliases: aliases(&id, names),
            title: title(non_empty(vulnerability.summary).or(vulnerability.details)),
            status: (fixes.is_empty() && unending).then_some(FixStatus::Affected),
            path: file.filter(|_| !is_system).map(image_path),
            naming,
            advisory: advisory.and_then(|link| link.url.clone()),
            references: links.into_iter().filter_map(|link| link.url).collect(),
            cvss,
            ..Finding::system(&id, &package, about.version.as_deref().unwrap_or_default())
        };
        out.findings.push(with_fixes(finding, fixes));
    }
    Ok(())
}

/// The database's own word, or the score that OSV-Scanner worked out for the group.
fn severity(id: &str, vulnerability: &Vulnerability, groups: &[Group]) -> Severity {
    let word = vulnerability.database_specific.as_ref().and_then(|own| own.severity.as_ref());
    let word = word.and_then(serde_json::Value::as_str).unwrap_or_default();
    let known = match word.to_ascii_lowercase().as_str() {
        "moderate" => Some(Severity::Medium),
        "important" => Some(Severity::High),
        word => word.parse().ok(),
    };
    known.unwrap_or_else(|| group_score(id, groups).map_or(Severity::Unknown, severity_of_score))
}

/// The fixed versions of the records that are about this very package and release.
fn fixed_versions(vulnerability: &Vulnerability, about: &Package) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for event in events(&vulnerability.affected, about).flatten() {
        if let Some(fixed) = non_empty(event.fixed.clone())
            && !out.contains(&fixed)
        {
            out.push(fixed);
        }
    }
    out
}

/// The events of each range of the records that are about this very package and release.
fn events<'a>(
    affected: &'a Option<Vec<Affected>>,
    about: &'a Package,
) -> impl Iterator<Item = &'a [Event]> {
    let same = |affected: &&Affected| {
        affected.package.as_ref().is_some_and(|package| {
            package.name == about.name && package.ecosystem == about.ecosystem
        })
    };
    let ranges = affected.iter().flatten().filter(same).flat_map(|one| one.ranges.iter().flatten());
    let versions = ranges.filter(|range| range.kind.as_deref() != Some("GIT"));
    versions.map(|range| range.events.as_deref().unwrap_or_default())
}

/// Whether the records say that every version since the first has the problem: a range with a
/// beginning and no end.
fn never_ends(affected: &Option<Vec<Affected>>, about: &Package) -> bool {
    let mut ranges = events(affected, about).peekable();
    ranges.peek().is_some()
        && ranges.all(|events| {
            let begins = events.iter().any(|event| event.introduced.is_some());
            let ends = events.iter().any(|one| one.fixed.is_some() || one.last_affected.is_some());
            begins && !ends
        })
}
