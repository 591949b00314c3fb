//! How package managers order versions, one file an order: functions of texts, with no package
//! and no database in sight.
//!
//! In come versions as they are written; out comes which is the higher. What a family's security
//! data means by `0` stands here, too, because it is read where versions are.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod apk;
pub mod dpkg;

use std::cmp::Ordering;
use std::fmt;

/// A version as written. Order is the family's: [`dpkg::Version`] and so on; this type goes
/// across rooms that do not compare.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct VersionText(pub String);

impl fmt::Display for VersionText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<&str> for VersionText {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl AsRef<str> for VersionText {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// How a package manager orders versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionOrder {
    Dpkg,
    /// apk-tools 2.
    Apk2,
    /// apk-tools 3, which orders some versions the other way round.
    Apk3,
}

impl VersionOrder {
    /// Compares two versions; `None` when one of them is none.
    #[must_use]
    pub fn compare(self, a: &str, b: &str) -> Option<Ordering> {
        let by = match self {
            Self::Dpkg => {
                let parse = |text: &str| dpkg::Version::parse_recorded(text).ok();
                return Some(parse(a)?.cmp(&parse(b)?));
            }
            Self::Apk2 => apk::Generation::Apk2,
            Self::Apk3 => apk::Generation::Apk3,
        };
        let are_valid = by.is_valid(a) && by.is_valid(b);
        are_valid.then(|| by.compare(&apk::Version::new(a), &apk::Version::new(b)))
    }

    /// Whether the text is a version.
    #[must_use]
    pub fn is_valid(self, text: &str) -> bool {
        self.compare(text, text).is_some()
    }

    /// What `0` says as a fixed version in the security data of distributions with this order.
    #[must_use]
    pub fn zero(self) -> ZeroFix {
        match self {
            Self::Apk2 | Self::Apk3 => ZeroFix::NeverAffected,
            Self::Dpkg => ZeroFix::Unknown,
        }
    }
}

/// What `0` says as a fixed version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZeroFix {
    /// No fixed version is known.
    Unknown,
    /// No version was ever affected: so it is in the security database of Alpine
    /// (<https://secdb.alpinelinux.org>) and of those that copy its form.
    NeverAffected,
}
