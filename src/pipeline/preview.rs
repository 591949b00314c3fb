//! The review of a plan: what a repair would do, for people who decide before anything is
//! written. In comes a planned image, whose plan was tried in memory; out go the report and the
//! evidence that a repair gives, with verdicts on what the trial left.

use imgfix_model::component::Contents;
use imgfix_repair::image::Stores;
use imgfix_report::RepairReport;
use imgfix_report::before_after::{NamedImage, PlatformReport, Stage};
use imgfix_report::platform::{AppliedFacts, PlatformFacts};
use imgfix_report::review::PlatformReview;

use super::planning::{PlannedImage, PlannedPlatform};
use super::review::{self, Evidence, Repaired, Said};
use super::{Environment, RepairError};

/// What a plan would do.
pub struct Preview {
    /// Its verdicts say what would be; `output` is `None`.
    pub report: RepairReport,
    /// One a platform; empty unless it was asked for.
    pub evidence: Vec<PlatformReview>,
    /// What is installed in the image as it is, one a platform.
    pub contents: Vec<Contents>,
}

/// Judges what the trial of the plan left.
///
/// # Errors
/// What the trial left cannot be read, or the evidence cannot.
pub fn preview(
    planned: &PlannedImage,
    evidence: Evidence,
    environment: &Environment,
) -> Result<Preview, RepairError> {
    let mut reports = Vec::with_capacity(planned.platforms.len());
    let mut all = Vec::new();
    for platform in &planned.platforms {
        let (report, review) = one(platform, planned, evidence, environment)?;
        reports.push(report);
        all.extend(review);
    }
    let plan = &planned.plan;
    let image = NamedImage { reference: plan.image.clone(), digest: plan.image_digest };
    let mut report = RepairReport::new(image, None, reports, planned.warnings.clone());
    report.stage = Stage::Planned;
    let contents = planned.platforms.iter().map(|one| one.stores.contents()).collect();
    Ok(Preview { report, evidence: all, contents })
}

fn one(
    platform: &PlannedPlatform,
    planned: &PlannedImage,
    evidence: Evidence,
    environment: &Environment,
) -> Result<(PlatformReport, Option<PlatformReview>), RepairError> {
    let PlannedPlatform { loaded, stores, repaired, findings, assessed } = platform;
    let (plan, account) = (&repaired.plan, &repaired.account);
    let gathers = evidence == Evidence::Gathered;
    let repositories = review::signed(&account.repositories);
    let after = match &repaired.overlay {
        None => None,
        Some(overlay) => {
            let image = format!("the plan for {} ({})", planned.plan.image, loaded.platform);
            let inventory = |source| RepairError::Inventory { image, source };
            Some((overlay, environment.detect(overlay).map_err(inventory)?))
        }
    };
    let stores_after: &Stores = after.as_ref().map_or(stores, |(_, after)| after);
    let said = match &repaired.overlay {
        None => Said::default(),
        Some(overlay) => {
            let (unreported, fetcher) = (planned.unreported, &planned.fetcher);
            review::said(&plan.steps, stores, overlay, evidence, unreported, fetcher)?
        }
    };
    let reviewed = match (&after, gathers) {
        (_, false) => None,
        (None, true) => {
            let (platform, changelogs) = (loaded.platform.clone(), Vec::new());
            Some(PlatformReview { platform, diff: None, changelogs, repositories })
        }
        (Some((overlay, after)), true) => {
            let repaired = Repaired {
                loaded,
                overlay,
                config: loaded.config.value(),
                before: stores,
                after,
                changelogs: said.entries,
            };
            let review = review::of_repaired(repaired, environment)?;
            Some(PlatformReview { repositories, ..review })
        }
    };
    let applied = after.as_ref().map(|(overlay, _)| AppliedFacts {
        written: None,
        files: review::files(overlay, reviewed.as_ref()),
        effects: &account.effects,
        stale: account.stale.clone(),
    });
    let report = PlatformReport::new(PlatformFacts {
        original_manifest: plan.manifest_digest,
        original_size: review::stored_size(loaded),
        plan,
        repositories: review::ages(&account.repositories, environment.edge.now),
        sources: review::sources(stores, stores_after),
        findings: stores.judge(findings, stores_after, plan, &account.advised),
        assessed: assessed.clone(),
        applied,
        named_in_changelogs: said.named,
        notes: account.notes.iter().cloned().chain(said.note).collect(),
    });
    Ok((report, reviewed))
}
