//! What apt would install beyond a plan: new `Recommends`, which imgfix names and leaves.
//!
//! The rules are those of apt's `MarkInstall` (`apt-pkg/depcache.cc`): a recommendation that is
//! not met counts when the package is new, when its former version did not recommend the same
//! package, or when what it recommended was there.

use std::rc::Rc;

use super::{DpkgUniverse, Member, Solvable};
use crate::policy::Recommends;
use imgfix_dpkg::relations::Clause;
use imgfix_repair::planner::Family;
use imgfix_solve::effort::Width;

impl DpkgUniverse<'_> {
    /// A sentence for each package that apt would install too with these changes.
    pub(super) fn recommended(&self, changes: &[Solvable]) -> Vec<String> {
        if self.policy.recommends == Recommends::Ignored {
            return Vec::new();
        }
        let mut out = Vec::new();
        for &change in changes {
            let Some(member) = self.member(change) else { continue };
            // They are only told.
            if self.effort.is_used_up() {
                break;
            }
            let former = self.installed(change).and_then(|former| self.member(former));
            for clause in &member.relations.recommends {
                if self.is_met(clause, &member, changes) {
                    continue;
                }
                if let Some(former) = &former
                    && !self.counts(clause, former)
                {
                    continue;
                }
                let mut width = Width::new(&self.effort);
                let taken = self
                    .alternatives(clause, &member.architecture, &mut width)
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(|alternative| self.member(alternative))
                    .find(|alternative| alternative.available.is_some());
                let Some(taken) = taken else { continue };
                out.push(format!(
                    "apt would install {} {}, too: {} {} has Recommends: {clause}, and imgfix \
                     adds only what is needed",
                    taken.id.name, taken.version, member.id.name, member.version
                ));
            }
        }
        out.sort();
        out.dedup();
        out
    }

    /// Whether a recommendation of a newer version counts beside those of the former one.
    fn counts(&self, clause: &Clause, former: &Member) -> bool {
        let Some(target) = clause.0.first() else { return false };
        let same: Vec<&Clause> = former
            .relations
            .recommends
            .iter()
            .filter(|old| old.0.iter().any(|relation| relation.name == target.name))
            .collect();
        same.is_empty() || same.iter().any(|old| self.is_met(old, former, &[]))
    }

    /// Whether what is there after the changes meets a clause.
    fn is_met(&self, clause: &Clause, asking: &Member, changes: &[Solvable]) -> bool {
        let is_there = |solvable: Solvable, member: &Rc<Member>| match member.available {
            Some(_) => changes.contains(&solvable),
            None => !changes
                .iter()
                .any(|change| self.member(*change).is_some_and(|other| other.name == member.name)),
        };
        clause.0.iter().any(|relation| {
            self.known(relation).iter().any(|(solvable, member)| {
                is_there(*solvable, member)
                    && self.satisfies(relation, &asking.architecture, member)
            })
        })
    }
}
