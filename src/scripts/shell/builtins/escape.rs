//! Backslash escapes as dash's `echo` and `printf` write them.

/// Text whose escapes are replaced.
pub(super) struct Escaped {
    pub text: Vec<u8>,
    /// `\c` was there: nothing at all comes after it.
    pub ended: bool,
}

/// How octal numbers are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Octal {
    /// `\0` and up to three digits: `echo` and `%b`.
    AfterZero,
    /// Up to three digits: a format of `printf`.
    Plain,
}

/// Replaces the escapes of a text.
pub(super) fn escaped(text: &[u8], octal: Octal) -> Escaped {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&b, after)) = rest.split_first() {
        rest = after;
        if b != b'\\' {
            out.push(b);
            continue;
        }
        let Some((&letter, after)) = rest.split_first() else {
            out.push(b'\\');
            break;
        };
        if letter == b'c' && octal == Octal::AfterZero {
            return Escaped { text: out, ended: true };
        }
        match single(letter) {
            Some(value) => {
                out.push(value);
                rest = after;
            }
            None => match octal_digits(rest, octal) {
                Some((value, length)) => {
                    out.push(value);
                    rest = rest.get(length..).unwrap_or_default();
                }
                None => out.push(b'\\'),
            },
        }
    }
    Escaped { text: out, ended: false }
}

fn single(letter: u8) -> Option<u8> {
    Some(match letter {
        b'a' => 7,
        b'b' => 8,
        b'e' => 27,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b'\\' => b'\\',
        _ => return None,
    })
}

fn octal_digits(text: &[u8], octal: Octal) -> Option<(u8, usize)> {
    let is_digit = |b: &&u8| (b'0'..=b'7').contains(*b);
    let most = match octal {
        Octal::Plain => 3,
        Octal::AfterZero if text.first() == Some(&b'0') => 4,
        // dash takes digits without the zero too.
        Octal::AfterZero => 3,
    };
    let length = text.iter().take(most).take_while(is_digit).count();
    if length == 0 {
        return None;
    }
    let value = text.iter().take(length).fold(0_u32, |value, b| value * 8 + u32::from(b - b'0'));
    Some(((value & 0xff) as u8, length))
}
