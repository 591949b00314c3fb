//! An image with all its stores: who is asked in which order, over which overlay, and what is
//! said of findings that are nobody's. In come kinds, a tree and requests; out come one plan, one
//! overlay with every store's changes, and a verdict for each finding.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imgfix_model::component::{Component, Contents, StoreId};
use imgfix_model::finding::{Class, Finding, Subject};
use imgfix_model::package::{Installed, Inventory};
use imgfix_model::path::ImagePath;
use imgfix_model::plan::{PlatformPlan, StorePlan, Unfixed};
use imgfix_model::reason::Reason;
use imgfix_model::verdict::{JudgedFinding, Verdict};
use imgfix_vfs::{Entry, FileSystem, Overlay, Tree};

use crate::error::{Cause, RepairerError};
use crate::judge::Components;
use crate::judge::verdict::of_all;
use crate::package_manager::PackageManager;
use crate::planner::{Context, Request, Requests};
use crate::repairer::{Account, Done, Kind, Owners, Part, Repairer, Work};

/// The stores of one image, in the order in which they are repaired.
#[derive(Default)]
pub struct Stores(Vec<Box<dyn Repairer>>);

/// An image, repaired and not written yet.
pub struct Repaired {
    /// What was done, and the reasons for what was not.
    pub plan: PlatformPlan,
    /// The image with every store's changes; `None`: nothing was changed.
    pub overlay: Option<Overlay>,
    /// What is told beside the plan, of all stores.
    pub account: Account,
}

impl Stores {
    /// Finds every store of these kinds, in their order.
    ///
    /// # Errors
    /// One is there and is not understood.
    pub fn detect(kinds: &[&dyn Kind], fs: &dyn FileSystem) -> Result<Self, Cause> {
        let mut stores = Vec::new();
        for kind in kinds {
            stores.extend(kind.detect(fs)?);
        }
        let mut stores = Self(stores);
        stores.own(fs)?;
        Ok(stores)
    }

    /// Tells each store which files that record its components belong to a store before.
    fn own(&mut self, fs: &dyn FileSystem) -> Result<(), Cause> {
        let components = self.iter().map(Repairer::components);
        let recorded: BTreeSet<ImagePath> = components
            .flat_map(|store| store.all.into_iter().filter_map(|one| one.path.cloned()))
            .collect();
        if recorded.is_empty() {
            return Ok(());
        }
        // what lies in an archive belongs to whom the archive belongs to
        let mut inside: BTreeMap<ImagePath, Vec<ImagePath>> = BTreeMap::new();
        for path in recorded {
            let file = file_of(fs, &path);
            inside.entry(file).or_default().push(path);
        }
        let files: BTreeSet<ImagePath> = inside.keys().cloned().collect();
        let mut owners = BTreeMap::new();
        for store in &mut self.0 {
            store.own(&owners);
            for (file, owner) in store.owners(fs, &files)? {
                for path in inside.get(&file).into_iter().flatten() {
                    owners.entry(path.clone()).or_insert_with(|| owner.clone());
                }
            }
        }
        Ok(())
    }

    /// The stores, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Repairer> {
        self.0.iter().map(|one| &**one)
    }

    /// The package manager that is repaired: the first.
    #[must_use]
    pub fn package_manager(&self) -> Option<&dyn PackageManager> {
        self.iter().find_map(Repairer::package_manager)
    }

    /// Whether there is a store of libraries.
    #[must_use]
    pub fn has_libraries(&self) -> bool {
        self.iter().any(|one| one.libraries().is_some())
    }

    /// Everything that is installed.
    #[must_use]
    pub fn contents(&self) -> Contents {
        let packages = self.package_manager().map(|one| one.inventory().clone());
        let mut libraries: Vec<_> = self.iter().filter_map(Repairer::libraries).cloned().collect();
        libraries.sort_by(|a, b| a.store.cmp(&b.store));
        Contents { packages, libraries, descriptions: BTreeMap::new() }
    }

    /// Everything that is installed, with what records say of it.
    ///
    /// # Errors
    /// A record cannot be read.
    pub fn described(&self, fs: &dyn FileSystem) -> Result<Contents, Cause> {
        let descriptions = match self.package_manager() {
            Some(manager) => manager.descriptions(fs)?,
            None => BTreeMap::new(),
        };
        Ok(Contents { descriptions, ..self.contents() })
    }

    /// Plans for `requests`, and applies the plan over `tree`: each store in its turn, over what
    /// those before it have changed.
    ///
    /// # Errors
    /// What no single component is to blame for.
    pub fn repair(
        &self,
        requests: &Requests,
        work: &Work<'_>,
        tree: &Arc<Tree>,
    ) -> Result<Repaired, RepairerError> {
        let dealt = self.deal(requests);
        let mut all = Collected::new(work.context, tree);
        all.plan.unfixed.extend(dealt.unclaimed);
        for ((at, store), requests) in self.iter().enumerate().zip(&dealt.requests) {
            if self.is_further_manager(at) {
                all.leave(requests, store.store());
                continue;
            }
            all.add(store.repair(requests, work, all.overlay.clone())?);
        }
        Ok(all.into_repaired())
    }

    /// Applies a saved plan over `tree`: all of it, or it is an error.
    ///
    /// # Errors
    /// What no single component is to blame for; the plan cannot be done; it is about a store
    /// that the image does not have.
    pub fn follow(
        &self,
        plan: PlatformPlan,
        work: &Work<'_>,
        tree: &Arc<Tree>,
    ) -> Result<Repaired, RepairerError> {
        let is_there = |planned: &&StorePlan| self.iter().any(|one| *one.store() == planned.store);
        if let Some(lost) = plan.stores.iter().find(|one| !is_there(one)) {
            return Err(RepairerError::NoStore(lost.store.clone()));
        }
        let mut all = Collected::new(work.context, tree);
        for (at, store) in self.iter().enumerate() {
            if !self.is_further_manager(at) {
                all.add(store.follow(&plan, work, all.overlay.clone())?);
            }
        }
        Ok(Repaired { plan, ..all.into_repaired() })
    }

    /// What became of each finding. `after` are the stores of the image that will be published;
    /// `advised` what advisories name as fixed, where a finding names nothing.
    #[must_use]
    pub fn judge(
        &self,
        findings: &[Finding],
        after: &Stores,
        plan: &PlatformPlan,
        advised: &BTreeMap<Finding, Vec<String>>,
    ) -> Vec<JudgedFinding> {
        let reasons: BTreeMap<&Finding, &Reason> =
            plan.unfixed.iter().map(|one| (&one.finding, &one.reason)).collect();
        let verdict = |finding: &Finding| {
            let planned = reasons.get(finding).copied();
            let with_fixed = advised.get(finding).map(|fixed| finding.with_fixed(fixed));
            let finding = with_fixed.as_ref().unwrap_or(finding);
            let claimed = self.iter().filter(|store| store.claims(finding));
            let verdicts = claimed.map(|store| {
                let after = after.iter().find(|one| one.store() == store.store());
                store.verdict(finding, after, plan, planned)
            });
            let nobodys = || Verdict::NotFixed {
                reason: planned.cloned().unwrap_or_else(|| unclaimed(finding)),
            };
            of_all(verdicts.collect()).unwrap_or_else(nobodys)
        };
        let judged = |finding: &Finding| JudgedFinding {
            finding: finding.clone(),
            verdict: verdict(finding),
        };
        findings.iter().map(judged).collect()
    }

    /// Holds a plan against the image that will be published, whose stores are `after`: every
    /// step must show.
    ///
    /// # Errors
    /// What does not, as a main clause.
    pub fn show(plan: &PlatformPlan, after: &Stores) -> Result<(), String> {
        if let Some(manager) = after.package_manager() {
            show_packages(plan, manager.inventory())?;
        } else if !plan.steps.is_empty() || !plan.removals.is_empty() {
            return Err("it has no package database any more".to_owned());
        }
        for planned in &plan.stores {
            let store = after.iter().find(|one| *one.store() == planned.store);
            show_store(planned, store.map(Repairer::components).as_ref())?;
        }
        Ok(())
    }

    /// Where the package manager that is repaired stands.
    fn manager(&self) -> Option<usize> {
        self.iter().position(|store| store.package_manager().is_some())
    }

    /// A second package manager's packages are listed and not repaired: a plan has the steps of
    /// one.
    fn is_further_manager(&self, at: usize) -> bool {
        self.manager().is_some_and(|first| at > first)
            && self.0.get(at).is_some_and(|store| store.package_manager().is_some())
    }

    /// Who gets which requests. What is settled goes to the package manager, whose plan lists it
    /// in the order of the reports.
    fn deal(&self, requests: &Requests) -> Dealt {
        let Requests::Findings(all) = requests else {
            let requests = self.0.iter().map(|_| Requests::Everything).collect();
            return Dealt { requests, unclaimed: Vec::new() };
        };
        let manager = self.manager();
        let mut dealt: Vec<Vec<Request>> = self.0.iter().map(|_| Vec::new()).collect();
        let mut left = Vec::new();
        for request in all {
            let finding = &request.finding;
            let claiming: Vec<usize> = match request.settled {
                Some(_) => Vec::new(),
                None => {
                    let claims = self.iter().map(|store| store.claims(finding));
                    claims.enumerate().filter(|(_, claims)| *claims).map(|(at, _)| at).collect()
                }
            };
            for at in &claiming {
                if let Some(own) = dealt.get_mut(*at) {
                    own.push(request.clone());
                }
            }
            if claiming.is_empty() {
                let reason = request.settled.clone().unwrap_or_else(|| unclaimed(finding));
                match manager.and_then(|at| dealt.get_mut(at)) {
                    Some(own) => {
                        own.push(Request { finding: finding.clone(), settled: Some(reason) })
                    }
                    None => left.push(Unfixed { finding: finding.clone(), reason }),
                }
            }
        }
        Dealt { requests: dealt.into_iter().map(Requests::Findings).collect(), unclaimed: left }
    }
}

/// The file that a record is, or that it lies in.
fn file_of(fs: &dyn FileSystem, path: &ImagePath) -> ImagePath {
    if fs.lstat(path).is_some() {
        return path.clone();
    }
    let above = path.ancestors().into_iter().rev().find(|above| fs.lstat(above).is_some());
    above
        .filter(|above| fs.lstat(above).is_some_and(Entry::is_file))
        .unwrap_or_else(|| path.clone())
}

impl Owners for Stores {
    fn owners_of(
        &self,
        fs: &dyn FileSystem,
        paths: &BTreeSet<ImagePath>,
    ) -> Result<BTreeMap<ImagePath, String>, Cause> {
        let mut owners = BTreeMap::new();
        for store in self.iter() {
            for (path, owner) in store.owners(fs, paths)? {
                owners.entry(path).or_insert(owner);
            }
        }
        Ok(owners)
    }
}

/// Requests, dealt out.
struct Dealt {
    /// For each store.
    requests: Vec<Requests>,
    /// What no store has, in an image without a package manager.
    unclaimed: Vec<Unfixed>,
}

/// Why a finding is left that no store of the image claims.
fn unclaimed(finding: &Finding) -> Reason {
    match finding.class {
        _ if finding.subject == Some(Subject::Build) => Reason::BuiltSo,
        Class::System => Reason::NotOwned,
        class => Reason::NoRecipe { class: class.to_string() },
    }
}

/// What the stores did so far.
struct Collected {
    overlay: Overlay,
    plan: PlatformPlan,
    account: Account,
}

impl Collected {
    fn new(context: &Context, tree: &Arc<Tree>) -> Self {
        let plan = PlatformPlan {
            platform: context.platform.clone(),
            manifest_digest: context.manifest_digest,
            steps: Vec::new(),
            removals: Vec::new(),
            unfixed: Vec::new(),
            kept_back: Vec::new(),
            stores: Vec::new(),
        };
        Self { overlay: Overlay::new(Arc::clone(tree)), plan, account: Account::default() }
    }

    /// Leaves what a second package manager's packages are asked for.
    fn leave(&mut self, requests: &Requests, store: &StoreId) {
        let Requests::Findings(requests) = requests else { return };
        self.plan.unfixed.extend(requests.iter().map(|Request { finding, .. }| Unfixed {
            finding: finding.clone(),
            reason: Reason::StoreNotRepaired {
                store: store.to_string(),
                component: finding.package.clone(),
                installed: finding.installed.clone(),
            },
        }));
    }

    fn add(&mut self, done: Done) {
        match done.part {
            Part::Nothing => {}
            Part::Packages { steps, removals, kept_back } => {
                self.plan.steps = steps;
                self.plan.removals = removals;
                self.plan.kept_back = kept_back;
            }
            Part::Store(plan) if plan.steps.is_empty() => {}
            Part::Store(plan) => self.plan.stores.push(plan),
        }
        self.overlay = done.overlay;
        self.plan.unfixed.extend(done.unfixed);
        self.account.extend(done.account);
    }

    fn into_repaired(self) -> Repaired {
        let Self { overlay, mut plan, account } = self;
        // of several stores that leave a finding the first one's reason is told
        let mut told = BTreeSet::new();
        plan.unfixed.retain(|one| told.insert(one.finding.clone()));
        let is_changed =
            !plan.steps.is_empty() || !plan.removals.is_empty() || !plan.stores.is_empty();
        Repaired { plan, overlay: is_changed.then_some(overlay), account }
    }
}

/// Every package step must show in the inventory.
fn show_packages(plan: &PlatformPlan, after: &Inventory) -> Result<(), String> {
    for step in &plan.steps {
        // of some packages several versions may be there
        let mut found = after.packages.iter().filter(|package| package.id == step.package);
        let is_at = |package: &Installed| {
            package.version == step.to
                || after.compare(package.version.as_ref(), step.to.as_ref())
                    == Some(Ordering::Equal)
        };
        if !found.any(is_at) {
            return Err(format!("{} is not at version {}", step.package, step.to));
        }
    }
    for removal in &plan.removals {
        if after.packages.iter().any(|package| package.id == removal.package) {
            return Err(format!("{} is still installed", removal.package));
        }
    }
    Ok(())
}

/// Every step of a store must show in what it has; `None`: it is gone. What has no version is
/// the store's own to judge.
fn show_store(plan: &StorePlan, after: Option<&Components<'_>>) -> Result<(), String> {
    for step in &plan.steps {
        let copy = |version| Component {
            name: &step.component,
            version,
            source: &step.component,
            source_version: version,
            architecture: None,
            path: step.path.as_ref(),
        };
        let mut found = after.iter().flat_map(|after| {
            let is_named = |one: &&Component<'_>| (after.same_name)(one.name, &step.component);
            let is_it = |one: &&Component<'_>| {
                // the name as this one writes it
                step.path.is_none() || one.is_same(&Component { name: one.name, ..copy("") })
            };
            after.all.iter().filter(is_named).filter(is_it)
        });
        match (&step.from, &step.to) {
            (_, Some(to)) if !found.any(|one| one.version == to.as_ref()) => {
                return Err(format!("{} of {} is not at version {to}", step.component, plan.store));
            }
            (Some(from), None) if found.any(|one| one.version == from.as_ref()) => {
                return Err(format!("{} {from} of {} is still there", step.component, plan.store));
            }
            _ => {}
        }
    }
    Ok(())
}
