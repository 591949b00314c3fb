//! Patterns of the shell: what was quoted stands for itself, the rest is as `fnmatch(3)` has it.

use super::field::Byte;
use crate::fnmatch;

/// Whether a pattern matches all of a text.
pub(in crate::shell) fn matches(pattern: &[Byte], text: &[u8]) -> bool {
    fnmatch::matches(&written(pattern), text)
}

/// The pattern with backslashes before what was quoted. Of an expansion's own backslashes, which
/// are not quoted, each still escapes.
fn written(pattern: &[Byte]) -> Vec<u8> {
    let mut out = Vec::with_capacity(pattern.len());
    for byte in pattern {
        if byte.quoted {
            out.push(b'\\');
        }
        out.push(byte.value);
    }
    out
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
