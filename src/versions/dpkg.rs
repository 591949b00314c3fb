//! [`Version`]: a Debian version number and its order.
//!
//! In comes `[epoch:]upstream[-revision]` as text; out goes a value ordered exactly as
//! `dpkg --compare-versions` orders it (deb-version(7); dpkg `lib/dpkg/version.c` and
//! `lib/dpkg/parsehelp.c`). Versions that are written differently can be equal: `1.0`,
//! `0:1.0`, `1.00` and `1.0-0` are one version.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::VersionText;

/// The longest version accepted, in bytes. dpkg has no limit; the longest in Debian is
/// below 100.
pub const MAX_VERSION: usize = 1024;

/// Why text is not a Debian version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// There is no text.
    #[error("a version is empty; want [epoch:]upstream[-revision]")]
    Empty,
    /// It has this many bytes, which are more than [`MAX_VERSION`].
    #[error("a version of {0} bytes is longer than {MAX_VERSION} bytes")]
    TooLong(usize),
    #[error("version {text:?}: the epoch (before ':') is not a number from 0 to 2147483647")]

    /// The epoch is no number that fits a C `int`.
    Epoch {
        /// The whole version, as it came.
        text: String,
    },
    #[error("version {text:?}: the upstream part is empty")]

    /// Nothing stands between epoch and revision.
    NoUpstream {
        /// The whole version, as it came.
        text: String,
    },
    #[error("version {text:?}: nothing follows the last '-', where the revision belongs")]

    /// It ends with a `-`.
    NoRevision {
        /// The whole version, as it came.
        text: String,
    },
    #[error("version {text:?}: {character:?} at byte {at} is not allowed in the {part}")]

    /// A character is outside of what the part may have.
    Character {
        /// The whole version, as it came.
        text: String,
        /// The first such character.
        character: char,
        /// Where it begins in `text`, in bytes from 0.
        at: usize,
        /// `upstream part` or `revision`.
        part: &'static str,
    },
}

/// A Debian version. Keeps the text as written; compared by dpkg's rules.
#[derive(Clone)]
pub struct Version {
    text: Box<str>,
    epoch: u32,
    /// Where the upstream part starts in `text`.
    upstream: u16,
    /// Where the upstream part ends: the last `-`, or the end of `text`.
    split: u16,
}

/// Which characters a version may have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alphabet {
    /// What Debian policy and deb-version(7) allow.
    Policy,
    /// Any printable ASCII: what dpkg reads from its own database with no more than a
    /// warning, and compares all the same.
    Database,
}

impl Version {
    /// Parses a version as deb-version(7) defines it. An upstream part that does not start
    /// with a digit is accepted, as dpkg does (it warns).
    ///
    /// # Errors
    /// Anything that dpkg refuses, and characters outside `A-Za-z0-9.+-:~`.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        Self::parse_with(text, Alphabet::Policy)
    }

    /// Parses a version that dpkg itself has recorded. dpkg only warns about characters
    /// outside the alphabet there, so an image with such a package stays readable.
    ///
    /// # Errors
    /// Empty text, bad epochs, empty parts, and characters that are not printable ASCII.
    pub fn parse_recorded(text: &str) -> Result<Self, VersionError> {
        Self::parse_with(text, Alphabet::Database)
    }

    fn parse_with(text: &str, alphabet: Alphabet) -> Result<Self, VersionError> {
        if text.is_empty() {
            return Err(VersionError::Empty);
        }
        let too_long = || VersionError::TooLong(text.len());
        if text.len() > MAX_VERSION {
            return Err(too_long());
        }
        let (epoch, upstream) = match text.split_once(':') {
            None => (0, 0),
            Some((digits, rest)) => {
                if rest.is_empty() {
                    return Err(VersionError::NoUpstream { text: text.to_owned() });
                }
                (parse_epoch(digits, text)?, digits.len() + 1)
            }
        };
        let body = text.get(upstream..).unwrap_or_default();
        let split = match body.rfind('-') {
            None => text.len(),
            Some(0) => return Err(VersionError::NoUpstream { text: text.to_owned() }),
            Some(at) if at + 1 == body.len() => {
                return Err(VersionError::NoRevision { text: text.to_owned() });
            }
            Some(at) => upstream + at,
        };
        check_characters(text, upstream, split, alphabet)?;
        Ok(Self {
            epoch,
            upstream: u16::try_from(upstream).map_err(|_| too_long())?,
            split: u16::try_from(split).map_err(|_| too_long())?,
            text: text.into(),
        })
    }

    /// The version as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The epoch; 0 when none is written.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The upstream part.
    #[must_use]
    pub fn upstream(&self) -> &str {
        self.text.get(usize::from(self.upstream)..usize::from(self.split)).unwrap_or_default()
    }

    /// The Debian revision; empty when none is written.
    #[must_use]
    pub fn revision(&self) -> &str {
        self.text.get(usize::from(self.split) + 1..).unwrap_or_default()
    }

    /// The version without its epoch, as archive file names and `Filename` have it.
    #[must_use]
    pub fn without_epoch(&self) -> &str {
        self.text.get(usize::from(self.upstream)..).unwrap_or_default()
    }

    /// For rooms that do not compare.
    #[must_use]
    pub fn to_text(&self) -> VersionText {
        VersionText(self.text.to_string())
    }
}

fn parse_epoch(digits: &str, text: &str) -> Result<u32, VersionError> {
    let bad = || VersionError::Epoch { text: text.to_owned() };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad());
    }
    match digits.parse::<i32>() {
        Ok(epoch) => u32::try_from(epoch).map_err(|_| bad()),
        Err(_) => Err(bad()),
    }
}

fn check_characters(
    text: &str,
    upstream: usize,
    split: usize,
    alphabet: Alphabet,
) -> Result<(), VersionError> {
    for (at, character) in text.char_indices().skip_while(|(at, _)| *at < upstream) {
        let (extra, part) =
            if at <= split { (".+-:~", "upstream part") } else { (".+~", "revision") };
        let allowed = character.is_ascii_alphanumeric()
            || extra.contains(character)
            || (alphabet == Alphabet::Database && character.is_ascii_graphic());
        if !allowed {
            return Err(VersionError::Character { text: text.to_owned(), character, at, part });
        }
    }
    Ok(())
}

/// The weight of a character outside digit runs: `~` before the end of the part, letters
/// before everything else.
fn weight(byte: Option<u8>) -> i32 {
    match byte {
        None => 0,
        Some(b) if b.is_ascii_digit() => 0,
        Some(b) if b.is_ascii_alphabetic() => i32::from(b),
        Some(b'~') => -1,
        Some(b) => i32::from(b) + 256,
    }
}

/// Compares one part (upstream or revision): runs of non-digits by [`weight`], runs of
/// digits by value, in turns.
fn compare_part(a: &[u8], b: &[u8]) -> Ordering {
    let (mut a, mut b) = (a.iter().copied().peekable(), b.iter().copied().peekable());
    let is_text = |byte: Option<&u8>| byte.is_some_and(|b| !b.is_ascii_digit());
    while a.peek().is_some() || b.peek().is_some() {
        while is_text(a.peek()) || is_text(b.peek()) {
            let order = weight(a.peek().copied()).cmp(&weight(b.peek().copied()));
            if order != Ordering::Equal {
                return order;
            }
            a.next();
            b.next();
        }
        while a.next_if(|&d| d == b'0').is_some() {}
        while b.next_if(|&d| d == b'0').is_some() {}
        // Digit runs have any length, so they are compared as text: first difference, unless
        // one run is longer.
        let mut first_difference = Ordering::Equal;
        loop {
            let (x, y) = (a.next_if(u8::is_ascii_digit), b.next_if(u8::is_ascii_digit));
            match (x, y) {
                (Some(x), Some(y)) => first_difference = first_difference.then(x.cmp(&y)),
                (Some(_), None) => return Ordering::Greater,
                (None, Some(_)) => return Ordering::Less,
                (None, None) => break,
            }
        }
        if first_difference != Ordering::Equal {
            return first_difference;
        }
    }
    Ordering::Equal
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare_part(self.upstream().as_bytes(), other.upstream().as_bytes()))
            .then_with(|| compare_part(self.revision().as_bytes(), other.revision().as_bytes()))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl FromStr for Version {
    type Err = VersionError;
    fn from_str(text: &str) -> Result<Self, VersionError> {
        Self::parse(text)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn parts_are_told_apart() {
        for (text, epoch, upstream, revision) in [
            ("1.0", 0, "1.0", ""),
            ("1:2.36-9+deb12u8", 1, "2.36", "9+deb12u8"),
            ("2:1-2-3", 2, "1-2", "3"),
            ("1:2:3-4", 1, "2:3", "4"),
            ("a", 0, "a", ""),
        ] {
            let version = version(text);
            assert_eq!(
                (version.epoch(), version.upstream(), version.revision()),
                (epoch, upstream, revision)
            );
            assert_eq!(version.as_str(), text);
        }
        assert_eq!(version("1:2-3").without_epoch(), "2-3");
    }

    #[test]
    fn what_dpkg_refuses_is_refused() {
        for (text, want) in [
            ("", "empty"),
            (":1", "epoch"),
            ("x:1", "epoch"),
            ("-1:1", "epoch"),
            ("2147483648:1", "epoch"),
            ("99999999999999999999:1", "epoch"),
            ("1:", "upstream part is empty"),
            ("1-", "revision"),
            ("-1", "upstream part is empty"),
            ("1 2", "' ' at byte 1"),
            ("1_2", "'_' at byte 1"),
            ("1:0\u{e9}", "at byte 3"),
            ("1-2:3", "epoch"),
            ("0:1-2:3", "revision"),
        ] {
            let error = Version::parse(text).unwrap_err().to_string();
            assert!(error.contains(want), "{text}: {error}");
        }
        assert!(matches!(Version::parse(&"1".repeat(1025)), Err(VersionError::TooLong(1025))));
    }

    #[test]
    fn recorded_versions_may_have_odd_characters() {
        assert!(Version::parse_recorded("1_2").unwrap() > version("1.2"));
        assert!(Version::parse_recorded("1\n2").is_err());
        assert!(Version::parse_recorded("").is_err());
    }

    #[test]
    fn the_order_is_the_manual_pages() {
        use Ordering::{Equal, Greater, Less};
        for (a, b, want) in [
            ("1.0", "1.0", Equal),
            ("1.0", "0:1.0", Equal),
            ("1.0", "1.00", Equal),
            ("1.0", "1.0-0", Equal),
            ("1.0~rc1", "1.0", Less),
            ("1.0~~", "1.0~~a", Less),
            ("1.0~~a", "1.0~", Less),
            ("1.0", "1.0a", Less),
            ("1.0a", "1.0+", Less),
            ("1:0", "2", Greater),
            ("1.10", "1.9", Greater),
            ("2.36-9+deb12u10", "2.36-9+deb12u9", Greater),
            ("1.1.1n-0+deb11u5", "1.1.1w-0+deb11u1", Less),
            ("99999999999999999999999999999", "100000000000000000000000000000", Less),
            ("1.2-1", "1.2-1~bpo1", Greater),
            ("1.2-1", "1.2-1+b1", Less),
        ] {
            assert_eq!(version(a).cmp(&version(b)), want, "{a} {b}");
            assert_eq!(version(b).cmp(&version(a)), want.reverse(), "{b} {a}");
        }
    }

    /// Versions that differ in the ways that matter: short parts of few characters.
    fn any_version() -> impl Strategy<Value = String> {
        (
            prop::option::weighted(0.3, 0..3u32),
            "[0-9][0-2a.+~]{0,5}",
            prop::option::weighted(0.6, "[0-2a.+~]{1,4}"),
        )
            .prop_map(|(epoch, upstream, revision)| {
                let epoch = epoch.map(|e| format!("{e}:")).unwrap_or_default();
                let revision = revision.map(|r| format!("-{r}")).unwrap_or_default();
                format!("{epoch}{upstream}{revision}")
            })
    }

    proptest! {
        #[test]
        fn the_order_is_total(a in any_version(), b in any_version(), c in any_version()) {
            let (a, b, c) = (version(&a), version(&b), version(&c));
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            prop_assert_eq!(a.cmp(&a), Ordering::Equal);
            let mut sorted = [a, b, c];
            sorted.sort();
            prop_assert!(sorted[0] <= sorted[1] && sorted[1] <= sorted[2]);
            prop_assert!(sorted[0] <= sorted[2]);
        }

        #[test]
        fn no_text_panics(text in ".{0,20}") {
            let _ = Version::parse(&text);
            let _ = Version::parse_recorded(&text);
        }

        #[test]
        fn equality_is_a_congruence(a in any_version(), b in any_version(), c in any_version()) {
            let (a, b, c) = (version(&a), version(&b), version(&c));
            if a == b {
                prop_assert_eq!(a.cmp(&c), b.cmp(&c));
            }
        }
    }

    /// The judge is the real dpkg where there is one (developers' Debian machines and CI).
    #[test]
    fn the_real_dpkg_agrees() {
        if Command::new("dpkg").arg("--version").output().is_err() {
            return;
        }
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
            cases: 400,
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        runner
            .run(&(any_version(), any_version()), |(a, b)| {
                let operator = match version(&a).cmp(&version(&b)) {
                    Ordering::Less => "lt",
                    Ordering::Equal => "eq",
                    Ordering::Greater => "gt",
                };
                let agrees = Command::new("dpkg")
                    .args(["--compare-versions", &a, operator, &b])
                    .output()
                    .map_err(|e| TestCaseError::fail(e.to_string()))?;
                prop_assert!(agrees.status.success(), "dpkg denies {} {} {}", a, operator, b);
                Ok(())
            })
            .unwrap();
    }
}
