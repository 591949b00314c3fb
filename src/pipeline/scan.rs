//! Scanner reports to the findings of each platform's image: parsed, held against the image,
//! merged, filtered, dealt out.

use time::OffsetDateTime;

use crate::findings::{self, Filter, Filtered, Finding, ImageFacts, Match};
use crate::image::{Digest, Platform, digest_of};
use crate::packages::Distribution;

use super::load::Loaded;
use super::{Environment, RepairError};

/// A report's name (for messages) and bytes.
#[derive(Debug, Clone)]
pub struct NamedReport {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// What the user says about findings.
#[derive(Debug, Clone, Default)]
pub struct ScanInput {
    /// Empty: everything that the repositories have newer is repaired.
    pub reports: Vec<NamedReport>,
    pub filter: Filter,
    /// Refuse reports about another image.
    pub strict: bool,
}

/// All findings of all reports that the user wants, or `None` without reports.
///
/// # Errors
/// A report cannot be read; with `strict`, a report about another image.
pub fn findings(
    input: &ScanInput,
    facts: &[ImageFacts],
    environment: &Environment,
) -> Result<Option<Filtered>, RepairError> {
    if input.reports.is_empty() {
        return Ok(None);
    }
    let mut reports = Vec::with_capacity(input.reports.len());
    for report in &input.reports {
        let parsed = findings::parse_report(&report.name, &report.bytes)?;
        for warning in &parsed.warnings {
            environment.progress.warn(&format!("{}: {warning}", report.name));
        }
        if let Match::No { why } = findings::matches_image(&parsed.artifact, facts) {
            if input.strict {
                return Err(RepairError::OtherImage { report: report.name.clone(), why });
            }
            let name = &report.name;
            environment.progress.warn(&format!("{name} seems to be about another image: {why}"));
        }
        reports.push(parsed);
    }
    let today = OffsetDateTime::from_unix_timestamp(environment.now)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
        .date();
    let filtered = input.filter.apply(findings::merge(reports), today);
    for id in &filtered.unmatched {
        environment.progress.warn(&format!("--only {id}: no report has this id"));
    }
    for rule in &filtered.expired {
        environment.progress.warn(&format!("{rule} has expired and is not followed any more"));
    }
    Ok(Some(filtered))
}

/// What is known of a loaded image, to hold reports against.
#[must_use]
pub fn facts(root: Digest, loaded: &Loaded, distribution: Distribution) -> ImageFacts {
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
        distribution: Some(distribution),
    }
}

/// The findings that concern one platform: those without a platform concern all.
#[must_use]
pub fn of_platform(findings: &[Finding], platform: &Platform) -> Vec<Finding> {
    findings
        .iter()
        .filter(|finding| {
            finding.platform.as_deref().is_none_or(|named| {
                named.parse::<Platform>().map_or(true, |named| platform.matches(&named))
            })
        })
        .cloned()
        .collect()
}
