//! Which of several packages apt takes where a relation leaves the choice: apt's
//! `CompareProviders` (`apt-pkg/depcache.cc`).

use std::cmp::Reverse;
use std::collections::HashMap;
use std::rc::Rc;

use super::DpkgUniverse;
use super::package_version::PackageVersion;
use imgfix_dpkg::multi_arch::MultiArch;
use imgfix_dpkg::relations::Relation;
use imgfix_solve::effort::{TooWide, Width};
use imgfix_solve::solver::Solvable;

/// How many packages of the index are read in the time of a comparison, as far as one version's
/// relations may make it be read: some three hundred times.
const READ_AT_ONCE: usize = 10;
/// How many are read in a step.
const READ_IN_A_STEP: usize = 5;

/// What apt compares before it looks at numbers; smaller is taken first.
type Rank = (bool, bool, bool, bool, usize, usize);

impl DpkgUniverse<'_> {
    /// Sorts those that satisfy a relation as apt would try them. Of equals apt takes the one
    /// that it numbered last: which its repositories mention last.
    ///
    /// # Errors
    /// There is more to compare than in any real index.
    pub(super) fn sort_as_apt(
        &self,
        relation: &Relation,
        versions: &mut [(Solvable, Rc<PackageVersion>)],
        width: &mut Width<'_>,
    ) -> Result<(), TooWide> {
        let mut ranked: Vec<(Rank, (Solvable, Rc<PackageVersion>))> =
            versions.iter().map(|one| (self.rank(relation, &one.1), one.clone())).collect();
        ranked.sort_by_key(|(rank, one)| (*rank, one.1.id.clone()));
        for equal in ranked.chunk_by_mut(|(a, _), (b, _)| a == b) {
            // Installed packages and a single new one need no order.
            if equal.iter().filter(|(_, (_, version))| version.available.is_some()).count() < 2 {
                continue;
            }
            let names: Vec<String> =
                equal.iter().map(|(_, (_, version))| version.id.name.to_string()).collect();
            let order = self.mentioned(names, width)?;
            let numbers: HashMap<&str, usize> =
                order.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
            equal.sort_by_key(|(_, (_, version))| {
                Reverse(numbers.get(version.id.name.as_ref()).copied())
            });
        }
        for (slot, (_, one)) in versions.iter_mut().zip(ranked) {
            *slot = one;
        }
        Ok(())
    }

    /// Names in the order in which the repositories mention them. Reads everything, once for
    /// the same names.
    fn mentioned(&self, names: Vec<String>, width: &mut Width<'_>) -> Result<Vec<String>, TooWide> {
        if let Some(known) = self.mentions.borrow().get(&names) {
            return Ok(known.clone());
        }
        width.compare(self.index.len() / READ_AT_ONCE)?;
        self.pool.effort.take((self.index.len() / READ_IN_A_STEP) as u64);
        let wanted: Vec<&str> = names.iter().map(String::as_str).collect();
        let order: Vec<String> =
            self.index.mentions(&wanted).into_iter().map(str::to_owned).collect();
        self.mentions.borrow_mut().insert(names, order.clone());
        Ok(order)
    }

    fn rank(&self, relation: &Relation, version: &PackageVersion) -> Rank {
        let other_instance = version.multi_arch == MultiArch::Same
            && self.inventory.packages.iter().any(|package| package.id.name == version.id.name);
        let available = version.available.as_deref();
        let priority = match available.map(|available| available.priority.as_str()) {
            Some("required") => 1,
            Some("important") => 2,
            Some("standard") => 3,
            Some("optional") => 4,
            Some("extra") => 5,
            _ => 0,
        };
        let architecture = match version.architecture == self.inventory.native {
            true => 0,
            false => {
                let foreign = self.inventory.foreign.iter();
                1 + foreign.take_while(|one| **one != version.architecture).count()
            }
        };
        (
            !other_instance,
            version.id.name.as_ref() != relation.name,
            !available.is_some_and(|available| available.essential),
            !available.is_some_and(|available| available.protected),
            architecture,
            priority,
        )
    }
}
