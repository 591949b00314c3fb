//! What Debian's relations mean: Debian policy 7 and dpkg's `lib/dpkg/depcon.c` and
//! `src/main/depcon.c`, multi-arch as dpkg implements it (`lib/dpkg/arch.c`, `archsatisfied`).

use std::collections::HashSet;

use super::DpkgUniverse;
use super::member::{Ban, Member, Need};
use imgfix_dpkg::multi_arch::MultiArch;
use imgfix_dpkg::relations::{Clause, Qualifier, Relation};
use imgfix_model::package::Architecture;
use imgfix_solve::effort::{TooWide, Width};
use imgfix_solve::pool::{Change, Pool, Pooled as _};
use imgfix_solve::rules::{Likeness, Rivalry, Rules, number_providers};
use imgfix_solve::solver::Solvable;

impl DpkgUniverse<'_> {
    /// Whether `relation`, asked by a package of the architecture `asking`, is satisfied by
    /// `member`.
    pub(super) fn is_satisfied(
        &self,
        relation: &Relation,
        asking: &Architecture,
        member: &Member,
    ) -> bool {
        let architecture = match &relation.qualifier {
            None => member.multi_arch == MultiArch::Foreign || member.architecture == *asking,
            Some(Qualifier::Any) => member.multi_arch == MultiArch::Allowed,
            Some(Qualifier::Native) => member.architecture == self.inventory.native,
            Some(Qualifier::Exact(exact)) => member.architecture.as_ref() == exact,
        };
        architecture && member.is_named_by(relation)
    }

    /// Everything that satisfies a clause, in apt's order: what is installed, newer versions of
    /// it, then new packages in the order of the clause.
    pub(super) fn alternatives_of(
        &self,
        clause: &Clause,
        asking: &Architecture,
        width: &mut Width<'_>,
    ) -> Result<Vec<Solvable>, TooWide> {
        let mut found: Vec<(Change, Solvable)> = Vec::new();
        let mut seen: HashSet<Solvable> = HashSet::new();
        for relation in &clause.0 {
            self.look_up(&relation.name);
            number_providers(self, &relation.name, width)?;
            width.compare(self.pool.width_of(&relation.name))?;
            let mut members = self.pool.providing(&relation.name);
            members.retain(|(_, member)| self.is_satisfied(relation, asking, member));
            self.sort_as_apt(relation, &mut members, width)?;
            for (solvable, member) in members {
                if seen.insert(solvable) {
                    found.push((self.pool.change(solvable, &member), solvable));
                }
            }
        }
        found.sort_by_key(|(change, _)| *change);
        Ok(found.into_iter().map(|(_, solvable)| solvable).collect())
    }
}

impl Rules for DpkgUniverse<'_> {
    type Version = Member;

    const LOOKUP: usize = 200;

    fn pool(&self) -> &Pool<Member> {
        &self.pool
    }

    fn satisfies(&self, relation: &Relation, asking: &Member, other: &Member) -> bool {
        self.is_satisfied(relation, &asking.architecture, other)
    }

    /// Without a qualifier it is about every architecture. A package never excludes itself, in no
    /// version of itself, and none of its other architectures but by [`Rules::rivalry`].
    fn forbids(&self, ban: &Ban, by: &Member, other: &Member) -> bool {
        let architecture = match &ban.relation.qualifier {
            None | Some(Qualifier::Any) => true,
            Some(Qualifier::Native) => other.architecture == self.inventory.native,
            Some(Qualifier::Exact(exact)) => other.architecture.as_ref() == exact,
        };
        other.id.name != by.id.name && architecture && other.is_named_by(&ban.relation)
    }

    fn is_contested(&self, name: &str, version: &Member) -> bool {
        version.id.name.as_ref() == name
    }

    /// Instances of one package for several architectures go in step.
    fn rivalry(&self, name: &str, version: &Member, other: &Member) -> Option<Rivalry> {
        let instance = other.id.name.as_ref() == name && version.id.name == other.id.name;
        (instance && !version.is_in_step_with(other)).then(|| Rivalry {
            text: format!("Multi-Arch, which wants {name} at one version"),
            mutual: false,
        })
    }

    fn likeness(&self, before: &Need, need: &Need) -> Likeness {
        let about = |need: &Need| -> Vec<(String, Option<Qualifier>)> {
            need.clause.0.iter().map(|r| (r.name.clone(), r.qualifier.clone())).collect()
        };
        match before.clause == need.clause {
            true => Likeness::Same,
            false if about(before) == about(need) => Likeness::SameSubject,
            false => Likeness::Different,
        }
    }

    fn alternatives(
        &self,
        need: &Need,
        asking: &Member,
        width: &mut Width<'_>,
    ) -> Result<Vec<Solvable>, TooWide> {
        self.alternatives_of(&need.clause, &asking.architecture, width)
    }

    fn providers(&self, name: &str) -> Vec<String> {
        let providers = self.index.providers(name).into_iter();
        providers.map(|available| available.name.to_string()).collect()
    }

    fn look_up(&self, package: &str) {
        self.pool.look_up(package, || self.new_names(package));
    }

    fn shown(&self, version: &Member) -> String {
        match version.architecture == self.inventory.native {
            true => version.label(),
            false => format!("{} {}", version.id, version.version),
        }
    }
}
