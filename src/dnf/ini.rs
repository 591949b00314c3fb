//! The configuration files of yum and its successors: sections, keys, and values that go on in
//! indented lines.
//!
//! In comes the text of a file; out come its [`Section`]s in order, or the first line that dnf
//! would refuse. Source: dnf.conf(5) and libdnf's `IniParser`: a line that begins with a space
//! goes on with the value before it, `#` and `;` begin comments at the start of a line only.

use imgfix_repository::config_text::plain;

/// The most text of one file that is read, in bytes. Real ones have some kilobytes.
pub(crate) const MAX_TEXT: usize = 4 << 20;

/// The most keys of one file.
const MAX_ENTRIES: usize = 50_000;

/// What a file says under one `[name]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Section {
    /// Without the brackets.
    pub name: String,
    /// From 1.
    pub line: usize,
    entries: Vec<(String, String)>,
}

/// A line that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct IniError {
    /// From 1.
    pub line: usize,
    /// What is wrong, for people.
    pub why: &'static str,
}

impl Section {
    /// The last value of a key; lines of it are parted by line feeds.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let mut named = self.entries.iter().rev().filter(|(name, _)| name == key);
        named.next().map(|(_, value)| value.as_str())
    }

    /// All keys with their values, in the order of the file.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The words of a list: parted by spaces, commas and line ends.
    #[must_use]
    pub fn list(&self, key: &str) -> Option<Vec<&str>> {
        self.get(key).map(|value| words(value).collect())
    }

    /// A truth value; `None` when the key is not there, or is none.
    #[must_use]
    pub fn truth(&self, key: &str) -> Option<bool> {
        self.get(key).and_then(truth)
    }

    /// A number; `None` when the key is not there, or is none.
    #[must_use]
    pub fn number(&self, key: &str) -> Option<i64> {
        self.get(key)?.trim().parse().ok()
    }
}

/// The words of a list value.
pub fn words(value: &str) -> impl Iterator<Item = &str> {
    value.split([' ', '\t', ',', '\n', '\r']).filter(|word| !word.is_empty())
}

/// What dnf takes for true and false.
#[must_use]
pub fn truth(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "yes" | "true" | "on" | "enabled" | "always" => Some(true),
        "0" | "no" | "false" | "off" | "disabled" | "never" => Some(false),
        _ => None,
    }
}

/// Reads a file. Sections of the same name stay apart.
///
/// # Errors
/// A line that dnf refuses the file for; a file larger than any real one.
pub fn parse(text: &[u8]) -> Result<Vec<Section>, IniError> {
    if text.len() > MAX_TEXT {
        return Err(IniError { line: 1, why: "the file is larger than any real one" });
    }
    let text = plain(text);
    let text = String::from_utf8_lossy(&text);
    let mut sections: Vec<Section> = Vec::new();
    let mut entries = 0;
    // Whether an indented line goes on with a value.
    let mut open = false;
    for (at, line) in text.lines().enumerate() {
        let fail = |why| Err(IniError { line: at + 1, why });
        if line.starts_with(['#', ';']) || line.trim().is_empty() {
            continue;
        }
        if line.starts_with([' ', '\t']) {
            let last = sections.last_mut().and_then(|section| section.entries.last_mut());
            match last.filter(|_| open) {
                Some((_, value)) => {
                    value.push('\n');
                    value.push_str(line.trim());
                    continue;
                }
                None => return fail("an indented line, and no value before it"),
            }
        }
        if let Some(rest) = line.strip_prefix('[') {
            let Some((name, _)) = rest.split_once(']') else {
                return fail("'[' without ']'");
            };
            if name.trim().is_empty() {
                return fail("a section without a name");
            }
            let name = name.trim().to_owned();
            sections.push(Section { name, line: at + 1, entries: Vec::new() });
            open = false;
            continue;
        }
        let Some(section) = sections.last_mut() else {
            return fail("text before the first [section]");
        };
        let Some((key, value)) = line.split_once('=') else {
            return fail("want KEY=VALUE");
        };
        let key = key.trim();
        if key.is_empty() {
            return fail("'=' without a key");
        }
        entries += 1;
        if entries > MAX_ENTRIES {
            return fail("more keys than in any real file");
        }
        section.entries.push((key.to_owned(), value.trim().to_owned()));
        open = true;
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_go_on_in_indented_lines() {
        let text = "# comment\n[main]\ngpgcheck=1\nexclude = a b\n  c,d\n# not this\n\te\n\n\
                    [x] ; rest\nbaseurl=\n https://a/\n https://b/\nbaseurl=https://c/\n";
        let sections = parse(text.as_bytes()).unwrap();
        let [main, x] = sections.as_slice() else { panic!("{sections:?}") };
        assert_eq!((main.name.as_str(), main.line, x.line), ("main", 2, 9));
        assert_eq!(main.list("exclude").unwrap(), ["a", "b", "c", "d", "e"]);
        assert_eq!(main.truth("gpgcheck"), Some(true));
        assert_eq!(x.list("baseurl").unwrap(), ["https://c/"], "the last one counts");
        assert_eq!(x.entries().count(), 2);
        assert_eq!((x.get("enabled"), x.truth("baseurl"), x.number("baseurl")), (None, None, None));
    }

    #[test]
    fn files_that_dnf_refuses_are_refused_with_the_line() {
        for (text, line) in [
            ("key=value\n", 1),
            ("[a\n", 1),
            ("[ ]\n", 1),
            ("[a]\n\n  indented\n", 3),
            ("[a]\nx=1\n[b]\n  y\n", 4),
            ("[a]\nword\n", 2),
            ("[a]\n=1\n", 2),
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap_err().line, line, "{text:?}");
        }
        assert_eq!(parse(b"\xef\xbb\xbf[a]\r\nx=1\r\n").unwrap()[0].get("x"), Some("1"));
        assert_eq!(parse(b"# nothing\n").unwrap(), []);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(text in "[\\[\\]a=# \\n\\t;,é]{0,80}") {
            let _ = parse(text.as_bytes());
        }
    }
}
