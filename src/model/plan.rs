//! [`Plan`]: which packages go to which version, and why; what is left, and for what [`Reason`].

use super::checksum::ArchiveChecksum;
use super::component::StoreId;
use super::digest::Digest;
use super::finding::Finding;
use super::package::{PackageId, PackageName};
use super::path::ImagePath;
use super::platform::Platform;
use super::reason::Reason;
use imgfix_versions::VersionText;

/// What will be done to one image (all its platforms), exactly. Saved by `plan --save`, and
/// `repair --plan` does this and nothing else. Its digest is over its JSON.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// `imgfix/plan/v1`.
    pub schema: String,
    /// The image as the user named it.
    pub image: String,
    /// Digest of the original's top manifest or index.
    pub image_digest: Digest,
    /// One plan for each platform that is repaired, in the order of the index.
    pub platforms: Vec<PlatformPlan>,
}

/// The plan for one platform's image.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlatformPlan {
    /// The platform, which is in a plan once.
    pub platform: Platform,
    /// Digest of the platform's original manifest.
    pub manifest_digest: Digest,
    /// In installation order.
    pub steps: Vec<Step>,
    /// Packages that the package manager takes away with these steps, in its order.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub removals: Vec<Removal>,
    /// Findings that no step fixes, each with its reason.
    pub unfixed: Vec<Unfixed>,
    /// Without a report: newer versions that are left out.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub kept_back: Vec<KeptBack>,
    /// What is done in stores that are no package manager, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub stores: Vec<StorePlan>,
}

/// What is done in one store that is no package manager.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorePlan {
    /// The store that is changed.
    pub store: StoreId,
    /// In the order in which they are done; never empty.
    pub steps: Vec<StoreStep>,
}

/// One component to change.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreStep {
    /// Its name in its store.
    pub component: String,
    /// Which copy of it, where a store may have several: the file that recorded it before, or
    /// that will record it when it is new.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<ImagePath>,
    /// `None`: it is not there yet, or has no versions.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from: Option<VersionText>,
    /// `None`: it goes, or has no versions.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub to: Option<VersionText>,
    /// What it is made of, when that is fetched.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub archive: Option<Archive>,
    /// How the archive is unpacked; `None`: as its store does it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unpack: Option<Unpack>,
    /// Who is attested to have published the archive, for people.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attested_by: Option<String>,
    /// Why it is changed; never empty.
    pub because: Vec<Because>,
}

/// How an archive takes the place of what a rule names.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unpack {
    /// How many leading folders of its names are left out.
    pub strip: u32,
    /// The one file of it that is wanted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub member: Option<String>,
}

/// A newer version that this plan leaves out, though everything newer was asked for.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptBack {
    /// The installed package.
    pub package: PackageId,
    /// The newer version that a repository has.
    pub version: VersionText,
    /// Why the package stays at its version.
    pub reason: Reason,
}

/// One package to install at one version.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The package to install; it is in a platform's plan once.
    pub package: PackageId,
    /// `None`: newly installed because an upgrade needs it.
    pub from: Option<VersionText>,
    /// The version to install, which is never older than `from`.
    pub to: VersionText,
    /// Where the package is fetched, and what its bytes are held against.
    pub archive: Archive,
    /// Why it is installed; never empty.
    pub because: Vec<Because>,
}

/// An installed package that the package manager would take away with these steps: apk removes
/// what a new package takes the place of, and what nothing needs any more.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removal {
    /// The installed package that goes.
    pub package: PackageId,
    /// The version that is installed.
    pub version: VersionText,
    /// Its source package, when that has another name: some reports name it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<PackageName>,
    /// The step before which it goes, from 0; the number of steps: after the last.
    pub before: usize,
    /// Why it goes: [`Because::Needed`] by what excludes it, or [`Because::Unneeded`].
    pub because: Because,
}

/// A package archive, by content.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// Absolute URL at the repository (before `--mirror`).
    pub url: String,
    /// Bytes.
    pub size: u64,
    /// As the verified index has it.
    pub checksum: ArchiveChecksum,
    /// Which repository it comes from, for people: `http://... bookworm-security main`.
    pub repository: String,
}

/// Why a step is in the plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Because {
    /// Fixes these finding ids.
    Fixes {
        /// Sorted ids: `CVE-2024-1234`.
        findings: Vec<String>,
    },
    /// Puts the problems of these finding ids out of use.
    Mitigates {
        /// Sorted ids.
        findings: Vec<String>,
    },
    /// A newer version is there and no report narrows the repair.
    Newer,
    /// Nothing that is wanted needs it any more.
    Unneeded,
    /// A rule of the user's says so.
    Rule {
        /// Where the rule is written: `imgfix.toml:12:1`.
        rule: String,
    },
    /// In a store of libraries: `component` of this plan changes with it, or needs it.
    Beside {
        /// The component that a finding is about.
        component: String,
        /// Why, in the store's words: `Requires-Dist: idna>=3`, `one family`.
        relation: String,
    },
    /// `package` of this plan has a relation (`Depends: libc6 (>= 2.36)`) that wants it.
    Needed {
        /// The package that has the relation.
        package: PackageId,
        /// As its family writes it, with the field's name before it.
        relation: String,
    },
}

/// A finding that this plan leaves.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unfixed {
    /// The finding, as the merged reports have it.
    pub finding: Finding,
    /// Why no step fixes it.
    pub reason: Reason,
}

impl Removal {
    /// Why it goes, as half a sentence.
    #[must_use]
    pub fn why(&self) -> String {
        match &self.because {
            Because::Needed { package, relation } => {
                format!("it gives way to {}: {relation}", package.name)
            }
            _ => "nothing needs it any more".to_owned(),
        }
    }
}
