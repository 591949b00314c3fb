//! Backslash escapes as `echo` and `printf` write them.

use crate::shell::Dialect;

/// Text whose escapes are replaced.
pub(super) struct Escaped {
    pub text: Vec<u8>,
    /// `\c` was there: nothing at all comes after it.
    pub ended: bool,
}

/// Where a text with escapes stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum EscapeContext {
    /// An argument of `echo`.
    Echo,
    /// An argument of `printf` for `%b`.
    Argument,
    /// A format of `printf`.
    Format,
}

/// Replaces the escapes of a text. `None`: one is not evaluated.
pub(super) fn escaped(text: &[u8], context: EscapeContext, dialect: Dialect) -> Option<Escaped> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&b, after)) = rest.split_first() {
        rest = after;
        if b != b'\\' {
            out.push(b);
            continue;
        }
        match rest.first() {
            Some(b'c') if context != EscapeContext::Format => {
                return Some(Escaped { text: out, ended: true });
            }
            Some(b'u' | b'U') if dialect == Dialect::Bash => return None,
            Some(b'E' | b'u' | b'U' | b'c') if dialect == Dialect::Ash => return None,
            _ => {}
        }
        match one(rest, context, dialect) {
            Some((value, length)) => {
                out.push(value);
                rest = rest.get(length..).unwrap_or_default();
            }
            None => out.push(b'\\'),
        }
    }
    Some(Escaped { text: out, ended: false })
}

/// How long the escape at the beginning of a format is, with its backslash.
pub(super) fn length(text: &[u8], dialect: Dialect) -> usize {
    let rest = text.get(1..).unwrap_or_default();
    1 + one(rest, EscapeContext::Format, dialect).map_or(0, |(_, length)| length)
}

/// The byte that an escape behind its backslash means, and how long it is.
fn one(text: &[u8], context: EscapeContext, dialect: Dialect) -> Option<(u8, usize)> {
    let letter = *text.first()?;
    let value = match letter {
        b'a' => 7,
        b'b' => 8,
        b'e' => 27,
        b'E' if dialect == Dialect::Bash => 27,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b'\\' => b'\\',
        b'"' | b'\'' | b'?' if dialect == Dialect::Bash && context == EscapeContext::Format => {
            letter
        }
        b'x' if dialect != Dialect::Posix => return hexadecimal(text),
        _ => return octal(text, context, dialect),
    };
    Some((value, 1))
}

fn hexadecimal(text: &[u8]) -> Option<(u8, usize)> {
    let digits = text.get(1..)?.iter().take(2).take_while(|b| b.is_ascii_hexdigit()).count();
    let digits = std::str::from_utf8(text.get(1..=digits)?).ok()?;
    Some((u8::from_str_radix(digits, 16).ok()?, 1 + digits.len()))
}

/// Up to three digits; in an argument up to three behind a zero. bash's `echo` wants the zero.
fn octal(text: &[u8], context: EscapeContext, dialect: Dialect) -> Option<(u8, usize)> {
    let zero = text.first() == Some(&b'0');
    if context == EscapeContext::Echo && dialect == Dialect::Bash && !zero {
        return None;
    }
    let most = if zero && context != EscapeContext::Format { 4 } else { 3 };
    let length = text.iter().take(most).take_while(|b| (b'0'..=b'7').contains(*b)).count();
    if length == 0 {
        return None;
    }
    let value = text.iter().take(length).fold(0_u32, |value, b| value * 8 + u32::from(b - b'0'));
    Some(((value & 0xff) as u8, length))
}
