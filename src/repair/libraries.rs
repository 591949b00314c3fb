//! A store of libraries as a repairer: of each affected copy the smallest version is chosen that
//! fixes most; the changes are tried together, what cannot be is barred, and the next version or
//! the others are tried, until nothing is barred any more.
//!
//! In come findings and the store's [`LibraryManager`]; out come steps over the overlay that all
//! stores share, and one reason for each finding that is left. A store without a manager is listed
//! and judged alone.

pub mod asking;
mod manager;
mod targets;
mod trial;

use std::collections::{BTreeMap, BTreeSet};

use imgfix_model::component::{Component, Libraries, Library, StoreId};
use imgfix_model::finding::{Class, Finding};
use imgfix_model::path::ImagePath;
use imgfix_model::plan::{PlatformPlan, StoreStep, Unfixed};
use imgfix_model::reason::Reason;
use imgfix_model::verdict::Verdict;
use imgfix_vfs::Overlay;

use crate::error::RepairerError;
use crate::judge::{Components, Concern, SameName};
use crate::planner::Requests;
use crate::repairer::{Done, Part, Repairer, Work, by_versions};
pub use manager::{Barred, Change, LibraryManager, Outcome, Resolved, Versions};
use targets::{Affected, Target, affected};
use trial::Trial;

/// A Python environment, a tree of node modules.
pub struct LibraryStore {
    libraries: Libraries,
    same_name: SameName,
    manager: Option<Box<dyn LibraryManager>>,
    advice: Option<Advice>,
}

/// What to do about a library that is built into something: an imperative with the versions that
/// have the fix.
pub type Advice = fn(&Library, &str) -> String;

impl LibraryStore {
    /// A store that is listed and judged; `same_name` tells whether two texts name one library.
    #[must_use]
    pub fn new(libraries: Libraries, same_name: SameName) -> Self {
        Self { libraries, same_name, manager: None, advice: None }
    }

    /// A store that can be changed.
    #[must_use]
    pub fn managed(self, manager: Box<dyn LibraryManager>) -> Self {
        Self { manager: Some(manager), ..self }
    }

    /// A store of what is built into an application: a finding is left with what to build anew.
    #[must_use]
    pub fn built(self, advice: Advice) -> Self {
        Self { advice: Some(advice), ..self }
    }

    /// The stores that were found, each as a repairer.
    #[must_use]
    pub fn all(found: Vec<Libraries>, same_name: SameName) -> Vec<Box<dyn Repairer>> {
        let store = |libraries| -> Box<dyn Repairer> { Box::new(Self::new(libraries, same_name)) };
        found.into_iter().map(store).collect()
    }

    fn library(&self, at: usize) -> Option<&Library> {
        self.libraries.libraries.get(at)
    }

    fn components_of<'a>(&self, libraries: &'a Libraries) -> Components<'a> {
        Components {
            all: libraries.libraries.iter().map(Component::from).collect(),
            order: libraries.order,
            same_name: self.same_name,
        }
    }

    /// The copies that `findings` are about and that may be changed; the rest is left.
    fn targets<'a>(
        &'a self,
        findings: impl Iterator<Item = &'a Finding>,
        left: &mut Vec<Unfixed>,
    ) -> Vec<Target<'a>> {
        let components = self.components();
        let mut targets: BTreeMap<usize, Target<'a>> = BTreeMap::new();
        for finding in findings {
            let Concern::Components(at) = components.concerned(finding) else { continue };
            for at in at {
                let (Some(component), Some(library)) = (components.all.get(at), self.library(at))
                else {
                    continue;
                };
                let mut leave = |reason| left.push(Unfixed { finding: finding.clone(), reason });
                let claims = match affected(finding, component, &components) {
                    Affected::Free => continue,
                    // of what is built anew it does not matter which versions are told
                    Affected::Left(Reason::NotRepairable { .. })
                        if library.owner.is_none() && self.advice.is_some() =>
                    {
                        leave(self.needs_rebuild(library, finding));
                        continue;
                    }
                    Affected::Left(reason)
                        if library.owner.is_none()
                            && (self.manager.is_some() || self.advice.is_some()) =>
                    {
                        leave(reason);
                        continue;
                    }
                    Affected::Left(_) => None,
                    Affected::By(claims) => Some(claims),
                };
                match (&library.owner, claims) {
                    (Some(owner), _) => leave(Reason::OwnedByPackage {
                        component: library.name.clone(),
                        package: owner.clone(),
                    }),
                    (None, Some(claims)) if self.manager.is_some() => {
                        let target = targets.entry(at);
                        let new = || Target { library, problems: Vec::new() };
                        target.or_insert_with(new).problems.push((finding, claims));
                    }
                    (None, _) if self.advice.is_some() => {
                        leave(self.needs_rebuild(library, finding));
                    }
                    (None, _) => leave(Reason::StoreNotRepaired {
                        store: self.libraries.store.to_string(),
                        component: library.name.clone(),
                        installed: library.version.to_string(),
                    }),
                }
            }
        }
        targets.into_values().collect()
    }
}

impl LibraryStore {
    /// What has to be built anew, and with which version.
    fn needs_rebuild(&self, library: &Library, finding: &Finding) -> Reason {
        let fixed: Vec<&str> =
            finding.fixed.iter().chain(&finding.also_fixed_in).map(String::as_str).collect();
        let fixed = match fixed.is_empty() {
            true => "that has the fix".to_owned(),
            false => fixed.join(" or "),
        };
        Reason::NeedsRebuild {
            component: format!("{} {}", library.name, library.version),
            file: library.path.to_string(),
            advice: self.advice.map(|advice| advice(library, &fixed)).unwrap_or_default(),
        }
    }
}

impl Repairer for LibraryStore {
    fn store(&self) -> &StoreId {
        &self.libraries.store
    }

    fn components(&self) -> Components<'_> {
        self.components_of(&self.libraries)
    }

    fn libraries(&self) -> Option<&Libraries> {
        Some(&self.libraries)
    }

    fn own(&mut self, owners: &BTreeMap<ImagePath, String>) {
        for library in &mut self.libraries.libraries {
            library.owner = owners.get(&library.path).cloned();
        }
    }

    fn claims(&self, finding: &Finding) -> bool {
        // most findings are about something else: nothing is made for them
        let has_name = || {
            let mut names = self.libraries.libraries.iter().map(|one| &one.name);
            names.any(|name| (self.same_name)(name, &finding.package))
        };
        finding.class == Class::Library
            && has_name()
            && self.components().concerned(finding) != Concern::Nothing
    }

    fn repair(
        &self,
        requests: &Requests,
        work: &Work<'_>,
        overlay: Overlay,
    ) -> Result<Done, RepairerError> {
        let mut done = Done::unchanged(overlay);
        let Requests::Findings(requests) = requests else { return Ok(done) };
        let findings = requests.iter().map(|request| &request.finding);
        let targets = self.targets(findings, &mut done.unfixed);
        let Some(manager) = self.manager.as_deref().filter(|_| !targets.is_empty()) else {
            return Ok(done);
        };
        let trial = Trial { store: self, manager, work };
        trial.settle(targets, done)
    }

    fn follow(
        &self,
        plan: &PlatformPlan,
        work: &Work<'_>,
        overlay: Overlay,
    ) -> Result<Done, RepairerError> {
        let own = plan.stores.iter().find(|one| one.store == self.libraries.store);
        let (Some(own), Some(manager)) = (own, self.manager.as_deref()) else {
            return Ok(Done::unchanged(overlay));
        };
        match manager.apply(overlay, &own.steps, work)? {
            Outcome::Applied(overlay) => {
                Ok(Done { part: Part::Store(own.clone()), ..Done::unchanged(overlay) })
            }
            Outcome::Barred(Barred { path, reason }) => {
                let at = |step: &&StoreStep| step.path.as_ref() == Some(&path);
                let name = own.steps.iter().find(at).map(|step| step.component.clone());
                let package = name.unwrap_or_else(|| path.to_string());
                Err(RepairerError::NotAsPlanned { package, reason })
            }
        }
    }

    fn verdict(
        &self,
        finding: &Finding,
        after: Option<&dyn Repairer>,
        plan: &PlatformPlan,
        planned: Option<&Reason>,
    ) -> Verdict {
        let verdict = by_versions(self, finding, after, plan, planned);
        let libraries = after.and_then(Repairer::libraries);
        let (Verdict::NotFixed { .. }, Some(after), Some(libraries)) = (&verdict, after, libraries)
        else {
            return verdict;
        };
        let (before, after) = (self.components(), after.components());
        let concerned = after.concerned_after(finding, &before);
        let mitigations = concerned.components().iter().map(|at| {
            let library = libraries.libraries.get(*at)?;
            library.mitigation(&finding.id).map(str::to_owned)
        });
        let all: Option<BTreeSet<String>> = mitigations.collect();
        match all {
            Some(how) if !how.is_empty() => {
                Verdict::Mitigated { how: how.into_iter().collect::<Vec<_>>().join("; ") }
            }
            _ => verdict,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgfix_model::description::Description;
    use imgfix_versions::VersionOrder;

    #[test]
    fn each_affected_library_has_one_reason() {
        let place = ImagePath::literal("/venv");
        let library = |name: &str, version: &str, owner: Option<&str>| Library {
            name: name.into(),
            version: version.into(),
            path: place.join(format!("{name}/METADATA")).unwrap(),
            owner: owner.map(str::to_owned),
            description: Description::default(),
            mitigated: Vec::new(),
        };
        let store = LibraryStore::new(
            Libraries {
                store: StoreId::new("python", &place),
                purl_type: "pypi",
                unread: Vec::new(),
                order: VersionOrder::DPKG,
                libraries: vec![
                    library("jinja2", "3.0", None),
                    library("requests", "2.0", Some("python3-requests:all")),
                ],
            },
            str::eq_ignore_ascii_case,
        );
        for (package, fixed, want) in [
            (
                "Jinja2",
                Some("3.1"),
                Some(
                    "jinja2 3.0 is there (python at /venv), and imgfix does not repair such \
                     stores yet",
                ),
            ),
            ("Jinja2", Some("3.0"), None),
            (
                "jinja2",
                None,
                Some(
                    "jinja2 3.0 is there (python at /venv), and imgfix does not repair such \
                     stores yet",
                ),
            ),
            (
                "requests",
                Some("2.1"),
                Some(
                    "requests belongs to the system package python3-requests:all, and changes \
                     with it only",
                ),
            ),
            ("flask", Some("2.1"), None),
        ] {
            let finding = Finding {
                class: Class::Library,
                fixed: fixed.map(str::to_owned),
                ..Finding::system("CVE-1", package, "1")
            };
            let mut left = Vec::new();
            assert!(store.targets([&finding].into_iter(), &mut left).is_empty());
            let reason = left.pop().map(|one| one.reason.to_string());
            assert_eq!(reason.as_deref(), want, "{package} {fixed:?}");
            assert!(left.is_empty());
            assert_eq!(store.claims(&finding), package != "flask");
        }
        assert!(!store.claims(&Finding::system("CVE-1", "jinja2", "3.0")));
    }
}
