//! Differences between two images: packages, files, configuration, and the text of changed
//! text files.
//!
//! In come two [`Side`]s: merged trees, inventories, configs, and a way to read content in
//! bulk ([`Contents`]). Out goes an [`ImageDiff`], with renderings as text and JSON. Content
//! is read only where metadata cannot decide: equal places in equal layers are equal, other
//! sizes are other content, and only files of one size from different places are read (as a
//! stream, in one pass) and compared by digest.

mod config;
mod contents;
mod files;
mod packages;
mod render;
mod texts;

pub use config::{ConfigChange, diff_config};
pub use contents::{Contents, Opened};
pub use files::{Aspect, FileChange, FileState, FilesDiff, PathState};
pub use packages::{PackageVersion, PackagesDiff, VersionChange, diff_packages};
pub use render::render;
pub use texts::{LeftOut, TextChange};

use imgfix_model::digest::{DiffId, Digest};
use imgfix_model::package::Inventory;
use imgfix_model::path::ImagePath;
use imgfix_vfs::{FileSystem, RootfsError};

/// The schema's name and version; a change that breaks readers gets a new number.
pub const SCHEMA: &str = "imgfix/diff/v1";

/// Why two images cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// A file of `side` cannot be read.
    #[error("{side}: {source}")]
    Content {
        /// The label of the side.
        side: String,
        /// What happened.
        source: RootfsError,
    },
    /// A file whose content decides was not in what `side` gave.
    #[error("{side}: {path}: the content was asked for and not given")]
    Missing {
        /// The label of the side.
        side: String,
        /// The file.
        path: ImagePath,
    },
}

/// One of the two images.
pub struct Side<'a> {
    /// How people call it: the reference.
    pub label: String,
    /// Of the platform's manifest.
    pub manifest: Option<Digest>,
    /// `None` when the image's packages cannot be read.
    pub inventory: Option<&'a Inventory>,
    /// The merged layers.
    pub tree: &'a dyn FileSystem,
    /// The layers' diff IDs, lowest first: content at the same place of the same layer is the
    /// same.
    pub layers: &'a [DiffId],
    /// The image's config as JSON.
    pub config: &'a serde_json::Value,
    /// Reads the content of many files in one pass.
    pub contents: &'a dyn Contents,
}

/// What counts, and how much text is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiffOptions {
    /// Whether times count.
    pub mtime: Mtime,
    /// Larger files are not shown as text, in bytes.
    pub max_text: u64,
    /// How many files are shown as text.
    pub max_texts: usize,
    /// All text read for showing, in bytes over both sides.
    pub max_total: u64,
}

/// Whether a different modification time alone is a difference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mtime {
    /// It is none.
    #[default]
    Ignored,
    /// It is one.
    Compared,
}

impl Default for DiffOptions {
    fn default() -> Self {
        Self { mtime: Mtime::Ignored, max_text: 1 << 20, max_texts: 200, max_total: 32 << 20 }
    }
}

/// Everything that differs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ImageDiff {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The first image.
    pub before: SideName,
    /// The second image.
    pub after: SideName,
    /// `None` when the packages of one side cannot be read or are of another family.
    pub packages: Option<PackagesDiff>,
    /// Paths that differ.
    pub files: FilesDiff,
    /// Places of the image's config that differ.
    pub config: Vec<ConfigChange>,
    /// Unified diffs of changed text files, within the bounds of [`DiffOptions`].
    pub texts: Vec<TextChange>,
    /// Changed files whose text is not shown, with the reason.
    pub texts_left_out: Vec<LeftOut>,
}

/// Which image a side is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SideName {
    /// How people call it: the reference.
    pub label: String,
    /// Of the platform's manifest.
    pub manifest: Option<Digest>,
}

impl ImageDiff {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packages.as_ref().is_none_or(PackagesDiff::is_empty)
            && self.files.is_empty()
            && self.config.is_empty()
    }

    /// The differences as JSON text, indented, ending in a newline (`docs/report-schema.md`).
    #[must_use]
    pub fn to_json(&self) -> String {
        imgfix_json::pretty(self)
    }
}

/// Compares two images.
///
/// # Errors
/// Content that is needed for the comparison cannot be read.
pub fn diff_images(
    before: &Side<'_>,
    after: &Side<'_>,
    options: DiffOptions,
) -> Result<ImageDiff, DiffError> {
    let packages = before
        .inventory
        .zip(after.inventory)
        .filter(|(a, b)| a.family == b.family)
        .map(|(a, b)| diff_packages(a, b));
    let files = files::diff_files(before, after, options.mtime)?;
    let (texts, texts_left_out) = texts::diff_texts(before, after, &files, options)?;
    let name = |side: &Side<'_>| SideName { label: side.label.clone(), manifest: side.manifest };
    Ok(ImageDiff {
        schema: SCHEMA,
        before: name(before),
        after: name(after),
        packages,
        files,
        config: diff_config(before.config, after.config),
        texts,
        texts_left_out,
    })
}

#[cfg(test)]
mod tests;
