//! Fixed versions by the vendor's advisories, for findings that name none.
//!
//! In comes a finding (`RHSA-2024:1234`, `ALAS2023-2024-500`, `CVE-2024-1234`); out comes the
//! version of its package that an advisory of this name, or one that refers to it, has. Of several
//! the newest counts, as of reports that disagree. What the modules of the image hide, or has no
//! module where the installed package has one, fixes nothing. SUSE's `updateinfo.xml` has names of
//! its own: `SUSE-SU-2024:1234-1` is `SUSE-SLE-Module-Basesystem-15-SP6-2024-1234` there.
//!
//! Where that version is out of reach, out comes one that another of these advisories names or
//! leads to, which is better than none and leaves the finding its reason.

use super::{RpmUniverse, evr_of};
use crate::installed::InstalledPackage;
use crate::solve::package_version::source_of;
use crate::updateinfo::{AdvisedPackage, Advisory};
use imgfix_model::finding::Finding;
use imgfix_repair::planner::Offer;
use imgfix_solve::solver::{Solvable, Task, reachable};
use imgfix_versions::rpm::Evr;

impl RpmUniverse<'_> {
    /// The fixed version; empty: no advisory says one.
    pub(super) fn fixed_by_advisories(&self, finding: &Finding) -> Vec<String> {
        let concerned = |one: &&InstalledPackage| {
            let source = source_of(&one.source).map(|(name, _)| name);
            one.name == finding.package || source == Some(finding.package.as_str())
        };
        let installed: Vec<&InstalledPackage> =
            self.image.packages.iter().filter(concerned).collect();
        let versions = self.advised_versions(finding, &installed).into_iter();
        // of equal ones the first
        let newest = versions.reduce(|best, one| if one > best { one } else { best });
        newest.into_iter().map(|evr| evr.to_text().0).collect()
    }

    /// The versions of installed packages that advisories for a finding name.
    fn advised_versions(&self, finding: &Finding, installed: &[&InstalledPackage]) -> Vec<Evr> {
        let mut versions = Vec::new();
        for (repository, one) in self.repositories.iter().enumerate() {
            let about = one.advisories.list.iter().filter(|one| is_about(one, finding));
            for package in about.flat_map(|advisory| &advisory.packages) {
                let evr = Evr::parse(&package.evr).ok();
                versions.extend(evr.filter(|evr| self.counts(package, evr, repository, installed)));
            }
        }
        versions
    }

    /// The newest version of an installed package that can be had, and that an advisory for the
    /// finding names or an older one. What obsoletes the package is not what advisories are about.
    pub(super) fn led_to(&self, finding: &Finding, slot: usize) -> Option<(Solvable, Offer)> {
        let slot = self.slots.get(slot)?;
        let own = |one: &&InstalledPackage| {
            one.name == slot.id.name.as_ref() && one.architecture == slot.id.architecture.as_ref()
        };
        let installed = self.image.packages.iter().find(own)?;
        let least = self.advised_versions(finding, &[installed]).into_iter().min();
        let (least, (candidate, _)) = (least?, slot.candidate.as_ref()?);
        let installed = self.installed_as(installed)?;
        let own = self.pool.offered(installed.name);
        let reaches = |one: Solvable| {
            let version = self.pool.get(one)?;
            (version.facts.evr >= least).then(|| (one, version.facts.offer()))
        };
        if own.contains(candidate) {
            return reaches(*candidate);
        }
        let priority = |one: &Solvable| self.pool.get(*one).map(|one| self.priority(&one));
        let best = own.iter().map(priority).min()?;
        let task = Task { keep: self.pool.keep.clone(), ..Task::default() };
        let own = own.into_iter().filter(|one| priority(one) == best);
        own.filter_map(reaches).find(|(one, _)| reachable(self, &task, &[*one]).1.is_empty())
    }

    /// Whether an advisory's package can be that of an installed one.
    fn counts(
        &self,
        advised: &AdvisedPackage,
        evr: &Evr,
        repository: usize,
        installed: &[&InstalledPackage],
    ) -> bool {
        let mut same = installed.iter().filter(|one| {
            one.name == advised.name
                && crate::arch::may_replace(&one.architecture, &advised.architecture)
        });
        let Some(installed) = same.next() else { return false };
        let Some(one) = self.repositories.get(repository) else { return false };
        let mut offered = one.primary.named(&advised.name).filter(|offered| {
            offered.architecture() == advised.architecture && evr_of(offered).as_ref() == Some(evr)
        });
        match offered.next() {
            // what the image excludes is the fix all the same, and is what the reason names
            Some(offered) => one.source.module_hotfixes || !self.filter.hides(&offered),
            // the repository has dropped it for a newer one
            None => is_modular(&advised.evr) == is_modular(&installed.evr),
        }
    }
}

/// Whether a version is one of a module: `20.1-1.module+el9+123`.
fn is_modular(evr: &str) -> bool {
    evr.contains(".module")
}

/// Whether an advisory is what a finding is called, or refers to it.
fn is_about(advisory: &Advisory, finding: &Finding) -> bool {
    let mut ids = finding.aliases.iter().chain([&finding.id]);
    ids.any(|id| {
        advisory.id.eq_ignore_ascii_case(id)
            || advisory.references.iter().any(|one| one.eq_ignore_ascii_case(id))
            || suse_ending(id).is_some_and(|ending| {
                let own = advisory.id.to_ascii_uppercase();
                (own.starts_with("SUSE-") || own.starts_with("OPENSUSE-")) && own.ends_with(&ending)
            })
    })
}

/// `-2024-1234` of `SUSE-SU-2024:1234-1`, `openSUSE-RU-2024:0123-1`: numbers without zeros before.
fn suse_ending(id: &str) -> Option<String> {
    let id = id.to_ascii_uppercase();
    let rest = id.strip_prefix("OPEN").unwrap_or(&id).strip_prefix("SUSE-")?;
    let (kind, rest) = rest.split_once('-')?;
    let (year, rest) = rest.split_once(':')?;
    let (number, _) = rest.split_once('-').unwrap_or((rest, ""));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (kind.len() == 2 && digits(year) && digits(number))
        .then(|| format!("-{year}-{}", number.trim_start_matches('0')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::{ModuleFilter, ModuleState, Modules};
    use crate::remote::Repository;
    use crate::solve::tests::context;
    use crate::solve::{Image, plan_platform};
    use crate::testing::{installed, repository};
    use crate::updateinfo::Advisories;
    use imgfix_repair::planner::Requests;
    use imgfix_solve::effort::Effort;
    use imgfix_vfs::Memory;
    use std::collections::BTreeMap;

    fn updateinfo(advisories: &[(&str, &str, &[(&str, &str)])]) -> Advisories {
        let mut text = String::from("<updates>");
        for (id, reference, packages) in advisories {
            text += &format!(
                "<update type=\"security\"><id>{id}</id><references>\
                 <reference id=\"{reference}\" type=\"cve\"/></references><pkglist><collection>"
            );
            for (name, version) in *packages {
                text += &format!(
                    "<package name=\"{name}\" version=\"{version}\" release=\"1\" arch=\"x86_64\"/>"
                );
            }
            text += "</collection></pkglist></update>";
        }
        Advisories::read((text + "</updates>").as_bytes(), &|_| true, &Memory::default()).unwrap()
    }

    fn fixed(repository: Repository, filter: &ModuleFilter, id: &str, package: &str) -> String {
        let packages = [installed("a 1"), installed("a-libs 1"), installed("z 1")];
        let image =
            Image { architecture: "x86_64", packages: packages[..].into(), ..Image::default() };
        let repositories = [repository];
        let universe = RpmUniverse::new(&image, &repositories, filter, Effort::default());
        universe.fixed_by_advisories(&Finding::system(id, package, "1-1")).join(" ")
    }

    #[test]
    fn the_newest_version_of_what_an_advisory_names_counts() {
        let none = ModuleFilter::default();
        let all = || {
            let mut one = repository(&["a 2", "a 3", "a-libs 3"]);
            one.advisories = updateinfo(&[
                ("RHSA-2024:1", "CVE-1", &[("a", "2"), ("b", "9")]),
                ("RHSA-2024:2", "CVE-1", &[("a", "3")]),
                ("SUSE-SLE-Module-Basesystem-15-SP6-2024-12", "CVE-2", &[("a-libs", "3")]),
            ]);
            one
        };
        for (id, package, want) in [
            ("RHSA-2024:1", "a", "2-1"),
            ("rhsa-2024:2", "a", "3-1"),
            ("CVE-1", "a", "3-1"),
            ("CVE-1", "z", ""),
            ("CVE-1", "b", ""),
            ("CVE-9", "a", ""),
            ("SUSE-SU-2024:0012-1", "a-libs", "3-1"),
            ("SUSE-SU-2024:2-1", "a-libs", ""),
        ] {
            assert_eq!(fixed(all(), &none, id, package), want, "{id} {package}");
        }
    }

    /// The steps for a CVE of `a`, and why it is left.
    fn planned(image: &str, offered: &[&str], advised: &[&str]) -> (Vec<String>, Vec<String>) {
        let mut one = repository(offered);
        let all: Vec<[(&str, &str); 1]> = advised.iter().map(|version| [("a", *version)]).collect();
        let all: Vec<_> = all.iter().map(|packages| ("A-1", "CVE-1", &packages[..])).collect();
        one.advisories = updateinfo(&all);
        let packages = [installed(image)];
        let image =
            Image { architecture: "x86_64", packages: packages[..].into(), ..Image::default() };
        let requests = Requests::Findings(vec![Finding::system("CVE-1", "a", "1-1").into()]);
        let filter = ModuleFilter::default();
        let plan =
            plan_platform(&image, &[one], &filter, &requests, &BTreeMap::new(), &context()).plan;
        let steps = plan.steps.iter().map(|step| format!("{} {}", step.package.name, step.to));
        let left = plan.unfixed.iter().map(|one| one.reason.to_string());
        (steps.collect(), left.collect())
    }

    #[test]
    fn the_first_of_several_advisories_is_better_than_nothing() {
        let offered = ["a 2", "a 3; R: no"];
        let (steps, left) = planned("a 1", &offered, &["2", "3"]);
        assert_eq!(steps, ["a 2-1"]);
        assert!(left.len() == 1 && left[0].contains("no"), "{left:?}");
        // no advisory names it or an older one
        let (steps, left) = planned("a 1", &offered, &["3"]);
        assert!(steps.is_empty() && left.len() == 1, "{steps:?} {left:?}");
        assert_eq!(planned("a 1", &["a 2", "a 3"], &["2", "3"]), (vec!["a 3-1".into()], vec![]));
    }

    #[test]
    fn what_obsoletes_a_package_is_not_what_its_advisories_lead_to() {
        let offered = ["a 2", "p 9; O: a < 9"];
        assert_eq!(planned("a 1", &offered, &["2"]), (vec!["a 2-1".into()], vec![]));
        // it is where there is nothing else
        let (steps, _) = planned("a 1", &["a 2; R: no", "p 9; O: a < 9"], &["2"]);
        assert_eq!(steps, ["p 9-1"]);
    }

    #[test]
    fn what_modules_hide_is_no_fix() {
        let yaml = "---\ndocument: modulemd\nversion: 2\ndata:\n  name: m\n  stream: s\n  version: 1\n  \
                    context: c\n  artifacts:\n    rpms:\n    - a-0:3-1.x86_64\n...\n";
        let mut modules = Modules::none(&Memory::default());
        modules.add(yaml.as_bytes()).unwrap();
        let filter = modules.filter(&ModuleState::default());
        let mut one = repository(&["a 2", "a 3"]);
        one.advisories = updateinfo(&[
            ("A-1", "CVE-1", &[("a", "2")]),
            ("A-2", "CVE-1", &[("a", "3")]),
            ("A-3", "CVE-1", &[("a", "4.module+el9")]),
        ]);
        assert_eq!(fixed(one, &filter, "CVE-1", "a"), "2-1");
    }
}
