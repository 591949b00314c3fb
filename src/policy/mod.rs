//! The policy file `imgfix.toml`: what a team has agreed on, so that no pipeline repeats it.
//!
//! In comes the text; out goes a [`Policy`] whose every value is checked, or one error that
//! names the file, the line and the remedy. Flags of the command line go before it. The JSON
//! Schema is `docs/imgfix.schema.json`.
//!
//! A file that the user names or that stands in a place of the user or of root is trusted. One
//! that is merely found in the working directory or above it may have come with a pull request:
//! it can narrow what is done, and has no power to run, write, send or redirect ([`Standing`]).

mod file;

use std::path::{Path, PathBuf};
use std::time::Duration;

use time::Date;

use crate::notify::Target;
use crate::scanner::ScannerCommand;
use imgfix_findings::IgnoreRule;
use imgfix_model::finding::Severity;

pub use file::parse;

/// The file's name.
pub const FILE_NAME: &str = "imgfix.toml";

/// How far a file is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The user named it, or it stands where only the user or root writes.
    Trusted,
    /// It was found in the working directory or above: keys that run programs, write, delete,
    /// send, or say whom to trust are not followed.
    Found,
}

/// Why a policy file cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It is not TOML, has an unknown key, or a value that cannot be followed.
    #[error(
        "{place}: {why}; 'imgfix config check' shows what is known, docs/policy.md explains it"
    )]
    Value {
        /// File, line and column: `imgfix.toml:3:1`.
        place: String,
        /// What is wrong there, as a main clause.
        why: String,
    },
}

/// What the file says. The default says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// The files it was read from, the one that goes before the others last.
    pub files: Vec<PathBuf>,
    /// Keys that are not followed because of the file's [`Standing`].
    pub refused: Vec<&'static str>,
    /// Findings below it are ignored.
    pub min_severity: Option<Severity>,
    /// What remains at or above it makes the run end with exit code 3.
    pub fail_on: Option<Severity>,
    /// How maintainer scripts are run.
    pub scripts: Option<Scripts>,
    /// What the tag of the repaired image adds, `_fix` unless it is said.
    pub tag_suffix: Option<String>,
    /// What becomes of the original's tag.
    pub original: Option<OriginalPolicy>,
    /// The scanner that runs before and after the repair.
    pub scan_with: Option<ScannerCommand>,
    /// How long one run of a scanner may take.
    pub scan_timeout: Option<Duration>,
    /// What the cache of downloads may have, in bytes.
    pub cache_max_size: Option<u64>,
    /// Findings that are left, each with a reason and perhaps a last day.
    pub ignore: Vec<IgnoreRule>,
    /// Patterns of package names, in which `*` is any text; when there are any, only these packages
    /// are changed.
    pub allow: Vec<String>,
    /// Patterns of package names; these go before `allow`.
    pub deny: Vec<String>,
    /// Where packages come from.
    pub repositories: Repositories,
    /// Whom to tell of a repair.
    pub notify: Vec<Target>,
}

/// How maintainer scripts are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scripts {
    /// Evaluated in the virtual shell; what cannot be keeps its package at its version.
    Virtual,
    /// Not at all: packages that have scripts to run are left alone.
    Never,
}

/// What becomes of the original image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginalPolicy {
    /// It stays under its tag.
    Keep,
    /// It is copied to its tag with this suffix before the repaired image is published.
    Backup {
        /// What the copy's tag adds.
        suffix: String,
    },
    /// Its tag is deleted once the repaired image is published, read back and good enough.
    Delete,
}

/// Where packages come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Repositories {
    /// Lines as in `sources.list` (apk: URLs) instead of the image's own.
    pub sources: Vec<String>,
    /// `FROM=TO`: URLs that begin with FROM are fetched from TO.
    pub mirrors: Vec<String>,
    /// Files with keys instead of the image's own; relative paths count from the policy's folder.
    pub keyrings: Vec<PathBuf>,
    /// The distribution's security archive is not added to the image's sources.
    pub image_sources_only: bool,
    /// A repository that cannot be used is an error.
    pub strict_repositories: bool,
}

impl Policy {
    /// This policy over a more general one: single values of this one go first, lists of both
    /// count. Only what may be changed (`packages.allow`) is never widened by it.
    #[must_use]
    pub fn over(self, base: Policy) -> Policy {
        let both = |base: Vec<String>, own: Vec<String>| [base, own].concat();
        let first = |own: Vec<String>, base: Vec<String>| if own.is_empty() { base } else { own };
        let (own, general) = (self.repositories, base.repositories);
        Policy {
            files: [base.files, self.files].concat(),
            refused: [base.refused, self.refused].concat(),
            min_severity: self.min_severity.or(base.min_severity),
            fail_on: self.fail_on.or(base.fail_on),
            scripts: self.scripts.or(base.scripts),
            tag_suffix: self.tag_suffix.or(base.tag_suffix),
            original: self.original.or(base.original),
            scan_with: self.scan_with.or(base.scan_with),
            scan_timeout: self.scan_timeout.or(base.scan_timeout),
            cache_max_size: self.cache_max_size.or(base.cache_max_size),
            ignore: [base.ignore, self.ignore].concat(),
            allow: first(base.allow, self.allow),
            deny: both(base.deny, self.deny),
            repositories: Repositories {
                sources: first(own.sources, general.sources),
                // The first that fits counts.
                mirrors: both(own.mirrors, general.mirrors),
                keyrings: if own.keyrings.is_empty() { general.keyrings } else { own.keyrings },
                image_sources_only: own.image_sources_only || general.image_sources_only,
                strict_repositories: own.strict_repositories || general.strict_repositories,
            },
            notify: [base.notify, self.notify].concat(),
        }
    }

    /// Ignore rules that hold no more on a day, for a person to clean up.
    pub fn expired(&self, today: Date) -> impl Iterator<Item = &IgnoreRule> {
        self.ignore.iter().filter(move |rule| rule.expires.is_some_and(|day| day <= today))
    }
}

/// Where a file may be that holds in a folder, the nearest first: there, or above it up to the
/// root of the version control's work tree (a folder with `.git`).
#[must_use]
pub fn found(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in folder.ancestors() {
        let file = folder.join(FILE_NAME);
        if file.is_file() {
            files.push(file);
        }
        if folder.join(".git").exists() {
            break;
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_found_upward_but_not_beyond_the_work_tree() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("repo/a/b");
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::create_dir(root.path().join("repo/.git")).unwrap();
        std::fs::write(root.path().join(FILE_NAME), "").unwrap();
        assert!(found(&deep).is_empty());
        let files = [deep.join(FILE_NAME), root.path().join("repo").join(FILE_NAME)];
        for file in &files {
            std::fs::write(file, "").unwrap();
        }
        assert_eq!(found(&deep), files);
    }

    #[test]
    fn the_nearer_policy_goes_first_and_widens_nothing() {
        let read = |text: &str| parse("x", text, Path::new("/p"), Standing::Trusted).unwrap();
        let base = read(
            "min-severity = 'high'\ntag-suffix = '_a'\n[packages]\nallow = ['libc6']\n\
             deny = ['a']\n[repositories]\nsources = ['one']\nmirrors = ['http://a=http://b']",
        );
        let near = read(
            "min-severity = 'low'\n[packages]\nallow = ['*']\ndeny = ['b']\n[repositories]\n\
             mirrors = ['http://a=http://c']",
        );
        let policy = near.clone().over(base);
        assert_eq!(policy.min_severity, Some(Severity::Low));
        assert_eq!(policy.tag_suffix.as_deref(), Some("_a"));
        assert_eq!(
            (policy.allow, policy.deny),
            (vec!["libc6".into()], vec!["a".into(), "b".into()])
        );
        assert_eq!(policy.repositories.sources, ["one"]);
        assert_eq!(policy.repositories.mirrors, ["http://a=http://c", "http://a=http://b"]);
        assert_eq!(near.clone().over(Policy::default()), near);
    }
}
