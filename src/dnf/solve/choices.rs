//! libsolv's choice rules: of what would do for a need, only some is taken.
//!
//! In come the packages that would do; out come those that dnf takes. Where one of them is
//! installed, is a newer version of something installed, or obsoletes it, what is new to the image
//! is not taken. That counts for an installed package whose most wanted version would do, too,
//! where it is to be upgraded; and not where all that can become of it would, as the need holds
//! then. Source: libsolv's `rules.c` (`solver_addchoicerules`).
//!
//! What the rules are in the way of is in [`super::relaxed`].

use std::collections::{BTreeMap, BTreeSet};

use super::RpmUniverse;
use super::obsoletes::{Choice, newest_of_names, staying};
use super::package_version::PackageVersion;
use crate::arch;
use crate::options::Tool;
use imgfix_solve::pool::Pooled as _;
use imgfix_solve::solver::{Name, Solvable};

/// What a package is to the image.
enum Tie {
    /// It is what is installed with this name, or may come in its place.
    To(Name),
    /// It is no package, or may not come in the place of its namesake.
    Unclear,
    /// Nothing installed is called so or obsoleted by it.
    New,
}

impl RpmUniverse<'_> {
    /// Of what would do for a need of `asking`, what dnf takes, in the same order.
    pub(super) fn narrowed(
        &self,
        would_do: Vec<Solvable>,
        asking: &PackageVersion,
    ) -> Vec<Solvable> {
        if self.image.options.tool == Tool::Zypper {
            return would_do;
        }
        let stays = asking.is_package() && !asking.is_offered() && !self.is_updated(asking.name);
        let mut tied: BTreeMap<Name, Vec<Solvable>> = BTreeMap::new();
        let mut new: BTreeSet<Solvable> = BTreeSet::new();
        for one in &would_do {
            match self.tie(*one) {
                Some(Tie::To(name)) => tied.entry(name).or_default().push(*one),
                Some(Tie::New) => drop(new.insert(*one)),
                Some(Tie::Unclear) | None => {}
            }
        }
        if new.is_empty() {
            return would_do;
        }
        let all: BTreeSet<Solvable> = would_do.iter().copied().collect();
        for (name, outcomes) in &mut tied {
            // what takes a protected package's place counts, too
            outcomes.extend(self.pool.versions(*name));
            outcomes.extend(self.pool.replacing(*name));
            outcomes.sort_unstable();
            outcomes.dedup();
        }
        tied.retain(|name, outcomes| {
            stays
                || !self.is_updated(*name)
                || self.most_wanted(outcomes).iter().any(|one| all.contains(one))
        });
        if tied.values().flatten().all(|one| all.contains(one)) {
            return would_do;
        }
        let is_taken = |one: &Solvable| match self.tie(*one) {
            Some(Tie::To(name)) => tied.contains_key(&name),
            Some(Tie::New) => false,
            Some(Tie::Unclear) | None => true,
        };
        let (taken, left): (Vec<Solvable>, Vec<Solvable>) =
            would_do.iter().partition(|one| is_taken(one));
        if left.iter().any(|one| self.needed.contains(one)) {
            return would_do;
        }
        self.left_out.borrow_mut().entry(asking.name).or_default().push(left);
        taken
    }

    /// Whether an installed package is among those that are to be upgraded.
    fn is_updated(&self, name: Name) -> bool {
        self.updated.as_ref().is_none_or(|updated| updated.contains(&name))
    }

    fn tie(&self, solvable: Solvable) -> Option<Tie> {
        let version = self.pool.get(solvable)?;
        if !version.is_package() {
            return Some(Tie::Unclear);
        }
        if self.pool.installed(solvable).is_some() {
            return Some(Tie::To(version.name));
        }
        let own = version.facts.id.name.as_ref();
        let mut there = self.there.get(own).into_iter().flatten();
        if there.any(|at| self.image.packages.get(*at).is_some_and(|one| one.name == own)) {
            return Some(Tie::Unclear);
        }
        let called = |name: &str| {
            let there = self.pool.providing(name).into_iter().map(|(_, other)| other);
            there.filter(|other| !other.is_offered() && other.is_package()).collect::<Vec<_>>()
        };
        for ban in version.bans().filter(|ban| ban.by_name) {
            let mut gone = called(&ban.relation.name).into_iter();
            if let Some(other) = gone.find(|other| other.is_called(&ban.relation)) {
                let machines = (&other.facts.id.architecture, &version.facts.id.architecture);
                return Some(match arch::may_replace(machines.0.as_ref(), machines.1.as_ref()) {
                    true => Tie::To(other.name),
                    false => Tie::Unclear,
                });
            }
        }
        Some(Tie::New)
    }

    /// Of what can become of an installed package the newest of each name from the best
    /// repositories, without what another one of them obsoletes. Where all is alike, any of it.
    fn most_wanted(&self, outcomes: &[Solvable]) -> Vec<Solvable> {
        let all: Vec<Choice> =
            outcomes.iter().filter_map(|one| Some((*one, self.pool.get(*one)?))).collect();
        let offered = all.iter().filter(|(_, version)| version.is_offered());
        let Some(best) = offered.map(|(_, version)| self.priority(version)).min() else {
            return all.into_iter().map(|(one, _)| one).collect();
        };
        let is_best =
            |(_, version): &Choice| !version.is_offered() || self.priority(version) == best;
        let first: Vec<Choice> = all.into_iter().filter(is_best).collect();
        staying(&newest_of_names(&first)).into_iter().map(|(one, _)| *one).collect()
    }
}
