//! The model of a repair's report: what was there, what was done, what is left. Renderers
//! ([`super::text`], [`super::json`]) only lay it out; the counts are in [`super::summary`].

use serde::ser::Serializer;

use super::gate::Gate;
use super::scan_comparison::ScanComparison;
use super::sources::Sources;
use super::summary::Summary;
use imgfix_model::checksum::ArchiveChecksum;
use imgfix_model::digest::{DiffId, Digest};
use imgfix_model::finding::{Assessed, Severity};
use imgfix_model::package::PackageId;
use imgfix_model::path::ImagePath;
use imgfix_model::platform::Platform;
use imgfix_model::reason::Reason;
use imgfix_model::verdict::JudgedFinding;
use imgfix_recipes::StalePath;
use imgfix_versions::VersionText;

/// The schema's name and version; a change that breaks readers gets a new number.
pub const SCHEMA: &str = "imgfix/report/v1";

/// One repair, all platforms. Make it with [`RepairReport::new`].
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RepairReport {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// What wrote the report.
    pub tool: Tool,
    /// Whether verdicts say what is or what would be.
    #[serde(skip_serializing_if = "Stage::is_repaired")]
    pub stage: Stage,
    /// The image that was repaired.
    pub image: NamedImage,
    /// The repaired image; `None` when nothing was published.
    pub output: Option<NamedImage>,
    /// The counts.
    pub summary: Summary,
    /// What `--fail-on` says; `None` when nobody asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// One element a platform, in the order of the index.
    pub platforms: Vec<PlatformReport>,
    /// What the user's scanner says of the two images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scan: Option<ScanComparison>,
    /// What the user should look at (report of another image, expired ignore rules, ...).
    pub warnings: Vec<String>,
}

/// How far a repair has come when its report is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Verdicts are read back from the layer that is published.
    #[default]
    Repaired,
    /// Verdicts are what a plan would do: tried in memory, and nothing is written.
    Planned,
}

impl Stage {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
    fn is_repaired(&self) -> bool {
        *self == Stage::Repaired
    }
}

/// Who made the report.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Tool {
    /// `imgfix`.
    pub name: &'static str,
    /// As `imgfix --version` says it: `0.1.0`.
    pub version: &'static str,
}

impl Tool {
    /// This program.
    pub const THIS: Self = Self { name: "imgfix", version: env!("CARGO_PKG_VERSION") };
}

/// An image by name and content.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct NamedImage {
    /// As the user wrote it, or would write it.
    pub reference: String,
    /// Of the top manifest or index.
    pub digest: Digest,
}

/// One platform's image.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PlatformReport {
    /// Which one of the image's.
    pub platform: Platform,
    /// Digest of the original's manifest.
    pub original_manifest: Digest,
    /// Digest of the repaired image's manifest; `None` when this platform is as it was.
    pub manifest: Option<Digest>,
    /// The patch layer; `None` when this platform is as it was.
    pub layer: Option<LayerReport>,
    /// How large the image is.
    pub size: ImageSize,
    /// The repositories that were asked, with the age of their indexes; none for a saved plan.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<RepositoryState>,
    /// In installation order.
    pub packages: Vec<PackageChange>,
    /// Packages that the package manager took away with these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<PackageRemoved>,
    /// What was changed in stores that are no package manager.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<ComponentChange>,
    /// Without a scanner's report: newer versions that were left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept_back: Vec<PackageKept>,
    /// The source packages that packages of this report were built from.
    #[serde(skip_serializing_if = "Sources::is_empty")]
    pub sources: Sources,
    /// Every finding that applies to this platform, the worst first.
    pub findings: Vec<JudgedFinding>,
    /// What a report lists and somebody assessed as no problem of this image; not judged, not
    /// counted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assessed: Vec<Assessed>,
    /// How many paths the layer touches.
    pub files: FileCounts,
    /// What the installation did that a person may want to know.
    pub effects: Vec<EffectNote>,
    /// Maintainer scripts that were evaluated, in their order.
    pub scripts: Vec<ScriptNote>,
    /// Caches that the upgrade made stale and that were removed.
    pub stale: Vec<StaleFile>,
    /// Sentences for people, of the planner and the installation.
    pub notes: Vec<String>,
}

impl PlatformReport {
    /// Whether anything was, or would be, changed.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.layer.is_some()
            || !self.packages.is_empty()
            || !self.removed.is_empty()
            || !self.components.is_empty()
    }
}

/// How large an image is: its layers as they are stored, which is what a registry keeps and a
/// machine pulls, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct ImageSize {
    /// Of the original.
    pub before: u64,
    /// Of the repaired image; the same when nothing was changed.
    pub after: u64,
}

/// How old a repository's index was.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RepositoryState {
    /// URL and suite or branch, as in the image's sources.
    pub repository: String,
    /// When the index was made, as it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// Whole days from then to the time of the run.
    pub age_days: i64,
}

/// A maintainer script that was evaluated over the image.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ScriptNote {
    /// Whose script it is: `name:architecture`.
    pub package: String,
    /// `postinst` and so on.
    pub script: String,
    /// What the package manager calls it with: `configure 2.36-9`.
    pub arguments: Vec<String>,
    /// What it changed outside the package manager's own database.
    pub changed: Vec<ImagePath>,
}

/// A file that a recipe removed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct StaleFile {
    /// Where it was in the image.
    pub path: ImagePath,
    /// The name of the recipe.
    pub recipe: String,
    /// What it is: the title of the recipe.
    pub title: String,
    /// What made it stale, as half a sentence.
    pub reason: String,
}

impl From<StalePath> for StaleFile {
    fn from(StalePath { path, recipe, title, reason }: StalePath) -> Self {
        Self { path, recipe, title, reason }
    }
}

/// The layer that a repair adds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LayerReport {
    /// Of the bytes as stored.
    pub digest: Digest,
    /// Of the uncompressed tar, as the image's config names it.
    #[serde(serialize_with = "diff_id")]
    pub diff_id: DiffId,
    /// Bytes as stored.
    pub size: u64,
    /// Bytes of the uncompressed tar.
    pub unpacked_size: u64,
    /// Number of tar entries.
    pub entries: u64,
}

fn diff_id<S: Serializer>(diff_id: &DiffId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(diff_id)
}

/// A package that was upgraded or newly installed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PackageChange {
    /// Which package.
    #[serde(flatten)]
    pub package: PackageId,
    /// `None`: newly installed because an upgrade needs it.
    pub from: Option<VersionText>,
    /// The version that is installed now.
    pub to: VersionText,
    /// Where the archive was taken from.
    pub url: String,
    /// What the archive was checked against, as the repository's index has it.
    pub checksum: ArchiveChecksum,
    /// The repository that has the archive, for people.
    pub repository: String,
    /// Without a scanner's report: the vulnerabilities that the package's changelog names between
    /// the two versions, sorted. They are no findings: nobody judged them. `None`: there was a
    /// report, or no changelog was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub named_in_changelogs: Option<Vec<String>>,
}

/// A package that the package manager took away, because another is in its place or nothing
/// needs it any more.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PackageRemoved {
    /// Which package.
    #[serde(flatten)]
    pub package: PackageId,
    /// The version that was installed.
    pub version: VersionText,
    /// Why it goes, as half a sentence.
    pub explanation: String,
}

/// A component of a store, other than a package, that was changed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ComponentChange {
    /// Where it is: `python at /opt/venv/lib/python3.12/site-packages`.
    pub store: String,
    /// Its name in its store.
    pub component: String,
    /// `None`: it was not there, or has no versions.
    pub from: Option<VersionText>,
    /// `None`: it is gone, or has no versions.
    pub to: Option<VersionText>,
    /// Which copy it is, where a store may have several: the file that recorded it before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<ImagePath>,
    /// What it is made of now, when that was fetched.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub archive: Option<ComponentArchive>,
}

/// The archive of a component.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ComponentArchive {
    /// Where it was taken from.
    pub url: String,
    /// What it was checked against.
    pub checksum: ArchiveChecksum,
    /// The registry or the rule that has it, for people.
    pub repository: String,
    /// Who is attested to have published it, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attested_by: Option<String>,
}

/// A package that the repositories have newer and that was left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageKept {
    /// Which package.
    pub package: PackageId,
    /// The newer version.
    pub version: VersionText,
    /// Why it was left out.
    pub reason: Reason,
}

impl serde::Serialize for PackageKept {
    /// The package's fields, `version`, and `reason` with `explanation`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        struct Flat<'a> {
            #[serde(flatten)]
            package: &'a PackageId,
            version: &'a VersionText,
            reason: &'a Reason,
            explanation: String,
        }
        let explanation = self.reason.to_string();
        Flat { package: &self.package, version: &self.version, reason: &self.reason, explanation }
            .serialize(serializer)
    }
}

/// How many paths of the image the layer touches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct FileCounts {
    /// Paths that the original does not have.
    pub added: u64,
    /// Paths of the original that the layer has anew, those that are as they were among them:
    /// an upgraded package brings all its files.
    pub changed: u64,
    /// Paths of the original that are gone.
    pub removed: u64,
    /// Of `changed`, those in which something but the time differs. `None`: the images were not
    /// compared, which only a review asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differing: Option<u64>,
    /// What the layer leaves out on demand, and is in no other number here. `None`: nobody asked
    /// for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<IdenticalFiles>,
}

/// Files that the changes write anew and that are what they were, but for their time: the
/// original's are kept, with their times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct IdenticalFiles {
    /// How many paths, those of links among them, directories not.
    pub files: u64,
    /// Bytes of their contents.
    pub bytes: u64,
}

/// One sentence on what an installation did (`a changed conffile was kept: ...`).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct EffectNote {
    /// `name:architecture`.
    pub package: String,
    /// What it is about, in a word that stays: `conffile-kept`.
    pub kind: &'static str,
    /// The sentence, without the package's name.
    pub text: String,
}

impl RepairReport {
    /// Puts the report together: findings are brought into the order of reports
    /// ([`imgfix_model::finding::Finding::urgency`]) and counted.
    #[must_use]
    pub fn new(
        image: NamedImage,
        output: Option<NamedImage>,
        mut platforms: Vec<PlatformReport>,
        warnings: Vec<String>,
    ) -> Self {
        for platform in &mut platforms {
            platform.findings.sort_by(|a, b| a.finding.urgency().cmp(&b.finding.urgency()));
        }
        Self {
            schema: SCHEMA,
            tool: Tool::THIS,
            stage: Stage::Repaired,
            image,
            output,
            summary: Summary::of(&platforms),
            gate: None,
            platforms,
            scan: None,
            warnings,
        }
    }

    /// Notes what a gate says of the report as it is now: findings and the scanner's second
    /// opinion count.
    pub fn hold_against(&mut self, threshold: Severity) {
        self.gate = Some(Gate::of(self, threshold));
    }

    /// The exit code of `--fail-on` is that of a gate which is not passed.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.gate.as_ref().is_some_and(|gate| !gate.passed)
    }
}

#[cfg(any(test, feature = "testing"))]
pub mod samples;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_exploited_comes_first_then_the_worst() {
        let report = samples::report();
        let (first, rest) = report.platforms[0].findings.split_first().unwrap();
        assert!(first.finding.known_exploited);
        let severities: Vec<Severity> = rest.iter().map(|judged| judged.finding.severity).collect();
        assert!(severities.windows(2).all(|pair| pair[0] >= pair[1]), "{severities:?}");
    }
}
