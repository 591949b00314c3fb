//! [`parse_report`]: from the bytes of a scanner's report to a [`ScanReport`]; the format is
//! told from the content.

use serde::{Deserialize, Deserializer};

use super::format::{Format, recognise, unknown};
use super::shape::Shape;
use super::{
    ArtifactIdentity, FindingsError, ReportFormat, clamscan, cyclonedx_xml, encoding, names, yara,
};
use imgfix_json as json;
use imgfix_json::JsonError;
use imgfix_model::finding::{Assessed, Class, Finding, FixStatus, Severity};
use imgfix_model::location::Location;
use imgfix_secrets::Secrets;

/// The largest report that is read, in bytes.
pub const MAX_REPORT: u64 = 512 << 20;

/// One report, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanReport {
    /// The report's name as given (its file name), for messages.
    pub name: String,
    /// Told from the content.
    pub format: ReportFormat,
    /// What the report says it is about.
    pub artifact: ArtifactIdentity,
    /// Every finding, in the report's order, duplicates included.
    pub findings: Vec<Finding>,
    /// Entries that somebody assessed as no problem of this image; they are no findings.
    pub assessed: Vec<Assessed>,
    /// Checks that the scanner lists as passed or excepted; they are no findings.
    pub passed: usize,
    /// Oddities that did not stop the reading, each with its place.
    pub warnings: Vec<String>,
}

impl ScanReport {
    /// Takes the folder that the scanner had unpacked the image to away from the paths of files,
    /// and notes how many are outside of it: these are left as they are.
    pub fn below_root(&mut self, folder: &str) {
        let root = image_path(folder);
        let prefix = if root == "/" { root } else { format!("{root}/") };
        let (mut outside, mut first) = (0_usize, None);
        let mut stripped = |path: &mut String| match path.strip_prefix(&prefix) {
            Some(rest) => *path = format!("/{rest}"),
            None => {
                outside += 1;
                first.get_or_insert_with(|| path.clone());
            }
        };
        let assessed = self.assessed.iter_mut().map(|one| &mut one.finding);
        for finding in self.findings.iter_mut().chain(assessed) {
            let Some(path) = &mut finding.path else { continue };
            let before = path.clone();
            stripped(path);
            if finding.package == before {
                finding.package.clone_from(path);
            }
            if let Some(Location::File(file)) = &mut finding.location {
                file.path = Some(path.clone());
            }
        }
        if let Some(first) = first {
            self.warnings.push(format!(
                "{}: paths of {outside} findings are not below the report root {folder}, and stay \
                 as they are (the first is {first})",
                self.name
            ));
        }
    }
}

/// Reads a scanner's report. `name` is used in messages only.
///
/// # Errors
/// The bytes are empty, too many, not JSON, cut off, another format, or an entry does not
/// have the form its format gives it; the message names the file, the place and the remedy.
pub fn parse_report(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let bytes = encoding::text(name, bytes)?;
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => Err(FindingsError::Empty { name: name.to_owned() }),
        Some(b'<') => cyclonedx_xml::parse(name, &bytes),
        Some(_) => match parse_text(name, &bytes) {
            Some(report) => report,
            None => parse_json(name, &bytes),
        },
    }
}

/// Reads a text that is no JSON at all, when it is of a scanner that writes none.
fn parse_text(name: &str, bytes: &[u8]) -> Option<Result<ScanReport, FindingsError>> {
    // A list's bracket or an object's brace begins no line of these.
    if matches!(bytes.trim_ascii_start().first(), None | Some(b'[' | b'{' | b'"')) {
        return None;
    }
    // names of files may be of any bytes
    let text = String::from_utf8_lossy(bytes);
    if clamscan::is_report(&text) {
        return Some(clamscan::parse(name, &text));
    }
    yara::is_report(&text).then(|| yara::parse(name, &text))
}

/// The format of a text that has one JSON document a line.
fn of_lines(bytes: &[u8]) -> Option<&'static Format> {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    // what a scanner logs may stand before its findings
    let first = lines.by_ref().take(MAX_LOG_LINES).find_map(|line| {
        let shape: Shape = json::read(line).ok()?;
        recognise(&shape)
    })?;
    let own = [ReportFormat::Trufflehog, ReportFormat::Kingfisher];
    let more = lines.any(|line| line.starts_with(b"{") && line.ends_with(b"}"));
    (own.contains(&first.name) && more).then_some(first)
}

/// Lines of a log that are passed over before the first finding.
const MAX_LOG_LINES: usize = 100;

/// Tells the format of a JSON text and reads it.
fn parse_json(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    // Syntax first: text that is no JSON at all deserves that message.
    let whole = json::read(bytes);
    if let (Err(JsonError::Syntax(_)), Some(format)) = (&whole, of_lines(bytes)) {
        return (format.parse)(name, bytes);
    }
    let shape: Shape = whole.map_err(|error| match error {
        JsonError::Syntax(error) => json_error(name, bytes, &error),
        JsonError::Duplicate(error) => {
            FindingsError::Duplicate { name: name.to_owned(), why: error }
        }
    })?;
    match recognise(&shape) {
        Some(format) => (format.parse)(name, bytes),
        None if shape.is_empty_list() => Ok(empty_list(name)),
        None => Err(FindingsError::UnknownFormat { name: name.to_owned(), what: unknown(&shape) }),
    }
}

/// Several scanners write `[]` for an image without findings.
fn empty_list(name: &str) -> ScanReport {
    ScanReport {
        warnings: vec![format!("{name}: an empty list, taken as a report without findings")],
        ..Collector::new(name, "").finish(ReportFormat::Generic, ArtifactIdentity::default())
    }
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
    json::read_with_paths(bytes).map_err(|error| FindingsError::Entry {
        name: name.to_owned(),
        scanner,
        place: error.place,
        why: error.why,
    })
}

/// Like [`from_json`] for tools that write one document or a list of them. The second part of
/// each pair is the document's path for messages: empty, or `[2].`.
pub(super) fn documents<'de, T: Deserialize<'de>>(
    name: &str,
    scanner: &'static str,
    bytes: &'de [u8],
) -> Result<Vec<(T, String)>, FindingsError> {
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'[') {
        return Ok(vec![(from_json(name, scanner, bytes)?, String::new())]);
    }
    let list: Vec<T> = from_json(name, scanner, bytes)?;
    Ok(list.into_iter().enumerate().map(|(at, one)| (one, format!("[{at}]."))).collect())
}

/// Gathers what a report has, entry by entry.
pub(super) struct Collector<'a> {
    name: &'a str,
    scanner: &'static str,
    pub findings: Vec<Finding>,
    pub assessed: Vec<Assessed>,
    pub passed: usize,
    pub warnings: Vec<String>,
}

impl<'a> Collector<'a> {
    /// `scanner` is the tool to run again when an entry is bad.
    pub fn new(name: &'a str, scanner: &'static str) -> Self {
        Self {
            name,
            scanner,
            findings: Vec::new(),
            assessed: Vec::new(),
            passed: 0,
            warnings: Vec::new(),
        }
    }

    pub fn name(&self) -> &'a str {
        self.name
    }

    /// The entry at a JSON path.
    pub fn place(&self, path: String) -> EntryPath<'a> {
        EntryPath { name: self.name, scanner: self.scanner, path }
    }

    /// The severity that a word at `place` means.
    pub fn severity(&mut self, place: &EntryPath<'_>, word: Option<&str>) -> Severity {
        place.severity(word, &mut self.warnings)
    }

    /// Takes a finding whose entry has a status `word`: one that says that there is no problem
    /// makes it an assessment; `what` names the thing that says so (`status`, `analysis`), and
    /// `note` its reason. Other words are kept as what is known of a fix.
    pub fn add(&mut self, finding: Finding, word: Option<&str>, what: &str, note: Option<&str>) {
        match word.filter(|word| is_no_problem(word)) {
            Some(word) => self.assess(finding, word, what, note),
            None => {
                let status = finding.status.or_else(|| fix_status(word?));
                self.findings.push(Finding { status, ..finding });
            }
        }
    }

    /// Takes an entry that somebody assessed as no problem, in the report's `word`.
    pub fn assess(&mut self, finding: Finding, word: &str, what: &str, note: Option<&str>) {
        let note = note.map(str::trim).filter(|note| !note.is_empty());
        let note = note.map(|note| format!(": {}", shortened(note))).unwrap_or_default();
        self.assessed.push(Assessed {
            finding,
            assessment: word.trim().to_owned(),
            by: format!("{what} in {}{note}", self.name),
        });
    }

    /// The report, every finding in the normal form.
    pub fn finish(mut self, format: ReportFormat, artifact: ArtifactIdentity) -> ScanReport {
        let family = artifact.os_family.as_deref();
        let assessed = self.assessed.iter_mut().map(|assessed| &mut assessed.finding);
        for finding in self.findings.iter_mut().chain(assessed) {
            names::normalise(finding, family);
            imgfix_model::advisory::bounded(finding);
            // Scanners quote what they found.
            if let Some(title) = &mut finding.title {
                *title = Secrets::shipped().mask(title).into_owned();
            }
        }
        ScanReport {
            name: self.name.to_owned(),
            format,
            artifact,
            findings: self.findings,
            assessed: self.assessed,
            passed: self.passed,
            warnings: self.warnings,
        }
    }
}

/// Where an entry stands, and what it must have: errors and warnings about it say so.
pub(super) struct EntryPath<'a> {
    /// The report's name.
    pub name: &'a str,
    /// The tool to run again when the entry is bad.
    pub scanner: &'static str,
    /// JSON path of the entry.
    pub path: String,
}

impl EntryPath<'_> {
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
        severity_word(word).unwrap_or_else(|error| {
            warnings.push(format!("{}: at {}: {error}; taken as unknown", self.name, self.path));
            Severity::Unknown
        })
    }
}

/// A severity in any scanner's words.
fn severity_word(word: &str) -> Result<Severity, imgfix_model::finding::SeverityError> {
    Ok(match word.to_ascii_lowercase().as_str() {
        // Clair 2 has one above critical.
        "defcon1" | "fatal" => Severity::Critical,
        "important" => Severity::High,
        "moderate" => Severity::Medium,
        "minor" => Severity::Low,
        "unimportant" | "info" | "informational" | "minimal" => Severity::Negligible,
        "none" | "unassigned" | "undefined" | "untriaged" | "not yet assigned" | "other" => {
            Severity::Unknown
        }
        _ => return word.parse(),
    })
}

/// The severity of a CVSS 3 or 4 base score.
///
/// Source: CVSS v3.1 specification, section 5 (qualitative severity rating scale).
pub(super) fn severity_of_score(score: f64) -> Severity {
    match score {
        score if score >= 9.0 => Severity::Critical,
        score if score >= 7.0 => Severity::High,
        score if score >= 4.0 => Severity::Medium,
        score if score > 0.0 => Severity::Low,
        _ => Severity::Unknown,
    }
}

/// The class of a package of a type in scanners' or package URLs' words (`deb`, `maven`).
pub(super) fn class_of_type(kind: &str) -> Class {
    match kind.to_ascii_lowercase().as_str() {
        "deb" | "dpkg" | "apk" | "apkg" | "rpm" | "alpm" | "portage" | "os" | "os-pkgs" => {
            Class::System
        }
        _ => Class::Library,
    }
}

/// The class of a package when the report gives only its name: coordinates of language
/// ecosystems (`org.apache:log4j`, `@scope/name`, `github.com/a/b`) hold a colon or a slash,
/// names of distribution packages only one before an architecture (`libexpat1:amd64`).
pub(super) fn class_of_name(package: &str) -> Class {
    let (bare, _) = names::split_architecture(package.trim());
    if bare.contains([':', '/']) { Class::Library } else { Class::System }
}

/// `1.2, 1.3`: one version a release line. Words (`Pending`) are kept.
pub(super) fn split_versions(text: Option<&str>) -> Vec<String> {
    text.unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|version| !is_blank(version))
        .map(str::to_owned)
        .collect()
}

/// Whether a text is no version at all, not even a word for one.
pub(super) fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// A status in any scanner's words, in lower case with underscores.
fn status_word(word: &str) -> String {
    let word = word.trim().to_ascii_lowercase().replace([' ', '-'], "_");
    word.replace('\'', "")
}

/// What a status says of a fix, in any scanner's words.
pub(super) fn fix_status(word: &str) -> Option<FixStatus> {
    Some(match status_word(word).as_str() {
        "fixed" => FixStatus::Fixed,
        "affected" | "not_fixed" | "unfixed" | "vulnerable" => FixStatus::Affected,
        "under_investigation" | "in_triage" | "needs_triage" | "review" => {
            FixStatus::UnderInvestigation
        }
        "will_not_fix" | "wont_fix" | "wontfix" | "no_fix_planned" => FixStatus::WillNotFix,
        "fix_deferred" | "deferred" | "postponed" => FixStatus::Deferred,
        "end_of_life" | "eol" | "out_of_support" | "out_of_support_scope" => FixStatus::EndOfLife,
        _ => return None,
    })
}

/// Whether a status says that the image does not have the problem, or that somebody has
/// decided that it is none.
pub(super) fn is_no_problem(word: &str) -> bool {
    [
        "not_affected",
        "notaffected",
        "unaffected",
        "not_vulnerable",
        "known_not_affected",
        "false_positive",
        "resolved",
        "resolved_with_pedigree",
        "rejected",
        "suppressed",
        "ignored",
        "accepted",
        "acknowledged",
        "closed",
        "absent",
    ]
    .contains(&status_word(word).as_str())
}

/// The first of `versions` as the fixed one, the rest beside it.
pub(super) fn with_fixes(finding: Finding, versions: Vec<String>) -> Finding {
    let mut versions = versions.into_iter();
    Finding { fixed: versions.next(), also_fixed_in: versions.collect(), ..finding }
}

/// Sorted names without duplicates, blanks and `id` itself.
pub(super) fn aliases(id: &str, names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> =
        names.into_iter().filter(|name| name != id && !name.trim().is_empty()).collect();
    names.sort();
    names.dedup();
    names
}

/// Reads a text, or a number as its text: some scanners' ids are either.
pub(super) fn text_or_number<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a text or a number")]
    enum Either {
        Text(String),
        Number(serde_json::Number),
    }
    Ok(Option::<Either>::deserialize(deserializer)?.map(|either| match either {
        Either::Text(text) => text,
        Either::Number(number) => number.to_string(),
    }))
}

/// A text, unless it is missing or blank.
pub(super) fn non_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

/// Longest title kept, in characters: it is for one line of a table.
const MAX_TITLE: usize = 200;

/// A scanner's title, short enough for one line.
pub(super) fn title(text: Option<String>) -> Option<String> {
    non_empty(text).map(|text| shortened(&text))
}

/// A text, cut where it is too long for a line.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_TITLE) {
        Some((at, _)) => format!("{}...", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// A file in the image as scanners write it (with or without the leading slash), made
/// absolute so that two reports name it alike.
pub(super) fn image_path(text: &str) -> String {
    match imgfix_model::path::ImagePath::new(text) {
        Ok(path) => path.to_string(),
        Err(_) => text.to_owned(),
    }
}
