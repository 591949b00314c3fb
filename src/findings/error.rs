//! Why a report or an ignore file cannot be used: each message names the file, the place in
//! it and what to do.

use super::report::MAX_REPORT;
use imgfix_json::DuplicateKey;

pub(super) const FORMATS: &str = "known are the reports of Trivy, Grype, Clair, Harbor, AWS \
Inspector, Snyk, Anchore, Aqua, NeuVector, OSV-Scanner, GitLab, Alibaba Cloud, Prisma Cloud, \
Veracode, JFrog Xray, Sysdig, Docker Scout, Quay, Kubescape, Wiz, Orca Security, Dockle, \
gitleaks, kingfisher, trufflehog, ggshield, hadolint, ClamAV (text) and YARA (text, with -m), SARIF, \
CycloneDX with vulnerabilities, and imgfix/findings/v1 (docs/findings.md)";

/// Why what was given is not a usable report or ignore file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FindingsError {
    /// Nothing but white space.
    #[error("{name}: the file is empty; {FORMATS}")]
    Empty {
        /// The file, as the user named it.
        name: String,
    },
    /// More bytes than a report may have, before or after unpacking.
    #[error("{name}: {size} bytes is more than the {MAX_REPORT} bytes a report may have")]
    TooLarge {
        /// The file, as the user named it.
        name: String,
        /// In bytes.
        size: u64,
    },
    /// A byte order mark of UTF-16 with a text behind it that is none.
    #[error("{name}: text that is broken UTF-16; let the scanner write the file itself")]
    Utf16 {
        /// The file, as the user named it.
        name: String,
    },
    /// The compressed stream is damaged or cut off.
    #[error("{name}: the gzip stream is broken ({why}); make the report again")]
    Gzip {
        /// The file, as the user named it.
        name: String,
        /// What is wrong, as a part of the sentence.
        why: String,
    },
    /// JSON that ends before its last bracket.
    #[error("{name}: the JSON ends in the middle, after {size} bytes; make the report again")]
    Truncated {
        /// The file, as the user named it.
        name: String,
        /// In bytes.
        size: usize,
    },
    /// Text that is neither JSON nor XML.
    #[error(
        "{name}: not JSON (line {line}, column {column}: {why}); when the scanner's log lines \
         are in the file, let it write the file itself; {FORMATS}"
    )]
    NotJson {
        /// The file, as the user named it.
        name: String,
        /// From 1.
        line: usize,
        /// From 1, in bytes.
        column: usize,
        /// What is wrong, as a part of the sentence.
        why: String,
    },
    /// An object with one key twice: two readers would understand it differently.
    #[error("{name}: {why}; make the report again")]
    Duplicate {
        /// The file, as the user named it.
        name: String,
        /// What is wrong, as a part of the sentence.
        why: DuplicateKey,
    },
    /// JSON or XML that no known scanner writes.
    #[error("{name}: not a scanner's report but {what}; {FORMATS}")]
    UnknownFormat {
        /// The file, as the user named it.
        name: String,
        /// What the text is instead.
        what: String,
    },
    /// XML that is not well-formed.
    #[error("{name}: the XML is not well-formed at byte {at} ({why}); make the report again")]
    NotXml {
        /// The file, as the user named it.
        name: String,
        /// Offset in bytes.
        at: u64,
        /// What is wrong, as a part of the sentence.
        why: String,
    },
    /// An entry without what its format gives every entry.
    #[error("{name}: at {place}: {why}; make the report again with a current {scanner}")]
    Entry {
        /// The file, as the user named it.
        name: String,
        /// The tool to run again.
        scanner: &'static str,
        /// JSON path in the file.
        place: String,
        /// What is wrong, as a part of the sentence.
        why: String,
    },
    /// A line of a list of ids that is none.
    #[error(
        "{name}: line {line}: {why}; a line is an id, optionally followed by exp:YYYY-MM-DD, \
         or a comment that starts with #"
    )]
    IgnoreFile {
        /// The file, as the user named it.
        name: String,
        /// From 1.
        line: usize,
        /// What is wrong, as a part of the sentence.
        why: String,
    },
    /// An ignore file of no known kind.
    #[error(
        "{name}: not an ignore file that is understood: {why}; known are lists of ids as in \
         .trivyignore, .trivyignore.yaml, Grype's configuration, .snyk and OpenVEX \
         (docs/findings.md)"
    )]
    IgnoreUnknown {
        /// The file, as the user named it.
        name: String,
        /// What is wrong, as a part of the sentence.
        why: String,
    },
    /// A rule of a known kind of ignore file that cannot be applied.
    #[error("{name}: at {place}: {why}; mend the rule or take it out")]
    IgnoreRule {
        /// The file, as the user named it.
        name: String,
        /// JSON path in the file.
        place: String,
        /// What is wrong, as a part of the sentence.
        why: String,
    },
}
