//! [`Recipe`]: the form of `repair-recipes/*.toml`, checked when it is read.
//!
//! ```toml
//! schema = 1
//! name = "python-bytecode"          # the file's name
//! title = "stale compiled Python module"
//!
//! [[stale]]                         # files that are stale when another changes
//! file = "{**folder}/{module}.pyc"
//! source = ["{**folder}/{module}.py"]
//! reason = "compiled from {source}, which the upgrade changed"
//! empty-folder = "remove"           # or "keep", the default
//! ```
//!
//! Beside such tables, or instead of them, there may be one `[library]` ([`super::library`]).
//! Risks of configuration have a schema of their own, `2` ([`super::baseline`]).

use serde::Deserialize;

use super::baseline::{self, BaselineRule};
use super::library::{LibraryRule, LibraryTable};
use super::pattern::{Pattern, PatternError};

/// Why a recipe cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    #[error("recipe {file}: {source}")]

    /// It is not TOML, or has other keys or values than a recipe.
    Syntax {
        /// The recipe's file, as [`Recipe::parse`] was told.
        file: String,
        /// What the reader says, with line and column.
        source: Box<toml::de::Error>,
    },
    #[error("recipe {file}: schema {schema} is not known (1 and 2 are)")]

    /// The recipe is of another schema.
    Schema {
        /// The recipe's file, as [`Recipe::parse`] was told.
        file: String,
        /// The schema that it names.
        schema: u32,
    },
    #[error("recipe {file}: {source}")]

    /// A path in it is no pattern.
    Pattern {
        /// The recipe's file, as [`Recipe::parse`] was told.
        file: String,
        /// Which pattern, and why.
        source: PatternError,
    },
    #[error("recipe {file}: [library]: {why}")]

    /// What is said of a library cannot be done.
    Library {
        /// The recipe's file, as [`Recipe::parse`] was told.
        file: String,
        /// Half a sentence.
        why: &'static str,
    },
    #[error("recipe {file}: {place}: {why}")]

    /// What is said of a risk of configuration cannot be followed.
    Baseline {
        /// The recipe's file, as [`Recipe::parse`] was told.
        file: String,
        /// Which table, from 1.
        place: String,
        /// As a main clause.
        why: String,
    },
    #[error("recipe {file}: rule {rule} has no source")]

    /// A rule's files depend on nothing.
    NoSource {
        /// The recipe's file, as [`Recipe::parse`] was told.
        file: String,
        /// Which `[[stale]]` table, from 1.
        rule: usize,
    },
    #[error("recipe {file}: the folder of {pattern:?} has parts that the source {lacking:?} lacks")]

    /// A changed source would not say in which folder the stale files are.
    Undetermined {
        /// The recipe's file, as [`Recipe::parse`] was told.
        file: String,
        /// The pattern of the stale files.
        pattern: String,
        /// The pattern of the source.
        lacking: String,
    },
}

/// A recipe.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The name of its file, without `.toml`.
    pub name: String,
    /// What its findings are called in reports.
    pub title: String,
    /// Its rules, in the order of the file.
    pub stale: Vec<StaleRule>,
    /// What puts problems of a library out of use.
    pub library: Option<LibraryRule>,
    /// A risk of configuration.
    pub baseline: Option<BaselineRule>,
}

/// Files that are stale when another changes.
#[derive(Debug, Clone)]
pub struct StaleRule {
    /// The files that become stale.
    pub file: Pattern,
    /// The files that they are made from: a change of any of these makes them stale. Never empty.
    pub sources: Vec<Pattern>,
    /// For people; `{source}` is the path that changed.
    pub reason: String,
    /// What becomes of the folder of the stale files when nothing else is in it.
    pub empty_folder: EmptyFolder,
}

/// What happens to a folder that has lost its last file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EmptyFolder {
    /// It stays, empty.
    #[default]
    Keep,
    /// It goes with its last file.
    Remove,
}

/// The part by which schemas are told apart.
#[derive(Deserialize)]
struct Schema {
    schema: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "schema")]
    _schema: u32,
    name: String,
    title: String,
    #[serde(default)]
    stale: Vec<StaleTable>,
    library: Option<LibraryTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct StaleTable {
    file: String,
    source: Vec<String>,
    reason: String,
    #[serde(default)]
    empty_folder: EmptyFolder,
}

impl Recipe {
    /// Reads a recipe; `file` is its name for messages.
    ///
    /// # Errors
    /// It is off the schema.
    pub fn parse(file: &str, text: &str) -> Result<Self, RecipeError> {
        let syntax = |source| RecipeError::Syntax { file: file.into(), source: Box::new(source) };
        match toml::from_str(text).map_err(syntax)? {
            Schema { schema: 1 } => {}
            Schema { schema: 2 } => {
                let document: baseline::Document = toml::from_str(text).map_err(syntax)?;
                let (name, title) = (document.name.clone(), document.title.clone());
                let baseline = Some(document.rule(file)?);
                return Ok(Self { name, title, stale: Vec::new(), library: None, baseline });
            }
            Schema { schema } => return Err(RecipeError::Schema { file: file.into(), schema }),
        }
        let document: Document = toml::from_str(text).map_err(syntax)?;
        let rules = document.stale.into_iter().enumerate();
        let stale = rules.map(|(at, table)| table.check(file, at + 1)).collect::<Result<_, _>>()?;
        let library = document.library.map(|table| table.check(&document.name)).transpose();
        let library = library.map_err(|why| RecipeError::Library { file: file.to_owned(), why })?;
        Ok(Self { name: document.name, title: document.title, stale, library, baseline: None })
    }
}

impl StaleTable {
    fn check(self, file: &str, rule: usize) -> Result<StaleRule, RecipeError> {
        if self.source.is_empty() {
            return Err(RecipeError::NoSource { file: file.into(), rule });
        }
        let parse = |text: &String| {
            Pattern::parse(text)
                .map_err(|source| RecipeError::Pattern { file: file.into(), source })
        };
        let pattern = parse(&self.file)?;
        let sources: Vec<Pattern> = self.source.iter().map(parse).collect::<Result<_, _>>()?;
        for (source, text) in sources.iter().zip(&self.source) {
            let parts = source.names().map(|name| (name.to_owned(), Vec::new())).collect();
            if pattern.within(&parts).is_none() {
                let (pattern, lacking) = (self.file.clone(), text.clone());
                return Err(RecipeError::Undetermined { file: file.into(), pattern, lacking });
            }
        }
        let Self { reason, empty_folder, .. } = self;
        Ok(StaleRule { file: pattern, sources, reason, empty_folder })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_off_the_schema_is_refused_with_its_place() {
        let rule = "schema = 1\nname = 'n'\ntitle = 't'\n[[stale]]\nreason = 'r'\n";
        let library = "schema = 1\nname = 'n'\ntitle = 't'\n[library]\nkind = 'java'\n\
                       library = 'a:b'\nhow = 'h'\n";
        for (text, why) in [
            ("schema = 3\nname = 'n'\ntitle = 't'".to_owned(), "schema 3"),
            ("name = 'n'\ntitle = 't'".to_owned(), "schema"),
            ("schema = 1\nname = 'n'".to_owned(), "title"),
            (format!("{rule}file = '/a'\nsource = ['/b']\nwhat = 1"), "unknown field"),
            (format!("{rule}file = '/a'\nsource = []"), "rule 1 has no source"),
            (format!("{rule}file = '/{{a}}/b'\nsource = ['/{{c}}']"), "lacks"),
            (format!("{rule}file = 'a'\nsource = ['/b']"), "begin with a slash"),
            (format!("{library}ids = []\nremove = 'x'"), "no problem"),
            (format!("{library}ids = ['a']"), "either"),
            (format!("{library}ids = ['a']\nremove = 'x'\nline = 'a=b'"), "either"),
            (format!("{library}ids = ['a']\nfile = 'x'\nline = 'a'"), "KEY=VALUE"),
        ] {
            let error = Recipe::parse("x.toml", &text).unwrap_err().to_string();
            assert!(error.starts_with("recipe x.toml: ") && error.contains(why), "{error}");
        }
    }
}
