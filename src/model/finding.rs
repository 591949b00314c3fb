//! [`Finding`]: one thing that a scanner found, of any of the four [`Class`]es of risk, in
//! imgfix's own words. The readers of scanners' formats make them; planner and judge ask them.

use std::cmp::Reverse;
use std::fmt;

use crate::advisory::{Cvss, Epss, web_link};
use crate::location::Location;

/// How bad a finding is. Scanners agree on the order, though not on every word.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The scanner gives none, or a word that is not known.
    Unknown,
    /// Too small to be repaired by itself, as Debian's `unimportant` and Grype's `Negligible`.
    Negligible,
    /// CVSS 0.1 to 3.9, where a scanner goes by the score.
    Low,
    /// CVSS 4.0 to 6.9; also the scanners' `moderate`.
    Medium,
    /// CVSS 7.0 to 8.9; also the scanners' `important`.
    High,
    /// CVSS 9.0 to 10.0.
    Critical,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Severity::Unknown => "unknown",
            Severity::Negligible => "negligible",
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        })
    }
}

/// A word that is no severity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a severity (known are critical, high, medium, low, negligible and unknown)")]
pub struct SeverityError(pub String);

impl std::str::FromStr for Severity {
    type Err = SeverityError;
    /// As scanners write it, in any case.
    fn from_str(word: &str) -> Result<Self, SeverityError> {
        Severity::WORST_FIRST
            .into_iter()
            .find(|severity| severity.to_string().eq_ignore_ascii_case(word))
            .ok_or_else(|| SeverityError(word.chars().take(100).collect()))
    }
}

impl Severity {
    /// Every severity, the worst first: the order of reports.
    pub const WORST_FIRST: [Severity; 6] = [
        Severity::Critical,
        Severity::High,
        Severity::Medium,
        Severity::Low,
        Severity::Negligible,
        Severity::Unknown,
    ];
}

/// The four classes of risk.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// A package of the distribution.
    System,
    /// An application's library (Python, npm, Java, ...).
    Library,
    /// Configuration.
    Baseline,
    /// A malicious file.
    Malicious,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Class::System => "system",
            Class::Library => "library",
            Class::Baseline => "baseline",
            Class::Malicious => "malicious",
        })
    }
}

/// What a finding is about, where its class alone does not say it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// A password, key or token that somebody left in the image.
    Secret,
    /// A licence that somebody's policy does not allow.
    License,
    /// How the image was built. Nothing in the image is wrong, and nothing in it can be mended.
    Build,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Subject::Secret => "secret",
            Subject::License => "license",
            Subject::Build => "build",
        })
    }
}

/// What is known about a fix; the scanners' words differ, these are imgfix's.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum FixStatus {
    /// A fixed version exists.
    Fixed,
    /// Affected, and no fix is out.
    Affected,
    /// The installed version does not have the problem.
    NotAffected,
    /// It is not known yet whether the package is affected.
    UnderInvestigation,
    /// Will be fixed later, with other changes.
    Deferred,
    /// Affected, and no fix will come.
    WillNotFix,
    /// The release gets no fixes any more.
    EndOfLife,
}

/// What a finding's `package` names: distributions build several binary packages from one
/// source package, and security data is about sources.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Naming {
    /// The report's format names installed packages (`libssl3`).
    Binary,
    /// The report's format names source packages (`openssl` for `libssl3` too).
    Source,
    /// The format does not say, or does both: both readings count.
    #[default]
    Either,
}

impl Naming {
    fn is_default(&self) -> bool {
        *self == Naming::default()
    }
}

/// What one report says of a finding's fix; kept when reports disagree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The report's name.
    pub report: String,
    /// The fixed versions that it names, sorted.
    pub fixed: Vec<String>,
}

/// Something that a report lists, and that somebody assessed as no problem of this image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Assessed {
    /// What the report lists.
    #[serde(flatten)]
    pub finding: Finding,
    /// The assessment in the report's own word: `not_affected`, `false_positive`, `suppressed`.
    pub assessment: String,
    /// Who says so: the report, or the rule or statement in it.
    pub by: String,
}

/// One thing that a scanner found in the image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Finding {
    /// `CVE-2024-1234`, `DLA-123-1`, `GHSA-...`, as the scanner names it.
    pub id: String,
    /// Which of the four classes of risk it belongs to.
    pub class: Class,
    /// What it is about, where the class alone does not say it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub subject: Option<Subject>,
    /// How bad it is; the worst one when reports disagree.
    pub severity: Severity,
    /// The binary package's (or library's) name as the scanner gives it.
    pub package: String,
    /// Architecture when the report says so (purl `arch`), in the family's words (`amd64`).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub architecture: Option<String>,
    /// The installed version that the scanner saw.
    pub installed: String,
    /// The first version without the problem, or a word in its place. `None`: the report names
    /// none; whether there is one then stands in `status`, if the report says it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fixed: Option<String>,
    /// Further versions that reports name as fixed (other release lines of a library, or
    /// two reports that disagree), in the order met.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub also_fixed_in: Vec<String>,
    /// What the distribution or project says of a fix, when the scanner passes it on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<FixStatus>,
    /// Other names of the same problem (`CVE-...` of a `GHSA-...`), sorted.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub aliases: Vec<String>,
    /// One line for people, when the scanner gives one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub title: Option<String>,
    /// File in the image, for libraries and files.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<String>,
    /// Where it is, when the report says more than a path or something else; of a file with a
    /// path it is that of `path`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub location: Option<Location>,
    /// Which platform's image the report was about when it says so (`linux/arm64`).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub platform: Option<String>,
    /// Whether `package` names a binary or a source package.
    #[serde(skip_serializing_if = "Naming::is_default", default)]
    pub naming: Naming,
    /// What each report says of the fix, when they disagree; sorted.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub claims: Vec<Claim>,
    /// The release that the report is about (`ubuntu 22.04`), when that is another one than the
    /// image's: its fixed versions say nothing about this image.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub other_release: Option<String>,
    /// Where to read about it, as the scanner links it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub advisory: Option<String>,
    /// Further links: `http` and `https` only, at most [`MAX_REFERENCES`](crate::advisory::MAX_REFERENCES).
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub references: Vec<String>,
    /// CVSS by source, the highest score first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub cvss: Vec<Cvss>,
    /// How likely it is to be exploited, the highest when reports disagree.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub epss: Option<Epss>,
    /// A report says that it is in a catalogue of exploited vulnerabilities, as CISA's KEV.
    /// `false`: no report says so.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub known_exploited: bool,
}

impl Finding {
    /// A finding in a distribution package with everything else unknown; the base of struct
    /// updates (`Finding { fixed: Some(..), ..Finding::system(..) }`).
    #[must_use]
    pub fn system(id: &str, package: &str, installed: &str) -> Self {
        Self {
            id: id.to_owned(),
            class: Class::System,
            subject: None,
            severity: Severity::Unknown,
            package: package.to_owned(),
            architecture: None,
            installed: installed.to_owned(),
            fixed: None,
            also_fixed_in: Vec::new(),
            status: None,
            aliases: Vec::new(),
            title: None,
            path: None,
            location: None,
            platform: None,
            naming: Naming::Either,
            claims: Vec::new(),
            other_release: None,
            advisory: None,
            references: Vec::new(),
            cvss: Vec::new(),
            epss: None,
            known_exploited: false,
        }
    }

    /// The same at a place; a file's path is also the finding's.
    #[must_use]
    pub fn located(self, location: impl Into<Location>) -> Self {
        let location = location.into();
        let path = location.file().and_then(|file| file.path.clone());
        Self { path, location: Some(location), ..self }
    }

    /// Where it is, as it goes behind `in`: `/srv/app/.env:3`, `ENV AWS_KEY`.
    #[must_use]
    pub fn place(&self) -> Option<String> {
        self.location.as_ref().map(ToString::to_string).or_else(|| self.path.clone())
    }

    /// The place without lines: the same whatever is written above it in a file.
    #[must_use]
    pub fn rough_place(&self) -> Option<String> {
        let rough = self.location.as_ref().map(|location| location.roughly().to_string());
        rough.or_else(|| self.path.clone())
    }

    /// The place, unless it is the very path that `package` is already.
    #[must_use]
    pub fn place_beside_package(&self) -> Option<String> {
        self.place().filter(|place| *place != self.package)
    }

    /// The class, or the word for what is a class of its own to people: `secret`.
    #[must_use]
    pub fn kind(&self) -> String {
        match (self.class, self.subject) {
            (Class::Baseline, Some(subject)) => subject.to_string(),
            (class, _) => class.to_string(),
        }
    }

    /// The same with fixed versions, instead of what its reports say of them.
    #[must_use]
    pub fn with_fixed(&self, versions: &[String]) -> Self {
        let mut versions = versions.iter().cloned();
        Self {
            fixed: versions.next(),
            also_fixed_in: versions.collect(),
            claims: Vec::new(),
            ..self.clone()
        }
    }

    /// Where to read about it first.
    #[must_use]
    pub fn link(&self) -> Option<&str> {
        self.advisory.as_ref().or(self.references.first()).and_then(|text| web_link(text))
    }

    /// The order of lists for people: what is known to be exploited, what is most likely to be,
    /// the worst; then by id, package and the rest.
    #[must_use]
    pub fn urgency(&self) -> impl Ord + '_ {
        let epss = self.epss.map(|epss| epss.score);
        (Reverse(self.known_exploited), Reverse(epss), Reverse(self.severity), self)
    }
}
