//! Version specifiers: `>=2.0,!=2.1.*`
//! (<https://packaging.python.org/en/latest/specifications/version-specifiers/>).
//!
//! In comes the text of a `Requires-Dist` or `Requires-Python`; out comes whether a version is
//! among what it allows. Whether a pre-release may be *chosen* is asked of the version itself
//! ([`Specifiers::allow_prerelease`]); an installed one is always held against the numbers alone,
//! as `pip check` does.
//!
//! Compared with `packaging` 26.4 by `tests/differential_python/answers`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

pub use pep440_rs::Version;

/// The longest text that is read, in bytes; the longest real one has some two hundred.
const MAX_TEXT: usize = 4096;

/// What a comma separates; all of it has to hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Specifiers(Vec<Specifier>);

/// One clause.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Specifier {
    operator: Operator,
    /// As it is written, without the operator.
    text: String,
    /// `None`: of `===`, whose text need not be a version.
    version: Option<Version>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    EqualPrefix,
    NotEqual,
    NotEqualPrefix,
    Compatible,
    LessOrEqual,
    GreaterOrEqual,
    Less,
    Greater,
    Arbitrary,
}

/// As they are written, the longest first where one begins another.
const OPERATORS: [(&str, Operator); 8] = [
    ("===", Operator::Arbitrary),
    ("==", Operator::Equal),
    ("~=", Operator::Compatible),
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

impl FromStr for Specifiers {
    /// Half a sentence.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() > MAX_TEXT {
            return Err(format!("its specifier has more than {MAX_TEXT} bytes"));
        }
        let clauses = text.split(',').map(str::trim).filter(|clause| !clause.is_empty());
        clauses.map(Specifier::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl Specifiers {
    /// As of a `Requires-Python`, some of which have what is not allowed: `>=3.6.*`, which means
    /// `>=3.6`, and was taken so by the pip of its time. uv reads them so, too.
    ///
    /// # Errors
    /// It is none for another reason: half a sentence.
    pub fn lenient(text: &str) -> Result<Self, String> {
        let clause = |clause: &str| {
            let clause = clause.trim();
            let has_order = clause.starts_with(['<', '>']);
            clause.strip_suffix(".*").filter(|_| has_order).unwrap_or(clause).to_owned()
        };
        text.split(',').map(clause).collect::<Vec<_>>().join(",").parse()
    }

    /// Whether they say nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether they allow `version`, pre-release or not.
    #[must_use]
    pub fn allow(&self, version: &Version) -> bool {
        self.0.iter().all(|one| one.allows(version))
    }

    /// Whether a pre-release may be chosen: one of them names one.
    #[must_use]
    pub fn allow_prerelease(&self) -> bool {
        let names_one = |one: &Specifier| {
            one.operator != Operator::NotEqual
                && one.version.as_ref().is_some_and(Version::any_prerelease)
        };
        self.0.iter().any(names_one)
    }
}

impl fmt::Display for Specifiers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, one) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{one}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Specifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operator = match self.operator {
            Operator::Equal | Operator::EqualPrefix => "==",
            Operator::NotEqual | Operator::NotEqualPrefix => "!=",
            Operator::Compatible => "~=",
            Operator::LessOrEqual => "<=",
            Operator::GreaterOrEqual => ">=",
            Operator::Less => "<",
            Operator::Greater => ">",
            Operator::Arbitrary => "===",
        };
        write!(f, "{operator}{}", self.text)
    }
}

impl Specifier {
    fn parse(clause: &str) -> Result<Self, String> {
        let wrong = || format!("{clause:?} is no version specifier");
        let (text, operator) = OPERATORS
            .iter()
            .find_map(|(sign, operator)| Some((clause.strip_prefix(sign)?, *operator)))
            .ok_or_else(wrong)?;
        let text = text.trim();
        if operator == Operator::Arbitrary {
            let is_text = !text.is_empty() && !text.contains(|c: char| c.is_whitespace());
            let version = Version::from_str(text).ok();
            let one = Self { operator, text: text.to_owned(), version };
            return Some(one).filter(|_| is_text).ok_or_else(wrong);
        }
        let (number, operator) = match (text.strip_suffix(".*"), operator) {
            (None, operator) => (text, operator),
            (Some(prefix), Operator::Equal) => (prefix, Operator::EqualPrefix),
            (Some(prefix), Operator::NotEqual) => (prefix, Operator::NotEqualPrefix),
            _ => return Err(wrong()),
        };
        let version = Version::from_str(number).map_err(|_| wrong())?;
        let is_prefix = matches!(operator, Operator::EqualPrefix | Operator::NotEqualPrefix);
        let may_be_local = matches!(operator, Operator::Equal | Operator::NotEqual);
        let has_suffix = version.any_prerelease() || version.is_post();
        if (version.is_local() && !may_be_local)
            || (is_prefix && has_suffix)
            || (operator == Operator::Compatible && version.release().len() < 2)
        {
            return Err(wrong());
        }
        Ok(Self { operator, text: text.to_owned(), version: Some(version) })
    }

    fn allows(&self, version: &Version) -> bool {
        if self.operator == Operator::Arbitrary {
            return version.to_string().eq_ignore_ascii_case(&self.text);
        }
        let Some(own) = &self.version else { return false };
        match self.operator {
            Operator::Equal => is_equal(own, version),
            Operator::NotEqual => !is_equal(own, version),
            Operator::EqualPrefix => has_prefix(version, own, own.release().len()),
            Operator::NotEqualPrefix => !has_prefix(version, own, own.release().len()),
            Operator::Compatible => {
                has_prefix(version, own, own.release().len().saturating_sub(1))
                    && public(version) >= *own
            }
            Operator::LessOrEqual => public(version) <= *own,
            Operator::GreaterOrEqual => public(version) >= *own,
            // A pre-release of a release is not below it.
            Operator::Less if own.any_prerelease() => version < own,
            Operator::Less => *version < own.clone().with_dev(Some(0)),
            // Nor is a post-release of a final or pre-release, or a local version, above it.
            Operator::Greater => {
                let may_be_post = own.is_post() || own.is_dev();
                public(version) > *own
                    && (may_be_post || version.pre() != own.pre() || !is_same_release(version, own))
            }
            Operator::Arbitrary => false,
        }
    }
}

/// Without what stands behind `+`.
fn public(version: &Version) -> Version {
    version.clone().without_local()
}

/// `==`: the local part counts where the specifier has one.
fn is_equal(own: &Version, version: &Version) -> bool {
    if own.is_local() { version == own } else { public(version) == *own }
}

/// Whether epoch and release are the same, trailing zeros apart.
fn is_same_release(a: &Version, b: &Version) -> bool {
    let length = a.release().len().max(b.release().len());
    has_prefix(a, b, length)
}

/// Whether epoch and the first `length` numbers of the release are those of `prefix`.
fn has_prefix(version: &Version, prefix: &Version, length: usize) -> bool {
    let padded = |of: &Version| -> Vec<u64> {
        let zeros = std::iter::repeat(0);
        of.release().iter().copied().chain(zeros).take(length).collect()
    };
    version.epoch().cmp(&prefix.epoch()) == Ordering::Equal && padded(version) == padded(prefix)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allows(specifiers: &str, version: &str) -> bool {
        let version = Version::from_str(version).unwrap();
        Specifiers::from_str(specifiers).unwrap().allow(&version)
    }

    /// What `packaging` 26.4 answers.
    #[test]
    fn specifiers_allow_what_packaging_allows() {
        for (specifiers, yes, no) in [
            ("==1.0", "1 1.0.0 1.0+local", "1.0.post1 1.0a1 1.1"),
            ("==1.0+a.1", "1.0+a.1 1.0+A-1", "1.0 1.0+a.2"),
            ("==1.2.*", "1.2 1.2.3 1.2a1 1.2.post1 1.2+x", "1 1.20 2!1.2 1.3"),
            ("==1.0.*", "1 1.0.5", "1.1"),
            ("!=1.2.*", "1 1.3", "1.2 1.2.9"),
            ("!=1.0", "1.0.1", "1 1.0+local"),
            ("~=2.2", "2.2 2.3 2.2.post3", "2.1 3.0 2.2rc1"),
            ("~=1.4.5", "1.4.5 1.4.9", "1.5 1.4.4"),
            ("~=1.4.5a4", "1.4.5 1.4.5a4 1.4.6", "1.4.5a3 1.5"),
            (">=1.0", "1.0 1.0+l 1.0.post1 2", "1.0a1 0.9"),
            ("<=1.0", "1.0 1.0+l 1.0a1 0.9", "1.0.post1 1.1"),
            ("<1.0", "0.9 0.9.post1", "1.0 1.0a1 1.0.dev0 1.0+l"),
            ("<1.0rc1", "1.0a1 1.0b9 0.9", "1.0rc1 1.0"),
            (">1.0", "1.0.1 1.1 2", "1.0 1.0.post1 1.0+l"),
            (">1.0.post1", "1.0.post2 1.1", "1.0.post1 1.0"),
            (">1.0a1", "1.0a2.dev0 1.0b1.post1 1.0", "1.0a1 1.0a1.post1 1.0a1.post1.dev0 1.0a1+l"),
            (
                ">1.1a1.dev0",
                "1.1rc1.post1.dev2 1.1a1.dev1 1.1a1 1.1a1.post1",
                "1.1a1.dev0+l 1.1.dev0",
            ),
            (">1.0.dev1", "1.0.dev2 1.0a1 1.0 1.0.post1", "1.0.dev1 1.0.dev1+l"),
            ("<1.0.post1", "1.0 1.0+l 1.0a1.post2 1.0.post0.dev0", "1.0.post1.dev0 1.0.post1"),
            ("<1.0.post1.dev1", "1.0 1.0.post1.dev0", "1.0.post1 1.0.post1.dev1"),
            ("===1.0", "1.0", "1.0.0 1"),
            (">=1,<2", "1 1.9", "0.9 2 2.0a1"),
            ("", "0 1a1", ""),
            (" >= 1 , < 2 ,", "1", "2"),
        ] {
            for version in yes.split_whitespace() {
                assert!(allows(specifiers, version), "{specifiers} {version}");
            }
            for version in no.split_whitespace() {
                assert!(!allows(specifiers, version), "{specifiers} {version}");
            }
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "1.0",
            "=1.0",
            "=>1.0",
            ">=",
            "~=1",
            ">=1.0+x",
            "<1+x",
            "==1.0a1.*",
            "~=1.0.*",
            ">dev",
            "==",
            "===",
            ">=3.6.*",
            "== 1 0",
            "=== a b",
        ] {
            assert!(Specifiers::from_str(text).is_err(), "{text}");
        }
        assert!(Specifiers::from_str(&",".repeat(MAX_TEXT + 1)).is_err());
    }

    #[test]
    fn what_older_metadata_has_is_understood() {
        let older = Specifiers::lenient(">=3.6.*, !=3.7.*,<4.*").unwrap();
        assert_eq!(older.to_string(), ">=3.6,!=3.7.*,<4");
        assert!(Specifiers::lenient("~=3.*").is_err());
    }

    #[test]
    fn a_prerelease_is_chosen_where_one_is_named() {
        for (text, want) in [
            (">=1.0", false),
            (">=1.0a1", true),
            ("!=1.0a1", false),
            ("==1.0.dev1,<2", true),
            ("", false),
        ] {
            assert_eq!(Specifiers::from_str(text).unwrap().allow_prerelease(), want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text: String, version in "[0-9]{1,2}([.][0-9]){0,3}(a1|[.]post1)?") {
            let version = Version::from_str(&version).unwrap();
            if let Ok(specifiers) = Specifiers::from_str(&text) {
                let _ = specifiers.allow(&version);
            }
        }

        #[test]
        fn what_is_shown_is_read_again(text in "(==|!=|<=|>=|<|>|===|~=)[0-9]([.][0-9]){1,3}([.][*]|rc1)?") {
            if let Ok(specifiers) = Specifiers::from_str(&text) {
                let again = Specifiers::from_str(&specifiers.to_string()).unwrap();
                prop_assert_eq!(again, specifiers);
            }
        }
    }
}
