//! Patterns and replacements: sed's escapes over those of regular expressions, and what a
//! substitution puts in place of a match.

use imgfix_shell::regex::Match;

/// What a substitution is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text(Vec<u8>),
    /// A group; 0 is the whole match.
    Group(usize),
    Case(Case),
}

/// A change of case: of all that follows, or of one letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Upper,
    Lower,
    UpperNext,
    LowerNext,
    End,
}

/// An escape for one byte that sed knows beyond those of regular expressions: the byte and how
/// many bytes stand for it, the backslash not counted.
fn byte_escape(after: &[u8]) -> Option<(u8, usize)> {
    let digits = |from: usize, most: usize, radix: u32| {
        let text = after.get(from..)?;
        let count = text.iter().take(most).take_while(|&&b| char::from(b).is_digit(radix)).count();
        let text = std::str::from_utf8(text.get(..count)?).ok()?;
        let value = u32::from_str_radix(text, radix).ok()?;
        Some((u8::try_from(value & 0xff).ok()?, from + count))
    };
    Some(match after.first()? {
        b'a' => (0x07, 1),
        b'f' => (0x0c, 1),
        b'n' => (b'\n', 1),
        b'r' => (b'\r', 1),
        b't' => (b'\t', 1),
        b'v' => (0x0b, 1),
        b'd' => digits(1, 3, 10)?,
        b'o' => digits(1, 3, 8)?,
        b'x' => digits(1, 2, 16)?,
        b'c' => (after.get(1)?.to_ascii_uppercase() ^ 0x40, 2),
        _ => return None,
    })
}

/// A pattern in the syntax of regular expressions alone; `None` when it writes an operator as a
/// number, which versions of sed take differently.
pub(super) fn pattern(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    let mut bracket = Bracket::default();
    while let Some(&byte) = text.get(at) {
        at += 1;
        let after = text.get(at..).unwrap_or_default();
        if byte == b'\\' && !after.is_empty() {
            if let Some((value, length)) = byte_escape(after) {
                if length > 1 && b"^$*.[]\\+?{}|()".contains(&value) {
                    return None;
                }
                at += length;
                out.push(value);
                continue;
            }
            if !bracket.is_open() {
                out.extend([byte, after.first().copied().unwrap_or_default()]);
                at += 1;
                continue;
            }
        }
        bracket.step(byte, after);
        out.push(byte);
    }
    Some(out)
}

/// Whether a place in a pattern is inside a bracket expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Bracket {
    #[default]
    Outside,
    /// Behind `[`: a closing bracket stands for itself here.
    First,
    /// Behind `[^`.
    AfterCaret,
    Inside,
    /// Behind the `[` of `[:class:]` and its like.
    ClassOpens(u8),
    Class(u8),
    ClassEnds,
}

impl Bracket {
    pub(super) fn is_open(self) -> bool {
        self != Self::Outside
    }

    /// Takes the next byte; `after` is what follows it.
    pub(super) fn step(&mut self, byte: u8, after: &[u8]) {
        let class = after.first().copied().filter(|b| byte == b'[' && b":.=".contains(b));
        *self = match (*self, byte) {
            (Self::Outside, b'[') => Self::First,
            (Self::Outside, _) => Self::Outside,
            (Self::First, b'^') => Self::AfterCaret,
            (Self::Inside, b']') => Self::Outside,
            (Self::First | Self::AfterCaret | Self::Inside, _) => match class {
                Some(kind) => Self::ClassOpens(kind),
                None => Self::Inside,
            },
            (Self::ClassOpens(kind), _) => Self::Class(kind),
            (Self::Class(kind), byte) if byte == kind && after.first() == Some(&b']') => {
                Self::ClassEnds
            }
            (Self::Class(kind), _) => Self::Class(kind),
            (Self::ClassEnds, _) => Self::Inside,
        };
    }
}

/// A replacement taken apart.
pub(super) fn replacement(text: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut plain = Vec::new();
    let mut at = 0;
    let mut flush = |plain: &mut Vec<u8>, part: Part| {
        if !plain.is_empty() {
            parts.push(Part::Text(std::mem::take(plain)));
        }
        if part != Part::Text(Vec::new()) {
            parts.push(part);
        }
    };
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'&' => flush(&mut plain, Part::Group(0)),
            b'\\' => {
                let after = text.get(at..).unwrap_or_default();
                let Some(&next) = after.first() else {
                    plain.push(b'\\');
                    continue;
                };
                at += 1;
                match next {
                    b'0'..=b'9' => flush(&mut plain, Part::Group(usize::from(next - b'0'))),
                    b'U' => flush(&mut plain, Part::Case(Case::Upper)),
                    b'L' => flush(&mut plain, Part::Case(Case::Lower)),
                    b'u' => flush(&mut plain, Part::Case(Case::UpperNext)),
                    b'l' => flush(&mut plain, Part::Case(Case::LowerNext)),
                    b'E' => flush(&mut plain, Part::Case(Case::End)),
                    _ => match byte_escape(after) {
                        Some((value, length)) => {
                            plain.push(value);
                            at += length - 1;
                        }
                        None => plain.push(next),
                    },
                }
            }
            other => plain.push(other),
        }
    }
    flush(&mut plain, Part::Text(Vec::new()));
    parts
}

/// What stands in place of a match.
pub(super) fn substituted(parts: &[Part], line: &[u8], found: &Match) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut all, mut next) = (None, None);
    for part in parts {
        let text = match part {
            Part::Text(text) => &text[..],
            Part::Group(number) => {
                let span = found.group(*number);
                span.and_then(|(start, end)| line.get(start..end)).unwrap_or_default()
            }
            Part::Case(Case::End) => {
                (all, next) = (None, None);
                continue;
            }
            Part::Case(case @ (Case::Upper | Case::Lower)) => {
                (all, next) = (Some(*case), None);
                continue;
            }
            Part::Case(case) => {
                next = Some(*case);
                continue;
            }
        };
        for &byte in text {
            let change = next.take().or(all);
            out.push(match change {
                Some(Case::Upper | Case::UpperNext) => byte.to_ascii_uppercase(),
                Some(Case::Lower | Case::LowerNext) => byte.to_ascii_lowercase(),
                _ => byte,
            });
        }
    }
    out
}

/// Text of `a`, `i` and `c` without its backslashes.
pub(super) fn literal(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        let after = text.get(at..).unwrap_or_default();
        match (byte, after.first()) {
            (b'\\', Some(b'n')) => {
                out.push(b'n');
                at += 1;
            }
            (b'\\', Some(&next)) => match byte_escape(after) {
                Some((value, length)) => {
                    out.push(value);
                    at += length;
                }
                None => {
                    out.push(next);
                    at += 1;
                }
            },
            (b'\\', None) => {}
            _ => out.push(byte),
        }
    }
    out
}
