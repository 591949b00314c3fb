//! The order of versions of apk-tools 2 (`src/version.c` of 2.12 and 2.14), its oddities included:
//! apk 2 compares what is not a version too, up to the place where it ceases to be one.
//!
//! In come two texts; out comes their order. Of a number after a dot the leading zeros count:
//! the more, the lower.

use std::cmp::Ordering;

use super::Match;

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

/// Whether apk 2 takes the text for a version.
pub(super) fn is_valid(text: &str) -> bool {
    let mut tokens = Tokens::new(text);
    while tokens.kind != Kind::End && tokens.kind != Kind::Invalid {
        tokens.next();
    }
    tokens.kind == Kind::End
}

/// Compares as `apk version -t` does.
pub(super) fn compare(a: &str, b: &str, matching: Match) -> Ordering {
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
