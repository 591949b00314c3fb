//! Snyk's container report (`snyk container test --json`): the distribution's packages at the
//! top, applications found in the image under `applications`.
//!
//! Source: <https://docs.snyk.io/developer-tools/snyk-cli/commands/container-test> and
//! `src/lib/snyk-test/legacy.ts` of <https://github.com/snyk/cli> (`TestResult`).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::advisory::{Link, cvss, epss, lenient, number, urls};
use super::format::{Form, Format, Outline};
use super::report::{Collector, aliases, documents, image_path, non_empty, title, with_fixes};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport};
use imgfix_model::finding::{Class, Finding, FixStatus, Naming};

const SCANNER: &str = "Snyk";

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::Snyk,
    outlines: &[Outline {
        form: Form::Either,
        needs: &["vulnerabilities", "packageManager"],
        any: &[],
    }],
    parse,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Report {
    vulnerabilities: Option<Vec<Issue>>,
    applications: Option<Vec<Report>>,
    /// What `.snyk` and the organisation's settings leave out.
    filtered: Option<Filtered>,
    package_manager: Option<String>,
    path: Option<String>,
    platform: Option<String>,
    target_file: Option<String>,
    docker: Option<Docker>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Filtered {
    ignore: Option<Vec<Issue>>,
    patch: Option<Vec<Issue>>,
}

/// In an entry of [`Filtered`].
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct FilteredBy {
    ignored: Option<Vec<Ignored>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Ignored {
    reason: Option<String>,
    source: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Docker {
    image_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Issue {
    id: Option<String>,
    title: Option<String>,
    description: Option<String>,
    filtered: Option<FilteredBy>,
    severity: Option<String>,
    package_name: Option<String>,
    /// `source/binary` for Debian's packages.
    name: Option<String>,
    version: Option<String>,
    fixed_in: Option<Vec<String>>,
    nearest_fixed_in_version: Option<String>,
    package_manager: Option<String>,
    malicious: Option<bool>,
    identifiers: Option<BTreeMap<String, Option<Vec<String>>>>,
    #[serde(default, deserialize_with = "lenient")]
    references: Option<Vec<Link>>,
    #[serde(rename = "CVSSv3", default, deserialize_with = "lenient")]
    cvss_v3: Option<String>,
    #[serde(default, deserialize_with = "number")]
    cvss_score: Option<f64>,
    /// What others say.
    #[serde(default, deserialize_with = "lenient")]
    cvss_details: Option<Vec<CvssDetail>>,
    #[serde(default, deserialize_with = "lenient")]
    epss_details: Option<EpssDetails>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct CvssDetail {
    #[serde(default, deserialize_with = "lenient")]
    assigner: Option<String>,
    #[serde(rename = "cvssV3Vector", default, deserialize_with = "lenient")]
    vector: Option<String>,
    #[serde(rename = "cvssV3BaseScore", default, deserialize_with = "number")]
    score: Option<f64>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct EpssDetails {
    #[serde(default, deserialize_with = "number")]
    probability: Option<f64>,
    #[serde(default, deserialize_with = "number")]
    percentile: Option<f64>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let mut out = Collector::new(name, SCANNER);
    let mut artifact: Option<ArtifactIdentity> = None;
    for (report, prefix) in documents::<Report>(name, SCANNER, bytes)? {
        let about = artifact.get_or_insert_with(|| identity(&report));
        let platform = about.platform.clone();
        entries(&mut out, &prefix, report, platform.as_deref())?;
    }
    Ok(out.finish(ReportFormat::Snyk, artifact.unwrap_or_default()))
}

fn identity(report: &Report) -> ArtifactIdentity {
    let manager = report.package_manager.as_deref().unwrap_or_default();
    let (family, version) = match manager.split_once(':') {
        Some((family, version)) => (Some(family.to_owned()), Some(version.to_owned())),
        None => (None, None),
    };
    ArtifactIdentity {
        name: report.path.clone().unwrap_or_default(),
        kind: Some("image".to_owned()),
        config_digest: report.docker.as_ref().and_then(|docker| non_empty(docker.image_id.clone())),
        os_family: family,
        os_version: version,
        platform: non_empty(report.platform.clone()),
        ..ArtifactIdentity::default()
    }
}

/// What the entries of one result share.
struct About {
    manager: String,
    file: Option<String>,
    platform: Option<String>,
}

/// The entries of one result and of its applications, which hold no further ones.
fn entries(
    out: &mut Collector<'_>,
    prefix: &str,
    report: Report,
    platform: Option<&str>,
) -> Result<(), FindingsError> {
    let about = About {
        manager: report.package_manager.unwrap_or_default(),
        file: non_empty(report.target_file).map(|path| image_path(&path)),
        platform: platform.map(str::to_owned),
    };
    for (at, entry) in report.vulnerabilities.unwrap_or_default().into_iter().enumerate() {
        let finding = finding(out, format!("{prefix}vulnerabilities[{at}]"), &about, entry)?;
        out.findings.push(finding);
    }
    let (ignored, patched) = match report.filtered {
        Some(filtered) => (filtered.ignore, filtered.patch),
        None => (None, None),
    };
    for (list, word, entries) in [("ignore", "ignored", ignored), ("patch", "patched", patched)] {
        for (at, mut entry) in entries.unwrap_or_default().into_iter().enumerate() {
            let rules = entry.filtered.take().and_then(|by| by.ignored).unwrap_or_default();
            let (source, reason) = match rules.into_iter().next() {
                Some(rule) => (non_empty(rule.source), rule.reason),
                None => (None, None),
            };
            let path = format!("{prefix}filtered.{list}[{at}]");
            let finding = finding(out, path, &about, entry)?;
            let what =
                source.map_or_else(|| "filter".to_owned(), |source| format!("{source} rule"));
            out.assess(finding, word, &what, reason.as_deref());
        }
    }
    for (at, application) in report.applications.unwrap_or_default().into_iter().enumerate() {
        entries(out, &format!("{prefix}applications[{at}]."), application, platform)?;
    }
    Ok(())
}

fn finding(
    out: &mut Collector<'_>,
    path: String,
    about: &About,
    entry: Issue,
) -> Result<Finding, FindingsError> {
    let place = out.place(path);
    let id = place.required("id", entry.id)?;
    let severity = out.severity(&place, entry.severity.as_deref());
    let class = match entry.package_manager.as_deref().unwrap_or(&about.manager) {
        _ if entry.malicious == Some(true) => Class::Malicious,
        // `debian:11`; ecosystems of libraries have no release.
        manager if manager.contains(':') || manager.starts_with("linux") => Class::System,
        _ => Class::Library,
    };
    // Of a distribution's packages `name` is `source/binary`, or the one word for both;
    // `packageName` is the source.
    let (package, naming) = match (class, non_empty(entry.name), non_empty(entry.package_name)) {
        (Class::System, Some(name), _) => match name.rsplit_once('/') {
            Some((_, binary)) => (Some(binary.to_owned()), Naming::Binary),
            None => (Some(name), Naming::Binary),
        },
        (Class::System, None, source) => (source, Naming::Source),
        (_, name, package) => (package.or(name), Naming::Either),
    };
    let package = place.required("packageName", package)?;
    let others = entry.identifiers.unwrap_or_default();
    let names = ["CVE", "GHSA", "ALTERNATIVE"];
    let others = names.iter().filter_map(|kind| others.get(*kind)?.clone()).flatten();
    let fixes = match non_empty(entry.nearest_fixed_in_version) {
        Some(nearest) => vec![nearest],
        None => entry.fixed_in.unwrap_or_default(),
    };
    // Snyk's text says in this sentence that its data knows of no fix.
    let said = entry.description.unwrap_or_default();
    let none = fixes.is_empty() && said.contains("There is no fixed version for");
    let details = entry.cvss_details.into_iter().flatten();
    let details = details.filter_map(|of| cvss(of.assigner.as_deref()?, of.score, of.vector));
    let finding = Finding {
        class,
        severity,
        status: none.then_some(FixStatus::Affected),
        aliases: aliases(&id, others),
        title: title(entry.title),
        path: about.file.clone(),
        platform: about.platform.clone(),
        naming,
        references: urls(entry.references),
        cvss: cvss(SCANNER, entry.cvss_score, entry.cvss_v3).into_iter().chain(details).collect(),
        epss: entry.epss_details.and_then(|of| epss(of.probability, of.percentile)),
        ..Finding::system(&id, &package, &entry.version.unwrap_or_default())
    };
    Ok(with_fixes(finding, fixes))
}
