//! What takes the place of an installed package: what offered ones obsolete.
//!
//! In come the numbered versions; out comes, for each installed package, what can be taken for it:
//! newer versions, and packages of other names that obsolete it, in the order in which dnf tries
//! them. Source: libsolv's `policy.c` (where some of those have the package's name, too, the others
//! do not count; of several names, what obsoletes another one of them comes before it, then what is
//! called like an installed package, then the name's order) and `rules.c` ("yumobs": of packages
//! that obsolete an installed one in the same words, all are taken or none, unless zypper is
//! asked).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::RpmUniverse;
use super::package_version::{PackageVersion, Place};
use super::relation::{Need, Relation};
use super::{evr_of, id};
use crate::arch;
use crate::installed::InstalledPackage;
use crate::locks::CompareEvr;
use crate::options::Tool;
use crate::primary::{Flag, Package, RelationKind};
use crate::spec::Subject;
use imgfix_model::package::PackageId;
use imgfix_repair::planner::Slot;
use imgfix_solve::pool::Pooled as _;
use imgfix_solve::solver::Solvable;
use imgfix_versions::rpm::Evr;

/// How many packages are looked at that obsolete an installed one, and how many versions of each, the
/// newest first. A package that was split has a dozen; what has more is no split but a flood.
const MAX_NAMES: usize = 32;
const MAX_VERSIONS: usize = 4;

/// A version that can be taken for an installed package.
pub(super) type Choice = (Solvable, Rc<PackageVersion>);

/// The newest version of each name.
pub(super) fn newest_of_names(all: &[Choice]) -> Vec<&Choice> {
    let is_newest = |(_, version): &&Choice| {
        let mut named = all.iter().filter(|(_, other)| other.name == version.name);
        named.all(|(_, other)| other.facts.evr <= version.facts.evr)
    };
    all.iter().filter(is_newest).collect()
}

/// Those that no other one of them obsoletes, but where each obsoletes the other.
pub(super) fn staying<'c>(all: &[&'c Choice]) -> Vec<&'c Choice> {
    let gives_way = |version: &PackageVersion| {
        let mut others = all.iter();
        others.any(|(_, by)| by.obsoletes(version) && !version.obsoletes(by))
    };
    all.iter().copied().filter(|(_, version)| !gives_way(version)).collect()
}

impl RpmUniverse<'_> {
    /// Finds what can be taken for each installed package, and makes the first its candidate.
    pub(super) fn find_replacing(&mut self) {
        let image = self.image;
        let mut slots: BTreeMap<PackageId, Vec<usize>> = BTreeMap::new();
        for (at, slot) in self.slots.iter().enumerate() {
            slots.entry(slot.id.clone()).or_default().push(at);
        }
        // as libsolv goes through them: what nothing can become of first, then in their order
        let (mut still, mut changing) = (Vec::new(), Vec::new());
        for package in image.packages.iter() {
            let own = slots.remove(&id(&package.name, &package.architecture)).unwrap_or_default();
            let replacing = if own.is_empty() { Vec::new() } else { self.replacing(package) };
            let has_candidate =
                |at: &usize| self.slots.get(*at).is_some_and(|slot| slot.candidate.is_some());
            match replacing.is_empty() && !own.iter().any(has_candidate) {
                true => still.push(package),
                false => {
                    changing.extend(own.into_iter().map(|at| (package, at, replacing.clone())))
                }
            }
        }
        for package in still {
            self.note_recommended(package, None);
        }
        for (package, at, replacing) in changing {
            let Some(slot) = self.slots.get(at) else { continue };
            let choices = self.in_order(slot, &replacing);
            self.note_recommended(package, choices.first().copied());
            if let Some(first) = choices.first()
                && let Some(version) = self.pool.get(*first)
                && let Some(slot) = self.slots.get_mut(at)
            {
                let offer = version.facts.offer();
                if replacing.contains(first) {
                    slot.newest = Some(offer.clone());
                }
                slot.candidate = Some((*first, offer));
                self.choices.insert(slot.id.clone(), choices);
            }
        }
    }

    /// Numbers what may take an installed package's place.
    fn replacing(&self, package: &InstalledPackage) -> Vec<Solvable> {
        let options = &self.image.options;
        let Some(installed) = self.installed_as(package) else { return Vec::new() };
        let evr = &installed.facts.evr;
        let subject = Subject {
            name: &package.name,
            epoch: &evr.epoch().to_string(),
            version: evr.version(),
            release: evr.release().unwrap_or_default(),
            architecture: &package.architecture,
        };
        let is_protected = options.protected.iter().any(|spec| spec.is_name(&package.name));
        // what is excluded is out of dnf's sight where it is installed, too
        let is_excluded = options.excluded.iter().any(|spec| spec.is_about(&subject));
        if !options.obsoletes || is_protected || is_excluded {
            return Vec::new();
        }
        let mut named: BTreeMap<&str, Vec<(Evr, Place)>> = BTreeMap::new();
        let mut with_its_name: BTreeSet<Place> = BTreeSet::new();
        for (repository, one) in self.repositories.iter().enumerate() {
            for offered in one.primary.obsoleting(&package.name) {
                let place = Place { repository, package: offered.number };
                let is_about = offered
                    .relations(RelationKind::Obsoletes)
                    .filter(|one| one.name == package.name)
                    .filter_map(|one| Relation::plain(&one))
                    .any(|relation| relation.meets(Flag::Equal, Some(&installed.facts.evr)));
                let fits = arch::may_replace(&package.architecture, offered.architecture())
                    && arch::is_for(offered.architecture(), self.image.architecture);
                if !is_about
                    || !fits
                    || offered.name() == package.name
                    || self.refusal(package, place, &offered).is_some()
                {
                    continue;
                }
                if let Some(evr) = evr_of(&offered) {
                    named.entry(offered.name()).or_default().push((evr, place));
                    let mut provides = offered.relations(RelationKind::Provides);
                    if provides.any(|one| one.name == package.name) {
                        with_its_name.insert(place);
                    }
                }
            }
        }
        if !with_its_name.is_empty() {
            named.values_mut().for_each(|all| all.retain(|(_, one)| with_its_name.contains(one)));
        }
        let mut found = Vec::new();
        for (name, mut versions) in named.into_iter().take(MAX_NAMES) {
            versions.sort_by(|a, b| b.0.cmp(&a.0));
            self.pool.look_up(name, || self.new_names(name));
            for (_, place) in versions.into_iter().take(MAX_VERSIONS) {
                // what a better repository has too is not numbered
                if let Some(solvable) = self.places.borrow().get(&place) {
                    self.pool.replace(installed.name, *solvable);
                    found.push(*solvable);
                }
            }
        }
        found
    }

    pub(super) fn installed_as(&self, package: &InstalledPackage) -> Option<Rc<PackageVersion>> {
        let evr = Evr::parse(&package.evr).ok()?;
        let named = self.pool.providing(&package.name).into_iter().map(|(_, version)| version);
        let mut installed = named.filter(|version| {
            !version.is_offered()
                && version.facts.id.name.as_ref() == package.name
                && version.facts.id.architecture.as_ref() == package.architecture
                && version.facts.evr == evr
        });
        installed.next()
    }

    /// Newer versions and what takes the package's place, in the order in which they are tried:
    /// those of the best priority, then by rounds, each with the newest of every name.
    fn in_order(&self, slot: &Slot, replacing: &[Solvable]) -> Vec<Solvable> {
        let newer = slot.candidate.as_ref().map(|(candidate, _)| *candidate);
        let newer = newer.and_then(|one| self.pool.get(one)).map(|one| self.pool.offered(one.name));
        let all = newer.unwrap_or_default().into_iter().chain(replacing.iter().copied());
        let mut left: Vec<Choice> =
            all.filter_map(|one| Some((one, self.pool.get(one)?))).collect();
        let mut order = Vec::new();
        while let Some(best) = left.iter().map(|(_, version)| self.priority(version)).min() {
            let best = left.iter().filter(|(_, version)| self.priority(version) == best);
            let Some(next) = self.next(&best.cloned().collect::<Vec<_>>()) else { break };
            order.push(next);
            left.retain(|(one, _)| *one != next);
        }
        order
    }

    /// What is tried first.
    fn next(&self, left: &[Choice]) -> Option<Solvable> {
        let newest = newest_of_names(left);
        let first = staying(&newest).into_iter().min_by_key(|(solvable, version)| {
            let name = version.facts.id.name.as_ref();
            let is_installed = self.image.packages.iter().any(|one| one.name == name);
            (!self.is_recommended(version), Reverse(is_installed), name, *solvable)
        });
        first.or(newest.first().copied()).map(|(solvable, _)| *solvable)
    }

    /// The lock of a package whose locked version, as it is installed or offered, another obsoletes:
    /// the plugin of dnf 4, and dnf 5, exclude that one, too.
    pub(super) fn obsoletes_locked(
        &self,
        package: &Package<'_>,
        compare: CompareEvr<'_>,
    ) -> Option<&str> {
        let locks = &self.image.locks;
        package.relations(RelationKind::Obsoletes).find_map(|text| {
            let by = locks.limiting(text.name)?;
            let relation = Relation::plain(&text)?;
            let is_locked = |evr: &Evr, architecture: &str| {
                let epoch = evr.epoch().to_string();
                let subject = Subject {
                    name: text.name,
                    epoch: &epoch,
                    version: evr.version(),
                    release: evr.release().unwrap_or_default(),
                    architecture,
                };
                relation.meets(Flag::Equal, Some(evr)) && locks.against(&subject, compare).is_none()
            };
            let mut installed = self.image.packages.iter().filter(|one| one.name == text.name);
            let there = installed.any(|one| {
                Evr::parse(&one.evr).is_ok_and(|evr| is_locked(&evr, &one.architecture))
            });
            let mut offered = self.named(text.name).into_iter().map(|(_, one)| one);
            let is_there = there
                || offered
                    .any(|one| evr_of(&one).is_some_and(|evr| is_locked(&evr, one.architecture())));
            is_there.then_some(by)
        })
    }

    /// Where other packages obsolete an installed one in the same words, they come together with
    /// this one.
    pub(super) fn come_together(&self, package: &Package<'_>, version: &mut PackageVersion) {
        if self.image.options.tool == Tool::Zypper {
            return;
        }
        for text in package.relations(RelationKind::Obsoletes) {
            let Some(relation) = Relation::plain(&text) else { continue };
            let known = self.there.get(text.name).into_iter().flatten();
            let is_about = |one: &&InstalledPackage| {
                let evr = Evr::parse(&one.evr).ok();
                one.name == text.name
                    && evr.is_some_and(|evr| relation.meets(Flag::Equal, Some(&evr)))
            };
            let mut installed = known.filter_map(|at| self.image.packages.get(*at));
            if !installed.any(|one| is_about(&one)) {
                continue;
            }
            let words = text.to_string();
            let token = |name: &str| format!("{name} in place of {words}");
            let others = self.saying(text.name, &words);
            if others.len() > MAX_NAMES {
                continue;
            }
            let need = |other: &String| Need {
                one_of: vec![Relation {
                    name: token(other),
                    flag: Flag::Any,
                    evr: None,
                    besides: Vec::new(),
                }],
                text: format!("Obsoletes: {words}, as {other} has"),
            };
            if others.iter().any(|other| other != package.name()) {
                let others = others.iter().filter(|other| *other != package.name());
                version.belong(token(package.name()), others.map(need).collect());
            }
        }
    }

    /// Names of packages that are offered and obsolete `name` in these words; of a flood one more
    /// than are looked at.
    fn saying(&self, name: &str, words: &str) -> Rc<BTreeSet<String>> {
        let known = self.saying.borrow().get(words).cloned();
        known.unwrap_or_else(|| {
            let names = Rc::new(self.all_saying(name, words));
            self.saying.borrow_mut().insert(words.to_owned(), Rc::clone(&names));
            names
        })
    }

    fn all_saying(&self, name: &str, words: &str) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for (repository, one) in self.repositories.iter().enumerate() {
            for offered in one.primary.obsoleting(name) {
                let place = Place { repository, package: offered.number };
                let mut obsoletes = offered.relations(RelationKind::Obsoletes);
                if obsoletes.any(|one| one.name == name && one.to_string() == words)
                    && arch::is_for(offered.architecture(), self.image.architecture)
                    && evr_of(&offered).is_some()
                    && self.hidden(place, &offered).is_none()
                {
                    names.insert(offered.name().to_owned());
                    if names.len() > MAX_NAMES {
                        return names;
                    }
                }
            }
        }
        names
    }
}
