//! The review: everything that a person needs to say yes or no to a repaired image, as one
//! model ([`Review`]), and its renderings: a page ([`page`]), a comment for a pull request
//! ([`markdown`]), and JSON.
//!
//! In come a repair's report and, for each platform, the differences between the two images,
//! the changelogs of the upgraded packages and the repositories that were asked; or, for two
//! images that no repair ties together, only the differences. Out go strings. Nothing in a
//! rendering is trusted: every name, path and line of a file may want to be a command.

pub mod attention;
pub mod config;
pub mod markdown;
pub mod marks;
pub mod page;

use std::collections::BTreeMap;

use super::before_after::{LayerReport, NamedImage, PlatformReport, RepairReport, Tool};
use super::diff::ImageDiff;
use super::problems::problems;
use super::summary::{SeverityCounts, count};
pub use imgfix_model::changelog::{Changelog, ChangelogPart};
use imgfix_model::digest::Digest;
use imgfix_model::finding::Class;
use imgfix_model::platform::Platform;
use imgfix_model::verdict::Outcome;

/// The schema's name and version; a change that breaks readers gets a new number.
pub const SCHEMA: &str = "imgfix/review/v1";

/// What a person reviews.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Review {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// What made it.
    pub tool: Tool,
    /// The original, or the first of two that are compared.
    pub before: ReviewedImage,
    /// The repaired image; `None` when nothing was published.
    pub after: Option<ReviewedImage>,
    /// What became of the findings; `None` for two images that are only compared.
    pub repair: Option<RepairReport>,
    /// What is known of each platform.
    pub platforms: Vec<PlatformReview>,
    /// The command that makes the same image again; `None` when it is not known.
    pub reproduce: Option<String>,
}

/// One of the two images, as a whole.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ReviewedImage {
    /// As the user wrote it, or would write it.
    pub reference: String,
    /// Of the top manifest or index; `None` when it is not known.
    pub digest: Option<Digest>,
}

/// What is known of one platform beside the repair's report.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PlatformReview {
    /// Which one of the image's.
    pub platform: Platform,
    /// `None` when this platform is as it was.
    pub diff: Option<ImageDiff>,
    /// What the upgraded packages say of the versions between.
    pub changelogs: Vec<Changelog>,
    /// The repositories that were asked.
    pub repositories: Vec<SignedRepository>,
}

/// A repository that packages came from, and who vouches for it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SignedRepository {
    /// `http://deb.debian.org/debian bookworm`.
    pub repository: String,
    /// `Date` of its Release file.
    pub date: Option<String>,
    /// The key's fingerprint in upper-case hexadecimal; empty: the index has no signature, and
    /// each package's own counts.
    pub fingerprint: String,
    /// The key's user id, as its owner wrote it.
    pub signer: String,
    /// When it was signed, or else made, seconds since the epoch.
    pub signed: i64,
}

/// The problems of one class, before and after.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClassCounts {
    /// Of the original.
    pub before: SeverityCounts,
    /// Of the repaired image: those that are not fixed, the mitigated among them.
    pub after: SeverityCounts,
}

impl Review {
    /// The review of a repair.
    #[must_use]
    pub fn of_repair(
        report: RepairReport,
        platforms: Vec<PlatformReview>,
        reproduce: Option<String>,
    ) -> Self {
        let named = |image: &NamedImage| ReviewedImage {
            reference: image.reference.clone(),
            digest: Some(image.digest),
        };
        Self {
            schema: SCHEMA,
            tool: report.tool.clone(),
            before: named(&report.image),
            after: report.output.as_ref().map(named),
            repair: Some(report),
            platforms,
            reproduce,
        }
    }

    /// The review of two images of which nothing else is known. `None` without a platform.
    #[must_use]
    pub fn of_comparison(diffs: Vec<(Platform, ImageDiff)>) -> Option<Self> {
        let (_, first) = diffs.first()?;
        // With several platforms the digests are each platform's own.
        let single = diffs.len() == 1;
        let side = |name: &super::diff::SideName| ReviewedImage {
            reference: name.label.clone(),
            digest: name.manifest.filter(|_| single),
        };
        let (before, after) = (side(&first.before), Some(side(&first.after)));
        let platforms = diffs
            .into_iter()
            .map(|(platform, diff)| PlatformReview {
                platform,
                diff: Some(diff),
                changelogs: Vec::new(),
                repositories: Vec::new(),
            })
            .collect();
        let tool = Tool::THIS;
        Some(Self { schema: SCHEMA, tool, before, after, repair: None, platforms, reproduce: None })
    }

    /// The whole model as JSON, indented, ending in a newline.
    #[must_use]
    pub fn to_json(&self) -> String {
        imgfix_json::pretty(self)
    }

    /// Each platform with its part of the repair's report.
    pub fn pairs(&self) -> impl Iterator<Item = (&PlatformReview, Option<&PlatformReport>)> {
        self.platforms.iter().map(|one| {
            let report = self.repair.as_ref().and_then(|report| {
                report.platforms.iter().find(|other| other.platform == one.platform)
            });
            (one, report)
        })
    }

    /// Problems by class, in the order of the classes; classes without problems are left out,
    /// and so are the ignored ones.
    #[must_use]
    pub fn classes(&self) -> Vec<(Class, ClassCounts)> {
        let mut classes: BTreeMap<Class, ClassCounts> = BTreeMap::new();
        let platforms = self.repair.as_ref().map(|report| report.platforms.as_slice());
        for problem in problems(platforms.unwrap_or_default()) {
            let still_there = match problem.outcome {
                Outcome::NotAffected | Outcome::Ignored => continue,
                Outcome::Fixed => false,
                Outcome::Left | Outcome::Mitigated => true,
            };
            let counts = classes.entry(problem.class).or_default();
            counts.before.add(problem.severity);
            if still_there {
                counts.after.add(problem.severity);
            }
        }
        classes.into_iter().collect()
    }

    /// The verdict in one sentence.
    #[must_use]
    pub fn verdict(&self) -> String {
        if let Some(report) = &self.repair {
            return report.verdict();
        }
        let diffs = self.platforms.iter().filter_map(|one| one.diff.as_ref());
        if diffs.clone().all(ImageDiff::is_empty) {
            return "The two images are the same".to_owned();
        }
        let changed: usize = diffs
            .map(|diff| {
                let files = &diff.files;
                files.added.len() + files.changed.len() + files.removed.len()
            })
            .sum();
        format!("The two images differ in {}", count(changed, "file"))
    }
}

/// The layer of a platform's repair.
fn layer(report: Option<&PlatformReport>) -> Option<&LayerReport> {
    report.and_then(|report| report.layer.as_ref())
}

#[cfg(any(test, feature = "testing"))]
pub mod samples;
