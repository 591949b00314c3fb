//! The seam between the house and the stores of risk in an image: a [`Kind`] finds the stores of
//! one kind in a tree, and each is a [`Repairer`] then. In come the tree, findings and the
//! overlay that all of them share; out come proposals, changes and verdicts.
//!
//! A new kind is one room and one line in the program's list of kinds. Who does what in which
//! order, and what becomes of findings that are nobody's, is in [`crate::image`].

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use bytes::Bytes;
use imgfix_model::component::{Libraries, StoreId};
use imgfix_model::effects::Effect;
use imgfix_model::finding::Finding;
use imgfix_model::path::ImagePath;
use imgfix_model::plan::{KeptBack, PlatformPlan, Removal, Step, StorePlan, Unfixed};
use imgfix_model::reason::Reason;
use imgfix_model::verdict::Verdict;
use imgfix_repository::checked::IdentityCheck;
use imgfix_repository::{Fetcher, Verified};
use imgfix_vfs::{FileSystem, Overlay};

use crate::choice::PackageChoice;
use crate::edge::Edge;
use crate::error::{Cause, RepairerError};
use crate::judge::Components;
use crate::judge::verdict::Case;
use crate::package_manager::PackageManager;
use crate::planner::{Context, Requests};

/// One kind of store: how its stores are found.
pub trait Kind: Sync {
    /// Whether the content of this file, of `size` bytes, is to stay in memory while layers
    /// stream by. What is not wanted can be read all the same: from its layer again.
    fn wants(&self, path: &ImagePath, size: u64) -> bool;

    /// Whether the content of this file, of `size` bytes, says of what is installed more than
    /// name and version: it stays in memory, too, when that is asked for.
    fn describes(&self, _path: &ImagePath, _size: u64) -> bool {
        false
    }

    /// Makes a note of a file whose content is not kept, while layers stream by: what
    /// [`Kind::detect`] will ask of it ([`FileSystem::note`]). Reads nothing of files that are
    /// none of its own: other kinds may want them.
    ///
    /// # Errors
    /// The content's own.
    fn note(
        &self,
        _path: &ImagePath,
        _size: u64,
        _content: &mut dyn Read,
    ) -> io::Result<Option<Bytes>> {
        Ok(None)
    }

    /// How its packages are checked, when indexes know them by their identity instead of by the
    /// checksum of the whole archive.
    fn identity_check(&self) -> Option<IdentityCheck> {
        None
    }

    /// The stores of this kind, sorted by place.
    ///
    /// # Errors
    /// One is there and is not understood.
    fn detect(&self, fs: &dyn FileSystem) -> Result<Vec<Box<dyn Repairer>>, Cause>;
}

/// One store of risk in an image, its records read.
pub trait Repairer {
    /// Which one it is.
    fn store(&self) -> &StoreId;

    /// What is installed, as the judge sees it, with the order of its versions.
    fn components(&self) -> Components<'_>;

    /// The package manager that it is, if it is one.
    fn package_manager(&self) -> Option<&dyn PackageManager> {
        None
    }

    /// The environment of libraries that it is, if it is one.
    fn libraries(&self) -> Option<&Libraries> {
        None
    }

    /// Of the files at `paths` those that belong to a component, with its name. A file of a
    /// package belongs to the package: no other store changes it.
    ///
    /// # Errors
    /// The store's lists of files cannot be read.
    fn owners(
        &self,
        _fs: &dyn FileSystem,
        _paths: &BTreeSet<ImagePath>,
    ) -> Result<BTreeMap<ImagePath, String>, Cause> {
        Ok(BTreeMap::new())
    }

    /// Tells the store whose its files are, by what the stores before it say.
    fn own(&mut self, _owners: &BTreeMap<ImagePath, String>) {}

    /// What is wrong here of what a finding says, in half a sentence, where no version tells it;
    /// `None`: nothing.
    fn wrong(&self, _finding: &Finding) -> Option<String> {
        None
    }

    /// Whether this store has what the finding is about.
    fn claims(&self, finding: &Finding) -> bool;

    /// Plans for `requests`, whose findings it claims, and applies the plan to `overlay`. What
    /// cannot be done is left with a reason; the overlay that is returned has a set of changes wholly, or
    /// not at all.
    ///
    /// # Errors
    /// What no single component is to blame for: this machine, a repository that is not trusted.
    fn repair(
        &self,
        requests: &Requests,
        work: &Work<'_>,
        overlay: Overlay,
    ) -> Result<Done, RepairerError>;

    /// Applies its part of a saved plan to `overlay`: all of it, or it is an error.
    ///
    /// # Errors
    /// As for [`Repairer::repair`]; the plan cannot be done here.
    fn follow(
        &self,
        plan: &PlatformPlan,
        work: &Work<'_>,
        overlay: Overlay,
    ) -> Result<Done, RepairerError>;

    /// What became of a finding that this store claims. `after` is the same store in the
    /// repaired image (`None`: it is not there any more), `planned` why the plan left it.
    fn verdict(
        &self,
        finding: &Finding,
        after: Option<&dyn Repairer>,
        plan: &PlatformPlan,
        planned: Option<&Reason>,
    ) -> Verdict {
        by_versions(self, finding, after, plan, planned)
    }
}

/// What became of a finding by the versions that its store had and has: as [`Repairer::verdict`].
#[must_use]
pub fn by_versions<R: Repairer + ?Sized>(
    store: &R,
    finding: &Finding,
    after: Option<&dyn Repairer>,
    plan: &PlatformPlan,
    planned: Option<&Reason>,
) -> Verdict {
    let (before, after) = (store.components(), after.map(Repairer::components));
    let (before, after, removals) = (&before, after.as_ref(), plan.removals.as_slice());
    Case { finding, before, after, removals, planned }.verdict()
}

/// Which files of an image belong to components of its stores.
pub trait Owners {
    /// Of the files at `paths` those that belong to a component, with its name.
    ///
    /// # Errors
    /// A store's lists of files cannot be read.
    fn owners_of(
        &self,
        fs: &dyn FileSystem,
        paths: &BTreeSet<ImagePath>,
    ) -> Result<BTreeMap<ImagePath, String>, Cause>;
}

/// What repairers have to work with.
pub struct Work<'a> {
    /// Which image it is.
    pub context: &'a Context,
    /// What the user lets be changed.
    pub choice: &'a PackageChoice,
    /// Everything that reports say of this image, whatever store it is about.
    pub findings: &'a [Finding],
    /// Whose files are whose.
    pub owners: &'a dyn Owners,
    /// What downloads, and remembers for the run what it has.
    pub fetcher: &'a Fetcher,
    /// What comes from outside.
    pub edge: &'a Edge,
}

/// What a repairer did.
pub struct Done {
    /// What it was given, with its changes.
    pub overlay: Overlay,
    /// What it does, as a plan has it.
    pub part: Part,
    /// What it left of its requests.
    pub unfixed: Vec<Unfixed>,
    /// What is told of it beside the plan.
    pub account: Account,
}

/// What is told of a repair beside its plan.
#[derive(Default)]
pub struct Account {
    /// What installations did besides the files of packages, in the order in which they did.
    pub effects: Vec<Effect>,
    /// Files that the changes made stale and that recipes removed.
    pub stale: Vec<imgfix_recipes::StalePath>,
    /// Which repositories were asked, and who signed them.
    pub repositories: Vec<Verified>,
    /// The time of the newest package from each repository, by its short name.
    pub newest: BTreeMap<String, i64>,
    /// What was seen on the way, for people.
    pub notes: Vec<String>,
    /// Fixed versions of findings that name none, by the vendor's advisories.
    pub advised: BTreeMap<Finding, Vec<String>>,
}

impl Account {
    /// Adds what another store has to tell.
    pub fn extend(&mut self, other: Account) {
        self.effects.extend(other.effects);
        self.stale.extend(other.stale);
        self.repositories.extend(other.repositories);
        for (name, time) in other.newest {
            let known = self.newest.entry(name).or_insert(time);
            *known = time.max(*known);
        }
        self.notes.extend(other.notes);
        self.advised.extend(other.advised);
    }
}

/// A repairer's part of a plan.
pub enum Part {
    /// The store stays as it is.
    Nothing,
    /// A package manager's.
    Packages {
        /// In installation order.
        steps: Vec<Step>,
        /// What goes with these steps, in the package manager's order.
        removals: Vec<Removal>,
        /// Newer versions that are left out.
        kept_back: Vec<KeptBack>,
    },
    /// Another store's.
    Store(StorePlan),
}

impl Done {
    /// Nothing, done to an overlay.
    #[must_use]
    pub fn unchanged(overlay: Overlay) -> Self {
        Self { overlay, part: Part::Nothing, unfixed: Vec::new(), account: Account::default() }
    }
}
