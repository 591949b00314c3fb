//! From images and reports to a [`Plan`]: each platform is loaded, its stores are found, and what
//! the reports say is dealt out to them; each plans, and applies its plan to the overlay that all
//! of them share.

use std::sync::Arc;

use imgfix_findings::Filtered;
use imgfix_model::digest::Digest;
use imgfix_model::finding::{Assessed, Finding};
use imgfix_model::package::Inventory;
use imgfix_model::plan::{Because, Plan, PlatformPlan};
use imgfix_model::platform::Platform;
use imgfix_model::reason::Reason;
use imgfix_model::replacement::{Replaced, Replacement};
use imgfix_oci as image;
use imgfix_oci::{ImageSet, Reference, Source};
use imgfix_repair::choice::PackageChoice;
use imgfix_repair::edge::AfterFetching;
use imgfix_repair::image::{Repaired, Stores};
use imgfix_repair::package_manager::PackageManager;
use imgfix_repair::planner::{Context, Request, Requests};
use imgfix_repair::repairer::Work;
use imgfix_repository::Fetcher;
use imgfix_vfs::layer_reader::Digests;

use super::load::{self, LoadedImage, View};
use super::scan::{self, ScanInput};
use super::{Environment, RepairError};

/// What to plan for.
pub struct PlanRequest {
    /// The image, which may be a repaired one: then its original is planned for.
    pub image: Reference,
    /// Empty: all Linux platforms.
    pub platforms: Vec<Platform>,
    /// Reports, and what the user wants of their findings.
    pub scan: ScanInput,
    /// Which packages may be changed.
    pub packages: PackageChoice,
    /// Whether digests of the image's files are taken: for who leaves identical files out.
    pub digests: Digests,
    /// Whether a repaired image is looked at as it is, or its original.
    pub view: View,
}

/// One platform, loaded and planned.
pub struct PlannedPlatform {
    /// The original's manifest, config and tree.
    pub loaded: LoadedImage,
    /// The stores of the original.
    pub stores: Stores,
    /// The image with the plan done.
    pub repaired: Repaired,
    /// All findings about it, those left out by the user's filter too.
    pub findings: Vec<Finding>,
    /// What reports list and somebody assessed as no problem of it.
    pub assessed: Vec<Assessed>,
}

/// An image, loaded and planned.
pub struct PlannedImage {
    /// Where the image is read.
    pub source: Arc<dyn Source>,
    /// Its manifest or index, and the images of all platforms.
    pub set: ImageSet,
    /// The chosen platforms, in the order of the index.
    pub platforms: Vec<PlannedPlatform>,
    /// Has every archive of the plan.
    pub fetcher: Fetcher,
    /// The plans of all platforms, as one document.
    pub plan: Plan,
    /// What the report has to say of the user's choice among findings.
    pub warnings: Vec<String>,
    /// Whether no report says what is to be repaired, so that everything newer is taken.
    pub unreported: bool,
}

/// The digest that names the image as the user gave it: of the original, when the image is a
/// repaired one.
fn original_digest(set: &ImageSet, platforms: &[LoadedImage]) -> Digest {
    let recorded = platforms.iter().find_map(|one| one.repaired_from.as_ref());
    recorded.map_or_else(|| set.root.raw().digest, |parts| parts.original_digest)
}

/// Loads and plans. With `saved`, that plan is taken instead of making one.
///
/// # Errors
/// Image, reports or repositories cannot be read; the saved plan is for another image.
pub fn plan(
    request: &PlanRequest,
    saved: Option<&Plan>,
    environment: &Environment,
) -> Result<PlannedImage, RepairError> {
    let name = request.image.to_string();
    environment.edge.progress.message(&format!("reading {name}"));
    let source = image::open_source(&request.image, &environment.registry)?;
    let set = image::load(&*source, None)?;
    let chosen = chosen(&set, &request.platforms, &name)?;
    let by_content = |rule: &Replacement| matches!(rule.what, Replaced::Content(_));
    let digests = match environment.edge.replacements.iter().any(by_content) {
        true => Digests::Taken,
        false => request.digests,
    };
    let loaded: Vec<LoadedImage> = chosen
        .into_iter()
        .map(|one| load::load(&source, one, request.view, digests, environment))
        .collect::<Result<_, _>>()?;
    let image_digest = original_digest(&set, &loaded);
    if let Some(saved) = saved
        && saved.image_digest != image_digest
    {
        let (wanted, found) = (saved.image_digest.to_string(), image_digest.to_string());
        return Err(RepairError::OtherPlan { image: name, wanted, found });
    }
    let stores: Vec<Stores> =
        loaded.iter().map(|one| stores(&name, one, environment)).collect::<Result<_, _>>()?;
    let inventories: Vec<Option<&Inventory>> = loaded
        .iter()
        .zip(&stores)
        .map(|(loaded, stores)| {
            known(&name, loaded, stores)?;
            Ok(stores.package_manager().map(PackageManager::inventory))
        })
        .collect::<Result<_, RepairError>>()?;
    let root = set.root.raw().digest;
    let scanned = scan::Scanned { root, platforms: &loaded, inventories: &inventories };
    let findings = scan::findings(&request.scan, &scanned, environment)?;
    if findings.is_none() && saved.is_none() && !environment.replaces() {
        for (loaded, _) in
            loaded.iter().zip(&stores).filter(|(_, all)| all.package_manager().is_none())
        {
            environment.edge.progress.warn(&format!(
                "{name} ({}): the image has no package manager that is known, and of libraries and \
                 files nothing is changed that no report names: give a report (-r)",
                loaded.platform
            ));
        }
    }
    let fetcher = environment.edge.fetcher()?;
    if let Some(saved) = saved
        && environment.edge.network == AfterFetching::Goes
    {
        // What a plan names is all that is fetched: before any of it is unpacked.
        for loaded in &loaded {
            let plan = saved_plan(saved, loaded, &name)?;
            let libraries = plan.stores.iter().flat_map(|store| &store.steps);
            let archives = plan.steps.iter().map(|step| &step.archive);
            let archives = archives.chain(libraries.filter_map(|step| step.archive.as_ref()));
            fetcher.archives(&archives.collect::<Vec<_>>())?;
        }
        environment.fetched()?;
    }
    let mut platforms = Vec::with_capacity(loaded.len());
    for (loaded, stores) in loaded.into_iter().zip(stores) {
        let platform = &loaded.platform;
        let context =
            Context { platform: platform.clone(), manifest_digest: original_manifest(&loaded) };
        let (choice, edge) = (&request.packages, &environment.edge);
        let reported = findings.as_ref().map(|all| everything(all, platform)).unwrap_or_default();
        let work = Work {
            context: &context,
            choice,
            findings: &reported,
            owners: &stores,
            fetcher: &fetcher,
            edge,
        };
        let (repaired, all) = match saved {
            Some(saved) => {
                let plan = saved_plan(saved, &loaded, &name)?;
                let all = plan_findings(&plan, findings.as_ref(), platform);
                (stores.follow(plan, &work, &loaded.tree)?, all)
            }
            None => {
                if let Some(former) = &loaded.repaired_from {
                    fetcher.newest().recall(&former.newest);
                }
                let requests = requests(findings.as_ref(), platform);
                (stores.repair(&requests, &work, &loaded.tree)?, reported.clone())
            }
        };
        let assessed = findings.as_ref().map(|all| scan::assessed_of(all, platform));
        let assessed = assessed.unwrap_or_default();
        platforms.push(PlannedPlatform { loaded, stores, repaired, findings: all, assessed });
    }
    if saved.is_none() {
        // Not before: a package that cannot be installed makes the planner choose others, which
        // are fetched then.
        environment.fetched()?;
    }
    let plan = Plan {
        schema: imgfix_model::document::SCHEMA.to_owned(),
        image: name,
        image_digest,
        platforms: platforms.iter().map(|one| one.repaired.plan.clone()).collect(),
    };
    let unsaid = findings.iter().flat_map(|all| &all.unsaid);
    let warnings = unsaid.map(ToString::to_string).collect();
    let unreported = findings.is_none() && saved.is_none_or(takes_everything);
    Ok(PlannedImage { source, set, platforms, fetcher, plan, warnings, unreported })
}

/// Whether a saved plan was made without a report.
fn takes_everything(plan: &Plan) -> bool {
    let steps = plan.platforms.iter().flat_map(|platform| &platform.steps);
    steps.flat_map(|step| &step.because).any(|because| matches!(because, Because::Newer))
}

/// The images of the wanted platforms; all when none is named.
///
/// # Errors
/// The image has none for a wanted platform.
pub fn chosen(
    set: &ImageSet,
    wanted: &[Platform],
    name: &str,
) -> Result<Vec<image::PlatformImage>, RepairError> {
    if wanted.is_empty() {
        return Ok(set.images.clone());
    }
    for one in wanted {
        if !set.images.iter().any(|image| image.platform.matches(one)) {
            let have: Vec<String> = set.images.iter().map(|i| i.platform.to_string()).collect();
            return Err(RepairError::NoPlatform {
                image: name.to_owned(),
                wanted: one.to_string(),
                have: have.join(", "),
            });
        }
    }
    let fits = |image: &&image::PlatformImage| wanted.iter().any(|one| image.platform.matches(one));
    Ok(set.images.iter().filter(fits).cloned().collect())
}

/// Finds what an image has.
///
/// # Errors
/// A store that is not understood.
pub fn stores(
    name: &str,
    loaded: &LoadedImage,
    environment: &Environment,
) -> Result<Stores, RepairError> {
    environment.detect(&*loaded.tree).map_err(|source| {
        let image = format!("{name} ({})", loaded.platform);
        RepairError::Inventory { image, source }
    })
}

/// That what is installed in an image is recorded in a way that is understood. An image may have
/// no records at all: one file from scratch is an image.
///
/// # Errors
/// It is a chiselled one.
pub fn known(name: &str, loaded: &LoadedImage, stores: &Stores) -> Result<(), RepairError> {
    let is_recorded = stores.package_manager().is_some() || stores.has_libraries();
    if !is_recorded && load::is_chiselled(&*loaded.tree) {
        return Err(RepairError::Chiselled { image: format!("{name} ({})", loaded.platform) });
    }
    Ok(())
}

fn saved_plan(saved: &Plan, loaded: &LoadedImage, name: &str) -> Result<PlatformPlan, RepairError> {
    let own = saved.platforms.iter().find(|one| one.platform == loaded.platform);
    let own = own.ok_or_else(|| RepairError::NoPlan {
        image: name.to_owned(),
        platform: loaded.platform.to_string(),
    })?;
    if own.manifest_digest != original_manifest(loaded) {
        return Err(RepairError::OtherPlan {
            image: format!("{name} ({})", loaded.platform),
            wanted: own.manifest_digest.to_string(),
            found: original_manifest(loaded).to_string(),
        });
    }
    Ok(own.clone())
}

/// The digest of the platform's original manifest.
fn original_manifest(loaded: &LoadedImage) -> Digest {
    loaded
        .repaired_from
        .as_ref()
        .map_or_else(|| loaded.manifest.digest(), |parts| parts.original_manifest)
}

/// With a saved plan the findings are the reports', or those that the plan itself names.
fn plan_findings(
    plan: &PlatformPlan,
    filtered: Option<&Filtered>,
    platform: &Platform,
) -> Vec<Finding> {
    match filtered {
        Some(filtered) => everything(filtered, platform),
        None => plan.unfixed.iter().map(|one| one.finding.clone()).collect(),
    }
}

fn everything(filtered: &Filtered, platform: &Platform) -> Vec<Finding> {
    let mut all = filtered.kept.clone();
    all.extend(filtered.ignored.iter().map(|one| one.finding.clone()));
    scan::of_platform(&all, platform)
}

/// The planner's requests from what the user's filter made of the reports.
fn requests(filtered: Option<&Filtered>, platform: &Platform) -> Requests {
    let Some(filtered) = filtered else { return Requests::Everything };
    let kept = scan::of_platform(&filtered.kept, platform).into_iter().map(Request::from);
    let ignored = filtered.ignored.iter().flat_map(|one| {
        let settled = Some(Reason::Ignored { by: one.by.clone() });
        scan::of_platform(std::slice::from_ref(&one.finding), platform)
            .into_iter()
            .map(move |finding| Request { finding, settled: settled.clone() })
    });
    Requests::Findings(kept.chain(ignored).collect())
}
