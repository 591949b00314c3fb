//! Which version of a package apt would take: pins of `/etc/apt/preferences` and
//! `/etc/apt/preferences.d`, and the priorities of repositories.
//!
//! In come the image's preference files and the versions that the repositories offer; out
//! comes the candidate of a package, chosen as apt_preferences(5) and apt's
//! `apt-pkg/policy.cc`, `apt-pkg/versionmatch.cc` do it (measured with `apt-cache policy` of
//! apt 2.6). A priority of 1000 and more never makes imgfix downgrade, and phased updates
//! are not held back, as in apt when it runs in a container.

use std::cmp::Reverse;
use std::fmt;

use regex::{Regex, RegexBuilder};

use super::control::{ControlError, Stanza, Stanzas};
use super::index::{Available, RepositoryInfo};
use super::version::Version;
use crate::packages::Architecture;
use crate::rootfs::{FileSystem, ImagePath, RootfsError};

/// How many pins one image may have; each is tried on each version.
pub const MAX_PINS: usize = 4096;

/// apt's priority of a repository without pins.
const DEFAULT_PRIORITY: i32 = 500;

/// Field names that stand for comments.
const COMMENT: &str = "X-Imgfix-Comment-";

/// apt's priority of what is installed and in no repository.
const INSTALLED_PRIORITY: i32 = 100;

/// Why the image's preferences cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PreferencesError {
    #[error("cannot read apt's preferences: {0}")]
    Read(#[from] RootfsError),
    #[error("{path}: {source}")]
    Control { path: String, source: ControlError },
    #[error("{path}: line {line}: {problem}; apt refuses this file too")]
    Record { path: String, line: usize, problem: String },
    #[error("more than {MAX_PINS} pins in the image's apt preferences")]
    TooMany,
}

/// The image's pins, in apt's order: the first that matches a version decides.
#[derive(Debug, Clone, Default)]
pub struct Preferences {
    /// Pins of named packages, and of patterns.
    specific: Vec<SpecificPin>,
    /// Pins of `Package: *`.
    general: Vec<Pin>,
    /// Pins that apt does not understand and skips with a warning; so do we.
    pub ignored: Vec<String>,
}

/// A pin for some packages.
#[derive(Debug, Clone)]
struct SpecificPin {
    package: Pattern,
    /// `Package: src:name`
    by_source: bool,
    /// What follows the name's colon; `None`: native packages only.
    architecture: Option<String>,
    pin: Pin,
}

/// What is pinned, at which priority, and where that is written.
#[derive(Debug, Clone)]
struct Pin {
    what: PinWhat,
    priority: i32,
    place: String,
}

#[derive(Debug, Clone)]
enum PinWhat {
    Version(Pattern),
    /// `Pin: release *`
    AnyRelease,
    Release(Vec<(ReleaseField, Pattern)>),
    /// A host; empty for local files.
    Origin(Option<Pattern>),
}

/// The letters of `Pin: release a=stable`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReleaseField {
    Version,
    Origin,
    Archive,
    Codename,
    Label,
    Component,
    Architecture,
    /// `Pin: release stable`: archive or codename.
    ArchiveOrCodename,
}

/// apt's pattern: `/regular expression/`, or a glob; letter case does not count.
#[derive(Debug, Clone)]
struct Pattern(Regex);

/// What apt would install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Candidate<'a> {
    /// This version (newer than the installed one, if one is installed).
    Version(&'a Available),
    /// Nothing newer, or nothing at all.
    None,
    /// Something newer is there, but its priority is too low; `by` says which pin or rule
    /// decided that.
    Pinned { newest: &'a Available, by: String },
}

impl Preferences {
    /// Reads the image's files. An image without any has no pins.
    ///
    /// # Errors
    /// Files that apt refuses, with file and line.
    pub fn read(fs: &dyn FileSystem) -> Result<Self, PreferencesError> {
        let mut paths = vec![ImagePath::literal("/etc/apt/preferences")];
        let directory = fs.resolve(&ImagePath::literal("/etc/apt/preferences.d"))?;
        paths.extend(fs.read_dir(&directory).into_iter().filter(is_fragment));
        let mut preferences = Self::default();
        for path in paths {
            if fs.stat(&path).is_some_and(crate::rootfs::Entry::is_file) {
                let text = fs.read(&path)?;
                preferences.add(&path.to_str_lossy(), &text)?;
            }
        }
        Ok(preferences)
    }

    /// Adds one file's records after those already there.
    ///
    /// # Errors
    /// As [`Preferences::read`].
    pub fn add(&mut self, path: &str, text: &[u8]) -> Result<(), PreferencesError> {
        let control = |source| PreferencesError::Control { path: path.to_owned(), source };
        for stanza in Stanzas::new(without_comments(text)).map_err(control)? {
            self.add_record(path, &stanza.map_err(control)?)?;
            if self.specific.len() + self.general.len() > MAX_PINS {
                return Err(PreferencesError::TooMany);
            }
        }
        Ok(())
    }

    fn add_record(&mut self, path: &str, stanza: &Stanza) -> Result<(), PreferencesError> {
        let bad = |problem: String| PreferencesError::Record {
            path: path.to_owned(),
            line: stanza.line(),
            problem,
        };
        if stanza.fields().all(|field| field.name.starts_with(COMMENT)) {
            return Ok(());
        }
        let packages = stanza.get("Package").ok_or_else(|| bad("no Package field".to_owned()))?;
        let Some(pin) = stanza.get("Pin") else { return Ok(()) };
        let is_general = packages.trim() == "*";
        let place = format!("{path}, line {}", stanza.line());
        let (kind, data) = pin.trim().split_once(char::is_whitespace).unwrap_or((pin.trim(), ""));
        let what = match kind.to_ascii_lowercase().as_str() {
            "version" if !is_general => PinWhat::Version(Pattern::new(data).map_err(bad)?),
            "release" => release_pin(data).map_err(bad)?,
            "origin" => origin_pin(data).map_err(bad)?,
            _ => {
                self.ignored.push(format!("{place}: pin type {kind:?} is not understood"));
                return Ok(());
            }
        };
        let priority = match stanza.get("Pin-Priority").map(str::trim) {
            Some("never") if is_general => i32::from(i16::MIN),
            value => match value.and_then(|value| value.parse::<i16>().ok()) {
                Some(priority) if priority != 0 => i32::from(priority),
                _ => {
                    let problem =
                        "Pin-Priority is not a number from -32768 to 32767, or is zero".to_owned();
                    return Err(bad(problem));
                }
            },
        };
        let pin = Pin { what, priority, place };
        if is_general {
            self.general.push(pin);
            return Ok(());
        }
        for name in packages.split_ascii_whitespace() {
            self.specific.push(SpecificPin::new(name, pin.clone()).map_err(bad)?);
        }
        Ok(())
    }

    /// What apt would take of `versions` (all of one package name and architecture), given
    /// what is installed.
    #[must_use]
    pub fn candidate<'a>(
        &self,
        versions: &'a [Available],
        installed: Option<&Version>,
        native: &Architecture,
    ) -> Candidate<'a> {
        let mut parsed: Vec<(Version, &Available)> = versions
            .iter()
            .filter_map(|v| Some((Version::parse_recorded(v.version.as_ref()).ok()?, v)))
            .collect();
        // Stable: of equal versions the one of the earliest source comes first, as in apt.
        parsed.sort_by(|(a, _), (b, _)| b.cmp(a));
        let mut rated: Vec<(Rating, Option<(&Version, &Available)>)> = Vec::new();
        for group in parsed.chunk_by(|(a, _), (b, _)| a == b) {
            let Some((version, first)) = group.first() else { continue };
            let mut rating = self.rate(group, native);
            if installed == Some(version) {
                if !rating.pinned {
                    rating.priority = rating.priority.max(INSTALLED_PRIORITY);
                }
                rated.push((rating, None));
            } else if installed.is_none_or(|installed| version > installed) {
                rated.push((rating, Some((version, *first))));
            }
        }
        if let Some(installed) = installed
            && !parsed.iter().any(|(version, _)| version == installed)
        {
            let rating = self.rate_installed(installed, versions.first(), native);
            rated.push((rating, None));
        }
        choose(rated)
    }

    /// The priority of one version, offered by all of `group`.
    fn rate(&self, group: &[(Version, &Available)], native: &Architecture) -> Rating {
        for pin in &self.specific {
            let matches = group.iter().any(|(version, available)| {
                pin.names(available, native) && pin.pin.matches(Some(version), available)
            });
            if matches {
                return Rating { priority: pin.pin.priority, by: pin.pin.place(), pinned: true };
            }
        }
        group
            .iter()
            .map(|(_, available)| self.rate_repository(available))
            .max_by_key(|rating| rating.priority)
            .unwrap_or_default()
    }

    fn rate_repository(&self, available: &Available) -> Rating {
        if let Some(pin) = self.general.iter().find(|pin| pin.matches(None, available)) {
            return Rating { priority: pin.priority, by: pin.place(), pinned: false };
        }
        let repository = &available.repository;
        let priority = match (repository.not_automatic, repository.but_automatic_upgrades) {
            (false, _) => DEFAULT_PRIORITY,
            (true, true) => INSTALLED_PRIORITY,
            (true, false) => 1,
        };
        let by = format!("the priority {priority} of {}", repository.describe());
        Rating { priority, by, pinned: false }
    }

    /// The installed version that no repository offers: only `Pin: version` can match it.
    fn rate_installed(
        &self,
        installed: &Version,
        like: Option<&Available>,
        native: &Architecture,
    ) -> Rating {
        let pin = self.specific.iter().find(|pin| {
            like.is_some_and(|available| pin.names(available, native))
                && matches!(&pin.pin.what, PinWhat::Version(v) if v.matches(installed.as_str()))
        });
        match pin {
            Some(pin) => Rating { priority: pin.pin.priority, by: pin.pin.place(), pinned: true },
            None => Rating { priority: INSTALLED_PRIORITY, ..Rating::default() },
        }
    }
}

/// A priority and what set it.
#[derive(Debug, Clone, Default)]
struct Rating {
    priority: i32,
    by: String,
    /// Set by a pin of the package itself, which repositories cannot raise.
    pinned: bool,
}

/// apt's rule: the highest priority, of equals the newest; below zero never. `rated` is
/// sorted by version, newest first, but for an installed one without repository, which is
/// older than everything that is left in the list. `None` is the installed version.
fn choose<'a>(rated: Vec<(Rating, Option<(&Version, &'a Available)>)>) -> Candidate<'a> {
    let newest = rated
        .iter()
        .filter_map(|(rating, version)| version.map(|(v, available)| (v, available, rating)))
        .max_by(|(a, ..), (b, ..)| a.cmp(b))
        .map(|(_, available, rating)| (available, rating.clone()));
    let best = rated
        .into_iter()
        .enumerate()
        .filter(|(_, (rating, version))| rating.priority > 0 || version.is_none())
        .min_by_key(|(at, (rating, _))| (Reverse(rating.priority), *at));
    match (best, newest) {
        (Some((_, (_, Some((_, available))))), _) => Candidate::Version(available),
        (best, Some((newest, low))) => {
            // Either the newer version was lowered, or the installed one was raised.
            let by = match best {
                Some((_, (high, _))) if low.priority >= DEFAULT_PRIORITY => high.by,
                _ => low.by,
            };
            Candidate::Pinned { newest, by }
        }
        (_, None) => Candidate::None,
    }
}

impl SpecificPin {
    fn new(name: &str, pin: Pin) -> Result<Self, String> {
        let (name, by_source) = match name.strip_prefix("src:") {
            Some(name) => (name, true),
            None => (name, false),
        };
        // A regular expression may have colons of its own.
        let is_regex = name.len() > 1 && name.starts_with('/') && name.ends_with('/');
        let (name, architecture) = match name.rsplit_once(':') {
            Some((name, architecture)) if !is_regex => (name, Some(architecture.to_owned())),
            _ => (name, None),
        };
        Ok(Self { package: Pattern::new(name)?, by_source, architecture, pin })
    }

    /// Whether the pin is about this package.
    fn names(&self, available: &Available, native: &Architecture) -> bool {
        let name = match (self.by_source, &available.source) {
            (true, Some((source, _))) => source,
            _ => &available.name,
        };
        let is_native =
            available.architecture == *native || available.architecture.as_ref() == "all";
        let architecture = match self.architecture.as_deref() {
            None | Some("native") => is_native,
            Some("any") => true,
            Some(exact) => {
                exact == available.architecture.as_ref() || (is_native && exact == native.as_ref())
            }
        };
        architecture && self.package.matches(name.as_ref())
    }
}

impl Pin {
    /// Whether the pin's second half matches; `version` is `None` where only repositories
    /// are rated.
    fn matches(&self, version: Option<&Version>, available: &Available) -> bool {
        match &self.what {
            PinWhat::Version(wanted) => version.is_some_and(|v| wanted.matches(v.as_str())),
            PinWhat::AnyRelease => true,
            PinWhat::Release(fields) => fields
                .iter()
                .all(|(field, wanted)| field.matches(wanted, &available.repository, available)),
            PinWhat::Origin(None) => available.repository.site().is_empty(),
            PinWhat::Origin(Some(host)) => host.matches(available.repository.site()),
        }
    }

    fn place(&self) -> String {
        format!("the pin of priority {} in {}", self.priority, self.place)
    }
}

impl ReleaseField {
    fn from_letter(letter: &str) -> Option<Self> {
        Some(match letter {
            "v" => Self::Version,
            "o" => Self::Origin,
            "a" => Self::Archive,
            "n" => Self::Codename,
            "l" => Self::Label,
            "c" => Self::Component,
            "b" => Self::Architecture,
            _ => return None,
        })
    }

    fn matches(self, wanted: &Pattern, release: &RepositoryInfo, package: &Available) -> bool {
        let given: &[&str] = match self {
            Self::Version => &[&release.version],
            Self::Origin => &[&release.origin],
            Self::Archive => &[&release.archive],
            Self::Codename => &[&release.codename],
            Self::Label => &[&release.label],
            Self::Component => &[&release.component],
            Self::Architecture => &[package.architecture.as_ref()],
            Self::ArchiveOrCodename => &[&release.archive, &release.codename],
        };
        given.iter().any(|value| !value.is_empty() && wanted.matches(value))
    }
}

/// `Pin: release a=stable, v=12`; of one letter given twice the last counts.
fn release_pin(data: &str) -> Result<PinWhat, String> {
    let data = data.trim();
    if data == "*" {
        return Ok(PinWhat::AnyRelease);
    }
    if !data.contains('=') {
        let field = match data.starts_with(|c: char| c.is_ascii_digit()) {
            true => ReleaseField::Version,
            false => ReleaseField::ArchiveOrCodename,
        };
        return Ok(PinWhat::Release(vec![(field, Pattern::new(data)?)]));
    }
    let mut fields: Vec<(ReleaseField, Pattern)> = Vec::new();
    for part in data.split(',') {
        let Some((letter, value)) = part.split_once('=') else { continue };
        let Some(field) = ReleaseField::from_letter(letter.trim()) else { continue };
        fields.retain(|(other, _)| *other != field);
        fields.push((field, Pattern::new(value.trim())?));
    }
    if fields.is_empty() {
        return Err(format!("{data:?} names nothing of a release"));
    }
    Ok(PinWhat::Release(fields))
}

/// `Pin: origin "host"`
fn origin_pin(data: &str) -> Result<PinWhat, String> {
    let host = data.trim().trim_matches('"');
    if host.is_empty() {
        return Ok(PinWhat::Origin(None));
    }
    Ok(PinWhat::Origin(Some(Pattern::new(host)?)))
}

impl Pattern {
    fn new(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let regex = match text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
            Some(regex) if text.len() > 1 => regex.to_owned(),
            _ => glob_to_regex(text),
        };
        RegexBuilder::new(&regex)
            .case_insensitive(true)
            .dot_matches_new_line(true)
            .size_limit(1 << 20)
            .build()
            .map(Self)
            .map_err(|_| format!("{text:?} is not a pattern"))
    }

    fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

/// fnmatch(3) without flags, as a regular expression.
fn glob_to_regex(glob: &str) -> String {
    let mut out = String::from("^");
    let mut rest = glob.chars();
    while let Some(c) = rest.next() {
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '\\' => out.push_str(&regex::escape(&rest.next().unwrap_or('\\').to_string())),
            '[' => match bracket(rest.as_str()) {
                Some((class, after)) => {
                    out.push_str(&class);
                    rest = after.chars();
                }
                None => out.push_str("\\["),
            },
            c => out.push_str(&regex::escape(&c.to_string())),
        }
    }
    out.push('$');
    out
}

/// The bracket expression that starts `text` (after its `[`), and what follows it.
fn bracket(text: &str) -> Option<(String, &str)> {
    let (negated, body) = match text.strip_prefix(['!', '^']) {
        Some(body) => (true, body),
        None => (false, text),
    };
    // A ']' that comes first stands for itself.
    let first = body.chars().next()?.len_utf8();
    let end = first + body.get(first..)?.find(']')?;
    let mut class = String::from(if negated { "[^" } else { "[" });
    for c in body.get(..end)?.chars() {
        match c {
            '-' => class.push('-'),
            c => class.push_str(&regex::escape(&c.to_string())),
        }
    }
    class.push(']');
    Some((class, body.get(end + 1..)?))
}

/// apt's rule for names in `preferences.d`: no extension or `pref`, and no odd characters.
fn is_fragment(path: &ImagePath) -> bool {
    let name = path.file_name();
    let plain = name.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b));
    let extension = name.iter().rposition(|&b| b == b'.').and_then(|at| name.get(at + 1..));
    plain && extension.is_none_or(|extension| extension == b"pref") && !name.starts_with(b".")
}

/// Comments and explanations, which may repeat, become fields of different names, so that the
/// text is deb822 and line numbers stay.
fn without_comments(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for (at, line) in text.split_inclusive(|&b| b == b'\n').enumerate() {
        let is_comment = line.starts_with(b"#")
            || line.get(..12).is_some_and(|start| start.eq_ignore_ascii_case(b"Explanation:"));
        match is_comment {
            true => out.extend_from_slice(format!("{COMMENT}{at}: #\n").as_bytes()),
            false => out.extend_from_slice(line),
        }
    }
    out
}

impl fmt::Display for Candidate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Candidate::Version(available) => write!(f, "{}", available.version),
            Candidate::None => f.write_str("(none)"),
            Candidate::Pinned { newest, by } => write!(f, "not {} because of {by}", newest.version),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::packages::dpkg::index::PackageIndex;
    use crate::packages::dpkg::packages_file::PackagesFile;

    /// What `apt-cache policy foo` (apt 2.6) shows for the same image and pins: package foo,
    /// 1 is installed, 2 is in a local repository of Debian 12.5 "stable" "bookworm".
    fn offered(version: &str, change: impl FnOnce(&mut RepositoryInfo)) -> Vec<Available> {
        let mut repository = RepositoryInfo {
            url: "file:///repo/".to_owned(),
            suite: "./".to_owned(),
            archive: "stable".to_owned(),
            codename: "bookworm".to_owned(),
            version: "12.5".to_owned(),
            origin: "Debian".to_owned(),
            ..RepositoryInfo::default()
        };
        change(&mut repository);
        let text = format!(
            "Package: foo\nArchitecture: amd64\nVersion: {version}\nFilename: ./foo.deb\nSize: 1\n\
             SHA256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
        );
        let mut index = PackageIndex::new();
        index.push(PackagesFile::read(text.as_bytes()).unwrap(), Arc::new(repository));
        index.versions("foo")
    }

    fn pins(text: &str) -> Preferences {
        let mut preferences = Preferences::default();
        preferences.add("/etc/apt/preferences", text.as_bytes()).unwrap();
        preferences
    }

    fn candidate(pins: &Preferences, offered: &[Available]) -> String {
        let installed = Version::parse("1").unwrap();
        pins.candidate(offered, Some(&installed), &Architecture::from("amd64")).to_string()
    }

    fn priority(text: &str) -> i32 {
        let offered = offered("2", |_| {});
        let version = Version::parse("2").unwrap();
        pins(text).rate(&[(version, &offered[0])], &Architecture::from("amd64")).priority
    }

    #[test]
    fn priorities_are_those_of_apt_cache_policy() {
        for (text, want) in [
            ("", 500),
            (
                "Package: foo\nPin: version 2\nPin-Priority: 200\n\nPackage: foo\nPin: version 2\nPin-Priority: 300\n",
                200,
            ),
            (
                "Package: *\nPin: release a=stable\nPin-Priority: 200\n\nPackage: *\nPin: release n=bookworm\nPin-Priority: 300\n",
                200,
            ),
            ("Package: *\nPin: version 2\nPin-Priority: 300\n", 500),
            ("Package: foo\nPin: release 12\nPin-Priority: 300\n", 500),
            ("Package: foo\nPin: release v=12*\nPin-Priority: 301\n", 301),
            ("Package: foo\nPin: release BOOK*\nPin-Priority: 302\n", 302),
            ("Package: FO*\nPin: origin \"\"\nPin-Priority: 303\n", 303),
            (
                "# a\n# b\nExplanation: x\nExplanation: y\nPackage: /^fo/ bar\nPin: release o=debian\nPin-Priority: 304\n",
                304,
            ),
            ("Package: foo:i386\nPin: release o=Debian\nPin-Priority: 305\n", 500),
            ("Package: src:foo\nPin: version 2\nPin-Priority: -5\n", -5),
            ("Package: foo\nPin: bogus 2\nPin-Priority: 5\n", 500),
            ("Package: foo\nPin-Priority: 3\n", 500),
            ("Package: foo\nPin: release c=main,a=stable\nPin-Priority: 40\n", 500),
            ("Package: *:any\nPin: release a=stable\nPin-Priority: 41\n", 41),
            ("Package: foo\nPin: version /^2/\nPin-Priority: 998\n", 998),
            ("Package: foo\nPin: release a=stable,a=nope\nPin-Priority: 40\n", 500),
            ("Package: f[n-p]?\nPin: release *\nPin-Priority: 42\n", 42),
            ("Package: f[!o]o\nPin: release *\nPin-Priority: 42\n", 500),
            ("Package: *\nPin: release *\nPin-Priority: never\n", -32768),
        ] {
            assert_eq!(priority(text), want, "{text}");
        }
    }

    #[test]
    fn the_candidate_is_apts() {
        for (text, want) in [
            ("", "2"),
            ("Package: foo\nPin: version 2\nPin-Priority: 100\n", "2"),
            (
                "Package: foo\nPin: version 2\nPin-Priority: 99\n",
                "not 2 because of the pin of priority 99 in /etc/apt/preferences, line 1",
            ),
            (
                "Package: foo\nPin: version 2\nPin-Priority: -1\n",
                "not 2 because of the pin of priority -1 in /etc/apt/preferences, line 1",
            ),
            (
                "\nPackage: foo\nPin: version 1\nPin-Priority: 999\n",
                "not 2 because of the pin of priority 999 in /etc/apt/preferences, line 2",
            ),
        ] {
            assert_eq!(candidate(&pins(text), &offered("2", |_| {})), want, "{text}");
        }
    }

    #[test]
    fn no_priority_downgrades() {
        let pins = pins("Package: foo\nPin: release *\nPin-Priority: 1001\n");
        assert_eq!(candidate(&pins, &offered("0.9", |_| {})), "(none)");
    }

    #[test]
    fn repositories_that_are_not_automatic_yield_to_what_is_installed() {
        let none = Preferences::default();
        let experimental = offered("2", |repository| repository.not_automatic = true);
        assert!(candidate(&none, &experimental).contains("the priority 1 of file:///repo ./"));
        let mut backports = offered("2", |repository| {
            repository.not_automatic = true;
            repository.but_automatic_upgrades = true;
        });
        assert_eq!(candidate(&none, &backports), "2");
        // The installed version is in stable, whose 500 is more than the 100 of backports.
        backports.extend(offered("1", |_| {}));
        assert!(candidate(&none, &backports).starts_with("not 2"));
    }

    #[test]
    fn equal_versions_come_from_the_earliest_source() {
        let mut both = offered("2", |repository| repository.suite = "first/".to_owned());
        both.extend(offered("2", |repository| repository.suite = "second/".to_owned()));
        let installed = Version::parse("1").unwrap();
        match Preferences::default().candidate(
            &both,
            Some(&installed),
            &Architecture::from("amd64"),
        ) {
            Candidate::Version(available) => assert_eq!(available.repository.suite, "first/"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_apt_refuses_is_an_error_with_file_and_line() {
        for (text, want) in [
            ("\nPackage: foo\nPin: version 2\n", "/etc/apt/preferences: line 2: Pin-Priority"),
            ("Package: foo\nPin: version 2\nPin-Priority: 0\n", "or is zero"),
            ("Package: foo\nPin: version 2\nPin-Priority: 40000\n", "-32768 to 32767"),
            ("Package: foo\nPin: version 2\nPin-Priority: never\n", "Pin-Priority"),
            ("Pin: version 2\nPin-Priority: 3\n", "no Package"),
            ("Package: /(/\nPin: version 2\nPin-Priority: 3\n", "not a pattern"),
            ("nonsense\n", "line 1"),
        ] {
            let error = Preferences::default()
                .add("/etc/apt/preferences", text.as_bytes())
                .unwrap_err()
                .to_string();
            assert!(error.contains(want), "{text}: {error}");
        }
    }

    #[test]
    fn fragments_are_chosen_by_name() {
        for (name, want) in
            [("10x", true), ("x.pref", true), ("x.dpkg-old", false), ("a b", false), (".x", false)]
        {
            let path = ImagePath::new(format!("/etc/apt/preferences.d/{name}")).unwrap();
            assert_eq!(is_fragment(&path), want, "{name}");
        }
    }
}
