//! The evidence for a person: what differs between the original and the repaired tree, what
//! the upgraded packages say of themselves, and who signed the repositories. Gathered only when
//! a rendering wants it: it reads files that a repair itself does not need.

use imgfix_model::package::Inventory;
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
    /// The packages that were installed; their changelogs are read.
    pub steps: &'a [Step],
}

/// What a person wants to know of a repaired platform.
///
/// # Errors
/// A file of the image or a package archive cannot be read.
pub fn of_repaired(
    repaired: &Repaired<'_>,
    fetcher: &Fetcher,
    environment: &Environment,
) -> Result<PlatformReview, RepairError> {
    let loaded = repaired.loaded;
    environment.edge.progress.message(&format!("{}: comparing with the original", loaded.platform));
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
    let changelogs = match repaired.before.package_manager() {
        Some(manager) => manager.changelogs(repaired.steps, repaired.overlay, fetcher)?,
        None => Vec::new(),
    };
    Ok(PlatformReview {
        platform: loaded.platform.clone(),
        diff: Some(diff),
        changelogs,
        repositories: Vec::new(),
    })
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
    let signed = |one: &Verified| SignedRepository {
        repository: one.repository.clone(),
        date: one.date.clone(),
        fingerprint: one.signer.fingerprint.clone(),
        signer: one.signer.user_id.clone(),
        signed: one.signer.created,
    };
    repositories.iter().map(signed).collect()
}
