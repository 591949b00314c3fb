//! `imgfix/findings/v1`: the minimal format of `docs/findings.md`, which any script can write.
//! It is this project's own, so it is strict: an unknown key is an error, not a finding lost.

use serde::Deserialize;

use super::format::{Form, Format, Outline};
use super::report::{Collector, EntryPath, aliases, from_json, image_path, non_empty, title};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport};
use imgfix_model::advisory::{Cvss, Epss};
use imgfix_model::finding::{Assessed, Claim, Class, Finding, FixStatus, Naming, Subject};
use imgfix_model::location::{Location, Span};

/// The value of `schema`.
pub const SCHEMA: &str = "imgfix/findings/v1";

const SCANNER: &str = "converter (docs/findings.md)";

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::Generic,
    outlines: &[Outline { form: Form::Object, needs: &["schema", "findings"], any: &[] }],
    parse,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct Report {
    schema: String,
    image: Option<Image>,
    findings: Vec<GivenFinding>,
    #[serde(default)]
    assessed: Vec<AssessedFinding>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "an object")]
struct Image {
    reference: Option<String>,
    digest: Option<String>,
    platform: Option<String>,
}

/// One finding as the converter wrote it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct GivenFinding {
    id: String,
    package: Option<String>,
    #[serde(default)]
    installed: String,
    fixed: Option<String>,
    #[serde(default)]
    also_fixed_in: Vec<String>,
    severity: Option<String>,
    class: Option<Class>,
    subject: Option<Subject>,
    status: Option<FixStatus>,
    architecture: Option<String>,
    path: Option<String>,
    location: Option<Location>,
    title: Option<String>,
    #[serde(default)]
    aliases: Vec<String>,
    platform: Option<String>,
    naming: Option<Naming>,
    #[serde(default)]
    claims: Vec<Claim>,
    other_release: Option<String>,
    advisory: Option<String>,
    #[serde(default)]
    references: Vec<String>,
    #[serde(default)]
    cvss: Vec<Cvss>,
    epss: Option<Epss>,
    #[serde(default)]
    known_exploited: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct AssessedFinding {
    finding: GivenFinding,
    assessment: String,
    by: Option<String>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let report: Report = from_json(name, SCANNER, bytes)?;
    let mut out = Collector::new(name, SCANNER);
    if report.schema != SCHEMA {
        return Err(FindingsError::UnknownFormat {
            name: name.to_owned(),
            what: format!("findings of schema {:?} (this imgfix reads {SCHEMA})", report.schema),
        });
    }
    let image = report.image.unwrap_or_default();
    let platform = image.platform.as_deref();
    for (at, entry) in report.findings.into_iter().enumerate() {
        let word = entry.status.filter(|status| *status == FixStatus::NotAffected);
        let finding = finding(&mut out, format!("findings[{at}]"), entry, platform)?;
        out.add(finding, word.map(|_| "not-affected"), "status", None);
    }
    for (at, entry) in report.assessed.into_iter().enumerate() {
        let path = format!("assessed[{at}]");
        let assessment = out.place(path.clone()).required("assessment", Some(entry.assessment))?;
        let finding = finding(&mut out, format!("{path}.finding"), entry.finding, platform)?;
        let by = non_empty(entry.by).unwrap_or_else(|| format!("assessment in {name}"));
        out.assessed.push(Assessed { finding, assessment, by });
    }
    let artifact = ArtifactIdentity {
        name: image.reference.unwrap_or_default(),
        manifest_digests: non_empty(image.digest).into_iter().collect(),
        platform: image.platform,
        ..ArtifactIdentity::default()
    };
    Ok(out.finish(ReportFormat::Generic, artifact))
}

fn finding(
    out: &mut Collector<'_>,
    path: String,
    entry: GivenFinding,
    platform: Option<&str>,
) -> Result<Finding, FindingsError> {
    let place = out.place(path);
    let id = place.required("id", Some(entry.id))?;
    let class = entry.class.unwrap_or(Class::System);
    let location = entry.location.map(|location| located(&place, location)).transpose()?;
    let file = location.as_ref().and_then(|location| location.file()?.path.clone());
    let path = match (non_empty(entry.path).map(|path| image_path(&path)), file) {
        (Some(path), Some(file)) if path != file => {
            let why = format!("{file:?} is another file than that of path, {path:?}");
            return Err(place.error("location.path", why));
        }
        (path, file) => path.or(file),
    };
    let at = path.clone().or_else(|| location.as_ref().map(ToString::to_string));
    let package = match (class, non_empty(entry.package), at) {
        (_, Some(package), _) => package,
        // What is wrong with a file or a setting needs no package.
        (Class::Baseline | Class::Malicious, None, Some(at)) => at,
        (_, package, _) => place.required("package", package)?,
    };
    let severity = out.severity(&place, entry.severity.as_deref());
    Ok(Finding {
        class,
        subject: entry.subject,
        severity,
        architecture: non_empty(entry.architecture),
        fixed: entry.fixed,
        also_fixed_in: entry.also_fixed_in,
        status: entry.status,
        aliases: aliases(&id, entry.aliases),
        title: title(entry.title),
        path,
        location,
        platform: non_empty(entry.platform).or_else(|| platform.map(str::to_owned)),
        naming: entry.naming.unwrap_or_default(),
        claims: entry.claims,
        other_release: non_empty(entry.other_release),
        advisory: entry.advisory,
        references: entry.references,
        cvss: entry.cvss,
        epss: entry.epss,
        known_exploited: entry.known_exploited,
        ..Finding::system(&id, &package, &entry.installed)
    })
}

/// A location as it was given, its path made absolute.
fn located(place: &EntryPath<'_>, mut location: Location) -> Result<Location, FindingsError> {
    let backwards = |span: &Span| span.first == 0 || span.last < span.first;
    match &mut location {
        Location::File(file) => {
            file.path = non_empty(file.path.take()).map(|path| image_path(&path));
            if file.path.is_none() && file.hash().is_none() && file.layer.is_none() {
                return Err(place.error("location", "names neither path, sha256, md5 nor layer"));
            }
            if file.columns.is_some() && file.lines.is_none() {
                return Err(place.error("location.columns", "they need lines"));
            }
            let one_line = file.lines.is_some_and(|lines| lines.first == lines.last);
            let columns = file.columns.filter(|columns| one_line || columns.first == 0);
            if file.lines.iter().chain(&columns).any(backwards) {
                return Err(place.error("location", "lines and columns go from 1 upwards"));
            }
        }
        Location::Build { lines: Some(lines), .. } if backwards(lines) => {
            return Err(place.error("location.lines", "they go from 1 upwards"));
        }
        Location::History { entry: Some(0) } => {
            return Err(place.error("location.entry", "the oldest entry is 1"));
        }
        _ => {}
    }
    Ok(location)
}
