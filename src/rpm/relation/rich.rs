//! Rich dependencies: `(a >= 1 if (b or c) else d)`.
//!
//! In comes the text that stands where a relation has its name; out goes a tree of relations.
//! Nesting and numbers of terms are bounded. What rpm does not read is refused: operators that do
//! not go together, words that are missing. Source: `rpmrichParse` of rpm `lib/rpmds.cc`,
//! rpm-dependencies(7), <https://rpm-software-management.github.io/rpm/manual/boolean_dependencies.html>.

use std::fmt;

use super::{Flags, MAX_NAME, Relation};

/// The deepest nesting of parentheses; distributions have three.
const MAX_DEPTH: usize = 32;
/// The most relations of one rich dependency; distributions have a few dozens.
const MAX_TERMS: usize = 1000;

/// Why text is not a rich dependency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rich dependency: {why}, at byte {at}")]
pub struct RichError {
    /// Where, in bytes from the start.
    pub at: usize,
    /// What is wrong.
    pub why: &'static str,
}

/// A rich dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rich {
    /// A plain relation.
    Plain(Relation),
    /// All of them.
    And(Vec<Rich>),
    /// One of them.
    Or(Vec<Rich>),
    /// All of them, by one package.
    With(Vec<Rich>),
    /// The first by a package that has not the second.
    Without(Box<[Rich; 2]>),
    /// `then`, where `condition` is; otherwise `otherwise`, where there is one.
    If(Box<Conditional>),
    /// `then`, where `condition` is not; otherwise `otherwise`, where there is one.
    Unless(Box<Conditional>),
}

/// What an `if` or an `unless` is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conditional {
    /// What is asked for.
    pub then: Rich,
    /// When.
    pub condition: Rich,
    /// And when not.
    pub otherwise: Option<Rich>,
}

impl Rich {
    /// Reads a rich dependency, its outer parentheses included.
    ///
    /// # Errors
    /// Not one, or a too large one; with the place.
    pub fn parse(text: &str) -> Result<Self, RichError> {
        if text.len() > MAX_NAME {
            return Err(RichError { at: 0, why: "it is too long" });
        }
        let mut parser = Parser { text, at: 0, terms: 0 };
        let rich = parser.group(0)?;
        match parser.at == text.len() {
            true => Ok(rich),
            false => Err(parser.fail("more text follows")),
        }
    }

    /// All plain relations in it, from left to right.
    #[must_use]
    pub fn relations(&self) -> Vec<&Relation> {
        let mut out = Vec::new();
        self.collect(&mut out);
        out
    }

    // Nesting is bounded by the parser.
    fn collect<'a>(&'a self, out: &mut Vec<&'a Relation>) {
        match self {
            Self::Plain(relation) => out.push(relation),
            Self::And(all) | Self::Or(all) | Self::With(all) => {
                all.iter().for_each(|one| one.collect(out));
            }
            Self::Without(two) => two.iter().for_each(|one| one.collect(out)),
            Self::If(what) | Self::Unless(what) => {
                what.then.collect(out);
                what.condition.collect(out);
                what.otherwise.iter().for_each(|one| one.collect(out));
            }
        }
    }
}

impl fmt::Display for Rich {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A name that is still open would take the parenthesis for its own: `perl(Foo )`.
        let close = |f: &mut fmt::Formatter<'_>, last: &Rich| {
            let Self::Plain(relation) = last else { return f.write_str(")") };
            let text = relation.to_string();
            let word = text.rsplit(' ').next().unwrap_or_default();
            let count = |what: char| word.matches(what).count();
            f.write_str(if count('(') > count(')') { " )" } else { ")" })
        };
        let chain = |f: &mut fmt::Formatter<'_>, all: &[Rich], word: &str| {
            f.write_str("(")?;
            for (at, one) in all.iter().enumerate() {
                if at > 0 {
                    write!(f, " {word} ")?;
                }
                fmt::Display::fmt(one, f)?;
            }
            all.last().map_or(Ok(()), |last| close(f, last))
        };
        let conditional = |f: &mut fmt::Formatter<'_>, what: &Conditional, word: &str| {
            write!(f, "({} {word} {}", what.then, what.condition)?;
            if let Some(otherwise) = &what.otherwise {
                write!(f, " else {otherwise}")?;
            }
            close(f, what.otherwise.as_ref().unwrap_or(&what.condition))
        };
        match self {
            Self::Plain(relation) => fmt::Display::fmt(relation, f),
            Self::And(all) => chain(f, all, "and"),
            Self::Or(all) => chain(f, all, "or"),
            Self::With(all) => chain(f, all, "with"),
            Self::Without(two) => chain(f, two.as_slice(), "without"),
            Self::If(what) => conditional(f, what, "if"),
            Self::Unless(what) => conditional(f, what, "unless"),
        }
    }
}

/// What parts words, as rpm has it: its `risspace` and the comma.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r' | ',')
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    terms: usize,
}

impl<'a> Parser<'a> {
    fn fail(&self, why: &'static str) -> RichError {
        RichError { at: self.at, why }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches(is_blank).len();
    }

    fn take(&mut self, what: char) -> bool {
        let found = self.rest().starts_with(what);
        self.at += if found { what.len_utf8() } else { 0 };
        found
    }

    /// `(` terms and operators `)`.
    fn group(&mut self, depth: usize) -> Result<Rich, RichError> {
        if depth >= MAX_DEPTH {
            return Err(self.fail("it is nested too deeply"));
        }
        if !self.take('(') {
            return Err(self.fail("a '(' was to come"));
        }
        let first = self.term(depth)?;
        let Some(operator) = self.operator()? else {
            return Ok(first);
        };
        let mut all = vec![first, self.term(depth)?];
        match operator {
            "and" | "or" | "with" => {
                while let Some(next) = self.operator()? {
                    if next != operator {
                        return Err(self.fail("different operators need parentheses"));
                    }
                    all.push(self.term(depth)?);
                }
                Ok(match operator {
                    "and" => Rich::And(all),
                    "or" => Rich::Or(all),
                    _ => Rich::With(all),
                })
            }
            _ => {
                let otherwise = match (self.operator()?, operator) {
                    (None, _) => None,
                    (Some("else"), "if" | "unless") => {
                        let otherwise = self.term(depth)?;
                        if self.operator()?.is_some() {
                            return Err(self.fail("nothing can follow what is behind 'else'"));
                        }
                        Some(otherwise)
                    }
                    _ => return Err(self.fail("this operator cannot be chained")),
                };
                let Ok([then, condition]) = <[Rich; 2]>::try_from(all) else {
                    return Err(self.fail("two terms were to come"));
                };
                let conditional = |then, condition| {
                    Box::new(Conditional { then, condition, otherwise: otherwise.clone() })
                };
                match operator {
                    "if" => Ok(Rich::If(conditional(then, condition))),
                    "unless" => Ok(Rich::Unless(conditional(then, condition))),
                    "without" => Ok(Rich::Without(Box::new([then, condition]))),
                    _ => Err(self.fail("'else' needs an 'if' or 'unless' before it")),
                }
            }
        }
    }

    /// The next operator; `None`: the group ends.
    fn operator(&mut self) -> Result<Option<&'static str>, RichError> {
        const OPERATORS: [&str; 7] = ["and", "or", "with", "without", "if", "unless", "else"];
        self.blanks();
        if self.take(')') {
            return Ok(None);
        }
        let rest = self.rest();
        if rest.is_empty() {
            return Err(self.fail("a ')' was to come"));
        }
        let word = rest.split(|c| is_blank(c) || matches!(c, '(' | ')')).next().unwrap_or_default();
        let operator = OPERATORS.into_iter().find(|&operator| operator == word);
        let operator = operator.ok_or_else(|| self.fail("no such operator"))?;
        self.at += operator.len();
        Ok(Some(operator))
    }

    fn term(&mut self, depth: usize) -> Result<Rich, RichError> {
        self.blanks();
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(self.fail("it has too many relations"));
        }
        if self.rest().starts_with('(') {
            return self.group(depth + 1);
        }
        let at = self.at;
        let name = self.word();
        if name.is_empty() {
            return Err(self.fail("a name was to come"));
        }
        self.blanks();
        let rest = self.rest();
        let signs = rest.len() - rest.trim_start_matches(['<', '=', '>']).len();
        let (mut flags, mut version) = (Flags::ANY, "");
        if signs > 0 {
            let operator = rest.get(..signs).unwrap_or_default();
            flags = Flags::of_operator(operator)
                .ok_or_else(|| self.fail("no such comparison of versions"))?;
            self.at += signs;
            self.blanks();
            version = self.word();
            if version.is_empty() {
                return Err(self.fail("a version was to come"));
            }
        }
        let relation = Relation::new(name, flags, version);
        Ok(Rich::Plain(relation.map_err(|_| RichError { at, why: "no relation" })?))
    }

    /// To a blank, or to a `)` that has no `(` in the word: `perl(Foo)` is one.
    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let mut open = 0_usize;
        let end = rest.find(|c: char| match c {
            c if is_blank(c) => true,
            '(' => {
                open += 1;
                false
            }
            ')' => match open.checked_sub(1) {
                Some(less) => {
                    open = less;
                    false
                }
                None => true,
            },
            _ => false,
        });
        let word = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        self.at += word.len();
        word
    }
}
