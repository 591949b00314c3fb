//! Which packages go to which version, and why: pure functions from inventory, findings and
//! available packages to a [`Plan`].

pub mod build;
pub mod checksum;
pub mod choice;
pub mod document;
pub mod explain;
mod left_out;
pub mod order;
pub mod solver;

pub use document::{PlanError, SCHEMA};

use crate::findings::{Finding, FixStatus};
pub use checksum::ArchiveChecksum;

use crate::image::{Digest, Platform};
use crate::judge::{Claims, State, UnknownFix};
use crate::packages::{PackageId, PackageName, VersionText};

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
    pub platforms: Vec<PlatformPlan>,
}

/// The plan for one platform's image.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlatformPlan {
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
}

/// A newer version that this plan leaves out, though everything newer was asked for.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptBack {
    pub package: PackageId,
    pub version: VersionText,
    pub reason: Reason,
}

/// One package to install at one version.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub package: PackageId,
    /// `None`: newly installed because an upgrade needs it.
    pub from: Option<VersionText>,
    pub to: VersionText,
    pub archive: Archive,
    pub because: Vec<Because>,
}

/// An installed package that goes, because the package manager would have it so: apk takes
/// away what a step put itself in the place of, and what nothing needs any more.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removal {
    pub package: PackageId,
    pub version: VersionText,
    /// Its source package, when that has another name: some reports name it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<PackageName>,
    /// The step before which it goes, from 0; the number of steps: after the last.
    pub before: usize,
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
    pub checksum: ArchiveChecksum,
    /// Which repository it comes from, for people: `http://... bookworm-security main`.
    pub repository: String,
}

/// Why a step is in the plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Because {
    /// Fixes these finding ids.
    Fixes { findings: Vec<String> },
    /// A newer version is there and no report narrows the repair.
    Newer,
    /// Nothing that is wanted needs it any more.
    Unneeded,
    /// `package` of this plan has a relation (`Depends: libc6 (>= 2.36)`) that wants it.
    Needed { package: PackageId, relation: String },
}

/// A finding that this plan leaves.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unfixed {
    pub finding: Finding,
    pub reason: Reason,
}

/// Why a finding is not fixed. The words are stable: they are in the JSON report.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Reason {
    /// The distribution has no fixed version.
    NoFixedVersion,
    /// The distribution will not fix it.
    WillNotFix,
    /// The distribution has put the fix off.
    Deferred,
    /// The release gets no fixes any more.
    EndOfLife,
    /// The distribution does not know yet whether it is affected.
    UnderInvestigation,
    /// It is not known which version has the fix, and the repositories have nothing newer than
    /// what is installed.
    FixUnknown { because: UnknownFix, installed: String },
    /// The package was upgraded, and it is not known which version has the fix.
    Unproven { upgraded_to: String, because: UnknownFix },
    /// The report is about another release of the distribution, or another distribution.
    OtherRelease { release: String },
    /// The reports disagree on the fixed version: at `installed` some hold it fixed.
    ReportsDisagree { installed: String, fixed_for: Vec<String>, affected_for: Vec<String> },
    /// The report gives an epoch on one side only, and the answer depends on it.
    EpochUnclear { seen: String, fixed: String },
    /// The package is there for other architectures than the finding says.
    OtherArchitecture { wanted: String, installed: Vec<String> },
    /// No repository of the image has the fixed version; `newest` is what they have.
    NotInRepositories { wanted: String, newest: Option<String> },
    /// No repository that could be read has the fixed version, and `source` could not be read.
    RepositoryUnreadable { source: String, why: String },
    /// The image names no repository, and none is known for it.
    NoRepository { advice: String },
    /// The user holds the package (dpkg hold) or a pin forbids the version.
    Held { package: String, by: String },
    /// Upgrading conflicts with `package`.
    Conflict { package: String, detail: String },
    /// The image has no package of that name: the file is not owned by a package.
    NotOwned,
    /// A maintainer script that cannot be evaluated.
    NeedsScripts { package: String, script: String, line: Option<u32>, detail: String },
    /// The class of finding has no recipe yet.
    NoRecipe { class: String },
    /// Excluded by the user's filters.
    Ignored { by: String },
    /// The package manager of the image is not supported.
    UnsupportedImage { detail: String },
    /// Read back after the repair, the package is still at an affected version.
    StillPresent { installed: String },
}

impl Reason {
    /// The reason of a finding that has no fixed version, by what the distribution says of it.
    #[must_use]
    pub fn no_fix(status: FixStatus) -> Self {
        match status {
            FixStatus::WillNotFix => Reason::WillNotFix,
            FixStatus::Deferred => Reason::Deferred,
            FixStatus::EndOfLife => Reason::EndOfLife,
            FixStatus::UnderInvestigation => Reason::UnderInvestigation,
            FixStatus::Affected | FixStatus::Fixed | FixStatus::NotAffected => {
                Reason::NoFixedVersion
            }
        }
    }

    /// The reason of a state that is neither free nor plainly affected, at `version`.
    #[must_use]
    pub fn of_state(
        finding: &Finding,
        claims: &Claims,
        state: State,
        version: &str,
    ) -> Option<Self> {
        match state {
            State::Free | State::Affected => None,
            State::Disputed { free, affected } => Some(Reason::ReportsDisagree {
                installed: version.to_owned(),
                fixed_for: free,
                affected_for: affected,
            }),
            State::EpochUnclear => Some(Reason::EpochUnclear {
                seen: finding.installed.clone(),
                fixed: claims.versions().collect::<Vec<_>>().join(", "),
            }),
        }
    }
}
