//! What a package says of a dependency: `"lodash": "^4.17.0"`.
//!
//! In comes the text behind the name; out comes what it asks for, as npm's `npm-package-arg`
//! tells it: a range, another package by an alias, or what is not of the registry (a folder, git,
//! an address), which a version cannot be held against.

use crate::ranges::Range;

/// What a dependency may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spec {
    /// Any version, pre-releases too.
    Any,
    /// Versions of the package of that name.
    Range(Range),
    /// Another package under that name: `npm:NAME@RANGE`.
    Alias {
        /// The package's own name.
        name: String,
        /// What it may be.
        spec: Box<Spec>,
    },
    /// A tag (`latest`): whatever the registry called so then.
    Tag,
    /// A folder, a file, an address, git, another program's protocol.
    Elsewhere,
}

impl Spec {
    /// Reads the text behind a name.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        if text.is_empty() || text == "*" {
            return Self::Any;
        }
        if let Some(alias) = prefixed(text, "npm:") {
            // npm makes no alias of an alias
            return match alias_parts(alias) {
                ("", _) => Self::Elsewhere,
                (_, spec) if prefixed(spec, "npm:").is_some() => Self::Elsewhere,
                (name, spec) => {
                    Self::Alias { name: name.to_owned(), spec: Box::new(Self::parse(spec)) }
                }
            };
        }
        if is_path(text) || has_protocol(text) {
            return Self::Elsewhere;
        }
        match Range::parse(text) {
            Some(range) => Self::Range(range),
            None if text.contains('/') || is_archive(text) => Self::Elsewhere,
            None => Self::Tag,
        }
    }

    /// Whether the package `name` of this version is what is asked for under `wanted`.
    #[must_use]
    pub fn allows(&self, wanted: &str, name: &str, version: &str) -> bool {
        match self {
            Self::Any | Self::Tag => name == wanted,
            Self::Range(range) => name == wanted && range.allows(version),
            Self::Alias { name: own, spec } => spec.allows(own, name, version),
            Self::Elsewhere => false,
        }
    }

    /// Whether packages that are asked for so come from a registry.
    #[must_use]
    pub fn is_of_registry(&self) -> bool {
        match self {
            Self::Alias { spec, .. } => spec.is_of_registry(),
            Self::Elsewhere => false,
            Self::Any | Self::Range(_) | Self::Tag => true,
        }
    }
}

/// `NAME@SPEC` or `NAME`, the name with its scope.
fn alias_parts(text: &str) -> (&str, &str) {
    let from = usize::from(text.starts_with('@'));
    match text.get(from..).and_then(|rest| rest.find('@')) {
        Some(at) => (&text[..from + at], &text[from + at + 1..]),
        None => (text, ""),
    }
}

fn prefixed<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let start = text.get(..prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

fn is_path(text: &str) -> bool {
    // `.5` is no range, and neither is `./x`
    text.starts_with(['.', '/']) || text.starts_with("~/")
}

/// `LETTERS:`, with a `git+` before it or not; and `user@host.name:path` of git.
fn has_protocol(text: &str) -> bool {
    let Some((before, _)) = text.split_once(':') else { return false };
    let letters = prefixed(before, "git+").unwrap_or(before);
    (!letters.is_empty() && letters.bytes().all(|byte| byte.is_ascii_alphabetic()))
        || before.contains('@')
}

fn is_archive(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    [".tgz", ".tar.gz", ".tar"].iter().any(|end| text.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_are_told_apart_as_npm_does() {
        for (text, want) in [
            ("", "any"),
            ("*", "any"),
            (" * ", "any"),
            ("^1.2.0", "range"),
            ("1.x || 2", "range"),
            (">= 1.0.0 < 3", "range"),
            ("~1", "range"),
            ("latest", "tag"),
            ("next-11", "tag"),
            ("npm:lodash@^4", "alias"),
            ("npm:@scope/a@1", "alias"),
            ("NPM:lodash", "alias"),
            ("npm:", "elsewhere"),
            ("npm:a@npm:b@1", "elsewhere"),
            ("git+https://github.com/a/b.git#v1", "elsewhere"),
            ("git@github.com:a/b.git", "elsewhere"),
            ("github:a/b", "elsewhere"),
            ("a/b", "elsewhere"),
            ("a/b#semver:^1", "elsewhere"),
            ("https://x.example/a.tgz", "elsewhere"),
            ("file:../a", "elsewhere"),
            ("../a", "elsewhere"),
            ("~/a", "elsewhere"),
            ("/srv/a", "elsewhere"),
            ("a-1.0.0.tgz", "elsewhere"),
            ("link:../a", "elsewhere"),
            ("workspace:^", "elsewhere"),
            ("catalog:", "elsewhere"),
            ("portal:../a", "elsewhere"),
        ] {
            let found = match Spec::parse(text) {
                Spec::Any => "any",
                Spec::Range(_) => "range",
                Spec::Alias { .. } => "alias",
                Spec::Tag => "tag",
                Spec::Elsewhere => "elsewhere",
            };
            assert_eq!(found, want, "{text}");
        }
    }

    #[test]
    fn an_alias_is_about_the_other_package() {
        for (text, name, version, want) in [
            ("^4.17.0", "lodash", "4.17.21", true),
            ("^4.17.0", "lodash", "5.0.0", false),
            ("^4.17.0", "underscore", "4.17.21", false),
            ("npm:underscore@^1", "underscore", "1.2.0", true),
            ("npm:underscore@^1", "lodash", "1.2.0", false),
            ("npm:@a/b@^1", "@a/b", "1.2.0", true),
            ("npm:@a/b", "@a/b", "1.2.0-rc.1", true),
            ("*", "lodash", "1.2.0-rc.1", true),
            ("x", "lodash", "1.2.0-rc.1", false),
            ("latest", "lodash", "9.0.0", true),
            ("git+https://x.example/a.git", "lodash", "9.0.0", false),
        ] {
            assert_eq!(Spec::parse(text).allows("lodash", name, version), want, "{text} {version}");
        }
    }
}
