//! [`Component`]: one installed thing as judge, planner and inventories see it, whatever store
//! it is recorded in; [`Libraries`]: what a store of an application's libraries holds. How a
//! store is written is its own room's.

use std::collections::BTreeMap;
use std::fmt;

use imgfix_versions::{VersionOrder, VersionText};

use super::description::Description;
use super::package::{Installed, Inventory, PackageId};
use super::path::ImagePath;

/// Which store of an image: `python at /opt/venv/lib/python3.12/site-packages`.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct StoreId {
    /// What it is: `dpkg`, `apk`, `python`, `node`.
    pub kind: String,
    /// The folder or file that it is kept in.
    pub place: String,
}

impl StoreId {
    /// The store of this kind at `place`.
    #[must_use]
    pub fn new(kind: &str, place: &ImagePath) -> Self {
        Self { kind: kind.to_owned(), place: place.to_string() }
    }
}

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.kind, self.place)
    }
}

/// One installed thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Component<'a> {
    /// As its store records it: `libssl3`, `Jinja2`, `@babel/core`.
    pub name: &'a str,
    /// The installed version, in the form of its store.
    pub version: &'a str,
    /// The source package that it was built from (apk: the origin); its own name elsewhere.
    pub source: &'a str,
    /// What fixed versions in security data count; its own version where there is no source.
    pub source_version: &'a str,
    /// In the store's words; `None` where a store knows none.
    pub architecture: Option<&'a str>,
    /// Where it is recorded, in stores with a place for each component.
    pub path: Option<&'a ImagePath>,
}

impl Component<'_> {
    /// Whether this and `other`, of the same store at two times, are one thing in two versions.
    /// The folder that records a Python distribution has its version in its name.
    #[must_use]
    pub fn is_same(&self, other: &Component<'_>) -> bool {
        let folder = |one: &Component<'_>| {
            one.path.and_then(ImagePath::parent).and_then(|record| record.parent())
        };
        (self.name, self.architecture) == (other.name, other.architecture)
            && folder(self) == folder(other)
    }
}

impl<'a> From<&'a Installed> for Component<'a> {
    fn from(package: &'a Installed) -> Self {
        Self {
            name: package.id.name.as_ref(),
            version: package.version.as_ref(),
            source: package.source_name(),
            source_version: package.source_version().as_ref(),
            architecture: Some(package.id.architecture.as_ref()),
            path: None,
        }
    }
}

/// A library of an application, as its environment records it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Library {
    /// As its own metadata writes it (`Jinja2`, `@babel/core`).
    pub name: String,
    /// The installed version, as the record has it.
    pub version: VersionText,
    /// The file that records it: `.../Jinja2-3.1.2.dist-info/METADATA`.
    pub path: ImagePath,
    /// The system package that its record belongs to (`python3-jinja2:all`): that package's
    /// repairs change it, and nothing else does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What its record says of it.
    #[serde(skip)]
    pub description: Description,
    /// Problems that this copy has and that cannot be used in it.
    #[serde(skip)]
    pub mitigated: Vec<Mitigated>,
}

/// Problems of a component that something keeps from being used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mitigated {
    /// Ids: `CVE-2021-44228`.
    pub ids: Vec<String>,
    /// Half a sentence: `JndiLookup.class is not in it`.
    pub how: String,
}

impl Library {
    /// What keeps the problem with this id from being used in this copy.
    #[must_use]
    pub fn mitigation(&self, id: &str) -> Option<&str> {
        let about = |one: &&Mitigated| one.ids.iter().any(|own| own.eq_ignore_ascii_case(id));
        self.mitigated.iter().find(about).map(|one| one.how.as_str())
    }
}

impl<'a> From<&'a Library> for Component<'a> {
    fn from(library: &'a Library) -> Self {
        Self {
            name: &library.name,
            version: library.version.as_ref(),
            source: &library.name,
            source_version: library.version.as_ref(),
            architecture: None,
            path: Some(&library.path),
        }
    }
}

/// One environment of libraries.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Libraries {
    /// The environment: its kind and the folder that holds the records.
    pub store: StoreId,
    /// The type word of package URLs: `pypi`, `npm`.
    pub purl_type: &'static str,
    /// How versions of this kind of library are compared.
    #[serde(skip)]
    pub order: VersionOrder,
    /// Sorted by name, then path.
    pub libraries: Vec<Library>,
    /// Records that could not be read, sorted by path: which libraries they are of is unknown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
}

/// A record of a library that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Unread {
    /// The file that records the library.
    pub path: ImagePath,
    /// Half a sentence: `it has no Version`.
    pub why: String,
}

/// Everything that one image has installed, of all its stores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The package manager's; `None`: the image has none that is known.
    pub packages: Option<Inventory>,
    /// Sorted by kind, then place.
    pub libraries: Vec<Libraries>,
    /// What the package manager's records say of its packages; empty when it was not asked.
    pub descriptions: BTreeMap<PackageId, Description>,
}
