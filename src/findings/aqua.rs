//! Aqua's image scan (`scannercli scan --jsonfile`): resources, each a package or a file, with
//! their vulnerabilities; malware and sensitive data beside them. Alone, in the list that a
//! registry's scan gives, and as the two forms of the console's API, which list vulnerabilities.
//!
//! Source: the report's own keys (no public schema);
//! <https://github.com/jenkinsci/aqua-security-scanner-plugin> reads the same.

use serde::Deserialize;

use super::advisory::{lenient, newest, number};
use super::format::{Form, Format, Outline};
use super::report::{
    Collector, class_of_type, from_json, image_path, non_empty, split_versions, title, with_fixes,
};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport, risk};
use imgfix_model::finding::{Finding, Naming, Severity};

const SCANNER: &str = "Aqua scanner";

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::Aqua,
    outlines: &[
        Outline {
            form: Form::Object,
            needs: &["image"],
            any: &["resources", "vulnerability_summary", "scan_started"],
        },
        Outline {
            form: Form::List,
            needs: &["image_name", "results"],
            any: &["results.resources", "results.image", "results.scan_started"],
        },
        Outline {
            form: Form::Object,
            needs: &["image_name", "cves"],
            any: &["cves_counts", "cves[].name"],
        },
        Outline {
            form: Form::Object,
            needs: &["count", "page", "result"],
            any: &["result[].resource", "result[].image_name", "query.image_name"],
        },
    ],
    parse,
};

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Report {
    image: Option<String>,
    digest: Option<String>,
    os: Option<String>,
    version: Option<String>,
    resources: Option<Vec<ResourceScan>>,
    malware: Option<Vec<Malware>>,
    sensitive_data: Option<Vec<Sensitive>>,
    /// Of the API's first form, which has no resources.
    image_name: Option<String>,
    cves: Option<Vec<Vulnerability>>,
    /// Of the API's second form.
    result: Option<Vec<Vulnerability>>,
}

/// An element of a registry's list.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Listed {
    results: Report,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct ResourceScan {
    resource: Resource,
    vulnerabilities: Option<Vec<Vulnerability>>,
}

#[derive(Deserialize, Default)]
#[serde(default, expecting = "an object")]
struct Resource {
    /// `apk`, `deb`, `rpm`, or a language's.
    format: Option<String>,
    name: Option<String>,
    version: Option<String>,
    arch: Option<String>,
    path: Option<String>,
    cpe: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Vulnerability {
    name: Option<String>,
    description: Option<String>,
    fix_version: Option<String>,
    aqua_severity: Option<String>,
    vendor_severity: Option<String>,
    nvd_severity: Option<String>,
    severity: Option<String>,
    acknowledged: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    nvd_url: Option<String>,
    #[serde(default, deserialize_with = "number")]
    nvd_score: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    nvd_vectors: Option<String>,
    #[serde(default, deserialize_with = "number")]
    nvd_score_v3: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    nvd_vectors_v3: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    vendor_url: Option<String>,
    #[serde(default, deserialize_with = "number")]
    vendor_score: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    vendor_vectors: Option<String>,
    #[serde(default, deserialize_with = "number")]
    vendor_score_v3: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    vendor_vectors_v3: Option<String>,
    ack_comment: Option<String>,
    /// In the API's forms, where no resource holds the entry.
    resource: Option<Resource>,
    file: Option<String>,
    image_name: Option<String>,
    image_digest: Option<String>,
    os: Option<String>,
    os_version: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Malware {
    malware: Option<String>,
    path: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Sensitive {
    #[serde(rename = "type")]
    kind: Option<String>,
    path: Option<String>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let mut out = Collector::new(name, SCANNER);
    let is_list = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    if !is_list {
        let artifact = read(&mut out, "", from_json(name, SCANNER, bytes)?)?;
        return Ok(out.finish(ReportFormat::Aqua, artifact));
    }
    let list: Vec<Listed> = from_json(name, SCANNER, bytes)?;
    let mut artifact = ArtifactIdentity::default();
    for (at, one) in list.into_iter().enumerate() {
        let about = read(&mut out, &format!("[{at}].results."), one.results)?;
        if at == 0 {
            artifact = about;
        } else if about.config_digest != artifact.config_digest {
            // Several images: no one of them is what the whole is about.
            artifact = ArtifactIdentity { kind: Some("images".to_owned()), ..Default::default() };
        }
    }
    Ok(out.finish(ReportFormat::Aqua, artifact))
}

/// One image's report, which stands at `prefix` in the text.
fn read(
    out: &mut Collector<'_>,
    prefix: &str,
    report: Report,
) -> Result<ArtifactIdentity, FindingsError> {
    for (at, entry) in report.resources.unwrap_or_default().into_iter().enumerate() {
        for (number, vulnerability) in
            entry.vulnerabilities.unwrap_or_default().into_iter().enumerate()
        {
            let path = format!("{prefix}resources[{at}].vulnerabilities[{number}]");
            add(out, path, &entry.resource, vulnerability)?;
        }
    }
    let mut artifact = ArtifactIdentity {
        name: non_empty(report.image).or(report.image_name).unwrap_or_default(),
        kind: Some("image".to_owned()),
        // The image's ID, without its algorithm.
        config_digest: non_empty(report.digest)
            .map(|digest| if digest.contains(':') { digest } else { format!("sha256:{digest}") }),
        os_family: non_empty(report.os),
        os_version: non_empty(report.version),
        ..ArtifactIdentity::default()
    };
    for (list, entries) in [("cves", report.cves), ("result", report.result)] {
        for (at, mut entry) in entries.unwrap_or_default().into_iter().enumerate() {
            if at == 0 && artifact.name.is_empty() {
                artifact.name = entry.image_name.take().unwrap_or_default();
                artifact.manifest_digests.extend(non_empty(entry.image_digest.take()));
                artifact.os_family = non_empty(entry.os.take());
                artifact.os_version = non_empty(entry.os_version.take());
            }
            let path = entry.file.take();
            let resource =
                entry.resource.take().unwrap_or(Resource { path, ..Resource::default() });
            add(out, format!("{prefix}{list}[{at}]"), &resource, entry)?;
        }
    }
    for (at, entry) in report.malware.unwrap_or_default().into_iter().enumerate() {
        let place = out.place(format!("{prefix}malware[{at}]"));
        let path = image_path(&place.required("path", entry.path)?);
        let id = non_empty(entry.malware).unwrap_or_else(|| "malware".to_owned());
        out.findings.push(risk::malicious(&id, Severity::Critical, None, risk::file(&path)));
    }
    for (at, entry) in report.sensitive_data.unwrap_or_default().into_iter().enumerate() {
        let place = out.place(format!("{prefix}sensitive_data[{at}]"));
        let path = image_path(&place.required("path", entry.path)?);
        let id = non_empty(entry.kind).unwrap_or_else(|| "sensitive-data".to_owned());
        let location = Some(risk::file(&path).into());
        out.findings.push(risk::secret(&id, Severity::Unknown, None, location));
    }
    Ok(artifact)
}

fn add(
    out: &mut Collector<'_>,
    path: String,
    resource: &Resource,
    entry: Vulnerability,
) -> Result<(), FindingsError> {
    let place = out.place(path);
    let id = place.required("name", entry.name)?;
    // A file that Aqua knows by its hash has no name.
    let file = non_empty(resource.path.clone()).map(|path| image_path(&path));
    let name = non_empty(resource.name.clone()).or_else(|| file.clone());
    let package = place.required("resource.name", name.or_else(|| resource.cpe.clone()))?;
    let word = [entry.aqua_severity, entry.vendor_severity, entry.severity, entry.nvd_severity];
    let severity = out.severity(&place, word.into_iter().find_map(non_empty).as_deref());
    let nvd = newest(
        "NVD",
        [(entry.nvd_score_v3, entry.nvd_vectors_v3), (entry.nvd_score, entry.nvd_vectors)],
    );
    let vendor = newest(
        "vendor",
        [
            (entry.vendor_score_v3, entry.vendor_vectors_v3),
            (entry.vendor_score, entry.vendor_vectors),
        ],
    );
    let finding = Finding {
        class: class_of_type(resource.format.as_deref().unwrap_or_default()),
        severity,
        architecture: non_empty(resource.arch.clone()),
        title: title(entry.description),
        path: file,
        advisory: entry.vendor_url,
        references: entry.nvd_url.into_iter().collect(),
        cvss: nvd.into_iter().chain(vendor).collect(),
        // The source is in `src_name`.
        naming: Naming::Binary,
        ..Finding::system(&id, &package, resource.version.as_deref().unwrap_or_default())
    };
    let finding = with_fixes(finding, split_versions(entry.fix_version.as_deref()));
    let word = (entry.acknowledged == Some(true)).then_some("acknowledged");
    out.add(finding, word, "acknowledgement", entry.ack_comment.as_deref());
    Ok(())
}
