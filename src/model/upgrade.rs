//! [`UpgradeLevel`]: how far a library may be upgraded.

use std::fmt;
use std::str::FromStr;

/// How large an upgrade is. The greater allow the smaller.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Default,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum UpgradeLevel {
    /// The first two numbers of the version stay.
    #[default]
    Patch,
    /// The first number stays.
    Minor,
    /// Any.
    Major,
}

impl UpgradeLevel {
    /// All levels, the smallest first.
    pub const ALL: [Self; 3] = [Self::Patch, Self::Minor, Self::Major];

    /// How large the step from one version to another is. Of versions that begin with 0 the second
    /// number is what the first is of others (<https://semver.org/#spec-item-4>).
    #[must_use]
    pub fn between(from: &str, to: &str) -> Self {
        let (from, to) = (numbers(from), numbers(to));
        match from.iter().zip(&to).position(|(a, b)| a != b) {
            Some(0) => Self::Major,
            Some(1) if from.first().is_some_and(|first| first.is_empty()) => Self::Major,
            Some(1) => Self::Minor,
            _ => Self::Patch,
        }
    }

    /// The word that options, policies and plans have.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Patch => "patch",
            Self::Minor => "minor",
            Self::Major => "major",
        }
    }
}

/// The first two numbers, without zeros before them; before them, the epoch of a Python version.
fn numbers(version: &str) -> [&str; 2] {
    // an epoch makes another line of everything behind it
    let (epoch, rest) = version.split_once('!').unwrap_or(("", version));
    let rest = rest.strip_prefix(['v', 'V', '=']).unwrap_or(rest);
    let mut parts = rest.split(|c: char| !c.is_ascii_digit());
    let mut next = || parts.next().unwrap_or_default().trim_start_matches('0');
    let (first, second) = (next(), next());
    match epoch.trim_start_matches('0') {
        "" => [first, second],
        _ => [version, second],
    }
}

impl fmt::Display for UpgradeLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for UpgradeLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|level| level.word() == text)
            .ok_or_else(|| format!("{text:?} is none of patch, minor, major"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels() {
        use UpgradeLevel::{Major, Minor, Patch};
        for (from, to, want) in [
            ("1.26.4", "1.26.19", Patch),
            ("1.26.4", "1.27", Minor),
            ("1.26.4", "2.0.7", Major),
            ("1.2", "1.2.0.post1", Patch),
            ("2.9.8", "2.9.10.8", Patch),
            ("0.19.1", "0.19.2", Patch),
            ("0.19.1", "0.20.0", Major),
            ("0.19.1", "1.0.0", Major),
            ("0.0.8", "0.0.9", Patch),
            ("2022.12.7", "2023.7.22", Major),
            ("2023.07.01", "2023.7.22", Patch),
            ("1!2.0", "1!2.0.1", Major),
            ("1", "1.1", Minor),
            ("1", "1.0.1", Patch),
            ("v1.2.3", "1.2.4", Patch),
            ("31.1-jre", "32.0.0-jre", Major),
        ] {
            assert_eq!(UpgradeLevel::between(from, to), want, "{from} {to}");
        }
        for level in UpgradeLevel::ALL {
            assert_eq!(level.to_string().parse(), Ok(level));
        }
        assert!("all".parse::<UpgradeLevel>().is_err());
    }
}
