//! The policy file `imgfix.toml`: what a team has agreed on, so that no pipeline repeats it.
//!
//! In comes the text; out goes a [`Policy`] whose every value is checked, or one error that
//! names the file, the line and the remedy. Flags of the command line go before it. The JSON
//! Schema is `docs/imgfix.schema.json`.

mod file;

use std::path::{Path, PathBuf};
use std::time::Duration;

use time::Date;

use crate::findings::{IgnoreRule, Severity};
use crate::notify::Target;
use crate::scanner::ScannerCommand;

pub use file::parse;

/// The file's name.
pub const FILE_NAME: &str = "imgfix.toml";

/// Why a policy file cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    #[error(
        "{place}: {why}; 'imgfix config check' shows what is known, docs/policy.md explains it"
    )]
    Value { place: String, why: String },
}

/// What the file says. The default says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// The file it was read from.
    pub file: Option<PathBuf>,
    pub min_severity: Option<Severity>,
    pub fail_on: Option<Severity>,
    pub scripts: Option<Scripts>,
    pub tag_suffix: Option<String>,
    pub original: Option<OriginalPolicy>,
    pub scan_with: Option<ScannerCommand>,
    /// How long one run of a scanner may take.
    pub scan_timeout: Option<Duration>,
    pub ignore: Vec<IgnoreRule>,
    /// Patterns of package names.
    pub allow: Vec<String>,
    pub deny: Vec<String>,
    pub repositories: Repositories,
    pub notify: Vec<Target>,
}

/// How maintainer scripts are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scripts {
    Virtual,
    Never,
}

/// What becomes of the original image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginalPolicy {
    /// It stays under its tag.
    Keep,
    /// It is copied to its tag with this suffix before the repaired image is published.
    Backup { suffix: String },
    /// Its tag is deleted once the repaired image is published, read back and good enough.
    Delete,
}

/// Where packages come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Repositories {
    /// sources.list lines instead of the image's own.
    pub sources: Vec<String>,
    /// `FROM=TO`
    pub mirrors: Vec<String>,
    pub keyrings: Vec<PathBuf>,
    pub image_sources_only: bool,
    /// A repository that cannot be used is an error.
    pub strict_repositories: bool,
}

impl Policy {
    /// Ignore rules that hold no more on a day, for a person to clean up.
    pub fn expired(&self, today: Date) -> impl Iterator<Item = &IgnoreRule> {
        self.ignore.iter().filter(move |rule| rule.expires.is_some_and(|day| day <= today))
    }
}

/// The file that holds in a folder: there, or above it up to the root of the version control's
/// work tree (a folder with `.git`).
#[must_use]
pub fn find(folder: &Path) -> Option<PathBuf> {
    for folder in folder.ancestors() {
        let file = folder.join(FILE_NAME);
        if file.is_file() {
            return Some(file);
        }
        if folder.join(".git").exists() {
            return None;
        }
    }
    None
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
        assert_eq!(find(&deep), None);
        let file = root.path().join("repo").join(FILE_NAME);
        std::fs::write(&file, "").unwrap();
        assert_eq!(find(&deep), Some(file));
    }
}
