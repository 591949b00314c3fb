//! The last judgement: each finding against what the repaired image really has.
//!
//! Pure: in come the findings, the inventory read from the repaired layers, and the reasons
//! the planner gave; out comes a verdict for each finding. A fix is claimed only when the
//! inventory of the image that will be published shows it.

use std::collections::{BTreeMap, BTreeSet};

use crate::judge;
use crate::judge::{Claims, Demand, State, Subjects};
use imgfix_model::finding::{Class, Finding};
use imgfix_model::package::{Installed, Inventory};
use imgfix_model::plan::{PlatformPlan, Removal};
use imgfix_model::reason::Reason;
use imgfix_model::reason::UnknownFix;
use imgfix_model::verdict::{JudgedFinding, Verdict};

/// An image's inventory before and after its repair.
#[derive(Clone, Copy)]
pub struct BeforeAfter<'a> {
    pub before: &'a Inventory,
    pub after: &'a Inventory,
}

/// Judges every finding on the repaired image.
#[must_use]
pub fn judge(
    findings: &[Finding],
    images: BeforeAfter<'_>,
    plan: &PlatformPlan,
) -> Vec<JudgedFinding> {
    let reasons: BTreeMap<&Finding, &Reason> =
        plan.unfixed.iter().map(|one| (&one.finding, &one.reason)).collect();
    findings
        .iter()
        .map(|finding| {
            let planned = reasons.get(finding).copied();
            let verdict = Case { finding, images, plan, planned }.verdict();
            JudgedFinding { finding: finding.clone(), verdict }
        })
        .collect()
}

/// One finding to judge.
struct Case<'a> {
    finding: &'a Finding,
    images: BeforeAfter<'a>,
    plan: &'a PlatformPlan,
    /// Why the planner left it.
    planned: Option<&'a Reason>,
}

impl Case<'_> {
    fn verdict(&self) -> Verdict {
        if self.finding.class != Class::System {
            let class = self.finding.class.to_string();
            return self.not_fixed(Reason::NoRecipe { class });
        }
        let installed = match judge::subjects(self.finding, self.images.after) {
            Subjects::Packages(installed) => installed,
            Subjects::OtherArchitecture { wanted, installed } => {
                return self.not_fixed(Reason::OtherArchitecture { wanted, installed });
            }
            Subjects::Nothing => return self.gone(),
        };
        match judge::demand(self.finding, self.images.after) {
            Demand::Versions(claims) => self.held_against(&claims, &installed),
            Demand::NeverAffected => Verdict::NotAffected { version: versions(&installed) },
            Demand::OtherRelease(release) => self.not_fixed(Reason::OtherRelease { release }),
            Demand::NoFix(status) => self.not_fixed(Reason::no_fix(status)),
            Demand::Unknown(because) => self.unproven(because, &installed),
        }
    }

    /// What the planner said, or `reason` when it said nothing.
    fn not_fixed(&self, reason: Reason) -> Verdict {
        Verdict::NotFixed { reason: self.planned.cloned().unwrap_or(reason) }
    }

    /// Taken away, and seen to be gone; or never there.
    fn gone(&self) -> Verdict {
        let is_named = |one: &&Removal| {
            [Some(&one.package.name), one.source.as_ref()]
                .into_iter()
                .flatten()
                .any(|name| name.as_ref() == self.finding.package)
        };
        match self.plan.removals.iter().find(is_named) {
            Some(gone) => Verdict::Fixed { version: format!("({} was removed)", gone.version) },
            None => self.not_fixed(Reason::NotOwned),
        }
    }

    /// Every package that is concerned must be free; what was before is none of our work.
    fn held_against(&self, claims: &Claims, installed: &[&Installed]) -> Verdict {
        let BeforeAfter { before, after } = self.images;
        let state = |package: &Installed, of: &Inventory| {
            judge::state(claims, self.finding, package, before, of)
        };
        let left = installed.iter().map(|one| (one, state(one, after)));
        let left = left.filter(|(_, state)| *state != State::Free).max_by_key(|(_, state)| {
            // the plainest first
            *state == State::Affected
        });
        if let Some((package, state)) = left {
            let version = package.version.as_ref();
            let reason = judge::reason(self.finding, claims, state, version);
            let still = || Reason::StillPresent { installed: version.to_owned() };
            return self.not_fixed(reason.unwrap_or_else(still));
        }
        let was_free = match judge::subjects(self.finding, before) {
            Subjects::Packages(former) => {
                former.iter().all(|one| state(one, before) == State::Free)
            }
            _ => false,
        };
        match was_free {
            true => Verdict::NotAffected { version: versions(&self.former(installed)) },
            false => Verdict::Fixed { version: versions(installed) },
        }
    }

    /// The packages as they were.
    fn former<'b>(&'b self, installed: &[&'b Installed]) -> Vec<&'b Installed> {
        let former = |now: &&'b Installed| {
            self.images.before.present().find(|one| one.id == now.id).unwrap_or(now)
        };
        installed.iter().map(former).collect()
    }

    /// Nobody says which version has the fix.
    fn unproven(&self, because: UnknownFix, installed: &[&Installed]) -> Verdict {
        let unchanged = |now: &&&Installed| {
            let before = self.images.before.present().find(|one| one.id == now.id);
            before.is_some_and(|before| before.version == now.version)
        };
        match installed.iter().find(unchanged) {
            Some(one) => {
                self.not_fixed(Reason::FixUnknown { because, installed: one.version.to_string() })
            }
            None => Verdict::NotFixed {
                reason: Reason::Unproven { upgraded_to: versions(installed), because },
            },
        }
    }
}

/// The versions of packages, each once.
fn versions(packages: &[&Installed]) -> String {
    let all: BTreeSet<&str> = packages.iter().map(|one| one.version.as_ref()).collect();
    all.into_iter().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgfix_model::finding::{FixStatus, Naming};
    use imgfix_model::package::{Distribution, PackageId};
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
            order: VersionOrder::DPKG,
            distribution: Distribution::default(),
            packages,
            unfinished: Vec::new(),
        }
    }

    fn verdict(finding: &Finding, images: BeforeAfter<'_>) -> String {
        let plan = PlatformPlan {
            platform: "linux/amd64".parse().unwrap(),
            manifest_digest: imgfix_model::digest::Digest::of(b""),
            steps: Vec::new(),
            removals: vec![Removal {
                package: PackageId { name: "libold".into(), architecture: "amd64".into() },
                version: "0.9".into(),
                source: Some("old".into()),
                before: 0,
                because: Because::Unneeded,
            }],
            unfixed: Vec::new(),
            kept_back: Vec::new(),
        };
        let judged = judge(std::slice::from_ref(finding), images, &plan);
        match judged.into_iter().next().map(|one| one.verdict) {
            Some(Verdict::Fixed { version }) => format!("fixed by {version}"),
            Some(Verdict::NotAffected { version }) => format!("was not affected at {version}"),
            Some(Verdict::NotFixed { reason }) => format!("not fixed: {reason}"),
            None => String::new(),
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
            (
                Finding { class: Class::Malicious, ..finding("libc6", Some("1")) },
                "not fixed: no recipe yet for findings of class malicious",
            ),
        ] {
            let images = BeforeAfter { before: &before, after: &after };
            assert_eq!(verdict(&finding, images), want, "{finding:?}");
        }
    }
}
