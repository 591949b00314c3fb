//! The order of versions of apk-tools 3 (`src/version.c` of 3.0).
//!
//! In come two texts; out comes their order. Against apk 2 there is a new token, `~` with a
//! commit's hash; of a number after a dot that begins with a zero, on either side, the text is
//! compared (`1.016` is lower than `1.04`); numbers have 64 bits; and what apk 2 let pass (a digit
//! behind the letter, a suffix that only begins like a known one, two revisions, a number without
//! digits) is no version.

use std::cmp::Ordering;

use super::Match;

/// What a token is, in apk's order: of two versions that are equal so far, the one whose next
/// token comes first here is the greater, unless that is a suffix of something not released yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Token<'a> {
    /// Before the first dot.
    First(&'a [u8]),
    /// After a dot.
    Number(&'a [u8]),
    Letter(u8),
    Suffix(Suffix),
    SuffixNumber(&'a [u8]),
    Commit(&'a [u8]),
    Revision(&'a [u8]),
    End,
    Invalid,
}

/// What stands behind `_`: before the plain version, then after it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Suffix {
    Alpha,
    Beta,
    Pre,
    Rc,
    Cvs,
    Svn,
    Git,
    Hg,
    P,
}

impl Suffix {
    fn from_name(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"alpha" => Self::Alpha,
            b"beta" => Self::Beta,
            b"pre" => Self::Pre,
            b"rc" => Self::Rc,
            b"cvs" => Self::Cvs,
            b"svn" => Self::Svn,
            b"git" => Self::Git,
            b"hg" => Self::Hg,
            b"p" => Self::P,
            _ => return None,
        })
    }

    fn is_before_the_release(self) -> bool {
        self <= Self::Rc
    }
}

impl<'a> Token<'a> {
    /// The kind as a number, in the order of kinds.
    fn rank(self) -> u8 {
        match self {
            Self::First(_) => 0,
            Self::Number(_) => 1,
            Self::Letter(_) => 2,
            Self::Suffix(_) => 3,
            Self::SuffixNumber(_) => 4,
            Self::Commit(_) => 5,
            Self::Revision(_) => 6,
            Self::End => 7,
            Self::Invalid => 8,
        }
    }

    fn is_last(self) -> bool {
        matches!(self, Self::End | Self::Invalid)
    }

    fn is_before_the_release(self) -> bool {
        matches!(self, Self::Suffix(suffix) if suffix.is_before_the_release())
    }

    fn digits(rest: &mut &'a [u8], of: fn(&'a [u8]) -> Self) -> Self {
        match take(rest, u8::is_ascii_digit) {
            [] => Self::Invalid,
            digits => of(digits),
        }
    }

    fn first(rest: &mut &'a [u8]) -> Self {
        Self::digits(rest, Self::First)
    }

    /// The token that follows this one, taken from `rest`.
    fn next(self, rest: &mut &'a [u8]) -> Self {
        let Some((&sign, behind)) = rest.split_first() else { return Self::End };
        let is_number = matches!(self, Self::First(_) | Self::Number(_));
        match sign {
            b'a'..=b'z' if is_number => {
                *rest = behind;
                Self::Letter(sign)
            }
            b'.' if is_number => {
                *rest = behind;
                Self::digits(rest, Self::Number)
            }
            b'0'..=b'9' if matches!(self, Self::Suffix(_)) => {
                Self::digits(rest, Self::SuffixNumber)
            }
            b'_' if self.rank() <= 4 => {
                *rest = behind;
                let name = take(rest, u8::is_ascii_lowercase);
                Suffix::from_name(name).map_or(Self::Invalid, Self::Suffix)
            }
            b'~' if self.rank() < 5 => {
                *rest = behind;
                match take(rest, |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
                    [] => Self::Invalid,
                    commit => Self::Commit(commit),
                }
            }
            b'-' if self.rank() < 6 && behind.first() == Some(&b'r') => {
                *rest = behind.get(1..).unwrap_or_default();
                Self::digits(rest, Self::Revision)
            }
            _ => Self::Invalid,
        }
    }

    /// The order of two tokens of one kind.
    fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) if a.starts_with(b"0") || b.starts_with(b"0") => {
                a.cmp(b)
            }
            (Self::First(a), Self::First(b))
            | (Self::Number(a), Self::Number(b))
            | (Self::SuffixNumber(a), Self::SuffixNumber(b))
            | (Self::Revision(a), Self::Revision(b)) => number(a).cmp(&number(b)),
            (a, b) => a.cmp(&b),
        }
    }
}

/// The bytes at the start of `rest` that are what is wanted.
fn take<'a>(rest: &mut &'a [u8], is_wanted: impl Fn(&u8) -> bool) -> &'a [u8] {
    let length = rest.iter().take_while(|byte| is_wanted(byte)).count();
    let (taken, left) = rest.split_at(length);
    *rest = left;
    taken
}

/// The lower 64 bits of a number.
fn number(digits: &[u8]) -> u64 {
    let digits = digits.iter().map(|digit| u64::from(digit.wrapping_sub(b'0')));
    digits.fold(0, |sum: u64, digit| sum.wrapping_mul(10).wrapping_add(digit))
}

/// Whether apk 3 takes the text for a version.
pub(super) fn is_valid(text: &str) -> bool {
    let mut rest = text.as_bytes();
    let mut token = Token::first(&mut rest);
    while !token.is_last() {
        token = token.next(&mut rest);
    }
    token == Token::End
}

/// Compares as `apk version -t` does.
pub(super) fn compare(a: &str, b: &str, matching: Match) -> Ordering {
    let (mut rest_a, mut rest_b) = (a.as_bytes(), b.as_bytes());
    let (mut a, mut b) = (Token::first(&mut rest_a), Token::first(&mut rest_b));
    while a.rank() == b.rank() && !a.is_last() {
        match a.compare(b) {
            Ordering::Equal => (a, b) = (a.next(&mut rest_a), b.next(&mut rest_b)),
            order => return order,
        }
    }
    if a.rank() == b.rank() || matching == Match::Prefix && b == Token::End {
        return Ordering::Equal;
    }
    match (a.is_before_the_release(), b.is_before_the_release()) {
        (true, _) => Ordering::Less,
        (false, true) => Ordering::Greater,
        // The longer is the greater.
        (false, false) => b.rank().cmp(&a.rank()),
    }
}
