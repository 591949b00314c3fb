//! What apt would install beyond a plan: new `Recommends`, which imgfix names and leaves.
//!
//! The rules are those of apt's `MarkInstall` (`apt-pkg/depcache.cc`): a recommendation that is
//! not met counts when the package is new, when its former version did not recommend the same
//! package, or when what it recommended was there.

use std::rc::Rc;

use super::DpkgUniverse;
use super::package_version::PackageVersion;
use crate::policy::Recommends;
use imgfix_dpkg::relations::Clause;
use imgfix_solve::effort::Width;
use imgfix_solve::pool::Pooled as _;
use imgfix_solve::solver::Solvable;

impl DpkgUniverse<'_> {
    /// A sentence for each package that apt would install too with these changes.
    pub(super) fn recommended(&self, changes: &[Solvable]) -> Vec<String> {
        if self.policy.recommends == Recommends::Ignored {
            return Vec::new();
        }
        let mut out = Vec::new();
        for &change in changes {
            let Some(version) = self.pool.get(change) else { continue };
            // They are only told.
            if self.pool.effort.is_used_up() {
                break;
            }
            let former = self.pool.installed(change).and_then(|former| self.pool.get(former));
            for clause in version.recommends() {
                if self.is_met(clause, &version, changes) {
                    continue;
                }
                if let Some(former) = &former
                    && !self.counts(clause, former)
                {
                    continue;
                }
                let mut width = Width::new(&self.pool.effort);
                let taken = self
                    .alternatives_of(clause, &version.architecture, &mut width)
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(|alternative| self.pool.get(alternative))
                    .find(|alternative| alternative.available.is_some());
                let Some(taken) = taken else { continue };
                out.push(format!(
                    "apt would install {} {}, too: {} {} has Recommends: {clause}, and imgfix \
                     adds only what is needed",
                    taken.id.name, taken.version, version.id.name, version.version
                ));
            }
        }
        out.sort();
        out.dedup();
        out
    }

    /// Whether a recommendation of a newer version counts beside those of the former one.
    fn counts(&self, clause: &Clause, former: &PackageVersion) -> bool {
        let Some(target) = clause.0.first() else { return false };
        let same: Vec<&Clause> = former
            .recommends()
            .iter()
            .filter(|old| old.0.iter().any(|relation| relation.name == target.name))
            .collect();
        same.is_empty() || same.iter().any(|old| self.is_met(old, former, &[]))
    }

    /// Whether what is there after the changes meets a clause.
    fn is_met(&self, clause: &Clause, asking: &PackageVersion, changes: &[Solvable]) -> bool {
        let is_there = |solvable: Solvable, version: &Rc<PackageVersion>| match version.available {
            Some(_) => changes.contains(&solvable),
            None => !changes.iter().any(|change| {
                self.pool.get(*change).is_some_and(|other| other.name() == version.name())
            }),
        };
        clause.0.iter().any(|relation| {
            self.pool.providing(&relation.name).iter().any(|(solvable, version)| {
                is_there(*solvable, version)
                    && self.is_satisfied(relation, &asking.architecture, version)
            })
        })
    }
}
