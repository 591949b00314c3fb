//! What of a package is unpacked: dpkg's `--path-exclude` and `--path-include`.
//!
//! In come the patterns in the order of the configuration and a path of a package; out comes
//! whether dpkg leaves it out. Patterns are shell patterns as `fnmatch(3)` without flags has
//! them: `*` and `?` match slashes and leading dots too. Rules: `dpkg(1)` and dpkg's
//! `src/main/filters.c`.

use imgfix_shell::fnmatch::matches;

/// Whether matching paths are left out or brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// `path-exclude`.
    Exclude,
    /// `path-include`.
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

    /// Whether there is no filter, so that everything is unpacked.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(rules: &[(Rule, &str)]) -> PathFilter {
        let mut filter = PathFilter::default();
        for (rule, pattern) in rules {
            filter.push(*rule, *pattern);
        }
        filter
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
}
