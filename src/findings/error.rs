//! Why a report or an ignore file cannot be used: each message names the file, the place in
//! it and what to do.

use super::report::MAX_REPORT;
use imgfix_json::DuplicateKey;

pub(super) const FORMATS: &str = "known are the reports of Trivy, Grype, Clair, Harbor, AWS \
Inspector, Snyk, Anchore, Aqua, NeuVector, OSV-Scanner, GitLab, Alibaba Cloud, Prisma Cloud, \
Veracode, JFrog Xray, Sysdig, Docker Scout, Quay, Kubescape, Wiz and Orca Security, SARIF, \
CycloneDX with vulnerabilities, and imgfix/findings/v1 (docs/findings.md)";

/// Why what was given is not a usable report or ignore file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FindingsError {
    #[error("{name}: the file is empty; {FORMATS}")]
    Empty { name: String },
    #[error("{name}: {size} bytes is more than the {MAX_REPORT} bytes a report may have")]
    TooLarge { name: String, size: u64 },
    #[error("{name}: text that is broken UTF-16; let the scanner write the file itself")]
    Utf16 { name: String },
    #[error("{name}: the gzip stream is broken ({why}); make the report again")]
    Gzip { name: String, why: String },
    #[error("{name}: the JSON ends in the middle, after {size} bytes; make the report again")]
    Truncated { name: String, size: usize },
    #[error(
        "{name}: not JSON (line {line}, column {column}: {why}); when the scanner's log lines \
         are in the file, let it write the file itself; {FORMATS}"
    )]
    NotJson { name: String, line: usize, column: usize, why: String },
    #[error("{name}: {why}; make the report again")]
    Duplicate { name: String, why: DuplicateKey },
    #[error("{name}: not a scanner's report but {what}; {FORMATS}")]
    UnknownFormat { name: String, what: String },
    #[error("{name}: the XML is not well-formed at byte {at} ({why}); make the report again")]
    NotXml { name: String, at: u64, why: String },
    #[error("{name}: at {place}: {why}; make the report again with a current {scanner}")]
    Entry { name: String, scanner: &'static str, place: String, why: String },
    #[error(
        "{name}: line {line}: {why}; a line is an id, optionally followed by exp:YYYY-MM-DD, \
         or a comment that starts with #"
    )]
    IgnoreFile { name: String, line: usize, why: String },
    #[error(
        "{name}: not an ignore file that is understood: {why}; known are lists of ids as in \
         .trivyignore, .trivyignore.yaml, Grype's configuration, .snyk and OpenVEX \
         (docs/findings.md)"
    )]
    IgnoreUnknown { name: String, why: String },
    #[error("{name}: at {place}: {why}; mend the rule or take it out")]
    IgnoreRule { name: String, place: String, why: String },
}
