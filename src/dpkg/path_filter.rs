//! What of a package is unpacked: dpkg's `--path-exclude` and `--path-include`.
//!
//! In come the patterns in the order of the configuration and a path of a package; out comes
//! whether dpkg leaves it out. Patterns are shell patterns as `fnmatch(3)` without flags has
//! them: `*` and `?` match slashes and leading dots too. Rules: `dpkg(1)` and dpkg's
//! `src/main/filters.c`.

/// Whether matching paths are left out or brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    Exclude,
    Include,
}

/// The filters of one image, in order: the last that matches decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathFilter {
    rules: Vec<(Rule, Vec<u8>)>,
}

impl PathFilter {
    /// Adds a pattern after those that are there.
    pub fn push(&mut self, rule: Rule, pattern: impl Into<Vec<u8>>) {
        self.rules.push((rule, pattern.into()));
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether `path` (absolute, as the package ships it; empty for the root) is left out.
    /// Directories and symbolic links stay when an include pattern could name something
    /// below them.
    #[must_use]
    pub fn excludes(&self, path: &[u8], is_directory_or_link: bool) -> bool {
        let last = self.rules.iter().rev().find(|(_, pattern)| matches(pattern, path));
        if !matches!(last, Some((Rule::Exclude, _))) {
            return false;
        }
        !(is_directory_or_link && self.could_be_needed(path))
    }

    /// dpkg compares as many bytes as the include pattern has before its first wildcard.
    fn could_be_needed(&self, path: &[u8]) -> bool {
        self.rules.iter().filter(|(rule, _)| *rule == Rule::Include).any(|(_, pattern)| {
            let literal = pattern
                .iter()
                .position(|b| b"*?[\\".contains(b))
                .map_or(pattern.as_slice(), |at| &pattern[..at]);
            let end = literal.iter().rposition(|&b| b != b'/').map_or(0, |at| at + 1);
            path.get(..end) == Some(&literal[..end])
        })
    }
}

/// `fnmatch(pattern, text, 0)` in the C locale.
#[must_use]
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    // Only the last `*` needs to be tried again: an earlier one could not match more.
    let (mut at_pattern, mut at_text) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let step = match pattern.get(at_pattern) {
            Some(b'*') => {
                retry = Some((at_pattern + 1, at_text));
                at_pattern += 1;
                continue;
            }
            None if at_text == text.len() => return true,
            None => None,
            Some(_) => text.get(at_text).and_then(|&byte| match_one(&pattern[at_pattern..], byte)),
        };
        match (step, &mut retry) {
            (Some(used), _) => {
                at_pattern += used;
                at_text += 1;
            }
            (None, Some((after_star, from))) if *from < text.len() => {
                *from += 1;
                at_text = *from;
                at_pattern = *after_star;
            }
            (None, _) => return false,
        }
    }
}

/// Matches one byte against the element `pattern` starts with; the element's length if so.
fn match_one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [b'[', set @ ..] => match bracket(set, byte) {
            Some((length, matched)) => matched.then_some(length + 1),
            None => (byte == b'[').then_some(1),
        },
        [plain, ..] => (*plain == byte).then_some(1),
        [] => None,
    }
}

/// A bracket expression after its `[`: its length and whether `byte` is in it; `None` when it
/// is never closed.
fn bracket(set: &[u8], byte: u8) -> Option<(usize, bool)> {
    let negated = matches!(set.first(), Some(b'!' | b'^'));
    let start = usize::from(negated);
    let mut at = start;
    let mut found = false;
    loop {
        let low = match (set.get(at)?, set.get(at + 1)) {
            (b']', _) if at > start => return Some((at + 1, found != negated)),
            (b'[', Some(b':')) => {
                let rest = set.get(at + 2..)?;
                let end = rest.windows(2).position(|pair| pair == b":]")?;
                found |= in_class(rest.get(..end)?, byte);
                at += end + 4;
                continue;
            }
            (b'\\', Some(&escaped)) => {
                at += 1;
                escaped
            }
            (&plain, _) => plain,
        };
        at += 1;
        let mut high = low;
        if set.get(at) == Some(&b'-') && set.get(at + 1).is_some_and(|&b| b != b']') {
            at += 1;
            if set.get(at) == Some(&b'\\') {
                at += 1;
            }
            high = *set.get(at)?;
            at += 1;
        }
        found |= (low..=high).contains(&byte);
    }
}

fn in_class(name: &[u8], byte: u8) -> bool {
    match name {
        b"alpha" => byte.is_ascii_alphabetic(),
        b"digit" => byte.is_ascii_digit(),
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"upper" => byte.is_ascii_uppercase(),
        b"lower" => byte.is_ascii_lowercase(),
        b"space" => byte.is_ascii_whitespace() || byte == 0x0b,
        b"blank" => matches!(byte, b' ' | b'\t'),
        b"punct" => byte.is_ascii_punctuation(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        b"print" => byte.is_ascii_graphic() || byte == b' ',
        b"graph" => byte.is_ascii_graphic(),
        b"cntrl" => byte.is_ascii_control(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filter(rules: &[(Rule, &str)]) -> PathFilter {
        let mut filter = PathFilter::default();
        for (rule, pattern) in rules {
            filter.push(*rule, *pattern);
        }
        filter
    }

    #[test]
    fn patterns_match_as_fnmatch_does() {
        for (pattern, text, want) in [
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
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), want, "{pattern} {text}");
        }
    }

    #[test]
    fn the_last_matching_rule_decides() {
        let slim = filter(&[
            (Rule::Exclude, "/usr/share/doc/*"),
            (Rule::Include, "/usr/share/doc/*/copyright"),
            (Rule::Exclude, "/usr/share/man/*"),
        ]);
        for (path, directory, want) in [
            ("/usr/share/doc/a/changelog.gz", false, true),
            ("/usr/share/doc/a/copyright", false, false),
            ("/usr/share/doc/a", true, false),
            ("/usr/share/man/man1", true, true),
            ("/usr/share/man", true, false),
            ("/usr/bin/a", false, false),
            ("", true, false),
        ] {
            assert_eq!(slim.excludes(path.as_bytes(), directory), want, "{path}");
        }
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
