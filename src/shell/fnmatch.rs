//! Shell patterns (`fnmatch(3)` in the C locale): `*`, `?`, `[...]` and backslashes.
//!
//! In come a pattern and a text; out comes whether all of the text fits. One matcher serves the
//! shell, `find -name` and `-iname`, and the package managers' programs. Of the flags it has
//! `FNM_CASEFOLD` only ([`CaseOf`]): a caller that treats quoted bytes, leading periods or slashes
//! otherwise settles that before it asks.

/// Whether all of `text` fits the pattern. Slashes and leading periods are bytes like others.
#[must_use]
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    matches_in(pattern, text, CaseOf::Counts)
}

/// Whether a letter's case counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaseOf {
    /// `a` fits `a` only.
    Counts,
    /// `a` fits `A`, too, as with glibc's `FNM_CASEFOLD`.
    Ignored,
}

/// As [`matches()`], with the case of letters counting or not.
#[must_use]
pub fn matches_in(pattern: &[u8], text: &[u8], case: CaseOf) -> bool {
    // A later star never needs an earlier one to be tried again, so that the time stays within
    // pattern times text.
    let (mut at, mut position) = (0, 0);
    // Where to go on after the last star: behind it, with one more byte taken by it.
    let mut star: Option<(usize, usize)> = None;
    loop {
        if pattern.get(at) == Some(&b'*') {
            at += 1;
            star = Some((at, position));
            continue;
        }
        let step = match (text.get(position), pattern.get(at)) {
            (None, None) => return true,
            (Some(&byte), Some(_)) => element(pattern, at, byte, case),
            _ => None,
        };
        match (step, star) {
            (Some(next), _) => {
                at = next;
                position += 1;
            }
            (None, Some((behind, taken))) if taken < text.len() => {
                at = behind;
                position = taken + 1;
                star = Some((behind, taken + 1));
            }
            (None, _) => return false,
        }
    }
}

/// Where the pattern goes on when its element at `at` takes `byte`.
fn element(pattern: &[u8], at: usize, byte: u8, case: CaseOf) -> Option<usize> {
    let fold = |byte: u8| match case {
        CaseOf::Counts => byte,
        CaseOf::Ignored => byte.to_ascii_lowercase(),
    };
    match pattern.get(at)? {
        b'?' => Some(at + 1),
        b'[' => match bracket(pattern, at, byte, case) {
            Some((end, true)) => Some(end),
            Some((_, false)) => None,
            None => (byte == b'[').then_some(at + 1),
        },
        b'\\' => match pattern.get(at + 1) {
            Some(&next) => (fold(next) == fold(byte)).then_some(at + 2),
            None => None,
        },
        &plain => (fold(plain) == fold(byte)).then_some(at + 1),
    }
}

/// Where the bracket expression at `at` ends and whether it takes `byte`; `None` when it does not
/// end, so that `[` is a byte like others.
fn bracket(pattern: &[u8], at: usize, byte: u8, case: CaseOf) -> Option<(usize, bool)> {
    let mut at = at + 1;
    let inverted = matches!(pattern.get(at)?, b'!' | b'^');
    at += usize::from(inverted);
    let mut found = false;
    let mut first = true;
    loop {
        let mut low = *pattern.get(at)?;
        if low == b']' && !first {
            return Some((at + 1, found != inverted));
        }
        first = false;
        if low == b'[' && pattern.get(at + 1) == Some(&b':') {
            let inside = pattern.get(at + 2..)?;
            let end = inside.windows(2).position(|pair| pair == b":]")?;
            found |= in_class(inside.get(..end)?, byte);
            at += end + 4;
            continue;
        }
        if low == b'\\' {
            at += 1;
            low = *pattern.get(at)?;
        }
        at += 1;
        let mut high = low;
        if pattern.get(at) == Some(&b'-') && pattern.get(at + 1).is_some_and(|&b| b != b']') {
            high = *pattern.get(at + 1)?;
            at += 2;
            if high == b'\\' {
                high = *pattern.get(at)?;
                at += 1;
            }
        }
        let range = low..=high;
        found |= range.contains(&byte)
            || case == CaseOf::Ignored
                && (range.contains(&byte.to_ascii_lowercase())
                    || range.contains(&byte.to_ascii_uppercase()));
    }
}

fn in_class(name: &[u8], byte: u8) -> bool {
    super::regex::class_bytes(name).is_some_and(|bytes| bytes.contains(&byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_match_as_fnmatch_does() {
        for (pattern, text, want) in [
            ("*.txt", "a.txt", true),
            ("*.txt", ".txt", true),
            ("*.txt", "a.txt~", false),
            ("a?c", "a/c", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "ab_", false),
            ("*/b", "/a/b", true),
            ("a*b*c", "axbxb", false),
            ("a-", "a-", true),
            ("[a-]", "-", true),
            ("[[:upper:][:space:]]", "\t", true),
            ("[", "[", true),
            ("libc6", "libc6-dev", false),
            ("[!a-c]x", "dx", true),
            ("[^a-c]x", "bx", false),
            ("[]a]", "]", true),
            ("[[:digit:]_]*", "5", true),
            ("[a", "[a", true),
            (r"\*", "*", true),
            (r"\*", "a", false),
            (r"[\]]", "]", true),
            ("", "", true),
            ("*", "", true),
            ("?", "", false),
            ("/usr/share/doc/*", "/usr/share/doc/a/b", true),
            ("/usr/share/doc/*", "/usr/share/doc", false),
            ("*", "", true),
            ("*/.hidden", "/a/.hidden", true),
            ("/a?b", "/a/b", true),
            ("/[abc]*[0-9]", "/bxx7", true),
            ("/[!abc]", "/a", false),
            ("/[^abc]", "/d", true),
            ("/[]a]", "/]", true),
            ("/[a-]", "/-", true),
            ("/[[:digit:]x]", "/4", true),
            ("/[[:digit:]x]", "/y", false),
            ("/\\*", "/*", true),
            ("/\\*", "/a", false),
            ("/[a", "/[a", true),
            ("/a*b*c", "/aXbXbXc", true),
            ("/a*b*c", "/aXbXbX", false),
            // a backslash before nothing fits nothing
            ("a\\", "a\\", false),
        ] {
            let got = matches(pattern.as_bytes(), text.as_bytes());
            assert_eq!(got, want, "{pattern} {text}");
        }
        assert!(matches_in(b"RE[a-d]*", b"readme", CaseOf::Ignored));
    }

    proptest! {
        #[test]
        fn arbitrary_patterns_never_panic(pattern: Vec<u8>, text: Vec<u8>) {
            let _ = matches(&pattern, &text);
        }

        #[test]
        fn patterns_without_wildcards_match_themselves_only(text in "[a-z/.]{0,12}", other in "[a-z/.]{0,12}") {
            prop_assert_eq!(matches(text.as_bytes(), other.as_bytes()), text == other);
        }
    }
}
