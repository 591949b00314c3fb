//! The report on one platform as a function of what was planned, what was done and what became
//! of it.

use std::collections::{BTreeMap, BTreeSet};

use imgfix_model::digest::Digest;
use imgfix_model::effects::Effect;
use imgfix_model::finding::Assessed;
use imgfix_model::package::PackageId;
use imgfix_model::plan::{KeptBack, PlatformPlan, Removal, Step, StorePlan};
use imgfix_model::verdict::JudgedFinding;

use super::before_after::{
    ComponentArchive, ComponentChange, EffectNote, FileCounts, ImageSize, LayerReport,
    PackageChange, PackageKept, PackageRemoved, PlatformReport, RepositoryState, StaleFile,
};
use super::effects;
use super::sources::Sources;

/// What is known of a platform when its repair is done.
pub struct PlatformFacts<'a> {
    /// Digest of the original's manifest.
    pub original_manifest: Digest,
    /// The stored layers of the original, in bytes.
    pub original_size: u64,
    /// What was planned.
    pub plan: &'a PlatformPlan,
    /// The repositories that were asked.
    pub repositories: Vec<RepositoryState>,
    /// The source packages of what the image had and has.
    pub sources: Sources,
    /// What became of each finding.
    pub findings: Vec<JudgedFinding>,
    /// What reports list and somebody assessed as no problem of it.
    pub assessed: Vec<Assessed>,
    /// What the changes are; `None`: the platform is as it was.
    pub applied: Option<AppliedFacts<'a>>,
    /// The vulnerabilities that changelogs name, of the upgraded packages whose changelog was
    /// found; `None`: a report says what is to be repaired, or packages carry no changelogs.
    pub named_in_changelogs: Option<BTreeMap<PackageId, BTreeSet<String>>>,
    /// For people.
    pub notes: Vec<String>,
}

/// What the changes are.
pub struct AppliedFacts<'a> {
    /// Digest of the repaired platform's manifest, and the patch layer; `None`: nothing is
    /// written, as for a plan.
    pub written: Option<(Digest, LayerReport)>,
    /// How many paths are touched.
    pub files: FileCounts,
    /// What the installation did besides the files of the packages.
    pub effects: &'a [Effect],
    /// Files that the changes made stale and that recipes removed.
    pub stale: Vec<imgfix_recipes::StalePath>,
}

impl PlatformReport {
    /// The report on a platform.
    #[must_use]
    pub fn new(facts: PlatformFacts<'_>) -> Self {
        let PlatformFacts { plan, findings, assessed, .. } = facts;
        let (written, files, effects, stale) = match facts.applied {
            None => (None, FileCounts::default(), &[][..], Vec::new()),
            Some(AppliedFacts { written, files, effects, stale }) => {
                (written, files, effects, stale)
            }
        };
        let (manifest, layer) = written.unzip();
        let before = facts.original_size;
        let added = layer.as_ref().map_or(0, |layer: &LayerReport| layer.size);
        let named: BTreeSet<&str> = findings
            .iter()
            .map(|one| &one.finding)
            .chain(assessed.iter().map(|one| &one.finding))
            .map(|finding| finding.package.as_str())
            .chain(plan.steps.iter().map(|step| step.package.name.as_ref()))
            .chain(plan.removals.iter().map(|gone| gone.package.name.as_ref()))
            .collect();
        let sources = facts.sources.narrowed(&named);
        Self {
            platform: plan.platform.clone(),
            original_manifest: facts.original_manifest,
            manifest,
            layer,
            size: ImageSize { before, after: before.saturating_add(added) },
            repositories: facts.repositories,
            packages: plan
                .steps
                .iter()
                .map(|step| change(step, facts.named_in_changelogs.as_ref()))
                .collect(),
            removed: plan.removals.iter().map(removed).collect(),
            components: plan.stores.iter().flat_map(components).collect(),
            kept_back: plan.kept_back.iter().map(kept).collect(),
            sources,
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

fn change(step: &Step, named: Option<&BTreeMap<PackageId, BTreeSet<String>>>) -> PackageChange {
    let named = named.and_then(|named| named.get(&step.package));
    PackageChange {
        named_in_changelogs: named.map(|ids| ids.iter().cloned().collect()),
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
        path: step.path.clone(),
        archive: step.archive.as_ref().map(|archive| ComponentArchive {
            url: archive.url.clone(),
            checksum: archive.checksum,
            repository: archive.repository.clone(),
            attested_by: step.attested_by.clone(),
        }),
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
    Some(EffectNote { package: effect.package.clone(), kind: effects::kind(&effect.kind), text })
}
