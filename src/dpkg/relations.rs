//! Relations between packages: what `Depends`, `Pre-Depends`, `Breaks`, `Conflicts`,
//! `Replaces` and `Provides` say.
//!
//! In comes a field's text, out come [`Clause`]s of alternatives, as deb-control(5) and Debian
//! policy 7.1 define them. Architecture restrictions and build profiles have no meaning in a
//! binary package's fields (they are resolved when it is built) and are skipped.

use std::fmt;

use imgfix_versions::dpkg::{Version, VersionError};

/// The longest field accepted, in bytes. The longest in Debian (`Provides` of a Rust
/// package) is near 30 kB.
pub const MAX_FIELD: usize = 1 << 20;

/// How many relations one field may have.
pub const MAX_RELATIONS: usize = 16_384;

/// Why a field's text is not a list of relations. `at` is a byte offset in the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RelationError {
    /// The field's size in bytes is above [`MAX_FIELD`].
    #[error("a relation field of {0} bytes is longer than {MAX_FIELD} bytes")]
    TooLong(usize),
    /// More than [`MAX_RELATIONS`].
    #[error("a relation field has more than {MAX_RELATIONS} relations")]
    TooMany,
    /// An operator, a bracket or a comma stands where a name has to.
    #[error("relation {text:?} at byte {at}: a package name is missing before {found:?}")]
    NoName {
        /// The relation, cut when it is long.
        text: String,
        /// Where in the field.
        at: usize,
        /// What stands there.
        found: String,
    },
    /// A name that policy 5.6.1 does not allow.
    #[error("relation {text:?} at byte {at}: {name:?} is not a package name")]
    BadName {
        /// The relation, cut when it is long.
        text: String,
        /// Where in the field.
        at: usize,
        /// What stands for a name.
        name: String,
    },
    /// No comparison that dpkg knows.
    #[error("relation {text:?} at byte {at}: {operator:?} is not one of << <= = >= >>")]
    Operator {
        /// The relation, cut when it is long.
        text: String,
        /// Where in the field.
        at: usize,
        /// What stands for one.
        operator: String,
    },
    /// A bracket without its partner.
    #[error("relation {text:?} at byte {at}: the {open:?} is never closed")]
    Unclosed {
        /// The relation, cut when it is long.
        text: String,
        /// Where in the field.
        at: usize,
        /// The opening bracket.
        open: char,
    },
    /// Text behind a whole relation.
    #[error("relation {text:?} at byte {at}: {rest:?} is not understood")]
    Rest {
        /// The relation, cut when it is long.
        text: String,
        /// Where in the field.
        at: usize,
        /// The text behind it.
        rest: String,
    },
    /// A version that dpkg would not accept.
    #[error("relation {text:?} at byte {at}: {source}")]
    Version {
        /// The relation, cut when it is long.
        text: String,
        /// Where in the field.
        at: usize,
        /// What is wrong with it.
        source: VersionError,
    },
    /// `Provides` with another operator than `=` (policy 7.5).
    #[error("relation {text:?} at byte {at}: a provided version can only be exact (=)")]
    ProvidedVersion {
        /// The relation, cut when it is long.
        text: String,
        /// Where in the field.
        at: usize,
    },
    /// `|` in a field that lists names (policy 7.1).
    #[error("relation {text:?} at byte {at}: alternatives ('|') are not allowed in this field")]
    Alternatives {
        /// The relation, cut when it is long.
        text: String,
        /// Where in the field.
        at: usize,
    },
}

/// How a relation compares versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operator {
    /// `<<`
    Earlier,
    /// `<=`, and the obsolete `<`
    EarlierOrEqual,
    /// `=`
    Equal,
    /// `>=`, and the obsolete `>`
    LaterOrEqual,
    /// `>>`
    Later,
}

/// The part after a name's colon.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Qualifier {
    /// `:any`: any architecture, of a package that is `Multi-Arch: allowed`.
    Any,
    /// `:native`: the architecture that the system is for.
    Native,
    /// `:amd64`
    Exact(String),
}

/// `name[:qualifier] [(operator version)]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// Of a package, or of something that packages provide.
    pub name: String,
    /// What architectures are meant; `None`: the architecture of the package that has the field.
    pub qualifier: Option<Qualifier>,
    /// Which versions are meant; `None`: any, and what is provided without a version.
    pub constraint: Option<(Operator, Version)>,
}

/// Alternatives, of which one is enough. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause(pub Vec<Relation>);

/// A name that a package provides, and as which version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provided {
    /// As relations may ask for it.
    pub name: String,
    /// `Provides: name:arch` (rare): only for this architecture.
    pub qualifier: Option<Qualifier>,
    /// `None`: satisfies only relations without a version.
    pub version: Option<Version>,
}

impl Operator {
    /// Whether `version` stands in this relation to `wanted`.
    #[must_use]
    pub fn holds(self, version: &Version, wanted: &Version) -> bool {
        let order = version.cmp(wanted);
        match self {
            Operator::Earlier => order.is_lt(),
            Operator::EarlierOrEqual => order.is_le(),
            Operator::Equal => order.is_eq(),
            Operator::LaterOrEqual => order.is_ge(),
            Operator::Later => order.is_gt(),
        }
    }
}

impl Relation {
    /// Whether a package of this relation's name at `version` satisfies the version
    /// constraint.
    #[must_use]
    pub fn admits(&self, version: &Version) -> bool {
        self.constraint.as_ref().is_none_or(|(op, wanted)| op.holds(version, wanted))
    }

    /// Whether something provided as `version` satisfies the version constraint: without a
    /// version it satisfies only unversioned relations (policy 7.5).
    #[must_use]
    pub fn admits_provided(&self, version: Option<&Version>) -> bool {
        match (&self.constraint, version) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some((op, wanted)), Some(version)) => op.holds(version, wanted),
        }
    }
}

/// Parses a field of clauses: `Depends`, `Pre-Depends`, `Recommends`, `Suggests`. Empty
/// clauses (a trailing comma, which apt and dpkg's own tools leave behind) are skipped.
///
/// # Errors
/// Names the relation and the byte in the field.
pub fn parse_clauses(field: &str) -> Result<Vec<Clause>, RelationError> {
    if field.len() > MAX_FIELD {
        return Err(RelationError::TooLong(field.len()));
    }
    let mut clauses = Vec::new();
    let (mut start, mut count) = (0, 0);
    for text in field.split(',') {
        if !text.trim().is_empty() {
            let mut alternatives = Vec::new();
            let mut at = start;
            for alternative in text.split('|') {
                count += 1;
                if count > MAX_RELATIONS {
                    return Err(RelationError::TooMany);
                }
                alternatives.push(Cursor::new(alternative, at).relation()?);
                at += alternative.len() + 1;
            }
            clauses.push(Clause(alternatives));
        }
        start += text.len() + 1;
    }
    Ok(clauses)
}

/// Parses a field without alternatives: `Breaks`, `Conflicts`, `Replaces`, `Enhances`.
///
/// # Errors
/// As [`parse_clauses`], and a `|`.
pub fn parse_list(field: &str) -> Result<Vec<Relation>, RelationError> {
    let mut out = Vec::new();
    for Clause(mut alternatives) in parse_clauses(field)? {
        match alternatives.pop() {
            Some(relation) if alternatives.is_empty() => out.push(relation),
            _ => {
                let at = field.find('|').unwrap_or_default();
                return Err(RelationError::Alternatives { text: excerpt(field), at });
            }
        }
    }
    Ok(out)
}

/// Parses `Provides`.
///
/// # Errors
/// As [`parse_list`], and a version that is not exact.
pub fn parse_provides(field: &str) -> Result<Vec<Provided>, RelationError> {
    parse_list(field)?
        .into_iter()
        .map(|Relation { name, qualifier, constraint }| match constraint {
            None => Ok(Provided { name, qualifier, version: None }),
            Some((Operator::Equal, version)) => {
                Ok(Provided { name, qualifier, version: Some(version) })
            }
            Some(_) => {
                let at = field.find(&name).unwrap_or_default();
                Err(RelationError::ProvidedVersion { text: excerpt(&name), at })
            }
        })
        .collect()
}

/// At most 80 characters of `text`, for messages.
fn excerpt(text: &str) -> String {
    text.trim().chars().take(80).collect()
}

/// Reads one relation, and knows where in the field it is.
struct Cursor<'a> {
    text: &'a str,
    rest: &'a str,
    /// Offset of `text` in the field.
    start: usize,
}

impl<'a> Cursor<'a> {
    fn new(text: &'a str, start: usize) -> Self {
        Self { text, rest: text, start }
    }

    fn at(&self) -> usize {
        self.start + (self.text.len() - self.rest.len())
    }

    fn excerpt(&self) -> String {
        excerpt(self.text)
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    /// Takes the longest prefix of characters that `wanted` admits.
    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn relation(mut self) -> Result<Relation, RelationError> {
        self.skip_space();
        let name = self.name()?;
        let qualifier = self.qualifier()?;
        self.skip_space();
        let constraint = self.constraint()?;
        self.skip_space();
        for (open, close) in [('[', ']'), ('<', '>')] {
            while self.rest.starts_with(open) {
                self.bracketed(open, close)?;
                self.skip_space();
            }
        }
        if !self.rest.is_empty() {
            return Err(RelationError::Rest {
                text: self.excerpt(),
                at: self.at(),
                rest: excerpt(self.rest),
            });
        }
        Ok(Relation { name, qualifier, constraint })
    }

    fn name(&mut self) -> Result<String, RelationError> {
        let at = self.at();
        let name = self.take_while(|c| !" \t\n\r:([<".contains(c));
        if name.is_empty() {
            let found = self.rest.chars().take(10).collect();
            return Err(RelationError::NoName { text: self.excerpt(), at, found });
        }
        if !is_package_name(name) {
            let name = excerpt(name);
            return Err(RelationError::BadName { text: self.excerpt(), at, name });
        }
        Ok(name.to_owned())
    }

    fn qualifier(&mut self) -> Result<Option<Qualifier>, RelationError> {
        let Some(rest) = self.rest.strip_prefix(':') else { return Ok(None) };
        self.rest = rest;
        let at = self.at();
        Ok(Some(match self.take_while(|c| c.is_ascii_alphanumeric() || c == '-') {
            "" => {
                return Err(RelationError::Rest {
                    text: self.excerpt(),
                    at,
                    rest: excerpt(self.rest),
                });
            }
            "any" => Qualifier::Any,
            "native" => Qualifier::Native,
            architecture => Qualifier::Exact(architecture.to_owned()),
        }))
    }

    fn constraint(&mut self) -> Result<Option<(Operator, Version)>, RelationError> {
        if !self.rest.starts_with('(') {
            return Ok(None);
        }
        let start = self.at() + 1;
        let inner = self.bracketed('(', ')')?;
        let inner_trimmed = inner.trim_start();
        let at = start + (inner.len() - inner_trimmed.len());
        let end = inner_trimmed.find(|c| !"<>=".contains(c)).unwrap_or(inner_trimmed.len());
        let (operator, version) = inner_trimmed.split_at(end);
        let operator = match operator {
            "<<" => Operator::Earlier,
            "<=" | "<" => Operator::EarlierOrEqual,
            // dpkg reads a bare version as an exact one.
            "=" | "" => Operator::Equal,
            ">=" | ">" => Operator::LaterOrEqual,
            ">>" => Operator::Later,
            other => {
                let operator = excerpt(other);
                return Err(RelationError::Operator { text: self.excerpt(), at, operator });
            }
        };
        // The version may be of a package with an odd version that dpkg only warns about.
        let version = Version::parse_recorded(version.trim()).map_err(|source| {
            RelationError::Version { text: self.excerpt(), at: at + end, source }
        })?;
        Ok(Some((operator, version)))
    }

    /// Takes `open … close` and returns what is between.
    fn bracketed(&mut self, open: char, close: char) -> Result<&'a str, RelationError> {
        let at = self.at();
        let inner = self.rest.strip_prefix(open).unwrap_or(self.rest);
        let Some((inner, rest)) = inner.split_once(close) else {
            return Err(RelationError::Unclosed { text: self.excerpt(), at, open });
        };
        self.rest = rest;
        Ok(inner)
    }
}

/// dpkg's rule (`lib/dpkg/pkg-spec.c`): starts with a letter or digit, then letters, digits
/// and `-+._`.
#[must_use]
pub fn is_package_name(name: &str) -> bool {
    name.len() <= 255
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-+._".contains(c))
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operator::Earlier => "<<",
            Operator::EarlierOrEqual => "<=",
            Operator::Equal => "=",
            Operator::LaterOrEqual => ">=",
            Operator::Later => ">>",
        })
    }
}

impl fmt::Display for Qualifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Qualifier::Any => "any",
            Qualifier::Native => "native",
            Qualifier::Exact(architecture) => architecture,
        })
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(qualifier) = &self.qualifier {
            write!(f, ":{qualifier}")?;
        }
        if let Some((operator, version)) = &self.constraint {
            write!(f, " ({operator} {version})")?;
        }
        Ok(())
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, relation) in self.0.iter().enumerate() {
            write!(f, "{}{relation}", if i == 0 { "" } else { " | " })?;
        }
        Ok(())
    }
}

impl fmt::Display for Provided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(qualifier) = &self.qualifier {
            write!(f, ":{qualifier}")?;
        }
        match &self.version {
            Some(version) => write!(f, " (= {version})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(field: &str) -> Vec<String> {
        parse_clauses(field).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn clauses_alternatives_and_constraints_are_read() {
        for (field, want) in [
            ("", vec![]),
            ("libc6", vec!["libc6"]),
            (
                "libc6 (>= 2.36), libfoo2t64 ( =1:2-3 )",
                vec!["libc6 (>= 2.36)", "libfoo2t64 (= 1:2-3)"],
            ),
            (
                "debconf (>= 0.5) | debconf-2.0,\n perl:any",
                vec!["debconf (>= 0.5) | debconf-2.0", "perl:any"],
            ),
            (
                "a(<<1),b (>>1),c (<=1), d (< 1), e (> 1), f (1)",
                vec!["a (<< 1)", "b (>> 1)", "c (<= 1)", "d (<= 1)", "e (>= 1)", "f (= 1)"],
            ),
            (
                "gcc:native, libx:amd64 (= 1) [amd64 !i386] <!nocheck> <stage1>, x <y>,",
                vec!["gcc:native", "libx:amd64 (= 1)", "x"],
            ),
            ("g++, libstdc++6, 2ping, lib.x_y", vec!["g++", "libstdc++6", "2ping", "lib.x_y"]),
        ] {
            assert_eq!(shown(field), want, "{field}");
        }
    }

    #[test]
    fn errors_name_the_place() {
        for (field, want) in [
            ("a, b (", "byte 5: the '(' is never closed"),
            ("a, b (~= 1)", "relation \"b (~= 1)\""),
            ("a (=> 1)", "byte 3: \"=>\" is not one of"),
            ("a (>=)", "a version is empty"),
            ("a | , b", "a package name is missing"),
            ("a || b", "a package name is missing"),
            ("-a", "byte 0: \"-a\" is not a package name"),
            ("a b", "byte 2: \"b\" is not understood"),
            ("a:", "is not understood"),
            ("a, ${shlibs:Depends}", "byte 3: \"${shlibs\" is not a package name"),
        ] {
            let error = parse_clauses(field).unwrap_err().to_string();
            assert!(error.contains(want), "{field}: {error}");
        }
        assert!(matches!(parse_clauses(&"a,".repeat(20_000)), Err(RelationError::TooMany)));
        assert!(matches!(parse_clauses(&",".repeat(2 << 20)), Err(RelationError::TooLong(_))));
    }

    #[test]
    fn breaks_have_no_alternatives() {
        assert_eq!(parse_list("a, b (<< 2)").unwrap().len(), 2);
        assert!(parse_list("a | b").unwrap_err().to_string().contains("byte 2: alternatives"));
    }

    #[test]
    fn provides_are_exact_or_unversioned() {
        let provided = parse_provides("mta, libz (= 1:3)").unwrap();
        assert_eq!(provided[0].version, None);
        assert_eq!(provided[1].to_string(), "libz (= 1:3)");
        assert!(parse_provides("a (>= 2)").unwrap_err().to_string().contains("only be exact"));
    }

    #[test]
    fn versions_are_admitted_by_the_operator() {
        for (relation, admitted, refused) in [
            ("a", "1", None),
            ("a (<< 2)", "1", Some("2")),
            ("a (<= 2)", "2", Some("3")),
            ("a (= 2)", "2-0", Some("2-1")),
            ("a (>= 2)", "2", Some("2~")),
            ("a (>> 2)", "2a", Some("2")),
        ] {
            let relation = &parse_list(relation).unwrap()[0];
            assert!(relation.admits(&Version::parse(admitted).unwrap()), "{relation}");
            if let Some(refused) = refused {
                assert!(!relation.admits(&Version::parse(refused).unwrap()), "{relation}");
            }
            assert_eq!(relation.admits_provided(None), relation.constraint.is_none());
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = parse_clauses(&text);
            let _ = parse_provides(&text);
        }

        #[test]
        fn what_is_shown_is_read_again(
            text in "[a-z]{2,4}(:any|:i386)? (\\((<<|<=|=|>=|>>) [0-9]\\.[0-9]\\))?( \\| [a-z]{2,3})?"
        ) {
            let clauses = parse_clauses(&text).unwrap();
            let again: Vec<String> = clauses.iter().map(ToString::to_string).collect();
            prop_assert_eq!(parse_clauses(&again.join(", ")).unwrap(), clauses);
        }
    }
}
