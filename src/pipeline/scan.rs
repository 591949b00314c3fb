//! Scanner reports to the findings of each platform's image: parsed, held against the image,
//! merged, filtered, dealt out.

use time::OffsetDateTime;

use imgfix_findings as findings;
use imgfix_findings::{Filter, Filtered, FindingsError, ImageFacts, Match, ScanReport};
use imgfix_model::digest::Digest;
use imgfix_model::finding::{Assessed, Class, Finding};
use imgfix_model::package::{Inventory, is_independent};
use imgfix_model::platform::Platform;
use imgfix_oci::digest_of;

use super::checked;
use super::load::LoadedImage;
use super::seen_versions::unknown_versions;
use super::{Environment, RepairError};

/// A report's name (for messages) and bytes.
#[derive(Debug, Clone)]
pub struct NamedReport {
    /// The file's name, or what stands for it in messages and reports.
    pub name: String,
    /// The whole report, in any form that [`imgfix_findings`] reads.
    pub bytes: Vec<u8>,
}

/// What the user says about findings.
#[derive(Debug, Clone, Default)]
pub struct ScanInput {
    /// Empty: everything that the repositories have newer is repaired.
    pub reports: Vec<NamedReport>,
    /// Which findings count: severities, ids, ignore rules.
    pub filter: Filter,
    /// The folder that scanners had unpacked the image to: no part of paths in it.
    pub report_root: Option<String>,
    /// Refuse reports about another image.
    pub strict: bool,
    /// What imgfix's own checks find counts, too.
    pub checks: bool,
}

impl ScanInput {
    /// Reads one of the reports.
    ///
    /// # Errors
    /// It is no report that is known.
    pub fn parse(&self, report: &NamedReport) -> Result<ScanReport, FindingsError> {
        let mut parsed = findings::parse_report(&report.name, &report.bytes)?;
        if let Some(root) = &self.report_root {
            parsed.below_root(root);
        }
        Ok(parsed)
    }
}

/// The image that reports are held against.
pub struct Scanned<'a> {
    /// What the reference names: an index, or the manifest.
    pub root: Digest,
    /// The chosen platforms.
    pub platforms: &'a [LoadedImage],
    /// What is installed, for each platform.
    pub inventories: &'a [Option<&'a Inventory>],
}

/// All findings of all reports that the user wants, or `None` without reports. Each report is
/// held against the image's digests and what is installed in it.
///
/// # Errors
/// A report cannot be read; with `strict`, a report about another image.
pub fn findings(
    input: &ScanInput,
    image: &Scanned<'_>,
    environment: &Environment,
) -> Result<Option<Filtered>, RepairError> {
    if input.reports.is_empty() && !input.checks {
        return Ok(None);
    }
    let facts = image.facts();
    let mut reports = Vec::with_capacity(input.reports.len());
    for report in &input.reports {
        let mut parsed = input.parse(report)?;
        for warning in &parsed.warnings {
            environment.edge.progress.warn(warning);
        }
        if let Some(why) = image.other_image(&parsed, &facts) {
            if input.strict {
                return Err(RepairError::OtherImage { report: report.name.clone(), why });
            }
            let name = &report.name;
            environment
                .edge
                .progress
                .warn(&format!("{name} seems to be about another image: {why}"));
        }
        if let Some(release) = findings::other_release(&parsed.artifact, &facts) {
            for finding in parsed.findings.iter_mut().filter(|one| one.class == Class::System) {
                finding.other_release = Some(release.clone());
            }
        }
        if let Some(platform) = only_platform(&parsed, &facts) {
            for finding in &mut parsed.findings {
                finding.platform.get_or_insert_with(|| platform.to_string());
            }
        }
        reports.push(parsed);
    }
    let today = OffsetDateTime::from_unix_timestamp(environment.edge.now)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
        .date();
    let assessed = findings::merge::assessed(&reports);
    let mut all = findings::merge(reports);
    if input.checks {
        image.platforms.iter().for_each(|one| all.extend(checked::findings(one, environment)));
    }
    let mut filtered = input.filter.apply(all, today);
    filtered.assessed = assessed;
    for id in &filtered.unmatched {
        environment.edge.progress.warn(&format!("--only {id}: no report has this id"));
    }
    for unsaid in &filtered.unsaid {
        environment.edge.progress.warn(&unsaid.to_string());
    }
    for rule in &filtered.expired {
        environment.edge.progress.warn(&format!("{rule} has expired and is not followed any more"));
    }
    Ok(Some(filtered))
}

impl Scanned<'_> {
    fn facts(&self) -> Vec<ImageFacts> {
        let platforms = self.platforms.iter().zip(self.inventories);
        platforms.map(|(one, inventory)| facts(self.root, one, *inventory)).collect()
    }

    /// Why a report is about another image than this, if it seems so.
    fn other_image(&self, report: &ScanReport, facts: &[ImageFacts]) -> Option<String> {
        match findings::matches_image(&report.artifact, facts) {
            Match::No { why } => Some(why),
            // a report about the repaired image names versions that its original does not have
            _ if self.platforms.iter().any(|one| one.repaired_from.is_some()) => None,
            _ => {
                let known: Option<Vec<&Inventory>> = self.inventories.iter().copied().collect();
                known.and_then(|known| unknown_versions(&report.findings, &known))
            }
        }
    }
}

/// Of an image with several platforms, the one that a report is about: by digest, else by the
/// architecture of its packages.
fn only_platform<'a>(report: &ScanReport, facts: &'a [ImageFacts]) -> Option<&'a Platform> {
    if facts.len() < 2 {
        return None;
    }
    let by_digest = facts.iter().filter(|fact| {
        findings::matches_image(&report.artifact, std::slice::from_ref(fact)) == Match::Yes
    });
    if let [one] = by_digest.collect::<Vec<_>>().as_slice() {
        return Some(&one.platform);
    }
    let mut named = report
        .findings
        .iter()
        .filter_map(|finding| finding.architecture.as_deref())
        .filter(|architecture| !is_independent(architecture));
    let first = named.next()?;
    if named.any(|other| other != first) {
        return None;
    }
    let by_architecture =
        facts.iter().filter(|fact| fact.platform.distribution_names().contains(&first));
    match by_architecture.collect::<Vec<_>>().as_slice() {
        [one] => Some(&one.platform),
        _ => None,
    }
}

/// What is known of a loaded image, to hold reports against.
fn facts(root: Digest, loaded: &LoadedImage, inventory: Option<&Inventory>) -> ImageFacts {
    let layers = loaded.manifest.layers();
    let place = loaded.platform.to_string();
    let mut digests = vec![root, loaded.current, loaded.manifest.digest()];
    if let Some(parts) = &loaded.repaired_from {
        digests.extend([parts.original_digest, parts.original_manifest]);
    }
    ImageFacts {
        platform: loaded.platform.clone(),
        manifest_digests: digests,
        config_digest: Digest::of(loaded.config.bytes()),
        diff_ids: loaded.config.diff_ids().to_vec(),
        layer_digests: layers.iter().filter_map(|one| digest_of(one, &place).ok()).collect(),
        distribution: inventory.map(|one| one.distribution.clone()),
    }
}

/// The findings that concern one platform: those without a platform concern all.
#[must_use]
pub fn of_platform(findings: &[Finding], platform: &Platform) -> Vec<Finding> {
    findings.iter().filter(|finding| concerns(finding, platform)).cloned().collect()
}

/// What was assessed about one platform.
#[must_use]
pub fn assessed_of(filtered: &Filtered, platform: &Platform) -> Vec<Assessed> {
    filtered.assessed.iter().filter(|one| concerns(&one.finding, platform)).cloned().collect()
}

fn concerns(finding: &Finding, platform: &Platform) -> bool {
    finding.platform.as_deref().is_none_or(|named| {
        named.parse::<Platform>().map_or(true, |named| platform.matches(&named))
    })
}
