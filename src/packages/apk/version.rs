//! Versions as apk orders them: `1.2.3a_rc1-r4`.
//!
//! In comes a version as written in a package, an index or a dependency; out comes an order. A
//! version is a row of tokens: numbers, at most one letter, suffixes that come before the plain
//! version (`_alpha`, `_beta`, `_pre`, `_rc`) or after it (`_cvs`, `_svn`, `_git`, `_hg`,
//! `_p`), and a revision. The order is that of apk-tools 2 (`src/version.c` of 2.12 and 2.14),
//! its oddities included: apk compares what is not a version too, up to the place where it
//! ceases to be one.

use std::cmp::Ordering;

/// A version, kept as written. Not every text is one: see [`Version::is_valid`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version(String);

/// What a version may be followed by, in apk's order: of two versions that are equal so far,
/// the one whose next token comes first here is the greater, unless that is a suffix of
/// something not released yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Invalid,
    /// After a dot, where leading zeros count.
    DigitOrZero,
    Digit,
    Letter,
    Suffix,
    SuffixNumber,
    Revision,
    End,
}

/// Suffixes before the plain version, then those after it; the value of a suffix is its
/// distance from the border.
const BEFORE: &[&[u8]] = &[b"alpha", b"beta", b"pre", b"rc"];
const AFTER: &[&[u8]] = &[b"cvs", b"svn", b"git", b"hg", b"p"];

/// Numbers of more digits are no numbers for apk.
const MAX_DIGITS: usize = 18;

/// The tokens of a version that are still to be read.
#[derive(Clone, Copy)]
struct Tokens<'a> {
    /// Of the next token.
    kind: Kind,
    rest: &'a [u8],
}

impl<'a> Tokens<'a> {
    fn new(text: &'a str) -> Self {
        Self { kind: Kind::Digit, rest: text.as_bytes() }
    }

    /// Reads one token and looks at what kind the one after it is.
    fn next(&mut self) -> i64 {
        if self.rest.is_empty() {
            self.kind = Kind::End;
            return 0;
        }
        let Some((value, length, following)) = self.value() else {
            self.kind = Kind::Invalid;
            return -1;
        };
        self.rest = self.rest.get(length..).unwrap_or_default();
        if self.rest.is_empty() {
            self.kind = Kind::End;
        } else if let Some(following) = following {
            self.kind = following;
        } else {
            self.look_ahead();
        }
        value
    }

    /// The value of the token, its length, and the next kind when the value decides it.
    fn value(&self) -> Option<(i64, usize, Option<Kind>)> {
        match self.kind {
            Kind::DigitOrZero if self.rest.first() == Some(&b'0') => {
                // Of several zeros the last stays and begins the number after them.
                let zeros = self.rest.iter().take_while(|&&b| b == b'0').count();
                let skipped = zeros.saturating_sub(1);
                Some((-i64::try_from(skipped).ok()?, skipped, Some(Kind::Digit)))
            }
            Kind::DigitOrZero | Kind::Digit | Kind::SuffixNumber | Kind::Revision => {
                let digits: Vec<u8> =
                    self.rest.iter().copied().take_while(u8::is_ascii_digit).collect();
                if digits.len() >= MAX_DIGITS {
                    return None;
                }
                let value = digits.iter().fold(0i64, |sum, b| sum * 10 + i64::from(b - b'0'));
                Some((value, digits.len(), None))
            }
            Kind::Letter => Some((i64::from(*self.rest.first()?), 1, None)),
            Kind::Suffix => self.suffix().map(|(value, length)| (value, length, None)),
            Kind::Invalid | Kind::End => None,
        }
    }

    fn suffix(&self) -> Option<(i64, usize)> {
        let find = |list: &[&[u8]]| list.iter().position(|suffix| self.rest.starts_with(suffix));
        if let Some(at) = find(BEFORE) {
            let value = i64::try_from(at).ok()? - i64::try_from(BEFORE.len()).ok()?;
            return Some((value, BEFORE.get(at)?.len()));
        }
        let at = find(AFTER)?;
        Some((i64::try_from(at).ok()?, AFTER.get(at)?.len()))
    }

    /// What comes next, separators taken away.
    fn look_ahead(&mut self) {
        let Some(&first) = self.rest.first() else { return };
        let before = self.kind;
        let (next, separator) = match (before, first) {
            (Kind::Digit | Kind::DigitOrZero, b'a'..=b'z') => (Kind::Letter, 0),
            (Kind::Letter, b'0'..=b'9') => (Kind::Digit, 0),
            (Kind::Suffix, b'0'..=b'9') => (Kind::SuffixNumber, 0),
            (_, b'.') => (Kind::DigitOrZero, 1),
            (_, b'_') => (Kind::Suffix, 1),
            (_, b'-') if self.rest.get(1) == Some(&b'r') => (Kind::Revision, 2),
            _ => (Kind::Invalid, 1),
        };
        self.rest = self.rest.get(separator..).unwrap_or_default();
        let goes_back = matches!(
            (before, next),
            (Kind::Digit, Kind::DigitOrZero)
                | (Kind::SuffixNumber, Kind::Suffix)
                | (Kind::Letter, Kind::Digit)
        );
        self.kind = if next < before && !goes_back { Kind::Invalid } else { next };
    }
}

impl Version {
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether apk takes the text for a version.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let mut tokens = Tokens::new(&self.0);
        while tokens.kind != Kind::End && tokens.kind != Kind::Invalid {
            tokens.next();
        }
        tokens.kind == Kind::End
    }

    /// Compares as `apk version -t` does.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0, Match::Whole)
    }

    /// Whether this version is `prefix` or continues it, as a dependency `name~prefix` asks.
    #[must_use]
    pub fn continues(&self, prefix: &Self) -> bool {
        compare(&self.0, &prefix.0, Match::Prefix) == Ordering::Equal
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Match {
    Whole,
    Prefix,
}

fn compare(a: &str, b: &str, matching: Match) -> Ordering {
    let (mut a, mut b) = (Tokens::new(a), Tokens::new(b));
    let (mut of_a, mut of_b) = (0, 0);
    while a.kind == b.kind && !matches!(a.kind, Kind::End | Kind::Invalid) && of_a == of_b {
        of_a = a.next();
        of_b = b.next();
    }
    if of_a != of_b {
        return of_a.cmp(&of_b);
    }
    if a.kind == b.kind || matching == Match::Prefix {
        return Ordering::Equal;
    }
    let is_before = |mut tokens: Tokens<'_>| tokens.kind == Kind::Suffix && tokens.next() < 0;
    if is_before(a) {
        return Ordering::Less;
    }
    if is_before(b) {
        return Ordering::Greater;
    }
    b.kind.cmp(&a.kind)
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn order(a: &str, b: &str) -> Ordering {
        Version::new(a).compare(&Version::new(b))
    }

    #[test]
    fn versions_are_ordered_as_apk_orders_them() {
        for (a, want, b) in [
            ("1.0", "<", "1.1"),
            ("1.10", ">", "1.9"),
            ("1.0-r1", "<", "1.0-r10"),
            ("1.0", "<", "1.0-r0"),
            ("1.0_rc1", "<", "1.0"),
            ("1.0_alpha", "<", "1.0_beta"),
            ("1.0_p1", ">", "1.0"),
            ("1.0a", ">", "1.0"),
            ("1.0.0", ">", "1.0"),
            ("1.01", "<", "1.1"),
            ("1.001", "<", "1.01"),
            ("1.2_git20200101", "<", "1.2_git20200102"),
            ("3.0.14-r0", "=", "3.0.14-r0"),
        ] {
            let want = match want {
                "<" => Ordering::Less,
                ">" => Ordering::Greater,
                _ => Ordering::Equal,
            };
            assert_eq!(order(a, b), want, "{a} {b}");
            assert_eq!(order(b, a), want.reverse(), "{b} {a}");
        }
    }

    #[test]
    fn a_prefix_is_continued() {
        for (whole, prefix, want) in
            [("1.2.3-r0", "1.2", true), ("1.20", "1.2", false), ("1.2", "1.2.3", true)]
        {
            assert_eq!(Version::new(whole).continues(&Version::new(prefix)), want, "{whole}");
        }
    }

    fn any_version() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => "[0-9]{1,3}(\\.[0-9]{1,3}){0,3}[a-c]?(_(alpha|beta|pre|rc|cvs|svn|git|hg|p)[0-9]{0,3}){0,2}(-r[0-9]{1,2})?",
            1 => "[0-9a-c._-]{1,10}",
        ]
    }

    proptest! {
        #[test]
        fn the_order_of_valid_versions_is_antisymmetric(a in any_version(), b in any_version()) {
            let valid = |text: &str| Version::new(text).is_valid();
            if valid(&a) && valid(&b) {
                prop_assert_eq!(order(&a, &b), order(&b, &a).reverse());
            }
            prop_assert_eq!(order(&a, &a), Ordering::Equal);
        }

        #[test]
        fn arbitrary_text_never_panics(a: String, b: String) {
            let _ = order(&a, &b);
            let _ = Version::new(a).is_valid();
        }
    }

    /// Asks the apk of a real root file system, unpacked under `$IMGFIX_ALPINE_ROOT`.
    #[test]
    #[ignore = "needs root and an Alpine root file system in IMGFIX_ALPINE_ROOT"]
    fn the_real_apk_agrees() {
        let root = std::env::var("IMGFIX_ALPINE_ROOT").expect("IMGFIX_ALPINE_ROOT");
        let mut runner = proptest::test_runner::TestRunner::default();
        let pair = (any_version(), any_version());
        for _ in 0..2000 {
            let (a, b) =
                proptest::strategy::ValueTree::current(&pair.new_tree(&mut runner).unwrap());
            let output = Command::new("chroot")
                .args([Path::new(&root).as_os_str()])
                .args(["/sbin/apk", "version", "-t", "--", &a, &b])
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            let ours = match order(&a, &b) {
                Ordering::Less => "<",
                Ordering::Equal => "=",
                Ordering::Greater => ">",
            };
            assert_eq!(ours, said, "{a} {b}");
        }
    }
}
