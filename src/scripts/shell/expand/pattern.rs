//! Patterns as `fnmatch(3)` matches them in the C locale.

use super::field::Byte;
use crate::scripts::regex::class_bytes;

/// Whether a pattern matches all of a text.
pub(in crate::scripts::shell) fn matches(pattern: &[Byte], text: &[u8]) -> bool {
    let (mut at, mut in_text) = (0, 0);
    // Where to go on when a star must take one byte more.
    let mut star: Option<(usize, usize)> = None;
    loop {
        let rest = pattern.get(at..).unwrap_or_default();
        if rest.first().is_some_and(|byte| is_plain(byte, b'*')) {
            star = Some((at + 1, in_text));
            at += 1;
            continue;
        }
        let byte = text.get(in_text);
        if rest.is_empty() && byte.is_none() {
            return true;
        }
        if let Some(&byte) = byte
            && let Some(length) = one(rest, byte)
        {
            at += length;
            in_text += 1;
            continue;
        }
        match star {
            Some((after, from)) if from < text.len() => {
                star = Some((after, from + 1));
                (at, in_text) = (after, from + 1);
            }
            _ => return false,
        }
    }
}

fn is_plain(byte: &Byte, value: u8) -> bool {
    !byte.quoted && byte.value == value
}

/// How long the beginning of a pattern is that matches one byte; `None` when it does not.
fn one(pattern: &[Byte], byte: u8) -> Option<usize> {
    let (first, rest) = pattern.split_first()?;
    if !first.quoted {
        match first.value {
            b'?' => return Some(1),
            b'[' => {
                if let Some((matched, length)) = bracket(rest, byte) {
                    return matched.then_some(length + 1);
                }
            }
            // From an expansion, a backslash still escapes.
            b'\\' => {
                let next = rest.first()?;
                return (next.value == byte).then_some(2);
            }
            _ => {}
        }
    }
    (first.value == byte).then_some(1)
}

/// A bracket expression behind its `[`: whether it matches, and its length with the `]`.
/// `None`: it has no end, and the `[` stands for itself.
fn bracket(pattern: &[Byte], byte: u8) -> Option<(bool, usize)> {
    let mut at = 0;
    let negated = pattern.first().is_some_and(|b| is_plain(b, b'!') || is_plain(b, b'^'));
    at += usize::from(negated);
    let mut matched = false;
    let mut first = true;
    loop {
        let current = pattern.get(at)?;
        if is_plain(current, b']') && !first {
            return Some((matched != negated, at + 1));
        }
        first = false;
        if let Some((class, length)) = class(pattern.get(at..)?) {
            matched |= class.contains(&byte);
            at += length;
            continue;
        }
        let (low, length) = member(pattern.get(at..)?)?;
        at += length;
        let dash = pattern.get(at).is_some_and(|b| is_plain(b, b'-'));
        let end = pattern.get(at + 1).filter(|b| !is_plain(b, b']'));
        if dash && end.is_some() {
            let (high, length) = member(pattern.get(at + 1..)?)?;
            at += 1 + length;
            matched |= (low..=high).contains(&byte);
        } else {
            matched |= low == byte;
        }
    }
}

/// One byte of a bracket expression, and how long it is written.
fn member(pattern: &[Byte]) -> Option<(u8, usize)> {
    let first = pattern.first()?;
    match is_plain(first, b'\\') {
        true => Some((pattern.get(1)?.value, 2)),
        false => Some((first.value, 1)),
    }
}

/// `[:NAME:]` at the beginning of a pattern.
fn class(pattern: &[Byte]) -> Option<(Vec<u8>, usize)> {
    let mut signs = pattern.iter();
    if !is_plain(signs.next()?, b'[') || !is_plain(signs.next()?, b':') {
        return None;
    }
    let length = pattern.iter().skip(2).position(|b| b.value == b':')?;
    if pattern.get(length + 3)?.value != b']' {
        return None;
    }
    let name: Vec<u8> = pattern.iter().skip(2).take(length).map(|b| b.value).collect();
    Some((class_bytes(&name)?, length + 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Vec<Byte> {
        text.bytes().map(Byte::plain).collect()
    }

    #[test]
    fn patterns_match_as_fnmatch_does() {
        for (pattern, text, want) in [
            ("", "", true),
            ("*", "", true),
            ("a*b", "axxb", true),
            ("a*b*c", "abbc", true),
            ("a*b", "axx", false),
            ("?", "", false),
            ("[abc]x", "bx", true),
            ("[!abc]", "b", false),
            ("[^abc]", "d", true),
            ("[a-c]", "b", true),
            ("[]a]", "]", true),
            ("[a-]", "-", true),
            ("[[:digit:]]*", "5x", true),
            ("[[:upper:][:space:]]", "\t", true),
            ("[abc", "[abc", true),
            ("[", "[", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("[\\]]", "]", true),
            ("*.[ch]", "a.b.c", true),
        ] {
            assert_eq!(matches(&plain(pattern), text.as_bytes()), want, "{pattern} {text}");
        }
        let quoted = [Byte::quoted(b'*')];
        assert!(matches(&quoted, b"*"));
        assert!(!matches(&quoted, b"a"));
    }
}
