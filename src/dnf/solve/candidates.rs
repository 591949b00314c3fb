//! Which newer version of an installed package is its candidate.
//!
//! In come what repositories offer and the image's settings; out come the versions that may be
//! taken, the most wanted first, and why a newer one is not among them. Source: dnf.conf(5)
//! (`priority`, `cost`, `excludepkgs`, `includepkgs`), libsolv's `policy.c` (of what is newer, the
//! best priority counts; then the version), and libzypp's rule that vendors stay.

use std::collections::BTreeSet;

use super::package_version::{Facts, PackageVersion, Place, Words};
use super::{RpmUniverse, evr_of, id, subject};
use crate::arch;
use crate::installed::InstalledPackage;
use crate::primary::Package;
use imgfix_model::reason::Reason;
use imgfix_repair::planner::{Lock, Offer, Slot};
use imgfix_solve::solver::{Name, Solvable};
use imgfix_versions::rpm::Evr;

/// A newer version, and how much it is wanted.
struct Newer<'a> {
    place: Place,
    package: Package<'a>,
    evr: Evr,
}

impl<'a> RpmUniverse<'a> {
    /// Numbers an installed package with its newer versions. `None`: it is a key, or has no
    /// version.
    pub(super) fn add_installed(&mut self, package: &'a InstalledPackage) -> Option<Slot> {
        let evr = Evr::parse(&package.evr).ok()?;
        let name = self.pool.new_name();
        let facts = Facts {
            id: id(&package.name, &package.architecture),
            evr: evr.clone(),
            source: package.source.clone(),
            place: None,
        };
        let (installed, source_name) = (facts.offer(), facts.source_name());
        let words = |list: &'a [crate::installed::InstalledRelation]| {
            list.iter().map(crate::installed::InstalledRelation::text).collect()
        };
        let files = package.files.iter().map(String::as_str);
        let words = Words {
            provides: words(&package.provides),
            requires: words(&package.requires),
            conflicts: words(&package.conflicts),
            obsoletes: words(&package.obsoletes),
            files: files.filter(|path| self.paths.contains(path)).collect(),
        };
        let is_key = package.name == "gpg-pubkey";
        let slot_id = facts.id.clone();
        let version = PackageVersion::new(name, facts, &words, &|relation| self.is_there(relation));
        self.number(version);
        let mut names = self.pool.names_of(&package.name);
        names.push(name);
        self.pool.file(&package.name, names);
        if is_key {
            return None;
        }
        let mut newest: Option<(Evr, Offer)> = None;
        let mut passed_over: Option<(Evr, Reason)> = None;
        let mut allowed: Vec<Newer<'a>> = Vec::new();
        for (place, offered) in self.named(&package.name) {
            if !arch::may_replace(&package.architecture, offered.architecture()) {
                continue;
            }
            let Some(offered_evr) = evr_of(&offered) else { continue };
            if newest.as_ref().is_none_or(|(best, _)| offered_evr > *best) {
                newest = self.offer_of(place).map(|offer| (offered_evr.clone(), offer));
            }
            if offered_evr <= evr {
                continue;
            }
            match self.kept(package).or_else(|| self.refusal(package, place, &offered)) {
                Some(reason) => {
                    if passed_over.as_ref().is_none_or(|(best, _)| offered_evr > *best) {
                        passed_over = Some((offered_evr, reason));
                    }
                }
                None => allowed.push(Newer { place, package: offered, evr: offered_evr }),
            }
        }
        self.sort(&mut allowed);
        let mut candidate: Option<(Solvable, Offer)> = None;
        let best = allowed.first().map(|one| one.evr.clone());
        for one in &allowed {
            let Some(version) = self.offered(one.place, name) else { continue };
            let offer = version.facts.offer();
            let solvable = self.number(version);
            candidate.get_or_insert((solvable, offer));
        }
        let passed_over = passed_over
            .filter(|(evr, _)| best.is_none_or(|best| *evr > best))
            .map(|(_, reason)| reason);
        Some(Slot {
            id: slot_id,
            installed,
            source_name,
            candidate,
            newest: newest.map(|(_, offer)| offer),
            passed_over,
            lock: Lock::Free,
        })
    }

    fn offer_of(&self, place: Place) -> Option<Offer> {
        let package = self.package(place)?;
        let facts = Facts {
            id: id(package.name(), package.architecture()),
            evr: evr_of(&package)?,
            source: package.source().to_owned(),
            place: Some(place),
        };
        Some(facts.offer())
    }

    /// Why no newer version takes the place of an installed one.
    fn kept(&self, installed: &InstalledPackage) -> Option<Reason> {
        self.image.options.keeps_all(installed).then(|| Reason::Held {
            package: installed.name.clone(),
            by: "the package manager, which keeps every installed version of it (installonlypkgs)"
                .to_owned(),
        })
    }

    /// Why an offered package must not be taken in place of an installed one.
    pub(super) fn refusal(
        &self,
        installed: &InstalledPackage,
        place: Place,
        offered: &Package<'_>,
    ) -> Option<Reason> {
        let held = |by: String| Some(Reason::Held { package: installed.name.clone(), by });
        if let Some(by) = self.hidden(place, offered) {
            return held(by);
        }
        let options = &self.image.options;
        if !options.vendor_change && !options.is_same_vendor(&installed.vendor, offered.vendor()) {
            return held(format!(
                "zypper's rule that vendors stay (solver.allowVendorChange): {:?} would become {:?}",
                installed.vendor,
                offered.vendor()
            ));
        }
        if let Some((module, stream)) = installed.stream() {
            // where another stream is enabled, or none is to be, the user has said so
            let modules = &self.image.modules;
            let is_chosen =
                modules.enabled.contains_key(module) || modules.disabled.contains(module);
            if !is_chosen && !self.filter.is_of(offered, module, stream) {
                return Some(Reason::Conflict {
                    package: installed.name.clone(),
                    detail: format!(
                        "it is of the module stream {module}:{stream}, /etc/dnf/modules.d of the \
                         image names no stream of this module, and {}-{} is not of that one",
                        offered.name(),
                        offered.evr()
                    ),
                });
            }
        }
        None
    }

    /// What keeps a package out of sight, whatever it is wanted for.
    pub(super) fn hidden(&self, place: Place, package: &Package<'_>) -> Option<String> {
        let subject = subject(package);
        let options = &self.image.options;
        let repository = self.repositories.get(place.repository)?;
        let source = &repository.source;
        let excluded = options.excluded.iter().chain(&source.excluded);
        if let Some(spec) = excluded.into_iter().find(|spec| spec.is_about(&subject)) {
            return Some(format!("excludepkgs of the image ({})", spec.text));
        }
        for included in [&options.included, &source.included] {
            if !included.is_empty() && !included.iter().any(|spec| spec.is_about(&subject)) {
                return Some("includepkgs of the image, which does not name it".to_owned());
            }
        }
        let compare = |a: &str, b: &str| match (Evr::parse(a), Evr::parse(b)) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            _ => a.cmp(b),
        };
        let lock = self.image.locks.against(&subject, &compare);
        if let Some(by) = lock.or_else(|| self.obsoletes_locked(package, &compare)) {
            return Some(format!("the image's list of locks ({by})"));
        }
        if !source.module_hotfixes && self.filter.hides(package) {
            return Some("the modules of the image, whose streams do not have it".to_owned());
        }
        None
    }

    /// Of what is newer the best priority counts, then the version, then the cheaper repository.
    /// What has a worse priority is taken where nothing else will do.
    fn sort(&self, newer: &mut Vec<Newer<'a>>) {
        let source =
            |one: &Newer<'_>| self.repositories.get(one.place.repository).map(|r| &r.source);
        let priority = |one: &Newer<'_>| source(one).map_or(i64::MAX, |source| source.priority);
        let cost = |one: &Newer<'_>| source(one).map_or(i64::MAX, |source| source.cost);
        let distance =
            |one: &Newer<'_>| arch::distance(one.package.architecture(), self.image.architecture);
        newer.sort_by(|a, b| {
            priority(a)
                .cmp(&priority(b))
                .then_with(|| b.evr.cmp(&a.evr))
                .then_with(|| distance(a).cmp(&distance(b)))
                .then_with(|| cost(a).cmp(&cost(b)))
                .then_with(|| a.place.cmp(&b.place))
        });
        let mut seen = BTreeSet::new();
        newer.retain(|one| seen.insert((one.evr.clone(), one.package.architecture())));
    }

    /// Numbers what may come beside packages of which all versions stay, as far as something needs
    /// it: under names of its own.
    pub(super) fn number_beside(&self) {
        let image = self.image;
        let staying = image.packages.iter().filter(|package| image.options.keeps_all(package));
        for name in staying.map(|package| package.name.as_str()).collect::<BTreeSet<_>>() {
            let mut names = self.pool.names_of(name);
            names.extend(self.new_names(name));
            self.pool.file(name, names);
        }
    }

    /// Numbers the versions of a package that are not installed: one name for each line of machines.
    pub(super) fn new_names(&self, package: &str) -> Vec<Name> {
        let mut by_line: Vec<(usize, Vec<Newer<'a>>)> = Vec::new();
        for (place, offered) in self.named(package) {
            let Some(evr) = evr_of(&offered) else { continue };
            let is_there = |one: &InstalledPackage| {
                one.name == package
                    && one.architecture == offered.architecture()
                    && Evr::parse(&one.evr).is_ok_and(|there| there == evr)
            };
            if self.hidden(place, &offered).is_some() || self.image.packages.iter().any(is_there) {
                continue;
            }
            let line = arch::distance(offered.architecture(), self.image.architecture);
            let newer = Newer { place, package: offered, evr };
            match by_line.iter_mut().find(|(known, _)| *known == line) {
                Some((_, list)) => list.push(newer),
                None => by_line.push((line, vec![newer])),
            }
        }
        by_line.sort_by_key(|(line, _)| *line);
        let mut names = Vec::new();
        for (_, mut list) in by_line {
            self.sort(&mut list);
            let name = self.pool.new_name();
            for one in list {
                if let Some(version) = self.offered(one.place, name) {
                    self.number(version);
                }
            }
            names.push(name);
        }
        names
    }
}
