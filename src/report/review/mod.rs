//! The review: everything that a person needs to say yes or no to a repaired image, as one
//! model ([`Review`]), and its renderings: a page ([`page`]), a comment for a pull request
//! ([`markdown`]), and JSON.
//!
//! In come a repair's report and, for each platform, the differences between the two images,
//! the changelogs of the upgraded packages and the repositories that were asked; or, for two
//! images that no repair ties together, only the differences. Out go strings. Nothing in a
//! rendering is trusted: every name, path and line of a file may want to be a command.

pub mod markdown;
pub mod page;

use std::collections::BTreeMap;

use super::before_after::{
    LayerReport, NamedImage, PlatformReport, RepairReport, SeverityCounts, Tool,
};
use super::diff::ImageDiff;
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
    pub tool: Tool,
    pub before: ReviewedImage,
    /// `None` when a repair published nothing.
    pub after: Option<ReviewedImage>,
    /// What became of the findings; `None` for two images that are only compared.
    pub repair: Option<RepairReport>,
    pub platforms: Vec<PlatformReview>,
    /// The command that makes the same image again; `None` when it is not known.
    pub reproduce: Option<String>,
}

/// One of the two images, as a whole.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ReviewedImage {
    pub reference: String,
    pub digest: Option<Digest>,
}

/// What is known of one platform beside the repair's report.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PlatformReview {
    pub platform: Platform,
    /// `None` when this platform is as it was.
    pub diff: Option<ImageDiff>,
    pub changelogs: Vec<Changelog>,
    pub repositories: Vec<SignedRepository>,
}

/// A repository that packages came from, and who vouches for it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SignedRepository {
    /// `http://deb.debian.org/debian bookworm`.
    pub repository: String,
    /// `Date` of its Release file.
    pub date: Option<String>,
    /// The key's fingerprint in upper-case hexadecimal.
    pub fingerprint: String,
    pub signer: String,
    /// When it was signed, seconds since the epoch.
    pub signed: i64,
}

/// The findings of one class, before and after.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClassCounts {
    pub before: SeverityCounts,
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

    /// Findings by class, in the order of the classes; classes without findings are left out.
    #[must_use]
    pub fn classes(&self) -> Vec<(Class, ClassCounts)> {
        let mut classes: BTreeMap<Class, ClassCounts> = BTreeMap::new();
        let platforms = self.repair.iter().flat_map(|report| &report.platforms);
        for judged in platforms.flat_map(|platform| &platform.findings) {
            let counts = classes.entry(judged.finding.class).or_default();
            match judged.verdict.outcome() {
                Outcome::NotAffected => {}
                Outcome::Fixed => counts.before.add(judged.finding.severity),
                Outcome::Left | Outcome::Mitigated | Outcome::Ignored => {
                    counts.before.add(judged.finding.severity);
                    counts.after.add(judged.finding.severity);
                }
            }
        }
        classes.into_iter().collect()
    }

    /// The verdict in one sentence.
    #[must_use]
    pub fn verdict(&self) -> String {
        use imgfix_terminal::count;
        let Some(report) = &self.repair else {
            let same = self.platforms.iter().filter_map(|one| one.diff.as_ref());
            return if same.clone().all(ImageDiff::is_empty) {
                "The two images are the same".to_owned()
            } else {
                let changed: usize = same
                    .map(|diff| {
                        let files = &diff.files;
                        files.added.len() + files.changed.len() + files.removed.len()
                    })
                    .sum();
                format!("The two images differ in {}", count(changed, "file"))
            };
        };
        let summary = &report.summary;
        match (&report.output, summary.findings) {
            (Some(_), 0) => format!("{} upgraded", count(summary.packages, "package")),
            (Some(_), all) if summary.not_fixed == 0 => {
                format!("All of {} fixed", count(all, "finding"))
            }
            (Some(_), all) => format!("{} of {} fixed", summary.fixed, count(all, "finding")),
            (None, 0) => "Nothing to repair; nothing was published".to_owned(),
            (None, all) => {
                format!("None of {} can be fixed; nothing was published", count(all, "finding"))
            }
        }
    }
}

/// The layer of a platform's repair.
fn layer(report: Option<&PlatformReport>) -> Option<&LayerReport> {
    report.and_then(|report| report.layer.as_ref())
}

#[cfg(any(test, feature = "testing"))]
pub mod samples;
