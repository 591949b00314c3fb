//! [`Rule`]: the form of `rules/*.toml`, checked when it is read.
//!
//! ```toml
//! schema = 1
//!
//! [[rule]]
//! id = "aws-access-key-id"
//! title = "AWS access key ID"
//! severity = "high"
//! source = "https://docs.aws.amazon.com/..."   # where the form is described
//! keywords = ["AKIA"]           # one of them is in every match, in any case
//! pattern = '\b(?P<secret>AKIA[A-Z2-7]{16})\b'  # of bytes; every repetition has an end
//! entropy = 2.5                 # the least, in bits a character
//! allow = ['EXAMPLE$']          # values that are none
//! show = 4                      # how many first characters a mask leaves
//! ```
//!
//! The value is the group `secret`, else the whole match. With a group `name`, that has to be
//! the name of a secret. `values = true` leaves out what is no value ([`super::names`]);
//! `assigned = true` reads the value behind the match ([`super::value`]); `end` makes the match
//! the beginning of a block that goes on to there. A `generic` rule gives way to others.

use std::sync::OnceLock;

use imgfix_model::finding::Severity;
use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;

use super::value;

/// The most that a block takes, in bytes: an RSA key of 16384 bits has 13 KiB.
pub(crate) const MAX_BLOCK: usize = 32 << 10;

/// The longest match that a pattern may have, in bytes.
const MAX_MATCH: usize = 8 << 10;

/// Why rules cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// It is not TOML, or has other keys or values than rules.
    #[error("rules {file}: {source}")]
    Syntax {
        /// The file, as the caller named it.
        file: String,
        /// What the reader says, with line and column.
        source: Box<toml::de::Error>,
    },
    /// The file is of another schema than 1.
    #[error("rules {file}: schema {schema} is not known (1 is)")]
    Schema {
        /// The file, as the caller named it.
        file: String,
        /// The schema that it names.
        schema: u32,
    },
    /// A rule cannot be.
    #[error("rules {file}: {rule}: {why}")]
    Rule {
        /// The file, as the caller named it.
        file: String,
        /// The rule's id, or the list of names.
        rule: String,
        /// What is wrong.
        why: String,
    },
    /// The keywords of all rules together are too many.
    #[error("keywords of rules: {0}")]
    Keywords(String),
}

impl RuleError {
    pub(crate) fn rule(file: &str, rule: &str, why: impl Into<String>) -> Self {
        Self::Rule { file: file.to_owned(), rule: rule.to_owned(), why: why.into() }
    }
}

/// What one kind of secret looks like.
#[derive(Debug, Clone)]
pub struct Rule {
    /// A word that is stable.
    pub id: String,
    /// What it is, for people.
    pub title: String,
    /// How bad it is to find one.
    pub severity: Severity,
    /// Where its form is described.
    pub source: String,
    /// Whether only its surroundings say that it is a secret, not its own form.
    pub generic: bool,
    /// One of them is in every match, in any case. Small letters.
    pub(crate) keywords: Vec<String>,
    pub(crate) pattern: Pattern,
    pub(crate) entropy: Option<f64>,
    pub(crate) allow: Vec<Pattern>,
    /// Whether what is no value is left out.
    pub(crate) values: bool,
    /// How many first characters a mask leaves.
    pub(crate) show: usize,
    pub(crate) kind: Kind,
    /// The most that a match of the pattern takes, in bytes.
    pub(crate) longest: usize,
}

/// A pattern of bytes. It is checked when it is read and made ready when it is first tried: most
/// runs meet few keywords.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    text: String,
    ready: OnceLock<Option<Ready>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Ready {
    pub(crate) regex: Regex,
    /// The number of the group `secret`.
    pub(crate) secret: Option<usize>,
    /// The number of the group `name`.
    pub(crate) name: Option<usize>,
}

impl Pattern {
    /// # Errors
    /// It is no pattern.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        syntax_tree(text)?;
        Ok(Self { text: text.to_owned(), ready: OnceLock::new() })
    }

    /// The pattern, ready; `None` when it is too large to be made, which a test sees to.
    pub(crate) fn ready(&self) -> Option<&Ready> {
        let make = || {
            let regex = RegexBuilder::new(&self.text).unicode(false).build().ok()?;
            let group = |name: &str| regex.capture_names().position(|group| group == Some(name));
            let (secret, name) = (group("secret"), group("name"));
            Some(Ready { regex, secret, name })
        };
        self.ready.get_or_init(make).as_ref()
    }

    pub(crate) fn is_match(&self, text: &[u8]) -> bool {
        self.ready().is_some_and(|ready| ready.regex.is_match(text))
    }
}

/// Where the value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// In the match.
    Within,
    /// Behind it.
    Assigned,
    /// From it to this text.
    Block(String),
}

impl Rule {
    /// The most bytes that decide about a hit, on either side of where it begins.
    pub(crate) fn extent(&self) -> usize {
        let behind = match &self.kind {
            Kind::Within => 0,
            Kind::Assigned => value::MAX_VALUE,
            Kind::Block(_) => MAX_BLOCK,
        };
        2 * self.longest + behind + 2
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    schema: u32,
    rule: Vec<Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    id: String,
    title: String,
    severity: Severity,
    source: String,
    keywords: Vec<String>,
    pattern: String,
    entropy: Option<f64>,
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default)]
    show: usize,
    #[serde(default)]
    generic: bool,
    #[serde(default)]
    values: bool,
    #[serde(default)]
    assigned: bool,
    end: Option<String>,
}

/// Reads a file of rules; `file` is its name for messages.
///
/// # Errors
/// It is off the schema.
pub(crate) fn parse(file: &str, text: &str) -> Result<Vec<Rule>, RuleError> {
    let document: Document = toml::from_str(text)
        .map_err(|source| RuleError::Syntax { file: file.into(), source: source.into() })?;
    if document.schema != 1 {
        return Err(RuleError::Schema { file: file.into(), schema: document.schema });
    }
    document.rule.into_iter().map(|table| table.check(file)).collect()
}

impl Table {
    fn check(self, file: &str) -> Result<Rule, RuleError> {
        let wrong = |why: String| RuleError::rule(file, &self.id, why);
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.id.is_empty() || !self.id.chars().all(word) {
            return Err(wrong("an id has small letters, digits and hyphens".to_owned()));
        }
        if !self.source.starts_with("https://") {
            return Err(wrong("its source is no https address".to_owned()));
        }
        if self.keywords.is_empty() || self.keywords.iter().any(|word| word.len() < 3) {
            return Err(wrong("it needs keywords of three characters at least".to_owned()));
        }
        let longest = longest_match(&self.pattern).map_err(&wrong)?;
        let regex = Pattern::parse(&self.pattern).map_err(&wrong)?;
        let kind = match (&self.end, self.assigned) {
            (Some(_), true) => return Err(wrong("it has an end and is assigned".to_owned())),
            (Some(end), false) => Kind::Block(end.clone()),
            (None, true) => Kind::Assigned,
            (None, false) => Kind::Within,
        };
        if kind == Kind::Assigned && !self.pattern.contains("(?P<name>") {
            return Err(wrong("it is assigned and has no group name".to_owned()));
        }
        let allow = self.allow.iter().map(|text| Pattern::parse(text)).collect::<Result<_, _>>();
        let allow = allow.map_err(wrong)?;
        let keywords = self.keywords.iter().map(|word| word.to_ascii_lowercase()).collect();
        Ok(Rule {
            id: self.id,
            title: self.title,
            severity: self.severity,
            source: self.source,
            generic: self.generic,
            keywords,
            pattern: regex,
            entropy: self.entropy,
            allow,
            values: self.values || kind == Kind::Assigned,
            show: self.show,
            kind,
            longest,
        })
    }
}

fn syntax_tree(text: &str) -> Result<regex_syntax::hir::Hir, String> {
    let mut parser = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build();
    parser.parse(text).map_err(|error| error.to_string())
}

/// The most bytes that a match of a pattern takes.
fn longest_match(text: &str) -> Result<usize, String> {
    match syntax_tree(text)?.properties().maximum_len() {
        Some(longest) if longest <= MAX_MATCH => Ok(longest),
        Some(longest) => Err(format!("a match may have {longest} bytes ({MAX_MATCH} at most)")),
        None => Err("a repetition in its pattern has no end".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_off_the_schema_is_refused_with_its_place() {
        let rule = "schema = 1\n[[rule]]\nid = 'a-b'\ntitle = 't'\nseverity = 'high'\n\
                    source = 'https://x.example/'\nkeywords = ['abc']\n";
        for (text, why) in [
            ("schema = 2\nrule = []".to_owned(), "schema 2"),
            (rule.to_owned(), "missing field `pattern`"),
            (format!("{rule}pattern = 'abc'\nwhat = 1"), "unknown field"),
            (format!("{rule}pattern = 'abc+'"), "a-b: a repetition in its pattern has no end"),
            (format!("{rule}pattern = 'abc{{1,9000}}'"), "9002 bytes"),
            (format!("{rule}pattern = '(abc'"), "unclosed group"),
            (format!("{rule}pattern = 'abc'\nallow = ['(']"), "unclosed group"),
            (format!("{rule}pattern = 'abc'\nassigned = true"), "no group name"),
            (format!("{rule}pattern = 'abc'\nassigned = true\nend = 'x'"), "an end"),
            (format!("{}pattern = 'abc'", rule.replace("'abc'", "'ab'")), "three characters"),
            (format!("{}pattern = 'abc'", rule.replace("a-b", "A")), "small letters"),
            (format!("{}pattern = 'abc'", rule.replace("https", "http")), "no https address"),
            (format!("{}pattern = 'abc'", rule.replace("high", "bad")), "bad"),
        ] {
            let error = parse("x.toml", &text).unwrap_err().to_string();
            assert!(error.starts_with("rules x.toml: ") && error.contains(why), "{error}");
        }
    }
}
