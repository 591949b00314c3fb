//! The last judgement: each finding against what the repaired image really has.
//!
//! Pure: in come a finding, the components of a store as they were and as they are read from the
//! repaired layers, and the reason that the plan gave; out comes a verdict. A fix is claimed only
//! when the image that will be published shows it.

use std::collections::BTreeSet;

use super::{Claims, Components, Concern, Demand, State};
use imgfix_model::component::Component;
use imgfix_model::finding::{Class, Finding};
use imgfix_model::plan::Removal;
use imgfix_model::reason::{Reason, UnknownFix};
use imgfix_model::verdict::Verdict;

/// A finding and the store that has what it is about.
pub struct Case<'a> {
    /// The finding, which the store claims.
    pub finding: &'a Finding,
    /// The store in the original image.
    pub before: &'a Components<'a>,
    /// Of the repaired image; `None`: the store is not there any more.
    pub after: Option<&'a Components<'a>>,
    /// The packages that the plan takes away.
    pub removals: &'a [Removal],
    /// Why the plan left the finding.
    pub planned: Option<&'a Reason>,
}

impl Case<'_> {
    /// What became of the finding in this store.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let Some(after) = self.after else { return self.gone() };
        let at = match after.concerned_after(self.finding, self.before) {
            Concern::Components(at) => at,
            Concern::OtherArchitecture { wanted, installed } => {
                return self.not_fixed(Reason::OtherArchitecture { wanted, installed });
            }
            Concern::Nothing => return self.gone(),
        };
        let installed: Vec<&Component<'_>> = after.at(&at).collect();
        match after.demand(self.finding) {
            Demand::Versions(claims) => self.held_against(&claims, &installed, after),
            Demand::NeverAffected => Verdict::NotAffected { version: versions(&installed) },
            Demand::OtherRelease(release) => self.not_fixed(Reason::OtherRelease { release }),
            Demand::NoFix(status) => self.not_fixed(Reason::no_fix(status)),
            Demand::Unknown(because) => self.unproven(because, &installed),
        }
    }

    /// What the plan said, or `reason` when it said nothing.
    fn not_fixed(&self, reason: Reason) -> Verdict {
        Verdict::NotFixed { reason: self.planned.cloned().unwrap_or(reason) }
    }

    /// Taken away, and seen to be gone; or never there.
    fn gone(&self) -> Verdict {
        let removed =
            |version: &str| Verdict::Fixed { version: format!("({version} was removed)") };
        let is_named = |one: &&Removal| {
            [Some(&one.package.name), one.source.as_ref()]
                .into_iter()
                .flatten()
                .any(|name| name.as_ref() == self.finding.package)
        };
        if let Some(gone) = self.removals.iter().find(is_named) {
            return removed(gone.version.as_ref());
        }
        match self.before.concerned(self.finding) {
            // a library goes with the files that record it; a package does with a removal only
            Concern::Components(at) if self.finding.class == Class::Library => {
                removed(&versions(&self.before.at(&at).collect::<Vec<_>>()))
            }
            _ => self.not_fixed(Reason::NotOwned),
        }
    }

    /// Every component that is concerned must be free; what was before is none of our work.
    fn held_against(
        &self,
        claims: &Claims,
        installed: &[&Component<'_>],
        after: &Components<'_>,
    ) -> Verdict {
        let state = |component: &Component<'_>, of: &Components<'_>| {
            of.state(claims, self.finding, component, self.before)
        };
        let left = installed.iter().map(|one| (one, state(one, after)));
        let left = left.filter(|(_, state)| *state != State::Free).max_by_key(|(_, state)| {
            // the plainest first
            *state == State::Affected
        });
        if let Some((component, state)) = left {
            let version = component.version;
            let reason = super::reason(self.finding, claims, state, version);
            let still = || Reason::StillPresent { installed: version.to_owned() };
            return self.not_fixed(reason.unwrap_or_else(still));
        }
        let was_free = match self.before.concerned(self.finding) {
            Concern::Components(former) => {
                self.before.at(&former).all(|one| state(one, self.before) == State::Free)
            }
            _ => false,
        };
        match was_free {
            true => Verdict::NotAffected { version: versions(&self.former(installed)) },
            false => Verdict::Fixed { version: versions(installed) },
        }
    }

    /// The components as they were.
    fn former<'b>(&'b self, installed: &[&'b Component<'b>]) -> Vec<&'b Component<'b>> {
        installed.iter().map(|now| self.before.same(now).unwrap_or(now)).collect()
    }

    /// Nobody says which version has the fix.
    fn unproven(&self, because: UnknownFix, installed: &[&Component<'_>]) -> Verdict {
        let unchanged = |now: &&&Component<'_>| {
            self.before.same(now).is_some_and(|before| before.version == now.version)
        };
        match installed.iter().find(unchanged) {
            Some(one) => {
                self.not_fixed(Reason::FixUnknown { because, installed: one.version.to_owned() })
            }
            None => Verdict::NotFixed {
                reason: Reason::Unproven { upgraded_to: versions(installed), because },
            },
        }
    }
}

/// The verdict on a finding that several stores have, from theirs: the worst counts.
#[must_use]
pub fn of_all(verdicts: Vec<Verdict>) -> Option<Verdict> {
    let rank = |verdict: &Verdict| match verdict {
        Verdict::NotFixed { .. } => 3,
        Verdict::Mitigated { .. } => 2,
        Verdict::Fixed { .. } => 1,
        Verdict::NotAffected { .. } => 0,
    };
    // of several with one rank the first store's
    verdicts.into_iter().rev().max_by_key(rank)
}

/// The versions of components, each once.
fn versions(components: &[&Component<'_>]) -> String {
    let all: BTreeSet<&str> = components.iter().map(|one| one.version).collect();
    all.into_iter().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgfix_model::finding::{FixStatus, Naming};
    use imgfix_model::package::{Distribution, Installed, Inventory, PackageId};
    use imgfix_model::plan::Because;
    use imgfix_versions::VersionOrder;

    fn package(name: &str, version: &str, source: Option<(&str, &str)>) -> Installed {
        Installed {
            id: PackageId { name: name.into(), architecture: "amd64".into() },
            version: version.into(),
            source: source.map(|(name, version)| (name.into(), version.into())),
            held: false,
        }
    }

    fn inventory(packages: Vec<Installed>) -> Inventory {
        Inventory {
            family: "dpkg",
            purl_type: "deb",
            order: VersionOrder::DPKG,
            distribution: Distribution::default(),
            packages,
            unfinished: Vec::new(),
        }
    }

    fn said(verdict: &Verdict) -> String {
        match verdict {
            Verdict::Fixed { version } => format!("fixed by {version}"),
            Verdict::Mitigated { how } => format!("mitigated: {how}"),
            Verdict::NotAffected { version } => format!("was not affected at {version}"),
            Verdict::NotFixed { reason } => format!("not fixed: {reason}"),
        }
    }

    fn verdict(finding: &Finding, before: &Inventory, after: &Inventory) -> String {
        let removals = [Removal {
            package: PackageId { name: "libold".into(), architecture: "amd64".into() },
            version: "0.9".into(),
            source: Some("old".into()),
            before: 0,
            because: Because::Unneeded,
        }];
        let (before, after) = (Components::of_packages(before), Components::of_packages(after));
        let (before, after) = (&before, Some(&after));
        said(&Case { finding, before, after, removals: &removals, planned: None }.verdict())
    }

    #[test]
    fn a_library_is_found_again_where_its_record_is_now() {
        use imgfix_model::path::ImagePath;
        let paths = ["/v/a-1.dist-info/METADATA", "/v/a-2.dist-info/METADATA", "/w/a/METADATA"];
        let paths = paths.map(ImagePath::literal);
        let [old, new, other] = &paths;
        let store = |all: &[(&'static str, &'static str, &'static ImagePath)]| {
            let component = |(name, version, path): &(&'static str, &'static str, _)| Component {
                name,
                version,
                source: name,
                source_version: version,
                architecture: None,
                path: Some(*path),
            };
            let all = all.iter().map(component).collect();
            Components { all, order: VersionOrder::DPKG, same_name: |a, b| a == b }
        };
        let [old, new, other]: [&'static ImagePath; 3] = [old, new, other]
            .map(|path| -> &'static ImagePath { Box::leak(Box::new(path.clone())) });
        let before = store(&[("a", "1", old), ("a", "1", other)]);
        let finding = Finding {
            class: Class::Library,
            path: Some("v/a-1.dist-info/METADATA".to_owned()),
            fixed: Some("2".to_owned()),
            ..Finding::system("CVE-1", "a", "1")
        };
        for (after, want) in [
            (store(&[("a", "2", new), ("a", "1", other)]), "fixed by 2"),
            (
                store(&[("a", "1.5", new)]),
                "not fixed: the repaired image still has 1.5, which is affected",
            ),
            (
                store(&[("a", "1", old)]),
                "not fixed: the repaired image still has 1, which is affected",
            ),
            (store(&[("a", "2", other)]), "fixed by (1 was removed)"),
        ] {
            let (before, after) = (&before, Some(&after));
            let case = Case { finding: &finding, before, after, removals: &[], planned: None };
            assert_eq!(said(&case.verdict()), want);
        }
    }

    #[test]
    fn a_finding_is_judged_by_what_is_installed() {
        let before = inventory(vec![
            package("libc6", "2.36-9+deb12u1", Some(("glibc", "2.36-9+deb12u1"))),
            package("libc-bin", "2.36-9+deb12u1", Some(("glibc", "2.36-9+deb12u1"))),
            package("gcc", "4:12.2.0-3", Some(("gcc-defaults", "1.203"))),
            package("openssl", "3.0.9-1", None),
            package("libssl3", "3.0.9-1", Some(("openssl", "3.0.9-1"))),
            package("passwd", "1:4.13-1+deb12u2", Some(("shadow", "1:4.13-1+deb12u2"))),
            package("same", "1", None),
            package("libold", "0.9", Some(("old", "0.9"))),
        ]);
        let after = inventory(vec![
            package("libc6", "2.36-9+deb12u9", Some(("glibc", "2.36-9+deb12u9"))),
            package("libc-bin", "2.36-9+deb12u4", Some(("glibc", "2.36-9+deb12u4"))),
            package("gcc", "4:12.2.0-3", Some(("gcc-defaults", "1.203"))),
            package("openssl", "3.0.20-1", None),
            package("libssl3", "3.0.9-1", Some(("openssl", "3.0.9-1"))),
            package("passwd", "1:4.13-1+deb12u2", Some(("shadow", "1:4.13-1+deb12u2"))),
            package("same", "1", None),
        ]);
        let finding = |package: &str, fixed: Option<&str>| Finding {
            fixed: fixed.map(Into::into),
            ..Finding::system("CVE-1", package, "1")
        };
        let named = |naming, package, fixed| Finding { naming, ..finding(package, Some(fixed)) };
        for (finding, want) in [
            (finding("libc6", Some("2.36-9+deb12u7")), "fixed by 2.36-9+deb12u9"),
            (
                finding("libc-bin", Some("2.36-9+deb12u7")),
                "not fixed: the repaired image still has 2.36-9+deb12u4, which is affected",
            ),
            // By source name: every binary of it counts.
            (
                finding("glibc", Some("2.36-9+deb12u7")),
                "not fixed: the repaired image still has 2.36-9+deb12u4, which is affected",
            ),
            (finding("glibc", Some("2.36-9+deb12u4")), "fixed by 2.36-9+deb12u4, 2.36-9+deb12u9"),
            // ... also when one of them has the source's name.
            (
                named(Naming::Source, "openssl", "3.0.15-1"),
                "not fixed: the repaired image still has 3.0.9-1, which is affected",
            ),
            (
                finding("openssl", Some("3.0.15-1")),
                "not fixed: the repaired image still has 3.0.9-1, which is affected",
            ),
            (named(Naming::Binary, "openssl", "3.0.15-1"), "fixed by 3.0.20-1"),
            // The binary's version is larger than the source's, and does not count.
            (
                finding("gcc", Some("1.204")),
                "not fixed: the repaired image still has 4:12.2.0-3, which is affected",
            ),
            // What was so before is none of our work.
            (finding("gcc", Some("1.203")), "was not affected at 4:12.2.0-3"),
            (finding("libc6", Some("2.36-9")), "was not affected at 2.36-9+deb12u1"),
            // An epoch that the report has lost.
            (
                Finding {
                    fixed: Some("4.13-1+deb12u9".into()),
                    ..Finding::system("CVE-1", "passwd", "4.13-1+deb12u2")
                },
                "not fixed: the repaired image still has 1:4.13-1+deb12u2, which is affected",
            ),
            (finding("bash", Some("1")), "not fixed: no package of the image has this name"),
            (finding("libold", None), "fixed by (0.9 was removed)"),
            (finding("old", Some("1.0")), "fixed by (0.9 was removed)"),
            // Nobody says which version has the fix.
            (
                finding("libc6", None),
                "not fixed: upgraded to 2.36-9+deb12u9; the report names no fixed version",
            ),
            (
                finding("same", Some("See advisory")),
                "not fixed: the report has \"See advisory\" in place of a fixed version, and the \
                 repositories have nothing newer than 1",
            ),
            (
                Finding { status: Some(FixStatus::Affected), ..finding("libc6", None) },
                "not fixed: the distribution has no fixed version",
            ),
            (
                Finding { architecture: Some("arm64".into()), ..finding("libc6", Some("1")) },
                "not fixed: the package is installed for amd64, not for arm64",
            ),
            (
                Finding {
                    other_release: Some("ubuntu 22.04".into()),
                    ..finding("libc6", Some("2.35"))
                },
                "not fixed: the report is about ubuntu 22.04, whose fixed versions do not count \
                 here: scan this image",
            ),
        ] {
            assert_eq!(verdict(&finding, &before, &after), want, "{finding:?}");
        }
    }

    #[test]
    fn a_library_is_judged_by_its_copy() {
        use imgfix_model::path::ImagePath;
        let order = VersionOrder::DPKG;
        let paths = [
            "/venv/site-packages/a-1.0.dist-info/METADATA",
            "/venv/site-packages/a-2.0.dist-info/METADATA",
        ];
        let [old, new] = paths.map(ImagePath::literal);
        let one = |version, path| Component {
            name: "a",
            version,
            source: "a",
            source_version: version,
            architecture: None,
            path: Some(path),
        };
        let components = |all| Components { all, order, same_name: |a, b| a == b };
        let before = components(vec![one("1.0", &old)]);
        let owned = Reason::OwnedByPackage { component: "a".into(), package: "python3-a".into() };
        let owned_words =
            "not fixed: a belongs to the system package python3-a, and changes with it only";
        for (after, fixed, planned, want) in [
            (Some(vec![one("2.0", &new)]), "1.5", Some(&owned), "fixed by 2.0"),
            (Some(vec![one("1.0", &old)]), "1.5", Some(&owned), owned_words),
            (
                Some(vec![one("1.0", &old)]),
                "1.5",
                None,
                "not fixed: the repaired image still has 1.0, which is affected",
            ),
            (Some(vec![one("1.0", &old)]), "0.9", None, "was not affected at 1.0"),
            (Some(vec![]), "1.5", Some(&owned), "fixed by (1.0 was removed)"),
            (None, "1.5", None, "fixed by (1.0 was removed)"),
        ] {
            let finding = Finding {
                class: Class::Library,
                fixed: Some(fixed.into()),
                ..Finding::system("CVE-1", "a", "1.0")
            };
            let after = after.map(components);
            let case = Case {
                finding: &finding,
                before: &before,
                after: after.as_ref(),
                removals: &[],
                planned,
            };
            assert_eq!(said(&case.verdict()), want, "{fixed}");
        }
    }

    #[test]
    fn of_several_stores_the_worst_verdict_counts() {
        let fixed = || Verdict::Fixed { version: "2".into() };
        let mitigated = || Verdict::Mitigated { how: "it is off".into() };
        let left = |store: &str| Verdict::NotFixed {
            reason: Reason::StillPresent { installed: store.into() },
        };
        let free = || Verdict::NotAffected { version: "3".into() };
        for (all, want) in [
            (vec![], None),
            (vec![free(), fixed()], Some(fixed())),
            (vec![fixed(), mitigated(), free()], Some(mitigated())),
            (vec![fixed(), left("first"), left("second"), mitigated()], Some(left("first"))),
        ] {
            assert_eq!(of_all(all), want);
        }
    }
}
