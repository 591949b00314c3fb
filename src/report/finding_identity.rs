//! What makes a finding the same one at another tag and after another repair, for tools that know
//! their alerts again: neither a tag nor a digest nor a version of anything.

use serde_json::json;

use super::before_after::{PlatformReport, RepairReport};
use super::image_name;
use imgfix_model::finding::Finding;

/// The identity of a finding of a platform, as a text to make a fingerprint or a name of.
#[must_use]
pub fn identity(report: &RepairReport, platform: &PlatformReport, finding: &Finding) -> String {
    json!([
        image_name::stable(&report.image.reference),
        platform.platform.to_string(),
        finding.class,
        platform.sources.of_finding(finding),
        finding.package,
        finding.architecture,
        finding.rough_place(),
        finding.id,
    ])
    .to_string()
}
