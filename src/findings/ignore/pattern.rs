//! [`Pattern`]: a text with wildcards in a rule, kept with its meaning.

use std::fmt;

use regex::{Regex, RegexBuilder};

/// Compiled size of one pattern, in bytes; the crate's own limit is ten times this.
const MAX_SIZE: usize = 1 << 20;

/// A pattern that is held against whole texts.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

impl Pattern {
    /// Of a path: `*` and `?` stay within one part, `**` does not, `{a,b}` and `[ab]` are
    /// choices. A leading slash does not matter. `None` when it is no pattern.
    #[must_use]
    pub fn path(text: &str) -> Option<Self> {
        let mut regex = String::from("^/?");
        let mut chars = text.trim_start_matches('/').chars().peekable();
        let mut braces = 0_usize;
        let mut in_class = false;
        while let Some(c) = chars.next() {
            match c {
                '-' if in_class => regex.push('-'),
                ']' if in_class => {
                    in_class = false;
                    regex.push(']');
                }
                '\\' => regex.push_str(&regex::escape(&chars.next()?.to_string())),
                other if in_class => regex.push_str(&regex::escape(&other.to_string())),
                '*' if chars.next_if_eq(&'*').is_some() => {
                    // `a/**/b` is `a/b`, too.
                    regex.push_str(if chars.next_if_eq(&'/').is_some() {
                        "(?:.*/)?"
                    } else {
                        ".*"
                    });
                }
                '*' => regex.push_str("[^/]*"),
                '?' => regex.push_str("[^/]"),
                '{' => {
                    braces += 1;
                    regex.push_str("(?:");
                }
                '}' if braces > 0 => {
                    braces -= 1;
                    regex.push(')');
                }
                ',' if braces > 0 => regex.push('|'),
                '[' => {
                    in_class = true;
                    regex.push('[');
                    if chars.next_if(|next| matches!(next, '!' | '^')).is_some() {
                        regex.push('^');
                    }
                }
                other => regex.push_str(&regex::escape(&other.to_string())),
            }
        }
        regex.push('$');
        (braces == 0 && !in_class).then_some(())?;
        Self::compile(text, &regex)
    }

    /// A regular expression for the whole text.
    #[must_use]
    pub fn whole(text: &str) -> Option<Self> {
        Self::compile(text, &format!("^(?:{text})$"))
    }

    /// The very text.
    #[must_use]
    pub fn exact(text: &str) -> Option<Self> {
        Self::compile(text, &format!("^{}$", regex::escape(text)))
    }

    fn compile(text: &str, regex: &str) -> Option<Self> {
        let regex = RegexBuilder::new(regex).size_limit(MAX_SIZE).build().ok()?;
        Some(Self { text: text.to_owned(), regex })
    }

    /// Whether the whole of `text` fits.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.regex.as_str() == other.regex.as_str()
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_wildcards() {
        for (pattern, path, want) in [
            ("usr/lib/a.jar", "/usr/lib/a.jar", true),
            ("/usr/lib/a.jar", "/usr/lib/a.jar", true),
            ("usr/lib/*.jar", "/usr/lib/a.jar", true),
            ("usr/*.jar", "/usr/lib/a.jar", false),
            ("**/*.jar", "/usr/lib/a.jar", true),
            ("**/*.jar", "/a.jar", true),
            ("usr/**", "/usr/lib/a.jar", true),
            ("usr/**/a.jar", "/usr/a.jar", true),
            ("usr/?ib/a.jar", "/usr/lib/a.jar", true),
            ("usr/{lib,bin}/a.jar", "/usr/bin/a.jar", true),
            ("usr/[lb]i[!x]/a.jar", "/usr/lib/a.jar", true),
            ("usr/[lb]i[!b]/a.jar", "/usr/lib/a.jar", false),
            ("usr/[a-m]ib/a.jar", "/usr/lib/a.jar", true),
            ("usr/[m-z]ib/a.jar", "/usr/lib/a.jar", false),
            ("usr/lib/a.jar", "/usr/lib/axjar", false),
            ("lib/a.jar", "/usr/lib/a.jar", false),
            ("a\\*b", "/a*b", true),
            ("a\\*b", "/axb", false),
        ] {
            assert_eq!(Pattern::path(pattern).unwrap().matches(path), want, "{pattern} {path}");
        }
        for bad in ["a{b", "[", "a\\"] {
            assert!(Pattern::path(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn expressions_are_for_the_whole_text() {
        assert!(Pattern::whole("lib.*").unwrap().matches("libc6"));
        assert!(!Pattern::whole("lib|x").unwrap().matches("libc6"));
        assert!(Pattern::whole("(").is_none());
        assert!(Pattern::whole("(a{1000}){1000}").is_none(), "too large");
        assert!(Pattern::exact("g++").unwrap().matches("g++"));
    }
}
