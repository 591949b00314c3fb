//! One pin: for which packages it is, and which versions and repositories it means.
//!
//! In come the values of a preferences record's fields `Package` and `Pin`; out comes whether
//! a version is meant. The rules and their odd corners are those of apt's
//! `pkgVersionMatch` (`apt-pkg/versionmatch.cc`) and `pkgPolicy::CreatePin`.

use std::sync::Arc;

use super::super::index::RepositoryInfo;
use imgfix_shell::fnmatch;
use imgfix_shell::fnmatch::CaseOf;
use imgfix_shell::regex::{Options, Regex, Syntax};

/// Where a version is found, as apt's `pkgVerFileIterator` has it.
#[derive(Debug, Clone, Copy)]
pub(super) enum File<'a> {
    Repository(&'a RepositoryInfo),
    /// dpkg's database, whose suite apt calls `now`.
    Status,
}

/// A version of a package, as pins see it.
#[derive(Debug, Clone)]
pub(super) struct Subject<'a> {
    pub(super) name: &'a str,
    /// `all` counts as the native architecture.
    pub(super) architecture: &'a str,
    pub(super) version: &'a str,
    pub(super) source_name: &'a str,
    pub(super) source_version: &'a str,
    pub(super) files: Vec<File<'a>>,
}

/// What is pinned, at which priority, and where that is written.
#[derive(Debug, Clone)]
pub(super) struct Pin {
    pub(super) what: PinTarget,
    pub(super) priority: i32,
    /// For people: `the pin of priority 99 in /etc/apt/preferences, line 1`.
    pub(super) by: String,
}

/// What follows the first word of `Pin:`.
#[derive(Debug, Clone)]
pub(super) enum PinTarget {
    Version(VersionPattern),
    SourceVersion(VersionPattern),
    Release(ReleasePattern),
    /// The host of a repository; empty for local files.
    Origin(Pattern),
}

/// A pin for some packages.
#[derive(Debug, Clone)]
pub(super) struct SpecificPin {
    package: Name,
    /// `Package: src:name`
    by_source: bool,
    /// What follows the name's colon; `None`: native packages only.
    architecture: Option<String>,
    pub(super) pin: Pin,
}

#[derive(Debug, Clone)]
enum Name {
    Exact(String),
    Pattern(Pattern),
}

/// apt's pattern: `/regular expression/`, or a glob; letter case does not count.
#[derive(Debug, Clone)]
pub(super) enum Pattern {
    Glob(String),
    Regex(Arc<Regex>),
    /// A malformed regular expression: apt warns, and nothing matches.
    Nothing,
}

/// `1.2`, `1.2*`, or a pattern.
#[derive(Debug, Clone)]
pub(super) struct VersionPattern {
    /// Without the star at its end.
    text: String,
    is_prefix: bool,
    pattern: Pattern,
}

/// `Pin: release …`; of one letter given twice the last counts.
#[derive(Debug, Clone, Default)]
pub(super) struct ReleasePattern {
    /// `Pin: release *`
    any: bool,
    /// More fields than apt reads: nothing matches.
    none: bool,
    version: Option<VersionPattern>,
    origin: Option<Pattern>,
    /// `a=`: the suite of the Release file.
    archive: Option<Pattern>,
    codename: Option<Pattern>,
    label: Option<Pattern>,
    component: Option<Pattern>,
    architecture: Option<Pattern>,
    /// `Pin: release stable`: suite or codename.
    name: Option<Pattern>,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        match text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
            Some(regex) => {
                let options = Options { ignore_case: true, ..Options::default() };
                Regex::new(regex.as_bytes(), Syntax::Extended, options)
                    .map_or(Self::Nothing, |regex| Self::Regex(Arc::new(regex)))
            }
            None => Self::Glob(text.to_owned()),
        }
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Glob(glob) => {
                fnmatch::matches_in(glob.as_bytes(), text.as_bytes(), CaseOf::Ignored)
            }
            Self::Regex(regex) => regex.is_match(text.as_bytes()).unwrap_or(false),
            Self::Nothing => false,
        }
    }

    /// Whether a value that may be missing matches.
    fn fits(&self, value: &str) -> bool {
        !value.is_empty() && self.matches(value)
    }
}

impl VersionPattern {
    pub(super) fn new(data: &str) -> Self {
        let (text, is_prefix) = match data.strip_suffix('*') {
            Some(text) => (text, true),
            None => (data, false),
        };
        Self { text: text.to_owned(), is_prefix, pattern: Pattern::new(text) }
    }

    fn matches(&self, version: &str) -> bool {
        let same = |part: Option<&str>| part.is_some_and(|p| p.eq_ignore_ascii_case(&self.text));
        let by_text = match self.is_prefix {
            true => same(version.get(..self.text.len())),
            false => same(Some(version)),
        };
        by_text || self.pattern.matches(version)
    }
}

impl ReleasePattern {
    /// Reads `stable`, `12*`, `a=stable,v=12`.
    pub(super) fn new(data: &str) -> Self {
        let mut out = Self::default();
        if data == "*" {
            out.any = true;
            return out;
        }
        if !data.contains('=') {
            if data.starts_with(|c: char| c.is_ascii_digit()) {
                out.version = Some(VersionPattern::new(data));
            } else if !data.is_empty() {
                out.name = Some(Pattern::new(data));
            }
            return out;
        }
        // apt has room for so many characters and fields.
        let end = (0..=data.len().min(299)).rev().find(|end| data.is_char_boundary(*end));
        let data = data.get(..end.unwrap_or(0)).unwrap_or_default();
        let fields: Vec<&str> =
            data.split(',').map(str::trim).filter(|field| !field.is_empty()).collect();
        out.none = fields.len() >= 20;
        for field in fields {
            let Some((letter, value)) = field.split_at_checked(2) else { continue };
            if value.is_empty() {
                continue;
            }
            let pattern = || Some(Pattern::new(value));
            match letter.to_ascii_lowercase().as_str() {
                "v=" => out.version = Some(VersionPattern::new(value)),
                "o=" => out.origin = pattern(),
                "a=" => out.archive = pattern(),
                "n=" => out.codename = pattern(),
                "l=" => out.label = pattern(),
                "c=" => out.component = pattern(),
                "b=" => out.architecture = pattern(),
                _ => {}
            }
        }
        out
    }

    fn matches(&self, file: File<'_>) -> bool {
        if self.any || self.none {
            return self.any;
        }
        let fits = |pattern: &Option<Pattern>, value: &str| {
            pattern.as_ref().is_none_or(|pattern| pattern.fits(value))
        };
        match file {
            File::Repository(release) => {
                let version = &release.version;
                let of_version =
                    |wanted: &VersionPattern| !version.is_empty() && wanted.matches(version);
                !self.is_empty()
                    && self.version.as_ref().is_none_or(of_version)
                    && fits(&self.origin, &release.origin)
                    && fits(&self.archive, &release.archive)
                    && fits(&self.codename, &release.codename)
                    && (fits(&self.name, &release.archive) || fits(&self.name, &release.codename))
                    && fits(&self.label, &release.label)
                    && fits(&self.component, &release.component)
                    && fits(&self.architecture, &release.architecture)
            }
            // apt has no Release file for dpkg's database, and names it in place of a
            // component.
            File::Status => {
                self.version.is_none()
                    && self.origin.is_none()
                    && self.codename.is_none()
                    && self.label.is_none()
                    && self.architecture.is_none()
                    && fits(&self.archive, "now")
                    && fits(&self.name, "now")
                    && fits(&self.component, "now")
            }
        }
    }

    /// Whether it says nothing that apt understands. (Then it is about dpkg's database alone.)
    fn is_empty(&self) -> bool {
        self.version.is_none()
            && [
                &self.origin,
                &self.archive,
                &self.codename,
                &self.label,
                &self.component,
                &self.architecture,
                &self.name,
            ]
            .iter()
            .all(|field| field.is_none())
    }
}

impl PinTarget {
    /// `Pin: origin "host"`
    pub(super) fn origin(data: &str) -> Self {
        let quoted = data.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        Self::Origin(Pattern::new(quoted.unwrap_or(data)))
    }

    /// Whether everything in a file is meant.
    pub(super) fn means_file(&self, file: File<'_>) -> bool {
        match (self, file) {
            (Self::Release(release), file) => release.matches(file),
            (Self::Origin(host), File::Repository(repository)) => host.matches(repository.site()),
            _ => false,
        }
    }

    fn means(&self, subject: &Subject<'_>) -> bool {
        match self {
            Self::Version(wanted) => wanted.matches(subject.version),
            Self::SourceVersion(wanted) => wanted.matches(subject.source_version),
            _ => subject.files.iter().any(|file| self.means_file(*file)),
        }
    }
}

impl SpecificPin {
    /// A pin for a word of `Package:`. What follows the last colon is an architecture, in
    /// regular expressions too.
    pub(super) fn new(word: &str, pin: Pin) -> Self {
        let (name, by_source) = match word.strip_prefix("src:") {
            Some(name) => (name, true),
            None => (word, false),
        };
        let (name, architecture) = match name.rsplit_once(':') {
            Some((name, architecture)) => (name, Some(architecture.to_owned())),
            None => (name, None),
        };
        let is_regex = name.len() > 1 && name.starts_with('/') && name.ends_with('/');
        let package = match is_regex || name.contains(['*', '[', '?']) {
            true => Name::Pattern(Pattern::new(name)),
            false => Name::Exact(name.to_owned()),
        };
        Self { package, by_source, architecture, pin }
    }

    /// Whether the version is pinned by this.
    pub(super) fn means(&self, subject: &Subject<'_>, native: &str) -> bool {
        let name = if self.by_source { subject.source_name } else { subject.name };
        let architecture = match self.architecture.as_deref().filter(|text| !text.is_empty()) {
            None => subject.architecture == native,
            Some("any" | "linux-any") => true,
            Some(exact) => subject.architecture == exact,
        };
        architecture
            && match &self.package {
                Name::Exact(exact) => exact == name,
                Name::Pattern(pattern) => pattern.matches(name),
            }
            && self.pin.what.means(subject)
    }
}
