//! The evidence for a person: what differs between the original and the repaired tree, what
//! the upgraded packages say of themselves, and who signed the repositories. Gathered only when
//! a rendering wants it: it reads files that a repair itself does not need.

use std::io::Read;

use flate2::read::GzDecoder;

use crate::packages::dpkg::changelog::{self, ChangelogPart};
use crate::packages::dpkg::deb::{Limits, PayloadKind, unpack};
use crate::packages::dpkg::version::Version;
use crate::plan::Step;
use crate::report::diff::{DiffOptions, Opened, Side, diff_images};
use crate::report::review::{Changelog, PlatformReview, SignedRepository};
use crate::repository::Fetcher;
use crate::repository::apt::Verified;
use crate::rootfs::{Content, FileSystem, ImagePath, Overlay, Spool};

use super::load::Loaded;
use super::planning::open_archive;
use super::{Environment, RepairError};

/// Whether evidence is gathered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Evidence {
    #[default]
    None,
    /// For a review.
    Gathered,
}

/// The largest changelog that is read, in bytes unpacked.
const MAX_CHANGELOG: u64 = 16 << 20;

/// A platform as it was and as it will be published.
pub struct Repaired<'a> {
    pub loaded: &'a Loaded,
    pub overlay: &'a Overlay,
    /// The new image's config as JSON.
    pub config: &'a serde_json::Value,
    pub before: &'a crate::packages::Inventory,
    pub after: &'a crate::packages::Inventory,
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
    environment.progress.message(&format!("{}: comparing with the original", loaded.platform));
    let side = |label: &str| label.to_owned();
    let before = Side {
        label: side("the original image"),
        manifest: Some(loaded.manifest.digest()),
        inventory: Some(repaired.before),
        tree: &*loaded.tree,
        layers: loaded.config.diff_ids(),
        config: loaded.config.value(),
        contents: &*loaded.tree,
    };
    let opened = Opened(repaired.overlay);
    let after = Side {
        label: side("the repaired image"),
        manifest: None,
        inventory: Some(repaired.after),
        tree: repaired.overlay,
        layers: loaded.config.diff_ids(),
        config: repaired.config,
        contents: &opened,
    };
    let diff = diff_images(&before, &after, DiffOptions::default())?;
    let changelogs = changelogs(repaired.steps, repaired.overlay, fetcher)?;
    Ok(PlatformReview {
        platform: loaded.platform.clone(),
        diff: Some(diff),
        changelogs,
        repositories: Vec::new(),
    })
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

/// The changelogs of upgraded packages: from the repaired image, or where the image keeps no
/// documentation (path-exclude), from the archive.
fn changelogs(
    steps: &[Step],
    overlay: &Overlay,
    fetcher: &Fetcher,
) -> Result<Vec<Changelog>, RepairError> {
    let mut parts = Vec::new();
    for step in steps {
        let Some(from) = &step.from else { continue };
        let Ok(from) = Version::parse(from.as_ref()) else { continue };
        let text = match in_image(step, overlay) {
            Some(text) => Some(text),
            None => in_archive(step, fetcher)?,
        };
        let part = text.map(|text| changelog::newer_than(&text, &from));
        parts.push((step.package.to_string(), part.unwrap_or_else(ChangelogPart::default)));
    }
    Ok(Changelog::gather(parts))
}

/// Where a package's changelog is: of the Debian package, or of a native one.
fn places(step: &Step) -> [String; 2] {
    let name = step.package.name.as_ref();
    ["changelog.Debian.gz", "changelog.gz"].map(|file| format!("/usr/share/doc/{name}/{file}"))
}

fn in_image(step: &Step, overlay: &Overlay) -> Option<String> {
    places(step).iter().find_map(|place| {
        let path = overlay.resolve(&ImagePath::new(place).ok()?).ok()?;
        let is_file = overlay.lstat(&path).is_some_and(crate::rootfs::Entry::is_file);
        if !is_file {
            return None;
        }
        unpacked(overlay.open(&path).ok()?)
    })
}

fn in_archive(step: &Step, fetcher: &Fetcher) -> Result<Option<String>, RepairError> {
    let paths = fetcher.archives(&[&step.archive])?;
    let Some(path) = paths.first() else { return Ok(None) };
    let spool = Spool::new().map_err(RepairError::Temporary)?;
    let file = open_archive(&step.archive.url, path)?;
    let package = unpack(file, &spool, &Limits::default())
        .map_err(|source| RepairError::Archive { archive: step.archive.url.clone(), source })?;
    let places = places(step);
    Ok(package.payload.iter().find_map(|entry| {
        if !places.iter().any(|place| place.as_bytes() == entry.path) {
            return None;
        }
        match &entry.kind {
            PayloadKind::File { content: Content::Spool(file), .. } => unpacked(file.reader()),
            PayloadKind::File { content: Content::Inline(bytes), .. } => unpacked(bytes.as_ref()),
            _ => None,
        }
    }))
}

/// A compressed text, within bounds; what is not UTF-8 in it is replaced.
fn unpacked(content: impl Read) -> Option<String> {
    let mut bytes = Vec::new();
    GzDecoder::new(content).take(MAX_CHANGELOG).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
