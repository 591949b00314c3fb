//! apt's configuration, apt.conf(5), as far as repositories depend on it.
//!
//! In come `/etc/apt/apt.conf.d/*` and `/etc/apt/apt.conf` of the image; out go names and
//! values (`acquire::by-hash` = `no`). Only values are read: what the configuration would run
//! (hooks) and include is passed over.

use std::collections::BTreeMap;

use crate::rootfs::{FileSystem, ImagePath};

/// The largest configuration file that is read, in bytes.
const MAX_FILE: usize = 1 << 20;

/// How deep `{ }` may nest.
const MAX_DEPTH: usize = 32;

/// Settings by full name in lower case (`acquire::check-valid-until`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AptConf {
    values: BTreeMap<String, String>,
}

impl AptConf {
    /// Reads the image's configuration. Files that cannot be read or parsed are passed over:
    /// nothing that they can say makes a check weaker but `Check-Valid-Until`.
    #[must_use]
    pub fn read(fs: &dyn FileSystem) -> Self {
        let mut out = Self::default();
        let mut files = Vec::new();
        if let Ok(folder) = fs.resolve(&ImagePath::literal("/etc/apt/apt.conf.d")) {
            files.extend(fs.read_dir(&folder).into_iter().filter(|path| is_part(path.file_name())));
        }
        files.push(ImagePath::literal("/etc/apt/apt.conf"));
        for path in files {
            if let Ok(text) = fs.read(&path) {
                out.parse(&text);
            }
        }
        out
    }

    /// Adds the settings of one file; later ones win.
    pub fn parse(&mut self, text: &[u8]) {
        let text = String::from_utf8_lossy(text.get(..text.len().min(MAX_FILE)).unwrap_or(text));
        let mut scopes: Vec<String> = Vec::new();
        let mut words: Vec<String> = Vec::new();
        let tokens = Tokens { rest: &text };
        for token in tokens {
            match token {
                Token::Word(word) => words.push(word),
                Token::Open => {
                    if scopes.len() >= MAX_DEPTH {
                        return;
                    }
                    let name = words.first().cloned().unwrap_or_default();
                    self.assign(&scopes, &std::mem::take(&mut words));
                    scopes.push(name);
                }
                Token::Close => {
                    self.assign(&scopes, &std::mem::take(&mut words));
                    scopes.pop();
                }
                Token::End => self.assign(&scopes, &std::mem::take(&mut words)),
            }
        }
    }

    fn assign(&mut self, scopes: &[String], words: &[String]) {
        let [name, value, ..] = words else { return };
        if name == "#clear" {
            let name = value.to_ascii_lowercase();
            let below = format!("{name}::");
            self.values.retain(|have, _| *have != name && !have.starts_with(&below));
            return;
        }
        let full: Vec<&str> = scopes.iter().map(String::as_str).chain([name.as_str()]).collect();
        self.values.insert(full.join("::").to_ascii_lowercase(), value.clone());
    }

    /// A setting by its full name, in any case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(&name.to_ascii_lowercase()).map(String::as_str)
    }

    /// A setting that is a truth value; `default` when it is absent or none.
    #[must_use]
    pub fn truth(&self, name: &str, default: bool) -> bool {
        self.get(name).and_then(truth).unwrap_or(default)
    }
}

/// A truth value as apt's `StringToBool` (apt-pkg/contrib/strutl.cc) reads it.
#[must_use]
pub fn truth(value: &str) -> Option<bool> {
    match value.trim().to_ascii_lowercase().as_str() {
        "yes" | "true" | "with" | "on" | "enable" | "1" => Some(true),
        "no" | "false" | "without" | "off" | "disable" | "0" => Some(false),
        _ => None,
    }
}

/// Whether apt reads a file of this name in a `.d` folder: apt.conf(5).
pub(super) fn is_part(name: &[u8]) -> bool {
    let plain = name.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b));
    plain && !name.starts_with(b".") && (name.ends_with(b".conf") || !name.contains(&b'.'))
}

enum Token {
    Word(String),
    Open,
    Close,
    End,
}

struct Tokens<'a> {
    rest: &'a str,
}

impl Tokens<'_> {
    fn skip_blank_and_comments(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            let directive = ["#clear", "#include"].iter().any(|d| self.rest.starts_with(d));
            let line = self.rest.starts_with("//") || (self.rest.starts_with('#') && !directive);
            self.rest = if line {
                self.rest.split_once('\n').map_or("", |(_, rest)| rest)
            } else if let Some(comment) = self.rest.strip_prefix("/*") {
                comment.split_once("*/").map_or("", |(_, rest)| rest)
            } else {
                return;
            };
        }
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.skip_blank_and_comments();
        let first = self.rest.chars().next()?;
        let mark = match first {
            '{' => Some(Token::Open),
            '}' => Some(Token::Close),
            ';' => Some(Token::End),
            _ => None,
        };
        if let Some(mark) = mark {
            self.rest = self.rest.get(1..).unwrap_or_default();
            return Some(mark);
        }
        if let Some(quoted) = self.rest.strip_prefix('"') {
            let (word, rest) = quoted.split_once('"').unwrap_or((quoted, ""));
            self.rest = rest;
            return Some(Token::Word(word.to_owned()));
        }
        let end = self.rest.find(|c: char| c.is_whitespace() || "{};\"".contains(c));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        Some(Token::Word(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_nest_and_later_values_win() {
        let mut conf = AptConf::default();
        conf.parse(
            br#"
            // a comment; with "quotes"
            # another
            Acquire::Check-Valid-Until "false";
            Acquire { By-Hash "force"; http { Proxy "http://p;x/"; }; /* no */ };
            APT::NeverAutoRemove:: "^linux";
            DPkg::Post-Invoke { "rm -f /x"; };
            Gone::A "1"; Gone::A::B "2"; #clear Gone::A;
            Acquire::by-hash no;
            "#,
        );
        assert!(!conf.truth("Acquire::Check-Valid-Until", true));
        assert_eq!(conf.get("acquire::http::proxy"), Some("http://p;x/"));
        assert_eq!(conf.get("Acquire::By-Hash"), Some("no"));
        assert_eq!((conf.get("gone::a"), conf.get("gone::a::b")), (None, None));
        assert!(conf.truth("missing", true));
    }

    #[test]
    fn only_parts_that_apt_reads() {
        for (name, want) in
            [("70debconf", true), ("x.conf", true), ("x.bak", false), (".x", false), ("a b", false)]
        {
            assert_eq!(is_part(name.as_bytes()), want, "{name}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            AptConf::default().parse(&bytes);
        }

        #[test]
        fn near_configuration_never_panics(text in "([a-c:\";{}#/* \n]|#clear ){0,60}") {
            AptConf::default().parse(text.as_bytes());
        }
    }
}
