//! [`Names`]: which names say that their value is a secret, and which values are none
//! (`rules/names.toml`).

use serde::Deserialize;

use super::rule::{Pattern, RuleError};

/// The longest name that is looked at, in bytes.
const MAX_NAME: usize = 256;

/// The longest value that can be no value, in bytes.
const MAX_NO_VALUE: usize = 512;

/// Words of names, and forms of values.
#[derive(Debug, Default)]
pub(crate) struct Names {
    table: Table,
    not_values: Vec<Pattern>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Table {
    schema: u32,
    anywhere: Vec<String>,
    words: Vec<String>,
    not_words: Vec<String>,
    not_names: Vec<String>,
    not_last: Vec<String>,
    not_values: Vec<String>,
}

impl Names {
    /// Reads the file; `file` is its name for messages.
    ///
    /// # Errors
    /// It is off the schema.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self, RuleError> {
        let table: Table = toml::from_str(text)
            .map_err(|source| RuleError::Syntax { file: file.into(), source: source.into() })?;
        if table.schema != 1 {
            return Err(RuleError::Schema { file: file.into(), schema: table.schema });
        }
        let compile = |text: &String| {
            Pattern::parse(text).map_err(|why| RuleError::rule(file, "not-values", why))
        };
        let not_values = table.not_values.iter().map(compile).collect::<Result<_, _>>()?;
        Ok(Self { table, not_values })
    }

    /// Whether a variable, key or label of this name holds a secret.
    pub(crate) fn tells_of_a_secret(&self, name: &str) -> bool {
        if name.len() > MAX_NAME {
            return false;
        }
        let words = words(name);
        let has = |list: &[String], word: &str| list.iter().any(|entry| entry == word);
        let Some(last) = words.last() else { return false };
        if has(&self.table.not_last, last) || has(&self.table.not_names, name) {
            return false;
        }
        let joined = words.concat();
        self.table.anywhere.iter().any(|word| joined.contains(word.as_str()))
            || words.iter().any(|word| has(&self.table.words, word))
            || (self.table.words.iter().any(|word| last.ends_with(word.as_str()))
                && !has(&self.table.not_words, last))
    }

    /// Whether a value is none: nothing, a reference, a switch, or masked already.
    pub(crate) fn is_no_value(&self, value: &[u8]) -> bool {
        value.len() <= MAX_NO_VALUE && self.not_values.iter().any(|form| form.is_match(value))
    }
}

/// The words of a name, in small letters.
fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut after_small = false;
    for c in name.chars() {
        let separates = matches!(c, '_' | '-' | '.' | ':' | '/' | ' ');
        if (separates || (after_small && c.is_ascii_uppercase())) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if !separates {
            word.push(c.to_ascii_lowercase());
        }
        after_small = c.is_ascii_lowercase();
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}
