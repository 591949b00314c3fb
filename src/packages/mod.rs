//! Package managers: how a family records, orders, fetches and installs packages. One folder
//! a family; nothing here reaches the network, an image or a report.

pub mod apk;
pub mod dpkg;
pub mod effects;

use std::fmt;

/// A package's name within its family (`libssl3`).
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct PackageName(pub String);

/// A package's architecture in the family's words (`amd64`, `all`, `x86_64`).
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Architecture(pub String);

/// A version as written. Order is the family's: `dpkg::Version` and so on; this type goes
/// across rooms that do not compare.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct VersionText(pub String);

/// Which package, across rooms: `libssl3:amd64`.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct PackageId {
    pub name: PackageName,
    pub architecture: Architecture,
}

macro_rules! display_inner {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    )*};
}
display_inner!(PackageName, Architecture, VersionText);

impl fmt::Display for PackageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.architecture)
    }
}

/// One installed package, as reports and the planner need it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Installed {
    #[serde(flatten)]
    pub id: PackageId,
    pub version: VersionText,
    /// Source package and its version, when they differ from the binary's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<(PackageName, VersionText)>,
    /// Held back by the user.
    pub held: bool,
}

/// Everything installed, and by whom it is recorded.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Inventory {
    /// `dpkg`, `dpkg-distroless`, later `apk`, `rpm`.
    pub family: &'static str,
    pub distribution: Distribution,
    /// Sorted by id.
    pub packages: Vec<Installed>,
}

/// From `os-release(5)`.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Distribution {
    /// `ID`: `debian`, `ubuntu`.
    pub id: String,
    /// `VERSION_ID`: `12`, `24.04`; empty when absent.
    pub version_id: String,
    /// `VERSION_CODENAME`: `bookworm`; empty when absent.
    pub codename: String,
    pub pretty_name: String,
}
