//! The model of a repair's report: what was there, what was done, what is left. Renderers
//! ([`super::text`], [`super::json`]) only lay it out.

use serde::ser::Serializer;

use super::scan_comparison::ScanComparison;
use imgfix_model::checksum::ArchiveChecksum;
use imgfix_model::digest::{DiffId, Digest};
use imgfix_model::finding::{Assessed, Severity};
use imgfix_model::package::PackageId;
use imgfix_model::path::ImagePath;
use imgfix_model::platform::Platform;
use imgfix_model::reason::Reason;
use imgfix_model::verdict::{JudgedFinding, Outcome};
use imgfix_recipes::StalePath;
use imgfix_versions::VersionText;

/// The schema's name and version; a change that breaks readers gets a new number.
pub const SCHEMA: &str = "imgfix/report/v1";

/// One repair, all platforms. Make it with [`RepairReport::new`].
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RepairReport {
    /// [`SCHEMA`].
    pub schema: &'static str,
    pub tool: Tool,
    pub image: NamedImage,
    /// The repaired image; `None` when nothing was published.
    pub output: Option<NamedImage>,
    pub summary: Summary,
    pub platforms: Vec<PlatformReport>,
    /// What the user's scanner says of the two images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scan: Option<ScanComparison>,
    /// What the user should look at (report of another image, expired ignore rules, ...).
    pub warnings: Vec<String>,
}

/// Who made the report.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Tool {
    pub name: &'static str,
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
    pub platform: Platform,
    /// Digest of the original's manifest.
    pub original_manifest: Digest,
    /// Digest of the repaired image's manifest; `None` when this platform is as it was.
    pub manifest: Option<Digest>,
    /// The patch layer.
    pub layer: Option<LayerReport>,
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
    /// Every finding that applies to this platform.
    pub findings: Vec<JudgedFinding>,
    /// What a report lists and somebody assessed as no problem of this image; not judged, not
    /// counted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assessed: Vec<Assessed>,
    pub files: FileCounts,
    /// What the installation did that a person may want to know.
    pub effects: Vec<EffectNote>,
    /// Maintainer scripts that were evaluated, in their order.
    pub scripts: Vec<ScriptNote>,
    /// Caches that the upgrade made stale and that were removed.
    pub stale: Vec<StaleFile>,
    pub notes: Vec<String>,
}

/// How old a repository's index was.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RepositoryState {
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
    pub package: String,
    /// `postinst` and so on.
    pub script: String,
    pub arguments: Vec<String>,
    /// What it changed outside the package manager's own database.
    pub changed: Vec<ImagePath>,
}

/// A file that a recipe removed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct StaleFile {
    pub path: ImagePath,
    /// The name of the recipe.
    pub recipe: String,
    /// What it is: the title of the recipe.
    pub title: String,
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
    pub digest: Digest,
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
    #[serde(flatten)]
    pub package: PackageId,
    /// `None`: newly installed because an upgrade needs it.
    pub from: Option<VersionText>,
    pub to: VersionText,
    /// Where the archive was taken from.
    pub url: String,
    pub checksum: ArchiveChecksum,
    pub repository: String,
}

/// A package that the package manager took away, because another is in its place or nothing
/// needs it any more.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PackageRemoved {
    #[serde(flatten)]
    pub package: PackageId,
    pub version: VersionText,
    pub explanation: String,
}

/// A component of a store, other than a package, that was changed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ComponentChange {
    /// Where it is: `python at /opt/venv/lib/python3.12/site-packages`.
    pub store: String,
    pub component: String,
    /// `None`: it was not there, or has no versions.
    pub from: Option<VersionText>,
    /// `None`: it is gone, or has no versions.
    pub to: Option<VersionText>,
}

/// A package that the repositories have newer and that was left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageKept {
    pub package: PackageId,
    /// The newer version.
    pub version: VersionText,
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
    pub added: u64,
    pub changed: u64,
    pub removed: u64,
}

/// One sentence on what an installation did (`a changed conffile was kept: ...`).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct EffectNote {
    pub package: String,
    pub text: String,
}

/// Findings by severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct SeverityCounts {
    pub critical: usize,
    pub high: usize,
    pub medium: usize,
    pub low: usize,
    pub negligible: usize,
    pub unknown: usize,
}

impl std::fmt::Display for SeverityCounts {
    /// `2 critical, 1 high`; nothing for no findings.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<String> = Severity::WORST_FIRST
            .into_iter()
            .filter(|severity| self.of(*severity) > 0)
            .map(|severity| format!("{} {severity}", self.of(severity)))
            .collect();
        f.write_str(&parts.join(", "))
    }
}

impl SeverityCounts {
    /// Counts one finding more.
    pub fn add(&mut self, severity: Severity) {
        match severity {
            Severity::Critical => self.critical += 1,
            Severity::High => self.high += 1,
            Severity::Medium => self.medium += 1,
            Severity::Low => self.low += 1,
            Severity::Negligible => self.negligible += 1,
            Severity::Unknown => self.unknown += 1,
        }
    }

    #[must_use]
    pub fn of(&self, severity: Severity) -> usize {
        match severity {
            Severity::Critical => self.critical,
            Severity::High => self.high,
            Severity::Medium => self.medium,
            Severity::Low => self.low,
            Severity::Negligible => self.negligible,
            Severity::Unknown => self.unknown,
        }
    }

    #[must_use]
    pub fn total(&self) -> usize {
        Severity::WORST_FIRST.into_iter().map(|severity| self.of(severity)).sum()
    }
}

/// Counts over all platforms: a finding of two platforms counts twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    /// All findings but the ignored ones and those that were not there.
    pub findings: usize,
    pub fixed: usize,
    /// Still there, and out of use.
    #[serde(skip_serializing_if = "is_zero")]
    pub mitigated: usize,
    pub not_fixed: usize,
    /// Left alone because the user said so.
    pub ignored: usize,
    /// Not there before the repair: the installed version was not affected.
    pub not_affected: usize,
    /// Assessed as no problem of the image by a report or a statement in it.
    pub assessed: usize,
    /// All findings, the ignored ones included, those that were not there left out.
    pub before: SeverityCounts,
    /// What is left, the mitigated and the ignored ones included: a scanner still finds them.
    pub after: SeverityCounts,
    /// Packages upgraded or installed.
    pub packages: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Summary {
    /// Counts what the platforms' reports say.
    #[must_use]
    pub fn of(platforms: &[PlatformReport]) -> Self {
        let mut summary = Self::default();
        for judged in platforms.iter().flat_map(|platform| &platform.findings) {
            let severity = judged.finding.severity;
            if judged.verdict.outcome() != Outcome::NotAffected {
                summary.before.add(severity);
            }
            match judged.verdict.outcome() {
                Outcome::NotAffected => summary.not_affected += 1,
                Outcome::Fixed => summary.fixed += 1,
                Outcome::Mitigated => {
                    summary.mitigated += 1;
                    summary.after.add(severity);
                }
                Outcome::Left => {
                    summary.not_fixed += 1;
                    summary.after.add(severity);
                }
                Outcome::Ignored => {
                    summary.ignored += 1;
                    summary.after.add(severity);
                }
            }
        }
        summary.findings = summary.fixed + summary.mitigated + summary.not_fixed;
        summary.assessed = platforms.iter().map(|platform| platform.assessed.len()).sum();
        summary.packages = platforms.iter().map(|platform| platform.packages.len()).sum();
        summary
    }
}

impl RepairReport {
    /// Puts the report together: findings are brought into the order of reports (worst
    /// first) and counted.
    #[must_use]
    pub fn new(
        image: NamedImage,
        output: Option<NamedImage>,
        mut platforms: Vec<PlatformReport>,
        warnings: Vec<String>,
    ) -> Self {
        for platform in &mut platforms {
            platform.findings.sort_by(|a, b| {
                b.finding.severity.cmp(&a.finding.severity).then_with(|| a.finding.cmp(&b.finding))
            });
        }
        Self {
            schema: SCHEMA,
            tool: Tool::THIS,
            image,
            output,
            summary: Summary::of(&platforms),
            platforms,
            scan: None,
            warnings,
        }
    }

    /// Findings that are left and at least as bad as `severity`, for the exit code of
    /// `--fail-on`. What the user chose to ignore does not count; what only the user's scanner
    /// still finds does.
    #[must_use]
    pub fn remaining_at_or_above(&self, severity: Severity) -> usize {
        let unexpected = self.scan.as_ref().map_or(0, |scan| scan.unexpected_at_or_above(severity));
        let left = self
            .platforms
            .iter()
            .flat_map(|platform| &platform.findings)
            .filter(|judged| {
                judged.verdict.outcome() == Outcome::Left && judged.finding.severity >= severity
            })
            .count();
        left + unexpected
    }
}

#[cfg(any(test, feature = "testing"))]
pub mod samples {
    use super::*;
    use imgfix_model::finding::Finding;
    use imgfix_model::verdict::Verdict;

    fn digest(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    fn finding(id: &str, severity: Severity, package: &str, installed: &str) -> Finding {
        Finding {
            severity,
            architecture: Some("amd64".into()),
            ..Finding::system(id, package, installed)
        }
    }

    fn fixed(finding: Finding, version: &str) -> JudgedFinding {
        let finding = Finding { fixed: Some(version.into()), ..finding };
        JudgedFinding { finding, verdict: Verdict::Fixed { version: version.into() } }
    }

    fn left(finding: Finding, reason: Reason) -> JudgedFinding {
        JudgedFinding { finding, verdict: Verdict::NotFixed { reason } }
    }

    fn change(name: &str, from: Option<&str>, to: &str) -> PackageChange {
        PackageChange {
            package: PackageId { name: name.into(), architecture: "amd64".into() },
            from: from.map(Into::into),
            to: to.into(),
            url: format!("http://deb.debian.org/debian-security/pool/{name}.deb"),
            checksum: ArchiveChecksum::Sha256(digest(name)),
            repository: "http://deb.debian.org/debian-security bookworm-security main".into(),
        }
    }

    /// A repair with one of everything, and names that want to command the terminal.
    pub fn report() -> RepairReport {
        let ssl = |id, severity| finding(id, severity, "libssl3", "3.0.11-1~deb12u2");
        let platform = PlatformReport {
            platform: Platform { os: "linux".into(), architecture: "amd64".into(), variant: None },
            original_manifest: digest("original manifest"),
            manifest: Some(digest("new manifest")),
            repositories: vec![RepositoryState {
                repository: "http://deb.debian.org/debian bookworm".into(),
                date: Some("Sat, 28 Nov 2026 00:53:02 UTC".into()),
                age_days: 1,
            }],
            layer: Some(LayerReport {
                digest: digest("layer"),
                diff_id: DiffId(digest("diff id")),
                size: 2_345_678,
                unpacked_size: 8_100_000,
                entries: 47,
            }),
            packages: vec![
                change("libc6", Some("2.36-9+deb12u4"), "2.36-9+deb12u9"),
                change("libssl3", Some("3.0.11-1~deb12u2"), "3.0.15-1~deb12u1"),
                change("libnew1", None, "1.0-1"),
            ],
            removed: vec![PackageRemoved {
                package: PackageId { name: "libold1".into(), architecture: "amd64".into() },
                version: "0.9-1".into(),
                explanation: "nothing needs it any more".to_owned(),
            }],
            components: Vec::new(),
            kept_back: vec![PackageKept {
                package: PackageId { name: "tzdata".into(), architecture: "all".into() },
                version: "2024b-0+deb12u1".into(),
                reason: Reason::Held { package: "tzdata".into(), by: "dpkg".into() },
            }],
            findings: vec![
                left(
                    finding("CVE-2011-3374", Severity::Low, "apt", "2.6.1"),
                    Reason::NoFixedVersion,
                ),
                fixed(ssl("CVE-2024-5535", Severity::Critical), "3.0.14-1~deb12u1"),
                fixed(ssl("CVE-2024-6119", Severity::High), "3.0.14-1~deb12u2"),
                fixed(
                    finding("CVE-2024-2961", Severity::High, "libc6", "2.36-9+deb12u4"),
                    "2.36-9+deb12u6",
                ),
                left(
                    finding("CVE-2023-7008", Severity::Medium, "libsystemd0", "252.1"),
                    Reason::NoFixedVersion,
                ),
                left(
                    finding("CVE-2023-4911", Severity::High, "perl-base", "5.36.0-7"),
                    Reason::NeedsScripts {
                        package: "perl-base".into(),
                        script: "postinst".into(),
                        line: Some(12),
                        detail: "perl -e".into(),
                    },
                ),
                left(
                    finding("CVE-2023-31484", Severity::Critical, "perl-base", "5.36.0-7"),
                    Reason::NeedsScripts {
                        package: "perl-base".into(),
                        script: "postinst".into(),
                        line: Some(12),
                        detail: "perl -e".into(),
                    },
                ),
                left(
                    Finding {
                        class: imgfix_model::finding::Class::Library,
                        path: Some("/app/evil\x1b[2J.jar".into()),
                        ..finding("CVE-2022-22965", Severity::Unknown, "org:\x1b[31mspring", "1\n2")
                    },
                    Reason::NoRecipe { class: "library".into() },
                ),
                left(
                    finding("CVE-2020-1", Severity::Low, "bash", "5.2.15-2"),
                    Reason::Ignored { by: ".trivyignore:3".into() },
                ),
                JudgedFinding {
                    finding: Finding {
                        fixed: Some("5.2.15-1".into()),
                        ..finding("CVE-2019-2", Severity::High, "bash", "5.2.15-2")
                    },
                    verdict: Verdict::NotAffected { version: "5.2.15-2".into() },
                },
            ],
            assessed: vec![Assessed {
                finding: finding("CVE-2018-3", Severity::High, "bash", "5.2.15-2"),
                assessment: "not_affected".into(),
                by: "the report (code_not_reachable)".into(),
            }],
            files: FileCounts { added: 5, changed: 40, removed: 2 },
            scripts: vec![ScriptNote {
                package: "tzdata:all".into(),
                script: "postinst".to_owned(),
                arguments: vec!["configure".into(), "2024a-0+deb12u1".into()],
                changed: vec![ImagePath::literal("/etc/localtime")],
            }],
            stale: vec![StaleFile {
                path: ImagePath::literal("/usr/lib/python3/__pycache__/os.cpython-311.pyc"),
                recipe: "python-bytecode".into(),
                title: "Python's bytecode".into(),
                reason: "made from /usr/lib/python3/os.py, which the upgrade replaced".into(),
            }],
            effects: vec![EffectNote {
                package: "openssl:amd64".into(),
                text: "/etc/ssl/openssl.cnf was changed in the image and stays".into(),
            }],
            notes: vec!["the image has no apt sources".into()],
        };
        RepairReport::new(
            NamedImage {
                reference: "docker://registry.example/app:1.0".into(),
                digest: digest("image"),
            },
            Some(NamedImage {
                reference: "docker://registry.example/app:1.0_fix".into(),
                digest: digest("output"),
            }),
            vec![platform],
            vec!["report.json is about debian 11".into()],
        )
    }

    /// A repair with a scanner's second opinion.
    pub fn scanned() -> RepairReport {
        let mut report = report();
        let before: Vec<Finding> =
            report.platforms[0].findings.iter().map(|judged| judged.finding.clone()).collect();
        let after = before.get(..3).unwrap_or_default();
        report.scan = Some(ScanComparison::new("trivy image {image}", &before, after, &report));
        report
    }

    /// Nothing could be done, so nothing was published.
    pub fn untouched() -> RepairReport {
        let mut all = report();
        let mut platform = all.platforms.remove(0);
        platform.manifest = None;
        platform.layer = None;
        platform.packages.clear();
        platform.files = FileCounts::default();
        platform.effects.clear();
        platform.removed.clear();
        platform.scripts.clear();
        platform.stale.clear();
        platform.notes.clear();
        platform.findings.retain(|judged| judged.verdict.outcome() == Outcome::Left);
        RepairReport::new(all.image, None, vec![platform], Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_agree_with_the_verdicts() {
        let summary = samples::report().summary;
        assert_eq!((summary.findings, summary.fixed, summary.not_fixed), (8, 3, 5));
        assert_eq!((summary.ignored, summary.packages), (1, 3));
        assert_eq!((summary.before.total(), summary.after.total()), (9, 6));
        assert_eq!((summary.before.critical, summary.after.critical), (2, 1));
        assert_eq!((summary.before.low, summary.after.low), (2, 2));
    }

    #[test]
    fn what_is_left_decides_the_exit_code() {
        let report = samples::report();
        for (severity, want) in [
            (Severity::Critical, 1),
            (Severity::High, 2),
            (Severity::Medium, 3),
            (Severity::Low, 4),
            (Severity::Unknown, 5),
        ] {
            assert_eq!(report.remaining_at_or_above(severity), want, "{severity}");
        }
    }

    #[test]
    fn the_worst_finding_comes_first() {
        let report = samples::report();
        let severities: Vec<Severity> =
            report.platforms[0].findings.iter().map(|judged| judged.finding.severity).collect();
        assert!(severities.windows(2).all(|pair| pair[0] >= pair[1]), "{severities:?}");
    }
}
