//! From a plan to a published image and its report: layer, verification, manifest,
//! publication, reading back.

use std::collections::BTreeMap;

use crate::policy::OriginalPolicy;
use imgfix_model::component::Contents;
use imgfix_model::digest::Digest;
use imgfix_model::finding::Severity;
use imgfix_model::plan::{Plan, PlatformPlan};
use imgfix_oci as image;
use imgfix_oci::Reference;
use imgfix_oci::publish;
use imgfix_oci::publish::{Provenance, Rebuilt};
use imgfix_repair::image::{Repaired, Stores};
use imgfix_repair::repairer::Account;
use imgfix_report::RepairReport;
use imgfix_report::before_after::{FileCounts, LayerReport, NamedImage, PlatformReport};
use imgfix_report::platform::{AppliedFacts, PlatformFacts};
use imgfix_report::review::PlatformReview;
use imgfix_report::sources::Sources;
use imgfix_repository::Fetcher;
use imgfix_vfs::Overlay;
use imgfix_vfs::identical::Identical;
use imgfix_vfs::layer::LayerOptions;

use super::export;
use super::load::LoadedImage;
use super::patch::{self, IdenticalPolicy, TemporaryLayer};
use super::planning::{self, PlanRequest, PlannedImage, PlannedPlatform};
use super::publication::{self, NewPlatform, Original};
use super::review::{self, Evidence};
use super::{Environment, RepairError};

/// What to repair, and where to.
pub struct RepairRequest {
    /// The image, its platforms, and what is to be repaired in it.
    pub plan: PlanRequest,
    /// Do exactly this plan.
    pub saved: Option<Plan>,
    /// `None`: beside the original, its tag with `suffix`.
    pub output: Option<Reference>,
    /// What the tag of the repaired image adds: [`DEFAULT_SUFFIX`](super::DEFAULT_SUFFIX) or the
    /// user's own.
    pub suffix: String,
    /// How the new layer is compressed.
    pub layer: LayerOptions,
    /// Whether the layer has files that differ in nothing but their time.
    pub identical: IdenticalPolicy,
    /// What becomes of the original. Deletion comes later: [`super::original::delete`].
    pub original: OriginalPolicy,
    /// Whether the evidence for a review is gathered.
    pub evidence: Evidence,
    /// When nothing is published.
    pub withhold: Withhold,
}

/// When nothing is published though everything is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Withhold {
    /// When something at this severity or worse is left.
    pub at_or_above: Option<Severity>,
    /// When nothing was changed.
    pub unchanged: bool,
}

/// What a repair gives back.
pub struct RepairOutcome {
    /// What was done, found and left: the model of every rendering.
    pub report: RepairReport,
    /// One a platform; empty unless [`RepairRequest::evidence`] asks for it.
    pub evidence: Vec<PlatformReview>,
    /// What is installed in the image that is there now, one a platform: the published one, or the
    /// original when nothing was published.
    pub contents: Vec<Contents>,
    /// What the user named, which may be a repaired image.
    pub source: SourceImage,
}

/// The image that was read, with its complete name and the digest that it had then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceImage {
    /// The name, with the registry and the tag that were left out.
    pub reference: Reference,
    /// Of the manifest or index that the name led to.
    pub digest: Digest,
}

/// Plans (or follows a plan), repairs, verifies, publishes, reads back.
///
/// # Errors
/// Nothing was published, except for [`RepairError::ReadBack`].
pub fn repair(
    request: &RepairRequest,
    environment: &Environment,
) -> Result<RepairOutcome, RepairError> {
    let planned = planning::plan(&request.plan, request.saved.as_ref(), environment)?;
    let output = output_of(request, &planned)?;
    let provenance = provenance(&planned, environment);
    let PlannedImage { source, set, platforms, plan, fetcher, mut warnings, unreported } = planned;
    let mut new = Vec::with_capacity(platforms.len());
    let mut reports = Vec::with_capacity(platforms.len());
    let mut evidence = Vec::new();
    let (mut before_repair, mut after_repair) = (Vec::new(), Vec::new());
    let job = Job { provenance: &provenance, request, fetcher: &fetcher, environment, unreported };
    for platform in platforms {
        let done = job.one(platform)?;
        new.push(done.new);
        reports.push(done.report);
        evidence.extend(done.evidence);
        before_repair.push(done.before);
        after_repair.push(done.after);
    }
    let before = NamedImage { reference: plan.image.clone(), digest: plan.image_digest };
    warnings.extend(unverified(&[source.reference(), &output], environment));
    let mut report = RepairReport::new(before, None, reports, warnings);
    let current =
        SourceImage { reference: source.reference().clone(), digest: set.root.raw().digest };
    match withheld(&request.withhold, &mut report) {
        Some(why) => environment.edge.progress.message(&format!("{why}: nothing is published")),
        None => {
            if let OriginalPolicy::Backup { suffix } = &request.original {
                let backup = source.reference().with_fix_suffix(suffix)?;
                environment.edge.progress.message(&format!("copying the original to {backup}"));
                export::copy(&*source, &set, &backup, environment)?;
            }
            let original = Original { source: &*source, set: &set, provenance: &provenance };
            let digest = publication::publish(&original, &new, &output, environment)?;
            publication::read_back(&output, digest, &new, environment)?;
            report.output = Some(NamedImage { reference: output.to_string(), digest });
        }
    }
    let contents = if report.output.is_some() { after_repair } else { before_repair };
    Ok(RepairOutcome { report, evidence, contents, source: current })
}

/// Why nothing is published, when the user wants it so.
fn withheld(withhold: &Withhold, report: &mut RepairReport) -> Option<&'static str> {
    if let Some(threshold) = withhold.at_or_above {
        report.hold_against(threshold);
    }
    if report.is_held() {
        return Some("the gate is not passed (--no-publish-on-failed-gate)");
    }
    let changed = report.platforms.iter().any(PlatformReport::is_changed);
    (withhold.unchanged && !changed).then_some("nothing was changed (--skip-unchanged)")
}

/// What to say of registries whose certificates were not verified.
fn unverified(places: &[&Reference], environment: &Environment) -> Vec<String> {
    let registry = places.iter().any(|place| matches!(place, Reference::Registry(_)));
    let skipped = environment.registry.skip_tls_verify && registry;
    let text = "The registry's certificate was not verified (--insecure-skip-tls-verify): whoever is on \
                the way could have exchanged what has no digest";
    if skipped { vec![text.to_owned()] } else { Vec::new() }
}

/// What the platforms of one repair share.
struct Job<'a> {
    provenance: &'a Provenance,
    request: &'a RepairRequest,
    fetcher: &'a Fetcher,
    environment: &'a Environment,
    /// Whether no report says what is to be repaired.
    unreported: bool,
}

/// One platform, repaired and not published yet.
struct Done {
    new: NewPlatform,
    report: PlatformReport,
    evidence: Option<PlatformReview>,
    before: Contents,
    after: Contents,
}

/// Where the repaired image goes.
fn output_of(request: &RepairRequest, planned: &PlannedImage) -> Result<Reference, RepairError> {
    let source = planned.source.reference();
    let output = match &request.output {
        Some(output) => output.clone(),
        None => source.with_fix_suffix(&request.suffix)?,
    };
    let repaired = planned.platforms.iter().any(|one| one.loaded.repaired_from.is_some());
    if request.output.is_none() && output.replaces(source) && !repaired {
        let (image, suffix) = (source.to_string(), request.suffix.clone());
        return Err(RepairError::ReplacesOriginal { image, suffix });
    }
    image::check_output(&output, source, &planned.set)?;
    Ok(output)
}

/// The facts that platforms and index have in common; names are those of the original, also
/// when it is a repaired image that is repaired again.
fn provenance(planned: &PlannedImage, environment: &Environment) -> Provenance {
    let recorded = planned.platforms.iter().find_map(|one| one.loaded.repaired_from.as_ref());
    let base_name = match recorded {
        Some(parts) => parts.base_name.clone(),
        None => planned.source.reference().base_name(),
    };
    Provenance {
        base_name,
        original_digest: planned.plan.image_digest,
        plan_digest: planned.plan.digest(),
        // each platform has its own
        newest: BTreeMap::new(),
        // of the index: one platform whose base is another one is enough
        excised: planned
            .platforms
            .iter()
            .find_map(|one| one.loaded.repaired_from.as_ref()?.excised.clone()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        source_date_epoch: environment.edge.source_date_epoch,
    }
}

impl Job<'_> {
    /// Repairs one platform: layer, verification, new config and manifest.
    fn one(&self, planned: PlannedPlatform) -> Result<Done, RepairError> {
        let Environment { edge, .. } = self.environment;
        let PlannedPlatform { loaded, stores, repaired, findings, assessed } = planned;
        let Repaired { plan, overlay, account } = repaired;
        let Account { effects, stale, repositories, newest, notes, advised } = account;
        let gathers = self.request.evidence == Evidence::Gathered;
        let facts = PlatformFacts {
            original_manifest: loaded.manifest.digest(),
            original_size: review::stored_size(&loaded),
            plan: &plan,
            repositories: review::ages(&repositories, edge.now),
            sources: Sources::default(),
            findings: Vec::new(),
            assessed,
            applied: None,
            named_in_changelogs: None,
            notes,
        };
        let repositories = review::signed(&repositories);
        let (overlay, left_out) = self.without_identical(overlay, &loaded, &stores)?;
        let Some(overlay) = overlay else {
            // Steps that change nothing must be done already; else nothing would show them.
            Stores::show(&plan, &stores).map_err(RepairError::Verification)?;
            let what = match &left_out {
                None => "nothing can be upgraded",
                Some(_) => "nothing differs but times of files",
            };
            edge.progress.message(&format!("{}: {what}", loaded.platform));
            let findings = stores.judge(&findings, &stores, &plan, &advised);
            let sources = review::sources(&stores, &stores);
            let applied = left_out.as_ref().map(|identical| AppliedFacts {
                written: None,
                files: FileCounts {
                    left_out: Some(patch::identical_files(identical)),
                    ..FileCounts::default()
                },
                effects: &effects,
                stale,
            });
            let facts = PlatformFacts { findings, sources, applied, ..facts };
            let report = PlatformReport::new(facts);
            let platform = loaded.platform.clone();
            let untouched =
                PlatformReview { platform, diff: None, changelogs: Vec::new(), repositories };
            let evidence = gathers.then_some(untouched);
            let contents = stores.contents();
            let (before, after) = (contents.clone(), contents);
            let new = unchanged(loaded, self.provenance.clone())?;
            return Ok(Done { new, report, evidence, before, after });
        };
        let what = format!("{}: writing {}", loaded.platform, changes(&plan));
        let writing = edge.progress.step(&what);
        let layer = TemporaryLayer::write(&overlay, &self.request.layer)?;
        let kept = left_out.as_ref().map_or(&[][..], |identical| &identical.paths);
        let after = layer.verify(&loaded, &overlay, kept, &plan, self.environment)?;
        drop(writing);
        let excised = loaded.repaired_from.as_ref().and_then(|parts| parts.excised.clone());
        let provenance = Provenance { newest, excised, ..self.provenance.clone() };
        let Rebuilt { manifest, config, layer_descriptor, .. } =
            publish::rebuild(&loaded.manifest, &loaded.config, &layer.facts(), &provenance)?;
        let (unreported, gathering) = (self.unreported, self.request.evidence);
        let said =
            review::said(&plan.steps, &stores, &overlay, gathering, unreported, self.fetcher)?;
        let evidence = match gathers {
            false => None,
            true => {
                let repaired = review::Repaired {
                    loaded: &loaded,
                    overlay: &overlay,
                    config: &imgfix_json::read_of_image(&config).unwrap_or_default(),
                    before: &stores,
                    after: &after,
                    changelogs: said.entries,
                };
                let evidence = review::of_repaired(repaired, self.environment)?;
                Some(PlatformReview { repositories, ..evidence })
            }
        };
        let layer_report = LayerReport {
            digest: layer.written.digest,
            diff_id: layer.written.diff_id,
            size: layer.written.size,
            unpacked_size: layer.written.unpacked,
            entries: layer.written.entries,
        };
        let applied = AppliedFacts {
            written: Some((manifest.digest, layer_report)),
            files: FileCounts {
                left_out: left_out.as_ref().map(patch::identical_files),
                ..review::files(&overlay, evidence.as_ref())
            },
            effects: &effects,
            stale,
        };
        let findings = stores.judge(&findings, &after, &plan, &advised);
        let sources = review::sources(&stores, &after);
        let notes = facts.notes.iter().cloned().chain(said.note).collect();
        let facts = PlatformFacts {
            findings,
            sources,
            applied: Some(applied),
            named_in_changelogs: said.named,
            notes,
            ..facts
        };
        let report = PlatformReport::new(facts);
        let layers = vec![(layer_descriptor, layer.stored())];
        let LoadedImage { platform, current, .. } = loaded;
        let new = NewPlatform { platform, current, manifest, config, layers };
        let (before, after) = (stores.contents(), after.contents());
        Ok(Done { new, report, evidence, before, after })
    }
}

impl Job<'_> {
    /// The overlay without what is to be left out, and what that is. No overlay when nothing is
    /// changed in what remains.
    fn without_identical(
        &self,
        overlay: Option<Overlay>,
        loaded: &LoadedImage,
        stores: &Stores,
    ) -> Result<(Option<Overlay>, Option<Identical>), RepairError> {
        let Some(mut overlay) = overlay else { return Ok((None, None)) };
        let _looking = (self.request.identical == IdenticalPolicy::LeftOut).then(|| {
            let what = format!("{}: looking for identical files", loaded.platform);
            self.environment.edge.progress.step(&what)
        });
        let left_out = self.request.identical.apply(&mut overlay, stores)?;
        Ok(((!overlay.is_unchanged()).then_some(overlay), left_out))
    }
}

/// What is written, for people.
fn changes(plan: &PlatformPlan) -> String {
    let others: usize = plan.stores.iter().map(|store| store.steps.len()).sum();
    let packages = match plan.steps.len() {
        1 => "1 upgraded package".to_owned(),
        n => format!("{n} upgraded packages"),
    };
    match (plan.steps.len(), others) {
        (_, 0) => packages,
        (0, n) => imgfix_terminal::count(n, "changed component"),
        (_, n) => format!("{packages} and {}", imgfix_terminal::count(n, "changed component")),
    }
}

/// A platform that is published as the original is.
fn unchanged(loaded: LoadedImage, provenance: Provenance) -> Result<NewPlatform, RepairError> {
    let excised = loaded.repaired_from.and_then(|parts| parts.excised);
    let (manifest, config) = match excised {
        None => (loaded.manifest.raw().clone(), loaded.config.bytes().clone()),
        // The original is another one: the image goes on saying which.
        Some(excised) => {
            let provenance = Provenance { excised: Some(excised), ..provenance };
            let marked = publish::mark(&loaded.manifest, &loaded.config, &provenance)?;
            (marked.manifest, marked.config)
        }
    };
    let LoadedImage { platform, current, .. } = loaded;
    Ok(NewPlatform { platform, current, manifest, config, layers: Vec::new() })
}
