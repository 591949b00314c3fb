//! The last judgement: each finding against what the repaired image really has.
//!
//! Pure: in come the findings, the inventory read from the repaired layers, and the reasons
//! the planner gave; out comes a verdict for each finding. A fix is claimed only when the
//! inventory of the image that will be published shows it.

use std::collections::BTreeMap;

use crate::findings::{Class, Finding};
use crate::packages::dpkg::inventory::DpkgInventory;
use crate::packages::dpkg::version::Version;
use crate::plan::{PlatformPlan, Reason};
use crate::report::{JudgedFinding, Verdict};

/// Judges every finding on the repaired image.
#[must_use]
pub fn judge(
    findings: &[Finding],
    after: &DpkgInventory,
    plan: &PlatformPlan,
) -> Vec<JudgedFinding> {
    let reasons: BTreeMap<&Finding, &Reason> =
        plan.unfixed.iter().map(|one| (&one.finding, &one.reason)).collect();
    findings
        .iter()
        .map(|finding| {
            let verdict = one(finding, after, reasons.get(finding).copied());
            JudgedFinding { finding: finding.clone(), verdict }
        })
        .collect()
}

fn one(finding: &Finding, after: &DpkgInventory, planned: Option<&Reason>) -> Verdict {
    let not_fixed = |reason| Verdict::NotFixed { reason };
    if finding.class != Class::System {
        let class = format!("{:?}", finding.class).to_lowercase();
        return not_fixed(planned.cloned().unwrap_or(Reason::NoRecipe { class }));
    }
    let installed: Vec<(&Version, &Version)> = after
        .packages
        .iter()
        .filter(|package| {
            package.id.name.as_ref() == finding.package
                && finding
                    .architecture
                    .as_deref()
                    .is_none_or(|wanted| wanted == package.id.architecture.as_ref())
        })
        .map(|package| (&package.version, package.source_version()))
        .collect();
    if installed.is_empty() {
        return not_fixed(planned.cloned().unwrap_or(Reason::NotOwned));
    }
    let Some(fixed) = finding.fixed.as_deref() else {
        return not_fixed(planned.cloned().unwrap_or(Reason::NoFixedVersion));
    };
    let Ok(fixed) = Version::parse(fixed) else {
        let detail = format!("the report's fixed version {fixed:?} is not a Debian version");
        return not_fixed(Reason::UnsupportedImage { detail });
    };
    match installed.iter().find(|(version, _)| **version < fixed) {
        None => Verdict::Fixed {
            version: installed.first().map(|(v, _)| v.to_string()).unwrap_or_default(),
        },
        Some((version, _)) => not_fixed(
            planned.cloned().unwrap_or(Reason::StillPresent { installed: version.to_string() }),
        ),
    }
}
