//! JFrog Xray: the summary of an artifact (`/api/v1/summary/artifact`), the on-demand scan
//! (`jf docker scan --format json`), the vulnerabilities report (`rows`), and the export of the
//! web interface (`data`).
//!
//! Source: <https://jfrog.com/help/r/xray-rest-apis>, and real reports.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::format::{Form, Format, Outline};
use super::report::{
    Collector, EntryPath, aliases, from_json, image_path, non_empty, title, with_fixes,
};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport};
use imgfix_model::finding::{Class, Finding, Naming};

const SCANNER: &str = "JFrog Xray";

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::Xray,
    outlines: &[
        Outline {
            form: Form::Object,
            needs: &["artifacts", "artifacts[].issues", "artifacts[].general"],
            any: &[],
        },
        Outline {
            form: Form::List,
            needs: &["scan_id"],
            any: &["vulnerabilities", "component_id", "package_type"],
        },
        Outline {
            form: Form::Object,
            needs: &["total_rows", "rows"],
            any: &["rows[].vulnerable_component", "rows[].impacted_artifact"],
        },
        Outline {
            form: Form::Object,
            needs: &["total_count", "data"],
            any: &["data[].source_comp_id", "data[].component_versions"],
        },
    ],
    parse,
};

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Report {
    artifacts: Option<Vec<Artifact>>,
    rows: Option<Vec<Row>>,
    data: Option<Vec<Exported>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Artifact {
    general: Option<General>,
    issues: Option<Vec<Issue>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct General {
    name: Option<String>,
    sha256: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Issue {
    issue_id: Option<String>,
    summary: Option<String>,
    severity: Option<String>,
    cves: Option<Vec<Cve>>,
    /// `.../sha256__33.tar.gz/3.12:busybox:1.31.1-r20`.
    impact_path: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Cve {
    cve: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Scan {
    component_id: Option<String>,
    vulnerabilities: Option<Vec<Vulnerability>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Vulnerability {
    issue_id: Option<String>,
    summary: Option<String>,
    severity: Option<String>,
    cves: Option<Vec<Cve>>,
    components: Option<BTreeMap<String, Component>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Component {
    fixed_versions: Option<Vec<String>>,
    impact_paths: Option<Vec<Vec<Step>>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Step {
    full_path: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Row {
    issue_id: Option<String>,
    summary: Option<String>,
    severity: Option<String>,
    cves: Option<Vec<Cve>>,
    vulnerable_component: Option<String>,
    impacted_artifact: Option<String>,
    fixed_versions: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Exported {
    id: Option<String>,
    summary: Option<String>,
    severity: Option<String>,
    source_comp_id: Option<String>,
    component_versions: Option<Versions>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Versions {
    fixed_versions: Option<Vec<String>>,
    more_details: Option<MoreDetails>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct MoreDetails {
    cves: Option<Vec<Cve>>,
}

/// What the four forms share of an entry.
struct Said {
    issue: Option<String>,
    cves: Option<Vec<Cve>>,
    severity: Option<String>,
    summary: Option<String>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let mut out = Collector::new(name, SCANNER);
    let mut artifact = ArtifactIdentity::default();
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        let list: Vec<Scan> = from_json(name, SCANNER, bytes)?;
        for (at, scan) in list.into_iter().enumerate() {
            if at == 0 {
                artifact.name = image_name(scan.component_id.as_deref().unwrap_or_default());
            }
            for (number, entry) in scan.vulnerabilities.unwrap_or_default().into_iter().enumerate()
            {
                scanned(&mut out, format!("[{at}].vulnerabilities[{number}]"), entry)?;
            }
        }
        return Ok(out.finish(ReportFormat::Xray, artifact));
    }
    let report: Report = from_json(name, SCANNER, bytes)?;
    for (at, one) in report.artifacts.unwrap_or_default().into_iter().enumerate() {
        if let Some(general) = one.general.filter(|_| at == 0) {
            artifact.name = general.name.unwrap_or_default();
            let digest = non_empty(general.sha256);
            artifact.manifest_digests.extend(digest.map(|digest| format!("sha256:{digest}")));
        }
        for (number, issue) in one.issues.unwrap_or_default().into_iter().enumerate() {
            summarised(&mut out, format!("artifacts[{at}].issues[{number}]"), issue)?;
        }
    }
    for (at, row) in report.rows.unwrap_or_default().into_iter().enumerate() {
        if at == 0 {
            artifact.name = image_name(row.impacted_artifact.as_deref().unwrap_or_default());
        }
        let place = out.place(format!("rows[{at}]"));
        let about = place.required("vulnerable_component", row.vulnerable_component)?;
        let said = Said {
            issue: row.issue_id,
            cves: row.cves,
            severity: row.severity,
            summary: row.summary,
        };
        let finding = finding(&mut out, &place, said, component(&about))?;
        out.findings.push(with_fixes(finding, fixes(row.fixed_versions)));
    }
    for (at, entry) in report.data.unwrap_or_default().into_iter().enumerate() {
        let place = out.place(format!("data[{at}]"));
        let about = place.required("source_comp_id", entry.source_comp_id)?;
        let (fixed, details) = match entry.component_versions {
            Some(versions) => (versions.fixed_versions, versions.more_details),
            None => (None, None),
        };
        let said = Said {
            issue: entry.id,
            cves: details.and_then(|details| details.cves),
            severity: entry.severity,
            summary: entry.summary,
        };
        let finding = finding(&mut out, &place, said, component(&about))?;
        out.findings.push(with_fixes(finding, fixes(fixed)));
    }
    Ok(out.finish(ReportFormat::Xray, artifact))
}

/// An entry of the on-demand scan: one problem of several components.
fn scanned(
    out: &mut Collector<'_>,
    path: String,
    entry: Vulnerability,
) -> Result<(), FindingsError> {
    let place = out.place(path);
    let components = entry.components.unwrap_or_default();
    if components.is_empty() {
        return Err(place.error("components", "names no component"));
    }
    let names: Vec<Cve> = entry.cves.unwrap_or_default();
    for (about, details) in components {
        let said = Said {
            issue: entry.issue_id.clone(),
            cves: Some(names.iter().map(|one| Cve { cve: one.cve.clone() }).collect()),
            severity: entry.severity.clone(),
            summary: entry.summary.clone(),
        };
        let finding = finding(out, &place, said, component(&about))?;
        let mut file = details.impact_paths.into_iter().flatten().flatten().filter_map(|step| {
            non_empty(step.full_path).filter(|path| !path.starts_with("sha256__"))
        });
        let path = file.next_back().filter(|_| finding.class == Class::Library);
        let finding = Finding { path: path.map(|path| image_path(&path)), ..finding };
        out.findings.push(with_fixes(finding, fixes(details.fixed_versions)));
    }
    Ok(())
}

/// An issue of an artifact's summary: the components are at the ends of its paths.
fn summarised(out: &mut Collector<'_>, path: String, issue: Issue) -> Result<(), FindingsError> {
    let place = out.place(path);
    let paths = issue.impact_path.unwrap_or_default();
    let mut ends: Vec<&str> = paths.iter().filter_map(|path| path.rsplit('/').next()).collect();
    ends.sort_unstable();
    ends.dedup();
    if ends.is_empty() {
        return Err(place.error("impact_path", "names no component"));
    }
    let names: Vec<Option<String>> =
        issue.cves.unwrap_or_default().into_iter().map(|one| one.cve).collect();
    for end in ends {
        let said = Said {
            issue: issue.issue_id.clone(),
            cves: Some(names.iter().map(|cve| Cve { cve: cve.clone() }).collect()),
            severity: issue.severity.clone(),
            summary: issue.summary.clone(),
        };
        // `3.12:busybox:1.31.1-r20` of a layer, or a file.
        let about = match end.split(':').collect::<Vec<_>>().as_slice() {
            [release, name, version @ ..]
                if !version.is_empty() && release.starts_with(|c: char| c.is_ascii_digit()) =>
            {
                About {
                    class: Class::System,
                    name: (*name).to_owned(),
                    version: version.join(":"),
                    naming: Naming::Either,
                }
            }
            _ => About::library(end.to_owned(), String::new()),
        };
        let finding = finding(out, &place, said, about)?;
        out.findings.push(finding);
    }
    Ok(())
}

/// What a component is.
struct About {
    class: Class,
    name: String,
    version: String,
    naming: Naming,
}

impl About {
    fn library(name: String, version: String) -> Self {
        Self { class: Class::Library, name, version, naming: Naming::Either }
    }
}

fn finding(
    out: &mut Collector<'_>,
    place: &EntryPath<'_>,
    said: Said,
    about: About,
) -> Result<Finding, FindingsError> {
    let names: Vec<String> =
        said.cves.into_iter().flatten().filter_map(|one| non_empty(one.cve)).collect();
    let issue = non_empty(said.issue);
    // Some entries have neither a name of the problem nor an id: the summary is all.
    let id = names.first().or(issue.as_ref()).cloned().or_else(|| title(said.summary.clone()));
    let id = place.required("issue_id", id)?;
    let severity = out.severity(place, said.severity.as_deref());
    Ok(Finding {
        class: about.class,
        severity,
        aliases: aliases(
            &id,
            names.into_iter().chain(issue.filter(|one| one.starts_with("XRAY-"))),
        ),
        title: title(said.summary),
        naming: about.naming,
        ..Finding::system(&id, &about.name, &about.version)
    })
}

/// Takes a component's id apart: `deb://debian:stretch:libx11:2:1.6.4-3`,
/// `alpine://3.12:libcrypto1.1:1.1.1k-r0`, `rpm://7:expat:17:2.1.0-10.el7_3`,
/// `gav://org.yaml:snakeyaml:1.16`, `npm://ip:2.0.0`.
fn component(id: &str) -> About {
    let (kind, rest) = id.split_once("://").unwrap_or(("", id));
    let parts: Vec<&str> = rest.split(':').collect();
    let system = |name: &str, version: String, naming: Naming| {
        let version = version.strip_prefix("0:").map(str::to_owned).unwrap_or(version);
        About { class: Class::System, name: name.to_owned(), version, naming }
    };
    match (kind, parts.as_slice()) {
        // Xray's data is about Debian's sources; what it found may be a binary.
        ("deb", [_, _, name, version @ ..]) => system(name, version.join(":"), Naming::Either),
        ("alpine", [_, name, version @ ..]) => system(name, version.join(":"), Naming::Either),
        ("rpm", [_, name, version @ ..]) => system(name, version.join(":"), Naming::Binary),
        ("gav", [group, name, version @ ..]) => {
            About::library(format!("{group}:{name}"), version.join(":"))
        }
        _ => match rest.rsplit_once(':') {
            Some((name, version)) => About::library(name.to_owned(), version.to_owned()),
            None => About::library(rest.to_owned(), String::new()),
        },
    }
}

/// An image's reference as other tools write it.
fn image_name(id: &str) -> String {
    id.strip_prefix("docker://").unwrap_or(id).to_owned()
}

/// Fixed versions without Xray's marks: `[1.26]`, `≥ 1:11.0.5`.
fn fixes(versions: Option<Vec<String>>) -> Vec<String> {
    let bare = |text: &String| {
        let text = text.trim().trim_start_matches(['\u{2265}', '>', '=', ' ', '[', '(']);
        let text = text.trim_end_matches([']', ')', ' ']);
        text.split(',').next().unwrap_or_default().trim().to_owned()
    };
    versions.iter().flatten().map(bare).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_taken_apart() {
        for (id, want) in [
            ("deb://debian:stretch:libx11:2:1.6.4-3", "System libx11 2:1.6.4-3"),
            ("alpine://3.12:libcrypto1.1:1.1.1k-r0", "System libcrypto1.1 1.1.1k-r0"),
            ("rpm://7:java-11:0:11.0.6-1.el7_7", "System java-11 11.0.6-1.el7_7"),
            ("rpm://7:expat:17:2.1.0-10.el7_3", "System expat 17:2.1.0-10.el7_3"),
            ("gav://org.yaml:snakeyaml:1.16", "Library org.yaml:snakeyaml 1.16"),
            ("npm://ip:2.0.0", "Library ip 2.0.0"),
            ("go://github.com/gogo/protobuf:1.3.1", "Library github.com/gogo/protobuf 1.3.1"),
            ("gav://test", "Library test "),
            ("", "Library  "),
        ] {
            let about = component(id);
            let got = format!("{:?} {} {}", about.class, about.name, about.version);
            assert_eq!(got, want, "{id}");
        }
    }

    #[test]
    fn marks_leave_the_fixed_versions() {
        let texts = ["[1.26]", "\u{2265} 2:1.6.4-3+deb9u1", "2.0.1", "[1.2,)", "Pending"];
        let texts = texts.map(str::to_owned).to_vec();
        assert_eq!(fixes(Some(texts)), ["1.26", "2:1.6.4-3+deb9u1", "2.0.1", "1.2", "Pending"]);
    }
}
