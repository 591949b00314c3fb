//! Debian's relations in the planner's terms.
//!
//! In come the inventory, the repositories' index and the pins; out comes a
//! [`Family`](imgfix_repair::planner::Family) that the planner asks. Here is what apt would take
//! of each package; what relations mean is in [`rules`], what a version is in [`package_version`],
//! and the planner's questions are answered in [`family`].
//!
//! Two rules are ours. Every installed package stays, at its version or at apt's candidate.
//! And relations that the image breaks already (distroless images leave out `debconf` and
//! other dependencies on purpose) may stay broken in the same way.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};

use self::package_version::PackageVersion;
use super::index::{Available, PackageIndex};
use super::policy::AptPolicy;
use super::preferences::{Candidate, Present};
use imgfix_dpkg::inventory::{DpkgInventory, InstalledPackage, Record};
use imgfix_model::package::{Architecture, PackageId};
use imgfix_model::reason::Reason;
use imgfix_repair::planner::{Context, Lock, Offer, Planned, Requests, Slot, plan};
use imgfix_solve::effort::Effort;
use imgfix_solve::pool::Pool;
use imgfix_solve::rules::{broken, with_a_choice};
use imgfix_solve::solver::{Name, Solvable};
use imgfix_versions::dpkg::Version;

/// Plans one platform's image: see [`plan`].
#[must_use]
pub fn plan_platform(
    inventory: &DpkgInventory,
    index: &PackageIndex,
    policy: &AptPolicy,
    requests: &Requests,
    barred: &BTreeMap<PackageId, Reason>,
    context: &Context,
) -> Planned {
    let universe =
        DpkgUniverse::for_requests(inventory, index, policy, requests, Effort::default());
    plan(&universe, requests, barred, context)
}

/// What apt would be asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AptCommand {
    /// `apt-get upgrade --with-new-pkgs`: phased updates count.
    Upgrade,
    /// `apt-get install` of some packages.
    Install,
}

/// The image and its repositories as a [`Family`](imgfix_repair::planner::Family).
pub struct DpkgUniverse<'a> {
    inventory: &'a DpkgInventory,
    index: &'a PackageIndex,
    policy: &'a AptPolicy,
    command: AptCommand,
    slots: Vec<Slot>,
    pool: Pool<PackageVersion>,
    /// Packages by the order in which the repositories mention them, as it was asked for.
    mentions: RefCell<HashMap<Vec<String>, Vec<String>>>,
    lookups: Cell<usize>,
}

impl<'a> DpkgUniverse<'a> {
    /// Numbers the installed packages and their candidates, for a plan that is to do
    /// `requests`.
    #[must_use]
    pub fn for_requests(
        inventory: &'a DpkgInventory,
        index: &'a PackageIndex,
        policy: &'a AptPolicy,
        requests: &Requests,
        effort: Effort,
    ) -> Self {
        let command = match requests {
            Requests::Everything => AptCommand::Upgrade,
            Requests::Findings(_) => AptCommand::Install,
        };
        let mut universe = Self {
            inventory,
            index,
            policy,
            command,
            slots: Vec::new(),
            pool: Pool::new(effort),
            mentions: RefCell::default(),
            lookups: Cell::default(),
        };
        for package in &inventory.packages {
            let slot = universe.add_installed(package);
            universe.slots.push(slot);
        }
        universe.pool.broken = broken(&universe);
        universe.pool.keep = with_a_choice(&universe);
        universe
    }

    /// How many packages were looked up in the index: the cost of the plan.
    #[must_use]
    pub fn lookups(&self) -> usize {
        self.lookups.get()
    }

    fn effective(&self, architecture: &Architecture) -> Architecture {
        match architecture.as_ref() {
            "all" => self.inventory.native.clone(),
            _ => architecture.clone(),
        }
    }

    fn add_installed(&self, package: &InstalledPackage) -> Slot {
        let name = self.pool.new_name();
        let architecture = self.effective(&package.id.architecture);
        self.pool.number(PackageVersion::installed(name, package, architecture.clone()));
        let versions = self.versions(package.id.name.as_ref(), &architecture);
        let twofold = matches!(package.record, Record::File(_)) && self.inventory.has_status();
        let lock = match (&package.unfinished, package.held) {
            _ if twofold => Lock::Broken {
                detail: format!(
                    "{} is recorded in status.d, as in an image without dpkg, and others in \
                     dpkg's own database: upgrade it where the image is built",
                    package.id.name
                ),
            },
            (Some(state), _) => Lock::Broken {
                detail: format!(
                    "dpkg left {} in the state {state}; build the image anew, or run \
                     'dpkg --configure -a' in it",
                    package.id.name
                ),
            },
            (None, true) => Lock::Held { by: "dpkg (Status: hold)".to_owned() },
            (None, false) => Lock::Free,
        };
        let candidate = self.candidate_of(name, package, &architecture, &versions);
        let (candidate, passed_over) = match candidate {
            Ok(candidate) => (candidate, None),
            Err(reason) => (None, Some(reason)),
        };
        Slot {
            id: package.id.clone(),
            installed: Offer {
                version: package.version.to_text(),
                source_version: package.source_version().to_text(),
            },
            source_name: package.source_name().to_owned(),
            candidate,
            newest: newest(&versions).map(offer),
            passed_over,
            lock,
        }
    }

    /// What apt would upgrade an installed package to, or why it does not.
    fn candidate_of(
        &self,
        name: Name,
        package: &InstalledPackage,
        architecture: &Architecture,
        versions: &[Available],
    ) -> Result<Option<(Solvable, Offer)>, Reason> {
        let held = |by| Err(Reason::Held { package: package.id.name.to_string(), by });
        let present = Present {
            name: package.id.name.as_ref(),
            architecture,
            version: &package.version,
            source_name: package.source_name(),
            source_version: package.source_version(),
        };
        let preferences = &self.policy.preferences;
        let available = match preferences.candidate(versions, Some(present), &self.inventory.native)
        {
            Candidate::Version(available) => available,
            Candidate::Pinned { by, .. } => return held(by),
            Candidate::None => return Ok(None),
        };
        if self.command == AptCommand::Upgrade
            && let Some(by) = self.policy.phasing.holds_back(available, versions, &package.version)
        {
            return held(by);
        }
        self.add_available(name, available)
            .map(|solvable| Some((solvable, offer(available))))
            .map_err(|problem| Reason::Conflict {
                package: package.id.name.to_string(),
                detail: format!(
                    "the entry of {} {} in {} is not understood: {problem}",
                    available.name,
                    available.version,
                    available.repository.describe()
                ),
            })
    }

    /// What the index offers of a package for one architecture.
    fn versions(&self, name: &str, architecture: &Architecture) -> Vec<Available> {
        self.lookups.set(self.lookups.get() + 1);
        let mut versions = self.index.versions(name);
        versions.retain(|available| self.effective(&available.architecture) == *architecture);
        versions
    }

    /// Numbers an offered version, unless its version or relations are not understood.
    fn add_available(&self, name: Name, available: &Available) -> Result<Solvable, String> {
        let architecture = self.effective(&available.architecture);
        Ok(self.pool.number(PackageVersion::offered(name, available, architecture)?))
    }

    /// Numbers the candidates of a package where it is not installed: one for each architecture.
    fn new_names(&self, name: &str) -> Vec<Name> {
        self.lookups.set(self.lookups.get() + 1);
        let offered = self.index.versions(name);
        let mut architectures = vec![&self.inventory.native];
        architectures.extend(&self.inventory.foreign);
        let mut out = Vec::new();
        for architecture in architectures {
            let installed = self.inventory.packages.iter().any(|package| {
                package.id.name.as_ref() == name
                    && self.effective(&package.id.architecture) == *architecture
            });
            if installed {
                continue;
            }
            let versions: Vec<Available> = offered
                .iter()
                .filter(|available| self.effective(&available.architecture) == *architecture)
                .cloned()
                .collect();
            let native = &self.inventory.native;
            let preferences = &self.policy.preferences;
            let Candidate::Version(available) = preferences.candidate(&versions, None, native)
            else {
                continue;
            };
            let name = self.pool.new_name();
            // What is not understood is as good as not there.
            if self.add_available(name, available).is_ok() {
                out.push(name);
            }
        }
        out
    }
}

fn offer(available: &Available) -> Offer {
    let source = available.source.as_ref().map(|(_, version)| version);
    Offer {
        version: available.version.clone(),
        source_version: source.unwrap_or(&available.version).clone(),
    }
}

/// The offered version that is newest, whatever its priority.
fn newest(versions: &[Available]) -> Option<&Available> {
    versions
        .iter()
        .filter_map(|available| {
            Some((Version::parse_recorded(available.version.as_ref()).ok()?, available))
        })
        .max_by(|(a, _), (b, _)| a.cmp(b))
        .map(|(_, available)| available)
}

mod family;
mod package_version;
mod providers;
mod recommends;
mod rules;
#[cfg(test)]
mod tests;
