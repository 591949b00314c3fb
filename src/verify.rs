//! The last judgement: each finding against what the repaired image really has.
//!
//! Pure: in come the findings, the inventory read from the repaired layers, and the reasons
//! the planner gave; out comes a verdict for each finding. A fix is claimed only when the
//! inventory of the image that will be published shows it.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::findings::{Class, Finding};
use crate::packages::{Installed, Inventory};
use crate::plan::{PlatformPlan, Reason, Removal};
use crate::report::{JudgedFinding, Verdict};

/// Judges every finding on the repaired image.
#[must_use]
pub fn judge(findings: &[Finding], after: &Inventory, plan: &PlatformPlan) -> Vec<JudgedFinding> {
    let reasons: BTreeMap<&Finding, &Reason> =
        plan.unfixed.iter().map(|one| (&one.finding, &one.reason)).collect();
    findings
        .iter()
        .map(|finding| {
            let verdict = one(finding, after, plan, reasons.get(finding).copied());
            JudgedFinding { finding: finding.clone(), verdict }
        })
        .collect()
}

fn one(
    finding: &Finding,
    after: &Inventory,
    plan: &PlatformPlan,
    planned: Option<&Reason>,
) -> Verdict {
    let not_fixed = |reason| Verdict::NotFixed { reason };
    if finding.class != Class::System {
        let class = finding.class.to_string();
        return not_fixed(planned.cloned().unwrap_or(Reason::NoRecipe { class }));
    }
    let installed = after.concerned(&finding.package, finding.architecture.as_deref());
    if installed.is_empty() {
        // Taken away, and seen to be gone.
        let is_named = |one: &&Removal| {
            [Some(&one.package.name), one.source.as_ref()]
                .into_iter()
                .flatten()
                .any(|name| name.as_ref() == finding.package)
        };
        let gone = plan.removals.iter().find(is_named);
        if let Some(gone) = gone {
            return Verdict::Fixed { version: format!("({} was removed)", gone.version) };
        }
        return not_fixed(planned.cloned().unwrap_or(Reason::NotOwned));
    }
    let Some(fixed) = finding.fixed.as_deref() else {
        return not_fixed(planned.cloned().unwrap_or(Reason::NoFixedVersion));
    };
    if after.compare(fixed, fixed).is_none() {
        let family = after.family;
        let detail = format!("the report's fixed version {fixed:?} is not a version of {family}");
        return not_fixed(Reason::UnsupportedImage { detail });
    }
    // Fixed versions count the source package, as in the planner.
    let affected = |package: &&Installed| {
        let own = after.compare(package.source_version().as_ref(), fixed);
        !own.is_some_and(Ordering::is_ge)
            && after.compare(package.version.as_ref(), fixed) != Some(Ordering::Equal)
    };
    match installed.iter().copied().find(affected) {
        None => Verdict::Fixed {
            version: installed.first().map(|one| one.version.to_string()).unwrap_or_default(),
        },
        Some(package) => not_fixed(
            planned
                .cloned()
                .unwrap_or(Reason::StillPresent { installed: package.version.to_string() }),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::{Distribution, PackageId, VersionOrder};
    use crate::plan::Because;

    fn package(name: &str, version: &str, source: Option<(&str, &str)>) -> Installed {
        Installed {
            id: PackageId { name: name.into(), architecture: "amd64".into() },
            version: version.into(),
            source: source.map(|(name, version)| (name.into(), version.into())),
            held: false,
        }
    }

    fn verdict(finding: &Finding) -> String {
        let inventory = Inventory {
            family: "dpkg",
            order: VersionOrder::Dpkg,
            distribution: Distribution::default(),
            packages: vec![
                package("libc6", "2.36-9+deb12u9", Some(("glibc", "2.36-9+deb12u9"))),
                package("libc-bin", "2.36-9+deb12u4", Some(("glibc", "2.36-9+deb12u4"))),
                package("gcc", "4:12.2.0-3", Some(("gcc-defaults", "1.203"))),
            ],
        };
        let plan = PlatformPlan {
            platform: "linux/amd64".parse().unwrap(),
            manifest_digest: crate::image::Digest::of(b""),
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
        match one(finding, &inventory, &plan, None) {
            Verdict::Fixed { version } => format!("fixed by {version}"),
            Verdict::NotFixed { reason } => format!("not fixed: {reason:?}"),
        }
    }

    #[test]
    fn a_finding_is_judged_by_what_is_installed() {
        let finding = |package: &str, fixed: Option<&str>| Finding {
            fixed: fixed.map(Into::into),
            ..Finding::system("CVE-1", package, "1")
        };
        for (finding, want) in [
            (finding("libc6", Some("2.36-9+deb12u7")), "fixed by 2.36-9+deb12u9"),
            (
                finding("libc-bin", Some("2.36-9+deb12u7")),
                "not fixed: StillPresent { installed: \"2.36-9+deb12u4\" }",
            ),
            // By source name: every binary of it counts.
            (
                finding("glibc", Some("2.36-9+deb12u7")),
                "not fixed: StillPresent { installed: \"2.36-9+deb12u4\" }",
            ),
            (finding("glibc", Some("2.36-9+deb12u4")), "fixed by 2.36-9+deb12u9"),
            // The binary's version is larger than the source's, and does not count.
            (
                finding("gcc", Some("1.204")),
                "not fixed: StillPresent { installed: \"4:12.2.0-3\" }",
            ),
            (finding("gcc", Some("1.203")), "fixed by 4:12.2.0-3"),
            (finding("bash", Some("1")), "not fixed: NotOwned"),
            (finding("libold", None), "fixed by (0.9 was removed)"),
            (finding("old", Some("1.0")), "fixed by (0.9 was removed)"),
            (finding("libc6", None), "not fixed: NoFixedVersion"),
            (
                Finding { class: Class::Malicious, ..finding("libc6", Some("1")) },
                "not fixed: NoRecipe { class: \"malicious\" }",
            ),
        ] {
            assert_eq!(verdict(&finding), want, "{finding:?}");
        }
    }
}
