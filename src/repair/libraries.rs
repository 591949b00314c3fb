//! A store of libraries: listed and judged, and not changed yet. Each finding that it has gets
//! one reason, unless what is installed is free of the problem already.

use std::collections::BTreeMap;

use imgfix_model::component::{Component, Libraries, Library, StoreId};
use imgfix_model::finding::{Class, Finding};
use imgfix_model::path::ImagePath;
use imgfix_model::plan::{PlatformPlan, Unfixed};
use imgfix_model::reason::Reason;
use imgfix_vfs::Overlay;

use crate::error::RepairerError;
use crate::judge::{Components, Concern, Demand, SameName, State};
use crate::planner::Requests;
use crate::repairer::{Done, Repairer, Work};

/// A Python environment, a tree of node modules.
pub struct LibraryStore {
    libraries: Libraries,
    same_name: SameName,
}

impl LibraryStore {
    /// A store; `same_name` tells whether two texts name one library.
    #[must_use]
    pub fn new(libraries: Libraries, same_name: SameName) -> Self {
        Self { libraries, same_name }
    }

    /// The stores that were found, each as a repairer.
    #[must_use]
    pub fn all(found: Vec<Libraries>, same_name: SameName) -> Vec<Box<dyn Repairer>> {
        let store = |libraries| -> Box<dyn Repairer> { Box::new(Self::new(libraries, same_name)) };
        found.into_iter().map(store).collect()
    }

    /// Why `finding` is left; `None`: nothing that is installed here is affected.
    fn reason(&self, finding: &Finding) -> Option<Reason> {
        let components = self.components();
        let Concern::Components(at) = components.concerned(finding) else { return None };
        let claims = match components.demand(finding) {
            Demand::Versions(claims) => Some(claims),
            Demand::NeverAffected => return None,
            _ => None,
        };
        let is_affected = |component: &Component<'_>| {
            claims.as_ref().is_none_or(|claims| {
                components.state(claims, finding, component, &components) != State::Free
            })
        };
        let affected = |at: &usize| components.all.get(*at).is_some_and(is_affected);
        let library = at.iter().filter(|at| affected(at)).find_map(|at| self.library(*at))?;
        Some(match &library.owner {
            Some(owner) => {
                Reason::OwnedByPackage { component: library.name.clone(), package: owner.clone() }
            }
            None => Reason::StoreNotRepaired {
                store: self.libraries.store.to_string(),
                component: library.name.clone(),
                installed: library.version.to_string(),
            },
        })
    }

    fn library(&self, at: usize) -> Option<&Library> {
        self.libraries.libraries.get(at)
    }
}

impl Repairer for LibraryStore {
    fn store(&self) -> &StoreId {
        &self.libraries.store
    }

    fn components(&self) -> Components<'_> {
        Components {
            all: self.libraries.libraries.iter().map(Component::from).collect(),
            order: self.libraries.order,
            same_name: self.same_name,
        }
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
        _work: &Work<'_>,
        overlay: Overlay,
    ) -> Result<Done, RepairerError> {
        let mut done = Done::unchanged(overlay);
        let Requests::Findings(requests) = requests else { return Ok(done) };
        for request in requests {
            let finding = &request.finding;
            let left =
                self.reason(finding).map(|reason| Unfixed { finding: finding.clone(), reason });
            done.unfixed.extend(left);
        }
        Ok(done)
    }

    fn follow(
        &self,
        _plan: &PlatformPlan,
        _work: &Work<'_>,
        overlay: Overlay,
    ) -> Result<Done, RepairerError> {
        Ok(Done::unchanged(overlay))
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
            let reason = store.reason(&finding).map(|reason| reason.to_string());
            assert_eq!(reason.as_deref(), want, "{package} {fixed:?}");
            assert_eq!(store.claims(&finding), package != "flask");
        }
        assert!(!store.claims(&Finding::system("CVE-1", "jinja2", "3.0")));
    }
}
