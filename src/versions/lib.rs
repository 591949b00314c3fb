//! How package managers order versions, one file an order: functions of texts that know no
//! package and no database.
//!
//! In come versions as they are written; out comes which is the higher. What a family's security
//! data means by `0` stands here, too, because it is read where versions are.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod apk;
pub mod dpkg;
pub mod rpm;

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

/// How one kind of store orders versions. A value, so that each kind brings its own.
#[derive(Clone, Copy)]
pub struct VersionOrder {
    name: &'static str,
    compare: fn(&str, &str) -> Option<Ordering>,
    zero: ZeroFix,
}

impl VersionOrder {
    /// dpkg's, as `deb-version(7)` has it.
    pub const DPKG: Self = Self::new("dpkg", dpkg_order, ZeroFix::Unknown);
    /// apk-tools 2.
    pub const APK2: Self = Self::new("apk 2", apk2_order, ZeroFix::NeverAffected);
    /// apk-tools 3, which orders some versions the other way round.
    pub const APK3: Self = Self::new("apk 3", apk3_order, ZeroFix::NeverAffected);
    /// rpm's, as `rpm-version(7)` has it; a text without a release is below all that have one.
    pub const RPM: Self = Self::new("rpm", rpm_order, ZeroFix::Unknown);

    /// An order with a name that no other has. `compare` gives `None` when one of the texts is
    /// no version; `zero` is what `0` says as a fixed version in the security data that counts
    /// in this order.
    #[must_use]
    pub const fn new(
        name: &'static str,
        compare: fn(&str, &str) -> Option<Ordering>,
        zero: ZeroFix,
    ) -> Self {
        Self { name, compare, zero }
    }

    /// Compares two versions; `None` when one of the texts is not a version.
    #[must_use]
    pub fn compare(self, a: &str, b: &str) -> Option<Ordering> {
        (self.compare)(a, b)
    }

    /// Whether the text is a version.
    #[must_use]
    pub fn is_valid(self, text: &str) -> bool {
        self.compare(text, text).is_some()
    }

    /// What `0` says as a fixed version in the security data of distributions with this order.
    #[must_use]
    pub fn zero(self) -> ZeroFix {
        self.zero
    }
}

impl PartialEq for VersionOrder {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for VersionOrder {}

impl fmt::Debug for VersionOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

fn dpkg_order(a: &str, b: &str) -> Option<Ordering> {
    let parse = |text: &str| dpkg::Version::parse_recorded(text).ok();
    Some(parse(a)?.cmp(&parse(b)?))
}

fn rpm_order(a: &str, b: &str) -> Option<Ordering> {
    let parse = |text: &str| rpm::Evr::parse(text).ok();
    Some(parse(a)?.cmp(&parse(b)?))
}

fn apk2_order(a: &str, b: &str) -> Option<Ordering> {
    apk_order(apk::Generation::Apk2, a, b)
}

fn apk3_order(a: &str, b: &str) -> Option<Ordering> {
    apk_order(apk::Generation::Apk3, a, b)
}

fn apk_order(by: apk::Generation, a: &str, b: &str) -> Option<Ordering> {
    let are_valid = by.is_valid(a) && by.is_valid(b);
    are_valid.then(|| by.compare(&apk::Version::new(a), &apk::Version::new(b)))
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
