//! Secrets: what looks like one in text, and the text without it.
//!
//! In comes text of any kind: a file of an image, a variable, an entry of a history, a line for a
//! log. Out go [`Hit`]s, each with its rule and place, or the text with the values masked. What
//! is looked for is data (`rules/*.toml`): forms of tokens, and names that say that their value
//! is a secret. Text is looked through once for the rules' keywords; a pattern is tried only
//! around one of its own, and every pattern has a longest match. So time goes with the length,
//! and memory is bounded.
//!
//! - [`rule`][]: a rule and the form of its file
//! - [`names`][]: names of secrets, and values that are none
//! - [`find`][]: hits in a text
//! - [`value`][]: where the value of `NAME=value` ends
//! - [`scanner`][]: hits in a stream
//! - [`mask`][]: text without secrets; [`history`][] and [`json`][], the same of an image's config

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod find;
mod history;
mod json;
mod mask;
mod names;
mod rule;
mod scanner;
mod value;

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

pub use find::Hit;
pub use mask::MASKED;
pub use rule::{Rule, RuleError};
pub use scanner::Scanner;

use names::Names;

/// The rules that come with imgfix: file names and texts.
const SHIPPED: &[(&str, &str)] = &[
    ("cloud.toml", include_str!("rules/cloud.toml")),
    ("files.toml", include_str!("rules/files.toml")),
    ("hosting.toml", include_str!("rules/hosting.toml")),
    ("keys.toml", include_str!("rules/keys.toml")),
    ("services.toml", include_str!("rules/services.toml")),
];

/// The names that come with imgfix.
const NAMES: (&str, &str) = ("names.toml", include_str!("rules/names.toml"));

/// Rules, made ready.
#[derive(Debug)]
pub struct Secrets {
    rules: Vec<Rule>,
    names: Names,
    /// Finds the keywords of all rules.
    keywords: Option<AhoCorasick>,
    /// Of each keyword, the rules that have it.
    rules_of: Vec<Vec<usize>>,
    /// The most that a hit takes, with what its pattern looks at around it, in bytes.
    reach: usize,
}

impl Secrets {
    /// The rules that come with imgfix. They are made ready once.
    #[must_use]
    pub fn shipped() -> &'static Self {
        // A test sees to it that no rule is off the schema.
        static SHIPPED_RULES: LazyLock<Secrets> =
            LazyLock::new(|| Secrets::parse(SHIPPED, NAMES).unwrap_or_default());
        &SHIPPED_RULES
    }

    /// Reads rules and names; each text comes with its file's name for messages.
    ///
    /// # Errors
    /// A file is off the schema, two rules have one id, or there are too many keywords.
    pub fn parse(files: &[(&str, &str)], names: (&str, &str)) -> Result<Self, RuleError> {
        let names = Names::parse(names.0, names.1)?;
        let mut rules: Vec<Rule> = Vec::new();
        for (file, text) in files {
            for rule in rule::parse(file, text)? {
                if rules.iter().any(|other| other.id == rule.id) {
                    return Err(RuleError::rule(file, &rule.id, "another rule has this id"));
                }
                rules.push(rule);
            }
        }
        let mut words: Vec<String> = Vec::new();
        let mut rules_of: Vec<Vec<usize>> = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            for keyword in &rule.keywords {
                match words.iter().position(|word| word == keyword) {
                    Some(at) => rules_of.get_mut(at).into_iter().for_each(|list| list.push(index)),
                    None => {
                        words.push(keyword.clone());
                        rules_of.push(vec![index]);
                    }
                }
            }
        }
        let keywords = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(aho_corasick::AhoCorasickKind::DFA))
            .build(&words)
            .map_err(|error| RuleError::Keywords(error.to_string()))?;
        let reach = rules.iter().map(Rule::extent).max().unwrap_or_default();
        Ok(Self { rules, names, keywords: Some(keywords), rules_of, reach })
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether a variable, key or label of this name holds a secret.
    #[must_use]
    pub fn names_a_secret(&self, key: &str) -> bool {
        self.names.tells_of_a_secret(key)
    }
}

impl Default for Secrets {
    fn default() -> Self {
        let (rules, rules_of) = (Vec::new(), Vec::new());
        Self { rules, names: Names::default(), keywords: None, rules_of, reach: 0 }
    }
}
