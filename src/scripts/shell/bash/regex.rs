//! The right side of `=~`: POSIX extended regular expressions, where only whether they match
//! is asked. What the regex crate would read otherwise is a stop.

use crate::scripts::Stop;
use crate::scripts::shell::expand::Byte;

/// Whether an expression matches somewhere in a text. Quoted bytes stand for themselves.
///
/// # Errors
/// The expression is none, or not evaluated.
pub(super) fn matches(pattern: &[Byte], text: &[u8]) -> Result<bool, Stop> {
    let wrong = || {
        let text: Vec<u8> = pattern.iter().map(|byte| byte.value).collect();
        Stop::new(format!("the regular expression {}", String::from_utf8_lossy(&text)))
    };
    let translated = translated(pattern).ok_or_else(wrong)?;
    let regex = ::regex::bytes::RegexBuilder::new(&translated)
        .unicode(false)
        .dot_matches_new_line(true)
        .size_limit(1 << 20)
        .build()
        .map_err(|_| wrong())?;
    Ok(regex.is_match(text))
}

fn translated(pattern: &[Byte]) -> Option<String> {
    let mut out = String::from("(?-u)");
    let mut rest = pattern;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if first.quoted {
            push_byte(&mut out, first.value);
            continue;
        }
        match first.value {
            b'[' => rest = bracket(&mut out, rest)?,
            b'\\' => {
                let (next, after) = rest.split_first()?;
                // GNU's `\w`, `\<` and the like.
                if next.value.is_ascii_alphanumeric()
                    || matches!(next.value, b'<' | b'>' | b'`' | b'\'')
                {
                    return None;
                }
                push_byte(&mut out, next.value);
                rest = after;
            }
            b @ (b'.' | b'*' | b'+' | b'?' | b'(' | b')' | b'|' | b'^' | b'$' | b'{' | b'}') => {
                let next = rest.first().map(|byte| byte.value);
                // Perl's `(?`, `*?`, `++` mean other things.
                if b == b'(' && next == Some(b'?') {
                    return None;
                }
                if matches!(b, b'*' | b'+' | b'?' | b'}')
                    && matches!(next, Some(b'*' | b'+' | b'?'))
                {
                    return None;
                }
                out.push(char::from(b));
            }
            b => push_byte(&mut out, b),
        }
    }
    Some(out)
}

fn push_byte(out: &mut String, b: u8) {
    match b.is_ascii_alphanumeric() || matches!(b, b'_' | b',') {
        true => out.push(char::from(b)),
        false => out.push_str(&format!("\\x{b:02x}")),
    }
}

/// A bracket expression behind its `[`; what comes after it.
fn bracket<'p>(out: &mut String, pattern: &'p [Byte]) -> Option<&'p [Byte]> {
    let mut rest = pattern;
    out.push('[');
    if rest.first().is_some_and(|byte| byte.value == b'^' && !byte.quoted) {
        out.push('^');
        rest = rest.get(1..)?;
    }
    let mut first = true;
    loop {
        let (byte, after) = rest.split_first()?;
        rest = after;
        if byte.value == b']' && !byte.quoted && !first {
            out.push(']');
            return Some(rest);
        }
        first = false;
        let next = rest.first().map(|byte| byte.value);
        if byte.value == b'[' && matches!(next, Some(b':')) {
            let end = rest.windows(2).position(|pair| pair.iter().map(|b| b.value).eq(*b":]"))?;
            let name: Vec<u8> = rest.get(1..end)?.iter().map(|byte| byte.value).collect();
            out.push_str(&format!("[:{}:]", std::str::from_utf8(&name).ok()?));
            rest = rest.get(end + 2..)?;
            continue;
        }
        if byte.value == b'[' && matches!(next, Some(b'.' | b'=')) {
            return None;
        }
        match byte.value {
            b'-' if !byte.quoted && next != Some(b']') => out.push('-'),
            b => push_byte(out, b),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_match_as_in_posix() {
        for (pattern, text, want) in [
            ("^a.c$", "abc", true),
            ("b", "abc", true),
            ("^(x|y z)+$", "xy z", true),
            ("[]a]", "]", true),
            ("[^]]", "]", false),
            ("^[[:digit:]]+(\\.[0-9]{1,3})?$", "12.34", true),
            ("[a\\]", "\\", true),
            ("a#b", "a#b", true),
        ] {
            let pattern: Vec<Byte> = pattern.bytes().map(Byte::plain).collect();
            assert_eq!(matches(&pattern, text.as_bytes()).unwrap(), want, "{text}");
        }
        assert!(matches(&[Byte::quoted(b'.')], b".").unwrap());
        assert!(!matches(&[Byte::quoted(b'.')], b"a").unwrap());
        for stop in ["\\w", "(?i)a", "a**", "("] {
            let pattern: Vec<Byte> = stop.bytes().map(Byte::plain).collect();
            assert!(matches(&pattern, b"a").is_err(), "{stop}");
        }
    }
}
