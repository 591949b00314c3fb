//! From findings to a plan, for any family of package manager.
//!
//! In come the findings, what the family knows of the image and the repositories
//! ([`Family`]), and what must not be upgraded; out comes the plan of one platform with a
//! reason for every finding that it leaves. Each finding is matched to installed packages, whose
//! candidates that reach the fix are wanted ([`targets`]); the solver finds the most of these that
//! go together and the fewest other changes ([`decision`]); the steps are put in order, and it is
//! said why ([`steps`]).

mod decision;
mod steps;
mod targets;

use std::collections::{BTreeMap, BTreeSet};

use imgfix_model::component::Component;
use imgfix_model::digest::Digest;
use imgfix_model::finding::Finding;
use imgfix_model::package::PackageId;
use imgfix_model::plan::{Archive, PlatformPlan, Removal, Unfixed};
use imgfix_model::platform::Platform;
use imgfix_model::reason::Reason;
use imgfix_solve::order::Precedence;
use imgfix_solve::solver::{Name, Solvable, Universe};
use imgfix_versions::{VersionOrder, VersionText};

use crate::judge::At;
use targets::Targets;

/// A version that the repositories offer for an installed package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The package's own.
    pub version: VersionText,
    /// Of its source package: what fixed versions count.
    pub source_version: VersionText,
}

impl Offer {
    fn at(&self) -> At<'_> {
        At { version: self.version.as_ref(), source_version: self.source_version.as_ref() }
    }
}

/// Whether an installed package may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lock {
    /// It may.
    Free,
    /// Put on hold by the user; `by` says how.
    Held {
        /// How, for [`Reason::Held`]: `dpkg (Status: hold)`.
        by: String,
    },
    /// In a state that nothing can be built on.
    Broken {
        /// Which state, and the way out.
        detail: String,
    },
}

/// An installed package, as the planner sees it.
#[derive(Debug, Clone)]
pub struct Slot {
    /// Which package.
    pub id: PackageId,
    /// What is installed, as an offer would have it.
    pub installed: Offer,
    /// Its source package; its own name where there is none.
    pub source_name: String,
    /// The version that the package manager would take, when it is newer.
    pub candidate: Option<(Solvable, Offer)>,
    /// The newest version that any repository has, older ones included.
    pub newest: Option<Offer>,
    /// Why a newer version is not the candidate: a pin, or the repository's entry for it.
    pub passed_over: Option<Reason>,
    /// Whether it may change at all.
    pub lock: Lock,
}

impl<'a> From<&'a Slot> for Component<'a> {
    fn from(slot: &'a Slot) -> Self {
        Self {
            name: slot.id.name.as_ref(),
            version: slot.installed.version.as_ref(),
            source: &slot.source_name,
            source_version: slot.installed.source_version.as_ref(),
            architecture: Some(slot.id.architecture.as_ref()),
            path: None,
        }
    }
}

/// What a step does, in the family's words.
#[derive(Debug, Clone)]
pub struct StepFacts {
    /// The package that is installed.
    pub package: PackageId,
    /// `None`: it is not there yet.
    pub from: Option<VersionText>,
    /// The version that it is at then.
    pub to: VersionText,
    /// Where the package is fetched.
    pub archive: Archive,
    /// Things to know: relations that were not satisfied before and are not now.
    pub notes: Vec<String>,
}

/// A version that comes along though no relation asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Companion {
    /// The version that comes along.
    pub solvable: Solvable,
    /// What brings it.
    pub because_of: Solvable,
    /// In the family's words: `install_if: docs nginx=1.26.2-r0`.
    pub relation: String,
    /// Whether it stays away where it would change anything that is installed.
    pub is_gentle: bool,
}

/// A family of package manager: its packages as a [`Universe`], and what the planner asks
/// beyond that.
pub trait Family: Universe {
    /// All installed packages, sorted by id.
    fn slots(&self) -> &[Slot];
    /// The names that the solver must keep ([`keep`](imgfix_solve::solver::Task::keep)).
    fn keep(&self) -> Vec<Name>;
    /// The installed version with the name of `solvable`.
    fn installed(&self, solvable: Solvable) -> Option<Solvable>;
    /// Installed versions of other names that `solvable` may take the place of. With dpkg and
    /// apk there is no such thing.
    fn replaced(&self, _solvable: Solvable) -> Vec<Solvable> {
        Vec::new()
    }
    /// The versions that the vendor's advisories name as fixed, where a finding names none; empty:
    /// they say nothing of it.
    fn advised(&self, _finding: &Finding) -> Vec<String> {
        Vec::new()
    }
    /// The version of the package itself that one of the vendor's advisories for a finding leads
    /// to, by the position of its slot: it may be older than another of them names. `None`: there
    /// is no such thing, and its candidate counts.
    fn advised_candidate(&self, _finding: &Finding, _slot: usize) -> Option<(Solvable, Offer)> {
        None
    }
    /// How versions are compared, and what `0` says as a fixed one.
    fn order(&self) -> VersionOrder;
    /// The package of a version.
    fn package(&self, solvable: Solvable) -> PackageId;
    /// All offered versions of the packages in `packages`: what barring them forbids.
    fn offered(&self, packages: &BTreeSet<&PackageId>) -> BTreeSet<Solvable>;
    /// What installing a version means; `None` for what is installed already.
    fn step(&self, solvable: Solvable) -> Option<StepFacts>;
    /// What a person may want to know of all these changes together.
    fn notes(&self, _changes: &[Solvable]) -> Vec<String> {
        Vec::new()
    }
    /// Which of these steps want which.
    fn edges(&self, steps: &[Solvable]) -> BTreeSet<Precedence>;
    /// Installed names that go when nothing needs them
    /// ([`may_go`](imgfix_solve::solver::Task::may_go)); none of them is in [`Family::keep`].
    /// With dpkg and apt everything stays.
    fn may_go(&self) -> BTreeSet<Name> {
        BTreeSet::new()
    }
    /// What the package manager takes away with these changes, which are in installation
    /// order; dpkg and apt take nothing away.
    fn removals(&self, _changes: &[Solvable]) -> Vec<Removal> {
        Vec::new()
    }
    /// Those of these changes whose packages may go and that nothing needs: a package manager
    /// that takes away what is not needed would not have them.
    fn unneeded(&self, _changes: &[Solvable]) -> Vec<Solvable> {
        Vec::new()
    }
    /// What the package manager adds to these changes of itself, unless it cannot be
    /// installed: apk's `install_if`. Of several for one relation the first that can be. `wanted` are
    /// versions that it takes before others.
    fn companions(&self, _changes: &[Solvable], _wanted: &BTreeSet<Solvable>) -> Vec<Companion> {
        Vec::new()
    }
}

/// A finding and what is decided about it already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is to be fixed.
    pub finding: Finding,
    /// Filtered out by the user, or otherwise settled: it goes to the plan's `unfixed`.
    pub settled: Option<Reason>,
}

impl From<Finding> for Request {
    fn from(finding: Finding) -> Self {
        Self { finding, settled: None }
    }
}

/// What is to be repaired.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Requests {
    /// Everything that the repositories have newer.
    #[default]
    Everything,
    /// What the reports name.
    Findings(Vec<Request>),
}

impl Requests {
    /// What is left of requests that are all settled, each with its reason; `None`: something is
    /// to be done. Nothing has to be asked of anybody then.
    #[must_use]
    pub fn all_settled(&self) -> Option<Vec<Unfixed>> {
        let Self::Findings(all) = self else { return None };
        let unfixed = |Request { finding, settled }: &Request| {
            let (finding, reason) = (finding.clone(), settled.clone()?);
            Some(Unfixed { finding, reason })
        };
        all.iter().map(unfixed).collect()
    }
}

/// Which image the plan is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The platform; findings of reports on others are passed over.
    pub platform: Platform,
    /// Of the platform's manifest.
    pub manifest_digest: Digest,
}

/// A plan and what the planner saw on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// What to do, in order, and what is left with which reason.
    pub plan: PlatformPlan,
    /// Findings that a step of the plan is there for, each with its package.
    pub fixes: Vec<(Finding, PackageId)>,
    /// Findings whose fixed version, or a newer one, is installed already.
    pub already_fixed: Vec<Finding>,
    /// Fixed versions of findings that name none, by the vendor's advisories.
    pub advised: BTreeMap<Finding, Vec<String>>,
    /// For people: relations that were broken before and are left so.
    pub notes: Vec<String>,
}

/// Plans one platform's image. `barred` are packages that must not be installed or upgraded,
/// with the reason that their findings, and those that need them, get.
#[must_use]
pub fn plan(
    family: &dyn Family,
    requests: &Requests,
    barred: &BTreeMap<PackageId, Reason>,
    context: &Context,
) -> Planned {
    let mut targets = Targets::new(family, barred);
    match requests {
        Requests::Everything => targets.everything(),
        Requests::Findings(requests) => {
            for request in requests {
                targets.request(request, &context.platform);
            }
        }
    }
    targets.finish(context)
}
