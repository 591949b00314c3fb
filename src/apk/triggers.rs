//! [`Triggers`]: `lib/apk/db/triggers`, which packages' trigger scripts wait for which
//! directories.
//!
//! In comes the file's bytes; out come lines of a package's identity and patterns, which write
//! themselves as apk does. Source: apk-tools 2.14, `src/database.c` (`apk_db_triggers_read`,
//! `apk_db_triggers_write`).

use super::installed::InstalledDatabase;
use imgfix_model::identity::{Identity, IdentityError};

/// The most patterns of all packages together; images have some dozens. Each is held against
/// every directory of every package.
const MAX_PATTERNS: usize = 4096;

/// Why the file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TriggersError {
    /// Bytes that are not UTF-8.
    #[error("line {line}: it is not UTF-8 text")]
    Encoding {
        /// From 1.
        line: usize,
    },
    /// A line that does not begin with a package's identity.
    #[error("line {line}: {source}")]
    Identity {
        /// From 1.
        line: usize,
        /// What is wrong with the first word.
        source: IdentityError,
    },
    /// More patterns than are read.
    #[error("line {line}: more than {MAX_PATTERNS} patterns; no image that apk made has so many")]
    TooMany {
        /// The line with which they are too many, from 1.
        line: usize,
    },
}

/// What one package's trigger waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// Of the package whose trigger it is.
    pub package: Identity,
    /// Absolute paths of directories, with wildcards (fnmatch(3)).
    pub patterns: Vec<String>,
}

/// All triggers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Triggers {
    /// In apk's order: what was installed last is last.
    pub entries: Vec<Trigger>,
}

impl Triggers {
    /// Reads the file. Lines without patterns say nothing; several lines of a package are one.
    ///
    /// # Errors
    /// A line that does not begin with a package's identity.
    pub fn parse(bytes: &[u8]) -> Result<Self, TriggersError> {
        let mut triggers = Self::default();
        let mut count = 0;
        for (line, text) in (1..).zip(bytes.split(|&b| b == b'\n')) {
            if text.is_empty() {
                continue;
            }
            let text = std::str::from_utf8(text).map_err(|_| TriggersError::Encoding { line })?;
            let (package, patterns) = text.split_once(' ').unwrap_or((text, ""));
            let package =
                package.parse().map_err(|source| TriggersError::Identity { line, source })?;
            let patterns = patterns.split(' ').filter(|pattern| !pattern.is_empty());
            let patterns: Vec<String> =
                patterns.map(str::to_owned).take(MAX_PATTERNS + 1).collect();
            count += patterns.len();
            if count > MAX_PATTERNS {
                return Err(TriggersError::TooMany { line });
            }
            triggers.add(package, patterns);
        }
        Ok(triggers)
    }

    /// The file as apk writes it.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let line = |trigger: &Trigger| {
            let patterns: String = trigger.patterns.iter().flat_map(|one| [" ", one]).collect();
            format!("{}{patterns}\n", trigger.package)
        };
        self.entries.iter().map(line).collect::<String>().into_bytes()
    }

    /// What a package waits for.
    #[must_use]
    pub fn get(&self, package: &Identity) -> Option<&Trigger> {
        self.entries.iter().find(|trigger| trigger.package == *package)
    }

    /// Adds patterns to a package's, or the package at the end.
    pub fn add(&mut self, package: Identity, patterns: Vec<String>) {
        if patterns.is_empty() {
            return;
        }
        match self.entries.iter_mut().find(|trigger| trigger.package == package) {
            Some(trigger) => trigger.patterns.extend(patterns),
            None => self.entries.push(Trigger { package, patterns }),
        }
    }

    /// Takes a package's away.
    pub fn remove(&mut self, package: &Identity) {
        self.entries.retain(|trigger| trigger.package != *package);
    }

    /// Takes away those of packages that are not installed, as apk does when it reads.
    pub fn retain_installed(&mut self, database: &InstalledDatabase) {
        let is_installed = |wanted: &Identity| {
            database.packages.iter().any(|package| package.record.identity == Some(*wanted))
        };
        self.entries.retain(|trigger| is_installed(&trigger.package));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REAL: &[u8] =
        b"Q1yY8lhMF1VhgegJgkcXfqaNabDJw= /bin /usr/bin /sbin /usr/sbin /lib/modules/*\n";

    #[test]
    fn the_file_is_written_as_it_was_read() {
        let mut triggers = Triggers::parse(REAL).unwrap();
        assert_eq!(triggers.write(), REAL);
        assert_eq!(triggers.entries[0].patterns.len(), 5);
        let other = Identity::of(b"");
        triggers.add(other, vec!["/etc".to_owned()]);
        triggers.add(other, vec!["/var".to_owned()]);
        assert!(triggers.write().ends_with(b"= /etc /var\n"));
        triggers.remove(&other);
        assert_eq!(triggers.write(), REAL);
        triggers.retain_installed(&InstalledDatabase::default());
        assert_eq!(triggers.write(), b"");
    }

    #[test]
    fn lines_without_identity_are_told_and_those_without_patterns_dropped() {
        let error = Triggers::parse(b"\n/bin /sbin\n").unwrap_err().to_string();
        assert!(error.starts_with("line 2: \"/bin\" is not a checksum"), "{error}");
        assert_eq!(
            Triggers::parse(b"Q1yY8lhMF1VhgegJgkcXfqaNabDJw= \n").unwrap(),
            Triggers::default()
        );
    }

    #[test]
    fn more_patterns_than_an_image_has_are_refused() {
        let lines = |count: u32| -> Vec<u8> {
            let line = |at: u32| format!("{} /a /b\n", Identity::of(&at.to_le_bytes()));
            (0..count).flat_map(|at| line(at).into_bytes()).collect()
        };
        assert_eq!(Triggers::parse(&lines(2048)).unwrap().entries.len(), 2048);
        let error = Triggers::parse(&lines(2049)).unwrap_err();
        assert_eq!(error, TriggersError::TooMany { line: 2049 });
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_the_same(
            names in proptest::collection::vec(("[a-z]{0,3}", "[ -~]{0,12}"), 0..6),
        ) {
            let text: String = names
                .iter()
                .map(|(name, rest)| format!("{} {rest}\n", Identity::of(name.as_bytes())))
                .collect();
            let triggers = Triggers::parse(text.as_bytes()).unwrap();
            prop_assert_eq!(Triggers::parse(&triggers.write()).unwrap(), triggers);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = Triggers::parse(&bytes);
        }
    }
}
