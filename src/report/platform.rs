//! The report on one platform as a function of what was planned, what was done and what became
//! of it.

use imgfix_model::digest::Digest;
use imgfix_model::effects::Effect;
use imgfix_model::finding::Assessed;
use imgfix_model::plan::{KeptBack, PlatformPlan, Removal, Step, StorePlan};
use imgfix_model::verdict::JudgedFinding;

use super::before_after::{
    ComponentChange, EffectNote, FileCounts, LayerReport, PackageChange, PackageKept,
    PackageRemoved, PlatformReport, RepositoryState, StaleFile,
};
use super::effects;

/// What is known of a platform when its repair is done.
pub struct PlatformFacts<'a> {
    pub original_manifest: Digest,
    pub plan: &'a PlatformPlan,
    pub repositories: Vec<RepositoryState>,
    /// What became of each finding.
    pub findings: Vec<JudgedFinding>,
    pub assessed: Vec<Assessed>,
    /// `None`: the platform is as it was.
    pub applied: Option<AppliedFacts<'a>>,
    /// For people.
    pub notes: Vec<String>,
}

/// What was written.
pub struct AppliedFacts<'a> {
    /// Of the repaired platform.
    pub manifest: Digest,
    pub layer: LayerReport,
    pub files: FileCounts,
    pub effects: &'a [Effect],
    /// Files that the changes made stale and that recipes removed.
    pub stale: Vec<imgfix_recipes::StalePath>,
}

impl PlatformReport {
    /// The report on a platform.
    #[must_use]
    pub fn new(facts: PlatformFacts<'_>) -> Self {
        let PlatformFacts { original_manifest, plan, repositories, findings, assessed, .. } = facts;
        let (manifest, layer, files, effects, stale) = match facts.applied {
            None => (None, None, FileCounts::default(), &[][..], Vec::new()),
            Some(AppliedFacts { manifest, layer, files, effects, stale }) => {
                (Some(manifest), Some(layer), files, effects, stale)
            }
        };
        Self {
            platform: plan.platform.clone(),
            original_manifest,
            manifest,
            layer,
            repositories,
            packages: plan.steps.iter().map(change).collect(),
            removed: plan.removals.iter().map(removed).collect(),
            components: plan.stores.iter().flat_map(components).collect(),
            kept_back: plan.kept_back.iter().map(kept).collect(),
            findings,
            assessed,
            files,
            effects: effects.iter().filter_map(note).collect(),
            scripts: effects::scripts(effects),
            stale: stale.into_iter().map(StaleFile::from).collect(),
            notes: facts.notes,
        }
    }
}

fn change(step: &Step) -> PackageChange {
    PackageChange {
        package: step.package.clone(),
        from: step.from.clone(),
        to: step.to.clone(),
        url: step.archive.url.clone(),
        checksum: step.archive.checksum,
        repository: step.archive.repository.clone(),
    }
}

fn removed(removal: &Removal) -> PackageRemoved {
    PackageRemoved {
        package: removal.package.clone(),
        version: removal.version.clone(),
        explanation: removal.why(),
    }
}

fn components(plan: &StorePlan) -> impl Iterator<Item = ComponentChange> + '_ {
    plan.steps.iter().map(|step| ComponentChange {
        store: plan.store.to_string(),
        component: step.component.clone(),
        from: step.from.clone(),
        to: step.to.clone(),
    })
}

fn kept(kept: &KeptBack) -> PackageKept {
    PackageKept {
        package: kept.package.clone(),
        version: kept.version.clone(),
        reason: kept.reason.clone(),
    }
}

fn note(effect: &Effect) -> Option<EffectNote> {
    let text = effects::sentence(&effect.kind)?;
    Some(EffectNote { package: effect.package.clone(), text })
}
