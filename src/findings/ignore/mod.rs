//! Ignore files: rules that leave findings out, in the forms that scanners have: lists of ids as
//! in `.trivyignore`, `.trivyignore.yaml`, Grype's configuration, Snyk's `.snyk`, and OpenVEX
//! documents.
//!
//! In come the bytes of a file ([`parse_ignore_file`]); out go [`IgnoreRule`]s, which a
//! [`Filter`](super::Filter) applies. A file or a rule that is not understood is an error: one
//! that silently ignores nothing, or too much, is a surprise that nobody wants.

mod condition;
mod dot_snyk;
mod grype_yaml;
mod openvex;
mod pattern;
mod trivyignore;
mod trivyignore_yaml;
mod yaml;

pub use condition::Condition;
pub use pattern::Pattern;

use time::Date;

use super::FindingsError;
use imgfix_model::finding::Finding;

/// The largest ignore file, in bytes.
pub const MAX_IGNORE_FILE: u64 = 16 << 20;

/// One rule of an ignore file or a policy: the findings that it leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoreRule {
    /// The finding's id or one of its aliases; empty for any.
    pub id: String,
    /// The first day on which the rule does not hold any more.
    pub expires: Option<Date>,
    /// `.trivyignore:3`, for the reason.
    pub from: String,
    /// What else must hold, all of it.
    pub conditions: Vec<Condition>,
}

impl IgnoreRule {
    /// A rule for an id and nothing else.
    #[must_use]
    pub fn of_id(id: &str, expires: Option<Date>, from: String) -> Self {
        Self { id: id.to_owned(), expires, from, conditions: Vec::new() }
    }

    /// Whether the rule is about a finding, expired or not.
    #[must_use]
    pub fn is_about(&self, finding: &Finding) -> bool {
        (self.id.is_empty() || is_called(finding, &self.id))
            && self.conditions.iter().all(|condition| condition.holds(finding))
    }
}

/// Whether a finding has an id, as its own or as an alias.
pub(super) fn is_called(finding: &Finding, id: &str) -> bool {
    std::iter::once(&finding.id).chain(&finding.aliases).any(|name| name.eq_ignore_ascii_case(id))
}

/// Reads an ignore file. `name` says what kind it is where the content does not, and is used in
/// messages and reasons.
///
/// # Errors
/// The file is too large, not UTF-8, of no known kind, or has something that is not understood;
/// the message names the place.
pub fn parse_ignore_file(name: &str, bytes: &[u8]) -> Result<Vec<IgnoreRule>, FindingsError> {
    if bytes.len() as u64 > MAX_IGNORE_FILE {
        let why = format!("{} bytes is more than the {MAX_IGNORE_FILE} it may have", bytes.len());
        return Err(FindingsError::IgnoreUnknown { name: name.to_owned(), why });
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{' | b'[') => openvex::parse(name, bytes),
        _ if is_yaml(name, bytes) => parse_yaml(name, bytes),
        _ => trivyignore::parse(name, bytes),
    }
}

/// By the name, or by a line that no list of ids has.
fn is_yaml(name: &str, bytes: &[u8]) -> bool {
    let file = name.rsplit(['/', '\\']).next().unwrap_or_default();
    if file.ends_with(".yaml") || file.ends_with(".yml") || file.ends_with(".snyk") {
        return true;
    }
    let content = |line: &&[u8]| {
        line.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| *byte != b'#')
    };
    let Some(first) = bytes.split(|&byte| byte == b'\n').find(content) else { return false };
    let first = String::from_utf8_lossy(first);
    let first = first.split(" #").next().unwrap_or_default().trim_end();
    first == "---" || first.ends_with(':') || first.contains(": ") && !first.contains("exp:")
}

/// A YAML file: its keys say whose it is.
fn parse_yaml(name: &str, bytes: &[u8]) -> Result<Vec<IgnoreRule>, FindingsError> {
    let Some(document) = yaml::load(name, bytes)? else { return Ok(Vec::new()) };
    let has = |key: &str| document.get(key).is_some();
    if trivyignore_yaml::KEYS.iter().any(|key| has(key)) {
        trivyignore_yaml::rules(name, document)
    } else if has("ignore") && document.get("ignore").is_some_and(serde_yaml_ng::Value::is_sequence)
    {
        grype_yaml::rules(name, document)
    } else if has("version") && (has("ignore") || has("patch")) {
        dot_snyk::rules(name, document)
    } else {
        Err(FindingsError::IgnoreUnknown {
            name: name.to_owned(),
            why: "YAML without the keys of an ignore file (vulnerabilities, misconfigurations, \
                  secrets or licenses of Trivy; ignore of Grype or Snyk)"
                .to_owned(),
        })
    }
}

/// A rule of `name` at `place` that cannot be used.
fn bad_rule(name: &str, place: &str, why: impl Into<String>) -> FindingsError {
    FindingsError::IgnoreRule { name: name.to_owned(), place: place.to_owned(), why: why.into() }
}

/// The day in `2026-01-31` or `2026-01-31T00:00:00.000Z`.
fn day(name: &str, place: &str, text: &str) -> Result<Date, FindingsError> {
    let date = text.trim().split(['T', ' ']).next().unwrap_or_default();
    Date::parse(date, super::filter::DATE).map_err(|_| {
        let shown: String = text.chars().take(40).collect();
        bad_rule(name, place, format!("{shown:?} is not a date (2026-01-31)"))
    })
}

/// Where a rule is and why it is there, for reports.
fn reason(name: &str, place: &str, text: Option<&str>) -> String {
    match text.map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) => {
            let text: String = text.chars().take(200).collect();
            format!("{name}: {place} ({text})")
        }
        None => format!("{name}: {place}"),
    }
}

#[cfg(test)]
mod tests;
