//! What packages recommend that are there or are to come: of several that would do, libsolv takes
//! what is recommended.
//!
//! In come installed packages in the order of the database, each with what is to become of it; out
//! comes whether one of them recommends a version. Source: libsolv's `policy.c`
//! (`prune_to_recommended`).

use super::package_version::{PackageVersion, source_of};
use super::relation::needs;
use super::{Relation, RpmUniverse};
use crate::installed::InstalledPackage;
use crate::primary::{RelationKind, RelationText};
use imgfix_solve::solver::Solvable;

impl RpmUniverse<'_> {
    /// Notes what is recommended by what an installed package is to become: this, or what it is.
    pub(super) fn note_recommended(&mut self, installed: &InstalledPackage, to: Option<Solvable>) {
        let source = source_of(&installed.source).map(|(name, _)| name);
        let is_asked = self.asked.as_ref().is_none_or(|asked| {
            asked.contains(&installed.name) || source.is_some_and(|name| asked.contains(name))
        });
        let place = to.filter(|_| is_asked).and_then(|one| self.pool.get(one)?.facts.place);
        let all: Vec<Relation> = match place.and_then(|place| self.package(place)) {
            Some(package) => {
                let texts = package.relations(RelationKind::Recommends);
                texts.flat_map(|text| self.plain(&text)).collect()
            }
            None => {
                let texts = installed.recommends.iter();
                texts.flat_map(|one| self.plain(&one.text())).collect()
            }
        };
        for relation in all {
            self.recommended.entry(relation.name.clone()).or_default().push(relation);
        }
    }

    fn plain(&self, text: &RelationText<'_>) -> Vec<Relation> {
        let is_there = |relation: &Relation| self.is_there(relation);
        let wanted = needs(text, "Recommends", &is_there, &mut Vec::new());
        wanted.into_iter().flat_map(|need| need.one_of).collect()
    }

    /// Whether something recommends it.
    pub(super) fn is_recommended(&self, version: &PackageVersion) -> bool {
        let names = version.provides.iter().map(|one| &one.name).chain(&version.files);
        let mut relations = names.filter_map(|name| self.recommended.get(name)).flatten();
        relations.any(|relation| version.is_about(relation))
    }
}
