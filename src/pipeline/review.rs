//! The evidence for a person: what differs between the original and the repaired tree, what
//! the upgraded packages say of themselves, and who signed the repositories. Gathered only when
//! a rendering wants it: it reads files that a repair itself does not need.

use std::collections::{BTreeMap, BTreeSet};

use imgfix_model::changelog::Changelog;
use imgfix_model::package::{Inventory, PackageId};
use imgfix_model::plan::Step;
use imgfix_repair::image::Stores;
use imgfix_report::before_after::{FileCounts, RepositoryState};
use imgfix_report::diff::{DiffOptions, Opened, Side, diff_images};
use imgfix_report::review::{PlatformReview, SignedRepository};
use imgfix_report::sources::Sources;
use imgfix_repository::{Fetcher, Verified, freshness};
use imgfix_vfs::Overlay;

use super::load::LoadedImage;
use super::patch;
use super::{Environment, RepairError};
use imgfix_repair::package_manager::PackageManager;

/// Whether evidence is gathered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Evidence {
    /// It is not.
    #[default]
    None,
    /// It is, for a review.
    Gathered,
}

/// A platform as it was and as it will be published.
pub struct Repaired<'a> {
    /// The original.
    pub loaded: &'a LoadedImage,
    /// The changes that the new layer has.
    pub overlay: &'a Overlay,
    /// The new image's config as JSON.
    pub config: &'a serde_json::Value,
    /// The original's stores.
    pub before: &'a Stores,
    /// The stores that were read back from the repaired image.
    pub after: &'a Stores,
    /// What the packages that were installed say of their changes.
    pub changelogs: Vec<Changelog>,
}

/// What a person wants to know of a repaired platform.
///
/// # Errors
/// A file of the image or a package archive cannot be read.
pub fn of_repaired(
    repaired: Repaired<'_>,
    environment: &Environment,
) -> Result<PlatformReview, RepairError> {
    let loaded = repaired.loaded;
    let what = format!("{}: comparing with the original", loaded.platform);
    let _comparing = environment.edge.progress.step(&what);
    let side = |label: &str| label.to_owned();
    let before = Side {
        label: side("the original image"),
        manifest: Some(loaded.manifest.digest()),
        inventory: inventory(repaired.before),
        tree: &*loaded.tree,
        layers: loaded.config.diff_ids(),
        config: loaded.config.value(),
        contents: &*loaded.tree,
    };
    let opened = Opened(repaired.overlay);
    let after = Side {
        label: side("the repaired image"),
        manifest: None,
        inventory: inventory(repaired.after),
        tree: repaired.overlay,
        layers: loaded.config.diff_ids(),
        config: repaired.config,
        contents: &opened,
    };
    let diff = diff_images(&before, &after, DiffOptions::default())?;
    Ok(PlatformReview {
        platform: loaded.platform.clone(),
        diff: Some(diff),
        changelogs: repaired.changelogs,
        repositories: Vec::new(),
    })
}

/// What upgraded packages say of their changes, as far as somebody wants it.
#[derive(Default)]
pub struct Said {
    /// For a review.
    pub entries: Vec<Changelog>,
    /// The vulnerabilities that each package's changelog names; `None`: a report says what is to
    /// be repaired, or packages carry no changelogs.
    pub named: Option<BTreeMap<PackageId, BTreeSet<String>>>,
    /// That they carry none, where it would be wanted.
    pub note: Option<String>,
}

/// Reads the changelogs of `steps`, which are installed in `overlay`, when evidence is gathered
/// or when no report says what is repaired.
///
/// # Errors
/// A file of the image or a package archive cannot be read.
pub fn said(
    steps: &[Step],
    before: &Stores,
    overlay: &Overlay,
    evidence: Evidence,
    unreported: bool,
    fetcher: &Fetcher,
) -> Result<Said, RepairError> {
    let Some(manager) = before.package_manager() else { return Ok(Said::default()) };
    if steps.is_empty() || (evidence == Evidence::None && !unreported) {
        return Ok(Said::default());
    }
    let Some(changelogs) = manager.changelogs(steps, overlay, fetcher)? else {
        let family = manager.inventory().family;
        let note = format!(
            "packages of {family} carry no changelogs: which vulnerabilities these upgrades fix is \
             known only with a scanner's report (-r)"
        );
        return Ok(Said { note: unreported.then_some(note), ..Said::default() });
    };
    let named = unreported.then_some(changelogs.named);
    Ok(Said { entries: changelogs.entries, named, note: None })
}

fn inventory(stores: &Stores) -> Option<&Inventory> {
    stores.package_manager().map(PackageManager::inventory)
}

/// How many files the changes touch; when the images were compared, what differs in them.
#[must_use]
pub fn files(overlay: &Overlay, evidence: Option<&PlatformReview>) -> FileCounts {
    let touched = patch::count(overlay);
    let diff = evidence.and_then(|evidence| evidence.diff.as_ref());
    diff.map_or(touched, |diff| touched.compared(&diff.files))
}

/// How old the indexes of the repositories were at `now`, seconds since the epoch.
#[must_use]
pub fn ages(repositories: &[Verified], now: i64) -> Vec<RepositoryState> {
    let state = |one: &Verified| RepositoryState {
        repository: one.repository.clone(),
        date: one.date.clone(),
        age_days: freshness::days_since(one.made, now),
    };
    repositories.iter().map(state).collect()
}

/// The source packages of what was and is installed.
#[must_use]
pub fn sources(before: &Stores, after: &Stores) -> Sources {
    Sources::of(inventory(before).into_iter().chain(inventory(after)))
}

/// The layers of an image as they are stored, in bytes.
#[must_use]
pub fn stored_size(loaded: &LoadedImage) -> u64 {
    loaded.manifest.layers().iter().fold(0, |sum, layer| sum.saturating_add(layer.size()))
}

/// Who signed the repositories that were asked.
#[must_use]
pub fn signed(repositories: &[Verified]) -> Vec<SignedRepository> {
    let signed = |one: &Verified| {
        let signer = one.signer.as_ref();
        let text = |text: Option<&String>| text.cloned().unwrap_or_default();
        SignedRepository {
            repository: one.repository.clone(),
            date: one.date.clone(),
            fingerprint: text(signer.map(|signer| &signer.fingerprint)),
            signer: text(signer.map(|signer| &signer.user_id)),
            signed: signer.map_or(one.made, |signer| signer.created),
        }
    };
    repositories.iter().map(signed).collect()
}
