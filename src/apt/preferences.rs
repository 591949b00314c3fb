//! Which version of a package apt would take: the target release of apt's configuration, the
//! pins of `/etc/apt/preferences` and `/etc/apt/preferences.d`, and the priorities of
//! repositories.
//!
//! In come the image's configuration and preference files, and the versions that the
//! repositories offer; out comes the candidate of a package, chosen as apt_preferences(5) and
//! apt's `apt-pkg/policy.cc` do it (measured with `apt-cache policy` of apt 2.6). imgfix never
//! downgrades: where apt would, the package stays as it is, and newer versions are held back
//! by what made the older one the candidate.

mod pin;

use std::cmp::Reverse;
use std::fmt;

use pin::{File, Pin, PinTarget, ReleasePattern, SpecificPin, Subject, VersionPattern};

use super::index::{Available, RepositoryInfo};
use imgfix_dpkg::apt_conf::AptConf;
use imgfix_dpkg::control::{ControlError, Stanza, Stanzas};
use imgfix_model::package::Architecture;
use imgfix_model::path::ImagePath;
use imgfix_repository::config_text::{is_part, plain};
use imgfix_versions::dpkg::Version;
use imgfix_vfs::{Entry, FileSystem, RootfsError};

/// How many pins one image may have; each is tried on each version.
pub const MAX_PINS: usize = 4096;

/// apt's priority of a repository without pins.
const DEFAULT_PRIORITY: i32 = 500;

/// apt's priority of the target release.
const TARGET_PRIORITY: i32 = 990;

/// apt's priority of what is installed and in no repository.
const INSTALLED_PRIORITY: i32 = 100;

/// `Pin-Priority: never`: no other pin raises it.
const NEVER: i32 = i16::MIN as i32;

/// Field names that stand for comments.
const COMMENT: &str = "X-Imgfix-Comment-";

/// Why the image's preferences cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PreferencesError {
    /// A file or folder cannot be read from its layer.
    #[error("cannot read apt's preferences: {0}")]
    Read(#[from] RootfsError),
    /// A file is not deb822.
    #[error("{path}: {source}")]
    Control {
        /// In the image.
        path: String,
        /// What is wrong, and in which line.
        source: ControlError,
    },
    /// A record that says nothing apt could follow.
    #[error("{path}: line {line}: {problem}; apt refuses this file too")]
    Record {
        /// In the image.
        path: String,
        /// Where the record begins, from 1.
        line: usize,
        /// For people.
        problem: String,
    },
    /// More than [`MAX_PINS`].
    #[error("more than {MAX_PINS} pins in the image's apt preferences")]
    TooMany,
}

/// Which kinds of pin the image's apt knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PinTypes {
    /// Before apt 2.9.9, which does not know `Pin: source-version`.
    #[default]
    WithoutSourceVersion,
    /// apt 2.9.9 and later.
    WithSourceVersion,
}

impl PinTypes {
    /// What an apt of this version knows; without apt, the fewer.
    #[must_use]
    pub fn of(apt: Option<&Version>) -> Self {
        match (apt, Version::parse("2.9.9")) {
            (Some(apt), Ok(since)) if *apt >= since => Self::WithSourceVersion,
            _ => Self::WithoutSourceVersion,
        }
    }
}

/// The image's pins, in apt's order: the first that matches a version decides.
#[derive(Debug, Clone, Default)]
pub struct Preferences {
    /// Pins of named packages, and of patterns.
    specific: Vec<SpecificPin>,
    /// Pins of `Package: *`, that of the target release before all others.
    general: Vec<Pin>,
    pin_types: PinTypes,
    /// Pins that apt does not understand and skips with a warning; so do we.
    pub ignored: Vec<String>,
}

/// What is installed of a package.
#[derive(Debug, Clone, Copy)]
pub struct Present<'a> {
    /// Name of the binary package.
    pub name: &'a str,
    /// `all` counts as the native architecture.
    pub architecture: &'a Architecture,
    /// The version that dpkg's database has.
    pub version: &'a Version,
    /// Name of the source package that it was built from.
    pub source_name: &'a str,
    /// Version of that source package.
    pub source_version: &'a Version,
}

/// What apt would install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Candidate<'a> {
    /// This version (newer than the installed one, if one is installed).
    Version(&'a Available),
    /// Nothing newer, or nothing at all.
    None,
    /// Something newer is there, but its priority is too low.
    Pinned {
        /// The newest version that is offered.
        newest: &'a Available,
        /// Which pin or rule decided that, for people.
        by: String,
    },
}

impl Preferences {
    /// Reads the image's files. An image without any has no pins.
    ///
    /// # Errors
    /// Files that apt refuses, with file and line.
    pub fn read(
        fs: &dyn FileSystem,
        conf: &AptConf,
        pin_types: PinTypes,
    ) -> Result<Self, PreferencesError> {
        let mut paths = vec![configured_path(conf, "Dir::Etc::preferences", "preferences")];
        let directory = configured_path(conf, "Dir::Etc::preferencesparts", "preferences.d");
        let directory = fs.resolve(&directory)?;
        let mut parts = fs.read_dir(&directory);
        parts.retain(|path| is_part(path.file_name(), "pref"));
        paths.extend(parts);
        let mut preferences = Self { pin_types, ..Self::default() };
        for path in paths {
            if fs.stat(&path).is_some_and(Entry::is_file) {
                let text = fs.read(&path)?;
                preferences.add(&path.to_str_lossy(), &text)?;
            }
        }
        Ok(preferences)
    }

    /// Takes over the target release of `APT::Default-Release`, which goes before all pins of
    /// `Package: *`. Out comes a warning when no repository is of that release: apt then
    /// refuses to work, and here it does not count.
    pub fn target<'r>(
        &mut self,
        conf: &AptConf,
        repositories: impl IntoIterator<Item = &'r RepositoryInfo>,
    ) -> Option<String> {
        let wanted = conf.get("APT::Default-Release")?;
        let pattern = pin::Pattern::new(wanted);
        let is_list = wanted.len() > 2 && wanted.as_bytes().get(1) == Some(&b'=');
        let known = is_list
            || pattern.matches("now")
            || repositories.into_iter().any(|one| {
                let names = [&one.archive, &one.codename, &one.version];
                names.iter().any(|name| !name.is_empty() && pattern.matches(name))
            });
        if !known {
            return Some(format!(
                "the image's APT::Default-Release {wanted:?} is not the release of any of its \
                 sources: apt refuses to work with that, and here it does not count"
            ));
        }
        let by = format!("the target release (APT::Default-Release {wanted:?})");
        let what = PinTarget::Release(ReleasePattern::new(wanted));
        self.general.insert(0, Pin { what, priority: TARGET_PRIORITY, by });
        None
    }

    /// Adds one file's records after those already there.
    ///
    /// # Errors
    /// As [`Preferences::read`].
    pub fn add(&mut self, path: &str, text: &[u8]) -> Result<(), PreferencesError> {
        let control = |source| PreferencesError::Control { path: path.to_owned(), source };
        for stanza in Stanzas::new(without_comments(&plain(text))).map_err(control)? {
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
        let packages = stanza.get("Package").map(str::trim).filter(|name| !name.is_empty());
        let packages = packages.ok_or_else(|| bad("no Package field".to_owned()))?;
        let Some(pin) = stanza.get("Pin") else { return Ok(()) };
        let is_general = packages == "*";
        let place = format!("{path}, line {}", stanza.line());
        let (kind, data) = pin.trim().split_once(char::is_whitespace).unwrap_or((pin.trim(), ""));
        let data = data.trim();
        let knows_source = self.pin_types == PinTypes::WithSourceVersion;
        let what = match kind.to_ascii_lowercase().as_str() {
            "version" if !is_general => PinTarget::Version(VersionPattern::new(data)),
            "source-version" if !is_general && knows_source => {
                PinTarget::SourceVersion(VersionPattern::new(data))
            }
            "release" => PinTarget::Release(ReleasePattern::new(data)),
            "origin" => PinTarget::origin(data),
            _ => {
                self.ignored.push(format!("{place}: pin type {kind:?} is not understood"));
                return Ok(());
            }
        };
        let value = stanza.get("Pin-Priority").map(str::trim).unwrap_or_default();
        let priority = match (value, is_general) {
            ("never", true) => NEVER,
            ("never", false) => {
                let problem = "Pin-Priority never is only for records of Package: *";
                return Err(bad(problem.to_owned()));
            }
            (value, _) => priority(value).ok_or_else(|| {
                bad("Pin-Priority is not a number from -32768 to 32767, or is zero".to_owned())
            })?,
        };
        let by = format!("the pin of priority {priority} in {place}");
        let pin = Pin { what, priority, by };
        if is_general {
            self.general.push(pin);
            return Ok(());
        }
        let words = packages.split_ascii_whitespace();
        self.specific.extend(words.map(|word| SpecificPin::new(word, pin.clone())));
        Ok(())
    }

    /// What apt would take of `versions` (all of one package name and architecture), given
    /// what is installed.
    #[must_use]
    pub fn candidate<'a>(
        &self,
        versions: &'a [Available],
        installed: Option<Present<'_>>,
        native: &Architecture,
    ) -> Candidate<'a> {
        let mut parsed: Vec<(Version, &Available)> = versions
            .iter()
            .filter_map(|v| Some((Version::parse_recorded(v.version.as_ref()).ok()?, v)))
            .collect();
        // Stable: of equal versions the one of the earliest source comes first, as in apt.
        parsed.sort_by(|(a, _), (b, _)| b.cmp(a));
        let mut rated: Vec<Rated<'a>> = Vec::new();
        for group in parsed.chunk_by(|(a, _), (b, _)| a == b) {
            let Some((version, first)) = group.first() else { continue };
            let own = installed.filter(|installed| installed.version == version);
            let files = group.iter().map(|(_, one)| File::Repository(&one.repository));
            let files = files.chain(own.map(|_| File::Status)).collect();
            let subject = subject(first, version, native, files);
            let age = match installed {
                None => Age::Newer,
                Some(_) if own.is_some() => Age::Installed,
                Some(installed) if version > installed.version => Age::Newer,
                Some(_) => Age::Older,
            };
            let rating = self.rate(&subject, native);
            rated.push(Rated { rating, age, version: version.clone(), available: Some(first) });
        }
        if let Some(installed) = installed
            && !rated.iter().any(|one| one.age == Age::Installed)
        {
            let subject = Subject {
                name: installed.name,
                architecture: installed.architecture.as_ref(),
                version: installed.version.as_str(),
                source_name: installed.source_name,
                source_version: installed.source_version.as_str(),
                files: vec![File::Status],
            };
            let rating = self.rate(&subject, native);
            let version = installed.version.clone();
            rated.push(Rated { rating, age: Age::Installed, version, available: None });
            rated.sort_by(|a, b| b.version.cmp(&a.version));
        }
        choose(rated)
    }

    /// The priority of a version, and what set it.
    fn rate(&self, subject: &Subject<'_>, native: &Architecture) -> Rating {
        let of_files = subject.files.iter().map(|file| self.rate_file(*file));
        let best = of_files.max_by_key(|rating| rating.priority).unwrap_or_default();
        let pin = self.specific.iter().find(|pin| pin.means(subject, native.as_ref()));
        match pin {
            Some(pin) if best.priority != NEVER => {
                Rating { priority: pin.pin.priority, by: pin.pin.by.clone() }
            }
            _ => best,
        }
    }

    /// The priority of everything in one file: the first pin decides, and `never` always.
    fn rate_file(&self, file: File<'_>) -> Rating {
        let mut matching = self.general.iter().filter(|pin| pin.what.means_file(file));
        let first = matching.next();
        let never = first.into_iter().chain(matching).find(|pin| pin.priority == NEVER);
        if let Some(pin) = never.or(first) {
            return Rating { priority: pin.priority, by: pin.by.clone() };
        }
        let File::Repository(repository) = file else {
            return Rating { priority: INSTALLED_PRIORITY, ..Rating::default() };
        };
        let priority = match (repository.not_automatic, repository.but_automatic_upgrades) {
            (_, true) => INSTALLED_PRIORITY,
            (false, false) => DEFAULT_PRIORITY,
            (true, false) => 1,
        };
        let by = format!("the priority {priority} of {}", repository.describe());
        Rating { priority, by }
    }
}

fn subject<'a>(
    available: &'a Available,
    version: &'a Version,
    native: &'a Architecture,
    files: Vec<File<'a>>,
) -> Subject<'a> {
    let (source_name, source_version) = match &available.source {
        Some((name, version)) => (name.as_ref(), version.as_ref()),
        None => (available.name.as_ref(), available.version.as_ref()),
    };
    let architecture = match available.architecture.as_ref() {
        "all" => native.as_ref(),
        own => own,
    };
    let (name, version) = (available.name.as_ref(), version.as_str());
    Subject { name, architecture, version, source_name, source_version, files }
}

/// A file or folder of apt's configuration, as `Dir::Etc` names it.
fn configured_path(conf: &AptConf, setting: &str, default: &str) -> ImagePath {
    let own = conf.get(setting).unwrap_or(default);
    let path = if own.starts_with('/') { own.to_owned() } else { format!("/etc/apt/{own}") };
    let path = ImagePath::new(path.trim_end_matches('/'));
    path.unwrap_or_else(|_| {
        ImagePath::literal("/etc/apt")
            .join(default.as_bytes())
            .unwrap_or_else(|_| ImagePath::root())
    })
}

/// The number at the beginning of a text, as C's `strtol` reads it, if apt accepts it.
fn priority(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let number: i32 = digits.get(..end)?.parse().ok()?;
    let number = if text.starts_with('-') { -number } else { number };
    // The number that stands for `never` cannot be written.
    let number = if number == NEVER { NEVER + 1 } else { number };
    (number != 0 && i16::try_from(number).is_ok()).then_some(number)
}

/// A priority and what set it.
#[derive(Debug, Clone, Default)]
struct Rating {
    priority: i32,
    by: String,
}

/// How a version stands to the installed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    Newer,
    Installed,
    Older,
}

struct Rated<'a> {
    rating: Rating,
    age: Age,
    version: Version,
    /// `None`: only dpkg's database has it.
    available: Option<&'a Available>,
}

/// apt's rule: the highest priority, of equals the newest; below zero never, and older ones
/// only from 1000 on. `rated` is sorted by version, newest first.
fn choose(rated: Vec<Rated<'_>>) -> Candidate<'_> {
    let newest = rated.iter().find(|one| one.age == Age::Newer);
    let Some((newest, low)) = newest.and_then(|one| Some((one.available?, one.rating.clone())))
    else {
        return Candidate::None;
    };
    let best = rated
        .into_iter()
        .enumerate()
        .filter(|(_, one)| one.rating.priority > 0)
        .filter(|(_, one)| one.age != Age::Older || one.rating.priority >= 1000)
        .min_by_key(|(at, one)| (Reverse(one.rating.priority), *at))
        .map(|(_, one)| one);
    match best {
        Some(Rated { age: Age::Newer, available: Some(available), .. }) => {
            Candidate::Version(available)
        }
        // Either the newer version was lowered, or another one was raised.
        Some(best) if low.priority >= DEFAULT_PRIORITY => {
            Candidate::Pinned { newest, by: best.rating.by }
        }
        _ => Candidate::Pinned { newest, by: low.by },
    }
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
mod tests;
