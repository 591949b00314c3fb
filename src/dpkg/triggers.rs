//! dpkg triggers: the `triggers` member of a package and the interests the image records.
//!
//! In come `deb-triggers(5)` texts and the files of `/var/lib/dpkg/triggers`; out come typed
//! directives, and the interest files again as dpkg's `lib/dpkg/triglib.c` rewrites them.

use std::collections::HashMap;
use std::fmt;

/// Whether the package that activates a trigger waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Await {
    /// The plain directives: the package is `triggers-awaited` until the trigger was processed.
    Await,
    /// `interest-noawait`, `activate-noawait`.
    NoAwait,
}

/// What a directive does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// The package wants to be told when the trigger is activated.
    Interest,
    /// The package activates the trigger when its state changes.
    Activate,
}

/// One line of a `triggers` member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// Whether it listens or calls.
    pub verb: Verb,
    /// Whether who activates it waits.
    pub awaiting: Await,
    /// A path (file trigger) or a name (explicit trigger).
    pub trigger: String,
}

/// One recorded interest: a line of `triggers/File`, or of `triggers/NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interest {
    /// The path; empty in the file of an explicit trigger, whose name is the file's.
    pub path: String,
    /// `name`, or `name:arch` for `Multi-Arch: same`.
    pub package: String,
    /// Whether who activates it waits.
    pub awaiting: Await,
}

/// The lines of `triggers/File` in their order, found by path: packages may be interested in as
/// many paths as they like, and every path of a run is looked up.
#[derive(Debug, Clone, Default)]
pub struct FileInterests {
    /// `None`: taken out. The places of the others stay.
    lines: Vec<Option<Interest>>,
    /// Places by path.
    by_path: HashMap<String, Vec<usize>>,
    count: usize,
}

impl FileInterests {
    /// Reads `triggers/File`.
    ///
    /// # Errors
    /// As [`parse_file_interests`].
    pub fn parse(text: &[u8]) -> Result<Self, TriggerError> {
        let mut interests = Self::default();
        for interest in parse_file_interests(text)? {
            interests.push(interest);
        }
        Ok(interests)
    }

    /// Whether no package is interested in any path.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds one behind all others.
    pub fn push(&mut self, interest: Interest) {
        self.by_path.entry(interest.path.clone()).or_default().push(self.lines.len());
        self.lines.push(Some(interest));
        self.count += 1;
    }

    /// Where the first interest in exactly this path is that fits.
    pub fn position(&self, path: &str, fits: impl Fn(&Interest) -> bool) -> Option<usize> {
        let places = self.by_path.get(path)?;
        places.iter().copied().find(|place| self.at(*place).is_some_and(&fits))
    }

    fn at(&self, place: usize) -> Option<&Interest> {
        self.lines.get(place)?.as_ref()
    }

    /// The interest in this place, to be changed; `None` for one that was taken out.
    pub fn at_mut(&mut self, place: usize) -> Option<&mut Interest> {
        self.lines.get_mut(place)?.as_mut()
    }

    /// Takes one out.
    pub fn remove(&mut self, place: usize) {
        let Some(gone) = self.lines.get_mut(place).and_then(Option::take) else { return };
        self.count -= 1;
        if let Some(places) = self.by_path.get_mut(&gone.path) {
            places.retain(|other| *other != place);
        }
    }

    /// Those in this path or one above it, in their order.
    #[must_use]
    pub fn above(&self, path: &[u8]) -> Vec<&Interest> {
        let Ok(path) = std::str::from_utf8(path) else { return self.above_lossy(path) };
        let ends = path.bytes().enumerate().skip(1).filter(|&(_, b)| b == b'/').map(|(at, _)| at);
        let mut places: Vec<usize> = ends
            .chain([path.len()])
            .filter_map(|end| self.by_path.get(path.get(..end)?))
            .flatten()
            .copied()
            .collect();
        places.sort_unstable();
        places.into_iter().filter_map(|place| self.at(place)).collect()
    }

    /// Of a path that is not UTF-8 only the directories above can be named by an interest.
    fn above_lossy(&self, path: &[u8]) -> Vec<&Interest> {
        let valid = path.utf8_chunks().next().map(|chunk| chunk.valid()).unwrap_or_default();
        let end = valid.rfind('/').unwrap_or_default();
        self.above(valid.as_bytes().get(..end).unwrap_or_default())
    }

    /// The text of `triggers/File`.
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        self.lines
            .iter()
            .flatten()
            .map(|interest| format!("{interest}\n"))
            .collect::<String>()
            .into_bytes()
    }
}

/// Why trigger data is not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct TriggerError {
    /// From 1, in the text that was read.
    pub line: usize,
    /// What dpkg would not accept there.
    pub problem: String,
}

/// Whether a trigger is a file trigger. Explicit triggers become file names, so what could
/// not be one is neither.
#[must_use]
pub fn is_file_trigger(name: &str) -> bool {
    name.starts_with('/')
}

/// Reads a `triggers` member.
///
/// # Errors
/// Unknown directives and names that are not triggers, as dpkg refuses them.
pub fn parse_directives(text: &[u8]) -> Result<Vec<Directive>, TriggerError> {
    let mut out = Vec::new();
    for (at, line) in String::from_utf8_lossy(text).lines().enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fail = |problem: String| TriggerError { line: at + 1, problem };
        let (word, trigger) = line
            .split_once([' ', '\t'])
            .ok_or_else(|| fail(format!("{line:?} names no trigger")))?;
        let (verb, awaiting) = match word {
            "interest" | "interest-await" => (Verb::Interest, Await::Await),
            "interest-noawait" => (Verb::Interest, Await::NoAwait),
            "activate" | "activate-await" => (Verb::Activate, Await::Await),
            "activate-noawait" => (Verb::Activate, Await::NoAwait),
            _ => return Err(fail(format!("{word:?} is not a trigger directive"))),
        };
        let trigger = trigger.trim_ascii_start().to_owned();
        if !is_trigger_name(&trigger) {
            return Err(fail(format!("{trigger:?} is not a trigger name")));
        }
        out.push(Directive { verb, awaiting, trigger });
    }
    Ok(out)
}

fn is_trigger_name(name: &str) -> bool {
    if is_file_trigger(name) {
        return name.split('/').skip(1).all(|part| !part.is_empty() && part != "..")
            && name.bytes().all(|b| b.is_ascii_graphic());
    }
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.:".contains(&b))
}

/// Reads `triggers/File`.
///
/// # Errors
/// A line that is not `PATH PACKAGE[/noawait]`.
pub fn parse_file_interests(text: &[u8]) -> Result<Vec<Interest>, TriggerError> {
    lines(text, |line| {
        let (path, rest) = line.split_once(' ')?;
        path.starts_with('/').then(|| interest(path, rest))
    })
}

/// Reads `triggers/NAME`.
///
/// # Errors
/// A line that is not `PACKAGE[/noawait]`.
pub fn parse_explicit_interests(text: &[u8]) -> Result<Vec<Interest>, TriggerError> {
    lines(text, |line| Some(interest("", line)))
}

fn lines(
    text: &[u8],
    parse: impl Fn(&str) -> Option<Interest>,
) -> Result<Vec<Interest>, TriggerError> {
    String::from_utf8_lossy(text)
        .lines()
        .enumerate()
        .map(|(at, line)| {
            parse(line).ok_or_else(|| TriggerError {
                line: at + 1,
                problem: format!("{line:?} is not a trigger interest"),
            })
        })
        .collect()
}

fn interest(path: &str, package: &str) -> Interest {
    let (package, awaiting) = match package.split_once('/') {
        Some((package, "noawait")) => (package, Await::NoAwait),
        Some((package, _)) => (package, Await::Await),
        None => (package, Await::Await),
    };
    Interest { path: path.to_owned(), package: package.to_owned(), awaiting }
}

impl fmt::Display for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{} ", self.path)?;
        }
        f.write_str(&self.package)?;
        match self.awaiting {
            Await::Await => Ok(()),
            Await::NoAwait => f.write_str("/noawait"),
        }
    }
}

/// The text of an interest file.
#[must_use]
pub fn render_interests(interests: &[Interest]) -> Vec<u8> {
    interests.iter().map(|interest| format!("{interest}\n")).collect::<String>().into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn directives_are_read_as_dpkg_reads_them() {
        let text = b"# comment\n\n interest-noawait /usr/share/man\nactivate  ldconfig \n";
        let directives = parse_directives(text).unwrap();
        assert_eq!(directives.len(), 2);
        assert_eq!(directives[0].awaiting, Await::NoAwait);
        assert_eq!(directives[1].trigger, "ldconfig");
        for bad in ["interest", "watch x", "activate /a//b", "activate ../x", "activate /a/../b"] {
            assert!(parse_directives(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn interests_are_found_for_a_path_and_all_above_it_in_their_order() {
        let text = b"/usr/share man-db\n/usr a\n/usr/share/man b\n/usr/share c/noawait\n/us d\n";
        let mut interests = FileInterests::parse(text).unwrap();
        let of = |interests: &FileInterests, path: &str| -> Vec<String> {
            interests.above(path.as_bytes()).iter().map(|one| one.package.clone()).collect()
        };
        assert_eq!(of(&interests, "/usr/share/man/x"), ["man-db", "a", "b", "c"]);
        assert_eq!(of(&interests, "/usr/share"), ["man-db", "a", "c"]);
        assert_eq!(of(&interests, "/usr/shared"), ["a"]);
        assert_eq!(of(&interests, "/"), [""; 0]);
        let odd = interests.above(b"/usr/share/man\xff/x").len();
        assert_eq!((odd, interests.above(b"/usr/\xff").len()), (3, 1));
        let at = interests.position("/usr/share", |one| one.package == "c").unwrap();
        interests.remove(at);
        interests.remove(at);
        assert_eq!(interests.position("/usr/share", |one| one.package == "c"), None);
        assert_eq!(interests.render(), b"/usr/share man-db\n/usr a\n/usr/share/man b\n/us d\n");
    }

    #[test]
    fn interest_files_round_trip() {
        let text = b"/usr/share/man man-db\n/usr/lib/x libx:amd64/noawait\n";
        let interests = parse_file_interests(text).unwrap();
        assert_eq!(interests[1].package, "libx:amd64");
        assert_eq!(render_interests(&interests), text);
        assert_eq!(
            render_interests(&parse_explicit_interests(b"libc-bin\n").unwrap()),
            b"libc-bin\n"
        );
        assert!(parse_file_interests(b"usr x\n").is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = parse_directives(&bytes);
            let _ = parse_file_interests(&bytes);
            let _ = parse_explicit_interests(&bytes);
        }
    }
}
