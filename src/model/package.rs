//! Packages across rooms: names, [`PackageId`], what is [`Installed`], the [`Inventory`] of an
//! image. How a family records them is the family's own.

use std::cmp::Ordering;
use std::fmt;

use imgfix_versions::{VersionOrder, VersionText};

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

/// Which package, across rooms: `libssl3:amd64`.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct PackageId {
    /// The binary package's name.
    pub name: PackageName,
    /// That of the package, not of the machine: `all` and `noarch` are kept.
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
display_inner!(PackageName, Architecture);

impl fmt::Display for PackageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.architecture)
    }
}

/// One installed package, as reports and the planner need it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Installed {
    /// Name and architecture.
    #[serde(flatten)]
    pub id: PackageId,
    /// The installed version, as the package manager's database has it.
    pub version: VersionText,
    /// Source package and its version, when they differ from the binary's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<(PackageName, VersionText)>,
    /// Held back by the user.
    pub held: bool,
}

impl Installed {
    /// The name of the source package.
    #[must_use]
    pub fn source_name(&self) -> &str {
        self.source.as_ref().map_or(self.id.name.as_ref(), |(name, _)| name.as_ref())
    }

    /// The version of the source package, which fixed versions in security data count.
    #[must_use]
    pub fn source_version(&self) -> &VersionText {
        self.source.as_ref().map_or(&self.version, |(_, version)| version)
    }
}

/// Everything installed, and by whom it is recorded.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Inventory {
    /// `dpkg`, `dpkg-distroless`, `apk`, `rpm`, `rpm-distroless`.
    pub family: &'static str,
    /// The type word of package URLs: `deb`, `apk`, `rpm`.
    #[serde(skip)]
    pub purl_type: &'static str,
    /// How versions are compared.
    #[serde(skip)]
    pub order: VersionOrder,
    /// The release of the image, which repositories and findings are held against.
    pub distribution: Distribution,
    /// Sorted by id.
    pub packages: Vec<Installed>,
    /// Packages that the package manager has not finished with: their files may be there.
    /// Sorted by id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unfinished: Vec<UnfinishedPackage>,
}

/// A package in a state that nothing can be built on.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct UnfinishedPackage {
    /// What the database says of it.
    #[serde(flatten)]
    pub package: Installed,
    /// In the package manager's words: `half-configured`.
    pub state: String,
}

impl Inventory {
    /// Compares two versions as the image's package manager does; `None` when one of
    /// them is not a version.
    #[must_use]
    pub fn compare(&self, a: &str, b: &str) -> Option<Ordering> {
        self.order.compare(a, b)
    }

    /// Every package whose files may be there: the installed ones, then the unfinished ones.
    pub fn present(&self) -> impl Iterator<Item = &Installed> {
        self.packages.iter().chain(self.unfinished.iter().map(|one| &one.package))
    }
}

/// Whether packages of this architecture are for every machine: dpkg's `all`, apk's and rpm's
/// `noarch`.
#[must_use]
pub fn is_independent(architecture: &str) -> bool {
    matches!(architecture, "all" | "noarch")
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
    /// `PRETTY_NAME`: `Debian GNU/Linux 12 (bookworm)`; empty when absent.
    pub pretty_name: String,
}
