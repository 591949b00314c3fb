//! [`parse_report`]: from the bytes of a scanner's report to a [`ScanReport`]; the format is
//! told from the content.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{ArtifactIdentity, Finding, FindingsError, Severity, grype, trivy};

/// The largest report that is read, in bytes.
pub const MAX_REPORT: u64 = 512 << 20;

/// Which scanner wrote the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReportFormat {
    /// `trivy image --format json`, schema version 2.
    Trivy,
    /// `grype -o json`.
    Grype,
}

impl std::fmt::Display for ReportFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            ReportFormat::Trivy => "Trivy",
            ReportFormat::Grype => "Grype",
        })
    }
}

/// One report, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanReport {
    /// The report's name as given (its file name), for messages.
    pub name: String,
    pub format: ReportFormat,
    /// What the report says it is about.
    pub artifact: ArtifactIdentity,
    /// Every finding, in the report's order, duplicates included.
    pub findings: Vec<Finding>,
    /// Checks that the scanner lists as passed or excepted; they are no findings.
    pub passed: usize,
    /// Oddities that did not stop the reading, each with its place.
    pub warnings: Vec<String>,
}

/// The top-level keys by which formats are told apart; values are skipped unread.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Probe {
    #[serde(rename = "SchemaVersion")]
    schema_version: Option<IgnoredAny>,
    #[serde(rename = "Results")]
    results: Option<IgnoredAny>,
    #[serde(rename = "ArtifactName")]
    artifact_name: Option<IgnoredAny>,
    #[serde(rename = "ArtifactType")]
    artifact_type: Option<IgnoredAny>,
    #[serde(rename = "ClusterName")]
    cluster_name: Option<IgnoredAny>,
    matches: Option<IgnoredAny>,
    source: Option<IgnoredAny>,
    descriptor: Option<IgnoredAny>,
    #[serde(rename = "bomFormat")]
    bom_format: Option<IgnoredAny>,
    #[serde(rename = "spdxVersion")]
    spdx_version: Option<IgnoredAny>,
    runs: Option<IgnoredAny>,
}

/// Reads a scanner's report. `name` is used in messages only.
///
/// # Errors
/// The bytes are empty, too many, not JSON, cut off, another format, or an entry does not
/// have the form its format gives it; the message names the file, the place and the remedy.
pub fn parse_report(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let size = bytes.len() as u64;
    if size > MAX_REPORT {
        return Err(FindingsError::TooLarge { name: name.to_owned(), size });
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(FindingsError::Utf16 { name: name.to_owned() });
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match detect(name, bytes)? {
        ReportFormat::Trivy => trivy::parse(name, bytes),
        ReportFormat::Grype => grype::parse(name, bytes),
    }
}

fn detect(name: &str, bytes: &[u8]) -> Result<ReportFormat, FindingsError> {
    let unknown = |what: &str| {
        Err(FindingsError::UnknownFormat { name: name.to_owned(), what: what.to_owned() })
    };
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => return Err(FindingsError::Empty { name: name.to_owned() }),
        Some(b'{') => {}
        // Syntax first: text that is no JSON at all deserves that message.
        Some(b'[') => {
            serde_json::from_slice::<IgnoredAny>(bytes).map_err(|e| json_error(name, bytes, &e))?;
            return unknown("a JSON array (Trivy before 0.20 wrote these)");
        }
        Some(_) => {
            serde_json::from_slice::<IgnoredAny>(bytes).map_err(|e| json_error(name, bytes, &e))?;
            return unknown("a single JSON value");
        }
    }
    let probe: Probe =
        serde_json::from_slice(bytes).map_err(|error| json_error(name, bytes, &error))?;
    if probe.schema_version.is_some()
        && (probe.results.is_some()
            || probe.artifact_name.is_some()
            || probe.artifact_type.is_some())
    {
        return Ok(ReportFormat::Trivy);
    }
    if probe.matches.is_some() && (probe.source.is_some() || probe.descriptor.is_some()) {
        return Ok(ReportFormat::Grype);
    }
    unknown(if probe.bom_format.is_some() {
        "a CycloneDX document"
    } else if probe.spdx_version.is_some() {
        "an SPDX document"
    } else if probe.runs.is_some() {
        "a SARIF log"
    } else if probe.cluster_name.is_some() {
        "a Trivy cluster report"
    } else if probe.results.is_some() {
        "a Trivy-like object without SchemaVersion"
    } else {
        "other JSON"
    })
}

/// A syntax error of the whole text.
fn json_error(name: &str, bytes: &[u8], error: &serde_json::Error) -> FindingsError {
    if error.is_eof() {
        return FindingsError::Truncated { name: name.to_owned(), size: bytes.len() };
    }
    FindingsError::NotJson {
        name: name.to_owned(),
        line: error.line(),
        column: error.column(),
        why: without_position(&error.to_string()),
    }
}

fn without_position(message: &str) -> String {
    message.split(" at line ").next().unwrap_or(message).to_owned()
}

/// Deserialises a whole report of a known format; errors name the place as a JSON path.
pub(super) fn from_json<'de, T: Deserialize<'de>>(
    name: &str,
    scanner: &'static str,
    bytes: &'de [u8],
) -> Result<T, FindingsError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    serde_path_to_error::deserialize(&mut json).map_err(|error| FindingsError::Entry {
        name: name.to_owned(),
        scanner,
        place: error.path().to_string(),
        why: error.inner().to_string(),
    })
}

/// What an entry must have.
pub(super) struct Place<'a> {
    pub name: &'a str,
    pub scanner: &'static str,
    /// JSON path of the entry.
    pub path: String,
}

impl Place<'_> {
    pub fn error(&self, field: &str, why: impl Into<String>) -> FindingsError {
        FindingsError::Entry {
            name: self.name.to_owned(),
            scanner: self.scanner,
            place: format!("{}.{field}", self.path),
            why: why.into(),
        }
    }

    /// A text that must be there and not be blank.
    pub fn required(&self, field: &str, value: Option<String>) -> Result<String, FindingsError> {
        match value {
            Some(text) if !text.trim().is_empty() => Ok(text),
            Some(_) => Err(self.error(field, "empty, and a finding needs it")),
            None => Err(self.error(field, "missing, and a finding needs it")),
        }
    }

    /// A severity; a word nobody knows is `unknown` and noted in `warnings`.
    pub fn severity(&self, word: Option<&str>, warnings: &mut Vec<String>) -> Severity {
        let word = word.unwrap_or_default().trim();
        if word.is_empty() {
            return Severity::Unknown;
        }
        word.parse().unwrap_or_else(|error| {
            warnings.push(format!("{}: at {}: {error}; taken as unknown", self.name, self.path));
            Severity::Unknown
        })
    }
}

/// A text, unless it is missing or blank.
pub(super) fn non_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

/// Longest title kept, in characters: it is for one line of a table.
const MAX_TITLE: usize = 200;

/// A scanner's title, short enough for one line.
pub(super) fn title(text: Option<String>) -> Option<String> {
    let text = non_empty(text)?;
    match text.char_indices().nth(MAX_TITLE) {
        Some((at, _)) => Some(format!("{}...", text.get(..at).unwrap_or_default())),
        None => Some(text),
    }
}

/// A file in the image as scanners write it (with or without the leading slash), made
/// absolute so that two reports name it alike.
pub(super) fn image_path(text: &str) -> String {
    match crate::rootfs::ImagePath::new(text) {
        Ok(path) => path.to_string(),
        Err(_) => text.to_owned(),
    }
}
