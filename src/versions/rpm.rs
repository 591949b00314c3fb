//! [`Evr`]: epoch, version and release of an rpm package, and their order.
//!
//! In comes `[epoch:]version[-release]` as text, or the three parts as a header has them; out goes
//! a value ordered as rpm orders it (rpm-version(7); rpm `rpmio/rpmvercmp.c` and
//! `rpmio/rpmver.c`). A missing epoch is 0. Different texts can be equal: `1.0`, `0:1.0`, `1_0`
//! and `1.00` are one version.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::VersionText;

/// The longest text accepted, in bytes. rpm has no limit; the longest in distributions is below
/// 100.
pub const MAX_EVR: usize = 1024;

/// Why text is not an rpm version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvrError {
    /// It has this many bytes, which are more than [`MAX_EVR`].
    #[error("a version of {0} bytes is longer than {MAX_EVR} bytes")]
    TooLong(usize),
    /// Nothing stands where the version belongs.
    #[error("version {text:?}: the version is empty; want [epoch:]version[-release]")]
    NoVersion {
        /// The whole text, as it came.
        text: String,
    },
    /// The epoch does not fit 32 bits.
    #[error("version {text:?}: the epoch (before ':') is not a number from 0 to 4294967295")]
    Epoch {
        /// The whole text, as it came.
        text: String,
    },
    /// A blank, a control character or one outside ASCII.
    #[error("version {text:?}: {character:?} at byte {at} is not allowed")]
    Character {
        /// The whole text, as it came.
        text: String,
        /// The first such character.
        character: char,
        /// Where it begins in `text`, in bytes from 0.
        at: usize,
    },
}

/// Epoch, version and release; the release may be missing, as in most dependencies.
#[derive(Clone)]
pub struct Evr {
    /// Version, and behind a `-` the release.
    text: Box<str>,
    epoch: Option<u32>,
    /// Where the version ends in `text`.
    split: u16,
}

impl Evr {
    /// Parses `[epoch:]version[-release]`: the epoch is the digits before the first `:`, the
    /// release is what follows the last `-`. `:1` has the epoch 0, as rpm reads it.
    ///
    /// # Errors
    /// No version, an epoch that is too large, blanks, characters that are not printable ASCII.
    pub fn parse(text: &str) -> Result<Self, EvrError> {
        if text.len() > MAX_EVR {
            return Err(EvrError::TooLong(text.len()));
        }
        let odd = text.char_indices().find(|(_, character)| !character.is_ascii_graphic());
        if let Some((at, character)) = odd {
            return Err(EvrError::Character { text: text.to_owned(), character, at });
        }
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (epoch, rest) = match text.split_at_checked(digits) {
            Some((digits, rest)) => match rest.strip_prefix(':') {
                Some(rest) if digits.is_empty() => (Some(0), rest),
                Some(rest) => match digits.parse::<u32>() {
                    Ok(epoch) => (Some(epoch), rest),
                    Err(_) => return Err(EvrError::Epoch { text: text.to_owned() }),
                },
                None => (None, text),
            },
            None => (None, text),
        };
        let split = rest.rfind('-').unwrap_or(rest.len());
        if split == 0 {
            return Err(EvrError::NoVersion { text: text.to_owned() });
        }
        let split = u16::try_from(split).map_err(|_| EvrError::TooLong(text.len()))?;
        Ok(Self { text: rest.into(), epoch, split })
    }

    /// Of the three parts as a header or an index has them.
    ///
    /// # Errors
    /// As [`Evr::parse`]; and a `-` in the release, which would be taken for the version's.
    pub fn new(epoch: Option<u32>, version: &str, release: Option<&str>) -> Result<Self, EvrError> {
        let mut text = version.to_owned();
        if let Some(release) = release {
            text.push('-');
            text.push_str(release);
        }
        // A version that looks as if it had an epoch keeps it.
        let mut parsed = Self::parse(&format!("0:{text}"))?;
        if parsed.version() != version {
            let at = text.rfind('-').unwrap_or_default();
            return Err(EvrError::Character { text, character: '-', at });
        }
        parsed.epoch = epoch;
        Ok(parsed)
    }

    /// The epoch; 0 when none is written.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch.unwrap_or_default()
    }

    /// Whether an epoch is written, be it 0.
    #[must_use]
    pub fn has_epoch(&self) -> bool {
        self.epoch.is_some()
    }

    /// The version, without epoch and release.
    #[must_use]
    pub fn version(&self) -> &str {
        self.text.get(..usize::from(self.split)).unwrap_or_default()
    }

    /// The release; `None` when no `-` is written.
    #[must_use]
    pub fn release(&self) -> Option<&str> {
        self.text.get(usize::from(self.split) + 1..)
    }

    /// `version-release`, as file names have it.
    #[must_use]
    pub fn without_epoch(&self) -> &str {
        &self.text
    }

    /// For rooms that do not compare.
    #[must_use]
    pub fn to_text(&self) -> VersionText {
        VersionText(self.to_string())
    }

    /// Compares epochs and versions, and releases only where both have one: what a dependency
    /// without a release asks for.
    #[must_use]
    pub fn cmp_as_dependency(&self, other: &Self) -> Ordering {
        let order = self.cmp_without_release(other);
        order.then_with(|| match (self.release(), other.release()) {
            (Some(a), Some(b)) if !a.is_empty() && !b.is_empty() => compare(a, b),
            _ => Ordering::Equal,
        })
    }

    fn cmp_without_release(&self, other: &Self) -> Ordering {
        self.epoch().cmp(&other.epoch()).then_with(|| compare(self.version(), other.version()))
    }
}

/// Compares two versions, or two releases, as `rpmvercmp` does: runs of digits by value, runs of
/// letters as text, digits above letters. Whatever else there is only parts the runs, but for `~`,
/// which is below the end, and `^`, which is above the end and below all that could follow.
#[must_use]
pub fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        (a, b) = (skip_separators(a), skip_separators(b));
        match (a, b) {
            ([], []) => return Ordering::Equal,
            ([b'~', x @ ..], [b'~', y @ ..]) | ([b'^', x @ ..], [b'^', y @ ..]) => {
                (a, b) = (x, y);
                continue;
            }
            ([b'~', ..], _) | ([], [b'^', ..]) => return Ordering::Less,
            (_, [b'~', ..]) | ([b'^', ..], []) => return Ordering::Greater,
            ([b'^', ..], _) | ([], _) => return Ordering::Less,
            (_, [b'^', ..]) | (_, []) => return Ordering::Greater,
            ([first, ..], _) => {
                let numbers = first.is_ascii_digit();
                let (x, y) = (run(a, numbers), run(b, numbers));
                if y.is_empty() {
                    return if numbers { Ordering::Greater } else { Ordering::Less };
                }
                let order = if numbers { compare_numbers(x, y) } else { x.cmp(y) };
                if order.is_ne() {
                    return order;
                }
                a = a.get(x.len()..).unwrap_or_default();
                b = b.get(y.len()..).unwrap_or_default();
            }
        }
    }
}

fn skip_separators(text: &[u8]) -> &[u8] {
    let separators =
        text.iter().take_while(|b| !b.is_ascii_alphanumeric() && !matches!(b, b'~' | b'^')).count();
    text.get(separators..).unwrap_or_default()
}

/// The run of digits, or of letters, at the start.
fn run(text: &[u8], numbers: bool) -> &[u8] {
    let belongs = |b: &&u8| if numbers { b.is_ascii_digit() } else { b.is_ascii_alphabetic() };
    text.get(..text.iter().take_while(belongs).count()).unwrap_or_default()
}

/// Digits have any length, so they are compared as text: the longer one is higher.
fn compare_numbers(a: &[u8], b: &[u8]) -> Ordering {
    let strip = |digits: &'_ [u8]| digits.iter().take_while(|&&d| d == b'0').count();
    let a = a.get(strip(a)..).unwrap_or_default();
    let b = b.get(strip(b)..).unwrap_or_default();
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

impl Ord for Evr {
    /// As packages are ordered: without a release is below any release.
    fn cmp(&self, other: &Self) -> Ordering {
        self.cmp_without_release(other).then_with(|| match (self.release(), other.release()) {
            (Some(a), Some(b)) => compare(a, b),
            (a, b) => a.is_some().cmp(&b.is_some()),
        })
    }
}

impl PartialOrd for Evr {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Evr {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Evr {}

impl FromStr for Evr {
    type Err = EvrError;
    fn from_str(text: &str) -> Result<Self, EvrError> {
        Self::parse(text)
    }
}

impl fmt::Display for Evr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.epoch {
            Some(epoch) => f.pad(&format!("{epoch}:{}", self.text)),
            None => f.pad(&self.text),
        }
    }
}

impl fmt::Debug for Evr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;

    use super::*;

    fn evr(text: &str) -> Evr {
        Evr::parse(text).unwrap()
    }

    #[test]
    fn parts_are_told_apart() {
        for (text, epoch, version, release) in [
            ("1.0", None, "1.0", None),
            ("1.0-1.el9", None, "1.0", Some("1.el9")),
            ("2:1.0-1", Some(2), "1.0", Some("1")),
            ("0:1.0", Some(0), "1.0", None),
            (":1.0", Some(0), "1.0", None),
            ("a:1-2-3", None, "a:1-2", Some("3")),
            ("1:2:3", Some(1), "2:3", None),
            ("1-", None, "1", Some("")),
            ("4294967295:1", Some(u32::MAX), "1", None),
        ] {
            let evr = evr(text);
            assert_eq!((evr.epoch, evr.version(), evr.release()), (epoch, version, release));
        }
        let made = Evr::new(Some(1), "3:4", Some("5")).unwrap();
        assert_eq!((made.to_string().as_str(), made.version()), ("1:3:4-5", "3:4"));
        assert_eq!(Evr::new(None, "3", None).unwrap().to_string(), "3");
        assert!(Evr::new(None, "3", Some("4-5")).is_err());
        assert_eq!(Evr::new(None, "3-4", Some("5")).unwrap().version(), "3-4");
        assert!(Evr::new(None, "3-4", None).is_err());
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for (text, want) in [
            ("", "is empty"),
            ("1:", "is empty"),
            ("-1", "is empty"),
            ("4294967296:1", "epoch"),
            ("1 2", "' ' at byte 1"),
            ("1\u{e9}", "at byte 1"),
        ] {
            let error = Evr::parse(text).unwrap_err().to_string();
            assert!(error.contains(want), "{text}: {error}");
        }
        assert_eq!(Evr::parse(&"1".repeat(1025)), Err(EvrError::TooLong(1025)));
    }

    #[test]
    fn the_order_is_rpms() {
        use Ordering::{Equal, Greater, Less};
        for (a, b, want) in [
            ("1.0", "1.0", Equal),
            ("1.0", "0:1.0", Equal),
            ("1.0", "1_0", Equal),
            ("1.0", "1.00", Equal),
            ("1.0", "1.0.", Equal),
            ("1.0", "1.0-0", Less),
            ("1.0", "1.0.0", Less),
            ("1.0~rc1", "1.0", Less),
            ("1.0~rc1", "1.0~rc2", Less),
            ("1.0^git1", "1.0", Greater),
            ("1.0^git1", "1.0.1", Less),
            ("1.0^git1", "1.0a", Less),
            ("1.0~rc1^git1", "1.0~rc1", Greater),
            ("1.0^git1~pre", "1.0^git1", Less),
            ("1.10", "1.9", Greater),
            ("1.a", "1.1", Less),
            ("2.0.1a", "2.0.1", Greater),
            ("A", "a", Less),
            ("1:0", "2", Greater),
            ("99999999999999999999999999999", "100000000000000000000000000000", Less),
            ("8.5.0-2.el8", "8.5.0-10.el8", Less),
            ("3.0.7-16.0.1.el9_2", "3.0.7-16.el9_2", Greater),
        ] {
            assert_eq!(evr(a).cmp(&evr(b)), want, "{a} {b}");
            assert_eq!(evr(b).cmp(&evr(a)), want.reverse(), "{b} {a}");
        }
    }

    #[test]
    fn a_dependency_without_release_asks_for_the_version_only() {
        let order = |a: &str, b: &str| evr(a).cmp_as_dependency(&evr(b));
        assert_eq!(order("1.0", "1.0-5"), Ordering::Equal);
        assert_eq!(order("1.0-", "1.0-5"), Ordering::Equal);
        assert_eq!(order("1.0-4", "1.0-5"), Ordering::Less);
        assert_eq!(order("1.1", "1.0-5"), Ordering::Greater);
    }

    /// Versions that differ in the ways that matter: short parts of few characters.
    fn any_evr() -> impl Strategy<Value = String> {
        (
            prop::option::weighted(0.3, 0..3u32),
            "[0-2aAb.+_~^]{1,6}",
            prop::option::weighted(0.5, "[0-2ab.~^]{1,4}"),
        )
            .prop_map(|(epoch, version, release)| {
                let epoch = epoch.map(|e| format!("{e}:")).unwrap_or_default();
                let release = release.map(|r| format!("-{r}")).unwrap_or_default();
                format!("{epoch}{version}{release}")
            })
    }

    proptest! {
        #[test]
        fn the_order_is_antisymmetric(a in any_evr(), b in any_evr()) {
            let (a, b) = (evr(&a), evr(&b));
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            prop_assert_eq!(a.cmp(&a), Ordering::Equal);
        }

        #[test]
        fn the_order_is_transitive(a in any_evr(), b in any_evr(), c in any_evr()) {
            let mut sorted = [evr(&a), evr(&b), evr(&c)];
            sorted.sort();
            prop_assert!(sorted[0] <= sorted[1] && sorted[1] <= sorted[2]);
            prop_assert!(sorted[0] <= sorted[2]);
            if sorted[0] == sorted[1] {
                prop_assert_eq!(sorted[0].cmp(&sorted[2]), sorted[1].cmp(&sorted[2]));
            }
        }

        #[test]
        fn texts_survive(text in any_evr()) {
            prop_assert_eq!(evr(&text).to_string(), text);
        }

        #[test]
        fn no_text_panics(a in ".{0,20}", b in ".{0,20}") {
            let _ = Evr::parse(&a);
            let _ = compare(&a, &b);
        }
    }

    /// The judge is the real rpm (4.16 or newer, whose Lua compares whole versions): 2000 pairs
    /// in one run.
    #[test]
    fn the_real_rpm_agrees() {
        let known = Command::new("rpm")
            .args(["--eval", "%{lua: print(rpm.vercmp('1-2', '1-1'), rpm.vercmp('1^a', '1'))}"])
            .output();
        if !known.is_ok_and(|out| out.stdout.starts_with(b"1\t1")) {
            eprintln!("NOT RUN: the_real_rpm_agrees needs rpm 4.16 or newer");
            return;
        }
        let mut runner = TestRunner::deterministic();
        let mut any = || any_evr().new_tree(&mut runner).unwrap().current();
        let pairs: Vec<(String, String)> = (0..2000).map(|_| (any(), any())).collect();
        let calls: Vec<String> =
            pairs.iter().map(|(a, b)| format!("print(rpm.vercmp('{a}','{b}')..' ')")).collect();
        let mut answers = Vec::new();
        // One argument may have 128 KiB.
        for calls in calls.chunks(1000) {
            let eval = format!("%{{lua: {}}}", calls.join("\n"));
            let out = Command::new("rpm").args(["--eval", &eval]).output().unwrap();
            assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
            let text = String::from_utf8(out.stdout).unwrap();
            answers.extend(text.split_whitespace().map(|word| word.parse::<i32>().unwrap()));
        }
        assert_eq!(answers.len(), pairs.len());
        for ((a, b), answer) in pairs.iter().zip(answers) {
            assert_eq!(evr(a).cmp(&evr(b)), answer.cmp(&0), "{a} {b}");
        }
    }
}
