//! [`Dependency`]: `name`, `!name`, `name@tag`, and `name` with an operator and a version, as
//! `world`, `D:`, `p:`, `i:` and `r:` have them.
//!
//! In comes text; out come dependencies that write themselves as apk writes them. Which versions
//! they allow is for a [`Generation`] of apk to say. Source: apk-tools 2.14 and 3.0,
//! `src/package.c` (`apk_blob_pull_dep`, `apk_blob_push_dep`, `apk_dep_is_provided`) and
//! `src/version.c` (`apk_version_op_string`).

use std::cmp::Ordering;
use std::fmt;

use imgfix_model::identity::Identity;
use imgfix_model::package::PackageName;
use imgfix_versions::apk::Version;
use imgfix_versions::apk::generation::Generation;

/// Why text is not a dependency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DependencyError {
    /// There is nothing before the operator; the text is cut to 200 characters.
    #[error("a dependency without a name: {0:?}")]
    NoName(String),
    /// What follows the operator is not a version, or with `><` not an identity.
    #[error("{version:?} in {dependency:?} is not a version")]
    Version {
        /// The whole text, cut to 200 characters.
        dependency: String,
        /// The part that is wrong, cut to 200 characters.
        version: String,
    },
}

/// What a dependency asks of the version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Constraint {
    /// Any version, and providers without one.
    Any,
    /// A version that stands so to the given one.
    Version(Comparison, Version),
    /// `><Q1…`: exactly the package of this identity.
    Identity(Identity),
}

/// Which results of a comparison with the version asked for satisfy a dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Comparison {
    /// `<`: a lower version does.
    pub less: bool,
    /// `=`, or `~`: the same version does.
    pub equal: bool,
    /// `>`: a higher version does.
    pub greater: bool,
    /// `~`: what continues the version is equal to it.
    pub fuzzy: bool,
}

/// One dependency.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Dependency {
    /// `!`: what satisfies the rest must not be there.
    pub conflict: bool,
    /// The name of a package, or of what packages provide (`so:libz.so.1`, `cmd:sh`).
    pub name: PackageName,
    /// `@edge`: without the `@`.
    pub tag: Option<String>,
    /// What is asked of the version.
    pub constraint: Constraint,
}

fn is_operator(c: char) -> bool {
    matches!(c, '<' | '>' | '=' | '~')
}

impl Comparison {
    fn parse(operator: &str) -> Self {
        let has = |c| operator.contains(c);
        Self { less: has('<'), equal: has('=') || has('~'), greater: has('>'), fuzzy: has('~') }
    }

    /// Whether `version` is what is asked for, held against `wanted` by a generation's rules.
    #[must_use]
    pub fn allows(self, version: &Version, wanted: &Version, by: Generation) -> bool {
        if self.fuzzy && by.continues(version, wanted) {
            return true;
        }
        match by.compare(version, wanted) {
            Ordering::Less => self.less,
            // without `~` only; with it, what is equal continues too
            Ordering::Equal => self.equal,
            Ordering::Greater => self.greater,
        }
    }

    /// The operator as apk writes it, whatever it was written as.
    fn operator(self) -> &'static str {
        match (self.less, self.equal, self.greater, self.fuzzy) {
            (true, true, _, true) => "<~",
            (_, true, true, true) => ">~",
            (.., true) => "~",
            (true, false, false, _) => "<",
            (true, true, false, _) => "<=",
            (false, true, false, _) => "=",
            (false, true, true, _) => ">=",
            (false, false, true, _) => ">",
            (true, false, true, _) => "><",
            _ => "",
        }
    }
}

impl Constraint {
    /// Whether a provider of the name satisfies this: `version` is what it provides the name
    /// as, if it says one; `identity` is its package's.
    #[must_use]
    pub fn allows(&self, version: Option<&Version>, identity: &Identity, by: Generation) -> bool {
        match self {
            Self::Any => true,
            Self::Identity(wanted) => wanted == identity,
            Self::Version(comparison, wanted) => {
                version.is_some_and(|version| comparison.allows(version, wanted, by))
            }
        }
    }
}

impl Dependency {
    /// Reads one dependency.
    ///
    /// # Errors
    /// It has no name, or its version is malformed.
    pub fn parse(text: &str) -> Result<Self, DependencyError> {
        let (conflict, rest) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let end = rest.find(is_operator).unwrap_or(rest.len());
        let (name, asks) = rest.split_at(end);
        let (name, tag) = match name.split_once('@') {
            Some((name, tag)) => (name, Some(tag.to_owned())),
            None => (name, None),
        };
        if name.is_empty() {
            return Err(DependencyError::NoName(text.chars().take(200).collect()));
        }
        let constraint = constraint(asks).map_err(|version| DependencyError::Version {
            dependency: text.chars().take(200).collect(),
            version,
        })?;
        Ok(Self { conflict, name: name.into(), tag, constraint })
    }

    /// Reads a list separated by spaces and line ends.
    ///
    /// # Errors
    /// The first that [`Dependency::parse`] refuses.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, DependencyError> {
        text.split([' ', '\n']).filter(|one| !one.is_empty()).map(Self::parse).collect()
    }

    /// Whether an apk takes the version for one, if one is asked for.
    #[must_use]
    pub fn is_valid(&self, by: Generation) -> bool {
        self.version().is_none_or(|version| by.is_valid(version.as_str()))
    }

    /// The version, if one is asked for (of a provided name: the version it is provided as).
    #[must_use]
    pub fn version(&self) -> Option<&Version> {
        match &self.constraint {
            Constraint::Version(_, version) => Some(version),
            Constraint::Any | Constraint::Identity(_) => None,
        }
    }
}

/// What stands behind the name. Fails with the text in the version's place when it is malformed.
fn constraint(text: &str) -> Result<Constraint, String> {
    if text.is_empty() {
        return Ok(Constraint::Any);
    }
    let at = text.find(|c| !is_operator(c)).unwrap_or(text.len());
    let (operator, version) = text.split_at(at);
    let fail = || version.chars().take(200).collect::<String>();
    let comparison = Comparison::parse(operator);
    if comparison.less && comparison.greater && !comparison.equal {
        return version.parse().map(Constraint::Identity).map_err(|_| fail());
    }
    let version = Version::new(version);
    if !version.is_known() {
        return Err(fail());
    }
    Ok(Constraint::Version(comparison, version))
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let conflict = if self.conflict { "!" } else { "" };
        write!(f, "{conflict}{}", self.name)?;
        if let Some(tag) = &self.tag {
            write!(f, "@{tag}")?;
        }
        match &self.constraint {
            Constraint::Any => Ok(()),
            Constraint::Version(comparison, version) => {
                write!(f, "{}{version}", comparison.operator())
            }
            Constraint::Identity(identity) => write!(f, "><{identity}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read_and_written() {
        for (text, want) in [
            ("busybox", "busybox"),
            ("!uclibc-utils", "!uclibc-utils"),
            ("so:libc.musl-x86_64.so.1", "so:libc.musl-x86_64.so.1"),
            ("alpine-baselayout-data=3.6.5-r0", "alpine-baselayout-data=3.6.5-r0"),
            ("nginx@edge>=1.2", "nginx@edge>=1.2"),
            ("pkg=>1", "pkg>=1"),
            ("pkg=~1.2", "pkg~1.2"),
            ("pkg<~1.2", "pkg<~1.2"),
            ("pkg~>1.2", "pkg>~1.2"),
            ("pkg=1.0~abc-r0", "pkg=1.0~abc-r0"),
            ("pkg<3", "pkg<3"),
            ("pkg><Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=", "pkg><Q1qKcZ+j23xssAXmgQhkOO8dHnbWw="),
        ] {
            assert_eq!(Dependency::parse(text).unwrap().to_string(), want);
        }
        for wrong in ["", "!", "=1", "@edge", "pkg=1,2", "pkg=1-", "pkg><1.2"] {
            assert!(Dependency::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn constraints_allow_what_apk_allows() {
        let none = Identity::of(b"");
        for (text, version, by_apk_2, by_apk_3) in [
            ("a", Some("1"), true, true),
            ("a", None, true, true),
            ("a=1", None, false, false),
            ("a=1.2", Some("1.2"), true, true),
            ("a=1.2", Some("1.2-r0"), false, false),
            ("a~1.2", Some("1.2-r0"), true, true),
            ("a~1.2", Some("1.20"), false, false),
            ("a~1.2.3", Some("1.2"), true, false),
            ("a<~1.2", Some("1.2.9"), true, true),
            ("a<~1.2", Some("1.1"), true, true),
            ("a<~1.2", Some("1.3"), false, false),
            ("a>~1.2", Some("1.2_rc1"), true, true),
            ("a>~1.2", Some("1.3"), true, true),
            ("a>~1.2", Some("1.1"), false, false),
            ("a>=1.2", Some("1.3"), true, true),
            ("a>1.2", Some("1.2"), false, false),
            ("a<3", Some("2.9"), true, true),
            ("a<1.04", Some("1.016"), false, true),
            ("a>=1.04", Some("1.016"), true, false),
        ] {
            let constraint = Dependency::parse(text).unwrap().constraint;
            let version = version.map(Version::new);
            let allows = |by| constraint.allows(version.as_ref(), &none, by);
            let allowed = [Generation::Apk2, Generation::Apk3].map(allows);
            assert_eq!(allowed, [by_apk_2, by_apk_3], "{text} {version:?}");
        }
    }
}
